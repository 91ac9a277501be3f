import type { Job } from 'kubernetes-types/batch/v1'
import type { Pod } from 'kubernetes-types/core/v1'
import type { Cause } from '../failure/failure.js'
import { eventsOf, podsOf } from './objects.js'
import { judgeWith, type Judged, type JobEvaluation } from './job-frame.js'
import { LOG_GRACE } from './deadlines.js'
import { partsOf } from './pod-symptoms.js'
import { stageOf } from './deployment-stage.js'
import type { ClusterState, JudgeInput } from './types.js'
import { causeOf, lostOf, symptomWords, type EvaluatedSymptom } from './evaluate.js'
import { lasting, oneLine } from './words.js'

export type RunVerdict =
  /** `crash`: the last exit of one of its containers; its controller may recover by another pod. */
  | { readonly is: 'waiting'; readonly on: string; readonly crash?: Cause }
  | { readonly is: 'failed'; readonly cause: Cause }
  /** `runsOn`: containers that admission has added, which keep the Job from ending. */
  | { readonly is: 'done'; readonly runsOn: readonly string[] }

export type RunJudgement = Judged<RunVerdict>

/**
 * Returns the verdict on a Job of the user's, which may have many pods and restart them: its own end counts, by
 * its backoffLimit and its activeDeadlineSeconds. The rollout's table decides about what keeps its pods from
 * starting; `timeouts.timeout` counts until one has started. Pure, as `judge`.
 *
 * @param crash the crash of the last verdict: the pods of a Job that has failed may be gone.
 */
export function judgeRun(name: string, input: JudgeInput, crash: Cause | undefined): RunJudgement {
  return judgeWith(input, (evaluation) => verdictOf(name, evaluation, crash))
}

function verdictOf(name: string, evaluation: JobEvaluation, crash: Cause | undefined): RunVerdict {
  const { clusterState, now, stale, requeue } = evaluation
  const job = clusterState.jobs.get(name)
  if (conditionOf(job, 'Complete')) return { is: 'done', runsOn: [] }
  const uid = job?.metadata?.uid
  const failed = conditionOf(job, 'Failed')
  if (failed?.reason === 'DeadlineExceeded')
    return late(name, 'it ran longer than its activeDeadlineSeconds')
  const pods = podsOf(clusterState, uid)
  const runsOn = job && !failed ? runningOn(job, pods) : []
  if (runsOn.length > 0) return { is: 'done', runsOn }
  const evaluated = evaluation.evaluate(uid, pods)
  // The Job decides about a container's exit: it may start another one.
  const ends = evaluated.filter(({ symptom }) => symptom.exit)
  const holds = evaluated.filter(({ symptom }) => !symptom.exit)
  const [end] = ends
  const lastCrash = end ? causeOf(name, `job/${name}`, end) : crash
  if (failed) {
    const words = oneLine(failed.message ?? failed.reason ?? 'failed')
    return failedVerdict(name, evaluation, ends, { words, lastCrash })
  }
  const lost = lostOf(holds, now, stale)
  if (lost) return { is: 'failed', cause: causeOf(name, `job/${name}`, lost) }
  for (const { due } of holds) if (due.is === 'at') requeue(due.at)
  const [first] = [...holds, ...ends]
  const on = first ? symptomWords(first, now) : podStatusOf(pods.at(-1), clusterState)
  if (!pods.some(hasStarted) && !hasEnded(job)) {
    const { timeout } = evaluation.timeouts
    const lateAt = evaluation.recorder.since(`incomplete/job/${name}`) + timeout
    if (lateAt <= now && !stale) return late(name, `not started after ${lasting(timeout)}: ${on}`)
    requeue(lateAt)
  }
  return { is: 'waiting', on, ...(lastCrash && { crash: lastCrash }) }
}

/** Returns the verdict on a Job that its controller calls failed; waits a moment for what says why. */
function failedVerdict(
  name: string,
  { now, stale, recorder, requeue }: JobEvaluation,
  ends: readonly EvaluatedSymptom[],
  { words, lastCrash }: { readonly words: string; readonly lastCrash: Cause | undefined },
): RunVerdict {
  const lost = lostOf(ends, now, stale)
  if (lost) return { is: 'failed', cause: ended(causeOf(name, `job/${name}`, lost)) }
  // Its log, or the end of its pod, may be on its way.
  const until = recorder.since(`failed/job/${name}`) + LOG_GRACE
  requeue(until)
  if (until > now) return { is: 'waiting', on: 'its log', ...(lastCrash && { crash: lastCrash }) }
  return {
    is: 'failed',
    cause: lastCrash
      ? ended(lastCrash)
      : { code: 'job-failed', sentence: `${name}: ${words}`, workload: `job/${name}` },
  }
}

function late(name: string, words: string): RunVerdict {
  const sentence = `${name}: ${words}`
  return { is: 'failed', cause: { code: 'timeout', sentence, workload: `job/${name}` } }
}

function podStatusOf(pod: Pod | undefined, clusterState: ClusterState): string {
  if (!pod) return 'the creation of its pod'
  return hasStarted(pod) ? 'it runs' : stageOf(pod, eventsOf(clusterState, pod.metadata?.uid))
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

/** Returns the containers that run on although all that the Job wants of its pods has ended well; empty where not. */
function runningOn(job: Job, pods: readonly Pod[]): readonly string[] {
  const own = new Set((job.spec?.template.spec?.containers ?? []).map(({ name }) => name))
  const ended = pods.filter(({ status }) => {
    const all = status?.containerStatuses ?? []
    const ofJob = all.filter(({ name }) => own.has(name))
    return (
      ofJob.length === own.size &&
      ofJob.length < all.length &&
      status?.phase === 'Running' &&
      ofJob.every(({ state }) => state?.terminated?.exitCode === 0)
    )
  })
  // Without completions, the pods share a queue of work, which is done when all of them have ended.
  const wanted = job.spec?.completions ?? job.spec?.parallelism ?? 1
  return ended.length > 0 && ended.length + (job.status?.succeeded ?? 0) >= wanted
    ? ended.flatMap(({ status }) =>
        (status?.containerStatuses ?? [])
          .filter(({ name, state }) => !own.has(name) && !state?.terminated)
          .map(({ name }) => name),
      )
    : []
}

/** Returns whether a main container was started, even if it has exited since. */
function hasStarted(pod: Pod): boolean {
  return partsOf(pod).some(
    ({ init, status }) =>
      !init && (status.state?.running !== undefined || status.state?.terminated !== undefined),
  )
}
