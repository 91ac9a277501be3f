/** Finishes the work of a run that vanished in the middle of it. */
import type { Job } from 'kubernetes-types/batch/v1'
import { runOf } from '../django/job.js'
import type { Cluster } from '../kubernetes/cluster.js'
import { appLabel } from '../kubernetes/jobs.js'
import { LeaseLost } from '../state/held-lease.js'
import { titleOf } from '../state/lease.js'
import { nameOf } from '../kubernetes/objects.js'
import { collection } from '../kubernetes/paths.js'
import { fail } from '../failure/failure.js'
import { saveRelease, saveSchemaChange } from '../state/history-store.js'
import { closeRecord, type KeptRecord } from '../state/record.js'
import { externalChanges, type Restored } from '../undo/restore.js'
import type { NamespaceWatch } from '../rollout/namespace-watch.js'
import { reconcileUntil } from '../rollout/reconcile.js'
import { withTimeout } from '../platform/time.js'
import type { Backup } from './migration/backup.js'
import { removeJob, runningIn } from './migration/run.js'
import { hasBegun, schemaBack } from './migration/back.js'
import { logWarning, type ClusterContext } from './context.js'
import { undo, undoBudget } from './undo.js'
import { messageOf } from '../platform/error-message.js'

export interface Recovered {
  readonly restored: readonly Restored[]
  /** Migrations, the last one first. */
  readonly reversed: readonly string[]
  /** The backup that was made before that. */
  readonly backup?: Backup
}

/**
 * Restores everything of the record, as the run itself would have done; the caller holds the lock. Throws a
 * Failure `restore-failed` when the old version cannot be verified: the record stays then.
 */
export async function recover(
  context: ClusterContext,
  live: NamespaceWatch,
  record: KeptRecord,
  mayHaveMigrated: boolean,
): Promise<Recovered> {
  const { begun, snapshot, timeouts } = record
  const { platform, app, holder, signal, cluster, log } = context
  log.say(`found an unfinished release: ${begun.tag} by ${titleOf(begun)}`)
  let reversed: readonly string[] = []
  let backup: Backup | undefined
  const { unfit } =
    record.schema && (mayHaveMigrated || hasBegun(record.schema))
      ? await schemaBack(
          context,
          { ...record, live },
          {
            onReversed: (names) => {
              reversed = names
            },
            onBackup: (made) => {
              backup = made
            },
          },
        )
      : {}
  if (unfit !== undefined) logWarning(context, `the previous version is back, but ${unfit}`)
  const input = { live, snapshot, timeouts, isUnfit: unfit !== undefined }
  const restored = await withTimeout(platform.clock, undoBudget(input), signal, (late) =>
    undo(context.with({ signal: late }), input),
  )
  const left = externalChanges(restored)
  await saveRelease(
    { cluster, clock: platform.clock, app },
    {
      ...begun,
      result: 'undone',
      cause: `its run was interrupted; restored by ${titleOf(holder)}${left ? `, except for what another client set: ${left}` : ''}`,
      seconds: Math.max(0, (platform.clock.now() - Date.parse(begun.at)) / 1000),
      // How many of them it has applied is not known: those that it has not are not there to be reversed.
      migrations: record.schema?.is === 'back' ? (record.schema.migrations ?? []) : [],
      ...record.contract,
      // What a rollback has reversed was applied again, whatever its own run has written.
      ...((reversed.length > 0 || record.schema?.is === 'again') && { reversed }),
      ...(backup && { backup: backup.job }),
    },
    { ...((mayHaveMigrated || reversed.length > 0) && { schema: { is: 'unknown' as const } }) },
  ).catch((error: unknown) => {
    log.say(`the history could not be written: ${String(error)}`)
  })
  await closeRecord(cluster, platform.clock, app, record)
  return { restored, reversed, ...(backup && { backup }) }
}

/** How long a Job stays that has ended (src/django/job.ts), in ms. */
const jobStaysMs = 3600_000

/** Returns whether an interrupted release may have migrated: its Job exists, or may have been removed since. */
export function mayHaveMigrated(
  { platform }: Pick<ClusterContext, 'platform'>,
  live: NamespaceWatch,
  { begun }: KeptRecord,
): boolean {
  if (begun.command === 'rollback') return false
  const isOld = platform.clock.now() - Date.parse(begun.at) > jobStaysMs
  return isOld || [...live.clusterState().jobs.values()].some((job) => runOf(job) === begun.run)
}

/**
 * Ends the migrations, and the Jobs of manifests, that vanished runs have left, with or without a record, before
 * anything else: they would continue to change the database under another version, or beside another migration.
 * The caller holds the lock, so no living run owns them. Resolves with their Jobs: `job/shop-migrate-…`. Throws a
 * Failure `restore-failed` for one that cannot be ended.
 */
export async function endMigrations(
  context: ClusterContext,
  live: NamespaceWatch,
): Promise<readonly string[]> {
  const { app, cluster, log } = context
  const jobs = await unfinishedMigrations(cluster, app)
  const names = jobs.map(nameOf)
  // The Job of a run that has reported its end may have no condition yet, or only a container that was injected runs.
  const isRunning = jobs.some((job) => runs(live, job))
  await Promise.all(
    names.map(async (name) => {
      log.say(`job/${name} was left unfinished: stopping it`)
      try {
        await removeJob(context, live, name)
      } catch (error) {
        if (error instanceof LeaseLost) throw error
        fail({
          code: 'restore-failed',
          sentence: `job/${name} was left unfinished, and stopping it failed: ${messageOf(error)}`,
        })
      }
    }),
  )
  if (isRunning) {
    const history = { cluster, clock: context.platform.clock, app }
    await saveSchemaChange(history, { is: 'unknown' }).catch((error: unknown) => {
      if (error instanceof LeaseLost) throw error
      log.say(`the history could not be written: ${messageOf(error)}`)
    })
  }
  return names.map((name) => `job/${name}`)
}

/** Whether a container runs that the Job itself has. */
function runs(live: NamespaceWatch, job: Job): boolean {
  const own = job.spec?.template.spec?.containers.map(({ name }) => name)
  return runningIn(live, nameOf(job)).some((name) => own?.includes(name) !== false)
}

/** How long the end of a Job is waited for that its log has shown already, in ms. */
const shownMs = 3_000

/**
 * Waits until the status of this run's Jobs shows their end: the next run would take one for unfinished
 * whose log alone has said it.
 */
export async function endOfOwnJobs(
  { platform, cluster, holder, signal }: ClusterContext,
  live: NamespaceWatch,
): Promise<void> {
  await withTimeout(platform.clock, shownMs, signal, (late) =>
    reconcileUntil<true>(
      { cluster, clock: platform.clock, live, signal: late },
      () => {
        const own = [...live.clusterState().jobs.values()].filter((job) => runOf(job) === holder.id)
        return { logsWanted: [], ...(own.every(hasEnded) && { ended: true }) }
      },
      () => undefined,
    ),
  ).catch(() => undefined)
}

/** Requested from the server, not read from the watch, which may lag behind the lock. */
export async function unfinishedMigrations(cluster: Cluster, app: string): Promise<readonly Job[]> {
  const unfinished = await unfinishedJobs(cluster)
  return unfinished.filter(({ metadata }) => metadata?.labels?.[appLabel] === app)
}

/** Requested from the server, too: all Jobs of the namespace. */
export async function unfinishedJobs(cluster: Cluster): Promise<readonly Job[]> {
  const path = collection('batch/v1', cluster.namespace, 'jobs')
  const { items } = await cluster.get<{ readonly items: readonly Job[] }>(path)
  return items.filter((job) => !hasEnded(job))
}

export function hasEnded({ status }: Job): boolean {
  return (
    status?.conditions?.some(
      ({ type, status: is }) => ['Complete', 'Failed'].includes(type) && is === 'True',
    ) ?? false
  )
}
