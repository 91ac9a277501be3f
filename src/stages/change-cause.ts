/**
 * Sets `kubernetes.io/change-cause` of the released workloads, so that `kubectl rollout history` shows which
 * release made which revision. CronJobs have no such history.
 */
import { shortTag } from '../kubernetes/image.js'
import { titleOf } from '../state/lease.js'
import { changeCause, withAnnotation, type WorkloadObject } from '../kubernetes/objects.js'
import type { ReleaseContext } from './context.js'
import { pinned, type Image } from '../docker/image.js'

/** `release of 4f2c1d9a… by ada, https://…`, or `rollback to …` */
export function causeOfChange({ command, holder }: ReleaseContext, image: Image): string {
  const what = command === 'rollback' ? 'rollback to' : 'release of'
  return `${what} ${shortTag(image.tag)} by ${titleOf(holder)}`
}

/** What a release writes into its workloads. */
export interface NewVersion {
  readonly repository: string
  /** As pod templates name it: `pinned`. */
  readonly image: string
  readonly cause: string
}

export function newVersionOf(context: ReleaseContext, image: Image): NewVersion {
  return {
    repository: context.settings.image,
    image: pinned(image),
    cause: causeOfChange(context, image),
  }
}

/**
 * Returns the same object with its cause, where its kind has a history. It is written together with the template: the
 * controllers of StatefulSets and DaemonSets copy it when they make a revision, and never again, that of a Deployment
 * copies it to the newest ReplicaSet at any time.
 */
export function withCause(object: WorkloadObject, cause: string | undefined): WorkloadObject {
  return cause === undefined || object.kind === 'CronJob'
    ? object
    : withAnnotation(object, changeCause, cause)
}
