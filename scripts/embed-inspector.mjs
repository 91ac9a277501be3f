/**
 * Writes src/django/inspector.generated.ts: the text that runs in the migration's pod, joined from the files of
 * src/django/rollout_inspector, and their table of rules. With --check it writes nothing and exits with 1 when the
 * file is stale.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'

const folder = new URL('../src/django/rollout_inspector/', import.meta.url)
const target = new URL('../src/django/inspector.generated.ts', import.meta.url)
const loader = 'loader.py'

const read = (name) => readFileSync(new URL(name, folder), 'utf8')
const names = readdirSync(folder)
  .filter((name) => /\.(py|json)$/.test(name) && name !== loader)
  .sort()

const rules = JSON.parse(read('rules.json'))
const partsOfReport = new Set(['running', 'new', 'fix', 'undo'])
/**
 * Without comments and docstrings, and indented by one space, because one argument of a program has at most 128 KiB.
 * It stays readable in the cluster: `kubectl get job -o yaml` shows what runs.
 */
function textOf(name) {
  // Its sentences are those of the report.
  if (name.endsWith('.json'))
    return JSON.stringify(rules, (key, value) => (partsOfReport.has(key) ? undefined : value))
  const text = read(name)
    .replace(/^ *#.*\n/gm, '')
    .replace(/^ *"""[^]*?"""\n/gm, '')
    .replace(/\n{3,}/g, '\n\n')
    .replace(/\n{2,}(?= )/g, '\n')
    .replace(/^(?: {4})+/gm, (spaces) => ' '.repeat(spaces.length / 4))
  if (text.includes('"""')) throw new Error(`${name}: has a string of several lines`)
  return text.trimStart()
}
const files = names.map((name) => `        "${name}": r'''${textOf(name)}''',\n`).join('')
for (const name of [...names, loader]) {
  const text = read(name)
  if (text.includes('$')) {
    throw new Error(
      `${name}: must not contain a dollar sign: Kubernetes expands $(NAME) in commands`,
    )
  }
  if (text.includes("'''"))
    throw new Error(`${name}: must not contain three single quotes in a row`)
}
const python = read(loader).replace(/^ *# FILES\n/m, () => files)

const text = `// Generated from src/django/rollout_inspector by scripts/embed-inspector.mjs: change those files, not this one.
export const inspectorSource = \`${python.replace(/[\\`]/g, '\\$&')}\`

/** The rules by which migrations are judged, as rules.json has them. */
export const rules = ${JSON.stringify(rules, undefined, 2)} as const
`

if (!process.argv.includes('--check')) {
  writeFileSync(target, text)
} else if (readFileSync(target, 'utf8') !== text) {
  console.error('src/django/inspector.generated.ts is stale: run node scripts/embed-inspector.mjs')
  process.exitCode = 1
}
