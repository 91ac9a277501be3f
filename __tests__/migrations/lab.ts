/** A PostgreSQL and a Python with Django in containers: cases are played there. */
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { rules } from '../../src/django/inspector.generated.js'
import { inspectorSource } from '../../src/django/inspector.generated.js'
import type { MigrationFinding, Rule, Verified } from '../../src/django/verdict.js'
import { must, root, run, stack } from '../e2e/stack.js'
import {
  plainMigrations,
  plainModels,
  seenBack,
  type BackCase,
  type PlayedBack,
  type SeenBack,
} from './back.js'
import { initial, type Case } from './cases.js'
import type { PlacedCase } from './placed-cases.js'
import { postgresFiles, type PostgresVersion } from './servers.js'
import type { WayCase } from './ways-cases.js'
import {
  seenOfTenants,
  tenantInitial,
  tenantModels,
  type PlayedTenants,
  type SeenOfTenants,
  type TenantCase,
} from './tenant-cases.js'

/** What a version of Django needs to run on the Python of the images. */
const packages: Readonly<Record<string, string>> = {
  // Python has removed modules that it imports.
  '3.2': 'psycopg2-binary setuptools legacy-cgi',
}

/** A Django with a package: `5.2 django-tenants`. */
export const withTenants = '5.2 django-tenants'

/** The last Python of Django 2.2 is that of Debian 11. */
const oldDockerfile = `FROM python:3.13-slim AS made
RUN apt-get update && apt-get install --yes --no-install-recommends mmdebstrap
RUN mmdebstrap --variant=extract --skip=check/empty --include=python3,python3-distutils,coreutils,dash bullseye /old "deb $(grep -ohE 'https?://[^ ]+' -r /etc/apt/sources.list* | head -1) bullseye main" && ln -sf dash /old/bin/sh
RUN pip install --no-cache-dir --target=/old/usr/lib/python3/dist-packages --python-version=3.9 --only-binary=:all: Django~=2.2.0 'psycopg2-binary<2.9'
FROM scratch
COPY --from=made /old /
RUN ["/usr/bin/python3", "-c", "import os; os.makedirs('/venv/bin'); os.symlink('/usr/bin/python3', '/venv/bin/python')"]
`

function newDockerfile(django: string): string {
  const [version = '', more = ''] = django.split(' ')
  return `FROM python:3.13-slim
RUN python3 -m venv /venv && /venv/bin/pip install --no-cache-dir Django~=${version}.0 ${packages[django] ?? 'psycopg[binary]'} ${more}
`
}

const dockerfile = (django: string) => `${django === '2.2' ? oldDockerfile : newDockerfile(django)}
COPY *.py inspector.txt /lab/
CMD ["sleep", "infinity"]
`

/** In transaction mode: each transaction gets a session of the server that is free. */
const poolerDockerfile = `FROM debian:trixie-slim
RUN apt-get update && apt-get install --yes --no-install-recommends pgbouncer && rm -r /var/lib/apt/lists/*
RUN printf '%s\\n' '[databases]' '* = host=postgres port=5432 user=postgres password=lab' '[pgbouncer]' 'listen_addr = *' 'listen_port = 5432' 'auth_type = any' 'pool_mode = transaction' 'unix_socket_dir =' >/etc/pooler.ini
USER postgres
CMD ["pgbouncer", "/etc/pooler.ini"]
`

/** A migration while its table is in use, for `locking.py`. */
export interface LockCase {
  /** Of the migration. */
  readonly operations: string
  readonly concurrent?: true
  /** The client that is measured does not write. */
  readonly reads?: boolean
  /** Of the connections of all. */
  readonly options?: string
  /** Run in the empty database, a statement each. */
  readonly first?: readonly string[]
  /** Run before it, a statement each. */
  readonly before?: readonly string[]
  /** It writes into a table of this name. */
  readonly notes?: true
  /** The query of a transaction that stays open; in its session's name. */
  readonly holds?: string
  readonly application?: string
  /** How long after the migration has begun to wait it ends, in seconds, or when it waits in the queue; missing: not before the migration. */
  readonly frees?: number | 'waited'
  /** How long the migration waits, in seconds; null: in the queue, and `frees` counts from its beginning. */
  readonly wait: number | null
}

/** What `locking.py` has seen. */
export interface SeenOfLocks {
  readonly code: number
  readonly output: string
  readonly applied: number
  /** The longest that a client has waited for its two queries, in seconds. */
  readonly longest: number
  readonly locking: readonly Readonly<Record<string, unknown>>[]
  readonly database: {
    readonly pooled: boolean
    readonly pending: readonly {
      readonly locks: readonly {
        readonly table: string
        readonly reads?: number
        readonly writes?: number
      }[]
      readonly held: {
        readonly seconds: number
        readonly more: boolean
        readonly queued: readonly string[]
      }
    }[]
    readonly unused: readonly string[]
    readonly witnesses: readonly { readonly object: string; readonly role: string }[] | null
  }
  readonly indexes: readonly (readonly [string, boolean])[]
  /** `lock_timeout` and `statement_timeout` of a client of the web, afterwards. */
  readonly limits: readonly string[]
  readonly notes?: readonly (readonly string[])[]
}

interface Plan {
  readonly code: number
  readonly plan: {
    readonly databases: readonly { readonly untold: readonly { readonly part: string }[] }[]
    readonly judged: { readonly blocked: boolean; readonly findings: readonly MigrationFinding[] }
  }
  readonly verified?: readonly Verified[]
}

/** What `play.py` has seen. */
interface Played {
  readonly plan: Plan
  readonly by_state: Plan | null
  readonly applied: Plan
  /** What a rollback asks the old image after it. */
  readonly proof: Plan
  /** What it was rolled back for before its commit. */
  readonly refused: readonly MigrationFinding[]
  readonly old: Readonly<Record<string, string>>
  readonly new: Readonly<Record<string, string>>
}

/** What `ways.py` has seen of the safe way that is offered for a case. */
export interface SeenOfWay {
  readonly code: readonly string[]
  /** A sentence for all that breaks, in one of its releases. */
  readonly wrong: readonly string[]
  /** What is in the database at its end, and not after the migration, or the other way round. */
  readonly differs: Readonly<Record<string, unknown>>
}

/** The same in the words of a case. */
export interface Seen {
  readonly running: readonly string[]
  readonly byState: readonly string[] | 'not played'
  readonly coming: readonly string[]
  readonly blocked: boolean
  readonly refused: readonly string[]
  readonly oldFails: readonly string[]
  readonly newFails: readonly string[]
  readonly unpredicted: readonly string[]
  readonly unmet: readonly string[]
  /** Parts of the plan that could not be told. */
  readonly untold: readonly string[]
  /** Whether the old version breaks: by the comparison after the migration, and by the old image itself. */
  readonly back: { readonly inHistory: boolean; readonly proved: boolean }
}

/** What `rendering.py` has seen. */
interface Rendered {
  readonly statements: readonly string[]
  readonly fields: Readonly<Record<string, readonly unknown[]>>
}

type PlayedBridge = Readonly<Record<'kind' | 'table' | 'column', string>>

interface PlacedPlan {
  readonly code: number
  readonly output: string
  readonly plan: {
    readonly runs: boolean
    readonly databases: readonly {
      readonly pending: readonly unknown[]
      readonly held: readonly { readonly app: string; readonly name: string }[]
      readonly unheld: readonly Readonly<Record<'app' | 'name' | 'why', string>>[]
      readonly absent: readonly string[]
      readonly bridges: readonly PlayedBridge[]
      readonly stay: readonly PlayedBridge[]
    }[]
    readonly judged: {
      readonly blocked: boolean
      readonly findings: readonly {
        readonly rule: string
        readonly object: string
        readonly stays?: string
      }[]
    }
  }
  readonly verified?: readonly Verified[]
}

type Columns = Readonly<Record<string, string>>

/** What `placed.py` has seen. */
interface PlayedTwice {
  readonly first: PlacedPlan
  readonly undone?: PlacedPlan
  readonly unknown?: PlacedPlan
  readonly back?: PlacedPlan
  readonly second?: PlacedPlan
  readonly columns: Columns
  readonly later?: Columns
  readonly old?: Readonly<Record<string, string>>
  readonly again?: Readonly<Record<string, string>>
  readonly new?: Readonly<Record<string, string>>
  readonly last?: Readonly<Record<string, string>>
}

/** The same in the words of a case. */
export interface SeenOfPlacing {
  readonly held: readonly string[]
  readonly bridges: readonly string[]
  readonly unheld: readonly string[]
  readonly absent: readonly string[]
  readonly stays: string | undefined
  readonly columns: Readonly<Record<string, string | undefined>>
  readonly later: Readonly<Record<string, string | undefined>>
  readonly oldFails: readonly string[]
  readonly newFails: readonly string[]
  readonly unpredicted: readonly string[]
  /** Of a release after the first one was undone, and of the second one. */
  readonly undoneHolds: readonly string[]
  readonly undoneFinds: readonly string[]
  /** Defaults that last while the new version is known by its migrations alone. */
  readonly defaults: readonly string[]
  /** Of the new version that is migrated again. */
  readonly backHolds: readonly string[]
  readonly secondHolds: readonly string[]
}

const isDefault = (bridge: string) => bridge.startsWith('default-')

function seenOfPlacing(one: PlacedCase, played: PlayedTwice): SeenOfPlacing {
  const holds = (plan: PlacedPlan | undefined) =>
    plan?.plan.databases.flatMap(({ held }) => held.map(({ app, name }) => `${app}.${name}`)) ?? []
  const named = (columns: Columns | undefined, wanted: PlacedCase['columns'] = {}) =>
    Object.fromEntries(Object.keys(wanted).map((name) => [name, columns?.[name]]))
  const fails = (...all: readonly (Readonly<Record<string, string>> | undefined)[]) => [
    ...new Set(all.flatMap((failed = {}) => Object.keys(failed))),
  ]
  const bridges = (plan: PlacedPlan | undefined, which: 'bridges' | 'stay') =>
    plan?.plan.databases.flatMap((database) =>
      database[which].map(({ kind, table, column }) => `${kind} ${table}.${column}`),
    ) ?? []
  const { first, undone, unknown, back, second } = played
  if (first.code !== 0 && !first.plan.judged.blocked) throw new Error(first.output)
  const stays = first.plan.judged.findings.find((finding) => finding.stays !== undefined)?.stays
  return {
    held: holds(first),
    bridges: bridges(first, 'bridges'),
    unheld: first.plan.databases.flatMap(({ unheld }) =>
      unheld.map(({ app, name, why }) => `${app}.${name}: ${why}`),
    ),
    absent: first.plan.databases.flatMap(({ absent }) => absent),
    stays,
    columns: named(played.columns, one.columns),
    later: named(played.later, one.later),
    oldFails: fails(played.old, played.again).sort(),
    newFails: fails(played.new, played.last).sort(),
    unpredicted: [first, second].flatMap((plan) =>
      (plan?.verified ?? []).flatMap(({ unpredicted }) => unpredicted.map(({ object }) => object)),
    ),
    undoneHolds: holds(undone),
    undoneFinds: (undone?.plan.judged.findings ?? []).map((one) => `${one.rule} ${one.object}`),
    defaults: bridges(unknown, 'stay').filter(isDefault),
    backHolds: holds(back),
    secondHolds: holds(second),
  }
}

/** What has to be seen of a case. */
export function expectedOfPlacing(one: PlacedCase): SeenOfPlacing {
  const { held, bridges = [], unheld = [], absent = [], stays } = one
  const { columns = {}, later = {}, oldFails = [], newFails = [] } = one
  return {
    ...{ held, bridges, unheld, absent, stays, columns, later, oldFails, newFails },
    unpredicted: [],
    undoneHolds: one.stops ? [] : held,
    undoneFinds: [],
    defaults: bridges.filter(isDefault),
    backHolds: one.again ? held : [],
    secondHolds: [],
  }
}

const databaseAt = (host: string, name: string) => ({
  ENGINE: 'django.db.backends.postgresql',
  NAME: name,
  USER: 'postgres',
  PASSWORD: 'lab',
  HOST: host,
  PORT: '5432',
})

type Engine = 'postgresql' | 'sqlite'
const databaseOf = (engine: Engine, name: string) =>
  engine === 'sqlite'
    ? { ENGINE: 'django.db.backends.sqlite3', NAME: `/tmp/${name}/shop.sqlite3` }
    : databaseAt('postgres', name)

const docker = (...args: readonly string[]) => must('docker', args, { env: stack.env })

async function imageOf(version: PostgresVersion): Promise<string> {
  const input = postgresFiles[version]
  if (input === undefined) return version
  const tag = `django-rollout-lab:${version.replace(':', '-')}`
  return (
    await must('docker', ['build', '--quiet', '--tag', tag, '-'], { env: stack.env, input })
  ).trim()
}

export class Lab {
  private constructor(
    private readonly name: string,
    private readonly folder: string,
  ) {}

  static async make(
    djangos: readonly string[],
    postgres: PostgresVersion = 'postgres:17',
  ): Promise<Lab> {
    const name = `lab-${Math.random().toString(36).slice(2, 8)}`
    const lab = new Lab(name, await mkdtemp(join(tmpdir(), `${name}-`)))
    try {
      await docker('network', 'create', name)
      await lab.startPostgres(postgres)
      for (const file of [
        'project.py',
        'play.py',
        'ways.py',
        'placed.py',
        'locking.py',
        'reversing.py',
        'tenants.py',
        'rendering.py',
      ])
        await copyFile(join(root, '__tests__/migrations', file), join(lab.folder, file))
      await writeFile(join(lab.folder, 'inspector.txt'), inspectorSource)
      for (const django of djangos) await lab.startDjango(django)
      await lab.ready()
      return lab
    } catch (error) {
      await lab.remove()
      throw error
    }
  }

  /** Plays a case by this version of Django; thorough: what the applied migrations alone show, too. */
  async play(
    one: Case,
    django: string,
    thorough = false,
    engine: Engine = 'postgresql',
  ): Promise<Seen> {
    const database = await this.makeDatabase()
    const input = {
      base: {},
      thorough,
      ...one,
      initial: { '0001_initial': one.initial ?? initial },
      database: databaseOf(engine, database),
    }
    return seen(await this.run<Played>('play', django, database, input))
  }

  /** Plays the releases of the safe way that is offered for a case. */
  async way(one: WayCase, django: string): Promise<SeenOfWay> {
    const [database, other] = [await this.makeDatabase(), await this.makeDatabase()]
    return this.run<SeenOfWay>('ways', django, database, {
      base: {},
      ...one,
      initial: { '0001_initial': one.initial ?? initial },
      database: databaseAt('postgres', database),
      other: databaseAt('postgres', other),
    })
  }

  /** Plays two releases. */
  async place(
    one: PlacedCase,
    django: string,
    engine: Engine = 'postgresql',
  ): Promise<SeenOfPlacing> {
    const database = await this.makeDatabase()
    const input = {
      ...one,
      initial: { '0001_initial': one.initial ?? initial },
      database: databaseOf(engine, database),
    }
    return seenOfPlacing(one, await this.run<PlayedTwice>('placed', django, database, input))
  }

  /** Runs a migration while its table is in use. */
  async lock(one: LockCase, django: string, host = 'postgres'): Promise<SeenOfLocks> {
    const database = await this.makeDatabase()
    const input = {
      ...one,
      direct: { host: 'postgres' },
      database: {
        ...databaseAt(host, database),
        ...(one.options !== undefined && { OPTIONS: { options: one.options } }),
      },
    }
    return this.run<SeenOfLocks>('locking', django, database, input)
  }

  /** Goes back by the newer version. */
  async reverse({ name: _, expected: __, ...one }: BackCase, django: string): Promise<SeenBack> {
    const database = await this.makeDatabase()
    const input = {
      old: plainModels,
      initial: plainMigrations,
      ...one,
      database: databaseAt('postgres', database),
    }
    return seenBack(await this.run<PlayedBack>('reversing', django, database, input))
  }

  /** Plays a release of a project with a schema for each tenant. */
  async tenants({ name: _, expected: __, ...one }: TenantCase): Promise<SeenOfTenants> {
    const database = await this.makeDatabase()
    const input = {
      old: tenantModels,
      initial: tenantInitial,
      ...one,
      database: databaseAt('postgres', database),
    }
    return seenOfTenants(await this.run<PlayedTenants>('tenants', withTenants, database, input))
  }

  /** Renders models as Django does, and as a plan does. */
  async render(django: string): Promise<Readonly<Record<'byDjango' | 'byPlan', Rendered>>> {
    const database = await this.makeDatabase()
    return this.run('rendering', django, database, { database: databaseAt('postgres', database) })
  }

  /** Starts a pooler beside the database, under the host name `pooler`. */
  async startPooler(): Promise<void> {
    const image = 'django-rollout-lab:pooler'
    await must('docker', ['build', '--quiet', '--tag', image, '-'], {
      env: stack.env,
      input: poolerDockerfile,
    })
    const place = ['--network', this.name, '--network-alias', 'pooler']
    await docker('run', '--detach', ...place, '--name', this.nameOf('pooler'), image)
  }

  async remove(): Promise<void> {
    const containers = await docker('ps', '--all', '--quiet', '--filter', `name=${this.name}-`)
    const ids = containers.split('\n').filter((id) => id !== '')
    if (ids.length > 0) await docker('rm', '--force', '--volumes', ...ids)
    await docker('network', 'rm', this.name)
    await rm(this.folder, { recursive: true, force: true })
  }

  private async makeDatabase(): Promise<string> {
    const name = `p${Math.random().toString(36).slice(2, 10)}`
    await this.psql(`CREATE DATABASE ${name}`)
    return name
  }

  /** Runs a script of `/lab` by this Django; returns what it prints. */
  private async run<Printed>(
    script: string,
    django: string,
    database: string,
    given: object,
  ): Promise<Printed> {
    const words = [`/lab/${script}.py`, `/tmp/${database}`, '/lab/inspector.txt']
    const args = ['exec', '--interactive', this.nameOf(django), '/venv/bin/python', ...words]
    const input = JSON.stringify(given)
    return JSON.parse(await must('docker', args, { env: stack.env, input })) as Printed
  }

  private nameOf(part: string): string {
    return `${this.name}-${part.replace(' ', '-')}`
  }

  private async startPostgres(version: PostgresVersion): Promise<void> {
    const place = ['--network', this.name, '--network-alias', 'postgres']
    const name = ['--name', this.nameOf('postgres')]
    const env = ['--env', 'POSTGRES_PASSWORD=lab']
    const command = [
      'postgres',
      '-c',
      'fsync=off',
      '-c',
      'shared_preload_libraries=pg_stat_statements',
    ]
    const image = await imageOf(version)
    await docker('run', '--detach', ...place, ...name, ...env, image, ...command)
  }

  private async startDjango(django: string): Promise<void> {
    await writeFile(join(this.folder, 'Dockerfile'), dockerfile(django))
    const tag = ['--tag', `django-rollout-lab:${django.replace(' ', '-')}`]
    // By its ID, since the tag may belong to another checkout's build by now.
    const image = (await docker('build', '--quiet', ...tag, this.folder)).trim()
    const name = ['--name', this.nameOf(django)]
    await docker('run', '--detach', '--network', this.name, ...name, image)
  }

  /** Waits until the server answers over TCP: during its setup it listens on a socket only. */
  private async ready(): Promise<void> {
    const name = this.nameOf('postgres')
    const ask = ['exec', name, 'pg_isready', '--host=127.0.0.1', '--timeout=5']
    const state = ['inspect', '--format', '{{.State.Running}}', name]
    while ((await run('docker', ask, { env: stack.env })).code !== 0) {
      const isRunning = (await docker(...state)).trim() === 'true'
      if (!isRunning) throw new Error(await docker('logs', name))
    }
  }

  private psql(query: string): Promise<string> {
    const psql = ['psql', '--username=postgres', '--host=127.0.0.1', '--command', query]
    return docker('exec', '--env', 'PGPASSWORD=lab', this.nameOf('postgres'), ...psql)
  }
}

function seen({ plan, by_state: byState, applied, proof, refused, ...code }: Played): Seen {
  const { blocked } = plan.plan.judged
  const verified = applied.verified ?? []
  const lost = verified.flatMap(({ earlier }) => earlier['old']?.added ?? [])
  return {
    running: found(plan, 'running'),
    byState: byState ? found(byState, 'running') : 'not played',
    coming: found(plan, 'new'),
    blocked,
    refused: refused.map((one) => `${named(one)}: ${one.detail ?? ''}`),
    oldFails: Object.keys(code.old).sort(),
    newFails: Object.keys(code.new).sort(),
    unpredicted: verified.flatMap((one) => one.unpredicted.map(named)),
    unmet: applied.verified ? verified.flatMap(({ unmet }) => unmet) : ['it was not compared'],
    untold: plan.plan.databases.flatMap(({ untold }) => untold.map(({ part }) => part)),
    back: {
      inHistory: lost.some(({ severity }) => severity === 'breaks'),
      proved: breaks(proof.plan.judged.findings).length > 0,
    },
  }
}

function found({ plan }: Plan, direction: MigrationFinding['direction']): readonly string[] {
  const own = plan.judged.findings.filter((finding) => finding.direction === direction)
  return own.map(named).sort()
}

function breaks(findings: readonly MigrationFinding[]): readonly string[] {
  return findings.filter(({ severity }) => severity === 'breaks').map(named)
}

function named({ rule, object }: MigrationFinding): string {
  return `${rule} ${object}`
}

/** What has to be seen of a case. */
export function expected(one: Case, thorough = false): Seen {
  const { running, byState, coming, blocked } = one
  const isPlayed = thorough || byState !== undefined
  const found = [...running, ...(one.unpredicted ?? [])].map((name) => name.split(' ')[0] as Rule)
  const isBroken = one.byCode ?? found.some((rule) => rules[rule].severity === 'breaks')
  return {
    running: [...running].sort(),
    byState: isPlayed ? [...(byState ?? running)].sort() : 'not played',
    coming: coming ?? [],
    blocked,
    refused: one.refused ?? [],
    oldFails: one.oldFails,
    newFails: one.newFails ?? [],
    unpredicted: one.unpredicted ?? [],
    unmet: Object.keys(one.migrations).length > 0 ? [] : ['it was not compared'],
    untold: one.untold ?? [],
    back: { inHistory: isBroken || one.sureType === true, proved: isBroken },
  }
}
