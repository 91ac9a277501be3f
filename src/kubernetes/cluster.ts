/**
 * The only access to the cluster: kubectl has the user's own credentials. One `kubectl proxy` on a private socket
 * serves all reading, watching and exact restores; the writes that people know are kubectl commands.
 */
import { ApiError } from './api-error.js'
import { isTransientAtFirst, retryTransient } from './retry.js'
import { untilAnswered } from './kubectl.js'
import { signsOfLife, startProxy, unreachable } from './proxy.js'
import { Failure, fail } from '../failure/failure.js'
import { shellQuote } from '../options/shell.js'
import { withTimeout } from '../platform/time.js'
import type { Channel, Finished, Response, StreamOptions, Platform } from '../platform/platform.js'

export interface ClusterAccess {
  /** Path of a kubeconfig; kubectl's default if not given. */
  readonly kubeconfig?: string
  /** That path is the user's own, and may be shown: it exists after the run, too. */
  readonly keeps?: true
  readonly context?: string
  readonly namespace: string
}

export interface Cluster {
  readonly namespace: string
  /** The server's version: `v1.34.4`. */
  readonly version: string
  /** Aborted when the connection is closed: all reading in the background ends with it. */
  readonly life: AbortSignal
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
  /** Yields the lines of a long answer (a watch, a followed log) as they arrive. */
  lines(path: string, signal: AbortSignal): AsyncIterable<string>
  /**
   * Runs kubectl against this cluster and namespace, and retries while the server is unreachable; the caller judges
   * the exit code.
   */
  kubectl(args: readonly string[], how?: KubectlOptions): Promise<Finished>
  /** Runs `kubectl kustomize`, on this machine. */
  kustomize(folder: string): Promise<Finished>
  /** Runs kubectl until it is aborted; resolves with its exit code. */
  stream(args: readonly string[], how: Pick<StreamOptions, 'signal' | 'onLine'>): Promise<number>
  /** Returns the command line to print, so that a person can repeat it by hand. */
  commandLine(args: readonly string[]): string
  close(): Promise<void>
}

export interface RemoveOptions {
  /** The uid of the object: another one that has taken its name is a conflict. */
  readonly uid?: string
  /** The resourceVersion that was read: an object that was changed since is a conflict too. */
  readonly version?: string
  readonly signal?: AbortSignal
}

export interface KubectlOptions {
  /** Text for the standard input. */
  readonly input?: string
  /** No retry once it is aborted. A running call may finish: an undo must find what it did. */
  readonly signal?: AbortSignal
  /** Called before each call of kubectl; when the signal that it returns is aborted, kubectl is killed. */
  readonly ensureHeld?: () => Promise<AbortSignal>
}

/** Opens the cluster. `signal` aborts the opening; an open cluster lasts until it is closed. */
export async function openCluster(
  platform: Platform,
  access: ClusterAccess,
  signal: AbortSignal,
): Promise<Cluster> {
  const kubectl = await findKubectl(platform)
  const chosen = [
    ...(access.kubeconfig === undefined ? [] : ['--kubeconfig', access.kubeconfig]),
    ...(access.context === undefined ? [] : ['--context', access.context]),
  ]
  const inNamespace = [...chosen, '--namespace', access.namespace]
  const proxy = await startProxy(platform, kubectl, chosen)
  const life = new AbortController()
  const ask = (method: Method, path: string, body?: unknown, signal: AbortSignal = life.signal) =>
    withTimeout(platform.clock, answerMs, AbortSignal.any([life.signal, signal]), (late) =>
      answer(platform, proxy.socket, late, method, path, body),
    )

  const close = async () => {
    life.abort()
    await proxy.stop()
  }
  const cluster: Cluster = {
    namespace: access.namespace,
    version: '',
    life: life.signal,
    get: async <T>(path: string) =>
      (await retryTransient(platform.clock, life.signal, () => ask('GET', path))) as T,
    find: async <T>(path: string) => {
      try {
        return await cluster.get<T>(path)
      } catch (error) {
        if (error instanceof ApiError && error.status === 404) return undefined
        throw error
      }
    },
    review: async <T>(path: string, body: unknown) =>
      (await retryTransient(platform.clock, life.signal, () => ask('POST', path, body))) as T,
    dryRun: async <T>(path: string, body: unknown) =>
      (await retryTransient(platform.clock, life.signal, () =>
        ask('PUT', `${path}?dryRun=All`, body),
      )) as T,
    post: async <T>(path: string, body: unknown, signal?: AbortSignal) =>
      (await ask('POST', path, body, signal)) as T,
    put: async <T>(path: string, body: unknown, signal?: AbortSignal) =>
      (await ask('PUT', path, body, signal)) as T,
    remove: async (path, { uid, version, signal } = {}) => {
      const preconditions = {
        ...(uid !== undefined && { uid }),
        ...(version !== undefined && { resourceVersion: version }),
      }
      const only = Object.keys(preconditions).length === 0 ? {} : { preconditions }
      try {
        await ask('DELETE', path, { propagationPolicy: 'Background', ...only }, signal)
      } catch (error) {
        if (!(error instanceof ApiError && error.status === 404)) throw error
      }
    },
    lines: (path, signal) => linesOf(platform, proxy.socket, path, signal),
    kubectl: (args, { input, signal = life.signal, ensureHeld } = {}) =>
      untilAnswered(platform.clock, signal, async () => {
        const sure = (await ensureHeld?.()) ?? life.signal
        const done = await finish(platform, kubectl, [...inNamespace, ...answerIn, ...args], {
          ...(input !== undefined && { input }),
          signal: AbortSignal.any([life.signal, sure]),
        })
        if (done.code !== 0) sure.throwIfAborted()
        return done
      }),
    kustomize: (folder) => platform.processes.run(kubectl, ['kustomize', folder]),
    stream: (args, how) =>
      platform.processes.stream(kubectl, [...inNamespace, ...args], { ...how, bound: true }),
    commandLine: (args) => {
      const context = access.context === undefined ? [] : ['--context', access.context]
      const kubeconfig = access.keeps ? ['--kubeconfig', access.kubeconfig ?? ''] : []
      return ['kubectl', ...kubeconfig, ...context, '-n', access.namespace, ...args]
        .map(shellQuote)
        .join(' ')
    },
    close,
  }
  try {
    const first = AbortSignal.any([life.signal, signal])
    const startedAt = platform.clock.now()
    const { gitVersion } = (await retryTransient(
      platform.clock,
      first,
      () => answer(platform, proxy.socket, first, 'GET', '/version'),
      (error) => isTransientAtFirst(error, platform.clock.now() - startedAt),
    )) as { gitVersion: string }
    return { ...cluster, version: gitVersion }
  } catch (error) {
    await close()
    signal.throwIfAborted()
    throw unreachable(error instanceof Error ? error.message : String(error))
  }
}

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'

/** Returns the machine's own kubectl, else downloads one. */
async function findKubectl(platform: Platform): Promise<string> {
  const missing = (why: string): never =>
    fail({
      code: 'tool-missing',
      sentence: `kubectl is not on PATH${why}`,
      hint: 'install kubectl in a version near to the cluster’s',
    })
  try {
    return (
      (await platform.processes.find('kubectl')) ??
      (await platform.tools.fetchKubectl()) ??
      missing('')
    )
  } catch (error) {
    if (error instanceof Failure) throw error
    return missing(`, and cannot be fetched: ${error instanceof Error ? error.message : ''}`)
  }
}

/** A server without an answer for this long does not answer, in ms. */
const answerMs = 30_000
/** The same for each of kubectl's own requests. */
const answerIn = [`--request-timeout=${answerMs / 1000}s`]
/** Runs kubectl to its end; it does not outlive this process. */
async function finish(
  platform: Platform,
  kubectl: string,
  args: readonly string[],
  how: { readonly input?: string; readonly signal: AbortSignal },
): Promise<Finished> {
  const said: Record<Channel, string[]> = { stdout: [], stderr: [] }
  const code = await platform.processes.stream(kubectl, args, {
    ...how,
    env: signsOfLife,
    bound: true,
    onLine: (line, channel) => said[channel].push(line),
  })
  return { code, stdout: said.stdout.join('\n'), stderr: said.stderr.join('\n') }
}

async function answer(
  platform: Platform,
  socket: string,
  signal: AbortSignal,
  method: Method,
  path: string,
  body?: unknown,
): Promise<unknown> {
  const response = await platform.network.request({
    socket,
    method,
    path,
    signal,
    ...(body !== undefined && { body }),
  })
  if (response.status >= 300) throw await apiError(response)
  return JSON.parse(await response.text()) as unknown
}

async function* linesOf(
  platform: Platform,
  socket: string,
  path: string,
  signal: AbortSignal,
): AsyncIterable<string> {
  const response = await platform.network.request({ socket, method: 'GET', path, signal })
  if (response.status >= 300) throw await apiError(response)
  yield* response.lines()
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
