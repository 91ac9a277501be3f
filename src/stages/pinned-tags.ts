/** Which images run, which of them a restore needs by digest, and which are missing in the registry. */
import { lookUp, lookUpImage, type Lookup } from '../docker/registry.js'
import { parseImage, shortName } from '../kubernetes/image.js'
import { templateOf, usesOf, usesOfRepository } from '../kubernetes/objects.js'
import { idOf } from '../kubernetes/workload.js'
import { byDigest, runsOf, taggedIn, type RunningImage } from '../judge/running-digests.js'
import type { NamespaceWatch } from '../rollout/namespace-watch.js'
import { withTimeout } from '../platform/time.js'
import type { ReleaseContext, StageContext } from './context.js'
import type { Image } from '../docker/image.js'
import type { Target } from '../kubernetes/target.js'

/** By `idOf` the workload, then by container: `shop:latest@sha256:…`. */
export type Pins = ReadonlyMap<string, Readonly<Record<string, string>>>

/** A registry that does not answer delays a release by this at most, in ms: the tag counts as moved then. */
const registryTimeoutMs = 15_000

/** Looks up each tag that a workload runs by, once. The registry need not answer. */
export async function pinsOf(
  context: StageContext,
  live: NamespaceWatch,
  targets: readonly Target[],
): Promise<Pins> {
  const workloads = targets.flatMap((target) => (target.live ? [target.live] : []))
  const tagged = taggedIn(live.clusterState(), workloads, context.settings.image)
  const ask = once((image: string) => lookUpSoon(context, image))
  const pins = new Map<string, Record<string, string>>()
  const lines = new Set<string>()
  await Promise.all(
    tagged.map(async ({ workload, container, image, ran }) => {
      const fate = ran ? await fateOf(image, ran, ask) : 'not known'
      if (fate === 'comes back') return
      const { repository, tag = 'latest' } = parseImage(image)
      const name = `${shortName(repository)}:${tag}`
      if (ran === undefined || fate === 'not known') {
        lines.add(
          `the digest that ${name} runs is unknown: an undo would restore what the tag names then`,
        )
        return
      }
      const pin = byDigest(image, ran.digest)
      pins.set(workload, { ...pins.get(workload), [container]: pin })
      const why = fate === 'moved' ? 'has moved' : 'may have moved'
      lines.add(
        `${name} ${why}: an undo would restore ${ran.digest.slice(0, 19)}, which is running`,
      )
    }),
  )
  for (const line of lines) context.log.say(line)
  return pins
}

/** Returns whether every released container runs exactly this image already, whatever its template calls it. */
export async function runsAlready(
  context: ReleaseContext,
  live: NamespaceWatch,
  targets: readonly Target[],
  { repository, digest }: Image,
): Promise<boolean> {
  const clusterState = live.clusterState()
  const ask = once((image: string) => lookUpSoon(context, image))
  const all = targets.flatMap(({ live: object, uses }) =>
    uses.map(async ({ name }): Promise<boolean> => {
      const use = object && usesOf(templateOf(object), () => true).find((one) => one.name === name)
      if (!use) return false
      const runs = runsOf(clusterState, object, use, { repository, digest })
      if (runs !== 'what its tag names') return runs === 'this image'
      const named = await ask(use.image)
      return named?.is === 'there' && named.image.digest === digest
    }),
  )
  return (await Promise.all(all)).every(Boolean)
}

/** Returns a sentence for each tag by which alone workloads run the image: new pods run what the tag names then. */
export function warningsWithoutDigest(targets: readonly Target[]): readonly string[] {
  const ids = new Map<string, string[]>()
  for (const { id, running } of targets) {
    for (const image of new Set(running)) {
      if (parseImage(image).digest !== undefined) continue
      ids.set(image, [...(ids.get(image) ?? []), idOf(id)])
    }
  }
  return [...ids].map(
    ([image, names]) =>
      `${names.join(', ')} names ${image} without a digest: new pods run what that tag names then. The next release of another image adds the digest`,
  )
}

/**
 * Returns a sentence for each image that an undo would restore and that the registry no longer has. A registry
 * that does not answer, or denies, proves nothing.
 */
export async function lostImages(
  context: Pick<ReleaseContext, 'platform' | 'settings' | 'signal'>,
  targets: readonly Target[],
  pins: Pins = new Map(),
): Promise<readonly string[]> {
  const ids = new Map<string, string[]>()
  for (const { id, live } of targets) {
    const pinned = pins.get(idOf(id))
    const uses = live ? usesOfRepository(live, context.settings.image) : []
    const images = new Set(uses.map(({ name, image }) => pinned?.[name] ?? image))
    for (const image of images) ids.set(image, [...(ids.get(image) ?? []), idOf(id)])
  }
  const answers = await Promise.all(
    [...ids].map(async ([image, names]) => {
      const found = await lookUpSoon(context, image)
      return found?.is === 'absent'
        ? [
            `the registry no longer has ${image}, which ${names.join(', ')} runs: nodes without a cached copy cannot start it, so an undo may fail`,
          ]
        : []
    }),
  )
  return answers.flat()
}

/** What would run if the tag were restored as it is. */
type Fate = 'comes back' | 'moved' | 'may have moved' | 'not known'

async function fateOf(
  image: string,
  { digest, of }: RunningImage,
  ask: (image: string) => Promise<Lookup | undefined>,
): Promise<Fate> {
  const named = await ask(image)
  if (named?.is === 'there' && named.image.digest === digest) return 'comes back'
  if (of === 'another repository') {
    const there = await ask(byDigest(image, digest))
    if (there?.is !== 'there') return 'not known'
  }
  return named?.is === 'there' ? 'moved' : 'may have moved'
}

/** Returns `undefined` when there is no answer. */
async function lookUpSoon(
  { platform, signal }: Pick<ReleaseContext, 'platform' | 'signal'>,
  image: string,
): Promise<Lookup | undefined> {
  const { repository, tag = 'latest', digest } = parseImage(image)
  try {
    return await withTimeout(platform.clock, registryTimeoutMs, signal, (own) =>
      digest === undefined
        ? lookUp(platform, repository, tag, own)
        : lookUpImage(platform, { repository, tag, digest }, own),
    )
  } catch {
    signal.throwIfAborted()
    return undefined
  }
}

/** Requests the same key only once. */
function once<T>(ask: (key: string) => Promise<T>): (key: string) => Promise<T> {
  const answers = new Map<string, Promise<T>>()
  return (key) => {
    const answer = answers.get(key) ?? ask(key)
    answers.set(key, answer)
    return answer
  }
}
