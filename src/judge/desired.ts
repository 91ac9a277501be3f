import type { Pod } from 'kubernetes-types/core/v1'
import { templateOf, usesOf, type WorkloadObject } from '../kubernetes/objects.js'
import type { WorkloadId } from '../kubernetes/workload.js'
import { hasLostNode, podsOf } from './objects.js'
import type { DesiredWorkload, ClusterState } from './types.js'

/** A workload that was written, or is left as it is. */
interface WrittenWorkload extends Pick<DesiredWorkload, 'workload' | 'images'> {
  readonly now: WorkloadObject
  /** `undefined`: it did not exist. */
  readonly before: WorkloadObject | undefined
}

/** Returns what a workload must become, given what it is now and what it was before. */
export function desiredOf(
  { workload, images, now, before }: WrittenWorkload,
  clusterState: ClusterState,
): DesiredWorkload {
  const stale = before === undefined ? undefined : staleProgressing(before)
  const podsBefore = before === undefined ? [] : podsOfWorkload(clusterState, before)
  const readyBefore = slowestReady(podsBefore)
  const deadNodes =
    workload.kind === 'DaemonSet'
      ? podsBefore.filter(hasLostNode).flatMap(({ spec }) => spec?.nodeName ?? [])
      : []
  return {
    workload,
    images,
    generation: now.metadata?.generation ?? 0,
    first: before === undefined,
    ...(stale !== undefined && { staleProgressing: stale }),
    ...(readyBefore !== undefined && { readyBefore }),
    ...(deadNodes.length > 0 && { deadNodes }),
  }
}

/** Returns the state of a workload that nothing changes: it must be complete as it is. */
export function desiredAsIs(
  workload: WorkloadId,
  object: WorkloadObject,
  clusterState: ClusterState,
): DesiredWorkload {
  return desiredOf({ workload, images: {}, now: object, before: object }, clusterState)
}

/**
 * Returns the desired state of an undo: the images that the template named before. The pods that run now are
 * of the withdrawn version: how long those took says nothing.
 */
export function desiredBack(
  workload: WorkloadId,
  prior: WorkloadObject,
  now: WorkloadObject,
  clusterState: ClusterState,
): DesiredWorkload {
  const images = Object.fromEntries(
    usesOf(templateOf(prior), () => true).map(({ name, image }) => [name, image]),
  )
  const { readyBefore: _, ...desired } = desiredOf(
    { workload, images, now, before: now },
    clusterState,
  )
  return desired
}

interface Condition {
  readonly type: string
  readonly status: string
  readonly lastTransitionTime?: string
}

/** Returns the `lastTransitionTime` of a Progressing=False that is there already. */
function staleProgressing(object: WorkloadObject): string | undefined {
  const status = (object as { status?: { conditions?: readonly Condition[] } }).status
  return status?.conditions?.find((one) => one.type === 'Progressing' && one.status === 'False')
    ?.lastTransitionTime
}

/** Returns the pods that a workload controls, a Deployment's through its ReplicaSets. */
function podsOfWorkload(clusterState: ClusterState, object: WorkloadObject): readonly Pod[] {
  const uid = object.metadata?.uid
  const owners = [...clusterState.replicasets.values()]
    .filter(({ metadata }) => metadata?.ownerReferences?.some((owner) => owner.uid === uid))
    .map(({ metadata }) => metadata?.uid)
  return [uid, ...owners].flatMap((owner) => podsOf(clusterState, owner))
}

/** Returns the time from the start of a pod's containers to Ready, in ms: of the slowest pod that never restarted. */
export function slowestReady(pods: readonly Pod[]): number | undefined {
  const times = pods.flatMap((pod) => {
    const ready = pod.status?.conditions?.find(
      ({ type, status }) => type === 'Ready' && status === 'True',
    )
    const containers = pod.status?.containerStatuses ?? []
    const starts = containers.flatMap(({ state }) =>
      state?.running?.startedAt !== undefined ? [Date.parse(state.running.startedAt)] : [],
    )
    const restarted = containers.some(({ restartCount }) => restartCount > 0)
    if (!ready?.lastTransitionTime || starts.length === 0 || restarted) return []
    return [Date.parse(ready.lastTransitionTime) - Math.max(...starts)]
  })
  return times.length === 0 ? undefined : Math.max(0, ...times)
}
