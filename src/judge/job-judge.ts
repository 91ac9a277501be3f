import type { Pod } from 'kubernetes-types/core/v1'
import type { Cause } from '../failure/failure.js'
import { eventsOf, isTakenAway, podsOf } from './objects.js'
import { judged, type Judged, type Look } from './job-frame.js'
import { stageOf, STALE } from './deployment-stage.js'
import type { Observations, Timeouts, ClusterState } from './types.js'
import { causeOf, lostOf, troubleWords } from './evaluate.js'
import { lasting, oneLine } from './words.js'

export type JobVerdict =
  | { readonly is: 'waiting'; readonly on: string }
  /** The container runs: its log can be followed. */
  | { readonly is: 'started'; readonly pod: string }
  | { readonly is: 'failed'; readonly cause: Cause; readonly exitCode?: number }
  /** The container ended with 0. Others of the pod (a mesh's sidecar) may still run. */
  | { readonly is: 'finished'; readonly pod: string }

export type JobJudgement = Judged<JobVerdict>

/** Which container of a Job's pod counts. */
export interface DesiredJob {
  readonly job: string
  readonly container: string
}

/**
 * Says how a Job stands whose pod is made once (`backoffLimit: 0`, `restartPolicy: Never`): what keeps a pod
 * from starting is judged by the same table as a rollout, an end with an error is final. Pure, as `judge`;
 * `patience.timeout` counts until the container has started, from then the Job's own deadline does.
 */
export function judgeJob(
  clusterState: ClusterState,
  desired: DesiredJob,
  timeouts: Timeouts,
  observations: Observations,
  now: number,
): JobJudgement {
  const stale = now - clusterState.confirmedAt > STALE
  return judged(clusterState, timeouts, observations, now, verdictOf)

  function verdictOf({ notes, lookAt, evaluate }: Look): JobVerdict {
    const job = clusterState.jobs.get(desired.job)
    const uid = job?.metadata?.uid
    const pod = podsOf(clusterState, uid).at(-1)
    if (pod) {
      const ended = endOf(pod, desired)
      if (ended) return ended
    }
    const failed = job?.status?.conditions?.find(
      ({ type, status }) => type === 'Failed' && status === 'True',
    )
    if (failed?.reason === 'DeadlineExceeded') {
      const sentence = `${desired.job}: stopped: it ran longer than its activeDeadlineSeconds`
      return failure({ code: 'timeout', sentence }, pod)
    }
    const weighed = evaluate(uid, pod ? [pod] : [])
    const lost = lostOf(weighed, now, stale)
    if (lost) {
      const code = lost.sign.exit?.code
      const cause = causeOf(desired.job, `job/${desired.job}`, lost)
      return { is: 'failed', cause, ...(code !== undefined && { exitCode: code }) }
    }
    for (const { due } of weighed) if (due.is === 'at') lookAt(due.at)
    if (!failed && pod && statusOf(pod, desired)?.state?.running) {
      return { is: 'started', pod: pod.metadata?.name ?? '' }
    }
    const trouble = weighed[0]
    // A log is on its way, or the kubelet has not written yet how the pod ended.
    if (failed && !trouble) {
      const sentence = `${desired.job}: ${oneLine(failed.message ?? failed.reason ?? 'failed')}`
      return failure({ code: 'migration-failed', sentence }, pod)
    }
    const on = trouble
      ? troubleWords(trouble, now)
      : pod
        ? stageOf(pod, eventsOf(clusterState, pod.metadata?.uid))
        : 'its pod to be made'
    const lateAt = notes.since(`incomplete/job/${desired.job}`) + timeouts.timeout
    if (lateAt <= now && !stale) {
      const sentence = `${desired.job}: not started after ${lasting(timeouts.timeout)}: ${on}`
      return failure({ code: 'timeout', sentence }, pod)
    }
    lookAt(lateAt)
    return { is: 'waiting', on }
  }

  function failure(cause: Cause, pod: Pod | undefined): JobVerdict {
    const name = pod?.metadata?.name
    return {
      is: 'failed',
      cause: {
        ...cause,
        workload: `job/${desired.job}`,
        ...(name !== undefined && { pod: name }),
        container: desired.container,
      },
    }
  }

  function endOf(pod: Pod, { container }: DesiredJob): JobVerdict | undefined {
    const name = pod.metadata?.name ?? ''
    const code = statusOf(pod, { ...desired, container })?.state?.terminated?.exitCode
    if (code === 0) return { is: 'finished', pod: name }
    if (!isTakenAway(pod)) return undefined
    const why = oneLine(pod.status?.message ?? pod.status?.reason ?? 'its node was drained')
    const sentence = `${desired.job}: its pod was taken away: ${why}`
    return failure({ code: 'migration-failed', sentence, hint: 'Run it again' }, pod)
  }
}

function statusOf(pod: Pod, { container }: DesiredJob) {
  // A Job's own container may stand among native sidecars.
  return [
    ...(pod.status?.containerStatuses ?? []),
    ...(pod.status?.initContainerStatuses ?? []),
  ].find(({ name }) => name === container)
}
