/** Under the lock nothing is left of the run that had it before. */
import type { Cluster } from '../kubernetes/cluster.js'
import type { KubeObject } from '../kubernetes/objects.js'
import { fenced } from '../state/fence.js'
import { readRecord, withPaths } from '../state/record.js'
import type { ClusterContext } from '../stages/context.js'
import { lock } from '../stages/lock.js'
import type { PreflightResult } from '../stages/preflight.js'
import { endMigrations, endOfOwnJobs } from '../stages/recover.js'
import { recoverRecord } from './recover.js'
import type { Run } from './run.js'

export interface Locked {
  /** Its writes need the lock. */
  readonly cluster: Cluster
  /** Aborted when the lock is lost: the next run recovers. */
  readonly lost: AbortSignal
}

/** Takes the lock, then ends or restores what the last holder of the lock left open. */
export async function lockAndRecover(
  run: Run,
  context: ClusterContext,
  checked: PreflightResult,
): Promise<Locked> {
  const { app, settings } = context
  const lease = await lock(context)
  run.resources.add(() => lease.release())
  run.resources.add(() => endOfOwnJobs(context, checked.live))
  const cluster = fenced(context.cluster, lease)
  const found = await readRecord(cluster, app, settings.image)
  const record = found && (await withPaths(cluster, app, found, objectsOfRelease(checked)))
  // A user who cancels this release does not want the restore of the last one to stop half way.
  const locked = context.with({ cluster, signal: lease.lost })
  if (record) await recoverRecord(run, locked, checked.live, record)
  else await endMigrations(locked, checked.live)
  context.signal.throwIfAborted()
  return { cluster, lost: lease.lost }
}

function objectsOfRelease({ others, targets }: PreflightResult): readonly KubeObject[] {
  return [...others, ...targets.flatMap(({ manifest }) => manifest ?? [])]
}
