/** Finds what is secret in the inputs: credentials alone, since what is masked is hidden in the whole job's log. Pure. */
import { isMap, isScalar, isSeq, parseDocument } from 'yaml'
import type { RawInputs } from '../options/read.js'
import { Problem, secretAssignments } from '../options/readers.js'
import { table, type Option } from '../options/table.js'

/** Shorter lines of a text that is read as nothing else are no secrets, but words that are found all over a log. */
const shortestLine = 8

/** What no kubeconfig needs to hide, whatever the key that it stands under. */
const ordinary =
  /^(|.{1,3}|true|false|null|none|yes|no|on|off|v\d{1,2}((alpha|beta)\d{1,2})?|bearer|basic)$/i

/** The keys of a kubeconfig, of its auth-provider, and of a service account's key: `client-key-data`, `private_key`. */
const credentialKey =
  /(token|password|passwd|passphrase|pass|secret|credentials?|private[-_]?key|client[-_]?key[-_]?data|api[-_]?key|access[-_]?key|auth)$|^key$/i

/** Keys that end alike, but hold what is public. */
const publicKey = /^(secret|token)[-_]?(name|namespace)$/i

/** The flag of a credential plugin, with its value or before it: `--token=…`. */
const credentialFlag =
  /^--?[\w-]*(?:token|password|secret|credentials?|api-key|access-key)(?:=(.*))?$/i

/** `https://ada:hunter2@proxy.example` */
const inAddress = /:\/\/[^\s/@:]*:([^\s/@]+)@/g

/** In a text that cannot be read: a credential behind its key, and words that only a program can have written. */
const behindKey = /(?:token|password|secret|key-data|private_key)["']?\s*:\s*["']?([^\s"',}]+)/gi
const opaque = /[\w+/=.~-]{24,}/g

/** Returns what the secret inputs keep secret, each a part of one line. */
export function secretsOf(given: RawInputs): readonly string[] {
  const all = (Object.entries(table) as [string, Option<unknown>][])
    .filter(([, { secret }]) => secret)
    .flatMap(([name]) => {
      const text = (given[name] ?? '').trim()
      if (text === '') return []
      if (name === 'kubeconfig') return inKubeconfig(text)
      return name === 'build-secrets' ? inAssignments(text) : inText(text)
    })
  return [...new Set(all)]
}

/** The values: what a name alone stands for is in a variable, which is masked where it comes from. */
function inAssignments(text: string): readonly string[] {
  const given = secretAssignments(text)
  const values = given instanceof Problem ? linesOf(text) : Object.values(given)
  return values.flatMap((value = '') => (value === '' ? [] : [value]))
}

function inKubeconfig(text: string): readonly string[] {
  const read = inDocument(text)
  if (read) return read
  // A path: it is shown in the log and in commands.
  if (/^[~./][^\s]{0,200}$/.test(text)) return []
  return text.includes('\n') ? inUnreadable(text) : [text]
}

/** A password or token, or a key of several lines: PEM, or the JSON of a service account. */
function inText(text: string): readonly string[] {
  const inside = inDocument(text) ?? []
  if (!text.includes('\n')) return [text, ...inside]
  return inside.length > 0 ? inside : linesOf(text)
}

/** Returns the credentials of a mapping in YAML or JSON; `undefined` when the text is something else. */
function inDocument(text: string): readonly string[] | undefined {
  // All scalars are texts as they are written: a token of digits is no number.
  const { contents, errors } = parseDocument(text, { schema: 'failsafe', uniqueKeys: false })
  if (errors.length > 0 || !isMap(contents)) return undefined
  return [...inNode(contents), ...[...text.matchAll(inAddress)].map(([, one = '']) => one)].filter(
    (one) => !ordinary.test(one),
  )
}

function inNode(node: unknown): readonly string[] {
  if (isMap(node)) {
    const named = scalar(node.get('name', true))
    return node.items.flatMap(({ key, value }) => {
      const name = scalar(key) ?? ''
      const text = scalar(value)
      if (text === undefined) return inNode(value)
      // `{name: AWS_SECRET_ACCESS_KEY, value: …}`, the variable of a credential plugin.
      const of = name === 'value' && named !== undefined ? named : name
      return credentialKey.test(of) && !publicKey.test(of) ? shown(text) : []
    })
  }
  if (!isSeq(node)) return []
  const words = node.items.map(scalar)
  return node.items.flatMap((item, at) => {
    const flag = credentialFlag.exec(words[at - 1] ?? '')
    const own = credentialFlag.exec(words[at] ?? '')?.[1]
    if (own !== undefined) return linesOf(own)
    return flag && flag[1] === undefined ? linesOf(words[at] ?? '') : inNode(item)
  })
}

function scalar(node: unknown): string | undefined {
  return isScalar(node) ? String(node.value) : undefined
}

/** A text of several lines is printed line by line, or in one line as JSON has it. */
function shown(text: string): readonly string[] {
  const lines = linesOf(text)
  return lines.length > 1 ? [JSON.stringify(text).slice(1, -1), ...lines] : lines
}

/** The lines of a text but for the marks around a key. */
function linesOf(text: string): readonly string[] {
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
  return lines.length === 1
    ? lines
    : lines.filter((line) => line.length >= shortestLine && !line.startsWith('-----'))
}

function inUnreadable(text: string): readonly string[] {
  const found = [...text.matchAll(behindKey)].map(([, one = '']) => one)
  const words = [...text.matchAll(opaque)].map(([one]) => one)
  return [...found, ...words].filter((one) => !ordinary.test(one))
}
