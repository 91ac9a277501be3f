import { fail } from '../failure/failure.js'
import type { StageLog } from '../platform/stage-log.js'
import { retry } from '../platform/time.js'
import type { Finished, Platform } from '../platform/platform.js'
import type { Built } from './build.js'
import { docker, engineCause, reasonOf } from './client.js'
import type { Image } from './image.js'
import { originIn, type Origin } from './registry.js'
import { hostOf, loginHint, registryErrorOf } from './registry-errors.js'

/**
 * Brings the very image from the registry into the local engine: for the platform that is given, else for that of the
 * engine. A transient failure is tried three times.
 * Throws a `Failure` (`registry`, or `tool-missing` without docker or engine).
 */
export async function pullImage(
  platform: Platform,
  { repository, tag, digest, builtFor }: Image & { readonly builtFor?: string },
  stageLog: StageLog,
  signal: AbortSignal,
): Promise<Built> {
  const name = `${repository}@${digest}`
  const of = builtFor === undefined ? [] : ['--platform', builtFor]
  stageLog.waiting(`pulling ${name}`)
  const finished = await retry<Finished>(
    {
      clock: platform.clock,
      signal,
      tries: 3,
      pause: 2_000,
      isTransient: (ended) =>
        ended.code !== 0 && registryErrorOf(reasonOf(ended), repository) === 'transient',
    },
    () => docker(platform, ['pull', '--quiet', ...of, name], { signal }),
  )
  stageLog.waiting(undefined)
  if (finished.code !== 0) {
    const said = reasonOf(finished)
    fail(
      engineCause('registry', finished) ?? {
        code: 'registry',
        sentence: `registry: ${name} could not be pulled from ${hostOf(repository)}: ${said}`,
        ...(registryErrorOf(said, repository) === 'denied' && {
          hint: loginHint(repository, 'read'),
        }),
      },
    )
  }
  const id = await idInEngine(platform, name, signal)
  if (id !== undefined) return { repository, tag, id }
  return fail({
    code: 'registry',
    sentence: `registry: ${name} was pulled, but is missing from the local engine`,
  })
}

/** The id of an image that the local engine has; `undefined` when it has none of that name. */
export async function idInEngine(
  platform: Platform,
  name: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const found = await docker(platform, ['image', 'inspect', '--format', '{{.Id}}', name], {
    signal,
  })
  if (found.code === 0) return found.stdout.trim()
  const problem = engineCause('image', found)
  return problem === undefined ? undefined : fail(problem)
}

/** The tags that the local engine has of a repository; none where there is no engine. */
export async function tagsInEngine(
  platform: Platform,
  repository: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const args = ['image', 'ls', '--format', '{{.Tag}}', repository]
  const found = await docker(platform, args, { signal })
  return found.code === 0 ? found.stdout.split('\n').filter((tag) => tag !== '') : []
}

/** An image in the local engine, and its labels. */
export interface InEngine extends Origin {
  /** See `Built`. */
  readonly id: string
}

export async function findInEngine(
  platform: Platform,
  name: string,
  signal: AbortSignal,
): Promise<InEngine | undefined> {
  const id = await idInEngine(platform, name, signal)
  if (id === undefined) return undefined
  // By its id: the name may be moved meanwhile.
  const format = '{{json .Config.Labels}}'
  const found = await docker(platform, ['image', 'inspect', '--format', format, id], { signal })
  if (found.code !== 0) return { id }
  return { id, ...originIn(JSON.parse(found.stdout) as Parameters<typeof originIn>[0]) }
}
