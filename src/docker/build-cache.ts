/** Where the layers of a build are kept for the next one, besides the engine's own cache. */
import { fail } from '../failure/failure.js'
import type { Platform } from '../platform/platform.js'
import { builderOf, requireFullBuilder } from './builder.js'

/**
 * `auto`: on machines that begin without layers, GitHub's cache where the builder can write to it, else `inline`.
 * `none`: no layer is taken from any cache, and base images come from their registries.
 */
export type CachePolicy = 'auto' | 'gha' | 'registry' | 'inline' | 'none'

/** The tag of an image, or of a cache, from which builds with `inline` and `registry` begin. */
export const cacheTag = 'buildcache'

/** `engine`: only where they are built. */
export type CachePlace = Exclude<CachePolicy, 'auto'> | 'engine'

export interface BuildCache {
  readonly place: CachePlace
  /** Of `docker buildx build`. */
  readonly args: readonly string[]
}

/** Throws a `Failure` (`usage`) where the policy cannot be followed. */
export async function cacheOf(
  platform: Platform,
  policy: CachePolicy,
  repository: string,
  signal: AbortSignal,
): Promise<BuildCache> {
  const reference = `ref=${repository}:${cacheTag}`
  // A cache that cannot be written costs the next build time, and this one nothing.
  const all = 'mode=max,ignore-error=true'
  // https://docs.docker.com/build/cache/backends/gha/: images of one repository would overwrite each other's.
  const ofGitHub = `type=gha,scope=${repository}`
  const inRegistry = `type=registry,${reference}`
  const place = await placeOfCache(platform, policy, signal)
  switch (place) {
    case 'none':
      // A base image that the engine has from earlier is of a cache too.
      return { place, args: ['--no-cache', '--pull'] }
    case 'inline':
      return { place, args: ['--cache-from', inRegistry, '--cache-to', 'type=inline'] }
    case 'registry':
      await requireFullBuilder(platform, `cache: "${policy}"`, writesNone, signal)
      return { place, args: ['--cache-from', inRegistry, '--cache-to', `${inRegistry},${all}`] }
    case 'gha':
      if (!reachesGitHub(platform)) {
        return fail({
          code: 'usage',
          sentence:
            'cache: "gha" is GitHub\'s cache, which only the action (uses:) reaches, and no command of a step (run:)',
          hint: 'Set "cache" to registry or inline; the action needs no other setting for gha',
        })
      }
      // Where it was chosen by itself, the builder is known to write it.
      if (policy === 'gha')
        await requireFullBuilder(platform, `cache: "${policy}"`, writesNone, signal)
      return { place, args: ['--cache-from', ofGitHub, '--cache-to', `${ofGitHub},${all}`] }
    case 'engine':
      return { place, args: [] }
  }
}

/** Returns where the layers of a build are kept. */
export async function placeOfCache(
  platform: Platform,
  policy: CachePolicy,
  signal: AbortSignal,
): Promise<CachePlace> {
  if (policy !== 'auto') return policy
  // Runners of CI begin without layers; a laptop has those of its last build.
  if (platform.env['CI'] !== 'true') return 'engine'
  const builder = await builderOf(platform, signal)
  if (builder === 'full' && reachesGitHub(platform)) return 'gha'
  // Podman's builder knows no inline cache.
  return builder === 'unknown' ? 'engine' : 'inline'
}

const writesNone = { because: 'writes no cache', or: '; or set "cache: inline"' }

/** GitHub gives these to actions alone. */
function reachesGitHub({ env }: Platform): boolean {
  return ['ACTIONS_RUNTIME_TOKEN', 'ACTIONS_RESULTS_URL'].every((name) => (env[name] ?? '') !== '')
}
