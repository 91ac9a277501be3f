import type { Job } from 'kubernetes-types/batch/v1'
import type { Pod } from 'kubernetes-types/core/v1'
import type { Cause } from '../failure/failure.js'
import { eventsOf, podsOf } from './objects.js'
import { judged, type Judged, type Look } from './job-frame.js'
import { LOG_GRACE } from './deadlines.js'
import { partsOf } from './pod-symptoms.js'
import { stageOf, STALE } from './deployment-stage.js'
import type { Observations, Timeouts, ClusterState } from './types.js'
import { causeOf, lostOf, troubleWords } from './evaluate.js'
import { lasting, oneLine } from './words.js'

export type RunVerdict =
  /** `crash`: how a container of it has ended last, which its controller may mend by another pod. */
  | { readonly is: 'waiting'; readonly on: string; readonly crash?: Cause }
  | { readonly is: 'failed'; readonly cause: Cause }
  | { readonly is: 'done' }

export type RunJudgement = Judged<RunVerdict>

/**
 * Says how a Job of the user's stands, which may have many pods and start them anew: its own end counts, by its
 * backoffLimit and its activeDeadlineSeconds. What keeps its pods from starting is judged by the same table as a
 * rollout; `patience.timeout` counts until one has started. Pure, as `judge`.
 *
 * @param crash what was told of it before: the pods of a Job that has failed may be gone.
 */
export function judgeRun(
  clusterState: ClusterState,
  name: string,
  timeouts: Timeouts,
  observations: Observations,
  crash: Cause | undefined,
  now: number,
): RunJudgement {
  return judged(clusterState, timeouts, observations, now, verdictOf)

  function verdictOf({ notes, lookAt, evaluate }: Look): RunVerdict {
    const stale = now - clusterState.confirmedAt > STALE
    const job = clusterState.jobs.get(name)
    if (conditionOf(job, 'Complete')) return { is: 'done' }
    const uid = job?.metadata?.uid
    const failed = conditionOf(job, 'Failed')
    if (failed?.reason === 'DeadlineExceeded')
      return late('it ran longer than its activeDeadlineSeconds')
    const pods = podsOf(clusterState, uid)
    const weighed = evaluate(uid, pods)
    // The end of a container is for the Job to judge: it may start another one.
    const ends = weighed.filter(({ sign }) => sign.exit)
    const holds = weighed.filter(({ sign }) => !sign.exit)
    const [end] = ends
    const told = end ? causeOf(name, `job/${name}`, end) : crash
    if (failed) {
      const lost = lostOf(ends, now, stale)
      if (lost) return { is: 'failed', cause: ended(causeOf(name, `job/${name}`, lost)) }
      // Its log, or the end of its pod, may be on its way.
      const until = notes.since(`failed/job/${name}`) + LOG_GRACE
      lookAt(until)
      if (until > now) return { is: 'waiting', on: 'its log', ...(told && { crash: told }) }
      const words = oneLine(failed.message ?? failed.reason ?? 'failed')
      return {
        is: 'failed',
        cause: told
          ? ended(told)
          : { code: 'job-failed', sentence: `${name}: ${words}`, workload: `job/${name}` },
      }
    }
    const lost = lostOf(holds, now, stale)
    if (lost) return { is: 'failed', cause: causeOf(name, `job/${name}`, lost) }
    for (const { due } of holds) if (due.is === 'at') lookAt(due.at)
    const [trouble] = [...holds, ...ends]
    const pod = pods.at(-1)
    const on = trouble
      ? troubleWords(trouble, now)
      : pod
        ? rolloutStatusOf(pod)
        : 'its pod to be made'
    if (!pods.some(hasStarted) && !hasEnded(job)) {
      const lateAt = notes.since(`incomplete/job/${name}`) + timeouts.timeout
      if (lateAt <= now && !stale)
        return late(`not started after ${lasting(timeouts.timeout)}: ${on}`)
      lookAt(lateAt)
    }
    return { is: 'waiting', on, ...(told && { crash: told }) }
  }

  function late(words: string): RunVerdict {
    const sentence = `${name}: ${words}`
    return { is: 'failed', cause: { code: 'timeout', sentence, workload: `job/${name}` } }
  }

  function rolloutStatusOf(pod: Pod): string {
    return hasStarted(pod) ? 'it runs' : stageOf(pod, eventsOf(clusterState, pod.metadata?.uid))
  }
}

/** A container that ended is told as what it is here: the end of a Job. What has a code of its own keeps it. */
function ended(cause: Cause): Cause {
  return ['crash', 'crash-after-ready', 'init-crash'].includes(cause.code)
    ? { ...cause, code: 'job-failed' }
    : cause
}

function conditionOf(job: Job | undefined, wanted: 'Complete' | 'Failed') {
  return job?.status?.conditions?.find(({ type, status }) => type === wanted && status === 'True')
}

function hasEnded(job: Job | undefined): boolean {
  return (job?.status?.succeeded ?? 0) + (job?.status?.failed ?? 0) > 0
}

/** Whether a container of it, and be it one that has ended, was started: init containers too. */
function hasStarted(pod: Pod): boolean {
  return partsOf(pod).some(
    ({ init, status }) =>
      !init && (status.state?.running !== undefined || status.state?.terminated !== undefined),
  )
}
