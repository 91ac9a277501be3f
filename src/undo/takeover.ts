/**
 * Decides whether a pod of a StatefulSet has been Ready with its new template. A database whose new pod never
 * became Ready has written nothing that its previous version could not read; one that was Ready may have. Pure.
 */
import type { StatefulSet } from 'kubernetes-types/apps/v1'
import type { Pod } from 'kubernetes-types/core/v1'
import { conditionOf, isControlledBy, isReady } from '../judge/objects.js'

/** Returns whether a pod has been Ready with the new template. `pods`: all of the namespace, also terminating ones. */
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

/** Returns whether a pod has been Ready: it begins as not Ready, so a later change means that it was Ready in between. */
function hasBeenReady(pod: Pod): boolean {
  if (isReady(pod)) return true
  const { lastTransitionTime } = conditionOf(pod, 'Ready') ?? {}
  const { startTime } = pod.status ?? {}
  if (lastTransitionTime === undefined || startTime === undefined) return false
  return Date.parse(lastTransitionTime) - Date.parse(startTime) > beginningMs
}

/** Between the start of a pod and its first conditions, in ms: the kubelet writes both at once. */
const beginningMs = 2000
