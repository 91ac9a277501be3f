import type { Cluster } from '../kubernetes/cluster.js'
import { withTimeout } from '../platform/time.js'
import type { Clock } from '../platform/platform.js'
import type { LogWanted } from '../judge/types.js'

const tailLines = 200
const tailBytes = 256 * 1024
const logTimeoutMs = 5000

/**
 * Returns the last lines of a container's log; only the lines so far, or none, if no more arrive within `ms`
 * (the pod is gone, the container never ran, the node does not answer): the judge decides without them.
 */
export async function fetchLog(
  cluster: Cluster,
  clock: Clock,
  { pod, container, previous }: Pick<LogWanted, 'pod' | 'container' | 'previous'>,
  ms = logTimeoutMs,
): Promise<readonly string[]> {
  const path =
    `${logPath(cluster, pod, container)}&tailLines=${tailLines}&limitBytes=${tailBytes}` +
    (previous ? '&previous=true' : '')
  const lines: string[] = []
  await withTimeout(clock, ms, cluster.life, async (signal) => {
    try {
      for await (const line of cluster.lines(path, signal, {})) lines.push(line)
    } catch {
      // The caller sees it by the lines that are missing.
    }
  })
  return lines
}

export function logPath(cluster: Cluster, pod: string, container: string): string {
  return `/api/v1/namespaces/${cluster.namespace}/pods/${pod}/log?container=${container}`
}
