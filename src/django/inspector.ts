import {
  bridgesOf,
  heldMigrationOf,
  madeBridgeOf,
  type Bridge,
  type ContractPolicy,
  type HeldMigration,
  type MadeBridge,
  type Starts,
} from './contract.js'
import { inspectorSource } from './inspector.generated.js'
import { lockingOf, type Locking } from './locking.js'
import { reversalOf, reversedOf, type Reversal, type ReverseTask } from './reversal.js'
import {
  isNeeds,
  judgedOf,
  verifiedOf,
  type Judged,
  type Misfit,
  type Policy,
  type Verified,
} from './verdict.js'

/** What identifies a database, without a password: by its settings, and by its server. */
export interface Identity {
  /** Django's name: `postgresql`, `mysql` (MariaDB too), `sqlite`, `oracle` or a third party's. */
  readonly vendor: string
  /** Of SQLite the path of its file. */
  readonly name: string
  /** Empty where settings leave it to the driver. */
  readonly host: string
  readonly port: string
  readonly user: string
  readonly schema?: string
  /** The identifier of the server itself, the same through every proxy. */
  readonly server?: string
  /** When it was started, for servers that do not report the former to every user. */
  readonly started?: string
}

/** By alias in `DATABASES`. */
export type Databases = Readonly<Record<string, Identity>>

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
  /** Not applied yet, in the order in which `migrate` takes them. */
  readonly pending: readonly PendingMigration[]
  /**
   * Squashed migrations that `migrate` only has to record, since all that they replace is applied: it is
   * run for them too, or the release that removes the replaced ones would find an inconsistent history.
   */
  readonly squashed: readonly MigrationName[]
  /** The last applied migration of each app. */
  readonly applied: Readonly<Record<string, string>>
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
}

export interface UnknownMigration extends MigrationName {
  /**
   * Applied after all that this code knows of that app: a newer version was deployed. Otherwise it is
   * what squashed migrations and removed apps leave behind, and harmless.
   */
  readonly newer: boolean
}

/** Why the inspector does not run the command. */
export type Refused = {
  readonly alias: string
  /** The database that would have been migrated. */
  readonly migration: Identity
} & (
  | {
      /** The module that the web's server imports names another one. */
      readonly refused: 'web'
      readonly other: Identity
      readonly module: string
      /** `DJANGO_SETTINGS_MODULE` of the migration and of the web. */
      readonly settings: readonly [string, string]
      /** Whether the web has its settings from outside, rather than those that its module falls back to. */
      readonly given: boolean
    }
  /** The release before had another one. */
  | { readonly refused: 'before'; readonly other: Identity }
  /** SQLite's file is deleted with the pod. */
  | { readonly refused: 'file' }
)

/** The task of the inspector. */
export interface InspectorTask {
  /** Random text that the project cannot print by chance: letters, digits and `-` only. */
  readonly marker: string
  /** The option `migrate-command`; missing: the plan only. */
  readonly migrate?: string
  /** How long it retries a database that does not answer, in seconds (a proxy beside it may still start). */
  readonly waitSeconds?: number
  /** Folders in the container that outlive the pod. */
  readonly volumes?: readonly string[]
  /** The web's own command, program and arguments, so far as it is known; missing: its databases are not compared. */
  readonly web?: readonly string[]
  /** The databases of the release before, by alias. */
  readonly kept?: Databases
  /** The versions that run, which the migrations must not break; none on a first deploy. */
  readonly running?: readonly RunningVersion[]
  /** What becomes of migrations that break one of them. */
  readonly unsafe?: Policy
  /** How long a migration waits for tables that it locks, in seconds; 0: as Django does. */
  readonly lockWaitSeconds?: number
  /** What the versions need that a rollback may restore, the most wanted first. */
  readonly earlier?: readonly KeptNeeds[]
  /** Nothing is migrated: this version is older than the database, and is compared with it as it is. */
  readonly proves?: true
  /** Whether migrations are held back. */
  readonly contract?: Contract
  /** What earlier releases have left in the databases. */
  readonly bridges?: readonly Bridge[]
  /** Nothing is migrated, whatever the plan is. */
  readonly plansOnly?: boolean
  /** The database is empty: it is first migrated to these, and no further. */
  readonly leaves?: Leaves
  /** When a backup comes first; missing: never, or it was made. */
  readonly backup?: BackupWhen
  /** Nothing is migrated: migrations of this version are reversed for an older one. */
  readonly reverses?: ReverseTask
}

/** The last applied migration of each app, by alias in `DATABASES`. */
export type Leaves = Readonly<Record<string, Readonly<Record<string, string>>>>
export interface Contract extends Starts {
  /** `stay`: what stays held back, and no more. */
  readonly policy: ContractPolicy | 'stay'
  readonly hasBridges: boolean
  /** Names that stay held back. */
  readonly stay?: readonly string[]
}

/** Needs as they are kept, packed. */
export interface KeptNeeds {
  readonly hash: string
  readonly needs: string
}

export interface RunningVersion {
  /** Who runs it: `deployment/web`. */
  readonly names: readonly string[]
  readonly tag: string
  /** Its needs, where they were kept. */
  readonly needs?: string
  /** When its pods were the only ones, if that is known: `2026-01-31T12:00:00.000Z`. */
  readonly since?: string
  /** It is the image that is released. */
  readonly isOwn?: true
  /** Nothing runs it before a person starts it: what breaks it stops no release. */
  readonly isIdle?: true
}

const defaultManage = ['python', 'manage.py']

/**
 * The variables that the inspector's container needs. Dollar signs are written as JSON escapes, since
 * Kubernetes expands `$(NAME)` in values
 * (https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/).
 */
export function inspectorEnv(task: InspectorTask): { name: string; value: string }[] {
  const { marker, migrate, waitSeconds = 0, volumes = [], web, kept = {}, unsafe = 'block' } = task
  const { lockWaitSeconds = 0, proves = false, reverses } = task
  const databases = migrate === undefined ? ['default'] : databasesOf(migrate)
  const plain = migrate === undefined || isPlain(migrate)
  // Those of the versions that come back are passed as needs of earlier ones.
  const earlierNeeds = reverses?.wanted.map((needs) => ({ hash: '', needs })) ?? task.earlier ?? []
  const { running, earlier, bodies } = withBodies(task.running ?? [], earlierNeeds)
  const spec = {
    marker,
    migrate: proves || reverses || task.leaves ? null : (migrate ?? null),
    databases,
    always: !plain,
    only: plain && optionOf('--database', words(migrate ?? '')) !== undefined,
    volumes,
    web: web ?? null,
    kept,
    wait: waitSeconds,
    running,
    unsafe,
    locks: lockWaitSeconds > 0 ? lockWaitSeconds : null,
    ...(reverses
      ? {
          reverse: {
            since: reverses.since,
            how: reverses.how,
            downtime: reverses.downtime,
            'only-new': reverses.onlyNew === true,
            // One that is too large is not passed: the pod must not take the rest for all.
            wanted:
              earlier.length === reverses.wanted.length ? earlier.map(({ needs }) => needs) : [-1],
          },
        }
      : earlier.length > 0 && { earlier }),
    ...(proves && { prove: true }),
    ...(task.plansOnly === true && { 'only-plan': true }),
    ...(task.leaves && { leaves: task.leaves }),
    ...(task.backup !== undefined && { backup: task.backup }),
    ...(task.contract && { contract: contractSpec(task.contract) }),
    ...(task.bridges && task.bridges.length > 0 && { bridges: task.bridges }),
  }
  return [
    {
      name: 'DJANGO_ROLLOUT_SPEC',
      value: JSON.stringify(spec).replaceAll('$', String.raw`\u0024`),
    },
    ...bodies.map((value, i) => ({ name: `DJANGO_ROLLOUT_NEEDS_${i}`, value })),
  ]
}

function contractSpec({ policy, hasBridges, refused, programs, stay = [] }: Contract) {
  return {
    policy,
    bridge: hasBridges ? 'on' : 'off',
    starts: programs,
    ...(refused !== undefined && { refused }),
    ...(stay.length > 0 && { stay }),
  }
}

/** The needs of all versions together: an object of the API has at most 1.5 MiB. */
const longestBodies = 400_000
/** More versions at once share needs, or are judged without them: the history has 20 at most. */
const mostBodies = 24

/** Returns the versions with the number of the variable that has their needs: one for all that share them. */
function withBodies(versions: readonly RunningVersion[], kept: readonly KeptNeeds[]) {
  const own = [...versions, ...kept].flatMap(({ needs }) => (isNeeds(needs) ? [needs] : []))
  const bodies = [...new Set(own)].reduce<readonly string[]>((kept, one) => {
    const size = [...kept, one].reduce((sum, { length }) => sum + length, 0)
    return size > longestBodies || kept.length >= mostBodies ? kept : [...kept, one]
  }, [])
  const running = versions.map(({ names, tag, needs = '', since, isOwn, isIdle }) => {
    const index = bodies.indexOf(needs)
    return {
      names,
      tag,
      ...(isOwn && { own: true }),
      ...(isIdle && { idle: true }),
      ...(since !== undefined && { since }),
      ...(index >= 0 && { needs: index }),
    }
  })
  const earlier = kept.flatMap(({ hash, needs }) => {
    const index = bodies.indexOf(needs)
    return index >= 0 ? [{ hash, needs: index }] : []
  })
  return { running, earlier, bodies }
}

/**
 * Whether a command is Django's own `migrate` of all apps and nothing else, so that it has nothing to do when
 * nothing is pending. Any other is run in any case: a plan sees one schema of each database.
 */
export function isPlain(command: string): boolean {
  const all = words(command)
  const at = all.indexOf('migrate')
  const options = all.slice(at + 1)
  return (
    at > 0 &&
    !/[$`'"\\;&|<>()\n]/.test(command.trim()) &&
    callsDjango.test(all.slice(0, at).join(' ')) &&
    // Any other word names an app, and syncdb creates tables that are in no migration.
    options.every((word, i) => word.startsWith('-') || valued.includes(options[i - 1] ?? '')) &&
    !options.includes('--run-syncdb')
  )
}

const callsDjango =
  /^(\w+=\S* )*(exec )?((poetry|uv|pipenv|pdm|hatch) run )?(\S*python[\d.]* )?(\S*manage\.py|-m django|\S*django-admin)$/

/** Options of `migrate` that take a separate word as their value. */
const valued = ['--database', '--settings', '--pythonpath', '-v', '--verbosity']

/** The aliases of the databases that a command migrates, as far as its words name them. */
export function databasesOf(command: string): readonly string[] {
  const named = command
    .split(/&&|\|\||[;|&\n]/)
    .filter((part) => /\smigrate\b/.test(part))
    .map((part) => optionOf('--database', words(part)) ?? 'default')
  const known = named.filter((alias) => /^[\w.-]+$/.test(alias))
  return known.length === 0 ? ['default'] : [...new Set(known)]
}

/** A program that prepares the web's environment and then becomes what follows it: an entrypoint. */
export interface Starter {
  readonly words: readonly string[]
  /** The pod must check whether it does no more than that. */
  readonly isScript: boolean
}

/**
 * The argument list that runs the inspector: `manage.py` called as the option `migrate-command` calls it
 * (`poetry run python manage.py migrate`), with its `--settings` and `--pythonpath`. Needs a shell only
 * where that command does (`cd src && python manage.py migrate`); commands before it that do more than to
 * prepare the shell are left out, since they are not ours to run for a plan. What starts the web starts it
 * too, unless that command has it itself.
 */
export function planCommand(migrateCommand: string, starter?: Starter, marker = ''): string[] {
  const parts = migrateCommand.split(/\s*(?:&&|;)\s*/)
  const at = parts.findIndex((part) => managed(part) !== undefined)
  const manage = managed(parts[at] ?? '') ?? defaultManage.join(' ')
  const found = words(parts[at] ?? '')
  const passed = ['--settings', '--pythonpath'].flatMap((name) => {
    const value = optionOf(name, found)
    return value === undefined ? [] : [`${name}=${value}`]
  })
  const shell = ['shell', '-v', '0', ...passed, '-c', inspectorSource]
  const before = parts
    .slice(0, Math.max(at, 0))
    .filter((part) => /^(cd|export|\.|source) /.test(part))
  const isBare =
    /^(\S*python[\d.]* (-m django|\S+)|\S*django-admin|\S*manage\.py)$/.test(manage) &&
    !/[$`'"\\|&<>(){}*?~#=]/.test(manage)
  const plan =
    before.length === 0 && isBare
      ? [...words(manage), ...shell]
      : [
          '/bin/sh',
          '-c',
          [keepEnvironment, ...before, `${manage} "$@"`].join(' && '),
          'sh',
          ...shell,
        ]
  return started(plan, migrateCommand, { starter, marker })
}

/** The argument list of a command of the user's, started as the web is. A shell only where its text needs one. */
export function startedCommand(command: string, starter?: Starter, marker = ''): string[] {
  const isBare = !/[$`'"\\;|&<>(){}*?~#=\n]/.test(command)
  const own = isBare ? words(command) : ['/bin/sh', '-c', command]
  return started(own, command, { starter, marker })
}

function started(
  own: string[],
  command: string,
  { starter, marker }: { readonly starter: Starter | undefined; readonly marker: string },
): string[] {
  if (!starter || words(command).includes(starter.words[0] ?? '')) return own
  return starter.isScript
    ? ['/bin/sh', '-c', throughScript, 'sh', marker, ...starter.words, ...own]
    : [...starter.words, ...own]
}

/**
 * The web does not have what the migrate command sets: the container's own environment is kept for what is
 * imported in its name. One argument of a program may have 128 KiB.
 */
const keepEnvironment = `{ DJANGO_ROLLOUT_ENV=$(for n in ${[...Array(mostBodies).keys()].join(' ')}; do unset "DJANGO_ROLLOUT_NEEDS_$n"; done; export -p); [ "\${#DJANGO_ROLLOUT_ENV}" -gt 100000 ] || export DJANGO_ROLLOUT_ENV; }`

/**
 * Begins by a script (`$2`) that ends by becoming its arguments, as it does for the web: what it exports is
 * there then. Passes it by when it does more (its own migration would come before the plan), or when it
 * does not hand over: it would start the web. Then what it exports in plain lines is taken from its text.
 */
const throughScript = `m=$1; s=$2; shift 2
f=$(command -v "$s") || f=
h= b= e=
if [ -r "$f" ]; then
  IFS= read -r l <"$f"
  case $l in '#!'*sh|'#!'*sh\\ *)
    while IFS= read -r l || [ -n "$l" ]; do
      case $l in
        ''|\\#*) ;;
        *migrate*|*manage.py*|*django-admin*) b="it calls manage.py" ;;
        'export '*)
          h=
          case $l in *[\\;\\&\\|\\\`]*|*'$('*) ;; *) (set -u; eval "$e$l") >/dev/null 2>&1 && e="$e$l
" ;; esac ;;
        'exec "$@"'|'exec $@'|'exec "\${@}"'|'"$@"'|'exec gosu '*' "$@"'|'exec su-exec '*' "$@"'|'exec setpriv '*' "$@"') h=1 ;;
        *[![:space:]]*) h= ;;
      esac
    done <"$f" ;;
  esac
fi
if [ -n "$h" ] && [ -z "$b" ]; then export DJANGO_ROLLOUT_THROUGH="$s"; exec "$s" "$@"; fi
eval "$e"
echo "$m"'{"past":"'"\${b:-it does not end with exec \\"\\$@\\"}"'"}'"$m"
exec "$@"`

/** The plan in a container's log; `undefined` when there is none, or none that is whole. */
export function readPlan(lines: readonly string[], marker: string): Plan | undefined {
  for (const line of lines) {
    const text = marked(line, marker)
    if (text?.startsWith('{') === true) {
      const plan = parse(text)
      if (plan) return plan
    }
  }
  return undefined
}

/** What the new image reports of itself for later releases, packed: its needs, or its tasks, where this line has them. */
export function readPacked(
  line: string,
  marker: string,
): { readonly of: 'needs' | 'tasks'; readonly body: string } | undefined {
  const text = marked(line, marker)
  const [, of, body] = /^\{"(needs|tasks)": "([^"]*)"\}$/.exec(text ?? '') ?? []
  return (of === 'needs' || of === 'tasks') && isNeeds(body) ? { of, body } : undefined
}

/** What a migration says about its locks, where this line has it. */
export function readLocking(line: string, marker: string): Locking | undefined {
  const text = marked(line, marker)
  return text?.startsWith('{"locking"') === true ? lockingOf(text) : undefined
}

/** What was done for both versions in a database, where this line has it. */
export function readBridge(line: string, marker: string): MadeBridge | undefined {
  const text = marked(line, marker)
  return text?.startsWith('{"bridge"') === true ? madeBridgeOf(text) : undefined
}

/** What the migration really made of the databases, where this line says so. */
export function readVerified(
  line: string,
  marker: string,
): readonly Verified[] | { readonly why: string } | undefined {
  const text = marked(line, marker)
  if (text?.startsWith('{"verified"') !== true) return undefined
  try {
    return verifiedOf(JSON.parse(text))
  } catch {
    return { why: 'the comparison cannot be read' }
  }
}

/** What the versions that come back do not fit after a reversal, where this line says so. */
export function readReversed(line: string, marker: string): readonly Misfit[] | undefined {
  const text = marked(line, marker)
  return text?.startsWith('{"reversed"') === true ? reversedOf(text) : undefined
}

/** Why the command is not run, where this line says so. */
export function readRefused(line: string, marker: string): Refused | undefined {
  const text = marked(line, marker)
  if (text?.startsWith('{"refused"') !== true) return undefined
  // Its own words: whatever they are, nothing was run.
  return JSON.parse(text) as Refused
}

/** Why the script that starts the web was skipped, where this line says so. */
export function readPassed(line: string, marker: string): string | undefined {
  return /^\{"past":"(.*)"\}$/.exec(marked(line, marker) ?? '')?.[1]
}

/** Whether this line says that the inspector now becomes the migrate command. */
export function migrationBegins(line: string, marker: string): boolean {
  return marked(line, marker) === 'migrate'
}

/** Returns whether a line is for this program, not for people. */
export function isMarked(line: string, marker: string): boolean {
  return marked(line, marker) !== undefined
}

/**
 * Returns what a line has for people: all of it, or the text before its markers. That text has no line end,
 * such as the name of a migration that has failed.
 */
export function unmarked(line: string, marker: string): string | undefined {
  if (!isMarked(line, marker)) return line
  const before = line.slice(0, line.indexOf(marker))
  return before === '' ? undefined : before
}

/** Returns what is between two markers. Text may precede them. */
function marked(line: string, marker: string): string | undefined {
  const start = line.indexOf(marker)
  const end = line.lastIndexOf(marker)
  return marker === '' || end <= start ? undefined : line.slice(start + marker.length, end)
}

/** The words before ` migrate…`, when they call Django's own command line. */
function managed(part: string): string | undefined {
  const found = /^(.*(?:\bmanage\.py|\bdjango-admin|-m\s+django))\s+\w*migrate/.exec(
    part.trim(),
  )?.[1]
  // In `sh -c "python manage.py migrate"` it begins behind the quote that is still open.
  return found?.replace(/^[^'"]*['"](?=[^'"]*$)/, '').replace(/^exec\s+/, '')
}

function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== '')
}

function optionOf(name: string, args: readonly string[]): string | undefined {
  const at = args.findIndex((arg) => arg === name || arg.startsWith(`${name}=`))
  const value = args[at] === name ? args[at + 1] : args[at]?.slice(name.length + 1)
  return value?.replace(/^['"]|['"]$/g, '')
}

function parse(text: string): Plan | undefined {
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
    absent: listOf(json['absent'] ?? [], (one) => (isText(one) ? one : undefined)) ?? [],
    bridges: bridgesOf(json['bridges']),
    earlierBridges: bridgesOf(json['stay']),
    ...((hasSql(json['bridges']) || hasSql(json['ended'])) && { isBridged: true }),
    ...(pooled === true && { isPooled: true }),
    ...untoldOf(json['untold']),
    ...usageOf(json),
  }
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
  const names = listOf(unused, (one) => (isText(one) ? one : undefined))
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

/** What was kept of the release before; what cannot be read is left out. */
export function databasesOfJson(json: unknown): Databases {
  return Object.fromEntries(
    Object.entries(isRecord(json) ? json : {}).flatMap(([alias, each]) => {
      const identity = identityOf(each)
      return identity ? [[alias, identity] as const] : []
    }),
  )
}

/** `undefined` for what is no identity: of a person's edit, or of another version of this program. */
function identityOf(json: unknown): Identity | undefined {
  if (!isRecord(json) || !isTexts(json)) return undefined
  const { vendor, name, host, port, user, schema, server, started } = json
  if (!isText(vendor) || !isText(name) || !isText(host) || !isText(port) || !isText(user)) {
    return undefined
  }
  return {
    vendor,
    name,
    host,
    port,
    user,
    ...(isText(schema) && { schema }),
    ...(isText(server) && { server }),
    ...(isText(started) && { started }),
  }
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
  const operations = listOf(json['operations'], (each) => (isText(each) ? each : undefined))
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
  if (typeof seconds !== 'number' || typeof more !== 'boolean') return undefined
  return seconds >= 1 || more ? { seconds, hasMore: more } : undefined
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

/** All items as `read` understands them; `undefined` when one of them is not understood. */
function listOf<T>(json: unknown, read: (item: unknown) => T | undefined): T[] | undefined {
  if (!Array.isArray(json)) return undefined
  const items = json.map(read).filter((item) => item !== undefined)
  return items.length === json.length ? items : undefined
}

function isRecord(json: unknown): json is Record<string, unknown> {
  return typeof json === 'object' && json !== null && !Array.isArray(json)
}

function isTexts(record: Record<string, unknown>): record is Record<string, string> {
  return Object.values(record).every(isText)
}

function isText(json: unknown): json is string {
  return typeof json === 'string'
}
