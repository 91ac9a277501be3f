/** What a plan needs to know of the namespace. It reads less than a preflight, with fewer rights, and tries no write. */
import { fail } from '../failure/failure.js'
import type { Cluster } from '../kubernetes/cluster.js'
import { noManifests } from '../kubernetes/manifests.js'
import { discover } from '../kubernetes/paths.js'
import type { Web } from '../kubernetes/target.js'
import { abortable } from '../platform/time.js'
import { watchNamespace } from '../rollout/namespace-watch.js'
import { requireRights, servicesIn } from './inspect.js'
import { ownTemplate } from './migration/manifest.js'
import { checkHistory } from './name-conflicts.js'
import { checkNamespace } from './namespace.js'
import { forPlan } from './rights.js'
import type { PreflightResult } from './preflight.js'
import { describe, findTargets, noWorkload, webOf } from './targets.js'
import type { StageContext } from './context.js'

export interface Survey {
  readonly cluster: Cluster
  readonly checked: PreflightResult
  readonly web: Web
}

/** Opens the cluster by `open`, and looks who runs the image and serves the web. */
export function survey(context: StageContext, open: () => Promise<Cluster>): Promise<Survey> {
  return abortable(context.signal, async () => {
    const { settings, platform, app, log } = context
    const cluster = await open()
    const withCluster = context.with({ cluster })
    await checkNamespace(cluster, noManifests)
    await ownTemplate(withCluster)
    const rights = forPlan(app)
    await requireRights(withCluster, rights, rights)
    const [live, resources, services] = await Promise.all([
      watchNamespace(cluster, platform.clock),
      discover(cluster, []),
      servicesIn(cluster),
    ])
    const state = live.clusterState()
    const targets = findTargets(state, noManifests, settings.image, cluster.namespace)
    if (targets.length === 0) noWorkload(state, settings.image, cluster.namespace)
    await checkHistory(withCluster, { live, targets })
    log.say(`Kubernetes ${cluster.version}, namespace ${cluster.namespace}`)
    targets.forEach((target) => {
      log.say(describe(target))
    })
    const web = webOf(settings, targets, services)
    if (!web) {
      return fail({
        code: 'no-workload',
        sentence: 'the workload that serves the web is not known',
        hint: 'set "migrate-from" to it',
      })
    }
    const checked = { live, targets, others: [], jobs: [], resources, services, web }
    return { cluster, checked, web }
  })
}
