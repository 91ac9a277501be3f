import { readFileSync } from 'node:fs'
import { describe, expect, test } from '@jest/globals'
import { inspectorSource } from '../../src/django/inspector.generated.js'
import {
  inspectorEnv,
  isMarked,
  migrationBegins,
  planCommand,
  readPlan,
} from '../../src/django/inspector.js'

const marker = 'MARK42'

// Django 5.2.19 on PostgreSQL 15, as printed, without the migrations of Django's own apps.
const printed =
  '{"django": "5.2.19", "python": "3.11.7", "database": "default", "vendor": "postgresql", "vendorName": "PostgreSQL", "version": "15.18", "transactionalDdl": true, "pending": [{"app": "orders", "name": "0002_note", "operations": ["AddField"], "atomic": true, "reversible": true, "sql": "--\\n-- Add field note to Order\\n--\\nALTER TABLE \\"orders_order\\" ADD COLUMN \\"note\\" text DEFAULT \'\' NOT NULL;"}, {"app": "orders", "name": "0004_evil", "operations": ["Evil", "SeparateDatabaseAndState"], "atomic": false, "reversible": false, "sql": null}], "squashed": [{"app": "catalog", "name": "0001_squashed_0002"}], "applied": {"orders": "0001_initial"}, "unknown": [{"app": "orders", "name": "0005_after", "newer": true}]}'

const plan = {
  django: '5.2.19',
  python: '3.11.7',
  database: 'default',
  vendor: 'postgresql',
  vendorName: 'PostgreSQL',
  version: '15.18',
  transactionalDdl: true,
  pending: [
    {
      app: 'orders',
      name: '0002_note',
      operations: ['AddField'],
      atomic: true,
      reversible: true,
      sql: `--
-- Add field note to Order
--
ALTER TABLE "orders_order" ADD COLUMN "note" text DEFAULT '' NOT NULL;`,
    },
    {
      app: 'orders',
      name: '0004_evil',
      operations: ['Evil', 'SeparateDatabaseAndState'],
      atomic: false,
      reversible: false,
    },
  ],
  squashed: [{ app: 'catalog', name: '0001_squashed_0002' }],
  applied: { orders: '0001_initial' },
  unknown: [{ app: 'orders', name: '0005_after', newer: true }],
}

describe('the plan in a log', () => {
  test.each([
    ['between other lines', ['hello', `${marker}${printed}${marker}`, `${marker}migrate${marker}`]],
    ['behind what has no end', [`hello from settings${marker}${printed}${marker}`]],
    ['when the marker was printed before', [`{"marker":"${marker}"}`, marker + printed + marker]],
  ])('is found %s', (_name, lines) => {
    expect(readPlan(lines, marker)).toEqual(plan)
  })

  test.each([
    ['nothing', []],
    ['another marker', [`MARK43${printed}MARK43`]],
    ['a plan without a marker', [printed]],
    ['one that breaks off', [`${marker}${printed.slice(0, 200)}`]],
    ['one that breaks off inside', [`${marker}${printed.slice(0, 200)}${marker}`]],
    ['something else', [`${marker}{"django": "5.2"}${marker}`]],
    ['a list', [`${marker}[]${marker}`]],
    [
      'a field of a wrong type',
      [marker + printed.replace('"atomic": true', '"atomic": 1') + marker],
    ],
    ['an item of a wrong type', [marker + printed.replace('["AddField"]', '[1]') + marker]],
    ['a leaf of a wrong type', [marker + printed.replace('"0001_initial"', 'null') + marker]],
  ])('is not found in %s', (_name, lines) => {
    expect(readPlan(lines, marker)).toBeUndefined()
  })

  test('the line that begins the migration', () => {
    expect(migrationBegins(`${marker}migrate${marker}`, marker)).toBe(true)
    expect(migrationBegins(`${marker}${printed}${marker}`, marker)).toBe(false)
    expect(migrationBegins(`Running migrations: ${marker}`, marker)).toBe(false)
    expect(isMarked(`${marker}${printed}${marker}`, marker)).toBe(true)
    expect(isMarked(`  Applying orders.0002_note... OK`, marker)).toBe(false)
  })
})

describe('the command of the plan', () => {
  const code = ['shell', '-v', '0', '-c', inspectorSource]
  const shell = (script: string): string[] => ['/bin/sh', '-c', script, 'sh', ...code]
  test.each([
    ['python manage.py migrate --noinput', ['python', 'manage.py', ...code]],
    ['', ['python', 'manage.py', ...code]],
    ['./migrate.sh', ['python', 'manage.py', ...code]],
    [
      'poetry run python3 src/manage.py  migrate',
      ['poetry', 'run', 'python3', 'src/manage.py', ...code],
    ],
    ['python manage.py migrate_schemas --shared', ['python', 'manage.py', ...code]],
    ['django-admin migrate', ['django-admin', ...code]],
    ['python -m django migrate', ['python', '-m', 'django', ...code]],
    ['exec python manage.py migrate', ['python', 'manage.py', ...code]],
    ['cd src && python manage.py migrate', shell('cd src && python manage.py "$@"')],
    ['DEBUG=1 python manage.py migrate', shell('DEBUG=1 python manage.py "$@"')],
    [
      'python manage.py wait_for_db && python manage.py migrate; echo done',
      ['python', 'manage.py', ...code],
    ],
    ['sh -c "python manage.py migrate"', ['python', 'manage.py', ...code]],
    [
      'python manage.py migrate --settings=shop.prod --pythonpath lib',
      [
        ...['python', 'manage.py', 'shell', '-v', '0'],
        ...['--settings=shop.prod', '--pythonpath=lib', '-c', inspectorSource],
      ],
    ],
  ])('of %j', (command, expected) => {
    expect(planCommand(command)).toEqual(expected)
  })
})

describe("the inspector's variables", () => {
  test.each([
    [{ marker }, '{"marker":"MARK42","migrate":null,"database":null,"wait":0}'],
    [
      { marker, migrate: 'python manage.py migrate --database=shop', waitSeconds: 15 },
      '{"marker":"MARK42","migrate":"python manage.py migrate --database=shop","database":"shop","wait":15}',
    ],
    [
      { marker, migrate: 'echo $(HOME)' },
      '{"marker":"MARK42","migrate":"echo \\u0024(HOME)","database":null,"wait":0}',
    ],
  ])('of %j', (task, value) => {
    expect(inspectorEnv(task)).toEqual([{ name: 'DJANGO_ROLLOUT_SPEC', value }])
  })
})

test('dollar signs come back as they were', () => {
  const [variable] = inspectorEnv({ marker, migrate: 'echo $(HOME) $$' })
  expect(JSON.parse(variable?.value ?? '')).toMatchObject({ migrate: 'echo $(HOME) $$' })
})

test('the text in the bundle is that of inspector.py', () => {
  const file = new URL('../../src/django/inspector.py', import.meta.url)
  expect(inspectorSource).toBe(readFileSync(file, 'utf8'))
  expect(inspectorSource).not.toContain('$')
})
