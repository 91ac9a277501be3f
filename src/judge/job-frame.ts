/** What judging both kinds of Jobs has in common: their pods' symptoms are evaluated by the rollout's own table. Pure. */
import type { Pod } from 'kubernetes-types/core/v1'
import { eventsOf } from './objects.js'
import type { FactWanted } from './facts.js'
import { ObservationRecorder } from './observations.js'
import { STALE } from './deployment-stage.js'
import { nearby } from './remedies.js'
import { podSymptoms } from './pod-symptoms.js'
import { attemptsOf, placeOf, refusal, roomOf } from './symptoms.js'
import type { ClusterState, JudgeInput, Observations, LogWanted, Timeouts } from './types.js'
import { placeKey, evaluate, type EvaluatedSymptom } from './evaluate.js'

export interface Judged<Verdict> {
  readonly verdict: Verdict
  readonly observations: Observations
  readonly requeueAt?: number
  readonly logsWanted: readonly LogWanted[]
  readonly factsWanted: readonly FactWanted[]
}

/** One evaluation of a Job. */
export interface JobEvaluation {
  readonly clusterState: ClusterState
  readonly timeouts: Timeouts
  readonly now: number
  /** The cluster state is old: it proves no failure by time. */
  readonly stale: boolean
  readonly recorder: ObservationRecorder
  /** Requests another evaluation at this time. */
  readonly requeue: (time: number) => void
  /** Returns the symptoms of its pods; without pods, why none can be created. */
  readonly evaluate: (uid: string | undefined, pods: readonly Pod[]) => readonly EvaluatedSymptom[]
}

/** Runs one evaluation of a Job and returns its verdict with the new observations. */
export function judgeWith<Verdict>(
  { clusterState, timeouts, observations, now }: JudgeInput,
  verdictOf: (evaluation: JobEvaluation) => Verdict,
): Judged<Verdict> {
  const recorder = new ObservationRecorder(observations, now)
  const requeueTimes: number[] = []
  const logsWanted: LogWanted[] = []
  const factsWanted: FactWanted[] = []
  const verdict = verdictOf({
    clusterState,
    timeouts,
    now,
    stale: now - clusterState.confirmedAt > STALE,
    recorder,
    requeue: (time) => requeueTimes.push(time),
    evaluate: (uid, pods) => {
      const refused = pods.length > 0 ? undefined : attemptsOf(clusterState, uid).at(-1)
      const symptoms = [
        ...pods.flatMap((pod) =>
          podSymptoms(pod, eventsOf(clusterState, pod.metadata?.uid)).filter(
            ({ reason }) => reason !== 'NotReady',
          ),
        ),
        ...(refused
          ? [refusal(uid ?? '', refused.message ?? '', refused, () => roomOf(clusterState, []))]
          : []),
      ]
      const place = placeOf(clusterState, () => [])
      recorder.since(placeKey(place))
      const evaluation = evaluate(pods, symptoms, {
        timeouts,
        deadline: timeouts.timeout,
        ready: { ms: timeouts.timeout },
        first: false,
        observations,
        recorder,
        now,
        final: true,
        place,
        nearby: nearby(clusterState),
      })
      requeueTimes.push(...evaluation.requeueTimes)
      logsWanted.push(...evaluation.logsWanted)
      factsWanted.push(...evaluation.factsWanted)
      return evaluation.evaluated
    },
  })
  const next = requeueTimes.filter((time) => time > now)
  return {
    verdict,
    observations: recorder.close(),
    ...(next.length > 0 && { requeueAt: Math.min(...next) }),
    logsWanted,
    factsWanted,
  }
}
