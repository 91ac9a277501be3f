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
import { Notes } from './observations.js'
import { readyLimit } from './deadlines.js'
import { deletion, mayShrink, standOf, takenOver } from './rollout-status.js'
import type { Stand } from './rollout-status.js'
import { placeOf, roomOf, signsOf } from './symptoms.js'
import type { Place, Room } from './symptoms.js'
import { stageOf, STALE } from './deployment-stage.js'
import type {
  Aim,
  Judgement,
  Ledger,
  LogWanted,
  Patience,
  Picture,
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
  weigh,
} from './evaluate.js'
import type { Weighed, Weighing } from './evaluate.js'
import { lasting } from './words.js'

type Waiting = Extract<Verdict, { is: 'waiting' }>

/** What one look says about one workload, before the bake is counted. */
type Look =
  | { readonly is: 'superseded'; readonly by: string }
  | { readonly is: 'failed'; readonly cause: Cause; readonly stand: Stand }
  | (Waiting & { readonly stand: Stand })
  /** `since`: when it became so, where it has pods to be watched on. */
  | { readonly is: 'complete'; readonly since?: number; readonly stand: Stand }

/** What all workloads of one look share. */
interface Sight {
  readonly picture: Picture
  /** Asked for when a quota has refused a pod: it looks at all pods of the namespace. */
  readonly room: () => Room
  readonly place: Place
  readonly patience: Patience
  readonly ledger: Ledger
  readonly notes: Notes
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
  picture: Picture,
  aims: readonly Aim[],
  patience: Patience,
  ledger: Ledger,
  now: number,
): Judgement {
  const stale = now - picture.confirmedAt > STALE
  const notes = new Notes(ledger, now)
  const all = () => aims.flatMap((aim) => ourPods(picture, aim))
  let room: Room | undefined
  const place = placeOf(picture, all)
  // Asked for at each look, so that it is known since when it is so.
  notes.since(placeKey(place))
  const sight: Sight = {
    picture,
    room: () => (room ??= roomOf(picture, all())),
    place,
    patience,
    ledger,
    notes,
    now,
    stale,
    looks: [],
    logsWanted: [],
  }
  const seen = aims.map((aim) => [idOf(aim.workload), lookAt(aim, sight)] as const)

  const ours = seen.flatMap(([, look]) => (look.is === 'superseded' ? [] : [look]))
  const completes = ours.flatMap((look) =>
    look.is === 'complete' ? [look.since ?? -Infinity] : [],
  )
  const completeAt = completes.length === ours.length ? Math.max(...completes) : undefined
  // Without a pod (CronJobs, scaled to 0) there is nothing to watch on.
  const bakedAt = completeAt === undefined ? Infinity : completeAt + patience.bake
  const baked = bakedAt <= now && (!stale || patience.bake === 0 || completeAt === -Infinity)
  if (bakedAt > now && bakedAt < Infinity) sight.looks.push(bakedAt)

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
  const next = sight.looks.filter((time) => time > now)
  return {
    verdicts: Object.fromEntries(seen.map(([id, look]) => [id, verdictOf(look)])),
    progress: Object.fromEntries(
      seen.flatMap(([id, look]) =>
        look.is === 'superseded' ? [] : [[id, progressOf(look.stand)]],
      ),
    ),
    ...(completeAt !== undefined && { completeAt: Math.max(completeAt, ledger.startedAt) }),
    ledger: notes.close(),
    ...(next.length > 0 && { lookAgainAt: Math.min(...next) }),
    logsWanted: sight.logsWanted,
  }
}

function lookAt(aim: Aim, sight: Sight): Look {
  const { picture, room, place, patience, notes, ledger, now, stale } = sight
  const live = liveOf(picture, aim.workload)
  const by = takenOver(live, aim)
  if (live === undefined || by !== undefined) return { is: 'superseded', by: by ?? deletion }

  const id = idOf(aim.workload)
  const { name } = aim.workload
  if (!isObserved(live, aim)) notes.keepAll()
  const pods = ourPods(picture, aim)
  const stand = standOf(live, aim, pods)
  const deadline = deadlineOf(live, patience)
  const ready = readyLimit(aim, patience, deadline)
  const signs = signsOf(picture, aim, ledger.startedAt, room)
  const drain = drainOf(live, stand, pods, sight)
  const weighing = weigh(pods, signs, {
    place,
    ...(isRecreated(live) && { drains: drain?.until ?? notes.since(`drained/${id}`) }),
    patience,
    deadline,
    ready,
    first: aim.first,
    ledger,
    notes,
    now,
  })
  const { weighed, unsteady } = weighing
  sight.looks.push(...weighing.looks)
  sight.logsWanted.push(...weighing.logsWanted)

  const enough =
    aim.available === undefined ? undefined : Math.min(aim.available, stand.wanted ?? Infinity)
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
  for (const { due } of weighed) if (due.is === 'at') sight.looks.push(due.at)

  const steady = pods.filter((pod) => isReady(pod) && !unsteady.includes(pod)).length
  const asBefore =
    enough !== undefined &&
    isObserved(live, aim) &&
    steady >= enough &&
    !mayShrink(live, pods, otherPods(picture, live))
  if (asBefore || (stand.complete && unsteady.length === 0 && pods.every(isReady))) {
    return stand.wanted === 0
      ? { is: 'complete', stand }
      : { is: 'complete', since: notes.complete(id), stand }
  }
  const waiting = waitingOn(stand, pods, weighing, sight, drain, enough)
  // Counted anew when it was complete and is not any more (an HPA may have asked for more pods), and when a
  // pod has ended that the next one waited for: that one had its own time.
  const lateAt = drain
    ? Math.max(drain.until, notes.since(`draining/${id}`) + patience.timeout)
    : notes.since(`incomplete/${id}`) + patience.timeout
  if (lateAt <= now && !stale) {
    const sentence = `${name}: not done after ${lasting(patience.timeout)}: ${waiting.on}`
    const cause: Cause = { code: 'timeout', sentence, hint: hintOfTimeout, workload: id }
    return { is: 'failed', cause: placed(cause, name, troubleOf(weighed), pods), stand }
  }
  sight.looks.push(lateAt)
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
  { wanted = Infinity }: Stand,
  pods: readonly Pod[],
  { picture, notes }: Sight,
): Drain | undefined {
  if ((live.kind === 'Deployment' && !isRecreated(live)) || pods.length >= wanted) return undefined
  const drains = drainingPods(picture, live).map(({ metadata }): Drain => {
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
function deadlineOf(live: Live, { timeout }: Patience): number {
  if (live.kind !== 'Deployment') return timeout
  return Math.min((live.object.spec?.progressDeadlineSeconds ?? 600) * 1000, timeout)
}

function progressOf({ wanted, ready }: Stand): Progress {
  return { ready, ...(wanted !== undefined && { wanted }) }
}

/** The trouble that a pod shows, besides the one that is told already: as `waitingOn` tells it. */
function troubleOf(weighed: readonly Weighed[], told?: Weighed): Weighed | undefined {
  const shown = weighed.filter((one) => one !== told && one.sign.pod !== undefined)
  return shown.find(isTrouble) ?? shown[0]
}

/** The cause with the trouble that a pod shows, and what to do about that; else with the pod that is late. */
function placed(
  cause: Cause,
  workload: string,
  why: Weighed | undefined,
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
  stand: Stand,
  pods: readonly Pod[],
  { weighed, unsteady }: Weighing,
  { picture, now }: Sight,
  drain: Drain | undefined,
  enough: number | undefined,
): Waiting {
  const back = new Set(unsteady.filter(isReady).map(nameOf))
  const open = weighed.filter(({ sign }) => sign.pod === undefined || !back.has(sign.pod))
  const first = open.find(isTrouble) ?? open[0]
  const late = pods.find((pod) => !isReady(pod)) ?? unsteady[0]
  const stands = enough === undefined ? stand.on : `${stand.on} (${enough} before the release)`
  const on = (...parts: readonly string[]) => [stands, ...parts].join(', waiting for ')
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
    const stage = stageOf(late, eventsOf(picture, late.metadata?.uid))
    return { is: 'waiting', on: on(`${nameOf(late)} (${stage})`) }
  }
  if (drain) {
    const { pod, since, grace } = drain
    return { is: 'waiting', on: on(`${pod} to end (${lasting(now - since)} of ${lasting(grace)})`) }
  }
  const missing = stand.wanted !== undefined && pods.length < stand.wanted
  return { is: 'waiting', on: missing ? on('its next pod') : stand.on }
}

function isTrouble({ sign }: Weighed): boolean {
  return sign.reason !== 'NotReady'
}

function nameOf({ metadata }: Pod): string {
  return metadata?.name ?? ''
}
