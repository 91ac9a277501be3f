/** The locks of migrations, in sentences. Pure. */
import type { LockHolder, Locking, LockWait } from '../django/locking.js'
import type { DatabasePlan, TableLock } from '../django/plan.js'
import type { Cause } from '../failure/failure.js'
import { seconds } from './sentences.js'

/** Returns the line of the log for what a migration says about its locks. */
export function lockLine(locking: Exclude<Locking, { is: 'ready' }>): string {
  const { migration } = locking
  switch (locking.is) {
    case 'note':
      return `${migration}: ${locking.text}`
    case 'waits':
      return `${migration} waits for ${tablesOf(locking)}, in use by ${whoHolds(locking)}`
    case 'taken':
      return `${migration}: ${tablesOf(locking)} locked after ${seconds(locking.waited)}`
    case 'over':
      return `${migration}: ${tablesOf(locking)} ${wereIn(locking)} still in use after ${seconds(locking.waited)}`
  }
}

const tablesOf = ({ tables }: LockWait) => tables.join(', ')
const wereIn = ({ tables }: LockWait) => (tables.length === 1 ? 'was' : 'were')

function whoHolds({ holders }: LockWait): string {
  return holders.length === 0 ? 'sessions that come and go' : holders.map(holderWords).join('; ')
}

/** `pid 4711 (report, idle in transaction for 12.0 s): SELECT ...` */
function holderWords({ pid, application, user, state, age, query }: LockHolder): string {
  const who = pid === undefined ? 'a prepared transaction' : `pid ${pid}`
  const since = age === undefined ? '' : ` for ${seconds(age)}`
  const facts = [application ?? user, state === undefined ? undefined : `${state}${since}`]
  const known = facts.filter((fact) => fact !== undefined).join(', ')
  return `${who}${known === '' ? '' : ` (${known})`}${query === undefined ? '' : `: ${query}`}`
}

/** Returns why a migration was given up; `cause` is that of its pod. */
export function lockCause(cause: Cause, wait: LockWait, applied: readonly string[]): Cause {
  const before = applied.length === 0 ? '' : `; applied before it: ${applied.join(', ')}`
  return {
    ...cause,
    code: 'lock-not-free',
    sentence: `${wait.migration}: ${tablesOf(wait)} ${wereIn(wait)} in use for ${seconds(wait.waited)} by ${whoHolds(wait)}${before}`,
    hint: lockHint(wait),
  }
}

function lockHint({ holders, isClosed }: LockWait): string {
  const again = isClosed
    ? 'The migration had locked or changed something already, so it did not wait for longer. Split it, or release again'
    : 'Release again when they have ended, or set a longer "lock-wait-migrate"'
  const idle = holders.find(({ state }) => state?.startsWith('idle in transaction') === true)
  if (holders.some(({ application }) => application === 'pg_dump'))
    return `A backup (pg_dump) holds all tables until it has ended. ${again}`
  if (idle?.pid !== undefined)
    return `A client has left its transaction open, and is doing nothing. To end it: SELECT pg_terminate_backend(${idle.pid}). PostgreSQL's idle_in_transaction_session_timeout ends such sessions`
  if (holders.length > 0 && holders.every(({ isMaintenance }) => isMaintenance))
    return `Maintenance such as VACUUM or CREATE INDEX CONCURRENTLY runs on the table. ${again}`
  return again
}

/** Renders `shop_order (ACCESS EXCLUSIVE, about 400,000 rows, 52 MB, 120 reads/s)`. */
export function lockWords({ table, mode, rows, bytes, reads, writes }: TableLock): string {
  const size = [...(rows < 0 ? [] : [`about ${thousands(rows)} rows`]), ...sizeOf(bytes)]
  const use = [...rate(reads, 'reads'), ...rate(writes, 'writes')]
  return `${table} (${[mode, ...size, ...use].join(', ')})`
}

/** Less than one in a second is no use to speak of. */
function rate(perSecond: number | undefined, of: string): readonly string[] {
  return perSecond === undefined || perSecond < 1 ? [] : [`${thousands(perSecond)} ${of}/s`]
}

/** A migration that keeps its tables for so long is a warning, in seconds, or one that makes so many queries wait. */
const longHeld = 10
const manyWaiting = 100

/** Returns the migrations that keep clients waiting, a sentence each. */
export function heldWarnings(databases: readonly DatabasePlan[]): readonly string[] {
  return databases.flatMap(({ pending }) =>
    pending.flatMap(({ app, name, locks = [], held }) => {
      if (!held || locks.length === 0) return []
      const { seconds: time, hasMore } = held
      const waiting = time * locks.reduce((sum, lock) => sum + waitingOn(lock), 0)
      if (time < longHeld && waiting < manyWaiting) return []
      const more = hasMore ? ' and the time of its data steps' : ''
      const queries = waiting < 1 ? '' : `: about ${thousands(waiting)} queries will wait`
      const tables = locks.map(({ table }) => table).join(', ')
      return [`${app}.${name} locks ${tables} for about ${seconds(time)}${more}${queries}`]
    }),
  )
}

/** Returns the migrations that PostgreSQL may refuse because of rows that they write themselves, a sentence each. */
export function queuedWarnings(databases: readonly DatabasePlan[]): readonly string[] {
  return databases.flatMap(({ pending }) =>
    pending.flatMap(({ app, name, held }) =>
      !held || held.queued.length === 0
        ? []
        : [
            `${app}.${name} changes ${held.queued.join(', ')} after a step that may add or remove rows there: PostgreSQL refuses that while their foreign keys are unchecked (pending trigger events). Put that step into a migration before it`,
          ],
    ),
  )
}

/** Returns the queries a second that this lock keeps waiting: readers go on where only writing waits. */
function waitingOn({ mode, reads = 0, writes = 0 }: TableLock): number {
  return mode === 'ACCESS EXCLUSIVE' ? reads + writes : writes
}

/** Returns who else uses what the migrations drop, a sentence each. */
export function witnessWarnings(databases: readonly DatabasePlan[]): readonly string[] {
  return databases.flatMap(({ database, witnesses = [] }) =>
    witnesses === 'hidden'
      ? [
          `whether other roles use what the migrations drop in the database "${database}" is not known: GRANT pg_read_all_stats to the role of the migration`,
        ]
      : witnesses.map(
          ({ object, role, query, calls }) =>
            `${object} is dropped, and the role ${role} has named it in ${thousands(calls)} queries since the statistics were reset: ${query}`,
        ),
  )
}

function sizeOf(bytes: number): readonly string[] {
  const megabytes = bytes / 1024 / 1024
  if (megabytes < 1) return []
  return [megabytes < 1024 ? `${megabytes.toFixed(0)} MB` : `${(megabytes / 1024).toFixed(1)} GB`]
}

/** Two digits: it is an estimate. */
function thousands(count: number): string {
  const rounded = Number(count.toPrecision(2))
  return String(rounded).replaceAll(/(?<=\d)(?=(\d{3})+$)/g, ',')
}

export function poolerWarnings(databases: readonly DatabasePlan[]): readonly string[] {
  return databases.flatMap(({ database, isPooled }) =>
    isPooled === true
      ? [
          `the migration reaches the database "${database}" through a pooler that shares sessions (PgBouncer in transaction mode): connect it to the server itself if possible`,
        ]
      : [],
  )
}
