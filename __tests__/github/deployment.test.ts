import { describe, expect, test } from '@jest/globals'
import {
  startStatus,
  deploymentOf,
  endStatus,
  isEnough,
  ownDeployments,
  recordOf,
  recordedStatus,
  replaced,
  statusOf,
  type Deployment,
  type RawStatus,
} from '../../src/github/deployment.js'
import type { Command } from '../../src/options/commands.js'
import type { Result } from '../../src/failure/result.js'
import type { ReleaseStart, ReleaseEnd } from '../../src/state/history.js'
import { newSha, oldSha, reportOf } from '../support/report.js'

const url = 'https://github.com/acme/shop/actions/runs/7'
const begun: ReleaseStart = {
  run: 'run-2',
  command: 'release',
  who: 'ada',
  url,
  at: '2026-01-31T12:00:00.000Z',
  image: 'ghcr.io/acme/shop',
  tag: newSha,
  digest: 'sha256:2',
  sha: newSha,
}

describe('the deployment record', () => {
  test('names the commit, and requires no checks of GitHub', () => {
    expect(recordOf(begun, 'production')).toEqual({
      ref: newSha,
      task: 'deploy',
      auto_merge: false,
      required_contexts: [],
      environment: 'production',
      description: 'release: ef2714eb63e4, by ada',
      payload: { tag: newSha, digest: 'sha256:2', run: 'run-2' },
    })
  })

  test('names the commit that a rollback restores, or its tag when the commit is unknown', () => {
    const back: ReleaseStart = { ...begun, command: 'rollback', tag: 'v1.4', sha: oldSha }
    expect(recordOf(back, 'production').ref).toBe(oldSha)
    const { sha: _, ...unknown } = back
    expect(recordOf(unknown, 'production').ref).toBe('v1.4')
  })
})

describe('a deployment status', () => {
  const told = { log: url, live: 'https://shop.example' }
  test('links its run, and has the time when the version went live where that is visible', () => {
    expect(statusOf(startStatus(begun), told)).toEqual({
      state: 'in_progress',
      description: 'ada rolls out ef2714eb63e4',
      log_url: url,
      auto_inactive: false,
    })
    expect(statusOf(endStatus(reportOf()), told)).toEqual({
      state: 'success',
      description: 'shop ef2714eb63e4 is deployed: 2 workloads in namespace prod',
      log_url: url,
      environment_url: 'https://shop.example',
      auto_inactive: false,
    })
    expect(statusOf(replaced)).toEqual({
      state: 'inactive',
      description: 'another version runs',
      auto_inactive: false,
    })
  })

  test.each([
    ['short', 'short'],
    ['first\nsecond', 'first'],
    ['\u001b[31mred', 'red'],
    ['x'.repeat(140), 'x'.repeat(140)],
    ['x'.repeat(141), `${'x'.repeat(139)}…`],
    [`${'x'.repeat(138)}😀😀`, `${'x'.repeat(138)}\ufffd…`],
  ])('shortens %j to what GitHub accepts', (description, shown) => {
    expect(statusOf({ state: 'failure', description }).description).toBe(shown)
  })
})

describe('the state at the end of a run', () => {
  test.each<[Command, Result, string]>([
    ['release', 'deployed', 'success'],
    ['rollback', 'deployed', 'success'],
    ['release', 'undone', 'failure'],
    ['release', 'failed', 'failure'],
    ['release', 'stuck', 'error'],
    ['release', 'kept', 'error'],
    ['release', 'cancelled', 'inactive'],
    ['release', 'superseded', 'inactive'],
    // Of the run that was killed, and the post step that has looked for what it had left.
    ['recover', 'undone', 'failure'],
    ['recover', 'stuck', 'error'],
    ['recover', 'failed', 'error'],
    ['recover', 'locked', 'error'],
    ['recover', 'cancelled', 'error'],
  ])('is right: a %s that is %s is a %s', (command, result, state) => {
    expect(endStatus(reportOf({ command, result })).state).toBe(state)
  })

  test('has the cause where there is one', () => {
    const cause = { code: 'crash', sentence: 'web: no module named shop.telemetry' } as const
    expect(endStatus(reportOf({ result: 'undone', cause })).description).toBe(cause.sentence)
  })

  const ended: ReleaseEnd = { ...begun, result: 'deployed', seconds: 8, migrations: [] }
  test.each<[string, Partial<ReleaseEnd>, string, string]>([
    ['went live', {}, 'success', 'ef2714eb63e4 is deployed'],
    ['was undone', { result: 'undone', cause: 'web: crash' }, 'failure', 'web: crash'],
    [
      'is not in it',
      { run: 'run-1' },
      'error',
      'the run was killed; the running version is unknown',
    ],
  ])('comes from the history when the run was killed and it %s', (_, more, state, description) => {
    const history = [{ ...ended, ...more, number: 1 }]
    expect(recordedStatus(history, 'run-2')).toEqual({ state, description })
  })
})

describe('a record of GitHub', () => {
  const status = (id: number, state: RawStatus['state'], log_url?: string) => ({
    id,
    state,
    ...(log_url !== undefined && { log_url }),
  })
  test.each<[string, unknown, RawStatus[], Omit<Deployment, 'id' | 'sha'>]>([
    ['new', {}, [], {}],
    ['ours', { run: 'run-1' }, [], { run: 'run-1' }],
    ['of a payload that is a text', '{"run":"run-1"}', [], {}],
    ['of no payload', null, [], {}],
    [
      'with statuses in any order',
      {},
      [status(1, 'queued'), status(3, 'success', url), status(2, 'in_progress')],
      { lastStatus: { state: 'success', log: url } },
    ],
  ])('is understood when it is %s', (_, payload, statuses, more) => {
    expect(deploymentOf({ id: 1, sha: oldSha, payload }, statuses)).toEqual({
      id: 1,
      sha: oldSha,
      ...more,
    })
  })
})

/** `3 old success`: id, commit, last state; then the run of ours that made it, or `job` for one of this run's. */
function seen(lines: readonly string[]): readonly Deployment[] {
  return lines.map((line) => {
    const [id, sha, state, who] = line.split(' ')
    const log = who === 'job' ? `${url}/job/1` : who === 'other-job' ? `${url}1/job/1` : ''
    return {
      id: Number(id),
      sha: sha ?? '',
      ...(who?.startsWith('run') && { run: who }),
      ...(state !== '-' && { lastStatus: { state, log } as NonNullable<Deployment['lastStatus']> }),
    }
  })
}

describe('the records of an environment', () => {
  const run = { run: 'run-2', sha: 'new', url }
  test.each<[string, readonly string[], ReturnType<typeof ownDeployments>]>([
    ['the first', [], { over: [] }],
    ['after a success', ['1 old success run-1'], { over: [1] }],
    ['after one of another tool', ['1 old success'], { over: [1] }],
    ['after two', ['2 old success', '1 older success'], { over: [2, 1] }],
    ['after a failure', ['2 bad failure run-1', '1 old success'], { over: [1] }],
    ['after a run that is gone', ['1 old in_progress run-1'], { over: [1] }],
    ['after one gone at once', ['1 old - run-1'], { over: [1] }],
    ['beside another tool’s', ['1 old in_progress', '2 old waiting'], { over: [] }],
    ['that was made, its answer lost', ['1 new - run-2'], { own: 1, over: [] }],
    ['that the job has made', ['2 new in_progress job', '1 old success'], { own: 2, over: [1] }],
    ['that waits for nothing more', ['2 new waiting job'], { own: 2, over: [] }],
    ['of another run', ['2 new in_progress other-job'], { over: [] }],
    ['of the job’s attempt before', ['2 new failure job'], { over: [] }],
    ['of the job, of another commit', ['2 head in_progress job'], { over: [], wrong: 'head' }],
  ])('are understood when this run is %s', (_, lines, around) => {
    expect(ownDeployments(seen(lines), run)).toEqual(around)
  })

  test('belong to this run when its record is known, whatever they say', () => {
    const lines = ['2 head in_progress job', '1 old success']
    expect(ownDeployments(seen(lines), { run: 'run-2', url }, 2)).toEqual({ own: 2, over: [1] })
  })

  test('never belong to this run by their job when the run has no number', () => {
    expect(ownDeployments(seen(['1 new in_progress']), { run: 'run-2', sha: 'new' })).toEqual({
      over: [],
    })
  })

  test.each<[boolean, readonly string[]]>([
    [false, []],
    [false, ['1 a success']],
    [false, ['1 a inactive']],
    [false, ['2 b inactive', '1 a success']],
    [true, ['2 b success', '1 a inactive']],
    [true, ['4 d failure', '3 c inactive', '2 b success', '1 a inactive']],
  ])('are enough: %s for %j', (is, lines) => {
    expect(isEnough(seen(lines))).toBe(is)
  })
})
