import type { Pod } from 'kubernetes-types/core/v1'
import type { Cause } from '../failure/failure.js'
import { isReady } from './objects.js'
import { ofContainer } from './evidence.js'
import { logKey } from './observations.js'
import type { ObservationRecorder } from './observations.js'
import { dueOf, LOG_GRACE } from './deadlines.js'
import type { Due } from './deadlines.js'
import { endsOf } from './pod-symptoms.js'
import { RULES } from './rules.js'
import type { Told } from './rules.js'
import type { Place, Reason, Symptom } from './symptoms.js'
import type { Diagnosis, Observations, LogWanted, Timeouts } from './types.js'
import { lasting } from './words.js'

/** A pod that was Ready without a break for this long (ms) is well again, whatever happened to it before. */
const STEADY = 10_000
/** Events may be seen so many ms after what they tell of, and after what has happened since. */
const EVENTS_LATE = 2000
/** The scheduler tries a pod again at most this many ms after something has changed for it (podMaxBackoffSeconds). */
const SCHEDULER_LATE = 12_000
/** A Deployment's own clock is set again so many ms after its last old pod is gone, at the latest. */
const CONTROLLER_LATE = 15_000
/** From so many containers of one workload logs are read: fifty pods that crash say the same thing. */
const LOGS_AT_ONCE = 5

/** A sign with all that decides about it. */
export interface EvaluatedSymptom {
  readonly sign: Symptom
  readonly since: number
  readonly due: Due
  readonly diagnosis: Diagnosis | undefined
  /** The startupProbe that it stands under: since when, and how long it lets it take, in ms. */
  readonly startup?: { readonly since: number; readonly budget: number }
}

export interface Evaluation {
  readonly weighed: readonly EvaluatedSymptom[]
  readonly logsWanted: readonly LogWanted[]
  /** Pods that ended with an error in this release, and have not been Ready for a while since. */
  readonly unsteady: readonly Pod[]
  /** When an unsteady pod will have been Ready for long enough, or a log has been waited for. */
  readonly looks: readonly number[]
}

export interface Scale {
  readonly timeouts: Timeouts
  readonly deadline: number
  readonly ready: number
  readonly first: boolean
  readonly observations: Observations
  readonly notes: ObservationRecorder
  readonly now: number
  /** The pods are not started again: an end with an error is the end, whatever its cause. */
  readonly final?: boolean
  readonly place: Place
  /** Until when its ending pods may take their time, or when the last of them was gone; in ms since 1970. */
  readonly drains?: number
}

/** Weighs the signs of pods of one template: since when each is there, and when it means that all is lost. */
export function evaluate(
  pods: readonly Pod[],
  signs: readonly Symptom[],
  scale: Scale,
): Evaluation {
  const { notes, now } = scale
  const looks: number[] = []
  const steady = new Set<string>()
  const unsteady = new Set<Pod>()
  for (const pod of pods) {
    const uid = pod.metadata?.uid ?? ''
    const ready = isReady(pod)
    const ends = endsOf(pod).map((end) => ({
      ...end,
      known: notes.exits(uid, end.container, end.count, ready),
    }))
    if (!ready) notes.keepPod(uid)
    const steadyAt = ready ? notes.since(`ready/${uid}`) + STEADY : Infinity
    if (steadyAt <= now) steady.add(uid)
    else if (ends.some(({ failed, count, known }) => failed && count > known.before)) {
      unsteady.add(pod)
      if (ready) looks.push(steadyAt)
    }
  }
  const healthy = pods.filter((pod) => isReady(pod) && !unsteady.has(pod))
  const logsWanted: LogWanted[] = []
  const started = startsOf(signs, notes)
  const weighed = signs.flatMap((sign) => {
    const uid = sign.podUid ?? ''
    const exits = notes.known(uid, sign.container ?? '')
    const ends = (sign.exit?.number ?? 0) - exits.before
    if (sign.exit && (ends <= 0 || steady.has(uid))) return []
    const twice = sign.exit?.probed === true && died(sign.exit.number, exits.atReady) >= 2
    const told: Symptom =
      sign.reason === 'Crash' && twice ? { ...sign, reason: 'CrashAfterReady' } : sign
    const since = notes.since(sign.key)
    const log = readLog(told, scale, logsWanted.length)
    if (log.wanted) logsWanted.push(log.wanted)
    let due: Due = { is: 'open' }
    if (log.pendingUntil !== undefined) looks.push(log.pendingUntil)
    else if (scale.final === true && told.exit) due = { is: 'at', at: since }
    else {
      due = dueOf(told, {
        ...scale,
        since,
        ends,
        runs: (told.startups ?? []).map(({ container, run }) =>
          notes.since(runKey(uid, container, run)),
        ),
        sheltered: scale.first || healthy.some((pod) => pod.metadata?.uid !== uid),
        diagnosis: log.diagnosis,
      })
    }
    if (told.reason === 'Quota' && mayHaveRoom(told, since, notes)) {
      due = { is: 'at', at: since + scale.deadline }
    }
    if (isUnplaced(told) && due.is === 'at') {
      const room = roomAt(scale)
      due = { is: 'at', at: Math.max(due.at, Math.min(room, since + scale.deadline)) }
    }
    // A slow start is never cut short, though the Deployment's own clock has run out.
    if (told.reason === 'ProgressDeadline' && due.is === 'at') {
      const drained = (scale.drains ?? -Infinity) + CONTROLLER_LATE
      due = { is: 'at', at: Math.max(due.at, drained, ...started) }
    }
    const { container = '', run = 0, budget } = told.startups?.[0] ?? {}
    const startup = budget !== undefined && {
      since: notes.since(runKey(uid, container, run)),
      budget,
    }
    return [{ sign: told, since, due, diagnosis: log.diagnosis, ...(startup && { startup }) }]
  })
  return { weighed: weighed.sort(byWeight), logsWanted, unsteady: [...unsteady], looks }
}

/**
 * Whether a quota's refusal may be over soon: a pod ends or will, or none was refused since the last one ended.
 * The controller waits longer each time before it tries again.
 */
function mayHaveRoom(
  { attempt, frees }: Symptom,
  since: number,
  notes: ObservationRecorder,
): boolean {
  return frees === true || (attempt !== undefined && notes.since(attempt) < since + EVENTS_LATE)
}

function isUnplaced({ reason }: Symptom): boolean {
  return reason === 'Unschedulable' || reason === 'NoScaleUp'
}

/** When it is known that no pod of the namespace makes room: never while one is ending, or about to. */
function roomAt({ place, notes, observations }: Scale): number {
  if (place.frees) return Infinity
  const since = notes.since(placeKey(place))
  // It has stood like this since before our write.
  return since <= observations.startedAt + EVENTS_LATE ? -Infinity : since + SCHEDULER_LATE
}

/** Under which the ledger remembers since when the nodes are taken as they are now. */
export function placeKey({ stand }: Place): string {
  return `place/${stand}`
}

function died(number: number, atReady: number | undefined): number {
  return atReady === undefined ? 0 : number - atReady
}

function runKey(uid: string, container: string, run: number): string {
  return `${uid}/${container}/run${run}`
}

/** When each container that stands under a startupProbe is given up by it. */
function startsOf(signs: readonly Symptom[], notes: ObservationRecorder): readonly number[] {
  return signs.flatMap(({ podUid = '', startups = [] }) =>
    startups.map(
      ({ container, run, budget }) => notes.since(runKey(podUid, container, run)) + budget,
    ),
  )
}

/** The log that belongs to the end of a container: asked for at each end, and waited for a moment. */
function readLog(
  sign: Symptom,
  { observations, notes, now }: Scale,
  asked: number,
): {
  readonly diagnosis: Diagnosis | undefined
  readonly wanted?: LogWanted
  readonly pendingUntil?: number
} {
  const { exit, pod, podUid, container } = sign
  if (!exit || pod === undefined || podUid === undefined || container === undefined) {
    return { diagnosis: undefined }
  }
  const logOf = (number: number) => observations.logs[logKey({ podUid, container, exit: number })]
  const diagnosis = logOf(exit.number)
  if (diagnosis) return { diagnosis }
  // The log before says as much, until this one has come; then it is judged as unknown.
  const earlier = logOf(exit.number - 1)
  if (asked >= LOGS_AT_ONCE) return { diagnosis: earlier }
  const wanted = { pod, podUid, container, previous: exit.previous, exit: exit.number }
  const pendingUntil = notes.since(`${podUid}/${container}/exit${exit.number}`) + LOG_GRACE
  return pendingUntil <= now
    ? { diagnosis: earlier, wanted }
    : { diagnosis: earlier, wanted, pendingUntil }
}

const ORDER = Object.keys(RULES) as readonly Reason[]

/** The one that is lost first; of those the upper row of the table; of those the first pod by name. */
function byWeight(one: EvaluatedSymptom, other: EvaluatedSymptom): number {
  const time = ({ due }: EvaluatedSymptom) => (due.is === 'at' ? due.at : Number.MAX_SAFE_INTEGER)
  return (
    time(one) - time(other) ||
    ORDER.indexOf(one.sign.reason) - ORDER.indexOf(other.sign.reason) ||
    one.sign.key.localeCompare(other.sign.key)
  )
}

/** The first sign for which time is up. On a stale picture only what is lost at once counts. */
export function lostOf(
  weighed: readonly EvaluatedSymptom[],
  now: number,
  stale: boolean,
): EvaluatedSymptom | undefined {
  return weighed.find(
    ({ due, since }) => due.is === 'at' && due.at <= now && (!stale || due.at === since),
  )
}

/** The same where so many pods may be lost, as they were before: the first of those that are one too many. */
export function lostBeyond(
  spared: number,
  weighed: readonly EvaluatedSymptom[],
  now: number,
  stale: boolean,
): EvaluatedSymptom | undefined {
  const lost = weighed.filter((one) => one.sign.pod !== undefined && lostOf([one], now, stale))
  return new Set(lost.map(({ sign }) => sign.pod)).size > spared ? lost[0] : undefined
}

/** `Readiness probe failed: … (14 s of 60 s)`: a trouble while it may still pass. */
export function troubleWords({ sign, since, due, startup }: EvaluatedSymptom, now: number): string {
  if (startup) return `startup probe ${lasting(now - startup.since)} of ${lasting(startup.budget)}`
  if (due.is === 'open' || due.at <= since) return sign.says
  return `${sign.says}, ${lasting(now - since)} of ${lasting(due.at - since)}`
}

/** What to do about it. */
export function hintOf(workload: string, weighed: EvaluatedSymptom): string {
  return RULES[weighed.sign.reason].hint(toldOf(workload, weighed))
}

function toldOf(workload: string, { sign, diagnosis }: EvaluatedSymptom): Told {
  const who = sign.oneOfMany ? `${workload} (container ${sign.container ?? ''})` : workload
  return { who, sign, ...(diagnosis && { diagnosis }) }
}

/** What the container wrote before the end that the sign is about, where that was read. */
export function logsOf(
  { container = '' }: Symptom,
  diagnosis: Diagnosis | undefined,
): Pick<Cause, 'logs'> {
  if (!diagnosis || diagnosis.lines.length === 0) return {}
  return { logs: [{ source: ofContainer(container), lines: diagnosis.lines }] }
}

/** The cause of a failure, told of `workload` (as people call it) by its row of the table. */
export function causeOf(workload: string, id: string, weighed: EvaluatedSymptom): Cause {
  const { sign, diagnosis } = weighed
  const { code, sentence: sentenceOf } = RULES[sign.reason]
  const sentence = sentenceOf(toldOf(workload, weighed))
  return {
    code,
    sentence,
    hint: hintOf(workload, weighed),
    workload: id,
    ...(sign.pod !== undefined && { pod: sign.pod }),
    ...(sign.container !== undefined && { container: sign.container }),
    ...logsOf(sign, diagnosis),
    ...(diagnosis?.at && {
      annotations: [{ ...diagnosis.at, title: code, message: diagnosis.summary ?? sentence }],
    }),
  }
}
