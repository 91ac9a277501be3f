/** The cluster, and who we are there. Pure. */
import { ok, warning, type Finding } from '../report/finding.js'

/** Events of the cluster that are so much older than a write, by our clock, are taken for those of an earlier one. */
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
 * How much our clock is ahead of the server's, in ms; 0 where that cannot be told apart.
 *
 * @param stamped when the server made its answer, in whole seconds of its own clock.
 * @param request when the answer was asked for, and when it came, in ms by our clock.
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
  const message = `this machine’s clock is ${by} s ${aheadMs > 0 ? 'ahead of' : 'behind'} the cluster’s: the history has wrong times, and why a StatefulSet or DaemonSet gets no pods may be told late or wrong`
  return [warning('cluster', message, 'sudo timedatectl set-ntp true')]
}
