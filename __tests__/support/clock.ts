import type { Clock } from '../../src/platform/platform.js'

export interface HandClock extends Clock {
  /** Lets `ms` go by: whoever is due is woken in turn, and all that follows from it is done. */
  pass(ms: number): Promise<void>
  /** `ms` have gone by, and nobody was woken yet: the machine did something else. */
  standStill(ms: number): void
}

/** Lets happen what waits for nothing. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** An answer that comes takes a turn, and may be followed by the next question: so many times. */
const turns = 10

/** A clock that stands still until it is moved by hand. */
export function handClock(start = 0): HandClock {
  let now = start
  const alarms = new Set<{ at: number; readonly ring: () => void; readonly every?: number }>()
  return {
    now: () => now,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        signal?.throwIfAborted()
        const abort = () => {
          alarms.delete(alarm)
          reject(signal?.reason as Error)
        }
        const ring = () => {
          signal?.removeEventListener('abort', abort)
          resolve()
        }
        const alarm = { at: now + ms, ring }
        alarms.add(alarm)
        signal?.addEventListener('abort', abort)
      }),
    every: (ms, tick) => {
      const alarm = { at: now + ms, ring: tick, every: ms }
      alarms.add(alarm)
      return () => alarms.delete(alarm)
    },
    handled: settled,
    standStill: (ms) => {
      now += ms
    },
    pass: async (ms) => {
      const end = now + ms
      for (;;) {
        for (let turn = 0; turn < turns; turn++) await settled()
        const [next] = [...alarms].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)
        if (next === undefined) break
        now = next.at
        if (next.every === undefined) alarms.delete(next)
        else next.at += next.every
        next.ring()
      }
      now = end
    },
  }
}
