/**
 * Writes src/django/inspector.generated.ts: the text that runs in the migration's pod, which is the loader with the
 * packed files of src/django/rollout_inspector, and their table of rules. With --check it writes nothing and exits
 * with 1 when the file is stale. Files are compared as they are unpacked: another version of the packer may give other
 * bytes.
 */
import { Buffer } from 'node:buffer'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { inflateSync } from 'node:zlib'
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
const perLine = ([, text]) => text.length / text.split('\n').length
const files = readdirSync(folder)
  .filter((name) => name.endsWith('.py') && name !== loader)
  .map((name) => [name, bare(read(name))])
  // zlib looks back 32 KiB only: files that are written alike are neighbours when they are sorted by the length of their lines.
  .sort((one, other) => perLine(other) - perLine(one))
  .concat([['rules.json', JSON.stringify(severities)]])

// One argument of a program has 128 KiB, so they are packed: each name, its text, and a NUL between them. Zopfli takes longer
// than zlib, for 5 of 100 bytes less of the same format.
const texts = files.map(([name, text]) => `${name}\n${text}`).join('\0')
const packed = Buffer.from(await zopfli.zlibAsync(Buffer.from(texts), {})).toString('base64')
const template = (text) => `\`${text.replace(/[\\`]|\$(?=\{)/g, '\\$&')}\``

const text = `// Generated from src/django/rollout_inspector by scripts/embed-inspector.mjs: change those files, not this one.
/** The rules by which migrations are judged, as rules.json has them. */
export const rules = ${JSON.stringify(rules, undefined, 2)} as const

/** The text that runs in the migration's pod: the loader, and the packed files of the inspector in it. */
export const inspectorSource = ${template(bare(read(loader)).replace('FILES', packed))}
`

const unpacked = (generated) =>
  generated.replace(/(?<=b64decode\(")[^"]*/, (body) =>
    inflateSync(Buffer.from(body, 'base64')).toString(),
  )

function isFresh() {
  try {
    return unpacked(readFileSync(target, 'utf8')) === unpacked(text)
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
  writeFileSync(target, text)
}
