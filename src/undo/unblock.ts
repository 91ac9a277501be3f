/**
 * A StatefulSet replaces its pods one by one, and waits for a pod that is not Ready before it replaces the next: a
 * broken pod would block the version that is restored. It must be deleted.
 * https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#forced-rollback
 */
import type { StatefulSet } from 'kubernetes-types/apps/v1'
import type { Pod, PodTemplateSpec } from 'kubernetes-types/core/v1'
import type { Cluster } from '../kubernetes/cluster.js'
import { same } from '../kubernetes/objects.js'
import { collection } from '../kubernetes/paths.js'
import type { StageLog } from '../platform/stage-log.js'
import { isReady, podsOf } from '../judge/objects.js'
import type { ClusterState } from '../judge/types.js'
import type { NamespaceWatch } from '../rollout/namespace-watch.js'

/** A StatefulSet with its previous template; `isPut`: this undo wrote it. */
export interface PutBackSet {
  readonly name: string
  readonly before: PodTemplateSpec
  /** The template that was withdrawn. */
  readonly written: PodTemplateSpec
  readonly isPut: boolean
}

/**
 * Returns its pods that are not of the restored revision, and not Ready. If the release may not have created them
 * (the set is updated by hand (OnDelete) or in part, or was not restored), only those that are made from the
 * withdrawn template: changes of webhooks may hide that. Pure.
 */
export function blockingPods(
  clusterState: ClusterState,
  { name, before, written, isPut }: PutBackSet,
): readonly Pod[] {
  const set = clusterState.statefulsets.get(name)
  const { observedGeneration = 0, updateRevision } = set?.status ?? {}
  // Until the controller has seen our write, the revision that it names is the broken one.
  if (!set || observedGeneration < (set.metadata?.generation ?? 0)) return []
  return podsOf(clusterState, set.metadata?.uid).filter(
    (pod) =>
      pod.metadata?.labels?.['controller-revision-hash'] !== updateRevision &&
      !isReady(pod) &&
      ((isPut && replacesAll(set)) || isMadeFrom(pod, written, before)),
  )
}

/** Returns whether its controller updates all pods to its template, so that one of another revision is the release's. */
function replacesAll({ spec }: StatefulSet): boolean {
  const { type, rollingUpdate } = spec?.updateStrategy ?? {}
  return type !== 'OnDelete' && (rollingUpdate?.partition ?? 0) === 0
}

/** Returns whether a pod is made from the one template and not from the other. Its revision names no template. */
function isMadeFrom({ spec }: Pod, one: PodTemplateSpec, other: PodTemplateSpec): boolean {
  if (!contains(spec, one.spec)) return false
  if (!contains(spec, other.spec)) return true
  // What the one adds is in no pod of the other.
  return contains(one.spec, other.spec) && !contains(other.spec, one.spec)
}

/** Returns whether all of `part` is in `whole`: the server and its webhooks add to a template. */
function contains(whole: unknown, part: unknown): boolean {
  if (part === undefined || part === null) return true
  if (typeof part !== 'object') return part === whole
  if (Array.isArray(part)) {
    const items: readonly unknown[] = Array.isArray(whole) ? whole : []
    if (part.some((item) => typeof item !== 'object')) return same(items, part)
    return part.every((item) => items.some((candidate) => contains(candidate, item)))
  }
  const fields = typeof whole === 'object' && whole !== null ? whole : {}
  return Object.entries(part).every(([key, value]) =>
    contains((fields as Record<string, unknown>)[key], value),
  )
}

/** Deletes such pods as they appear, each once, until the returned function is called. */
export function keepUnblocked(
  cluster: Cluster,
  live: NamespaceWatch,
  sets: readonly PutBackSet[],
  stageLog: StageLog,
): () => void {
  const deleted = new Set<string>()
  const deleteBlocking = () => {
    for (const pod of sets.flatMap((set) => blockingPods(live.clusterState(), set))) {
      const { uid = '', name = '' } = pod.metadata ?? {}
      if (deleted.has(uid)) continue
      deleted.add(uid)
      const path = `${collection('v1', cluster.namespace, 'pods')}/${name}`
      // The pod that comes next has the same name.
      cluster.remove(path, { uid }).then(
        () => {
          stageLog.say(`pod/${name} of the broken version blocks the restore: deleted`)
        },
        () => {
          deleted.delete(uid)
        },
      )
    }
  }
  deleteBlocking()
  return live.onChange(deleteBlocking)
}
