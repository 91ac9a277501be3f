/**
 * All or nothing: lock, snapshot, record, the writes, and then either the end of the record or the undo. The order
 * of the steps makes this hold wherever the run is cut off (docs/protocol.md).
 */
import { messageOf } from '../platform/error-message.js'
import type { OpenContext, StageContext } from '../stages/context.js'
import { checkHistory } from '../stages/name-conflicts.js'
import type { PreflightResult } from '../stages/preflight.js'
import { snapshot, type SnapshotResult, type TargetsUnderLock } from '../stages/snapshot.js'
import { startsIn, type History } from '../state/history.js'
import { closeRecord, openRecord, type SchemaWork } from '../state/record.js'
import type { OnWrite } from '../undo/snapshot.js'
import {
  keepAnswers,
  keepSchema,
  keepPlan,
  recordInHistory,
  releaseStartOf,
  type OpenRelease,
  type ReleaseInput,
} from './open-release.js'
import { causeOf, lostCause, orLost, sentenceOf } from './causes.js'
import { giveUp } from './give-up.js'
import { lockAndRecover } from './lock.js'
import type { Run } from './run.js'
import type { Outcome } from './run-state.js'

/** Receives what an undo has to do about the databases, before that becomes necessary. */
export type OnSchema = (schema: SchemaWork) => Promise<void>

/** What the transaction does, all or nothing. */
export interface Work extends ReleaseInput {
  /** Ends the run, by throwing, when the history shows that the version is no longer wanted. */
  readonly check?: (context: StageContext, history: History) => Promise<void> | void
  /** Ends the run, by throwing, when the version does not fit the database. Nothing is written yet. */
  readonly prove?: (context: OpenContext) => Promise<void>
  /** A rollback: changes more than the image. */
  readonly targets?: TargetsUnderLock
  /**
   * Does all writes to the cluster, which accepts them only under the lock. The transaction undoes them when this
   * throws.
   */
  readonly write: (
    context: OpenContext,
    prepared: SnapshotResult,
    wrote: OnWrite,
    keep: OnSchema,
  ) => Promise<void>
  /** What an undo has to do about the databases, where that is known before the first write. */
  readonly schema?: () => SchemaWork | undefined
  /** Runs when the version is live. Its signal ends with the lock too: another version may be live then. */
  readonly whenLive?: (context: OpenContext) => Promise<void>
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
  const { cluster, lost, read } = await reporter.stage('lock', async (log) => {
    const context = unlocked.with({ log })
    const locked = await lockAndRecover(run, context, checked)
    const read = await checkHistory(context, checked)
    state.knownStarts = startsIn(read.history)
    await work.check?.(context, read.history)
    return { ...locked, read }
  })
  const context = unlocked.with({ cluster })
  const writing = context.with({ signal: AbortSignal.any([signal, lost]) })
  await work.prove?.(writing).catch((error: unknown) => {
    throw orLost(error, lost)
  })
  const start = releaseStartOf(run, context, work)
  const { prepared, record } = await reporter.stage('snapshot', async (log) => {
    const prepared = await snapshot(context.with({ log }), checked, work.image, work.targets)
    const { namespaceUid } = prepared.checked
    const timeouts = { timeout: settings.timeout, grace: settings.grace }
    const schema = work.schema?.()
    const opens = {
      begun: start,
      timeouts,
      snapshot: prepared.snapshot,
      ...(namespaceUid !== undefined && { namespaceUid }),
      ...(schema && { schema }),
    }
    return { prepared, record: await openRecord(cluster, platform.clock, app, opens) }
  })
  state.begin(work.image, prepared.checked)
  const release: OpenRelease = { run, context, lost, start, prepared, record, read }
  state.keepPlan = () => keepPlan(release)
  run.onBegin?.(start)
  try {
    await work.write(
      writing,
      prepared,
      (answers) => keepAnswers(release, answers),
      (schema) => keepSchema(release, schema),
    )
    writing.signal.throwIfAborted()
  } catch (error) {
    state.detect(platform.clock.now())
    return giveUp(release, lostCause(lost) ?? causeOf(error, signal))
  }
  const outcome = await close(release)
  if (outcome.result === 'deployed') await work.whenLive?.(writing)
  return outcome
}

/** Closes a release that runs well: its record has to be gone, or the next run would undo it. */
async function close(release: OpenRelease): Promise<Outcome> {
  const { run, context, lost, record } = release
  const { platform, app, settings, cluster } = context
  const isRecorded = await recordInHistory(release, { result: 'deployed' })
  try {
    await closeRecord(cluster, platform.clock, app, record)
    return { result: 'deployed' }
  } catch (error) {
    // A run that reads that record reads the history too, and undoes nothing, whether the lock is held or not.
    if (isRecorded) {
      run.warn(
        `removing its record failed (${sentenceOf(error)}); the next release or recover removes it, and restores nothing`,
      )
      return { result: 'deployed' }
    }
    const cause = lostCause(lost) ?? {
      code: 'write-failed',
      sentence: `the new version runs, but closing its record failed, so the next run would undo it: ${messageOf(error)}`,
      hint: `kubectl -n ${settings.namespace} delete secret django-rollout-${app}`,
    }
    return { result: 'stuck', cause }
  }
}
