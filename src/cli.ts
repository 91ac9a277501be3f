import { Command, CommanderError, Option } from 'commander'
import project from '../package.json' with { type: 'json' }
import { about } from './options/about.js'
import type { Given } from './options/read.js'
import { commands, optionsOf, type Command as CommandName } from './options/table.js'
import { runCommand } from './pipeline/commands.js'
import { readSettings } from './pipeline/settings.js'
import { exitCodes, warned } from './report/report.js'
import { historyTable } from './report/historytable.js'
import { Reporter } from './report/reporter.js'
import { screen } from './report/screen.js'
import { terminalSink, writeClosing } from './report/terminal.js'
import { tellWebhook } from './report/webhook.js'
import { holderOf } from './stages/lock.js'
import { cancelSignal } from './world/cancel.js'
import { realWorld } from './world/real.js'
import { windowOf } from './world/window.js'

const results = `
Ends with 0 when the version is deployed (or ran already), 1 when it is not and all is as before,
2 for a wrong option, 3 when a person is needed, 4 when another release is under way,
5 when a newer version is live or somebody else changed the image, 130 when cancelled.
`

const program = new Command('django-rollout')
  .description('Deploy Django to Kubernetes as one transaction.')
  .version(project.version)
  .exitOverride()
  .configureHelp({ showGlobalOptions: false })
  .addHelpText('after', results)

for (const name of commands) {
  const command = program.command(name).description(about[name]).exitOverride()
  for (const [option, { help, default: standard, required, flag }] of optionsOf(name, 'command')) {
    const extra = required ? ' (required)' : standard && !flag ? ` (default: ${standard})` : ''
    command.addOption(
      flag
        ? new Option(`--${option} [value]`, help).preset('true')
        : new Option(`--${option} <value>`, help + extra),
    )
  }
  command.addHelpText(
    'after',
    `\nExample:\n  django-rollout ${name} --image ghcr.io/acme/shop --namespace shop`,
  )
  // All option names are read by their own long form, not by the camel-cased one.
  command.action(async (_options: unknown, called: Command) => {
    process.exitCode = await release(name, givenTo(called))
  })
}

function givenTo(called: Command): Given {
  const given: Record<string, string> = {}
  for (const option of called.options) {
    const value = called.getOptionValue(option.attributeName()) as string | undefined
    if (value !== undefined && option.long) given[option.long.slice(2)] = value
  }
  return given
}

async function release(command: CommandName, given: Given): Promise<number> {
  const world = realWorld(process.env)
  const reading = await readSettings(command, given, 'command', world.files)
  if (reading.is === 'wrong') {
    for (const problem of reading.problems) console.error(`django-rollout ${command}: ${problem}`)
    return exitCodes.usage
  }
  const { settings } = reading
  // Whoever reads JSON gets that and nothing else.
  const stream = settings.json ? process.stderr : process.stdout
  const color = stream.isTTY && !process.env['NO_COLOR'] && process.env['TERM'] !== 'dumb'
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

try {
  await program.parseAsync()
} catch (error) {
  if (!(error instanceof CommanderError)) throw error
  // Commander has said what is wrong; help and version end with 0.
  process.exitCode = error.exitCode === 0 ? 0 : exitCodes.usage
}
