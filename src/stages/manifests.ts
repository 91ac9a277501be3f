/** Applies what comes with the release and does not run its image: ConfigMaps, Services, databases. */
import { apply, planApply, type Change } from '../kubernetes/apply.js'
import type { Cluster } from '../kubernetes/cluster.js'
import {
  isBeingDeleted,
  isWorkload,
  withoutManagedFields,
  workloadId,
  type KubeObject,
  type WorkloadObject,
} from '../kubernetes/objects.js'
import { fail } from '../failure/failure.js'
import type { StageLog } from '../platform/stage-log.js'
import { plural } from '../report/sentences.js'
import { trackRollout } from '../rollout/track.js'
import { stateSince } from '../undo/restore.js'
import {
  isImmutable,
  planned,
  titleOf,
  type ObjectSnapshot,
  type OnWrite,
} from '../undo/snapshot.js'
import type { DesiredWorkload } from '../judge/types.js'
import { liveAfterDeletion } from './wait-for-deletion.js'
import type { PlacedChange } from './selectors.js'
import type { PreflightResult } from './preflight.js'
import { toRepo, type ClusterContext } from './context.js'

/** Returns what an apply of the manifests will change, object by object; writes nothing. */
export async function planManifests(
  context: ClusterContext,
  others: readonly KubeObject[],
): Promise<readonly Change[]> {
  return planApply(context.cluster, others, await liveAfterDeletion(context, others))
}

/** Returns the current state of the objects that these changes touch, for the undo. */
export function priorOfChanges(
  changes: readonly PlacedChange[],
  { resources }: PreflightResult,
): readonly ObjectSnapshot[] {
  return changes.flatMap((change): ObjectSnapshot[] => {
    // Other applications run in it too, and its labels do no harm: no undo writes it.
    if (change.object.kind === 'Namespace') return []
    const path = resources.pathOf(change.object)
    const common = {
      path,
      written: planned(change.becomes),
      of: 'other' as const,
      // It finds the old and the new pods.
      ...(change.when === 'first' && { back: 'after' as const }),
    }
    switch (change.is) {
      case 'create':
        return [{ ...common, object: change.object, change: 'create' }]
      case 'change':
        return [
          {
            ...common,
            object: withoutManagedFields(change.live),
            change: seals(change) ? 'make-immutable' : 'apply',
          },
        ]
      case 'none':
        return []
    }
  })
}

/** Throws a Failure when another writer has changed an object since its snapshot. */
async function checkStill(cluster: Cluster, priors: readonly ObjectSnapshot[]): Promise<void> {
  const changed = (await stateSince(cluster, priors)).filter(
    ({ did, current }) => did !== 'nothing' || (current && isBeingDeleted(current)),
  )
  if (changed.length === 0) return
  const names = changed.map(({ prior }) => titleOf(prior.object)).join(', ')
  fail({
    code: 'superseded',
    sentence: `another client wrote to ${names} after the release had read it`,
    hint: 'the other change was kept. Decide which version should run, then release it',
  })
}

function seals({ object, live }: Change & { is: 'change' }): boolean {
  return isImmutable(object) && !isImmutable(live)
}

/** Applies what finds the released pods (`placeOf`), in the middle of the rollout. */
export async function applyBeside(
  { platform, signal, cluster, log }: ClusterContext,
  checked: PreflightResult,
  changes: readonly PlacedChange[],
  wrote: OnWrite,
): Promise<void> {
  const touched = changes.filter(({ is }) => is !== 'none')
  if (touched.length === 0) return
  await checkStill(cluster, priorOfChanges(touched, checked))
  signal.throwIfAborted()
  sayChanges(log, touched)
  const objects = touched.map(({ object }) => object)
  await wrote(await apply(cluster, platform.clock, objects, signal))
}

function sayChanges(log: StageLog, touched: readonly Change[]): void {
  for (const { is, object } of touched) {
    log.say(`${titleOf(object)} ${is === 'create' ? 'created' : 'changed'}`)
  }
}

/**
 * Applies the changes and waits for the workloads among them (a database has to answer before the migration
 * connects). The snapshot undoes them.
 */
export async function applyManifests(
  context: ClusterContext,
  checked: PreflightResult,
  changes: readonly PlacedChange[],
  wrote: OnWrite,
): Promise<void> {
  const { platform, signal, cluster, log } = context
  const touched = changes.filter(({ is }) => is !== 'none')
  sayChanges(log, touched)
  const untouched = changes.length - touched.length
  if (untouched > 0) log.say(`${plural(untouched, 'object')} unchanged`)
  if (touched.length === 0) return

  const startedAt = platform.clock.now()
  await checkStill(cluster, priorOfChanges(touched, checked))
  signal.throwIfAborted()
  const applied = await apply(
    cluster,
    platform.clock,
    touched.map(({ object }) => object),
    signal,
  )
  await wrote(applied)
  await followWorkloads(context, checked, touched, startedAt)
}

/** Waits for the workloads among the changes to run. */
async function followWorkloads(
  context: ClusterContext,
  checked: PreflightResult,
  touched: readonly Change[],
  startedAt: number,
): Promise<void> {
  const { settings, platform, signal, cluster, log } = context
  const workloads = touched.filter((change): change is Change & { object: WorkloadObject } =>
    isWorkload(change.object),
  )
  if (workloads.length === 0) return
  const desiredWorkloads = await Promise.all(
    workloads.map(async ({ is, object }): Promise<DesiredWorkload> => {
      const live = await cluster.get<WorkloadObject>(checked.resources.pathOf(object))
      return {
        workload: workloadId(object),
        images: {},
        generation: live.metadata?.generation ?? 0,
        first: is === 'create',
      }
    }),
  )
  const followed = await trackRollout({
    cluster,
    clock: platform.clock,
    live: checked.live,
    desiredWorkloads,
    timeouts: { timeout: settings.timeout, bake: 0, grace: settings.grace },
    startedAt,
    toRepo: toRepo(context),
    stageLog: log,
    signal,
  })
  if (followed.is === 'failed') fail(followed.cause)
  if (followed.is === 'superseded') {
    const by = Object.entries(followed.by).map(([id, what]) => `${id} by ${what}`)
    fail({
      code: 'apply-failed',
      sentence: `another client changed what the release had just applied: ${by.join('; ')}`,
    })
  }
}
