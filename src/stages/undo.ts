/** Restores everything of the snapshot and verifies that the old version runs as it did before. */
import {
  isWorkload,
  nameOf,
  templateOf,
  workloadId,
  type WorkloadObject,
} from '../kubernetes/objects.js'
import { idOf } from '../kubernetes/workload.js'
import { fail } from '../failure/failure.js'
import { desiredBack } from '../judge/desired.js'
import { drainTime } from '../judge/drain.js'
import { availabilityOf } from './exceptions.js'
import { trackRollout, type RolloutOutcome } from '../rollout/track.js'
import { liveOf } from '../judge/objects.js'
import { isSameVersion } from '../undo/ownership.js'
import { restore, type Restored } from '../undo/restore.js'
import { titleOf, type Snapshot } from '../undo/snapshot.js'
import type { DesiredWorkload, WriteProgresses, ReleaseTimeouts, Timeouts } from '../judge/types.js'
import { keepUnblocked, type PutBackSet } from '../undo/unblock.js'
import type { NamespaceWatch } from '../rollout/namespace-watch.js'
import { toRepo, type ClusterContext } from './context.js'

/** The undo has so many ms at least: what the release used up does not count. */
const leastTimeout = 10 * 60_000

/** What an undo restores, and how. */
export interface UndoInput {
  readonly live: NamespaceWatch
  readonly snapshot: Snapshot
  /** Those of the release. */
  readonly timeouts: ReleaseTimeouts
  /** Its pods may never become Ready: the schema breaks them. They are not waited for. */
  readonly isUnfit?: boolean
}

/** Pods that do not fit the schema get this long to show whether they start, in ms. */
const unfitMs = 30_000

/** How long an undo may take in all, in ms. */
export function undoBudget({ live, snapshot, timeouts }: UndoInput): number {
  return timeoutOf(timeouts) + drainTime(workloadsNow(live, snapshot))
}

function timeoutOf({ timeout }: ReleaseTimeouts): number {
  return Math.max(timeout, leastTimeout)
}

/** The workloads before the undo: their pods have to end before those of the previous version can run. */
function workloadsNow(live: NamespaceWatch, snapshot: Snapshot): readonly WorkloadObject[] {
  const clusterState = live.clusterState()
  return snapshot.flatMap(({ object }) => {
    const now = isWorkload(object) ? liveOf(clusterState, workloadId(object))?.object : undefined
    return now ? [now as WorkloadObject] : []
  })
}

/**
 * Undoes the release. Throws a Failure `restore-failed` when the old version cannot be verified. `context.signal`
 * belongs to the undo: what ended the release must not end its undo.
 */
export async function undo(
  context: ClusterContext,
  { live, snapshot, timeouts: own, isUnfit = false }: UndoInput,
  noted: (progress: WriteProgresses) => void = () => undefined,
): Promise<readonly Restored[]> {
  const timeouts: Timeouts = {
    // What its old version may need on the way there it may need on the way back too.
    ...own,
    timeout: isUnfit ? unfitMs : timeoutOf(own),
    bake: 0,
    graces: 'lengthen',
  }
  const { clock } = context.platform
  const { cluster, log, signal } = context
  const startedAt = clock.now()
  let restored: readonly Restored[] = []
  let followed: RolloutOutcome
  do {
    // When others changed a workload during the restore, its ownership is decided again.
    const again = await restore({ cluster, clock, log, signal }, snapshot)
    restored = again.map((one, i) => sinceThen(restored[i], one))
    followed = await followBack(context, restored, { live, timeouts, startedAt, noted })
  } while (followed.is === 'superseded')
  if (followed.is === 'failed' && isUnfit) {
    log.say(`the previous version was not waited for: ${followed.cause.sentence}`)
  } else if (followed.is === 'failed') {
    fail({
      ...followed.cause,
      code: 'restore-failed',
      sentence: `the previous version does not become Ready: ${followed.cause.sentence}`,
    })
  }
  // What has found the pods all the while.
  const after = await restore({ cluster, clock, log, signal }, snapshot, 'after')
  restored = [...restored, ...after]
  const gone = restored.filter(({ did }) => did === 'ask')
  if (gone.length > 0) {
    const names = gone.map(({ prior }) => titleOf(prior.object)).join(', ')
    fail({
      code: 'restore-failed',
      sentence: `${names} was deleted by another client during the release. All other workloads are as before`,
      hint: `to restore it, apply its previous manifest, then run: django-rollout recover\nif it should stay deleted: kubectl -n ${cluster.namespace} delete secret django-rollout-${context.app}`,
    })
  }
  return restored
}

/** Keeps an object as restored that was restored and is so still, also as admission has made it. */
function sinceThen(before: Restored | undefined, now: Restored): Restored {
  const isSo = now.did === 'nothing' && (before?.did === 'put' || before?.did === 'delete')
  if (!isSo) return now
  const [then, current] = [before.current, now.current]
  const isAsPut =
    [then, current].every((one) => one && isWorkload(one)) &&
    isSameVersion(then as WorkloadObject, current as WorkloadObject)
  return { ...now, did: before.did, ...(before.isBack && isAsPut && { isBack: true }) }
}

interface FollowInput {
  readonly live: NamespaceWatch
  readonly timeouts: Timeouts
  readonly startedAt: number
  readonly noted: (progress: WriteProgresses) => void
}

/** Waits until everything that was restored runs. Leaves out what belongs to others, and what is gone. */
async function followBack(
  context: ClusterContext,
  restored: readonly Restored[],
  { live, timeouts, startedAt, noted }: FollowInput,
): Promise<RolloutOutcome> {
  const { platform, signal, cluster, log } = context
  const workloads = restored.flatMap(({ prior, did, current, isBack }) =>
    (did === 'put' || did === 'nothing') &&
    isWorkload(prior.object) &&
    current &&
    isWorkload(current) &&
    isBack
      ? [{ before: prior.object, written: prior.written, current, did }]
      : [],
  )
  const sets = workloads.flatMap(({ before, written, current, did }): readonly PutBackSet[] => {
    if (before.kind !== 'StatefulSet' || !isWorkload(written)) return []
    const templates = { before: templateOf(current), written: templateOf(written) }
    return [{ name: nameOf(before), ...templates, isPut: did === 'put' }]
  })
  const clusterState = live.clusterState()
  const desiredWorkloads = workloads.map(({ before, current }): DesiredWorkload => {
    const desired = desiredBack(workloadId(current), current, current, clusterState)
    const { available, wanted } = availabilityOf(before)
    // What was broken before need not be better after.
    return available < wanted ? { ...desired, available } : desired
  })
  const written = workloads.flatMap(({ before, did }) =>
    did === 'put' ? [idOf(workloadId(before))] : [],
  )
  const stopUnblocking = keepUnblocked(cluster, live, sets, log)
  return trackRollout({
    cluster,
    clock: platform.clock,
    live,
    desiredWorkloads,
    timeouts,
    startedAt,
    onProgress: (progress) => {
      noted(asWritten(progress, written))
    },
    toRepo: toRepo(context),
    stageLog: log,
    signal,
  }).finally(stopUnblocking)
}

/** Without the time of a write where there was none. */
function asWritten(progress: WriteProgresses, written: readonly string[]): WriteProgresses {
  return Object.fromEntries(
    Object.entries(progress).map(([id, progress]) => {
      const { startedAt: _, ...seen } = progress
      return [id, written.includes(id) ? progress : seen]
    }),
  )
}
