/** Why a run ended, in words, and the way back by hand. */
import { commandLine } from '../options/command-line.js'
import type { Settings } from '../options/table.js'
import { ApiError } from '../kubernetes/api-error.js'
import { causeOfOutage } from '../kubernetes/retry.js'
import type { Cluster } from '../kubernetes/cluster.js'
import { LeaseLost } from '../state/held-lease.js'
import {
  isWorkload,
  usesOfRepository,
  workloadId,
  type WorkloadObject,
} from '../kubernetes/objects.js'
import { idOf } from '../kubernetes/workload.js'
import { Failure, type Cause } from '../failure/failure.js'
import type { Snapshot } from '../undo/snapshot.js'
import { TimeOver, withShortTimeout } from '../platform/time.js'
import type { Clock } from '../platform/platform.js'
import type { Images } from './run-state.js'
import { messageOf } from '../platform/error-message.js'

export function causeOf(error: unknown, signal: AbortSignal): Cause {
  // A user who cancels has to learn what is left half done: "cancelled" says that everything is as it was.
  if (error instanceof LeaseLost) return causeOfLoss(error)
  if (isLeftOpen(error)) return error.cause
  if (signal.aborted) return { code: 'cancelled', sentence: 'the run was cancelled' }
  if (error instanceof Failure) return error.cause
  if (error instanceof TimeOver) {
    return {
      code: 'timeout',
      sentence: 'a request to the cluster timed out',
      hint: 'check that the API server answers: kubectl version',
    }
  }
  const outage = causeOfOutage(error)
  if (outage) return outage
  if (error instanceof ApiError) {
    return {
      code: 'write-failed',
      sentence: `the API server refused a request (${error.status}): ${error.message}`,
    }
  }
  const text = messageOf(error)
  return {
    code: 'internal',
    sentence: text,
    ...(error instanceof Error &&
      error.stack !== undefined && { logs: [{ lines: error.stack.split('\n') }] }),
  }
}

/** Returns what happened, for a warning. Leaves out that the run was cancelled besides, and what follows. */
export function sentenceOf(error: unknown): string {
  if (error instanceof LeaseLost) return describeLoss(error).sentence
  return causeOf(error, new AbortController().signal).sentence
}

/** Returns whether it says that something in the cluster is neither the old version nor the new one. */
export function isLeftOpen(error: unknown): error is Failure {
  return error instanceof Failure && leavesOpen(error.cause)
}

/** The same of a cause. */
export function leavesOpen({ code }: Cause): boolean {
  return code === 'restore-failed' || code === 'lock-lost'
}

/** Returns why nothing more may be written, if so. */
export function lostCause({ reason }: AbortSignal): Cause | undefined {
  return reason instanceof LeaseLost ? causeOfLoss(reason) : undefined
}

/** Returns what to throw in the place of an error: a lost lock is why. */
export function orLost(error: unknown, lost: AbortSignal): unknown {
  const cause = lostCause(lost)
  return cause ? new Failure(cause) : error
}

function causeOfLoss(reason: LeaseLost): Cause {
  const { sentence, first } = describeLoss(reason)
  return {
    code: 'lock-lost',
    sentence: `${sentence}: the release is incomplete, and nothing more was written`,
    hint: `${first}the next release restores everything before it starts. To restore now: django-rollout recover`,
  }
}

function describeLoss({ why, words }: LeaseLost): {
  readonly sentence: string
  readonly first: string
} {
  const [status] = words.split(' ')
  switch (why) {
    case 'taken':
      return { sentence: `another run has taken the lock${words && ` (${words})`}`, first: '' }
    case 'unreachable':
      return {
        sentence: `the lock expired while the API server did not answer (${words})`,
        first: 'when it answers again, ',
      }
    case 'denied':
      return {
        sentence:
          status === '401'
            ? `the cluster no longer accepts the credentials of the kubeconfig (${words})`
            : `the cluster no longer lets this account renew its lock (${words})`,
        first: 'renew the token or the login (kubectl auth whoami shows who you are); then ',
      }
  }
}

/**
 * Returns the commands that restore the old version when the run could not verify it. The record is still open, so
 * the whole undo can be repeated; the images that the workloads ran allow it by hand.
 */
export function commandsBack(settings: Settings, cluster: Cluster, snapshot: Snapshot): string {
  const byHand = snapshot.flatMap(({ object, of, change, ran = {} }) => {
    if (of !== 'workload' || change === 'create' || !isWorkload(object)) return []
    const images = usesOfRepository(object, settings.image).map(
      ({ name, image: before }) => `${name}=${ran[name] ?? before}`,
    )
    return [cluster.commandLine(['set', 'image', idOf(workloadId(object)), ...images])]
  })
  return [
    `to try the restore again: ${commandLine('recover', settings)}`,
    ...(byHand.length > 0 ? ['or restore only the images:', ...byHand] : []),
  ].join('\n')
}

/** Returns what the workloads of the release run now, by `idOf`; leaves out those that cannot be read. */
export async function runningImages(
  cluster: Cluster,
  clock: Clock,
  { image }: Settings,
  snapshot: Snapshot,
): Promise<Images> {
  const read = await Promise.all(
    snapshot.map(async ({ object, of, path }) => {
      if (of !== 'workload' || !isWorkload(object)) return []
      const live = await withShortTimeout(clock, () => cluster.find<WorkloadObject>(path)).catch(
        () => null,
      )
      if (live === null) return []
      const uses = live ? usesOfRepository(live, image) : []
      return [[idOf(workloadId(object)), uses.map((use) => use.image)] as const]
    }),
  )
  return Object.fromEntries(read.flat())
}
