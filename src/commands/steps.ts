/** Steps that a release, a migration and a rollback have in common. */
import type { Source } from '../docker/source.js'
import { openCluster, type Cluster } from '../kubernetes/cluster.js'
import { fenced } from '../state/fence.js'
import type { KubeObject } from '../kubernetes/objects.js'
import { idOf } from '../kubernetes/workload.js'
import type { Settings } from '../options/table.js'
import { Failure } from '../failure/failure.js'
import { drainTime } from '../judge/drain.js'
import { onAnotherVersion } from '../stages/exceptions.js'
import { readRecord, withPaths } from '../state/record.js'
import type { OnWrite } from '../undo/snapshot.js'
import { checkAlone } from '../stages/name-conflicts.js'
import type { Built } from '../stages/build.js'
import { lock } from '../stages/lock.js'
import { preflight, type PreflightResult } from '../stages/preflight.js'
import { runsAlready } from '../stages/pinned-tags.js'
import { push } from '../stages/push.js'
import { ReleaseContext, type ClusterContext, type OpenContext } from '../stages/context.js'
import type { Image } from '../docker/image.js'
import { endMigrations } from '../stages/recover.js'
import { rollout, runsWell, type RolloutInput } from '../stages/rollout.js'
import { supersededBy } from '../stages/superseded.js'
import { test } from '../stages/test.js'
import { abortable, withTimeout } from '../platform/time.js'
import type { Run } from './run.js'
import type { RunState } from './run-state.js'
import { recoverRecord } from './recover.js'

/** Returns the context of a release of this source; from now on the report names this source. */
export function contextOf(run: Run, source: Source): ReleaseContext {
  run.state.source = source
  return new ReleaseContext({ ...run, source })
}

/** Opens the cluster and checks everything that the release concerns. */
export function runPreflight(
  run: Run,
  context: ReleaseContext,
): Promise<readonly [Cluster, PreflightResult]> {
  const { platform, settings, reporter, resources, state } = run
  return reporter.stage('preflight', (log) =>
    // Nothing is written here, so an abort does not wait for a server that does not answer.
    abortable(context.signal, async () => {
      const access = await resources.access(platform, settings)
      const cluster = await openCluster(platform, access, context.signal)
      resources.add(() => cluster.close())
      const open = context.with({ log, cluster })
      const checked = await preflight(open)
      await checkAlone(open, checked)
      state.warnings.push(...checked.warnings)
      return [cluster, checked] as const
    }),
  )
}

/** Pushes the image. Its tag in the registry may be another one then, so the report gets that tag. */
export async function pushed(run: Run, context: ReleaseContext, built: Built): Promise<Image> {
  const image = await run.reporter.stage('push', (log) => push(context.with({ log }), built))
  run.state.source = { ...context.source, tag: image.tag }
  run.state.haveImage(image)
  return image
}

/** Runs the user's tests in the image; keeps their report, however they end. */
export function runTests(
  { reporter, state }: Run,
  context: ReleaseContext,
  built: Built,
): Promise<void> {
  return reporter.stage('test', (log) =>
    test(context.with({ log }), built, (report) => {
      state.tests = report
    }),
  )
}

/** Returns whether this very version runs already and well, and no release was left open. */
export async function runsUndisturbed(
  context: OpenContext,
  checked: PreflightResult,
  image: Image,
): Promise<boolean> {
  const { platform, app, settings, cluster } = context
  if (!(await runsAlready(context, checked.live, checked.targets, image))) return false
  if (!runsWell(checked, platform.clock.now())) return false
  return (await readRecord(cluster, app, settings.image)) === undefined
}

export interface Locked {
  /** Its writes need the lock. */
  readonly cluster: Cluster
  /** Aborted when the lock is lost: the next run recovers. */
  readonly lost: AbortSignal
}

/** Takes the lock. First ends or restores what the last holder of the lock left open. */
export async function lockAndRecover(
  run: Run,
  context: ClusterContext,
  checked: PreflightResult,
): Promise<Locked> {
  const { app, settings } = context
  const lease = await lock(context)
  run.resources.add(() => lease.release())
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

/** Rolls the image out to all workloads until the judge reports success; throws a Failure otherwise. */
export async function rollOut(
  { reporter, state }: Run,
  context: OpenContext,
  input: RolloutInput,
  wrote: OnWrite,
): Promise<void> {
  const { platform, settings, signal, cluster } = context
  const { checked, image } = input
  await reporter.stage('rollout', async (log) => {
    const drains = drainTime(checked.targets.flatMap(({ live }) => live ?? []))
    const ended = await withTimeout(platform.clock, longestOf(settings) + drains, signal, (late) =>
      rollout(context.with({ log, signal: late }), input, {
        wrote,
        progress: (progress) => {
          state.keep({ rollout: progress })
        },
        warning: (warning) => state.warnings.push(warning),
      }),
    )
    if (ended.is === 'failed') {
      state.detect(ended.at)
      throw new Failure(ended.cause)
    }
    if (ended.is === 'superseded') throw new Failure(supersededBy(ended.by))
    reportOtherVersions(state, cluster, checked, image)
  })
}

/** Adds what runs another version of the image to the report, although all workloads of the release run this one. */
export function reportOtherVersions(
  state: RunState,
  cluster: Cluster,
  checked: PreflightResult,
  image: Image,
): void {
  const released = {
    image,
    targets: checked.targets.map(({ id }) => idOf(id)),
    before: checked.targets.flatMap(({ running }) => running),
  }
  state.exceptions = onAnotherVersion(checked.live.clusterState(), released, (args) =>
    cluster.commandLine(args),
  )
}

/**
 * Returns the longest time of a rollout, in ms. A workload that is complete and then grows gets its time again,
 * and no timeout passes while the server is away: but no release waits for ever. Bake and smoke request begin
 * together.
 */
export function longestOf(
  settings: Pick<Settings, 'timeout' | 'bake' | 'smoke-path' | 'smoke-timeout'>,
): number {
  const smoke = settings['smoke-path'] === undefined ? 0 : settings['smoke-timeout']
  return 2 * settings.timeout + Math.max(settings.bake, smoke)
}
