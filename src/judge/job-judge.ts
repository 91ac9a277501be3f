import type { Pod } from 'kubernetes-types/core/v1'
import type { Cause } from '../failure/failure.js'
import { allPodsOf, eventsOf, isTakenAway, podsOf } from './objects.js'
import { judgeWith, type Judged, type JobEvaluation } from './job-frame.js'
import { stageOf } from './deployment-stage.js'
import type { ClusterState, JudgeInput } from './types.js'
import { causeOf, lostOf, symptomWords } from './evaluate.js'
import { ofJob } from './hints.js'
import { lasting, oneLine } from './words.js'

export type JobVerdict =
  | { readonly is: 'waiting'; readonly on: string }
  /** The container runs: its log can be followed. */
  | { readonly is: 'started'; readonly pod: string }
  | { readonly is: 'failed'; readonly cause: Cause; readonly exitCode?: number }
  /** The container exited with 0. Others of the pod (a mesh's sidecar) may still run. */
  | { readonly is: 'finished'; readonly pod: string }

export type JobJudgement = Judged<JobVerdict>

/** The container of a Job's pod that counts. */
export interface DesiredJob {
  readonly job: string
  readonly container: string
  /** Once it was seen. */
  readonly uid?: string
}

/**
 * Returns the verdict on a Job whose pod is created once (`backoffLimit: 0`, `restartPolicy: Never`): the
 * rollout's table decides about what keeps the pod from starting, and an exit with an error is final. Pure, as
 * `judge`. `timeouts.timeout` counts until the container has started; from then on the Job's own deadline does.
 */
export function judgeJob(desired: DesiredJob, input: JudgeInput): JobJudgement {
  return judgeWith(input, (evaluation) => verdictOf(desired, evaluation))
}

function verdictOf(
  desired: DesiredJob,
  { clusterState, timeouts, now, stale, recorder, requeue, evaluate }: JobEvaluation,
): JobVerdict {
  const job = clusterState.jobs.get(desired.job)
  const uid = job?.metadata?.uid ?? desired.uid
  const pod = podsOf(clusterState, uid).at(-1)
  if (pod) {
    const ended = endOf(pod, desired)
    if (ended) return ended
  }
  const isDeleted = !job && uid !== undefined
  if (isDeleted && allPodsOf(clusterState, uid).length === 0) {
    const sentence = `${desired.job}: it was deleted`
    return failure({ code: 'migration-failed', sentence, hint: 'Run it again' }, desired, pod)
  }
  const failed = job?.status?.conditions?.find(
    ({ type, status }) => type === 'Failed' && status === 'True',
  )
  if (failed?.reason === 'DeadlineExceeded') {
    const sentence = `${desired.job}: stopped: it ran longer than its activeDeadlineSeconds`
    return failure({ code: 'timeout', sentence }, desired, pod)
  }
  const evaluated = evaluate(uid, pod ? [pod] : [])
  const lost = lostOf(evaluated, now, stale)
  if (lost) {
    const code = lost.symptom.exit?.code
    const cause = causeOf(desired.job, `job/${desired.job}`, lost)
    const hint = ofJob[lost.symptom.reason]?.({ who: desired.job, symptom: lost.symptom })
    return {
      is: 'failed',
      cause: { ...cause, ...(hint !== undefined && { hint }) },
      ...(code !== undefined && { exitCode: code }),
    }
  }
  for (const { due } of evaluated) if (due.is === 'at') requeue(due.at)
  if (!failed && pod && statusOf(pod, desired)?.state?.running) {
    return { is: 'started', pod: pod.metadata?.name ?? '' }
  }
  const first = evaluated[0]
  // A log is on its way, or the kubelet has not reported yet how the pod ended.
  if (failed && !first) {
    const sentence = `${desired.job}: ${oneLine(failed.message ?? failed.reason ?? 'failed')}`
    return failure({ code: 'migration-failed', sentence }, desired, pod)
  }
  const status = isDeleted ? 'the end of its pod' : podStatusOf(pod, clusterState)
  const on = first ? symptomWords(first, now) : status
  const lateAt = recorder.since(`incomplete/job/${desired.job}`) + timeouts.timeout
  if (lateAt <= now && !stale) {
    const sentence = `${desired.job}: not started after ${lasting(timeouts.timeout)}: ${on}`
    return failure({ code: 'timeout', sentence }, desired, pod)
  }
  requeue(lateAt)
  return { is: 'waiting', on }
}

/** Returns the verdict on a pod whose container has exited with 0, or that was removed. */
function endOf(pod: Pod, desired: DesiredJob): JobVerdict | undefined {
  const code = statusOf(pod, desired)?.state?.terminated?.exitCode
  if (code === 0) return { is: 'finished', pod: pod.metadata?.name ?? '' }
  if (!isTakenAway(pod)) return undefined
  const why = oneLine(pod.status?.message ?? pod.status?.reason ?? 'its node was drained')
  const sentence = `${desired.job}: its pod was deleted: ${why}`
  return failure({ code: 'migration-failed', sentence, hint: 'Run it again' }, desired, pod)
}

function podStatusOf(pod: Pod | undefined, clusterState: ClusterState): string {
  return pod ? stageOf(pod, eventsOf(clusterState, pod.metadata?.uid)) : 'the creation of its pod'
}

function failure(cause: Cause, { job, container }: DesiredJob, pod: Pod | undefined): JobVerdict {
  const name = pod?.metadata?.name
  return {
    is: 'failed',
    cause: {
      ...cause,
      workload: `job/${job}`,
      ...(name !== undefined && { pod: name }),
      container,
    },
  }
}

function statusOf(pod: Pod, { container }: DesiredJob) {
  // Native sidecars may be listed beside the Job's own container.
  return [
    ...(pod.status?.containerStatuses ?? []),
    ...(pod.status?.initContainerStatuses ?? []),
  ].find(({ name }) => name === container)
}
