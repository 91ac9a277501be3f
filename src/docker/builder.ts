/** What the current builder of docker can do. */
import { fail } from '../failure/failure.js'
import type { Platform } from '../platform/platform.js'
import { docker } from './client.js'

/**
 * `engine`: that of an engine with its old image store, which makes images of one platform, pushes none, and writes no
 * cache in another place. What an unknown one cannot do is for the build to say.
 */
export type Builder = 'full' | 'engine' | 'unknown'

/** https://docs.docker.com/build/builders/drivers/ */
const full = new Set(['docker-container', 'kubernetes', 'remote', 'cloud'])

export async function builderOf(platform: Platform, signal: AbortSignal): Promise<Builder> {
  const [builder, engine] = await Promise.all([
    docker(platform, ['buildx', 'inspect'], { signal }),
    docker(platform, ['info', '--format', '{{json .DriverStatus}}'], { signal }),
  ])
  const [, driver = ''] = /^Driver: +(\S+)/m.exec(builder.stdout) ?? []
  if (full.has(driver)) return 'full'
  // The build reports an engine that does not answer.
  if (driver !== 'docker' || engine.code !== 0) return 'unknown'
  return engine.stdout.includes('io.containerd.snapshotter') ? 'full' : 'engine'
}

/** Throws a `Failure` (`usage`) where the engine's own builder cannot do it; `what`: `cache: "registry"`. */
export async function requireFullBuilder(
  platform: Platform,
  what: string,
  { because, or = '' }: { readonly because: string; readonly or?: string },
  signal: AbortSignal,
): Promise<void> {
  if ((await builderOf(platform, signal)) !== 'engine') return
  fail({
    code: 'usage',
    sentence: `${what} needs another builder than the engine's own, which ${because}`,
    hint: `Run docker/setup-buildx-action before this step, or docker buildx create --use${or}`,
  })
}
