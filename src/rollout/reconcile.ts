/** Evaluates again whenever the cluster state changes, a wanted log has arrived, or a grace has ended. */
import type { Cluster } from '../kubernetes/cluster.js'
import type { Clock } from '../platform/platform.js'
import { logKey } from '../judge/observations.js'
import { fetchLog } from './logs.js'
import type { LogWanted } from '../judge/types.js'
import type { NamespaceWatch } from './namespace-watch.js'

/** How often an empty log is requested again, and the pause before it, in ms. */
const mostTries = 2
const againMs = 300

export interface ReconcileContext {
  readonly cluster: Cluster
  readonly clock: Clock
  readonly live: NamespaceWatch
  readonly signal: AbortSignal
}

/** The result of one evaluation: an end, or what to evaluate again for. */
export interface ReconcileResult<T> {
  readonly ended?: T
  /** In ms since 1970. */
  readonly requeueAt?: number
  readonly logsWanted: readonly LogWanted[]
}

/**
 * Calls `evaluate` until it returns an end. Passes each log that it wanted to `onLog`, once, and evaluates again.
 * Rejects with the signal's reason when it is aborted, and with what `evaluate` or `onLog` throws.
 */
export function reconcileUntil<T>(
  { cluster, clock, live, signal }: ReconcileContext,
  evaluate: (now: number) => ReconcileResult<T>,
  onLog: (wanted: LogWanted, lines: readonly string[]) => void,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    /** How often each log was requested; Infinity: it is on its way, or it has arrived. */
    const requests = new Map<string, number>()
    let timer = new AbortController()
    let scheduled = false
    let over = false

    const end = (finish: () => void) => {
      if (over) return
      over = true
      timer.abort()
      stopListening()
      signal.removeEventListener('abort', cancel)
      finish()
    }
    const cancel = () => {
      end(() => {
        reject(signal.reason as Error)
      })
    }
    const fail = (error: unknown) => {
      end(() => {
        reject(error instanceof Error ? error : new Error(String(error)))
      })
    }
    const reconcile = () => {
      scheduled = false
      if (over) return
      const now = clock.now()
      const { ended, requeueAt, logsWanted } = evaluate(now)
      if (ended !== undefined) {
        end(() => {
          resolve(ended)
        })
        return
      }
      for (const wanted of logsWanted) fetch(wanted).catch(fail)
      timer.abort()
      timer = new AbortController()
      if (requeueAt !== undefined) {
        clock.sleep(Math.max(0, requeueAt - now), timer.signal).then(schedule, () => undefined)
      }
    }
    const fetch = async (wanted: LogWanted) => {
      const key = logKey(wanted)
      const tries = requests.get(key) ?? 0
      if (tries === Infinity) return
      requests.set(key, Infinity)
      const lines = await fetchLog(cluster, clock, wanted)
      // The container was restarted in this moment: the next evaluation requests the log of the previous run.
      const again = lines.length === 0 && tries < mostTries
      if (again) {
        await clock.sleep(againMs, signal).catch(() => undefined)
        requests.set(key, tries + 1)
      } else onLog(wanted, lines)
      schedule()
    }
    // Many events arrive together; one evaluation after the last of them is enough.
    const schedule = () => {
      if (scheduled || over) return
      scheduled = true
      queueMicrotask(() => {
        try {
          reconcile()
        } catch (error) {
          fail(error)
        }
      })
    }
    const stopListening = live.onChange(schedule)
    signal.addEventListener('abort', cancel)
    if (signal.aborted) cancel()
    else schedule()
  })
}
