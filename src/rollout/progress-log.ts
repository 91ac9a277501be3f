/** The log of a rollout: a line for each change of state, and the live lines. */
import type { StatusRow } from '../platform/stage-log.js'
import { deletion, readyWords } from '../judge/rollout-status.js'
import type { WaitingReason, Judgement, Progress, Verdict } from '../judge/types.js'
import { firstOf, lasting } from '../judge/words.js'

/** What was logged of a workload so far. */
interface LoggedWorkload {
  readonly progress?: Progress
  /** Each is logged once: while it lasts, the stage reports it every 10 s. */
  readonly reasons: readonly WaitingReason[]
  readonly isOver: boolean
}

/** What was logged so far, by `idOf`. */
export interface Logged {
  readonly workloads: Readonly<Record<string, LoggedWorkload>>
  readonly allThere: boolean
}

export const nothingLogged: Logged = { workloads: {}, allThere: false }

/**
 * Returns the lines for what is new since `logged`; equal lines of several workloads are one.
 *
 * @param bake how long all workloads are watched once they are ready, in ms; `undefined` while others are not
 * written yet.
 */
export function progressLines(
  judgement: Judgement,
  logged: Logged,
  bake: number | undefined,
): { readonly lines: readonly string[]; readonly logged: Logged } {
  const all = Object.entries(judgement.verdicts)
  const pods = Object.values(judgement.progress).reduce((sum, { wanted = 0 }) => sum + wanted, 0)
  const seen = all.map(([id, verdict]) => {
    const before = logged.workloads[id] ?? { reasons: [], isOver: false }
    const now = { name: nameOf(id), verdict, progress: judgement.progress[id] }
    return [id, changeOf(now, before, pods)] as const
  })
  const same = Map.groupBy(
    seen.flatMap(([id, { line }]) => (line === undefined ? [] : [{ id, line }])),
    ({ line }) => line,
  )
  const lines = [...same].map(([line, ids]) => `${namesOf(ids, all.length)}: ${line}`)
  const allThere = all.length > 0 && all.every(([, { is }]) => is === 'complete')
  if (allThere && !logged.allThere && bake !== undefined) {
    const who = all.length === 1 ? `${all[0]?.[0] ?? ''} is` : `all ${all.length} workloads are`
    lines.push(`${who} ready, watched for another ${lasting(bake)}`)
  }
  const workloads = Object.fromEntries(seen.map(([id, { logged }]) => [id, logged]))
  return { lines, logged: { workloads, allThere: allThere && bake !== undefined } }
}

interface JudgedWorkload {
  readonly name: string
  readonly verdict: Verdict
  readonly progress: Progress | undefined
}

/** Returns the line for what is new of a workload. `pods`: how many all workloads have. */
function changeOf(
  { name, verdict, progress }: JudgedWorkload,
  before: LoggedWorkload,
  pods: number,
): { readonly line?: string; readonly logged: LoggedWorkload } {
  const after = (line: string, more: Partial<LoggedWorkload>) => ({
    line,
    logged: { ...before, ...more },
  })
  const isChange = (now: Progress) =>
    before.progress?.ready !== now.ready || before.progress.wanted !== now.wanted
  switch (verdict.is) {
    case 'superseded':
    case 'failed':
      return before.isOver ? { logged: before } : after(endWords(verdict, name), { isOver: true })
    case 'complete':
    case 'done':
      return progress && isChange(progress)
        ? after(readyWords(progress), { progress })
        : { logged: before }
    case 'waiting': {
      const { reason, on } = verdict
      if (reason && !before.reasons.includes(reason)) {
        const reasons = [...before.reasons, reason]
        return after(on, { reasons, ...(progress && { progress }) })
      }
      // No line before its controller has seen the new version, nor for the last pod before all is done.
      const { wanted = 0, ready = 0 } = progress ?? {}
      if (!progress || ready >= wanted || !isChange(progress)) return { logged: before }
      return isStep(progress, before.progress, pods)
        ? after(readyWords(progress), { progress })
        : { logged: before }
    }
  }
}

/** Returns whether progress is large enough for a line: ten lines for a workload, and about sixty for all. */
function isStep({ wanted = 0, ready }: Progress, before: Progress | undefined, pods: number) {
  if (before?.wanted !== wanted || ready < before.ready) return true
  return ready - before.ready >= Math.max(wanted / 10, pods / 60)
}

function endWords(verdict: Extract<Verdict, { is: 'superseded' | 'failed' }>, name: string) {
  if (verdict.is === 'superseded') {
    return verdict.by === deletion
      ? 'was deleted by another client'
      : `runs the version of another client: ${verdict.by}`
  }
  const { sentence } = verdict.cause
  const own = `${name}: `
  return `failed: ${sentence.startsWith(own) ? sentence.slice(own.length) : sentence}`
}

/** Returns the live line of each workload; then what the rollout waits for once all are ready. */
export function statusRowsOf(
  judgement: Judgement,
  now: number,
  bake: number | undefined,
): readonly StatusRow[] {
  const { verdicts, progress, observations, completeAt } = judgement
  const rows = Object.entries(verdicts).map(([id, verdict]): StatusRow => {
    const until = isThere(verdict) ? observations.completeSince[id] : now
    return {
      of: id,
      ...wordsOf(verdict, progress[id], nameOf(id)),
      ...(until !== undefined && { seconds: (until - observations.startedAt) / 1000 }),
    }
  })
  const allThere = rows.length > 0 && rows.every(({ is }) => is === 'ready')
  if (!allThere || completeAt === undefined || bake === undefined) return rows
  const watched = now - completeAt
  const words =
    watched < bake
      ? `all are ready, watched for ${lasting(watched)} of ${lasting(bake)}`
      : 'all are ready, waiting for a successful response of the new version'
  return [...rows, { is: 'waiting', words }]
}

function isThere({ is }: Verdict): boolean {
  return is === 'complete' || is === 'done'
}

function wordsOf(
  verdict: Verdict,
  progress: Progress | undefined,
  name: string,
): Pick<StatusRow, 'is' | 'words'> {
  switch (verdict.is) {
    case 'waiting':
      return { is: verdict.reason ? 'degraded' : 'waiting', words: verdict.on }
    case 'complete':
    case 'done':
      return { is: 'ready', words: progress ? readyWords(progress) : '' }
    case 'failed':
    case 'superseded':
      return { is: 'failed', words: endWords(verdict, name) }
  }
}

/** Returns the names of workloads, or their number if there are many. */
function namesOf(ids: readonly { readonly id: string }[], all: number): string {
  const names = ids.map(({ id }) => id)
  if (names.length > 1 && names.length === all) return `all ${all} workloads`
  return firstOf(names, names.length > 3 ? 2 : 3)
}

function nameOf(id: string): string {
  return id.slice(id.indexOf('/') + 1)
}
