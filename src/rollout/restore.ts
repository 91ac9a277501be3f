import { ApiError } from '../kubernetes/apierror.js'
import type { Cluster } from '../kubernetes/cluster.js'
import { isPassing, patiently } from '../kubernetes/away.js'
import { parseImage } from '../kubernetes/image.js'
import { isWorkload, templateOf, usesOf, type KubeObject } from '../kubernetes/objects.js'
import type { Journal } from '../report/journal.js'
import type { Clock } from '../world/world.js'
import {
  neededByKept,
  titleOf,
  undoOf,
  type Prior,
  type PutBy,
  type Snapshot,
  type UndoStep,
} from './snapshot.js'
import { foreignImages } from './whose.js'

export interface Restored {
  readonly prior: Prior
  readonly did: UndoStep['do']
  /** As it stands now; none where it is not there. */
  readonly stands?: KubeObject
}

/** `deployment/web runs shop:hotfix`: what somebody else has set, so that it was left alone. */
export function leftToOthers(restored: readonly Restored[]): string | undefined {
  const words = restored.flatMap(({ prior, did, stands }) =>
    did === 'theirs' && stands ? [theirs(prior, stands)] : [],
  )
  return words.length === 0 ? undefined : words.join('; ')
}

function theirs(prior: Prior, stands: KubeObject): string {
  return `${titleOf(prior.object)} runs ${foreignImages(prior, stands)}`
}

/**
 * Puts every object of the snapshot back, all at the same time. Repeating it is harmless: what is back
 * already is left alone. Each write is guarded by the resourceVersion that it was decided on, and decided
 * again when somebody else was faster. Throws when an object cannot be read or written after retries: all
 * others are back then, as far as they can be.
 */
export async function restore(
  cluster: Cluster,
  clock: Clock,
  snapshot: Snapshot,
  journal: Journal,
  signal: AbortSignal,
): Promise<readonly Restored[]> {
  const needed = neededByKept(snapshot)
  const ended = await Promise.allSettled(
    snapshot.map(async (prior) => {
      const [step, stands] = await patiently(
        clock,
        signal,
        () => restoreOne(cluster, prior, needed),
        // Somebody else wrote (409) or deleted it (404) first: what has to be done is decided anew.
        (error) =>
          isPassing(error) || (error instanceof ApiError && [404, 409].includes(error.status)),
      )
      const line = told(prior, step, stands)
      if (line !== undefined) journal.say(line)
      return { prior, did: step.do, ...(stands && { stands }) }
    }),
  )
  return ended.map((one) => {
    if (one.status === 'rejected') throw one.reason
    return one.value
  })
}

/**
 * What `restore` would do, without doing it: whether anything of the snapshot has changed at all.
 */
export async function changedSince(cluster: Cluster, snapshot: Snapshot): Promise<boolean> {
  const needed = neededByKept(snapshot)
  const steps = await Promise.all(
    snapshot.map(async (prior) => {
      const live = await cluster.find<KubeObject>(prior.path)
      return undoOf(prior, live, needed).do
    }),
  )
  return steps.some((step) => step !== 'nothing')
}

async function restoreOne(
  cluster: Cluster,
  prior: Prior,
  needed: ReadonlySet<string>,
): Promise<readonly [UndoStep, KubeObject | undefined]> {
  const live = await cluster.find<KubeObject>(prior.path)
  const step = undoOf(prior, live, needed)
  switch (step.do) {
    case 'put':
      return [step, await put(cluster, prior.path, step.object, step.by)]
    case 'delete':
      await cluster.remove(prior.path, step.uid === undefined ? {} : { uid: step.uid })
      return [step, undefined]
    case 'nothing':
    case 'keep':
    case 'ask':
    case 'theirs':
      return [step, live]
  }
}

async function put(
  cluster: Cluster,
  path: string,
  object: KubeObject,
  by: PutBy,
): Promise<KubeObject> {
  if (by.is === 'update') return cluster.put(path, object)
  if (by.is === 'replace') await cluster.remove(path, { uid: by.uid })
  return cluster.post(path.slice(0, path.lastIndexOf('/')), object)
}

function told(prior: Prior, step: UndoStep, stands: KubeObject = prior.object): string | undefined {
  const { object, ran } = prior
  switch (step.do) {
    case 'put':
      return `${titleOf(object)} put back${withDigests(step.object, ran)}`
    case 'delete':
      return `${titleOf(object)} removed: the release had created it`
    case 'keep':
      return `${titleOf(object)} stays as it is: it holds data, or data needs it`
    case 'ask':
      return `${titleOf(object)} was deleted by somebody else meanwhile`
    case 'theirs':
      return `${theirs(prior, stands)}, which somebody else has set: left alone`
    case 'nothing':
      return undefined
  }
}

/** ` (latest as sha256:0a1b… that ran before)` */
function withDigests(object: KubeObject, ran: Prior['ran'] = {}): string {
  const images = isWorkload(object) ? usesOf(templateOf(object), () => true) : []
  const put = images.filter(({ name, image }) => ran[name] === image)
  const words = put.map(({ image }) => {
    const { tag, digest } = parseImage(image)
    return `${tag} as ${digest?.slice(0, 19)}`
  })
  return words.length === 0 ? '' : ` (${[...new Set(words)].join(', ')} that ran before)`
}
