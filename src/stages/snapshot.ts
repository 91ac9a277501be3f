/** Reads everything that the release will write to, right before the first write. */
import type { Cluster } from '../kubernetes/cluster.js'
import type { Change } from '../kubernetes/apply.js'
import {
  isWorkload,
  usesOfRepository,
  workloadId,
  type KubeObject,
  type WorkloadObject,
} from '../kubernetes/objects.js'
import { idOf } from '../kubernetes/workload.js'
import { plural } from '../report/sentences.js'
import { versionIn } from '../judge/running-digests.js'
import type { RunningVersion } from '../judge/running-digests.js'
import type { Snapshot } from '../undo/snapshot.js'
import { newVersionOf } from './change-cause.js'
import { withRestarts } from './restarts.js'
import { targetsAfterDeletion } from './wait-for-deletion.js'
import { planManifests, priorOfChanges } from './manifests.js'
import { lostImages, pinsOf } from './pinned-tags.js'
import { planOf, type PlacedChange } from './selectors.js'
import { servicesIn } from './inspect.js'
import type { PreflightResult } from './preflight.js'
import { logWarning, type ClusterContext, type ReleaseContext } from './context.js'
import type { Image } from '../docker/image.js'
import { planEdits } from './edits.js'
import { planTargets, priorOfTargets } from './rollout.js'
import { checkFit, imagesIn, noWorkload, webOf } from './targets.js'
import type { Target } from '../kubernetes/target.js'

export interface SnapshotResult {
  /** The preflight's result with its workloads as they are now: the build may have taken minutes. */
  readonly checked: PreflightResult
  readonly snapshot: Snapshot
  /** What an apply of the other manifests will change. */
  readonly changes: readonly PlacedChange[]
  /** The version that ran before, where all workloads ran one that is known. */
  readonly before?: RunningVersion
}

/** Returns the workloads with what they get besides the image, as they are under the lock. */
export type TargetsUnderLock = (
  context: ClusterContext,
  checked: PreflightResult,
) => Promise<readonly Target[]>

/** Takes the snapshot. */
export async function snapshot(
  context: ClusterContext,
  before: PreflightResult,
  image: Image,
  targetsNow: TargetsUnderLock = (_, { targets }) => Promise.resolve(targets),
): Promise<SnapshotResult> {
  const { cluster, log } = context
  const [[asNow, pins, warnings], others] = await Promise.all([
    checkedNow(context, before).then(async (found) => {
      const now = { ...found, targets: await targetsNow(context, found) }
      const pins = await pinsOf(context, before.live, now.targets)
      return [now, pins, await lostImages(context, now.targets, pins)] as const
    }),
    planManifests(context, before.others),
  ])
  const targets = withRestarts(asNow.targets, others)
  const version = newVersionOf(context, image)
  const [own, edits, services] = await Promise.all([
    planTargets(cluster, targets, version),
    planEdits(context, targets, version),
    changesTemplates({ ...asNow, targets }) ? servicesIn(cluster) : [],
  ])
  const checked = { ...asNow, targets: planned(targets, [...own.map(becomesOf), ...edits]) }
  const clusterState = before.live.clusterState()
  const { changes } = planOf({ others, own, targets, services, clusterState })
  const priors = [...priorOfChanges(changes, checked), ...priorOfTargets(checked.targets, pins)]
  log.say(`${plural(priors.length, 'object')} stored in the snapshot`)
  for (const warning of warnings) {
    logWarning(context, warning)
  }
  const running = runningVersion(context, checked)
  return { checked, snapshot: priors, changes, ...(running && { before: running }) }
}

/** Returns the one version of all existing workloads. */
export function runningVersion(
  { settings }: Pick<ReleaseContext, 'settings'>,
  { live, targets }: Pick<PreflightResult, 'live' | 'targets'>,
): RunningVersion | undefined {
  const workloads = targets.flatMap((target) => target.live ?? [])
  return versionIn(live.clusterState(), workloads, settings.image)
}

function becomesOf({ becomes }: Change): KubeObject {
  return becomes
}

/** Adds what the server makes of each. */
function planned(targets: readonly Target[], made: readonly KubeObject[]): readonly Target[] {
  const becomes = new Map(
    made.flatMap((object) =>
      isWorkload(object) ? [[idOf(workloadId(object)), object] as const] : [],
    ),
  )
  return targets.map((target) => {
    const own = becomes.get(idOf(target.id))
    return own ? { ...target, becomes: own } : target
  })
}

/** Returns whether templates change; otherwise nothing changes in what finds pods, nor in their labels. */
function changesTemplates({ others, targets }: PreflightResult): boolean {
  return others.length > 0 || targets.some(({ manifest, back }) => manifest ?? back)
}

/**
 * Returns the preflight's result with its workloads as they are now: since `before` was read, others may have had
 * the lock, and a version may have been restored.
 */
export async function checkedNow(
  context: ClusterContext,
  before: PreflightResult,
): Promise<PreflightResult> {
  const { settings, cluster } = context
  const found = await asTheyAre(cluster, before.targets, settings.image)
  const targets = await targetsAfterDeletion(context, found)
  if (targets.length === 0) {
    noWorkload(before.live.clusterState(), settings.image, cluster.namespace)
  }
  checkFit(targets)
  // The web's template may be another one by now: the migration needs its current environment.
  const { web: _web, namespaceUid, ...rest } = before
  const web = webOf(settings, targets, before.services)
  return {
    ...rest,
    targets,
    ...(namespaceUid !== undefined && isStillThere(before.targets, targets) && { namespaceUid }),
    ...(web && { web }),
  }
}

/** Returns whether one of the workloads is the same object as before: then its namespace is too. */
function isStillThere(before: readonly Target[], now: readonly Target[]): boolean {
  const uids = new Set(before.map(({ live }) => live?.metadata?.uid))
  return now.some(({ live }) => live?.metadata?.uid !== undefined && uids.has(live.metadata.uid))
}

/** Leaves out a workload that is gone by now, and has no manifest. */
async function asTheyAre(
  cluster: Cluster,
  targets: readonly Target[],
  repository: string,
): Promise<readonly Target[]> {
  const now = await Promise.all(
    targets.map(async ({ live: _live, ...target }) => {
      const live = await cluster.find<WorkloadObject>(target.path)
      const uses = live && !target.manifest ? usesOfRepository(live, repository) : target.uses
      return { ...target, uses, running: imagesIn(live, uses), ...(live && { live }) }
    }),
  )
  return now.filter(({ live, manifest, uses }) => (live ?? manifest) && uses.length > 0)
}
