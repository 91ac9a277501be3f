import type { Clock } from './world.js'

/** The reason of a signal whose time is over. */
export class TimeOver extends Error {
  override readonly name = 'TimeOver'
}

/**
 * Gives `work` a signal that is aborted when `signal` is, or after `ms` with a `TimeOver`. What `work`
 * makes of that is its own business: nothing is thrown here. 0 ms: without an end.
 */
export async function within<T>(
  clock: Clock,
  ms: number,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (ms === 0) return work(signal)
  const over = new AbortController()
  const done = new AbortController()
  clock.sleep(ms, done.signal).then(
    () => over.abort(new TimeOver(`not finished within ${ms} ms`)),
    () => undefined,
  )
  try {
    return await work(AbortSignal.any([signal, over.signal]))
  } finally {
    done.abort()
  }
}
