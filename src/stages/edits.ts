/** Writes workloads without a manifest: the image, and what goes with it in one write. */
import { ApiError } from '../kubernetes/api-error.js'
import { causeOfOutage, isTransient, retryTransient } from '../kubernetes/retry.js'
import { configHash } from '../kubernetes/configuration.js'
import {
  decided,
  same,
  templateOf,
  usesOf,
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

/** The patch that is merged into the pod template; containers by their names. */
interface TemplatePatch {
  readonly metadata?: { readonly annotations: Readonly<Record<string, string>> }
  readonly spec: {
    readonly containers?: readonly NewImage[]
    readonly initContainers?: readonly NewImage[]
  }
}

interface NewImage {
  readonly name: string
  readonly image: string
}

/**
 * Returns what the release changes in the live template: the one source of what is written (`edited`), and of the
 * commands that the log has for it (`imageCommands`, `patchCommands`).
 */
function patchOf({ uses, restart }: Target, image: string): TemplatePatch {
  const named = (init: boolean) =>
    uses.filter((use) => use.init === init).map(({ name }) => ({ name, image }))
  const [containers, initContainers] = [named(false), named(true)]
  return {
    ...(restart && { metadata: { annotations: { [configHash]: restart.hash } } }),
    spec: {
      ...(containers.length > 0 && { containers }),
      ...(initContainers.length > 0 && { initContainers }),
    },
  }
}

function imagesIn({ spec: { containers = [], initContainers = [] } }: TemplatePatch) {
  return [...initContainers, ...containers]
}

/** Returns the live workload as the release writes it, before the server's admission has seen it. */
export function edited(target: Edited, image: string): WorkloadObject {
  const { live, back } = target
  if (back) return withTemplate(live, back)
  const patch = patchOf(target, image)
  const images = Object.fromEntries(imagesIn(patch).map((one) => [one.name, one.image]))
  const { metadata, ...template } = withImages(templateOf(live), images)
  if (!patch.metadata) return withTemplate(live, { ...template, ...(metadata && { metadata }) })
  const annotations = { ...metadata?.annotations, ...patch.metadata.annotations }
  return withTemplate(live, { ...template, metadata: { ...metadata, annotations } })
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
  const { cluster, log } = context
  const { image } = version
  for (const args of [...imageCommands(targets, image), ...patchCommands(targets, image)])
    log.say(cluster.commandLine(args))
  return editedOf(targets).map((target) => {
    if (target.back) log.say(`${idOf(target.id)} gets the pod template of that release`)
    return writeEdit(context, target, version, answers)
  })
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

/** A line names so many workloads at most. */
const enoughForACall = 15
const mostCalls = 4

/**
 * Returns the `kubectl set image` commands that write the same, for people. One call takes many workloads,
 * but all of them must have the containers that it names (otherwise it fails with some changed and some not):
 * workloads that have only released containers share calls, the others share a call with workloads of the same
 * containers.
 */
export function imageCommands(
  targets: readonly Target[],
  image: string,
): readonly (readonly string[])[] {
  const written = editedOf(targets).filter(({ back, restart }) => !back && !restart)
  const whole = written.filter(isWhole)
  const namesOf = (target: Target) =>
    imagesIn(patchOf(target, image))
      .map(({ name }) => name)
      .sort()
      .join(' ')
  const names = new Set(whole.map(namesOf))
  const groups = new Map<string, string[]>()
  for (const target of written) {
    const containers = names.size > 1 && whole.includes(target) ? '*' : namesOf(target)
    groups.set(containers, [...(groups.get(containers) ?? []), idOf(target.id)])
  }
  return [...groups].flatMap(([containers, ids]) => {
    const images = containers.split(' ').map((name) => `${name}=${image}`)
    return partsOf(ids).map((part) => ['set', 'image', ...part, ...images])
  })
}

/**
 * Returns the same as `kubectl patch` commands for the workloads that restart: image and hash are one
 * write, and so one rollout. Workloads that get the same patch share a call.
 */
export function patchCommands(
  targets: readonly Target[],
  image: string,
): readonly (readonly string[])[] {
  const groups = new Map<string, string[]>()
  for (const target of targets) {
    if (target.manifest || !target.live || target.back || !target.restart) continue
    const patch = JSON.stringify({ spec: { template: patchOf(target, image) } })
    groups.set(patch, [...(groups.get(patch) ?? []), idOf(target.id)])
  }
  return [...groups].flatMap(([patch, ids]) =>
    partsOf(ids).map((part) => ['patch', ...part, '--patch', patch]),
  )
}

/** Splits the ids into as few parts as possible, of about the same length. */
function partsOf(ids: readonly string[]): readonly (readonly string[])[] {
  const size = Math.ceil(ids.length / Math.min(mostCalls, Math.ceil(ids.length / enoughForACall)))
  return Array.from({ length: Math.ceil(ids.length / size) }, (_, part) =>
    ids.slice(part * size, (part + 1) * size),
  )
}

/** Returns whether the release sets the image of every container. */
function isWhole({ uses, live }: Target): boolean {
  return live !== undefined && usesOf(templateOf(live), () => true).length === uses.length
}
