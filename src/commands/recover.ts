/** Looks for a release or a migration that was left unfinished, and restores or ends it. */
import { runOf } from '../django/job.js'
import { plannedOf, type Plan } from '../django/plan.js'
import { fenced } from '../state/fence.js'
import { readManifests } from '../kubernetes/manifests.js'
import type { KubeObject } from '../kubernetes/objects.js'
import { shortTag, versionOf } from '../kubernetes/image.js'
import type { Cause } from '../failure/failure.js'
import type { Report } from '../report/report.js'
import { contractOf, openContract } from '../state/contract.js'
import { readHistory } from '../state/history-store.js'
import { hasGoneLive, type History } from '../state/history.js'
import { notAsBefore } from '../stages/exceptions.js'
import { closeRecord, readRecord, withPaths, type KeptRecord } from '../state/record.js'
import type { Restored } from '../undo/restore.js'
import { watchNamespace, type NamespaceWatch } from '../rollout/namespace-watch.js'
import { lock } from '../stages/lock.js'
import { leftPlan } from '../stages/migration/left-plan.js'
import { ReleaseContext, type ClusterContext, type OpenContext } from '../stages/context.js'
import {
  endMigrations,
  endOfOwnJobs,
  mayHaveMigrated,
  recover,
  unfinishedMigrations,
} from '../stages/recover.js'
import { causeOf, commandsBack, lostCause, runningImages } from './causes.js'
import { reported, type Run, type Start } from './run.js'
import { NotRecovered, type Outcome } from './run-state.js'

/** Whose work is recovered: that of any run, or only that of this run, which ended without finishing it. */
export type RecoverScope = 'any' | 'own'

/** Returns `unchanged` when there is nothing to recover. */
export function recoverLeft(start: Start, scope: RecoverScope): Promise<Report> {
  return reported('recover', start, (run) =>
    run.reporter.stage('recover', async (log): Promise<Outcome> => {
      const { platform, settings, signal, holder, app, resources } = run
      const cluster = await resources.openCluster(platform, settings, signal)
      const isWanted = (by: string | undefined) => scope === 'any' || by === holder.id
      const findLeft = async () => {
        const record = await readRecord(cluster, app, settings.image)
        if (record && isWanted(record.begun.run)) return { record }
        const jobs = await unfinishedMigrations(cluster, app)
        return jobs.some((job) => isWanted(runOf(job))) ? {} : undefined
      }
      if (!(await findLeft())) return { result: 'unchanged' }
      const context = new ReleaseContext({ ...run, source: { tag: '' } }).with({ log, cluster })
      const lease = await lock(context)
      resources.add(() => lease.release())
      // The run may have finished, or another may have recovered it, while this one waited for the lock.
      const left = await findLeft()
      if (!left) return { result: 'unchanged' }
      const live = await watchNamespace(cluster, platform.clock)
      resources.add(() => endOfOwnJobs(context, live))
      signal.throwIfAborted()
      // Once begun, the recovery continues to its end: half a restore is worse than the state before it.
      const locked = context.with({ cluster: fenced(cluster, lease), signal: lease.lost })
      const { record: found } = left
      if (!found) {
        return { result: 'undone', ended: await endMigrations(locked, live) }
      }
      const record = await withPaths(cluster, app, found, await objectsOfManifests(context))
      const ended = await recoverRecord(run, locked, live, record)
      return ended.is === 'well'
        ? { result: 'unchanged' }
        : { result: 'undone', restored: ended.restored }
    }),
  )
}

/**
 * Returns the objects of the manifests; in the post step these are the manifests of the release itself. Without
 * them most objects are still restored.
 */
async function objectsOfManifests({
  platform,
  settings,
  cluster,
}: OpenContext): Promise<readonly KubeObject[]> {
  try {
    const { targets, others } = await readManifests(
      platform,
      cluster,
      settings.manifests,
      settings.image,
    )
    return [...targets, ...others]
  } catch {
    return []
  }
}

export type RecoverOutcome =
  /** The release had gone live; only its record was left. */
  { readonly is: 'well' } | { readonly is: 'restored'; readonly restored: readonly Restored[] }

/**
 * Ends what the record of another run describes; the caller holds the lock, and `context.signal` ends with it. Throws a
 * Failure `restore-failed` or `lock-lost` with a hint when that fails; the record stays then.
 */
export async function recoverRecord(
  { state }: Pick<Run, 'state'>,
  context: ClusterContext,
  live: NamespaceWatch,
  record: KeptRecord,
): Promise<RecoverOutcome> {
  const { platform, app, settings, signal: lost, cluster, log } = context
  const { begun, snapshot } = record
  const migrated = mayHaveMigrated(context, live, record)
  const ended = new AbortController()
  const planned =
    migrated && !hasPlan(record) ? leftPlan(context, live, begun.run, ended.signal) : undefined
  try {
    await endMigrations(context, live).finally(() => {
      ended.abort()
    })
    const plan = await planned
    const history = await readHistory(cluster, app, settings.image)
    if (hasGoneLive(history, begun)) {
      log.say(`the release of ${shortTag(begun.tag)} is live; removing its leftover record`)
      await closeRecord(cluster, platform.clock, app, record)
      return { is: 'well' }
    }
    const { restored, reversed, backup } = await recover(
      context,
      live,
      plan ? withPlan(record, plan, history) : record,
      migrated,
    )
    if (context.command === 'recover') {
      state.reversed = reversed
      if (backup) state.backup = backup
    }
    state.exceptions = notAsBefore(live.clusterState(), restored, (args) =>
      cluster.commandLine(args),
    )
    return { is: 'restored', restored }
  } catch (error) {
    const current = await runningImages(cluster, platform.clock, settings, snapshot)
    const lockLost = lostCause(lost)
    if (lockLost) throw new NotRecovered(lockLost, current)
    const cause = causeOf(error, lost)
    const failed: Cause = {
      ...cause,
      code: 'restore-failed',
      sentence: `the release of ${shortTag(begun.tag)} was interrupted, and restoring it failed: ${cause.sentence}`,
      hint: [
        ...(cause.hint === undefined ? [] : [cause.hint]),
        ...Object.entries(current).map(
          ([id, images]) => `${id} runs ${images.map(versionOf).join(', ') || 'nothing'}`,
        ),
        commandsBack(settings, cluster, snapshot),
      ].join('\n'),
    }
    throw new NotRecovered(failed, current)
  }
}

/** Whether its run has kept what its migrations are, and what they leave. */
function hasPlan({ contract, schema }: KeptRecord): boolean {
  return contract !== undefined && (schema?.is !== 'back' || schema.migrations !== undefined)
}

/** Adds what the run would have kept next. */
function withPlan(record: KeptRecord, plan: Plan, history: History): KeptRecord {
  const { schema } = record
  return {
    ...record,
    contract: record.contract ?? contractOf(plan, openContract(history)),
    ...(schema?.is === 'back' &&
      !schema.migrations && {
        schema: { ...schema, migrations: plan.judged?.blocked === true ? [] : plannedOf(plan) },
      }),
  }
}
