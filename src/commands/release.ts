/** A release from a commit to a running cluster, as one transaction: read it from top to bottom. */
import { addTags } from '../docker/registry.js'
import { findSource, findSourceToBuild } from '../docker/source.js'
import type { ReleaseCommand } from '../options/commands.js'
import type { Report } from '../report/report.js'
import type { OnWrite } from '../undo/snapshot.js'
import { build, lookForCache, type Built } from '../stages/build.js'
import { fingerprintsOf, isDeployed } from '../stages/already-deployed.js'
import { otherVersions } from '../stages/exceptions.js'
import { findBuild, imageToDeploy } from '../stages/image.js'
import { jobsOf, runJobs } from '../stages/jobs.js'
import { applyManifests } from '../stages/manifests.js'
import { checkAlone } from '../stages/name-conflicts.js'
import { checkNotStale } from '../stages/stale-commit.js'
import { warningsWithoutDigest } from '../stages/pinned-tags.js'
import type { ToRun } from '../stages/platforms.js'
import { preflight, type PreflightResult } from '../stages/preflight.js'
import { push } from '../stages/push.js'
import { withReported } from '../stages/migration/unreleased.js'
import { rollout } from '../stages/rollout.js'
import { onceVerified } from '../stages/signature.js'
import { testBox } from '../stages/test.js'
import { testIn } from './test.js'
import { sameAsRunning, tagRunning } from '../stages/unchanged.js'
import { wavesFor } from '../stages/waves.js'
import type { OpenContext, ReleaseContext } from '../stages/context.js'
import { pinned, type Image } from '../docker/image.js'
import type { TestBox } from '../docker/test-box.js'
import type { SnapshotResult } from '../stages/snapshot.js'
import { sentenceOf } from './causes.js'
import { runCommands, runCommandsAfter } from './around.js'
import { recordRunningVersion } from './record-running.js'
import { applyHeld } from './apply-held.js'
import { migrateTo, workOfUndo } from './migrate.js'
import { contextOf, reported, type Run, type Start } from './run.js'
import type { Outcome } from './run-state.js'
import { allOrAbort } from '../platform/time.js'
import { transaction, type OnSchema } from './transaction.js'

/**
 * Releases a commit. `release` builds, tests and pushes the image first; `deploy` takes one from the registry. The
 * rest is the same.
 */
export function release(command: ReleaseCommand, start: Start): Promise<Report> {
  return reported(command, start, (run) => fromCommit(run, command))
}

async function fromCommit(run: Run, command: ReleaseCommand): Promise<Outcome> {
  const { platform, settings, reporter, signal, state, resources } = run
  const find = command === 'deploy' ? findSource : findSourceToBuild
  const requested = contextOf(run, await find(platform, settings, settings.context))
  const toRun = Promise.withResolvers<ToRun>()

  // Nothing but Jobs that report is written in the cluster before all of this has passed.
  const [{ cluster, checked }, found] = await allOrAbort(signal, [
    (signal) =>
      reporter.stage('preflight', async (log) => {
        const context = requested.with({ signal, log })
        const open = onceVerified(settings, toRun.promise, () =>
          resources.openCluster(platform, settings, signal),
        )
        return withReported(context, await preflight(context, open, () => toRun.promise))
      }),
    (signal) =>
      reporter.stage(command === 'deploy' ? 'image' : 'build', async (log) => {
        const context = requested.with({ signal, log })
        await resources.login(settings)
        if (command === 'deploy') {
          const ready = await imageToDeploy(context)
          toRun.resolve(ready)
          return { is: 'found', ...ready } as const
        }
        const cache = lookForCache(context)
        const wanted = await findBuild(context)
        toRun.resolve(wanted)
        const { image, source, inputs } = wanted
        if (image) return { is: 'found', image, source } as const
        const isTested = settings['test-command'] !== ''
        const box = isTested ? resources.keepBox(testBox(context), run.warn) : undefined
        const built = await build(context.with({ source }), { inputs, cache })
        return { is: 'built', built, box, source } as const
      }),
  ])
  state.passPreflight(checked)
  const context = contextOf(run, found.source).with({ cluster })

  const ready =
    found.is === 'found' ? found.image : await takeRunning(run, context, checked, found.built)
  if (ready && (await isDeployed(context, checked, ready))) {
    // No lock follows, under which a release checks it.
    if (command === 'deploy') await checkAlone(context, checked)
    state.haveImage(ready)
    warningsWithoutDigest(checked.targets).forEach(run.warn)
    state.exceptions = otherVersions(context, checked, ready)
    await recordRunningVersion(run, context, checked, { command, image: ready })
    await moveTags(run, context, ready)
    return { result: 'unchanged' }
  }
  const image =
    found.is === 'found' ? found.image : (ready ?? (await pushTested(run, context, found)))
  state.haveImage(image)

  const tagged = context.with({ source: { ...context.source, tag: image.tag } })
  return transaction(run, tagged, checked, {
    command,
    image,
    jobs: fingerprintsOf(checked, settings.image, image),
    check: checkNotStale,
    // From the beginning: the pod begins to migrate when it has reported its plan.
    schema: () => workOfUndo(tagged, checked),
    write: (locked, prepared, wrote, keep) =>
      write(run, locked, { ...prepared, image, keep }, wrote),
    whenLive: async (locked) => {
      await runCommandsAfter(run, locked, { checked, image })
      await applyHeld(run, locked, image)
      await moveTags(run, locked, image)
    },
  })
}

/** Returns the image that runs, with the tag of the commit, where the build made nothing new. */
async function takeRunning(
  { reporter }: Run,
  context: ReleaseContext,
  checked: PreflightResult,
  built: Built,
): Promise<Image | undefined> {
  const running = await sameAsRunning(context, checked, built)
  if (running)
    await reporter.stage('push', (log) => tagRunning(context.with({ log }), running, built))
  return running
}

/** `box`: where its tests run, if there are any. */
async function pushTested(
  run: Run,
  context: ReleaseContext,
  { built, box }: { readonly built: Built; readonly box: TestBox | undefined },
): Promise<Image> {
  if (box) await testIn(run, context, { built, box })
  return run.reporter.stage('push', (log) => push(context.with({ log }), built))
}

interface WriteInput extends Pick<SnapshotResult, 'checked' | 'changes'> {
  readonly image: Image
  readonly keep?: OnSchema
}

/** Writes everything to the cluster. The caller undoes the writes when this throws. */
export async function write(
  run: Run,
  context: OpenContext,
  { checked, changes, image, keep }: WriteInput,
  wrote: OnWrite,
): Promise<void> {
  const { reporter, state } = run
  const first = changes.filter(({ when }) => when === 'before')
  if (first.length > 0) {
    await reporter.stage('manifests', (log) =>
      applyManifests(context.with({ log }), checked, first, wrote),
    )
  }
  await migrateTo(run, context, checked, { image, ...(keep && { keep }) })
  await runCommands(run, context, { checked, image }, 'before-rollout')
  const jobs = jobsOf(context, checked.jobs, pinned(image))
  if (jobs.length > 0) {
    await reporter.stage('jobs', (log) => runJobs(context.with({ log }), checked, jobs))
  }
  const beside = changes.filter(({ when }) => when !== 'before')
  await reporter.stage('rollout', async (log) => {
    const logged = context.with({ log })
    const waves = await wavesFor(logged, checked, image, state.tasks)
    const input = { checked, image, beside, waves, starts: state.knownStarts }
    await rollout(logged, input, state.listener(wrote))
  })
  state.exceptions = otherVersions(context, checked, image)
}

/** Moves the extra tags. A tag that cannot be set is a warning: it does not undo a version that runs well. */
export async function moveTags(
  { reporter }: Pick<Run, 'reporter'>,
  { platform, settings, signal, warn }: ReleaseContext,
  image: Image,
): Promise<void> {
  const tags = settings['extra-tags']
  if (tags.length === 0) return
  await reporter.stage('tags', async (log) => {
    try {
      await addTags(platform, image, tags, signal)
      log.say(`${tags.join(', ')} now point to this version`)
    } catch (error) {
      const [were, all] =
        tags.length === 1 ? ['tag', ' was not set'] : ['tags', ' were not all set']
      warn(`the ${were} ${tags.join(', ')}${all}: ${sentenceOf(error)}`)
    }
  })
}
