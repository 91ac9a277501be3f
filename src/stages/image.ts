/** Looks for the image in the registry: what is there already is not built again. */
import { pinned, type Image } from '../docker/image.js'
import type { Built } from '../docker/build.js'
import {
  inputsOf,
  isOwnTag,
  ownTag,
  severalBuildsTag,
  type BuildInputs,
} from '../docker/build-inputs.js'
import { findInEngine, idInEngine, pullImage, tagsInEngine, type InEngine } from '../docker/pull.js'
import {
  findImage,
  foundImage,
  lookUp,
  lookUpImage,
  ofCommit,
  originOf,
  revisionOf,
  type CommitLookup,
} from '../docker/registry.js'
import { shortTag } from '../kubernetes/image.js'
import { imageTag, Problem } from '../options/readers.js'
import { fail } from '../failure/failure.js'
import type { ReleaseContext, StageContext } from './context.js'
import { verifySignature } from './signature.js'
import { commitNote, type Source } from '../docker/source.js'

/** What a build of this commit finds in the registry, and the tag that it has or will get there. */
export interface BuildLookup {
  readonly lookup: CommitLookup
  readonly source: Source
  /** The inputs of the build on this machine: see `inputsOf`. */
  readonly inputs: string
  /** See `BuildInputs`. */
  readonly platforms?: readonly string[]
  /** The tag of the commit names another build, so this build has a separate tag. */
  readonly beside?: string
}

/**
 * Looks up this very build. Takes an image only when its labels name these inputs: an image without the label may
 * have been built with anything. Another build stays as it is, and this one gets a separate tag.
 */
export async function lookForBuild(
  context: Pick<ReleaseContext, 'platform' | 'settings' | 'source' | 'signal'>,
): Promise<BuildLookup> {
  const { platform, settings, source, signal } = context
  const inputs = await inputsOf(platform, settings, signal)
  const { own, platforms } = inputs
  const build = { inputs: own, ...(platforms && { platforms }) }
  const found = await ofBuild(context, source.tag, inputs)
  if (found.is !== 'another build') return { ...build, lookup: found, source }
  const tag = ownTag(source.tag, own)
  const lookup = await ofBuild(context, tag, inputs)
  return { ...build, lookup, source: { ...source, tag }, beside: source.tag }
}

async function ofBuild(
  {
    platform,
    settings,
    source,
    signal,
  }: Pick<ReleaseContext, 'platform' | 'settings' | 'source' | 'signal'>,
  tag: string,
  { own, usual }: BuildInputs,
): Promise<CommitLookup> {
  const tagged = await lookUp(platform, settings.image, tag, signal)
  if (tagged.is !== 'there') return tagged
  const { image } = tagged
  const origin = await originOf(platform, image, signal)
  const { sha } = source
  // A tag that the user chose may hold an older commit; a tag made of the commit holds that one.
  const found =
    settings.tag === undefined || sha === undefined ? tagged : ofCommit(image, sha, origin.revision)
  if (found.is !== 'there') return found
  const isThis = origin.inputs === own || origin.inputs === usual
  return isThis ? found : { is: 'another build', image }
}

/** Returns what the registry has of this commit, whatever the inputs of its build were. */
export async function lookUpCommit({
  platform,
  settings,
  source,
  signal,
}: Pick<ReleaseContext, 'platform' | 'settings' | 'source' | 'signal'>): Promise<CommitLookup> {
  const found = await lookUp(platform, settings.image, source.tag, signal)
  if (found.is !== 'there' || settings.tag === undefined || source.sha === undefined) return found
  return ofCommit(found.image, source.sha, await revisionOf(platform, found.image, signal))
}

/** What a release has before its tests: the image of the registry, or what has to be built. */
export interface FoundBuild extends Pick<BuildLookup, 'source' | 'inputs' | 'platforms'> {
  /** Missing: it has to be built. */
  readonly image?: Image
}

/**
 * Returns the image of this very build, if the registry has it. Throws a Failure `registry`; where "verify-signature"
 * is set, `usage` if it does not, and `image-unverified`.
 */
export async function findBuild(context: StageContext): Promise<FoundBuild> {
  const { settings, log } = context
  const note = commitNote(context.platform, context.source)
  if (note !== undefined) log.say(note)
  const { lookup, beside, ...build } = await lookForBuild(context)
  const { source } = build
  if (beside !== undefined) {
    log.say(
      `the registry has ${settings.image}:${beside} of another build (${otherInputs}): this one gets the tag ${shortTag(source.tag)}`,
    )
  }
  const image = imageIn(context.with({ source }), lookup)
  if (image) await verifySignature(context, image)
  else if (settings['verify-signature'].length > 0) failUnsigned(context.with({ source }), lookup)
  return { ...build, ...(image && { image }) }
}

/** What a run builds cannot be signed before that run rolls it out. */
function failUnsigned({ settings, source }: ReleaseContext, lookup: CommitLookup): never {
  if (lookup.is === 'denied') foundImage({ repository: settings.image, tag: source.tag }, lookup)
  return fail({
    code: 'usage',
    sentence: `the registry has no ${settings.image}:${source.tag} of this build, and "verify-signature" lets nothing run that is not signed yet`,
    hint: 'build and push it with "build" and "test", sign it, then roll it out with "deploy" (docs/signatures.md)',
  })
}

/** What differs between two builds of a commit. */
export const otherInputs =
  'other build-args, labels, target, Dockerfile, context or platform, or an unknown build'

function imageIn({ settings, source, log }: StageContext, found: CommitLookup): Image | undefined {
  const name = `${settings.image}:${source.tag}`
  switch (found.is) {
    case 'there':
      log.say(`the registry has ${pinned(found.image)}`)
      return found.image
    case 'another':
      log.say(`the registry has ${name} of another commit (${found.of})`)
      return undefined
    case 'another build':
      return fail({
        code: 'registry',
        sentence: `the registry has ${name} of another build of this commit (${otherInputs})`,
        hint: 'give this build another "tag"',
      })
    case 'unlabelled':
      return fail({
        code: 'registry',
        sentence: `the registry has ${name} already, without a label that names its commit`,
        hint: 'roll that image out with "deploy", or set another "tag"',
      })
    // Many registries deny what they do not have: the push shows whether this login may push.
    case 'absent':
    case 'denied':
      return undefined
    case 'unreachable':
    case 'failed':
      return foundImage({ repository: settings.image, tag: source.tag }, found)
  }
}

/** An image that the registry has, and the commit that it was built from, as far as that is known. */
export interface DeployableImage {
  readonly image: Image
  readonly source: Source
}

/**
 * Returns the image of this tag or digest, which must exist and be verified. Throws a Failure `image-missing`,
 * `registry`, `image-unverified`, or `usage` where the tag is unknown.
 */
export async function imageToDeploy(context: StageContext): Promise<DeployableImage> {
  const ready = await imageInRegistry(context)
  await verifySignature(context, ready.image)
  return ready
}

async function imageInRegistry(context: StageContext): Promise<DeployableImage> {
  const { platform, settings, source, signal, log } = context
  const { image: repository, digest } = settings
  if (digest !== undefined) return imageOfDigest(context, digest)
  const image = await findImage(platform, repository, source.tag, signal)
  if (image) {
    await checkMeant(context)
    log.say(`the registry has ${pinned(image)}`)
    const sha = await commitOf(context, image)
    return { image, source: sourceOf(image.tag, sha) }
  }
  const name = `${repository}:${source.tag}`
  const isHere = await idInEngine(platform, name, signal).catch(() => undefined)
  return fail({
    code: 'image-missing',
    sentence: `the registry has no ${name}`,
    hint:
      isHere === undefined
        ? 'check the option tag, or push the image first'
        : `this machine's engine has it: set "push" for the build, or for the test`,
  })
}

/**
 * Returns the image of a digest. The checkout does not know it: the image itself names its commit and, where none
 * is given, its tag.
 */
async function imageOfDigest(
  { platform, settings, signal, log }: StageContext,
  digest: string,
): Promise<DeployableImage> {
  const { image: repository } = settings
  const wanted = { repository, tag: settings.tag ?? '', digest }
  const found = foundImage(wanted, await lookUpImage(platform, wanted, signal))
  if (!found) {
    return fail({
      code: 'image-missing',
      sentence: `the registry has no ${repository}@${digest}`,
      hint: 'check the option digest, or push the image first',
    })
  }
  const { revision, version } = await originOf(platform, found, signal)
  const tag = settings.tag ?? (isTag(version) ? version : undefined)
  if (tag === undefined) {
    return fail({
      code: 'usage',
      sentence: `"digest" needs "tag" here: ${repository}@${digest} has no version label`,
      hint: 'set the tag that the image was pushed with; it names the version in log and history',
    })
  }
  const image = { ...found, tag }
  log.say(`the registry has ${pinned(image)}`)
  return { image, source: sourceOf(tag, revision ?? commitIn(settings.tag)) }
}

function isTag(version: string | undefined): version is string {
  return version !== undefined && !(imageTag(version) instanceof Problem)
}

function sourceOf(tag: string, sha: string | undefined): Source {
  return { tag, ...(sha !== undefined && { sha }) }
}

/** A tag that the user chose does not name the commit, and the checkout may be at another one. */
async function commitOf(
  { platform, settings, source, signal }: ReleaseContext,
  image: Image,
): Promise<string | undefined> {
  if (settings.tag === undefined) return source.sha
  return commitIn(settings.tag) ?? revisionOf(platform, image, signal).catch(() => undefined)
}

function commitIn(tag = ''): string | undefined {
  return /^[0-9a-f]{40}(?![0-9a-f])/.exec(tag)?.[0]
}

/** An image to test. */
export interface Candidate {
  readonly built: Built
  readonly source: Source
  /** Missing: the registry does not have it yet. */
  readonly image?: Image
}

/**
 * Returns the image that the registry has for the commit or the digest, pulled; otherwise what was built on this
 * machine. Throws a Failure `image-missing`, `registry` or `tool-missing`.
 */
export async function imageToTest(context: StageContext): Promise<Candidate> {
  const { platform, settings, source, signal, log } = context
  if (settings.digest !== undefined) {
    const ready = await imageInRegistry(context)
    if (settings.push) log.say('not pushed: the registry already has it')
    return { ...ready, built: await pullImage(platform, ready.image, log, signal) }
  }
  const found = await lookUpCommit(context)
  const image = imageIn(context, found)
  if (image) {
    await checkMeant(context)
    return { image, source, built: await pullImage(platform, image, log, signal) }
  }
  const { image: repository } = settings
  const name = `${repository}:${source.tag}`
  const here = await findInEngine(platform, name, signal)
  if (!here) {
    return fail({
      code: 'image-missing',
      sentence:
        found.is === 'another'
          ? `${name} in the registry is of another commit (${shortTag(found.of)}), and this machine does not have the image`
          : `neither the registry nor this machine has ${name}`,
      hint: 'build it first with "build", on this machine or with "push"',
    })
  }
  checkCommit(context, name, here)
  log.say(`this machine has ${name} (${here.id.slice(7, 19)})`)
  const { id, inputs } = here
  return { source, built: { repository, tag: source.tag, id, ...(inputs && { inputs }) } }
}

/**
 * Throws a Failure `usage` where the tag of the commit may mean two builds, and nothing says which is meant: the
 * other one has a separate tag, which the registry is marked with, or this machine has.
 */
async function checkMeant({ platform, settings, source, signal }: ReleaseContext): Promise<void> {
  if (settings.tag !== undefined) return
  const { image: repository } = settings
  const [tags, mark] = await Promise.all([
    tagsInEngine(platform, repository, signal),
    lookUp(platform, repository, severalBuildsTag(source.tag), signal),
  ])
  const beside = tags.filter((tag) => isOwnTag(tag, source.tag))
  if (beside.length === 0 && mark.is !== 'there') return
  const own = beside.length === 0 ? `${source.tag}-…` : undefined
  const where =
    own === undefined
      ? `this machine has also built ${beside.join(', ')}`
      : `the registry has another one as ${own}`
  const all = [source.tag, ...(own === undefined ? beside : [own])]
    .map((tag) => `--tag ${tag}`)
    .join(' or ')
  fail({
    code: 'usage',
    sentence: `${repository}:${source.tag} is one of several builds of this commit (${otherInputs}): ${where}`,
    hint: `choose one: ${all} (the build's output or report has it as "tag")`,
  })
}

/** Rejects an image of an older commit: it must neither pass for this one, nor be pushed in its name. */
function checkCommit(
  { settings, source, log }: StageContext,
  name: string,
  { revision }: InEngine,
): void {
  const { sha } = source
  if (sha === undefined || revision === sha) return
  if (revision !== undefined) {
    fail({
      code: 'image-missing',
      sentence: `${name} on this machine is of the commit ${shortTag(revision)}, not of ${shortTag(sha)}`,
      hint: 'build it again with "build"',
    })
  }
  // A tag that is made of the commit names it.
  if (settings.tag === undefined) return
  if (settings.push) {
    fail({
      code: 'image-missing',
      sentence: `${name} on this machine has no label that names its commit, so it is not pushed for ${shortTag(sha)}`,
      hint: `build it with "build", or with the label org.opencontainers.image.revision=${sha}`,
    })
  }
  log.say(`${name} has no label that names its commit`)
}
