/** Brings the new image into every workload, and watches until it is judged. */
import { apply, planApply, type Change } from '../kubernetes/apply.js'
import { ApiError } from '../kubernetes/apierror.js'
import { isPassing, patiently } from '../kubernetes/away.js'
import type { Cluster } from '../kubernetes/cluster.js'
import { configHash, configHashOf, withConfigHash } from '../kubernetes/configuration.js'
import { troubleOf } from '../kubernetes/kubectl.js'
import { prepared } from '../kubernetes/manifests.js'
import {
  changeCause,
  decided,
  keyOf,
  same,
  templateOf,
  usesOf,
  withImages,
  withTemplate,
  type ContainerUse,
  type KubeObject,
  type WorkloadObject,
} from '../kubernetes/objects.js'
import type { When } from '../kubernetes/selectors.js'
import { idOf } from '../kubernetes/workload.js'
import { fail, type Cause } from '../report/cause.js'
import type { Journal } from '../report/journal.js'
import { aimOf } from '../rollout/aims.js'
import { follow, type Followed } from '../rollout/follow.js'
import { judge } from '../rollout/judge.js'
import { newLedger } from '../rollout/ledger.js'
import { liveOf, type Live } from '../rollout/live.js'
import { isSameVersion } from '../rollout/ownership.js'
import { deletion, takenOver } from '../rollout/progress.js'
import { asItWas, planned, titleOf, type Prior, type Wrote } from '../rollout/snapshot.js'
import type { Aim, Courses, Judgement, Picture } from '../rollout/types.js'
import { annotate, causeAfter, causeFirst, causeOfChange, withCause } from './changecause.js'
import { applyBeside } from './manifests.js'
import type { Pins } from './pins.js'
import type { PlacedChange } from './placing.js'
import type { Site } from './preflight.js'
import { patienceOf, pinned, toRepo, type Image, type Release } from './release.js'
import { smoke, smokeAim } from './smoke.js'
import type { Target } from './targets.js'

/** How the workloads of the release are now, for the undo. */
export function priorOfTargets(
  release: Release,
  targets: readonly Target[],
  pins: Pins,
  image: Image,
  changes: readonly Change[],
): readonly Prior[] {
  const cause = causeOfChange(release, image)
  const becomes = new Map(changes.map((change) => [keyOf(change.object), change.becomes]))
  return targets.map((target): Prior => {
    const { id, path, live, manifest } = target
    const set = manifest
      ? becomes.get(keyOf(manifest))
      : live && withCause(changed(live, target, image), cause)
    const common = { path, written: planned(set ?? manifest ?? {}), of: 'workload' } as const
    if (!live) return { ...common, object: manifest ?? {}, was: 'absent' }
    const ran = pins.get(idOf(id))
    const was = manifest ? 'whole' : 'template'
    return { ...common, object: asItWas(live), was, ...(ran && { ran }) }
  })
}

/** Who hears of a rollout while it goes on. */
export interface Noted {
  readonly courses: (courses: Courses) => void
  /** What a person should know though the new version runs. */
  readonly warning: (warning: string) => void
}

/** A workload that no manifest brings, as the release writes it: `imageCommands`, `patchCommands` and `putTemplate`. */
function changed(
  live: WorkloadObject,
  { uses, back, restart }: Target,
  image: Image,
): WorkloadObject {
  const template = back ?? withImages(templateOf(live), imagesOf(uses, image))
  return withConfigHash(withTemplate(live, template), restart?.hash)
}

/**
 * Writes the new version into all workloads and follows them to the verdict. `beside` is what finds their
 * pods: written before the first of them, or once all are there.
 */
export async function rollout(
  release: Release,
  journal: Journal,
  cluster: Cluster,
  site: Site,
  image: Image,
  beside: readonly PlacedChange[],
  wrote: Wrote,
  noted: Noted,
): Promise<Followed> {
  const { world, settings, signal } = release
  const before = site.live.picture()
  // Copied: the picture is live, and what the old version took has to be known after it is gone.
  const old: Picture = { ...before, pods: new Map(before.pods) }
  const startedAt = world.clock.now()
  const cause = causeOfChange(release, image)
  const write = async (targets: readonly Target[]): Promise<readonly Aim[]> => {
    signal.throwIfAborted()
    const by = await takenSince(release, cluster, site, targets)
    if (Object.keys(by).length > 0) fail(supersededBy(by))
    sayRestarts(journal, targets)
    await annotate(release, journal, cluster, targets, causeFirst, cause)
    signal.throwIfAborted()
    await allOf([
      applyOurs(release, journal, cluster, targets, pinned(image), cause).then(wrote),
      ...[...imageCommands(targets, pinned(image)), ...patchCommands(targets, pinned(image))].map(
        (args) => writeBy(release, journal, cluster, args),
      ),
      ...targets.map((target) => putTemplate(release, journal, cluster, target, cause)),
    ])
    signal.throwIfAborted()
    await annotate(release, journal, cluster, targets, causeAfter, cause)
    return Promise.all(
      targets.map(async ({ id, path, uses, live }) => {
        const now = await cluster.get<WorkloadObject>(path)
        return aimOf(id, imagesOf(uses, image), now, live, old)
      }),
    )
  }
  const [first, rest] = settings.order === 'parallel' ? [site.targets, []] : wavesOf(site)
  const besideAt = (when: When, own: AbortSignal) =>
    applyBeside(
      { world, signal: own },
      journal,
      cluster,
      site,
      beside.filter((change) => change.when === when),
      wrote,
    )
  await besideAt('first', signal)
  const aims = await write(first)
  let last = Promise.resolve()
  return follow({
    cluster,
    clock: world.clock,
    live: site.live,
    aims,
    ...(rest.length > 0 && { next: { isDue: hasOneReady, begin: () => write(rest) } }),
    verify: async (own) => {
      last = besideAt('last', own)
      await last
      await smokeBy({ ...release, signal: own }, journal, cluster, site, image, noted)
    },
    patience: { ...patienceOf(settings), bake: settings.bake },
    startedAt,
    noted: noted.courses,
    toRepo: toRepo(release),
    journal,
    signal,
    // None of our writes may arrive after its undo.
  }).finally(() => last.catch(() => undefined))
}

/** `deployment/web restarts: secret/shop has changed` */
function sayRestarts(journal: Journal, targets: readonly Target[]): void {
  for (const { id, restart } of targets) {
    if (!restart) continue
    const { because } = restart
    const has = because.length === 1 ? 'has' : 'have'
    journal.say(`${idOf(id)} restarts: ${because.join(', ')} ${has} changed`)
  }
}

function imagesOf(uses: readonly ContainerUse[], image: Image): Readonly<Record<string, string>> {
  return Object.fromEntries(uses.map(({ name }) => [name, pinned(image)]))
}

async function smokeBy(
  release: Release,
  journal: Journal,
  cluster: Cluster,
  site: Site,
  image: Image,
  noted: Noted,
): Promise<void> {
  const { settings } = release
  if (settings['smoke-path'] === undefined || !site.web) return
  const aim = smokeAim(site.web, site.services, settings['smoke-host'])
  const warning = await smoke(release, journal, cluster, site, aim, image)
  if (warning === undefined) return
  journal.say(`warning: ${warning}`)
  noted.warning(warning)
}

/**
 * What serves the web goes first, so that a version that does not start has touched nothing else. All at
 * once where it is not known which that is, or where there is no old version that could be spared.
 */
export function wavesOf({
  targets,
  web,
}: Pick<Site, 'targets' | 'web'>): readonly [readonly Target[], readonly Target[]] {
  const isWeb = ({ id }: Target) => web !== undefined && idOf(id) === idOf(web.workload)
  const first = targets.filter(isWeb)
  if (!first.some(({ live }) => live)) return [targets, []]
  return [first, targets.filter((target) => !isWeb(target))]
}

/** Whether each workload that was written to has a pod of the new version Ready, or is to have none. */
function hasOneReady({ progress }: Judgement): boolean {
  return Object.values(progress).every(({ ready, wanted }) => ready > 0 || wanted === 0)
}

/** What somebody has made of a workload after it was remembered, and before its turn came; by `idOf`. */
async function takenSince(
  { world, signal }: Release,
  cluster: Cluster,
  { live: watched }: Site,
  targets: readonly Target[],
): Promise<Readonly<Record<string, string>>> {
  const found = await Promise.all(
    targets.map(({ path }) =>
      patiently(world.clock, signal, () => cluster.find<WorkloadObject>(path)),
    ),
  )
  // It has gone on while they were asked for.
  const picture = watched.picture()
  return Object.fromEntries(
    targets.flatMap(({ id, live }, i) => {
      const shown = live && shownSince(live, liveOf(picture, id))
      const by = madeSince(id, live, found[i]) ?? (shown && madeSince(id, live, shown))
      return by === undefined ? [] : [[idOf(id), by]]
    }),
  )
}

/** What the watch shows, when that is not older. */
function shownSince(
  { metadata }: WorkloadObject,
  shown: Live | undefined,
): WorkloadObject | undefined {
  const object = shown?.object as WorkloadObject | undefined
  const isOlder = (object?.metadata?.generation ?? 0) < (metadata?.generation ?? 0)
  return isOlder ? undefined : object
}

/** What a workload has become since it was looked at; nothing for its restart, or its scale. */
export function madeSince(
  workload: Target['id'],
  before: WorkloadObject | undefined,
  now: WorkloadObject | undefined,
): string | undefined {
  if (!now) return before && deletion
  if (before && isSameVersion(before, now)) return undefined
  const uses = before ? usesOf(templateOf(before), () => true) : []
  const images = Object.fromEntries(uses.map(({ name, image }) => [name, image]))
  const aim = { workload, images, generation: 0, first: !before }
  const other = before ? 'another template' : 'what somebody else has created'
  return takenOver({ kind: workload.kind, object: now } as Live, aim) ?? other
}

export function supersededBy(by: Readonly<Record<string, string>>): Cause {
  const words = Object.entries(by).map(([id, what]) =>
    what === deletion ? `${id} was deleted` : `${id} runs ${what}`,
  )
  return {
    code: 'superseded',
    sentence: `somebody else changed a workload in the middle of the release: ${words.join('; ')}`,
    hint: 'theirs was left alone, and the other workloads too; release again when it is clear which version is wanted',
  }
}

/** Waits for every write, and throws what went wrong then: none may arrive after its undo. */
async function allOf(writes: readonly Promise<void>[]): Promise<void> {
  const ended = await Promise.allSettled(writes)
  for (const one of ended) if (one.status === 'rejected') throw one.reason
}

/** Whether all of them are complete by the judge, as they stand now. */
export function runsWell({ live, targets }: Site, now: number): boolean {
  const picture = live.picture()
  const aims = targets.flatMap(({ id, live: object }) =>
    object ? [aimOf(id, {}, object, object, picture)] : [],
  )
  const patience = { timeout: Infinity, bake: 0, grace: {} }
  const { verdicts } = judge(picture, aims, patience, newLedger(now), now)
  return Object.values(verdicts).every(({ is }) => is === 'done')
}

/** What an apply of our workloads' manifests with this image in them would change, whoever releases it. */
export function planOurs(
  cluster: Cluster,
  targets: readonly Target[],
  repository: string,
  image: string,
  cause?: string,
): Promise<readonly Change[]> {
  const live = targets.flatMap((target) => (target.live ? [target.live] : []))
  return planApply(cluster, manifestsWith(targets, repository, image, cause), live)
}

/**
 * The same where the image runs already, by whatever name the live templates have for it: whether anything
 * else of the manifests differs.
 */
export function planAsLive(
  cluster: Cluster,
  targets: readonly Target[],
  repository: string,
  image: string,
): Promise<readonly Change[]> {
  const live = targets.flatMap((target) => (target.live ? [target.live] : []))
  const objects = targets.flatMap((target) => {
    const now = target.live ? usesOf(templateOf(target.live), () => true) : []
    const ours = now.filter(({ name }) => target.uses.some((use) => use.name === name))
    const images = Object.fromEntries(ours.map((use) => [use.name, use.image]))
    return manifestsWith([target], repository, image).map((object) =>
      withTemplate(object, withImages(templateOf(object), images)),
    )
  })
  return planApply(cluster, objects, live)
}

function manifestsWith(
  targets: readonly Target[],
  repository: string,
  image: string,
  cause?: string,
): readonly WorkloadObject[] {
  return targets.flatMap(({ manifest, live, restart }) => {
    if (!manifest) return []
    // A hash that is there already stays: without it the pods would be replaced for nothing.
    const hash = restart?.hash ?? configHashOf(live)
    const object = withConfigHash(prepared(manifest, repository, image), hash)
    return [withCause(object, cause ?? live?.metadata?.annotations?.[changeCause])]
  })
}

/**
 * Our workloads' manifests with the new image in them: one write and one rollout, whatever else has
 * changed in the manifest.
 */
async function applyOurs(
  { world, settings, signal }: Release,
  journal: Journal,
  cluster: Cluster,
  targets: readonly Target[],
  image: string,
  cause: string,
): Promise<readonly KubeObject[]> {
  const objects = manifestsWith(targets, settings.image, image, cause)
  for (const object of objects) journal.say(`kubectl apply: ${titleOf(object)} with ${image}`)
  return apply(cluster, world.clock, objects, signal)
}

/** The pod template of then, with image and cause: one write and one rollout. */
async function putTemplate(
  { world, signal }: Release,
  journal: Journal,
  cluster: Cluster,
  { id, path, live, back }: Target,
  cause: string,
): Promise<void> {
  if (!live || !back) return
  journal.say(`${idOf(id)} gets its pod template of then`)
  await patiently(
    world.clock,
    signal,
    async () => {
      const now = await cluster.find<WorkloadObject>(path)
      if (!now) return fail(supersededBy({ [idOf(id)]: deletion }))
      const wanted = withCause(withTemplate(now, back), cause)
      // The answer to the try before was lost.
      if (same(decided(now), decided(wanted))) return
      if (!isSameVersion(now, live)) {
        fail(supersededBy({ [idOf(id)]: 'another template' }))
      }
      await cluster.put(path, wanted)
    },
    (error) => isPassing(error) || (error instanceof ApiError && error.status === 409),
  )
}

/** A call writes its workloads one after the other: more than so many go in several calls side by side. */
const enoughForACall = 15
const mostCalls = 4

/**
 * `kubectl set image` for the workloads without a manifest. One call takes many workloads, but all of
 * them must have the containers that it names (else it fails with some changed and some not): workloads
 * of which every container is ours share calls, the others share theirs with their like.
 */
export function imageCommands(
  targets: readonly Target[],
  image: string,
): readonly (readonly string[])[] {
  const written = targets.filter(
    ({ manifest, live, back, restart }) => !manifest && live && !back && !restart,
  )
  const whole = written.filter(isWhole)
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
 * `kubectl patch` for the workloads without a manifest that restart: image and hash are one write, and so one
 * rollout. Those that get the same share a call.
 */
export function patchCommands(
  targets: readonly Target[],
  image: string,
): readonly (readonly string[])[] {
  const groups = new Map<string, string[]>()
  for (const { id, uses, manifest, live, restart } of targets) {
    if (manifest || !live || !restart) continue
    const named = (init: boolean) =>
      uses.filter((use) => use.init === init).map(({ name }) => ({ name, image }))
    const [containers, initContainers] = [named(false), named(true)]
    const template = {
      metadata: { annotations: { [configHash]: restart.hash } },
      spec: {
        ...(containers.length > 0 && { containers }),
        ...(initContainers.length > 0 && { initContainers }),
      },
    }
    const patch = JSON.stringify({ spec: { template } })
    groups.set(patch, [...(groups.get(patch) ?? []), idOf(id)])
  }
  return [...groups].flatMap(([patch, ids]) =>
    partsOf(ids).map((part) => ['patch', ...part, '--patch', patch]),
  )
}

/** As few parts as may be, of about the same length. */
function partsOf(ids: readonly string[]): readonly (readonly string[])[] {
  const size = Math.ceil(ids.length / Math.min(mostCalls, Math.ceil(ids.length / enoughForACall)))
  return Array.from({ length: Math.ceil(ids.length / size) }, (_, part) =>
    ids.slice(part * size, (part + 1) * size),
  )
}

/** Whether every container of it is ours. */
function isWhole({ uses, live }: Target): boolean {
  return live !== undefined && usesOf(templateOf(live), () => true).length === uses.length
}

function namesOf({ uses }: Target): string {
  return uses
    .map(({ name }) => name)
    .sort()
    .join(' ')
}

async function writeBy(
  { signal }: Release,
  journal: Journal,
  cluster: Cluster,
  args: readonly string[],
): Promise<void> {
  journal.say(cluster.commandLine(args))
  const done = await cluster.kubectl(args, { signal })
  if (done.code === 0) return
  const what = args[0] === 'patch' ? 'patch' : 'set image'
  fail({ code: 'write-failed', sentence: `kubectl ${what}: ${troubleOf(done)}` })
}
