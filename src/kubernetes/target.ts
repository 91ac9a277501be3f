import type { PodTemplateSpec } from 'kubernetes-types/core/v1'
import type { ContainerUse, WorkloadObject } from './objects.js'
import type { WorkloadId } from './workload.js'

/** A workload of the release. */
export interface Target {
  readonly id: WorkloadId
  readonly path: string
  /** The containers that run our image, as the manifest has them, else the live template. */
  readonly uses: readonly ContainerUse[]
  /** The images that those containers have in the live template. */
  readonly running: readonly string[]
  /** As it is in the cluster; not set if the manifests create it. */
  readonly live?: WorkloadObject
  /** As in the user's manifests; not set if only its image changes. */
  readonly manifest?: WorkloadObject
  /** The whole pod template that a rollback restores, with its images. */
  readonly back?: PodTemplateSpec
  /**
   * As the release leaves it, by the server's own dry run, with admission. Known once the lock is held.
   */
  readonly becomes?: WorkloadObject
  /** Configuration that its pods have read is changed by the release. */
  readonly restart?: Restart
}

/** The workload that serves the web, and what its migration Job is made from. */
export interface Web {
  readonly workload: WorkloadId
  readonly template: PodTemplateSpec
  /** The container that serves the web. */
  readonly container: string
  /** All containers that run our image. */
  readonly containers: readonly string[]
}

/** A restart, since the running pods have read configuration that the release changes. */
export interface Restart {
  /** What the annotation of the pod template becomes (`configHash`). */
  readonly hash: string
  /** `secret/shop` */
  readonly because: readonly string[]
}
