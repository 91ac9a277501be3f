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

export interface Restored {
  readonly prior: Prior
  readonly did: UndoStep['do']
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
      const step = await patiently(
        clock,
        signal,
        () => restoreOne(cluster, prior, needed),
        // Somebody else wrote (409) or deleted it (404) first: what has to be done is decided anew.
        (error) =>
          isPassing(error) || (error instanceof ApiError && [404, 409].includes(error.status)),
      )
      const line = told(prior, step)
      if (line !== undefined) journal.say(line)
      return { prior, did: step.do }
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
): Promise<UndoStep> {
  const step = undoOf(prior, await cluster.find<KubeObject>(prior.path), needed)
  switch (step.do) {
    case 'put':
      await put(cluster, prior.path, step.object, step.by)
      break
    case 'delete':
      await cluster.remove(prior.path)
      break
    case 'nothing':
    case 'keep':
    case 'ask':
  }
  return step
}

async function put(cluster: Cluster, path: string, object: KubeObject, by: PutBy): Promise<void> {
  if (by.is === 'update') {
    await cluster.put(path, object)
    return
  }
  if (by.is === 'replace') await cluster.remove(path, { uid: by.uid })
  await cluster.post(path.slice(0, path.lastIndexOf('/')), object)
}

function told({ object, ran }: Prior, step: UndoStep): string | undefined {
  switch (step.do) {
    case 'put':
      return `${titleOf(object)} put back${withDigests(step.object, ran)}`
    case 'delete':
      return `${titleOf(object)} removed: the release had created it`
    case 'keep':
      return `${titleOf(object)} stays as it is: it holds data, or data needs it`
    case 'ask':
      return `${titleOf(object)} was deleted by somebody else meanwhile`
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
