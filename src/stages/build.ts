import { cacheOf, type BuildCache } from '../docker/build-cache.js'
import { buildImage, type Built } from '../docker/build.js'
import { buildIndex, whyIndex } from '../docker/build-index.js'
import { findOrigin, missingSubmodules } from '../docker/source.js'
import { duration } from '../docker/text.js'
import { fail, Failure } from '../failure/failure.js'
import { logWarning, type StageContext } from './context.js'

export type { Built } from '../docker/build.js'

/** Looks where the layers of the build are kept, which costs a moment: before it is known whether there is one. */
export function lookForCache({ platform, settings, signal }: StageContext): Promise<BuildCache> {
  const cache = cacheOf(platform, settings.cache, settings.image, signal)
  // A build that waits for it gets it.
  cache.catch(() => undefined)
  return cache
}

interface BuildInput {
  /** See `inputsOf`. */
  readonly inputs: string
  readonly cache: Promise<BuildCache>
}

/**
 * Builds the image of the release in the local engine; the registry gets no tag before the tests have passed.
 * Needs no undo: an image without a tag has no effect.
 *
 * Throws a `Failure` (`build-failed`, `tool-missing`, `usage`), or the signal's reason.
 */
export async function build(
  context: StageContext,
  { inputs, cache: looked }: BuildInput,
): Promise<Built> {
  const { platform, settings, source, signal, log } = context
  const startedAt = platform.clock.now()
  const [origin, missing, cache] = await Promise.all([
    findOrigin(platform, settings.context),
    missingSubmodules(platform, settings.context),
    looked,
  ])
  if (missing.length > 0) {
    const names = missing.join(', ')
    logWarning(context, `not checked out, and empty in the build: submodule ${names}`)
  }
  const { platforms, provenance, sbom } = settings
  const make = whyIndex(settings) === undefined ? buildImage : buildIndex
  const built = await make(
    platform,
    {
      repository: settings.image,
      tag: source.tag,
      context: settings.context,
      ...(settings.file === undefined ? {} : { file: settings.file }),
      ...(settings.target === undefined ? {} : { target: settings.target }),
      contexts: settings['build-contexts'],
      args: settings['build-args'],
      secrets: secretsOf(platform, settings['build-secrets']),
      platforms,
      provenance,
      sbom,
      ssh: settings['build-ssh'],
      cache,
      inputs,
      // https://github.com/opencontainers/image-spec/blob/main/annotations.md
      labels: {
        'org.opencontainers.image.created': new Date(startedAt).toISOString(),
        ...(origin === undefined ? {} : { 'org.opencontainers.image.source': origin }),
        ...settings['image-labels'],
        // By these the image is found again.
        'org.opencontainers.image.version': source.tag,
        ...(source.sha === undefined ? {} : { 'org.opencontainers.image.revision': source.sha }),
      },
    },
    log,
    signal,
  ).catch((error: unknown) => {
    throw missing.length > 0 && error instanceof Failure ? withHint(error, missing) : error
  })
  const forWhat = platforms.length > 1 ? ` for ${platforms.join(' and ')}` : ''
  const time = duration(platform.clock.now() - startedAt)
  log.say(`built ${built.repository}:${built.tag}${forWhat} in ${time}`)
  return built
}

/** Names an entry by its number: it may be a line of a secret that was pasted with all its lines. */
function secretsOf(
  { env }: StageContext['platform'],
  given: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(given).map(([name, value], at) => {
      const found = value ?? env[name]
      return found === undefined
        ? fail({
            code: 'usage',
            sentence: `build-secrets: entry ${at + 1} is a name without a value, and the environment has no variable of this name`,
            hint: 'write NAME=value; for a value of several lines, set a variable and write its name',
          })
        : [name, found]
    }),
  )
}

function withHint({ cause }: Failure, missing: readonly string[]): Failure {
  const hint = `if it needs ${missing.join(' or ')}: set "submodules: recursive" for actions/checkout, or run git submodule update --init --recursive`
  return new Failure({
    ...cause,
    hint: cause.hint === undefined ? hint : `${cause.hint}\n${hint}`,
  })
}
