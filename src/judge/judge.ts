import type { Pod } from 'kubernetes-types/core/v1'
import { idOf } from '../kubernetes/workload.js'
import type { Cause } from '../failure/failure.js'
import {
  drainingPods,
  eventsOf,
  isObserved,
  isReady,
  liveOf,
  otherPods,
  ourPods,
} from './objects.js'
import type { Live } from './objects.js'
import { ObservationRecorder } from './observations.js'
import { readyLimit } from './deadlines.js'
import { deletion, mayShrink, rolloutStatusOf, takenOver } from './rollout-status.js'
import type { RolloutStatus } from './rollout-status.js'
import { placeOf, roomOf, symptomsOf } from './symptoms.js'
import type { Place, Room } from './symptoms.js'
import { stageOf, STALE } from './deployment-stage.js'
import type {
  DesiredWorkload,
  Judgement,
  Observations,
  LogWanted,
  Timeouts,
  ClusterState,
  Progress,
  Verdict,
} from './types.js'
import {
  causeOf,
  hintOf,
  logsOf,
  lostBeyond,
  lostOf,
  placeKey,
  troubleWords,
  evaluate,
} from './evaluate.js'
import type { EvaluatedSymptom, Evaluation } from './evaluate.js'
import { lasting } from './words.js'

type Waiting = Extract<Verdict, { is: 'waiting' }>

/** What one look says about one workload, before the bake is counted. */
type Look =
  | { readonly is: 'superseded'; readonly by: string }
  | { readonly is: 'failed'; readonly cause: Cause; readonly stand: RolloutStatus }
  | (Waiting & { readonly stand: RolloutStatus })
  /** `since`: when it became so, where it has pods to be watched on. */
  | { readonly is: 'complete'; readonly since?: number; readonly stand: RolloutStatus }

/** What all workloads of one look share. */
interface EvaluationContext {
  readonly clusterState: ClusterState
  /** Asked for when a quota has refused a pod: it looks at all pods of the namespace. */
  readonly room: () => Room
  readonly place: Place
  readonly timeouts: Timeouts
  readonly observations: Observations
  readonly notes: ObservationRecorder
  readonly now: number
  readonly stale: boolean
  /** Collects when to look again. */
  readonly looks: number[]
  readonly logsWanted: LogWanted[]
}

/**
 * Says of each workload how it stands. Pure: the same picture, aims, ledger and time give the same answer.
 * To be called whenever the picture changes, when a log that was wanted has come, and at `lookAgainAt`;
 * each time with the ledger that the last look gave.
 *
 * @param now ms since 1970, of the same clock as `picture.confirmedAt`.
 */
export function judge(
  clusterState: ClusterState,
  desiredWorkloads: readonly DesiredWorkload[],
  timeouts: Timeouts,
  observations: Observations,
  now: number,
): Judgement {
  const stale = now - clusterState.confirmedAt > STALE
  const notes = new ObservationRecorder(observations, now)
  const all = () => desiredWorkloads.flatMap((desired) => ourPods(clusterState, desired))
  let room: Room | undefined
  const place = placeOf(clusterState, all)
  // Asked for at each look, so that it is known since when it is so.
  notes.since(placeKey(place))
  const context: EvaluationContext = {
    clusterState,
    room: () => (room ??= roomOf(clusterState, all())),
    place,
    timeouts,
    observations,
    notes,
    now,
    stale,
    looks: [],
    logsWanted: [],
  }
  const seen = desiredWorkloads.map(
    (desired) => [idOf(desired.workload), lookAt(desired, context)] as const,
  )

  const ours = seen.flatMap(([, look]) => (look.is === 'superseded' ? [] : [look]))
  const completes = ours.flatMap((look) =>
    look.is === 'complete' ? [look.since ?? -Infinity] : [],
  )
  const completeAt = completes.length === ours.length ? Math.max(...completes) : undefined
  // Without a pod (CronJobs, scaled to 0) there is nothing to watch on.
  const bakedAt = completeAt === undefined ? Infinity : completeAt + timeouts.bake
  const baked = bakedAt <= now && (!stale || timeouts.bake === 0 || completeAt === -Infinity)
  if (bakedAt > now && bakedAt < Infinity) context.looks.push(bakedAt)

  const verdictOf = (look: Look): Verdict => {
    switch (look.is) {
      case 'superseded':
        return { is: 'superseded', by: look.by }
      case 'failed':
        return { is: 'failed', cause: look.cause }
      case 'waiting':
        return { is: 'waiting', on: look.on, ...(look.trouble && { trouble: look.trouble }) }
      case 'complete':
        return { is: baked ? 'done' : 'complete' }
    }
  }
  const next = context.looks.filter((time) => time > now)
  return {
    verdicts: Object.fromEntries(seen.map(([id, look]) => [id, verdictOf(look)])),
    progress: Object.fromEntries(
      seen.flatMap(([id, look]) =>
        look.is === 'superseded' ? [] : [[id, progressOf(look.stand)]],
      ),
    ),
    ...(completeAt !== undefined && { completeAt: Math.max(completeAt, observations.startedAt) }),
    observations: notes.close(),
    ...(next.length > 0 && { requeueAt: Math.min(...next) }),
    logsWanted: context.logsWanted,
  }
}

function lookAt(desired: DesiredWorkload, context: EvaluationContext): Look {
  const { clusterState, room, place, timeouts, notes, observations, now, stale } = context
  const live = liveOf(clusterState, desired.workload)
  const by = takenOver(live, desired)
  if (live === undefined || by !== undefined) return { is: 'superseded', by: by ?? deletion }

  const id = idOf(desired.workload)
  const { name } = desired.workload
  if (!isObserved(live, desired)) notes.keepAll()
  const pods = ourPods(clusterState, desired)
  const stand = rolloutStatusOf(live, desired, pods)
  const deadline = deadlineOf(live, timeouts)
  const ready = readyLimit(desired, timeouts, deadline)
  const signs = symptomsOf(clusterState, desired, observations.startedAt, room)
  const drain = drainOf(live, stand, pods, context)
  const weighing = evaluate(pods, signs, {
    place,
    ...(isRecreated(live) && { drains: drain?.until ?? notes.since(`drained/${id}`) }),
    timeouts,
    deadline,
    ready,
    first: desired.first,
    observations,
    notes,
    now,
  })
  const { weighed, unsteady } = weighing
  context.looks.push(...weighing.looks)
  context.logsWanted.push(...weighing.logsWanted)

  const enough =
    desired.available === undefined
      ? undefined
      : Math.min(desired.available, stand.wanted ?? Infinity)
  const spared = enough === undefined ? 0 : (stand.wanted ?? Infinity) - enough
  const lost =
    enough === undefined ? lostOf(weighed, now, stale) : lostBeyond(spared, weighed, now, stale)
  if (lost) {
    const cause = causeOf(name, id, lost)
    // The Deployment's own clock says nothing of why: the trouble that stands there does.
    if (lost.sign.reason !== 'ProgressDeadline') return { is: 'failed', cause, stand }
    const why = troubleOf(weighed, lost)
    const { sentence } = cause
    const more = why ? `; ${why.sign.pod ?? ''}: ${why.sign.says}` : ''
    const told = placed({ ...cause, sentence: sentence + more }, name, why, pods)
    return { is: 'failed', cause: told, stand }
  }
  for (const { due } of weighed) if (due.is === 'at') context.looks.push(due.at)

  const steady = pods.filter((pod) => isReady(pod) && !unsteady.includes(pod)).length
  const asBefore =
    enough !== undefined &&
    isObserved(live, desired) &&
    steady >= enough &&
    !mayShrink(live, pods, otherPods(clusterState, live))
  if (asBefore || (stand.complete && unsteady.length === 0 && pods.every(isReady))) {
    return stand.wanted === 0
      ? { is: 'complete', stand }
      : { is: 'complete', since: notes.complete(id), stand }
  }
  const waiting = waitingOn(stand, pods, weighing, context, drain, enough)
  // Counted anew when it was complete and is not any more (an HPA may have asked for more pods), and when a
  // pod has ended that the next one waited for: that one had its own time.
  const lateAt = drain
    ? Math.max(drain.until, notes.since(`draining/${id}`) + timeouts.timeout)
    : notes.since(`incomplete/${id}`) + timeouts.timeout
  if (lateAt <= now && !stale) {
    const sentence = `${name}: not done after ${lasting(timeouts.timeout)}: ${waiting.on}`
    const cause: Cause = { code: 'timeout', sentence, hint: hintOfTimeout, workload: id }
    return { is: 'failed', cause: placed(cause, name, troubleOf(weighed), pods), stand }
  }
  context.looks.push(lateAt)
  return { ...waiting, stand }
}

/** An ending pod that the next one waits for. */
interface Drain {
  readonly pod: string
  readonly since: number
  /** How long it may take to end, in ms. */
  readonly grace: number
  readonly until: number
}

/**
 * The ending pod whose time ends last, where a pod is missing that is made only when it is gone: a
 * StatefulSet, a DaemonSet and a Deployment with `strategy: Recreate` do so.
 */
function drainOf(
  live: Live,
  { wanted = Infinity }: RolloutStatus,
  pods: readonly Pod[],
  { clusterState, notes }: EvaluationContext,
): Drain | undefined {
  if ((live.kind === 'Deployment' && !isRecreated(live)) || pods.length >= wanted) return undefined
  const drains = drainingPods(clusterState, live).map(({ metadata }): Drain => {
    const since = notes.since(`${metadata?.uid ?? ''}/ending`)
    const grace = (metadata?.deletionGracePeriodSeconds ?? 30) * 1000
    return { pod: metadata?.name ?? '', since, grace, until: since + grace + KILL_LATE }
  })
  return drains.sort((one, other) => other.until - one.until)[0]
}

function isRecreated(live: Live): boolean {
  return live.kind === 'Deployment' && live.object.spec?.strategy?.type === 'Recreate'
}

/** The kubelet needs so many ms to end a pod whose time is over, and to say so. */
const KILL_LATE = 30_000

const hintOfTimeout = 'See what it waited for; raise "timeout" when the start just takes long'

/** How long a step of the workload may take, in ms: its progressDeadlineSeconds (600 s by default), at most the timeout. */
function deadlineOf(live: Live, { timeout }: Timeouts): number {
  if (live.kind !== 'Deployment') return timeout
  return Math.min((live.object.spec?.progressDeadlineSeconds ?? 600) * 1000, timeout)
}

function progressOf({ wanted, ready }: RolloutStatus): Progress {
  return { ready, ...(wanted !== undefined && { wanted }) }
}

/** The trouble that a pod shows, besides the one that is told already: as `waitingOn` tells it. */
function troubleOf(
  weighed: readonly EvaluatedSymptom[],
  told?: EvaluatedSymptom,
): EvaluatedSymptom | undefined {
  const shown = weighed.filter((one) => one !== told && one.sign.pod !== undefined)
  return shown.find(isTrouble) ?? shown[0]
}

/** The cause with the trouble that a pod shows, and what to do about that; else with the pod that is late. */
function placed(
  cause: Cause,
  workload: string,
  why: EvaluatedSymptom | undefined,
  pods: readonly Pod[],
): Cause {
  if (!why) {
    const late = pods.find((pod) => !isReady(pod))?.metadata?.name
    return late === undefined ? cause : { ...cause, pod: late }
  }
  const { sign, diagnosis } = why
  return {
    ...cause,
    hint: hintOf(workload, why),
    ...(sign.pod !== undefined && { pod: sign.pod }),
    ...(sign.container !== undefined && { container: sign.container }),
    ...logsOf(sign, diagnosis),
  }
}

/** `2 of 3 ready, waiting for web-7d… (startup probe 14 s of 60 s)`: a trouble is told before what only takes its time. */
function waitingOn(
  stand: RolloutStatus,
  pods: readonly Pod[],
  { weighed, unsteady }: Evaluation,
  { clusterState, now }: EvaluationContext,
  drain: Drain | undefined,
  enough: number | undefined,
): Waiting {
  const back = new Set(unsteady.filter(isReady).map(nameOf))
  const open = weighed.filter(({ sign }) => sign.pod === undefined || !back.has(sign.pod))
  const first = open.find(isTrouble) ?? open[0]
  const late = pods.find((pod) => !isReady(pod)) ?? unsteady[0]
  const current = enough === undefined ? stand.on : `${stand.on} (${enough} before the release)`
  const on = (...parts: readonly string[]) => [current, ...parts].join(', waiting for ')
  if (stand.paused) return { is: 'waiting', on: stand.on, trouble: 'paused' }
  if (first) {
    const { pod, reason } = first.sign
    const words = troubleWords(first, now)
    return {
      is: 'waiting',
      on: pod === undefined ? `${stand.on}: ${words}` : on(`${pod} (${words})`),
      ...(reason !== 'NotReady' && { trouble: reason }),
    }
  }
  if (late) {
    const stage = stageOf(late, eventsOf(clusterState, late.metadata?.uid))
    return { is: 'waiting', on: on(`${nameOf(late)} (${stage})`) }
  }
  if (drain) {
    const { pod, since, grace } = drain
    return { is: 'waiting', on: on(`${pod} to end (${lasting(now - since)} of ${lasting(grace)})`) }
  }
  const missing = stand.wanted !== undefined && pods.length < stand.wanted
  return { is: 'waiting', on: missing ? on('its next pod') : stand.on }
}

function isTrouble({ sign }: EvaluatedSymptom): boolean {
  return sign.reason !== 'NotReady'
}

function nameOf({ metadata }: Pod): string {
  return metadata?.name ?? ''
}
