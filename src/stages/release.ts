import { repoFile } from '../django/traceback.js'
import type { Image } from '../docker/image.js'
import type { Source } from '../docker/source.js'
import type { Command } from '../options/commands.js'
import type { Settings } from '../options/table.js'
import type { ReleaseTimeouts } from '../judge/types.js'
import type { ReleaseContext } from './context.js'

export type { Image, Source }

/** The fields of the context, for what has not got a `StageContext` yet. */
export type Release = Omit<ReleaseContext, 'with' | 'command'> & { readonly command?: Command }

/** Returns the image as pod templates name it: the tag for people, the digest for certainty. */
export function pinned(image: Image): string {
  return `${image.repository}:${image.tag}@${image.digest}`
}

/** Returns a function that finds the file of the user's repository for a path inside of the image. */
export function toRepo({
  platform,
  settings,
}: Pick<ReleaseContext, 'platform' | 'settings'>): (file: string) => string | undefined {
  return (file) => repoFile(file, (path) => platform.files.exists(path), settings.context)
}

export function timeoutsOf(settings: Settings): ReleaseTimeouts {
  const { timeout, grace } = settings
  return { timeout, grace }
}
