import { describe, expect, test } from '@jest/globals'
import { realClock } from '../../src/platform/clock.js'
import { retry, TimeOver, withTimeout } from '../../src/platform/time.js'
import type { Clock } from '../../src/platform/platform.js'

const never = new AbortController().signal

/** Sleeps at once and keeps for how long. */
function fakeClock(): Clock & { readonly slept: number[] } {
  const slept: number[] = []
  return {
    slept,
    now: () => 0,
    sleep: (ms, signal) => {
      signal?.throwIfAborted()
      slept.push(ms)
      return Promise.resolve()
    },
    every: () => () => undefined,
    handled: () => Promise.resolve(),
  }
}

test('sleep takes its time, or ends with the reason of an abort', async () => {
  const startedAt = realClock.now()
  await realClock.sleep(30)
  expect(realClock.now() - startedAt).toBeGreaterThanOrEqual(29)

  const ending = new AbortController()
  const reason = new Error('enough')
  const long = realClock.sleep(60_000, ending.signal)
  ending.abort(reason)
  await expect(long).rejects.toBe(reason)
  await expect(realClock.sleep(1, AbortSignal.abort(reason))).rejects.toBe(reason)
})

test('every ticks until it is stopped', async () => {
  let ticks = 0
  await new Promise<void>((resolve) => {
    const stop = realClock.every(5, () => {
      ticks++
      if (ticks === 3) {
        stop()
        resolve()
      }
    })
  })
  await realClock.sleep(20)
  expect(ticks).toBe(3)
})

describe('retry', () => {
  const attempts = async (results: readonly string[], tries = 3) => {
    const clock = fakeClock()
    const left = [...results]
    const result = await retry<string | undefined>(
      { clock, signal: never, tries, pause: 100, isTransient: (each) => each === 'busy' },
      () => Promise.resolve(left.shift()),
    )
    return { result, slept: clock.slept }
  }

  test.each([
    ['good at once', ['good'], 'good', []],
    ['good at last', ['busy', 'busy', 'good'], 'good', [100, 300]],
    ['never good', ['busy', 'busy', 'busy', 'good'], 'busy', [100, 300]],
    ['an error that stays', ['bad', 'good'], 'bad', []],
  ])('gives the right result for "%s"', async (_, results, result, slept) => {
    expect(await attempts(results)).toEqual({ result, slept })
  })

  test('ends its pause on an abort', async () => {
    const ending = new AbortController()
    const reason = new Error('enough')
    const trying = retry(
      { clock: realClock, signal: ending.signal, tries: 3, pause: 60_000, isTransient: () => true },
      () => Promise.resolve(1),
    )
    ending.abort(reason)
    await expect(trying).rejects.toBe(reason)
  })
})

describe('withTimeout', () => {
  const untilAborted = (signal: AbortSignal) =>
    new Promise<unknown>((resolve) => {
      signal.addEventListener('abort', () => {
        resolve(signal.reason)
      })
    })

  test('ends at its timeout, by the other signal, or by itself', async () => {
    expect(await withTimeout(realClock, 10, never, untilAborted)).toBeInstanceOf(TimeOver)
    const reason = new Error('enough')
    const ending = new AbortController()
    const waiting = withTimeout(realClock, 60_000, ending.signal, untilAborted)
    ending.abort(reason)
    expect(await waiting).toBe(reason)
    expect(await withTimeout(realClock, 60_000, never, () => Promise.resolve(1))).toBe(1)
    expect(await withTimeout(realClock, 0, never, () => realClock.sleep(5).then(() => 2))).toBe(2)
  })
})
