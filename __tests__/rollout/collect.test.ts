/** The evidence of a failure, read while its pods are there. */
import { expect, test } from '@jest/globals'
import type { Cause } from '../../src/failure/failure.js'
import { collectEvidence } from '../../src/rollout/collect.js'
import { handClock } from '../support/clock.js'
import { clusterOf } from '../support/cluster.js'
import { standing } from '../support/live.js'
import { inRepo, pictureOf, START } from '../judge/scene.js'

const unready: Cause = {
  code: 'not-ready',
  sentence: 'web: runs, but is not Ready',
  workload: 'deployment/web',
  pod: 'web-a',
  container: 'web',
}
const crashed: Cause = {
  ...unready,
  code: 'crash',
  sentence: 'web: KeyError',
  logs: [{ source: 'container web', lines: ['KeyError'] }],
}

/** A pod that is not Ready, with a sidecar that is not either. */
const scene = `pods: {web-a: {container: {ready: false}, spec: {containers: [{name: web}, {name: nginx}]},
  status: {containerStatuses: [
    {name: web, ready: false, state: {running: {}}},
    {name: nginx, ready: false, restartCount: 1, state: {running: {}}, lastState: {terminated: {exitCode: 1}}}]}}}
events: [{about: web-a, reason: FailedMount, message: no disk, type: Warning}]`

/** What containers have written; `hangs`: the node does not answer to its end. */
type Written = Readonly<
  Record<string, { readonly lines: readonly string[]; readonly hangs?: true }>
>

async function gathered(cause: Cause, written: Written, clusterState = scene) {
  const clock = handClock(START)
  const asked: string[] = []
  const cluster = clusterOf({
    lines: async function* (path, signal) {
      const container = /container=(\w+)/.exec(path)?.[1] ?? ''
      asked.push(container + (path.includes('previous=true') ? ', previous' : ''))
      const { lines = [], hangs } = written[container] ?? {}
      yield* lines
      if (hangs) await clock.sleep(Infinity, signal)
    },
  })
  let took: number | undefined
  const live = standing(pictureOf(clusterState, 5))
  const ended = collectEvidence(cause, {
    cluster,
    clock,
    live,
    startedAt: START,
    toRepo: inRepo,
  }).finally(() => (took = clock.now() - START))
  await clock.pass(60_000)
  return { cause: await ended, asked, took }
}

const numbered = (count: number) => Array.from({ length: count }, (_, i) => `line ${i}`)

test('the logs of the failed container and its sidecar, and the warnings, are collected', async () => {
  const { cause, asked, took } = await gathered(unready, {
    web: { lines: ['starting', 'waits for the cache'] },
    nginx: { lines: numbered(50) },
  })
  expect(cause).toEqual({
    ...unready,
    logs: [
      { source: 'container web', lines: ['starting', 'waits for the cache'] },
      {
        source: 'container nginx before its restart',
        lines: numbered(50).slice(-10),
      },
    ],
    events: ['FailedMount: no disk'],
  })
  expect(asked).toEqual(['web', 'nginx, previous'])
  expect(took).toBe(0)
})

test('a Python error in the log of the failed container is reported with its place', async () => {
  const lines = [
    'Internal Server Error: /healthz',
    'Traceback (most recent call last):',
    '  File "/app/shop/views.py", line 7, in healthz',
    '    cache.ping()',
    'ConnectionError: no such host',
  ]
  const { cause } = await gathered(unready, { web: { lines: [...lines, 'GET /healthz 500'] } })
  const message = 'ConnectionError: no such host (shop/views.py:7)'
  expect(cause).toMatchObject({
    sentence: `web: runs, but is not Ready; its log says: ${message}`,
    logs: [{ source: 'container web', lines }],
    annotations: [{ file: 'shop/views.py', line: 7, title: 'not-ready', message }],
  })
})

test('an error of a sidecar is in its log alone', async () => {
  const { cause } = await gathered(unready, { nginx: { lines: ['ValueError: x'] } })
  expect(cause).toMatchObject({ sentence: unready.sentence })
  expect(cause.annotations).toBeUndefined()
})

test('evidence that is known is kept and not read again', async () => {
  const { cause, asked } = await gathered(crashed, { nginx: { lines: ['no upstream'] } })
  expect(asked).toEqual(['nginx, previous'])
  expect(cause.logs).toEqual([
    { source: 'container web', lines: ['KeyError'] },
    { source: 'container nginx before its restart', lines: ['no upstream'] },
  ])
})

test('a node that does not answer is waited for one second, and the rest is reported', async () => {
  const { cause, took } = await gathered(unready, {
    web: { lines: ['one'], hangs: true },
    nginx: { lines: [], hangs: true },
  })
  expect(cause.logs).toEqual([{ source: 'container web', lines: ['one'] }])
  expect(took).toBe(1000)
})

test('nothing is added when there is no evidence', async () => {
  const { cause, asked } = await gathered(unready, {}, 'pods: {}')
  expect(cause).toEqual(unready)
  expect(asked).toEqual([])
})
