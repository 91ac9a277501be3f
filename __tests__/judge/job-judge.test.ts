/** Following a Job whose pod is made once. */
import { describe, expect, test } from '@jest/globals'
import type { Job } from 'kubernetes-types/batch/v1'
import { parse } from 'yaml'
import { diagnose } from '../../src/judge/diagnose.js'
import { judgeJob } from '../../src/judge/job-judge.js'
import type { JobJudgement } from '../../src/judge/job-judge.js'
import { newObservations, withLog } from '../../src/judge/observations.js'
import type { ClusterState } from '../../src/judge/types.js'
import { owner, TIMEOUTS, pictureOf, podOf, START } from './scene.js'

const desired = { job: 'migrate', container: 'web' }

/** A Job `migrate`, with the pod `migrate-x` where the text describes one. */
function clusterState(pod: string | undefined, job: Partial<Job> = {}, events = ''): ClusterState {
  const made =
    pod === undefined ? [] : [podOf('migrate-x', { ...(parse(pod) as object), ...ofJob(pod) })]
  return {
    ...pictureOf(`gone: true\nevents: [${events}]`, 0),
    jobs: new Map([['migrate', { metadata: { name: 'migrate', uid: 'uid-migrate' }, ...job }]]),
    pods: new Map(made.map((each) => [each.metadata?.name ?? '', each])),
  }
}

function ofJob(pod: string) {
  const { metadata, spec } = parse(pod) as { metadata?: object; spec?: object }
  return {
    metadata: { ownerReferences: [owner('Job', 'migrate', 'uid-migrate')], ...metadata },
    spec: { restartPolicy: 'Never', ...spec },
  }
}

class TrackOptions {
  observations = newObservations(START)
  last: JobJudgement | undefined

  verdict(at: number, seen: ClusterState, log?: string): string {
    const confirmed = { ...seen, confirmedAt: START + at * 1000 }
    const look = () =>
      judgeJob(desired, {
        clusterState: confirmed,
        timeouts: TIMEOUTS,
        observations: this.observations,
        now: START + at * 1000,
      })
    this.last = look()
    this.observations = this.last.observations
    if (log !== undefined) {
      for (const wanted of this.last.logsWanted) {
        this.observations = withLog(this.observations, wanted, diagnose(log.split('\n')))
      }
      this.last = look()
    }
    const { verdict } = this.last
    switch (verdict.is) {
      case 'waiting':
        return `waiting: ${verdict.on}`
      case 'failed':
        return `failed ${verdict.cause.code} (${verdict.exitCode ?? '-'}): ${verdict.cause.sentence}`
      case 'started':
      case 'finished':
        return `${verdict.is} ${verdict.pod}`
    }
  }
}

const ended = (code: number, reason = 'Error') =>
  `{status: {phase: Failed}, container: {state: {terminated: {exitCode: ${code}, reason: ${reason}}}}}`

test('a Job that is deleted fails when its pod is gone', () => {
  const known = { ...desired, uid: 'uid-migrate' }
  const of = (pod: string | undefined) => {
    const seen = { ...clusterState(pod), jobs: new Map<string, Job>() }
    const observations = newObservations(START)
    return judgeJob(known, { clusterState: seen, timeouts: TIMEOUTS, observations, now: START })
      .verdict
  }
  expect(of('{container: {}}')).toEqual({ is: 'started', pod: 'migrate-x' })
  expect(of("{metadata: {deletionTimestamp: '2026-01-01T00:00:00Z'}, container: {}}")).toEqual({
    is: 'waiting',
    on: 'the end of its pod',
  })
  expect(of(undefined)).toMatchObject({
    is: 'failed',
    cause: { code: 'migration-failed', sentence: 'migrate: it was deleted' },
  })
})

describe('a Job', () => {
  test.each<[string, ClusterState, string]>([
    ['no pod yet', clusterState(undefined), 'waiting: the creation of its pod'],
    [
      'pulling',
      clusterState('{container: {state: {waiting: {reason: ContainerCreating}}}}'),
      'waiting: its containers are being created',
    ],
    ['runs', clusterState('{container: {}}'), 'started migrate-x'],
    [
      'its init container runs',
      clusterState('{init: {}, container: {state: {waiting: {reason: PodInitializing}}}}'),
      'waiting: init container wait runs',
    ],
    [
      'ended well',
      clusterState('{container: {state: {terminated: {exitCode: 0}}}}'),
      'finished migrate-x',
    ],
    [
      'failed',
      clusterState(ended(1)),
      'failed crash (1): migrate: exited with 1: relation "a" already exists',
    ],
    ['failed by a late service is not tried again', clusterState(ended(2)), 'failed crash (2)'],
    [
      'out of memory',
      clusterState(ended(137, 'OOMKilled')),
      'failed out-of-memory (137): migrate: killed for using more',
    ],
    [
      'its init container failed',
      clusterState(
        '{init: {state: {terminated: {exitCode: 5}}}, container: {state: {waiting: {reason: PodInitializing}}}}',
      ),
      'failed init-crash (5)',
    ],
    [
      'the image is not there',
      clusterState(
        "{container: {state: {waiting: {reason: ErrImagePull, message: 'x: not found'}}}}",
      ),
      'failed image-not-found (-): migrate: image',
    ],
    [
      'evicted',
      clusterState('{status: {phase: Failed, reason: Evicted, message: low on memory}}'),
      'failed migration-failed (-): migrate: its pod was deleted: low on memory',
    ],
    [
      'too long',
      clusterState(ended(137), {
        status: { conditions: [{ type: 'Failed', status: 'True', reason: 'DeadlineExceeded' }] },
      }),
      'failed timeout (-): migrate: stopped: it ran longer',
    ],
    [
      'a busy registry',
      clusterState(
        "{container: {state: {waiting: {reason: ErrImagePull, message: 'i/o timeout'}}}}",
      ),
      'waiting: i/o timeout, 0 s of 60 s',
    ],
  ])('is judged rightly when its state is "%s"', (_, seen, expected) => {
    expect(new TrackOptions().verdict(1, seen, 'relation "a" already exists')).toContain(expected)
  })

  test('is complete although a sidecar runs on or has ended too', () => {
    const sidecars = (state: string) =>
      `{status: {containerStatuses: [{name: web, ready: false, restartCount: 0, state: {terminated: {exitCode: 0}}},
        {name: mesh, ready: true, restartCount: 0, state: {${state}}}]}, spec: {containers: [{name: web}, {name: mesh}]}}`
    expect(new TrackOptions().verdict(1, clusterState(sidecars('running: {}')))).toBe(
      'finished migrate-x',
    )
    expect(new TrackOptions().verdict(1, clusterState(sidecars('terminated: {exitCode: 0}')))).toBe(
      'finished migrate-x',
    )
  })

  test('goes on when only a sidecar has ended with 0', () => {
    const scene = `{status: {containerStatuses: [{name: web, ready: true, restartCount: 0, state: {running: {}}},
        {name: mesh, ready: false, restartCount: 0, state: {terminated: {exitCode: 0}}}]}, spec: {containers: [{name: web}, {name: mesh}]}}`
    expect(new TrackOptions().verdict(1, clusterState(scene))).toBe('started migrate-x')
  })

  test('waits for the log of its end, 5 s at most', () => {
    const following = new TrackOptions()
    expect(following.verdict(1, clusterState(ended(1)))).toBe('waiting: exited with 1')
    expect(following.last?.requeueAt).toBe(START + 6000)
    expect(following.verdict(6, clusterState(ended(1)))).toBe(
      'failed crash (1): migrate: exited with 1',
    )
  })

  test('is given 5 s when its pod may not be created', () => {
    const refused = clusterState(
      undefined,
      {},
      '{about: migrate, reason: FailedCreate, message: is forbidden}',
    )
    const following = new TrackOptions()
    expect(following.verdict(1, refused)).toMatch(/^waiting/)
    expect(following.verdict(6, refused)).toBe(
      'failed pod-refused (-): migrate: the cluster refuses its pods: is forbidden',
    )
  })

  test.each([
    [
      'exceeded quota: small, requested: cpu=1,memory=1Gi, used: cpu=2, limited: cpu=2',
      'The quota small has no room for cpu=1,memory=1Gi: lower it with "migrate-resources", or raise the quota',
    ],
    [
      'exceeded quota: small, requested: pods=1, used: pods=2, limited: pods=2',
      'The quota small has no room for pods=1: raise it',
    ],
    [
      'failed quota: strict: must specify limits.cpu for: web',
      'The quota strict requires these `resources`, which "migrate-resources" can give: limits.cpu for: web',
    ],
  ])('that a quota refuses names the way out: %s', (words, hint) => {
    const refused = clusterState(
      undefined,
      {},
      `{about: migrate, reason: FailedCreate, message: "pods are forbidden: ${words}"}`,
    )
    const following = new TrackOptions()
    following.verdict(1, refused)
    expect(following.verdict(602, refused)).toMatch(/^failed quota/)
    expect(following.last?.verdict).toMatchObject({ cause: { hint } })
  })

  test('that no node has room for names the way out', () => {
    const pending = clusterState(
      '{status: {phase: Pending, conditions: [{type: PodScheduled, status: "False", reason: Unschedulable, message: "0/3 nodes are available: 3 Insufficient cpu."}]}}',
    )
    const following = new TrackOptions()
    following.verdict(1, pending)
    expect(following.verdict(500, pending)).toMatch(/^failed unschedulable/)
    expect(following.last?.verdict).toMatchObject({
      cause: { hint: 'Lower `requests` of cpu with "migrate-resources", or add a node' },
    })
  })

  test('fails at its timeout when it does not start at all', () => {
    const following = new TrackOptions()
    expect(following.verdict(0, clusterState(undefined))).toMatch(/^waiting/)
    expect(following.verdict(600, clusterState(undefined))).toMatch(
      /^failed timeout \(-\): migrate: not started after 600 s/,
    )
  })
})
