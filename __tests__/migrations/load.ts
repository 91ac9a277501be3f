/** Pods in the cluster that play the table of migrations under clients: a database and a Python with Django in each. */
import { expect } from '@jest/globals'
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspectorSource } from '../../src/django/inspector.generated.js'
import { kubectl, must, root, stack } from '../e2e/stack.js'
import { base } from './cases.js'
import { played, type LoadCase } from './load-cases.js'
import { postgresFiles, type PostgresVersion } from './servers.js'

export type Engine = PostgresVersion | 'mariadb'

interface Failure {
  readonly phase: string
  readonly version: 'old' | 'new'
  readonly request: string
  readonly error: string
  readonly times: number
}

/** What `load.py` has seen of a case. */
interface SeenUnderLoad {
  readonly name: string
  readonly code: number
  readonly blocked: boolean
  /** What it was rolled back for before its commit. */
  readonly refused: readonly string[]
  readonly findings: readonly string[]
  readonly held: readonly string[]
  readonly bridges: readonly string[]
  readonly output: string
  readonly requests: number
  readonly failed: readonly Failure[]
  /** The longest answer, in seconds. */
  readonly longest: number
  /** How a blocked migration ended that was applied all the same. */
  readonly forced?: number
}

/** A case that could not be played. */
interface Unplayed {
  readonly name: string
  readonly error: string
}

export type Line = SeenUnderLoad | Unplayed

const trust = [{ name: 'POSTGRES_HOST_AUTH_METHOD', value: 'trust' }]
const quick = ['-c', 'fsync=off', '-c', 'max_connections=200']
const postgres = {
  settings: { ENGINE: 'django.db.backends.postgresql', PORT: '5432', USER: 'postgres' },
  container: { env: trust, args: ['postgres', ...quick] },
}
const engines = {
  'postgres:17': { ...postgres, lines: postgresFiles['postgres:17'] },
  'postgres:15': {
    ...postgres,
    lines: postgresFiles['postgres:15'],
  },
  mariadb: {
    settings: { ENGINE: 'django.db.backends.mysql', PORT: '3306', USER: 'lab' },
    container: {
      command: ['/bin/sh', '-c'],
      args: [
        `mariadb-install-db --user=mysql --skip-test-db >/dev/null && exec mariadbd --user=mysql --bind-address=0.0.0.0 --skip-name-resolve --innodb-flush-log-at-trx-commit=0 --init-file=/lab.sql`,
      ],
    },
    lines: `FROM debian:trixie-slim
RUN apt-get update && apt-get install --yes --no-install-recommends mariadb-server && rm -rf /var/lib/apt/lists/* /var/lib/mysql/* && mkdir -p /run/mysqld && chown mysql:mysql /run/mysqld
RUN printf '%s\\n' "CREATE USER lab@'%' IDENTIFIED BY 'lab';" "GRANT ALL ON *.* TO lab@'%';" >/lab.sql
`,
  },
} as const

const driver = (engine: Engine) => (engine === 'mariadb' ? 'PyMySQL' : 'psycopg[binary]')
const dockerfile = (django: string, engine: Engine, script: string) => `FROM python:3.13-slim
RUN python3 -m venv /venv && /venv/bin/pip install --no-cache-dir Django~=${django}.0 ${driver(engine)}
COPY ${script} inspector.txt given.json /lab/
CMD ["/venv/bin/python", "-u", "/lab/${script}", "/tmp/lab", "/lab/inspector.txt", "/lab/given.json"]
`

interface Place {
  readonly django: string
  readonly engine: Engine
}

/** Runs a script in a pod that has Django and a database. Returns what it prints. */
async function runInPod(
  script: string,
  given: Readonly<Record<string, unknown>>,
  { django, engine }: Place,
): Promise<string> {
  const namespace = `t-load-${Math.random().toString(36).slice(2, 7)}`
  const folder = await mkdtemp(join(tmpdir(), `${namespace}-`))
  try {
    const { settings, container } = engines[engine]
    const own = { ...settings, NAME: settings.USER, PASSWORD: 'lab', HOST: '127.0.0.1' }
    await cp(join(root, '__tests__/migrations', script), join(folder, script))
    await writeFile(join(folder, 'inspector.txt'), inspectorSource)
    await writeFile(join(folder, 'given.json'), JSON.stringify({ ...given, database: own }))
    await writeFile(join(folder, 'Dockerfile'), dockerfile(django, engine, script))
    const player = `${stack.registry}/${namespace}/load:player`
    await push(player, [folder])
    const server = await imageOf(engine, namespace)
    await kubectl('create', 'namespace', namespace)
    const containers = [
      { name: 'player', image: player },
      { name: 'database', image: server, ...container },
    ]
    const pod = {
      ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'load', namespace } },
      spec: { restartPolicy: 'Never', containers },
    }
    await must('kubectl', ['apply', '-f', '-'], { env: stack.env, input: JSON.stringify(pod) })
    return await logs(namespace)
  } finally {
    await kubectl('delete', 'namespace', namespace, '--ignore-not-found', '--wait=false')
    await rm(folder, { recursive: true, force: true })
  }
}

/** Plays the cases in a pod; control: what is blocked is applied afterwards, to see whether requests fail. */
export async function playUnderLoad(
  cases: readonly LoadCase[],
  {
    control,
    holds = false,
    ...place
  }: Place & { readonly control: boolean; readonly holds?: boolean },
): Promise<readonly Line[]> {
  const spec = holds ? { contract: { policy: 'next', bridge: 'on' } } : {}
  const log = await runInPod('load.py', { control, spec, cases: cases.map(played) }, place)
  await mkdir(join(root, 'build/load'), { recursive: true })
  await writeFile(join(root, `build/load/${place.django}-${place.engine}.log`), log)
  return linesOf(log, cases) as readonly Line[]
}

/** A migration that fails halfway, and SQL after which it would not. */
export interface HalfCase extends Pick<LoadCase, 'name' | 'migrations'> {
  readonly mends: string
}

/** What was seen of it: when it failed, when it failed again, after it was taken back, when its row was lost, and when it was recorded. */
interface SeenOfHalf {
  readonly name: string
  readonly codes: readonly number[]
  readonly told: readonly unknown[]
  /** The SQL by which it was taken back. */
  readonly back: readonly string[]
}

/** Plays the migrations in a pod. */
export async function playHalves(
  cases: readonly HalfCase[],
  place: Place,
): Promise<readonly (SeenOfHalf | Unplayed)[]> {
  const given = cases.map((one) => ({
    ...played({ ...one, kind: 'unsafe', old: base, new: base }),
    mends: one.mends,
  }))
  const log = await runInPod('load.py', { cases: given }, place)
  return linesOf(log, cases) as readonly (SeenOfHalf | Unplayed)[]
}

/** Seconds of a processor, and what was planned. */
export interface Cost {
  readonly processor: number
  readonly pending: number
}

/** What a plan costs in a large project, and what its start costs. */
export async function costOfPlan(
  place: Place,
): Promise<Readonly<Record<'start' | 'five' | 'nothing', Cost>>> {
  const log = await runInPod('cost.py', {}, place)
  const line = log.split('\n').findLast((each) => each.startsWith('{'))
  if (line === undefined) throw new Error(log)
  return JSON.parse(line) as Readonly<Record<'start' | 'five' | 'nothing', Cost>>
}

async function imageOf(engine: Engine, namespace: string): Promise<string> {
  const { lines } = engines[engine]
  if (lines === undefined) return engine
  const image = `${stack.registry}/${namespace}/load:database`
  await push(image, ['-'], lines)
  return image
}

async function push(image: string, from: readonly string[], input?: string): Promise<void> {
  await must('docker', ['build', '--quiet', '--tag', image, ...from], {
    env: stack.env,
    ...(input !== undefined && { input }),
  })
  await must('docker', ['push', '--quiet', image], { env: stack.env })
}

/** All that the player prints, until it ends. */
async function logs(namespace: string): Promise<string> {
  await kubectl('-n', namespace, 'wait', 'pod/load', '--for=condition=Ready', '--timeout=300s')
  return kubectl('logs', 'load', '--container=player', '--follow', '-n', namespace)
}

/** The line of each case. */
function linesOf(
  log: string,
  cases: readonly { readonly name: string }[],
): readonly (Unplayed | object)[] {
  const lines = log
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as { readonly name: string })
  return cases.map(({ name }) => {
    const line = lines.find((each) => each.name === name)
    return line ?? { name, error: `it was not played:\n${log.slice(-2000)}` }
  })
}

/** What became of a case, in the words of its kind. */
export interface Outcome {
  readonly verdict:
    'stopped' | 'held back' | 'bridged' | 'let through' | 'let through with a warning'
  /** Whether the migration or a request fails where it is applied. */
  readonly hurts: boolean | 'not applied'
  /** Requests that failed although nothing was applied that is unsafe. */
  readonly failed: readonly Failure[]
  /** The end of what a migration wrote that was let through and failed. */
  readonly wrote?: string
}

export function outcomeOf(line: Line): Outcome | Unplayed {
  return 'error' in line ? line : outcomeOfPlayed(line)
}

function outcomeOfPlayed(one: SeenUnderLoad): Outcome {
  const { code, findings, held, bridges, failed, forced, output } = one
  const [plain, allTheSame] = [false, true].map((is) =>
    failed.filter(({ phase }) => phase.startsWith('applied all the same') === is),
  ) as [Failure[], Failure[]]
  if (isStopped(one)) {
    const hurts = forced === undefined ? 'not applied' : forced !== 0 || allTheSame.length > 0
    return { verdict: 'stopped', hurts, failed: plain }
  }
  const wrote = code === 0 ? {} : { wrote: output.slice(-600) }
  const seen = { hurts: code !== 0 || plain.length > 0, failed: plain, ...wrote }
  if (held.length > 0) return { verdict: 'held back', ...seen }
  if (bridges.length > 0) return { verdict: 'bridged', ...seen }
  if (findings.length === 0) return { verdict: 'let through', ...seen }
  return { verdict: 'let through with a warning', ...seen }
}

const isStopped = ({ blocked, refused }: SeenUnderLoad) => blocked || refused.length > 0

/** What has to become of it. */
export function expectedOf({ kind, warns, sometimes }: LoadCase, control: boolean): Outcome {
  const perhaps = expect.any(Boolean) as unknown as boolean
  if (kind === 'unsafe') {
    const hurts = control ? sometimes === undefined || perhaps : 'not applied'
    return { verdict: 'stopped', hurts, failed: [] }
  }
  if (kind === 'safe')
    return {
      verdict: warns ? 'let through with a warning' : 'let through',
      hurts: false,
      failed: [],
    }
  // What fails depends on the moment, and may be the migration.
  return expect.objectContaining({
    verdict: 'let through with a warning',
    hurts: sometimes ? perhaps : true,
  }) as unknown as Outcome
}

/** The same where migrations may be held back: one that is unsafe may be, one that tightens is, and no request fails then. */
export function expectedWithHolding(one: LoadCase, seenOf: Outcome | Unplayed): Outcome {
  if (one.waits) return { verdict: 'held back', hurts: false, failed: [] }
  if (one.kind !== 'unsafe' || 'error' in seenOf) return expectedOf(one, false)
  const { verdict } = seenOf
  if (verdict !== 'held back' && verdict !== 'bridged') return expectedOf(one, false)
  return { verdict, hurts: false, failed: [] }
}

/** A line for each kind: how many were treated as they have to be, and what the clients have seen. */
export function countsOf(
  cases: readonly LoadCase[],
  lines: readonly Line[],
  title: string,
): string {
  const all = lines.flatMap((line) => ('error' in line ? [] : [line]))
  const of = (kind: LoadCase['kind']) => {
    const names = cases.filter((one) => one.kind === kind).map(({ name }) => name)
    return { total: names.length, played: all.filter(({ name }) => names.includes(name)) }
  }
  const became = (kind: LoadCase['kind'], verdict: Outcome['verdict']) =>
    of(kind).played.filter((one) => outcomeOfPlayed(one).verdict === verdict).length
  const unsafe = (verdict: Outcome['verdict']) => `${became('unsafe', verdict)} ${verdict}`
  const placed = `${unsafe('stopped')}, ${unsafe('held back')}, ${unsafe('bridged')}, of ${of('unsafe').total}`
  const held = [became('safe', 'held back'), became('warned', 'held back')]
  const counted = (kind: LoadCase['kind'], is: boolean) => {
    const { total, played: own } = of(kind)
    return `${own.filter((one) => isStopped(one) === is).length} of ${total}`
  }
  const sum = (numbers: readonly number[]) => numbers.reduce((total, one) => total + one, 0)
  const fails = (kind: LoadCase['kind']) =>
    sum(of(kind).played.flatMap((one) => outcomeOfPlayed(one).failed.map(({ times }) => times)))
  const warned = of('warned').played.filter((one) => outcomeOfPlayed(one).failed.length > 0)
  return [
    title,
    `  unsafe migrations: ${placed}`,
    `  safe migrations let through: ${counted('safe', false)}, ${held[0]} of them held back`,
    `  by values or by text that cannot be read: ${counted('warned', false)} let through with a warning, ${held[1]} of them held back; requests failed under ${warned.length}`,
    `  requests: ${sum(all.map(({ requests }) => requests))}; failed under safe and unsafe ones: ${fails('safe') + fails('unsafe')}, under those with a warning: ${fails('warned')}`,
    '',
  ].join('\n')
}
