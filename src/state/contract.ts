/** What the history keeps of the migrations that are held back, and of what makes up for them. Pure. */
import { isSameBridge, type MadeBridge } from '../django/contract.js'
import { plannedOf, type Plan } from '../django/plan.js'
import { openBridges, openHeld, type History, type ReleaseEnd } from './history.js'

export type Contract = Required<Pick<ReleaseEnd, 'held' | 'bridges'>>

/** How far the Job of a plan has come. */
export interface Progress {
  /** Its command has succeeded, so nothing of the plan is left. */
  readonly isDone: boolean
  /** `shop.0102_note` */
  readonly applied: readonly string[]
  readonly made: readonly MadeBridge[]
}

const none: Contract = { held: [], bridges: [] }
const notBegun: Progress = { isDone: false, applied: [], made: [] }

/** Returns what the last plan has left. */
export function openContract(history: History): Contract {
  return { held: openHeld(history), bridges: openBridges(history) }
}

/**
 * Returns what the history gets of a plan: what is pending still and stays held back, and what the databases have for
 * that time. What the plan applies or ends stays until that is known to be done. `before`: as the plan found it.
 */
export function contractOf(
  plan: Plan | undefined,
  before: Contract = none,
  { isDone, applied, made }: Progress = notBegun,
): Partial<Contract> {
  if (!plan || plan.judged?.blocked === true) return {}
  const { databases } = plan
  const isOver = isDone || !plan.runs
  const [first] = databases
  const absent = (first?.absent ?? []).filter((name) =>
    databases.every((one) => one.absent.includes(name)),
  )
  const pending = plannedOf(plan)
  // The log does not say in which of several databases one was applied.
  const isLeft = (name: string) =>
    pending.filter((one) => one === name).length > Number(applied.includes(name))
  const planned = databases.flatMap((one) => [
    ...one.earlierBridges,
    ...one.endedBridges,
    ...one.bridges,
  ])
  const others = before.bridges.filter((one) => !planned.some((other) => isSameBridge(one, other)))
  const isEnded = ({ isEnded, failed }: MadeBridge) => isEnded && failed === undefined
  const ended = made.filter(isEnded)
  return {
    held: [
      ...new Set([
        ...databases.flatMap(({ held }) => held.map(({ name }) => name)),
        ...absent,
        ...(isOver ? [] : before.held.filter(isLeft)),
      ]),
    ],
    bridges: [...(isOver ? [] : others), ...planned].filter(
      (one) => !ended.some((other) => isSameBridge(one, other)),
    ),
  }
}
