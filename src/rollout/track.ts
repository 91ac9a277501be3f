/** Tracks a rollout until the judge has a final verdict, and logs each change of state once. */
import { idOf } from '../kubernetes/workload.js'
import type { Cause } from '../failure/failure.js'
import type { StageLog } from '../platform/stage-log.js'
import { diagnose, type ToRepo } from '../judge/diagnose.js'
import { collectEvidence } from './collect.js'
import { judge } from '../judge/judge.js'
import { newObservations, withLog } from '../judge/observations.js'
import { reconcileUntil, type ReconcileContext } from './reconcile.js'
import type { NamespaceWatch } from './namespace-watch.js'
import { progressLines, nothingLogged, statusRowsOf } from './progress-log.js'
import type { DesiredWorkload, WriteProgresses, Judgement, Timeouts } from '../judge/types.js'

export type RolloutOutcome =
  /** All workloads are in the desired state, and the bake is over. */
  | { readonly is: 'done' }
  /** `at`: when it was detected, in ms since 1970. */
  | { readonly is: 'failed'; readonly cause: Cause; readonly at: number }
  /** Another image, by `idOf` of the workload. */
  | { readonly is: 'superseded'; readonly by: Readonly<Record<string, string>> }

/** Workloads that are written once the first ones are far enough. */
export interface Wave {
  readonly isDue: (judgement: Judgement) => boolean
  /** Writes, and returns the workloads that are tracked from then on, together with the first. */
  readonly begin: () => Promise<readonly DesiredWorkload[]>
}

export interface TrackOptions extends ReconcileContext {
  readonly desiredWorkloads: readonly DesiredWorkload[]
  readonly next?: Wave
  /** Begins once all are complete, in parallel with the bake; what it throws ends the tracking. */
  readonly verify?: (signal: AbortSignal) => Promise<void>
  readonly timeouts: Timeouts
  /** When our writes left, in ms since 1970. */
  readonly startedAt: number
  /** Called at each evaluation with the progress of each workload: the last is known however the tracking ends. */
  readonly onProgress?: (progresses: WriteProgresses) => void
  readonly toRepo: ToRepo
  readonly stageLog: StageLog
}

/**
 * Tracks the workloads to a final verdict. Rejects with the signal's reason when it is aborted, and with what the
 * next wave's writes throw.
 */
export async function trackRollout(options: TrackOptions): Promise<RolloutOutcome> {
  const { live, timeouts, startedAt, toRepo, stageLog } = options
  const stop = new AbortController()
  const signal = AbortSignal.any([options.signal, stop.signal])
  let verified: 'not yet' | 'begun' | 'good' = options.verify ? 'not yet' : 'good'
  const verify = () => {
    if (verified !== 'not yet') return
    verified = 'begun'
    options.verify?.(signal).then(
      () => {
        verified = 'good'
        wakeable.wake()
      },
      (error: unknown) => {
        stop.abort(error)
      },
    )
  }
  const wakeable = withWake(live)
  let { desiredWorkloads, next } = options
  let observations = newObservations(startedAt)
  let writtenAt = timesOf(desiredWorkloads, startedAt)
  let logged = nothingLogged
  const bake = () => (next ? undefined : timeouts.bake)
  // Judges again at each call, so that the seconds are those of that moment.
  const statusRows = () => {
    const now = options.clock.now()
    try {
      return statusRowsOf(
        judge(desiredWorkloads, { clusterState: live.clusterState(), timeouts, observations, now }),
        now,
        bake(),
      )
    } catch {
      // A timer calls it, and would lose the error: the next evaluation throws it again.
      return []
    }
  }
  const log = (judgement: Judgement) => {
    const { lines, logged: after } = progressLines(judgement, logged, bake())
    lines.forEach((line) => stageLog.say(line))
    if (after.allThere && !logged.allThere) stageLog.waiting(statusRows)
    logged = after
  }
  stageLog.waiting(statusRows)
  try {
    for (;;) {
      const ended = await reconcileUntil<RolloutOutcome | Wave>(
        { ...options, live: wakeable, signal },
        (now) => {
          const judgement = judge(desiredWorkloads, {
            clusterState: live.clusterState(),
            timeouts,
            observations,
            now,
          })
          observations = judgement.observations
          log(judgement)
          options.onProgress?.(writeProgressesOf(judgement, writtenAt))
          const { requeueAt, logsWanted, completeAt } = judgement
          if (completeAt !== undefined && !next) verify()
          const end = endOf(judgement, now)
          // A failure is final at once, but nothing is done before the last wave is.
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
        // An error in collecting the evidence must not hide the cause.
        const cause = await collectEvidence(ended.cause, options).catch(() => ended.cause)
        return { ...ended, cause }
      }
      const begunAt = options.clock.now()
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

/** Returns the same time for each workload, by `idOf`. */
function timesOf(
  desiredWorkloads: readonly DesiredWorkload[],
  at: number,
): Readonly<Record<string, number>> {
  return Object.fromEntries(desiredWorkloads.map(({ workload }) => [idOf(workload), at]))
}

function writeProgressesOf(
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

/** Returns the same watch, whose listeners can also be called for another reason than a change. */
function withWake(live: NamespaceWatch): NamespaceWatch & { readonly wake: () => void } {
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
