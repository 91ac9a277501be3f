import { RULES } from './rules.js'
import type { Remedy } from './remedies.js'
import type { SimpleWait } from './rules.js'
import type { Symptom } from './symptoms.js'
import type { DesiredWorkload, Diagnosis, Timeouts } from './types.js'

/** How long to wait for a container's log before its exit is judged without it, in ms. */
export const LOG_GRACE = 5000

/** All that decides when a symptom means that the rollout has failed. */
export interface DeadlineInput {
  readonly timeouts: Timeouts
  /** `progressDeadlineSeconds`, at most the timeout, in ms. */
  readonly deadline: number
  /** How long a pod may take from its start to Ready, in ms. */
  readonly ready: number
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
      const byRule = Math.max(input.ready, delay + tries)
      const limit = grace !== undefined ? delay + ownOr(input.ready) : byRule
      return at(Math.max(since + limit, ...starts))
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

/**
 * Returns how long a pod may take from its start to Ready, in ms, where no `grace` says it: five times as long
 * as the slowest pod of the previous version, at least a minute, at most the deadline. An undo never has less
 * than the deadline.
 */
export function readyLimit(desired: DesiredWorkload, deadline: number): number {
  if (desired.readyBefore === undefined) return deadline
  return Math.min(Math.max(5 * desired.readyBefore, 60_000), deadline)
}
