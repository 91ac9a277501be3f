import type { Deployment, ReplicaSet, StatefulSet } from 'kubernetes-types/apps/v1'
import type { Event, Pod } from 'kubernetes-types/core/v1'
import type { Fault } from './catalogue.js'
import type { WorkloadId } from '../../src/kubernetes/workload.js'

/** What a real cluster showed of a fault. The first frame is how all stood before the write. */
export interface Recording {
  /** What of the fault decides about it, as it was recorded: `playedBy`. */
  readonly played: unknown
  readonly workload: WorkloadId
  /** What was written, by container. */
  readonly images: Readonly<Record<string, string>>
  /** The workload's, as our write made it. */
  readonly generation: number
  readonly frames: readonly Frame[]
  /** By `logKey`. */
  readonly logs: Readonly<Record<string, readonly string[]>>
}

/** A recording is stale when these have changed since. */
export function playedBy({ tag, always, change }: Fault): unknown {
  return { tag, always, change }
}

export interface Frame {
  /** Seconds after the write. */
  readonly at: number
  readonly changed: readonly Recorded[]
  /** `Pod/web-…` */
  readonly gone: readonly string[]
}

export type Recorded = { readonly kind: string; readonly metadata: { readonly name: string } } & (
  Deployment | StatefulSet | ReplicaSet | Pod | Event
)
