/** Follows a rollout until the judge has spoken, and tells each change of state once. */
import { idOf } from '../kubernetes/workload.js'
import type { Cause } from '../failure/failure.js'
import type { StageLog } from '../platform/stage-log.js'
import { diagnose, type ToRepo } from '../judge/diagnose.js'
import { gather } from './collect.js'
import { judge } from '../judge/judge.js'
import { newObservations, withLog } from '../judge/observations.js'
import { reconcileUntil, type Lookout } from './reconcile.js'
import type { NamespaceWatch } from './namespace-watch.js'
import { progressLines, nothingTold, statusRowsOf } from './progress-log.js'
import type { DesiredWorkload, WriteProgresses, Judgement, Timeouts } from '../judge/types.js'

export type RolloutOutcome =
  /** All aims are reached, and the bake is over. */
  | { readonly is: 'done' }
  /** `at`: when it was recognised, in ms since 1970. */
  | { readonly is: 'failed'; readonly cause: Cause; readonly at: number }
  /** Somebody else's image, by `idOf` of the workload. */
  | { readonly is: 'superseded'; readonly by: Readonly<Record<string, string>> }

/** Workloads that are written to when the first ones have come so far. */
export interface Wave {
  readonly isDue: (judgement: Judgement) => boolean
  /** Writes; the aims that are followed from then on, together with the first. */
  readonly begin: () => Promise<readonly DesiredWorkload[]>
}

export interface TrackOptions extends Lookout {
  readonly desiredWorkloads: readonly DesiredWorkload[]
  readonly next?: Wave
  /** Begins once all are complete, beside the bake; what it throws ends the following. */
  readonly verify?: (signal: AbortSignal) => Promise<void>
  readonly timeouts: Timeouts
  /** When our writes left, in ms since 1970. */
  readonly startedAt: number
  /** Hears at each look how far each workload has come: the last is known however the following ends. */
  readonly noted?: (courses: WriteProgresses) => void
  readonly toRepo: ToRepo
  readonly stageLog: StageLog
}

/** Rejects with the signal's reason when it is aborted, and with what the next wave's writes throw. */
export async function trackRollout(following: TrackOptions): Promise<RolloutOutcome> {
  const { live, timeouts, startedAt, toRepo, stageLog } = following
  const stop = new AbortController()
  const signal = AbortSignal.any([following.signal, stop.signal])
  let verified: 'not yet' | 'begun' | 'good' = following.verify ? 'not yet' : 'good'
  const verify = () => {
    if (verified !== 'not yet') return
    verified = 'begun'
    following.verify?.(signal).then(
      () => {
        verified = 'good'
        heard.wake()
      },
      (error: unknown) => {
        stop.abort(error)
      },
    )
  }
  const heard = alsoWoken(live)
  let { desiredWorkloads, next } = following
  let observations = newObservations(startedAt)
  let writtenAt = timesOf(desiredWorkloads, startedAt)
  let told = nothingTold
  const bake = () => (next ? undefined : timeouts.bake)
  // Judged anew when it is asked for, so that its seconds are those of that moment.
  const standings = () => {
    const now = following.clock.now()
    try {
      return statusRowsOf(
        judge(live.clusterState(), desiredWorkloads, timeouts, observations, now),
        now,
        bake(),
      )
    } catch {
      // Asked for by a timer, where nobody would hear of it: the next look says what is wrong.
      return []
    }
  }
  const tell = (judgement: Judgement) => {
    const { lines, told: after } = progressLines(judgement, told, bake())
    lines.forEach((line) => stageLog.say(line))
    if (after.allThere && !told.allThere) stageLog.waiting(standings)
    told = after
  }
  stageLog.waiting(standings)
  try {
    for (;;) {
      const ended = await reconcileUntil<RolloutOutcome | Wave>(
        { ...following, live: heard, signal },
        (now) => {
          const judgement = judge(
            live.clusterState(),
            desiredWorkloads,
            timeouts,
            observations,
            now,
          )
          observations = judgement.observations
          tell(judgement)
          following.noted?.(coursesOf(judgement, writtenAt))
          const { requeueAt, logsWanted, completeAt } = judgement
          if (completeAt !== undefined && !next) verify()
          const end = endOf(judgement, now)
          // What is lost is lost, but nothing is done before the last wave is.
          const lost = end?.is !== 'done' ? end : undefined
          const good = verified === 'good' ? end : undefined
          const over = lost ?? (next ? (next.isDue(judgement) ? next : undefined) : good)
          return {
            logsWanted,
            ...(requeueAt !== undefined && { requeueAt }),
            ...(over && { ended: over }),
          }
        },
        (wanted, lines) => {
          observations = withLog(observations, wanted, diagnose(lines, toRepo))
        },
      )
      if ('is' in ended) {
        if (ended.is !== 'failed') return ended
        // Nothing that is only told besides may hide the cause.
        const cause = await gather(ended.cause, following).catch(() => ended.cause)
        return { ...ended, cause }
      }
      const begunAt = following.clock.now()
      const more = await ended.begin()
      desiredWorkloads = [...desiredWorkloads, ...more]
      writtenAt = { ...writtenAt, ...timesOf(more, begunAt) }
      next = undefined
    }
  } finally {
    stop.abort()
    stageLog.waiting(undefined)
  }
}

/** The same time for each aim, by `idOf`. */
function timesOf(
  desiredWorkloads: readonly DesiredWorkload[],
  at: number,
): Readonly<Record<string, number>> {
  return Object.fromEntries(desiredWorkloads.map(({ workload }) => [idOf(workload), at]))
}

function coursesOf(
  { progress, observations }: Judgement,
  writtenAt: Readonly<Record<string, number>>,
): WriteProgresses {
  return Object.fromEntries(
    Object.entries(progress).map(([id, pods]) => {
      const completeAt = observations.completeSince[id]
      const startedAt = writtenAt[id] ?? observations.startedAt
      return [id, { ...pods, startedAt, ...(completeAt !== undefined && { completeAt }) }]
    }),
  )
}

/** The same picture, whose listeners can be called for another reason than a change, too. */
function alsoWoken(live: NamespaceWatch): NamespaceWatch & { readonly wake: () => void } {
  const listeners = new Set<() => void>()
  return {
    clusterState: () => live.clusterState(),
    onChange: (listener) => {
      listeners.add(listener)
      const stop = live.onChange(listener)
      return () => {
        listeners.delete(listener)
        stop()
      }
    },
    wake: () => {
      listeners.forEach((listener) => {
        listener()
      })
    },
  }
}

function endOf({ verdicts }: Judgement, now: number): RolloutOutcome | undefined {
  const all = Object.entries(verdicts)
  const superseded = all.flatMap(([id, verdict]) =>
    verdict.is === 'superseded' ? [[id, verdict.by] as const] : [],
  )
  if (superseded.length > 0) return { is: 'superseded', by: Object.fromEntries(superseded) }
  for (const [, verdict] of all) {
    if (verdict.is === 'failed') return { is: 'failed', cause: verdict.cause, at: now }
  }
  return all.every(([, verdict]) => verdict.is === 'done') ? { is: 'done' } : undefined
}
