/** Whether a database has come up with its new template. */
import { expect, test } from '@jest/globals'
import type { StatefulSet } from 'kubernetes-types/apps/v1'
import type { Pod } from 'kubernetes-types/core/v1'
import { hasTakenOver } from '../../src/undo/takeover.js'

const set = (status: Partial<StatefulSet['status']> = {}): StatefulSet => ({
  metadata: { name: 'db', uid: 'set', generation: 2 },
  status: {
    replicas: 1,
    observedGeneration: 2,
    currentRevision: 'one',
    updateRevision: 'two',
    ...status,
  },
})

/** `since`: seconds from the start of the pod to the last change of its readiness. */
const pod = (revision: string, ready: boolean, since = 0, owner = 'set'): Pod => ({
  metadata: {
    labels: { 'controller-revision-hash': revision },
    ownerReferences: [
      { apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'db', uid: owner, controller: true },
    ],
  },
  status: {
    startTime: '2026-01-01T00:00:00Z',
    conditions: [
      {
        type: 'Ready',
        status: ready ? 'True' : 'False',
        lastTransitionTime: new Date(Date.UTC(2026, 0, 1) + since * 1000).toISOString(),
      },
    ],
  },
})

test.each<[string, boolean, StatefulSet, readonly Pod[]]>([
  ['has a new pod that is Ready', true, set(), [pod('two', true, 5)]],
  ['has a new pod that was Ready, and is not any more', true, set(), [pod('two', false, 60)]],
  ['has had all its pods Ready', true, set({ currentRevision: 'two' }), []],
  ['has a new pod that never was', false, set(), [pod('two', false)]],
  ['has a new pod without a node', false, set(), [{ ...pod('two', false), status: {} }]],
  ['has only old pods', false, set(), [pod('one', true, 60)]],
  ['has no pods', false, set(), []],
  ['was not seen by its controller yet', false, set({ observedGeneration: 1 }), [pod('two', true)]],
  ['is another one', false, set(), [pod('two', true, 5, 'other')]],
])(
  'it is known whether a StatefulSet has taken over its data when it %s: %s',
  (_, expected, object, pods) => {
    expect(hasTakenOver(object, pods)).toBe(expected)
  },
)
