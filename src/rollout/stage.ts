import type { Pod } from 'kubernetes-types/core/v1'
import { isReady } from './live.js'

/** A picture that the server has not confirmed for this long (ms) is stale: no deadline fires on it. */
export const STALE = 45_000

/** What a pod without any trouble is at. */
export function stageOf(pod: Pod): string {
  if (isReady(pod)) return 'ended with an error before; it has to stay Ready for a while'
  if (pod.spec?.nodeName === undefined) return 'waits for a node'
  const init = pod.status?.initContainerStatuses?.find(
    ({ state, started }) => state?.running && started !== true,
  )
  if (init) return `init container ${init.name} runs`
  const created = pod.status?.containerStatuses?.every(({ state }) => state?.running)
  return created ? 'starts' : 'its containers are being created'
}
