/**
 * All or nothing: lock, snapshot, record, the writes, and then either the end of the record or the undo. The order
 * of the steps makes this hold wherever the run is cut off (docs/protocol.md).
 */
import { shortTag } from '../kubernetes/image.js'
import { ApiError } from '../kubernetes/api-error.js'
import { same, type KubeObject } from '../kubernetes/objects.js'
import { commandLine } from '../options/command-line.js'
import type { Cause } from '../failure/failure.js'
import type { Result } from '../failure/result.js'
import { saveRelease } from '../state/history-store.js'
import type { ReleaseStart, History } from '../state/history.js'
import { notAsBefore } from '../stages/exceptions.js'
import { closeRecord, openRecord, updateRecord, type KeptRecord } from '../state/record.js'
import { changedSince, externalChanges, stateSince, type Restored } from '../undo/restore.js'
import { withAnswers, type OnWrite } from '../undo/snapshot.js'
import { templatesBefore, templatesOf } from '../undo/templates.js'
import { checkHistory } from '../stages/name-conflicts.js'
import type { PreflightResult } from '../stages/preflight.js'
import type {
  ClusterContext,
  OpenContext,
  ReleaseContext,
  StageContext,
} from '../stages/context.js'
import { timeoutsOf, type Image } from '../stages/release.js'
import { snapshot, type SnapshotResult } from '../stages/snapshot.js'
import type { Target } from '../kubernetes/target.js'
import { undo, undoBudget } from '../stages/undo.js'
import { withTimeout } from '../platform/time.js'
import { causeOf, commandsBack, lostCause, sentenceOf, runningImages } from './report-builder.js'
import type { Run } from './run.js'
import { lockAndRecover, type Locked } from './steps.js'
import { withShortTimeout } from './all-or-abort.js'

/** What the transaction does, all or nothing. */
export interface Work {
  readonly command: ReleaseStart['command']
  readonly image: Image
  /** A rollback: the number of the release whose version it brings back. */
  readonly back?: number
  /** Fingerprints of the Jobs that it runs. */
  readonly jobs?: readonly string[]
  /** Ends the run, by throwing, when the history shows that the version is no longer wanted. */
  readonly check?: (context: StageContext, history: History) => Promise<void> | void
  /** A rollback: returns the workloads with what they get back besides the image, as they are under the lock. */
  readonly bring?: (context: ClusterContext, checked: PreflightResult) => Promise<readonly Target[]>
  /**
   * Does all writes to the cluster, which accepts them only under the lock. The transaction undoes them when this
   * throws.
   */
  readonly write: (context: OpenContext, prepared: SnapshotResult, wrote: OnWrite) => Promise<void>
  /** Runs when the version is live. Its signal ends with the lock too: another version may be live then. */
  readonly live?: (context: OpenContext) => Promise<void>
}

interface Transaction extends Pick<Locked, 'lost'> {
  readonly run: Run
  /** Its cluster accepts writes only under the lock. */
  readonly context: OpenContext
  readonly begun: ReleaseStart
  readonly prepared: SnapshotResult
  /** The record with its snapshot, to which the answers of the server are added. */
  record: KeptRecord
  /** The account may not write the record again: it stays as it is. */
  isFrozen?: true
}

/** Runs the transaction. Once the snapshot is saved, every failure is a result; before, it is thrown. */
export async function transaction(
  run: Run,
  unlocked: OpenContext,
  checked: PreflightResult,
  work: Work,
): Promise<Result> {
  const { reporter, signal, soFar } = run
  const { platform, app, settings } = unlocked
  const { cluster, lost } = await reporter.stage('lock', async (log) => {
    const context = unlocked.with({ log })
    const locked = await lockAndRecover(run, context, checked)
    await work.check?.(context, await checkHistory(context, checked))
    return locked
  })
  const context = unlocked.with({ cluster })
  const begun = releaseStartOf(run, context, work)
  const { prepared, record } = await reporter.stage('snapshot', async (log) => {
    const { image, bring } = work
    const own = bring && ((now: PreflightResult) => bring(context.with({ log }), now))
    const prepared = await snapshot(context.with({ log }), checked, image, own)
    const timeouts = timeoutsOf(settings)
    const open = { begun, timeouts, snapshot: prepared.snapshot }
    return { prepared, record: await openRecord(cluster, platform.clock, app, open) }
  })
  soFar.site = prepared.checked
  soFar.warnings.push(...prepared.warnings)
  soFar.snapshot = prepared.snapshot
  const open: Transaction = { run, context, lost, begun, prepared, record }
  run.onBegin?.(begun)
  const own = context.with({ signal: AbortSignal.any([signal, lost]) })
  try {
    await work.write(own, prepared, (answers) => keepAnswers(open, answers))
    own.signal.throwIfAborted()
  } catch (error) {
    soFar.detectedAt ??= platform.clock.now()
    soFar.cause = lostCause(lost) ?? causeOf(error, signal)
    return unwind(open)
  }
  const result = await close(open)
  if (result === 'deployed') await work.live?.(own)
  return result
}

/** Keeps what was written: first for this run, then in the record for the run that may have to undo it. */
async function keepAnswers(open: Transaction, answers: readonly KubeObject[]): Promise<void> {
  if (answers.length === 0) return
  const { run, context } = open
  const { cluster, platform, app } = context
  const snapshot = withAnswers(open.record.snapshot, answers)
  // As the dry run said.
  if (same(snapshot, open.record.snapshot)) return
  run.soFar.snapshot = snapshot
  open.record = { ...open.record, snapshot }
  if (open.isFrozen === true) return
  try {
    open.record = await updateRecord(cluster, platform.clock, app, open.record)
  } catch (error) {
    if (!(error instanceof ApiError && error.status === 403)) throw error
    // A Role that was made for an older version: an undo by this run needs no more than it knows.
    open.isFrozen = true
    run.soFar.warnings.push(
      `the server's result of this release could not be stored, so another run that has to undo this release does not have it: ${error.message} (examples/rbac.yaml has the Role)`,
    )
  }
}

/** Returns what the history gets of a release when it begins. */
export function releaseStartOf(
  { reporter }: Run,
  { source, holder }: ReleaseContext,
  { command, image, back, jobs = [] }: Pick<Work, 'command' | 'image' | 'back' | 'jobs'>,
): ReleaseStart {
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
    ...(jobs.length > 0 && { jobs }),
  }
}

/** Closes a release that runs well: its record has to be gone, or the next run would undo it. */
async function close(open: Transaction): Promise<Result> {
  const { run, context, lost, record } = open
  const { platform, app, settings, cluster } = context
  const isRecorded = await recordInHistory(open, 'deployed')
  try {
    await closeRecord(cluster, platform.clock, app, record)
    return 'deployed'
  } catch (error) {
    // A run that reads that record reads the history too, and undoes nothing, whether the lock is held or not.
    if (isRecorded) {
      run.soFar.warnings.push(
        `removing its record failed (${sentenceOf(error)}); the next release or recover removes it, and restores nothing`,
      )
      return 'deployed'
    }
    run.soFar.cause = lostCause(lost) ?? {
      code: 'write-failed',
      sentence: `the new version runs, but closing its record failed, so the next run would undo it: ${error instanceof Error ? error.message : String(error)}`,
      hint: `kubectl -n ${settings.namespace} delete secret django-rollout-${app}`,
    }
    return 'stuck'
  }
}

/** Undoes everything that was written, and returns the result of the run. */
async function unwind(open: Transaction): Promise<Result> {
  const { run, context, lost, prepared, record } = open
  const { reporter, soFar, settings } = run
  const { platform, app, cluster } = context
  const { live } = prepared.checked
  const { snapshot: priors, timeouts } = record
  const end = async (result: Result) => {
    await recordInHistory(open, result)
    await closeRecord(cluster, platform.clock, app, record)
    return result
  }
  const cancelled = soFar.cause?.code === 'cancelled'
  try {
    lost.throwIfAborted()
    const superseded = soFar.cause?.code === 'superseded'
    const left = superseded ? await stateSince(cluster, priors) : []
    const keeps = settings['on-failure'] === 'keep' && !cancelled
    const isToUndo = superseded
      ? !left.some(isForPeople) && left.some(({ did }) => did !== 'nothing')
      : await changedSince(cluster, priors)
    if (superseded && (keeps || !isToUndo)) {
      // Nothing is restored: the report says what was written already, and what others wrote.
      soFar.current = await runningImages(cluster, platform.clock, settings, priors)
      soFar.left = left
      return await end('superseded')
    }
    if (!isToUndo) return await end(cancelled ? 'cancelled' : 'failed')
    if (keeps) return await keep(open)
    // Not the release's own signal: what ended the release must not end its undo.
    const input = { live, snapshot: priors, timeouts }
    soFar.restored = await reporter.stage('undo', (log) =>
      withTimeout(platform.clock, undoBudget(input), lost, (late) =>
        undo(context.with({ log, signal: late }), input, (seen) => {
          soFar.undo = seen
        }),
      ),
    )
    soFar.exceptions = [
      // Of a release that was restored here, before this one began.
      ...(soFar.exceptions ?? []).filter(({ is }) => is !== 'another version'),
      ...notAsBefore(live.clusterState(), soFar.restored, (args) => cluster.commandLine(args)),
    ]
    const others = externalChanges(soFar.restored)
    if (others !== undefined || superseded) {
      soFar.current = await runningImages(cluster, platform.clock, settings, priors)
      if (others !== undefined && !superseded) soFar.cause = leftCause(others, soFar.cause)
      return await end('superseded')
    }
    return await end(cancelled ? 'cancelled' : 'undone')
  } catch (error) {
    soFar.current = await runningImages(cluster, platform.clock, settings, priors)
    const lockLost = lostCause(lost)
    if (lockLost) {
      soFar.cause = lockLost
      return 'stuck'
    }
    const trouble = causeOf(error, lost)
    const why = soFar.cause ? `; the release was given up because ${soFar.cause.sentence}` : ''
    soFar.cause = {
      ...trouble,
      code: 'restore-failed',
      sentence: trouble.sentence + why,
      hint: [
        ...(trouble.hint === undefined ? [] : [trouble.hint]),
        commandsBack(settings, cluster, priors),
      ].join('\n'),
    }
    await recordInHistory(open, 'stuck')
    return 'stuck'
  }
}

/**
 * Returns whether people have to decide to take it back: a workload that the release brought to its version, or
 * that others deleted.
 */
function isForPeople({ prior, did }: Restored): boolean {
  return prior.of === 'workload' && ['put', 'delete', 'ask'].includes(did)
}

/** Returns the cause when another version runs: it reports the release's own cause, but not as the result. */
function leftCause(left: string, cause: Cause | undefined): Cause {
  const why = cause ? `; the release was given up because ${cause.sentence}` : ''
  return {
    ...cause,
    code: 'superseded',
    sentence: `${left}, set by another client: its change was kept, and everything else was restored${why}`,
    hint: 'decide which version should run, then release it',
  }
}

/** Keeps the record open: `recover`, and the next release before it begins, restore from it. */
async function keep(open: Transaction): Promise<Result> {
  const { run, context, record } = open
  const { platform, settings, cluster } = context
  const { soFar } = run
  soFar.current = await runningImages(cluster, platform.clock, settings, record.snapshot)
  if (soFar.cause) {
    const back = `to restore the previous version: ${commandLine('recover', settings)}; the next release also does this before it starts`
    const { hint } = soFar.cause
    soFar.cause = { ...soFar.cause, hint: hint === undefined ? back : `${hint}\n${back}` }
  }
  await recordInHistory(open, 'kept')
  return 'kept'
}

/** Records the release in the history. Returns whether that worked; a failure is a warning. */
async function recordInHistory(
  { run, context, begun, prepared, record }: Transaction,
  result: Result,
): Promise<boolean> {
  const { soFar, reporter } = run
  const { platform, app, cluster } = context
  const cause = soFar.cause?.sentence.split('\n')[0]
  const ended = {
    ...begun,
    result,
    ...(cause !== undefined && { cause }),
    seconds: Math.round(reporter.seconds() * 10) / 10,
    migrations: soFar.migrations,
  }
  const live =
    result === 'deployed'
      ? {
          templates: templatesOf(record.snapshot),
          databases: soFar.databases,
          before: prepared.before && {
            ...prepared.before,
            templates: templatesBefore(record.snapshot),
          },
        }
      : {}
  const save = () => saveRelease({ cluster, clock: platform.clock, app }, ended, live)
  try {
    await (result === 'stuck' ? withShortTimeout(platform.clock, save) : save())
    return true
  } catch (error) {
    soFar.warnings.push(
      `${shortTag(begun.tag)} is missing in the history: ${error instanceof Error ? error.message : String(error)}`,
    )
    return false
  }
}
