/** What people are told of a rollout: a line for each change of state, and how all stands now. */
import type { StatusRow } from '../platform/stage-log.js'
import { deletion, readyWords } from '../judge/rollout-status.js'
import type { Hindrance, Judgement, Progress, Verdict } from '../judge/types.js'
import { lasting } from '../judge/words.js'

/** What was said of a workload so far. */
interface Said {
  readonly progress?: Progress
  /** Each is told once: one that comes and goes is heard of every 10 s while it lasts. */
  readonly troubles: readonly Hindrance[]
  readonly isOver: boolean
}

/** What was said so far, by `idOf`. */
export interface Told {
  readonly workloads: Readonly<Record<string, Said>>
  readonly allThere: boolean
}

export const nothingTold: Told = { workloads: {}, allThere: false }

/**
 * The lines for what is new since `told`; those that say the same of several workloads are one.
 *
 * @param bake how long all are watched on when they are there, in ms; none: others are still to be written to.
 */
export function progressLines(
  judgement: Judgement,
  told: Told,
  bake: number | undefined,
): { readonly lines: readonly string[]; readonly told: Told } {
  const all = Object.entries(judgement.verdicts)
  const pods = Object.values(judgement.progress).reduce((sum, { wanted = 0 }) => sum + wanted, 0)
  const seen = all.map(([id, verdict]) => {
    const before = told.workloads[id] ?? { troubles: [], isOver: false }
    return [id, newsOf(verdict, judgement.progress[id], before, pods, nameOf(id))] as const
  })
  const same = Map.groupBy(
    seen.flatMap(([id, { line }]) => (line === undefined ? [] : [{ id, line }])),
    ({ line }) => line,
  )
  const lines = [...same].map(([line, ids]) => `${namesOf(ids, all.length)}: ${line}`)
  const allThere = all.length > 0 && all.every(([, { is }]) => is === 'complete')
  if (allThere && !told.allThere && bake !== undefined) {
    const who = all.length === 1 ? `${all[0]?.[0] ?? ''} is` : `all ${all.length} workloads are`
    lines.push(`${who} ready, and watched for ${lasting(bake)} more`)
  }
  const workloads = Object.fromEntries(seen.map(([id, { said }]) => [id, said]))
  return { lines, told: { workloads, allThere: allThere && bake !== undefined } }
}

function newsOf(
  verdict: Verdict,
  progress: Progress | undefined,
  before: Said,
  pods: number,
  name: string,
): { readonly line?: string; readonly said: Said } {
  const after = (line: string, more: Partial<Said>) => ({ line, said: { ...before, ...more } })
  const isNews = (now: Progress) =>
    before.progress?.ready !== now.ready || before.progress.wanted !== now.wanted
  switch (verdict.is) {
    case 'superseded':
    case 'failed':
      return before.isOver ? { said: before } : after(endWords(verdict, name), { isOver: true })
    case 'complete':
    case 'done':
      return progress && isNews(progress)
        ? after(readyWords(progress), { progress })
        : { said: before }
    case 'waiting': {
      const { trouble, on } = verdict
      if (trouble && !before.troubles.includes(trouble)) {
        const troubles = [...before.troubles, trouble]
        return after(on, { troubles, ...(progress && { progress }) })
      }
      // Nothing to say before its controller has seen the new version, nor of the last pod before all is done.
      const { wanted = 0, ready = 0 } = progress ?? {}
      if (!progress || ready >= wanted || !isNews(progress)) return { said: before }
      return isStep(progress, before.progress, pods)
        ? after(readyWords(progress), { progress })
        : { said: before }
    }
  }
}

/** Large rollouts are told in larger steps: ten for a workload, and some sixty for all. */
function isStep({ wanted = 0, ready }: Progress, before: Progress | undefined, pods: number) {
  if (before?.wanted !== wanted || ready < before.ready) return true
  return ready - before.ready >= Math.max(wanted / 10, pods / 60)
}

function endWords(verdict: Extract<Verdict, { is: 'superseded' | 'failed' }>, name: string) {
  if (verdict.is === 'superseded') {
    return verdict.by === deletion
      ? 'was deleted by somebody else'
      : `runs somebody else's version: ${verdict.by}`
  }
  const { sentence } = verdict.cause
  const own = `${name}: `
  return `failed: ${sentence.startsWith(own) ? sentence.slice(own.length) : sentence}`
}

/** How each workload stands; then what is waited for once all are there. */
export function statusRowsOf(
  judgement: Judgement,
  now: number,
  bake: number | undefined,
): readonly StatusRow[] {
  const { verdicts, progress, observations, completeAt } = judgement
  const standings = Object.entries(verdicts).map(([id, verdict]): StatusRow => {
    const until = isThere(verdict) ? observations.completeSince[id] : now
    return {
      of: id,
      ...wordsOf(verdict, progress[id], nameOf(id)),
      ...(until !== undefined && { seconds: (until - observations.startedAt) / 1000 }),
    }
  })
  const allThere = standings.length > 0 && standings.every(({ is }) => is === 'ready')
  if (!allThere || completeAt === undefined || bake === undefined) return standings
  const watched = now - completeAt
  const words =
    watched < bake
      ? `all are ready, watched for ${lasting(watched)} of ${lasting(bake)}`
      : 'all are ready, waiting for a good answer of the new version'
  return [...standings, { is: 'waiting', words }]
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
      return { is: verdict.trouble ? 'troubled' : 'waiting', words: verdict.on }
    case 'complete':
    case 'done':
      return { is: 'ready', words: progress ? readyWords(progress) : '' }
    case 'failed':
    case 'superseded':
      return { is: 'failed', words: endWords(verdict, name) }
  }
}

/** `deployment/web`, or how many where there are many. */
function namesOf(ids: readonly { readonly id: string }[], all: number): string {
  const names = ids.map(({ id }) => id)
  if (names.length > 1 && names.length === all) return `all ${all} workloads`
  return names.length <= 3
    ? names.join(', ')
    : `${names.slice(0, 2).join(', ')} and ${names.length - 2} more`
}

function nameOf(id: string): string {
  return id.slice(id.indexOf('/') + 1)
}
