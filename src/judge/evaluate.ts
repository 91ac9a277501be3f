import type { Pod } from 'kubernetes-types/core/v1'
import type { Cause } from '../failure/failure.js'
import { isReady } from './objects.js'
import { containerSource } from './evidence.js'
import { logKey } from './observations.js'
import type { ObservationRecorder } from './observations.js'
import { dueOf, LOG_GRACE } from './deadlines.js'
import type { Due } from './deadlines.js'
import { endsOf } from './pod-symptoms.js'
import { RULES } from './rules.js'
import type { SymptomDetails } from './rules.js'
import type { FailureReason } from '../options/failure-reasons.js'
import type { Place, Symptom } from './symptoms.js'
import type { Diagnosis, Observations, LogWanted, Timeouts } from './types.js'
import { lasting } from './words.js'

/** A pod that was Ready without a break for this long (ms) has recovered, whatever happened to it before. */
const STEADY = 10_000
/** Events may arrive so many ms after what they report, and after what has happened since. */
const EVENTS_LATE = 2000
/** The scheduler retries a pod at most this many ms after something has changed for it (podMaxBackoffSeconds). */
const SCHEDULER_LATE = 12_000
/** A Deployment's progress deadline starts again so many ms after its last old pod is gone, at the latest. */
const CONTROLLER_LATE = 15_000
/** The most containers of one workload whose logs are read: fifty pods that crash say the same. */
const LOGS_AT_ONCE = 5

/** A symptom with all that decides about it. */
export interface EvaluatedSymptom {
  readonly symptom: Symptom
  readonly since: number
  readonly due: Due
  readonly diagnosis: Diagnosis | undefined
  /** The startupProbe that has not passed: since when, and how long it allows, in ms. */
  readonly startup?: { readonly since: number; readonly budget: number }
}

export interface Evaluation {
  readonly evaluated: readonly EvaluatedSymptom[]
  readonly logsWanted: readonly LogWanted[]
  /** Pods that exited with an error in this release, and have not been Ready for long enough since. */
  readonly unsteady: readonly Pod[]
  /** When an unsteady pod will have been Ready for long enough, or the wait for a log ends. */
  readonly requeueTimes: readonly number[]
}

export interface EvaluationInput {
  readonly timeouts: Timeouts
  readonly deadline: number
  readonly ready: number
  readonly first: boolean
  readonly observations: Observations
  readonly recorder: ObservationRecorder
  readonly now: number
  /** The pods are not restarted: an exit with an error is final, whatever its cause. */
  readonly final?: boolean
  readonly place: Place
  /** Until when its terminating pods may take, or when the last of them was gone; in ms since 1970. */
  readonly drains?: number
}

/** Evaluates the symptoms of pods of one template: since when each lasts, and when it means that the rollout has failed. */
export function evaluate(
  pods: readonly Pod[],
  symptoms: readonly Symptom[],
  input: EvaluationInput,
): Evaluation {
  const { recorder, now } = input
  const requeueTimes: number[] = []
  const steady = new Set<string>()
  const unsteady = new Set<Pod>()
  for (const pod of pods) {
    const uid = pod.metadata?.uid ?? ''
    const ready = isReady(pod)
    const ends = endsOf(pod).map((end) => ({
      ...end,
      known: recorder.exits(uid, end.container, end.count, ready),
    }))
    if (!ready) recorder.keepPod(uid)
    const steadyAt = ready ? recorder.since(`ready/${uid}`) + STEADY : Infinity
    if (steadyAt <= now) steady.add(uid)
    else if (ends.some(({ failed, count, known }) => failed && count > known.before)) {
      unsteady.add(pod)
      if (ready) requeueTimes.push(steadyAt)
    }
  }
  const healthy = pods.filter((pod) => isReady(pod) && !unsteady.has(pod))
  const logsWanted: LogWanted[] = []
  const started = startupDeadlines(symptoms, recorder)
  const evaluated = symptoms.flatMap((symptom) => {
    const uid = symptom.podUid ?? ''
    const exits = recorder.known(uid, symptom.container ?? '')
    const ends = (symptom.exit?.number ?? 0) - exits.before
    if (symptom.exit && (ends <= 0 || steady.has(uid))) return []
    const twice =
      symptom.exit?.probed === true && endsAfterReady(symptom.exit.number, exits.atReady) >= 2
    const classified: Symptom =
      symptom.reason === 'Crash' && twice ? { ...symptom, reason: 'CrashAfterReady' } : symptom
    const since = recorder.since(symptom.key)
    const log = readLog(classified, input, logsWanted.length)
    if (log.wanted) logsWanted.push(log.wanted)
    let due: Due = { is: 'open' }
    if (log.pendingUntil !== undefined) requeueTimes.push(log.pendingUntil)
    else if (input.final === true && classified.exit) due = { is: 'at', at: since }
    else {
      due = dueOf(classified, {
        ...input,
        since,
        ends,
        runs: (classified.startups ?? []).map(({ container, run }) =>
          recorder.since(runKey(uid, container, run)),
        ),
        sheltered: input.first || healthy.some((pod) => pod.metadata?.uid !== uid),
        diagnosis: log.diagnosis,
      })
    }
    if (classified.reason === 'Quota' && mayHaveRoom(classified, since, recorder)) {
      due = { is: 'at', at: since + input.deadline }
    }
    if (isUnplaced(classified) && due.is === 'at') {
      const room = roomAt(input)
      due = { is: 'at', at: Math.max(due.at, Math.min(room, since + input.deadline)) }
    }
    // A slow start is never cut short, though the Deployment's progress deadline is over.
    if (classified.reason === 'ProgressDeadline' && due.is === 'at') {
      const drained = (input.drains ?? -Infinity) + CONTROLLER_LATE
      due = { is: 'at', at: Math.max(due.at, drained, ...started) }
    }
    const { container = '', run = 0, budget } = classified.startups?.[0] ?? {}
    const startup = budget !== undefined && {
      since: recorder.since(runKey(uid, container, run)),
      budget,
    }
    return [
      { symptom: classified, since, due, diagnosis: log.diagnosis, ...(startup && { startup }) },
    ]
  })
  return { evaluated: evaluated.sort(byUrgency), logsWanted, unsteady: [...unsteady], requeueTimes }
}

/**
 * Returns whether a quota's refusal may be over soon: a pod terminates or will, or none was refused since the
 * last one ended. The controller waits longer each time before it retries.
 */
function mayHaveRoom(
  { attempt, frees }: Symptom,
  since: number,
  recorder: ObservationRecorder,
): boolean {
  return frees === true || (attempt !== undefined && recorder.since(attempt) < since + EVENTS_LATE)
}

function isUnplaced({ reason }: Symptom): boolean {
  return reason === 'Unschedulable' || reason === 'NoScaleUp'
}

/** Returns when it is certain that no pod of the namespace makes room: never while one is terminating, or about to. */
function roomAt({ place, recorder, observations }: EvaluationInput): number {
  if (place.frees) return Infinity
  const since = recorder.since(placeKey(place))
  // It has been like this since before our write.
  return since <= observations.startedAt + EVENTS_LATE ? -Infinity : since + SCHEDULER_LATE
}

/** Returns the key for since when the nodes have been used as they are now. */
export function placeKey({ fingerprint }: Place): string {
  return `place/${fingerprint}`
}

function endsAfterReady(number: number, atReady: number | undefined): number {
  return atReady === undefined ? 0 : number - atReady
}

function runKey(uid: string, container: string, run: number): string {
  return `${uid}/${container}/run${run}`
}

/** Returns when the startupProbe of each container that has not passed it gives up. */
function startupDeadlines(
  symptoms: readonly Symptom[],
  recorder: ObservationRecorder,
): readonly number[] {
  return symptoms.flatMap(({ podUid = '', startups = [] }) =>
    startups.map(
      ({ container, run, budget }) => recorder.since(runKey(podUid, container, run)) + budget,
    ),
  )
}

/** Returns the log that belongs to a container's exit: each exit requests it, and waits a moment for it. */
function readLog(
  symptom: Symptom,
  { observations, recorder, now }: EvaluationInput,
  requested: number,
): {
  readonly diagnosis: Diagnosis | undefined
  readonly wanted?: LogWanted
  readonly pendingUntil?: number
} {
  const { exit, pod, podUid, container } = symptom
  if (!exit || pod === undefined || podUid === undefined || container === undefined) {
    return { diagnosis: undefined }
  }
  const logOf = (number: number) => observations.logs[logKey({ podUid, container, exit: number })]
  const diagnosis = logOf(exit.number)
  if (diagnosis) return { diagnosis }
  // The log of the exit before says as much, until this one arrives; without either the kind is unknown.
  const earlier = logOf(exit.number - 1)
  if (requested >= LOGS_AT_ONCE) return { diagnosis: earlier }
  const wanted = { pod, podUid, container, previous: exit.previous, exit: exit.number }
  const pendingUntil = recorder.since(`${podUid}/${container}/exit${exit.number}`) + LOG_GRACE
  return pendingUntil <= now
    ? { diagnosis: earlier, wanted }
    : { diagnosis: earlier, wanted, pendingUntil }
}

const ORDER = Object.keys(RULES) as readonly FailureReason[]

/** Compares by the earliest due time; then by the upper row of the table; then by the first pod by name. */
function byUrgency(one: EvaluatedSymptom, other: EvaluatedSymptom): number {
  const time = ({ due }: EvaluatedSymptom) => (due.is === 'at' ? due.at : Number.MAX_SAFE_INTEGER)
  return (
    time(one) - time(other) ||
    ORDER.indexOf(one.symptom.reason) - ORDER.indexOf(other.symptom.reason) ||
    one.symptom.key.localeCompare(other.symptom.key)
  )
}

/** Returns the first symptom whose time is up. On a stale state only one that fails at once counts. */
export function lostOf(
  evaluated: readonly EvaluatedSymptom[],
  now: number,
  stale: boolean,
): EvaluatedSymptom | undefined {
  return evaluated.find(
    ({ due, since }) => due.is === 'at' && due.at <= now && (!stale || due.at === since),
  )
}

/** Returns the same where `spared` pods may fail, as they did before: the first symptom if one pod more fails. */
export function lostBeyond(
  spared: number,
  evaluated: readonly EvaluatedSymptom[],
  now: number,
  stale: boolean,
): EvaluatedSymptom | undefined {
  const lost = evaluated.filter((one) => one.symptom.pod !== undefined && lostOf([one], now, stale))
  return new Set(lost.map(({ symptom }) => symptom.pod)).size > spared ? lost[0] : undefined
}

/** Renders a symptom that may still pass: `Readiness probe failed: … (14 s of 60 s)`. */
export function symptomWords(
  { symptom, since, due, startup }: EvaluatedSymptom,
  now: number,
): string {
  if (startup) return `startup probe ${lasting(now - startup.since)} of ${lasting(startup.budget)}`
  if (due.is === 'open' || due.at <= since) return symptom.message
  return `${symptom.message}, ${lasting(now - since)} of ${lasting(due.at - since)}`
}

/** Returns what to do about a symptom. */
export function hintOf(workload: string, evaluated: EvaluatedSymptom): string {
  return RULES[evaluated.symptom.reason].hint(detailsOf(workload, evaluated))
}

function detailsOf(workload: string, { symptom, diagnosis }: EvaluatedSymptom): SymptomDetails {
  const who = symptom.oneOfMany ? `${workload} (container ${symptom.container ?? ''})` : workload
  return { who, symptom, ...(diagnosis && { diagnosis }) }
}

/** Returns what the container wrote before the exit that the symptom is about, if it was read. */
export function logsOf(
  { container = '' }: Symptom,
  diagnosis: Diagnosis | undefined,
): Pick<Cause, 'logs'> {
  if (!diagnosis || diagnosis.lines.length === 0) return {}
  return { logs: [{ source: containerSource(container), lines: diagnosis.lines }] }
}

/** Returns the cause of a failure, by the symptom's row of the table. `workload` is its name for people. */
export function causeOf(workload: string, id: string, evaluated: EvaluatedSymptom): Cause {
  const { symptom, diagnosis } = evaluated
  const { code, sentence: sentenceOf } = RULES[symptom.reason]
  const sentence = sentenceOf(detailsOf(workload, evaluated))
  return {
    code,
    sentence,
    hint: hintOf(workload, evaluated),
    workload: id,
    ...(symptom.pod !== undefined && { pod: symptom.pod }),
    ...(symptom.container !== undefined && { container: symptom.container }),
    ...logsOf(symptom, diagnosis),
    ...(diagnosis?.at && {
      annotations: [{ ...diagnosis.at, title: code, message: diagnosis.summary ?? sentence }],
    }),
  }
}
