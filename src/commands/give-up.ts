/** The ends of a release that failed: what was written is restored, and the history and the report say so. */
import { commandLine } from '../options/command-line.js'
import type { Cause } from '../failure/failure.js'
import { notAsBefore } from '../stages/exceptions.js'
import { closeRecord } from '../state/record.js'
import { changedSince, externalChanges, stateSince, type Restored } from '../undo/restore.js'
import { undo, undoBudget } from '../stages/undo.js'
import { withTimeout } from '../platform/time.js'
import { causeOf, commandsBack, lostCause, runningImages } from './causes.js'
import { recordInHistory, type BegunRelease } from './begun-release.js'
import type { GivenUp, Images, StuckOutcome } from './run-state.js'

/** Ends a release that failed: restores, records in the history, and closes the record unless it is kept. */
export async function giveUp(begun: BegunRelease, cause: Cause): Promise<GivenUp> {
  const { platform, app, cluster } = begun.context
  let outcome: GivenUp
  try {
    begun.lost.throwIfAborted()
    outcome = await (cause.code === 'superseded'
      ? undoSuperseded(begun, cause)
      : undoFailed(begun, cause))
  } catch (error) {
    return stuck(begun, error, { cause })
  }
  await recordInHistory(begun, outcome)
  if (outcome.result === 'kept') return outcome
  try {
    await closeRecord(cluster, platform.clock, app, begun.record)
    return outcome
  } catch (error) {
    return stuck(begun, error, outcome)
  }
}

/** Undoes everything that was written, unless nothing was, or the user wants to look at it. */
async function undoFailed(begun: BegunRelease, cause: Cause): Promise<GivenUp> {
  const isCancelled = cause.code === 'cancelled'
  if (!(await changedSince(begun.context.cluster, begun.record.snapshot))) {
    return { result: isCancelled ? 'cancelled' : 'failed', cause }
  }
  if (!isCancelled && wantsKeep(begun)) return keep(begun, cause)
  const restored = await restoreAll(begun)
  const others = externalChanges(restored)
  if (others !== undefined) {
    const current = await imagesNow(begun)
    return { result: 'superseded', cause: leftCause(others, cause), restored, current }
  }
  return { result: isCancelled ? 'cancelled' : 'undone', cause, restored }
}

/** Undoes what was written when another version was set meanwhile, unless people have to decide about it. */
async function undoSuperseded(begun: BegunRelease, cause: Cause): Promise<GivenUp> {
  const left = await stateSince(begun.context.cluster, begun.record.snapshot)
  const isToUndo = !left.some(isForPeople) && left.some(({ did }) => did !== 'nothing')
  if (wantsKeep(begun) || !isToUndo) {
    // Nothing is restored: the report says what was written already, and what others wrote.
    return { result: 'superseded', cause, left, current: await imagesNow(begun) }
  }
  const restored = await restoreAll(begun)
  return { result: 'superseded', cause, restored, current: await imagesNow(begun) }
}

function wantsKeep({ run }: BegunRelease): boolean {
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
}: BegunRelease): Promise<readonly Restored[]> {
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
async function keep(begun: BegunRelease, cause: Cause): Promise<GivenUp> {
  const back = `to restore the previous version: ${commandLine('recover', begun.context.settings)}; the next release also does this before it starts`
  const hint = cause.hint === undefined ? back : `${cause.hint}\n${back}`
  return { result: 'kept', cause: { ...cause, hint }, current: await imagesNow(begun) }
}

/**
 * Returns the end of a release whose undo failed. The record stays for the next run; without the lock nothing more
 * is written.
 */
async function stuck(
  begun: BegunRelease,
  error: unknown,
  reached: Pick<GivenUp, 'cause'> & Pick<StuckOutcome, 'restored' | 'left'>,
): Promise<GivenUp> {
  const { context, lost, record } = begun
  const current = await imagesNow(begun)
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
  await recordInHistory(begun, outcome)
  return outcome
}

function imagesNow({ context, record }: BegunRelease): Promise<Images> {
  const { cluster, platform, settings } = context
  return runningImages(cluster, platform.clock, settings, record.snapshot)
}
