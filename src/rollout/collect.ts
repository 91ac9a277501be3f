/** Reads the evidence of a failure while its pods exist: an undo removes them. */
import { lastError } from '../django/traceback.js'
import type { Cluster } from '../kubernetes/cluster.js'
import type { Cause } from '../failure/failure.js'
import type { Clock } from '../platform/platform.js'
import { diagnose, type ToRepo } from '../judge/diagnose.js'
import { logsToRead, containerSource, warningsOf } from '../judge/evidence.js'
import { fetchLog } from './logs.js'
import type { NamespaceWatch } from './namespace-watch.js'

/** How long an undo waits for it, in ms. */
const evidenceTimeoutMs = 1000
/** How many lines are kept of a container that the sentence is not about. */
const linesBeside = 10

export interface EvidenceContext {
  readonly cluster: Cluster
  readonly clock: Clock
  readonly live: NamespaceWatch
  /** When our writes left, in ms since 1970. */
  readonly startedAt: number
  readonly toRepo: ToRepo
}

/**
 * Returns the cause with the logs that it lacks, and with the cluster's warnings. A Python error in the log of
 * its own container goes into the sentence: a pod that does not become Ready has mostly logged why.
 */
export async function collectEvidence(
  cause: Cause,
  { cluster, clock, live, startedAt, toRepo }: EvidenceContext,
): Promise<Cause> {
  const read = await Promise.all(
    logsToRead(live.clusterState(), cause).map(async ({ pod, container, previous }) => {
      const all = await fetchLog(cluster, clock, { pod, container, previous }, evidenceTimeoutMs)
      const { lines, summary, at } = diagnose(all, toRepo)
      const own = container === cause.container
      return {
        log: {
          source: containerSource(container, previous),
          lines: own ? lines : lines.slice(-linesBeside),
        },
        error: own && lastError(all) ? { message: summary ?? '', at } : undefined,
      }
    }),
  )
  const [error] = read.flatMap((one) => one.error ?? [])
  const { logs: before = [], ...rest } = cause
  const logs = [...before, ...read.map(({ log }) => log)].filter(({ lines }) => lines.length > 0)
  // After the logs, since events arrive a moment later than what they are about.
  const events = warningsOf(live.clusterState(), cause, startedAt)
  return {
    ...rest,
    ...(error && { sentence: `${cause.sentence}; its log says: ${error.message}` }),
    ...(error?.at && {
      annotations: [{ ...error.at, title: cause.code, message: error.message }],
    }),
    ...(logs.length > 0 && { logs }),
    ...(events.length > 0 && { events }),
  }
}
