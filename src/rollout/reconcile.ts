/** Looks again whenever the picture changes, a wanted log has come, or a grace has ended. */
import type { Cluster } from '../kubernetes/cluster.js'
import type { Clock } from '../platform/platform.js'
import { logKey } from '../judge/observations.js'
import { fetchLog } from './logs.js'
import type { LogWanted } from '../judge/types.js'
import type { NamespaceWatch } from './namespace-watch.js'

/** An empty log is asked for this many times more, after pauses of so many ms. */
const mostTries = 2
const againMs = 300

export interface Lookout {
  readonly cluster: Cluster
  readonly clock: Clock
  readonly live: NamespaceWatch
  readonly signal: AbortSignal
}

/** What one look gives: an end, or what to look again for. */
export interface Looked<T> {
  readonly ended?: T
  /** In ms since 1970. */
  readonly requeueAt?: number
  readonly logsWanted: readonly LogWanted[]
}

/**
 * Calls `look` until it ends; `onLog` is given each log that it wanted, once, and another look follows.
 * Rejects with the signal's reason when it is aborted, and with what `look` or `onLog` throws.
 */
export function reconcileUntil<T>(
  { cluster, clock, live, signal }: Lookout,
  look: (now: number) => Looked<T>,
  onLog: (wanted: LogWanted, lines: readonly string[]) => void,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    /** How often each log was asked for; Infinity: it is on its way, or it has come. */
    const asked = new Map<string, number>()
    let alarm = new AbortController()
    let due = false
    let over = false

    const end = (settle: () => void) => {
      if (over) return
      over = true
      alarm.abort()
      stopListening()
      signal.removeEventListener('abort', cancel)
      settle()
    }
    const cancel = () => {
      end(() => {
        reject(signal.reason as Error)
      })
    }
    const broken = (error: unknown) => {
      end(() => {
        reject(error instanceof Error ? error : new Error(String(error)))
      })
    }
    const lookOnce = () => {
      due = false
      if (over) return
      const now = clock.now()
      const { ended, requeueAt, logsWanted } = look(now)
      if (ended !== undefined) {
        end(() => {
          resolve(ended)
        })
        return
      }
      for (const wanted of logsWanted) fetch(wanted).catch(broken)
      alarm.abort()
      alarm = new AbortController()
      if (requeueAt !== undefined) {
        clock.sleep(Math.max(0, requeueAt - now), alarm.signal).then(soon, () => undefined)
      }
    }
    const fetch = async (wanted: LogWanted) => {
      const key = logKey(wanted)
      const tries = asked.get(key) ?? 0
      if (tries === Infinity) return
      asked.set(key, Infinity)
      const lines = await fetchLog(cluster, clock, wanted)
      // The container was started anew in this moment: the next look asks for its run before.
      const again = lines.length === 0 && tries < mostTries
      if (again) {
        await clock.sleep(againMs, signal).catch(() => undefined)
        asked.set(key, tries + 1)
      } else onLog(wanted, lines)
      soon()
    }
    // Many events come together; one look after the last of them is enough.
    const soon = () => {
      if (due || over) return
      due = true
      queueMicrotask(() => {
        try {
          lookOnce()
        } catch (error) {
          broken(error)
        }
      })
    }
    const stopListening = live.onChange(soon)
    signal.addEventListener('abort', cancel)
    if (signal.aborted) cancel()
    else soon()
  })
}
