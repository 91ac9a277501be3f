import type { Built } from '../docker/build.js'
import type { Image } from '../docker/image.js'
import { pushImage } from '../docker/push.js'
import type { Journal } from '../report/journal.js'
import type { Release } from './release.js'

/**
 * Gives the tested image its tag in the registry. It is not undone: a tag that holds what its commit holds
 * does no harm, and the next run of the same commit finds it there.
 *
 * Throws a `Failure` (`push-failed`, `tool-missing`, `registry`), or the signal's reason.
 */
export function push(release: Release, journal: Journal, built: Built): Promise<Image> {
  return pushImage(release.world, built, journal, release.signal)
}
