/** What the inspector reports about the reversal of migrations (`rollout_inspector/reverse.py`). */
import { isRecord, listOf, textOf } from './json.js'
import { misfitOf, type Misfit } from './verdict.js'

/** tell: nothing is reversed; lossless: only what drops no stored value; any. */
export type ReverseHow = 'tell' | 'lossless' | 'any'

/** What the newer version has to reverse. */
export interface ReverseTask {
  /** What the versions need that come back, packed. */
  readonly wanted: readonly string[]
  /** Migrations that were applied since they ran: `shop.0002_note`. */
  readonly since: readonly string[]
  readonly how: ReverseHow
  /** Also where the newer version does not fit the schema after it. */
  readonly downtime: boolean
  /** What does not fit without any of these migrations either is not counted: they did not break it. */
  readonly onlyNew?: true
}

const verdicts = ['fits', 'reverse', 'told', 'impossible', 'downtime', 'loss'] as const

/** What is done about the schema, or why it is not. */
export type ReversalVerdict = (typeof verdicts)[number]

export interface Reversal {
  readonly does: ReversalVerdict
  readonly databases: readonly DatabaseReversal[]
}

/** A column or a table that is dropped, or a column that gets a type which cuts values. */
export interface Drop {
  readonly object: string
  /** How many rows have a value there, or one that is cut; missing: not known. */
  readonly rows?: number
  readonly is: 'dropped' | 'cut'
}

export interface DatabaseReversal {
  readonly database: string
  /** What the versions that come back do not fit. */
  readonly misfits: readonly Misfit[]
  /** The least that has to be reversed, the last one first. */
  readonly migrations: readonly string[]
  /** Those that cannot be, with their operations. */
  readonly irreversible: readonly {
    readonly migration: string
    readonly operations: readonly string[]
  }[]
  /** Whether the newer version fits the schema after it. */
  readonly newFits: boolean
  readonly drops: readonly Drop[]
  /** Migrations whose reversal runs code, or SQL that writes rows. */
  readonly code: readonly string[]
  /** What does not fit and was not broken by these migrations: `column-gone shop_order.note`. */
  readonly excused: readonly string[]
  /** Why it is not possible. */
  readonly why?: string
}

/** Returns the reversal as it is in a plan; `undefined` for what is none. */
export function reversalOf(json: unknown): Reversal | undefined {
  if (!isRecord(json)) return undefined
  const does = verdicts.find((one) => one === json['do'])
  const databases = listOf(json['databases'], databaseOf)
  return does && databases && { does, databases }
}

/** Returns what the versions that come back do not fit after the reversal, where a line says so. */
export function reversedOf(text: string): readonly Misfit[] | undefined {
  try {
    const json: unknown = JSON.parse(text)
    if (!isRecord(json)) return undefined
    const all = listOf(json['reversed'], (one) =>
      isRecord(one) ? listOf(one['misfits'], misfitOf) : undefined,
    )
    return all?.flat()
  } catch {
    return undefined
  }
}

function databaseOf(json: unknown): DatabaseReversal | undefined {
  if (!isRecord(json)) return undefined
  const { database, newFits, why } = json
  const misfits = listOf(json['misfits'], misfitOf)
  const excused = listOf(json['excused'] ?? [], keyOf) ?? []
  const [migrations, code] = ['migrations', 'code'].map((name) => listOf(json[name], textOf))
  const irreversible = listOf(json['irreversible'], (one) => {
    if (!isRecord(one)) return undefined
    const [migration, operations] = [
      textOf(one['migration']),
      listOf(one['operations'], textOf),
    ] as const
    return migration === undefined || !operations ? undefined : { migration, operations }
  })
  const drops = listOf(json['drops'], (one) => {
    if (!isRecord(one)) return undefined
    const { object, rows, cut } = one
    if (typeof object !== 'string') return undefined
    const is = cut === true ? 'cut' : 'dropped'
    return { object, is, ...(typeof rows === 'number' && { rows }) } as const
  })
  if (typeof database !== 'string' || typeof newFits !== 'boolean') return undefined
  if (!misfits || !migrations || !code || !irreversible || !drops) return undefined
  return {
    database,
    misfits,
    migrations,
    irreversible,
    newFits,
    drops,
    code,
    excused,
    ...(typeof why === 'string' && { why }),
  }
}

/** Of `["column-gone", "shop_order", "note"]`; a table alone has no column. */
function keyOf(json: unknown): string | undefined {
  const [rule, ...names] = listOf(json, textOf) ?? []
  return rule === undefined ? undefined : `${rule} ${names.filter((name) => name !== '').join('.')}`
}
