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

/**
 * Returns a function that gives the answer to one of these inputs. One Python answers them all, when it is first
 * asked: `program` defines `answer(input)`.
 */
export function answersTo(
  program: string,
  inputs: readonly unknown[],
): (input: unknown) => unknown {
  let answers: ReadonlyMap<string, unknown> | undefined
  return (input) => {
    answers ??= new Map(
      (
        inspect(
          `import json, sys\n${program}\nprint(json.dumps([answer(each) for each in json.load(sys.stdin)]))`,
          inputs,
        ) as unknown[]
      ).map((answer, i) => [JSON.stringify(inputs[i]), answer]),
    )
    return answers.get(JSON.stringify(input))
  }
}
