/** Tracks a rollout until the judge has a final verdict, and logs each change of state once. */
import { idOf } from '../kubernetes/workload.js'
import type { Cause } from '../failure/failure.js'
import type { StageLog, StatusRow } from '../platform/stage-log.js'
import { diagnose, type ToRepo } from '../judge/diagnose.js'
import { collectEvidence } from './collect.js'
import { judge } from '../judge/judge.js'
import { withFact } from '../judge/facts.js'
import { newObservations, withLog } from '../judge/observations.js'
import { reconcileUntil, type ReconcileContext, type ReconcileResult } from './reconcile.js'
import type { NamespaceWatch } from './namespace-watch.js'
import { progressLines, nothingLogged, statusRowsOf } from './progress-log.js'
import type {
  DesiredWorkload,
  Judgement,
  Observations,
  Timeouts,
  WriteProgresses,
} from '../judge/types.js'

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
export function trackRollout(options: TrackOptions): Promise<RolloutOutcome> {
  return new RolloutTracker(options).run()
}

/**
 * Tracks the workloads of one rollout. Two things have states:
 *
 * - the waves: while there is a `#next`, only the workloads of the first wave are written, and no success is final.
 *   After it was begun, all are.
 * - the verification: `pending` until all workloads are complete, then `begun`, then `good`. A bad one ends the
 *   tracking.
 */
class RolloutTracker {
  #verification: 'pending' | 'begun' | 'good'
  #next: Wave | undefined
  #desiredWorkloads: readonly DesiredWorkload[]
  #observations: Observations
  /** When each workload was written, by `idOf`. */
  #writtenAt: Readonly<Record<string, number>>
  #logged = nothingLogged
  readonly #stop = new AbortController()
  readonly #signal: AbortSignal
  readonly #live: NamespaceWatch & { readonly wake: () => void }

  constructor(private readonly options: TrackOptions) {
    const { desiredWorkloads, next, startedAt, verify, live, signal } = options
    this.#verification = verify ? 'pending' : 'good'
    this.#next = next
    this.#desiredWorkloads = desiredWorkloads
    this.#observations = newObservations(startedAt)
    this.#writtenAt = timesOf(desiredWorkloads, startedAt)
    this.#signal = AbortSignal.any([signal, this.#stop.signal])
    this.#live = withWake(live)
  }

  async run(): Promise<RolloutOutcome> {
    const { stageLog } = this.options
    stageLog.waiting(this.#statusRows)
    try {
      for (;;) {
        const ended = await this.#nextEnd()
        if (!('is' in ended)) await this.#begin(ended)
        else return ended.is === 'failed' ? await this.#withEvidence(ended) : ended
      }
    } finally {
      this.#stop.abort()
      stageLog.waiting(undefined)
    }
  }

  /** Resolves with the verdict, or with the next wave when that is due. */
  #nextEnd(): Promise<RolloutOutcome | Wave> {
    return reconcileUntil<RolloutOutcome | Wave>(
      { ...this.options, live: this.#live, signal: this.#signal },
      (now) => this.#evaluate(now),
      (wanted, lines) => {
        const diagnosis = diagnose(lines, this.options.toRepo)
        this.#observations = withLog(this.#observations, wanted, diagnosis)
      },
      (fact) => {
        this.#observations = withFact(this.#observations, fact)
      },
    )
  }

  #evaluate(now: number): ReconcileResult<RolloutOutcome | Wave> {
    const judgement = this.#judge(now)
    this.#observations = judgement.observations
    this.#log(judgement)
    this.options.onProgress?.(writeProgressesOf(judgement, this.#writtenAt))
    const { requeueAt, logsWanted, factsWanted, completeAt } = judgement
    if (completeAt !== undefined && !this.#next) this.#verify()
    const ended = this.#endOf(judgement, now)
    return {
      logsWanted,
      factsWanted,
      ...(requeueAt !== undefined && { requeueAt }),
      ...(ended && { ended }),
    }
  }

  /** A failure is final at once, but nothing is done before the last wave is. */
  #endOf(judgement: Judgement, now: number): RolloutOutcome | Wave | undefined {
    const end = outcomeOf(judgement, now)
    if (end && end.is !== 'done') return end
    if (this.#next) return this.#next.isDue(judgement) ? this.#next : undefined
    return this.#verification === 'good' ? end : undefined
  }

  #judge(now: number): Judgement {
    return judge(this.#desiredWorkloads, {
      clusterState: this.options.live.clusterState(),
      timeouts: this.options.timeouts,
      observations: this.#observations,
      now,
    })
  }

  #verify(): void {
    if (this.#verification !== 'pending') return
    this.#verification = 'begun'
    this.options.verify?.(this.#signal).then(
      () => {
        this.#verification = 'good'
        this.#live.wake()
      },
      (error: unknown) => {
        this.#stop.abort(error)
      },
    )
  }

  async #begin(wave: Wave): Promise<void> {
    const begunAt = this.options.clock.now()
    const more = await wave.begin()
    this.#desiredWorkloads = [...this.#desiredWorkloads, ...more]
    this.#writtenAt = { ...this.#writtenAt, ...timesOf(more, begunAt) }
    this.#next = undefined
  }

  /** Adds the evidence: an error in collecting it must not hide the cause. */
  async #withEvidence(failed: Extract<RolloutOutcome, { is: 'failed' }>): Promise<RolloutOutcome> {
    const cause = await collectEvidence(failed.cause, this.options).catch(() => failed.cause)
    return { ...failed, cause }
  }

  #log(judgement: Judgement): void {
    const { stageLog } = this.options
    const { lines, logged } = progressLines(judgement, this.#logged, this.#bake())
    lines.forEach((line) => stageLog.say(line))
    if (logged.allThere && !this.#logged.allThere) stageLog.waiting(this.#statusRows)
    this.#logged = logged
  }

  /** Judges again at each call, so that the seconds are those of that moment. */
  readonly #statusRows = (): readonly StatusRow[] => {
    const now = this.options.clock.now()
    try {
      return statusRowsOf(this.#judge(now), now, this.#bake())
    } catch {
      // A timer calls it, and would lose the error: the next evaluation throws it again.
      return []
    }
  }

  #bake(): number | undefined {
    return this.#next ? undefined : this.options.timeouts.bake
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

function outcomeOf({ verdicts }: Judgement, now: number): RolloutOutcome | undefined {
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
