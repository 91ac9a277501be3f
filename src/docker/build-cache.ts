/** Where the layers of a build are kept for the next one, besides the engine's own cache. */
import { fail } from '../failure/failure.js'
import type { Platform } from '../platform/platform.js'
import { docker } from './client.js'

/** `auto`: GitHub's cache where the builder can write to it; `none`: no layer is taken from any cache. */
export type CachePolicy = 'auto' | 'gha' | 'registry' | 'inline' | 'none'

/** The tag of an image, or of a cache, from which builds with `inline` and `registry` begin. */
export const cacheTag = 'buildcache'

/** What a builder can do, and where it runs. */
export interface Builder {
  /** Whether it can write a cache to another place. The engine's own builder cannot, but with the image store of containerd. */
  readonly canExport: boolean
  /** Whether GitHub's cache can be reached from this process. */
  readonly hasGitHub: boolean
}

/** Returns arguments of `docker buildx build`; `undefined` where the builder cannot do what the policy wants. */
export function cacheArguments(
  policy: CachePolicy,
  { canExport, hasGitHub }: Builder,
  repository: string,
): readonly string[] | undefined {
  const reference = `ref=${repository}:${cacheTag}`
  // A cache that cannot be written costs the next build time, and this one nothing.
  const all = 'mode=max,ignore-error=true'
  // https://docs.docker.com/build/cache/backends/gha/: images of one repository would overwrite each other's.
  const ofGitHub = `type=gha,scope=${repository}`
  switch (policy) {
    case 'none':
      return ['--no-cache']
    case 'inline':
      return ['--cache-from', `type=registry,${reference}`, '--cache-to', 'type=inline']
    case 'registry':
      if (!canExport) return undefined
      return [
        '--cache-from',
        `type=registry,${reference}`,
        '--cache-to',
        `type=registry,${reference},${all}`,
      ]
    case 'gha':
      if (!canExport || !hasGitHub) return undefined
      return ['--cache-from', ofGitHub, '--cache-to', `${ofGitHub},${all}`]
    case 'auto':
      return canExport && hasGitHub
        ? cacheArguments('gha', { canExport, hasGitHub }, repository)
        : []
  }
}

/** Throws a `Failure` (`usage`) where the builder cannot do what the policy wants. */
export async function cacheOf(
  platform: Platform,
  policy: CachePolicy,
  repository: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { env } = platform
  const hasGitHub = ['ACTIONS_RUNTIME_TOKEN', 'ACTIONS_RESULTS_URL'].every(
    (name) => (env[name] ?? '') !== '',
  )
  const depends = policy === 'gha' || policy === 'registry' || (policy === 'auto' && hasGitHub)
  const builder = { hasGitHub, canExport: depends && (await canExport(platform, signal)) }
  return (
    cacheArguments(policy, builder, repository) ??
    fail(
      builder.canExport
        ? {
            code: 'usage',
            sentence:
              'cache: "gha" is GitHub\'s cache, which is reached from a step of a workflow alone',
            hint: 'Set "cache" to registry or inline; the action needs no other setting for gha',
          }
        : {
            code: 'usage',
            sentence: `cache: "${policy}" needs another builder than the engine's own, which writes no cache`,
            hint: 'Run docker/setup-buildx-action before this step, or docker buildx create --use; or set "cache: inline"',
          },
    )
  )
}

/** The build reports an engine that does not answer. */
async function canExport(platform: Platform, signal: AbortSignal): Promise<boolean> {
  const [builder, engine] = await Promise.all([
    docker(platform, ['buildx', 'inspect'], { signal }),
    docker(platform, ['info', '--format', '{{json .DriverStatus}}'], { signal }),
  ])
  const [, driver = ''] = /^Driver: +(\S+)/m.exec(builder.stdout) ?? []
  return (
    driver !== '' && (driver !== 'docker' || engine.stdout.includes('io.containerd.snapshotter'))
  )
}
