/** Which images have to come back by digest, since their tag names another image by now. */
import { lookUp, lookUpImage, type Lookup } from '../docker/registry.js'
import { parseImage, shortName } from '../kubernetes/image.js'
import type { Journal } from '../report/journal.js'
import { byDigest, taggedIn, type Ran } from '../rollout/digests.js'
import type { LivePicture } from '../rollout/watch.js'
import { within } from '../world/deadline.js'
import type { Release } from './release.js'
import type { Target } from './targets.js'

/** By `idOf` the workload, then by container: `shop:latest@sha256:…`. */
export type Pins = ReadonlyMap<string, Readonly<Record<string, string>>>

/** A registry that does not answer holds no release up for longer, in ms: the tag counts as moved then. */
const answerMs = 15_000

/** Asks the registry once for each tag that a workload runs by. It need not answer. */
export async function pinsOf(
  release: Release,
  journal: Journal,
  live: LivePicture,
  targets: readonly Target[],
): Promise<Pins> {
  const workloads = targets.flatMap((target) => (target.live ? [target.live] : []))
  const tagged = taggedIn(live.picture(), workloads, release.settings.image)
  const ask = once((image: string) => lookUpSoon(release, image))
  const pins = new Map<string, Record<string, string>>()
  const lines = new Set<string>()
  await Promise.all(
    tagged.map(async ({ workload, container, image, ran }) => {
      const fate = ran ? await fateOf(image, ran, ask) : 'not known'
      if (fate === 'comes back') return
      const { repository, tag = 'latest' } = parseImage(image)
      const name = `${shortName(repository)}:${tag}`
      if (ran === undefined || fate === 'not known') {
        lines.add(`which ${name} runs is not known: an undo would bring back what it names then`)
        return
      }
      const pin = byDigest(image, ran.digest)
      pins.set(workload, { ...pins.get(workload), [container]: pin })
      const why = fate === 'moved' ? 'has moved' : 'may have moved'
      lines.add(`${name} ${why}: an undo would bring back ${ran.digest.slice(0, 19)}, which runs`)
    }),
  )
  for (const line of lines) journal.say(line)
  return pins
}

/** What would come back if the tag were put back as it is. */
type Fate = 'comes back' | 'moved' | 'may have moved' | 'not known'

async function fateOf(
  image: string,
  { digest, of }: Ran,
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

/** `undefined`: no answer. */
async function lookUpSoon({ world, signal }: Release, image: string): Promise<Lookup | undefined> {
  const { repository, tag = 'latest', digest } = parseImage(image)
  try {
    return await within(world.clock, answerMs, signal, (own) =>
      digest === undefined
        ? lookUp(world, repository, tag, own)
        : lookUpImage(world, { repository, tag, digest }, own),
    )
  } catch {
    signal.throwIfAborted()
    return undefined
  }
}

/** Asks only once for the same. */
function once<T>(ask: (key: string) => Promise<T>): (key: string) => Promise<T> {
  const asked = new Map<string, Promise<T>>()
  return (key) => {
    const answer = asked.get(key) ?? ask(key)
    asked.set(key, answer)
    return answer
  }
}
