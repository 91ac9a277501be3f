/** What a migration reports about the tables that it locks: lines of `rollout_inspector/guard.py`. */
import { isRecord } from './json.js'

export type Locking =
  /** Django has begun, and looks before it locks. */
  | { readonly is: 'ready' }
  | { readonly is: 'note'; readonly migration: string; readonly text: string }
  | LockWait

export interface LockWait {
  /** over: it was given up, and the migration with it. */
  readonly is: 'waits' | 'taken' | 'over'
  /** `shop.0102_note` */
  readonly migration: string
  readonly tables: readonly string[]
  /** In seconds. */
  readonly waited: number
  /** It has locked something already, so it does not wait for long. */
  readonly isClosed: boolean
  readonly holders: readonly LockHolder[]
}

/** A session that has a lock on a table. What the user of the migration may not see is missing. */
export interface LockHolder {
  /** None: of a prepared transaction. */
  readonly pid?: number
  readonly user?: string
  readonly application?: string
  /** `active`, `idle in transaction` */
  readonly state?: string
  /** Of its transaction, in seconds. */
  readonly age?: number
  /** Its last query, without values. */
  readonly query?: string
  /** Reading and writing go on beside it: VACUUM, CREATE INDEX CONCURRENTLY. */
  readonly isMaintenance: boolean
}

/** Returns what a line says; `undefined` where it cannot be read. */
export function lockingOf(text: string): Locking | undefined {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return undefined
  }
  const locking = isRecord(json) ? json['locking'] : undefined
  if (!isRecord(locking)) return undefined
  if (locking['ready'] === true) return { is: 'ready' }
  const [migration, note] = [wordOf(locking['migration']), wordOf(locking['note'])]
  if (migration === undefined) return undefined
  if (note !== undefined) return { is: 'note', migration, text: note }
  const { tables, waited, closed, holders = [], taken, over } = locking
  if (!Array.isArray(tables) || typeof waited !== 'number' || !Array.isArray(holders))
    return undefined
  return {
    is: over === true ? 'over' : taken === true ? 'taken' : 'waits',
    migration,
    tables: tables.flatMap((table) => wordOf(table) ?? []),
    waited,
    isClosed: closed === true,
    holders: holders.filter(isRecord).map(holderOf),
  }
}

function holderOf(json: Readonly<Record<string, unknown>>): LockHolder {
  const words = ['user', 'application', 'state', 'query'].flatMap((name) => {
    const word = wordOf(json[name])
    return word === undefined ? [] : [[name, word] as const]
  })
  const { pid, age, mode } = json
  return {
    ...Object.fromEntries(words),
    ...(typeof pid === 'number' && { pid }),
    ...(typeof age === 'number' && { age }),
    isMaintenance: mode === 'ShareUpdateExclusiveLock',
  }
}

/** One line: clients choose such names themselves. */
function wordOf(json: unknown): string | undefined {
  if (typeof json !== 'string') return undefined
  const word = json.replaceAll(/[\p{Cc}\p{Cf}\s]+/gu, ' ').trim()
  return word === '' ? undefined : word
}
