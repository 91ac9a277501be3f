/**
 * Whether a StatefulSet has come up with its template. A database whose new pod never became Ready has
 * written nothing that its old version could not read; one that was Ready may have. Pure.
 */
import type { StatefulSet } from 'kubernetes-types/apps/v1'
import type { Pod } from 'kubernetes-types/core/v1'
import { conditionOf, isControlledBy, isReady } from '../judge/objects.js'

/** `pods`: all of the namespace, also those that end. */
export function hasTakenOver({ metadata, status }: StatefulSet, pods: readonly Pod[]): boolean {
  const { observedGeneration = 0, currentRevision, updateRevision } = status ?? {}
  // Its controller has not seen the template, so no pod was made of it.
  if (updateRevision === undefined || observedGeneration < (metadata?.generation ?? 0)) return false
  // Only when all pods have been Ready with it.
  if (currentRevision === updateRevision) return true
  return pods.some(
    (pod) =>
      isControlledBy(pod.metadata, metadata?.uid) &&
      pod.metadata?.labels?.['controller-revision-hash'] === updateRevision &&
      hasBeenReady(pod),
  )
}

/** A pod begins as not Ready; when that has changed since, it has been Ready in between. */
function hasBeenReady(pod: Pod): boolean {
  if (isReady(pod)) return true
  const { lastTransitionTime } = conditionOf(pod, 'Ready') ?? {}
  const { startTime } = pod.status ?? {}
  if (lastTransitionTime === undefined || startTime === undefined) return false
  return Date.parse(lastTransitionTime) - Date.parse(startTime) > beginningMs
}

/** Between the start of a pod and its first conditions, in ms: the kubelet writes both at once. */
const beginningMs = 2000
