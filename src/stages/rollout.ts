/** Sets the new image in every workload, and watches until the judge has a verdict. */
import { apply, planApply, type Change } from '../kubernetes/apply.js'
import { retryTransient } from '../kubernetes/retry.js'
import type { Cluster } from '../kubernetes/cluster.js'
import { configHashOf, withConfigHash } from '../kubernetes/configuration.js'
import { prepared } from '../kubernetes/manifests.js'
import {
  changeCause,
  isWorkload,
  templateOf,
  usesOf,
  withImages,
  withTemplate,
  withoutManagedFields,
  workloadId,
  type KubeObject,
  type WorkloadObject,
} from '../kubernetes/objects.js'
import type { When } from '../kubernetes/selectors.js'
import { idOf } from '../kubernetes/workload.js'
import { Failure, fail } from '../failure/failure.js'
import type { Settings } from '../options/table.js'
import { drainTime } from '../judge/drain.js'
import { withTimeout } from '../platform/time.js'
import { desiredAsIs, desiredOf, startsOf } from '../judge/desired.js'
import { trackRollout, type RolloutOutcome } from '../rollout/track.js'
import { judge } from '../judge/judge.js'
import { newObservations } from '../judge/observations.js'
import { desiredPods, liveOf, type Live } from '../judge/objects.js'
import { planned, titleOf, type ObjectSnapshot, type OnWrite } from '../undo/snapshot.js'
import type { DesiredWorkload, WriteProgresses, ClusterState } from '../judge/types.js'
import { newVersionOf, withCause, type NewVersion } from './change-cause.js'
import { writeEdits } from './edits.js'
import { applyBeside } from './manifests.js'
import type { Pins } from './pinned-tags.js'
import type { PlacedChange } from './selectors.js'
import type { PreflightResult } from './preflight.js'
import { logWarning, toRepo, type ClusterContext } from './context.js'
import { pinned, type Image } from '../docker/image.js'
import { checkRunningImage } from './running-image.js'
import { smoke, smokeTarget } from './smoke.js'
import type { Waves } from './waves.js'
import { changeSince, supersededBy } from './superseded.js'
import type { Target } from '../kubernetes/target.js'
import type { Starts } from '../state/history.js'

/** Returns the current state of the released workloads, for the undo. */
export function priorOfTargets(targets: readonly Target[], pins: Pins): readonly ObjectSnapshot[] {
  return targets.map(({ id, path, live, manifest, becomes }): ObjectSnapshot => {
    const common = { path, written: planned(becomes ?? manifest ?? {}), of: 'workload' } as const
    if (!live) return { ...common, object: manifest ?? {}, change: 'create' }
    const ran = pins.get(idOf(id))
    const was = manifest ? 'apply' : 'set-image'
    return { ...common, object: withoutManagedFields(live), change: was, ...(ran && { ran }) }
  })
}

export interface RolloutInput {
  readonly checked: PreflightResult
  readonly image: Image
  /** What finds the pods: written before the first of them, or once all are there. */
  readonly beside: readonly PlacedChange[]
  readonly waves: Waves
  /** What the history knows of the starts of each workload's pods. */
  readonly starts: Starts
}

/** Receives what was written, the progress of a rollout, and when the cause of its failure was recognised. */
export interface RolloutListener {
  readonly wrote: OnWrite
  readonly progress: (progress: WriteProgresses) => void
  /** In ms since 1970. */
  readonly detected: (at: number) => void
  /** How long the pods of the new version took to become Ready. */
  readonly started: (starts: Starts) => void
}

/**
 * Writes the new version into all workloads and follows them until the judge reports success. Throws a `Failure`
 * otherwise, and `TimeOver` when nothing else has ended it.
 */
export async function rollout(
  context: ClusterContext,
  input: RolloutInput,
  listener: RolloutListener,
): Promise<void> {
  const { platform, settings } = context
  const drains = drainTime(input.checked.targets.flatMap(({ live }) => live ?? []))
  const longest = longestOf(settings) + drains
  const ended = await withTimeout(platform.clock, longest, context.signal, (signal) =>
    new Rollout(context.with({ signal }), input, listener).follow(),
  )
  if (ended.is === 'failed') {
    listener.detected(ended.at)
    throw new Failure(ended.cause)
  }
  if (ended.is === 'superseded') throw new Failure(supersededBy(ended.by))
}

/**
 * Returns the longest time of a rollout, in ms. A workload that is complete and then grows gets its time again,
 * and no timeout passes while the server is away: but no release waits for ever. Bake and smoke request begin
 * together.
 */
export function longestOf(
  settings: Pick<Settings, 'timeout' | 'bake' | 'smoke-path' | 'smoke-timeout'>,
): number {
  const smoke = settings['smoke-path'] === undefined ? 0 : settings['smoke-timeout']
  return 2 * settings.timeout + Math.max(settings.bake, smoke)
}

/**
 * The rollout of one release. Its states, in order:
 *
 * - first wave: the objects that are due `first` are written, then the workloads of the first wave.
 * - all waves: once the judge finds the first far enough, the other workloads are written.
 * - verification, beside the bake: the pods' images are compared, the objects that are due `last` are written, then the
 *   page is requested.
 */
class Rollout {
  readonly #startedAt: number
  readonly #version: NewVersion
  /** Before the first write: what the old version took has to be known after it is gone. */
  readonly #old: ClusterState
  /** The images of what was written, by `idOf`. */
  readonly #images = new Map<string, Readonly<Record<string, string>>>()
  readonly #desired: DesiredWorkload[] = []
  #lastBeside = Promise.resolve()

  constructor(
    private readonly context: ClusterContext,
    private readonly input: RolloutInput,
    private readonly listener: RolloutListener,
  ) {
    const now = input.checked.live.clusterState()
    // Copied: the cluster state is live.
    this.#old = { ...now, pods: new Map(now.pods) }
    this.#startedAt = context.platform.clock.now()
    this.#version = newVersionOf(context, input.image)
  }

  async follow(): Promise<RolloutOutcome> {
    const { platform, settings, signal, cluster, log } = this.context
    const { checked } = this.input
    const { first, rest, isDue } = this.input.waves
    await this.#writeBeside('first', this.context)
    const desiredWorkloads = await this.#write(first)
    return trackRollout({
      cluster,
      clock: platform.clock,
      live: checked.live,
      desiredWorkloads,
      ...(rest.length > 0 && { next: { isDue, begin: () => this.#write(rest) } }),
      verify: (signal) => this.#verify(this.context.with({ signal })),
      timeouts: { timeout: settings.timeout, bake: settings.bake, grace: settings.grace },
      startedAt: this.#startedAt,
      onProgress: this.listener.progress,
      toRepo: toRepo(this.context),
      stageLog: log,
      signal,
      // None of the release's writes may arrive after its undo.
    }).finally(async () => {
      // In the next turn: what follows takes as long as the evaluation before it.
      await platform.clock.handled()
      this.listener.started(this.#starts())
      return this.#lastBeside.catch(() => undefined)
    })
  }

  #starts(): Starts {
    const clusterState = this.input.checked.live.clusterState()
    return Object.fromEntries(
      this.#desired.flatMap((desired) => {
        const starts = startsOf(desiredPods(clusterState, desired))
        return starts ? [[idOf(desired.workload), starts]] : []
      }),
    )
  }

  /** Writes a wave. What the server has made of it is kept also when a part of it fails. */
  async #write(targets: readonly Target[]): Promise<readonly DesiredWorkload[]> {
    const { context } = this
    const { signal } = context
    signal.throwIfAborted()
    const by = await takenSince(context, this.input.checked, targets)
    if (Object.keys(by).length > 0) fail(supersededBy(by))
    sayRestarts(context, targets)
    const made: KubeObject[] = []
    const answers = (objects: readonly KubeObject[]) => made.push(...objects)
    const ended = await Promise.allSettled([
      applyTargets(context, targets, this.#version).then(answers),
      ...writeEdits(context, targets, this.#version, answers),
    ])
    await this.listener.wrote(made)
    for (const one of ended) if (one.status === 'rejected') throw one.reason
    signal.throwIfAborted()
    const byId = new Map(
      made.filter(isWorkload).map((object) => [idOf(workloadId(object)), object]),
    )
    return Promise.all(targets.map((target) => this.#desiredOf(target, byId.get(idOf(target.id)))))
  }

  /** @param answer what the server has made of it; nothing where the answer was lost. */
  async #desiredOf(target: Target, answer: WorkloadObject | undefined): Promise<DesiredWorkload> {
    const { id, path, live } = target
    const now = answer ?? (await this.context.cluster.get<WorkloadObject>(path))
    const images = imagesOf(target, answer, this.input.image)
    this.#images.set(idOf(id), images)
    const known = this.input.starts[idOf(id)]
    const desired = desiredOf({ workload: id, images, now, before: live, known }, this.#old)
    this.#desired.push(desired)
    return desired
  }

  #writeBeside(when: When, context: ClusterContext): Promise<void> {
    const { checked, beside } = this.input
    const changes = beside.filter((change) => change.when === when)
    return applyBeside(context, checked, changes, this.listener.wrote)
  }

  /** Once all run: compares their images, writes the objects that must find them last, and requests a page. */
  async #verify(context: ClusterContext): Promise<void> {
    const { checked, image } = this.input
    const clusterState = checked.live.clusterState()
    await checkRunningImage(context, { clusterState, desiredWorkloads: this.#desired, image })
    this.#lastBeside = this.#writeBeside('last', context)
    await this.#lastBeside
    const web = checked.web && this.#images.get(idOf(checked.web.workload))?.[checked.web.container]
    await smokeBy(context, checked, web ?? pinned(image))
  }
}

/** Logs `deployment/web restarts: secret/shop has changed`. */
function sayRestarts({ log }: ClusterContext, targets: readonly Target[]): void {
  for (const { id, restart } of targets) {
    if (!restart) continue
    const { because } = restart
    const has = because.length === 1 ? 'has' : 'have'
    log.say(`${idOf(id)} restarts: ${because.join(', ')} ${has} changed`)
  }
}

/** Returns the images of the released containers as the server has made them: an admission webhook may rewrite them. */
function imagesOf(
  { uses, becomes }: Target,
  answer: WorkloadObject | undefined,
  image: Image,
): Readonly<Record<string, string>> {
  const written = answer ?? becomes
  const all = written ? usesOf(templateOf(written), () => true) : []
  return Object.fromEntries(
    uses.map(({ name }) => [name, all.find((one) => one.name === name)?.image ?? pinned(image)]),
  )
}

async function smokeBy(
  context: ClusterContext,
  checked: PreflightResult,
  image: string,
): Promise<void> {
  const { settings } = context
  if (settings['smoke-path'] === undefined || !checked.web) return
  const target = smokeTarget(checked.web, checked.services, settings['smoke-host'])
  const warning = await smoke(context, checked, target, image)
  if (warning === undefined) return
  logWarning(context, warning)
}

/**
 * Returns what others have made of a workload after its snapshot and before its turn; by `idOf`. A workload without a
 * manifest is not read again: its write is guarded by the version that the snapshot has.
 */
async function takenSince(
  { platform, signal, cluster }: ClusterContext,
  { live: watched }: PreflightResult,
  targets: readonly Target[],
): Promise<Readonly<Record<string, string>>> {
  const found = await Promise.all(
    targets.map(async ({ path, manifest, live }) =>
      live && !manifest
        ? live
        : await retryTransient(platform.clock, signal, () => cluster.find<WorkloadObject>(path)),
    ),
  )
  // The watch has continued during the requests.
  const clusterState = watched.clusterState()
  return Object.fromEntries(
    targets.flatMap(({ id, live }, i) => {
      const shown = live && shownSince(live, liveOf(clusterState, id))
      const by = changeSince(id, live, found[i]) ?? (shown && changeSince(id, live, shown))
      return by === undefined ? [] : [[idOf(id), by]]
    }),
  )
}

/** Returns what the watch shows, when its spec is another one and not older. */
function shownSince(
  { metadata }: WorkloadObject,
  shown: Live | undefined,
): WorkloadObject | undefined {
  const object = shown?.object as WorkloadObject | undefined
  const { uid, generation = 0 } = object?.metadata ?? {}
  const before = metadata?.generation ?? 0
  const isKnown = generation < before || (generation === before && uid === metadata?.uid)
  return isKnown ? undefined : object
}

/** Returns whether the judge finds all of them complete, as they are now. */
export function runsWell({ live, targets }: PreflightResult, now: number): boolean {
  const clusterState = live.clusterState()
  const desiredWorkloads = targets.flatMap(({ id, live: object }) =>
    object ? [desiredAsIs(id, object, clusterState)] : [],
  )
  const timeouts = { timeout: Infinity, bake: 0, grace: {} }
  const { verdicts } = judge(desiredWorkloads, {
    clusterState,
    timeouts,
    observations: newObservations(now),
    now,
  })
  return Object.values(verdicts).every(({ is }) => is === 'done')
}

/** Without a cause each workload keeps its own. */
type PlannedVersion = Omit<NewVersion, 'cause'> & Partial<Pick<NewVersion, 'cause'>>

/** Returns what an apply of the workloads' manifests with this image would change, in any release. */
export function planTargets(
  cluster: Cluster,
  targets: readonly Target[],
  version: PlannedVersion,
): Promise<readonly Change[]> {
  const live = targets.flatMap((target) => (target.live ? [target.live] : []))
  return planApply(cluster, manifestsWith(targets, version), live)
}

/**
 * Returns the same where the image runs already, by whatever name the live templates have for it: whether anything
 * else of the manifests differs.
 */
export function planAsLive(
  cluster: Cluster,
  targets: readonly Target[],
  version: Omit<NewVersion, 'cause'>,
): Promise<readonly Change[]> {
  const live = targets.flatMap((target) => (target.live ? [target.live] : []))
  const objects = targets.flatMap((target) => {
    const now = target.live ? usesOf(templateOf(target.live), () => true) : []
    const own = now.filter(({ name }) => target.uses.some((use) => use.name === name))
    const images = Object.fromEntries(own.map((use) => [use.name, use.image]))
    return manifestsWith([target], version).map((object) =>
      withTemplate(object, withImages(templateOf(object), images)),
    )
  })
  return planApply(cluster, objects, live)
}

function manifestsWith(
  targets: readonly Target[],
  { repository, image, cause }: PlannedVersion,
): readonly WorkloadObject[] {
  return targets.flatMap(({ manifest, live, restart }) => {
    if (!manifest) return []
    // An existing hash stays: without it the pods would be replaced for nothing.
    const hash = restart?.hash ?? configHashOf(live)
    const object = withConfigHash(prepared(manifest, repository, image), hash)
    return [withCause(object, cause ?? live?.metadata?.annotations?.[changeCause])]
  })
}

/**
 * Applies the workloads' manifests with the new image: one write and one rollout, whatever else has changed in the
 * manifest.
 */
async function applyTargets(
  { platform, signal, cluster, log }: ClusterContext,
  targets: readonly Target[],
  version: NewVersion,
): Promise<readonly KubeObject[]> {
  const objects = manifestsWith(targets, version)
  for (const object of objects) log.say(`kubectl apply: ${titleOf(object)} with ${version.image}`)
  return apply(cluster, platform.clock, objects, signal)
}
