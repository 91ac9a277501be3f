/** Why a run ended, in words. */
import { describe, expect, test } from '@jest/globals'
import { ApiError } from '../../src/kubernetes/api-error.js'
import { LeaseLost, type WhyLost } from '../../src/state/held-lease.js'
import { causeOf, lostCause, sentenceOf } from '../../src/commands/causes.js'
import { Failure } from '../../src/failure/failure.js'

const never = new AbortController().signal

describe('the cause of a lost lock', () => {
  const end = ': the release is incomplete, and nothing more was written'
  const back =
    'the next release restores everything before it starts. To restore now: django-rollout recover'
  const login = `renew the token or the login (kubectl auth whoami shows who you are); then ${back}`
  test.each<[WhyLost, string, string, string]>([
    [
      'taken',
      'ada, https://ci.example/7',
      'another run has taken the lock (ada, https://ci.example/7)',
      back,
    ],
    ['taken', '', 'another run has taken the lock', back],
    [
      'unreachable',
      'connect: connection refused',
      'the lock expired while the API server did not answer (connect: connection refused)',
      `when it answers again, ${back}`,
    ],
    [
      'denied',
      '401 Unauthorized',
      'the cluster no longer accepts the credentials of the kubeconfig (401 Unauthorized)',
      login,
    ],
    [
      'denied',
      '403 Forbidden',
      'the cluster no longer lets this account renew its lock (403 Forbidden)',
      login,
    ],
  ])('is right when it was %s, for "%s"', (why, words, sentence, hint) => {
    const lost = AbortSignal.abort(new LeaseLost(why, words))
    expect(lostCause(lost)).toEqual({ code: 'lock-lost', sentence: sentence + end, hint })
  })

  test('is none while the lock is held', () => {
    expect(lostCause(never)).toBeUndefined()
  })
})

describe('the cause of an API server that did not answer until the timeout', () => {
  const network = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
  test.each<[string, Error, string, string]>([
    ['cut off', network, 'cluster-unreachable', 'the API server did not answer: read ECONNRESET'],
    [
      'not reached by the proxy',
      new ApiError(502, '', 'dial tcp: i/o timeout'),
      'cluster-unreachable',
      'the API server did not answer: dial tcp: i/o timeout',
    ],
    [
      'unknown credentials',
      new ApiError(401, 'Unauthorized', 'Unauthorized'),
      'cluster-unreachable',
      'the cluster does not accept the credentials of the kubeconfig (401 Unauthorized)',
    ],
    [
      'a missing right',
      new ApiError(403, 'Forbidden', 'no'),
      'write-failed',
      'the API server refused a request (403): no',
    ],
    ['no server at all', new Error('a mistake of ours'), 'internal', 'a mistake of ours'],
  ])('is right for "%s"', (_, error, code, sentence) => {
    expect(causeOf(error, never)).toMatchObject({ code, sentence })
  })
})

test.each([
  [new LeaseLost('taken', 'ada'), 'another run has taken the lock (ada)'],
  [new Failure({ code: 'registry', sentence: 'the registry said no' }), 'the registry said no'],
  [new Error('ended by SIGINT'), 'ended by SIGINT'],
  [new ApiError(403, 'Forbidden', 'no'), 'the API server refused a request (403): no'],
])('each kind of error is put into words for a warning (case %#)', (error, sentence) => {
  expect(sentenceOf(error)).toBe(sentence)
})
