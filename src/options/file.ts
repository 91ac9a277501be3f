/** The file of options, django-rollout.yml. Pure: its text in, the texts of its options out. */
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, type Node } from 'yaml'
import { hintFor } from './closest-match.js'
import type { Takes } from './readers.js'
import { table, type Option, type OptionName } from './table.js'

export const usualFile = 'django-rollout.yml'

/** A likely misspelling of its name. */
export const mistakenFile = 'django-rollout.yaml'

export interface FileOptions {
  /** The name that the user gave. */
  readonly name: string
  /** Its values, in the form that inputs and flags have; lines count from 1. */
  readonly values: ReadonlyMap<OptionName, { readonly text: string; readonly line: number }>
  /** One sentence for each thing that is wrong in it. */
  readonly problems: readonly string[]
}

export const noFile: FileOptions = { name: '', values: new Map(), problems: [] }

/** Options that have no effect in a file. */
const elsewhere: Readonly<Partial<Record<OptionName, string>>> = {
  config: 'names this file; it cannot be set in it',
}

/** Reads a file of options. It may hold those of any command; each command takes its own. */
export function readFileOptions(name: string, text: string): FileOptions {
  const counter = new LineCounter()
  const document = parseDocument(text, { lineCounter: counter, prettyErrors: false })
  const lineOf = (at: number | undefined) => counter.linePos(at ?? 0).line
  const values = new Map<OptionName, { readonly text: string; readonly line: number }>()
  const problems = document.errors.map(
    ({ message, pos: [at] }) => `${name}, line ${lineOf(at)}: is not YAML: ${message}`,
  )
  const { contents } = document
  if (problems.length > 0 || contents === null) return { name, values, problems }
  if (!isMap(contents)) {
    return {
      name,
      values,
      problems: [`${name}: is not a list of options, one "name: value" per line`],
    }
  }
  for (const { key, value } of contents.items) {
    const option = isScalar(key) ? String(key.value) : ''
    const line = lineOf(isScalar(key) ? key.range[0] : undefined)
    const wrong = (what: string) => problems.push(`${name}, line ${line}: "${option}" ${what}`)
    if (!Object.hasOwn(table, option)) {
      wrong(`is not an option${hintFor(option, Object.keys(table))}`)
      continue
    }
    const known = option as OptionName
    const { secret, read } = table[known] as Option<unknown>
    const why = secret
      ? 'is a secret, which does not belong in a file of the repository; set it as an input or a flag'
      : elsewhere[known]
    if (why !== undefined) {
      wrong(why)
      continue
    }
    const node = isAlias(value) ? value.resolve(document) : (value as Node | null)
    if (node === undefined) {
      wrong('names an anchor that does not exist')
      continue
    }
    const written = textOf(node, read.takes)
    if (written.is === 'wrong') wrong(written.why)
    else if (written.text !== undefined) values.set(known, { text: written.text, line })
  }
  return { name, values, problems }
}

type Written =
  /** `undefined`: there is nothing. */
  | { readonly is: 'text'; readonly text: string | undefined }
  | { readonly is: 'wrong'; readonly why: string }

/** What YAML has as the one text that inputs and flags have. */
function textOf(node: Node | null, takes: Takes): Written {
  if (node === null || (isScalar(node) && node.value === null))
    return { is: 'text', text: undefined }
  // YAML knows `True` too.
  if (isScalar(node) && takes.is === 'yes or no' && typeof node.value === 'boolean')
    return { is: 'text', text: String(node.value) }
  if (isScalar(node)) return { is: 'text', text: plain(node) }
  if (isSeq(node)) {
    if (takes.is !== 'list') return { is: 'wrong', why: `is a list; it takes ${formOf(takes)}` }
    const entries = node.items.map((item) => (isScalar(item) ? plain(item) : undefined))
    return entries.every((entry) => entry !== undefined && !entry.includes('\n'))
      ? { is: 'text', text: entries.join('\n') }
      : { is: 'wrong', why: 'has an entry that is not a single line of text' }
  }
  if (isMap(node)) {
    if (takes.is !== 'mapping') {
      return { is: 'wrong', why: `is a mapping; it takes ${formOf(takes)}` }
    }
    const pairs = node.items.map(({ key, value }) =>
      isScalar(key) && isScalar(value) ? `${String(key.value)}=${plain(value)}` : undefined,
    )
    return pairs.every((pair) => pair !== undefined && !pair.includes('\n'))
      ? { is: 'text', text: pairs.join('\n') }
      : { is: 'wrong', why: 'has an entry that is not a single line of text' }
  }
  return { is: 'wrong', why: 'has the wrong type' }
}

function formOf({ is }: Takes): string {
  if (is === 'list') return 'a list'
  return is === 'mapping' ? 'a mapping, one NAME: value per line' : 'one value'
}

/** As it is written: `1.10` is no number to us. */
function plain(scalar: { readonly value: unknown; readonly source?: string }): string {
  const { value, source } = scalar
  return typeof value === 'string' ? value : (source ?? String(value))
}
