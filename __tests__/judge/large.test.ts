/** A look at a large namespace finds what it needs, and goes through as few objects as it can. */
import { expect, test } from '@jest/globals'
import { desiredAsIs } from '../../src/judge/desired.js'
import { Grouped } from '../../src/judge/grouped.js'
import { judge } from '../../src/judge/judge.js'
import { newObservations } from '../../src/judge/observations.js'
import type { ClusterState } from '../../src/judge/types.js'
import type { KubeObject, WorkloadObject } from '../../src/kubernetes/objects.js'
import { nothing } from '../support/live.js'

/** As a watch keeps its objects. */
class Counted extends Grouped<KubeObject> {
  count = 0

  override values() {
    this.count += 1
    return super.values()
  }

  override [Symbol.iterator]() {
    this.count += 1
    return super[Symbol.iterator]()
  }
}

const workloads = 40

function namespace() {
  const pods = new Counted()
  const replicasets = new Counted()
  const events = new Counted()
  const deployments = new Map<string, WorkloadObject>()
  for (let nth = 0; nth < workloads; nth++) {
    const name = `web-${nth}`
    const template = { spec: { containers: [{ name: 'web', image: `shop:${nth}` }] } }
    const owned = (kind: string, uid: string) => ({
      name: `${name}-${kind}`,
      uid: `${uid}-${nth}`,
      ownerReferences: [
        {
          controller: true,
          uid: `${uid === 'set' ? 'own' : 'set'}-${nth}`,
          apiVersion: 'apps/v1',
          kind,
          name,
        },
      ],
    })
    deployments.set(name, {
      kind: 'Deployment',
      metadata: { name, uid: `own-${nth}`, generation: 1 },
      spec: { replicas: 1, template },
      status: { observedGeneration: 1, replicas: 1 },
    } as WorkloadObject)
    replicasets.set(name, { metadata: owned('set', 'set'), spec: { template } })
    pods.set(name, {
      metadata: owned('pod', 'pod'),
      spec: template.spec,
      status: {},
    } as KubeObject)
    events.set(name, {
      metadata: { name },
      involvedObject: { uid: `pod-${nth}` },
      reason: 'Unhealthy',
    } as KubeObject)
  }
  const clusterState = { ...nothing, deployments, replicasets, pods, events, confirmedAt: 1 }
  return {
    clusterState: clusterState as unknown as ClusterState,
    deployments: [...deployments.values()],
    counts: () => [pods.count, replicasets.count, events.count],
  }
}

test('only pods are gone through, for the places that they take', () => {
  const { clusterState, deployments, counts } = namespace()
  const desired = deployments.map((object) => {
    const workload = { kind: 'Deployment', name: object.metadata?.name ?? '' } as const
    return desiredAsIs(workload, object, { ...nothing, confirmedAt: 1 })
  })
  const { verdicts } = judge(desired, {
    clusterState,
    timeouts: { timeout: 60_000, bake: 0, grace: {} },
    observations: newObservations(1),
    now: 1,
  })
  expect(Object.values(verdicts)).toHaveLength(workloads)
  expect(verdicts['deployment/web-7']).toMatchObject({
    is: 'waiting',
    on: expect.stringContaining('web-7-pod'),
  })
  expect(counts()).toEqual([1, 0, 0])
})
