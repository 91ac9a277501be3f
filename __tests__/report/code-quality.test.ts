import { describe, expect, test } from '@jest/globals'
import type { Annotation, Cause } from '../../src/failure/failure.js'
import { codeQuality } from '../../src/report/code-quality.js'
import { reportOf } from '../support/report.js'

const failed = (name: string, more: Partial<Annotation> = {}): Annotation => ({
  ...{ file: 'orders/tests.py', line: 41, title: `Test failed: ${name}` },
  message: 'AssertionError: 3 != 4',
  ...more,
})

interface Issue {
  readonly fingerprint: string
  readonly description: string
}

function issues(annotations?: readonly Annotation[]): readonly Issue[] {
  const cause: Cause = {
    code: 'tests-failed',
    sentence: 'tests: 1 of 14 failed',
    ...(annotations && { annotations }),
  }
  return JSON.parse(codeQuality(reportOf({ result: 'failed', cause }))) as readonly Issue[]
}
const fingerprints = (...annotations: readonly Annotation[]) =>
  issues(annotations).map(({ fingerprint }) => fingerprint)

test('an annotation is an issue', () => {
  expect(issues([failed('a.b')])).toEqual([
    {
      description: 'Test failed: a.b: AssertionError: 3 != 4',
      check_name: 'tests-failed',
      fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/),
      severity: 'blocker',
      location: { path: 'orders/tests.py', lines: { begin: 41 } },
    },
  ])
})

test('nothing that points at a line is an empty list', () => {
  expect(codeQuality(reportOf())).toBe('[]\n')
  expect(issues()).toEqual([])
  expect(issues([])).toEqual([])
})

test('foreign words are one line without escapes', () => {
  const [issue] = issues([failed('a', { message: 'x\u001b[31m\ny\r\nz\u0007' })])
  expect(issue?.description).toBe('Test failed: a: x y z')
})

describe('the fingerprint', () => {
  const [one] = fingerprints(failed('a'))
  test.each([
    ['the next run', failed('a'), true],
    ['another line', failed('a', { line: 42 }), true],
    ['another message', failed('a', { message: 'AssertionError: 3 != 5' }), true],
    ['another test', failed('b'), false],
    ['another file', failed('a', { file: 'shop/tests.py' }), false],
  ])('%s', (_, annotation, same) => {
    expect(fingerprints(annotation)[0] === one).toBe(same)
  })

  test('two of the same title are two issues', () => {
    expect(new Set(fingerprints(failed('a'), failed('a', { line: 50 }))).size).toBe(2)
  })
})
