import { fail } from '../failure/failure.js'
import { retry, TimeOver, withTimeout } from '../platform/time.js'
import type { Finished, Platform } from '../platform/platform.js'
import { docker, engineCause, reasonOf } from './client.js'
import type { Image } from './image.js'
import { inputsLabel } from './build-inputs.js'
import { hostOf, loginHint, registryErrorOf } from './registry-errors.js'

/** What a registry answers about one tag. */
export type Lookup =
  | { readonly is: 'there'; readonly image: Image }
  /** The registry answers, and has no such tag, or no such repository yet. */
  | { readonly is: 'absent' }
  /** Not allowed; some registries (Docker's and GitHub's too) say this of repositories that they do not have. */
  | { readonly is: 'denied'; readonly said: string }
  /** No answer, or an error of the registry's own. */
  | { readonly is: 'unreachable'; readonly said: string }
  | { readonly is: 'failed'; readonly said: string }

/** What the registry has under the tag of a commit. */
export type CommitLookup =
  /** `there`: the image of that commit. */
  | Lookup
  /** The image of another commit. */
  | { readonly is: 'another'; readonly image: Image; readonly of: string }
  /** An image that does not say of which commit it is. */
  | { readonly is: 'unlabelled'; readonly image: Image }
  /** An image of that commit whose build had other inputs, or unknown ones. */
  | { readonly is: 'another build'; readonly image: Image }

/** Returns whether an image with this `revision` in its labels is the one of the commit. */
export function ofCommit(image: Image, sha: string, revision: string | undefined): CommitLookup {
  if (revision === undefined) return { is: 'unlabelled', image }
  return revision === sha ? { is: 'there', image } : { is: 'another', image, of: revision }
}

/** After this time (in ms) without an answer the request is repeated. */
const answerTime = 30_000

/**
 * Looks a tag up in the registry, with the user's own credentials and helpers: `docker buildx imagetools`
 * needs no engine, and reads `~/.docker/config.json` as `docker push` does. A transient failure is tried three
 * times. Throws a `Failure` (`tool-missing`) without docker or buildx.
 */
export async function lookUp(
  platform: Platform,
  repository: string,
  tag: string,
  signal: AbortSignal,
): Promise<Lookup> {
  const args = ['inspect', '--format', '{{json .Manifest}}', `${repository}:${tag}`]
  return readLookup(repository, tag, await imagetools(platform, repository, args, signal))
}

/** The same for the very image, whatever its tag names now. */
export async function lookUpImage(
  platform: Platform,
  { repository, tag, digest }: Image,
  signal: AbortSignal,
): Promise<Lookup> {
  const args = ['inspect', '--format', '{{json .Manifest}}', `${repository}@${digest}`]
  return readLookup(repository, tag, await imagetools(platform, repository, args, signal))
}

/** Reads the end of `imagetools inspect --format '{{json .Manifest}}'`. */
function readLookup(repository: string, tag: string, finished: Finished): Lookup {
  if (finished.code === 0) {
    const digest = digestOf(finished.stdout)
    return digest === undefined
      ? { is: 'failed', said: 'docker buildx imagetools reported no digest' }
      : { is: 'there', image: { repository, tag, digest } }
  }
  const said = reasonOf(finished)
  switch (registryErrorOf(said, repository)) {
    case 'absent':
      return { is: 'absent' }
    case 'denied':
      return { is: 'denied', said }
    case 'transient':
      return { is: 'unreachable', said }
    case 'refused':
      return { is: 'failed', said }
  }
}

/**
 * The image that the registry has under a tag; `undefined` when it answers that there is none.
 * Throws a `Failure` (`registry`) when that is unknown. Before a first push some registries deny what
 * they do not have: callers that only want to save a build use `lookUp`.
 */
export async function findImage(
  platform: Platform,
  repository: string,
  tag: string,
  signal: AbortSignal,
): Promise<Image | undefined> {
  return foundImage({ repository, tag }, await lookUp(platform, repository, tag, signal))
}

/** What was found of an image that must not stay unknown: see `findImage`. */
export function foundImage(
  { repository, tag }: Pick<Image, 'repository' | 'tag'>,
  found: Lookup,
): Image | undefined {
  switch (found.is) {
    case 'there':
      return found.image
    case 'absent':
      return undefined
    case 'denied':
      return fail({
        code: 'registry',
        sentence: `registry: ${repository} does not exist, or this login may not read it: ${found.said}`,
        hint: loginHint(repository, 'read'),
      })
    case 'unreachable':
      return fail({
        code: 'registry',
        sentence: `registry: no answer from ${hostOf(repository)} about ${repository}:${tag}: ${found.said}`,
        hint: `Check the host name in "image" and that this machine reaches it, then run again`,
      })
    case 'failed':
      return fail({
        code: 'registry',
        sentence: `registry: ${repository}:${tag} could not be looked up: ${found.said}`,
      })
  }
}

/** The labels of an image: `org.opencontainers.image.…`, and those of django-rollout. */
export interface Origin {
  /** The commit that it was built from. */
  readonly revision?: string
  readonly version?: string
  /** The inputs of its build: see `inputsOf`. */
  readonly inputs?: string
}

/** Throws a `Failure` (`registry`) when the image cannot be read. */
export async function originOf(
  platform: Platform,
  { repository, digest }: Image,
  signal: AbortSignal,
): Promise<Origin> {
  const args = ['inspect', '--format', '{{json .Image}}', `${repository}@${digest}`]
  const finished = await imagetools(platform, repository, args, signal)
  if (finished.code !== 0) {
    fail({
      code: 'registry',
      sentence: `registry: ${repository}@${digest} could not be read: ${reasonOf(finished)}`,
    })
  }
  return readOrigin(finished.stdout)
}

/** The commit alone; `undefined` when the image does not say. */
export async function revisionOf(
  platform: Platform,
  image: Image,
  signal: AbortSignal,
): Promise<string | undefined> {
  return (await originOf(platform, image, signal)).revision
}

/** Reads `{{json .Image}}`: one image's configuration, or one for each platform. */
export function readOrigin(json: string): Origin {
  return originIn(configIn(json)?.Labels)
}

function configIn(json: string): ImageConfig['config'] {
  const parsed = JSON.parse(json) as Readonly<Record<string, ImageConfig>> | ImageConfig
  const [one] = isConfig(parsed) ? [parsed] : Object.values(parsed)
  return one?.config
}

export function originIn(labels: Readonly<Record<string, string>> | null = {}): Origin {
  const revision = labels?.['org.opencontainers.image.revision']
  const version = labels?.['org.opencontainers.image.version']
  const inputs = labels?.[inputsLabel]
  return { ...(revision && { revision }), ...(version && { version }), ...(inputs && { inputs }) }
}

function isConfig(parsed: object): parsed is ImageConfig {
  return 'config' in parsed
}

interface ImageConfig {
  readonly config?: {
    readonly Labels?: Readonly<Record<string, string>> | null
    readonly Entrypoint?: readonly string[] | null
    readonly Cmd?: readonly string[] | null
  }
}

/** Returns what the image runs by default; `undefined` when the registry does not answer that. */
export async function commandOf(
  platform: Platform,
  { repository, digest }: Image,
  signal: AbortSignal,
): Promise<
  { readonly entrypoint: readonly string[]; readonly cmd: readonly string[] } | undefined
> {
  const args = ['inspect', '--format', '{{json .Image}}', `${repository}@${digest}`]
  const finished = await imagetools(platform, repository, args, signal)
  if (finished.code !== 0) return undefined
  const config = configIn(finished.stdout)
  return { entrypoint: config?.Entrypoint ?? [], cmd: config?.Cmd ?? [] }
}

/**
 * Gives more tags to an image that is in the registry, without pulling it. They get the digest of the
 * image (with buildx 0.13 and older: of an index that holds it alone). Throws a `Failure` (`registry`) when one could not be set.
 */
export async function addTags(
  platform: Platform,
  image: Image,
  tags: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  if (tags.length === 0) return
  const create = (flags: readonly string[]): Promise<Finished> =>
    imagetools(
      platform,
      image.repository,
      [
        'create',
        ...flags,
        ...tags.flatMap((tag) => ['--tag', `${image.repository}:${tag}`]),
        `${image.repository}@${image.digest}`,
      ],
      signal,
    )
  // The very manifest, and not an index around it; a buildx that does not know the flag makes the index.
  let finished = await create(['--prefer-index=false'])
  if (finished.stderr.includes('unknown flag: --prefer-index')) finished = await create([])
  if (finished.code === 0) return
  const said = reasonOf(finished)
  fail({
    code: 'registry',
    sentence: `registry: ${image.repository} refused ${tags.length === 1 ? 'the tag' : 'the tags'} ${tags.join(', ')}: ${said}`,
    ...(registryErrorOf(said, image.repository) === 'denied'
      ? { hint: loginHint(image.repository, 'write to') }
      : {}),
  })
}

async function imagetools(
  platform: Platform,
  repository: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<Finished> {
  const finished = await retry<Finished>(
    {
      clock: platform.clock,
      signal,
      tries: 3,
      pause: 1_000,
      isTransient: (ended) =>
        ended.code !== 0 && registryErrorOf(reasonOf(ended), repository) === 'transient',
    },
    () => withinAnswerTime(platform, args, signal),
  )
  const problem = finished.code === 0 ? undefined : engineCause('registry', finished)
  return problem === undefined ? finished : fail(problem)
}

async function withinAnswerTime(
  platform: Platform,
  args: readonly string[],
  signal: AbortSignal,
): Promise<Finished> {
  try {
    return await withTimeout(platform.clock, answerTime, signal, (either) =>
      docker(platform, ['buildx', 'imagetools', ...args], { signal: either }),
    )
  } catch (error) {
    signal.throwIfAborted()
    if (!(error instanceof TimeOver)) throw error
    return { code: 1, stdout: '', stderr: `no answer within ${answerTime / 1000} s: timed out` }
  }
}

function digestOf(json: string): string | undefined {
  try {
    const { digest } = JSON.parse(json) as { digest?: unknown }
    return typeof digest === 'string' ? digest : undefined
  } catch {
    return undefined
  }
}
