import { abortable, withTimeout } from '../platform/time.js'
import type { Clock } from '../platform/platform.js'

/**
 * Runs works side by side. The first that throws aborts the others' signal; all have ended when this
 * throws that first error, so that nothing goes on behind the pipeline's back.
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

/** Who has just failed for the server's sake does not wait for it much longer, in ms. */
const brieflyMs = 5_000

/** What `work` comes to when it does so soon, else a `TimeOver`; it may be left alone. */
export function withShortTimeout<T>(clock: Clock, work: () => Promise<T>): Promise<T> {
  const never = new AbortController().signal
  return withTimeout(clock, brieflyMs, never, (late) => abortable(late, work))
}

/** Why a stage was ended: the one beside it failed. */
export class Stopped extends Error {
  override readonly name = 'AbortError'

  constructor() {
    super('stopped: another stage failed')
  }
}
