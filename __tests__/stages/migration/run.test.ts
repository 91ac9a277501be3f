/** A migration whose log cannot be read, and one that is given up. */
import { expect, test } from '@jest/globals'
import type { Job } from 'kubernetes-types/batch/v1'
import { ApiError } from '../../../src/kubernetes/api-error.js'
import type { Cluster } from '../../../src/kubernetes/cluster.js'
import type { RawInputs } from '../../../src/options/read.js'
import type { Plan } from '../../../src/django/plan.js'
import type { ClusterState } from '../../../src/judge/types.js'
import { startMigration, type Migration } from '../../../src/stages/migration/run.js'
import type { PreflightResult } from '../../../src/stages/preflight.js'
import type { Target, Web } from '../../../src/kubernetes/target.js'
import { handClock, type HandClock } from '../../support/clock.js'
import { clusterOf } from '../../support/cluster.js'
import { notebook } from '../../support/journal.js'
import { nothing, standing, type StatusRow } from '../../support/live.js'
import { printedPlan } from '../../support/plans.js'
import { lacks } from '../../support/registry.js'
import { scripted } from '../../support/scripted.js'
import { contextOf } from '../../support/settings.js'
import { owner, podOf } from '../../judge/scene.js'

const image = { repository: 'ghcr.io/acme/shop', tag: '1', digest: `sha256:${'a'.repeat(64)}` }
const web: Web = {
  workload: { kind: 'Deployment', name: 'web' },
  template: { spec: { containers: [{ name: 'web', image: 'ghcr.io/acme/shop:0' }] } },
  container: 'web',
  containers: ['web'],
}
const plan = printedPlan()

interface Play {
  readonly migration: Migration
  readonly clock: HandClock
  readonly live: StatusRow
  readonly marker: () => string
  readonly cancel: AbortController
  /** The Job's pod, with this state of its container; none: it is gone. */
  readonly pod: (state?: object) => void
}

type Log = (play: Play, signal: AbortSignal) => AsyncIterable<string>

function play(log: Log, given: RawInputs = {}, targets: readonly Partial<Target>[] = []): Play {
  const clock = handClock()
  const live = standing({ ...nothing, confirmedAt: Infinity })
  const cancel = new AbortController()
  let made: Job = {}
  const cluster = clusterOf({
    post: ((_path, job) => {
      made = { ...(job as Job), metadata: { ...(job as Job).metadata, uid: 'uid-job' } }
      return Promise.resolve(made)
    }) as Cluster['post'],
    find: () => Promise.resolve(undefined),
    remove: () => Promise.resolve(),
    lines: (path, signal) => (path.includes('follow=true') ? log(it, signal) : saying([])),
    commandLine: (args) => `kubectl ${args.join(' ')}`,
  })
  const context = contextOf({ ...scripted([lacks('.*')]).platform, clock }, given, cancel.signal)
  const checked = { live, targets, jobs: [], services: [] } as unknown as PreflightResult
  const it: Play = {
    migration: startMigration(context.with({ cluster }), { checked, web, image }),
    clock,
    live,
    cancel,
    marker: () => {
      const env = made.spec?.template.spec?.containers[0]?.env ?? []
      const spec = env.find(({ name }) => name === 'DJANGO_ROLLOUT_SPEC')?.value ?? '{}'
      return (JSON.parse(spec) as { marker: string }).marker
    },
    pod: (state) => {
      const name = made.metadata?.name ?? ''
      const pod = podOf('migrate-x', {
        container: { state },
        metadata: {
          labels: { 'job-name': name },
          ownerReferences: [owner('Job', name, 'uid-job')],
        },
        spec: { restartPolicy: 'Never' },
      })
      const clusterState: ClusterState = {
        ...live.clusterState(),
        jobs: new Map([[name, made]]),
        pods: new Map(state ? [['migrate-x', pod]] : []),
      }
      live.change(clusterState)
    },
  }
  return it
}

// eslint-disable-next-line @typescript-eslint/require-await -- as a stream gives them
async function* saying(lines: readonly string[], end?: Error): AsyncGenerator<string> {
  yield* lines
  if (end) throw end
}
const refused = new ApiError(500, 'InternalError', 'Get "https://10.0.0.4:10250": remote error')
const running = { running: {} }
const finished = { terminated: { exitCode: 0 } }
const broken = { terminated: { exitCode: 1, reason: 'Error' } }

const ofPlan = async (log: Log, state: object) => {
  const it = play(log)
  const told = it.migration.plan(notebook()).then(
    (plan: Plan): unknown => plan,
    (error: unknown) => (error as { cause: unknown }).cause,
  )
  await it.clock.pass(10)
  it.pod(running)
  await it.clock.pass(60_000)
  it.pod(state)
  let took: number | undefined
  const endedAt = it.clock.now()
  void told.then(() => (took = it.clock.now() - endedAt))
  await it.clock.pass(120_000)
  expect(took).toBeLessThanOrEqual(31_000)
  return told
}

test('a run reports no applied migrations when the Job succeeded and its log is never read', async () => {
  expect(await ofPlan(() => saying([], refused), finished)).toMatchObject({
    code: 'plan-failed',
    sentence: expect.stringMatching(
      /^shop-migrate-aaaaaaa-1: it succeeded, but its log cannot be read: Get "https:.*: remote error; what it applied is unknown$/,
    ),
    hint: expect.stringContaining('kubectl logs job/shop-migrate-aaaaaaa-1 -c web'),
  })
})

test('a plan that failed and whose log cannot be read is a failure of the plan', async () => {
  expect(await ofPlan(() => saying([], refused), broken)).toMatchObject({
    code: 'plan-failed',
    sentence: expect.stringMatching(
      /exited with 1, and its log cannot be read: Get "https:.*; what it applied is unknown$/,
    ),
  })
})

test('a plan fails when its log neither continues nor ends', async () => {
  const hangs: Log = async function* (_, signal) {
    await new Promise((_, reject) => {
      signal.addEventListener('abort', () => {
        reject(signal.reason as Error)
      })
    })
    yield ''
  }
  expect(await ofPlan(hangs, finished)).toMatchObject({
    sentence: expect.stringContaining('its log cannot be read: it did not end within 30 s'),
  })
})

/** A log that breaks off in the middle of the migration, and how the Job ends then. */
async function cutOff(state: object, given?: RawInputs) {
  let tries = 0
  const like = { app: 'a', operations: [], atomic: true, reversible: true }
  const pending = ['0001_x', '0002_y'].map((name) => ({ ...like, name }))
  const it = play((play) => {
    const marked = (text: string) => `${play.marker()}${text}${play.marker()}`
    const told = JSON.stringify({ ...plan, databases: [{ ...plan.databases[0], pending }] })
    const said = [marked(told), marked('migrate'), '  Applying a.0001_x... OK']
    return saying(tries++ === 0 ? said : [], refused)
  }, given)
  const planned = it.migration.plan(notebook())
  await it.clock.pass(10)
  it.pod(running)
  await it.clock.pass(10)
  expect(await planned).toMatchObject({ django: '5.2' })
  const migrated = it.migration.migrate(notebook()).catch((error: unknown) => error)
  it.pod(state)
  await it.clock.pass(31_000)
  return { ended: await migrated, applied: it.migration.applied() }
}

test('a run reports the whole plan as applied when its log is cut off after the plan and the Job succeeds', async () => {
  expect(await cutOff(finished)).toEqual({ ended: undefined, applied: ['a.0001_x', 'a.0002_y'] })
})

test.each(['python manage.py migrate a', 'python manage.py migrate || true', './migrate.sh'])(
  'a run reports only the migrations that it has read when the command may apply a part of the plan (%s)',
  async (command) => {
    const given = { 'migrate-command': command }
    expect(await cutOff(finished, given)).toEqual({ ended: undefined, applied: ['a.0001_x'] })
  },
)

test('a run fails when its log is cut off after the plan and the Job fails', async () => {
  expect(await cutOff(broken)).toMatchObject({
    ended: {
      cause: {
        code: 'migration-failed',
        sentence: expect.stringContaining('; applied, as far as the log was read: a.0001_x'),
        logs: [{ source: 'container web', lines: ['  Applying a.0001_x... OK'] }],
      },
    },
    applied: ['a.0001_x'],
  })
})

test('a run names what a failed migration has left behind, and what mends it', async () => {
  const step = { name: 'Add field x', code: false, seen: true, sql: ['DROP x;'], late: [] }
  const open = { ...step, name: 'Add field y', seen: false }
  const half = { migration: ['a', '0001_x'], steps: [step, open], tables: ['a'] }
  const verified = [{ database: 'default', unpredicted: [], unmet: [], half }]
  const ended = await failing((marker) => [
    '  Applying a.0001_x...',
    `${marker}${JSON.stringify({ verified })}${marker}`,
  ])
  expect(ended).toMatchObject({
    cause: {
      code: 'migration-failed',
      sentence: expect.stringMatching(
        /^migration a\.0001_x failed: .*; done, .*: Add field x; not/,
      ),
      hint: expect.stringMatching(/:\nDROP x;$/),
    },
  })
})

/** How a migration ends that fails after these lines. */
async function failing(lines: (marker: string) => readonly string[]): Promise<unknown> {
  const it = play((play) => {
    const marker = play.marker()
    return saying([
      `${marker}${JSON.stringify(plan)}${marker}`,
      `${marker}migrate${marker}`,
      ...lines(marker),
    ])
  })
  const planned = it.migration.plan(notebook())
  await it.clock.pass(10)
  it.pod(running)
  await it.clock.pass(10)
  await planned
  const migrated = it.migration.migrate(notebook()).catch((error: unknown) => error)
  it.pod(broken)
  await it.clock.pass(31_000)
  return migrated
}

/** What a run has applied itself, of a plan of two migrations, and what it says of the others. */
async function ownOf(lines: readonly string[], state: object) {
  const like = { app: 'a', operations: [], atomic: true, reversible: true }
  const pending = ['0001_x', '0002_y'].map((name) => ({ ...like, name }))
  const it = play((play) => {
    const marked = (text: string) => `${play.marker()}${text}${play.marker()}`
    const told = JSON.stringify({ ...plan, databases: [{ ...plan.databases[0], pending }] })
    return saying([marked(told), marked('migrate'), ...lines])
  })
  const planned = it.migration.plan(notebook())
  await it.clock.pass(10)
  it.pod(running)
  await it.clock.pass(10)
  await planned
  const log = notebook()
  const migrated = it.migration.migrate(log).catch(() => undefined)
  it.pod(state)
  await it.clock.pass(31_000)
  await migrated
  return { own: it.migration.whole(), says: log.lines.filter((line) => line.includes('another')) }
}

const refusedByTable = [
  'Traceback (most recent call last):',
  '  File "/app/manage.py", line 9, in <module>',
  'django.db.utils.ProgrammingError: relation "a" already exists',
]
test.each<[string, readonly string[], object, readonly string[] | undefined, readonly string[]]>([
  [
    'all of it',
    ['Running migrations:', '  Applying a.0001_x... OK', '  Applying a.0002_y... OK'],
    finished,
    ['a.0001_x', 'a.0002_y'],
    [],
  ],
  [
    'a part: another cluster was faster',
    ['Running migrations:', '  Applying a.0001_x... OK'],
    finished,
    ['a.0001_x'],
    [
      'applied by another client since the plan: a.0002_y; another cluster or namespace may use this database, too',
    ],
  ],
  [
    'a part, before one that another cluster was applying',
    [
      'Running migrations:',
      '  Applying a.0001_x... OK',
      '  Applying a.0002_y...',
      ...refusedByTable,
    ],
    broken,
    ['a.0001_x'],
    [],
  ],
  [
    'unknown: it was killed',
    ['Running migrations:', '  Applying a.0001_x... OK', '  Applying a.0002_y...'],
    { terminated: { exitCode: 137, reason: 'Error' } },
    undefined,
    [],
  ],
  ['unknown: the command prints nothing', [], finished, undefined, []],
])(
  'what an undo may reverse is what the run itself has applied: %s',
  async (_, lines, state, own, says) => {
    expect(await ownOf(lines, state)).toEqual({ own, says })
  },
)

test.each<[string, Pick<Target, 'live'>, boolean]>([
  [
    'that moves to another repository says',
    { live: { kind: 'Deployment', spec: { template: {} } } },
    true,
  ],
  ['that is the first one does not say', {}, false],
])('a release %s that its migrations are not compared', async (_, target, isTold) => {
  const targets = [{ id: { kind: 'Deployment', name: 'web' } as const, ...target }]
  const it = play(() => saying([]), {}, targets)
  const log = notebook()
  it.migration.plan(log).catch(() => undefined)
  await it.clock.pass(10)
  const line = 'the migrations are not compared: no running version of this image was found'
  expect(log.lines.includes(line)).toBe(isTold)
  expect(log.lines).toContainEqual(expect.stringMatching(/created from deployment\/web$/))
})

test('a refusal ends the plan, and is not reported as a crash', async () => {
  const refused = {
    refused: 'before',
    alias: 'default',
    migration: plan.databases[0]?.identity,
    other: { ...plan.databases[0]?.identity, name: 'shop_eu' },
  }
  const log: Log = (play) => saying([play.marker() + JSON.stringify(refused) + play.marker()])
  expect(await ofPlan(log, broken)).toMatchObject({
    code: 'wrong-database',
    sentence: expect.stringContaining('PostgreSQL shop at db:5432 as ada, while that one used'),
    hint: expect.stringContaining(
      'kubectl annotate configmap django-rollout-shop django-rollout/databases-',
    ),
  })
})

test('a run reports the migrations that are applied after a cancel, until the pod is gone', async () => {
  const more = Promise.withResolvers<undefined>()
  const it = play(async function* (play) {
    const marked = (text: string) => `${play.marker()}${text}${play.marker()}`
    yield* [marked(JSON.stringify(plan)), marked('migrate'), '  Applying a.0001_x... OK']
    await more.promise
    yield '  Applying a.0002_y... OK'
  })
  const planned = it.migration.plan(notebook())
  await it.clock.pass(10)
  it.pod(running)
  await it.clock.pass(10)
  await planned
  const stageLog = notebook()
  const migrated = it.migration.migrate(stageLog).catch((error: unknown) => error)
  it.cancel.abort(new Error('cancelled'))
  expect(await migrated).toMatchObject({ message: 'cancelled' })
  expect(it.migration.applied()).toEqual(['a.0001_x'])

  const finalLines = it.migration.close()
  await it.clock.pass(3_000)
  it.pod()
  more.resolve(undefined)
  await it.clock.pass(1_500)
  await finalLines
  expect(it.migration.applied()).toEqual(['a.0001_x', 'a.0002_y'])
  // The stage is over: its journal hears nothing more.
  expect(stageLog.lines).toEqual(['>   Applying a.0001_x... OK'])
})

test('a migration ends with its own word, before the status of its pod and the end of its log', async () => {
  const it = play(async function* (play) {
    const marked = (text: string) => `${play.marker()}${text}${play.marker()}`
    yield marked(JSON.stringify(plan))
    yield marked('migrate')
    yield 'Running migrations:'
    yield '  Applying a.0001_x... OK'
    yield marked('ended')
    await new Promise(() => undefined)
  })
  const planned = it.migration.plan(notebook())
  await it.clock.pass(10)
  it.pod(running)
  await it.clock.pass(10)
  await planned
  await it.migration.migrate(notebook())
  expect(it.migration.whole()).toEqual(['a.0001_x'])
  await it.migration.close()
})

test('a log that hangs does not delay the end', async () => {
  const it = play(async function* () {
    await new Promise(() => undefined)
    yield ''
  })
  const planned = it.migration.plan(notebook()).catch((error: unknown) => error)
  await it.clock.pass(10)
  it.pod(running)
  await it.clock.pass(10)
  it.cancel.abort(new Error('cancelled'))
  await planned
  const finalLines = it.migration.close()
  it.pod()
  await it.clock.pass(1_000)
  await finalLines
})

test('a cancel takes effect while the log is still requested', async () => {
  const it = play(() => saying([], refused))
  const planned = it.migration.plan(notebook()).catch((error: unknown) => error)
  await it.clock.pass(10)
  it.pod(running)
  await it.clock.pass(10)
  it.pod(finished)
  await it.clock.pass(1_000)
  it.cancel.abort(new Error('cancelled'))
  expect(await planned).toMatchObject({ message: 'cancelled' })
  const finalLines = it.migration.close()
  await it.clock.pass(1_000)
  await finalLines
})

test('the needs of the version and the real schema are known after the migration', async () => {
  const judged = {
    policy: 'block',
    blocked: false,
    findings: [],
    more: 0,
    comments: [],
    versions: [
      {
        names: ['cronjob/report which is suspended', 'deployment/web', 'an ending pod of pod/x'],
        tag: 'v1',
        source: 'kept',
      },
    ],
  }
  const finding = {
    rule: 'column-gone',
    severity: 'breaks',
    database: 'default',
    object: 'a.b',
    table: 'a',
    model: 'a.A',
    direction: 'running',
    versions: [0],
  }
  const coming = { ...finding, direction: 'new', versions: [] }
  const { direction: _, versions: __, ...misfit } = finding
  const earlier = { '0a': { added: [misfit], gone: ['unique a.c'] } }
  const verified = [{ database: 'default', unpredicted: [finding, coming], unmet: [], earlier }]
  const pending = [{ app: 'a', name: '0001_x', operations: [], atomic: true, reversible: true }]
  const databases = plan.databases.map((database) => ({ ...database, pending }))
  const it = play(
    (play) => {
      const marked = (text: string) => `${play.marker()}${text}${play.marker()}`
      return saying([
        marked('{"needs": "bmVl"}'),
        marked(JSON.stringify({ ...plan, databases, judged })),
        marked('migrate'),
        '  Applying a.0001_x... OK',
        marked(JSON.stringify({ verified })),
      ])
    },
    {},
    [{ id: { kind: 'Deployment', name: 'web' } }],
  )
  const planned = it.migration.plan(notebook())
  await it.clock.pass(10)
  it.pod(running)
  await it.clock.pass(10)
  // Whom no release updates.
  expect((await planned).judged?.versions).toMatchObject([
    { leftOut: ['cronjob/report which is suspended'] },
  ])
  expect(it.migration.needs()).toBe('bmVl')
  const migrated = it.migration.migrate(notebook())
  it.pod(finished)
  await it.clock.pass(1_000)
  await migrated
  const ofRunning = expect.stringMatching(
    /^the schema is not as the plan predicted: the column a\.b is gone, but version v1 \(.*deployment\/web.*\) uses it: every query of a\.A fails$/,
  )
  const ofNew = expect.stringContaining('no migration creates the column a.b')
  expect(it.migration.surprises(false)).toEqual([ofRunning, ofNew])
  expect(it.migration.surprises(true)).toEqual([ofRunning])
  expect(it.migration.schema()).toEqual({
    is: 'compared',
    applied: ['a.0001_x'],
    databases: verified,
  })
})

test.each<[name: string, ready: readonly string[], given: RawInputs, count: number]>([
  ['a command that looks before it locks', ['{"locking": {"ready": true}}'], {}, 0],
  ['one that cannot', [], {}, 1],
  ['one that need not', [], { 'lock-wait-migrate': '0' }, 0],
])('a warning about locks is right for %s', async (_name, ready, given, count) => {
  const pending = [
    { app: 'a', name: '0001_x', operations: ['AddField'], atomic: true, reversible: true },
  ]
  const judged = {
    policy: 'block',
    blocked: false,
    findings: [],
    more: 0,
    comments: [],
    versions: [],
  }
  const databases = plan.databases.map((each) => ({ ...each, pending }))
  const it = play((play) => {
    const said = [JSON.stringify({ ...plan, databases, judged }), 'migrate', ...ready]
    const lines = said.map((text) => `${play.marker()}${text}${play.marker()}`)
    return saying([...lines, '  Applying a.0001_x... OK'])
  }, given)
  const planned = it.migration.plan(notebook())
  await it.clock.pass(10)
  it.pod(running)
  await it.clock.pass(10)
  await planned
  const stageLog = notebook()
  const migrated = it.migration.migrate(stageLog)
  it.pod(finished)
  await it.clock.pass(1_000)
  await migrated
  const said = stageLog.lines.filter((line) => line.startsWith('tables were locked as Django does'))
  expect(said).toHaveLength(count)
})
