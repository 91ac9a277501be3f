import { expect, test } from '@jest/globals'
import { abortable } from '../../src/platform/time.js'

const reason = new Error('cancelled')
const never = new Promise<string>(() => undefined)

test('work that comes to its end first', async () => {
  const { signal } = new AbortController()
  expect(await abortable(signal, () => Promise.resolve('done'))).toBe('done')
  await expect(abortable(signal, () => Promise.reject(new Error('broken')))).rejects.toThrow(
    'broken',
  )
})

test('work that goes on when it is aborted is left alone', async () => {
  const cancel = new AbortController()
  const ended = abortable(cancel.signal, () => never)
  cancel.abort(reason)
  await expect(ended).rejects.toBe(reason)
})

test('what is aborted already is not begun', async () => {
  let begun = 0
  const work = () => {
    begun += 1
    return never
  }
  await expect(abortable(AbortSignal.abort(reason), work)).rejects.toBe(reason)
  expect(begun).toBe(0)
})
