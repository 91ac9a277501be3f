/** Why a run ended, in words. */
import { describe, expect, test } from '@jest/globals'
import { ApiError } from '../../src/kubernetes/apierror.js'
import { LeaseLost, type WhyLost } from '../../src/kubernetes/lease.js'
import { causeOf, lostCause } from '../../src/pipeline/ending.js'

const never = new AbortController().signal

describe('a lock that was lost', () => {
  const end = ': the release is left in the middle, and nothing more was written'
  const back =
    'the next release puts everything back before it begins; or at once: django-rollout settle'
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
      'away',
      'connect: connection refused',
      'the API server did not answer for so long that the lock was lost (connect: connection refused)',
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
  ])('%s, %s', (why, words, sentence, hint) => {
    const lost = AbortSignal.abort(new LeaseLost(why, words))
    expect(lostCause(lost)).toEqual({ code: 'lock-lost', sentence: sentence + end, hint })
  })

  test('and one that is held', () => {
    expect(lostCause(never)).toBeUndefined()
  })
})

describe('a server that was asked for as long as the patience lasts', () => {
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
      'knows nobody',
      new ApiError(401, 'Unauthorized', 'Unauthorized'),
      'cluster-unreachable',
      'the cluster does not accept the credentials of the kubeconfig (401 Unauthorized)',
    ],
    [
      'says no',
      new ApiError(403, 'Forbidden', 'no'),
      'write-failed',
      'the API server refused a request (403): no',
    ],
    ['no server at all', new Error('a mistake of ours'), 'internal', 'a mistake of ours'],
  ])('%s', (_, error, code, sentence) => {
    expect(causeOf(error, never)).toMatchObject({ code, sentence })
  })
})
