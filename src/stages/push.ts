import type { Built } from '../docker/build.js'
import { cacheTag, placeOfCache } from '../docker/build-cache.js'
import { ownTag, severalBuildsTag, tagOfCommit } from '../docker/build-inputs.js'
import type { Image } from '../docker/image.js'
import { pushImage } from '../docker/push.js'
import { addTags, lookUp, originOf } from '../docker/registry.js'
import { shortTag } from '../kubernetes/image.js'
import type { StageContext } from './context.js'
import { messageOf } from '../platform/error-message.js'

/**
 * Gives the tested image its tag in the registry. This needs no undo: a tag that holds the image of its commit
 * does no harm, and the next run of the commit finds it. When another build of the commit was faster and has the
 * tag by now, that one keeps it, and this one gets a separate tag.
 *
 * Throws a `Failure` (`push-failed`, `tool-missing`, `registry`), or the signal's reason.
 */
export async function push(context: StageContext, built: Built): Promise<Image> {
  const { platform, settings, signal, log } = context
  const tag = await tagFor(context, built)
  if (tag !== built.tag) {
    log.say(
      `another build of this commit now has the tag ${shortTag(built.tag)}: the tag of this one is ${shortTag(tag)}`,
    )
  }
  await markSeveral(context, { ...built, tag })
  const [image, cache] = await Promise.all([
    pushImage(platform, { ...built, tag }, log, signal),
    built.isCached ? lookUp(platform, built.repository, cacheTag, signal) : undefined,
  ])
  // Docker 20.10 leaves out of an image's cache what came from one: the image that made the layers keeps the tag.
  if (cache?.is === 'there') return image
  const place = built.cachePlace ?? (await placeOfCache(platform, settings.cache, signal))
  if (place === 'inline') await keepForCache(context, image)
  return image
}

/** The next build begins from the layers of this image. */
async function keepForCache({ platform, signal, log }: StageContext, image: Image): Promise<void> {
  try {
    await addTags(platform, image, [cacheTag], signal)
  } catch (error) {
    signal.throwIfAborted()
    log.say(`the next build takes no layers from this image: ${messageOf(error)}`)
  }
}

/**
 * Marks in the registry that the tag of the commit is one of several builds, before the other one is there: from
 * then on every machine without a given tag asks which one is meant. Beside a tag that the user chose there is nothing
 * to mark: a run without a tag never takes that one.
 */
async function markSeveral(
  { platform, source, signal, log }: StageContext,
  { repository, tag, inputs }: Built,
): Promise<void> {
  const ofCommit = inputs === undefined ? undefined : tagOfCommit(tag, inputs)
  const { sha } = source
  if (ofCommit === undefined || sha === undefined) return
  if (ofCommit !== sha && !ofCommit.startsWith(`${sha}-dirty-`)) return
  const mark = severalBuildsTag(ofCommit)
  const [first, marked] = await Promise.all(
    [ofCommit, mark].map((one) => lookUp(platform, repository, one, signal)),
  )
  // A registry may not allow that a tag is written twice.
  if (first?.is !== 'there' || marked?.is === 'there') return
  try {
    await addTags(platform, first.image, [mark], signal)
  } catch (error) {
    signal.throwIfAborted()
    const why = messageOf(error)
    log.say(`the mark ${mark} was not set, so a run without a tag takes ${ofCommit}: ${why}`)
  }
}

/**
 * Returns a separate tag only when the tag certainly holds another build of this commit: the push reports what
 * else is wrong.
 */
async function tagFor(
  { platform, source, signal }: StageContext,
  { repository, tag, inputs }: Built,
): Promise<string> {
  if (inputs === undefined) return tag
  try {
    const found = await lookUp(platform, repository, tag, signal)
    if (found.is !== 'there') return tag
    const there = await originOf(platform, found.image, signal)
    const isOfCommit = there.revision === undefined || there.revision === source.sha
    return isOfCommit && there.inputs !== inputs ? ownTag(tag, inputs) : tag
  } catch {
    signal.throwIfAborted()
    return tag
  }
}
