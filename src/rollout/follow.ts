/** Follows a rollout until the judge has spoken, and tells each change of state once. */
import type { Cause } from '../report/cause.js'
import type { Journal } from '../report/journal.js'
import { diagnose, type ToRepo } from './diagnose.js'
import { judge } from './judge.js'
import { newLedger, withLog } from './ledger.js'
import { looking, type Lookout } from './looking.js'
import type { LivePicture } from './watch.js'
import { news, nothingTold, standingsOf } from './telling.js'
import type { Aim, Judgement, Ledger, Patience } from './types.js'

export type Followed =
  /** All aims are reached, and the bake is over. Seconds from our write to complete, by `idOf`. */
  | { readonly is: 'done'; readonly seconds: Readonly<Record<string, number>> }
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
  let told = nothingTold
  const bake = () => (next ? undefined : patience.bake)
  // Judged anew when it is asked for, so that its seconds are those of that moment.
  const standings = () => {
    const now = following.clock.now()
    return standingsOf(judge(live.picture(), aims, patience, ledger, now), now, bake())
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
          const { lookAgainAt, logsWanted, completeAt } = judgement
          if (completeAt !== undefined && !next) verify()
          const end = endOf(judgement, ledger, now)
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
        stop.abort()
        return ended
      }
      aims = [...aims, ...(await ended.begin())]
      next = undefined
    }
  } finally {
    journal.waiting(undefined)
  }
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

function endOf({ verdicts }: Judgement, ledger: Ledger, now: number): Followed | undefined {
  const all = Object.entries(verdicts)
  const superseded = all.flatMap(([id, verdict]) =>
    verdict.is === 'superseded' ? [[id, verdict.by] as const] : [],
  )
  if (superseded.length > 0) return { is: 'superseded', by: Object.fromEntries(superseded) }
  for (const [, verdict] of all) {
    if (verdict.is === 'failed') return { is: 'failed', cause: verdict.cause, at: now }
  }
  if (!all.every(([, verdict]) => verdict.is === 'done')) return undefined
  const seconds = Object.entries(ledger.completeSince).map(
    ([id, at]) => [id, (at - ledger.startedAt) / 1000] as const,
  )
  return { is: 'done', seconds: Object.fromEntries(seconds) }
}
