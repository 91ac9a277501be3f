/** When a request is retried, and the cause if the server never answers. */
import type { Cause } from '../failure/failure.js'
import type { Clock } from '../platform/platform.js'
import { repeat, type Attempt } from '../platform/time.js'
import { ApiError } from './api-error.js'

/** How long requests are retried before an outage of the API server is a failure, in ms. */
export const longestOutageMs = 90_000
const firstPauseMs = 250
const longestPauseMs = 2_000

/**
 * Returns whether the same request may succeed a little later: no answer at all, a server that is overloaded or
 * restarting, and the answer of `kubectl proxy` when it does not reach the server (500, 502). Also a login that is
 * refused (401): it was accepted when the cluster was opened, so the authenticator may be down, or a token is just
 * being renewed. A lock that was lost is never transient.
 */
export function isTransient(error: unknown): boolean {
  if (error instanceof ApiError) return [401, 429].includes(error.status) || error.status >= 500
  return !(error instanceof Error && ['AbortError', 'LeaseLost', 'Failure'].includes(error.name))
}

/** How long requests to a server that has never answered are retried, in ms: a mistyped address costs this time. */
const firstContactMs = 5_000

/**
 * Returns the same for the very first request, after this time. A busy server exists. One that is not reached may be
 * restarting, or not exist; credentials that it refuses have never worked.
 */
export function isTransientAtFirst(error: unknown, elapsedMs: number): boolean {
  if (!isTransient(error) || (error instanceof ApiError && error.status === 401)) return false
  if (error instanceof ApiError && !isUnreached(error)) return true
  const words = error instanceof Error ? error.message : ''
  return elapsedMs < firstContactMs && !/no such host|x509|tls: /.test(words)
}

/**
 * Returns whether kubectl's proxy did not reach the server: it answers in plain text, with 500 or 502 by its version;
 * the server's own answers have a reason.
 */
function isUnreached({ status, reason }: ApiError): boolean {
  return (status === 500 || status === 502) && reason === ''
}

/**
 * Repeats something until it succeeds, fails for good, or the time is over: then throws the last error. `again`
 * decides which errors are worth another attempt.
 */
export function retryTransient<T>(
  clock: Clock,
  signal: AbortSignal,
  work: () => Promise<T>,
  again: (error: unknown) => boolean = isTransient,
): Promise<T> {
  const until = clock.now() + longestOutageMs
  const pauseAfter = (attempt: Attempt<T>, made: number) => {
    const pauseMs = Math.min(firstPauseMs * 2 ** (made - 1), longestPauseMs)
    const isOver = signal.aborted || clock.now() + pauseMs > until
    return attempt.is === 'error' && again(attempt.error) && !isOver ? pauseMs : undefined
  }
  return repeat({ clock, signal, pauseAfter }, work)
}

export function noServer(words: string): Cause {
  return {
    code: 'cluster-unreachable',
    sentence: `the API server did not answer: ${words}`,
    hint: 'check that this machine reaches the cluster: kubectl version',
  }
}

export const noCredentials: Cause = {
  code: 'cluster-unreachable',
  sentence: 'the cluster does not accept the credentials of the kubeconfig (401 Unauthorized)',
  hint: 'renew the token or the login; kubectl auth whoami shows who you are',
}

/** Returns the cause of an error after all retries, if it means that the server is unreachable. */
export function causeOfOutage(error: unknown): Cause | undefined {
  if (error instanceof ApiError) {
    if (error.status === 401) return noCredentials
    return isUnreached(error) ? noServer(error.message) : undefined
  }
  return error instanceof Error && isOfNetwork(error) ? noServer(error.message) : undefined
}

/** Files have errors with codes, too: a full disk says nothing about the server. */
function isOfNetwork({ code = '', syscall }: NodeJS.ErrnoException): boolean {
  return (
    syscall === 'connect' || /^E(CONN[A-Z]+|PIPE|TIMEDOUT|NOTFOUND|(HOST|NET)UNREACH)$/.test(code)
  )
}

/** The lock may have been taken by another run; that is not certain yet. */
export class LeaseUncertain extends Error {
  override readonly name = 'LeaseUncertain'

  constructor() {
    super('the lock could not be renewed in time')
  }
}
