/** A PostgreSQL and a Python with Django in containers: cases are played there. */
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspectorSource } from '../../src/django/inspector.generated.js'
import type { MigrationFinding, Verified } from '../../src/django/verdict.js'
import { must, root, run, stack } from '../e2e/stack.js'
import { initial, type Case } from './cases.js'

/** What a version of Django needs to run on the Python of the images. */
const packages: Readonly<Record<string, string>> = {
  // Python has removed modules that it imports.
  '3.2': 'psycopg2-binary setuptools legacy-cgi',
}

const dockerfile = (django: string) => `FROM python:3.13-slim
RUN python3 -m venv /venv && /venv/bin/pip install --no-cache-dir Django~=${django}.0 ${packages[django] ?? 'psycopg[binary]'}
COPY play.py inspector.txt /lab/
CMD ["sleep", "infinity"]
`

interface Plan {
  readonly code: number
  readonly plan: {
    readonly judged: { readonly blocked: boolean; readonly findings: readonly MigrationFinding[] }
  }
  readonly verified?: readonly Verified[]
}

/** What `play.py` has seen. */
interface Played {
  readonly plan: Plan
  readonly by_state: Plan | null
  readonly applied: Plan
  /** Whether the safe way that was offered breaks a running version. */
  readonly twin: readonly MigrationFinding[] | null
  readonly old: Readonly<Record<string, string>>
  readonly new: Readonly<Record<string, string>>
}

/** The same in the words of a case. */
export interface Seen {
  readonly running: readonly string[]
  readonly byState: readonly string[] | 'not played'
  readonly coming: readonly string[]
  readonly blocked: boolean
  readonly oldFails: readonly string[]
  readonly newFails: readonly string[]
  readonly unpredicted: readonly string[]
  readonly unmet: readonly string[]
  /** What the safe way that is offered breaks. */
  readonly twin: readonly string[] | 'none offered'
}

const docker = (...args: readonly string[]) => must('docker', args, { env: stack.env })

export class Lab {
  private constructor(
    private readonly name: string,
    private readonly folder: string,
  ) {}

  static async make(djangos: readonly string[]): Promise<Lab> {
    const name = `lab-${Math.random().toString(36).slice(2, 8)}`
    const lab = new Lab(name, await mkdtemp(join(tmpdir(), `${name}-`)))
    try {
      await docker('network', 'create', name)
      await lab.startPostgres()
      await copyFile(join(root, '__tests__/migrations/play.py'), join(lab.folder, 'play.py'))
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
  async play(one: Case, django: string, thorough = false): Promise<Seen> {
    const database = `p${Math.random().toString(36).slice(2, 10)}`
    await this.psql(`CREATE DATABASE ${database}`)
    const input = JSON.stringify({
      base: {},
      thorough,
      ...one,
      initial: { '0001_initial': one.initial ?? initial },
      database: {
        ENGINE: 'django.db.backends.postgresql',
        NAME: database,
        USER: 'postgres',
        PASSWORD: 'lab',
        HOST: 'postgres',
        PORT: '5432',
      },
    })
    const python = ['/venv/bin/python', '/lab/play.py', `/tmp/${database}`, '/lab/inspector.txt']
    const args = ['exec', '--interactive', this.nameOf(django), ...python]
    return seen(JSON.parse(await must('docker', args, { env: stack.env, input })) as Played)
  }

  async remove(): Promise<void> {
    const containers = await docker('ps', '--all', '--quiet', '--filter', `name=${this.name}-`)
    const ids = containers.split('\n').filter((id) => id !== '')
    if (ids.length > 0) await docker('rm', '--force', '--volumes', ...ids)
    await docker('network', 'rm', this.name)
    await rm(this.folder, { recursive: true, force: true })
  }

  private nameOf(part: string): string {
    return `${this.name}-${part}`
  }

  private async startPostgres(): Promise<void> {
    const place = ['--network', this.name, '--network-alias', 'postgres']
    const name = ['--name', this.nameOf('postgres')]
    const env = ['--env', 'POSTGRES_PASSWORD=lab']
    const command = ['postgres', '-c', 'fsync=off']
    await docker('run', '--detach', ...place, ...name, ...env, 'postgres:17', ...command)
  }

  private async startDjango(django: string): Promise<void> {
    await writeFile(join(this.folder, 'Dockerfile'), dockerfile(django))
    const image = `django-rollout-lab:${django}`
    await docker('build', '--quiet', '--tag', image, this.folder)
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

function seen({ plan, by_state: byState, applied, twin, ...code }: Played): Seen {
  const { blocked } = plan.plan.judged
  const verified = applied.verified ?? []
  return {
    running: found(plan, 'running'),
    byState: byState ? found(byState, 'running') : 'not played',
    coming: found(plan, 'new'),
    blocked,
    oldFails: Object.keys(code.old).sort(),
    newFails: Object.keys(code.new).sort(),
    unpredicted: verified.flatMap((one) => one.unpredicted.map(named)),
    unmet: applied.verified ? verified.flatMap(({ unmet }) => unmet) : ['it was not compared'],
    twin: twin ? breaks(twin) : 'none offered',
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
  return {
    running: [...running].sort(),
    byState: isPlayed ? [...(byState ?? running)].sort() : 'not played',
    coming: coming ?? [],
    blocked,
    oldFails: one.oldFails,
    newFails: one.newFails ?? [],
    unpredicted: one.unpredicted ?? [],
    unmet: Object.keys(one.migrations).length > 0 ? [] : ['it was not compared'],
    twin: one.twin ? [] : 'none offered',
  }
}
