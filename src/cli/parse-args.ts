/** Parses a command line into an invocation. Pure: commander is made from the table of options. */
import { Command, CommanderError, Option } from 'commander'
import { commandDescriptions } from '../options/command-descriptions.js'
import { commands, type Command as CommandName } from '../options/commands.js'
import { closestMatch } from '../options/closest-match.js'
import { example, type RawInputs } from '../options/read.js'
import { wordFor } from '../options/readers.js'
import {
  groups,
  optionsOf,
  table,
  type Option as Declared,
  type OptionName,
} from '../options/table.js'
import { aboutAll, examples, introduction, moreOfAll, title, type Page } from './help.js'
import { kinds, helpContent } from './help-content.js'

export type Invocation =
  | { readonly is: 'run'; readonly command: CommandName; readonly given: RawInputs }
  /** Help, or the version: an answer for the standard output. */
  | { readonly is: 'answer'; readonly text: string }
  /** The help when no command was given: for the standard error. */
  | { readonly is: 'lost'; readonly text: string }
  /** One sentence, with words as they were typed. */
  | { readonly is: 'wrong'; readonly problem: string }

/** The result of parsing a command line; `args` are the words after the program's name. */
export function readCommandLine(args: readonly string[], version: string, page: Page): Invocation {
  let text = ''
  let invocation: Invocation | undefined
  const program = programOf(
    version,
    page,
    (more) => (text += more),
    (found) => (invocation = found),
  )
  try {
    program.parse(args, { from: 'user' })
  } catch (error) {
    if (error instanceof Wrong) return { is: 'wrong', problem: error.message }
    if (!(error instanceof CommanderError)) throw error
    return error.exitCode === 0 ? { is: 'answer', text } : { is: 'lost', text }
  }
  return invocation ?? { is: 'answer', text }
}

/** A command line that cannot be read; its message is one sentence. */
class Wrong extends Error {}

/** Our help texts have the defaults in them. */
const look = {
  styleTitle: title,
  optionDescription: ({ description }: Option) => description,
}

function programOf(
  version: string,
  page: Page,
  write: (text: string) => void,
  onInvocation: (invocation: Invocation) => void,
): Command {
  const program = new Command('django-rollout')
    .usage('<command> [options]')
    .description(aboutAll(page))
    .version(version, '-V, --version', 'Shows the version')
    .helpOption('-h, --help', 'Shows this help')
    .helpCommand(false)
    .exitOverride((error) => refuse(error))
    .configureOutput({
      writeOut: write,
      writeErr: write,
      // Reported by `Wrong`, in the program's own words.
      outputError: () => undefined,
      getOutHelpWidth: () => page.columns,
      getErrHelpWidth: () => page.columns,
      getOutHasColors: () => page.color,
      getErrHasColors: () => page.color,
    })
    .configureHelp({ ...look, visibleOptions: () => [], subcommandTerm: (one) => one.name() })
    .addHelpText('after', `\n${moreOfAll(page)}`)
  for (const [kind, heading] of Object.entries(kinds)) {
    for (const name of commands.filter((one) => helpContent[one].kind === kind)) {
      program.addCommand(commandOf(name, program, page, onInvocation).helpGroup(heading))
    }
  }
  program
    .command('help', { hidden: true })
    .argument('[command]')
    .action((name?: string) => {
      const command = program.commands.find((one) => one.name() === name)
      if (name !== undefined && !command) throw new Wrong(noCommand(name))
      const shown = command ?? program
      shown.outputHelp()
    })
  return program
}

function commandOf(
  name: CommandName,
  program: Command,
  page: Page,
  onInvocation: (invocation: Invocation) => void,
): Command {
  const command = new Command(name)
    .copyInheritedSettings(program)
    .configureHelp(look)
    .exitOverride((error) => refuse(error, name))
    .usage('[options]')
    .summary(commandDescriptions[name])
    .description(introduction(name, page))
    .allowExcessArguments()
    .addHelpText('after', `\n${examples(name, page)}`)
  const options = optionsOf(name, 'command')
  for (const [group, heading] of Object.entries(groups)) {
    for (const [option, declared] of options.filter(([, one]) => one.group === group)) {
      command.addOption(optionOf(option, declared).helpGroup(`${heading}:`))
    }
  }
  return command
    .addHelpOption(new Option('-h, --help', 'Shows this help').helpGroup(`${groups.run}:`))
    .action((_options: unknown, called: Command) => {
      const [extra] = called.args
      if (extra !== undefined) {
        throw new Wrong(
          `django-rollout ${name}: "${extra}" belongs to no option; quote a value that contains spaces`,
        )
      }
      onInvocation({ is: 'run', command: name, given: givenTo(called) })
    })
}

function optionOf(
  name: OptionName,
  { help, read, default: standard, required, flag }: Declared<unknown>,
): Option {
  const word = wordFor(read.takes)
  const extra = required ? ' (required)' : standard && !flag ? ` (default: ${standard})` : ''
  if (flag) return new Option(`--${name} [${word}]`, help).preset('true')
  const option = new Option(`--${name} <${word}>`, help + extra)
  const { is } = read.takes
  // What may be several is given by one flag with several lines, or by several flags.
  return is === 'list' || is === 'mapping'
    ? option.argParser((value, before?: string) =>
        before === undefined ? value : `${before}\n${value}`,
      )
    : option
}

/** All option names are read by their own long form, not by the camel-cased one. */
function givenTo(called: Command): RawInputs {
  const given: Record<string, string> = {}
  for (const option of called.options) {
    const value = called.getOptionValue(option.attributeName()) as string | undefined
    if (value !== undefined && option.long) given[option.long.slice(2)] = value
  }
  return given
}

/** Words commander's refusal, with the nearest right name; help and version pass. */
function refuse(error: CommanderError, command?: CommandName): never {
  // Commander quotes what it does not know: `error: unknown option '--imgae'`.
  const word = /'([^']*)'/.exec(error.message)?.[1] ?? ''
  switch (error.code) {
    case 'commander.unknownCommand':
      throw new Wrong(noCommand(word))
    case 'commander.unknownOption':
      throw new Wrong(noOption(word.replace(/=.*$/s, ''), command))
    case 'commander.optionMissingArgument': {
      const name = /^--([a-z-]+)/.exec(word)?.[1] ?? ''
      const asTyped = example('command', name, table[name as OptionName])
      throw new Wrong(`django-rollout ${command ?? ''}: "--${name}" needs a value: ${asTyped}`)
    }
    default:
      if (error.exitCode === 0 || error.code === 'commander.help') throw error
      throw new Wrong(`django-rollout: ${error.message.replace(/^error: /, '')}`)
  }
}

function noCommand(name: string): string {
  const near = closestMatch(name, commands)
  const meant =
    near === undefined ? `the commands are ${commands.join(', ')}` : `did you mean "${near}"?`
  return `django-rollout: "${name}" is not a command; ${meant}`
}

function noOption(word: string, command: CommandName | undefined): string {
  const name = word.replace(/^-+/, '')
  if (command === undefined) {
    return `django-rollout: "${word}" needs a command, for example: django-rollout release --${name}`
  }
  const said = `django-rollout ${command}: "${word}" is not an option of ${command}`
  const names = optionsOf(command, 'command').map(([option]) => option)
  // `-image` has one dash too few.
  const near = names.find((option) => option === name) ?? closestMatch(name, names)
  const takers = commands.filter((one) =>
    optionsOf(one, 'command').some(([option]) => option === name),
  )
  if (takers.length > 0 && near !== name) return `${said}; it is one of ${takers.join(', ')}`
  return near === undefined
    ? `${said}; django-rollout ${command} --help lists all options`
    : `${said}; did you mean "--${near}"?`
}
