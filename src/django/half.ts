/** What a failed migration has left in a database whose transaction could not take it back. */
import { isRecord, listOf, textOf } from './json.js'

/** One operation of it. */
export interface HalfStep {
  /** In Django's words: `Add field colour to order`. */
  readonly name: string
  /** Whether it is in the database; `undefined`: that cannot be seen. */
  readonly seen: boolean | undefined
  /** A step in Python: Django takes it back where it fails. */
  readonly isCode: boolean
  /** Its reversal loses what was there before it. */
  readonly loses: boolean
  /** It was there before this release. */
  readonly earlier: boolean
  /** Its reversal. */
  readonly sql: readonly string[]
  /** Constraints and indexes that are only made at the end of the migration, and are not there. */
  readonly late: readonly string[]
}

export interface Half {
  readonly app: string
  readonly name: string
  /** Those that change the database, in their order. */
  readonly steps: readonly HalfStep[]
  /** Tables that are not as they were before the release. */
  readonly tables: readonly string[]
}

/** How its operations are placed: they are applied in their order. */
export interface Placed {
  readonly there: readonly HalfStep[]
  readonly unknown: readonly HalfStep[]
  readonly absent: readonly HalfStep[]
}

/** Returns what the pod says of a failed migration; `undefined` for what is no such thing. */
export function halfOf(json: unknown): Half | undefined {
  if (!isRecord(json)) return undefined
  const [app, name] = listOf(json['migration'], textOf) ?? []
  const steps = listOf(json['steps'], stepOf)
  const tables = listOf(json['tables'], textOf)
  return app === undefined || name === undefined || !steps || !tables
    ? undefined
    : { app, name, steps, tables }
}

/** Returns what is there and what is not; nothing is certain where an operation is missing before one that is there. */
export function placed({ steps }: Pick<Half, 'steps'>): Placed {
  const done = steps.findLastIndex(({ seen }) => seen === true) + 1
  const missing = steps.findIndex(({ seen }) => seen === false)
  const open = missing === -1 ? steps.length : missing
  return done > open
    ? { there: [], unknown: steps, absent: [] }
    : {
        there: steps.slice(0, done),
        unknown: steps.slice(done, open),
        absent: steps.slice(open),
      }
}

function stepOf(json: unknown): HalfStep | undefined {
  if (!isRecord(json)) return undefined
  const { seen, sql = [], late = [] } = json
  const name = textOf(json['name'])
  const [back, open] = [sql, late].map((one) => listOf(one, textOf))
  if (name === undefined || !back || !open) return undefined
  return {
    name,
    // Django's own comments are among the statements.
    sql: back.filter((line) => !line.startsWith('--')),
    late: open,
    seen: typeof seen === 'boolean' ? seen : undefined,
    isCode: json['code'] === true,
    loses: json['loses'] === true,
    earlier: json['earlier'] === true,
  }
}
