/** A look at a large namespace goes through its objects a few times, however many workloads a release has. */
import { expect, test } from '@jest/globals'
import { desiredAsIs } from '../../src/judge/desired.js'
import { judge } from '../../src/judge/judge.js'
import { newObservations } from '../../src/judge/observations.js'
import type { ClusterState } from '../../src/judge/types.js'
import type { WorkloadObject } from '../../src/kubernetes/objects.js'
import { nothing } from '../support/live.js'

class Counted<T> extends Map<string, T> {
  count = 0

  override values() {
    this.count += 1
    return super.values()
  }
}

const workloads = 40

function namespace() {
  const pods = new Counted<unknown>()
  const replicasets = new Counted<unknown>()
  const events = new Counted<unknown>()
  const deployments = new Map<string, WorkloadObject>()
  for (let nth = 0; nth < workloads; nth++) {
    const name = `web-${nth}`
    const template = { spec: { containers: [{ name: 'web', image: `shop:${nth}` }] } }
    const owned = (kind: string, uid: string) => ({
      name: `${name}-${kind}`,
      uid: `${uid}-${nth}`,
      ownerReferences: [
        { controller: true, uid: `${uid === 'set' ? 'own' : 'set'}-${nth}`, kind, name },
      ],
    })
    deployments.set(name, {
      kind: 'Deployment',
      metadata: { name, uid: `own-${nth}`, generation: 1 },
      spec: { replicas: 1, template },
      status: { observedGeneration: 1, replicas: 1 },
    } as WorkloadObject)
    replicasets.set(name, { metadata: owned('set', 'set'), spec: { template } })
    pods.set(name, { metadata: owned('pod', 'pod'), spec: template.spec, status: {} })
    events.set(name, {
      metadata: { name },
      involvedObject: { uid: `pod-${nth}` },
      reason: 'Unhealthy',
    })
  }
  const clusterState = { ...nothing, deployments, replicasets, pods, events, confirmedAt: 1 }
  return {
    clusterState: clusterState as unknown as ClusterState,
    deployments: [...deployments.values()],
    counts: () => [pods.count, replicasets.count, events.count],
  }
}

test('each kind is gone through a fixed number of times', () => {
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
  const [pods = 0, replicasets = 0, events = 0] = counts()
  expect({ pods: pods <= 3, replicasets, events }).toEqual({
    pods: true,
    replicasets: 1,
    events: 1,
  })
})
