/** What was found before anything is written, as data: log, summary and JSON are renderings of it. */
import { Failure } from '../failure/failure.js'

/** In the order of the output. */
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
  /** error: it would keep a release from going live. */
  readonly severity: 'ok' | 'warning' | 'error'
  /** One sentence. No full stop at the end. */
  readonly message: string
  /** A command to type, or lines to add to a file. */
  readonly fix?: string
}

export function ok(about: Topic, message: string): Finding {
  return { about, severity: 'ok', message }
}

export function warning(about: Topic, message: string, fix?: string): Finding {
  return { about, severity: 'warning', message, ...(fix !== undefined && { fix }) }
}

export function error(about: Topic, message: string, fix?: string): Finding {
  return { about, severity: 'error', message, ...(fix !== undefined && { fix }) }
}

/** Returns a Failure as an error, too; throws whatever else was thrown. */
export function failed(about: Topic, thrown: unknown): Finding {
  if (!(thrown instanceof Failure)) throw thrown
  return error(about, thrown.cause.sentence, thrown.cause.hint)
}
