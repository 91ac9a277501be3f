/** Time limits and retries: all of them, since each waits by the clock's port and ends with its signal. */
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

/**
 * Runs works side by side. The first error aborts the signal of the others. Throws that error after all have
 * ended, so that nothing continues unnoticed.
 */
export async function allOrAbort<
  const T extends readonly ((signal: AbortSignal) => Promise<unknown>)[],
>(signal: AbortSignal, works: T): Promise<{ -readonly [K in keyof T]: Awaited<ReturnType<T[K]>> }> {
  const stop = new AbortController()
  const shared = AbortSignal.any([signal, stop.signal])
  let first: { readonly error: unknown } | undefined
  const ended = await Promise.allSettled(
    works.map(async (work) => {
      try {
        return await work(shared)
      } catch (error) {
        first ??= { error }
        stop.abort(new Stopped())
        throw error
      }
    }),
  )
  if (first) throw first.error
  return ended.map((one) => (one.status === 'fulfilled' ? one.value : undefined)) as {
    -readonly [K in keyof T]: Awaited<ReturnType<T[K]>>
  }
}

/** For work that a failed run still does with the server that it may have failed because of, in ms. */
const shortTimeoutMs = 5_000

/** Resolves as `work` does when that is soon; otherwise throws a `TimeOver` and leaves `work` alone. */
export function withShortTimeout<T>(clock: Clock, work: () => Promise<T>): Promise<T> {
  const never = new AbortController().signal
  return withTimeout(clock, shortTimeoutMs, never, (late) => abortable(late, work))
}

/** The reason why a stage was ended: the stage beside it failed. */
export class Stopped extends Error {
  override readonly name = 'AbortError'

  constructor() {
    super('stopped: another stage failed')
  }
}

/** What an attempt has come to. */
export type Attempt<T> =
  { readonly is: 'result'; readonly result: T } | { readonly is: 'error'; readonly error: unknown }

export interface Attempts<T> {
  readonly clock: Clock
  readonly signal: AbortSignal
  /** Returns how long to wait before the next attempt, in ms; `undefined` when this one, of so many, was the last. */
  readonly pauseAfter: (attempt: Attempt<T>, made: number) => number | undefined
}

/** Repeats `work`. Ends as its last attempt, or with the signal's reason when it is aborted in a pause. */
export async function repeat<T>(
  { clock, signal, pauseAfter }: Attempts<T>,
  work: () => Promise<T>,
): Promise<T> {
  for (let made = 1; ; made++) {
    const attempt = await attempted(work)
    const pauseMs = pauseAfter(attempt, made)
    if (pauseMs !== undefined) await clock.sleep(pauseMs, signal)
    else if (attempt.is === 'result') return attempt.result
    else throw attempt.error
  }
}

async function attempted<T>(work: () => Promise<T>): Promise<Attempt<T>> {
  try {
    return { is: 'result', result: await work() }
  } catch (error) {
    return { is: 'error', error }
  }
}

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

/** Retries while the result is a transient failure. Returns the last result; passes on at once what is thrown. */
export function retry<T>(
  { clock, signal, tries, pause, isTransient, onRetry }: Retries<T>,
  work: () => Promise<T>,
): Promise<T> {
  const pauseAfter = (attempt: Attempt<T>, made: number) => {
    if (attempt.is === 'error' || made >= tries || !isTransient(attempt.result)) return undefined
    const pauseMs = pause * 3 ** (made - 1)
    onRetry?.(attempt.result, pauseMs)
    return pauseMs
  }
  return repeat({ clock, signal, pauseAfter }, work)
}
