/** Puts everything of the snapshot back and makes sure that the old version runs as it did before. */
import type { Cluster } from '../kubernetes/cluster.js'
import { isWorkload, nameOf, workloadId, type WorkloadObject } from '../kubernetes/objects.js'
import { fail } from '../report/cause.js'
import type { Journal } from '../report/journal.js'
import { aimBack } from '../rollout/aims.js'
import { follow } from '../rollout/follow.js'
import { restore, type Restored } from '../rollout/restore.js'
import { titleOf, wanted, type Snapshot } from '../rollout/snapshot.js'
import { keepUnblocked } from '../rollout/unblock.js'
import type { LivePicture } from '../rollout/watch.js'
import { toRepo, type Release } from './release.js'

/** The undo's own time in ms: what the release used up does not count. */
export const undoBudget = 10 * 60_000

/**
 * Throws a Failure `restore-failed` when the old version cannot be verified. `release.signal` is one of
 * the undo's own: what ended the release must not end its undo.
 */
export async function undo(
  release: Release,
  journal: Journal,
  cluster: Cluster,
  live: LivePicture,
  snapshot: Snapshot,
): Promise<readonly Restored[]> {
  const { world, signal } = release
  const startedAt = world.clock.now()
  const restored = await restore(cluster, world.clock, snapshot, journal, signal)
  const workloads = restored.flatMap(({ prior, did }) =>
    prior.was !== 'absent' && did !== 'keep' && did !== 'ask' && isWorkload(prior.object)
      ? [{ prior, before: prior.object }]
      : [],
  )
  const ordered = workloads.flatMap(({ before }) =>
    before.kind === 'StatefulSet' ? [nameOf(before)] : [],
  )
  const stopUnblocking = keepUnblocked(cluster, live, ordered, journal)
  const aims = await Promise.all(
    workloads.map(async ({ prior, before }) => {
      const now = await cluster.get<WorkloadObject>(prior.path)
      return aimBack(workloadId(before), wanted(prior, now) as WorkloadObject, now, live.picture())
    }),
  )
  const followed = await follow({
    cluster,
    clock: world.clock,
    live,
    aims: aims.filter((_, i) => wasComplete(workloads[i]?.before)),
    patience: { timeout: undoBudget, bake: 0, grace: {} },
    startedAt,
    toRepo: toRepo(release),
    journal,
    signal,
  }).finally(stopUnblocking)
  if (followed.is === 'failed') {
    fail({
      ...followed.cause,
      code: 'restore-failed',
      sentence: `the old version does not come up again: ${followed.cause.sentence}`,
    })
  }
  if (followed.is === 'superseded') {
    const by = Object.entries(followed.by).map(([id, image]) => `${id} by ${image}`)
    fail({
      code: 'restore-failed',
      sentence: `somebody else changed a workload while it was put back: ${by.join('; ')}`,
      hint: 'look at what runs now (kubectl get deployments -o wide) and release the version that is wanted',
    })
  }
  const gone = restored.filter(({ did }) => did === 'ask')
  if (gone.length > 0) {
    const names = gone.map(({ prior }) => titleOf(prior.object)).join(', ')
    fail({
      code: 'restore-failed',
      sentence: `${names} was deleted by somebody else in the middle of the release, all others are as before`,
      hint: `apply its manifest as it was and then: django-rollout settle; or, if it is to be gone: kubectl -n ${cluster.namespace} delete secret django-rollout-${release.app}`,
    })
  }
  return restored
}

/** What was broken before need not be better after. */
function wasComplete(before: WorkloadObject | undefined): boolean {
  if (!before || before.kind === 'CronJob') return true
  const { replicas = 1 } = before.spec
  const status = (before as { status?: Record<string, number | undefined> }).status ?? {}
  return before.kind === 'DaemonSet'
    ? (status['numberAvailable'] ?? 0) >= (status['desiredNumberScheduled'] ?? 0)
    : (status['availableReplicas'] ?? 0) >= replicas
}
