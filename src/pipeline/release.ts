/** A release from a commit to a running cluster, as one transaction: read it from top to bottom. */
import type { ReleaseCommand, Settings } from '../options/table.js'
import { openCluster, type Cluster } from '../kubernetes/cluster.js'
import type { HeldLease, Holder } from '../kubernetes/lease.js'
import { shortName } from '../kubernetes/image.js'
import { Failure, type Cause } from '../report/cause.js'
import type { Journal } from '../report/journal.js'
import type { Report, Result } from '../report/report.js'
import type { Reporter } from '../report/reporter.js'
import { closeRecord, openRecord, readRecord } from '../rollout/record.js'
import { changedSince } from '../rollout/restore.js'
import type { Snapshot } from '../rollout/snapshot.js'
import { addTags } from '../docker/registry.js'
import { findSource } from '../docker/source.js'
import { build } from '../stages/build.js'
import { imageThere, imageToDeploy } from '../stages/image.js'
import { lock } from '../stages/lock.js'
import { applyManifests, planManifests } from '../stages/manifests.js'
import { startMigration } from '../stages/migrate.js'
import { hasWork } from '../stages/migrationlog.js'
import { preflight, type Site } from '../stages/preflight.js'
import { push } from '../stages/push.js'
import { pinned, type Image, type Release } from '../stages/release.js'
import { planOurs, rollout, runsAlready, runsWell } from '../stages/rollout.js'
import { settle } from '../stages/settle.js'
import { snapshot } from '../stages/snapshot.js'
import { test } from '../stages/test.js'
import { undo, undoBudget } from '../stages/undo.js'
import { within } from '../world/deadline.js'
import type { World } from '../world/world.js'
import { causeOf, commandsBack, report, resultBefore, type SoFar } from './ending.js'
import { Resources } from './resources.js'
import { orAborted, together } from './together.js'

/**
 * `release` builds, tests and pushes the image first; `deploy` takes one that the registry has. The rest
 * is the same. Never throws: whatever happens ends in a report.
 */
export async function run(
  command: ReleaseCommand,
  world: World,
  settings: Settings,
  reporter: Reporter,
  signal: AbortSignal,
  holder: Holder,
): Promise<Report> {
  const soFar: SoFar = { migrations: [], warnings: [], seconds: {} }
  const resources = new Resources()
  const run = { command, world, settings, reporter, signal, holder, soFar, resources }
  let result: Result
  try {
    result = await transaction(run)
  } catch (error) {
    soFar.cause = causeOf(error, signal)
    result = resultBefore(soFar.cause)
  } finally {
    await resources.close()
  }
  return report(command, settings, reporter, result, soFar)
}

interface Run {
  readonly command: ReleaseCommand
  readonly world: World
  readonly settings: Settings
  readonly reporter: Reporter
  readonly signal: AbortSignal
  readonly holder: Holder
  readonly soFar: SoFar
  readonly resources: Resources
}

async function transaction(run: Run): Promise<Result> {
  const { command, world, settings, reporter, signal, soFar, resources } = run
  const source = await findSource(world, settings, settings.context)
  soFar.source = source
  const app = settings.app ?? shortName(settings.image)
  const releaseWith = (own: AbortSignal): Release => ({ world, settings, source, app, signal: own })

  // Nothing is written in the cluster before all of this has passed.
  const [[cluster, site], found] = await together(signal, [
    (own) =>
      reporter.stage('preflight', (journal) =>
        // Nothing is written here, so nobody has to wait for a server that does not answer.
        orAborted(own, async () => {
          const opened = await openCluster(world, await resources.access(world, settings), own)
          resources.add(() => opened.close())
          return [opened, await preflight(releaseWith(own), journal, opened)] as const
        }),
      ),
    (own) =>
      reporter.stage(command === 'deploy' ? 'image' : 'build', async (journal) => {
        const here = releaseWith(own)
        await resources.login(world, settings)
        const there = await (command === 'deploy' ? imageToDeploy : imageThere)(here, journal)
        if (there) return { is: 'pushed', image: there } as const
        return { is: 'built', built: await build(here, journal) } as const
      }),
  ])
  soFar.site = site

  const release = releaseWith(signal)
  if (found.is === 'pushed' && (await isThere(release, cluster, site, found.image))) {
    soFar.image = found.image
    await moveTags(run, release, found.image)
    return 'unchanged'
  }
  if (found.is === 'built' && settings['test-command'] !== '') {
    await reporter.stage('test', (journal) => test(release, journal, found.built))
  }
  const image =
    found.is === 'pushed'
      ? found.image
      : await reporter.stage('push', (journal) => push(release, journal, found.built))
  soFar.image = image

  const { lost } = await reporter.stage('lock', (journal) =>
    lockAndSettle(run, release, journal, cluster, site),
  )
  const prepared = await reporter.stage('snapshot', async (journal) => {
    const taken = await snapshot(release, journal, cluster, site)
    await openRecord(cluster, app, {
      run: run.holder.id,
      title: `${source.tag} by ${run.holder.who}`,
      startedAt: world.clock.now(),
      snapshot: taken.snapshot,
    })
    return taken
  })
  soFar.site = prepared.site
  soFar.snapshot = prepared.snapshot
  try {
    // Whoever loses the lock writes nothing more: the next run settles.
    const guarded = { ...release, signal: AbortSignal.any([signal, lost]) }
    await write(guarded, reporter, cluster, prepared, image, soFar)
  } catch (error) {
    soFar.judgedAt ??= world.clock.now()
    if (lost.aborted) return lockLost(soFar)
    soFar.cause = causeOf(error, signal)
    return await unwind(release, reporter, cluster, prepared.site, prepared.snapshot, soFar)
  }
  if (!(await closed(release, cluster, soFar))) return 'stuck'
  await moveTags(run, release, image)
  return 'deployed'
}

/** Whether this very version runs already and well, with manifests that change nothing and no release left open. */
async function isThere(
  { world, settings, app }: Release,
  cluster: Cluster,
  site: Site,
  image: Image,
): Promise<boolean> {
  if (!runsAlready(site.targets, image) || !runsWell(site, world.clock.now())) return false
  const [record, ...changes] = await Promise.all([
    readRecord(cluster, app),
    planManifests(cluster, site.others),
    planOurs(cluster, site.targets, settings.image, pinned(image)),
  ])
  return record === undefined && changes.flat().every(({ is }) => is === 'none')
}

/** Takes the lock; what a run left open that had it before is put back first. */
async function lockAndSettle(
  { holder, resources }: Run,
  release: Release,
  journal: Journal,
  cluster: Cluster,
  { live }: Site,
): Promise<HeldLease> {
  const lease = await lock(release, journal, cluster, holder)
  resources.add(() => lease.release())
  const record = await readRecord(cluster, release.app)
  if (record) await settle(release, journal, cluster, live, record)
  return lease
}

/** A release that runs well must not be put back by the next run: its record has to be gone. */
async function closed(
  { world, app, settings }: Release,
  cluster: Cluster,
  soFar: SoFar,
): Promise<boolean> {
  try {
    await closeRecord(cluster, world.clock, app)
    return true
  } catch (error) {
    soFar.cause = {
      code: 'write-failed',
      sentence: `the new version runs, but its record cannot be closed, so the next run would put it back: ${error instanceof Error ? error.message : String(error)}`,
      hint: `kubectl -n ${settings.namespace} delete secret django-rollout-${app}`,
    }
    return false
  }
}

function lockLost(soFar: SoFar): Result {
  soFar.cause = {
    code: 'lock-lost',
    sentence:
      'the lock was lost in the middle of the release, so nothing more was written: the API server was away for too long, or another run took over',
    hint: 'the next release puts things back before it begins; or now: django-rollout settle',
  }
  return 'stuck'
}

/** Everything that writes to the cluster. What it throws is undone by the caller. */
async function write(
  release: Release,
  reporter: Reporter,
  cluster: Cluster,
  { site, changes }: Awaited<ReturnType<typeof snapshot>>,
  image: Image,
  soFar: SoFar,
): Promise<void> {
  if (changes.length > 0) {
    await reporter.stage('manifests', (journal) =>
      applyManifests(release, journal, cluster, site, changes),
    )
  }
  if (site.web) {
    const migration = startMigration(release, cluster, site, site.web, image)
    try {
      const plan = await reporter.stage('plan', (journal) => migration.plan(journal))
      if (hasWork(plan)) {
        await reporter.stage('migrate', (journal) => migration.migrate(journal))
      }
    } finally {
      soFar.migrations = migration.applied()
      await migration.close().catch((error: unknown) => {
        soFar.warnings.push(causeOf(error, release.signal).sentence)
      })
    }
  }
  const { world, settings, signal } = release
  // A workload that is complete and then grows has its time anew, and none is over while the server is
  // away: but no release waits for ever.
  const longest = 2 * settings.timeout + settings.bake
  const followed = await reporter.stage('rollout', async (journal) => {
    const ended = await within(world.clock, longest, signal, (late) =>
      rollout({ ...release, signal: late }, journal, cluster, site, image),
    )
    if (ended.is === 'failed') {
      soFar.judgedAt = ended.at
      throw new Failure(ended.cause)
    }
    if (ended.is === 'superseded') throw new Failure(supersededBy(ended.by))
    return ended
  })
  soFar.seconds = followed.seconds
}

/** A tag that cannot be set is told; it does not take back a version that runs well. */
async function moveTags(
  { reporter, soFar }: Run,
  { world, settings, signal }: Release,
  image: Image,
): Promise<void> {
  const tags = settings['extra-tags']
  if (tags.length === 0) return
  await reporter.stage('tags', async (journal) => {
    try {
      await addTags(world, image, tags, signal)
      journal.say(`${tags.join(', ')} now name this version`)
    } catch (error) {
      soFar.warnings.push(causeOf(error, signal).sentence)
    }
  })
}

/** Takes everything back that was written, and says how the run ends. */
async function unwind(
  release: Release,
  reporter: Reporter,
  cluster: Cluster,
  site: Site,
  priors: Snapshot,
  soFar: SoFar,
): Promise<Result> {
  const { world, app } = release
  if (soFar.cause?.code === 'superseded') {
    await closeRecord(cluster, world.clock, app)
    return 'superseded'
  }
  const cancelled = soFar.cause?.code === 'cancelled'
  // The undo has a signal of its own: what ended the release must not end this.
  const never = new AbortController().signal
  try {
    if (!(await changedSince(cluster, priors))) {
      await closeRecord(cluster, world.clock, app)
      return cancelled ? 'cancelled' : 'failed'
    }
    soFar.restored = await reporter.stage('undo', (journal) =>
      within(world.clock, undoBudget, never, (late) =>
        undo({ ...release, signal: late }, journal, cluster, site.live, priors),
      ),
    )
    await closeRecord(cluster, world.clock, app)
    return cancelled ? 'cancelled' : 'undone'
  } catch (error) {
    const trouble = causeOf(error, never)
    const why = soFar.cause ? `; the release was given up since ${soFar.cause.sentence}` : ''
    soFar.cause = {
      ...trouble,
      code: 'restore-failed',
      sentence: trouble.sentence + why,
      hint: commandsBack(cluster, site),
    }
    return 'stuck'
  }
}

function supersededBy(by: Readonly<Record<string, string>>): Cause {
  const words = Object.entries(by).map(([id, image]) => `${id} runs ${image}`)
  return {
    code: 'superseded',
    sentence: `somebody else changed the image in the middle of the release: ${words.join('; ')}`,
    hint: 'theirs was left alone, and the other workloads too; release again when it is clear which version is wanted',
  }
}
