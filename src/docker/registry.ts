import { createHash } from 'node:crypto'
import { fail } from '../failure/failure.js'
import type { Platform } from '../platform/platform.js'
import type { Image } from './image.js'
import type { ImageConfig, ImageContent } from './content.js'
import { inputsLabel } from './build-inputs.js'
import { RegistryClient, said, type Answer } from './registry-client.js'
import { hostOf, loginHint } from './registry-errors.js'

/** What a registry answers about one tag. */
export type Lookup =
  | { readonly is: 'there'; readonly image: Image }
  /** The registry answers, and has no such tag, or no such repository yet. */
  | { readonly is: 'absent' }
  /** Not allowed; some registries (Docker's and GitHub's too) say this of repositories that they do not have. */
  | { readonly is: 'denied'; readonly said: string }
  /** No answer, or an error of the registry's own. */
  | { readonly is: 'unreachable'; readonly said: string }
  | { readonly is: 'failed'; readonly said: string; readonly hint?: string }

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

/**
 * Looks a tag up in the registry, with the user's own logins and the engine's settings: see `RegistryClient`.
 * A transient failure is tried three times.
 */
export async function lookUp(
  platform: Platform,
  repository: string,
  tag: string,
  signal: AbortSignal,
): Promise<Lookup> {
  return looked(platform, { repository, tag }, tag, signal)
}

/** The same for the very image, whatever its tag names now. */
export async function lookUpImage(
  platform: Platform,
  image: Image,
  signal: AbortSignal,
): Promise<Lookup> {
  return looked(platform, image, image.digest, signal)
}

/** What a manifest may be. A registry that is not sent a type may answer that it does not have it. */
const accept = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
  '*/*;q=0.1',
].join(', ')

/** HEAD counts towards no limit of pulls, but some registries refuse it, or answer it without the digest. */
async function looked(
  platform: Platform,
  { repository, tag }: Pick<Image, 'repository' | 'tag'>,
  reference: string,
  signal: AbortSignal,
): Promise<Lookup> {
  const client = RegistryClient.of(platform, repository)
  const request = { path: `manifests/${reference}`, headers: { accept } }
  const head = await client.request({ method: 'HEAD', ...request }, signal)
  if (head.is === 'answer') {
    const digest = head.headers.get('docker-content-digest') ?? ''
    if (head.status === 404) return { is: 'absent' }
    if (head.status === 200 && isDigest(digest)) {
      return { is: 'there', image: { repository, tag, digest } }
    }
  } else if (head.is === 'unreachable') {
    return head
  }
  const read = await readManifest(platform, repository, reference, signal)
  return 'digest' in read ? { is: 'there', image: { repository, tag, digest: read.digest } } : read
}

interface Manifest {
  readonly digest: string
  readonly type: string
  /** To the letter: the digest is of it. */
  readonly text: string
  readonly content: ManifestContent
}

interface ManifestContent {
  readonly mediaType?: string
  readonly schemaVersion?: number
  readonly config?: { readonly digest: string }
  readonly manifests?: readonly {
    readonly digest: string
    readonly platform?: { readonly os?: string; readonly architecture?: string }
  }[]
}

type Unread = Exclude<Lookup, { readonly is: 'there' }>

/** Reads a manifest, or an index of several, by its tag or digest. */
async function readManifest(
  platform: Platform,
  repository: string,
  reference: string,
  signal: AbortSignal,
): Promise<Manifest | Unread> {
  const read = await readContent(platform, repository, `manifests/${reference}`, signal)
  if (read.is !== 'answer') return read
  const { body, headers } = read
  const text = body.toString()
  const content = parsed(text) as ManifestContent | undefined
  const isManifest = content?.config !== undefined || content?.manifests !== undefined
  if (content === undefined || !isManifest) {
    const said =
      content?.schemaVersion === 1
        ? 'it is an image of the old format (schema 1), which has no digest'
        : `${hostOf(repository)} answers with no manifest: it may not be a registry`
    return { is: 'failed', said }
  }
  const digest = digestOf(body)
  const wanted = isDigest(reference) ? reference : headers.get('docker-content-digest')
  if (wanted?.startsWith('sha256:') && wanted !== digest) return altered(wanted)
  const type = content.mediaType ?? headers.get('content-type') ?? ''
  return { digest, type, text, content }
}

/** Returns the digest of an image's configuration; `undefined` where the registry does not let it be read. */
export async function configDigestOf(
  platform: Platform,
  { repository, digest }: Image,
  signal: AbortSignal,
): Promise<string | undefined> {
  const manifest = await readManifest(platform, repository, digest, signal)
  return 'content' in manifest ? manifest.content.config?.digest : undefined
}

/**
 * Returns which of these digests of the repository name another image for all of its platforms. The same image are an
 * index and its parts, and two manifests of one content; what the registry does not show counts as the same.
 */
export async function otherImages(
  platform: Platform,
  { repository, digest }: Image,
  others: readonly string[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  if (others.length === 0) return []
  const [own, ...all] = await Promise.all(
    [digest, ...others].map((one) =>
      configDigestsOf(platform, { repository, digest: one }, signal),
    ),
  )
  return own ? others.filter((_, at) => all[at]?.every((one) => !own.includes(one))) : []
}

/** Returns the digests of the configurations for all platforms; `undefined` where one cannot be read. */
async function configDigestsOf(
  platform: Platform,
  { repository, digest }: Pick<Image, 'repository' | 'digest'>,
  signal: AbortSignal,
): Promise<readonly string[] | undefined> {
  const read = (reference: string) => readManifest(platform, repository, reference, signal)
  const top = await read(digest)
  if (!('digest' in top)) return undefined
  const parts = partsOf(top)
  const all = parts ? await Promise.all(parts.map((each) => read(each.digest))) : [top]
  const configs = all.flatMap((one) => ('content' in one ? (one.content.config?.digest ?? []) : []))
  return configs.length > 0 && configs.length === all.length ? configs : undefined
}

/** Reads what a registry has at a path below the repository. */
async function readContent(
  platform: Platform,
  repository: string,
  path: string,
  signal: AbortSignal,
): Promise<Answer | Unread> {
  const client = RegistryClient.of(platform, repository)
  const headers = path.startsWith('manifests/') ? { accept } : {}
  const reply = await client.request({ method: 'GET', path, headers }, signal)
  if (reply.is !== 'answer') return reply
  const { status } = reply
  if (status === 200) return reply
  if (status === 404) return { is: 'absent' }
  return { is: status === 403 ? 'denied' : 'failed', said: said(reply) }
}

function altered(digest: string): Unread {
  return { is: 'failed', said: `the content is not that of ${digest}: it was changed on its way` }
}

function digestOf(content: Buffer): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`
}

function isDigest(text: string): boolean {
  return /^sha(256:[0-9a-f]{64}|512:[0-9a-f]{128})$/.test(text)
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
        sentence: `registry: ${repository}:${tag} could not be looked up: ${found.said}`,
        hint: `Run it again when ${hostOf(repository)} works; check the host name in "image", and that this machine reaches it`,
      })
    case 'failed':
      return fail({
        code: 'registry',
        sentence: `registry: ${repository}:${tag} could not be looked up: ${found.said}`,
        ...(found.hint !== undefined && { hint: found.hint }),
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
  image: Image,
  signal: AbortSignal,
): Promise<Origin> {
  const config = await configOf(platform, image, signal)
  if (!('is' in config)) return originIn(config.Labels)
  const { repository, digest } = image
  return fail({
    code: 'registry',
    sentence: `registry: ${repository}@${digest} could not be read: ${'said' in config ? config.said : 'not found'}`,
    ...('hint' in config && { hint: config.hint }),
  })
}

/** The commit alone; `undefined` when the image does not say. */
export async function revisionOf(
  platform: Platform,
  image: Image,
  signal: AbortSignal,
): Promise<string | undefined> {
  return (await originOf(platform, image, signal)).revision
}

export function originIn(labels: Readonly<Record<string, string>> | null = {}): Origin {
  const revision = labels?.['org.opencontainers.image.revision']
  const version = labels?.['org.opencontainers.image.version']
  const inputs = labels?.[inputsLabel]
  return { ...(revision && { revision }), ...(version && { version }), ...(inputs && { inputs }) }
}

/** Reads the configuration of an image; of several platforms that of the first. */
async function configOf(
  platform: Platform,
  image: Image,
  signal: AbortSignal,
): Promise<ImageConfig | Unread> {
  const content = await contentOf(platform, image, signal)
  return 'is' in content ? content : (content.config ?? {})
}

/** Reads what an image holds; of several platforms that of the first. */
export async function contentOf(
  platform: Platform,
  { repository, digest }: Image,
  signal: AbortSignal,
): Promise<ImageContent | Unread> {
  const top = await readManifest(platform, repository, digest, signal)
  if (!('digest' in top)) return top
  const [one] = partsOf(top) ?? []
  const manifest = one ? await readManifest(platform, repository, one.digest, signal) : top
  return 'digest' in manifest ? readImage(platform, repository, manifest, signal) : manifest
}

/** Returns the images of an index, one for each platform. What a build records of itself is in it too, for no platform. */
function partsOf({ content: { manifests } }: Manifest): ManifestContent['manifests'] {
  return manifests?.filter((each) => each.platform?.os !== 'unknown')
}

/** Reads what a manifest of one platform has its layers for. */
async function readImage(
  platform: Platform,
  repository: string,
  { content }: Manifest,
  signal: AbortSignal,
): Promise<ImageContent | Unread> {
  const wanted = content.config?.digest ?? ''
  if (!isDigest(wanted)) return { is: 'failed', said: 'its manifest names no configuration' }
  const read = await readContent(platform, repository, `blobs/${wanted}`, signal)
  if (read.is !== 'answer') return read
  if (wanted.startsWith('sha256:') && digestOf(read.body) !== wanted) return altered(wanted)
  const stored: StoredContent = parsed(read.body.toString()) ?? {}
  return { ...stored, layers: stored.rootfs?.diff_ids ?? [] }
}

interface StoredContent extends Omit<ImageContent, 'layers'> {
  readonly rootfs?: { readonly diff_ids?: readonly string[] }
}

/** Returns the platforms of an image (`linux/arm64`); `undefined` where they cannot be read, or one is not named. */
export async function platformsOf(
  platform: Platform,
  { repository, digest }: Image,
  signal: AbortSignal,
): Promise<readonly string[] | undefined> {
  const top = await readManifest(platform, repository, digest, signal)
  if (!('digest' in top)) return undefined
  const parts = partsOf(top)?.map((each) => each.platform ?? {})
  const all = parts ?? [await readImage(platform, repository, top, signal)]
  const named = all.flatMap((one) =>
    'os' in one && one.os && one.architecture ? [`${one.os}/${one.architecture}`] : [],
  )
  return named.length > 0 && named.length === all.length ? named : undefined
}

function parsed(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}

/** Returns what the image runs by default; `undefined` when the registry does not answer that. */
export async function commandOf(
  platform: Platform,
  image: Image,
  signal: AbortSignal,
): Promise<
  { readonly entrypoint: readonly string[]; readonly cmd: readonly string[] } | undefined
> {
  const config = await configOf(platform, image, signal)
  if ('is' in config) return undefined
  return { entrypoint: config.Entrypoint ?? [], cmd: config.Cmd ?? [] }
}

/**
 * Gives more tags to an image that is in the registry, without pulling it: they get its very manifest. Throws a
 * `Failure` (`registry`) when one could not be set.
 */
export async function addTags(
  platform: Platform,
  image: Image,
  tags: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  if (tags.length === 0) return
  const { repository, digest } = image
  const manifest = await readManifest(platform, repository, digest, signal)
  const refused: { readonly tag: string; readonly why: Unread }[] = []
  for (const tag of tags) {
    const why =
      'digest' in manifest ? await putTag(platform, { ...image, tag }, manifest, signal) : manifest
    if (why !== undefined) refused.push({ tag, why })
  }
  const [first] = refused
  if (first === undefined) return
  const { why } = first
  const names = refused.map(({ tag }) => tag).join(', ')
  fail({
    code: 'registry',
    sentence: `registry: ${repository} refused ${refused.length === 1 ? 'the tag' : 'the tags'} ${names}: ${'said' in why ? why.said : 'it does not have the image'}`,
    ...('hint' in why && { hint: why.hint }),
    ...(why.is === 'denied' && { hint: loginHint(repository, 'write to') }),
  })
}

/** Returns why a tag could not be set. Where tags may not be written twice, one that names the image already is fine. */
async function putTag(
  platform: Platform,
  { repository, digest, tag }: Image,
  { type, text }: Manifest,
  signal: AbortSignal,
): Promise<Unread | undefined> {
  const reply = await RegistryClient.of(platform, repository).request(
    { method: 'PUT', path: `manifests/${tag}`, headers: { 'content-type': type }, body: text },
    signal,
  )
  if (reply.is === 'answer' && reply.status < 300) return undefined
  const there = await lookUp(platform, repository, tag, signal)
  if (there.is === 'there' && there.image.digest === digest) return undefined
  if (reply.is !== 'answer') return reply
  return { is: reply.status === 403 ? 'denied' : 'failed', said: said(reply) }
}
