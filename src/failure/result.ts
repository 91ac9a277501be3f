/** How a run ended. docs/how-it-works.md explains each result. */

export type Result =
  | 'deployed'
  | 'done'
  | 'unchanged'
  | 'undone'
  | 'failed'
  | 'usage'
  | 'stuck'
  | 'kept'
  | 'locked'
  | 'superseded'
  | 'cancelled'

/** Exit code of the command and of the action's process. */
export const exitCodes: Readonly<Record<Result, number>> = {
  deployed: 0,
  done: 0,
  unchanged: 0,
  undone: 1,
  failed: 1,
  usage: 2,
  stuck: 3,
  kept: 3,
  locked: 4,
  superseded: 5,
  cancelled: 130,
}

export function wentWell(result: Result): boolean {
  return exitCodes[result] === 0
}
