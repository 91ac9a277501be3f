import { abortable, withTimeout } from '../platform/time.js'
import type { Clock } from '../platform/platform.js'

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

/** How long a run that failed because of the server still waits for that server, in ms. */
const brieflyMs = 5_000

/** Resolves as `work` does when that is soon; otherwise throws a `TimeOver` and leaves `work` alone. */
export function withShortTimeout<T>(clock: Clock, work: () => Promise<T>): Promise<T> {
  const never = new AbortController().signal
  return withTimeout(clock, brieflyMs, never, (late) => abortable(late, work))
}

/** The reason why a stage was ended: the stage beside it failed. */
export class Stopped extends Error {
  override readonly name = 'AbortError'

  constructor() {
    super('stopped: another stage failed')
  }
}
