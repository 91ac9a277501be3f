/** When each object of the manifests is written: what finds the released pods goes with the rollout. Pure. */
import type { ReplicaSet } from 'kubernetes-types/apps/v1'
import type { Pod, PodTemplateSpec, Service } from 'kubernetes-types/core/v1'
import type { Change } from '../kubernetes/apply.js'
import {
  groupOf,
  isWorkload,
  keyOf,
  nameOf,
  templateOf,
  workloadId,
  type KubeObject,
  type WorkloadObject,
} from '../kubernetes/objects.js'
import {
  holdsNoData,
  kindOf,
  placeOf,
  type Pods,
  type Surroundings,
  type When,
} from '../kubernetes/selectors.js'
import { idOf } from '../kubernetes/workload.js'
import { fail } from '../failure/failure.js'
import type { ClusterState } from '../judge/types.js'
import type { Target } from '../kubernetes/target.js'

export type PlacedChange = Change & { readonly when: When }

export interface Plan {
  readonly changes: readonly PlacedChange[]
  readonly warnings: readonly string[]
}

/** Everything that selects pods, or that creates them. */
export interface PlanInput {
  /** The changes of everything that does not run the released image. */
  readonly others: readonly Change[]
  /** The changes of the released workloads. */
  readonly own: readonly Change[]
  readonly targets: readonly Target[]
  /** The live ones. */
  readonly services: readonly Service[]
  readonly clusterState: ClusterState
  /** What the release runs. */
  readonly jobs?: readonly KubeObject[]
}

/**
 * Throws a Failure `selector-conflict` where something that finds the released pods would lose them, whenever it
 * is written.
 */
export function planOf(input: PlanInput): Plan {
  const { others, services } = input
  const pods = podsOf(input)
  const written = new Set(others.map(({ object }) => keyOf(object)))
  const asTheyAre = services
    .map((service): KubeObject => ({ apiVersion: 'v1', kind: 'Service', ...service }))
    .filter((service) => !written.has(keyOf(service)))
  for (const service of asTheyAre) placed(service, service, pods)
  const becomes = [...others.map(({ becomes }) => becomes).filter(isService), ...asTheyAre]
  const routed: Surroundings = {
    services: { live: services, becomes: becomes as readonly Service[] },
    makes: others.some(({ object }) => isCustom(object) && !holdsNoData(object)),
  }
  const all = others.map((change) => {
    const before = change.is === 'create' ? undefined : change.live
    const {
      when,
      warning,
      losses = [],
    } = placed(before, change.becomes, pods, {
      ...routed,
      beside: besideOf(change, others),
    })
    const isNew = change.is !== 'none' && warning !== undefined
    return { change: { ...change, when }, warnings: isNew ? [warning] : losses }
  })
  return {
    changes: all.map(({ change }) => change),
    warnings: all.flatMap(({ warnings }) => warnings),
  }
}

function besideOf(change: Change, others: readonly Change[]): readonly KubeObject[] {
  return others
    .filter((other) => other !== change && kindOf(other.object) === kindOf(change.object))
    .flatMap((other) => [...(other.is === 'create' ? [] : [other.live]), other.becomes])
}

function isService(object: KubeObject): boolean {
  return keyOf(object).startsWith('/Service/')
}

function isCustom(object: KubeObject): boolean {
  const group = groupOf(object)
  return group.includes('.') && !group.endsWith('.k8s.io')
}

function placed(
  before: KubeObject | undefined,
  after: KubeObject,
  pods: readonly Pods[],
  around: Surroundings = {},
) {
  const place = placeOf(before, after, pods, around)
  if (place.when !== 'never') return place
  const { sentence, hint } = place
  return fail({ code: 'selector-conflict', sentence, hint })
}

/** Returns all pods of the namespace that may be found, by their workloads: now, and after the release. */
function podsOf({ others, own, targets, clusterState, jobs = [] }: PlanInput): readonly Pods[] {
  const becomes = new Map(own.map((change) => [keyOf(change.object), change.becomes]))
  const released = targets.map(({ id, live, manifest, back }): Pods => {
    const after = (manifest && becomes.get(keyOf(manifest))) ?? manifest ?? live
    const template = back ?? (after && isWorkload(after) ? templateOf(after) : undefined)
    return {
      id: idOf(id),
      own: true,
      ...(live && hasPods(live) && { live: templateOf(live) }),
      ...(template && { becomes: template }),
      ...(live && stays(live) && { stays: true as const }),
      ...(id.kind === 'CronJob' && { apart: true as const }),
    }
  })
  // Applied before the rollout, and waited for.
  const brought = others.flatMap(({ becomes: object }) =>
    isWorkload(object) ? [asItIs(object)] : [],
  )
  const known = new Set([...released, ...brought].map(({ id }) => id))
  const running = [
    ...clusterState.deployments.values(),
    ...clusterState.statefulsets.values(),
    ...clusterState.daemonsets.values(),
    ...clusterState.cronjobs.values(),
  ]
    .map((object) => object as KubeObject)
    .filter(isWorkload)
    .filter((object) => !known.has(idOf(workloadId(object))))
    .map((object) => (hasPods(object) ? asItIs(object) : apart(asItIs(object))))
  const bare = [...clusterState.pods.values()]
    .filter((pod) => !isOver(pod) && !isOfWorkload(pod, clusterState))
    .map((pod) => {
      const one = pods(`pod/${pod.metadata?.name}`, pod)
      return ownerOf(pod)?.kind === 'Job' ? apart(one) : one
    })
  const ran = [...jobs, ...others.map(({ becomes: object }) => object)]
    .filter(({ kind }) => kind === 'Job')
    .map((job) =>
      apart(pods(`job/${nameOf(job)}`, (job.spec as { template?: PodTemplateSpec }).template)),
    )
  return [...released, ...brought, ...running, ...bare, ...ran]
}

function pods(id: string, template: PodTemplateSpec = {}): Pods {
  return { id, own: false, live: template, becomes: template }
}

function apart(one: Pods): Pods {
  return { ...one, apart: true }
}

function asItIs(object: WorkloadObject): Pods {
  const one = pods(idOf(workloadId(object)), templateOf(object))
  return object.kind === 'CronJob' ? apart(one) : one
}

function isOver({ status }: Pod): boolean {
  return ['Succeeded', 'Failed'].includes(status?.phase ?? '')
}

function ownerOf({ metadata }: Pod | ReplicaSet) {
  return metadata?.ownerReferences?.find(({ controller }) => controller)
}

/**
 * Returns whether a workload represents the pod. A ReplicaSet may belong to a kind of another tool, which is
 * unknown here.
 */
function isOfWorkload(pod: Pod, clusterState: ClusterState): boolean {
  const owner = ownerOf(pod)
  if (owner?.kind !== 'ReplicaSet') return ['StatefulSet', 'DaemonSet'].includes(owner?.kind ?? '')
  const set = clusterState.replicasets.get(owner.name)
  return set === undefined || ownerOf(set)?.kind === 'Deployment'
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
