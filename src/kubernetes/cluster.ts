/**
 * The only access to the cluster: kubectl has the user's own credentials. One `kubectl proxy` on a private socket
 * serves all reading, watching and exact restores; the writes that people know are kubectl commands.
 */
import { isTransientAtFirst, retryTransient } from './retry.js'
import { OwnNames } from './own-names.js'
import { untilAnswered } from './kubectl.js'
import { kubectlEnvironment, startProxy, unreachable } from './proxy.js'
import { clientVersion, minorsApart } from './skew.js'
import { answer, answerMs, requestsOf, type Connection, type Requests } from './requests.js'
import { Failure, fail } from '../failure/failure.js'
import { shellQuote } from '../options/shell.js'
import type { Channel, Finished, Kubectl, StreamOptions, Platform } from '../platform/platform.js'
import { messageOf } from '../platform/error-message.js'
import { abortable, withTimeout } from '../platform/time.js'

export interface ClusterAccess {
  /** Path of a kubeconfig; kubectl's default if not given. */
  readonly kubeconfig?: string
  /** That path is the user's own, and may be shown: it exists after the run, too. */
  readonly keeps?: true
  readonly context?: string
  readonly namespace: string
  /** The image of this application. */
  readonly image?: string
}

export interface Cluster extends Requests, Commands {
  readonly namespace: string
  /** What it calls our image. */
  readonly names: OwnNames
  /** The server's version: `v1.34.4`. */
  readonly version: string
  /** The version of kubectl; empty where it is not known. */
  readonly client: string
  /** Aborted when the connection is closed: all reading in the background ends with it. */
  readonly life: AbortSignal
  close(): Promise<void>
}

export interface Commands {
  /**
   * Runs kubectl against this cluster and namespace, and retries while the server is unreachable; the caller judges
   * the exit code.
   */
  kubectl(args: readonly string[], options?: KubectlOptions): Promise<Finished>
  /** Runs `kubectl kustomize`, on this machine. */
  kustomize(folder: string): Promise<Finished>
  /** Runs a kubectl that prints the objects of files as it reads them, as JSON, on this machine. */
  printFiles(files: readonly string[]): Promise<Finished>
  /** Runs kubectl until it is aborted; resolves with its exit code. */
  stream(
    args: readonly string[],
    options: Pick<StreamOptions, 'signal' | 'onLine'>,
  ): Promise<number>
  /** Returns the command line to print, so that a user can repeat it. */
  commandLine(args: readonly string[]): string
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
  const found = await findKubectl(platform)
  const client = found.version ?? versionOfClient(platform, found.path, signal)
  const proxy = await startProxy(platform, found.path, chosenBy(access))
  const life = new AbortController()
  const close = async () => {
    life.abort()
    await proxy.stop()
  }
  const names = new OwnNames(access.image ?? '')
  const connection = { platform, socket: proxy.socket, life: life.signal, names }
  try {
    const version = await versionOf(connection, signal)
    const own = { path: found.path, version: await client }
    const kubectl = await fitting(platform, own, version, signal)
    return {
      namespace: access.namespace,
      names,
      version,
      client: kubectl.version,
      life: life.signal,
      ...requestsOf(connection),
      ...commandsOf(kubectl.path, access, connection),
      close,
    }
  } catch (error) {
    await close()
    signal.throwIfAborted()
    throw unreachable(messageOf(error))
  }
}

/** Requests the server's version: the first request, whose failure says that there is no such cluster. */
async function versionOf(connection: Connection, signal: AbortSignal): Promise<string> {
  const { clock } = connection.platform
  const first = AbortSignal.any([connection.life, signal])
  const startedAt = clock.now()
  const { gitVersion } = await retryTransient(
    clock,
    first,
    () => answer<{ gitVersion: string }>(connection, { method: 'GET', path: '/version' }, first),
    (error) => isTransientAtFirst(error, clock.now() - startedAt),
  )
  return gitVersion
}

function commandsOf(
  kubectl: string,
  access: ClusterAccess,
  { platform, life, names }: Pick<Connection, 'platform' | 'life' | 'names'>,
): Commands {
  const inNamespace = [...chosenBy(access), '--namespace', access.namespace]
  return {
    kubectl: (args, { input, signal = life, ensureHeld } = {}) =>
      untilAnswered(platform.clock, signal, async () => {
        const sure = (await ensureHeld?.()) ?? life
        const done = await finish(platform, kubectl, [...inNamespace, ...answerIn, ...args], {
          ...(input !== undefined && { input }),
          signal: AbortSignal.any([life, sure]),
        })
        if (done.code !== 0) sure.throwIfAborted()
        return { ...done, stdout: names.read(done.stdout) }
      }),
    kustomize: (folder) =>
      platform.processes.run(kubectl, ['kustomize', folder], { env: kubectlEnvironment }),
    printFiles: (files) => {
      // A patch that changes nothing: --local needs no server. It would still read the user's own kubeconfig.
      const args = ['patch', '--local', '--type=merge', '--patch={}', '--output=json']
      const none = '--kubeconfig=/dev/null'
      return platform.processes.run(
        kubectl,
        [...args, none, ...files.map((file) => `--filename=${csv(file)}`)],
        { env: kubectlEnvironment },
      )
    },
    stream: (args, options) =>
      platform.processes.stream(kubectl, [...inNamespace, ...args], {
        ...options,
        env: kubectlEnvironment,
        bound: true,
      }),
    commandLine: (args) => {
      const context = access.context === undefined ? [] : ['--context', access.context]
      const kubeconfig = access.keeps ? ['--kubeconfig', access.kubeconfig ?? ''] : []
      return ['kubectl', ...kubeconfig, ...context, '-n', access.namespace, ...args]
        .map(shellQuote)
        .join(' ')
    },
  }
}

/** kubectl reads the value of --filename as a line of CSV. */
function csv(file: string): string {
  return /[",]/.test(file) ? `"${file.replaceAll('"', '""')}"` : file
}

/** Returns the arguments that choose the cluster. */
function chosenBy({ kubeconfig, context }: ClusterAccess): readonly string[] {
  return [
    ...(kubeconfig === undefined ? [] : ['--kubeconfig', kubeconfig]),
    ...(context === undefined ? [] : ['--context', context]),
  ]
}

/** Returns the machine's own kubectl, whose version is not known, else downloads one. */
async function findKubectl(platform: Platform): Promise<Pick<Kubectl, 'path'> & Partial<Kubectl>> {
  const missing = (why: string): never =>
    fail({
      code: 'tool-missing',
      sentence: `kubectl is not on PATH${why}`,
      hint: 'install kubectl in a version close to the cluster’s',
    })
  try {
    const path = await platform.processes.find('kubectl')
    if (path !== undefined) return { path }
    return (await platform.tools.fetchKubectl(() => true)) ?? missing('')
  } catch (error) {
    if (error instanceof Failure) throw error
    return missing(`, and downloading it failed: ${messageOf(error)}`)
  }
}

/** How long kubectl may take to say its version, in ms: a script in its place may never do so. */
const versionMs = 5_000

/** Never rejects; empty where the version is not known. */
async function versionOfClient(
  platform: Platform,
  kubectl: string,
  signal: AbortSignal,
): Promise<string> {
  const args = ['version', '--client', '--output=json']
  try {
    const said = () => platform.processes.run(kubectl, args, { env: kubectlEnvironment })
    return await withTimeout(platform.clock, versionMs, signal, async (late) =>
      clientVersion(await abortable(late, said)),
    )
  } catch {
    return ''
  }
}

/** How long another kubectl may take to come, in ms: without a network its download is tried again and again. */
const fetchMs = 10_000

/**
 * Takes another kubectl where this one is too far from the server: most of what a release needs works with any, so
 * this one is used where no other can be had.
 */
async function fitting(
  platform: Platform,
  found: Kubectl,
  server: string,
  signal: AbortSignal,
): Promise<Kubectl> {
  const fits = (version: string) => minorsApart(version, server) === 0
  if (fits(found.version)) return found
  try {
    const other = await withTimeout(platform.clock, fetchMs, signal, (late) =>
      abortable(late, () => platform.tools.fetchKubectl(fits)),
    )
    return other ?? found
  } catch {
    signal.throwIfAborted()
    return found
  }
}

/** A time limit for each of kubectl's own requests. */
const answerIn = [`--request-timeout=${answerMs / 1000}s`]

/** Runs kubectl to its end; it does not outlive this process. */
async function finish(
  platform: Platform,
  kubectl: string,
  args: readonly string[],
  options: { readonly input?: string; readonly signal: AbortSignal },
): Promise<Finished> {
  const said: Record<Channel, string[]> = { stdout: [], stderr: [] }
  const code = await platform.processes.stream(kubectl, args, {
    ...options,
    env: kubectlEnvironment,
    bound: true,
    onLine: (line, channel) => said[channel].push(line),
  })
  return { code, stdout: said.stdout.join('\n'), stderr: said.stderr.join('\n') }
}
