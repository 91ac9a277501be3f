/** What pending migrations break, in sentences: the rules of the inspector, filled in. Pure. */
import { rules } from '../django/inspector.generated.js'
import type { ContractPolicy } from '../django/contract.js'
import type { DatabasePlan, Plan } from '../django/plan.js'
import type {
  Judged,
  JudgedVersion,
  MigrationFinding,
  Rule,
  Severity,
  Verified,
} from '../django/verdict.js'
import type { Annotation, Cause } from '../failure/failure.js'
import { firstOf } from '../judge/words.js'
import { shortTag } from '../kubernetes/image.js'
import { breaking, type KeptMisfit } from '../state/fit.js'
import { wentLive, type Entry } from '../state/history.js'
import { backupReasons } from './backup-sentences.js'
import { bridgeSentence, heldSentence } from './contract-sentences.js'
import type { MigrationPlan, PlannedMigration } from './report.js'
import { plural } from './sentences.js'

/** `shop.0102: the column shop_order.note is gone, but version 4f2c (deployment/web) uses it: every query fails` */
export function migrationSentence(
  finding: MigrationFinding,
  versions: readonly JudgedVersion[],
): string {
  const { rule, direction, migration, until, lately, where } = finding
  const [what = '', uses = '', breaks = ''] = rules[rule][direction].map((text) =>
    filled(text, finding),
  )
  const named = `${migration === undefined ? '' : `${migration}: `}${what}`
  // What the rows of today do not allow concerns no version.
  if (uses === '') return named
  const who = direction === 'new' ? 'the new version' : whoOf(finding, versions)
  const time = until === undefined ? '' : ` until ${until} is applied`
  const seen = lately === undefined ? where : `${lately} would be refused`
  return `${named}${time}, but ${who} ${uses}: ${breaks}${seen === undefined ? '' : ` (${seen})`}`
}

/**
 * `the column shop_order.note is gone since shop.0101 (release 14), but release 12 (4f2c) uses it: every query fails`
 */
export function misfitSentence(who: string, misfit: KeptMisfit): string {
  const [what = '', uses = '', breaks = ''] = rules[misfit.rule].running.map((text) =>
    filled(text, misfit),
  )
  const since = originOf(misfit)
  return `${what}${since === '' ? '' : ` since ${since}`}, but ${who} ${uses}: ${breaks}`
}

/** `shop.0101 (release 14)` */
function originOf({ migration, release }: KeptMisfit): string {
  const by = release === undefined ? '' : `release ${release}`
  return migration === undefined ? by : `${migration}${by === '' ? '' : ` (${by})`}`
}

/** Returns why a rollback does not restore this version. `ways`: what else can be done, a line each. */
export function unfitCause(
  who: string,
  breaks: readonly KeptMisfit[],
  ways: readonly string[],
): Cause {
  const [first] = breaks
  if (!first) throw new Error('a version that does not fit has a reason')
  const others = breaks.length > 1 ? ` (and ${plural(breaks.length - 1, 'more finding')})` : ''
  return {
    code: 'schema-unfit',
    sentence: `${misfitSentence(who, first)}${others}`,
    hint: [
      `nothing was changed. ${mendOf(first)} in a new release, then roll back; or release a new version that needs no rollback`,
      ...ways,
    ].join('\n'),
  }
}

/** Returns what a migration has to do so that an earlier version fits again. */
function mendOf({ rule, object, table }: KeptMisfit): string {
  switch (rule) {
    case 'column-gone':
      return `Add the column ${object} again by a migration`
    case 'table-gone':
      return `Create the table ${table} again by a migration`
    case 'insert-refused':
    case 'default-gone':
      return `Give the column ${object} a database default by a migration`
    default:
      return `Undo this change of ${object} by a migration`
  }
}

/** Returns whether a release fits the schema, for the table of the history; empty for one that was never live. */
export function fitWords(entry: Entry): string {
  if (!wentLive(entry)) return ''
  if (!entry.fit) return 'not known'
  const { misfits } = entry.fit
  const breaks = breaking(misfits)
  const [first] = breaks
  if (!first) {
    const may = misfits.filter(({ severity }) => severity === 'may').length
    return may === 0 ? 'fits' : `fits, ${may} may break`
  }
  const origin = [first.migration, first.release === undefined ? '' : `release ${first.release}`]
  const by = origin.filter((part) => part).join(', ')
  const more = breaks.length > 1 ? ` and ${breaks.length - 1} more` : ''
  return `breaks: ${first.rule} ${first.object}${by === '' ? '' : ` (${by})`}${more}`
}

function filled(text: string, finding: KeptMisfit): string {
  const { table, object, parent, detail, from, to } = finding
  const model = finding.model === '' ? table : finding.model
  const column = object.startsWith(`${table}.`) ? object.slice(table.length + 1) : object
  const words = { table, object, column, model, parent, detail, from, to }
  return text.replaceAll(/\{(\w+)\}/g, (_, name: string) => words[name as keyof typeof words] ?? '')
}

function whoOf({ versions }: MigrationFinding, all: readonly JudgedVersion[]): string {
  const named = versions.flatMap((place) => all[place] ?? []).map(versionName)
  const [first = 'the running version', ...others] = named
  return others.length === 0 ? first : `each of ${named.join(' and ')}`
}

/** `version 4f2c1d9 (deployment/web, cronjob/report and 2 more)` */
export function versionName({ names, tag }: JudgedVersion): string {
  return `${tag === '' ? 'the running version' : `version ${shortTag(tag)}`} (${firstOf(names, 4)})`
}

const begins: Readonly<Record<Severity, string>> = {
  breaks: 'unsafe',
  may: 'may break',
  unknown: 'not known',
}

/** Returns the lines of a verdict for the log. */
export function verdictLines(judged: Judged): readonly string[] {
  const { findings, versions, more, policy } = judged
  return [
    ...unknownNeeds(versions),
    ...findings.map((finding) => {
      const sentence = migrationSentence(finding, versions)
      return finding.allowed
        ? `accepted: ${sentence} (${finding.allowed.why})`
        : `${begins[finding.severity]}: ${sentence}`
    }),
    ...(more > 0 ? [`and ${more} more`] : []),
    ...judged.comments.map(commentSentence),
    ...(policy !== 'block' && blocking(judged).length > 0
      ? [`they are still applied (unsafe-migrations: ${policy})`]
      : []),
  ]
}

/** Returns what a user should know of a plan that is executed. */
export function verdictWarnings(judged: Judged | undefined): readonly string[] {
  if (!judged || judged.policy === 'allow') return []
  const { findings, versions } = judged
  const open = findings.filter(({ allowed }) => !allowed)
  return [
    ...open.slice(0, mostWarnings).map((finding) => migrationSentence(finding, versions)),
    ...(open.length > mostWarnings
      ? [
          `${plural(open.length - mostWarnings, 'more finding')} about the migrations: see the report`,
        ]
      : []),
    ...(findings.length > 0 ? unknownNeeds(versions) : []),
    ...judged.comments.map(commentSentence),
  ]
}

const mostWarnings = 10

/** The verdict is then only as good as that of a linter. */
function unknownNeeds(versions: readonly JudgedVersion[]): readonly string[] {
  const unknown = versions.filter(({ source }) => source === 'state')
  return unknown.map(
    (version) =>
      `what ${versionName(version)} needs of the database was not kept, so it is taken from the applied migrations`,
  )
}

export function commentSentence({ file, line, message }: Judged['comments'][number]): string {
  return `the comment in ${file}:${line} accepts nothing: ${message}`
}

export function blocking({ findings }: Judged): readonly MigrationFinding[] {
  return findings.filter(({ severity, allowed }) => severity === 'breaks' && !allowed)
}

/** Returns why the pod did not migrate. `repoFile` finds a file of the image in the repository. */
export function unsafeCause(judged: Judged, repoFile: (file: string) => string | undefined): Cause {
  const all = blocking(judged)
  const [first] = all
  if (!first) throw new Error('a blocked plan has a finding')
  const others = all.length > 1 ? ` (and ${plural(all.length - 1, 'more finding')})` : ''
  return {
    code: 'unsafe-migration',
    sentence: `${migrationSentence(first, judged.versions)}${others}`,
    hint: [
      ...all
        .slice(0, mostWays)
        .flatMap((finding, at) => [
          ...(at === 0 ? [] : [migrationSentence(finding, judged.versions)]),
          fixOf(finding),
          ...notHeld(finding),
          ...keptBy(finding, judged.versions),
          ...acceptance(finding),
        ]),
      ...(all.length > mostWays
        ? [`${plural(all.length - mostWays, 'more finding')}: see the report`]
        : []),
    ].join('\n'),
    annotations: all.flatMap((finding) => annotationOf(finding, judged, repoFile)),
  }
}

/** Findings whose safe way is shown: more would bury the first. */
const mostWays = 4

/** Returns how to do the same safely: the rule's advice, the operations for this model, the query that shows the rows. */
export function fixOf({ rule, code = [], query, lately, stays, by }: MigrationFinding): string {
  const fix = by === 'rename' ? keepNames : rules[rule].fix
  // Rows that are in the way are what the advice is about.
  const shown = lately === undefined && query !== undefined ? [query] : code
  return [
    shown.length === 0 ? fix : `${fix}:`,
    ...shown,
    ...(lately !== undefined && stays === undefined && isHeldAlone(rule) ? [ownMigration] : []),
    ...(lately === undefined ? [] : ['These rows show that it is written:', query ?? '']),
  ].join('\n')
}

const keepNames =
  'Keep the old name in the database: db_table of the model or of the many-to-many field, db_column of the field'

/** Other constraints may be what the new code writes by. */
const isHeldAlone = (rule: Rule) => ['null-refused', 'narrowed', 'fk-added'].includes(rule)
const ownMigration =
  'Or put it into a separate migration, which waits for the next release (contract: next)'

/** Why it could not wait for the next release. */
function notHeld({ stays }: MigrationFinding): readonly string[] {
  return stays === undefined ? [] : [`It cannot be held back until the next release: ${stays}`]
}

/** The migration would be safe but for workloads that no release updates. */
function keptBy(
  { versions: places, direction }: MigrationFinding,
  all: readonly JudgedVersion[],
): readonly string[] {
  if (direction === 'new') return []
  const versions = places.flatMap((place) => all[place] ?? [])
  return versions.flatMap(({ leftOut, tag }) =>
    leftOut === undefined
      ? []
      : [
          `No release updates ${leftOut.join(', ')}, which keeps ${shortTag(tag)}: give it another image, or delete it`,
        ],
  )
}

function acceptance({ rule, object, migration }: MigrationFinding): readonly string[] {
  const where = migration ?? 'a pending migration'
  switch (rule) {
    case 'unjudged':
      return ['To apply it without the comparison, set "unsafe-migrations: warn"']
    // The database would still refuse the migration.
    case 'rows-refuse':
      return []
    default:
      return [
        `To accept it, add to the file of ${where}:\n# django-rollout: allow ${rule} ${object}: <why>`,
      ]
  }
}

function annotationOf(
  finding: MigrationFinding,
  { versions }: Judged,
  repoFile: (file: string) => string | undefined,
): readonly Annotation[] {
  const file = finding.file === undefined ? undefined : repoFile(finding.file)
  if (file === undefined) return []
  const message = `${migrationSentence(finding, versions)}\n${fixOf(finding)}`
  return [{ file, line: 1, title: `Unsafe migration: ${finding.rule}`, message }]
}

/** Returns what the comparison after the migration has found, for people. */
export function verifiedWarnings(
  verified: readonly Verified[],
  { versions }: Pick<Judged, 'versions'>,
): readonly string[] {
  return verified.flatMap(({ unpredicted }) =>
    unpredicted.map(
      (finding) =>
        `the schema is not as the plan predicted: ${migrationSentence(finding, versions)}`,
    ),
  )
}

/** In place of SQL. */
export const sqlUnknown = '-- not known before it runs'

/** Returns the plan as the report has it. */
export function reportedPlan(
  plan: Plan,
  withSql = false,
  policy: ContractPolicy = 'next',
): MigrationPlan {
  const { databases, judged } = plan
  const { findings = [], versions = [] } = judged ?? {}
  return {
    migrations: databases.flatMap((database) =>
      database.pending.map((one): PlannedMigration => {
        const name = `${one.app}.${one.name}`
        const { operations, reversible, sql = sqlUnknown } = one
        const verdict = verdictOf(name, database, judged)
        const locks = one.locks?.map(({ table, mode, rows, bytes }) => ({
          table,
          mode,
          rows,
          bytes,
        }))
        return {
          database: database.database,
          name,
          operations,
          reversible,
          ...(locks && { locks }),
          verdict,
          ...(withSql && { sql }),
        }
      }),
    ),
    ...(judged && {
      versions: versions.map(({ names, tag, source }) => ({ names, tag, source })),
    }),
    ...heldOfPlan(plan, policy),
    ...(plan.backup && judged?.blocked !== true && { backup: backupReasons(plan.backup) }),
    findings: findings.map((finding) => ({
      rule: finding.rule,
      severity: finding.severity === 'breaks' ? 'error' : 'warning',
      database: finding.database,
      object: finding.object,
      ...(finding.migration !== undefined && { migration: finding.migration }),
      message: migrationSentence(finding, versions),
      fix: fixOf(finding),
      ...(finding.allowed && { allowed: finding.allowed.why }),
    })),
  }
}

function heldOfPlan(
  { databases, judged }: Plan,
  policy: ContractPolicy,
): Pick<MigrationPlan, 'held' | 'bridges'> {
  const held = databases.flatMap((one) => one.held)
  const bridges = databases.flatMap((one) => one.bridges)
  return {
    ...(held.length > 0 && {
      held: held.map((one) => ({
        database: one.database,
        name: one.name,
        operations: one.operations,
        message: heldSentence(one, judged?.versions ?? [], policy),
      })),
    }),
    ...(bridges.length > 0 && { bridges: bridges.map(bridgeSentence) }),
  }
}

function verdictOf(
  name: string,
  { database }: DatabasePlan,
  judged: Judged | undefined,
): PlannedMigration['verdict'] {
  if (!judged) return 'not judged'
  const own = judged.findings.filter(
    (finding) => finding.migration === name && finding.database === database,
  )
  if (own.some(({ rule }) => rule === 'unjudged')) return 'not judged'
  const open = own.filter(({ allowed }) => !allowed)
  if (open.some(({ severity }) => severity === 'breaks')) return 'unsafe'
  if (open.some(({ severity }) => severity === 'may')) return 'may break'
  if (open.length > 0) return 'not known'
  return own.length > 0 ? 'accepted' : 'safe'
}

/** Returns a warning for each part that the inspector could not tell. */
export function untoldWarnings(databases: readonly DatabasePlan[]): readonly string[] {
  return databases.flatMap(({ database, untold = [] }) =>
    untold.map(
      ({ part, why }) =>
        `${part} of the database "${database}" could not be read (${why}): django-rollout does not know this version of Django or of the database, and continues without it`,
    ),
  )
}
