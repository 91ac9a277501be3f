/** Interprets kubectl's exit and output: whether the server has answered, and what. */
import { fail } from '../failure/failure.js'
import type { Clock, Finished } from '../platform/platform.js'
import { LeaseUncertain } from './retry.js'
import { noCredentials, noServer, retryTransient } from './retry.js'

/**
 * done: success. refused: the server, or kubectl itself, refuses, and would again. busy: the server has answered
 * that it cannot now. unknown: it does not accept the credentials. silent: it was not reached, or did not answer.
 */
export type Meaning = 'done' | 'refused' | 'busy' | 'unknown' | 'silent'

/** The reasons of a Status that is 429 or 5xx. */
const busyReasons = /^(TooManyRequests|InternalError|ServiceUnavailable|Timeout|ServerTimeout)$/

/** Messages of such a Status where kubectl wraps it and drops its reason, and etcd's own, which have none. */
const busyWords =
  /Internal error occurred: |the server is currently unable to handle the request|the server was unable to return a response|the server has received too many requests|etcdserver: /

/** What kubectl, and Go's network below it, report of a server that is not reached or does not answer. */
const silentWords =
  /Unable to connect to the server|The connection to the server \S+ was refused|connection refused|connection reset by peer|broken pipe|\bEOF\b|i\/o timeout|TLS handshake timeout|context deadline exceeded|Client\.Timeout exceeded|no such host|no route to host|network is unreachable|server misbehaving|server closed idle connection|client connection lost|server sent GOAWAY|connection timed out|getting credentials: /

const unknownWords =
  /You must be logged in to the server|the server has asked for the client to provide credentials|^Unauthorized\b|: Unauthorized$/

const refusedWords = /^The \S+ ".*" is invalid: |admission webhook ".*" denied the request/

/** kubectl lacks the list of kinds. The metrics API may be away forever, and has no kind that a release uses. */
const unlistedWords = /the server doesn't have a resource type|no matches for kind/
const unlisted =
  /couldn't get (current server API group list|resource list for (?!(\w+\.)?metrics\.k8s\.io))/

/**
 * Pure. `Error from server (Reason): …` and `The … is invalid` are answers, whatever follows: a
 * webhook that is not reached is reported there in the network's words too.
 */
export function meaningOf({ code, stderr }: Finished): Meaning {
  if (code === 0) return 'done'
  const line = errorLines(stderr)[0] ?? ''
  if (refusedWords.test(line)) return 'refused'
  const reason = /^Error from server \((\w+)\): /.exec(line)?.[1]
  if (reason === 'Unauthorized' || unknownWords.test(line)) return 'unknown'
  if (reason !== undefined) return busyReasons.test(reason) ? 'busy' : 'refused'
  if (busyWords.test(line)) return 'busy'
  if (unlistedWords.test(line) && unlisted.test(stderr)) return 'busy'
  return silentWords.test(line) ? 'silent' : 'refused'
}

/**
 * Calls again while the server is away, and not once more when the signal is aborted. The last answer is
 * the caller's to judge; throws a Failure when there was none within the time.
 */
export async function untilAnswered(
  clock: Clock,
  signal: AbortSignal,
  call: () => Promise<Finished>,
): Promise<Finished> {
  try {
    return await retryTransient(
      clock,
      signal,
      async () => {
        signal.throwIfAborted()
        const done = await call()
        const meaning = meaningOf(done)
        if (meaning === 'done' || meaning === 'refused') return done
        throw new Passing(done, meaning)
      },
      (error) => error instanceof Passing || error instanceof LeaseUncertain,
    )
  } catch (error) {
    if (!(error instanceof Passing)) throw error
    signal.throwIfAborted()
    if (error.meaning === 'silent') return fail(noServer(errorOf(error.done)))
    if (error.meaning === 'unknown') return fail(noCredentials)
    return error.done
  }
}

class Passing extends Error {
  constructor(
    readonly done: Finished,
    readonly meaning: Meaning,
  ) {
    super(meaning)
  }
}

/**
 * The first line of kubectl's that is an error, without its prefix. Several reasons of one error follow it,
 * each in a line with a star.
 */
export function errorOf({ stderr }: Finished): string {
  const [first = 'no reason given', ...others] = errorLines(stderr)
  const error = first.replace(/^(error|Error from server)( \([^)]*\))?: /i, '').trim()
  if (!error.endsWith(':')) return error
  const reasons = others.filter((line) => line.startsWith('* '))
  return `${error} ${reasons.map((line) => line.slice(2)).join('; ')}`
}

/** From the first line on that is neither a warning nor a line of kubectl's own log; all, if none is. */
function errorLines(stderr: string): readonly string[] {
  const lines = stderr.split('\n').filter((line) => line.trim() !== '')
  const at = lines.findIndex((line) => !/^(Warning:|[IWEF]\d{4} )/.test(line))
  return lines.slice(Math.max(at, 0))
}
