import type { DaemonSet, Deployment, ReplicaSet, StatefulSet } from 'kubernetes-types/apps/v1'
import type { CronJob } from 'kubernetes-types/batch/v1'
import type { Event, Pod, PodTemplateSpec } from 'kubernetes-types/core/v1'
import type { ObjectMeta } from 'kubernetes-types/meta/v1'
import { alike, isBeingDeleted } from '../kubernetes/objects.js'
import type { WorkloadId } from '../kubernetes/workload.js'
import { Grouped } from './grouped.js'
import type { DesiredWorkload, ClusterState } from './types.js'

/** A workload as it is in the cluster now. */
export type Live =
  | { readonly kind: 'Deployment'; readonly object: Deployment }
  | { readonly kind: 'StatefulSet'; readonly object: StatefulSet }
  | { readonly kind: 'DaemonSet'; readonly object: DaemonSet }
  | { readonly kind: 'CronJob'; readonly object: CronJob }

/** Returns the live object; `undefined` if it does not exist (any more). */
export function liveOf(clusterState: ClusterState, { kind, name }: WorkloadId): Live | undefined {
  switch (kind) {
    case 'Deployment': {
      const object = clusterState.deployments.get(name)
      return object && { kind, object }
    }
    case 'StatefulSet': {
      const object = clusterState.statefulsets.get(name)
      return object && { kind, object }
    }
    case 'DaemonSet': {
      const object = clusterState.daemonsets.get(name)
      return object && { kind, object }
    }
    case 'CronJob': {
      const object = clusterState.cronjobs.get(name)
      return object && { kind, object }
    }
  }
}

/** Returns the pod template of a workload. */
export function templateOf(live: Live): PodTemplateSpec | undefined {
  return live.kind === 'CronJob'
    ? live.object.spec?.jobTemplate.spec?.template
    : live.object.spec?.template
}

/** Returns whether its controller has seen all that was written so far, our write included. */
export function isObserved(live: Live, desired: DesiredWorkload): boolean {
  const generation = live.object.metadata?.generation ?? 0
  if (generation < desired.generation) return false
  // CronJobs have no observedGeneration: the next Job is made from the object as it is then.
  if (live.kind === 'CronJob') return true
  return (live.object.status?.observedGeneration ?? 0) >= generation
}

/** Returns the image of each container and init container of a pod or template, by container name. */
export function imagesOf(spec: PodTemplateSpec['spec']): Record<string, string | undefined> {
  const all = [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])]
  return Object.fromEntries(all.map(({ name, image }) => [name, image]))
}

/**
 * Returns the ReplicaSet that the Deployment controller takes for the template's own: the same template but for
 * the hash label, the oldest of them (`FindNewReplicaSet`, kubernetes/pkg/controller/deployment/util).
 */
export function replicaSetOf(
  clusterState: ClusterState,
  deployment: Deployment,
): ReplicaSet | undefined {
  const template = deployment.spec?.template
  return setsOf(clusterState, deployment.metadata?.uid)
    .filter((set) => isSameTemplate(set.spec?.template, template))
    .sort((one, other) => age(one).localeCompare(age(other)))[0]
}

/**
 * Returns the pods of the desired template, sorted by name, without those that are being deleted or were taken
 * away.
 */
export function desiredPods(clusterState: ClusterState, desired: DesiredWorkload): readonly Pod[] {
  const live = liveOf(clusterState, desired.workload)
  if (!live || !isObserved(live, desired)) return []
  return templatePods(clusterState, live, desired).filter((pod) => !isTakenAway(pod))
}

function templatePods(
  clusterState: ClusterState,
  live: Live,
  desired: DesiredWorkload,
): readonly Pod[] {
  switch (live.kind) {
    case 'Deployment': {
      const set = replicaSetOf(clusterState, live.object)
      return set ? podsOf(clusterState, set.metadata?.uid) : []
    }
    case 'StatefulSet': {
      const revision = live.object.status?.updateRevision
      return podsOf(clusterState, live.object.metadata?.uid).filter(
        (pod) => hashOf(pod) === revision,
      )
    }
    case 'DaemonSet':
      return daemonPods(
        podsOf(clusterState, live.object.metadata?.uid),
        live.object,
        desired,
      ).filter((pod) => isReady(pod) || !desired.deadNodes?.includes(pod.spec?.nodeName ?? ''))
    case 'CronJob':
      return []
  }
}

/** Returns the pods of a Deployment that are of other templates, without those that terminate. */
export function otherTemplatePods(clusterState: ClusterState, live: Live): readonly Pod[] {
  if (live.kind !== 'Deployment') return []
  const own = replicaSetOf(clusterState, live.object)
  return setsOf(clusterState, live.object.metadata?.uid)
    .filter((set) => set !== own)
    .flatMap((set) => podsOf(clusterState, set.metadata?.uid))
}

/** Returns the ReplicaSets that an object controls. */
function setsOf(clusterState: ClusterState, uid: string | undefined): readonly ReplicaSet[] {
  return uid === undefined ? [] : indexOf(clusterState).sets.of(uid)
}

/** Returns the pods that an object controls, with those that terminate. */
export function allPodsOf(clusterState: ClusterState, uid: string | undefined): readonly Pod[] {
  return uid === undefined ? [] : indexOf(clusterState).pods.of(uid)
}

/** The kinds whose objects belong to others. */
interface Index {
  readonly pods: Grouped<Pod>
  readonly sets: Grouped<ReplicaSet>
  readonly events: Grouped<Event>
}

function indexOf(clusterState: ClusterState): Index {
  let index = indexes.get(clusterState)
  if (index === undefined) {
    index = {
      pods: Grouped.from(clusterState.pods),
      sets: Grouped.from(clusterState.replicasets),
      events: Grouped.from(clusterState.events),
    }
    indexes.set(clusterState, index)
  }
  return index
}

/** Each look makes its own cluster state. */
const indexes = new WeakMap<ClusterState, Index>()

/** Returns the pods that an object controls, without those that terminate, sorted by name. */
export function podsOf(clusterState: ClusterState, uid: string | undefined): readonly Pod[] {
  return allPodsOf(clusterState, uid)
    .filter((pod) => !isBeingDeleted(pod))
    .sort((one, other) => (one.metadata?.name ?? '').localeCompare(other.metadata?.name ?? ''))
}

/** Returns all pods of a workload, of any version, with those that terminate; a Deployment's by its ReplicaSets. */
export function podsOfWorkload(
  clusterState: ClusterState,
  { metadata }: { readonly metadata?: ObjectMeta },
): readonly Pod[] {
  const sets = setsOf(clusterState, metadata?.uid)
  return [{ metadata }, ...sets].flatMap((owner) => allPodsOf(clusterState, owner.metadata?.uid))
}

/** Returns the terminating pods of the workload, of any version: their grace period runs. Sorted by name. */
export function drainingPods(clusterState: ClusterState, live: Live): readonly Pod[] {
  return podsOfWorkload(clusterState, live.object)
    .filter(isBeingDeleted)
    .sort((one, other) => (one.metadata?.name ?? '').localeCompare(other.metadata?.name ?? ''))
}

/**
 * Returns whether the node of this pod has stopped answering: the node controller removes the Ready condition,
 * and the containers' own states stay as the kubelet last wrote them.
 * https://kubernetes.io/docs/concepts/architecture/nodes/#node-controller
 */
export function hasLostNode(pod: Pod): boolean {
  const { containerStatuses = [], conditions = [] } = pod.status ?? {}
  const gates = pod.spec?.readinessGates ?? []
  return (
    pod.status?.phase === 'Running' &&
    conditionOf(pod, 'Ready')?.status === 'False' &&
    gates.every(({ conditionType }) =>
      conditions.some(({ type, status }) => type === conditionType && status === 'True'),
    ) &&
    containerStatuses.length > 0 &&
    containerStatuses.every(({ ready, state }) => ready && state?.running !== undefined)
  )
}

/** Returns the events about one object, oldest first. */
export function eventsOf(clusterState: ClusterState, uid: string | undefined): readonly Event[] {
  if (uid === undefined) return []
  return indexOf(clusterState)
    .events.of(uid)
    .toSorted((one, other) => timeOf(one) - timeOf(other) || versionOf(one) - versionOf(other))
}

/** Returns the newest event with one of these reasons. */
export function lastEvent(events: readonly Event[], reasons: readonly string[]): Event | undefined {
  return events.filter(({ reason }) => reasons.includes(reason ?? '')).at(-1)
}

/** Returns when an event was last seen, in ms since 1970 of the cluster's clock. */
export function timeOf(event: Event): number {
  const time =
    event.series?.lastObservedTime ??
    event.lastTimestamp ??
    event.eventTime ??
    event.metadata.creationTimestamp
  return time === undefined ? 0 : Date.parse(time)
}

export function isControlledBy(metadata: ObjectMeta | undefined, uid: string | undefined): boolean {
  if (uid === undefined) return false
  return (metadata?.ownerReferences ?? []).some((owner) => owner.controller && owner.uid === uid)
}

export function isReady(pod: Pod): boolean {
  return conditionOf(pod, 'Ready')?.status === 'True'
}

/** Returns whether a pod was evicted, preempted, drained or cut off: not the image's fault. */
export function isTakenAway(pod: Pod): boolean {
  if (conditionOf(pod, 'DisruptionTarget')?.status === 'True') return true
  return pod.status?.phase === 'Failed' && TAKEN_AWAY.test(pod.status.reason ?? '')
}

// Reasons that the kubelet and the taint manager write: kubernetes/pkg/kubelet, node shutdown, admission.
const TAKEN_AWAY =
  /^(Evicted|NodeShutdown|Terminated|Shutdown|NodeLost|NodeAffinity|Preempting|Preempted|UnexpectedAdmissionError|OutOf\w+)$/

export function conditionOf(pod: Pod, type: string) {
  return pod.status?.conditions?.find((condition) => condition.type === type)
}

/**
 * Returns the DaemonSet's pods of its newest template. Its revision is in ControllerRevisions, which the
 * `ClusterState` does not have. Its pods show it too: the template generation in a label, and the hash (old
 * pods with the same hash count as updated).
 */
function daemonPods(
  pods: readonly Pod[],
  set: DaemonSet,
  desired: DesiredWorkload,
): readonly Pod[] {
  const matching = pods.filter((pod) => {
    const images = imagesOf(pod.spec)
    return Object.entries(desired.images).every(([name, image]) => images[name] === image)
  })
  const generation = set.metadata?.annotations?.['deprecated.daemonset.template.generation']
  const newest = matching.filter(
    (pod) => pod.metadata?.labels?.['pod-template-generation'] === generation,
  )
  const hashes = new Set(newest.map(hashOf))
  return hashes.size === 0 ? matching : matching.filter((pod) => hashes.has(hashOf(pod)))
}

function hashOf(pod: Pod): string | undefined {
  return pod.metadata?.labels?.['controller-revision-hash']
}

function age(set: ReplicaSet): string {
  return `${set.metadata?.creationTimestamp ?? ''}/${set.metadata?.name ?? ''}`
}

function versionOf(event: Event): number {
  return Number(event.metadata.resourceVersion ?? 0) || 0
}

/** Returns whether Kubernetes calls two templates equal: absent and empty are the same, and the hash label is its own. */
function isSameTemplate(one: PodTemplateSpec | undefined, other: PodTemplateSpec | undefined) {
  if (one === undefined || other === undefined) return one === other
  const known = comparisons.get(one) ?? new WeakMap<PodTemplateSpec, boolean>()
  comparisons.set(one, known)
  let is = known.get(other)
  if (is === undefined) {
    is = alike(withoutHash(one), withoutHash(other))
    known.set(other, is)
  }
  return is
}

/** Objects of the cluster state are replaced, never changed: a comparison stays valid. */
const comparisons = new WeakMap<PodTemplateSpec, WeakMap<PodTemplateSpec, boolean>>()

function withoutHash(template: PodTemplateSpec): PodTemplateSpec {
  const { 'pod-template-hash': _, ...labels } = template.metadata?.labels ?? {}
  return { ...template, metadata: { ...template.metadata, labels } }
}
