/**
 * The way to the cluster: kubectl brings the user's own credentials. One `kubectl proxy` on a private
 * socket serves all reading, watching and exact restores; the writes that people know are kubectl
 * commands.
 */
import { ApiError } from './apierror.js'
import { patiently } from './away.js'
import { Failure, fail } from '../report/cause.js'
import { within } from '../world/deadline.js'
import type { Finished, Response, StreamHow, World } from '../world/world.js'

export interface ClusterAccess {
  /** Path of a kubeconfig; what kubectl finds by itself when not given. */
  readonly kubeconfig?: string
  readonly context?: string
  readonly namespace: string
}

export interface Cluster {
  readonly namespace: string
  /** The server's version: `v1.34.4`. */
  readonly version: string
  /** Aborted when the connection is closed: whatever reads on in the background ends with it. */
  readonly life: AbortSignal
  /** Reads; goes on asking for a while when the server does not answer. */
  get<T>(path: string): Promise<T>
  /** Like `get`; `undefined` when the object is not there. */
  find<T>(path: string): Promise<T | undefined>
  post<T>(path: string, body: unknown): Promise<T>
  put<T>(path: string, body: unknown): Promise<T>
  /**
   * Deletes in the background; nothing happens when the object is gone already. With a uid, another object
   * that has taken its name meanwhile is a conflict.
   */
  remove(path: string, uid?: string): Promise<void>
  /** The lines of a long answer (a watch, a followed log) as they come. */
  lines(path: string, signal: AbortSignal): AsyncIterable<string>
  /** Runs kubectl against this cluster and namespace; the exit code is the caller's to judge. */
  kubectl(args: readonly string[], input?: string): Promise<Finished>
  /** The same for one that goes on until it is aborted; resolves with its exit code. */
  stream(args: readonly string[], how: Pick<StreamHow, 'signal' | 'onLine'>): Promise<number>
  /** The command line to print, so that a person can repeat it by hand. */
  commandLine(args: readonly string[]): string
  close(): Promise<void>
}

/** `signal` ends the opening; what is open then lives until it is closed. */
export async function openCluster(
  world: World,
  access: ClusterAccess,
  signal: AbortSignal,
): Promise<Cluster> {
  const kubectl = await findKubectl(world)
  const chosen = [
    ...(access.kubeconfig === undefined ? [] : ['--kubeconfig', access.kubeconfig]),
    ...(access.context === undefined ? [] : ['--context', access.context]),
  ]
  const inNamespace = [...chosen, '--namespace', access.namespace]
  const proxy = await startProxy(world, kubectl, chosen)
  const life = new AbortController()
  const ask = (method: 'GET' | 'POST' | 'PUT' | 'DELETE', path: string, body?: unknown) =>
    within(world.clock, answerMs, life.signal, (signal) =>
      answer(world, proxy.socket, signal, method, path, body),
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
      (await patiently(world.clock, life.signal, () => ask('GET', path))) as T,
    find: async <T>(path: string) => {
      try {
        return await cluster.get<T>(path)
      } catch (error) {
        if (error instanceof ApiError && error.status === 404) return undefined
        throw error
      }
    },
    post: async <T>(path: string, body: unknown) => (await ask('POST', path, body)) as T,
    put: async <T>(path: string, body: unknown) => (await ask('PUT', path, body)) as T,
    remove: async (path, uid) => {
      const only = uid === undefined ? {} : { preconditions: { uid } }
      try {
        await ask('DELETE', path, { propagationPolicy: 'Background', ...only })
      } catch (error) {
        if (!(error instanceof ApiError && error.status === 404)) throw error
      }
    },
    lines: (path, signal) => linesOf(world, proxy.socket, path, signal),
    kubectl: (args, input) =>
      world.processes.run(kubectl, [...inNamespace, ...args], input === undefined ? {} : { input }),
    stream: (args, how) =>
      world.processes.stream(kubectl, [...inNamespace, ...args], { ...how, bound: true }),
    commandLine: (args) => {
      const context = access.context === undefined ? [] : ['--context', access.context]
      return ['kubectl', ...context, '-n', access.namespace, ...args].map(shown).join(' ')
    },
    close,
  }
  try {
    // Asked once: whoever mistyped a name wants to know it at once.
    const { gitVersion } = (await answer(
      world,
      proxy.socket,
      AbortSignal.any([life.signal, signal]),
      'GET',
      '/version',
    )) as { gitVersion: string }
    return { ...cluster, version: gitVersion }
  } catch (error) {
    await close()
    signal.throwIfAborted()
    throw unreachable(error instanceof Error ? error.message : String(error))
  }
}

/** The machine's own kubectl, else one that is fetched. */
async function findKubectl(world: World): Promise<string> {
  const missing = (why: string): never =>
    fail({
      code: 'tool-missing',
      sentence: `kubectl is not on PATH${why}`,
      hint: 'install kubectl in a version near to the cluster’s',
    })
  try {
    return (
      (await world.processes.find('kubectl')) ?? (await world.tools.fetchKubectl()) ?? missing('')
    )
  } catch (error) {
    if (error instanceof Failure) throw error
    return missing(`, and cannot be fetched: ${error instanceof Error ? error.message : ''}`)
  }
}

/** One argument as a person would type it into a shell. */
function shown(argument: string): string {
  return /^[\w@%+=:,./*-]+$/.test(argument) && !argument.includes('*')
    ? argument
    : `'${argument.replaceAll("'", `'\\''`)}'`
}

/** A server that says nothing for so long does not answer, in ms. */
const answerMs = 30_000
/** A proxy that was ended is started again after this time, in ms. */
const restartMs = 250
/** What it said last, for the error's sentence. */
const mostLines = 20

interface Proxy {
  readonly socket: string
  readonly stop: () => Promise<void>
}

/** Ready when it says that it serves; kubectl's own words when it ends before. */
async function startProxy(
  world: World,
  kubectl: string,
  chosen: readonly string[],
): Promise<Proxy> {
  const folder = await world.files.socketFolder()
  const socket = `${folder}/kubectl.sock`
  const ending = new AbortController()
  const said: string[] = []
  const state = { served: false }
  let ended: Promise<number> = Promise.resolve(0)
  const serving = new Promise<void>((resolve, reject) => {
    const serve = () =>
      world.processes.stream(kubectl, [...chosen, 'proxy', '--unix-socket', socket], {
        signal: ending.signal,
        bound: true,
        onLine: (line) => {
          if (said.push(line) > mostLines) said.shift()
          if (line.startsWith('Starting to serve')) resolve()
        },
      })
    const keepServing = async (): Promise<number> => {
      const code = await serve()
      // Before it has served once, it is the user's kubeconfig that is wrong.
      reject(unreachable(said.join(' ')))
      if (!state.served) return code
      try {
        await world.clock.sleep(restartMs, ending.signal)
      } catch {
        return code
      }
      return keepServing()
    }
    ended = keepServing()
  })
  const stop = async () => {
    ending.abort()
    await ended
    await world.files.remove(folder)
  }
  try {
    await serving
    state.served = true
  } catch (error) {
    await stop()
    throw error
  }
  return { socket, stop }
}

function unreachable(words: string): Failure {
  return new Failure({
    code: 'cluster-unreachable',
    sentence: `the cluster does not answer: ${words.replace(/^error: /, '').trim()}`,
    hint: 'check the options kubeconfig and kube-context (kubectl config get-contexts), and that this machine reaches the cluster (kubectl version)',
  })
}

async function answer(
  world: World,
  socket: string,
  signal: AbortSignal,
  method: 'GET' | 'POST' | 'PUT' | 'DELETE',
  path: string,
  body?: unknown,
): Promise<unknown> {
  const response = await world.network.request({
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
  world: World,
  socket: string,
  path: string,
  signal: AbortSignal,
): AsyncIterable<string> {
  const response = await world.network.request({ socket, method: 'GET', path, signal })
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
