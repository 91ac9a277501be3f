import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import type { Result } from '../../src/failure/result.js'
import { notifyWebhook } from '../../src/report/notify.js'
import { Chat } from '../support/chat.js'
import { hastyWorld } from '../support/hasty.js'
import { reportOf } from '../support/report.js'

let chat: Chat
beforeEach(async () => {
  chat = await Chat.start()
})
afterEach(() => {
  chat.stop()
})

const tell = (result: Result = 'deployed', on: 'always' | 'failure' = 'always', url = chat.url) =>
  notifyWebhook(
    hastyWorld(),
    { webhook: url, 'webhook-on': on },
    {
      report: reportOf({ result }),
      holder: { id: 'run-1', who: 'ada' },
    },
  )

test.each<[Result, 'always' | 'failure', number]>([
  ['deployed', 'always', 1],
  ['undone', 'always', 1],
  ['deployed', 'failure', 0],
  ['unchanged', 'failure', 0],
  ['undone', 'failure', 1],
  ['locked', 'failure', 1],
  ['cancelled', 'failure', 1],
])('the result %s with webhook-on %s sends %i messages', async (result, on, count) => {
  expect(await tell(result, on)).toEqual([])
  expect(chat.messages).toHaveLength(count)
})

test('no message is sent without an address', async () => {
  const none = { webhook: undefined, 'webhook-on': 'always' } as const
  expect(
    await notifyWebhook(hastyWorld(), none, {
      report: reportOf(),
      holder: { id: 'x', who: 'ada' },
    }),
  ).toEqual([])
})

describe('a notification is sent to a chat that', () => {
  test.each<[string, readonly number[], readonly string[]]>([
    ['is away for a moment, by a second request', [500, 429], []],
    [
      'stays away, and the failure is a warning',
      [500, 502, 503],
      ['the request was refused (503)'],
    ],
    ['refuses it, and the failure is a warning at once', [404], ['the request was refused (404)']],
  ])('%s', async (_, answers, warnings) => {
    chat.answers.push(...answers)
    expect(await tell()).toEqual(warnings.map((why) => `the webhook was not notified: ${why}`))
    expect(chat.messages).toHaveLength(warnings.length === 0 ? 1 : 0)
  })

  test('does not exist, with a warning that does not show its address', async () => {
    chat.stop()
    expect(await tell()).toEqual([
      'the webhook was not notified: there was no answer (ECONNREFUSED)',
    ])
    expect(await tell('deployed', 'always', 'http://nowhere.invalid/very-secret')).toEqual([
      expect.stringMatching(/^the webhook was not notified: there was no answer \(\w+\)$/),
    ])
  })
})
