/** How everything stands that the release is going to write to, read right before the first write. */
import type { Change } from '../kubernetes/apply.js'
import type { Cluster } from '../kubernetes/cluster.js'
import type { WorkloadObject } from '../kubernetes/objects.js'
import type { Journal } from '../report/journal.js'
import { plural } from '../report/words.js'
import type { Snapshot } from '../rollout/snapshot.js'
import { planManifests, priorOfChanges } from './manifests.js'
import type { Site } from './preflight.js'
import { priorOfTargets } from './rollout.js'
import { imagesIn } from './targets.js'

export interface Prepared {
  /** The site with its workloads as they are now: the build may have taken minutes. */
  readonly site: Site
  readonly snapshot: Snapshot
  /** What an apply of the other manifests will change. */
  readonly changes: readonly Change[]
}

export async function snapshot(
  journal: Journal,
  cluster: Cluster,
  before: Site,
): Promise<Prepared> {
  const [targets, changes] = await Promise.all([
    Promise.all(
      before.targets.map(async ({ live: _live, ...target }) => {
        const live = await cluster.find<WorkloadObject>(target.path)
        return { ...target, running: imagesIn(live, target.uses), ...(live && { live }) }
      }),
    ),
    planManifests(cluster, before.others),
  ])
  const site = { ...before, targets }
  const priors = [...priorOfChanges(changes, site), ...priorOfTargets(targets)]
  journal.say(`${plural(priors.length, 'object')} remembered as they are now`)
  return { site, snapshot: priors, changes }
}
