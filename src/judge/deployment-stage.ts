import type { Event, Pod } from 'kubernetes-types/core/v1'
import { isReady, lastEvent } from './objects.js'

/** A cluster state that the server has not confirmed for this long (ms) is stale: no deadline fires on it. */
export const STALE = 45_000

/**
 * Returns what a pod without a symptom is doing.
 *
 * @param events those about this pod, oldest first: no object says that an image is being pulled.
 */
export function stageOf(pod: Pod, events: readonly Event[]): string {
  if (isReady(pod)) return 'crashed before, so it must stay Ready for a while'
  if (pod.spec?.nodeName === undefined) return 'waits for a node'
  const init = pod.status?.initContainerStatuses?.find(
    ({ state, started }) => state?.running && started !== true,
  )
  if (init) return `init container ${init.name} runs`
  const created = pod.status?.containerStatuses?.every(({ state }) => state?.running)
  if (created) return 'starts'
  return lastEvent(events, ['Scheduled', 'Pulling', 'Pulled'])?.reason === 'Pulling'
    ? 'its image is being pulled'
    : 'its containers are being created'
}
