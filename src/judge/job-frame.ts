/** What judging a Job has in common, whoever made it: what its pods show, weighed by the rollout's own table. Pure. */
import type { Pod } from 'kubernetes-types/core/v1'
import { eventsOf } from './objects.js'
import { Notes } from './observations.js'
import { podSigns } from './pod-symptoms.js'
import { attemptsOf, placeOf, refusal, roomOf } from './symptoms.js'
import type { Ledger, LogWanted, Patience, Picture } from './types.js'
import { placeKey, weigh, type Weighed } from './evaluate.js'

export interface Judged<Verdict> {
  readonly verdict: Verdict
  readonly ledger: Ledger
  readonly lookAgainAt?: number
  readonly logsWanted: readonly LogWanted[]
}

/** One look at a Job. */
export interface Look {
  readonly notes: Notes
  /** Asks for another look at this time. */
  readonly lookAt: (time: number) => void
  /** The troubles of its pods; where it has none, why none can be made. */
  readonly weigh: (uid: string | undefined, pods: readonly Pod[]) => readonly Weighed[]
}

export function judged<Verdict>(
  picture: Picture,
  patience: Patience,
  ledger: Ledger,
  now: number,
  verdictOf: (look: Look) => Verdict,
): Judged<Verdict> {
  const notes = new Notes(ledger, now)
  const looks: number[] = []
  const logsWanted: LogWanted[] = []
  const verdict = verdictOf({
    notes,
    lookAt: (time) => looks.push(time),
    weigh: (uid, pods) => {
      const refused = pods.length > 0 ? undefined : attemptsOf(picture, uid).at(-1)
      const signs = [
        ...pods.flatMap((pod) =>
          podSigns(pod, eventsOf(picture, pod.metadata?.uid)).filter(
            ({ reason }) => reason !== 'NotReady',
          ),
        ),
        ...(refused
          ? [refusal(uid ?? '', refused.message ?? '', refused, () => roomOf(picture, []))]
          : []),
      ]
      const place = placeOf(picture, () => [])
      notes.since(placeKey(place))
      const weighing = weigh(pods, signs, {
        ...{ patience, deadline: patience.timeout, ready: patience.timeout, first: false },
        ...{ ledger, notes, now, final: true, place },
      })
      looks.push(...weighing.looks)
      logsWanted.push(...weighing.logsWanted)
      return weighing.weighed
    },
  })
  const next = looks.filter((time) => time > now)
  return {
    verdict,
    ledger: notes.close(),
    ...(next.length > 0 && { lookAgainAt: Math.min(...next) }),
    logsWanted,
  }
}
