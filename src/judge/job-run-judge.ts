import type { Job } from 'kubernetes-types/batch/v1'
import type { Pod } from 'kubernetes-types/core/v1'
import type { Cause } from '../failure/failure.js'
import { eventsOf, podsOf } from './objects.js'
import { judgeWith, type Judged, type JobEvaluation } from './job-frame.js'
import { LOG_GRACE } from './deadlines.js'
import { partsOf } from './pod-symptoms.js'
import { stageOf, STALE } from './deployment-stage.js'
import type { Observations, Timeouts, ClusterState } from './types.js'
import { causeOf, lostOf, symptomWords } from './evaluate.js'
import { lasting, oneLine } from './words.js'

export type RunVerdict =
  /** `crash`: the last exit of one of its containers; its controller may recover by another pod. */
  | { readonly is: 'waiting'; readonly on: string; readonly crash?: Cause }
  | { readonly is: 'failed'; readonly cause: Cause }
  | { readonly is: 'done' }

export type RunJudgement = Judged<RunVerdict>

/**
 * Returns the verdict on a Job of the user's, which may have many pods and restart them: its own end counts, by
 * its backoffLimit and its activeDeadlineSeconds. The rollout's table decides about what keeps its pods from
 * starting; `timeouts.timeout` counts until one has started. Pure, as `judge`.
 *
 * @param crash the crash of the last verdict: the pods of a Job that has failed may be gone.
 */
export function judgeRun(
  clusterState: ClusterState,
  name: string,
  timeouts: Timeouts,
  observations: Observations,
  crash: Cause | undefined,
  now: number,
): RunJudgement {
  return judgeWith(clusterState, timeouts, observations, now, verdictOf)

  function verdictOf({ recorder, requeue: lookAt, evaluate }: JobEvaluation): RunVerdict {
    const stale = now - clusterState.confirmedAt > STALE
    const job = clusterState.jobs.get(name)
    if (conditionOf(job, 'Complete')) return { is: 'done' }
    const uid = job?.metadata?.uid
    const failed = conditionOf(job, 'Failed')
    if (failed?.reason === 'DeadlineExceeded')
      return late('it ran longer than its activeDeadlineSeconds')
    const pods = podsOf(clusterState, uid)
    const evaluated = evaluate(uid, pods)
    // The Job decides about a container's exit: it may start another one.
    const ends = evaluated.filter(({ symptom }) => symptom.exit)
    const holds = evaluated.filter(({ symptom }) => !symptom.exit)
    const [end] = ends
    const lastCrash = end ? causeOf(name, `job/${name}`, end) : crash
    if (failed) {
      const lost = lostOf(ends, now, stale)
      if (lost) return { is: 'failed', cause: ended(causeOf(name, `job/${name}`, lost)) }
      // Its log, or the end of its pod, may be on its way.
      const until = recorder.since(`failed/job/${name}`) + LOG_GRACE
      lookAt(until)
      if (until > now)
        return { is: 'waiting', on: 'its log', ...(lastCrash && { crash: lastCrash }) }
      const words = oneLine(failed.message ?? failed.reason ?? 'failed')
      return {
        is: 'failed',
        cause: lastCrash
          ? ended(lastCrash)
          : { code: 'job-failed', sentence: `${name}: ${words}`, workload: `job/${name}` },
      }
    }
    const lost = lostOf(holds, now, stale)
    if (lost) return { is: 'failed', cause: causeOf(name, `job/${name}`, lost) }
    for (const { due } of holds) if (due.is === 'at') lookAt(due.at)
    const [first] = [...holds, ...ends]
    const pod = pods.at(-1)
    const on = first ? symptomWords(first, now) : pod ? podStatusOf(pod) : 'its pod to be made'
    if (!pods.some(hasStarted) && !hasEnded(job)) {
      const lateAt = recorder.since(`incomplete/job/${name}`) + timeouts.timeout
      if (lateAt <= now && !stale)
        return late(`not started after ${lasting(timeouts.timeout)}: ${on}`)
      lookAt(lateAt)
    }
    return { is: 'waiting', on, ...(lastCrash && { crash: lastCrash }) }
  }

  function late(words: string): RunVerdict {
    const sentence = `${name}: ${words}`
    return { is: 'failed', cause: { code: 'timeout', sentence, workload: `job/${name}` } }
  }

  function podStatusOf(pod: Pod): string {
    return hasStarted(pod) ? 'it runs' : stageOf(pod, eventsOf(clusterState, pod.metadata?.uid))
  }
}

/** Returns the cause of a crash as a failure of the Job. Other causes keep their code. */
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

/** Returns whether a main container was started, even if it has exited since. */
function hasStarted(pod: Pod): boolean {
  return partsOf(pod).some(
    ({ init, status }) =>
      !init && (status.state?.running !== undefined || status.state?.terminated !== undefined),
  )
}
