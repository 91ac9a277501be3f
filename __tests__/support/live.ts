import type { ClusterState } from '../../src/judge/types.js'
import type { NamespaceWatch } from '../../src/rollout/namespace-watch.js'

export interface StatusRow extends NamespaceWatch {
  /** Tells all who listen, with another picture where one is given. */
  change(clusterState?: ClusterState): void
  /** How many listen. */
  readonly listeners: number
}

export const nothing: ClusterState = {
  deployments: new Map(),
  statefulsets: new Map(),
  daemonsets: new Map(),
  cronjobs: new Map(),
  replicasets: new Map(),
  jobs: new Map(),
  pods: new Map(),
  events: new Map(),
  confirmedAt: 0,
}

/** A picture that changes by hand. */
export function standing(clusterState: ClusterState = nothing): StatusRow {
  let shown = clusterState
  const callbacks = new Set<() => void>()
  return {
    clusterState: () => shown,
    onChange: (callback) => {
      callbacks.add(callback)
      return () => callbacks.delete(callback)
    },
    change: (next = shown) => {
      shown = next
      for (const callback of callbacks) callback()
    },
    get listeners() {
      return callbacks.size
    },
  }
}
