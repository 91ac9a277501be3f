import { inspectorSource } from './inspector.generated.js'

/** What the inspector tells about a new image and the database that it meets. */
export interface Plan {
  /** `5.2.19` */
  readonly django: string
  /** `3.13.1` */
  readonly python: string
  /** The alias in `DATABASES`. */
  readonly database: string
  /** Django's name: `postgresql`, `mysql` (MariaDB too), `sqlite`, `oracle` or a third party's. */
  readonly vendor: string
  /** For people: `PostgreSQL`, `MariaDB`. */
  readonly vendorName: string
  /** Of the server: `15.18`; missing where Django cannot tell. */
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
}

export interface MigrationName {
  readonly app: string
  readonly name: string
}

export interface PendingMigration extends MigrationName {
  /** Names of the classes: `AddField`, `RunPython`. */
  readonly operations: readonly string[]
  readonly atomic: boolean
  /** Those inside of SeparateDatabaseAndState are looked at too. */
  readonly reversible: boolean
  /** As `sqlmigrate` prints it, cut to 8000 characters; missing where Django cannot tell beforehand. */
  readonly sql?: string
}

export interface UnknownMigration extends MigrationName {
  /**
   * Applied after all that this code knows of that app: a newer version was deployed. Otherwise it is
   * what squashed migrations and removed apps leave behind, and no reason to worry.
   */
  readonly newer: boolean
}

/** What the inspector is to do. */
export interface InspectorTask {
  /** Random text that the project cannot print by chance: letters, digits and `-` only. */
  readonly marker: string
  /** The option `migrate-command`; missing: the plan only. */
  readonly migrate?: string
  /** How long it goes on asking a database that does not answer, in seconds (a proxy beside it may still start). */
  readonly waitSeconds?: number
}

const defaultManage = ['python', 'manage.py']

/**
 * The variables that the inspector's container needs. Dollar signs are written as JSON escapes, since
 * Kubernetes expands `$(NAME)` in values
 * (https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/).
 */
export function inspectorEnv(task: InspectorTask): { name: string; value: string }[] {
  const { marker, migrate, waitSeconds = 0 } = task
  const database = optionOf('--database', words(migrate ?? ''))
  const spec = { marker, migrate: migrate ?? null, database: database ?? null, wait: waitSeconds }
  return [
    {
      name: 'DJANGO_ROLLOUT_SPEC',
      value: JSON.stringify(spec).replaceAll('$', String.raw`\u0024`),
    },
  ]
}

/**
 * The argument list that runs the inspector: `manage.py` called as the option `migrate-command` calls it
 * (`poetry run python manage.py migrate`), with its `--settings` and `--pythonpath`. Needs a shell only
 * where that command does (`cd src && python manage.py migrate`); commands before it that do more than to
 * prepare the shell are left out, since they are not ours to run for a plan.
 */
export function planCommand(migrateCommand: string): string[] {
  const parts = migrateCommand.split(/\s*(?:&&|;)\s*/)
  const at = parts.findIndex((part) => managed(part) !== undefined)
  const manage = managed(parts[at] ?? '') ?? defaultManage.join(' ')
  const found = words(parts[at] ?? '')
  const passed = ['--settings', '--pythonpath'].flatMap((name) => {
    const value = optionOf(name, found)
    return value === undefined ? [] : [`${name}=${value}`]
  })
  const shell = ['shell', '-v', '0', ...passed, '-c']
  const before = parts
    .slice(0, Math.max(at, 0))
    .filter((part) => /^(cd|export|\.|source) /.test(part))
  if (before.length === 0 && !/[$`'"\\|&<>(){}*?~#=]/.test(manage)) {
    return [...words(manage), ...shell, inspectorSource]
  }
  const script = [...before, `${manage} "$@"`].join(' && ')
  return ['/bin/sh', '-c', script, 'sh', ...shell, inspectorSource]
}

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

/** Whether this line says that the inspector now becomes the migrate command. */
export function migrationBegins(line: string, marker: string): boolean {
  return marked(line, marker) === 'migrate'
}

/** Whether a line is meant for us and not for people. */
export function isMarked(line: string, marker: string): boolean {
  return marked(line, marker) !== undefined
}

/** What stands between two markers. A project may have printed something before, without a line's end. */
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
  const { django, python, database, vendor, vendorName, version, transactionalDdl } = json
  const pending = listOf(json['pending'], pendingOf)
  const squashed = listOf(json['squashed'], nameOf)
  const unknown = listOf(json['unknown'], unknownOf)
  const applied = json['applied']
  if (
    !isText(django) ||
    !isText(python) ||
    !isText(database) ||
    !isText(vendor) ||
    !isText(vendorName) ||
    typeof transactionalDdl !== 'boolean' ||
    !isRecord(applied) ||
    !isTexts(applied) ||
    pending === undefined ||
    squashed === undefined ||
    unknown === undefined
  ) {
    return undefined
  }
  return {
    django,
    python,
    database,
    vendor,
    vendorName,
    ...(isText(version) ? { version } : {}),
    transactionalDdl,
    pending,
    squashed,
    applied,
    unknown,
  }
}

function nameOf(json: unknown): MigrationName | undefined {
  if (!isRecord(json)) return undefined
  const { app, name } = json
  return isText(app) && isText(name) ? { app, name } : undefined
}

function pendingOf(json: unknown): PendingMigration | undefined {
  const migration = nameOf(json)
  if (!migration || !isRecord(json)) return undefined
  const { atomic, reversible, sql } = json
  const operations = listOf(json['operations'], (each) => (isText(each) ? each : undefined))
  if (operations === undefined) return undefined
  if (typeof atomic !== 'boolean' || typeof reversible !== 'boolean') return undefined
  return { ...migration, operations, atomic, reversible, ...(isText(sql) ? { sql } : {}) }
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
