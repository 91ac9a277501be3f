/**
 * All or nothing: lock, snapshot, record, the writes, and then either the end of the record or the undo. The order
 * of the steps makes this hold wherever the run is cut off (docs/protocol.md).
 */
import { shortTag } from '../kubernetes/image.js'
import { ApiError } from '../kubernetes/api-error.js'
import { same, type KubeObject } from '../kubernetes/objects.js'
import { commandLine } from '../options/command-line.js'
import type { Cause } from '../failure/failure.js'
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
import type { Image } from '../docker/image.js'
import { snapshot, type SnapshotResult } from '../stages/snapshot.js'
import type { Target } from '../kubernetes/target.js'
import { undo, undoBudget } from '../stages/undo.js'
import { withShortTimeout, withTimeout } from '../platform/time.js'
import { causeOf, commandsBack, lostCause, sentenceOf, runningImages } from './causes.js'
import type { Run } from './run.js'
import type { GivenUp, Images, Outcome, StuckOutcome } from './run-state.js'
import { lockAndRecover, type Locked } from './steps.js'

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
): Promise<Outcome> {
  const { reporter, signal, state } = run
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
    const timeouts = { timeout: settings.timeout, grace: settings.grace }
    const open = { begun, timeouts, snapshot: prepared.snapshot }
    return { prepared, record: await openRecord(cluster, platform.clock, app, open) }
  })
  state.begin(work.image, prepared.checked)
  state.warnings.push(...prepared.warnings)
  const open: Transaction = { run, context, lost, begun, prepared, record }
  run.onBegin?.(begun)
  const own = context.with({ signal: AbortSignal.any([signal, lost]) })
  try {
    await work.write(own, prepared, (answers) => keepAnswers(open, answers))
    own.signal.throwIfAborted()
  } catch (error) {
    state.detect(platform.clock.now())
    return giveUp(open, lostCause(lost) ?? causeOf(error, signal))
  }
  const outcome = await close(open)
  if (outcome.result === 'deployed') await work.live?.(own)
  return outcome
}

/** Keeps what was written: first for this run, then in the record for the run that may have to undo it. */
async function keepAnswers(open: Transaction, answers: readonly KubeObject[]): Promise<void> {
  if (answers.length === 0) return
  const { run, context } = open
  const { cluster, platform, app } = context
  const snapshot = withAnswers(open.record.snapshot, answers)
  // As the dry run said.
  if (same(snapshot, open.record.snapshot)) return
  open.record = { ...open.record, snapshot }
  if (open.isFrozen === true) return
  try {
    open.record = await updateRecord(cluster, platform.clock, app, open.record)
  } catch (error) {
    if (!(error instanceof ApiError && error.status === 403)) throw error
    // A Role that was made for an older version: an undo by this run needs no more than it knows.
    open.isFrozen = true
    run.state.warnings.push(
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
async function close(open: Transaction): Promise<Outcome> {
  const { run, context, lost, record } = open
  const { platform, app, settings, cluster } = context
  const isRecorded = await recordInHistory(open, { result: 'deployed' })
  try {
    await closeRecord(cluster, platform.clock, app, record)
    return { result: 'deployed' }
  } catch (error) {
    // A run that reads that record reads the history too, and undoes nothing, whether the lock is held or not.
    if (isRecorded) {
      run.state.warnings.push(
        `removing its record failed (${sentenceOf(error)}); the next release or recover removes it, and restores nothing`,
      )
      return { result: 'deployed' }
    }
    const cause = lostCause(lost) ?? {
      code: 'write-failed',
      sentence: `the new version runs, but closing its record failed, so the next run would undo it: ${error instanceof Error ? error.message : String(error)}`,
      hint: `kubectl -n ${settings.namespace} delete secret django-rollout-${app}`,
    }
    return { result: 'stuck', cause }
  }
}

/** Ends a release that failed: restores, records in the history, and closes the record unless it is kept. */
async function giveUp(open: Transaction, cause: Cause): Promise<GivenUp> {
  const { platform, app, cluster } = open.context
  let outcome: GivenUp
  try {
    open.lost.throwIfAborted()
    outcome = await (cause.code === 'superseded'
      ? undoSuperseded(open, cause)
      : undoFailed(open, cause))
  } catch (error) {
    return stuck(open, error, { cause })
  }
  await recordInHistory(open, outcome)
  if (outcome.result === 'kept') return outcome
  try {
    await closeRecord(cluster, platform.clock, app, open.record)
    return outcome
  } catch (error) {
    return stuck(open, error, outcome)
  }
}

/** Undoes everything that was written, unless nothing was, or the user wants to look at it. */
async function undoFailed(open: Transaction, cause: Cause): Promise<GivenUp> {
  const isCancelled = cause.code === 'cancelled'
  if (!(await changedSince(open.context.cluster, open.record.snapshot))) {
    return { result: isCancelled ? 'cancelled' : 'failed', cause }
  }
  if (!isCancelled && wantsKeep(open)) return keep(open, cause)
  const restored = await restoreAll(open)
  const others = externalChanges(restored)
  if (others !== undefined) {
    const current = await imagesNow(open)
    return { result: 'superseded', cause: leftCause(others, cause), restored, current }
  }
  return { result: isCancelled ? 'cancelled' : 'undone', cause, restored }
}

/** Undoes what was written when another version was set meanwhile, unless people have to decide about it. */
async function undoSuperseded(open: Transaction, cause: Cause): Promise<GivenUp> {
  const left = await stateSince(open.context.cluster, open.record.snapshot)
  const isToUndo = !left.some(isForPeople) && left.some(({ did }) => did !== 'nothing')
  if (wantsKeep(open) || !isToUndo) {
    // Nothing is restored: the report says what was written already, and what others wrote.
    return { result: 'superseded', cause, left, current: await imagesNow(open) }
  }
  const restored = await restoreAll(open)
  return { result: 'superseded', cause, restored, current: await imagesNow(open) }
}

function wantsKeep({ run }: Transaction): boolean {
  return run.settings['on-failure'] === 'keep'
}

/**
 * Returns whether people have to decide to take it back: a workload that the release brought to its version, or
 * that others deleted.
 */
function isForPeople({ prior, did }: Restored): boolean {
  return prior.of === 'workload' && ['put', 'delete', 'ask'].includes(did)
}

/** Restores everything of the snapshot. Not by the release's own signal: what ended it must not end its undo. */
async function restoreAll({
  run: { reporter, state },
  context,
  lost,
  prepared,
  record: { snapshot, timeouts },
}: Transaction): Promise<readonly Restored[]> {
  const { live } = prepared.checked
  const input = { live, snapshot, timeouts }
  const restored = await reporter.stage('undo', (log) =>
    withTimeout(context.platform.clock, undoBudget(input), lost, (signal) =>
      undo(context.with({ log, signal }), input, (progress) => {
        state.keep({ undo: progress })
      }),
    ),
  )
  state.exceptions = [
    // Of a release that was restored here, before this one began.
    ...state.exceptions.filter(({ is }) => is !== 'another version'),
    ...notAsBefore(live.clusterState(), restored, (args) => context.cluster.commandLine(args)),
  ]
  return restored
}

/** Returns the cause when another version runs: it reports the release's own cause, but not as the result. */
function leftCause(left: string, cause: Cause): Cause {
  return {
    ...cause,
    code: 'superseded',
    sentence: `${left}, set by another client: its change was kept, and everything else was restored; the release was given up because ${cause.sentence}`,
    hint: 'decide which version should run, then release it',
  }
}

/** Keeps the record open: `recover`, and the next release before it begins, restore from it. */
async function keep(open: Transaction, cause: Cause): Promise<GivenUp> {
  const back = `to restore the previous version: ${commandLine('recover', open.context.settings)}; the next release also does this before it starts`
  const hint = cause.hint === undefined ? back : `${cause.hint}\n${back}`
  return { result: 'kept', cause: { ...cause, hint }, current: await imagesNow(open) }
}

/**
 * Returns the end of a release whose undo failed. The record stays for the next run; without the lock nothing more
 * is written.
 */
async function stuck(
  open: Transaction,
  error: unknown,
  reached: Pick<GivenUp, 'cause'> & Pick<StuckOutcome, 'restored' | 'left'>,
): Promise<GivenUp> {
  const { context, lost, record } = open
  const current = await imagesNow(open)
  const lockLost = lostCause(lost)
  if (lockLost) return { ...reached, result: 'stuck', cause: lockLost, current }
  const problem = causeOf(error, lost)
  const outcome: GivenUp = {
    ...reached,
    result: 'stuck',
    current,
    cause: {
      ...problem,
      code: 'restore-failed',
      sentence: `${problem.sentence}; the release was given up because ${reached.cause.sentence}`,
      hint: [
        ...(problem.hint === undefined ? [] : [problem.hint]),
        commandsBack(context.settings, context.cluster, record.snapshot),
      ].join('\n'),
    },
  }
  await recordInHistory(open, outcome)
  return outcome
}

function imagesNow({ context, record }: Transaction): Promise<Images> {
  const { cluster, platform, settings } = context
  return runningImages(cluster, platform.clock, settings, record.snapshot)
}

/** Records the release in the history. Returns whether that worked; a failure is a warning. */
async function recordInHistory(
  { run, context, begun, prepared, record }: Transaction,
  outcome: GivenUp | { readonly result: 'deployed' },
): Promise<boolean> {
  const { state, reporter } = run
  const { platform, app, cluster } = context
  const { result } = outcome
  const cause = 'cause' in outcome ? outcome.cause.sentence.split('\n')[0] : undefined
  const ended = {
    ...begun,
    result,
    ...(cause !== undefined && { cause }),
    seconds: Math.round(reporter.seconds() * 10) / 10,
    migrations: state.migrations,
  }
  const live =
    result === 'deployed'
      ? {
          templates: templatesOf(record.snapshot),
          databases: state.databases,
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
    state.warnings.push(
      `${shortTag(begun.tag)} is missing in the history: ${error instanceof Error ? error.message : String(error)}`,
    )
    return false
  }
}
