import { expect, test } from '@jest/globals'
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** The exit code of a program that says in `after` what it does once it listens for its end. */
function endsWith(after: string): number | null {
  const program = `import { cancelSignal } from './src/platform/cancel.ts'; cancelSignal(); ${after}`
  return spawnSync(
    process.execPath,
    ['--import', './scripts/typescript.mjs', '--input-type=module', '--eval', program],
    { cwd: root },
  ).status
}

test.each([
  ['nothing goes wrong', '', 0],
  ['an error', 'throw new Error("x")', 1],
  ['an error of later on', 'setTimeout(() => { throw new Error("x") })', 1],
  ['an unhandled promise', 'Promise.reject(new Error("x"))', 1],
  ['an error after another end', 'process.exitCode = 3; throw new Error("x")', 3],
])('a process exits with the right code after "%s"', (_, after, code) => {
  expect(endsWith(after)).toBe(code)
})
