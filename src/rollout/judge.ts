import type { Pod } from 'kubernetes-types/core/v1'
import { idOf } from '../kubernetes/workload.js'
import type { Cause } from '../report/cause.js'
import { isObserved, isReady, liveOf, ourPods } from './live.js'
import type { Live } from './live.js'
import { Notes } from './ledger.js'
import { readyLimit } from './patience.js'
import { deletion, standOf, takenOver } from './progress.js'
import type { Stand } from './progress.js'
import { signsOf } from './signs.js'
import { stageOf, STALE } from './stage.js'
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
import { causeOf, hintOf, logsOf, lostOf, troubleWords, weigh } from './weigh.js'
import type { Weighed, Weighing } from './weigh.js'
import { lasting } from './words.js'

/** What one look says about one workload, before the bake is counted. */
type Look =
  | { readonly is: 'superseded'; readonly by: string }
  | { readonly is: 'failed'; readonly cause: Cause; readonly stand: Stand }
  | { readonly is: 'waiting'; readonly on: string; readonly stand: Stand }
  /** `since`: when it became so, where it has pods to be watched on. */
  | { readonly is: 'complete'; readonly since?: number; readonly stand: Stand }

/** What all workloads of one look share. */
interface Sight {
  readonly picture: Picture
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
  const sight: Sight = { picture, patience, ledger, notes, now, stale, looks: [], logsWanted: [] }
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
        return { is: 'waiting', on: look.on }
      case 'complete': {
        if (baked) return { is: 'done' }
        if (completeAt === undefined) return { is: 'waiting', on: 'waits for the other workloads' }
        const on = `the bake (${lasting(now - completeAt)} of ${lasting(patience.bake)})`
        return { is: 'waiting', on }
      }
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
  const { picture, patience, notes, ledger, now, stale } = sight
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
  const signs = signsOf(picture, aim, ledger.startedAt)
  const weighing = weigh(pods, signs, {
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

  const lost = lostOf(weighed, now, stale)
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

  if (stand.complete && unsteady.length === 0 && pods.every(isReady)) {
    return stand.wanted === 0
      ? { is: 'complete', stand }
      : { is: 'complete', since: notes.complete(id), stand }
  }
  const on = waitingOn(stand, pods, weighing, now)
  // Counted anew when it was complete and is not any more: an HPA may have asked for more pods.
  const lateAt = notes.since(`incomplete/${id}`) + patience.timeout
  if (lateAt <= now && !stale) {
    const sentence = `${name}: not done after ${lasting(patience.timeout)}: ${on}`
    const cause: Cause = { code: 'timeout', sentence, hint: hintOfTimeout, workload: id }
    return { is: 'failed', cause: placed(cause, name, troubleOf(weighed), pods), stand }
  }
  sight.looks.push(lateAt)
  return { is: 'waiting', on, stand }
}

const hintOfTimeout = 'See what it waited for; raise "timeout" when the start just takes long'

/** How long a step of the workload may take, in ms: its progressDeadlineSeconds (600 s by default), at most the timeout. */
function deadlineOf(live: Live, { timeout }: Patience): number {
  if (live.kind !== 'Deployment') return timeout
  return Math.min((live.object.spec?.progressDeadlineSeconds ?? 600) * 1000, timeout)
}

function progressOf({ wanted, ready }: Stand): Progress {
  return { ready, ...(wanted !== undefined && { wanted }) }
}

/** The first trouble that a pod shows, besides the one that is told already. */
function troubleOf(weighed: readonly Weighed[], told?: Weighed): Weighed | undefined {
  return weighed.find((one) => one !== told && one.sign.pod !== undefined)
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

/** `2 of 3 ready, waiting for web-7d… (startup probe 14 s of 60 s)` */
function waitingOn(
  stand: Stand,
  pods: readonly Pod[],
  { weighed, unsteady }: Weighing,
  now: number,
): string {
  const first = weighed[0]
  const isBack = unsteady.find((pod) => isReady(pod) && pod.metadata?.name === first?.sign.pod)
  const late = isBack ?? pods.find((pod) => !isReady(pod)) ?? unsteady[0]
  let what = ''
  if (first && !isBack) {
    const { pod } = first.sign
    const trouble = troubleWords(first, now)
    if (pod === undefined) return stand.on === '' ? trouble : `${stand.on}: ${trouble}`
    what = `${pod} (${trouble})`
  } else if (late) {
    what = `${late.metadata?.name ?? ''} (${stageOf(late)})`
  }
  return [stand.on, what].filter((part) => part !== '').join(', waiting for ') || 'its pods'
}
