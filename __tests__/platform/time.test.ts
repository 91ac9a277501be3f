import { expect, test } from '@jest/globals'
import { abortable } from '../../src/platform/time.js'

const reason = new Error('cancelled')
const never = new Promise<string>(() => undefined)

test('work that ends before its abort returns its value', async () => {
  const { signal } = new AbortController()
  expect(await abortable(signal, () => Promise.resolve('done'))).toBe('done')
  await expect(abortable(signal, () => Promise.reject(new Error('broken')))).rejects.toThrow(
    'broken',
  )
})

test('work that goes on after its abort is not waited for', async () => {
  const cancel = new AbortController()
  const ended = abortable(cancel.signal, () => never)
  cancel.abort(reason)
  await expect(ended).rejects.toBe(reason)
})

test('work that is aborted already is not started', async () => {
  let begun = 0
  const work = () => {
    begun += 1
    return never
  }
  await expect(abortable(AbortSignal.abort(reason), work)).rejects.toBe(reason)
  expect(begun).toBe(0)
})
