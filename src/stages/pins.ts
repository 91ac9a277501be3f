/** Which images have to come back by digest, since their tag names another image by now. */
import { lookUp } from '../docker/registry.js'
import { parseImage, shortName } from '../kubernetes/image.js'
import type { Journal } from '../report/journal.js'
import { byDigest, taggedIn, type Tagged } from '../rollout/digests.js'
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
  const images = [...new Set(tagged.map(({ image }) => image))]
  const named = new Map(
    await Promise.all(
      images.map(async (image) => {
        const ran = tagged.some((one) => one.image === image && one.digest !== undefined)
        return [image, ran ? await digestNow(release, image) : undefined] as const
      }),
    ),
  )
  for (const line of new Set(tagged.flatMap((one) => told(one, named.get(one.image))))) {
    journal.say(line)
  }
  return moved(tagged, named)
}

/** What the tag names now; `undefined` when the registry does not say it. */
async function digestNow({ world, signal }: Release, image: string): Promise<string | undefined> {
  const { repository, tag = 'latest' } = parseImage(image)
  try {
    const found = await within(world.clock, answerMs, signal, (own) =>
      lookUp(world, repository, tag, own),
    )
    return found.is === 'there' ? found.image.digest : undefined
  } catch {
    signal.throwIfAborted()
    return undefined
  }
}

function moved(tagged: readonly Tagged[], named: ReadonlyMap<string, string | undefined>): Pins {
  const pins = new Map<string, Record<string, string>>()
  for (const { workload, container, image, digest } of tagged) {
    if (digest === undefined || digest === named.get(image)) continue
    pins.set(workload, { ...pins.get(workload), [container]: byDigest(image, digest) })
  }
  return pins
}

function told({ image, digest }: Tagged, now: string | undefined): readonly string[] {
  if (digest !== undefined && digest === now) return []
  const { repository, tag = 'latest' } = parseImage(image)
  const name = `${shortName(repository)}:${tag}`
  if (digest === undefined) {
    return [`no pod tells which ${name} it runs: an undo would bring back what the tag names then`]
  }
  const why =
    now === undefined ? `what ${name} names now is not known` : `${name} names another image by now`
  return [`${why}: an undo would bring back ${digest.slice(0, 19)}, which runs`]
}
