/** The inputs of a build besides its commit: two builds of one commit with other inputs are two images. */
import { createHash } from 'node:crypto'
import { basename, dirname, join } from 'node:path'
import type { Settings } from '../options/table.js'
import type { Platform } from '../platform/platform.js'
import { TimeOver, withTimeout } from '../platform/time.js'
import { docker } from './client.js'
import { gitIn } from './source.js'

/** The label that holds `inputsOf`: a hash alone, since the values of build arguments may be secret. */
export const inputsLabel = 'io.github.django-rollout.inputs'

/** Two hashes of all inputs of a build. */
export interface BuildInputs {
  /** As this machine builds it. */
  readonly own: string
  /**
   * For linux/amd64, which most clusters run, where the user has set no platform: what others have built for it is not
   * built again by an engine of arm64. The image of an engine of arm64 is none for others.
   */
  readonly usual: string
  /** What the image will be for (`linux/arm64`); missing where it is unknown. */
  readonly platforms?: readonly string[]
}

type InputSettings = Pick<
  Settings,
  | 'context'
  | 'file'
  | 'target'
  | 'build-args'
  | 'build-contexts'
  | 'image-labels'
  | 'platforms'
  | 'provenance'
  | 'sbom'
>

/**
 * Dockerfile, target, build arguments, labels, platforms, provenance and SBOM, and the folders of the repository that
 * are contexts are the inputs. The Dockerfile counts with its content too, since it may be made by an earlier step, and be in no commit.
 */
export async function inputsOf(
  platform: Platform,
  settings: InputSettings,
  signal: AbortSignal,
): Promise<BuildInputs> {
  const { context, target, 'build-args': args, provenance, sbom } = settings
  const labels = sorted(settings['image-labels'])
  const file = settings.file ?? join(context, 'Dockerfile')
  const given = givenPlatforms(platform, settings)
  const [contextPlace, filePlace, contexts, content = '', platforms] = await Promise.all([
    placeOf(platform, context),
    placeOf(platform, dirname(file)),
    Promise.all(
      sorted(settings['build-contexts']).map(async ([name, value = '']) => [
        name,
        isFolderName(value) ? await placeOf(platform, value) : value,
      ]),
    ),
    platform.files.read(file),
    given ?? platformOfEngine(platform, signal).then((own) => (own ? [own] : undefined)),
  ])
  const hashFor = (platform: string) =>
    hashOf({
      context: contextPlace,
      file: `${filePlace}${basename(file)}`,
      content,
      target: target ?? '',
      args: sorted(args),
      platform,
      // Without any, the hash is as it was before there were these options.
      ...(labels.length > 0 && { labels }),
      ...(contexts.length > 0 && { contexts }),
      ...(provenance !== 'none' && { provenance }),
      ...(sbom && { sbom }),
    })
  // Without linux/amd64 alone, which most registries and clusters mean.
  const own = hashFor(platforms?.join(',').replace(/^linux\/amd64$/, '') ?? '')
  return {
    own,
    usual: given ? own : hashFor(''),
    ...(platforms && !namesPlatform(content) && { platforms }),
  }
}

/** Whether a context of a build is a folder, and no image, repository or address. */
export function isFolderName(context: string): boolean {
  return !/^[\w-]+:|^git@/.test(context)
}

/** Returns the platforms that the user has set, in one order. */
function givenPlatforms(
  { env }: Platform,
  { platforms }: Pick<Settings, 'platforms'>,
): readonly string[] | undefined {
  const ofDocker = env['DOCKER_DEFAULT_PLATFORM'] ?? ''
  const given = platforms.length > 0 ? platforms : ofDocker === '' ? [] : ofDocker.split(',')
  return given.length > 0 ? [...new Set(given)].sort() : undefined
}

/** Whether a Dockerfile names a platform itself: its image may be for that one, wherever it is built. */
function namesPlatform(dockerfile: string): boolean {
  return /^\s*FROM\s+--platform=(?!["']?\$\{?(BUILD|TARGET)PLATFORM\b)/im.test(dockerfile)
}

function hashOf(inputs: unknown): string {
  return createHash('sha256').update(JSON.stringify(inputs)).digest('hex')
}

/** How long the engine may take to say what it is, in ms: one that hangs builds nothing. */
const engineTimeoutMs = 10_000

/** Returns what the engine builds for: `linux/arm64`; `undefined` where none answers: then nothing is built. */
export async function platformOfEngine(
  platform: Platform,
  signal: AbortSignal,
): Promise<string | undefined> {
  const format = '{{.Server.Os}}/{{.Server.Arch}}'
  try {
    const { code, stdout } = await withTimeout(platform.clock, engineTimeoutMs, signal, (late) =>
      docker(platform, ['version', '--format', format], { signal: late }),
    )
    return code === 0 ? stdout.trim() : undefined
  } catch (error) {
    if (!(error instanceof TimeOver)) throw error
    return undefined
  }
}

function sorted(given: Readonly<Record<string, string>>): readonly (readonly string[])[] {
  return Object.entries(given).sort(([one], [other]) => (one < other ? -1 : 1))
}

/** `backend/`: where a folder is in its repository, wherever that was checked out; empty at its top. */
async function placeOf(platform: Platform, folder: string): Promise<string> {
  const { code, stdout } = await gitIn(platform, folder)(['rev-parse', '--show-prefix'])
  if (code === 0) return stdout.trim()
  const path = join(folder, '/')
  return path === './' ? '' : path
}

/** A tag takes 128 letters at most. */
const longestTag = 128

/** The tag of a build's own, where its commit's tag names another build: `<tag>-<12 hex digits>`. */
export function ownTag(tag: string, inputs: string): string {
  const suffix = `-${inputs.slice(0, 12)}`
  return tag.endsWith(suffix) ? tag : tag.slice(0, longestTag - suffix.length) + suffix
}

/** Whether a tag is one of a build's own, beside the tag of its commit. */
export function isOwnTag(tag: string, ofCommit: string): boolean {
  const [suffix = ''] = /-[0-9a-f]{12}$/.exec(tag) ?? []
  return suffix !== '' && tag === ownTag(ofCommit, suffix.slice(1))
}

/** Returns the tag of the commit beside which a build has this separate tag; `undefined` where it has none. */
export function tagOfCommit(tag: string, inputs: string): string | undefined {
  const suffix = `-${inputs.slice(0, 12)}`
  return tag.endsWith(suffix) ? tag.slice(0, -suffix.length) : undefined
}

/**
 * Returns the tag that marks a commit with several builds. It is in the registry, since another machine that gets
 * the commit alone cannot know which of them is meant.
 */
export function severalBuildsTag(ofCommit: string): string {
  return `${ofCommit}-builds`
}
