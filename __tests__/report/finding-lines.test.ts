import { expect, test } from '@jest/globals'
import { error, failed, ok, warning, type Finding } from '../../src/report/finding.js'
import { findingLines } from '../../src/report/finding-lines.js'
import { tally } from '../../src/report/sentences.js'
import { Failure } from '../../src/failure/failure.js'

const found: readonly Finding[] = [
  warning('probes', 'deployment/web has no readinessProbe', 'kubectl patch deployment/web'),
  ok('tools', 'git 2.39.5'),
  error('cluster', 'the cluster does not answer\nafter all', 'spec:\n  a: 1'),
]

test('findings are written by topic in a fixed order, each with its fix below', () => {
  expect(findingLines(found).map(({ kind, text }) => `${kind}|${text}`)).toEqual([
    'plain|tools',
    'good|git 2.39.5',
    'plain|cluster',
    'error|the cluster does not answer',
    'plain|    after all',
    'plain|    spec:',
    'plain|      a: 1',
    'plain|probes',
    'warning|deployment/web has no readinessProbe',
    'plain|    kubectl patch deployment/web',
  ])
})

test.each<[readonly Finding[], string]>([
  [[], 'nothing would go wrong'],
  [[ok('tools', '')], 'nothing would go wrong'],
  [found, '1 thing would go wrong, 1 warning'],
  [[...found, ...found], '2 things would go wrong, 2 warnings'],
  [[warning('tools', '')], 'nothing would go wrong, 1 warning'],
])('the number of findings is summed up in words (case %#)', (findings, says) => {
  expect(tally(findings)).toBe(says)
})

test('a failure that would end a release is an error, and any other exception is passed on', () => {
  const cause = { code: 'usage', sentence: 'no', hint: 'yes' } as const
  expect(failed('tools', new Failure(cause))).toEqual(error('tools', 'no', 'yes'))
  expect(() => failed('tools', new TypeError('x'))).toThrow(TypeError)
})
