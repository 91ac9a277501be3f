/** The Job of a migration: made from the web workload's template, and created under a free name. */
import type { Job } from 'kubernetes-types/batch/v1'
import type { Service } from 'kubernetes-types/core/v1'
import { inspectorEnv, planCommand } from '../django/inspector.js'
import { jobName, migrationJob, type NamedSelector } from '../django/job.js'
import { ApiError } from '../kubernetes/apierror.js'
import { patiently } from '../kubernetes/away.js'
import type { Cluster } from '../kubernetes/cluster.js'
import { collection } from '../kubernetes/paths.js'
import { idOf } from '../kubernetes/workload.js'
import { fail } from '../report/cause.js'
import { titleOf } from '../rollout/snapshot.js'
import type { Site } from './preflight.js'
import { pinned, type Image, type Release } from './release.js'
import type { Web } from './targets.js'

/** How long a Job of ours goes on asking a database that does not answer yet, in seconds. */
const databaseWaitSeconds = 15

export interface MadeJob {
  readonly job: Job
  readonly container: string
  readonly from: string
  readonly notes: readonly string[]
}

/** Throws a Failure `plan-failed` when no Job can be made of the template. */
export function makeJob(
  { settings, source, app, holder }: Release,
  site: Site,
  web: Web,
  image: Image,
  marker: string,
): MadeJob {
  const command = settings['migrate-command']
  const sha = source.sha ?? source.tag
  const made = migrationJob({
    name: '',
    app,
    sha,
    run: holder.id,
    template: web.template,
    container: web.container,
    ours: web.containers,
    image: pinned(image),
    command: planCommand(command),
    env: inspectorEnv({ marker, migrate: command, waitSeconds: databaseWaitSeconds }),
    timeoutSeconds: Math.ceil(settings['migrate-timeout'] / 1000),
    selectors: selectorsOf(site),
  })
  if (made.is === 'impossible') {
    return fail({ code: 'plan-failed', sentence: `no migration Job can be made: ${made.problem}` })
  }
  return {
    job: made.job,
    container: web.container,
    from: idOf(web.workload),
    notes: made.notes,
  }
}

/** Everything that picks pods by labels and must not pick ours. */
function selectorsOf({ live, services, targets }: Site): readonly NamedSelector[] {
  const { deployments, statefulsets, daemonsets } = live.picture()
  const manifests = targets.flatMap(({ manifest }) => (manifest ? [manifest] : []))
  const workloads = [
    ...deployments.values(),
    ...statefulsets.values(),
    ...daemonsets.values(),
    ...manifests,
  ].flatMap((object) => {
    const { selector } = (object.spec ?? {}) as { selector?: NamedSelector['selector'] }
    return selector ? [{ of: titleOf(object), selector }] : []
  })
  const behind = services.flatMap((service: Service) => {
    const matchLabels = service.spec?.selector
    return matchLabels
      ? [{ of: titleOf({ ...service, kind: 'Service' }), selector: { matchLabels } }]
      : []
  })
  return [...workloads, ...behind]
}

/**
 * Creates it under the first free name, told before it is tried (an answer may be lost): an earlier
 * try of the same commit may have left its Job.
 */
export async function createJob(
  cluster: Cluster,
  { live }: Pick<Site, 'live'>,
  { world, app, source, signal }: Pick<Release, 'world' | 'app' | 'source' | 'signal'>,
  job: Job,
  onTry: (name: string) => void,
): Promise<Job> {
  const path = collection('batch/v1', cluster.namespace, 'jobs')
  for (let attempt = 1; ; attempt++) {
    signal.throwIfAborted()
    const name = jobName(app, source.sha ?? source.tag, attempt)
    if (live.picture().jobs.has(name)) continue
    onTry(name)
    const named = { ...job, metadata: { ...job.metadata, name } }
    let isLost = false
    try {
      return await patiently(world.clock, signal, async () => {
        // Two Jobs must never run: the one whose answer was lost is the one.
        const there = isLost ? await cluster.find<Job>(`${path}/${name}`) : undefined
        if (there) return there
        isLost = true
        return cluster.post<Job>(path, named)
      })
    } catch (error) {
      if (error instanceof ApiError && error.status === 409) continue
      throw error
    }
  }
}
