import type { Clock } from './platform.js'

export interface Retries<T> {
  readonly clock: Clock
  readonly signal: AbortSignal
  /** Attempts in all. */
  readonly tries: number
  /** Before the second attempt, in ms; three times as long before each one after it. */
  readonly pause: number
  /** Returns whether this result is a transient failure. */
  readonly isTransient: (result: T) => boolean
  /** Called before each pause (in ms). */
  readonly onRetry?: (result: T, pause: number) => void
}

/**
 * Retries while the result is a transient failure. Returns the last result. What
 * `attempt` throws is passed on at once, and so is the signal's reason when it is aborted in a pause.
 */
export async function retry<T>(options: Retries<T>, attempt: () => Promise<T>): Promise<T> {
  for (let made = 1, pause = options.pause; ; made++, pause *= 3) {
    const result = await attempt()
    if (made >= options.tries || !options.isTransient(result)) return result
    options.onRetry?.(result, pause)
    await options.clock.sleep(pause, options.signal)
  }
}
