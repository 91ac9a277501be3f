/** The plan of a migration, as the inspector prints it. Pure. */
import { bridgesOf, heldMigrationOf, type Bridge, type HeldMigration } from './contract.js'
import { identityOf, type Identity } from './identity.js'
import { isRecord, isText, isTexts, listOf, textOf } from './json.js'
import { reversalOf, type Reversal } from './reversal.js'
import { judgedOf, type Judged } from './verdict.js'

/** What the inspector reports about a new image and its databases. */
export interface Plan {
  /** `5.2.19` */
  readonly django: string
  /** `3.13.1` */
  readonly python: string
  /** Those that the command migrates, and others that a router uses. */
  readonly databases: readonly DatabasePlan[]
  /** Whether the command runs: a migration is not applied yet, or it does more than `manage.py migrate`. */
  readonly runs: boolean
  /** The module of the web's that was compared, or why none was. */
  readonly web?: { readonly module: string } | { readonly silent: string }
  /** Missing where no version runs that the migrations could break. */
  readonly judged?: Judged
  /** A backup comes first: the pod has ended without a write. Empty: it is always made. */
  readonly backup?: readonly BackupReason[]
  /** Only of a Job that reverses migrations. */
  readonly reversal?: Reversal
}

/** What a backup is for. */
export interface BackupReason {
  /** `shop.0014_no_note`; empty: not known. */
  readonly migration: string
  readonly why: 'irreversible' | 'drops' | 'narrows' | 'unread'
  /** What it drops: `shop_order.note`; empty for `irreversible`. */
  readonly object: string
}

/** When a backup comes before the migration: where values may be lost, or before each one. */
export type BackupWhen = 'needed' | 'always'

/** A part of a plan that is missing. */
export interface Untold {
  /** `the locks` */
  readonly part: string
  /** `AttributeError: …` */
  readonly why: string
}

export interface DatabasePlan {
  /** The alias in `DATABASES`. */
  readonly database: string
  readonly identity: Identity
  /** Django's name: `postgresql`, `mysql` (MariaDB too), `sqlite`, `oracle` or a third party's. */
  readonly vendor: string
  /** For people: `PostgreSQL`, `MariaDB`. */
  readonly vendorName: string
  /** Of the server: `15.18`; missing where Django does not know it. */
  readonly version?: string
  /** A migration that fails leaves nothing behind (not so on MySQL, and not when it is not atomic). */
  readonly transactionalDdl: boolean
  /** Of tenants: each that was compared, and for how many at the same migrations. */
  readonly schemas?: readonly ComparedSchema[]
  /** Not applied yet, in the order in which `migrate` takes them. */
  readonly pending: readonly PendingMigration[]
  /**
   * Squashed migrations that `migrate` only has to record, since all that they replace is applied: it is
   * run for them too, or the release that removes the replaced ones would find an inconsistent history.
   */
  readonly squashed: readonly MigrationName[]
  /** The last applied migration of each app. */
  readonly applied: Readonly<Record<string, string>>
  /** Applied by others since the last release here: another cluster or namespace has this database, too. */
  readonly found?: readonly string[]
  /** Applied to the database, but not in this code. */
  readonly unknown: readonly UnknownMigration[]
  /** Pending, and not applied by this release. */
  readonly held: readonly HeldMigration[]
  /** Should have stayed held back, and are applied by this release. */
  readonly unheld: readonly UnheldMigration[]
  /** Stay held back, though this code does not have them: those of another branch. */
  readonly absent: readonly string[]
  /** New ones: how both versions work meanwhile. */
  readonly bridges: readonly Bridge[]
  /** Those of earlier releases that stay. */
  readonly earlierBridges: readonly Bridge[]
  /** Those of earlier releases that the pod ends, where their tables are free. */
  readonly endedBridges: readonly Bridge[]
  /** The pod changes the schema for these, or ends earlier ones. */
  readonly isBridged?: true
  /** A pooler gives one session of the server to several clients in turn. */
  readonly isPooled?: true
  /** What the inspector does not understand in this Django or database. */
  readonly untold?: readonly Untold[]
  /** Statements of other roles that name what the migrations drop; `hidden`: the server does not show them. */
  readonly witnesses?: readonly Witness[] | 'hidden'
  /** Columns and tables that no version needs, neither one that runs nor one that is kept: `shop_order.note`. */
  readonly unused?: readonly string[]
}

export interface ComparedSchema {
  readonly name: string
  readonly count: number
}

/** A migration that "contract: manual" cannot hold back any longer. */
export interface UnheldMigration extends MigrationName {
  /** What needs it, or why nothing can be held back. */
  readonly why: string
}

/** The most frequent statement of a role, by pg_stat_statements. */
export interface Witness {
  /** What it names: `shop_order.note`. */
  readonly object: string
  readonly role: string
  readonly query: string
  /** Of all such statements, since the statistics were reset. */
  readonly calls: number
}

export interface MigrationName {
  readonly app: string
  readonly name: string
}

export interface PendingMigration extends MigrationName {
  /** Names of the classes: `AddField`, `RunPython`. */
  readonly operations: readonly string[]
  readonly atomic: boolean
  /** Includes those inside of SeparateDatabaseAndState. */
  readonly reversible: boolean
  /** Tables of today for which reading or writing waits while it runs; missing where that is not known. */
  readonly locks?: readonly TableLock[]
  /** How long its transaction keeps them, where that is more than a moment. */
  readonly held?: HeldLocks
  /** As `sqlmigrate` prints it, cut to 8000 characters; missing where Django does not know it beforehand. */
  readonly sql?: string
}

export interface TableLock {
  readonly table: string
  /** `ACCESS EXCLUSIVE`: no client reads or writes; `SHARE ROW EXCLUSIVE` and `SHARE`: no client writes. */
  readonly mode: string
  /** Estimates of the server; -1: it has none. */
  readonly rows: number
  readonly bytes: number
  /** Of all clients, per second, on average since the server's statistics were reset. */
  readonly reads?: number
  readonly writes?: number
}

export interface HeldLocks {
  /** An estimate by the size of the tables. */
  readonly seconds: number
  /** Code or a change of rows in the same transaction comes on top. */
  readonly hasMore: boolean
  /** Tables that it changes after a step which may have added or removed rows: PostgreSQL refuses that while their foreign keys are unchecked. */
  readonly queued: readonly string[]
}

export interface UnknownMigration extends MigrationName {
  /**
   * Applied after all that this code knows of that app: a newer version was deployed. Otherwise it is
   * what squashed migrations and removed apps leave behind, and harmless.
   */
  readonly newer: boolean
}

export function planOf(text: string): Plan | undefined {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return undefined
  }
  if (!isRecord(json)) return undefined
  const { django, python, runs, web } = json
  const judged = judgedOf(json['judged'])
  const databases = listOf(json['databases'], databaseOf)
  if (!isText(django) || !isText(python) || typeof runs !== 'boolean' || databases === undefined) {
    return undefined
  }
  // A verdict that cannot be read would hide that the release has to stop.
  if ((json['judged'] ?? null) !== null && judged === undefined) return undefined
  const backup = json['backup'] ?? null
  const reversal = reversalOf(json['reversal'])
  if ((json['reversal'] ?? null) !== null && reversal === undefined) return undefined
  return {
    django,
    python,
    databases,
    runs,
    ...webOf(web),
    ...(judged && { judged }),
    ...(reversal && { reversal }),
    ...(backup !== null && { backup: listOf(backup, reasonOf) ?? [] }),
  }
}

function reasonOf(json: unknown): BackupReason | undefined {
  if (!isRecord(json)) return undefined
  const { migration, why, object } = json
  const known = (['irreversible', 'drops', 'narrows', 'unread'] as const).find((one) => one === why)
  return isText(migration) && isText(object) && known
    ? { migration, why: known, object }
    : undefined
}

function webOf(json: unknown): Pick<Plan, 'web'> {
  if (!isRecord(json)) return {}
  const { module, silent } = json
  return isText(module) ? { web: { module } } : isText(silent) ? { web: { silent } } : {}
}

function databaseOf(json: unknown): DatabasePlan | undefined {
  if (!isRecord(json)) return undefined
  const { database, vendor, vendorName, version, transactionalDdl, pooled } = json
  const identity = identityOf(json['identity'])
  const pending = listOf(json['pending'], pendingOf)
  const squashed = listOf(json['squashed'], nameOf)
  const unknown = listOf(json['unknown'], unknownOf)
  const held = listOf(json['held'] ?? [], (one) =>
    heldMigrationOf(isText(database) ? database : '', one),
  )
  const applied = json['applied']
  if (
    !isText(database) ||
    !isText(vendor) ||
    !isText(vendorName) ||
    typeof transactionalDdl !== 'boolean' ||
    !isRecord(applied) ||
    !isTexts(applied) ||
    identity === undefined ||
    pending === undefined ||
    squashed === undefined ||
    unknown === undefined ||
    held === undefined
  ) {
    return undefined
  }
  return {
    database,
    identity,
    vendor,
    vendorName,
    ...(isText(version) ? { version } : {}),
    transactionalDdl,
    pending,
    squashed,
    applied,
    unknown,
    held,
    unheld: listOf(json['unheld'] ?? [], unheldOf) ?? [],
    absent: listOf(json['absent'] ?? [], textOf) ?? [],
    bridges: bridgesOf(json['bridges']),
    earlierBridges: bridgesOf(json['stay']),
    endedBridges: bridgesOf(json['ended']),
    ...((hasSql(json['bridges']) || hasSql(json['ended'])) && { isBridged: true }),
    ...(pooled === true && { isPooled: true }),
    ...foundOf(json['found']),
    ...schemasOf(json['schemas']),
    ...untoldOf(json['untold']),
    ...usageOf(json),
  }
}

function foundOf(json: unknown): Pick<DatabasePlan, 'found'> {
  const found = listOf(json, textOf) ?? []
  return found.length > 0 ? { found } : {}
}

function schemasOf(json: unknown): Pick<DatabasePlan, 'schemas'> {
  const schemas = listOf(json, (one): ComparedSchema | undefined => {
    const [name, count] = Array.isArray(one) ? (one as readonly unknown[]) : []
    return isText(name) && typeof count === 'number' ? { name, count } : undefined
  })
  return schemas && schemas.length > 0 ? { schemas } : {}
}

/** Returns what a plan is to apply, once for each database: `shop.0002_note`. */
export function plannedOf({ databases }: Pick<Plan, 'databases'>): readonly string[] {
  return databases.flatMap(({ pending }) => pending.map(({ app, name }) => `${app}.${name}`))
}

/** Returns the plan without what runs of this history have applied themselves. */
export function withoutOwn(plan: Plan, own: ReadonlySet<string>): Plan {
  const databases = plan.databases.map(({ found = [], ...database }) => {
    const others = found.filter((name) => !own.has(name))
    return others.length === 0 ? database : { ...database, found: others }
  })
  return { ...plan, databases }
}

function untoldOf(json: unknown): Pick<DatabasePlan, 'untold'> {
  const untold = listOf(json, (one) => {
    if (!isRecord(one)) return undefined
    const { part, why } = one
    return isText(part) && isText(why) ? { part, why } : undefined
  })
  return untold && untold.length > 0 ? { untold } : {}
}

function usageOf({
  witnesses,
  unused,
}: Record<string, unknown>): Pick<DatabasePlan, 'witnesses' | 'unused'> {
  const seen = witnesses === null ? 'hidden' : listOf(witnesses, witnessOf)
  const names = listOf(unused, textOf)
  return { ...(seen && { witnesses: seen }), ...(names && { unused: names }) }
}

function witnessOf(json: unknown): Witness | undefined {
  if (!isRecord(json)) return undefined
  const { object, role, query, calls } = json
  return isText(object) && isText(role) && isText(query) && typeof calls === 'number'
    ? { object, role, query, calls }
    : undefined
}

function hasSql(json: unknown): boolean {
  return Array.isArray(json) && json.some((one: unknown) => isRecord(one) && 'sql' in one)
}

function nameOf(json: unknown): MigrationName | undefined {
  if (!isRecord(json)) return undefined
  const { app, name } = json
  return isText(app) && isText(name) ? { app, name } : undefined
}

function unheldOf(json: unknown): UnheldMigration | undefined {
  const migration = nameOf(json)
  if (!migration || !isRecord(json) || !isText(json['why'])) return undefined
  return { ...migration, why: json['why'] }
}

function pendingOf(json: unknown): PendingMigration | undefined {
  const migration = nameOf(json)
  if (!migration || !isRecord(json)) return undefined
  const { atomic, reversible, sql } = json
  const operations = listOf(json['operations'], textOf)
  if (operations === undefined) return undefined
  if (typeof atomic !== 'boolean' || typeof reversible !== 'boolean') return undefined
  const locks = listOf(json['locks'], lockOf)
  const held = heldOf(json['held'])
  return {
    ...migration,
    operations,
    atomic,
    reversible,
    ...(isText(sql) ? { sql } : {}),
    ...(locks && { locks }),
    ...(held && { held }),
  }
}

function heldOf(json: unknown): HeldLocks | undefined {
  if (!isRecord(json)) return undefined
  const { seconds, more } = json
  const queued = listOf(json['queued'], textOf)
  if (typeof seconds !== 'number' || typeof more !== 'boolean' || !queued) return undefined
  return seconds >= 1 || more || queued.length > 0 ? { seconds, hasMore: more, queued } : undefined
}

function lockOf(json: unknown): TableLock | undefined {
  if (!isRecord(json)) return undefined
  const { table, mode, rows, bytes, reads, writes } = json
  if (!isText(table) || !isText(mode)) return undefined
  if (typeof rows !== 'number' || typeof bytes !== 'number') return undefined
  const isKnown = typeof reads === 'number' && typeof writes === 'number'
  return { table, mode, rows, bytes, ...(isKnown && { reads, writes }) }
}

function unknownOf(json: unknown): UnknownMigration | undefined {
  const migration = nameOf(json)
  if (!migration || !isRecord(json) || typeof json['newer'] !== 'boolean') return undefined
  return { ...migration, newer: json['newer'] }
}
