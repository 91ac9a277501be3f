/** The kinds of objects whose pods may run our image. */
export type WorkloadKind = 'Deployment' | 'StatefulSet' | 'DaemonSet' | 'CronJob'

export interface WorkloadId {
  readonly kind: WorkloadKind
  readonly name: string
}

/** `deployment/web`: how kubectl and people name it; also the key in maps. */
export function idOf(workload: WorkloadId): string {
  return `${workload.kind.toLowerCase()}/${workload.name}`
}
