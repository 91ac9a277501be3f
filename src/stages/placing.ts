/** When each object of the manifests is written: what finds our pods goes with the rollout. Pure. */
import type { Service } from 'kubernetes-types/core/v1'
import type { Change } from '../kubernetes/apply.js'
import {
  isWorkload,
  keyOf,
  templateOf,
  workloadId,
  type KubeObject,
  type WorkloadObject,
} from '../kubernetes/objects.js'
import { placeOf, type Pods, type When } from '../kubernetes/selectors.js'
import { idOf } from '../kubernetes/workload.js'
import { fail } from '../report/cause.js'
import type { Picture } from '../rollout/types.js'
import type { Target } from './targets.js'

export type PlacedChange = Change & { readonly when: When }

export interface Plan {
  readonly changes: readonly PlacedChange[]
  readonly warnings: readonly string[]
}

/**
 * Throws a Failure `selector-conflict` where something that finds our pods would lose them, whenever it is
 * written. `ours` are the changes of our workloads, `services` those that live now.
 */
export function planOf(
  others: readonly Change[],
  ours: readonly Change[],
  targets: readonly Target[],
  services: readonly Service[],
  picture: Picture,
): Plan {
  const pods = podsOf(others, ours, targets, picture)
  const written = new Set(others.map(({ object }) => keyOf(object)))
  const asTheyAre = services
    .map((service): KubeObject => ({ apiVersion: 'v1', kind: 'Service', ...service }))
    .filter((service) => !written.has(keyOf(service)))
  for (const service of asTheyAre) placed(service, service, pods)
  const all = others.map((change) => {
    const before = change.is === 'create' ? undefined : change.live
    const { when, warning } = placed(before, change.becomes, pods)
    const isNew = change.is !== 'none' && warning !== undefined
    return { change: { ...change, when }, warnings: isNew ? [warning] : [] }
  })
  return {
    changes: all.map(({ change }) => change),
    warnings: all.flatMap(({ warnings }) => warnings),
  }
}

function placed(before: KubeObject | undefined, after: KubeObject, pods: readonly Pods[]) {
  const place = placeOf(before, after, pods)
  if (place.when !== 'never') return place
  const { sentence, hint } = place
  return fail({ code: 'selector-conflict', sentence, hint })
}

/** All pods of the namespace that may be found, by their workloads: now, and after the release. */
function podsOf(
  others: readonly Change[],
  ours: readonly Change[],
  targets: readonly Target[],
  picture: Picture,
): readonly Pods[] {
  const becomes = new Map(ours.map((change) => [keyOf(change.object), change.becomes]))
  const released = targets.map(({ id, live, manifest, back }): Pods => {
    const after = (manifest && becomes.get(keyOf(manifest))) ?? manifest ?? live
    const template = back ?? (after && isWorkload(after) ? templateOf(after) : undefined)
    return {
      id: idOf(id),
      ours: true,
      ...(live && hasPods(live) && { live: templateOf(live) }),
      ...(template && { becomes: template }),
      ...(live && stays(live) && { stays: true as const }),
    }
  })
  // Applied before the rollout, and waited for.
  const brought = others.flatMap(({ becomes: object }) =>
    isWorkload(object) ? [asItIs(object)] : [],
  )
  const known = new Set([...released, ...brought].map(({ id }) => id))
  const running = [
    ...picture.deployments.values(),
    ...picture.statefulsets.values(),
    ...picture.daemonsets.values(),
  ]
    .map((object) => object as KubeObject)
    .filter(isWorkload)
    .filter((object) => hasPods(object) && !known.has(idOf(workloadId(object))))
    .map(asItIs)
  const owned = ['ReplicaSet', 'StatefulSet', 'DaemonSet', 'Job']
  const bare = [...picture.pods.values()]
    .filter(({ metadata, status }) => {
      const owner = metadata?.ownerReferences?.find(({ controller }) => controller)
      const isOver = ['Succeeded', 'Failed'].includes(status?.phase ?? '')
      return !isOver && !owned.includes(owner?.kind ?? '')
    })
    .map((pod): Pods => ({ id: `pod/${pod.metadata?.name}`, ours: false, live: pod, becomes: pod }))
  // A Service does not lead to the pods of a CronJob, though they may have its labels.
  return [...released, ...brought, ...running, ...bare].filter(
    ({ id }) => !id.startsWith('cronjob/'),
  )
}

function asItIs(object: WorkloadObject): Pods {
  const template = templateOf(object)
  return { id: idOf(workloadId(object)), ours: false, live: template, becomes: template }
}

function hasPods({ spec: { replicas } }: WorkloadObject): boolean {
  return replicas !== 0
}

function stays({ spec }: WorkloadObject): boolean {
  const { updateStrategy: how } = spec as {
    readonly updateStrategy?: { type?: string; rollingUpdate?: { partition?: number } }
  }
  return how?.type === 'OnDelete' || (how?.rollingUpdate?.partition ?? 0) > 0
}
