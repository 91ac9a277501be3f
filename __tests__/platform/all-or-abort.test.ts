/** Works side by side: all of them, or the first error. */
import { describe, expect, test } from '@jest/globals'
import { Stopped, allOrAbort } from '../../src/platform/time.js'
import { handClock } from '../support/clock.js'

/** `ok 20`, `throws 20`: after so many ms; an abort ends it, or (`stubborn`) does not. */
async function run(scripts: readonly string[], cancelAt?: number) {
  const clock = handClock()
  const cancel = new AbortController()
  const log: string[] = []
  const works = scripts.map((script, index) => async (signal: AbortSignal) => {
    const [how, ms] = script.split(' ')
    const stubborn = how === 'stubborn'
    try {
      await clock.sleep(Number(ms), stubborn ? undefined : signal)
    } catch (error) {
      log.push(`${index} ended at ${clock.now()}: ${(error as Error).message}`)
      throw error
    }
    log.push(`${index} ended at ${clock.now()}`)
    if (how === 'throws') throw new Error(`${index} failed`)
    return index
  })
  let ended = ''
  allOrAbort(cancel.signal, works).then(
    (values) => (ended = `${values.join(',')} at ${clock.now()}`),
    (error: unknown) => (ended = `${(error as Error).message} at ${clock.now()}`),
  )
  if (cancelAt !== undefined) {
    await clock.pass(cancelAt)
    cancel.abort(new Error('cancelled'))
  }
  await clock.pass(1000)
  return { ended, log }
}

describe('parallel work', () => {
  test.each<[readonly string[], string, readonly string[]]>([
    [[], ' at 0', []],
    [['ok 20'], '0 at 20', ['0 ended at 20']],
    [
      ['ok 30', 'ok 10', 'ok 20'],
      '0,1,2 at 30',
      ['1 ended at 10', '2 ended at 20', '0 ended at 30'],
    ],
    [
      ['ok 30', 'throws 10'],
      '1 failed at 10',
      ['1 ended at 10', '0 ended at 10: stopped: another stage failed'],
    ],
    [
      ['throws 10', 'ok 30', 'ok 5'],
      '0 failed at 10',
      ['2 ended at 5', '0 ended at 10', '1 ended at 10: stopped: another stage failed'],
    ],
    [['stubborn 30', 'throws 10'], '1 failed at 30', ['1 ended at 10', '0 ended at 30']],
    [
      ['throws 10', 'throws 5'],
      '1 failed at 5',
      ['1 ended at 5', '0 ended at 5: stopped: another stage failed'],
    ],
  ])('ends as expected: %j ends with "%s"', async (scripts, ended, log) => {
    expect(await run(scripts)).toEqual({ ended, log })
  })

  test.each<[readonly string[], string, readonly string[]]>([
    [
      ['ok 30', 'ok 40'],
      'cancelled at 15',
      ['0 ended at 15: cancelled', '1 ended at 15: cancelled'],
    ],
    [['ok 30', 'stubborn 40'], 'cancelled at 40', ['0 ended at 15: cancelled', '1 ended at 40']],
    [['ok 10', 'ok 12'], '0,1 at 12', ['0 ended at 10', '1 ended at 12']],
  ])('ends as expected when cancelled at 15 ms: %j ends with "%s"', async (scripts, ended, log) => {
    expect(await run(scripts, 15)).toEqual({ ended, log })
  })

  test('returns its values in the order of the tasks, each of its own type', async () => {
    const values: [number, string] = await allOrAbort(new AbortController().signal, [
      () => Promise.resolve(1),
      () => Promise.resolve('two'),
    ])
    expect(values).toEqual([1, 'two'])
  })

  test('fails when a task throws before it waits for anything', async () => {
    const ended = allOrAbort(new AbortController().signal, [
      () => {
        throw new Error('at once')
      },
      (signal) => Promise.resolve(signal.aborted),
    ])
    await expect(ended).rejects.toThrow('at once')
  })

  test('fails even when a task throws `undefined`', async () => {
    // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- that is the case
    const ended = allOrAbort(new AbortController().signal, [() => Promise.reject(undefined)])
    await expect(ended).rejects.toBeUndefined()
  })

  test('recognizes a stopped task by the name of its error, an abort', () => {
    expect(new Stopped()).toMatchObject({
      name: 'AbortError',
      message: 'stopped: another stage failed',
    })
  })
})
