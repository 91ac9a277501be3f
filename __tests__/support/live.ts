import type { Picture } from '../../src/judge/types.js'
import type { LivePicture } from '../../src/rollout/namespace-watch.js'

export interface Standing extends LivePicture {
  /** Tells all who listen, with another picture where one is given. */
  change(picture?: Picture): void
  /** How many listen. */
  readonly listeners: number
}

export const nothing: Picture = {
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
export function standing(picture: Picture = nothing): Standing {
  let shown = picture
  const callbacks = new Set<() => void>()
  return {
    picture: () => shown,
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
