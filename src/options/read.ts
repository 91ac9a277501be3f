import type { Command } from './commands.js'
import { noFile, type FileOptions } from './file.js'
import { hintFor } from './closest-match.js'
import { assignments, Problem } from './readers.js'
import { shellQuote } from './shell.js'
import {
  optionsOf,
  table,
  type Surface,
  type Option,
  type OptionName,
  type Settings,
} from './table.js'

/** The texts that a user gave, by option name: from inputs or flags alike. */
export type RawInputs = Readonly<Partial<Record<string, string>>>

export type Reading =
  | { readonly is: 'read'; readonly settings: Settings }
  /** One sentence for each wrong, missing or unknown option. */
  | { readonly is: 'wrong'; readonly problems: readonly string[] }

/**
 * Turns texts into settings. Inputs and flags override the file, the file overrides the defaults. All problems are
 * reported at once, so that a user fixes them in one go.
 */
export function readOptions(
  command: Command,
  given: RawInputs,
  {
    surface = 'action',
    file = noFile,
  }: { readonly surface?: Surface; readonly file?: FileOptions } = {},
): Reading {
  const known = optionsOf(command, surface)
  const names = known.map(([name]) => name)
  const problems = [
    ...Object.keys(given)
      .filter((name) => !(names as string[]).includes(name))
      .map((name) => unknown(command, name, names)),
    ...file.problems,
  ]

  const settings: Record<string, unknown> = {}
  for (const [name, option] of Object.entries(table) as [OptionName, Option<unknown>][]) {
    const isKnown = names.includes(name)
    const { text, where } = isKnown ? chosen(name, option, given, file) : { where: '' }
    const asGiven = text ?? option.default
    if (asGiven === undefined) {
      if (option.required && isKnown) {
        problems.push(`"${name}" is missing: ${example(surface, name, option)}`)
      }
      // A command requires only options that it takes.
      settings[name] = option.required ? '' : undefined
      continue
    }
    const value = option.read(option.mayBeNone || option.secret ? asGiven : asGiven.trim())
    if (value instanceof Problem) {
      const shown = option.secret || option.read === assignments ? '' : ` "${asGiven}"`
      problems.push(
        `${where}"${name}"${shown} ${value.text}: ${where === '' ? example(surface, name, option) : example('action', name, option)}`,
      )
    }
    settings[name] = value
  }
  for (const [name, option] of known) {
    const { with: other } = option
    if (other === undefined) continue
    const isGiven = (one: string) =>
      given[one] || (file.values.get(one as OptionName)?.text ?? '') !== ''
    if (isGiven(name) && !isGiven(other)) {
      problems.push(`"${other}" is missing: "${name}" requires it`)
    }
  }
  return problems.length === 0
    ? { is: 'read', settings: settings as Settings }
    : { is: 'wrong', problems }
}

/** The text of an option and, where a file has it, its place there; an empty text is mostly none. */
function chosen(
  name: OptionName,
  { mayBeNone }: Option<unknown>,
  given: RawInputs,
  file: FileOptions,
): { readonly text?: string; readonly where: string } {
  const inFile = file.values.get(name)
  const sources = [
    { text: given[name], where: '' },
    { text: inFile?.text, where: inFile ? `${file.name}, line ${inFile.line}: ` : '' },
  ]
  for (const { text, where } of sources) {
    if (text === undefined || (text === '' && !mayBeNone)) continue
    return { text: mayBeNone && text.trim() === 'none' ? '' : text, where }
  }
  return { where: '' }
}

/** As it is written where the option was given. */
export function example(surface: Surface, name: string, option: Option<unknown>): string {
  const { example, cliExample: onCommandLine = shellQuote(example), flag } = option
  if (surface === 'action') return `for example ${name}: ${example}`
  return `for example --${name}${flag ? '' : ` ${onCommandLine}`}`
}

function unknown(command: Command, name: string, names: readonly OptionName[]): string {
  const meant = hintFor(name, names)
  return `"${name}" is not an option of ${command}${meant}`
}
