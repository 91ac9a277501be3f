/**
 * GitHub's deployment records: which exist, and what this run's record shows at the beginning and at the end.
 * Pure; `deployments.ts` writes it. https://docs.github.com/en/rest/deployments
 */
import { shortTag } from '../kubernetes/image.js'
import { printable, verdict } from '../report/sentences.js'
import type { Report } from '../report/report.js'
import type { ReleaseStart, Entry, History } from '../state/history.js'

/** The purpose of the deployment: other tools may keep others of the same environment. */
export const task = 'deploy'

/** GitHub refuses longer descriptions. */
const longestDescription = 140

export type State = 'in_progress' | 'success' | 'failure' | 'error' | 'inactive'

/** GitHub's last status of a deployment. */
export interface LastStatus {
  readonly state: State | 'queued' | 'pending' | 'waiting'
  /** Link to its run; empty when unknown. */
  readonly log: string
}

/** A deployment that GitHub has. */
export interface Deployment {
  readonly id: number
  /** The commit. */
  readonly sha: string
  /** The run that has made it (`ReleaseStart.run`); missing for another tool's, or for the job's own. */
  readonly run?: string
  /** None before its first status. */
  readonly lastStatus?: LastStatus
}

/** The fields of GitHub's answers that are read. */
export interface RawDeployment {
  readonly id: number
  readonly sha: string
  /** As its maker has sent it: an object, or a text. */
  readonly payload?: unknown
}

export interface RawStatus {
  readonly id: number
  readonly state: LastStatus['state']
  readonly log_url?: string
}

export function deploymentOf(
  { id, sha, payload }: RawDeployment,
  statuses: readonly RawStatus[],
): Deployment {
  const [last] = statuses.toSorted((one, other) => other.id - one.id)
  const run =
    typeof payload === 'object' && payload !== null && 'run' in payload ? payload.run : undefined
  return {
    id,
    sha,
    ...(typeof run === 'string' && { run }),
    ...(last && { lastStatus: { state: last.state, log: last.log_url ?? '' } }),
  }
}

/** Returns the body that creates a record. `ref`: the commit or tag of the version in this repository. */
export function recordOf(begun: ReleaseStart, environment: string, ref = begun.sha ?? begun.tag) {
  const { command, tag, digest, who, run } = begun
  return {
    ref,
    task,
    // It reports a deployment; it does not request permission for one.
    auto_merge: false,
    required_contexts: [],
    environment,
    description: cut(`${command}: ${shortTag(tag)}, by ${who}`),
    payload: { tag, digest, run },
  }
}

/** Returns the body of a status. */
export function statusOf(
  { state, description }: StatusText,
  { log, live }: { readonly log?: string | undefined; readonly live?: string | undefined } = {},
) {
  return {
    state,
    description: cut(description),
    ...(log !== undefined && { log_url: log }),
    ...(state === 'success' && live !== undefined && { environment_url: live }),
    // GitHub would do it for some environments, and leaves out those that are for production.
    auto_inactive: false,
  }
}

export type Status = ReturnType<typeof statusOf>

export interface StatusText {
  readonly state: State
  readonly description: string
}

export function startStatus({ tag, who }: ReleaseStart): StatusText {
  return { state: 'in_progress', description: `${who} rolls out ${shortTag(tag)}` }
}

/**
 * Returns what is true at the end of a run that had begun to write, or of one that recovered it. A failure does
 * not touch the success before it: that version runs.
 */
export function endStatus(report: Report): StatusText {
  return { state: stateOf(report), description: report.cause?.sentence ?? verdict(report) }
}

/** Returns the same by the history, where the run itself could not report it. */
export function recordedStatus(history: History | undefined, run: string): StatusText {
  const entry = history?.find((one) => one.run === run)
  if (!entry)
    return { state: 'error', description: 'the run was killed; the running version is unknown' }
  const { tag, cause = `${shortTag(tag)} is deployed` } = entry
  return { state: stateOf(entry), description: cause }
}

export const replaced: StatusText = { state: 'inactive', description: 'another version runs' }

function stateOf({
  command,
  result,
}: {
  readonly command: Report['command']
  readonly result: Entry['result']
}): State {
  // A run that recovers another one, and does not know that it was restored, knows nothing.
  if (command === 'recover') return result === 'undone' ? 'failure' : 'error'
  switch (result) {
    case 'deployed':
      return 'success'
    case 'undone':
    case 'failed':
      return 'failure'
    case 'stuck':
    case 'kept':
      return 'error'
    case 'done':
    case 'unchanged':
    case 'found':
    case 'usage':
    case 'locked':
    case 'superseded':
    case 'cancelled':
      return 'inactive'
  }
}

/** Returns whether it has not ended yet, as far as GitHub knows. */
function isOpen({ lastStatus: lastStatus }: Deployment): boolean {
  return !lastStatus || ['queued', 'pending', 'waiting', 'in_progress'].includes(lastStatus.state)
}

/** Returns whether a job of the workflow run has made it. `url`: the run's, without its job. */
function isOfJob({ run, lastStatus: lastStatus }: Deployment, url: string | undefined): boolean {
  if (run !== undefined || !lastStatus || url === undefined) return false
  return lastStatus.log === url || lastStatus.log.startsWith(`${url}/`)
}

/** Returns whether those before the last one need not be read any more. Newest first. */
export function isEnough(seen: readonly Deployment[]): boolean {
  const [last] = seen.slice(-1)
  // The success before this one made all earlier ones inactive.
  return (
    last?.lastStatus?.state === 'inactive' &&
    seen.some(({ lastStatus: lastStatus }) => lastStatus?.state === 'success')
  )
}

export interface OwnDeployments {
  /** This run's own: made before its answer was lost, or by the job, which names the environment. */
  readonly own?: number
  /** What is out of date once this run has succeeded. */
  readonly over: readonly number[]
  /** The commit of a record that the job has made, where another commit will run. */
  readonly wrong?: string
}

/** Returns what the records of the environment mean for a run. `kept`: the id of its own record, where it is known. */
export function ownDeployments(
  seen: readonly Deployment[],
  { run, sha, url }: Pick<ReleaseStart, 'run' | 'sha' | 'url'>,
  kept?: number,
): OwnDeployments {
  const jobs = seen.filter((one) => isOpen(one) && isOfJob(one, url))
  const own =
    seen.find(({ id }) => id === kept) ??
    seen.find((one) => one.run === run) ??
    jobs.find((one) => one.sha === sha)
  const wrong = own ? undefined : jobs[0]?.sha
  const over = seen.filter(
    (one) =>
      one !== own &&
      // An open record of this program was left by a run that is gone: this run has the lock.
      (one.lastStatus?.state === 'success' || (isOpen(one) && one.run !== undefined)),
  )
  return {
    ...(own && { own: own.id }),
    over: over.map(({ id }) => id),
    ...(wrong !== undefined && { wrong }),
  }
}

/** As far as GitHub takes it, in one line. */
function cut(text: string): string {
  const line = printable(text.split('\n')[0] ?? '')
  if (line.length <= longestDescription) return line
  return `${line.slice(0, longestDescription - 1).toWellFormed()}…`
}
