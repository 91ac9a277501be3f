/**
 * Writes src/django/inspector.generated.ts, which carries the text of src/django/inspector.py in the
 * bundle. With --check it writes nothing and exits with 1 when the two differ.
 */
import { readFileSync, writeFileSync } from 'node:fs'

const source = new URL('../src/django/inspector.py', import.meta.url)
const target = new URL('../src/django/inspector.generated.ts', import.meta.url)

const python = readFileSync(source, 'utf8')
if (python.includes('$')) {
  throw new Error(
    'inspector.py: no dollar sign may stand in it: Kubernetes expands $(NAME) in commands',
  )
}

const text = `// Generated from inspector.py by scripts/embed-inspector.mjs: change that file, not this one.
export const inspectorSource = \`${python.replace(/[\\`]/g, '\\$&')}\`
`

if (!process.argv.includes('--check')) {
  writeFileSync(target, text)
} else if (readFileSync(target, 'utf8') !== text) {
  console.error('src/django/inspector.generated.ts is stale: run node scripts/embed-inspector.mjs')
  process.exitCode = 1
}
