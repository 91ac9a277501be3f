/** The backup before a migration: a Job of a CronJob in the namespace, as `kubectl create job --from` makes it. */
import type { CronJob, Job } from 'kubernetes-types/batch/v1'
import type { BackupWhen } from '../../django/plan.js'
import type { Settings } from '../../options/table.js'
import { pinned, type Image } from '../../docker/image.js'
import { Failure, fail, type Cause } from '../../failure/failure.js'
import { jobNameOf, runAnnotation } from '../../kubernetes/jobs.js'
import { managed } from '../../kubernetes/managed.js'
import type { Manifests } from '../../kubernetes/manifests.js'
import { nameOf } from '../../kubernetes/objects.js'
import { collection } from '../../kubernetes/paths.js'
import { retryTransient } from '../../kubernetes/retry.js'
import { TimeOver, withTimeout } from '../../platform/time.js'
import { lasting } from '../../judge/words.js'
import type { NamespaceWatch } from '../../rollout/namespace-watch.js'
import { reconcileUntil } from '../../rollout/reconcile.js'
import type { ClusterContext, OpenContext } from '../context.js'
import { runJobs } from '../jobs.js'
import type { PreflightResult } from '../preflight.js'
import { hasEnded } from '../recover.js'

/** A backup that was made. */
export interface Backup {
  /** `backup-4f2c1d9-1a2b3` */
  readonly job: string
  readonly seconds: number
}

/** How long the Job of a backup is kept at least, in seconds: its end has to be seen. */
const keptSeconds = 3600

/** Returns the CronJob that makes backups. Throws a Failure `backup-failed` where it does not exist. */
async function backupCronJob(
  {
    platform,
    signal,
    cluster,
    settings,
  }: Pick<OpenContext, 'platform' | 'signal' | 'cluster' | 'settings'>,
  name: string,
): Promise<CronJob> {
  const path = `${collection('batch/v1', cluster.namespace, 'cronjobs')}/${name}`
  const found = await retryTransient(platform.clock, signal, () => cluster.find<CronJob>(path))
  return (
    found ??
    fail({
      code: 'backup-failed',
      sentence: `"backup-cronjob" names cronjob/${name}, but the namespace ${settings.namespace} has no such CronJob`,
      hint: `create it (docs/backup.md has a manifest), or choose one of: ${cluster.commandLine(['get', 'cronjobs'])}`,
    })
  )
}

/** Returns the CronJob that a release needs. */
export function backupOf(
  settings: Pick<Settings, 'migrate-command' | 'backup-cronjob'>,
): string | undefined {
  return settings['migrate-command'] === '' ? undefined : settings['backup-cronjob']
}

/** Throws a Failure `backup-failed` where neither the namespace nor the manifests have the CronJob of the backup. */
export async function checkBackup(
  context: Pick<OpenContext, 'platform' | 'signal' | 'cluster' | 'settings'>,
  { others }: Pick<Manifests, 'others'>,
): Promise<void> {
  const name = backupOf(context.settings)
  const isBrought = others.some((object) => object.kind === 'CronJob' && nameOf(object) === name)
  if (name !== undefined && !isBrought) await backupCronJob(context, name)
}

export function backupWhen(
  settings: Pick<Settings, 'backup' | 'backup-cronjob'>,
): BackupWhen | undefined {
  return settings['backup-cronjob'] === undefined ? undefined : settings.backup
}

/** Returns what a command that is proposed needs, so that it makes a backup, too. */
export function backupFlag({ 'backup-cronjob': name }: Settings): Readonly<Record<string, string>> {
  return name === undefined ? {} : { 'backup-cronjob': name }
}

/** What a backup is made before. */
export interface BackupBefore {
  readonly image: Image
  /** Why, a reason each. */
  readonly reasons: readonly string[]
  readonly work: 'migrated' | 'reversed'
}

/**
 * Makes a backup, and waits for its end. Throws a Failure `backup-failed`: nothing is migrated or reversed then. A Job
 * that this run leaves behind, because it was killed, goes on to its end.
 */
export async function makeBackup(
  context: ClusterContext,
  { live }: Pick<PreflightResult, 'live'>,
  { image, reasons, work }: BackupBefore,
): Promise<Backup> {
  const { platform, settings, holder, log } = context
  const name = settings['backup-cronjob'] ?? ''
  const timeoutMs = settings['backup-timeout']
  for (const why of reasons) log.say(`backup because ${why}`)
  const startedAt = platform.clock.now()
  let job: Job | undefined
  try {
    await withTimeout(platform.clock, timeoutMs, context.signal, async (signal) => {
      const own = context.with({ signal })
      const cronJob = await backupCronJob(own, name)
      if (cronJob.spec?.concurrencyPolicy !== 'Allow') await othersEnd(own, live, cronJob)
      // A run may make several: before it migrates, and before its undo reverses.
      const jobName = jobNameOf(name, pinned(image), `${holder.id} ${startedAt}`)
      job = backupJob(cronJob, { name: jobName, run: holder.id, timeoutMs })
      await runJobs(own, { live }, [job])
    })
  } catch (error) {
    context.signal.throwIfAborted()
    throw backupFailure(error, job ? nameOf(job) : name, { timeoutMs, end: `nothing was ${work}` })
  }
  return { job: job ? nameOf(job) : '', seconds: (platform.clock.now() - startedAt) / 1000 }
}

function backupFailure(
  error: unknown,
  job: string,
  { timeoutMs, end }: { readonly timeoutMs: number; readonly end: string },
): unknown {
  if (error instanceof Failure) {
    const { cause } = error
    if (cause.code === 'backup-failed') return error
    const failed: Cause = {
      ...cause,
      code: 'backup-failed',
      sentence: `the backup failed: ${cause.sentence}; ${end}`,
    }
    return new Failure(failed)
  }
  if (error instanceof TimeOver) {
    const sentence = `the backup failed: ${job} did not end within ${lasting(timeoutMs)}; ${end}`
    return new Failure({ code: 'backup-failed', sentence, hint: 'set "backup-timeout" to more' })
  }
  return error
}

/** Returns the Job of a CronJob. Its own limits stay where they are stricter; a Job that starts suspended is started. */
export function backupJob(
  { metadata, spec }: CronJob,
  {
    name,
    run,
    timeoutMs,
  }: { readonly name: string; readonly run: string; readonly timeoutMs: number },
): Job {
  const { metadata: own, spec: jobSpec } = spec?.jobTemplate ?? {}
  const { suspend: _suspend, ...kept } = jobSpec ?? { template: {} }
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name,
      labels: { ...own?.labels, ...managed, 'django-rollout/job': 'backup' },
      annotations: {
        ...own?.annotations,
        'cronjob.kubernetes.io/instantiate': 'manual',
        [runAnnotation]: run,
      },
      // Not as its controller: that would delete the Job by its own history limits, perhaps before its end is seen.
      ownerReferences: [
        {
          apiVersion: 'batch/v1',
          kind: 'CronJob',
          name: metadata?.name ?? '',
          uid: metadata?.uid ?? '',
        },
      ],
    },
    spec: {
      ...kept,
      activeDeadlineSeconds: Math.min(
        kept.activeDeadlineSeconds ?? Infinity,
        Math.ceil(timeoutMs / 1000),
      ),
      ttlSecondsAfterFinished: Math.max(kept.ttlSecondsAfterFinished ?? keptSeconds, keptSeconds),
    },
  }
}

/** A CronJob whose Jobs must not overlap (`Forbid`, `Replace`) may be at work. */
async function othersEnd(
  { cluster, platform, signal, log }: ClusterContext,
  live: NamespaceWatch,
  cronJob: CronJob,
): Promise<void> {
  try {
    await reconcileUntil<true>(
      { cluster, clock: platform.clock, live, signal },
      () => {
        const active = [...live.clusterState().jobs.values()].filter(
          (job) =>
            !hasEnded(job) &&
            job.metadata?.ownerReferences?.some(({ uid }) => uid === cronJob.metadata?.uid),
        )
        if (active.length === 0) return { logsWanted: [], ended: true }
        log.waiting(
          `waiting for the end of job/${nameOf(active[0] ?? {})}: its CronJob runs one at a time`,
        )
        return { logsWanted: [] }
      },
      () => undefined,
    )
  } finally {
    log.waiting(undefined)
  }
}
