import { RULES } from './rules.js'
import type { Remedy } from './remedies.js'
import type { SimpleWait } from './rules.js'
import type { Symptom } from './symptoms.js'
import type { DesiredWorkload, Diagnosis, Timeouts } from './types.js'
import { lasting } from './words.js'

/** How long to wait for a container's log before its exit is judged without it, in ms. */
export const LOG_GRACE = 5000

/** The kubelet tries a container again after 10 to 15 s, and what has come then takes a moment to start; in ms. */
const NEXT_LOOK = 20_000
/** A volume's next try comes after as long as it was tried so far, at most this; in ms (exponentialbackoff of the kubelet). */
const LONGEST_MOUNT = 122_000

/** All that decides when a symptom means that the rollout has failed. */
export interface DeadlineInput {
  readonly timeouts: Timeouts
  /** `progressDeadlineSeconds`, at most the timeout, in ms. */
  readonly deadline: number
  /** How long a pod may take from its start to Ready. */
  readonly ready: ReadyLimit
  /** When the symptom was first seen. */
  readonly since: number
  /** When the run of each container under a startupProbe was first seen, in the order of the symptom's `startups`. */
  readonly runs: readonly number[]
  /** Another pod of the new template is Ready, or no version ran before. */
  readonly sheltered: boolean
  /** How many exits count: those of this release. */
  readonly ends: number
  /** What the log of the last exit says; `undefined` until it has arrived. */
  readonly diagnosis: Diagnosis | undefined
  /** Whether something may still remedy it, where that decides and is known. */
  readonly remedy: Remedy | undefined
  /** When it was first seen. */
  readonly remedySince: number
}

/** When a symptom means that the rollout has failed: at a time, or not before something else happens. */
export type Due =
  /** `because`: the evidence that decided, as a clause, where there was a choice. */
  { readonly is: 'at'; readonly at: number; readonly because?: string } | { readonly is: 'open' }

const open: Due = { is: 'open' }
const at = (time: number, because?: string): Due => ({
  is: 'at',
  at: time,
  ...(because !== undefined && { because }),
})

/** Returns when a symptom means that the rollout has failed, by its row in `RULES`. */
export function dueOf(symptom: Symptom, input: DeadlineInput): Due {
  const { sheltered = 0, wait } = RULES[symptom.reason]
  const grace = input.timeouts.grace[symptom.reason]
  const least = input.sheltered ? sheltered : 0
  const simple = wait.is === 'by-cause' ? wait[crashKindOf(symptom, input.diagnosis)] : wait
  return dueAfter(symptom, input, { ...simple, least, grace })
}

type BoundedWait = SimpleWait & {
  /** A shorter wait becomes this long, in ms. */
  readonly least: number
  /** The user's timeout for this reason, in ms. */
  readonly grace: number | undefined
}

function dueAfter(symptom: Symptom, input: DeadlineInput, wait: BoundedWait): Due {
  const { since, timeouts } = input
  const { least, grace } = wait
  const ownOr = (ms: number) => {
    if (grace === undefined) return ms
    return timeouts.graces === 'lengthen' ? Math.max(grace, ms) : grace
  }
  switch (wait.is) {
    case 'after':
      return at(since + ownOr(Math.max(wait.ms, least)))
    case 'by-remedy': {
      const { remedy } = input
      if (remedy?.is === 'come') {
        const { remedySince } = input
        const isOfVolume = symptom.container === undefined
        const mount = isOfVolume ? Math.min(remedySince - since, LONGEST_MOUNT) + 5000 : 0
        return at(remedySince + Math.max(NEXT_LOOK, mount), remedy.because)
      }
      return at(since + ownOr(wait[remedy?.is ?? 'some']), remedy?.because)
    }
    case 'deadline':
      return at(since + ownOr(input.deadline))
    case 'ready': {
      // A container inside its startupProbe is never cut short, however often its pod was tried.
      const starts = (symptom.startups ?? []).map(
        ({ budget }, index) => (input.runs[index] ?? since) + budget,
      )
      // Nor is one whose readiness probe has not run yet.
      const { delay = 0, tries = 0 } = symptom.probing ?? {}
      const { ms, because } = input.ready
      const limit = grace !== undefined ? delay + ownOr(ms) : Math.max(ms, delay + tries)
      const end = Math.max(since + limit, ...starts)
      if (grace !== undefined) return at(end)
      return at(end, end > since + ms ? "the new version's own probes need that" : because)
    }
    case 'exit': {
      const reached = input.ends >= wait.nth || (wait.loop && symptom.exit?.loops === true)
      if (!reached) return open
      const ms = ownOr(Math.max(wait.ms, least))
      // It had its time, and is trying again now: its next exit or its Ready condition decides.
      return ms > 0 && symptom.exit?.running === true ? open : at(since + ms)
    }
  }
}

/** Returns whether a crash may pass. Exit codes 126 and 127: the shell could not run, or not find, the command. */
export function crashKindOf(symptom: Symptom, diagnosis: Diagnosis | undefined): Diagnosis['kind'] {
  if (symptom.exit?.code === 126 || symptom.exit?.code === 127) return 'permanent'
  return diagnosis?.kind ?? 'unknown'
}

/** How long a pod may take from its start to Ready, in ms, and the evidence for it. */
export interface ReadyLimit {
  readonly ms: number
  readonly because?: string
}

/** How many starts make a shorter limit safe. */
const enoughStarts = 3

/**
 * Returns how long a pod may take from its start to Ready, where no `grace` says it: five times as long as the
 * slowest start that is known, at least 15 s where three or more are known, else a minute; at most the deadline.
 * An undo never has less than the deadline.
 */
export function readyLimit({ starts }: DesiredWorkload, deadline: number): ReadyLimit {
  if (!starts) return { ms: deadline }
  const { slowest, count } = starts
  const least = count >= enoughStarts ? 15_000 : 60_000
  const learned = Math.max(5 * slowest, least)
  if (learned >= deadline) return { ms: deadline, because: 'the deadline' }
  const known = `${count} ${count === 1 ? 'start is' : 'starts are'} known`
  const took = `the slowest took ${lasting(slowest)}`
  return { ms: learned, because: count === 0 ? 'no start is known' : `${known}, ${took}` }
}
