/** The requests that are sent to the API server, through the socket of `kubectl proxy`. */
import { ApiError } from './api-error.js'
import { retryTransient } from './retry.js'
import { withTimeout } from '../platform/time.js'
import type { OwnNames } from './own-names.js'
import type { Clock, LogLines, Platform, Response } from '../platform/platform.js'

/** A path is one of the API server, with its query. */
export interface Requests {
  /** Reads an object or a list; retries for a while when the server does not answer. */
  get<T>(path: string): Promise<T>
  /** Like `get`; returns `undefined` if the object does not exist. */
  find<T>(path: string): Promise<T | undefined>
  /** Sends a POST that creates nothing (a review): retried as a read is. */
  review<T>(path: string, body: unknown): Promise<T>
  /** Returns what the server would make of this PUT, with admission: writes nothing. Retried as a read is. */
  dryRun<T>(path: string, body: unknown): Promise<T>
  post<T>(path: string, body: unknown, signal?: AbortSignal): Promise<T>
  put<T>(path: string, body: unknown, signal?: AbortSignal): Promise<T>
  /** Deletes in the background; does nothing if the object is gone already. */
  remove(path: string, how?: RemoveOptions): Promise<void>
  /** Yields the lines of a long answer (a watch, a followed log) as they arrive; of a log, long ones in pieces. */
  lines(path: string, signal: AbortSignal, log?: LogLines): AsyncIterable<string>
}

export interface RemoveOptions {
  /** The uid of the object: another one that has taken its name is a conflict. */
  readonly uid?: string
  /** The resourceVersion that was read: an object that was changed since is a conflict too. */
  readonly version?: string
  readonly signal?: AbortSignal
}

/** A server without an answer for this long does not answer, in ms. */
export const answerMs = 30_000

export interface Connection {
  readonly platform: Platform
  /** The path of the proxy's socket. */
  readonly socket: string
  /** All requests end with it. */
  readonly life: AbortSignal
  readonly names: OwnNames
}

export function requestsOf(connection: Connection): Requests {
  const { platform, life } = connection
  const turns = new Turns(platform.clock)
  const ask = async <T>(request: ApiRequest, signal = life) => {
    await turns.take()
    const text = await withTimeout(
      platform.clock,
      answerMs,
      AbortSignal.any([life, signal]),
      (late) => textOf(connection, request, late),
    )
    await turns.take()
    return parsed(connection, text) as T
  }
  const retried = <T>(request: ApiRequest) =>
    retryTransient(platform.clock, life, () => ask<T>(request))
  return {
    get: (path) => retried({ method: 'GET', path }),
    find: <T>(path: string) => unlessMissing(retried<T>({ method: 'GET', path })),
    review: (path, body) => retried({ method: 'POST', path, body }),
    dryRun: (path, body) => retried({ method: 'PUT', path: `${path}?dryRun=All`, body }),
    post: (path, body, signal) => ask({ method: 'POST', path, body }, signal),
    put: (path, body, signal) => ask({ method: 'PUT', path, body }, signal),
    remove: async (path, { signal, ...only } = {}) => {
      await unlessMissing(ask({ method: 'DELETE', path, body: deleteOptions(only) }, signal))
    },
    lines: (path, signal, log) => linesOf(connection, path, signal, log),
  }
}

/** How many requests begin, or are answered, in one turn of the event loop. */
const perTurn = 10

/** Spreads requests over turns: to begin hundreds at once, or to read as many answers, would block the event loop. */
class Turns {
  #left = perTurn
  #next: Promise<void> | undefined

  constructor(private readonly clock: Clock) {}

  /** Resolves when one more has its turn. */
  async take(): Promise<void> {
    while (this.#left === 0) {
      this.#next ??= this.clock.handled().then(() => {
        this.#left = perTurn
        this.#next = undefined
      })
      await this.#next
    }
    this.#left -= 1
  }
}

interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  readonly path: string
  readonly body?: unknown
}

/** Sends one request. Throws an `ApiError` for what is no success. */
export async function answer<T>(
  connection: Connection,
  request: ApiRequest,
  signal: AbortSignal,
): Promise<T> {
  return parsed(connection, await textOf(connection, request, signal)) as T
}

async function textOf(
  { platform, socket }: Connection,
  { method, path, body }: ApiRequest,
  signal: AbortSignal,
): Promise<string> {
  const response = await platform.network.request({
    socket,
    method,
    path,
    signal,
    ...(body !== undefined && { body }),
  })
  if (response.status >= 300) throw await apiError(response)
  return response.text()
}

function parsed({ names }: Connection, text: string): unknown {
  return JSON.parse(names.read(text))
}

async function unlessMissing<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return undefined
    throw error
  }
}

function deleteOptions({ uid, version }: Omit<RemoveOptions, 'signal'>): object {
  const preconditions = {
    ...(uid !== undefined && { uid }),
    ...(version !== undefined && { resourceVersion: version }),
  }
  const only = Object.keys(preconditions).length === 0 ? {} : { preconditions }
  return { propagationPolicy: 'Background', ...only }
}

async function* linesOf(
  { platform, socket, names }: Connection,
  path: string,
  signal: AbortSignal,
  log: LogLines | undefined,
): AsyncIterable<string> {
  const response = await platform.network.request({ socket, method: 'GET', path, signal })
  if (response.status >= 300) throw await apiError(response)
  if (log) yield* response.lines(log)
  else for await (const line of response.lines()) yield names.read(line)
}

/** The server answers with a Status object; a proxy that cannot reach it with plain text. */
async function apiError(response: Response): Promise<ApiError> {
  const body = await response.text()
  try {
    const status = JSON.parse(body) as { reason?: string; message?: string }
    return new ApiError(response.status, status.reason ?? '', status.message ?? body)
  } catch {
    return new ApiError(response.status, '', body.trim())
  }
}
