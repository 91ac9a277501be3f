import { describe, expect, test } from '@jest/globals'
import { spawnSync } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const node = join(root, 'node_modules/.bin/node')

/** The quickest of several starts: what the program itself takes, and not what else the machine does. */
function quickestStart(...args: readonly string[]): number {
  const times = Array.from({ length: 5 }, () => {
    const begun = performance.now()
    spawnSync(node, args, { env: { PATH: process.env['PATH'] }, stdio: 'ignore' })
    return (performance.now() - begun) / 1000
  })
  return Math.min(...times)
}

describe('the bundle that is committed', () => {
  test('is under 1.5 MB in all', () => {
    const files = readdirSync(join(root, 'dist'), { recursive: true, encoding: 'utf8' })
    const bytes = files
      .map((name) => statSync(join(root, 'dist', name)))
      .reduce((sum, file) => sum + (file.isFile() ? file.size : 0), 0)
    console.log(`dist: ${(bytes / 1e6).toFixed(2)} MB`)
    expect(bytes).toBeLessThan(1.5e6)
  })

  // Without inputs the action reads its options, says what is missing, and ends: a whole start.
  test.each([
    ['the action', ['dist/action/index.js']],
    ['the command', ['dist/cli/index.js', '--help']],
  ])('%s starts within four times what node itself takes', (name, [entry = '', ...args]) => {
    const bare = quickestStart('--eval', '0')
    const seconds = quickestStart(join(root, entry), ...args)
    console.log(`${name} starts in ${seconds.toFixed(2)} s, node alone in ${bare.toFixed(2)} s`)
    expect(seconds / bare).toBeLessThan(4)
  })
})
