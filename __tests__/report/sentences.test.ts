import { describe, expect, test } from '@jest/globals'
import { type Exception, type Report, type WorkloadReport } from '../../src/report/report.js'
import { exitCodes } from '../../src/failure/result.js'
import {
  keptMigrations,
  moved,
  onCancel,
  plural,
  seconds,
  verdict,
} from '../../src/report/sentences.js'
import { reportOf, workloadOf } from '../support/report.js'

test.each([
  [0, '0.0 s'],
  [8.16, '8.2 s'],
  [59.94, '59.9 s'],
  [59.96, '1 min 00 s'],
  [60, '1 min 00 s'],
  [65.9, '1 min 05 s'],
  [119.99, '1 min 59 s'],
  [3725, '62 min 05 s'],
])('%d seconds are written as %s', (value, text) => {
  expect(seconds(value)).toBe(text)
})

test.each([
  [0, '0 workloads'],
  [1, '1 workload'],
  [2, '2 workloads'],
])('the number %i is written as "%s"', (count, text) => {
  expect(plural(count, 'workload')).toBe(text)
})

test('a word with its own plural gets that plural', () => {
  expect(plural(2, 'entry', 'entries')).toBe('2 entries')
})

describe('the state of a workload', () => {
  test.each<[WorkloadReport['now'], string, string]>([
    ['new', 'dbfb78c41221 -> ef2714eb63e4', 'nothing -> ef2714eb63e4'],
    ['old', 'dbfb78c41221 (as before)', 'nothing (as before)'],
    ['removed', 'removed', 'removed'],
    ['absent', 'absent (as before)', 'absent (as before)'],
    [
      'gone',
      'deleted by another client (before: dbfb78c41221)',
      'deleted by another client (before: nothing)',
    ],
    ['unknown', 'dbfb78c41221 or ef2714eb63e4: not known', 'nothing or ef2714eb63e4: not known'],
  ])('"%s" is written as "%s", and as "%s" when the workload is new', (now, text, created) => {
    const workload = workloadOf('web', { now })
    expect(moved(workload)).toBe(text)
    const { from: _, ...without } = workload
    expect(moved(without)).toBe(created)
  })
})

const both = (now: WorkloadReport['now']) =>
  ['web', 'worker'].map((name) => workloadOf(name, { now }))

describe('the last sentence of a release', () => {
  test.each<[Report['result'], Partial<Report>, string]>([
    ['deployed', {}, 'shop ef2714eb63e4 is deployed: 2 workloads in namespace prod'],
    [
      'deployed',
      { tag: 'v1.4', workloads: [workloadOf('web')] },
      'shop v1.4 is deployed: 1 workload in namespace prod',
    ],
    ['unchanged', {}, 'shop ef2714eb63e4 is already running: nothing to do for 2 workloads'],
    [
      'undone',
      { workloads: both('old') },
      'shop ef2714eb63e4 did not go live: 2 workloads run version dbfb78c41221 again, verified',
    ],
    [
      'undone',
      { workloads: [workloadOf('web', { now: 'old' }), workloadOf('beat', { now: 'removed' })] },
      'shop ef2714eb63e4 did not go live: 1 workload runs version dbfb78c41221 again, verified',
    ],
    [
      'undone',
      { workloads: both('removed') },
      'shop ef2714eb63e4 did not go live: everything that the release created is removed, verified',
    ],
    ['failed', {}, 'shop ef2714eb63e4 did not go live: the running version was not touched'],
    ['usage', {}, 'nothing was done'],
    [
      'stuck',
      {},
      'shop is inconsistent: the previous version could not be verified. Manual action is required',
    ],
    ['locked', {}, 'another release is in progress: nothing was done'],
    [
      'superseded',
      {},
      'shop: another client changed what this release writes; its change was kept',
    ],
    ['cancelled', {}, 'shop ef2714eb63e4 was cancelled: all workloads and objects are as before'],
  ])('is right for the result %s (case %#)', (result, more, text) => {
    expect(verdict(reportOf({ result, ...more }))).toBe(text)
  })

  test('has no tag when there is none yet', () => {
    expect(verdict(reportOf({ result: 'cancelled', tag: '', workloads: [] }))).toBe(
      'shop was cancelled: all workloads and objects are as before',
    )
  })

  const undone = (more: Partial<Report>) => verdict(reportOf({ result: 'undone', ...more }))
  const at = (name: string, version: string) =>
    workloadOf(name, { now: 'old', from: `ghcr.io/acme/shop:${version}` })
  const besides = (object: string, is: Exception['is']): Exception => ({ object, is, message: '' })

  test('has the version of each workload', () => {
    const workloads = [
      at('web', '1.4'),
      at('beat', '1.3'),
      ...'abcd'.split('').map((one) => at(one, '1.2')),
    ]
    expect(undone({ workloads })).toBe(
      'shop ef2714eb63e4 did not go live: 6 workloads run as before, verified: version 1.4 (deployment/web), version 1.3 (deployment/beat), version 1.2 (deployment/a, deployment/b, deployment/c, 1 more)',
    )
    const digest = `ghcr.io/acme/shop@sha256:${'ab'.repeat(32)}`
    expect(undone({ workloads: [workloadOf('web', { now: 'old', from: digest })] })).toContain(
      '1 workload runs version sha256:abababababab again, verified',
    )
  })

  test('does not say "verified" of an unhealthy workload', () => {
    const workloads = [at('web', '1.4'), at('beat', '1.3')]
    expect(undone({ workloads, exceptions: [besides('deployment/beat', 'unwell')] })).toBe(
      'shop ef2714eb63e4 did not go live: 1 workload runs version 1.4 again, verified; unhealthy: deployment/beat',
    )
    const all = workloads.map(({ name }) => besides(`deployment/${name}`, 'unwell'))
    expect(undone({ workloads, exceptions: all })).toBe(
      'shop ef2714eb63e4 did not go live: everything is restored; unhealthy: deployment/web, deployment/beat',
    )
  })

  test('names workloads that are not as the result says', () => {
    const exceptions = [
      besides('job/tick-1', 'withdrawn'),
      ...['pod/a', 'pod/a', 'pod/b', 'pod/c', 'pod/d', 'pod/e'].map((one) =>
        besides(one, 'another version'),
      ),
    ]
    expect(verdict(reportOf({ exceptions }))).toBe(
      'shop ef2714eb63e4 is deployed: 2 workloads in namespace prod; on another version: pod/a, pod/b, pod/c, 2 more; on the withdrawn version: job/tick-1',
    )
  })
})

test.each<[Report['result'], string]>([
  ['unchanged', 'shop: nothing is unfinished in namespace prod'],
  ['cancelled', 'shop: nothing was restored, because the run was cancelled first'],
  ['undone', 'shop: the unfinished release was undone, verified'],
  ['locked', 'shop: a release is in progress: nothing was done'],
  ['usage', 'nothing was done'],
  ['stuck', 'shop: restoring the unfinished release failed. Manual action is required'],
  ['failed', 'shop: restoring the unfinished release failed. Manual action is required'],
])('the last sentence of recover for the result %s is "%s"', (result, text) => {
  expect(verdict(reportOf({ command: 'recover', result, workloads: [] }))).toBe(text)
})

test('the last sentence of a rollback says that its previous version has changed meanwhile', () => {
  const cause = { code: 'stale-commit', sentence: 'why' } as const
  expect(verdict(reportOf({ command: 'rollback', result: 'superseded', cause }))).toBe(
    'shop ef2714eb63e4 was not restored: another release went live first',
  )
})

test.each([
  ['release', 'the changes are undone'],
  ['recover', 'a restore that has started runs to its end'],
  ['history', undefined],
] as const)('the effect of cancelling %s is written as "%s"', (command, words) => {
  expect(onCancel(command)).toBe(words)
})

test.each<[Report['result'], readonly string[], string]>([
  ['done', ['image', 'test', 'push'], 'shop ef2714eb63e4 passed its tests; the registry has it'],
  [
    'done',
    ['image', 'push'],
    'shop ef2714eb63e4 was not tested, because "test-command" is none; the registry has it',
  ],
])('the last sentence of test is right for the result %s after %j: %s', (result, names, text) => {
  const stages = names.map((name) => ({ name, startedAt: 0, seconds: 1, ended: 'done' as const }))
  expect(verdict(reportOf({ command: 'test', result, stages, workloads: [] }))).toBe(text)
})

test('the last sentence names what an undo has not restored', () => {
  const undone = [
    { object: 'configmap/conf', action: 'restored' },
    { object: 'statefulset/db', action: 'kept, because it holds data' },
    {
      object: 'secret/db',
      action: 'left alone, because another client changed it: it has another data.P',
    },
  ]
  expect(verdict(reportOf({ command: 'recover', result: 'undone', restored: undone }))).toBe(
    'shop: the unfinished release was undone, verified; kept: statefulset/db; changed by others: secret/db',
  )
})

test('the last sentence of recover is right when a migration was left, and no release', () => {
  const undone = [{ object: 'job/shop-migrate-ef2714e-1', action: 'ended' }]
  const report = reportOf({ command: 'recover', result: 'undone', workloads: [], restored: undone })
  expect(verdict(report)).toBe(
    'shop: the unfinished migration was stopped; the running version was not touched',
  )
})

test.each<[Report['result'], string]>([
  ['unchanged', 'shop: its releases in namespace prod'],
  ['failed', 'shop: its releases in namespace prod could not be read'],
  ['cancelled', 'shop: the history was not read, because the run was cancelled'],
])('the last sentence of history for the result %s is "%s"', (result, text) => {
  expect(verdict(reportOf({ command: 'history', result, workloads: [] }))).toBe(text)
})

test.each(Object.keys(exitCodes) as Report['result'][])(
  'the result %s is explained in one line without a full stop',
  (result) => {
    for (const command of ['release', 'deploy', 'recover', 'history'] as const) {
      expect(verdict(reportOf({ command, result }))).toMatch(/^[^\n]+[^.\n]$/)
    }
  },
)

test.each<[Report['result'], string[], string | undefined]>([
  ['undone', [], undefined],
  ['deployed', ['orders.0002_note'], undefined],
  [
    'undone',
    ['orders.0002_note', 'shop.0009_x'],
    'the applied migrations stay in the database: orders.0002_note, shop.0009_x',
  ],
  ['stuck', ['orders.0002_note'], 'the applied migrations stay in the database: orders.0002_note'],
])(
  'the sentence about migrations is right for the result %s after %j: %s',
  (result, migrations, text) => {
    expect(keptMigrations(reportOf({ result, migrations }))).toBe(text)
  },
)
