import { describe, expect, test } from '@jest/globals'
import {
  isMarked,
  migrationBegins,
  readPacked,
  readPlan,
  readRefused,
  readVerified,
} from '../../src/django/inspector-log.js'

const marker = 'MARK42'

// Django 5.2.19 on PostgreSQL 15, as printed, without the migrations of Django's own apps.
const printed =
  '{"django": "5.2.19", "python": "3.11.7", "databases": [{"database": "default", "identity": {"vendor": "postgresql", "name": "shop", "host": "db", "port": "5432", "user": "ada", "schema": "public", "server": "77131"}, "vendor": "postgresql", "vendorName": "PostgreSQL", "version": "15.18", "transactionalDdl": true, "pending": [{"app": "orders", "name": "0002_note", "operations": ["AddField"], "atomic": true, "reversible": true, "sql": "--\\n-- Add field note to Order\\n--\\nALTER TABLE \\"orders_order\\" ADD COLUMN \\"note\\" text DEFAULT \'\' NOT NULL;"}, {"app": "orders", "name": "0004_evil", "operations": ["Evil", "SeparateDatabaseAndState"], "atomic": false, "reversible": false, "sql": null}], "squashed": [{"app": "catalog", "name": "0001_squashed_0002"}], "applied": {"orders": "0001_initial"}, "unknown": [{"app": "orders", "name": "0005_after", "newer": true}]}], "runs": true, "web": {"module": "shop.wsgi"}}'

const database = {
  database: 'default',
  identity: {
    vendor: 'postgresql',
    name: 'shop',
    host: 'db',
    port: '5432',
    user: 'ada',
    schema: 'public',
    server: '77131',
  },
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
  held: [],
  unheld: [],
  absent: [],
  bridges: [],
  earlierBridges: [],
  endedBridges: [],
}
const plan = {
  django: '5.2.19',
  python: '3.11.7',
  databases: [database],
  runs: true,
  web: { module: 'shop.wsgi' },
}

describe('the plan in a log', () => {
  test('has the locked tables and the poolers', () => {
    const lock = { table: 'orders_order', mode: 'ACCESS EXCLUSIVE', rows: 12, bytes: 8192 }
    const read = (locks: string) =>
      readPlan(
        [
          marker +
            printed
              .replace('"atomic": true', `"atomic": true, "locks": ${locks}`)
              .replace('"squashed"', '"pooled": true, "squashed"') +
            marker,
        ],
        marker,
      )?.databases[0]
    const known = read(JSON.stringify([lock]))
    expect(known).toMatchObject({ isPooled: true, pending: [{ locks: [lock] }, {}] })
    for (const unknown of ['null', '[{"table": 1}]']) {
      expect(read(unknown)?.pending[0]).not.toHaveProperty('locks')
    }
  })

  test('names the parts that are missing', () => {
    const untold = [{ part: 'the locks', why: 'AttributeError: x' }]
    const read = (text: string) =>
      readPlan(
        [marker + printed.replace('"squashed"', `"untold": ${text}, "squashed"`) + marker],
        marker,
      )?.databases[0]
    expect(read(JSON.stringify(untold))?.untold).toEqual(untold)
    expect(read('[]')).not.toHaveProperty('untold')
  })

  test('says what a backup is for, where one comes first', () => {
    const reason = { migration: 'orders.0004_evil', why: 'drops', object: 'orders_order.note' }
    const read = (backup: string) =>
      readPlan(
        [marker + printed.replace('"runs": true', `"runs": true, "backup": ${backup}`) + marker],
        marker,
      )
    expect(read(JSON.stringify([reason]))?.backup).toEqual([reason])
    expect(read('[]')?.backup).toEqual([])
    // A pod that has ended for a backup, whatever its reasons are.
    expect(read('[{"why": "later"}]')?.backup).toEqual([])
    expect(read('null')).not.toHaveProperty('backup')
  })

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
    ['an identity without a host', [marker + printed.replace('"host": "db", ', '') + marker]],
    ['no word of what follows', [marker + printed.replace('"runs": true, ', '') + marker]],
  ])('is not found in %s', (_name, lines) => {
    expect(readPlan(lines, marker)).toBeUndefined()
  })

  test('begins the migration with a line', () => {
    expect(migrationBegins(`${marker}migrate${marker}`, marker)).toBe(true)
    expect(migrationBegins(`${marker}${printed}${marker}`, marker)).toBe(false)
    expect(migrationBegins(`Running migrations: ${marker}`, marker)).toBe(false)
    expect(isMarked(`${marker}${printed}${marker}`, marker)).toBe(true)
    expect(isMarked(`  Applying orders.0002_note... OK`, marker)).toBe(false)
  })
})

test.each([
  ['{"refused": "file", "alias": "default"}', { refused: 'file', alias: 'default' }],
  ['{"django": "5.2"}', undefined],
  ['migrate', undefined],
])('a refusal is read from %s', (text, refused) => {
  expect(readRefused(marker + text + marker, marker)).toEqual(refused)
})

describe('the verdict in a plan', () => {
  // As the pod prints it.
  const finding = {
    rule: 'insert-refused',
    severity: 'breaks',
    database: 'default',
    object: 'shop_order.colour',
    table: 'shop_order',
    column: 'colour',
    model: 'shop.Order',
    direction: 'running',
    versions: [0],
    migration: 'shop.0002_next',
    code: ['x,'],
    query: 'SELECT 1;',
    file: '/app/shop/migrations/0002_next.py',
    to: 'varchar(5)',
    allowed: { why: 'so', file: '/app/shop/migrations/0002_next.py', line: 3 },
  }
  const judged = {
    policy: 'block',
    blocked: true,
    findings: [finding],
    more: 0,
    comments: [{ file: '/app/x.py', line: 7, message: 'there is no rule "x"' }],
    versions: [{ names: ['deployment/web'], tag: 'v1', source: 'kept' }],
  }
  const read = (verdict: unknown) =>
    readPlan([marker + JSON.stringify({ ...plan, judged: verdict }) + marker], marker)

  test('is read', () => {
    const { column: _, ...known } = finding
    expect(read(judged)?.judged).toEqual({ ...judged, findings: [known] })
    expect(read(null)).toEqual(plan)
  })

  // Else a release would go on that has to stop.
  test.each<[string, object]>([
    ['no policy', { policy: 'ask' }],
    ['no word of the end', { blocked: 1 }],
    ['an unknown rule', { findings: [{ ...finding, rule: 'x' }] }],
    ['an unknown severity', { findings: [{ ...finding, severity: 'x' }] }],
    ['a finding of nobody', { findings: [{ ...finding, versions: ['v1'] }] }],
    ['a finding without an object', { findings: [{ ...finding, object: 1 }] }],
    ['a version without names', { versions: [{ tag: 'v1', source: 'kept' }] }],
    ['a comment without a line', { comments: [{ file: 'x', message: 'y' }] }],
  ])('makes the plan unreadable with %s', (_, more) => {
    expect(read({ ...judged, ...more })).toBeUndefined()
  })

  test('is followed by the comparison after the migration', () => {
    const { allowed: _, ...unpredicted } = finding
    const one = {
      database: 'default',
      unpredicted: [unpredicted],
      unmet: ['column-gone a.b'],
      earlier: {},
    }
    const told = (json: unknown) => readVerified(marker + JSON.stringify(json) + marker, marker)
    const { column: __, ...known } = unpredicted
    expect(told({ verified: [one] })).toEqual([{ ...one, unpredicted: [known] }])
    expect(told({ verified: null, why: 'it is away' })).toEqual({ why: 'it is away' })
    expect(told({ verified: [{}] })).toEqual({ why: 'the comparison cannot be read' })
    expect(told({ needs: 'bmVl' })).toBeUndefined()
    expect(readVerified('migrate', marker)).toBeUndefined()
  })

  test('is followed by the needs of the image, and by its tasks', () => {
    const read = (text: string) => readPacked(`${marker}${text}${marker}`, marker)
    expect(read('{"needs": "bmVl"}')).toEqual({ of: 'needs', body: 'bmVl' })
    expect(read('{"tasks": "bmVl"}')).toEqual({ of: 'tasks', body: 'bmVl' })
    expect(read('{"needs": "no"}')).toBeUndefined()
    expect(readPacked('{"needs": "bmVl"}', marker)).toBeUndefined()
  })
})
