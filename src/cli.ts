import project from '../package.json' with { type: 'json' }
import { readCommandLine } from './commandline/read.js'
import type { Given } from './options/read.js'
import type { Command } from './options/table.js'
import { runCommand } from './pipeline/commands.js'
import { readSettings } from './pipeline/settings.js'
import { exitCodes, warned } from './report/report.js'
import { historyTable } from './report/historytable.js'
import { Reporter } from './report/reporter.js'
import { screen } from './report/screen.js'
import { terminalSink, writeClosing } from './report/terminal.js'
import { tellWebhook } from './report/webhook.js'
import { holderOf } from './stages/lock.js'
import { cancelSignal, outliveReaders } from './world/cancel.js'
import { realWorld } from './world/real.js'
import { colorOf, windowOf } from './world/window.js'

const asked = readCommandLine(process.argv.slice(2), project.version, {
  columns: (process.stdout.isTTY && process.stdout.columns) || 80,
  color: colorOf(process.stdout, process.env),
})
outliveReaders()
switch (asked.is) {
  case 'run':
    process.exitCode = await run(asked.command, asked.given)
    break
  case 'answer':
    process.stdout.write(asked.text)
    break
  case 'wrong':
    process.stderr.write(asked.text)
    process.exitCode = exitCodes.usage
}

async function run(command: Command, given: Given): Promise<number> {
  const world = realWorld(process.env)
  const reading = await readSettings(command, given, 'command', world.files)
  if (reading.is === 'wrong') {
    for (const problem of reading.problems) console.error(`django-rollout ${command}: ${problem}`)
    return exitCodes.usage
  }
  const { settings } = reading
  // Whoever reads JSON gets that and nothing else.
  const stream = settings.json ? process.stderr : process.stdout
  const color = colorOf(stream, process.env)
  const window = windowOf(stream, process.env)
  const drawn = window && screen(window, world.clock)
  const write = (line: string) => {
    if (drawn) drawn.print(line)
    else stream.write(`${line}\n`)
  }
  const signal = cancelSignal((why) => {
    write(
      command === 'history' || command === 'doctor'
        ? `· ${why}`
        : `· ${why}: what has changed is put back`,
    )
  })
  const reporter = new Reporter(terminalSink(write, color, drawn), world.clock)
  const holder = holderOf(world)
  const ended = await runCommand(command, { world, settings, reporter, signal, holder })
  const report = warned(ended, await tellWebhook(world, settings, ended, holder))
  if (report.history && !settings.json) historyTable(report.history).forEach(write)
  else if (!report.history) writeClosing(report, write, color)
  if (settings.json) {
    const told = command === 'history' ? report.history : report
    if (told) process.stdout.write(`${JSON.stringify(told, null, 2)}\n`)
  }
  const path = settings.report
  if (path !== undefined) {
    await world.files
      .write(path, `${JSON.stringify(report, null, 2)}\n`)
      .catch((error: unknown) => {
        console.error(`the report could not be written: ${String(error)}`)
      })
  }
  return exitCodes[report.result]
}
