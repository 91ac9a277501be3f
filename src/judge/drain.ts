/** How long pods may take to terminate. Pure. */
import { templateOf, type WorkloadObject } from '../kubernetes/objects.js'

/**
 * Returns how long the pods of these workloads may take to terminate, in ms: those of a StatefulSet and of a
 * DaemonSet one after the other, and all workloads in parallel.
 */
export function drainTime(workloads: readonly WorkloadObject[]): number {
  return Math.max(0, ...workloads.map(drainTimeOf))
}

function drainTimeOf(workload: WorkloadObject): number {
  if (workload.kind === 'CronJob') return 0
  const graceMs = (templateOf(workload).spec?.terminationGracePeriodSeconds ?? 30) * 1000
  const { status } = workload as { readonly status?: { desiredNumberScheduled?: number } }
  const { replicas = 1 } = workload.spec
  switch (workload.kind) {
    case 'StatefulSet':
      return graceMs * replicas
    case 'DaemonSet':
      return graceMs * (status?.desiredNumberScheduled ?? 1)
    default:
      return graceMs
  }
}
