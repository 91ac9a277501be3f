/** The ends of a release that failed: what was written is restored, and the history and the report say so. */
import { commandLine } from '../options/command-line.js'
import type { Cause } from '../failure/failure.js'
import { notAsBefore } from '../stages/exceptions.js'
import { closeRecord } from '../state/record.js'
import { changedSince, externalChanges, stateSince, type Restored } from '../undo/restore.js'
import type { StageLog } from '../platform/stage-log.js'
import { hasBegun, isKnownToFit, schemaBack } from '../stages/migration/back.js'
import { undo, undoBudget } from '../stages/undo.js'
import { withTimeout } from '../platform/time.js'
import { causeOf, commandsBack, lostCause, runningImages } from './causes.js'
import { recordInHistory, type OpenRelease } from './open-release.js'
import type { GivenUp, Images, StuckOutcome } from './run-state.js'

/** Ends a release that failed: restores, records in the history, and closes the record unless it is kept. */
export async function giveUp(release: OpenRelease, cause: Cause): Promise<GivenUp> {
  const { platform, app, cluster } = release.context
  let outcome: GivenUp
  try {
    release.lost.throwIfAborted()
    outcome = await (cause.code === 'superseded'
      ? undoSuperseded(release, cause)
      : undoFailed(release, cause))
  } catch (error) {
    return stuck(release, error, { cause })
  }
  await recordInHistory(release, outcome)
  if (outcome.result === 'kept') return outcome
  try {
    await closeRecord(cluster, platform.clock, app, release.record)
    return outcome
  } catch (error) {
    return stuck(release, error, outcome)
  }
}

/** Undoes everything that was written, unless nothing was, or the user wants to look at it. */
async function undoFailed(release: OpenRelease, cause: Cause): Promise<GivenUp> {
  const isCancelled = cause.code === 'cancelled'
  if (!(await changedSince(release.context.cluster, release.record.snapshot))) {
    const { schema } = release.record
    if (!wantsKeep(release) && schema && !isKnownToFit(schema) && hasBegun(schema))
      await release.run.reporter.stage('undo', (log) => fitSchema(release, log))
    return { result: isCancelled ? 'cancelled' : 'failed', cause }
  }
  if (!isCancelled && wantsKeep(release)) return keep(release, cause)
  const restored = await restoreAll(release)
  const others = externalChanges(restored)
  if (others !== undefined) {
    const current = await imagesNow(release)
    return { result: 'superseded', cause: leftCause(others, cause), restored, current }
  }
  return { result: isCancelled ? 'cancelled' : 'undone', cause, restored }
}

/** Undoes what was written when another version was set meanwhile, unless people have to decide about it. */
async function undoSuperseded(release: OpenRelease, cause: Cause): Promise<GivenUp> {
  const left = await stateSince(release.context.cluster, release.record.snapshot)
  const isToUndo = !left.some(isForPeople) && left.some(({ did }) => did !== 'nothing')
  if (wantsKeep(release) || !isToUndo) {
    // Nothing is restored: the report says what was written already, and what others wrote.
    return { result: 'superseded', cause, left, current: await imagesNow(release) }
  }
  const restored = await restoreAll(release)
  return { result: 'superseded', cause, restored, current: await imagesNow(release) }
}

function wantsKeep({ run }: OpenRelease): boolean {
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
async function restoreAll(release: OpenRelease): Promise<readonly Restored[]> {
  const { run, context, lost, prepared, record } = release
  const { reporter, state } = run
  const { snapshot, timeouts } = record
  const { live } = prepared.checked
  const restored = await reporter.stage('undo', async (log) => {
    const isUnfit = await fitSchema(release, log)
    const input = { live, snapshot, timeouts, isUnfit }
    return withTimeout(context.platform.clock, undoBudget(input), lost, (signal) =>
      undo(context.with({ log, signal }), input, (progress) => {
        state.keep({ undo: progress })
      }),
    )
  })
  state.exceptions = [
    // Of a release that was restored here, before this one began.
    ...state.exceptions.filter(({ is }) => is !== 'another version'),
    ...notAsBefore(live.clusterState(), restored, (args) => context.cluster.commandLine(args)),
  ]
  return restored
}

/** Makes the databases such that the previous version fits. Returns whether it is known that it does not. */
async function fitSchema(
  { run, context, lost, prepared, record }: OpenRelease,
  log: StageLog,
): Promise<boolean> {
  const { live } = prepared.checked
  const { schema } = record
  if (!schema || !hasBegun(schema)) return false
  const { unfit } = await schemaBack(
    context.with({ log, signal: lost }),
    { ...record, live },
    {
      onReversed: (reversed) => {
        if (reversed.length === 0) return
        run.state.reversed = reversed
        run.state.schema = { is: 'unknown' }
      },
      onBackup: (backup) => {
        const { backup: first } = run.state
        if (first) run.warn(`the backup from before the migration is job/${first.job}`)
        run.state.backup = backup
      },
    },
  )
  // Applied again.
  if (schema.is === 'again') run.state.reversed = []
  if (unfit !== undefined) run.warn(`the previous version is back, but ${unfit}`)
  return unfit !== undefined
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
async function keep(release: OpenRelease, cause: Cause): Promise<GivenUp> {
  const back = `to restore the previous version: ${commandLine('recover', release.context.settings)}; the next release also does this before it starts`
  const hint = cause.hint === undefined ? back : `${cause.hint}\n${back}`
  return { result: 'kept', cause: { ...cause, hint }, current: await imagesNow(release) }
}

/**
 * Returns the end of a release whose undo failed. The record stays for the next run; without the lock nothing more
 * is written.
 */
async function stuck(
  release: OpenRelease,
  error: unknown,
  reached: Pick<GivenUp, 'cause'> & Pick<StuckOutcome, 'restored' | 'left'>,
): Promise<GivenUp> {
  const { context, lost, record } = release
  const current = await imagesNow(release)
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
  await recordInHistory(release, outcome)
  return outcome
}

function imagesNow({ context, record }: OpenRelease): Promise<Images> {
  const { cluster, platform, settings } = context
  return runningImages(cluster, platform.clock, settings, record.snapshot)
}
