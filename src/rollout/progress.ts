import type { Pod } from 'kubernetes-types/core/v1'
import { isObserved, isReady, templateOf, imagesOf } from './live.js'
import type { Live } from './live.js'
import type { Aim, Progress } from './types.js'

/** How the counts of a workload stand. */
export interface Stand extends Progress {
  /** All that its controller is to do is done, by its own counts. */
  readonly complete: boolean
  /** What it waits for, in words; empty when complete. */
  readonly on: string
}

/** Whether a workload is done by what its controller says. Rules as in `kubectl rollout status` (polymorphichelpers). */
export function standOf(live: Live, aim: Aim, pods: readonly Pod[]): Stand {
  const ready = pods.filter(isReady).length
  if (!isObserved(live, aim)) {
    return { ready, complete: false, on: 'its controller to see the new version' }
  }
  switch (live.kind) {
    case 'Deployment':
      return deployment(live, ready)
    case 'StatefulSet':
      return statefulSet(live, ready)
    case 'DaemonSet':
      return daemonSet(live, ready)
    case 'CronJob':
      return { wanted: 0, ready: 0, complete: true, on: '' }
  }
}

function deployment({ object }: Live & { kind: 'Deployment' }, ready: number): Stand {
  const wanted = object.spec?.replicas ?? 1
  const { updatedReplicas = 0, replicas = 0, availableReplicas = 0 } = object.status ?? {}
  if (object.spec?.paused) return { wanted, ready, complete: false, on: 'paused' }
  if (updatedReplicas < wanted) return unfinished(wanted, ready, available(ready, ready, wanted))
  if (availableReplicas < updatedReplicas) {
    return unfinished(wanted, ready, available(Math.min(ready, availableReplicas), ready, wanted))
  }
  // `replicas` leaves out what terminates: a process that ignores SIGTERM holds nothing up.
  const old = replicas - updatedReplicas
  if (old > 0 && ready < wanted) return unfinished(wanted, ready, available(ready, ready, wanted))
  return old > 0
    ? unfinished(wanted, ready, `${old} old ${old === 1 ? 'pod' : 'pods'} still to go`)
    : { wanted, ready, complete: true, on: '' }
}

function statefulSet({ object }: Live & { kind: 'StatefulSet' }, ready: number): Stand {
  const strategy = object.spec?.updateStrategy
  const replicas = object.spec?.replicas ?? 1
  // Its pods change when somebody deletes them: not waited for.
  if (strategy?.type === 'OnDelete') return { wanted: 0, ready, complete: true, on: '' }
  const wanted = Math.max(0, replicas - (strategy?.rollingUpdate?.partition ?? 0))
  const { updatedReplicas = 0, currentRevision, updateRevision } = object.status ?? {}
  const updated = currentRevision === updateRevision ? wanted : updatedReplicas
  if (updated < wanted) return unfinished(wanted, ready, `${updated} of ${wanted} pods updated`)
  // Below the partition stand old pods, which are not ours to answer for: only our own are counted.
  if (ready < wanted) return unfinished(wanted, ready, `${ready} of ${wanted} ready`)
  const availableReplicas = object.status?.availableReplicas ?? replicas
  return wanted === replicas && availableReplicas < wanted
    ? unfinished(wanted, ready, available(availableReplicas, ready, wanted))
    : { wanted, ready, complete: true, on: '' }
}

function daemonSet({ object }: Live & { kind: 'DaemonSet' }, ready: number): Stand {
  if (object.spec?.updateStrategy?.type === 'OnDelete') {
    return { wanted: 0, ready, complete: true, on: '' }
  }
  const { desiredNumberScheduled: wanted = 0 } = object.status ?? {}
  const { updatedNumberScheduled = 0, numberAvailable = 0 } = object.status ?? {}
  if (updatedNumberScheduled < wanted) {
    return unfinished(wanted, ready, `${updatedNumberScheduled} of ${wanted} pods updated`)
  }
  return numberAvailable < wanted
    ? unfinished(wanted, ready, available(numberAvailable, ready, wanted))
    : { wanted, ready, complete: true, on: '' }
}

function unfinished(wanted: number, ready: number, on: string): Stand {
  return { wanted, ready, complete: false, on }
}

/** Ready and available differ by `minReadySeconds`. */
function available(count: number, ready: number, wanted: number): string {
  return ready > count ? `${count} of ${wanted} available` : `${count} of ${wanted} ready`
}

/** What takes a workload over that is not there any more. */
export const deletion = 'its deletion'

/**
 * Who took a workload over: its image is another one than ours, or it is gone. `undefined`: it is ours still.
 * A restart, an annotation or a change of scale is no take-over.
 */
export function takenOver(live: Live | undefined, aim: Aim): string | undefined {
  if (!live) return deletion
  // What the watch shows is from before our write.
  if ((live.object.metadata?.generation ?? 0) < aim.generation) return undefined
  const images = imagesOf(templateOf(live)?.spec)
  for (const [container, image] of Object.entries(aim.images)) {
    if (images[container] === image) continue
    const theirs = images[container]
    return theirs === undefined
      ? `a template without our container ${container}`
      : `image ${theirs} in container ${container}${writerOf(live, container)}`
  }
  return undefined
}

/** `, written by argocd-controller`: who owns the field, where the object tells it. */
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
