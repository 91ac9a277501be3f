/** What the inspector reports about migrations that the running version does not survive. */
import { halfOf, type Half } from './half.js'
import { isRecord, listOf, textOf } from './json.js'
import { rules } from './inspector.generated.js'

/** A rule by which migrations are judged: `rollout_inspector/rules.json` has their sentences. */
export type Rule = keyof typeof rules

/** breaks: its queries fail. may: they fail for some rows. unknown: the schema is compared after the migration. */
export type Severity = 'breaks' | 'may' | 'unknown'

/** What becomes of migrations that break a running version. */
export type Policy = 'block' | 'warn' | 'allow'

/** Where the needs of a version come from. */
export type NeedsSource =
  /** It reported them when it was released. */
  | 'kept'
  /** It is the version that is released. */
  | 'own'
  /** Not known: the state of the applied migrations is used instead. */
  | 'state'

export interface MigrationFinding {
  readonly rule: Rule
  readonly severity: Severity
  /** The alias in `DATABASES`. */
  readonly database: string
  /** `shop_order.note`; what an accepting comment names. */
  readonly object: string
  readonly table: string
  /** The label of the model: `shop.Order`. */
  readonly model: string
  /** Whether it breaks a version that runs, or the one that is released. */
  readonly direction: 'running' | 'new'
  /** Places in `Judged.versions`. */
  readonly versions: readonly number[]
  /** The migration that contains it: `shop.0102_note`. */
  readonly migration?: string
  /** Its file in the image. */
  readonly file?: string
  readonly detail?: string
  /** The table that a foreign key refers to. */
  readonly parent?: string
  /** Types. */
  readonly from?: string
  readonly to?: string
  /** The pending migration that fixes it. */
  readonly until?: string
  /** Operations of a migration that does the same safely. */
  readonly code?: readonly string[]
  /** Shows the rows that are in the way, or that a running version has written lately. */
  readonly query?: string
  /** What a running version has written lately, and could not write then: `12 of the latest 100 rows`. */
  readonly lately?: string
  /** The place in a running version's code that shows it: `shop/imports.py`. */
  readonly where?: string
  /** Why its migration is not held back. */
  readonly stays?: string
  /** By what the migration takes it away, where the safe way is another one for that. */
  readonly by?: 'rename'
  /** A comment in the migration's file accepts it. */
  readonly allowed?: { readonly why: string; readonly file: string; readonly line: number }
}

export interface JudgedVersion {
  /** Who runs it: `deployment/web`. */
  readonly names: readonly string[]
  readonly tag: string
  readonly source: NeedsSource
  /** Those of `names` that keep it: no release updates them. */
  readonly leftOut?: readonly string[]
}

/** The verdict on pending migrations. The pod does not migrate when it is blocked. */
export interface Judged {
  readonly policy: Policy
  readonly blocked: boolean
  readonly versions: readonly JudgedVersion[]
  /** The most severe first. */
  readonly findings: readonly MigrationFinding[]
  /** How many more there are. */
  readonly more: number
  /** Comments that accept nothing. */
  readonly comments: readonly {
    readonly file: string
    readonly line: number
    readonly message: string
  }[]
}

/** What a version needs that a database does not have, or not in this way. */
export type Misfit = Omit<
  MigrationFinding,
  | 'direction'
  | 'versions'
  | 'file'
  | 'code'
  | 'query'
  | 'lately'
  | 'where'
  | 'stays'
  | 'by'
  | 'allowed'
  | 'until'
>

/** What a migration has changed for a version that a rollback may restore. */
export interface ChangeOfFit {
  /** The most severe first. */
  readonly added: readonly Misfit[]
  /** `column-gone shop_order.note`: it fits now, or it no longer matters. */
  readonly gone: readonly string[]
}

/** What the migration really made of one database. */
export interface Verified {
  readonly database: string
  /** Found after the migration, and not before it. */
  readonly unpredicted: readonly MigrationFinding[]
  /** `column-gone shop_order.note`: predicted, and not so. */
  readonly unmet: readonly string[]
  /** By the hash of the needs of each version that a rollback may restore. */
  readonly earlier: Readonly<Record<string, ChangeOfFit>>
  /** The migration that has failed, where no transaction took it back. */
  readonly half?: Half
}

/**
 * Returns what breaks the running versions after a migration: predicted and so, or found only then. What a later
 * migration of the plan fixes is found then, where that was not applied.
 */
export function brokenBy({ findings }: Judged, verified: readonly Verified[]): readonly Misfit[] {
  const unmet = verified.flatMap(({ database, unmet: names }) =>
    names.map((name) => `${database} ${name}`),
  )
  const isMet = ({ database, rule, object, until }: MigrationFinding) =>
    until === undefined && !unmet.includes(`${database} ${rule} ${object}`)
  const found = [...findings.filter(isMet), ...verified.flatMap((one) => one.unpredicted)]
  return found
    .filter(({ severity, direction }) => severity === 'breaks' && direction === 'running')
    .flatMap((finding) => misfitOf(finding) ?? [])
}

/** The needs of an image as the inspector packs them; larger ones are not kept. */
const longestNeeds = 100_000

/** Returns whether this is base64 of a length that an environment variable takes. */
export function isNeeds(text: unknown): text is string {
  return (
    typeof text === 'string' &&
    text.length > 0 &&
    text.length <= longestNeeds &&
    text.length % 4 === 0 &&
    /^[A-Za-z0-9+/]+={0,2}$/.test(text)
  )
}

/** Returns the verdict as it is in a plan; `undefined` for what is none. */
export function judgedOf(json: unknown): Judged | undefined {
  if (!isRecord(json)) return undefined
  const { policy, blocked, more } = json
  const versions = listOf(json['versions'], versionOf)
  const findings = listOf(json['findings'], findingOf)
  const comments = listOf(json['comments'], commentOf)
  if (!isOneOf(policy, ['block', 'warn', 'allow'] as const) || typeof blocked !== 'boolean')
    return undefined
  if (!versions || !findings || !comments || typeof more !== 'number') return undefined
  return { policy, blocked, versions, findings, more, comments }
}

/** Returns what a table has refused before a migration's commit; `undefined` for what is no such thing. */
export function triedOf(text: string): MigrationFinding | undefined {
  try {
    const json: unknown = JSON.parse(text)
    return isRecord(json) ? findingOf(json['tried']) : undefined
  } catch {
    return undefined
  }
}

/** Returns the comparison after a migration, one for each database; why there is none. */
export function verifiedOf(json: unknown): readonly Verified[] | { readonly why: string } {
  if (!isRecord(json)) return { why: 'the comparison cannot be read' }
  const { verified, why } = json
  const all = listOf(verified, (one): Verified | undefined => {
    if (!isRecord(one)) return undefined
    const { database } = one
    const unpredicted = listOf(one['unpredicted'], findingOf)
    const unmet = listOf(one['unmet'], textOf)
    const { earlier: changes = {} } = one
    if (typeof database !== 'string' || !unpredicted || !unmet || !isRecord(changes))
      return undefined
    const earlier = Object.fromEntries(
      Object.entries(changes).flatMap(([hash, change]) => {
        const read = changeOf(change)
        return read ? [[hash, read] as const] : []
      }),
    )
    const half = halfOf(one['half'])
    return { database, unpredicted, unmet, earlier, ...(half && { half }) }
  })
  return all ?? { why: textOf(why) ?? 'the comparison cannot be read' }
}

function changeOf(json: unknown): ChangeOfFit | undefined {
  if (!isRecord(json)) return undefined
  const added = listOf(json['added'], misfitOf)
  const gone = listOf(json['gone'], textOf)
  return added && gone ? { added, gone } : undefined
}

/** Returns what a version lacks; `undefined` for what is no such thing. */
export function misfitOf(json: unknown): Misfit | undefined {
  if (!isRecord(json)) return undefined
  const { rule, severity } = json
  const [database, object, table, model] = ['database', 'object', 'table', 'model'].map((name) =>
    textOf(json[name]),
  )
  if (!isRule(rule) || !isOneOf(severity, ['breaks', 'may', 'unknown'] as const)) return undefined
  if (database === undefined || object === undefined) return undefined
  if (table === undefined || model === undefined) return undefined
  const more = textsOf(json, ['migration', 'detail', 'parent', 'from', 'to'])
  return { rule, severity, database, object, table, model, ...more }
}

function findingOf(json: unknown): MigrationFinding | undefined {
  const misfit = misfitOf(json)
  if (!misfit || !isRecord(json)) return undefined
  const { direction } = json
  const versions = listOf(json['versions'], (one) => (typeof one === 'number' ? one : undefined))
  if (!isOneOf(direction, ['running', 'new'] as const) || !versions) return undefined
  const code = listOf(json['code'], textOf)
  const allowed = allowedOf(json['allowed'])
  return {
    ...misfit,
    direction,
    versions,
    ...textsOf(json, ['file', 'until', 'query', 'lately', 'where', 'stays']),
    ...(json['by'] === 'rename' && { by: json['by'] }),
    ...(code && { code }),
    ...(allowed && { allowed }),
  }
}

function versionOf(json: unknown): JudgedVersion | undefined {
  if (!isRecord(json)) return undefined
  const names = listOf(json['names'], textOf)
  const tag = textOf(json['tag'])
  const { source } = json
  if (!names || tag === undefined || !isOneOf(source, ['kept', 'own', 'state'] as const))
    return undefined
  return { names, tag, source }
}

function commentOf(json: unknown): Judged['comments'][number] | undefined {
  if (!isRecord(json)) return undefined
  const [file, message] = [textOf(json['file']), textOf(json['message'])]
  const { line } = json
  if (file === undefined || message === undefined || typeof line !== 'number') return undefined
  return { file, line, message }
}

function allowedOf(json: unknown): MigrationFinding['allowed'] {
  if (!isRecord(json)) return undefined
  const [file, why] = [textOf(json['file']), textOf(json['why'])]
  const { line } = json
  return file === undefined || why === undefined || typeof line !== 'number'
    ? undefined
    : { file, why, line }
}

function textsOf(
  json: Readonly<Record<string, unknown>>,
  names: readonly string[],
): Readonly<Record<string, string>> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const text = textOf(json[name])
      return text === undefined ? [] : [[name, text] as const]
    }),
  )
}

function isRule(name: unknown): name is Rule {
  return typeof name === 'string' && Object.hasOwn(rules, name)
}

function isOneOf<const T extends string>(word: unknown, words: readonly T[]): word is T {
  return (words as readonly unknown[]).includes(word)
}
