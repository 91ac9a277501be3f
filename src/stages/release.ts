import { repoFile } from '../django/traceback.js'
import type { Image } from '../docker/image.js'
import type { Source } from '../docker/source.js'
import type { Holder } from '../state/lease.js'
import type { Command } from '../options/commands.js'
import type { Settings } from '../options/table.js'
import type { ReleaseTimeouts } from '../judge/types.js'
import type { Platform } from '../platform/platform.js'

export type { Image, Source }

/** The input of every stage: the platform, what the user wants, and the signal that ends it early. */
export interface Release {
  readonly platform: Platform
  readonly settings: Settings
  readonly source: Source
  /** Name of the application in jobs, labels and records. */
  readonly app: string
  /** The command in logs and records: a release by default. */
  readonly command?: Command
  /** The run that releases, as others see it. */
  readonly holder: Holder
  /** Aborted when a person cancels or another stage failed: the stage ends soon and throws. */
  readonly signal: AbortSignal
}

/** Returns the image as pod templates name it: the tag for people, the digest for certainty. */
export function pinned(image: Image): string {
  return `${image.repository}:${image.tag}@${image.digest}`
}

/** Returns a function that finds the file of the user's repository for a path inside of the image. */
export function toRepo({ platform, settings }: Release): (file: string) => string | undefined {
  return (file) => repoFile(file, (path) => platform.files.exists(path), settings.context)
}

export function timeoutsOf(settings: Settings): ReleaseTimeouts {
  const { timeout, grace, 'ready-timeout': readyTimeout } = settings
  return { timeout, grace, ...(readyTimeout !== undefined && { readyTimeout }) }
}
