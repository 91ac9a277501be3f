import { expect, test } from '@jest/globals'
import { refusal } from '../../src/github/refusal.js'

test.each([
  [500, '', true, 'GitHub answers 500'],
  [502, '<html>', true, 'GitHub answers 502'],
  [429, '', true, 'GitHub answers 429'],
  [403, 'You have exceeded a secondary rate limit', true, 'GitHub answers 403'],
  [401, 'Bad credentials', false, 'GitHub rejects "token" (401)'],
  [403, 'Resource not accessible by integration', false, /permissions: deployments: write/],
  [404, 'Not Found', false, /permissions: deployments: write/],
  [301, 'Moved Permanently', false, 'GitHub refuses the request (301): Moved Permanently'],
  [200, '', false, 'the answer is not GitHub’s (200)'],
  [422, 'No ref found for: abc', false, 'GitHub refuses the request (422): No ref found for: abc'],
])(
  'the response %i "%s" is put into words, and retried when it may pass',
  (status, message, passing, words) => {
    expect(refusal(status, message, 'deployments')).toEqual({
      passing,
      words: words instanceof RegExp ? expect.stringMatching(words) : words,
    })
  },
)

test('a missing right is that of the request', () => {
  expect(refusal(403, '', 'pull-requests').words).toContain('permissions: pull-requests: write')
})
