/** Why a run ended, in words. */
import { describe, expect, test } from '@jest/globals'
import { ApiError } from '../../src/kubernetes/apierror.js'
import type { WorkloadObject } from '../../src/kubernetes/objects.js'
import { outside } from '../../src/kubernetes/paths.js'
import { LeaseLost, type WhyLost } from '../../src/kubernetes/lease.js'
import { causeOf, lostCause, report, type SoFar } from '../../src/pipeline/ending.js'
import type { Result } from '../../src/report/report.js'
import { Reporter } from '../../src/report/reporter.js'
import type { Target } from '../../src/stages/targets.js'
import type { World } from '../../src/world/world.js'
import { handClock } from '../support/clock.js'
import { standing } from '../support/live.js'
import { releaseOf } from '../support/settings.js'

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

describe('what is told of a workload that was there, and of one that was not', () => {
  type Stands = NonNullable<SoFar['stands']>
  const both = (web: string[], fresh: string[]): Stands => ({
    'deployment/web': web,
    'deployment/fresh': fresh,
  })
  test.each<[Result, 'begun' | 'not begun', Stands | undefined, string, string]>([
    ['deployed', 'begun', undefined, 'new', 'new'],
    ['undone', 'begun', undefined, 'old', 'removed'],
    ['cancelled', 'begun', undefined, 'old', 'removed'],
    ['cancelled', 'not begun', undefined, 'old', 'absent'],
    ['failed', 'begun', undefined, 'old', 'absent'],
    ['failed', 'not begun', undefined, 'old', 'absent'],
    ['superseded', 'begun', both([], ['shop:c']), 'gone', 'unknown'],
    // A newer commit is live.
    ['superseded', 'not begun', undefined, 'old', 'absent'],
    ['kept', 'begun', both(['shop:b'], ['shop:b']), 'unknown', 'unknown'],
    ['stuck', 'begun', undefined, 'unknown', 'unknown'],
    ['stuck', 'not begun', undefined, 'old', 'absent'],
    // What another run had left could not be put back.
    ['stuck', 'not begun', { 'deployment/web': ['shop:c'] }, 'unknown', 'absent'],
  ])('%s, %s, seen: %j: %s and %s', (result, begun, stands, web, fresh) => {
    const told = report(
      'release',
      releaseOf({} as World).settings,
      new Reporter({ open() {}, say() {}, quote() {}, close() {} }, handClock()),
      result,
      {
        ...{ migrations: [], warnings: [], seconds: {} },
        image: { repository: 'shop', tag: 'b', digest: 'sha256:0' },
        site: {
          ...{
            live: standing(),
            others: [],
            resources: { of: outside, pathOf: outside },
            services: [],
          },
          targets: [target('web', 'there'), target('fresh', 'not there')],
        },
        ...(begun === 'begun' && { snapshot: [] }),
        ...(stands && { stands }),
      },
    )
    expect(told.workloads.map(({ now }) => now)).toEqual([web, fresh])
  })

  function target(name: string, is: 'there' | 'not there'): Target {
    const live = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name }, spec: {} }
    return {
      ...{ id: { kind: 'Deployment', name }, path: '', uses: [] },
      ...(is === 'there' ? { live: live as WorkloadObject, running: ['shop:a'] } : { running: [] }),
    }
  }
})
