import type { ReplicaSet } from 'kubernetes-types/apps/v1'
import type { Event, Pod } from 'kubernetes-types/core/v1'
import {
  allPodsOf,
  eventsOf,
  isObserved,
  isReady,
  liveOf,
  desiredPods,
  replicaSetOf,
  timeOf,
} from './objects.js'
import type { Live } from './objects.js'
import { endsOf, podSymptoms } from './pod-symptoms.js'
import type { MissingConfiguration } from './remedies.js'
import type { FailureReason } from '../options/failure-reasons.js'
import type { DesiredWorkload, ClusterState } from './types.js'
import { oneLine } from './words.js'

/** The last exit of a container. */
export interface Exit {
  readonly code: number
  /** 1 for the first exit of this container in this pod. */
  readonly number: number
  /** Its log is the log of the run before the current one. */
  readonly previous: boolean
  /** The kubelet waits before it starts it again (CrashLoopBackOff). */
  readonly loops: boolean
  /** The container runs again now. */
  readonly running: boolean
  /** The container has a probe that decides when it is ready, so that having been Ready means something. */
  readonly probed: boolean
  /** The answer of the probe for which the kubelet killed the container. */
  readonly probe?: string
}

/** The startupProbe that a container has not passed yet. */
export interface Startup {
  readonly container: string
  /** The run of the container (its restart count). */
  readonly run: number
  /** How long the probe allows from the container's start, in ms. */
  readonly budget: number
}

/** One thing that is wrong with a pod or workload, by the cluster's objects. */
export interface Symptom {
  readonly reason: FailureReason
  /** Its key in the `Observations`, for when it was first seen. Starts with the uid of the pod or object. */
  readonly key: string
  /** In the cluster's words, on one line. */
  readonly message: string
  readonly pod?: string
  readonly podUid?: string
  readonly container?: string
  /** The container is not the only one of its pod: sentences must name it. */
  readonly oneOfMany?: boolean
  readonly image?: string
  readonly exit?: Exit
  /** What the probe that failed requests: `GET /healthz on port 8000`. */
  readonly probeTarget?: string
  /** The pull secrets of the pod. */
  readonly pullSecrets?: readonly string[]
  readonly startups?: readonly Startup[]
  /** The readiness probe that has not succeeded: its initial delay, and how long three tries take then, in ms. */
  readonly probing?: { readonly delay: number; readonly tries: number }
  /** The key in the `Observations` of the controller's newest attempt, if events report it. */
  readonly attempt?: string
  /** What of its configuration is missing. */
  readonly missing?: MissingConfiguration
  /** There may be room for it soon (`Room`). */
  readonly frees?: true
}

/**
 * Returns every symptom of the pods of the new template, and of the controllers that make them.
 *
 * @param since our write, in ms since 1970: older events about the workload itself belong to an earlier
 * rollout. Half a minute is allowed for clocks that differ.
 * @param room of the namespace, by `roomOf`; called when a quota has refused a pod.
 */
export function symptomsOf(
  clusterState: ClusterState,
  desired: DesiredWorkload,
  since: number,
  room: () => Room,
): readonly Symptom[] {
  const live = liveOf(clusterState, desired.workload)
  if (!live || !isObserved(live, desired)) return []
  const pods = desiredPods(clusterState, desired)
  return [
    ...pods.flatMap((pod) =>
      podSymptoms(pod, isWell(pod) ? [] : eventsOf(clusterState, pod.metadata?.uid)),
    ),
    ...controllerSymptoms(live, desired, clusterState, { since, room }),
  ]
}

/** Returns whether a pod needs no events: reading them is the expensive part in a large namespace. */
function isWell(pod: Pod): boolean {
  return isReady(pod) && endsOf(pod).every(({ failed }) => !failed)
}

function controllerSymptoms(
  live: Live,
  desired: DesiredWorkload,
  clusterState: ClusterState,
  { since, room }: { readonly since: number; readonly room: () => Room },
): readonly Symptom[] {
  switch (live.kind) {
    case 'Deployment': {
      const set = replicaSetOf(clusterState, live.object)
      const conditions = live.object.status?.conditions ?? []
      const progressing = conditions.find(({ type }) => type === 'Progressing')
      const symptoms = set ? replicaSetSymptoms(set, clusterState, room) : []
      if (
        progressing?.status !== 'False' ||
        (desired.staleProgressing !== undefined &&
          progressing.lastTransitionTime === desired.staleProgressing)
      ) {
        return symptoms
      }
      const uid = live.object.metadata?.uid ?? ''
      const message = oneLine(progressing.message ?? progressing.reason ?? '')
      // Else the ReplicaSet itself could not be made (ReplicaSetCreateError).
      const reason =
        progressing.reason === 'ProgressDeadlineExceeded' ? 'ProgressDeadline' : 'PodRefused'
      return [...symptoms, { reason, key: `${uid}/${reason}`, message }]
    }
    case 'StatefulSet':
    case 'DaemonSet': {
      // These two have no condition for it: only events report it.
      const wanted =
        live.kind === 'StatefulSet'
          ? (live.object.spec?.replicas ?? 1)
          : (live.object.status?.desiredNumberScheduled ?? 0)
      const { uid = '' } = live.object.metadata ?? {}
      // Terminating pods count: they keep their place until they are gone.
      const own = allPodsOf(clusterState, uid)
      if (own.length >= wanted) return []
      // A failed attempt that a pod followed is over.
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

function replicaSetSymptoms(
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

/** Returns the events by which a controller reports that it could not create a pod; each attempt counts one up. */
export function attemptsOf(clusterState: ClusterState, uid: string | undefined): readonly Event[] {
  return eventsOf(clusterState, uid).filter(({ reason }) => reason === 'FailedCreate')
}

/** Whether a pod that fits on no node may get a place soon. */
export interface Place {
  /** Changes whenever a pod of the namespace leaves a node, or comes to one. */
  readonly fingerprint: string
  /** A pod is terminating, or one of the new template is starting on its node, after which an old one terminates. */
  readonly frees: boolean
}

/**
 * Returns whether a pod that fits on no node may get a place soon.
 *
 * @param desiredPods the pods of the new templates, of all workloads of the release.
 */
export function placeOf(clusterState: ClusterState, desiredPods: () => readonly Pod[]): Place {
  const holding = [...clusterState.pods.values()].filter(
    ({ spec, status }) =>
      spec?.nodeName !== undefined && status?.phase !== 'Succeeded' && status?.phase !== 'Failed',
  )
  return {
    fingerprint: String(holding.length),
    get frees() {
      return (
        holding.some(({ metadata }) => metadata?.deletionTimestamp !== undefined) ||
        desiredPods().some((pod) => pod.spec?.nodeName !== undefined && !isReady(pod))
      )
    },
  }
}

/** How a namespace's quota is used: a release of several workloads moves all of it. */
export interface Room {
  /** Changes whenever a pod ends or is created, or one of the new template becomes Ready. */
  readonly fingerprint: string
  /** A pod is terminating, or one of the new template is not Ready yet, after which an old one terminates. */
  readonly frees: boolean
}

/**
 * Returns how the namespace's quota is used.
 *
 * @param desiredPods the pods of the new templates, of all workloads of the release.
 */
export function roomOf(clusterState: ClusterState, desiredPods: readonly Pod[]): Room {
  const pods = [...clusterState.pods.values()].filter(
    ({ status }) => status?.phase !== 'Succeeded' && status?.phase !== 'Failed',
  )
  return {
    fingerprint: `${pods.length}/${desiredPods.filter(isReady).length}`,
    frees:
      pods.some(({ metadata }) => metadata?.deletionTimestamp !== undefined) ||
      desiredPods.some((pod) => !isReady(pod)),
  }
}

/**
 * Returns the symptom of a controller whose request for a pod the API server refused.
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
  // The grace for a quota starts again whenever a pod ends or becomes Ready: the key has the fingerprint.
  const quota = reason === 'Quota' ? room() : undefined
  const fingerprint = quota ? `/${quota.fingerprint}` : ''
  const tried = attempt && `${uid}/attempt/${attempt.metadata.resourceVersion ?? ''}`
  return {
    reason,
    key: `${uid}/${reason}${fingerprint}`,
    message: oneLine(message),
    ...(tried !== undefined && { attempt: tried }),
    ...(quota?.frees && { frees: true }),
  }
}

function refusalReason(message: string): 'Quota' | 'PodNotCreated' | 'PodRefused' {
  if (/exceeded quota|failed quota/i.test(message)) return 'Quota'
  if (/failed calling webhook|failed to call webhook/i.test(message)) return 'PodNotCreated'
  if (/forbidden|invalid|denied/i.test(message)) return 'PodRefused'
  // The API server or its store was busy, the service account's token is late…: the controller retries.
  return 'PodNotCreated'
}
