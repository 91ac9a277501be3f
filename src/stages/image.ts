/** Looks for the image in the registry: what is there already is not built again. */
import type { Image } from '../docker/image.js'
import type { Built } from '../docker/build.js'
import { idInEngine, pullImage } from '../docker/pull.js'
import { findImage, foundImage, lookUp, lookUpImage, revisionOf } from '../docker/registry.js'
import { fail } from '../report/cause.js'
import type { Journal } from '../report/journal.js'
import { pinned, type Release } from './release.js'

/** The image of this tag; `undefined` when it has to be built. Throws a Failure `registry`. */
export async function imageThere(
  { world, settings, source, signal }: Release,
  journal: Journal,
): Promise<Image | undefined> {
  const found = await lookUp(world, settings.image, source.tag, signal)
  if (found.is === 'there') {
    // A tag of the user's own may hold an older commit; a tag made of the commit holds that one.
    const holds =
      settings.tag === undefined || source.sha === undefined
        ? source.sha
        : await revisionOf(world, found.image, signal)
    if (holds === source.sha) {
      journal.say(`the registry has ${pinned(found.image)}`)
      return found.image
    }
    if (holds === undefined) {
      fail({
        code: 'registry',
        sentence: `the registry has ${settings.image}:${source.tag} already, and it does not say of which commit it is`,
        hint: 'roll that image out by "deploy", or give this one a tag of its own',
      })
    }
    journal.say(`${settings.image}:${source.tag} is of another commit (${holds})`)
    return undefined
  }
  // Many registries deny what they do not have: whether this login may push is seen when it does.
  if (found.is === 'absent' || found.is === 'denied') return undefined
  return fail({ code: 'registry', sentence: `registry: ${settings.image}: ${found.said}` })
}

/**
 * The commit of an image that is deployed: a tag of the user's own says nothing of it, and the checkout may
 * be at another one. `undefined` when nobody tells it.
 */
export async function commitOf(
  { world, settings, source, signal }: Release,
  image: Image,
): Promise<string | undefined> {
  if (settings.tag === undefined) return source.sha
  const [commit] = /^[0-9a-f]{40}(?![0-9a-f])/.exec(settings.tag) ?? []
  return commit ?? (await revisionOf(world, image, signal).catch(() => undefined))
}

/** The image of this tag or digest, which must be there. Throws a Failure `image-missing` or `registry`. */
export async function imageToDeploy(release: Release, journal: Journal): Promise<Image> {
  const { world, settings, source, signal } = release
  const image = await inRegistry(release)
  if (image) {
    journal.say(`the registry has ${pinned(image)}`)
    return image
  }
  const name = `${settings.image}:${source.tag}`
  const isHere = await idInEngine(world, name, signal).catch(() => undefined)
  return fail({
    code: 'image-missing',
    sentence: `the registry has no ${settings.digest === undefined ? name : `${settings.image}@${settings.digest}`}`,
    hint:
      isHere === undefined || settings.digest !== undefined
        ? 'check the option tag, or push the image before it is deployed'
        : 'the engine of this machine has it: give "push" to the build, or to the test after it',
  })
}

/** What the registry has under the digest that is asked for, else under the tag. */
async function inRegistry(release: Release): Promise<Image | undefined> {
  const { world, settings, source, signal } = release
  const { image: repository, digest } = settings
  if (digest === undefined) return findImage(world, repository, source.tag, signal)
  const image = { repository, tag: source.tag, digest }
  return foundImage(image, await lookUpImage(world, image, signal))
}

/** An image to try out. */
export interface Candidate {
  readonly built: Built
  /** Missing: the registry does not have it yet. */
  readonly image?: Image
}

/**
 * The image that the registry has for the commit or the digest, pulled; else what was built on this machine.
 * Throws a Failure `image-missing`, `registry` or `tool-missing`.
 */
export async function imageToTest(release: Release, journal: Journal): Promise<Candidate> {
  const { world, settings, source, signal } = release
  const { image: repository, digest } = settings
  const image =
    digest === undefined
      ? await imageThere(release, journal)
      : await imageToDeploy(release, journal)
  if (image) return { image, built: await pullImage(world, image, journal, signal) }
  const { tag } = source
  const id = await idInEngine(world, `${repository}:${tag}`, signal)
  if (id === undefined) {
    return fail({
      code: 'image-missing',
      sentence: `neither the registry nor this machine has ${repository}:${tag}`,
      hint: 'build it first ("build"), on this machine or with "push"',
    })
  }
  journal.say(`this machine has ${repository}:${tag} (${id.slice(7, 19)})`)
  return { built: { repository, tag, id } }
}
