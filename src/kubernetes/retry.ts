/** When the server is asked again, and what is said when it never answers. */
import type { Cause } from '../failure/failure.js'
import type { Clock } from '../platform/platform.js'
import { ApiError } from './api-error.js'

/** How long an API server may be away before that is a failure, in ms. */
export const patienceMs = 90_000
const firstPauseMs = 250
const longestPauseMs = 2_000

/**
 * Whether the same request may succeed a little later: no answer at all, a server that is overloaded or
 * being restarted, and what `kubectl proxy` says when it does not reach the server (500, 502). And a login that
 * is not accepted (401): it was when the cluster was opened, so what checks it may be away, or a token is
 * just being renewed. Nothing mends a lock that was lost.
 */
export function isTransient(error: unknown): boolean {
  if (error instanceof ApiError) return [401, 429].includes(error.status) || error.status >= 500
  return !(error instanceof Error && ['AbortError', 'LeaseLost', 'Failure'].includes(error.name))
}

/** How long a server that has never answered is asked, in ms: whoever mistyped its address waits for it. */
const firstPatienceMs = 5_000

/**
 * The same of the first request of all, after so long. A server that is busy is there. One that is not
 * reached may be restarting, or be none; credentials that it does not know have never been known to work.
 */
export function isTransientAtFirst(error: unknown, askedForMs: number): boolean {
  if (!isTransient(error) || (error instanceof ApiError && error.status === 401)) return false
  if (error instanceof ApiError && !isUnreached(error)) return true
  const words = error instanceof Error ? error.message : ''
  return askedForMs < firstPatienceMs && !/no such host|x509|tls: /.test(words)
}

/**
 * kubectl's proxy tells in plain text that it did not reach the server, with 500 or 502 by its version; the
 * server's answers have a reason.
 */
function isUnreached({ status, reason }: ApiError): boolean {
  return (status === 500 || status === 502) && reason === ''
}

/**
 * Does something that may be repeated until it succeeds, fails for good, or the patience is over: what it
 * threw last is thrown then. `again` tells which errors are worth another try.
 */
export async function retryTransient<T>(
  clock: Clock,
  signal: AbortSignal,
  work: () => Promise<T>,
  again: (error: unknown) => boolean = isTransient,
): Promise<T> {
  const until = clock.now() + patienceMs
  for (let pause = firstPauseMs; ; pause = Math.min(pause * 2, longestPauseMs)) {
    try {
      return await work()
    } catch (error) {
      if (signal.aborted || !again(error) || clock.now() + pause > until) throw error
      await clock.sleep(pause, signal)
    }
  }
}

export function noServer(words: string): Cause {
  return {
    code: 'cluster-unreachable',
    sentence: `the API server did not answer: ${words}`,
    hint: 'see whether this machine reaches the cluster: kubectl version',
  }
}

export const noCredentials: Cause = {
  code: 'cluster-unreachable',
  sentence: 'the cluster does not accept the credentials of the kubeconfig (401 Unauthorized)',
  hint: 'renew the token or the login; kubectl auth whoami shows who you are',
}

/** What an error means that came from a server which was asked for as long as the patience lasts, if it is that. */
export function causeOfAway(error: unknown): Cause | undefined {
  if (error instanceof ApiError) {
    if (error.status === 401) return noCredentials
    return isUnreached(error) ? noServer(error.message) : undefined
  }
  const isNetwork =
    error instanceof Error && /^E[A-Z]+$/.test((error as { code?: string }).code ?? '')
  return isNetwork ? noServer(error.message) : undefined
}

/** The lock may have gone to another run; whether it has is not known yet. */
export class LeaseUncertain extends Error {
  override readonly name = 'LeaseUnsure'

  constructor() {
    super('the lock could not be renewed in time')
  }
}
