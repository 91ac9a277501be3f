/** A release that has begun: its record is open, and the history gets its end. */
import { ApiError } from '../kubernetes/api-error.js'
import { shortTag } from '../kubernetes/image.js'
import { same, type KubeObject } from '../kubernetes/objects.js'
import { saveRelease, type ReadHistory } from '../state/history-store.js'
import type { ReleaseStart } from '../state/history.js'
import { updateRecord, type KeptRecord, type SchemaWork } from '../state/record.js'
import { withAnswers } from '../undo/snapshot.js'
import { templatesBefore, templatesOf } from '../undo/templates.js'
import { messageOf } from '../platform/error-message.js'
import type { Image } from '../docker/image.js'
import type { OpenContext, ReleaseContext } from '../stages/context.js'
import type { SnapshotResult } from '../stages/snapshot.js'
import { withShortTimeout } from '../platform/time.js'
import type { Locked } from './lock.js'
import type { Run } from './run.js'
import type { GivenUp } from './run-state.js'

/** The input of a release. */
export interface ReleaseInput extends Pick<ReleaseStart, 'command' | 'jobs'> {
  readonly image: Image
  /** A rollback: the number of the release whose version it restores. */
  readonly back?: number
}

/** Returns what the history gets of a release when it begins. */
export function releaseStartOf(
  { reporter }: Run,
  { source, holder }: ReleaseContext,
  { command, image, back, jobs = [] }: ReleaseInput,
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

export interface OpenRelease extends Pick<Locked, 'lost'> {
  readonly run: Run
  /** Its cluster accepts writes only under the lock. */
  readonly context: OpenContext
  readonly start: ReleaseStart
  readonly prepared: SnapshotResult
  /** The history as it was read under the lock. */
  readonly read: ReadHistory
  /** The record with its snapshot, to which the answers of the server are added. */
  record: KeptRecord
  /** The account may not write the record again: it stays as it is. */
  isFrozen?: true
}

/** Keeps what was written: first for this run, then in the record for the run that may have to undo it. */
export async function keepAnswers(
  release: OpenRelease,
  answers: readonly KubeObject[],
): Promise<void> {
  if (answers.length === 0) return
  const snapshot = withAnswers(release.record.snapshot, answers)
  // As the dry run said.
  if (same(snapshot, release.record.snapshot)) return
  await keepRecord(release, { ...release.record, snapshot })
}

/** Keeps what an undo has to do about the databases. */
export async function keepSchema(release: OpenRelease, schema: SchemaWork): Promise<void> {
  await keepRecord(release, { ...release.record, schema })
}

/** Keeps what the migrations leave in the databases: the run that may have to undo the release does not know it else. */
export async function keepPlan(release: OpenRelease): Promise<void> {
  const { contract = {} } = release.run.state
  const { held = [], bridges = [] } = contract
  if (held.length + bridges.length === 0) return
  await keepRecord(release, { ...release.record, contract })
}

async function keepRecord(release: OpenRelease, record: KeptRecord): Promise<void> {
  const { run, context } = release
  const { cluster, platform, app } = context
  release.record = record
  if (release.isFrozen === true) return
  try {
    release.record = await updateRecord(cluster, platform.clock, app, record)
  } catch (error) {
    if (!(error instanceof ApiError && error.status === 403)) throw error
    // A Role that was made for an older version: an undo by this run needs no more than it knows.
    release.isFrozen = true
    run.warn(
      `the server's result of this release could not be stored, so another run that has to undo this release does not have it: ${error.message} (examples/rbac.yaml has the Role)`,
    )
  }
}

/** Records the release in the history. Returns whether that worked; a failure is a warning. */
export async function recordInHistory(
  { run, context, start, prepared, record, read }: OpenRelease,
  outcome: GivenUp | { readonly result: 'deployed' },
): Promise<boolean> {
  const { state, reporter } = run
  const { platform, app, cluster } = context
  const { result } = outcome
  const cause = 'cause' in outcome ? outcome.cause.sentence.split('\n')[0] : undefined
  const unused = state.plan?.databases.flatMap((database) => database.unused ?? []) ?? []
  const ended = {
    ...start,
    result,
    ...(cause !== undefined && { cause }),
    seconds: Math.round(reporter.seconds() * 10) / 10,
    migrations: state.migrations,
    ...(state.reversed.length > 0 && { reversed: state.reversed }),
    ...(state.migrate !== undefined && { migrate: state.migrate }),
    ...(state.fit && { fit: state.fit }),
    ...(state.backup && { backup: state.backup.job }),
    ...(state.plan && { unused }),
    ...(result === 'deployed' && Object.keys(state.starts).length > 0 && { starts: state.starts }),
    ...state.contract,
  }
  const live = {
    needs: state.needs,
    tasks: state.tasks,
    schema: state.schema,
    ...(result === 'deployed' && {
      templates: templatesOf(record.snapshot),
      databases: state.databases,
      before: prepared.before && {
        ...prepared.checked.reported?.get(prepared.before.digest),
        ...prepared.before,
        templates: templatesBefore(record.snapshot),
      },
    }),
  }
  const save = () => saveRelease({ cluster, clock: platform.clock, app }, ended, live, read)
  try {
    await (result === 'stuck' ? withShortTimeout(platform.clock, save) : save())
    return true
  } catch (error) {
    run.warn(`${shortTag(start.tag)} is missing in the history: ${messageOf(error)}`)
    return false
  }
}
