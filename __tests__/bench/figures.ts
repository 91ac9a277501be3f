/** From what was measured to figures: seconds since the tool's start, and counts. */
import type { Case } from './cases.js'
import type { Measured } from './measure.js'
import type { ToolName } from './names.js'

export interface Figures {
  readonly tool: ToolName
  /** What it said at its end. */
  readonly said: 'deployed' | 'failed'
  /** When it knew. */
  readonly verdict: number
  /** The physical limit: a fault's first sign and the grace of its rule, or the Ready of the last new pod. */
  readonly limit?: { readonly sign: number; readonly grace: number }
  /** When the new image stood in all templates. */
  readonly written?: number
  /** `untouched`: all was old and available throughout; missing: it did not come back. */
  readonly restored?: number | 'untouched'
  readonly named: boolean
  readonly requests: number
  /** From 2 s after the new image stood in all templates until the last new pod was Ready. */
  readonly waiting?: Waiting
  readonly megabytes: number
}

export interface Waiting {
  readonly seconds: number
  readonly watches: number
  readonly lock: number
  readonly others: number
}

/** Lists that a watch begins with are no part of the wait. */
const settleMs = 2_000

export function figuresOf(one: Case, measured: Measured): Figures {
  const { startedAt, endedAt, failedAt, signAt, writtenAt, readyAt, restoredAt, asked } = measured
  const since = (at: number) => (at - startedAt) / 1000
  const rule = one.is === 'broken' ? one.rule : undefined
  const limit =
    one.is === 'broken'
      ? signAt !== undefined && rule && { sign: since(signAt), grace: rule.grace }
      : readyAt !== undefined && { sign: since(readyAt), grace: 0 }
  const waiting = one.is === 'slow' && waitingOf(measured)
  return {
    tool: measured.tool,
    said: measured.code === 0 ? 'deployed' : 'failed',
    verdict: since(failedAt ?? endedAt),
    ...(limit && { limit }),
    ...(writtenAt !== undefined && { written: since(writtenAt) }),
    ...(restoredAt !== undefined && {
      restored: restoredAt === 'untouched' ? restoredAt : since(restoredAt),
    }),
    named: one.is === 'broken' && one.cause.test(measured.output),
    requests: asked.length,
    ...(waiting && { waiting }),
    megabytes: measured.peakBytes / 1e6,
  }
}

function waitingOf({ asked, writtenAt, readyAt }: Measured): Waiting | undefined {
  if (writtenAt === undefined || readyAt === undefined) return undefined
  const from = writtenAt + settleMs
  const meanwhile = asked.filter(({ at }) => at >= from && at < readyAt)
  const count = (kind: string) => meanwhile.filter(({ is }) => is === kind).length
  const [watches, lock] = [count('watch'), count('lock')]
  return {
    seconds: (readyAt - from) / 1000,
    watches,
    lock,
    others: meanwhile.length - watches - lock,
  }
}

/** How much later than the physical limit it knew. */
export function delayOf({ verdict, limit }: Figures): number | undefined {
  return limit && verdict - limit.sign - limit.grace
}

/** Of several rounds the one in the middle, by its end. */
export function middleOf(rounds: readonly Figures[]): Figures | undefined {
  const sorted = rounds.toSorted((one, other) => one.verdict - other.verdict)
  return sorted[Math.floor((sorted.length - 1) / 2)]
}
