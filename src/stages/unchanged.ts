/** A build that has made again what runs already: a commit that changes the README alone. */
import { contentInEngine, isSameContent } from '../docker/content.js'
import { pinned, type Image } from '../docker/image.js'
import { addTags, contentOf } from '../docker/registry.js'
import { shortTag } from '../kubernetes/image.js'
import type { Built } from './build.js'
import type { ReleaseContext, StageContext } from './context.js'
import type { PreflightResult } from './preflight.js'
import { runningVersion } from './snapshot.js'

/** Returns the image that runs where it holds the same as the built one, and this is not to be released once more. */
export async function sameAsRunning(
  context: ReleaseContext,
  checked: PreflightResult,
  built: Built,
): Promise<Image | undefined> {
  const { platform, settings, signal } = context
  const running = settings['skip-unchanged'] ? runningVersion(context, checked) : undefined
  // Of an image for several platforms the engine has one.
  if (!running || built.digest !== undefined) return undefined
  const image = { repository: settings.image, ...running }
  const [now, made] = await Promise.all([
    contentOf(platform, image, signal),
    contentInEngine(platform, built.id, signal),
  ])
  return made && !('is' in now) && isSameContent(now, made) ? image : undefined
}

/**
 * Gives the tag of the commit to the image that runs, so that the commit can be deployed elsewhere. Throws a Failure
 * `registry`.
 */
export async function tagRunning(
  { platform, signal, log }: StageContext,
  image: Image,
  { tag }: Built,
): Promise<void> {
  await addTags(platform, image, [tag], signal)
  log.say(
    `the build holds the same as ${pinned(image)}, which runs: that gets the tag ${shortTag(tag)} too, and is not tested again`,
  )
}
