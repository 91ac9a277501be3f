/** Following a Job of the user's, whose own end counts. */
import { describe, expect, test } from '@jest/globals'
import type { Job } from 'kubernetes-types/batch/v1'
import { parse } from 'yaml'
import { diagnose } from '../../src/judge/diagnose.js'
import { judgeRun } from '../../src/judge/job-run-judge.js'
import { newObservations, withLog } from '../../src/judge/observations.js'
import type { ClusterState } from '../../src/judge/types.js'
import type { Cause } from '../../src/failure/failure.js'
import { owner, TIMEOUTS, pictureOf, podOf, START } from './scene.js'

/** A Job `seed` with these pods. */
function clusterState(status: string, ...pods: readonly string[]): ClusterState {
  const made = pods.map((pod, i) => {
    const { metadata, spec, ...rest } = parse(pod) as { metadata?: object; spec?: object }
    return podOf(`seed-${i}`, {
      ...rest,
      metadata: { ownerReferences: [owner('Job', 'seed', 'uid-seed')], ...metadata },
      spec: { restartPolicy: 'Never', ...spec },
    })
  })
  const job: Job = {
    metadata: { name: 'seed', uid: 'uid-seed' },
    spec: { template: { spec: { containers: [{ name: 'web' }] } } },
    status: parse(status) as NonNullable<Job['status']>,
  }
  return {
    ...pictureOf('gone: true\nevents: []', 0),
    jobs: new Map([['seed', job]]),
    pods: new Map(made.map((each) => [each.metadata?.name ?? '', each])),
  }
}

class TrackOptions {
  observations = newObservations(START)
  crash: Cause | undefined

  verdict(at: number, seen: ClusterState, log?: string): string {
    const confirmed = { ...seen, confirmedAt: START + at * 1000 }
    const look = () =>
      judgeRun(
        'seed',
        {
          clusterState: confirmed,
          timeouts: TIMEOUTS,
          observations: this.observations,
          now: START + at * 1000,
        },
        this.crash,
      )
    let judgement = look()
    this.observations = judgement.observations
    if (log !== undefined) {
      for (const wanted of judgement.logsWanted) {
        this.observations = withLog(this.observations, wanted, diagnose(log.split('\n')))
      }
      judgement = look()
    }
    const { verdict } = judgement
    if (verdict.is === 'waiting') this.crash = verdict.crash ?? this.crash
    return verdict.is === 'waiting'
      ? `waiting: ${verdict.on}`
      : verdict.is === 'done'
        ? ['done', ...verdict.runsOn].join(' ')
        : `failed ${verdict.cause.code}: ${verdict.cause.sentence}`
  }
}

const ended = (code: number) =>
  `{status: {phase: Failed}, container: {state: {terminated: {exitCode: ${code}, reason: Error}}}}`
const runs = '{container: {}}'
/** A pod to which admission has added a container, with what became of both. */
const beside = (own: string, added = 'running: {}') =>
  `{status: {containerStatuses: [{name: web, state: {${own}}}, {name: proxy, state: {${added}}}]}}`
const exited = (code: number) => `terminated: {exitCode: ${code}}`
const failed = (reason: string) =>
  `{failed: 1, conditions: [{type: Failed, status: "True", reason: ${reason}, message: m}]}`
const log = 'Traceback (most recent call last):\nValueError: no such shop'

describe('a Job of the manifests', () => {
  test.each<[string, ClusterState, string]>([
    ['has no pod yet', clusterState('{}'), 'waiting: the creation of its pod'],
    ['runs', clusterState('{}', runs), 'waiting: it runs'],
    [
      'is complete',
      clusterState('{conditions: [{type: Complete, status: "True"}]}', ended(0)),
      'done',
    ],
    [
      'has ended beside a container that runs on',
      clusterState('{}', beside(exited(0))),
      'done proxy',
    ],
    [
      'has ended beside a container that crashes',
      clusterState('{}', beside(exited(0), 'waiting: {reason: CrashLoopBackOff}')),
      'done proxy',
    ],
    [
      'is evicted and ends beside a container that runs on',
      clusterState(
        '{}',
        beside(exited(0)).replace('{', '{metadata: {deletionTimestamp: "2026-01-01T00:00:00Z"}, '),
      ),
      'waiting: the creation of its pod',
    ],
    [
      'runs beside another container',
      clusterState('{}', beside('running: {}')),
      'waiting: it runs',
    ],
    [
      'is over its deadline',
      clusterState(failed('DeadlineExceeded'), runs),
      'failed timeout: seed: it ran longer than its activeDeadlineSeconds',
    ],
    [
      'names an image that is not there',
      clusterState('{}', '{container: {state: {waiting: {reason: InvalidImageName, message: m}}}}'),
      'failed image-not-found: seed: image registry.example/shop:new cannot be pulled: m',
    ],
  ])('is judged rightly when it %s', (_, seen, words) => {
    expect(new TrackOptions().verdict(0, seen)).toBe(words)
  })

  test('fails with the words of its log', () => {
    const seen = clusterState(failed('BackoffLimitExceeded'), ended(1))
    const words = new TrackOptions().verdict(0, seen, log)
    expect(words).toBe('failed job-failed: seed: ValueError: no such shop')
  })

  test('may fail as often as its own limit allows', () => {
    const job = new TrackOptions()
    expect(job.verdict(0, clusterState('{failed: 1}', ended(1)), log)).toMatch(/^waiting: /)
    expect(job.verdict(500, clusterState('{failed: 2}', ended(1), ended(1)), log)).toMatch(
      /^waiting: /,
    )
    expect(
      job.verdict(900, clusterState('{conditions: [{type: Complete, status: "True"}]}', ended(1))),
    ).toBe('done')
  })

  test('fails with what was seen before when its pods are gone', () => {
    const job = new TrackOptions()
    job.verdict(0, clusterState('{failed: 1}', ended(1)), log)
    const gone = clusterState(failed('BackoffLimitExceeded'))
    expect(job.verdict(5, gone)).toBe('waiting: its log')
    expect(job.verdict(60, gone)).toBe('failed job-failed: seed: ValueError: no such shop')
  })

  test('fails in the words of its controller when nothing was seen', () => {
    const job = new TrackOptions()
    const gone = clusterState(failed('BackoffLimitExceeded'))
    job.verdict(0, gone)
    expect(job.verdict(60, gone)).toBe('failed job-failed: seed: m')
  })

  test('fails at the timeout when it does not start, but not when it has started', () => {
    const late = TIMEOUTS.timeout / 1000 + 1
    const stuck = new TrackOptions()
    stuck.verdict(0, clusterState('{}'))
    expect(stuck.verdict(late, clusterState('{}'))).toMatch(
      /^failed timeout: seed: not started after /,
    )
    const slow = new TrackOptions()
    slow.verdict(0, clusterState('{}', runs))
    expect(slow.verdict(late, clusterState('{}', runs))).toBe('waiting: it runs')
  })
})
