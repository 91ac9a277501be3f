import type { Pod } from 'kubernetes-types/core/v1'
import { idOf } from '../kubernetes/workload.js'
import type { Cause } from '../failure/failure.js'
import {
  drainingPods,
  eventsOf,
  isObserved,
  isReady,
  liveOf,
  otherTemplatePods,
  podsOfWorkload,
  desiredPods,
} from './objects.js'
import type { Live } from './objects.js'
import { ObservationRecorder } from './observations.js'
import type { FactWanted } from './facts.js'
import { readyLimit } from './deadlines.js'
import { deletion, mayShrink, rolloutStatusOf, takenOver } from './rollout-status.js'
import type { RolloutStatus } from './rollout-status.js'
import { nearby, type Nearby } from './remedies.js'
import { placeOf, roomOf, symptomsOf } from './symptoms.js'
import type { Place, Room } from './symptoms.js'
import { stageOf, STALE } from './deployment-stage.js'
import type {
  DesiredWorkload,
  JudgeInput,
  Judgement,
  LogWanted,
  Timeouts,
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
  symptomWords,
  evaluate,
} from './evaluate.js'
import type { EvaluatedSymptom, Evaluation } from './evaluate.js'
import { lasting } from './words.js'

type Waiting = Extract<Verdict, { is: 'waiting' }>

/** The evaluation of one workload, before the bake is counted. */
type WorkloadEvaluation =
  | { readonly is: 'superseded'; readonly by: string }
  | { readonly is: 'failed'; readonly cause: Cause; readonly status: RolloutStatus }
  | (Waiting & { readonly status: RolloutStatus })
  /** `since`: when it became complete, if it has pods to bake. */
  | { readonly is: 'complete'; readonly since?: number; readonly status: RolloutStatus }

/** What the evaluations of all workloads share. */
interface EvaluationContext extends JudgeInput {
  /** Called when a quota has refused a pod: it reads all pods of the namespace. */
  readonly room: () => Room
  readonly place: Place
  readonly nearby: Nearby
  readonly recorder: ObservationRecorder
  readonly stale: boolean
  /** Collects when to evaluate again. */
  readonly requeueTimes: number[]
  readonly logsWanted: LogWanted[]
  readonly factsWanted: FactWanted[]
}

/**
 * Returns a verdict for each workload. Pure: the same input gives the same answer. Call it whenever the cluster
 * state changes, when a wanted log has arrived, and at `requeueAt`; each time with the observations that the last
 * call returned.
 */
export function judge(desiredWorkloads: readonly DesiredWorkload[], input: JudgeInput): Judgement {
  const context = contextOf(desiredWorkloads, input)
  const evaluations = desiredWorkloads.map(
    (desired) => [idOf(desired.workload), evaluateWorkload(desired, context)] as const,
  )
  const { completeAt, isBaked } = bakeOf(
    evaluations.map(([, evaluation]) => evaluation),
    context,
  )
  const next = context.requeueTimes.filter((time) => time > context.now)
  return {
    verdicts: Object.fromEntries(
      evaluations.map(([id, evaluation]) => [id, verdictOf(evaluation, isBaked)]),
    ),
    progress: Object.fromEntries(
      evaluations.flatMap(([id, evaluation]) =>
        evaluation.is === 'superseded' ? [] : [[id, progressOf(evaluation.status)]],
      ),
    ),
    ...(completeAt !== undefined && {
      completeAt: Math.max(completeAt, input.observations.startedAt),
    }),
    observations: context.recorder.close(),
    ...(next.length > 0 && { requeueAt: Math.min(...next) }),
    logsWanted: context.logsWanted,
    factsWanted: context.factsWanted,
  }
}

function contextOf(
  desiredWorkloads: readonly DesiredWorkload[],
  input: JudgeInput,
): EvaluationContext {
  const { clusterState, observations, now } = input
  const recorder = new ObservationRecorder(observations, now)
  const all = () => desiredWorkloads.flatMap((desired) => desiredPods(clusterState, desired))
  let room: Room | undefined
  const place = placeOf(clusterState, all)
  // Recorded at each evaluation, so that its start is known.
  recorder.since(placeKey(place))
  return {
    ...input,
    room: () => (room ??= roomOf(clusterState, all())),
    place,
    nearby: nearby(clusterState, () =>
      desiredWorkloads.flatMap(({ workload }) => {
        const live = liveOf(clusterState, workload)
        return live ? podsOfWorkload(clusterState, live.object) : []
      }),
    ),
    recorder,
    stale: now - clusterState.confirmedAt > STALE,
    requeueTimes: [],
    logsWanted: [],
    factsWanted: [],
  }
}

/**
 * Returns since when all workloads are complete (`-Infinity` where no pod bakes), and whether their bake is over.
 * Superseded ones do not count.
 */
function bakeOf(
  evaluations: readonly WorkloadEvaluation[],
  { timeouts, now, stale, requeueTimes }: EvaluationContext,
): { readonly completeAt: number | undefined; readonly isBaked: boolean } {
  const remaining = evaluations.filter(({ is }) => is !== 'superseded')
  const completes = remaining.flatMap((evaluation) =>
    evaluation.is === 'complete' ? [evaluation.since ?? -Infinity] : [],
  )
  const completeAt = completes.length === remaining.length ? Math.max(...completes) : undefined
  // Without a pod (CronJobs, scaled to 0) there is nothing to bake.
  const bakedAt = completeAt === undefined ? Infinity : completeAt + timeouts.bake
  const isBaked = bakedAt <= now && (!stale || timeouts.bake === 0 || completeAt === -Infinity)
  if (bakedAt > now && bakedAt < Infinity) requeueTimes.push(bakedAt)
  return { completeAt, isBaked }
}

function verdictOf(evaluation: WorkloadEvaluation, isBaked: boolean): Verdict {
  switch (evaluation.is) {
    case 'superseded':
      return { is: 'superseded', by: evaluation.by }
    case 'failed':
      return { is: 'failed', cause: evaluation.cause }
    case 'waiting': {
      const { on, reason } = evaluation
      return { is: 'waiting', on, ...(reason && { reason }) }
    }
    case 'complete':
      return { is: isBaked ? 'done' : 'complete' }
  }
}

function evaluateWorkload(
  desired: DesiredWorkload,
  context: EvaluationContext,
): WorkloadEvaluation {
  const { clusterState, room, place, timeouts, recorder, observations, now, stale } = context
  const live = liveOf(clusterState, desired.workload)
  const by = takenOver(live, desired)
  if (live === undefined || by !== undefined) return { is: 'superseded', by: by ?? deletion }

  const id = idOf(desired.workload)
  const { name } = desired.workload
  if (!isObserved(live, desired)) recorder.keepAll()
  const pods = desiredPods(clusterState, desired)
  const status = rolloutStatusOf(live, desired, pods)
  const deadline = deadlineOf(live, timeouts)
  const ready = readyLimit(desired, deadline)
  const symptoms = symptomsOf(clusterState, desired, observations.startedAt, room)
  const drain = drainOf(live, status, pods, context)
  const evaluation = evaluate(pods, symptoms, {
    place,
    nearby: context.nearby,
    ...(isRecreated(live) && { drains: drain?.until ?? recorder.since(`drained/${id}`) }),
    timeouts,
    deadline,
    ready,
    first: desired.first,
    observations,
    recorder,
    now,
  })
  const { evaluated, unsteady } = evaluation
  context.requeueTimes.push(...evaluation.requeueTimes)
  context.logsWanted.push(...evaluation.logsWanted)
  context.factsWanted.push(...evaluation.factsWanted)

  const enough =
    desired.available === undefined
      ? undefined
      : Math.min(desired.available, status.wanted ?? Infinity)
  const spared = enough === undefined ? 0 : (status.wanted ?? Infinity) - enough
  const lost =
    enough === undefined ? lostOf(evaluated, now, stale) : lostBeyond(spared, evaluated, now, stale)
  if (lost) {
    return { is: 'failed', cause: lostCause(desired, lost, evaluated, pods), status }
  }
  for (const { due } of evaluated) if (due.is === 'at') context.requeueTimes.push(due.at)

  const steady = pods.filter((pod) => isReady(pod) && !unsteady.includes(pod)).length
  const asBefore =
    enough !== undefined &&
    isObserved(live, desired) &&
    steady >= enough &&
    !mayShrink(live, pods, otherTemplatePods(clusterState, live))
  if (asBefore || (status.complete && unsteady.length === 0 && pods.every(isReady))) {
    return status.wanted === 0
      ? { is: 'complete', status }
      : { is: 'complete', since: recorder.complete(id), status }
  }
  const waiting = waitingOn({ status, pods, evaluation, drain, enough }, context)
  // Starts again when it was complete and is not any more (an HPA may have requested more pods), and when a
  // pod has ended that the next one waited for: that pod had its own time.
  const lateAt = drain
    ? Math.max(drain.until, recorder.since(`draining/${id}`) + timeouts.timeout)
    : recorder.since(`incomplete/${id}`) + timeouts.timeout
  if (lateAt <= now && !stale) {
    const sentence = `${name}: not done after ${lasting(timeouts.timeout)}: ${waiting.on}`
    const cause: Cause = { code: 'timeout', sentence, hint: hintOfTimeout, workload: id }
    return { is: 'failed', cause: withPod(cause, name, podSymptomOf(evaluated), pods), status }
  }
  context.requeueTimes.push(lateAt)
  return { ...waiting, status }
}

/** Returns the cause of a symptom whose time is up. */
function lostCause(
  { workload }: DesiredWorkload,
  lost: EvaluatedSymptom,
  evaluated: readonly EvaluatedSymptom[],
  pods: readonly Pod[],
): Cause {
  const cause = causeOf(workload.name, idOf(workload), lost)
  // The Deployment's progress deadline does not say why: the symptom of a pod does.
  if (lost.symptom.reason !== 'ProgressDeadline') return cause
  const why = podSymptomOf(evaluated, lost)
  const more = why ? `; ${why.symptom.pod ?? ''}: ${why.symptom.message}` : ''
  return withPod({ ...cause, sentence: cause.sentence + more }, workload.name, why, pods)
}

/** A terminating pod that the next one waits for. */
interface Drain {
  readonly pod: string
  readonly since: number
  /** How long it may take to terminate, in ms. */
  readonly grace: number
  readonly until: number
}

/**
 * Returns the terminating pod whose time ends last, if a pod is missing that is created only when it is gone:
 * a StatefulSet, a DaemonSet and a Deployment with `strategy: Recreate` wait for that.
 */
function drainOf(
  live: Live,
  { wanted = Infinity }: RolloutStatus,
  pods: readonly Pod[],
  { clusterState, recorder }: EvaluationContext,
): Drain | undefined {
  if ((live.kind === 'Deployment' && !isRecreated(live)) || pods.length >= wanted) return undefined
  const drains = drainingPods(clusterState, live).map(({ metadata }): Drain => {
    const since = recorder.since(`${metadata?.uid ?? ''}/ending`)
    const grace = (metadata?.deletionGracePeriodSeconds ?? 30) * 1000
    return { pod: metadata?.name ?? '', since, grace, until: since + grace + KILL_LATE }
  })
  return drains.sort((one, other) => other.until - one.until)[0]
}

function isRecreated(live: Live): boolean {
  return live.kind === 'Deployment' && live.object.spec?.strategy?.type === 'Recreate'
}

/** How long the kubelet needs to kill a pod whose time is over, and to report it, in ms. */
const KILL_LATE = 30_000

const hintOfTimeout = 'Check what it waited for; raise "timeout" if the start just takes long'

/** Returns how long a step of the workload may take, in ms: progressDeadlineSeconds (600 s by default), at most the timeout. */
function deadlineOf(live: Live, { timeout }: Timeouts): number {
  if (live.kind !== 'Deployment') return timeout
  return Math.min((live.object.spec?.progressDeadlineSeconds ?? 600) * 1000, timeout)
}

function progressOf({ wanted, ready }: RolloutStatus): Progress {
  return { ready, ...(wanted !== undefined && { wanted }) }
}

/** Returns the symptom of a pod besides the one that is reported already; chosen as in `waitingOn`. */
function podSymptomOf(
  evaluated: readonly EvaluatedSymptom[],
  reported?: EvaluatedSymptom,
): EvaluatedSymptom | undefined {
  const shown = evaluated.filter((one) => one !== reported && one.symptom.pod !== undefined)
  return shown.find(isFault) ?? shown[0]
}

/** Returns the cause with the pod, logs and hint of a pod's symptom; else with the pod that is late. */
function withPod(
  cause: Cause,
  workload: string,
  why: EvaluatedSymptom | undefined,
  pods: readonly Pod[],
): Cause {
  if (!why) {
    const late = pods.find((pod) => !isReady(pod))?.metadata?.name
    return late === undefined ? cause : { ...cause, pod: late }
  }
  const { symptom, diagnosis } = why
  return {
    ...cause,
    hint: hintOf(workload, why),
    ...(symptom.pod !== undefined && { pod: symptom.pod }),
    ...(symptom.container !== undefined && { container: symptom.container }),
    ...logsOf(symptom, diagnosis),
  }
}

/** A workload that is not complete yet. */
interface Incomplete {
  readonly status: RolloutStatus
  readonly pods: readonly Pod[]
  readonly evaluation: Evaluation
  readonly drain: Drain | undefined
  /** How many pods are as good as before the release, if that is fewer than all. */
  readonly enough: number | undefined
}

/**
 * Renders what a workload waits for: `2 of 3 ready, waiting for web-7d… (startup probe 14 s of 60 s)`. A fault
 * comes before what is only slow.
 */
function waitingOn(
  { status, pods, evaluation, drain, enough }: Incomplete,
  { clusterState, now }: EvaluationContext,
): Waiting {
  const { evaluated, unsteady } = evaluation
  const back = new Set(unsteady.filter(isReady).map(nameOf))
  const open = evaluated.filter(
    ({ symptom }) => symptom.pod === undefined || !back.has(symptom.pod),
  )
  const first = open.find(isFault) ?? open[0]
  const late = pods.find((pod) => !isReady(pod)) ?? unsteady[0]
  const current = enough === undefined ? status.on : `${status.on} (${enough} before the release)`
  const on = (...parts: readonly string[]) => [current, ...parts].join(', waiting for ')
  if (status.paused) return { is: 'waiting', on: status.on, reason: 'paused' }
  if (first) {
    const { pod, reason } = first.symptom
    const words = symptomWords(first, now)
    return {
      is: 'waiting',
      on: pod === undefined ? `${status.on}: ${words}` : on(`${pod} (${words})`),
      // Logged once: with what decides how long it may last.
      ...(reason !== 'NotReady' && !first.isSought && { reason }),
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
  const missing = status.wanted !== undefined && pods.length < status.wanted
  return { is: 'waiting', on: missing ? on('its next pod') : status.on }
}

/** Returns whether a symptom is more than a slow start. */
function isFault({ symptom }: EvaluatedSymptom): boolean {
  return symptom.reason !== 'NotReady'
}

function nameOf({ metadata }: Pod): string {
  return metadata?.name ?? ''
}
