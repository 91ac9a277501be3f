/** Reads what a migration's container writes, for the program and for people. */
import { databasesOf, isPlain } from '../../django/migrate-command.js'
import {
  hasEnded,
  isMarked,
  migrationBegins,
  readBridge,
  readLocking,
  readPacked,
  readPassed,
  readPlan,
  readRefused,
  readReversed,
  readTried,
  readVerified,
  unmarked,
  type Refused,
} from '../../django/inspector-log.js'
import { type DatabasePlan, type Plan } from '../../django/plan.js'
import { type Identity } from '../../django/identity.js'
import type { ContractPolicy, MadeBridge } from '../../django/contract.js'
import type { Locking, LockWait } from '../../django/locking.js'
import type { Judged, Misfit, MigrationFinding, Verified } from '../../django/verdict.js'
import { MigrationLog, type Migrated } from '../../django/progress.js'
import { faultOfInspector, lastError, sentence as errorLine } from '../../django/traceback.js'
import { Failure, type Cause } from '../../failure/failure.js'
import {
  bridgeSentence,
  heldSentence,
  madeBridgeSentence,
  nullWarnings,
  unheldWarnings,
} from '../../report/contract-sentences.js'
import {
  heldWarnings,
  lockCause,
  lockLine,
  lockWords,
  poolerWarnings,
  queuedWarnings,
  witnessWarnings,
} from '../../report/lock-sentences.js'
import {
  migrationSentence,
  sqlUnknown,
  unsafeCause,
  untoldWarnings,
  verdictLines,
  verdictWarnings,
} from '../../report/migration-sentences.js'
import { Last } from '../../platform/lines.js'
import type { MadeJob } from './job.js'
import { LateLog, type StageLog } from '../../platform/stage-log.js'
import type { JobVerdict } from '../../judge/job-judge.js'

/** As much of a log as anyone reads: what writes it may never end. */
const most = { count: 2_000, letters: 2 * 1024 * 1024 }

/** The container's output: the plan between markers for the program, the rest for people. */
export class Output {
  /** Rejects when the command must not run. */
  readonly plan: Promise<Plan>
  /** Resolves when the container has said that it ends with success: its status shows that later. */
  readonly end: Promise<undefined>
  /** Why the script that starts the web was bypassed. */
  passed: string | undefined
  /** The needs of the new image, packed. */
  needs: string | undefined
  /** Its tasks, packed, where it has any. */
  tasks: string | undefined
  /** What the migration really made of the databases, or why that is not known. */
  verified: readonly Verified[] | { readonly why: string } | undefined
  /** What the versions that come back do not fit after a reversal. */
  reversed: readonly Misfit[] | undefined
  /** Whether the command looks before it locks. */
  looks = false
  /** The wait for a lock that was given up. */
  gaveUp: LockWait | undefined
  /** What became of bridges. */
  readonly bridges: MadeBridge[] = []
  /** What tables have refused before the commit of a migration. */
  readonly tried: MigrationFinding[] = []
  private judged: Judged | undefined
  private readonly found: (plan: Plan) => void
  private readonly refused: (why: Error) => void
  private readonly ended: (_: undefined) => void
  private readonly last = new Last<string>(most, (line) => line.length)
  private readonly log = new MigrationLog()
  private readonly stageLog = new LateLog()
  private begun = false

  constructor(
    readonly marker: string,
    private readonly refusal: (refused: Refused) => Cause,
  ) {
    const { promise, resolve, reject } = Promise.withResolvers<Plan>()
    this.plan = promise
    this.plan.catch(() => undefined)
    this.found = resolve
    this.refused = reject
    const end = Promise.withResolvers<undefined>()
    this.end = end.promise
    this.ended = end.resolve
  }

  /** The last lines, without the marked ones. */
  get lines(): readonly string[] {
    return this.last.all
  }

  /** What all lines say of migrations. */
  get migrated(): Migrated {
    return this.log.migrated
  }

  /** Writes lines to this stage log from now on, those held back first. */
  to(stageLog: StageLog): void {
    this.stageLog.to(stageLog)
  }

  /** Holds lines back until the next stage listens. */
  hold(): void {
    this.stageLog.hold()
  }

  /** Returns the lines that are for people. */
  unmarked(lines: readonly string[]): readonly string[] {
    return lines.flatMap((line) => unmarked(line, this.marker) ?? [])
  }

  waiting(on: string): void {
    this.stageLog.waiting(`waiting for the Job's pod: ${on}`)
  }

  line(line: string): void {
    if (isMarked(line, this.marker)) {
      if (migrationBegins(line, this.marker)) this.begun = true
      if (hasEnded(line, this.marker)) this.ended(undefined)
      const plan = readPlan([line], this.marker)
      if (plan) {
        this.judged = plan.judged
        this.found(plan)
      }
      const refused = readRefused(line, this.marker)
      if (refused) this.refused(new Failure(this.refusal(refused)))
      this.passed ??= readPassed(line, this.marker)
      const packed = readPacked(line, this.marker)
      if (packed) this[packed.of] ??= packed.body
      this.reversed ??= readReversed(line, this.marker)
      this.verified ??= readVerified(line, this.marker)
    }
    const text = unmarked(line, this.marker)
    if (text !== undefined) {
      this.last.push(text)
      this.log.read(text)
      this.stageLog.quote(text)
    }
    this.locking(readLocking(line, this.marker))
    const tried = readTried(line, this.marker)
    if (tried) {
      this.tried.push(tried)
      this.stageLog.say(`unsafe: ${migrationSentence(tried, this.judged?.versions ?? [])}`)
    }
    const bridge = readBridge(line, this.marker)
    if (bridge) {
      this.bridges.push(bridge)
      this.stageLog.say(madeBridgeSentence(bridge))
    }
  }

  private locking(locking: Locking | undefined): void {
    if (locking === undefined) return
    if (locking.is === 'ready') {
      this.looks = true
      return
    }
    if (locking.is === 'over') this.gaveUp = locking
    this.stageLog.say(lockLine(locking))
  }

  progress(): Migrated {
    return this.begun ? this.migrated : { applied: [] }
  }
}

/**
 * Returns the cause of a version that does not start, as it concerns the release, or of an inspector that does not
 * understand it. `who`: `the new version`.
 */
export function planCause(cause: Cause, who: string, lines: readonly string[]): Cause {
  const fault = faultCause(who, lines)
  if (fault) return { ...fault, ...(cause.logs && { logs: cause.logs }) }
  return { ...cause, code: 'plan-failed', sentence: `${who} does not start: ${withoutName(cause)}` }
}

/** Returns the cause of an inspector that does not understand a version; undefined: it is not to blame. */
export function faultCause(who: string, lines: readonly string[]): Cause | undefined {
  const traceback = lastError(lines)
  const fault = traceback && faultOfInspector(traceback)
  return (
    fault && {
      code: 'plan-failed',
      sentence: `django-rollout does not understand the migrations of ${who}: ${errorLine(traceback)} (${fault.file}:${fault.line})`,
      hint: `this is a fault of django-rollout, not of ${who}: please report it with this log. With "migrate-command: none", and the migrations applied by hand, the release works`,
    }
  )
}

/** Returns the cause of a failed migration: which one, and what was applied before it. */
export function migrationCause(
  cause: Cause,
  { open, applied }: Migrated,
  gaveUp?: LockWait,
): Cause {
  if (gaveUp) return lockCause(cause, gaveUp, applied)
  const kept = applied.length === 0 ? '' : `; applied before it: ${applied.join(', ')}`
  return {
    ...cause,
    code: 'migration-failed',
    sentence: `migration ${open ?? ''} failed: ${withoutName(cause)}${kept}`.replace('  ', ' '),
  }
}

/** Returns the cause of a migration that was rolled back because of what it has made of a table. */
export function triedCause(
  cause: Cause,
  judged: Judged,
  { applied }: Migrated,
  repoFile: (file: string) => string | undefined,
): Cause {
  const unsafe = unsafeCause(judged, repoFile)
  const kept = applied.length === 0 ? '' : `; applied before it: ${applied.join(', ')}`
  return { ...cause, ...unsafe, sentence: `${unsafe.sentence}${kept}` }
}

/** Codes of a migration whose log cannot be read: before its plan was known, or after it. */
export type Unread = 'plan-failed' | 'migration-failed'

/** A Job whose end is known, and the server's words for its log. */
interface UnreadLog {
  readonly job: string
  readonly verdict: JobVerdict
  readonly words: string
}

/** Returns the cause when the end of the Job is known, but not what it applied: the cause claims nothing about that. */
export function unreadCause(
  code: Unread,
  { job, verdict, words }: UnreadLog,
  { migrated, logs }: { readonly migrated: Migrated; readonly logs: string },
): Cause {
  const { applied } = migrated
  const known =
    applied.length === 0
      ? 'what it applied is unknown'
      : `applied, as far as the log was read: ${applied.join(', ')}`
  const how =
    verdict.is === 'failed' ? `${verdict.cause.sentence}, and` : `${job}: it succeeded, but`
  return {
    ...(verdict.is === 'failed' ? verdict.cause : { workload: `job/${job}` }),
    code,
    sentence: `${how} its log cannot be read: ${words}; ${known}`,
    hint: `"manage.py showmigrations" shows what is applied. Run this again when the log can be read: ${logs}`,
  }
}

/** Returns the sentence without the Job's name at its beginning, which does not help people. */
function withoutName({ sentence, workload }: Cause): string {
  const name = workload?.replace(/^job\//, '')
  return name !== undefined && sentence.startsWith(`${name}: `)
    ? sentence.slice(name.length + 2)
    : sentence
}

/** How the refusal of the inspector is worded, and its fix. */
export interface RefusalWords {
  /** The option `migrate-command`. */
  readonly command: string
  /** What the web's own command begins with: `/app/entrypoint`. */
  readonly starter?: string
  /** The command that accepts another database than that of the last release. */
  readonly accept: string
  /** The command that gives the web a variable. */
  readonly give: (variable: string) => string
}

/** Returns the cause of a migration that did not begin, since it would go to a database that the web does not use. */
export function refusalCause(refused: Refused, how: RefusalWords): Cause {
  const { alias, migration } = refused
  const at = alias === 'default' ? '' : ` (DATABASES["${alias}"])`
  switch (refused.refused) {
    case 'web': {
      const { other, module, settings, given } = refused
      const [own, webSettings] = settings
      const [by, webBy] = own === webSettings ? ['', ''] : [` (${own})`, ` (${webSettings})`]
      return {
        code: 'wrong-database',
        sentence: `the migration would use another database than the web's${at}: ${named(migration, other)}${by}, while ${module} uses ${named(other, migration)}${webBy}`,
        hint:
          !given && own !== webSettings && /DJANGO_SETTINGS_MODULE=|--settings\b/.test(how.command)
            ? `DJANGO_SETTINGS_MODULE is not set for the web, so ${module} falls back to ${webSettings}. Set it to the migration's settings:\n${how.give(`DJANGO_SETTINGS_MODULE=${own}`)}`
            : `Set for the migration what is set for the web, for example:\n${refusalFix(how, own === webSettings ? undefined : webSettings)}`,
      }
    }
    case 'before':
      return {
        code: 'wrong-database',
        sentence: `the migration would use another database than the previous release${at}: ${named(migration, refused.other)}, while that one used ${named(refused.other, migration)}`,
        hint: `Check what selects the database (a setting, a variable, a label). If the new one is correct, run this once and release again:\n${how.accept}`,
      }
    case 'file':
      return {
        code: 'wrong-database',
        sentence: `the migration would use an SQLite file that is on no volume${at}: ${migration.name} is deleted with the migration's pod`,
        hint: 'Use a database server, or keep the file on a volume that the migration and all pods can mount. Set "migrate-command: none" if the web needs no migrations',
      }
  }
}

/** Renders `PostgreSQL shop at db:5432, as ada`; the server's own identifier where nothing else differs. */
function named(identity: Identity, other: Identity): string {
  const { vendor, name, host, port, user, schema, server } = identity
  if (vendor === 'sqlite') return `SQLite ${name}`
  const kind = { postgresql: 'PostgreSQL', mysql: 'MySQL' }[vendor] ?? vendor
  const isAlike = (['name', 'host', 'port', 'user', 'schema'] as const).every(
    (key) => identity[key] === other[key],
  )
  return [
    `${kind} ${name}`,
    ...(host === '' ? [] : [`at ${host}${port === '' ? '' : `:${port}`}`]),
    ...(schema !== undefined && schema !== '' && schema !== other.schema
      ? [`schema ${schema}`]
      : []),
    ...(user === '' ? [] : [`as ${user}`]),
    ...(isAlike && server !== undefined ? [`server ${server}`] : []),
  ].join(' ')
}

/** Returns the option by which the migration gets what the web has. */
function refusalFix({ command, starter }: RefusalWords, settings: string | undefined): string {
  if (settings !== undefined && settings !== '') {
    const bare = command
      .replaceAll(/\bDJANGO_SETTINGS_MODULE=\S+ +/g, '')
      .replaceAll(/ --settings[= ]\S+/g, '')
    const isOne = !/[;&|]/.test(bare)
    return `migrate-command: ${isOne ? '' : 'export '}DJANGO_SETTINGS_MODULE=${settings} ${isOne ? '' : '&& '}${bare}`
  }
  return starter === undefined
    ? `migrate-command: <what sets it for the web> ${command}`
    : `migrate-command: ${starter} ${command}`
}

/** What the web begins with, and the Job does not. */
export interface Passed {
  /** Missing where it is not known. */
  readonly script?: string
  readonly why: string
}

/** Adds to a failure what the web begins with where the Job did not: it may set what is missing. */
export function alsoPassed(cause: Cause, passed: Passed | undefined, command: string): Cause {
  if (!passed || !isMissing.test(cause.sentence)) return cause
  const hint = passedHint(passed, command)
  return { ...cause, hint: cause.hint === undefined ? hint : `${cause.hint}\n${hint}` }
}

/** Returns what was skipped: the pod itself has said why of a script, or the Job has begun without one. */
export function passedBy(
  { passed: why }: Pick<Output, 'passed'>,
  { script, passed }: Partial<Pick<MadeJob, 'script' | 'passed'>> = {},
): Passed | undefined {
  return why !== undefined && script ? { script: script.name, why } : passed
}

/** A variable, or what it would have led to. */
const isMissing =
  /an SQLite file|ImproperlyConfigured|KeyError: '?[A-Z]|[Ee]nvironment|envvar|OperationalError|[Cc]ould not connect|[Cc]onnection refused|host name/

function passedHint({ script, why }: Passed, command: string): string {
  const keep = (first: string) => `migrate-command: ${first} ${command}`
  if (script === undefined)
    return `The image's entrypoint, if it has one, was skipped (${why}): the variables that it sets are missing here. Name it:\n${keep('/entrypoint')}`
  const by = `${script}, which starts the web, was skipped (${why}): the variables that it sets are missing here`
  const [program = ''] = script.split(' ')
  return why.startsWith('it does not end')
    ? `${by}. Set the same for the migration, or name the script if it runs what it is given:\nmigrate-command: export NAME=value && ${command}\n${keep(program)}`
    : `${by}. Run the migration with it:\n${keep(program)}`
}

export function logPlan(
  stageLog: StageLog,
  plan: Plan,
  withSql = false,
  policy: ContractPolicy = 'next',
): void {
  for (const database of plan.databases) {
    logDatabase(stageLog, plan, database, withSql)
    for (const held of database.held)
      stageLog.say(heldSentence(held, plan.judged?.versions ?? [], policy))
    for (const bridge of database.bridges) stageLog.say(bridgeSentence(bridge))
  }
  if (plan.judged)
    verdictLines(plan.judged).forEach((line) => {
      stageLog.say(line)
    })
  const notCompared = comparisonLacks(plan)
  if (notCompared !== undefined) stageLog.say(notCompared)
  const isPending = plan.databases.some((one) => hasWork(one) || one.isBridged === true)
  if (plan.runs && !isPending) {
    stageLog.say('the command still runs: it may do more than the plan shows')
  }
}

/** Returns all that a plan warns of, with and without a release. */
export function planWarnings(plan: Plan): readonly string[] {
  const { databases, judged } = plan
  const notCompared = comparisonLacks(plan)
  return [
    ...(notCompared === undefined ? [] : [notCompared]),
    ...verdictWarnings(judged),
    ...unheldWarnings(databases),
    ...nullWarnings(databases),
    ...untoldWarnings(databases),
    ...poolerWarnings(databases),
    ...heldWarnings(databases),
    ...queuedWarnings(databases),
    ...witnessWarnings(databases),
  ]
}

/** Returns why it is unknown whether the web has the database that is migrated. */
function comparisonLacks({ web }: Plan): string | undefined {
  return web && 'silent' in web
    ? `the database was not compared with the web's: ${web.silent}`
    : undefined
}

/** Returns what a command of more than Django's own `migrate` has left in databases that it does not name. */
export function leftBehind(
  { databases }: Plan,
  command: string,
  applied: readonly string[],
): readonly string[] {
  if (isPlain(command)) return []
  const named = databasesOf(command)
  return databases.flatMap(({ database, pending, squashed }) => {
    const names = [...pending, ...squashed].map(({ app, name }) => `${app}.${name}`)
    const left = names.filter((name) => !applied.includes(name))
    return left.length === 0 || named.includes(database)
      ? []
      : [
          `the database "${database}" lacks ${left.join(', ')} according to the log of "${command}": python manage.py migrate --database=${database}`,
        ]
  })
}

/** Squashed migrations are recorded by `migrate`, although nothing is run. */
function hasWork({ pending, squashed }: DatabasePlan): boolean {
  return pending.length + squashed.length > 0
}

function logDatabase(
  stageLog: StageLog,
  { django, databases }: Plan,
  plan: DatabasePlan,
  withSql: boolean,
): void {
  const { database, vendorName, version = '', pending, unknown, found = [], schemas = [] } = plan
  const of = databases.length === 1 && database === 'default' ? '' : `${database}: `
  stageLog.say(`${of}Django ${django} with ${vendorName} ${version}`.trim())
  if (schemas.length > 0) {
    const compared = schemas.map(({ name, count }) =>
      count === 1 ? name : `${name} (for ${count} at the same migrations)`,
    )
    stageLog.say(`${of}schemas of tenants: ${compared.join(', ')}`)
  }
  if (!hasWork(plan)) stageLog.say(`${of}no migrations to apply`)
  for (const { app, name, operations, locks = [], sql } of pending) {
    stageLog.say(`${of}to apply: ${app}.${name} (${operations.join(', ')})`)
    if (locks.length > 0) stageLog.say(`${of}it locks ${locks.map(lockWords).join(', ')}`)
    if (withSql)
      (sql ?? sqlUnknown).split('\n').forEach((line) => {
        stageLog.quote(line)
      })
  }
  if (found.length > 0) {
    stageLog.say(
      `${of}applied already, and by no run here: ${found.join(', ')}. Another cluster, namespace or person migrates this database, too`,
    )
  }
  const newer = unknown.filter((migration) => migration.newer)
  if (newer.length > 0) {
    const names = newer.map(({ app, name }) => `${app}.${name}`).join(', ')
    stageLog.say(`${of}the database is newer than this version: it has ${names}`)
  }
}
