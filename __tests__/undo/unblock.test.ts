import { describe, expect, test } from '@jest/globals'
import type { StatefulSet } from 'kubernetes-types/apps/v1'
import type { Pod } from 'kubernetes-types/core/v1'
import { parse } from 'yaml'
import { blockingPods, keepUnblocked, type PutBackSet } from '../../src/undo/unblock.js'
import type { ClusterState } from '../../src/judge/types.js'
import { clusterOf } from '../support/cluster.js'
import { notebook } from '../support/journal.js'
import { nothing, standing } from '../support/live.js'

/** The one that comes back, and the one that is withdrawn. */
const template = (image: string, more = {}) => ({
  spec: { containers: [{ name: 'queue', image: `queue:${image}`, ...more }] },
})
const putBack: PutBackSet = {
  name: 'queue',
  before: template('old'),
  written: template('new'),
  isPut: true,
}
type Strategy = NonNullable<StatefulSet['spec']>['updateStrategy']
const byHand: Strategy = { type: 'OnDelete' }
const inPart: Strategy = { type: 'RollingUpdate', rollingUpdate: { partition: 1 } }
const all: Strategy = { type: 'RollingUpdate', rollingUpdate: { partition: 0 } }

interface Scene {
  /** Generation that the controller has seen, of 2. */
  readonly seen?: number
  /** `queue-1: [revision, ready]`; a third entry: it is being deleted. */
  readonly pods: Readonly<Record<string, readonly [string, boolean, string?]>>
}

/** A StatefulSet `queue` that is to have the revision `old` again. */
function clusterState(scene: string, updateStrategy: Strategy = all): ClusterState {
  const { seen = 2, pods } = parse(scene) as Scene
  const set: StatefulSet = {
    metadata: { name: 'queue', uid: 'set', generation: 2 },
    spec: {
      serviceName: 'queue',
      selector: {},
      template: {},
      ...(updateStrategy && { updateStrategy }),
    },
    status: { replicas: 2, observedGeneration: seen, updateRevision: 'old' },
  }
  const made = Object.entries(pods).map(([name, [revision, ready, deleted]]): [string, Pod] => [
    name,
    {
      metadata: {
        name,
        uid: `uid-${name}`,
        labels: { 'controller-revision-hash': revision },
        ownerReferences: [
          {
            apiVersion: 'apps/v1',
            kind: 'StatefulSet',
            name: 'queue',
            uid: 'set',
            controller: true,
          },
        ],
        ...(deleted !== undefined && { deletionTimestamp: '2026-01-01T00:00:00Z' }),
      },
      // The server adds to what a template says.
      spec: template(revision, { terminationMessagePath: '/dev/termination-log' }).spec,
      status: { conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] },
    },
  ])
  return { ...nothing, statefulsets: new Map([['queue', set]]), pods: new Map(made) }
}

describe('a pod that blocks the undo', () => {
  test.each([
    [
      'broken, of the new version',
      'pods: {queue-0: [old, true], queue-1: [new, false]}',
      ['queue-1'],
    ],
    ['Ready, of the new version: it is replaced in its turn', 'pods: {queue-1: [new, true]}', []],
    ['not Ready, of the old version: it is starting', 'pods: {queue-1: [old, false]}', []],
    ['on its way out already', 'pods: {queue-1: [new, false, deleted]}', []],
    ['the controller has not seen the undo yet', '{seen: 1, pods: {queue-1: [new, false]}}', []],
  ])('is recognized: %s', (_, scene, names) => {
    expect(
      blockingPods(clusterState(scene), putBack).map(({ metadata }) => metadata?.name),
    ).toEqual(names)
  })

  /** A mesh rewrites images, probes and more of the pods that are made from any template. */
  test.each<[string, Strategy, boolean, string, readonly string[]]>([
    ['of another revision, changed by a webhook', all, true, 'mutated', ['queue-1']],
    ['the set says nothing of updates', undefined, true, 'mutated', ['queue-1']],
    ['of neither, in a set that was not restored', all, false, 'older', []],
    ['of the withdrawn one, in a set that was not restored', all, false, 'new', ['queue-1']],
    ['of neither: the release has not touched it (OnDelete)', byHand, true, 'older', []],
    ['of the withdrawn one (OnDelete)', byHand, true, 'new', ['queue-1']],
    ['of neither: the release has not touched it (a partition)', inPart, true, 'older', []],
    ['of the withdrawn one (a partition)', inPart, true, 'new', ['queue-1']],
  ])('is recognized by its revision: %s', (_, strategy, isPut, revision, names) => {
    const scene = clusterState(`pods: {queue-1: [${revision}, false]}`, strategy)
    const blocking = blockingPods(scene, { ...putBack, isPut })
    expect(blocking.map(({ metadata }) => metadata?.name)).toEqual(names)
  })

  test.each([
    ['adds a variable', {}, { env: [{ name: 'A', value: '1' }] }, ['queue-1']],
    ['takes one away', { env: [{ name: 'A', value: '1' }] }, {}, ['queue-1']],
    ['changes a command', { command: ['a'] }, { command: ['a', 'b'] }, ['queue-1']],
    ['is the same', {}, {}, []],
  ])('is recognized where the withdrawn template %s', (_, before, written, names) => {
    const templates = { before: template('x', before), written: template('x', written) }
    const set = { name: 'queue', ...templates, isPut: true }
    const scene = clusterState('pods: {queue-0: [older, false], queue-1: [new, false]}', byHand)
    const pods = new Map(
      [...scene.pods].map(([name, pod]) => {
        const more = name === 'queue-1' ? written : before
        return [name, { ...pod, spec: template('x', more).spec }]
      }),
    )
    const blocking = blockingPods({ ...scene, pods }, set)
    expect(blocking.map(({ metadata }) => metadata?.name)).toEqual(names)
  })

  test('is never found where the StatefulSet does not exist', () => {
    expect(blockingPods(nothing, putBack)).toEqual([])
  })
})

test('each blocking pod is deleted once when it is seen, until the unblocking is stopped', async () => {
  const said = notebook()
  const removed: string[] = []
  const cluster = clusterOf({
    remove: (path, { uid } = {}) => {
      removed.push(`${path} ${uid}`)
      return path.endsWith('queue-0') ? Promise.reject(new Error('no')) : Promise.resolve()
    },
  })
  const live = standing(clusterState('pods: {queue-1: [new, false]}'))
  const stop = keepUnblocked(cluster, live, [putBack], said)
  live.change()
  live.change(clusterState('pods: {queue-0: [new, false], queue-1: [new, false]}'))
  stop()
  live.change(clusterState('pods: {queue-2: [new, false]}'))
  expect(removed).toEqual([
    '/api/v1/namespaces/shop/pods/queue-1 uid-queue-1',
    '/api/v1/namespaces/shop/pods/queue-0 uid-queue-0',
  ])
  // Two tries, of which none came about: the second pod is not told as deleted.
  await Promise.resolve()
  expect(said.lines).toEqual(['pod/queue-1 of the broken version blocks the restore: deleted'])
})
