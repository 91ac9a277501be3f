/** The plan of a run that was killed before it kept it: its Job may have changed the databases by that plan since. */
import type { Job } from 'kubernetes-types/batch/v1'
import { specOf } from '../../django/inspector-env.js'
import { readPlan } from '../../django/inspector-log.js'
import { runOf } from '../../django/job.js'
import type { Plan } from '../../django/plan.js'
import { nameOf } from '../../kubernetes/objects.js'
import { withGracePeriod } from '../../platform/time.js'
import { logPath } from '../../rollout/logs.js'
import type { NamespaceWatch } from '../../rollout/namespace-watch.js'
import type { ClusterContext } from '../context.js'

/** How long the log of a pod is waited for that has ended, in ms. */
const lastWordsMs = 5_000
const againMs = 200

interface Place {
  readonly pod: string
  readonly container: string
  readonly marker: string
}

/**
 * Reads the logs of a run's Jobs until their plan has come, or they have ended: `ended` is aborted when their pods are
 * gone. Resolves with nothing where there is no plan, or no log any more.
 */
export async function leftPlan(
  { cluster, platform }: Pick<ClusterContext, 'cluster' | 'platform'>,
  live: NamespaceWatch,
  run: string,
  ended: AbortSignal,
): Promise<Plan | undefined> {
  const { jobs } = live.clusterState()
  const own = [...jobs.values()].filter((job) => runOf(job) === run)
  const plans = await Promise.all(
    own.flatMap((job) => placesOf(live, job)).map((place) => planIn(place)),
  )
  return plans.findLast((plan) => plan !== undefined)

  function planIn({ pod, container, marker }: Place): Promise<Plan | undefined> {
    const path = `${logPath(cluster, pod, container)}&follow=true`
    return withGracePeriod(platform.clock, lastWordsMs, ended, async (late) => {
      const enough = AbortSignal.any([cluster.life, late])
      while (!enough.aborted) {
        try {
          for await (const line of cluster.lines(path, enough, { whole: marker })) {
            const plan = readPlan([line], marker)
            if (plan) return plan
          }
          return undefined
        } catch {
          // Its container may not have started.
          if (ended.aborted) return undefined
          await platform.clock.sleep(againMs, enough).catch(() => undefined)
        }
      }
      return undefined
    })
  }
}

function placesOf(live: NamespaceWatch, job: Job): readonly Place[] {
  const containers = job.spec?.template.spec?.containers ?? []
  const found = containers.flatMap(({ name, env = [] }) => {
    const marker = specOf(env)?.marker
    return marker === undefined ? [] : [{ container: name, marker }]
  })
  const pods = [...live.clusterState().pods.entries()].filter(
    ([, { metadata }]) => metadata?.labels?.['job-name'] === nameOf(job),
  )
  return pods.flatMap(([pod]) => found.map((place) => ({ pod, ...place })))
}
