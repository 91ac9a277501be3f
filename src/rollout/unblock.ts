/**
 * A StatefulSet replaces its pods one by one, and waits for a pod that is not Ready before it touches the
 * next: a broken pod would stand in the way of the version that is put back. It has to be deleted.
 * https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#forced-rollback
 */
import type { Pod } from 'kubernetes-types/core/v1'
import type { Cluster } from '../kubernetes/cluster.js'
import { collection } from '../kubernetes/paths.js'
import type { Journal } from '../report/journal.js'
import { isReady, podsOf } from './live.js'
import type { Picture } from './types.js'
import type { LivePicture } from './watch.js'

/** The pods of a StatefulSet that are of another revision than the one it is to have, and not Ready. Pure. */
export function blockingPods(picture: Picture, name: string): readonly Pod[] {
  const set = picture.statefulsets.get(name)
  const { observedGeneration = 0, updateRevision } = set?.status ?? {}
  // Until the controller has seen our write, the revision that it names is the broken one.
  if (!set || observedGeneration < (set.metadata?.generation ?? 0)) return []
  return podsOf(picture, set.metadata?.uid).filter(
    (pod) => pod.metadata?.labels?.['controller-revision-hash'] !== updateRevision && !isReady(pod),
  )
}

/** Deletes such pods as they show themselves, each once, until the function that is returned is called. */
export function keepUnblocked(
  cluster: Cluster,
  live: LivePicture,
  names: readonly string[],
  journal: Journal,
): () => void {
  const deleted = new Set<string>()
  const look = () => {
    for (const pod of names.flatMap((name) => blockingPods(live.picture(), name))) {
      const { uid = '', name = '' } = pod.metadata ?? {}
      if (deleted.has(uid)) continue
      deleted.add(uid)
      journal.say(`pod/${name} of the broken version stands in the way: deleted`)
      const path = `${collection('v1', cluster.namespace, 'pods')}/${name}`
      // The pod that comes next has the same name.
      cluster.remove(path, { uid }).catch(() => {
        deleted.delete(uid)
      })
    }
  }
  look()
  return live.onChange(look)
}
