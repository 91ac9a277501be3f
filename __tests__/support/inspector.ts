/** Runs functions of the inspector by the Python of this machine, which has no Django. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect } from '@jest/globals'

const folder = fileURLToPath(new URL('../../src/django', import.meta.url))

/** Returns what a program prints as JSON, which reads this input as JSON. */
export function inspect(program: string, input: unknown): unknown {
  const { PATH = '' } = process.env
  const { stdout, stderr } = spawnSync('python3', ['-c', program], {
    input: JSON.stringify(input),
    encoding: 'utf8',
    env: { PATH, PYTHONPATH: folder, PYTHONDONTWRITEBYTECODE: '1' },
  })
  expect(stderr).toBe('')
  return JSON.parse(stdout)
}
