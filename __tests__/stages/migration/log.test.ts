import { expect, test } from '@jest/globals'
import { withoutOwn, type DatabasePlan, type Plan } from '../../../src/django/plan.js'
import type { Identity } from '../../../src/django/identity.js'
import type { Refused } from '../../../src/django/inspector-log.js'
import type { Judged } from '../../../src/django/verdict.js'
import {
  alsoPassed,
  leftBehind,
  passedBy,
  migrationCause,
  triedCause,
  Output,
  planCause,
  refusalCause,
  logPlan,
  planWarnings,
} from '../../../src/stages/migration/log.js'
import { notebook } from '../../support/journal.js'
import { databasePlan } from '../../support/plans.js'

const shop: Identity = {
  vendor: 'postgresql',
  name: 'shop',
  host: 'db',
  port: '5432',
  user: 'ada',
  schema: 'public',
  server: '1',
}
const file: Identity = { vendor: 'sqlite', name: '/tmp/db.sqlite3', host: '', port: '', user: '' }
const words = {
  command: 'python manage.py migrate --noinput',
  accept: 'kubectl annotate x',
  give: (variable: string) => `kubectl set env deployment/web ${variable}`,
}
const web = { alias: 'default', refused: 'web', module: 'shop.wsgi', given: true } as const

test.each<[string, Refused, object, RegExp, RegExp]>([
  [
    'settings that are picked in wsgi.py',
    { ...web, migration: file, other: shop, settings: ['shop.local', 'shop.production'] },
    {},
    /^the migration would use another database than the web's: SQLite \/tmp\/db.sqlite3 \(shop.local\), while shop.wsgi uses PostgreSQL shop at db:5432 schema public as ada \(shop.production\)$/,
    /\nmigrate-command: DJANGO_SETTINGS_MODULE=shop.production python manage.py migrate --noinput$/,
  ],
  [
    'settings that the command names otherwise',
    { ...web, migration: file, other: shop, settings: ['shop.local', 'shop.production'] },
    { command: 'cd src && DJANGO_SETTINGS_MODULE=shop.local python manage.py migrate' },
    /./,
    /\nmigrate-command: export DJANGO_SETTINGS_MODULE=shop.production && cd src && python manage.py migrate$/,
  ],
  [
    'settings that the command names, where the web only falls back to others',
    { ...web, given: false, migration: shop, other: file, settings: ['shop.live', 'shop.local'] },
    { command: 'DJANGO_SETTINGS_MODULE=shop.live python manage.py migrate' },
    /./,
    /falls back to shop.local. .*\nkubectl set env deployment\/web DJANGO_SETTINGS_MODULE=shop.live$/,
  ],
  [
    'settings that nobody names',
    { ...web, given: false, migration: file, other: shop, settings: ['shop.local', 'shop.live'] },
    {},
    /./,
    /\nmigrate-command: DJANGO_SETTINGS_MODULE=shop.live python manage.py migrate --noinput$/,
  ],
  [
    'what the entrypoint sets',
    { ...web, migration: { ...shop, name: 'shop_' }, other: shop, settings: ['shop', 'shop'] },
    { starter: '/app/entrypoint' },
    /: PostgreSQL shop_ at db:5432 as ada, while shop.wsgi uses PostgreSQL shop at db:5432 as ada$/,
    /\nmigrate-command: \/app\/entrypoint python manage.py migrate --noinput$/,
  ],
  [
    'another server behind the same name',
    { alias: 'reports', refused: 'before', migration: { ...shop, server: '2' }, other: shop },
    {},
    /^the migration would use another database than the previous release \(DATABASES\["reports"\]\): PostgreSQL shop at db:5432 as ada server 2, while that one used PostgreSQL shop at db:5432 as ada server 1$/,
    /\nkubectl annotate x$/,
  ],
  [
    'a file that goes with the pod',
    { alias: 'default', refused: 'file', migration: file },
    {},
    /^the migration would use an SQLite file that is on no volume: \/tmp\/db.sqlite3 is deleted with/,
    /migrate-command: none/,
  ],
])('a refusal is written with its hint: %s', (_, refused, more, sentence, hint) => {
  const cause = refusalCause(refused, { ...words, ...more })
  expect(cause.sentence).toMatch(sentence)
  expect(cause.hint).toMatch(hint)
})

const database = (name: string, pending: readonly string[]): DatabasePlan => ({
  ...databasePlan,
  database: name,
  identity: shop,
  pending: pending.map((one) => ({
    app: 'shop',
    name: one,
    operations: ['AddField'],
    atomic: true,
    reversible: true,
  })),
})
const plan: Plan = {
  django: '5.2',
  python: '3.13',
  runs: false,
  databases: [database('default', [])],
}

test.each<[string, Plan, readonly string[]]>([
  ['nothing to do', plan, ['Django 5.2 with PostgreSQL', 'no migrations to apply']],
  [
    'a command of the user’s own, with nothing pending',
    { ...plan, runs: true },
    [
      'Django 5.2 with PostgreSQL',
      'no migrations to apply',
      'the command still runs: it may do more than the plan shows',
    ],
  ],
  [
    'two databases',
    { ...plan, runs: true, databases: [...plan.databases, database('reports', ['0002_sum'])] },
    [
      'default: Django 5.2 with PostgreSQL',
      'default: no migrations to apply',
      'reports: Django 5.2 with PostgreSQL',
      'reports: to apply: shop.0002_sum (AddField)',
    ],
  ],
  [
    'which schemas of tenants were compared',
    {
      ...plan,
      databases: [
        {
          ...database('default', []),
          schemas: [
            { name: 'acme', count: 2 },
            { name: 'beta', count: 1 },
          ],
        },
      ],
    },
    [
      'Django 5.2 with PostgreSQL',
      'schemas of tenants: acme (for 2 at the same migrations), beta',
      'no migrations to apply',
    ],
  ],
  [
    'what another cluster has applied, without what a run here has',
    withoutOwn(
      {
        ...plan,
        databases: [{ ...database('default', []), found: ['shop.0002_sum', 'shop.0003_tax'] }],
      },
      new Set(['shop.0002_sum']),
    ),
    [
      'Django 5.2 with PostgreSQL',
      'no migrations to apply',
      'applied already, and by no run here: shop.0003_tax. Another cluster, namespace or person migrates this database, too',
    ],
  ],
  [
    'a web that could not be asked',
    { ...plan, web: { silent: 'ModuleNotFoundError: No module named a' } },
    [
      'Django 5.2 with PostgreSQL',
      'no migrations to apply',
      "the database was not compared with the web's: ModuleNotFoundError: No module named a",
    ],
  ],
])('a plan is logged: %s', (_, told, lines) => {
  const stageLog = notebook()
  logPlan(stageLog, told)
  expect(stageLog.lines).toEqual(lines)
})

const migrate = 'python manage.py migrate'
test.each([
  ['ImproperlyConfigured: Set the DATABASE_URL environment variable', true],
  ["KeyError: 'DATABASE_URL'", true],
  ['EnvError: Environment variable "DATABASE_URL" not set', true],
  ['UndefinedValueError: DATABASE_URL not found. Declare it as envvar or define a default', true],
  ['OperationalError: connection to server at "db" failed', true],
  ['the migration would use an SQLite file that is on no volume', true],
  ["ModuleNotFoundError: No module named 'orders'", false],
  ["KeyError: 'name'", false],
])('a script that may have set a variable is the second hint: %s', (sentence, isAdded) => {
  const cause = { code: 'crash' as const, sentence, hint: 'look' }
  const { hint } = alsoPassed(cause, { script: '/entry', why: 'it calls manage.py' }, migrate)
  const byIt = `/entry, which starts the web, was skipped (it calls manage.py): the variables that it sets are missing here. Run the migration with it:
migrate-command: /entry ${migrate}`
  expect(hint).toBe(isAdded ? `look\n${byIt}` : 'look')
})

test.each([
  [
    'a script of which the pod says why',
    'it does not end with exec "$@"',
    { script: { name: '/entry', isAll: false } },
    [
      '/entry, which starts the web, was skipped (it does not end with exec "$@"): the variables that it sets are missing here. Set the same for the migration, or name the script if it runs what it is given:',
      `migrate-command: export NAME=value && ${migrate}`,
      `migrate-command: /entry ${migrate}`,
    ],
  ],
  [
    'one that needs a word',
    undefined,
    { passed: { script: '/entry web', why: 'it needs a word that says what to start' } },
    [
      '/entry web, which starts the web, was skipped (it needs a word that says what to start): the variables that it sets are missing here. Run the migration with it:',
      `migrate-command: /entry ${migrate}`,
    ],
  ],
  [
    'one of an image that the registry does not describe',
    undefined,
    { passed: { why: 'the registry does not say what the image starts' } },
    [
      "The image's entrypoint, if it has one, was skipped (the registry does not say what the image starts): the variables that it sets are missing here. Name it:",
      `migrate-command: /entrypoint ${migrate}`,
    ],
  ],
])('what was skipped is named, and how to keep it: %s', (_, why, made, lines) => {
  const cause = { code: 'crash' as const, sentence: "KeyError: 'DATABASE_URL'" }
  const { hint = '' } = alsoPassed(cause, passedBy({ passed: why }, made), migrate)
  expect(hint.split('\n')).toEqual(lines)
})

test.each<[string, Partial<Plan>, readonly string[]]>([
  ['nothing', {}, []],
  ['nothing, where the database was compared', { web: { module: 'shop.wsgi' } }, []],
  [
    'a comparison that could not be made',
    { web: { silent: 'no module' } },
    ["the database was not compared with the web's: no module"],
  ],
  [
    'what a release says of a database too: a pooler, tables that stay locked, roles that are hidden',
    {
      databases: [database('default', ['0003_note'])].map((one) => ({
        ...one,
        isPooled: true,
        witnesses: 'hidden',
        pending: one.pending.map((each) => ({
          ...each,
          locks: [{ table: 'shop_order', mode: 'ACCESS EXCLUSIVE', rows: 9, bytes: 9 }],
          held: { seconds: 30, hasMore: false, queued: [] },
        })),
      })),
    },
    [
      expect.stringContaining('through a pooler') as unknown as string,
      expect.stringContaining('locks shop_order for about 30.0 s') as unknown as string,
      expect.stringContaining('GRANT pg_read_all_stats') as unknown as string,
    ],
  ],
])('a plan warns of %s', (_, more, warnings) => {
  expect(planWarnings({ ...plan, ...more })).toEqual(warnings)
})

test.each<[string, readonly string[], number]>([
  ['python manage.py migrate_all', [], 1],
  ['python manage.py migrate_all', ['shop.0002_sum'], 0],
  ['./x && python manage.py migrate --database=reports', [], 0],
  ['python manage.py migrate', [], 0],
])('the migrations that a command has left are reported: %s', (command, applied, count) => {
  const told = { ...plan, databases: [...plan.databases, database('reports', ['0002_sum'])] }
  const left = leftBehind(told, command, applied)
  expect(left).toHaveLength(count)
  if (count > 0) {
    expect(left[0]).toMatch(
      /^the database "reports" lacks shop.0002_sum .*migrate --database=reports$/,
    )
  }
})

test('a line that breaks off before a marked one is kept, because it names the failed migration', () => {
  const output = new Output('m1', () => ({ code: 'plan-failed', sentence: '' }))
  const verified = 'm1{"verified": null, "why": "it failed"}m1'
  const lines = ['m1migratem1', 'DETAIL: no', `  Applying shop.0002_sum...${verified}`]
  lines.forEach((line) => {
    output.line(line)
  })
  const unmarked = ['DETAIL: no', '  Applying shop.0002_sum...']
  expect(output.verified).toEqual({ why: 'it failed' })
  expect([output.lines, output.unmarked(lines)]).toEqual([unmarked, unmarked])
  const cause = { code: 'crash', sentence: 'IntegrityError' } as const
  expect(migrationCause(cause, output.migrated).sentence).toBe(
    'migration shop.0002_sum failed: IntegrityError',
  )
})

test('what a table has refused before the commit is the cause of a migration that was rolled back', () => {
  const output = new Output('m1', () => ({ code: 'plan-failed', sentence: '' }))
  const stageLog = notebook()
  output.to(stageLog)
  const finding = {
    ...{ rule: 'write-refused', severity: 'breaks', database: 'default', object: 'shop_order' },
    ...{ table: 'shop_order', model: 'shop.Order', direction: 'running', versions: [0] },
    ...{ migration: 'shop.0002_sum', detail: 'INSERT: no', column: '', file: '' },
  }
  output.line('  Applying shop.0001_first... OK')
  output.line(`  Applying shop.0002_sum...m1${JSON.stringify({ tried: finding })}m1`)
  output.line('m1{"tried": nonsensem1')
  const judged: Judged = {
    ...{ policy: 'block', blocked: false, findings: output.tried, more: 0, comments: [] },
    versions: [{ names: ['deployment/web'], tag: 'v1', source: 'kept' }],
  }
  expect(stageLog.lines.at(-1)).toBe(
    'unsafe: shop.0002_sum: shop_order refuses after the migration what it took before it (INSERT: no), but the running version sends it: its queries would fail, so the migration was rolled back',
  )
  const cause = { code: 'crash', sentence: 'CommandError' } as const
  const { sentence, hint, code } = triedCause(cause, judged, output.migrated, () => undefined)
  expect([code, sentence]).toEqual([
    'unsafe-migration',
    'shop.0002_sum: shop_order refuses after the migration what it took before it (INSERT: no), but version v1 (deployment/web) sends it: its queries would fail, so the migration was rolled back; applied before it: shop.0001_first',
  ])
  expect(hint).toContain('# django-rollout: allow write-refused shop_order: <why>')
})

test('the lines about locks are logged in their order, and a wait that was given up is the cause', () => {
  const output = new Output('m1', () => ({ code: 'plan-failed', sentence: '' }))
  const locking = (more: object) => `m1${JSON.stringify({ locking: more })}m1`
  const wait = { migration: 'shop.0002_sum', tables: ['shop_sum'], waited: 2, closed: false }
  const holders = [{ pid: 7, mode: 'AccessShareLock', application: 'report' }]
  const lines = [
    'm1migratem1',
    locking({ ready: true }),
    '  Applying shop.0001_first... OK',
    `  Applying shop.0002_sum...${locking({ ...wait, holders })}`,
  ]
  // Some of it comes before the stage listens.
  lines.forEach((line) => {
    output.line(line)
  })
  const stageLog = notebook()
  output.to(stageLog)
  output.line(locking({ ...wait, holders, over: true }))
  expect(output.looks).toBe(true)
  expect(stageLog.lines).toEqual([
    '>   Applying shop.0001_first... OK',
    '>   Applying shop.0002_sum...',
    'shop.0002_sum waits for shop_sum, in use by pid 7 (report)',
    'shop.0002_sum: shop_sum was still in use after 2.0 s',
  ])
  const cause = { code: 'crash', sentence: 'it exited with 1' } as const
  expect(migrationCause(cause, output.migrated, output.gaveUp)).toMatchObject({
    code: 'lock-not-free',
    sentence:
      'shop.0002_sum: shop_sum was in use for 2.0 s by pid 7 (report); applied before it: shop.0001_first',
  })
})

test('the plan names the tables that are locked', () => {
  const stageLog = notebook()
  const locks = [{ table: 'shop_sum', mode: 'SHARE', rows: 1200, bytes: 0 }]
  const told = database('default', ['0002_sum'])
  logPlan(stageLog, {
    ...plan,
    databases: [{ ...told, pending: told.pending.map((each) => ({ ...each, locks })) }],
  })
  expect(stageLog.lines.at(-1)).toBe('it locks shop_sum (SHARE, about 1,200 rows)')
})

test('of an output that never ends the last lines are kept, and what all of it says of migrations', () => {
  const output = new Output('m1', () => ({ code: 'plan-failed', sentence: '' }))
  output.line('  Applying shop.0001_first... OK')
  output.line('  Applying shop.0002_fill...')
  for (let row = 0; row < 20_000; row++) output.line(`row ${row} ${'.'.repeat(1_000)}`)
  output.line(' OK')
  expect(output.migrated).toEqual({ applied: ['shop.0001_first', 'shop.0002_fill'] })
  expect(output.lines.length).toBeLessThan(2_500)
  expect(output.lines.at(-1)).toBe(' OK')

  // Nobody listens yet.
  const stageLog = notebook()
  output.to(stageLog)
  expect(stageLog.lines.length).toBeLessThan(2_500)
  expect(stageLog.lines.at(-1)).toBe('>  OK')
})

test('an error of the inspector is none of the new version', () => {
  const log = (file: string) => [
    'Traceback (most recent call last):',
    '  File "/app/manage.py", line 9, in main',
    `  File "${file}", line 115, in at`,
    "TypeError: 'set' object is not subscriptable",
  ]
  const crash = { code: 'crash', sentence: 'job-x: TypeError', workload: 'job/job-x' } as const
  expect(planCause(crash, 'the new version', log('rollout_inspector/plan.py'))).toMatchObject({
    code: 'plan-failed',
    sentence:
      "django-rollout does not understand the migrations of the new version: TypeError: 'set' object is not subscriptable (rollout_inspector/plan.py:115)",
    hint: expect.stringContaining('a fault of django-rollout'),
  })
  expect(planCause(crash, 'the new version', log('/app/shop/models.py')).sentence).toBe(
    'the new version does not start: TypeError',
  )
})
