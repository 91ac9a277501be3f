/**
 * Writes src/django/inspector.generated.ts: the text that runs in the migration's pod, which is the loader with the
 * packed files of src/django/rollout_inspector, and their table of rules. With --check it writes nothing and exits
 * with 1 when the file is stale. Files are compared as they are unpacked: another version of the packer may give other
 * bytes, and another order.
 */
import { Buffer } from 'node:buffer'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { deflateSync, inflateSync } from 'node:zlib'
import zopfli from '@gfx/zopfli'

const folder = new URL('../src/django/rollout_inspector/', import.meta.url)
const target = new URL('../src/django/inspector.generated.ts', import.meta.url)
const loader = 'loader.py'

const read = (name) => readFileSync(new URL(name, folder), 'utf8')

/**
 * Leaves out what is only for readers: lines keep their numbers, and a body of nothing but a docstring stays one. Of each
 * four spaces of a line's indent one is enough.
 */
const bare = (text) =>
  text
    .replaceAll(/^ *#.*$/gm, '')
    .replaceAll(
      /^( *)"""(?:[^"\\]|"(?!""))*"""$(?=(\n+\1\S)?)/gm,
      (doc, indent, body) => `${body ? '' : `${indent}0`}${doc.replaceAll(/[^\n]/g, '')}`,
    )
    .replaceAll(/^(?: {4})+(?=\S)/gm, (indent) => ' '.repeat(indent.length / 4))

const rules = JSON.parse(read('rules.json'))
/** The sentences are for the report. */
const severities = Object.fromEntries(
  Object.entries(rules).map(([rule, { severity }]) => [rule, { severity }]),
)
const files = readdirSync(folder)
  .filter((name) => name.endsWith('.py') && name !== loader)
  .map((name) => `${name}\n${bare(read(name))}`)
  .concat(`rules.json\n${JSON.stringify(severities)}`)
  .sort()

const sizeOf = (text) => deflateSync(text).length
/** zlib looks back 32 KiB only: files that are written alike become neighbours. */
function asNeighbours([first, ...left]) {
  const ordered = [first]
  while (left.length > 0) {
    const before = ordered.join('\0').slice(-32_768)
    const size = sizeOf(before)
    const saved = left.map((text) => {
      const own = sizeOf(text)
      // The most for its length: by the sum alone, long files would come first.
      return (own - sizeOf(before + text) + size) / Math.sqrt(own)
    })
    ordered.push(...left.splice(saved.indexOf(Math.max(...saved)), 1))
  }
  return ordered
}

const template = (text) => `\`${text.replace(/[\\`]|\$(?=\{)/g, '\\$&')}\``

const generated = (
  packed,
) => `// Generated from src/django/rollout_inspector by scripts/embed-inspector.mjs: change those files, not this one.
/** The rules by which migrations are judged, as rules.json has them. */
export const rules = ${JSON.stringify(rules, undefined, 2)} as const

/** The text that runs in the migration's pod: the loader, and the packed files of the inspector in it. */
export const inspectorSource = ${template(bare(read(loader)).replace('FILES', packed))}
`

/** One argument of a program has 128 KiB. Zopfli takes longer than zlib, and its bytes are 5 % fewer. */
async function pack() {
  const texts = Buffer.from(asNeighbours(files).join('\0'))
  return Buffer.from(await zopfli.zlibAsync(texts, {})).toString('base64')
}

/** Whether it has the same files, however they are packed. */
function isFresh() {
  try {
    const text = readFileSync(target, 'utf8')
    const [packed = ''] = /(?<=b64decode\(")[^"]*/.exec(text) ?? []
    const unpacked = inflateSync(Buffer.from(packed, 'base64')).toString().split('\0').sort()
    return text === generated(packed) && unpacked.join('\0') === files.join('\0')
  } catch {
    return false
  }
}

if (isFresh()) {
  // Its bytes stay as they were packed.
} else if (process.argv.includes('--check')) {
  console.error('src/django/inspector.generated.ts is stale: run node scripts/embed-inspector.mjs')
  process.exitCode = 1
} else {
  writeFileSync(target, generated(await pack()))
}
