/**
 * Objects that are being deleted: the release waits where a manifest recreates them, and refuses them where they
 * stay.
 */
import { keyOf, liveOf } from '../kubernetes/apply.js'
import type { Cluster } from '../kubernetes/cluster.js'
import { isBeingDeleted, isWorkload, type KubeObject } from '../kubernetes/objects.js'
import { fail } from '../failure/failure.js'
import { titleOf } from '../undo/snapshot.js'
import type { ClusterContext } from './context.js'
import { imagesIn } from './targets.js'
import type { Target } from '../kubernetes/target.js'

/** The pods of a workload have 30 s to end, and a volume waits for its pods. */
const deletionTimeoutMs = 60_000
const deletionPollMs = 1_000

type Context = Pick<ClusterContext, 'platform' | 'signal' | 'cluster' | 'log'>

/** Returns the live objects of these names, once none of them is being deleted any more. */
export async function liveAfterDeletion(
  { platform: { clock }, signal, cluster, log }: Context,
  objects: readonly KubeObject[],
): Promise<readonly KubeObject[]> {
  const until = clock.now() + deletionTimeoutMs
  for (let isLogged = false; ; isLogged = true) {
    const live = await liveOf(cluster, objects)
    const leaving = live.find(isBeingDeleted)
    if (!leaving) return live
    if (clock.now() + deletionPollMs > until) refuseBeingDeleted(cluster, leaving)
    if (!isLogged) log.say(`${titleOf(leaving)} is being deleted: waiting until it is gone`)
    await clock.sleep(deletionPollMs, signal)
  }
}

/**
 * Returns the workloads of the release, without those that are being deleted: waits for what a manifest recreates.
 * Throws a Failure `workload-unfit` for any other.
 */
export async function targetsAfterDeletion(
  context: Context,
  targets: readonly Target[],
): Promise<readonly Target[]> {
  const { cluster } = context
  const leaving = targets.filter(({ live }) => live && isBeingDeleted(live))
  for (const { live, manifest } of leaving) if (live && !manifest) refuseBeingDeleted(cluster, live)
  const manifests = leaving.flatMap(({ manifest }) => (manifest ? [manifest] : []))
  if (manifests.length === 0) return targets
  const live = await liveAfterDeletion(context, manifests)
  return targets.map((target) => {
    if (!leaving.includes(target) || !target.manifest) return target
    const { live: _, ...others } = target
    const key = keyOf(target.manifest)
    const now = live.filter(isWorkload).find((object) => keyOf(object) === key)
    return { ...others, running: imagesIn(now, target.uses), ...(now && { live: now }) }
  })
}

function refuseBeingDeleted(cluster: Cluster, object: KubeObject): never {
  const title = titleOf(object)
  const finalizers = object.metadata?.finalizers ?? []
  const pending = finalizers.length === 0 ? '' : `, and waits for ${finalizers.join(', ')}`
  const show = cluster.commandLine(['get', title, '-o', 'jsonpath={.metadata.finalizers}'])
  fail({
    code: isWorkload(object) ? 'workload-unfit' : 'manifest-invalid',
    sentence: `${title} is being deleted${pending}: a write to it would be lost`,
    hint: `nothing was changed. Wait until it is gone, or check why it stays: ${show}`,
  })
}
