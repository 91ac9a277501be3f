import { expect, test } from '@jest/globals'
import { isWorkload, type KubeObject } from '../../src/kubernetes/objects.js'
import { ailing } from '../../src/doctor/health.js'
import type { Target } from '../../src/kubernetes/target.js'
import { handClock } from '../support/clock.js'
import { clusterOf } from '../support/cluster.js'
import { pictureOf, START } from '../judge/scene.js'

/** Seconds before 12:00:20, when it is looked at. */
const crashed = (seconds: number, state: string) => `
pods:
  new-1:
    ready: ${state.includes('running') ? 'true' : 'false'}
    container:
      restartCount: 1
      state: ${state}
      lastState:
        terminated:
          exitCode: 1
          finishedAt: '${new Date(START + 20_000 - seconds * 1000).toISOString()}'
`
const running = '{ running: { startedAt: "2026-01-01T12:00:19Z" } }'
const backOff = '{ waiting: { reason: CrashLoopBackOff, message: back-off } }'
const words = "web: ModuleNotFoundError: No module named 'shop.tasks'"

test.each<[string, string, string | undefined]>([
  ['is well', 'pods: { new-1: { ready: true } }', undefined],
  ['crashed an hour ago, and runs', crashed(3600, running), undefined],
  ['crashed a moment ago, and runs for a moment', crashed(1, running), words],
  ['waits to be started again', crashed(5, backOff), words],
  [
    'gets no node',
    `
pods:
  new-1:
    ready: false
    spec: { nodeName: null }
    status: { phase: Pending }
    conditions: [{ type: PodScheduled, status: 'False', reason: Unschedulable, message: no room }]
`,
    '0 of 1 ready, waiting for new-1 (no room)',
  ],
])('the health of a workload is judged rightly when it %s', async (_, scene, expected) => {
  const clusterState = pictureOf(scene, 20)
  const live: KubeObject = {
    ...clusterState.deployments.get('web'),
    apiVersion: 'apps/v1',
    kind: 'Deployment',
  }
  if (!isWorkload(live)) throw new Error('no workload')
  const target: Target = {
    id: { kind: 'Deployment', name: 'web' },
    path: '/web',
    uses: [],
    running: [],
    live,
  }
  const cluster = clusterOf({
    lines: async function* () {
      await Promise.resolve()
      yield "ModuleNotFoundError: No module named 'shop.tasks'"
    },
  })
  const clock = handClock(START + 20_000)
  const found = await ailing([target], clusterState, { cluster, clock, toRepo: () => undefined })
  expect(found).toEqual(expected === undefined ? {} : { 'deployment/web': expected })
})
