import type { Pod } from 'kubernetes-types/core/v1'
import type { Cause } from '../failure/failure.js'
import { isReady } from './objects.js'
import { containerSource } from './evidence.js'
import { logKey } from './observations.js'
import type { Fact, FactWanted } from './facts.js'
import type { ObservationRecorder } from './observations.js'
import { dueOf, LOG_GRACE } from './deadlines.js'
import type { DeadlineInput, Due, ReadyLimit } from './deadlines.js'
import { endsOf } from './pod-symptoms.js'
import {
  comeMeanwhile,
  makerOf,
  nodeFor,
  roomBy,
  type MissingConfiguration,
  type Nearby,
  type Remedy,
  type Wanted,
} from './remedies.js'
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
  /** What decides how long it may last is being read. */
  readonly isSought?: true
}

export interface Evaluation {
  readonly evaluated: readonly EvaluatedSymptom[]
  readonly logsWanted: readonly LogWanted[]
  readonly factsWanted: readonly FactWanted[]
  /** Pods that exited with an error in this release, and have not been Ready for long enough since. */
  readonly unsteady: readonly Pod[]
  /** When an unsteady pod will have been Ready for long enough, or the wait for a log ends. */
  readonly requeueTimes: readonly number[]
}

export interface EvaluationInput {
  readonly timeouts: Timeouts
  readonly deadline: number
  readonly ready: ReadyLimit
  readonly first: boolean
  readonly observations: Observations
  readonly recorder: ObservationRecorder
  readonly now: number
  /** The pods are not restarted: an exit with an error is final, whatever its cause. */
  readonly final?: boolean
  readonly place: Place
  readonly nearby: Nearby
  /** Until when its terminating pods may take, or when the last of them was gone; in ms since 1970. */
  readonly drains?: number
}

/** Evaluates the symptoms of pods of one template: since when each lasts, and when it means that the rollout has failed. */
export function evaluate(
  pods: readonly Pod[],
  symptoms: readonly Symptom[],
  input: EvaluationInput,
): Evaluation {
  const recovery = recoveryOf(pods, input)
  const startedBy = startupDeadlines(symptoms, input.recorder)
  const requeueTimes = [...recovery.requeueTimes]
  const logsWanted: LogWanted[] = []
  const factsWanted: FactWanted[] = []
  const evaluated = symptoms.flatMap((seen): readonly EvaluatedSymptom[] => {
    const exits = exitsOf(seen, input.recorder)
    if (seen.exit && (exits.own <= 0 || recovery.steady.has(seen.podUid ?? ''))) return []
    const symptom = classified(seen, exits)
    const since = input.recorder.since(symptom.key)
    const log = readLog(symptom, input, logsWanted.length)
    if (log.wanted) logsWanted.push(log.wanted)
    if (log.pendingUntil !== undefined) requeueTimes.push(log.pendingUntil)
    const { diagnosis } = log
    const sought = remedyOf(symptom, since, input)
    if (sought?.is === 'wanted') factsWanted.push(...sought.wanted)
    const remedy = sought?.is === 'wanted' ? sought.meanwhile : sought
    const come = remedy?.is === 'come' ? `${symptom.key}/${remedy.object}` : undefined
    const byRule =
      log.pendingUntil === undefined
        ? dueByRule(symptom, input, {
            since,
            diagnosis,
            remedy,
            remedySince: come === undefined ? since : input.recorder.since(come),
            ends: exits.own,
            sheltered: input.first || recovery.isHealthyBeside(symptom),
          })
        : open
    const due = atTheEarliest(byRule, symptom, input, { since, startedBy })
    const startup = startupOf(symptom, input.recorder)
    return [
      {
        symptom,
        since,
        due,
        diagnosis,
        ...(startup && { startup }),
        ...(sought?.is === 'wanted' && { isSought: true }),
      },
    ]
  })
  const { unsteady } = recovery
  return { evaluated: evaluated.sort(byUrgency), logsWanted, factsWanted, unsteady, requeueTimes }
}

const open: Due = { is: 'open' }

/** Which pods have recovered from their exits. */
interface Recovery extends Pick<Evaluation, 'unsteady' | 'requeueTimes'> {
  /** The uids of the pods that were Ready for long enough. */
  readonly steady: ReadonlySet<string>
  /** Returns whether another pod than the symptom's is Ready and steady. */
  readonly isHealthyBeside: (symptom: Symptom) => boolean
}

function recoveryOf(pods: readonly Pod[], { recorder, now }: EvaluationInput): Recovery {
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
  return {
    steady,
    unsteady: [...unsteady],
    requeueTimes,
    isHealthyBeside: ({ podUid = '' }) => healthy.some(({ metadata }) => metadata?.uid !== podUid),
  }
}

/** The exits of a symptom's container. */
interface OwnExits {
  /** How many are of this release. */
  readonly own: number
  /** How many came after its pod was Ready. */
  readonly afterReady: number
}

function exitsOf(
  { podUid = '', container = '', exit }: Symptom,
  recorder: ObservationRecorder,
): OwnExits {
  const { before, atReady } = recorder.known(podUid, container)
  const number = exit?.number ?? 0
  return {
    own: number - before,
    afterReady: atReady === undefined ? 0 : number - atReady,
  }
}

/** Returns the symptom by its reason: what has exited twice after it was Ready crashes under load. */
function classified(symptom: Symptom, { afterReady }: OwnExits): Symptom {
  const isTwice = symptom.exit?.probed === true && afterReady >= 2
  return symptom.reason === 'Crash' && isTwice ? { ...symptom, reason: 'CrashAfterReady' } : symptom
}

function dueByRule(
  symptom: Symptom,
  input: EvaluationInput,
  known: Pick<
    DeadlineInput,
    'since' | 'ends' | 'diagnosis' | 'sheltered' | 'remedy' | 'remedySince'
  >,
): Due {
  if (input.final === true && symptom.exit) return { is: 'at', at: known.since }
  const { podUid = '', startups = [] } = symptom
  const runs = startups.map(({ container, run }) =>
    input.recorder.since(runKey(podUid, container, run)),
  )
  return dueOf(symptom, { ...input, ...known, runs })
}

/** Moves the time of a symptom whose reason may pass without the release doing anything. */
function atTheEarliest(
  byRule: Due,
  symptom: Symptom,
  input: EvaluationInput,
  { since, startedBy }: { readonly since: number; readonly startedBy: readonly number[] },
): Due {
  if (symptom.reason === 'Quota' && mayHaveRoom(symptom, since, input.recorder)) {
    return { is: 'at', at: since + input.deadline, because: 'a pod makes room' }
  }
  if (byRule.is === 'open') return byRule
  if (isUnplaced(symptom)) {
    const room = roomAt(input)
    return latest(byRule, Math.min(room, since + input.deadline), 'a pod makes room')
  }
  // A slow start is never cut short, though the Deployment's progress deadline is over.
  if (symptom.reason === 'ProgressDeadline') {
    const drained = (input.drains ?? -Infinity) + CONTROLLER_LATE
    return { is: 'at', at: Math.max(byRule.at, drained, ...startedBy) }
  }
  return byRule
}

/**
 * Returns whether something may still remedy the symptom, where that decides how long it may last. An undo does not
 * ask, and a time that the user has set counts; only a ConfigMap or Secret is looked for once more at its end.
 */
function remedyOf(
  symptom: Symptom,
  since: number,
  { timeouts, observations: { facts }, nearby, now }: EvaluationInput,
): Remedy | Wanted | undefined {
  const { reason, missing } = symptom
  if (timeouts.graces === 'lengthen') return undefined
  const grace = timeouts.grace[reason]
  if (missing) return configurationOf(missing, now - since, grace, facts)
  if (grace !== undefined) return undefined
  if (reason === 'Unschedulable') return nodeFor(symptom.message, nearby, facts)
  if (reason === 'Quota') return roomBy(nearby)
  return undefined
}

/** Returns whether a missing ConfigMap or Secret may still come, or has come when its time is over. */
function configurationOf(
  missing: MissingConfiguration,
  lasts: number,
  grace: number | undefined,
  facts: readonly Fact[],
): Remedy | Wanted | undefined {
  const maker = grace === undefined ? makerOf(missing, facts) : undefined
  if (maker?.is === 'wanted') return maker
  const { wait } = RULES.ConfigMissing
  const waited = grace ?? (wait.is === 'by-remedy' && maker ? wait[maker.is] : 0)
  if (lasts < waited) return maker
  const late = comeMeanwhile(missing, facts)
  // Where it may have been created, nothing is won by a look that is refused.
  return late?.is === 'unseen' && maker?.is !== 'none' ? maker : (late ?? maker)
}

/** Returns the later of both times, with its own reason. */
function latest(due: Extract<Due, { is: 'at' }>, at: number, because: string): Due {
  return at > due.at ? { is: 'at', at, because } : due
}

function startupOf({ podUid = '', startups = [] }: Symptom, recorder: ObservationRecorder) {
  const [first] = startups
  if (!first) return undefined
  const { container, run, budget } = first
  return { since: recorder.since(runKey(podUid, container, run)), budget }
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
  const why = due.because === undefined ? '' : `: ${due.because}`
  return `${symptom.message}, ${lasting(now - since)} of ${lasting(due.at - since)}${why}`
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
  const { symptom, diagnosis, due, since } = evaluated
  const { code, sentence: sentenceOf } = RULES[symptom.reason]
  const sentence = sentenceOf(detailsOf(workload, evaluated))
  return {
    code,
    sentence,
    hint: hintOf(workload, evaluated),
    ...(due.is === 'at' &&
      due.because !== undefined && { waited: `${lasting(due.at - since)}: ${due.because}` }),
    workload: id,
    ...(symptom.pod !== undefined && { pod: symptom.pod }),
    ...(symptom.container !== undefined && { container: symptom.container }),
    ...logsOf(symptom, diagnosis),
    ...(diagnosis?.at && {
      annotations: [{ ...diagnosis.at, title: code, message: diagnosis.summary ?? sentence }],
    }),
  }
}
