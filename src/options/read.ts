import { assignments, Problem } from './readers.js'
import {
  optionsOf,
  table,
  type Command,
  type Option,
  type OptionName,
  type Settings,
} from './table.js'

/** The texts that a user gave, by option name: from inputs or flags alike. */
export type Given = Readonly<Partial<Record<string, string>>>

export type Reading =
  | { readonly is: 'read'; readonly settings: Settings }
  /** One sentence for each wrong, missing or unknown option. */
  | { readonly is: 'wrong'; readonly problems: readonly string[] }

/** Turns texts into settings. All problems are told at once, so that a user mends them in one go. */
export function readOptions(command: Command, given: Given): Reading {
  const known = optionsOf(command)
  const names = known.map(([name]) => name)
  const problems = Object.keys(given)
    .filter((name) => !(names as string[]).includes(name))
    .map((name) => unknown(command, name, names))

  const settings: Record<string, unknown> = {}
  for (const [name, option] of Object.entries(table) as [OptionName, Option<unknown>][]) {
    const text = names.includes(name) ? given[name] : undefined
    const asGiven = text !== undefined && (text !== '' || option.mayBeEmpty) ? text : option.default
    if (asGiven === undefined) {
      if (option.required) problems.push(`"${name}" is missing: ${example(name, option)}`)
      settings[name] = undefined
      continue
    }
    const value = option.read(option.mayBeEmpty || option.secret ? asGiven : asGiven.trim())
    if (value instanceof Problem) {
      const shown = option.secret || option.read === assignments ? '' : ` "${asGiven}"`
      problems.push(`"${name}"${shown} ${value.text}: ${example(name, option)}`)
    }
    settings[name] = value
  }
  for (const [name, option] of known) {
    const { with: other } = option
    if (other !== undefined && given[name] && !given[other]) {
      problems.push(`"${other}" is missing: "${name}" goes only together with it`)
    }
  }
  return problems.length === 0
    ? { is: 'read', settings: settings as Settings }
    : { is: 'wrong', problems }
}

function example(name: string, option: Option<unknown>): string {
  return `for example ${name}: ${option.example}`
}

function unknown(command: Command, name: string, names: readonly OptionName[]): string {
  const near = nearest(name, names)
  const meant = near === undefined ? '' : `; did you mean "${near}"?`
  return `"${name}" is not an option of ${command}${meant}`
}

/** The name with the fewest changed letters, if few enough that a typing error is likely. */
export function nearest<T extends string>(word: string, names: readonly T[]): T | undefined {
  const [best] = names
    .map((name) => ({ name, distance: distance(word, name) }))
    .sort((a, b) => a.distance - b.distance)
  return best && best.distance <= Math.max(2, word.length / 3) ? best.name : undefined
}

/** Levenshtein's distance: letters to insert, delete or replace. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 0; i < a.length; i++) {
    const letter = a[i]
    const next = [i + 1]
    for (let j = 0; j < b.length; j++) {
      next.push(
        Math.min(
          (next[j] ?? 0) + 1,
          (row[j + 1] ?? 0) + 1,
          (row[j] ?? 0) + (letter === b[j] ? 0 : 1),
        ),
      )
    }
    row = next
  }
  return row[b.length] ?? 0
}
