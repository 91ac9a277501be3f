/** Puts a snapshot back, on a cluster that has its moments, and in which others write too. */
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
  type Looked,
  type ObjectSnapshot,
  type PutBy,
  type Snapshot,
  type UndoStep,
} from './snapshot.js'
import { hasTakenOver } from './takeover.js'

export interface Restored {
  readonly prior: ObjectSnapshot
  readonly did: UndoStep['do']
  /** As it stands now; none where it is not there. */
  readonly current?: KubeObject
  /** It makes pods as it did before. */
  readonly isBack?: true
  /** Why it was kept: `statefulset/db needs it`. */
  readonly why?: string
  /** What is somebody else's in it: `runs shop:hotfix`. */
  readonly theirs?: string
}

/** `deployment/web runs shop:hotfix; secret/db has another data.PASSWORD`: what was left to others. */
export function leftToOthers(restored: readonly Restored[]): string | undefined {
  const words = restored.flatMap(({ prior, theirs }) =>
    theirs === undefined ? [] : [`${titleOf(prior.object)} ${theirs}`],
  )
  return words.length === 0 ? undefined : words.join('; ')
}

/**
 * Puts every object of the snapshot back. Repeating it is harmless: what is back already is left alone. Each
 * write is guarded by the resourceVersion that it was decided on, and decided again when somebody else was
 * faster. Throws when an object cannot be read or written after retries: all others are back then, as far as
 * they can be.
 *
 * In three steps, since objects need each other. First what workloads read, so that the old version starts
 * with its own configuration; but for what workloads need that stay as they are. Then the workloads. What
 * the release has created goes last, when it is certain which workloads do not need it.
 *
 * What has its turn `after` (`Prior.back`) is for a second call, when the pods of the workloads are back.
 */
export async function restore(
  cluster: Cluster,
  clock: Clock,
  snapshot: Snapshot,
  stageLog: StageLog,
  signal: AbortSignal,
  turn: 'before' | 'after' = 'before',
): Promise<readonly Restored[]> {
  const patient = <T>(call: () => Promise<T>) =>
    retryTransient(
      clock,
      signal,
      call,
      // Somebody else wrote (409) or deleted it (404) first: what has to be done is decided anew.
      (error) =>
        isTransient(error) || (error instanceof ApiError && [404, 409].includes(error.status)),
    )
  const failed: unknown[] = []
  /** All at the same time; of those that cannot be read or written, `instead`. */
  const allOf = async (
    priors: Snapshot,
    one: (prior: ObjectSnapshot) => Promise<Looked>,
  ): Promise<readonly Looked[]> => {
    const ended = await Promise.allSettled(priors.map((prior) => patient(() => one(prior))))
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
      const line = told(done)
      if (line !== undefined) stageLog.say(line)
      return done
    })
  const leading = snapshot.filter(leads)
  const others = snapshot.filter((prior) => !leads(prior) && (prior.back ?? 'before') === turn)
  const changed = others.filter(({ change }) => change !== 'create')
  const created = others.filter(({ change }) => change === 'create')

  const needsAsked = turn === 'before' ? changed : others
  const looked =
    needsAsked.length === 0 ? [] : await allOf(leading, (prior) => look(cluster, prior, new Map()))
  const configured = await putBack(changed, neededAfter(looked))
  const led = turn === 'before' ? await putBack(leading, new Map()) : looked
  const removed = await putBack(created, neededAfter(led))
  if (failed.length > 0) throw failed[0]
  const done = [...configured, ...(turn === 'before' ? led : []), ...removed]
  return snapshot.flatMap((prior) => done.filter((one) => one.prior === prior).map(asRestored))
}

/** What cannot be looked at may still be as the release has left it, and need what that names. */
function asWritten(prior: ObjectSnapshot): Looked {
  return { prior, live: prior.written, step: { do: 'nothing' } }
}

function asRestored(looked: Looked): Restored {
  const { prior, live, step } = looked
  const theirs = step.do === 'theirs' ? step.words : step.do === 'put' ? step.theirs : undefined
  return {
    prior,
    did: step.do,
    ...(isTemplateBack(looked) && { isBack: true }),
    ...(live && { current: live }),
    ...(step.do === 'keep' && { why: step.why }),
    ...(theirs !== undefined && { theirs }),
  }
}

/**
 * What `restore` would do, without doing it: whether anything of the snapshot has changed at all.
 */
export async function changedSince(cluster: Cluster, snapshot: Snapshot): Promise<boolean> {
  const looked = await Promise.all(snapshot.map((prior) => look(cluster, prior, new Map())))
  return looked.some(({ step }) => step.do !== 'nothing')
}

/** Each object as the release has left it, where it is not as it was; for an end that puts nothing back. */
export async function standsSince(
  cluster: Cluster,
  snapshot: Snapshot,
): Promise<readonly Restored[]> {
  const looked = await Promise.all(snapshot.map((prior) => look(cluster, prior, new Map())))
  return looked.map(asRestored)
}

async function look(cluster: Cluster, prior: ObjectSnapshot, needs: Needs): Promise<Looked> {
  const live = await cluster.find<KubeObject>(prior.path)
  const isInQuestion =
    live &&
    prior.change !== 'create' &&
    isDatabase(prior) &&
    templateOwnership(prior, live) === 'written'
  const tookOver = isInQuestion ? hasTakenOver(live as StatefulSet, await podsIn(cluster)) : false
  const isAdmitted = live !== undefined && (await isAdmittedBack(cluster, prior, live))
  const step = planRestore(prior, live, { needs, tookOver, isAdmitted })
  return { prior, live, step, isAdmitted }
}

/**
 * Whether a template that is neither as before nor as written is what the server makes of the one before: an
 * admission webhook may have stamped or rewritten it when it was put back.
 */
async function isAdmittedBack(
  cluster: Cluster,
  prior: ObjectSnapshot,
  live: KubeObject,
): Promise<boolean> {
  if (prior.change === 'create' || isBeingDeleted(live) || isAnother(prior.object, live))
    return false
  if (!isWorkload(live) || hasTemplateBack(prior, live)) return false
  if (!['external', 'before'].includes(templateOwnership(prior, live))) return false
  const back = restoreTemplate(prior, live)
  try {
    const { resourceVersion: _, ...metadata } = back.metadata ?? {}
    const made = await cluster.dryRun<KubeObject>(prior.path, { ...back, metadata })
    return isWorkload(made) && isSameVersion(made, live)
  } catch (error) {
    // A webhook that refuses it, or takes no dry run; or it has changed in this moment.
    if (error instanceof ApiError && !isTransient(error)) return false
    throw error
  }
}

/** Asked for, and not looked up in a picture, which may lag behind. */
async function podsIn(cluster: Cluster): Promise<readonly Pod[]> {
  const path = collection('v1', cluster.namespace, 'pods')
  return (await cluster.get<{ readonly items: readonly Pod[] }>(path)).items
}

/** With the object as it stands then. */
async function restoreOne(cluster: Cluster, prior: ObjectSnapshot, needs: Needs): Promise<Looked> {
  const looked = await look(cluster, prior, needs)
  const { step } = looked
  const { resourceVersion } = looked.live?.metadata ?? {}
  const version = resourceVersion === undefined ? {} : { version: resourceVersion }
  switch (step.do) {
    case 'put':
      return { ...looked, live: await put(cluster, prior.path, step.object, step.by, version) }
    case 'delete':
      await cluster.remove(prior.path, {
        ...(step.uid !== undefined && { uid: step.uid }),
        ...version,
      })
      return { ...looked, live: undefined }
    case 'nothing':
    case 'keep':
    case 'ask':
    case 'theirs':
      return looked
  }
}

async function put(
  cluster: Cluster,
  path: string,
  object: KubeObject,
  by: PutBy,
  version: { readonly version?: string },
): Promise<KubeObject> {
  if (by.is === 'update') return cluster.put(path, object)
  if (by.is === 'replace') await cluster.remove(path, { uid: by.uid, ...version })
  return cluster.post(path.slice(0, path.lastIndexOf('/')), object)
}

function told({ prior, step }: Looked): string | undefined {
  const title = titleOf(prior.object)
  switch (step.do) {
    case 'put': {
      const { but = [], theirs } = step
      const left =
        theirs === undefined
          ? ''
          : `; it ${theirs}, which somebody else has set: that is left alone`
      const words =
        but.length === 0 ? '' : `, but for ${but.join(', ')}, which somebody else has changed`
      return `${title} put back${withDigests(step.object, prior.ran)}${words}${left}`
    }
    case 'delete':
      return `${title} removed: the release had created it`
    case 'keep':
      return `${title} kept, because ${step.why}`
    case 'ask':
      return `${title} was deleted by somebody else meanwhile`
    case 'theirs':
      return `${title} ${step.words}, which somebody else has set: left alone`
    case 'nothing':
      return undefined
  }
}

/** ` (latest as sha256:0a1b… that ran before)` */
function withDigests(object: KubeObject, ran: ObjectSnapshot['ran'] = {}): string {
  const images = isWorkload(object) ? usesOf(templateOf(object), () => true) : []
  const put = images.filter(({ name, image }) => ran[name] === image)
  const words = put.map(({ image }) => {
    const { tag, digest } = parseImage(image)
    return `${tag} as ${digest?.slice(0, 19)}`
  })
  return words.length === 0 ? '' : ` (${[...new Set(words)].join(', ')} that ran before)`
}
