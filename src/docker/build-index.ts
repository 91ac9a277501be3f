/** An image of several platforms, or with records of its build: an index, which an engine with the old image store cannot hold. */
import { join } from 'node:path/posix'
import { fail } from '../failure/failure.js'
import type { StageLog } from '../platform/stage-log.js'
import type { Platform } from '../platform/platform.js'
import { platformOfEngine } from './build-inputs.js'
import { checkPlan, runBuild, type BuildPlan, type Built } from './build.js'
import { requireFullBuilder } from './builder.js'
import { pullImage } from './pull.js'

/**
 * Builds an image for all its platforms at once, and lets the builder push it by its digest alone: nothing names it until
 * the tests have passed. The engine gets from there what it runs itself, so that this is what is tested.
 *
 * Throws a `Failure`: see `buildImage`; `usage` also where the builder cannot, `push-failed` where the registry refuses
 * it.
 */
export async function buildIndex(
  platform: Platform,
  plan: BuildPlan,
  stageLog: StageLog,
  signal: AbortSignal,
): Promise<Built> {
  const dockerfile = checkPlan(platform, plan)
  const because = 'makes plain images of one platform'
  await requireFullBuilder(platform, whyIndex(plan) ?? 'an index', { because }, signal)
  const { repository, tag, inputs, platforms, cache } = plan
  const folder = await platform.files.privateFolder()
  try {
    const metadata = join(folder, 'metadata.json')
    const output = `type=image,name=${repository},push-by-digest=true,name-canonical=true,push=true`
    const args = ['--output', output, '--metadata-file', metadata]
    await runBuild(platform, { ...plan, file: dockerfile, output: args }, stageLog, signal)
    const digest = digestIn(await platform.files.read(metadata))
    const own = platforms.length > 1 ? await platformOfEngine(platform, signal) : undefined
    const builtFor = platforms.find((one) => `${one}/`.startsWith(`${own}/`)) ?? platforms[0]
    const image = { repository, tag, digest, ...(builtFor !== undefined && { builtFor }) }
    const { id } = await pullImage(platform, image, stageLog, signal)
    return { repository, tag, id, inputs, digest, cachePlace: cache.place }
  } finally {
    await platform.files.remove(folder)
  }
}

/** Returns what makes an image an index, for the begin of a sentence; `undefined` where it is a plain one. */
export function whyIndex({
  platforms,
  provenance,
  sbom,
}: Pick<BuildPlan, 'platforms' | 'provenance' | 'sbom'>): string | undefined {
  if (platforms.length > 1) return 'platforms: an image for several'
  if (provenance !== 'none') return 'provenance: an image with it'
  return sbom ? 'sbom: an image with it' : undefined
}

function digestIn(metadata = ''): string {
  const [, digest] = /"containerimage\.digest": *"(sha256:[0-9a-f]{64})"/.exec(metadata) ?? []
  return (
    digest ??
    fail({
      code: 'build-failed',
      sentence: 'build failed: the builder does not say what it has pushed',
      hint: 'Update docker buildx',
    })
  )
}
