import { RULES } from './rules.js'
import type { SimpleWait } from './rules.js'
import type { Symptom } from './symptoms.js'
import type { DesiredWorkload, Diagnosis, Timeouts } from './types.js'

/** How long a container's log is waited for before its end is judged without it, in ms. */
export const LOG_GRACE = 5000

/** All that decides when a sign means that the rollout is lost. */
export interface DeadlineInput {
  readonly timeouts: Timeouts
  /** `progressDeadlineSeconds`, at most the timeout, in ms. */
  readonly deadline: number
  /** How long a pod may take from its start to Ready, in ms. */
  readonly ready: number
  /** When the sign was first seen. */
  readonly since: number
  /** When the run of each container under a startupProbe was first seen, in the order of the sign's. */
  readonly runs: readonly number[]
  /** Another pod of our template is Ready, or nothing ran before. */
  readonly sheltered: boolean
  /** How many ends count: those of this release. */
  readonly ends: number
  /** What the log of the last end says; `undefined` while it has not come. */
  readonly diagnosis: Diagnosis | undefined
}

/** When a sign means that the rollout is lost: at a time, or not before something more happens. */
export type Due = { readonly is: 'at'; readonly at: number } | { readonly is: 'open' }

const open: Due = { is: 'open' }
const at = (time: number): Due => ({ is: 'at', at: time })

export function dueOf(sign: Symptom, standing: DeadlineInput): Due {
  const { sheltered = 0, wait } = RULES[sign.reason]
  const grace = standing.timeouts.grace[sign.reason]
  const least = standing.sheltered ? sheltered : 0
  const now = wait.is === 'by-cause' ? wait[timeoutsOf(sign, standing.diagnosis)] : wait
  return dueAfter(sign, standing, now, least, grace)
}

function dueAfter(
  sign: Symptom,
  standing: DeadlineInput,
  wait: SimpleWait,
  least: number,
  grace: number | undefined,
): Due {
  const { since, timeouts } = standing
  const ownOr = (ms: number) => {
    if (grace === undefined) return ms
    return timeouts.graces === 'lengthen' ? Math.max(grace, ms) : grace
  }
  switch (wait.is) {
    case 'after':
      return at(since + ownOr(Math.max(wait.ms, least)))
    case 'deadline':
      return at(since + ownOr(standing.deadline))
    case 'ready': {
      // A container inside its startupProbe is never cut short, however often its pod was tried.
      const starts = (sign.startups ?? []).map(
        ({ budget }, index) => (standing.runs[index] ?? since) + budget,
      )
      // Nor is one before its readiness probe has asked.
      const { delay = 0, tries = 0 } = sign.probing ?? {}
      const byRule = Math.max(standing.ready, delay + tries)
      const isOwn = grace !== undefined || timeouts.readyTimeout !== undefined
      const limit = isOwn ? delay + ownOr(standing.ready) : byRule
      return at(Math.max(since + limit, ...starts))
    }
    case 'exit': {
      const reached = standing.ends >= wait.nth || (wait.loop && sign.exit?.loops === true)
      if (!reached) return open
      const ms = ownOr(Math.max(wait.ms, least))
      // It was given time, and is trying again right now: its next end or its being Ready decides.
      return ms > 0 && sign.exit?.running === true ? open : at(since + ms)
    }
  }
}

/** What an end asks for. Exit codes 126 and 127: the shell could not run, or not find, the command. */
export function timeoutsOf(sign: Symptom, diagnosis: Diagnosis | undefined): Diagnosis['kind'] {
  if (sign.exit?.code === 126 || sign.exit?.code === 127) return 'permanent'
  return diagnosis?.kind ?? 'unknown'
}

/**
 * How long a pod may take from its start to Ready, in ms: what the user says; else five times what the
 * slowest pod of the old version took, at least a minute, at most the deadline. An undo is never given less
 * than the deadline.
 */
export function readyLimit(desired: DesiredWorkload, timeouts: Timeouts, deadline: number): number {
  if (timeouts.readyTimeout !== undefined) {
    return timeouts.graces === 'lengthen'
      ? Math.max(timeouts.readyTimeout, deadline)
      : timeouts.readyTimeout
  }
  if (desired.readyBefore === undefined) return deadline
  return Math.min(Math.max(5 * desired.readyBefore, 60_000), deadline)
}
