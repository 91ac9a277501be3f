/** When it is looked at the picture again, and for what logs. */
import { describe, expect, test } from '@jest/globals'
import { reconcileUntil, type ReconcileResult } from '../../src/rollout/reconcile.js'
import type { LogWanted } from '../../src/judge/types.js'
import { handClock, type HandClock } from '../support/clock.js'
import { clusterOf } from '../support/cluster.js'
import { standing, type StatusRow } from '../support/live.js'

const log = (pod: string, exit = 1): LogWanted => ({
  pod,
  podUid: `uid-${pod}`,
  container: 'web',
  previous: false,
  exit,
})

/** Nothing to do but to wait for a change. */
const wait: ReconcileResult<string> = { logsWanted: [] }

interface Seen {
  readonly clock: HandClock
  readonly live: StatusRow
  readonly stop: AbortController
  /** When it was looked, in ms. */
  readonly looks: number[]
  /** Requests for logs, and the logs as they were handed on. */
  readonly logs: string[]
  /** How it ended; none: not yet. */
  ended: string | undefined
}

interface Scene {
  /** What each look gives, by its number; the last one again and again. */
  readonly gives: readonly (ReconcileResult<string> | Error)[]
  /** What each request for a log gets. */
  readonly answers?: readonly (readonly string[])[]
  readonly onLog?: () => void
  readonly aborted?: true
  /** How long each look takes, in ms. */
  readonly takes?: number
}

function look({ gives, answers = [], onLog, aborted, takes = 0 }: Scene): Seen {
  const clock = handClock()
  const stop = new AbortController()
  if (aborted) stop.abort(new Error('stopped before'))
  const seen: Seen = { clock, live: standing(), stop, looks: [], logs: [], ended: undefined }
  const left = [...answers]
  const cluster = clusterOf({
    // eslint-disable-next-line @typescript-eslint/require-await -- a stream that is there already
    lines: async function* (path) {
      seen.logs.push(`asked ${/pods\/([\w-]+)\//.exec(path)?.[1]}`)
      yield* left.shift() ?? []
    },
    find: <T>(path: string) => {
      seen.logs.push(`asked ${path}`)
      return Promise.resolve({ groups: [{ name: 'apps' }] } as T)
    },
  })
  reconcileUntil<string>(
    { cluster, clock, live: seen.live, signal: stop.signal },
    (now) => {
      const given = gives[Math.min(seen.looks.length, gives.length - 1)] ?? wait
      seen.looks.push(now)
      clock.standStill(takes)
      if (given instanceof Error) throw given
      return given
    },
    ({ pod, exit }, lines) => {
      seen.logs.push(`${pod}/${exit}: ${lines.join('|')}`)
      onLog?.()
    },
    (fact) => {
      seen.logs.push(`read ${fact.is}`)
    },
  ).then(
    (value) => (seen.ended = value),
    (error: unknown) => (seen.ended = `thrown: ${(error as Error).message}`),
  )
  return seen
}

describe('the state is evaluated', () => {
  test('at once when reconciling begins', async () => {
    const seen = look({ gives: [{ ended: 'done', logsWanted: [] }] })
    await seen.clock.pass(0)
    expect(seen).toMatchObject({ looks: [0], ended: 'done' })
  })

  test('at each change', async () => {
    const seen = look({ gives: [wait] })
    for (let change = 0; change < 3; change++) {
      await seen.clock.pass(1000)
      seen.live.change()
    }
    await seen.clock.pass(0)
    expect(seen).toMatchObject({ looks: [0, 1000, 2000, 3000], ended: undefined })
  })

  test('once when many changes come together', async () => {
    const seen = look({ gives: [wait] })
    await seen.clock.pass(1000)
    for (let change = 0; change < 20; change++) seen.live.change()
    await seen.clock.pass(0)
    expect(seen.looks).toEqual([0, 1000])
  })

  test('once for a chunk of events, each of which is read in a turn of its own', async () => {
    const seen = look({ gives: [wait] })
    await seen.clock.pass(1000)
    for (let change = 0; change < 200; change++) {
      seen.live.change()
      for (let turn = 0; turn < 20; turn++) await Promise.resolve()
    }
    await seen.clock.pass(0)
    expect(seen.looks).toEqual([0, 1000])
  })

  test('after a rest, where an evaluation takes long', async () => {
    const seen = look({ gives: [wait], takes: 50 })
    await seen.clock.pass(0)
    seen.live.change()
    await seen.clock.pass(200)
    seen.live.change()
    expect(seen.looks).toEqual([0])
    await seen.clock.pass(1000)
    expect(seen.looks).toEqual([0, 500])
  })

  test('after half a second at the latest: the time of day was set during an evaluation', async () => {
    const seen = look({ gives: [wait], takes: 3_600_000 })
    await seen.clock.pass(0)
    seen.live.change()
    await seen.clock.pass(2000)
    expect(seen.looks).toEqual([0, 500])
  })

  test.each<[string, readonly ReconcileResult<string>[], readonly number[]]>([
    ['when nothing is due', [wait], [0]],
    ['when a grace ends', [{ ...wait, requeueAt: 700 }, wait], [0, 700]],
    ['when it has ended already', [{ ...wait, requeueAt: -5 }, wait], [0, 0]],
    [
      'when each of them ends',
      [{ ...wait, requeueAt: 700 }, { ...wait, requeueAt: 900 }, wait],
      [0, 700, 900],
    ],
  ])('again %s', async (_, gives, looks) => {
    const seen = look({ gives })
    await seen.clock.pass(5000)
    expect(seen.looks).toEqual(looks)
  })

  test('not at a time that a later evaluation has withdrawn', async () => {
    const seen = look({ gives: [{ ...wait, requeueAt: 700 }, wait] })
    await seen.clock.pass(500)
    seen.live.change()
    await seen.clock.pass(5000)
    expect(seen.looks).toEqual([0, 500])
  })
})

describe('a requested log', () => {
  test('is passed on, and another evaluation follows', async () => {
    const seen = look({
      gives: [{ logsWanted: [log('a')] }, { ended: 'failed', logsWanted: [] }],
      answers: [['one', 'two']],
    })
    await seen.clock.pass(0)
    expect(seen.logs).toEqual(['asked a', 'a/1: one|two'])
    expect(seen).toMatchObject({ looks: [0, 0], ended: 'failed' })
  })

  test('is read once, however often it is requested', async () => {
    const seen = look({ gives: [{ logsWanted: [log('a'), log('a')] }], answers: [['one']] })
    await seen.clock.pass(0)
    seen.live.change()
    await seen.clock.pass(1000)
    expect(seen.logs).toEqual(['asked a', 'a/1: one'])
  })

  test('is a different one for each pod and each exit', async () => {
    const seen = look({
      gives: [{ logsWanted: [log('a'), log('b')] }, { logsWanted: [log('a', 2)] }],
      answers: [['one'], ['two'], ['three']],
    })
    await seen.clock.pass(0)
    expect(seen.logs.toSorted()).toEqual([
      'a/1: one',
      'a/2: three',
      'asked a',
      'asked a',
      'asked b',
      'b/1: two',
    ])
  })

  test.each<[string, readonly string[][], readonly string[], readonly number[]]>([
    ['the second time', [[], ['one']], ['asked a', 'asked a', 'a/1: one'], [0, 300, 300]],
    ['never', [], ['asked a', 'asked a', 'asked a', 'a/1: '], [0, 300, 600, 600]],
  ])('is read again while it is empty, and arrives %s', async (_, answers, logs, looks) => {
    const seen = look({ gives: [{ logsWanted: [log('a')] }], answers })
    await seen.clock.pass(5000)
    expect(seen.logs).toEqual(logs)
    expect(seen.looks).toEqual(looks)
  })
})

test('a fact is read once, and another evaluation follows', async () => {
  const factsWanted = [{ is: 'groups' }] as const
  const seen = look({ gives: [{ ...wait, factsWanted }] })
  await seen.clock.pass(0)
  seen.live.change()
  await seen.clock.pass(1000)
  expect(seen.logs).toEqual(['asked /apis', 'read groups'])
  expect(seen.looks).toEqual([0, 0, 0])
})

describe('reconciling ends', () => {
  test.each<[string, Scene, string]>([
    [
      'with the error of an evaluation',
      { gives: [new Error('no such thing')] },
      'thrown: no such thing',
    ],
    [
      'with the error of a later evaluation',
      { gives: [{ ...wait, requeueAt: 50 }, new Error('no such thing')] },
      'thrown: no such thing',
    ],
    [
      'with the error of reading a log',
      {
        gives: [{ logsWanted: [log('a')] }],
        answers: [['one']],
        onLog: () => {
          throw new Error('unreadable')
        },
      },
      'thrown: unreadable',
    ],
    ['when it was aborted before', { gives: [wait], aborted: true }, 'thrown: stopped before'],
  ])('%s', async (_, scene, ended) => {
    const seen = look(scene)
    await seen.clock.pass(1000)
    expect(seen.ended).toBe(ended)
    expect(seen.live.listeners).toBe(0)
  })

  test('when it is aborted, with the reason', async () => {
    const seen = look({ gives: [{ ...wait, requeueAt: 5000 }] })
    await seen.clock.pass(1000)
    seen.stop.abort(new Error('cancelled'))
    await seen.clock.pass(0)
    expect(seen.ended).toBe('thrown: cancelled')
  })

  test.each<[string, Scene]>([
    ['its end', { gives: [wait, { ended: 'done', logsWanted: [] }] }],
    ['an exception', { gives: [{ ...wait, requeueAt: 5000 }, new Error('x')] }],
  ])('and no state is evaluated after %s', async (_, scene) => {
    const seen = look(scene)
    await seen.clock.pass(0)
    seen.live.change()
    await seen.clock.pass(0)
    expect(seen.live.listeners).toBe(0)
    seen.stop.abort(new Error('too late'))
    await seen.clock.pass(10_000)
    expect(seen.looks).toEqual([0, 0])
    expect(seen.ended).not.toContain('too late')
  })
})
