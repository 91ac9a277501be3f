/** Looks for the image in the registry: what is there already is not built again. */
import type { Image } from '../docker/image.js'
import { findImage, lookUp, revisionOf } from '../docker/registry.js'
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

/** The image of this tag, which must be there. Throws a Failure `image-missing` or `registry`. */
export async function imageToDeploy(
  { world, settings, source, signal }: Release,
  journal: Journal,
): Promise<Image> {
  const image = await findImage(world, settings.image, source.tag, signal)
  if (image) {
    journal.say(`the registry has ${pinned(image)}`)
    return image
  }
  return fail({
    code: 'image-missing',
    sentence: `the registry has no ${settings.image}:${source.tag}`,
    hint: 'check the option tag, or push the image before it is deployed',
  })
}
