/** Evaluates the workloads before any release, by the judge of a rollout. */
import type { Cluster } from '../kubernetes/cluster.js'
import { idOf } from '../kubernetes/workload.js'
import { desiredAsIs } from '../judge/desired.js'
import { diagnose, type ToRepo } from '../judge/diagnose.js'
import { judge } from '../judge/judge.js'
import { newObservations, withLog } from '../judge/observations.js'
import { fetchLog } from '../rollout/logs.js'
import type { Observations, Timeouts, ClusterState, Verdict } from '../judge/types.js'
import type { Clock } from '../platform/platform.js'
import type { Target } from '../kubernetes/target.js'

/** The kubelet lets a container that crashes wait for no longer than this, in ms. */
const longestBackoffMs = 300_000

const timeouts: Timeouts = { timeout: Infinity, bake: 0, grace: {} }

/** Where logs are read, and how their paths become paths of the repository. */
interface LogSource {
  readonly cluster: Cluster
  readonly clock: Clock
  readonly toRepo: ToRepo
}

/**
 * Returns why each incomplete workload is incomplete, in one sentence; by its id. Reads logs where they show the
 * reason.
 */
export async function ailing(
  targets: readonly Target[],
  clusterState: ClusterState,
  { cluster, clock, toRepo }: LogSource,
): Promise<Readonly<Record<string, string>>> {
  const desiredWorkloads = targets.flatMap(({ id, live }) =>
    live && !live.spec.paused ? [desiredAsIs(id, live, clusterState)] : [],
  )
  const now = clock.now()
  const begun = { ...newObservations(now), exits: exitsOf(clusterState, now) }
  const seen = { clusterState, timeouts, now }
  const first = judge(desiredWorkloads, { ...seen, observations: begun })
  const logs = await Promise.all(
    first.logsWanted.map(async (wanted) => {
      const lines = await fetchLog(cluster, clock, wanted)
      return { wanted, diagnosis: diagnose(lines, toRepo) }
    }),
  )
  const observations = logs.reduce(
    (all, { wanted, diagnosis }) => withLog(all, wanted, diagnosis),
    first.observations,
  )
  const { verdicts } = judge(desiredWorkloads, { ...seen, observations })
  return Object.fromEntries(
    targets.flatMap(({ id }) => {
      const verdict = verdicts[idOf(id)]
      const words = verdict && wordsOf(verdict)
      return words === undefined ? [] : [[idOf(id), words]]
    }),
  )
}

/**
 * Returns containers that ended with an error recently, so that this counts although they run again now: without a
 * probe they are Ready each time until they end.
 */
function exitsOf(clusterState: ClusterState, now: number): Observations['exits'] {
  return Object.fromEntries(
    [...clusterState.pods.values()].flatMap(({ metadata, status }) =>
      (status?.containerStatuses ?? []).flatMap(({ name, lastState }) => {
        const { exitCode = 0, finishedAt } = lastState?.terminated ?? {}
        const isNew = finishedAt !== undefined && Date.parse(finishedAt) > now - longestBackoffMs
        return exitCode !== 0 && isNew ? [[`${metadata?.uid}/${name}`, { before: 0 }]] : []
      }),
    ),
  )
}

function wordsOf(verdict: Verdict): string | undefined {
  switch (verdict.is) {
    case 'complete':
    case 'done':
      return undefined
    case 'failed':
      return verdict.cause.sentence
    case 'superseded':
      return verdict.by
    case 'waiting':
      // Evaluated once: how long it has been so is unknown, and nothing was looked for that may remedy it.
      return verdict.on.replace(/,? 0 s of \d+ s(: [^()]*)?/, '')
  }
}
