/**
 * All or nothing: lock, snapshot, record, the writes, and either the end of the record or the way back.
 * Whoever changes the order here has to look at docs/protocol.md first.
 */
import type { Cluster } from '../kubernetes/cluster.js'
import { guarded } from '../kubernetes/guarded.js'
import { LeaseLost, titleOf } from '../kubernetes/lease.js'
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

/** What a release writes to the cluster, which takes it only under the lock; what it throws is undone. */
export type Write = (release: Release, cluster: Cluster, prepared: Prepared) => Promise<void>

/** Throws only before the first write: from then on every failure is a result. */
export async function transaction(
  run: Run,
  release: Release,
  unlocked: Cluster,
  site: Site,
  write: Write,
): Promise<Result> {
  const { reporter, signal, soFar } = run
  const { world, app, source, holder } = release
  const { cluster, lost } = await reporter.stage('lock', (journal) =>
    lockAndSettle(run, release, journal, unlocked, site),
  )
  const prepared = await reporter.stage('snapshot', async (journal) => {
    const taken = await snapshot(journal, cluster, site)
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
    await write({ ...release, signal: AbortSignal.any([signal, lost]) }, cluster, prepared)
  } catch (error) {
    soFar.judgedAt ??= world.clock.now()
    soFar.cause = lostCause(lost) ?? causeOf(error, signal)
    return unwind(run, release, cluster, prepared.site, prepared.snapshot, lost)
  }
  return (await closed(run, release, cluster, lost)) ? 'deployed' : 'stuck'
}

interface Locked {
  /** Its writes need the lock. */
  readonly cluster: Cluster
  /** Aborted when the lock is lost: the next run settles. */
  readonly lost: AbortSignal
}

/** Takes the lock; what a run left open that had it before is put back first. */
async function lockAndSettle(
  { resources }: Run,
  release: Release,
  journal: Journal,
  unlocked: Cluster,
  { live }: Site,
): Promise<Locked> {
  const lease = await lock(release, journal, unlocked)
  resources.add(() => lease.release())
  const cluster = guarded(unlocked, lease)
  const record = await readRecord(cluster, release.app)
  if (record) await settle(release, journal, cluster, live, record)
  return { cluster, lost: lease.lost }
}

/** A release that runs well must not be put back by the next run: its record has to be gone. */
async function closed(
  { soFar }: Run,
  { world, app, settings }: Release,
  cluster: Cluster,
  lost: AbortSignal,
): Promise<boolean> {
  try {
    await closeRecord(cluster, world.clock, app)
    return true
  } catch (error) {
    soFar.cause = lostCause(lost) ?? {
      code: 'write-failed',
      sentence: `the new version runs, but its record cannot be closed, so the next run would put it back: ${error instanceof Error ? error.message : String(error)}`,
      hint: `kubectl -n ${settings.namespace} delete secret django-rollout-${app}`,
    }
    return false
  }
}

/** Why nothing more may be written, if that is so. */
function lostCause({ reason }: AbortSignal): Cause | undefined {
  if (!(reason instanceof LeaseLost)) return undefined
  const { sentence, first } = lostWords(reason)
  return {
    code: 'lock-lost',
    sentence: `${sentence}: the release ended in the middle, and nothing more was written`,
    hint: `${first}the next release puts everything back before it begins; or at once: django-rollout settle`,
  }
}

function lostWords({ why, words }: LeaseLost): {
  readonly sentence: string
  readonly first: string
} {
  const [status] = words.split(' ')
  switch (why) {
    case 'taken':
      return { sentence: `another run has taken the lock${words && ` (${words})`}`, first: '' }
    case 'away':
      return {
        sentence: `the API server did not answer for so long that the lock was lost (${words})`,
        first: 'when it answers again, ',
      }
    case 'denied':
      return {
        sentence:
          status === '401'
            ? `the cluster no longer accepts the credentials of the kubeconfig (${words})`
            : `the cluster no longer lets this account renew its lock (${words})`,
        first: 'renew the token or the login (kubectl auth whoami shows who you are); then ',
      }
  }
}

/** Takes everything back that was written, and says how the run ends. */
async function unwind(
  { reporter, soFar }: Run,
  release: Release,
  cluster: Cluster,
  site: Site,
  priors: Snapshot,
  lost: AbortSignal,
): Promise<Result> {
  const { world, app } = release
  const cancelled = soFar.cause?.code === 'cancelled'
  try {
    // Whoever lost the lock writes nothing more.
    lost.throwIfAborted()
    if (soFar.cause?.code === 'superseded') {
      await closeRecord(cluster, world.clock, app)
      return 'superseded'
    }
    if (!(await changedSince(cluster, priors))) {
      await closeRecord(cluster, world.clock, app)
      return cancelled ? 'cancelled' : 'failed'
    }
    // Not the release's own signal: what ended the release must not end its undo.
    soFar.restored = await reporter.stage('undo', (journal) =>
      within(world.clock, undoBudget, lost, (late) =>
        undo({ ...release, signal: late }, journal, cluster, site.live, priors),
      ),
    )
    await closeRecord(cluster, world.clock, app)
    return cancelled ? 'cancelled' : 'undone'
  } catch (error) {
    const lockLost = lostCause(lost)
    if (lockLost) {
      soFar.cause = lockLost
      return 'stuck'
    }
    const trouble = causeOf(error, lost)
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
