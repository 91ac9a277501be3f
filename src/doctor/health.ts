/** How the workloads are before anything is done to them, by the judge of a rollout. */
import type { Cluster } from '../kubernetes/cluster.js'
import { idOf } from '../kubernetes/workload.js'
import { aimOf } from '../judge/desired.js'
import { diagnose, type ToRepo } from '../judge/diagnose.js'
import { judge } from '../judge/judge.js'
import { newLedger, withLog } from '../judge/observations.js'
import { fetchLog } from '../rollout/logs.js'
import type { Ledger, Patience, Picture, Verdict } from '../judge/types.js'
import type { Clock } from '../platform/platform.js'
import type { Target } from '../kubernetes/target.js'

/** The kubelet lets a container that crashes wait for no longer than this, in ms. */
const backoffMs = 300_000

const patience: Patience = { timeout: Infinity, bake: 0, grace: {} }

/** Why each that is not complete is not, in one sentence; by its id. Logs are read where they tell it. */
export async function ailing(
  cluster: Cluster,
  clock: Clock,
  picture: Picture,
  targets: readonly Target[],
  toRepo: ToRepo,
): Promise<Readonly<Record<string, string>>> {
  const aims = targets.flatMap(({ id, live }) =>
    live && !live.spec.paused ? [aimOf(id, {}, live, live, picture)] : [],
  )
  const now = clock.now()
  const begun = { ...newLedger(now), exits: exitsOf(picture, now) }
  const first = judge(picture, aims, patience, begun, now)
  const logs = await Promise.all(
    first.logsWanted.map(async (wanted) => {
      const lines = await fetchLog(cluster, clock, wanted)
      return { wanted, diagnosis: diagnose(lines, toRepo) }
    }),
  )
  const ledger = logs.reduce(
    (all, { wanted, diagnosis }) => withLog(all, wanted, diagnosis),
    first.ledger,
  )
  const { verdicts } = judge(picture, aims, patience, ledger, now)
  return Object.fromEntries(
    targets.flatMap(({ id }) => {
      const verdict = verdicts[idOf(id)]
      const words = verdict && wordsOf(verdict)
      return words === undefined ? [] : [[idOf(id), words]]
    }),
  )
}

/**
 * Containers that ended with an error a moment ago, so that this counts though they run again now: without a
 * probe they are Ready each time until they end.
 */
function exitsOf(picture: Picture, now: number): Ledger['exits'] {
  return Object.fromEntries(
    [...picture.pods.values()].flatMap(({ metadata, status }) =>
      (status?.containerStatuses ?? []).flatMap(({ name, lastState }) => {
        const { exitCode = 0, finishedAt } = lastState?.terminated ?? {}
        const isNew = finishedAt !== undefined && Date.parse(finishedAt) > now - backoffMs
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
      // It is looked at once: how long it has been so is not known.
      return verdict.on.replace(/,? 0 s of \d+ s/, '')
  }
}
