import type { Clock } from './platform.js'

/** The reason of a signal whose time is over. */
export class TimeOver extends Error {
  override readonly name = 'TimeOver'
}

/**
 * Gives `work` a signal that is aborted when `signal` is, or after `ms` with a `TimeOver`. What `work`
 * does with that is not checked: nothing is thrown here. 0 ms: without an end.
 */
export async function withTimeout<T>(
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

/** Like `withTimeout`, but the time begins once `signal` is aborted: for last words, which have to be short then. */
export async function withGracePeriod<T>(
  clock: Clock,
  ms: number,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const over = new AbortController()
  const done = new AbortController()
  const begin = () => {
    clock.sleep(ms, done.signal).then(
      () => over.abort(new TimeOver(`not finished within ${ms} ms of the end`)),
      () => undefined,
    )
  }
  if (signal.aborted) begin()
  else signal.addEventListener('abort', begin, { once: true, signal: done.signal })
  try {
    return await work(over.signal)
  } finally {
    done.abort()
  }
}

/**
 * What `work` comes to, or the signal's reason as soon as it is aborted: for work that only reads, and may
 * be left alone.
 */
export async function abortable<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  signal.throwIfAborted()
  const { promise, reject } = Promise.withResolvers<never>()
  const stop = () => {
    reject(signal.reason as Error)
  }
  signal.addEventListener('abort', stop)
  try {
    return await Promise.race([work(), promise])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
