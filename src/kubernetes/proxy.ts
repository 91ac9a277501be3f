/** Keeps `kubectl proxy` running on a private socket for as long as the run lasts. */
import { Failure } from '../failure/failure.js'
import type { Platform } from '../platform/platform.js'

/** For each kubectl that we start. */
export const kubectlEnvironment = {
  // A connection that is cut without a word is given up after 45 s, longer than a lock lasts, unless kubectl is set
  // (in seconds) to ask sooner for a sign of life.
  HTTP2_READ_IDLE_TIMEOUT_SECONDS: '5',
  HTTP2_PING_TIMEOUT_SECONDS: '5',
  // The user's own defaults and aliases are for the user's hands: a default `--dry-run` would write nothing.
  KUBERC: 'off',
}
/** A proxy that exited is restarted after this time, in ms. */
const restartMs = 250
/** Its last output, for the error's sentence. */
const mostLines = 20

export interface Proxy {
  readonly socket: string
  readonly stop: () => Promise<void>
}

/** Resolves when it serves. Throws with kubectl's words when it ends before. */
export async function startProxy(
  platform: Platform,
  kubectl: string,
  chosen: readonly string[],
): Promise<Proxy> {
  const folder = await platform.files.socketFolder()
  const socket = `${folder}/kubectl.sock`
  const ending = new AbortController()
  const said: string[] = []
  const state = { served: false }
  let ended: Promise<number> = Promise.resolve(0)
  const serving = new Promise<void>((resolve, reject) => {
    const serve = () =>
      platform.processes.stream(kubectl, [...chosen, 'proxy', '--unix-socket', socket], {
        signal: ending.signal,
        env: kubectlEnvironment,
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
        await platform.clock.sleep(restartMs, ending.signal)
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
    await platform.files.remove(folder)
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

export function unreachable(words: string): Failure {
  return new Failure({
    code: 'cluster-unreachable',
    sentence: `the cluster does not answer: ${words.replace(/^error: /, '').trim()}`,
    hint: 'check the options kubeconfig and kube-context (kubectl config get-contexts), and that this machine reaches the cluster (kubectl version)',
  })
}
