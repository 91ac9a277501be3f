/**
 * All or nothing: lock, snapshot, record, the writes, and either the end of the record or the way back.
 * Whoever changes the order here has to look at docs/protocol.md first.
 */
import type { Cluster } from '../kubernetes/cluster.js'
import { titleOf, type HeldLease } from '../kubernetes/lease.js'
import type { Cause } from '../report/cause.js'
import type { Journal } from '../report/journal.js'
import type { Result } from '../report/report.js'
import { closeRecord, openRecord, readRecord } from '../rollout/record.js'
import { changedSince } from '../rollout/restore.js'
import type { Snapshot } from '../rollout/snapshot.js'
import { lock } from '../stages/lock.js'
import type { Site } from '../stages/preflight.js'
import type { Release } from '../stages/release.js'
import { settle } from '../stages/settle.js'
import { snapshot, type Prepared } from '../stages/snapshot.js'
import { undo, undoBudget } from '../stages/undo.js'
import { within } from '../world/deadline.js'
import { causeOf, commandsBack } from './ending.js'
import type { Run } from './run.js'

/** What a release writes to the cluster; what it throws is undone. */
export type Write = (release: Release, prepared: Prepared) => Promise<void>

/** Throws only before the first write: from then on every failure is a result. */
export async function transaction(
  run: Run,
  release: Release,
  cluster: Cluster,
  site: Site,
  write: Write,
): Promise<Result> {
  const { reporter, signal, soFar } = run
  const { world, app, source, holder } = release
  const { lost } = await reporter.stage('lock', (journal) =>
    lockAndSettle(run, release, journal, cluster, site),
  )
  const prepared = await reporter.stage('snapshot', async (journal) => {
    const taken = await snapshot(release, journal, cluster, site)
    await openRecord(cluster, app, {
      run: holder.id,
      title: `${source.tag} by ${titleOf(holder)}`,
      startedAt: world.clock.now(),
      snapshot: taken.snapshot,
    })
    return taken
  })
  soFar.site = prepared.site
  soFar.snapshot = prepared.snapshot
  try {
    // Whoever loses the lock writes nothing more: the next run settles.
    await write({ ...release, signal: AbortSignal.any([signal, lost]) }, prepared)
  } catch (error) {
    soFar.judgedAt ??= world.clock.now()
    if (lost.aborted) {
      soFar.cause = lockLost()
      return 'stuck'
    }
    soFar.cause = causeOf(error, signal)
    return unwind(run, release, cluster, prepared.site, prepared.snapshot)
  }
  return (await closed(run, release, cluster)) ? 'deployed' : 'stuck'
}

/** Takes the lock; what a run left open that had it before is put back first. */
async function lockAndSettle(
  { resources }: Run,
  release: Release,
  journal: Journal,
  cluster: Cluster,
  { live }: Site,
): Promise<HeldLease> {
  const lease = await lock(release, journal, cluster)
  resources.add(() => lease.release())
  const record = await readRecord(cluster, release.app)
  if (record) await settle(release, journal, cluster, live, record)
  return lease
}

/** A release that runs well must not be put back by the next run: its record has to be gone. */
async function closed(
  { soFar }: Run,
  { world, app, settings }: Release,
  cluster: Cluster,
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

function lockLost(): Cause {
  return {
    code: 'lock-lost',
    sentence:
      'the lock was lost in the middle of the release, so nothing more was written: the API server was away for too long, or another run took over',
    hint: 'the next release puts things back before it begins; or now: django-rollout settle',
  }
}

/** Takes everything back that was written, and says how the run ends. */
async function unwind(
  { reporter, soFar }: Run,
  release: Release,
  cluster: Cluster,
  site: Site,
  priors: Snapshot,
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
