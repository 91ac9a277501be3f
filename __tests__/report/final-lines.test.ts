import { describe, expect, test } from '@jest/globals'
import { pageOf } from '../../src/failure/failure.js'
import { finalLines } from '../../src/report/final-lines.js'
import { type Report } from '../../src/report/report.js'
import { exitCodes } from '../../src/failure/result.js'
import { type Result } from '../../src/failure/result.js'
import { reportOf, workloadOf } from '../support/report.js'

const marks = { plain: ' ', quoted: '>', error: '✗', warning: '!', good: '✓' } as const

/** The lines with a mark for their kind. */
const told = (more: Partial<Report>) =>
  finalLines(reportOf(more)).map(({ kind, text }) => `${marks[kind]} ${text}`)

test('a release that went well ends with its version and time', () => {
  expect(told({ migrations: ['orders.0002_note', 'shop.0009_x'] })).toEqual([
    '  deployment/web: dbfb78c41221 -> ef2714eb63e4, 8.2 s',
    '  deployment/worker: dbfb78c41221 -> ef2714eb63e4, 2 min 05 s',
    '  migrations applied: orders.0002_note, shop.0009_x',
    '✓ shop ef2714eb63e4 is deployed: 2 workloads in namespace prod (1 min 01 s)',
  ])
})

test('a release names what it has held back, and has not applied itself since', () => {
  const planned = ['shop.0004_no_note', 'shop.0005_x'].map((name) => ({
    ...{ database: 'default', name, operations: ['RemoveField'], message: `${name} waits` },
  }))
  const plan = { migrations: [], findings: [], held: planned }
  const heldBack = (migrations: readonly string[]) =>
    told({ migrations, plan }).find((line) => line.includes('held back'))
  expect(heldBack([])).toBe('  migrations held back: shop.0004_no_note, shop.0005_x')
  expect(heldBack(['shop.0005_x'])).toBe('  migrations held back: shop.0004_no_note')
  expect(heldBack(['shop.0005_x', 'shop.0004_no_note'])).toBeUndefined()
})

test('a release that was restored ends with the cause, its evidence, the restored objects and a hint', () => {
  expect(
    told({
      result: 'undone',
      cause: {
        code: 'crash',
        sentence: 'web: container web crashes: KeyError',
        hint: 'set SECRET_KEY\nin the ConfigMap',
        logs: [
          { source: 'container web', lines: ['Traceback', "KeyError: 'SECRET_KEY'"] },
          { source: 'container nginx', lines: ['no upstream'] },
          { source: 'container quiet', lines: [] },
        ],
        events: ['FailedMount (3 times): no such volume'],
      },
      workloads: [workloadOf('web', { now: 'old' }), workloadOf('beat', { now: 'removed' })],
      restored: [
        { object: 'deployment/web', action: 'restored' },
        { object: 'configmap/shop', action: 'restored' },
        { object: 'persistentvolumeclaim/media', action: 'kept' },
      ],
      migrations: ['orders.0002_note'],
      warnings: ['the lock was not given back'],
    }),
  ).toEqual([
    '✗ web: container web crashes: KeyError',
    '  last lines of container web:',
    '> Traceback',
    "> KeyError: 'SECRET_KEY'",
    '  last lines of container nginx:',
    '> no upstream',
    '  cluster events:',
    '> FailedMount (3 times): no such volume',
    '  deployment/web: dbfb78c41221 (as before)',
    '  deployment/beat: removed',
    '  configmap/shop: restored',
    '  persistentvolumeclaim/media: kept',
    '  the applied migrations stay in the database: orders.0002_note',
    '  warning: the lock was not given back',
    '  hint: set SECRET_KEY',
    '  in the ConfigMap',
    '  more: https://github.com/django-rollout/django-rollout/blob/v1/docs/failures.md#crash',
    '✗ shop ef2714eb63e4 did not go live: 1 workload runs version dbfb78c41221 again, verified (1 min 01 s)',
  ])
})

test.each(Object.keys(exitCodes) as Result[])('the last line of %s names the result', (result) => {
  const last = told({ result }).at(-1)
  expect(last).toMatch(exitCodes[result] === 0 ? /^✓ .*\(1 min 01 s\)$/ : /^✗ .*\(1 min 01 s\)$/)
})

describe('each line is written as a single line', () => {
  test.each<[string, Partial<Report>, string[]]>([
    [
      'a sentence',
      { cause: { code: 'right-missing', sentence: 'rights are missing\n- apiGroups\n  verbs' } },
      [
        '✗ rights are missing',
        '  - apiGroups',
        '    verbs',
        `  more: ${pageOf({ code: 'right-missing' })}`,
      ],
    ],
    [
      'a warning',
      { warnings: ['kubectl apply: no\n::error::reason'] },
      ['  warning: kubectl apply: no', '  ::error::reason'],
    ],
    [
      'an object that is not as the result says, before other warnings',
      {
        exceptions: [
          {
            object: 'pod/a',
            is: 'another version',
            message: 'pod/a runs 1.4',
            fix: 'kubectl delete',
          },
          { object: 'db', is: 'unwell', message: 'db is not well' },
        ],
        warnings: ['beware'],
      },
      [
        '  warning: pod/a runs 1.4: kubectl delete',
        '  warning: db is not well',
        '  warning: beware',
      ],
    ],
  ])('when there is %s', (_, more, lines) => {
    expect(told({ workloads: [], ...more }).slice(0, -1)).toEqual(lines)
  })
})

test('nothing is written about migrations when there were none', () => {
  expect(told({ workloads: [] })).toEqual([
    '✓ shop ef2714eb63e4 is deployed: 0 workloads in namespace prod (1 min 01 s)',
  ])
})
