import type { ObjectMeta } from 'kubernetes-types/meta/v1'
import type { ClusterState } from './types.js'
import { oneLine } from './words.js'

export interface Owner {
  readonly kind: string
  readonly apiVersion: string
  /** `rollout/web` */
  readonly id: string
}

/** Owners that people do not know a pod by: what controls them, they do. */
export type Between = 'ReplicaSet' | 'Job'

/** Returns what controls a pod: the controller of those between, the pod itself where there is none. */
export function ownerOf(
  clusterState: ClusterState,
  metadata: ObjectMeta = {},
  between: readonly Between[] = ['ReplicaSet'],
): Owner {
  const owner = metadata.ownerReferences?.find(({ controller }) => controller)
  if (!owner) return { kind: 'Pod', apiVersion: 'v1', id: `pod/${metadata.name ?? ''}` }
  const { kind, apiVersion, name } = owner
  const objects = { ReplicaSet: clusterState.replicasets, Job: clusterState.jobs }
  const via = between.find((one) => one === kind)
  const above = via && objects[via].get(name)?.metadata
  return above?.ownerReferences?.some(({ controller }) => controller)
    ? ownerOf(clusterState, above, between)
    : // The name of an owner is never validated.
      { kind, apiVersion: oneLine(apiVersion), id: oneLine(`${kind.toLowerCase()}/${name}`) }
}
