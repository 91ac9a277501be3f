import type { Clock } from '../world/world.js'
import { ApiError } from './apierror.js'

/** How long an API server may be away before that is a failure, in ms. */
const patienceMs = 90_000
const firstPauseMs = 250
const longestPauseMs = 2_000

/**
 * Whether the same request may succeed a little later: no answer at all, a server that is overloaded or
 * being restarted, and what `kubectl proxy` says when it does not reach the server (502).
 */
export function isPassing(error: unknown): boolean {
  if (error instanceof ApiError) return error.status === 429 || error.status >= 500
  return !(error instanceof Error && error.name === 'AbortError')
}

/**
 * Does something that may be repeated until it succeeds, fails for good, or the patience is over: what it
 * threw last is thrown then. `again` tells which errors are worth another try.
 */
export async function patiently<T>(
  clock: Clock,
  signal: AbortSignal,
  work: () => Promise<T>,
  again: (error: unknown) => boolean = isPassing,
): Promise<T> {
  const until = clock.now() + patienceMs
  for (let pause = firstPauseMs; ; pause = Math.min(pause * 2, longestPauseMs)) {
    try {
      return await work()
    } catch (error) {
      if (signal.aborted || !again(error) || clock.now() + pause > until) throw error
      await clock.sleep(pause, signal)
    }
  }
}
