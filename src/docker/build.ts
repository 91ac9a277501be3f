import { join, normalize } from 'node:path/posix'
import { fail, type Annotation, type Cause } from '../failure/failure.js'
import { shownOfSecrets, withoutSecrets } from '../platform/lines.js'
import type { StageLog } from '../platform/stage-log.js'
import type { Platform } from '../platform/platform.js'
import type { BuildCache, CachePlace } from './build-cache.js'
import { BuildLog, lineOf, type BuildFailure } from './build-log.js'
import { docker, engineCause } from './client.js'
import type { Settings } from '../options/table.js'
import { inputsLabel, isFolderName } from './build-inputs.js'
import { idInEngine } from './pull.js'
import { pushCause } from './push-cause.js'
import { shortened } from './text.js'

/** What to build, and how. */
export interface BuildPlan {
  readonly repository: string
  readonly tag: string
  readonly context: string
  /** The Dockerfile; the one in the context when not given. */
  readonly file?: string
  readonly target?: string
  /** More contexts, by their names. */
  readonly contexts: Readonly<Record<string, string>>
  readonly args: Readonly<Record<string, string>>
  /** By their id. In no argument and no layer: BuildKit takes them from the environment, and mounts them where a RUN asks for them. */
  readonly secrets: Readonly<Record<string, string>>
  /** None: that of the engine. */
  readonly platforms: readonly string[]
  /** Records of the build and of its packages: see `whyIndex`. */
  readonly provenance: Settings['provenance']
  readonly sbom: boolean
  /** What RUN --mount=type=ssh gets: `default`, or `id=path`. */
  readonly ssh: readonly string[]
  readonly cache: BuildCache
  readonly labels: Readonly<Record<string, string>>
  /** See `inputsOf`. */
  readonly inputs: string
}

/** An image that the local engine has, and the registry not, or not by its tag. */
export interface Built {
  readonly repository: string
  readonly tag: string
  /** The engine's id (`sha256:…`): the tag may be moved by another build, the id may not. */
  readonly id: string
  /** The inputs of its build (see `inputsOf`), where they are known. */
  readonly inputs?: string
  /** By which the registry has it already: see `buildIndex`. */
  readonly digest?: string
  /** No RUN had to run: what a cache has for the next build is in an earlier image. */
  readonly isCached?: true
  /** Where its layers are kept for the next build; none: it is of another run. */
  readonly cachePlace?: CachePlace
}

/**
 * Builds an image and loads it into the local engine; nothing is pushed.
 * Throws a `Failure`: `usage` (no context, no Dockerfile), `tool-missing` (no docker, no buildx, no engine)
 * or `build-failed`, which names the instruction and its line.
 */
export async function buildImage(
  platform: Platform,
  plan: BuildPlan,
  stageLog: StageLog,
  signal: AbortSignal,
): Promise<Built> {
  const file = checkPlan(platform, plan)
  const { repository, tag, inputs, cache } = plan
  const name = `${repository}:${tag}`
  // One manifest and no index around it, so that the digest is the image's.
  const output = ['--load', '--tag', name]
  const { isCached } = await runBuild(platform, { ...plan, file, output }, stageLog, signal)
  const id = await idInEngine(platform, name, signal)
  if (id !== undefined)
    return { repository, tag, id, inputs, cachePlace: cache.place, ...(isCached && { isCached }) }
  return fail({
    code: 'build-failed',
    sentence: `build failed: the engine does not have ${name} after the build`,
  })
}

/** A build that can be run. */
interface Runnable extends BuildPlan {
  readonly file: string
  /** Arguments that say where the image goes. */
  readonly output: readonly string[]
}

/** Throws a `Failure` (`tool-missing`, `build-failed`, and `push-failed` where the builder may not push). */
export async function runBuild(
  platform: Platform,
  plan: Runnable,
  stageLog: StageLog,
  signal: AbortSignal,
): Promise<BuildLog> {
  const { repository, tag, file } = plan
  const log = new BuildLog()
  const last: string[] = []
  const secrets = Object.values(plan.secrets)
  const hidden = shownOfSecrets(secrets)
  const env = Object.fromEntries(secrets.map((secret, at) => [secretVariable(at), secret]))
  stageLog.waiting(`building ${repository}:${tag}`)
  const { code } = await docker(platform, buildArguments(plan), {
    signal,
    env,
    onLine: (raw) => {
      const line = withoutSecrets(hidden, raw)
      if (last.push(line) > 60) last.shift()
      if (log.read(line)) stageLog.quote(line)
      if (log.now !== undefined) stageLog.waiting(`building: ${log.now}`)
    },
  })
  stageLog.waiting(undefined)
  if (code === 0) return log
  const failure = log.failure()
  const [, refused] = /^failed to push \S+: (.*)$/.exec(failure.message) ?? []
  if (refused !== undefined) fail(pushCause(plan, refused, failure.log))
  // What a RUN prints may be about another engine.
  const own = last.filter((line) => failure.instruction === undefined || line.startsWith('ERROR: '))
  const problem = engineCause('build', { code, stdout: '', stderr: own.join('\n') })
  fail(problem ?? buildCause(file, failure, await platform.files.read(file)))
}

/** The arguments of docker, without a shell between. */
function buildArguments(plan: Runnable): readonly string[] {
  const pairs = (flag: string, values: Readonly<Record<string, string>>): readonly string[] =>
    Object.entries(values).flatMap(([name, value]) => [flag, `${name}=${value}`])
  return [
    'buildx',
    'build',
    ...plan.output,
    '--progress',
    'plain',
    '--provenance',
    plan.provenance === 'none' ? 'false' : `mode=${plan.provenance}`,
    ...(plan.sbom ? ['--sbom', 'true'] : []),
    '--file',
    plan.file,
    ...(plan.target === undefined ? [] : ['--target', plan.target]),
    ...(plan.platforms.length === 0 ? [] : ['--platform', plan.platforms.join(',')]),
    ...pairs('--build-context', plan.contexts),
    ...pairs('--build-arg', plan.args),
    ...Object.keys(plan.secrets).flatMap((id, at) => [
      '--secret',
      `id=${id},env=${secretVariable(at)}`,
    ]),
    ...plan.ssh.flatMap((one) => ['--ssh', one]),
    ...plan.cache.args,
    ...pairs('--label', { ...plan.labels, [inputsLabel]: plan.inputs }),
    '--',
    plan.context,
  ]
}

function secretVariable(at: number): string {
  return `DJANGO_ROLLOUT_BUILD_SECRET_${at}`
}

/** The Dockerfile's path; throws a `Failure` (`usage`) when it or a context is not there. */
export function checkPlan(
  { files }: Platform,
  { context, file, contexts = {} }: Pick<BuildPlan, 'context' | 'file'> & Partial<BuildPlan>,
): string {
  if (!files.isFolder(context)) {
    return fail({
      code: 'usage',
      sentence: `build: the context "${context}" is not a folder`,
      hint: 'Set "context" to the folder that the image is built from. Is the repository checked out?',
    })
  }
  for (const [name, folder] of Object.entries(contexts)) {
    if (!isFolderName(folder) || files.isFolder(folder)) continue
    fail({
      code: 'usage',
      sentence: `build-contexts: "${name}" is "${folder}", which is not a folder`,
      hint: 'Write a folder, by its path from the current one, docker-image://IMAGE, or an https:// address',
    })
  }
  const dockerfile = file ?? join(context, 'Dockerfile')
  if (!files.exists(dockerfile) || files.isFolder(dockerfile)) {
    return fail({
      code: 'usage',
      sentence: `build: there is no Dockerfile at "${dockerfile}"`,
      hint:
        file !== undefined && files.exists(join(context, file))
          ? `Set "file" to ${join(context, file)}: it is a path from the current folder, as "context" is`
          : 'Set "file" to its path, or "context" to its folder',
    })
  }
  return dockerfile
}

/** The cause in one sentence, with its place; `text` is the Dockerfile's. */
export function buildCause(dockerfile: string, failure: BuildFailure, text = ''): Cause {
  const { instruction, message, log } = failure
  const file = normalize(dockerfile)
  const line = failure.line ?? (instruction === undefined ? undefined : lineOf(instruction, text))
  const place = line === undefined ? file : `${file}:${line}`
  const what =
    instruction === undefined
      ? place
      : `"${shortened(withoutFlags(instruction), 100)}" (${place}) failed`
  const annotations: readonly Annotation[] =
    line === undefined ? [] : [{ file, line, title: 'docker build failed', message }]
  const hint =
    hints.find(([pattern]) => pattern.test(message))?.[1] ??
    (instruction?.startsWith('FROM ') ? baseHint : undefined)
  // A RUN may have another disk.
  const isFull = instruction === undefined && full.test(message)
  return {
    code: 'build-failed',
    sentence: `build: ${isFull ? 'the disk of the Docker engine is full' : what}: ${message}`,
    ...(hint === undefined ? {} : { hint }),
    logs: [{ lines: log }],
    annotations,
  }
}

/** `RUN --mount=type=cache,target=/root/.cache pip install` without what is no part of the command. */
function withoutFlags(instruction: string): string {
  return instruction.replace(/^([A-Z]+ )(--\w[\w-]*(=\S+)? )+/, '$1').replace(/\s+/g, ' ')
}

const full = /no space left on device/i

const baseHint = 'Check the name and tag of the base image, and that this machine may pull it'

const hints: readonly (readonly [RegExp, string])[] = [
  [
    /moby\.buildkit\.frontend\.contexts/,
    '"build-contexts" need Docker 23, or another builder: docker buildx create --use',
  ],
  [
    /^"[^"]+"( not found)?: not found$/,
    'Move it into the context, and check that .dockerignore does not exclude it',
  ],
  [/^secret \S+( not found)?: not found$/, 'Give its value in "build-secrets"'],
  [/^unset ssh forward key /, 'Set "build-ssh": default, or id=path'],
  [
    /exec format error/,
    'Programs of another platform need an emulator: run docker/setup-qemu-action before this step, or docker run --privileged --rm tonistiigi/binfmt --install all',
  ],
  [full, 'Free disk space: docker system prune'],
  [/target stage .* could not be found/i, 'Set "target" to a stage of the Dockerfile'],
]
