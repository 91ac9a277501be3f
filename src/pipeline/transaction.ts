/**
 * All or nothing: lock, snapshot, record, the writes, and then either the end of the record or the way
 * back. The order of the steps is what makes it hold wherever the run is cut off (docs/protocol.md).
 */
import { shortTag } from '../kubernetes/image.js'
import type { Cluster } from '../kubernetes/cluster.js'
import type { HeldLease } from '../kubernetes/lease.js'
import type { Cause } from '../report/cause.js'
import type { Journal } from '../report/journal.js'
import type { Result } from '../report/report.js'
import { readHistory, remember } from '../rollout/archive.js'
import type { Begun, History } from '../rollout/history.js'
import { closeRecord, openRecord, readRecord } from '../rollout/record.js'
import { changedSince } from '../rollout/restore.js'
import { lock } from '../stages/lock.js'
import type { Site } from '../stages/preflight.js'
import type { Image, Release } from '../stages/release.js'
import { settle } from '../stages/settle.js'
import { snapshot, type Prepared } from '../stages/snapshot.js'
import { undo, undoBudget } from '../stages/undo.js'
import { within } from '../world/deadline.js'
import { causeOf, commandsBack, whatStands } from './ending.js'
import type { Run } from './run.js'
import { briefly } from './together.js'

/** What is brought about, all or nothing. */
export interface Work {
  readonly command: Begun['command']
  readonly image: Image
  /** A rollback: the number of the release whose version it brings back. */
  readonly back?: number
  /** Ends the run, by throwing, when the history says that it is not wanted any more. */
  readonly check?: (journal: Journal, history: History) => Promise<void>
  /** All writes to the cluster; what it throws is undone. */
  readonly write: (release: Release, prepared: Prepared) => Promise<void>
}

interface Transaction {
  readonly run: Run
  readonly release: Release
  readonly cluster: Cluster
  readonly begun: Begun
  readonly prepared: Prepared
}

/** Once the snapshot is kept, every failure is a result; before, it is thrown. */
export async function transaction(
  run: Run,
  release: Release,
  cluster: Cluster,
  site: Site,
  work: Work,
): Promise<Result> {
  const { reporter, signal, soFar } = run
  const { world, app } = release
  const { lost } = await reporter.stage('lock', async (journal) => {
    const lease = await lockAndSettle(run, release, journal, cluster, site)
    await work.check?.(journal, await readHistory(cluster, app))
    return lease
  })
  const begun = begunOf(run, release, work)
  const prepared = await reporter.stage('snapshot', async (journal) => {
    const taken = await snapshot(journal, cluster, site)
    await openRecord(cluster, world.clock, app, { begun, snapshot: taken.snapshot })
    return taken
  })
  soFar.site = prepared.site
  soFar.snapshot = prepared.snapshot
  const open: Transaction = { run, release, cluster, begun, prepared }
  try {
    // Whoever loses the lock writes nothing more: the next run settles.
    const guarded = { ...release, signal: AbortSignal.any([signal, lost]) }
    await work.write(guarded, prepared)
    guarded.signal.throwIfAborted()
  } catch (error) {
    soFar.judgedAt ??= world.clock.now()
    if (lost.aborted) {
      soFar.cause = lockLost()
      return 'stuck'
    }
    soFar.cause = causeOf(error, signal)
    return unwind(open)
  }
  return close(open)
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

function begunOf(
  { reporter }: Run,
  { source, holder }: Release,
  { command, image, back }: Work,
): Begun {
  return {
    run: holder.id,
    command,
    who: holder.who,
    ...(holder.url !== undefined && { url: holder.url }),
    at: new Date(reporter.startedAt).toISOString(),
    image: image.repository,
    tag: image.tag,
    digest: image.digest,
    ...(source.sha !== undefined && { sha: source.sha }),
    ...(back !== undefined && { back }),
  }
}

/** A release that runs well must not be put back by the next run: its record has to be gone. */
async function close(open: Transaction): Promise<Result> {
  const { run, release, cluster } = open
  const { world, app, settings } = release
  await tellHistory(open, 'deployed')
  try {
    await closeRecord(cluster, world.clock, app)
    return 'deployed'
  } catch (error) {
    run.soFar.cause = {
      code: 'write-failed',
      sentence: `the new version runs, but its record cannot be closed, so the next run would put it back: ${error instanceof Error ? error.message : String(error)}`,
      hint: `kubectl -n ${settings.namespace} delete secret django-rollout-${app}`,
    }
    return 'stuck'
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
async function unwind(open: Transaction): Promise<Result> {
  const { run, release, cluster, prepared } = open
  const { reporter, soFar, settings } = run
  const { world, app } = release
  const { site, snapshot: priors } = prepared
  const end = async (result: Result) => {
    await tellHistory(open, result)
    await closeRecord(cluster, world.clock, app)
    return result
  }
  // The undo has a signal of its own: what ended the release must not end this.
  const never = new AbortController().signal
  const cancelled = soFar.cause?.code === 'cancelled'
  try {
    if (soFar.cause?.code === 'superseded') return await end('superseded')
    if (!(await changedSince(cluster, priors))) return await end(cancelled ? 'cancelled' : 'failed')
    if (settings['on-failure'] === 'keep' && !cancelled) return await keep(open)
    soFar.restored = await reporter.stage('undo', (journal) =>
      within(world.clock, undoBudget, never, (late) =>
        undo({ ...release, signal: late }, journal, cluster, site.live, priors),
      ),
    )
    return await end(cancelled ? 'cancelled' : 'undone')
  } catch (error) {
    const trouble = causeOf(error, never)
    const why = soFar.cause ? `; the release was given up since ${soFar.cause.sentence}` : ''
    soFar.cause = {
      ...trouble,
      code: 'restore-failed',
      sentence: trouble.sentence + why,
      hint: commandsBack(cluster, site),
    }
    soFar.stands = await whatStands(cluster, world.clock, site)
    await tellHistory(open, 'stuck')
    return 'stuck'
  }
}

/** The record stays open: `settle`, and the next release before it begins, put things back from it. */
async function keep(open: Transaction): Promise<Result> {
  const { run, release, cluster, prepared } = open
  const { soFar } = run
  soFar.stands = await whatStands(cluster, release.world.clock, prepared.site)
  if (soFar.cause) {
    const back = `to have the version before: django-rollout settle --image ${release.settings.image} --namespace ${release.settings.namespace}; the next release does it too, before it begins`
    const { hint } = soFar.cause
    soFar.cause = { ...soFar.cause, hint: hint === undefined ? back : `${hint}\n${back}` }
  }
  await tellHistory(open, 'kept')
  return 'kept'
}

/** What the history misses is told; it decides nothing. */
async function tellHistory({ run, release, cluster, begun }: Transaction, result: Result) {
  const { soFar, reporter } = run
  const { world, app } = release
  const cause = soFar.cause?.sentence.split('\n')[0]
  const ended = {
    ...begun,
    result,
    ...(cause !== undefined && { cause }),
    seconds: Math.round(reporter.seconds() * 10) / 10,
    migrations: soFar.migrations,
  }
  const telling = () => remember(cluster, world.clock, cluster.life, app, ended)
  await (result === 'stuck' ? briefly(world.clock, telling) : telling()).catch((error: unknown) => {
    soFar.warnings.push(
      `${shortTag(begun.tag)} is missing in the history: ${error instanceof Error ? error.message : String(error)}`,
    )
  })
}
