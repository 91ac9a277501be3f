import project from '../package.json' with { type: 'json' }
import { readCommandLine } from './cli/parse-args.js'
import type { Command } from './options/commands.js'
import type { RawInputs } from './options/read.js'
import { runCommand } from './commands/run-command.js'
import { readSettings } from './commands/settings.js'
import { withSections } from './report/gitlab.js'
import { junit } from './report/junit.js'
import { warned, type Report } from './report/report.js'
import { exitCodes } from './failure/result.js'
import { historyTable } from './report/history-table.js'
import { Reporter } from './report/reporter.js'
import { screen } from './report/screen.js'
import { terminalSink, writeClosing } from './report/terminal.js'
import { notifyWebhook } from './report/notify.js'
import { oneLine, onCancel } from './report/sentences.js'
import { holderOf } from './stages/lock.js'
import { cancelSignal, outliveReaders } from './platform/cancel.js'
import { realPlatform } from './platform/real.js'
import { colorOf, windowOf } from './platform/window.js'

type Render = (report: Report) => string
const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`

/** The files that a run writes, however it ends, by the option that holds their path. */
const forms = { report: json, junit }

const invocation = readCommandLine(process.argv.slice(2), project.version, {
  columns: (process.stdout.isTTY && process.stdout.columns) || 80,
  color: colorOf(process.stdout, process.env),
})
outliveReaders()
switch (invocation.is) {
  case 'run':
    await run(invocation.command, invocation.given)
    break
  case 'answer':
    process.stdout.write(invocation.text)
    break
  case 'lost':
    process.stderr.write(invocation.text)
    process.exitCode = exitCodes.usage
    break
  case 'wrong':
    console.error(oneLine(invocation.problem))
    process.exitCode = exitCodes.usage
}

async function run(command: Command, given: RawInputs): Promise<void> {
  const platform = realPlatform(process.env)
  const reading = await readSettings(command, given, 'command', platform.files)
  if (reading.is === 'wrong') {
    for (const problem of reading.problems)
      console.error(oneLine(`django-rollout ${command}: ${problem}`))
    process.exitCode = exitCodes.usage
    return
  }
  const { settings } = reading
  // A reader of JSON gets the JSON and nothing else.
  const stream = settings.json ? process.stderr : process.stdout
  const inGitLab = process.env['GITLAB_CI'] === 'true'
  const color = colorOf(stream, process.env)
  const window = windowOf(stream, process.env)
  const drawn = window && screen(window, platform.clock)
  const write = (line: string) => {
    if (drawn) drawn.print(line)
    else stream.write(`${line}\n`)
  }
  const signal = cancelSignal((why) => {
    const then = onCancel(command)
    write(then === undefined ? `· ${why}` : `· ${why}: ${then}`)
  })
  const sink = terminalSink(write, color, drawn)
  const raw = (text: string) => void stream.write(text)
  const stageSink = inGitLab ? withSections(sink, raw, platform.clock) : sink
  const reporter = new Reporter(stageSink, platform.clock)
  const holder = await holderOf(platform)
  const ended = await runCommand(command, { platform, settings, reporter, signal, holder })
  // Runs before anything that may fail.
  process.exitCode = exitCodes[ended.result] || process.exitCode
  const report = warned(ended, await notifyWebhook(platform, settings, { report: ended, holder }))
  if (report.history && !settings.json) historyTable(report.history).forEach(write)
  else if (!report.history) writeClosing(report, write, color)
  if (settings.json) {
    const wanted = command === 'history' ? report.history : report
    if (wanted) process.stdout.write(json(wanted))
  }
  for (const [option, render] of Object.entries(forms) as [keyof typeof forms, Render][]) {
    const path = settings[option]
    if (path === undefined) continue
    await platform.files.write(path, render(report)).catch((error: unknown) => {
      console.error(`the report could not be written: ${String(error)}`)
    })
  }
}
