/**
 * Watches the pods of a namespace beside the release and writes down when the cluster's own objects first
 * show something: the moment that reaction times are measured from.
 */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { stack } from './stack.js'

interface ContainerStatus {
  readonly restartCount: number
  readonly state?: State
  readonly lastState?: State
}

interface State {
  readonly terminated?: { readonly exitCode: number }
  readonly waiting?: { readonly reason?: string }
}

export interface SeenPod {
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> }
  readonly spec: { readonly containers: readonly { readonly image: string }[] }
  readonly status: { readonly containerStatuses?: readonly ContainerStatus[] }
}

export interface Sightings {
  /** When a pod first met the test, in ms since 1970. */
  first(): number | undefined
  stop(): void
}

export function watchPods(namespace: string, meets: (pod: SeenPod) => boolean): Sightings {
  const args = ['-n', namespace, 'get', 'pods', '--watch', '-o', 'json', '--output-watch-events']
  const child = spawn('kubectl', args, {
    env: { ...process.env, ...stack.env },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  let at: number | undefined
  createInterface(child.stdout).on('line', (line) => {
    const { object } = JSON.parse(line) as { object: SeenPod }
    if (at === undefined && meets(object)) at = Date.now()
  })
  return {
    first: () => at,
    stop: () => void child.kill(),
  }
}

/** The exit of a container with an error; the first one, or the one with this number. */
export function exited(pod: SeenPod, times = 1): boolean {
  return (pod.status.containerStatuses ?? []).some(({ state, lastState, restartCount }) => {
    const now = (state?.terminated?.exitCode ?? 0) !== 0 ? 1 : 0
    const before = (lastState?.terminated?.exitCode ?? 0) !== 0 ? restartCount : 0
    return now + before >= times
  })
}

export function waitsWith(pod: SeenPod, ...reasons: readonly string[]): boolean {
  return (pod.status.containerStatuses ?? []).some(({ state }) =>
    reasons.includes(state?.waiting?.reason ?? ''),
  )
}
