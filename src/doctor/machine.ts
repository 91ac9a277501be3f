/** Checks this machine: its tools, the commit, and the registry as seen from here. Writes nothing. */
import { join } from 'node:path/posix'
import { contextFindings, sourceFinding, type Context } from '../checks/commit.js'
import { registryFindings } from '../checks/registry.js'
import { has, toolFindings, type Answers } from '../checks/tools.js'
import { checkPlan } from '../docker/build.js'
import { docker } from '../docker/client.js'
import { credentialsFor } from '../docker/credentials.js'
import { findSource, type Source } from '../docker/source.js'
import type { Image } from '../docker/image.js'
import { hostOf } from '../docker/registry-errors.js'
import { kubectlEnvironment } from '../kubernetes/proxy.js'
import { failed, ok, warning, type Finding } from '../report/finding.js'
import { TimeOver, withTimeout } from '../platform/time.js'
import type { Finished, Platform } from '../platform/platform.js'
import { silentLog } from '../platform/stage-log.js'
import { lookForBuild, type BuildLookup } from '../stages/image.js'
import { verifySignature } from '../stages/signature.js'
import type { ReleaseContext } from '../stages/context.js'

/** What the machine itself shows at once. */
export interface Machine {
  readonly answers: Answers
  /** Missing when unknown. */
  readonly source?: Source
  /** Why the source is unknown. */
  readonly sourceError?: Finding
}

export async function inspectMachine({
  platform,
  settings,
  signal,
}: MachineContext): Promise<Machine> {
  const [answers, found] = await Promise.all([
    inspectTools(platform, signal),
    findSource(platform, settings, settings.context).catch((error: unknown) =>
      failed('commit', error),
    ),
  ])
  return { answers, ...('tag' in found ? { source: found } : { sourceError: found }) }
}

/** Returns whether kubectl is there, or will be: a runner gets one. */
export function reachesCluster({ env }: Platform, { answers: { kubectl } }: Machine): boolean {
  return isRunner(env) || (kubectl !== undefined && has(kubectl))
}

function isRunner(env: Platform['env']): boolean {
  return Boolean(env['RUNNER_TOOL_CACHE'])
}

type MachineContext = Pick<ReleaseContext, 'platform' | 'settings' | 'signal'>

/** @param lookup resolves with what the registry has; missing where the source is unknown. */
export async function examineMachine(
  context: MachineContext,
  { answers, source, sourceError }: Machine,
  lookup?: Promise<RegistryLookup>,
): Promise<readonly Finding[]> {
  const { platform, settings } = context
  const registry = await examineRegistry(context, lookup)
  const need = {
    builds: !registry.has,
    known: source !== undefined,
    fetches: isRunner(platform.env),
  }
  return [
    ...toolFindings(answers, need),
    ...(source ? [sourceFinding(source, settings.tag)] : []),
    // Without git there is no commit: that is reported already.
    ...(sourceError && has(answers.git) ? [sourceError] : []),
    ...(need.builds ? await examineContext(platform, settings) : []),
    ...registry.findings,
  ]
}

async function examineRegistry(
  context: MachineContext,
  registry?: Promise<RegistryLookup>,
): Promise<{ readonly has: boolean; readonly findings: readonly Finding[] }> {
  const { image } = context.settings
  if (!registry) {
    const message = `${hostOf(image)} was not checked because of the findings above`
    return { has: false, findings: [warning('registry', message)] }
  }
  try {
    const { lookup, login, beside, source } = await registry
    const findings = registryFindings(image, source.tag, {
      lookup,
      login,
      ...(beside !== undefined && { beside }),
    })
    if (lookup.is !== 'there') return { has: false, findings }
    return {
      has: true,
      findings: [...findings, ...(await examineSignature(context, lookup.image))],
    }
  } catch (error) {
    return { has: false, findings: [failed('registry', error)] }
  }
}

async function examineSignature(
  context: MachineContext,
  image: Image,
): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  const log = { ...silentLog, say: (line: string) => findings.push(ok('registry', line)) }
  try {
    await verifySignature({ ...context, log }, image)
    return findings
  } catch (error) {
    return [...findings, failed('registry', error)]
  }
}

/** Longer than any of them needs, in ms: an engine that hangs is one that does not answer. */
const toolTimeoutMs = 10_000

async function inspectTools(platform: Platform, signal: AbortSignal): Promise<Answers> {
  const answerOf = async (args: readonly string[]): Promise<Finished> => {
    try {
      return await withTimeout(platform.clock, toolTimeoutMs, signal, (late) =>
        docker(platform, args, { signal: late }),
      )
    } catch (error) {
      if (!(error instanceof TimeOver)) throw error
      return { code: 1, stdout: '', stderr: `no answer within ${toolTimeoutMs / 1000} s` }
    }
  }
  const [git, version, buildx, kubectl] = await Promise.all([
    platform.processes.run('git', ['--version']),
    answerOf(['version', '--format', '{{json .}}']),
    answerOf(['buildx', 'version']),
    inspectKubectl(platform),
  ])
  return { git, docker: version, buildx, ...(kubectl && { kubectl }) }
}

async function inspectKubectl({ processes }: Platform): Promise<Finished | undefined> {
  const path = await processes.find('kubectl')
  if (path === undefined) return undefined
  return processes.run(path, ['version', '--client', '-o', 'json'], { env: kubectlEnvironment })
}

/** What the registry has of the image, and whether docker has a login there. */
export interface RegistryLookup extends BuildLookup {
  readonly login: boolean
}

/**
 * Looks up the image with the login of the options, or the user's own.
 *
 * @param keepLogin gives docker the login of the options; resolves with false where there is none.
 */
export async function lookInRegistry(
  context: MachineContext & Pick<ReleaseContext, 'source'>,
  keepLogin: () => Promise<boolean>,
): Promise<RegistryLookup> {
  const { platform, settings } = context
  if (await keepLogin()) return { ...(await lookForBuild(context)), login: true }
  const found = await lookForBuild(context)
  const credentials = await credentialsFor(platform, hostOf(settings.image), context.signal)
  return { ...found, login: credentials.is !== 'none' }
}

async function examineContext(
  platform: Platform,
  settings: ReleaseContext['settings'],
): Promise<readonly Finding[]> {
  const { files } = platform
  const { context, file } = settings
  try {
    const dockerfile = checkPlan(platform, { context, ...(file !== undefined && { file }) })
    const names = await files.list(context)
    const folders = names.filter((name) => files.isFolder(join(context, name)))
    const folder: Context = {
      names,
      ignores: [join(context, '.dockerignore'), `${dockerfile}.dockerignore`].some((path) =>
        files.exists(path),
      ),
      managers: ['', ...folders]
        .map((name) => join(name, 'manage.py'))
        .filter((path) => files.exists(join(context, path))),
    }
    return contextFindings(context, folder, settings)
  } catch (error) {
    return [failed('commit', error)]
  }
}
