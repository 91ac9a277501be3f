/** Restores a snapshot, with retries and conflicts: others write to the cluster too. */
import type { StatefulSet } from 'kubernetes-types/apps/v1'
import type { Pod } from 'kubernetes-types/core/v1'
import { ApiError } from '../kubernetes/api-error.js'
import type { Cluster } from '../kubernetes/cluster.js'
import { isTransient, retryTransient } from '../kubernetes/retry.js'
import { parseImage } from '../kubernetes/image.js'
import {
  isBeingDeleted,
  isWorkload,
  templateOf,
  usesOf,
  type KubeObject,
} from '../kubernetes/objects.js'
import { collection } from '../kubernetes/paths.js'
import type { StageLog } from '../platform/stage-log.js'
import type { Clock } from '../platform/platform.js'
import type { Needs } from './needs.js'
import {
  hasTemplateBack,
  isAnother,
  isSameVersion,
  restoreTemplate,
  templateOwnership,
} from './ownership.js'
import {
  isDatabase,
  isTemplateBack,
  leads,
  neededAfter,
  titleOf,
  planRestore,
  type RestorePlan,
  type ObjectSnapshot,
  type Snapshot,
  type UndoStep,
} from './snapshot.js'
import { hasTakenOver } from './takeover.js'

export interface Restored {
  readonly prior: ObjectSnapshot
  readonly did: UndoStep['do']
  /** As it is now; not set if it does not exist. */
  readonly current?: KubeObject
  /** It creates pods as before the release. */
  readonly isBack?: true
  /** Why it was kept: `statefulset/db needs it`. */
  readonly why?: string
  /** The external changes in it: `runs shop:hotfix`. */
  readonly external?: string
}

/** Returns the external changes that were left alone: `deployment/web runs shop:hotfix; secret/db has another data.PASSWORD`. */
export function externalChanges(restored: readonly Restored[]): string | undefined {
  const words = restored.flatMap(({ prior, external }) =>
    external === undefined ? [] : [`${titleOf(prior.object)} ${external}`],
  )
  return words.length === 0 ? undefined : words.join('; ')
}

export interface RestoreContext {
  readonly cluster: Cluster
  readonly clock: Clock
  readonly log: StageLog
  readonly signal: AbortSignal
}

/**
 * Restores every object of the snapshot. Repeating it is harmless: it leaves restored objects alone. Each write
 * carries the resourceVersion on which it was decided, and is decided again after a conflict. Throws when an object
 * cannot be read or written after retries: all others are restored then, as far as possible.
 *
 * It has three steps, since objects need each other. First what workloads read, so that the previous version starts
 * with its own configuration; except what is needed by workloads that stay as they are. Then the workloads. Last it
 * removes what the release created, when it is certain which workloads do not need it.
 *
 * Objects with the turn `after` (`ObjectSnapshot.back`) need a second call, when the pods of the workloads are back.
 */
export async function restore(
  { cluster, clock, log, signal }: RestoreContext,
  snapshot: Snapshot,
  turn: 'before' | 'after' = 'before',
): Promise<readonly Restored[]> {
  const retrying = <T>(call: () => Promise<T>) =>
    retryTransient(
      clock,
      signal,
      call,
      // Another writer changed (409) or deleted it (404) first: decide again.
      (error) =>
        isTransient(error) || (error instanceof ApiError && [404, 409].includes(error.status)),
    )
  const failed: unknown[] = []
  /** Runs all in parallel; an object that cannot be read or written counts as the release left it. */
  const allOf = async (
    priors: Snapshot,
    one: (prior: ObjectSnapshot) => Promise<RestorePlan>,
  ): Promise<readonly RestorePlan[]> => {
    const ended = await Promise.allSettled(priors.map((prior) => retrying(() => one(prior))))
    return priors.flatMap((prior, i) => {
      const end = ended[i]
      if (end?.status === 'fulfilled') return [end.value]
      failed.push(end?.reason)
      return [asWritten(prior)]
    })
  }
  const putBack = (priors: Snapshot, needs: Needs) =>
    allOf(priors, async (prior) => {
      const done = await restoreOne(cluster, prior, needs)
      const line = restoreLine(done)
      if (line !== undefined) log.say(line)
      return done
    })
  const leading = snapshot.filter(leads)
  const others = snapshot.filter((prior) => !leads(prior) && (prior.back ?? 'before') === turn)
  const changed = others.filter(({ change }) => change !== 'create')
  const created = others.filter(({ change }) => change === 'create')

  const needing = turn === 'before' ? changed : others
  const plan =
    needing.length === 0 ? [] : await allOf(leading, (prior) => planOne(cluster, prior, new Map()))
  const configured = await putBack(changed, neededAfter(plan))
  const leadingPlans = turn === 'before' ? await putBack(leading, new Map()) : plan
  const removed = await putBack(created, neededAfter(leadingPlans))
  if (failed.length > 0) throw failed[0]
  const done = [...configured, ...(turn === 'before' ? leadingPlans : []), ...removed]
  return snapshot.flatMap((prior) => done.filter((one) => one.prior === prior).map(asRestored))
}

/** Returns the plan for an object that cannot be read: it may be as the release left it, and need what that names. */
function asWritten(prior: ObjectSnapshot): RestorePlan {
  return { prior, live: prior.written, step: { do: 'nothing' } }
}

function asRestored(plan: RestorePlan): Restored {
  const { prior, live, step } = plan
  const external =
    step.do === 'external' ? step.words : step.do === 'put' ? step.external : undefined
  return {
    prior,
    did: step.do,
    ...(isTemplateBack(plan) && { isBack: true }),
    ...(live && { current: live }),
    ...(step.do === 'keep' && { why: step.why }),
    ...(external !== undefined && { external }),
  }
}

/** Returns whether anything of the snapshot has changed, without restoring it. */
export async function changedSince(cluster: Cluster, snapshot: Snapshot): Promise<boolean> {
  const plan = await Promise.all(snapshot.map((prior) => planOne(cluster, prior, new Map())))
  return plan.some(({ step }) => step.do !== 'nothing')
}

/** Returns the current state of each object; for an end without a restore. */
export async function stateSince(
  cluster: Cluster,
  snapshot: Snapshot,
): Promise<readonly Restored[]> {
  const plan = await Promise.all(snapshot.map((prior) => planOne(cluster, prior, new Map())))
  return plan.map(asRestored)
}

async function planOne(
  cluster: Cluster,
  prior: ObjectSnapshot,
  needs: Needs,
): Promise<RestorePlan> {
  const live = await cluster.find<KubeObject>(prior.path)
  const isInQuestion =
    live &&
    prior.change !== 'create' &&
    isDatabase(prior) &&
    templateOwnership(prior, live) === 'release'
  const tookOver = isInQuestion ? hasTakenOver(live as StatefulSet, await podsIn(cluster)) : false
  const isAdmitted = live !== undefined && (await isAdmittedBack(cluster, prior, live))
  const step = planRestore(prior, live, { needs, tookOver, isAdmitted })
  return { prior, live, step, isAdmitted }
}

/**
 * Returns whether a template that is neither the previous nor the release's is what the server makes of the
 * previous one: an admission webhook may have stamped or rewritten it when it was restored.
 */
async function isAdmittedBack(
  cluster: Cluster,
  prior: ObjectSnapshot,
  live: KubeObject,
): Promise<boolean> {
  if (prior.change === 'create' || isBeingDeleted(live) || isAnother(prior.object, live))
    return false
  if (!isWorkload(live) || hasTemplateBack(prior, live)) return false
  if (!['external', 'previous'].includes(templateOwnership(prior, live))) return false
  const back = restoreTemplate(prior, live)
  try {
    const { resourceVersion: _, ...metadata } = back.metadata ?? {}
    const made = await cluster.dryRun<KubeObject>(prior.path, { ...back, metadata })
    return isWorkload(made) && isSameVersion(made, live)
  } catch (error) {
    // A webhook refuses it, or accepts no dry run; or the object has changed in this moment.
    if (error instanceof ApiError && !isTransient(error)) return false
    throw error
  }
}

/** Reads the pods from the server: the watches may lag behind. */
async function podsIn(cluster: Cluster): Promise<readonly Pod[]> {
  const path = collection('v1', cluster.namespace, 'pods')
  return (await cluster.get<{ readonly items: readonly Pod[] }>(path)).items
}

/** Restores one object and returns its plan with the object as it is then. */
async function restoreOne(
  cluster: Cluster,
  prior: ObjectSnapshot,
  needs: Needs,
): Promise<RestorePlan> {
  const plan = await planOne(cluster, prior, needs)
  const { step } = plan
  const { resourceVersion } = plan.live?.metadata ?? {}
  const version = resourceVersion === undefined ? {} : { version: resourceVersion }
  switch (step.do) {
    case 'put':
      return { ...plan, live: await put(cluster, prior.path, step, version) }
    case 'delete':
      await cluster.remove(prior.path, {
        ...(step.uid !== undefined && { uid: step.uid }),
        ...version,
      })
      return { ...plan, live: undefined }
    case 'nothing':
    case 'keep':
    case 'ask':
    case 'external':
      return plan
  }
}

async function put(
  cluster: Cluster,
  path: string,
  { object, by }: Extract<UndoStep, { do: 'put' }>,
  version: { readonly version?: string },
): Promise<KubeObject> {
  if (by.is === 'update') return cluster.put(path, object)
  if (by.is === 'replace') await cluster.remove(path, { uid: by.uid, ...version })
  return cluster.post(path.slice(0, path.lastIndexOf('/')), object)
}

function restoreLine({ prior, step }: RestorePlan): string | undefined {
  const title = titleOf(prior.object)
  switch (step.do) {
    case 'put': {
      const { but = [], external } = step
      const left =
        external === undefined
          ? ''
          : `; it ${external}, set by another client: that change was kept`
      const words = but.length === 0 ? '' : `, but for ${but.join(', ')}, changed by another client`
      return `${title} restored${withDigests(step.object, prior.ran)}${words}${left}`
    }
    case 'delete':
      return `${title} removed (created by the release)`
    case 'keep':
      return `${title} kept, because ${step.why}`
    case 'ask':
      return `${title} was deleted by another client`
    case 'external':
      return `${title} ${step.words}, set by another client: not restored`
    case 'nothing':
      return undefined
  }
}

/** Returns the digests with which it was restored: ` (latest as sha256:0a1b… that ran before)`. */
function withDigests(object: KubeObject, ran: ObjectSnapshot['ran'] = {}): string {
  const images = isWorkload(object) ? usesOf(templateOf(object), () => true) : []
  const put = images.filter(({ name, image }) => ran[name] === image)
  const words = put.map(({ image }) => {
    const { tag, digest } = parseImage(image)
    return `${tag} as ${digest?.slice(0, 19)}`
  })
  return words.length === 0 ? '' : ` (${[...new Set(words)].join(', ')} that ran before)`
}
