/** Follows a rollout until the judge has spoken, and tells each change of state once. */
import { idOf } from '../kubernetes/workload.js'
import type { Cause } from '../failure/failure.js'
import type { Journal } from '../platform/stage-log.js'
import { diagnose, type ToRepo } from '../judge/diagnose.js'
import { gather } from './collect.js'
import { judge } from '../judge/judge.js'
import { newLedger, withLog } from '../judge/observations.js'
import { looking, type Lookout } from './reconcile.js'
import type { LivePicture } from './namespace-watch.js'
import { news, nothingTold, standingsOf } from './progress-log.js'
import type { Aim, Courses, Judgement, Patience } from '../judge/types.js'

export type Followed =
  /** All aims are reached, and the bake is over. */
  | { readonly is: 'done' }
  /** `at`: when it was recognised, in ms since 1970. */
  | { readonly is: 'failed'; readonly cause: Cause; readonly at: number }
  /** Somebody else's image, by `idOf` of the workload. */
  | { readonly is: 'superseded'; readonly by: Readonly<Record<string, string>> }

/** Workloads that are written to when the first ones have come so far. */
export interface NextWave {
  readonly isDue: (judgement: Judgement) => boolean
  /** Writes; the aims that are followed from then on, together with the first. */
  readonly begin: () => Promise<readonly Aim[]>
}

export interface Following extends Lookout {
  readonly aims: readonly Aim[]
  readonly next?: NextWave
  /** Begins once all are complete, beside the bake; what it throws ends the following. */
  readonly verify?: (signal: AbortSignal) => Promise<void>
  readonly patience: Patience
  /** When our writes left, in ms since 1970. */
  readonly startedAt: number
  /** Hears at each look how far each workload has come: the last is known however the following ends. */
  readonly noted?: (courses: Courses) => void
  readonly toRepo: ToRepo
  readonly journal: Journal
}

/** Rejects with the signal's reason when it is aborted, and with what the next wave's writes throw. */
export async function follow(following: Following): Promise<Followed> {
  const { live, patience, startedAt, toRepo, journal } = following
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
  let { aims, next } = following
  let ledger = newLedger(startedAt)
  let writtenAt = timesOf(aims, startedAt)
  let told = nothingTold
  const bake = () => (next ? undefined : patience.bake)
  // Judged anew when it is asked for, so that its seconds are those of that moment.
  const standings = () => {
    const now = following.clock.now()
    try {
      return standingsOf(judge(live.picture(), aims, patience, ledger, now), now, bake())
    } catch {
      // Asked for by a timer, where nobody would hear of it: the next look says what is wrong.
      return []
    }
  }
  const tell = (judgement: Judgement) => {
    const { lines, told: after } = news(judgement, told, bake())
    lines.forEach((line) => journal.say(line))
    if (after.allThere && !told.allThere) journal.waiting(standings)
    told = after
  }
  journal.waiting(standings)
  try {
    for (;;) {
      const ended = await looking<Followed | NextWave>(
        { ...following, live: heard, signal },
        (now) => {
          const judgement = judge(live.picture(), aims, patience, ledger, now)
          ledger = judgement.ledger
          tell(judgement)
          following.noted?.(coursesOf(judgement, writtenAt))
          const { lookAgainAt, logsWanted, completeAt } = judgement
          if (completeAt !== undefined && !next) verify()
          const end = endOf(judgement, now)
          // What is lost is lost, but nothing is done before the last wave is.
          const lost = end?.is !== 'done' ? end : undefined
          const good = verified === 'good' ? end : undefined
          const over = lost ?? (next ? (next.isDue(judgement) ? next : undefined) : good)
          return {
            logsWanted,
            ...(lookAgainAt !== undefined && { lookAgainAt }),
            ...(over && { ended: over }),
          }
        },
        (wanted, lines) => {
          ledger = withLog(ledger, wanted, diagnose(lines, toRepo))
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
      aims = [...aims, ...more]
      writtenAt = { ...writtenAt, ...timesOf(more, begunAt) }
      next = undefined
    }
  } finally {
    stop.abort()
    journal.waiting(undefined)
  }
}

/** The same time for each aim, by `idOf`. */
function timesOf(aims: readonly Aim[], at: number): Readonly<Record<string, number>> {
  return Object.fromEntries(aims.map(({ workload }) => [idOf(workload), at]))
}

function coursesOf(
  { progress, ledger }: Judgement,
  writtenAt: Readonly<Record<string, number>>,
): Courses {
  return Object.fromEntries(
    Object.entries(progress).map(([id, pods]) => {
      const completeAt = ledger.completeSince[id]
      const startedAt = writtenAt[id] ?? ledger.startedAt
      return [id, { ...pods, startedAt, ...(completeAt !== undefined && { completeAt }) }]
    }),
  )
}

/** The same picture, whose listeners can be called for another reason than a change, too. */
function alsoWoken(live: LivePicture): LivePicture & { readonly wake: () => void } {
  const listeners = new Set<() => void>()
  return {
    picture: () => live.picture(),
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

function endOf({ verdicts }: Judgement, now: number): Followed | undefined {
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
