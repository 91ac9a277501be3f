/**
 * Sets `kubernetes.io/change-cause` of the released workloads, so that `kubectl rollout history` shows which
 * release made which revision. CronJobs have no such history.
 */
import { shortTag } from '../kubernetes/image.js'
import { errorOf } from '../kubernetes/kubectl.js'
import { titleOf } from '../state/lease.js'
import { changeCause, withAnnotation, type WorkloadObject } from '../kubernetes/objects.js'
import { idOf, type WorkloadKind } from '../kubernetes/workload.js'
import type { ClusterContext, ReleaseContext } from './context.js'
import { pinned, type Image } from '../docker/image.js'
import type { Target } from '../kubernetes/target.js'

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

/** Returns the same object with its cause, where its kind has a history. */
export function withCause(object: WorkloadObject, cause: string | undefined): WorkloadObject {
  return cause === undefined || object.kind === 'CronJob'
    ? object
    : withAnnotation(object, changeCause, cause)
}

/**
 * The controllers of these kinds copy annotations when they make a revision, and never again: the cause has to be
 * there before the template. The controller of a Deployment copies them to the newest ReplicaSet at any time:
 * before the template, the cause would go to the old one.
 */
export const causeFirst: readonly WorkloadKind[] = ['StatefulSet', 'DaemonSet']
export const causeAfter: readonly WorkloadKind[] = ['Deployment']

/**
 * Annotates the workloads of these kinds that only get an image, by one kubectl for all of them. A cause that
 * cannot be written is logged; it does not end the release.
 */
export async function annotate(
  { signal, cluster, log }: Pick<ClusterContext, 'signal' | 'cluster' | 'log'>,
  targets: readonly Target[],
  kinds: readonly WorkloadKind[],
  cause: string,
): Promise<void> {
  const ids = targets
    .filter(({ id, live, manifest, back }) => live && !manifest && !back && kinds.includes(id.kind))
    .map(({ id }) => idOf(id))
  if (ids.length === 0) return
  const args = ['annotate', '--overwrite', ...ids, `${changeCause}=${cause}`]
  log.say(cluster.commandLine(args))
  const done = await cluster.kubectl(args, { signal })
  if (done.code === 0) return
  log.say(`kubectl rollout history will not show this release: ${errorOf(done)}`)
}
