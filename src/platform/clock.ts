import type { Clock } from './platform.js'

/**
 * The machine's clock as it was when the program started, and steady since: a change of the clock in the middle of
 * a release ends no timeout and no lock.
 */
export const realClock: Clock = {
  now: () => Math.round(performance.timeOrigin + performance.now()),

  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      const end = (): void => {
        clearTimeout(timer)
        reject(signal?.reason as Error)
      }
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', end)
        resolve()
      }, ms)
      if (signal?.aborted) end()
      else signal?.addEventListener('abort', end, { once: true })
    }),

  every: (ms, tick) => {
    const timer = setInterval(tick, ms)
    return () => clearInterval(timer)
  },

  handled: () => new Promise((resolve) => setImmediate(resolve)),
}
