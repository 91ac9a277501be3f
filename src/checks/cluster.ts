/** The cluster, and the account there. Pure. */
import { ok, warning, type Finding } from '../report/finding.js'

/**
 * Events of the cluster that are this much older than a write, by the local clock, count as events of an earlier
 * write.
 */
const clocksMayDifferMs = 30_000

export function clusterFinding(
  version: string,
  context: string | undefined,
  namespace: string,
): Finding {
  const by = context === undefined ? '' : `, context ${context}`
  return ok('cluster', `Kubernetes ${version}${by}, namespace ${namespace}`)
}

/**
 * Returns how much the local clock is ahead of the server's, in ms; 0 where the difference is too small to see.
 *
 * @param stamped when the server made its answer, in whole seconds of the server's clock.
 * @param request when the request was sent and when its answer came, in ms by the local clock.
 */
export function aheadBy(
  stamped: string,
  request: { readonly from: number; readonly to: number },
): number {
  const earliest = Date.parse(stamped)
  const latest = earliest + 1000
  if (request.from > latest) return request.from - latest
  return request.to < earliest ? request.to - earliest : 0
}

export function clockFindings(aheadMs: number): readonly Finding[] {
  if (Math.abs(aheadMs) <= clocksMayDifferMs) return []
  const by = Math.round(Math.abs(aheadMs) / 1000)
  const message = `this machine’s clock is ${by} s ${aheadMs > 0 ? 'ahead of' : 'behind'} the cluster’s: times in the history are wrong, and missing pods of a StatefulSet or DaemonSet may be explained late or wrongly`
  return [warning('cluster', message, 'sudo timedatectl set-ntp true')]
}
