/** What kubectl says, in the words of kubectl 1.34 and older ones. */
import { describe, expect, test } from '@jest/globals'
import { meaningOf, untilAnswered, type Meaning } from '../../src/kubernetes/kubectl.js'
import { LeaseUncertain } from '../../src/kubernetes/retry.js'
import type { Failure } from '../../src/failure/failure.js'
import type { Finished } from '../../src/platform/platform.js'
import { scripted } from '../support/scripted.js'

const said = (stderr: string, code = 1): Finished => ({ code, stdout: '', stderr })
const never = new AbortController().signal

const log = `E1121 14:48:47.312445 22060 memcache.go:265] "Unhandled Error" err="couldn't get current server API group list: dial tcp 10.0.0.1:6443: connect: connection refused"\n`
const refusedConnection = `${log}The connection to the server 10.0.0.1:6443 was refused - did you specify the right host or port?`

describe('the output of kubectl is understood', () => {
  const dial = 'Get "https://10.0.0.1:6443/api?timeout=30s": dial tcp 10.0.0.1:6443:'
  test.each<[Meaning, string]>([
    // Nobody answered.
    ['silent', refusedConnection],
    ['silent', `Unable to connect to the server: dial tcp 10.0.0.1:6443: i/o timeout`],
    ['silent', `${log}Unable to connect to the server: net/http: TLS handshake timeout`],
    ['silent', 'Unable to connect to the server: EOF'],
    ['silent', `error: unable to recognize "STDIN": ${dial} connect: connection refused`],
    [
      'silent',
      `error: error validating "STDIN": error validating data: failed to download openapi: ${dial} connect: no route to host; if you choose to ignore these errors, turn validation off with --validate=false`,
    ],
    [
      'silent',
      'error: client rate limiter Wait returned an error: context deadline exceeded - error from a previous attempt: EOF',
    ],
    [
      'silent',
      'error: failed to patch image update to pod template: Patch "https://10.0.0.1:6443/apis/apps/v1/namespaces/x/deployments/web": read tcp 10.0.0.2:1->10.0.0.1:6443: read: connection reset by peer',
    ],
    [
      'silent',
      'error: failed to patch image update to pod template: http2: client connection lost',
    ],
    [
      'silent',
      'Unable to connect to the server: getting credentials: exec: executable aws failed with exit code 255',
    ],
    // The server has answered that it cannot now.
    [
      'busy',
      'Error from server (ServiceUnavailable): the server is currently unable to handle the request',
    ],
    ['busy', 'Error from server (TooManyRequests): error when applying patch: too many requests'],
    [
      'busy',
      'Error from server (Timeout): error when creating "STDIN": Timeout: request did not complete',
    ],
    [
      'busy',
      'Error from server (InternalError): error when creating "STDIN": Internal error occurred: failed calling webhook "a.b": dial tcp 10.0.0.9:443: connect: connection refused',
    ],
    [
      'busy',
      'error: failed to patch image update to pod template: Internal error occurred: failed calling webhook "a.b": EOF',
    ],
    ['busy', 'Error from server: etcdserver: leader changed'],
    // It was not told of the kinds that there are.
    ['busy', `${log}error: the server doesn't have a resource type "deployment"`],
    ['refused', `error: the server doesn't have a resource type "deployment"`],
    [
      'refused',
      `${log.replace('current server API group list', 'resource list for metrics.k8s.io/v1beta1')}error: the server doesn't have a resource type "x"`,
    ],
    // It does not know who asks.
    ['unknown', 'error: You must be logged in to the server (Unauthorized)'],
    [
      'unknown',
      `${log}error: You must be logged in to the server (the server has asked for the client to provide credentials)`,
    ],
    ['unknown', 'Error from server (Unauthorized): Unauthorized'],
    ['unknown', 'error: failed to patch image update to pod template: Unauthorized'],
    // It says no.
    ['refused', 'Error from server (Forbidden): deployments.apps "web" is forbidden'],
    ['refused', 'Error from server (NotFound): deployments.apps "web" not found'],
    ['refused', 'Error from server (BadRequest): error when creating "STDIN": unknown field "EOF"'],
    [
      'refused',
      'Error from server: error when creating "STDIN": admission webhook "a.b" denied the request: Unauthorized',
    ],
    [
      'refused',
      'The Deployment "web" is invalid: spec.template.spec.containers[0].image: Invalid value: "i/o timeout"',
    ],
    ['refused', 'error: unable to find container named "webb"'],
    ['refused', 'Warning: only this'],
    ['refused', ''],
  ])('as "%s": %s', (meaning, stderr) => {
    expect(meaningOf(said(stderr))).toBe(meaning)
    expect(meaningOf(said(stderr, 0))).toBe('done')
  })
})

/** Calls a kubectl that answers so, one after the other and then the last again and again. */
function calling(answers: readonly (Finished | Error | (() => Finished))[], signal = never) {
  const { platform, slept } = scripted([])
  const left = [...answers]
  let calls = 0
  const done = untilAnswered(platform.clock, signal, async () => {
    calls += 1
    await Promise.resolve()
    const answer = (left.length > 1 ? left.shift() : left[0]) ?? said('')
    if (answer instanceof Error) throw answer
    return typeof answer === 'function' ? answer() : answer
  })
  return { done, calls: () => calls, waited: () => slept.reduce((sum, ms) => sum + ms, 0) }
}

const good = said('', 0)
const away = said(refusedConnection)
const busy = said('Error from server (ServiceUnavailable): busy')
const unknown = said('error: You must be logged in to the server (Unauthorized)')
const no = said('Error from server (Forbidden): no')

describe('kubectl is called until the server has answered', () => {
  test.each<[string, readonly (Finished | Error)[], Finished]>([
    ['done at once', [good], good],
    ['refused at once', [no], no],
    ['away for a moment', [away, away, good], good],
    ['busy, and then no', [busy, no], no],
    ['a login that is accepted again', [unknown, good], good],
    ['ended in its middle, since the lock was not sure', [new LeaseUncertain(), good], good],
  ])('and its result is "%s"', async (_, answers, answer) => {
    const { done, calls } = calling(answers)
    expect(await done).toBe(answer)
    expect(calls()).toBe(answers.length)
  })

  test.each<[string, Finished, string]>([
    [
      'no answer',
      away,
      'the API server did not answer: The connection to the server 10.0.0.1:6443 was refused - did you specify the right host or port?',
    ],
    [
      'a login that stays unknown',
      unknown,
      'the cluster does not accept the credentials of the kubeconfig (401 Unauthorized)',
    ],
  ])('but not for ever when there is %s', async (_, answer, sentence) => {
    const { done, waited } = calling([answer])
    const error: unknown = await done.catch((reason: unknown) => reason)
    expect((error as Failure).cause).toMatchObject({ code: 'cluster-unreachable', sentence })
    expect(waited()).toBeGreaterThan(80_000)
    expect(waited()).toBeLessThanOrEqual(90_000)
  })

  test('and the caller reports a server that stays busy', async () => {
    expect(await calling([busy]).done).toBe(busy)
  })

  test('but not once more after the run was ended', async () => {
    const ending = new AbortController()
    const reason = new Error('cancelled')
    const ended = calling(
      [
        () => {
          ending.abort(reason)
          return away
        },
        good,
      ],
      ending.signal,
    )
    await expect(ended.done).rejects.toBe(reason)
    expect(ended.calls()).toBe(1)
    const late = calling([good], ending.signal)
    await expect(late.done).rejects.toBe(reason)
    expect(late.calls()).toBe(0)
  })
})
