/** Writes workloads without a manifest: the image, and what goes with it in one write. */
import { ApiError } from '../kubernetes/api-error.js'
import { causeOfOutage, isTransient, retryTransient } from '../kubernetes/retry.js'
import { configHash } from '../kubernetes/configuration.js'
import {
  decided,
  same,
  templateOf,
  withImages,
  withTemplate,
  type KubeObject,
  type WorkloadObject,
} from '../kubernetes/objects.js'
import { idOf } from '../kubernetes/workload.js'
import { fail } from '../failure/failure.js'
import { isSameVersion } from '../undo/ownership.js'
import { deletion } from '../judge/rollout-status.js'
import { withCause, type NewVersion } from './change-cause.js'
import type { ClusterContext } from './context.js'
import { changeSince, supersededBy } from './superseded.js'
import type { Target } from '../kubernetes/target.js'

/** A workload that exists, and has no manifest. */
type Edited = Target & { readonly live: WorkloadObject }

/** Returns the live workload as the release writes it, before the server's admission has seen it. */
export function edited({ live, back, uses, restart }: Edited, image: string): WorkloadObject {
  if (back) return withTemplate(live, back)
  const images = Object.fromEntries(uses.map(({ name }) => [name, image]))
  const template = withImages(templateOf(live), images)
  if (!restart) return withTemplate(live, template)
  const annotations = { ...template.metadata?.annotations, [configHash]: restart.hash }
  return withTemplate(live, { ...template, metadata: { ...template.metadata, annotations } })
}

function editedOf(targets: readonly Target[]): readonly Edited[] {
  return targets.filter((target): target is Edited => !target.manifest && target.live !== undefined)
}

/**
 * Returns these workloads as the server would leave them, by a dry run of the same change: an admission webhook
 * may stamp or rewrite the template. A refusal is known before anything is written. The dry run sends the whole
 * object, so that concurrent changes by others are not in the answer.
 */
export function planEdits(
  context: Pick<ClusterContext, 'cluster' | 'log'>,
  targets: readonly Target[],
  { image, cause }: NewVersion,
): Promise<readonly WorkloadObject[]> {
  return Promise.all(
    editedOf(targets).map(async (target) => {
      const wanted = withCause(edited(target, image), cause)
      const made = await tried(context, target, wanted)
      return made ? withTemplate(wanted, templateOf(made)) : wanted
    }),
  )
}

async function tried(
  { cluster, log }: Pick<ClusterContext, 'cluster' | 'log'>,
  { id, path }: Target,
  wanted: WorkloadObject,
): Promise<WorkloadObject | undefined> {
  try {
    const { resourceVersion: _, ...metadata } = wanted.metadata ?? {}
    const sent = { ...wanted, metadata }
    const made = await cluster.dryRun<WorkloadObject>(path, sent)
    // What it calls ours is compared as ours.
    return cluster.names.learn(sent, made) ? await cluster.dryRun(path, sent) : made
  } catch (error) {
    if (!(error instanceof ApiError) || causeOfOutage(error)) throw error
    const words = error.message
    if (words.includes('does not support dry run')) {
      log.say(
        `${idOf(id)}: ${words}: its changes to the new version are known only after the write`,
      )
      return undefined
    }
    // It is gone or another object by now: this is found right before it is written.
    if (error.status === 404 || error.status === 409) return undefined
    return fail({
      code: 'write-failed',
      sentence: `the cluster refuses the new version of ${idOf(id)}: ${words}`,
      workload: id.name,
    })
  }
}

/** Receives what the server has made of written objects. */
type Answers = (objects: readonly KubeObject[]) => void

/**
 * Writes the edits; `answers` receives what the server made of each, also of those before one that fails. The
 * caller waits for all together: none may arrive after its undo.
 */
export function writeEdits(
  context: ClusterContext,
  targets: readonly Target[],
  version: NewVersion,
  answers: Answers,
): readonly Promise<void>[] {
  const edits = editedOf(targets)
  const [back, next] = [edits.filter((one) => one.back), edits.filter((one) => !one.back)]
  if (next.length > 0) context.log.say(imageLine(next, version))
  for (const { id } of back) context.log.say(`${idOf(id)} gets the pod template of that release`)
  return edits.map((target) => writeEdit(context, target, version, answers))
}

/** `image ghcr.io/acme/shop:1@sha256:0f for deployment/web (web), each by one write over …` */
function imageLine(edits: readonly Edited[], { image }: NewVersion): string {
  const places = edits.map(
    ({ id, uses }) => `${idOf(id)} (${uses.map(({ name }) => name).join(', ')})`,
  )
  return `image ${image} for ${places.join(', ')}, each by one write over the version in the snapshot`
}

/**
 * Writes the pod template and the change-cause: one write and one rollout. It is guarded by the version that the
 * snapshot has: a workload that others have changed since is read again, and left alone where its template has changed.
 */
async function writeEdit(
  { platform, signal, cluster }: ClusterContext,
  target: Edited,
  { image, cause }: NewVersion,
  answers: Answers,
): Promise<void> {
  const { id, path, live, becomes } = target
  let now: WorkloadObject | undefined = live
  let isStale = false
  await retryTransient(
    platform.clock,
    signal,
    async () => {
      signal.throwIfAborted()
      if (isStale) now = await cluster.find<WorkloadObject>(path)
      if (!now) return fail(supersededBy({ [idOf(id)]: deletion }))
      const wanted = withCause(edited({ ...target, live: now }, image), cause)
      // The answer to the last try was lost.
      if (isStale && same(decided(now), decided(wanted))) return
      const by = changeSince(id, live, now)
      if (by !== undefined) {
        // Or was it this run's own write, as admission has made it?
        if (becomes && isSameVersion(now, becomes)) return
        fail(supersededBy({ [idOf(id)]: by }))
      }
      try {
        answers([await cluster.put(path, wanted)])
      } catch (error) {
        isStale = isConflict(error)
        throw error
      }
    },
    (error) => isTransient(error) || isConflict(error),
  )
}

/** Returns whether the object is another one by now, or gone. */
function isConflict(error: unknown): boolean {
  return error instanceof ApiError && [404, 409].includes(error.status)
}
