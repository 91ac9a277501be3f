import type { Pod } from 'kubernetes-types/core/v1'
import { isBeingDeleted } from '../kubernetes/objects.js'
import { isObserved, isReady, templateOf, imagesOf } from './objects.js'
import type { Live } from './objects.js'
import type { DesiredWorkload, Progress } from './types.js'

/** How far one workload is, by its own counts. */
export interface RolloutStatus extends Progress {
  /** Its controller has done everything, by its own counts. */
  readonly complete: boolean
  /** In words: `3 of 3 ready, 1 old pod still there`. */
  readonly on: string
  readonly paused?: true
}

/** Returns how far a workload is by what its controller says. Rules as in `kubectl rollout status` (polymorphichelpers). */
export function rolloutStatusOf(
  live: Live,
  desired: DesiredWorkload,
  pods: readonly Pod[],
): RolloutStatus {
  const ready = pods.filter(isReady).length
  if (!isObserved(live, desired)) {
    return { ready, complete: false, on: 'its controller has not observed the new version yet' }
  }
  switch (live.kind) {
    case 'Deployment':
      return deployment(live, ready)
    case 'StatefulSet':
      return statefulSet(live, ready)
    case 'DaemonSet':
      return daemonSet(live, desired, pods, ready)
    case 'CronJob':
      return complete(0, 0)
  }
}

function deployment({ object }: Live & { kind: 'Deployment' }, ready: number): RolloutStatus {
  const wanted = object.spec?.replicas ?? 1
  const { updatedReplicas = 0, replicas = 0, availableReplicas = 0 } = object.status ?? {}
  if (object.spec?.paused) return { ...unfinished(wanted, ready, 'paused'), paused: true }
  if (updatedReplicas < wanted) return unfinished(wanted, ready)
  if (availableReplicas < updatedReplicas) return unavailable(wanted, ready, availableReplicas)
  // `replicas` leaves out terminating pods: a process that ignores SIGTERM delays nothing.
  const old = replicas - updatedReplicas
  if (old > 0 && ready < wanted) return unfinished(wanted, ready)
  return old > 0
    ? unfinished(wanted, ready, `${old} old ${old === 1 ? 'pod' : 'pods'} still there`)
    : complete(wanted, ready)
}

/**
 * Returns whether the controller may still remove pods of other templates. A rolling Deployment keeps them
 * while too few of its new pods are available, for ever if necessary (`reconcileOldReplicaSets`,
 * kubernetes/pkg/controller/deployment/rolling.go).
 */
export function mayShrink(
  { kind, object }: Live,
  own: readonly Pod[],
  others: readonly Pod[],
): boolean {
  if (kind !== 'Deployment' || others.length === 0) return false
  const { replicas = 1, strategy } = object.spec ?? {}
  if (strategy?.type === 'Recreate') return true
  const { maxUnavailable = '25%' } = strategy?.rollingUpdate ?? {}
  const maxMissing =
    typeof maxUnavailable === 'number'
      ? maxUnavailable
      : Math.floor((parseInt(maxUnavailable, 10) * replicas) / 100)
  const least = replicas - maxMissing
  const ready = (pods: readonly Pod[]) => pods.filter(isReady).length
  const spare = others.length + ready(own) - least
  return spare > 0 && (ready(others) < others.length || ready(own) + ready(others) > least)
}

function statefulSet({ object }: Live & { kind: 'StatefulSet' }, ready: number): RolloutStatus {
  const strategy = object.spec?.updateStrategy
  const replicas = object.spec?.replicas ?? 1
  // Its pods change only when they are deleted by hand: nothing to wait for.
  if (strategy?.type === 'OnDelete') return complete(0, ready)
  const wanted = Math.max(0, replicas - (strategy?.rollingUpdate?.partition ?? 0))
  const { updatedReplicas = 0, currentRevision, updateRevision } = object.status ?? {}
  const updated = currentRevision === updateRevision ? wanted : updatedReplicas
  // The pods below the partition keep the previous version: only those of the new template are counted.
  if (updated < wanted || ready < wanted) return unfinished(wanted, ready)
  const availableReplicas = object.status?.availableReplicas ?? replicas
  return wanted === replicas && availableReplicas < wanted
    ? unavailable(wanted, ready, availableReplicas)
    : complete(wanted, ready)
}

function daemonSet(
  { object }: Live & { kind: 'DaemonSet' },
  { deadNodes = [] }: DesiredWorkload,
  pods: readonly Pod[],
  ready: number,
): RolloutStatus {
  if (object.spec?.updateStrategy?.type === 'OnDelete') return complete(0, ready)
  const { desiredNumberScheduled = 0, numberMisscheduled = 0 } = object.status ?? {}
  const { updatedNumberScheduled = 0, numberAvailable = 0 } = object.status ?? {}
  // If the set does not tolerate the taint of a dead node, the controller leaves that node out, and calls its
  // pod misscheduled.
  const dead = deadNodes.filter((node) => pods.every(({ spec }) => spec?.nodeName !== node)).length
  const wanted = desiredNumberScheduled - Math.max(0, dead - numberMisscheduled)
  if (updatedNumberScheduled < wanted) return unfinished(wanted, ready)
  return numberAvailable < wanted
    ? unavailable(wanted, ready, numberAvailable)
    : complete(wanted, ready)
}

function complete(wanted: number, ready: number): RolloutStatus {
  return { wanted, ready, complete: true, on: readyWords({ wanted, ready }) }
}

function unfinished(wanted: number, ready: number, but?: string): RolloutStatus {
  const on = readyWords({ wanted, ready })
  return { wanted, ready, complete: false, on: but === undefined ? on : `${on}, ${but}` }
}

/** Ready and available differ by `minReadySeconds`. */
function unavailable(wanted: number, ready: number, available: number): RolloutStatus {
  return unfinished(wanted, ready, ready > available ? `${available} available` : undefined)
}

/** Renders `2 of 3 ready`. During a scale-down there may be more pods than are wanted. */
export function readyWords({ wanted = 0, ready }: Progress): string {
  return wanted === 0 ? 'no pods to wait for' : `${Math.min(ready, wanted)} of ${wanted} ready`
}

/** What `takenOver` returns for a workload that is gone, or will be gone once its finalizers are done. */
export const deletion = 'its deletion'

/**
 * Returns who took a workload over: its image is not the desired one, or it is gone. `undefined`: no client has.
 * A restart, an annotation or a change of scale is no take-over.
 */
export function takenOver(live: Live | undefined, desired: DesiredWorkload): string | undefined {
  if (!live || isBeingDeleted(live.object)) return deletion
  // The watch still shows the object from before our write.
  if ((live.object.metadata?.generation ?? 0) < desired.generation) return undefined
  const images = imagesOf(templateOf(live)?.spec)
  for (const [container, image] of Object.entries(desired.images)) {
    if (images[container] === image) continue
    const liveImage = images[container]
    return liveImage === undefined
      ? `a template without the container ${container}`
      : `image ${liveImage} in container ${container}${writerOf(live, container)}`
  }
  return undefined
}

/** Returns who owns the field, if the object says so: `, written by argocd-controller`. */
function writerOf(live: Live, container: string): string {
  const owner = live.object.metadata?.managedFields?.find(({ fieldsV1 }) =>
    holdsImage(fieldsV1, `k:{"name":"${container}"}`),
  )
  return owner?.manager === undefined ? '' : `, written by ${owner.manager}`
}

function holdsImage(fields: unknown, key: string): boolean {
  if (fields === null || typeof fields !== 'object') return false
  return Object.entries(fields).some(([name, inner]) =>
    name === key
      ? inner !== null && typeof inner === 'object' && 'f:image' in inner
      : holdsImage(inner, key),
  )
}
