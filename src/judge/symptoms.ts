import type { ReplicaSet } from 'kubernetes-types/apps/v1'
import type { Event, Pod } from 'kubernetes-types/core/v1'
import {
  eventsOf,
  isControlledBy,
  isObserved,
  isReady,
  liveOf,
  ourPods,
  replicaSetOf,
  timeOf,
} from './objects.js'
import type { Live } from './objects.js'
import { endsOf, podSymptoms } from './pod-symptoms.js'
import type { Trouble } from '../options/troubles.js'
import type { DesiredWorkload, ClusterState } from './types.js'
import { oneLine } from './words.js'

/** The rows of the rules table: what kind of trouble a sign is. */
export type Reason = Trouble

/** The last end of a container. */
export interface Exit {
  readonly code: number
  /** 1 for the first end of this container in this pod. */
  readonly number: number
  /** Its log is the one of the run before the present one. */
  readonly previous: boolean
  /** The kubelet lets it wait before it is started again (CrashLoopBackOff). */
  readonly loops: boolean
  /** It runs again now. */
  readonly running: boolean
  /** The container has a probe that says when it is ready, so that having been Ready means something. */
  readonly probed: boolean
  /** What a probe said before the kubelet killed the container for it. */
  readonly probe?: string
}

/** The startupProbe under which a container stands now. */
export interface Startup {
  readonly container: string
  /** Which run of the container it is (its restart count). */
  readonly run: number
  /** How long the probe lets it take from its start, in ms. */
  readonly budget: number
}

/** One trouble that the cluster's objects show. */
export interface Symptom {
  readonly reason: Reason
  /** Under which the ledger remembers when it was first seen. Starts with the uid of the pod or object. */
  readonly key: string
  /** In the cluster's words, on one line. */
  readonly says: string
  readonly pod?: string
  readonly podUid?: string
  readonly container?: string
  /** The container is not the only one of its pod: sentences have to name it. */
  readonly oneOfMany?: boolean
  readonly image?: string
  readonly exit?: Exit
  /** What the probe asks for that is not met: `GET /healthz on port 8000`. */
  readonly asks?: string
  /** The pull secrets of the pod. */
  readonly pullSecrets?: readonly string[]
  readonly startups?: readonly Startup[]
  /** The readiness probe that is not met: when it asks first, and how long three tries take then, in ms. */
  readonly probing?: { readonly delay: number; readonly tries: number }
  /** Under which the ledger remembers the controller's newest attempt, where events tell of it. */
  readonly attempt?: string
  /** There may be room for it soon (`Room`). */
  readonly frees?: true
}

/**
 * Every trouble of the pods of our template, and of the controllers that make them.
 *
 * @param since our write, in ms since 1970: older events about the workload itself belong to an earlier
 * rollout. Half a minute is allowed for clocks that differ.
 * @param room of the namespace, by `roomOf`; asked for when a quota has refused a pod.
 */
export function symptomsOf(
  clusterState: ClusterState,
  desired: DesiredWorkload,
  since: number,
  room: () => Room,
): readonly Symptom[] {
  const live = liveOf(clusterState, desired.workload)
  if (!live || !isObserved(live, desired)) return []
  const pods = ourPods(clusterState, desired)
  return [
    ...pods.flatMap((pod) =>
      podSymptoms(pod, isWell(pod) ? [] : eventsOf(clusterState, pod.metadata?.uid)),
    ),
    ...controllerSigns(clusterState, live, desired, since, room),
  ]
}

/** Nothing to ask the events about: reading them is what costs in a large namespace. */
function isWell(pod: Pod): boolean {
  return isReady(pod) && endsOf(pod).every(({ failed }) => !failed)
}

function controllerSigns(
  clusterState: ClusterState,
  live: Live,
  desired: DesiredWorkload,
  since: number,
  room: () => Room,
): readonly Symptom[] {
  switch (live.kind) {
    case 'Deployment': {
      const set = replicaSetOf(clusterState, live.object)
      const conditions = live.object.status?.conditions ?? []
      const progressing = conditions.find(({ type }) => type === 'Progressing')
      const signs = set ? replicaSetSigns(set, clusterState, room) : []
      if (
        progressing?.status !== 'False' ||
        (desired.staleProgressing !== undefined &&
          progressing.lastTransitionTime === desired.staleProgressing)
      ) {
        return signs
      }
      const uid = live.object.metadata?.uid ?? ''
      const says = oneLine(progressing.message ?? progressing.reason ?? '')
      // Else the ReplicaSet itself could not be made (ReplicaSetCreateError).
      const reason =
        progressing.reason === 'ProgressDeadlineExceeded' ? 'ProgressDeadline' : 'PodRefused'
      return [...signs, { reason, key: `${uid}/${reason}`, says }]
    }
    case 'StatefulSet':
    case 'DaemonSet': {
      // These two have no condition that says it: only events do.
      const wanted =
        live.kind === 'StatefulSet'
          ? (live.object.spec?.replicas ?? 1)
          : (live.object.status?.desiredNumberScheduled ?? 0)
      const { uid = '' } = live.object.metadata ?? {}
      // With those that are ending: their place is taken until they are gone.
      const own = [...clusterState.pods.values()].filter((pod) => isControlledBy(pod.metadata, uid))
      if (own.length >= wanted) return []
      // One that was followed by a pod is over.
      const newest = Math.max(
        ...own.map((pod) => Date.parse(pod.metadata?.creationTimestamp ?? '')),
      )
      const failed = attemptsOf(clusterState, uid).findLast(
        (event) => timeOf(event) >= since - 30_000 && !(timeOf(event) <= newest),
      )
      return failed ? [refusal(uid, failed.message ?? '', failed, room)] : []
    }
    case 'CronJob':
      return []
  }
}

function replicaSetSigns(
  set: ReplicaSet,
  clusterState: ClusterState,
  room: () => Room,
): readonly Symptom[] {
  const failure = set.status?.conditions?.find(
    ({ type, status, reason }) =>
      type === 'ReplicaFailure' && status === 'True' && reason === 'FailedCreate',
  )
  if (!failure) return []
  const { uid = '' } = set.metadata ?? {}
  return [refusal(uid, failure.message ?? '', attemptsOf(clusterState, uid).at(-1), room)]
}

/** How the controller tells that it could not make a pod: an event, which each attempt counts up. */
export function attemptsOf(clusterState: ClusterState, uid: string | undefined): readonly Event[] {
  return eventsOf(clusterState, uid).filter(({ reason }) => reason === 'FailedCreate')
}

/** Whether the place of a pod that no node takes may become free. */
export interface Place {
  /** Changes whenever a pod of the namespace leaves a node, or comes to one. */
  readonly stand: string
  /** A pod is ending, or one of ours is starting on its node, after which an old one ends. */
  readonly frees: boolean
}

/** @param ours the pods of our templates, of all workloads of the release. */
export function placeOf(clusterState: ClusterState, ours: () => readonly Pod[]): Place {
  const holding = [...clusterState.pods.values()].filter(
    ({ spec, status }) =>
      spec?.nodeName !== undefined && status?.phase !== 'Succeeded' && status?.phase !== 'Failed',
  )
  return {
    stand: String(holding.length),
    get frees() {
      return (
        holding.some(({ metadata }) => metadata?.deletionTimestamp !== undefined) ||
        ours().some((pod) => pod.spec?.nodeName !== undefined && !isReady(pod))
      )
    },
  }
}

/** How a namespace's quota is taken: a release of several workloads moves all of it. */
export interface Room {
  /** Changes whenever a pod ends or is made, or one of ours becomes Ready. */
  readonly stand: string
  /** A pod is ending, or one of ours on its way to Ready, after which an old one ends. */
  readonly frees: boolean
}

/** @param ours the pods of our templates, of all workloads of the release. */
export function roomOf(clusterState: ClusterState, ours: readonly Pod[]): Room {
  const pods = [...clusterState.pods.values()].filter(
    ({ status }) => status?.phase !== 'Succeeded' && status?.phase !== 'Failed',
  )
  return {
    stand: `${pods.length}/${ours.filter(isReady).length}`,
    frees:
      pods.some(({ metadata }) => metadata?.deletionTimestamp !== undefined) ||
      ours.some((pod) => !isReady(pod)),
  }
}

/**
 * The API server's answer to a controller that wanted to make a pod.
 *
 * @param attempt the newest event about it.
 */
export function refusal(
  uid: string,
  message: string,
  attempt: Event | undefined,
  room: () => Room,
): Symptom {
  const reason = refusalReason(message)
  // The grace for a quota starts again whenever a pod ends or becomes Ready: the key says how they stand.
  const quota = reason === 'Quota' ? room() : undefined
  const stand = quota ? `/${quota.stand}` : ''
  const tried = attempt && `${uid}/attempt/${attempt.metadata.resourceVersion ?? ''}`
  return {
    reason,
    key: `${uid}/${reason}${stand}`,
    says: oneLine(message),
    ...(tried !== undefined && { attempt: tried }),
    ...(quota?.frees && { frees: true }),
  }
}

function refusalReason(message: string): 'Quota' | 'PodNotCreated' | 'PodRefused' {
  if (/exceeded quota|failed quota/i.test(message)) return 'Quota'
  if (/failed calling webhook|failed to call webhook/i.test(message)) return 'PodNotCreated'
  if (/forbidden|invalid|denied/i.test(message)) return 'PodRefused'
  // The API server or its store was busy, the service account's token is late…: the controller tries again.
  return 'PodNotCreated'
}
