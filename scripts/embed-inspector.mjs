/**
 * Writes src/django/inspector.generated.ts: the files of src/django/rollout_inspector, which run in the migration's
 * pod, and their table of rules. With --check it writes nothing and exits with 1 when the file is stale.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'

const folder = new URL('../src/django/rollout_inspector/', import.meta.url)
const target = new URL('../src/django/inspector.generated.ts', import.meta.url)
const loader = 'loader.py'

const read = (name) => readFileSync(new URL(name, folder), 'utf8')
const names = readdirSync(folder)
  .filter((name) => /\.(py|json)$/.test(name) && name !== loader)
  .sort()

const template = (text) => `\`${text.replace(/[\\`]|\$(?=\{)/g, '\\$&')}\``

const text = `// Generated from src/django/rollout_inspector by scripts/embed-inspector.mjs: change those files, not this one.
/** The rules by which migrations are judged, as rules.json has them. */
export const rules = ${JSON.stringify(JSON.parse(read('rules.json')), undefined, 2)} as const

export const inspectorLoader = ${template(read(loader))}

export const inspectorFiles = {
${names.map((name) => `  '${name}': ${name === 'rules.json' ? 'JSON.stringify(rules)' : template(read(name))},\n`).join('')}}
`

if (!process.argv.includes('--check')) {
  writeFileSync(target, text)
} else if (readFileSync(target, 'utf8') !== text) {
  console.error('src/django/inspector.generated.ts is stale: run node scripts/embed-inspector.mjs')
  process.exitCode = 1
}
