/** What was found out before anything is done, as data: log, summary and JSON are renderings of it. */
import { Failure } from './cause.js'

/** In the order in which they are told. */
export const topics = [
  'tools',
  'commit',
  'registry',
  'cluster',
  'rights',
  'workloads',
  'probes',
  'release',
] as const

export type Topic = (typeof topics)[number]

export interface Finding {
  readonly about: Topic
  /** bad: it would keep a release from going live. */
  readonly is: 'good' | 'warning' | 'bad'
  /** One sentence. No full stop at the end. */
  readonly says: string
  /** A command to type, or lines to add to a file. */
  readonly mend?: string
}

export function good(about: Topic, says: string): Finding {
  return { about, is: 'good', says }
}

export function warning(about: Topic, says: string, mend?: string): Finding {
  return { about, is: 'warning', says, ...(mend !== undefined && { mend }) }
}

export function bad(about: Topic, says: string, mend?: string): Finding {
  return { about, is: 'bad', says, ...(mend !== undefined && { mend }) }
}

/** What would end a release is bad, too; whatever else was thrown is thrown on. */
export function failed(about: Topic, error: unknown): Finding {
  if (!(error instanceof Failure)) throw error
  return bad(about, error.cause.sentence, error.cause.hint)
}
