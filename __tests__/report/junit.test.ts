import { describe, expect, test } from '@jest/globals'
import type { FailingTest, TestReport } from '../../src/django/test-output.js'
import { pageOf, type Cause } from '../../src/failure/failure.js'
import { junit } from '../../src/report/junit.js'
import type { Report, StageReport } from '../../src/report/report.js'
import { reportOf } from '../support/report.js'
import { all, readXml, type Node } from '../support/xml.js'

const stage = (name: string, ended: StageReport['ended'] = 'done'): StageReport => ({
  name,
  ended,
  startedAt: 0,
  seconds: 1.25,
})
const crash: Cause = { code: 'crash', sentence: 'web: it fell' }
const testsOf = (failing: readonly FailingTest[], more: Partial<TestReport> = {}): TestReport => ({
  runner: 'unittest',
  run: 21,
  failures: failing.length,
  errors: 0,
  skipped: 2,
  failing,
  ...more,
})
const total: FailingTest = {
  name: 'orders.tests.OrderTests.test_total',
  is: 'failure',
  message: 'AssertionError: 3 != 4',
  file: 'orders/tests.py',
  line: 41,
}

const suites = (more: Partial<Report>) => readXml(junit(reportOf(more))).children
/** `rollout failure: web: it fell` for each case. */
const told = (suite: Node | undefined) =>
  suite?.children.map(({ attributes, children: [end] }) =>
    [attributes['name'], ...(end ? [`${end.name}: ${end.attributes['message'] ?? ''}`] : [])].join(
      ' ',
    ),
  )
const counts = ({ attributes }: Node) =>
  ['tests', 'failures', 'errors', 'skipped'].map((name) => Number(attributes[name]))

test('the document has stages, tests and the cause', () => {
  const report = reportOf({
    result: 'undone',
    startedAt: Date.UTC(2026, 10, 21, 8),
    seconds: 3.5,
    cause: crash,
    stages: [stage('build'), stage('rollout', 'failed')],
    tests: testsOf([total]),
  })
  expect(junit(report)).toBe(`<?xml version="1.0" encoding="UTF-8"?>
<testsuites>
  <testsuite name="django-rollout release" tests="2" failures="1" errors="0" skipped="0" time="3.500" timestamp="2026-11-21T08:00:00">
    <testcase classname="django-rollout release" name="build" time="1.250"/>
    <testcase classname="django-rollout release" name="rollout" time="1.250">
      <failure type="crash" message="web: it fell">web: it fell

more: ${pageOf(crash)}</failure>
    </testcase>
  </testsuite>
  <testsuite name="tests" tests="21" failures="1" errors="0" skipped="2">
    <testcase classname="tests" name="orders.tests.OrderTests.test_total" file="orders/tests.py">
      <failure message="AssertionError: 3 != 4">orders/tests.py:41: AssertionError: 3 != 4</failure>
    </testcase>
  </testsuite>
</testsuites>
`)
})

describe('the stages of a JUnit file', () => {
  test.each<[string, Partial<Report>, string[], number[]]>([
    [
      'a good run',
      { stages: [stage('preflight'), stage('build')] },
      ['preflight', 'build'],
      [2, 0, 0, 0],
    ],
    [
      'the stage that failed has the cause',
      { stages: [stage('build'), stage('rollout', 'failed'), stage('undo')], cause: crash },
      ['build', 'rollout failure: web: it fell', 'undo'],
      [3, 1, 0, 0],
    ],
    [
      'one beside it was stopped',
      { stages: [stage('build', 'failed'), stage('preflight', 'stopped')], cause: crash },
      ['build failure: web: it fell', 'preflight skipped: preflight was stopped'],
      [2, 1, 0, 1],
    ],
    [
      'an undo that failed has the last word',
      {
        stages: [stage('rollout', 'failed'), stage('undo', 'failed')],
        cause: { code: 'restore-failed', sentence: 'no way back' },
      },
      ['rollout failure: rollout failed', 'undo failure: no way back'],
      [2, 2, 0, 0],
    ],
    [
      'before the first stage',
      { cause: { code: 'usage', sentence: 'no commit' } },
      ['release failure: no commit'],
      [1, 1, 0, 0],
    ],
    [
      'cancelled',
      {
        stages: [stage('build', 'stopped')],
        cause: { code: 'cancelled', sentence: 'the run was cancelled' },
      },
      ['build skipped: build was stopped', 'release failure: the run was cancelled'],
      [2, 1, 0, 1],
    ],
  ])('are written for "%s"', (_, more, expected, expectedCounts) => {
    const [suite] = suites(more)
    expect(told(suite)).toEqual(expected)
    expect(suite && counts(suite)).toEqual(expectedCounts)
  })

  test('have the cause with its evidence and a hint', () => {
    const cause: Cause = {
      ...crash,
      hint: 'mend it',
      logs: [{ source: 'container web', lines: ['Traceback', '  x < y & "z"'] }],
      events: ['BackOff: again'],
    }
    const [suite] = suites({ stages: [stage('rollout', 'failed')], cause })
    expect(suite && all(suite, 'failure')[0]?.text.split('\n')).toEqual([
      'web: it fell',
      '',
      'last lines of container web:',
      'Traceback',
      '  x < y & "z"',
      '',
      'cluster events:',
      'BackOff: again',
      '',
      'hint: mend it',
      `more: ${pageOf(cause)}`,
    ])
  })
})

describe("the user's tests in a JUnit file", () => {
  const suiteOf = (tests: TestReport) => suites({ tests })[1]

  test('are counted when they passed', () => {
    const suite = suiteOf(testsOf([]))
    expect(suite && counts(suite)).toEqual([21, 0, 0, 2])
    expect(suite?.children).toEqual([])
  })

  test('are listed by name when they failed, with the known details', () => {
    const { file: _file, line: _line, ...nowhere } = total
    const suite = suiteOf(
      testsOf(
        [total, { ...nowhere, name: 'a', is: 'error' }, { ...nowhere, name: 'b', file: 'b.py' }],
        { failures: 4, errors: 1 },
      ),
    )
    expect(suite && counts(suite)).toEqual([21, 4, 1, 2])
    expect(
      suite?.children.map(({ attributes: { name, file }, children: [end] }) => [
        name,
        file,
        end?.name,
        end?.text,
      ]),
    ).toEqual([
      [total.name, 'orders/tests.py', 'failure', 'orders/tests.py:41: AssertionError: 3 != 4'],
      ['a', undefined, 'error', 'AssertionError: 3 != 4'],
      ['b', 'b.py', 'failure', 'b.py: AssertionError: 3 != 4'],
    ])
  })

  test('have no suite when they did not run', () => {
    expect(suites({})).toHaveLength(1)
  })
})

test.each([
  ['markup', '</failure><x y="1"> & \'', '</failure><x y="1"> & \''],
  ['the end of CDATA', ']]>', ']]>'],
  ['a color', '\u001b[31mred\u001b[0m', 'red'],
  ['control characters', 'a\u0000b\u0008c\u007fd\u0085e', 'abcde'],
  ['half a letter', 'a\ud800b', 'a\ufffdb'],
  ['no characters', 'a\ufffe\uffff', 'a\ufffd\ufffd'],
  ['letters of all kinds', 'größer 漢 🎉', 'größer 漢 🎉'],
  ['lines', 'a\nb\tc', 'a\nb\tc'],
])('foreign text with %s stays text', (_, given, read) => {
  const cause: Cause = { code: 'crash', sentence: given, logs: [{ lines: [given] }] }
  const [suite] = suites({ stages: [stage('rollout', 'failed')], cause })
  const [failure] = suite ? all(suite, 'failure') : []
  // XML makes a blank of a tab in an attribute.
  expect(failure?.attributes['message']).toBe(read.replace('\t', ' '))
  expect(failure?.text.split('\n\n')[1]).toBe(read)
})
