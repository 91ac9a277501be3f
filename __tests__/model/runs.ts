/** The runs of the model: the real pipeline, from its lock to its report. */
import { openCluster } from '../../src/kubernetes/cluster.js'
import { noManifests } from '../../src/kubernetes/manifests.js'
import { readOptions, type RawInputs } from '../../src/options/read.js'
import { write } from '../../src/commands/release.js'
import { reported, type Start } from '../../src/commands/run.js'
import { recoverLeft } from '../../src/commands/recover.js'
import { transaction } from '../../src/commands/transaction.js'
import { Reporter, type Sink } from '../../src/report/reporter.js'
import type { Report } from '../../src/report/report.js'
import { watchNamespace } from '../../src/rollout/namespace-watch.js'
import { ReleaseContext } from '../../src/stages/context.js'
import { findTargets } from '../../src/stages/targets.js'
import type { Platform } from '../../src/platform/platform.js'
import { namespace, pathOf } from './places.js'
import { manifestOf, repository, type Thing } from './things.js'

export type Does =
  | { readonly is: 'release'; readonly version: number }
  | { readonly is: 'recover' }
  /** What the action does after its main program is gone. */
  | { readonly is: 'post' }

/** Starts a run as the entries do. */
export function startRun(
  does: Does,
  id: string,
  platform: Platform,
  signal: AbortSignal,
  brings: readonly Thing[] = [],
): Promise<Report> {
  const given: RawInputs = { image: repository, namespace, 'lock-wait': '10m' }
  const reading = readOptions(
    does.is === 'release' ? 'deploy' : 'recover',
    does.is === 'release' ? { ...given, bake: '0', 'migrate-command': '' } : given,
  )
  if (reading.is === 'wrong') throw new Error(reading.problems.join('\n'))
  const { settings } = reading
  // Its clock wakes nobody to say that it is still waiting.
  const reporter = new Reporter(silent, { ...platform.clock, every: () => () => undefined })
  const start: Start = { platform, settings, reporter, signal, holder: { id, who: id } }
  switch (does.is) {
    case 'recover':
      return recoverLeft(start, 'any')
    case 'post':
      return recoverLeft(start, 'own')
    case 'release':
      return release(start, does.version, brings)
  }
}

/** A release as `commands/release.ts` does it, from the moment when its image is in the registry. */
function release(start: Start, version: number, brings: readonly Thing[]): Promise<Report> {
  return reported('deploy', start, async (run) => {
    const { platform, signal } = run
    const tag = `v${version}`
    const cluster = await openCluster(platform, { namespace }, signal)
    run.resources.add(() => cluster.close())
    const live = await watchNamespace(cluster, platform.clock)
    const others = brings.flatMap((thing) => manifestOf(thing, version) ?? [])
    const manifests = { ...noManifests, others }
    const targets = findTargets(live.clusterState(), manifests, repository, namespace)
    const checked = { live, targets, others, jobs: [], resources, services: [] }
    const image = { repository, tag, digest: `sha256:${version}` }
    const context = new ReleaseContext({ ...run, source: { tag } }).with({ cluster })
    return transaction(run, context, checked, {
      command: 'deploy',
      image,
      write: (locked, prepared, wrote) => write(run, locked, { ...prepared, image }, wrote),
    })
  })
}

const resources = {
  of: () => ({ group: '', plural: '', namespaced: true, verbs: [] }),
  pathOf,
}

const silent: Sink = {
  open: () => undefined,
  say: () => undefined,
  quote: () => undefined,
  close: () => undefined,
}
