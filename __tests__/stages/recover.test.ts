/** A migration whose run was killed is ended by whoever has the lock next. */
import { describe, expect, test } from '@jest/globals'
import type { Job } from 'kubernetes-types/batch/v1'
import { ApiError } from '../../src/kubernetes/api-error.js'
import { causeOf } from '../../src/commands/causes.js'
import { lockAndRecover } from '../../src/commands/lock.js'
import type { Run } from '../../src/commands/run.js'
import { endMigrations, endOfOwnJobs, mayHaveMigrated, recover } from '../../src/stages/recover.js'
import type { PreflightResult } from '../../src/stages/preflight.js'
import { readHistory, readReleases } from '../../src/state/history-store.js'
import { openBridges, openHeld } from '../../src/state/history.js'
import { openRecord, readRecord, updateRecord, type KeptRecord } from '../../src/state/record.js'
import { handClock } from '../support/clock.js'
import { memoryCluster } from '../support/cluster.js'
import { notebook } from '../support/journal.js'
import { nothing, standing } from '../support/live.js'
import { scripted } from '../support/scripted.js'
import { contextOf } from '../support/settings.js'

const job = (name: string, app: string, condition?: string): Job => ({
  metadata: { name, labels: { 'django-rollout/app': app } },
  spec: { template: { spec: { containers: [{ name: 'web' }] } } },
  status: condition === undefined ? {} : { conditions: [{ type: condition, status: 'True' }] },
})

test.each<[string, Job, boolean]>([
  ['still runs', job('left', 'shop'), true],
  ['is complete', job('done', 'shop', 'Complete'), false],
  ['has failed', job('failed', 'shop', 'Failed'), false],
  ['only begins to fail', job('failing', 'shop', 'FailureTarget'), true],
  ['is of another application', job('other', 'blog'), false],
])('recover handles a migration Job that %s', async (_, left, isEnded) => {
  const memory = memoryCluster({})
  const cluster = { ...memory.cluster, get: <T>() => Promise.resolve({ items: [left] } as T) }
  const stageLog = notebook()
  const context = contextOf(scripted([]).platform).with({ log: stageLog, cluster })
  const finalLines: (() => Promise<void>)[] = []
  const run = { resources: { add: (close: () => Promise<void>) => finalLines.push(close) } }
  const checked = { live: standing() }

  await lockAndRecover(run as unknown as Run, context, checked as unknown as PreflightResult)
  await Promise.all(finalLines.map((close) => close()))

  const name = left.metadata?.name ?? ''
  const path = `/apis/batch/v1/namespaces/shop/jobs/${name}`
  const line = `job/${name} was left unfinished: stopping it`
  expect(memory.asked.filter((request) => request.startsWith('DELETE'))).toEqual(
    isEnded ? [`DELETE ${path} 200`] : [],
  )
  expect(stageLog.lines).toEqual(isEnded ? [line] : [])
})

describe('the lock is given back', () => {
  const own = (condition?: string, run = 'run-1'): Job => {
    const one = job('own', 'shop', condition)
    return { ...one, metadata: { ...one.metadata, annotations: { 'django-rollout/run': run } } }
  }
  const holding = (...jobs: readonly Job[]) => ({
    ...nothing,
    jobs: new Map(jobs.map((one, i) => [String(i), one] as const)),
  })

  /** How long after the end of the work, in ms; `then` is what the cluster shows after 700 ms. */
  const waited = async (first: Job, then?: Job, signal?: AbortSignal) => {
    const clock = handClock()
    const live = standing(holding(first))
    const { platform } = scripted([])
    const context = contextOf({ ...platform, clock }, {}, signal).with({
      log: notebook(),
      cluster: memoryCluster({}).cluster,
    })
    let took: number | undefined
    void endOfOwnJobs(context, live).then(() => (took = clock.now()))
    await clock.pass(700)
    live.change(holding(...(then ? [then] : [])))
    await clock.pass(10_000)
    return { took, listeners: live.listeners }
  }
  const rows: readonly [string, Job, Job | undefined, (took: number) => boolean][] = [
    ['at once after a Job that is complete', own('Complete'), undefined, (took) => took < 700],
    ['at once beside a Job of another run', own(undefined, 'run-2'), own(), (took) => took < 700],
    ['when the Job shows its end', own(), own('Complete'), (took) => took >= 700 && took < 1500],
    ['when the Job is gone', own(), undefined, (took) => took >= 700 && took < 1500],
    ['after 3 s with a Job that goes on', own(), own(), (took) => took >= 3000 && took < 3100],
  ]
  test.each(rows)('%s', async (_, first, then, isRight) => {
    const { took = NaN, listeners } = await waited(first, then)
    expect([took, isRight(took)]).toEqual([took, true])
    expect(listeners).toBe(0)
  })

  test('at once after a cancellation', async () => {
    expect(await waited(own(), own(), AbortSignal.abort())).toEqual({ took: 0, listeners: 0 })
  })
})

test('a Job that cannot be ended is reported as left open, even after a cancellation', async () => {
  const refused = new ApiError(403, 'Forbidden', 'jobs.batch is forbidden')
  const cluster = {
    ...memoryCluster({}).cluster,
    get: <T>() => Promise.resolve({ items: [job('left', 'shop')] } as T),
    remove: () => Promise.reject(refused),
  }
  const context = contextOf(scripted([]).platform).with({ log: notebook(), cluster })
  const ending = endMigrations(context, standing())
  const error = await ending.catch((one: unknown) => one)
  expect(causeOf(error, AbortSignal.abort())).toEqual({
    code: 'restore-failed',
    sentence: 'job/left was left unfinished, and stopping it failed: jobs.batch is forbidden',
  })
})

test.each<[string, object, boolean]>([
  ['still runs', { web: { running: {} } }, false],
  ['has ended, while its Job has no condition yet', { web: { terminated: { exitCode: 3 } } }, true],
  [
    'has ended, while one that was injected runs',
    { web: { terminated: { exitCode: 0 } }, proxy: { running: {} } },
    true,
  ],
])('what fits the schema after a migration whose container %s', async (_, states, isKnown) => {
  const history = '/api/v1/namespaces/shop/configmaps/django-rollout-shop'
  const entry = {
    run: 'run-0',
    command: 'release',
    who: 'ada',
    at: '2026-01-31T12:00:00.000Z',
    image: 'shop',
    tag: 'v1',
    digest: 'sha256:1',
    result: 'deployed',
    seconds: 1,
    migrations: [],
    number: 1,
    fit: { misfits: [] },
  }
  const memory = memoryCluster({
    [history]: {
      metadata: { labels: { 'app.kubernetes.io/managed-by': 'django-rollout' } },
      data: { 'release-000001': JSON.stringify(entry) },
    } as object,
  })
  const live = standing()
  const pod = {
    metadata: { labels: { 'job-name': 'left' } },
    status: {
      containerStatuses: Object.entries(states).map(([name, state]) => ({
        name,
        image: '',
        imageID: '',
        ready: false,
        restartCount: 0,
        state: state as object,
      })),
    },
  }
  live.change({ ...nothing, pods: new Map([['left-1', pod]]) })
  const cluster = {
    ...memory.cluster,
    get: <T>() => Promise.resolve({ items: [job('left', 'shop')] } as T),
    remove: () => {
      live.change({ ...nothing, confirmedAt: Infinity })
      return Promise.resolve()
    },
  }
  const context = contextOf(scripted([]).platform).with({ log: notebook(), cluster })
  await endMigrations(context, live)
  const [one] = (await readReleases(memory.cluster, 'shop')).history
  expect(one?.fit !== undefined).toBe(isKnown)
})

test.each([
  ['its plan was known', true],
  ['it was cut off before its plan', false],
])('the history has what a release has held back whose run was killed: %s', async (_, isKnown) => {
  const bridge = { kind: 'default-kept', database: 'default', table: 't', column: 'c' } as const
  const earlier = { ...bridge, column: 'b', migration: 'shop.0001_b' }
  const contract = {
    held: ['shop.0003_no_note'],
    bridges: [earlier, { ...bridge, migration: 'shop.0002_c' }],
  }
  const last = { held: ['shop.0001_old'], bridges: [earlier] }
  const image = 'ghcr.io/acme/shop'
  const begun = {
    run: 'run-0',
    command: 'release',
    who: 'bob',
    at: '2026-01-31T12:00:00.000Z',
    image,
    tag: 'v2',
    digest: 'sha256:2',
  } as const
  const before = { ...begun, run: 'run-9', tag: 'v1', digest: 'sha256:1', number: 1, ...last }
  const entry = { ...before, result: 'deployed', seconds: 1, migrations: [] }
  const memory = memoryCluster({
    '/api/v1/namespaces/shop': { metadata: { uid: 'here' } },
    '/api/v1/namespaces/shop/configmaps/django-rollout-shop': {
      metadata: { labels: { 'app.kubernetes.io/managed-by': 'django-rollout' } },
      data: { 'release-000001': JSON.stringify(entry) },
    } as object,
  })
  const { cluster } = memory
  const { platform } = scripted([])
  const timeouts = { timeout: 600_000, grace: {} }
  const opened = await openRecord(cluster, platform.clock, 'shop', {
    begun,
    timeouts,
    snapshot: [],
  })
  const schema = {
    is: 'back',
    web: 'deployment/web',
    container: 'web',
    command: 'migrate',
  } as const
  const migrations = ['shop.0002_c']
  const kept = {
    ...opened,
    ...(isKnown && { contract, schema: { ...schema, migrations, misfits: [] } }),
  }
  await updateRecord(cluster, platform.clock, 'shop', kept)

  const found = await readRecord(cluster, 'shop', image)
  if (!found) throw new Error('the record is gone')
  const context = contextOf(platform).with({ log: notebook(), cluster })
  await recover(context, standing(), { ...found, snapshot: [] }, false)

  const history = await readHistory(cluster, 'shop', image)
  expect(history.at(-1)).toMatchObject({
    run: 'run-0',
    result: 'undone',
    migrations: isKnown ? migrations : [],
  })
  const { held, bridges } = isKnown ? contract : last
  expect(openHeld(history)).toEqual(held)
  expect(openBridges(history)).toEqual(bridges)
})

describe('an interrupted release may have migrated', () => {
  const now = Date.parse('2026-01-31T12:30:00.000Z')
  const at = (minutes: number) => new Date(now - minutes * 60_000).toISOString()
  const own: Job = { metadata: { annotations: { 'django-rollout/run': 'run-0' } } }
  const rows: readonly [string, string, string, readonly Job[], boolean][] = [
    ['its Job exists', 'release', at(5), [own], true],
    ['no Job is its own', 'release', at(5), [job('other', 'shop')], false],
    ['its Job may have been removed by now', 'deploy', at(70), [], true],
    ['a rollback never does', 'rollback', at(70), [own], false],
  ]
  test.each(rows)('and the history is right: %s', (_, command, begunAt, jobs, may) => {
    const { platform } = scripted([])
    const clock = { ...platform.clock, now: () => now }
    const named = jobs.map((one, i) => [String(i), one] as const)
    const live = standing({ ...nothing, jobs: new Map(named) })
    const record = { begun: { run: 'run-0', command, at: begunAt } } as unknown as KeptRecord
    expect(mayHaveMigrated({ platform: { ...platform, clock } }, live, record)).toBe(may)
  })
})
