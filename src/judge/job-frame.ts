/** What judging a Job has in common, whoever made it: what its pods show, weighed by the rollout's own table. Pure. */
import type { Pod } from 'kubernetes-types/core/v1'
import { eventsOf } from './objects.js'
import { ObservationRecorder } from './observations.js'
import { podSymptoms } from './pod-symptoms.js'
import { attemptsOf, placeOf, refusal, roomOf } from './symptoms.js'
import type { Observations, LogWanted, Timeouts, ClusterState } from './types.js'
import { placeKey, evaluate, type EvaluatedSymptom } from './evaluate.js'

export interface Judged<Verdict> {
  readonly verdict: Verdict
  readonly observations: Observations
  readonly requeueAt?: number
  readonly logsWanted: readonly LogWanted[]
}

/** One look at a Job. */
export interface Look {
  readonly notes: ObservationRecorder
  /** Asks for another look at this time. */
  readonly lookAt: (time: number) => void
  /** The troubles of its pods; where it has none, why none can be made. */
  readonly evaluate: (uid: string | undefined, pods: readonly Pod[]) => readonly EvaluatedSymptom[]
}

export function judged<Verdict>(
  clusterState: ClusterState,
  timeouts: Timeouts,
  observations: Observations,
  now: number,
  verdictOf: (look: Look) => Verdict,
): Judged<Verdict> {
  const notes = new ObservationRecorder(observations, now)
  const looks: number[] = []
  const logsWanted: LogWanted[] = []
  const verdict = verdictOf({
    notes,
    lookAt: (time) => looks.push(time),
    evaluate: (uid, pods) => {
      const refused = pods.length > 0 ? undefined : attemptsOf(clusterState, uid).at(-1)
      const signs = [
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
      notes.since(placeKey(place))
      const weighing = evaluate(pods, signs, {
        ...{ timeouts, deadline: timeouts.timeout, ready: timeouts.timeout, first: false },
        ...{ observations, notes, now, final: true, place },
      })
      looks.push(...weighing.looks)
      logsWanted.push(...weighing.logsWanted)
      return weighing.weighed
    },
  })
  const next = looks.filter((time) => time > now)
  return {
    verdict,
    observations: notes.close(),
    ...(next.length > 0 && { requeueAt: Math.min(...next) }),
    logsWanted,
  }
}
