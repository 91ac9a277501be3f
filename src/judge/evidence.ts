/** The evidence of a failure before its pods are gone. Pure: decides what to read and what to report. */
import type { Event, Pod } from 'kubernetes-types/core/v1'
import type { Cause } from '../failure/failure.js'
import { replicaSetOf, timeOf } from './objects.js'
import { brief } from './kubelet-messages.js'
import { lastEndOf, partsOf, type Part } from './pod-symptoms.js'
import type { LogWanted, ClusterState } from './types.js'
import { oneLine } from './words.js'

/** The most logs that are read of one pod. */
const mostLogs = 4
/** The most warnings that are reported. */
const mostWarnings = 8
/** The cluster's clock and ours may differ by so many ms. */
const clockSlack = 30_000

/** A log to read. */
export type LogToRead = Pick<LogWanted, 'pod' | 'container' | 'previous'>

/**
 * Returns the logs that may say why: of the container that the cause is about, and of those of its pod that
 * are not ready or have exited with an error, unless the cause has them already.
 */
export function logsToRead(clusterState: ClusterState, cause: Cause): readonly LogToRead[] {
  const { pod: name = '', container, logs = [] } = cause
  const pod = clusterState.pods.get(name)
  if (!pod) return []
  const read = logs.map(({ source }) => source)
  return partsOf(pod)
    .filter(({ spec, status }) => !read.includes(containerSource(spec.name)) && hasRun(status))
    .filter((part) => part.spec.name === container || !part.status.ready || hasFailed(part))
    .sort((one, other) => rank(one, container) - rank(other, container))
    .slice(0, mostLogs)
    .map((part) => ({
      pod: name,
      container: part.spec.name,
      previous: hasFailed(part) && part.status.state?.running !== undefined,
    }))
}

/** Returns the source of a log, for the report. */
export function containerSource(name: string, previous = false): string {
  return `container ${name}${previous ? ' before its restart' : ''}`
}

function hasRun({ state, lastState }: Part['status']): boolean {
  return [state?.running, state?.terminated, lastState?.terminated].some((one) => one !== undefined)
}

function hasFailed(part: Part): boolean {
  return (lastEndOf(part)?.code ?? 0) !== 0
}

function rank({ spec }: Part, container: string | undefined): number {
  return spec.name === container ? 0 : 1
}

/**
 * Returns the cluster's warnings about the pod of the cause and the claims that it mounts; without a pod, about
 * the workload: a line each, oldest first. Warnings that differ in numbers alone are one line. Warnings that
 * the sentence has already, or that follow from it, are left out.
 *
 * @param since our write, in ms since 1970: older ones are about something else.
 */
export function warningsOf(
  clusterState: ClusterState,
  cause: Cause,
  since: number,
): readonly string[] {
  const isAbout = subjectOf(clusterState, cause)
  const images = imagesOf(clusterState.pods.get(cause.pod ?? ''))
  const sentence = masked(cause.sentence)
  const groups = new Map<string, { readonly event: Event; readonly count: number }>()
  const events = [...clusterState.events.values()]
    .filter((event) => timeOf(event) >= since - clockSlack && isAbout(event))
    .filter((event) => isWarning(event) && !isNoise(event, cause))
    .sort((one, other) => timeOf(one) - timeOf(other))
  for (const event of events) {
    const words = masked(images.reduce<string>((text, image) => brief(text, image), bare(event)))
    // The sentence may have been cut.
    if (sentence.includes(words.slice(0, 100))) continue
    const key = `${event.involvedObject.uid ?? ''} ${event.reason ?? ''} ${words}`
    const count = (groups.get(key)?.count ?? 0) + (event.series?.count ?? event.count ?? 1)
    // A group is ordered by its newest event.
    groups.delete(key)
    groups.set(key, { event, count })
  }
  return [...groups.values()]
    .slice(-mostWarnings)
    .map(({ event, count }) => warning(event, count, cause))
}

function subjectOf(
  clusterState: ClusterState,
  { pod: name, workload = '' }: Cause,
): (e: Event) => boolean {
  const pod = clusterState.pods.get(name ?? '')
  if (pod) {
    const claims = (pod.spec?.volumes ?? []).map((one) => one.persistentVolumeClaim?.claimName)
    return ({ involvedObject: { uid, kind, name: about } }) =>
      uid === pod.metadata?.uid || (kind === 'PersistentVolumeClaim' && claims.includes(about))
  }
  const [kind, own = ''] = workload.split('/')
  const deployment = kind === 'deployment' ? clusterState.deployments.get(own) : undefined
  const objects = [
    deployment,
    deployment && replicaSetOf(clusterState, deployment),
    kind === 'statefulset' ? clusterState.statefulsets.get(own) : undefined,
    kind === 'daemonset' ? clusterState.daemonsets.get(own) : undefined,
    kind === 'job' ? clusterState.jobs.get(own) : undefined,
  ]
  const uids = objects.flatMap((object) => object?.metadata?.uid ?? [])
  return ({ involvedObject: { uid = '' } }) => uids.includes(uid)
}

function imagesOf(pod: Pod | undefined): readonly (string | undefined)[] {
  const containers = [...(pod?.spec?.initContainers ?? []), ...(pod?.spec?.containers ?? [])]
  return containers.length === 0 ? [undefined] : containers.map(({ image }) => image)
}

/** Returns whether an event is a warning. `FailedBinding` (no volume, and no storage class) has type Normal, but is one. */
function isWarning({ type, reason }: Event): boolean {
  return type === 'Warning' || reason === 'FailedBinding'
}

/** Returns whether an event only follows from the failure: a later retry, a refused connection where nothing runs. */
function isNoise({ reason, message = '' }: Event, { code }: Cause): boolean {
  if (reason === 'BackOff' || /^Error: (ErrImagePull|\w+BackOff)$/.test(message)) return true
  if (reason !== 'Unhealthy') return false
  return message.includes('connection refused') || /^(init-)?crash|^out-of-memory$/.test(code)
}

function bare({ message = '' }: Event): string {
  return message
    .replace(/^\(combined from similar events\): /, '')
    .replace(/^Error( creating)?: /, '')
}

/** Returns the same text for what differs in numbers, addresses and generated names alone; quoted names and answers count. */
function masked(text: string): string {
  return oneLine(text, Infinity)
    .replace(/\bpods "[^"]*"/g, 'pods')
    .replace(/("[^"]*"|statuscode: \d+)|[\w.:-]*\d[\w.:-]*/g, (_, kept?: string) => kept ?? '#')
}

function warning(event: Event, count: number, { pod }: Cause): string {
  const { kind = '', name = '' } = event.involvedObject
  const who = name === pod ? '' : `${kind.toLowerCase()}/${name}: `
  const times = count === 1 ? '' : ` (${count} times)`
  return oneLine(`${who}${event.reason ?? ''}${times}: ${bare(event)}`)
}
