import { describe, expect, test } from '@jest/globals'
import { spawnSync } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const node = join(root, 'node_modules/.bin/node')

/** Says at the end how much of the processor the program has used, in s. */
const meter =
  'data:text/javascript,process.on("exit",()=>{const{user,system}=process.cpuUsage();' +
  'require("fs").writeSync(3,String((user+system)/1e6))});import{createRequire}from"module";const require=createRequire("/")'

/** Time of the processor and not of the clock: a busy machine must not fail this. */
function start(args: readonly string[]): number {
  const { output } = spawnSync(node, ['--import', meter, ...args], {
    env: { PATH: process.env['PATH'] },
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
  })
  return Number(output[3])
}

/** The cheapest of several starts: what the program itself takes. */
const cheapest = (args: readonly string[]) =>
  Math.min(...Array.from({ length: 5 }, () => start(args)))

describe('the committed bundle', () => {
  test('is under 1.6 MB in all', () => {
    const files = readdirSync(join(root, 'dist'), { recursive: true, encoding: 'utf8' })
    const bytes = files
      .map((name) => statSync(join(root, 'dist', name)))
      .reduce((sum, file) => sum + (file.isFile() ? file.size : 0), 0)
    console.log(`dist: ${(bytes / 1e6).toFixed(2)} MB`)
    expect(bytes).toBeLessThan(1.6e6)
  })

  // Without inputs the action reads its options, says what is missing, and ends: a whole start.
  test.each([
    ['the action', ['dist/action/index.js']],
    ['the command', ['dist/cli/index.js', '--help']],
  ])('starts %s with less than 0.25 s of CPU time', (name, [entry = '', ...args]) => {
    const seconds = cheapest([join(root, entry), ...args])
    console.log(`${name} starts in ${seconds.toFixed(2)} s of the processor`)
    expect(seconds).toBeGreaterThan(0)
    expect(seconds).toBeLessThan(0.25)
  })
})
