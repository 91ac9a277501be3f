/** Migrations whose tables are in use: how long clients wait, on a real PostgreSQL, directly and through PgBouncer. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { Lab, type LockCase, type SeenOfLocks } from '../migrations/lab.js'
import type { PostgresVersion } from '../migrations/servers.js'

const places = [
  ['4.2', 'postgres:17'],
  ['6.0', 'postgres:17'],
  ['6.0', 'postgres:15'],
] as const
let labs: Readonly<Record<PostgresVersion, Lab>>

beforeAll(async () => {
  labs = {
    'postgres:17': await Lab.make(['4.2', '6.0']),
    'postgres:15': await Lab.make(['6.0'], 'postgres:15'),
  }
  await labs['postgres:17'].startPooler()
})

afterAll(() => Promise.all(Object.values(labs).map((lab) => lab.remove())))

const column = "migrations.AddField('order', 'x', models.IntegerField(null=True))"
const reader = 'SELECT count(*) FROM shop_order'
const usual = { holds: reader, frees: 1, wait: 60 }

const cases: readonly (readonly [name: string, LockCase, ...tables: string[]])[] = [
  ['a new column', { ...usual, operations: column }, 'shop_order'],
  [
    'a new column while a backup runs',
    { ...usual, operations: column, application: 'pg_dump' },
    'shop_order',
  ],
  [
    'a new table with a foreign key, while the parent is written to',
    {
      ...usual,
      holds: 'INSERT INTO shop_order (n) VALUES (1)',
      operations:
        "migrations.CreateModel('Note', [('id', models.BigAutoField(primary_key=True)), ('order', models.ForeignKey('shop.Order', models.CASCADE))])",
    },
    'shop_order',
  ],
  [
    'a foreign key that is removed, while the parent is read',
    {
      ...usual,
      holds: 'SELECT * FROM shop_shop',
      operations: "migrations.RemoveField('order', 'shop')",
    },
    'shop_order',
    'shop_shop',
  ],
  [
    'a table with a foreign key is dropped, while the parent is read',
    {
      ...usual,
      before: [
        'CREATE TABLE shop_note (id bigserial PRIMARY KEY, order_id bigint REFERENCES shop_order)',
      ],
      operations:
        "migrations.SeparateDatabaseAndState(state_operations=[migrations.CreateModel('Note', [('id', models.BigAutoField(primary_key=True)), ('order', models.ForeignKey('shop.Order', models.CASCADE))])]), migrations.DeleteModel('Note')",
    },
    'shop_note',
    'shop_order',
  ],
  [
    'a new column whose default is another one in each row',
    {
      ...usual,
      operations: "migrations.RunSQL('ALTER TABLE shop_order ADD x float DEFAULT random()')",
    },
    'shop_order',
  ],
  [
    'two tables, of which the second is read',
    {
      ...usual,
      holds: 'SELECT * FROM shop_shop',
      operations: `${column}, migrations.AddField('shop', 'x', models.IntegerField(null=True))`,
    },
    'shop_order',
    'shop_shop',
  ],
  [
    'SQL with several statements',
    {
      ...usual,
      operations:
        "migrations.RunSQL('SET CONSTRAINTS ALL IMMEDIATE; ALTER TABLE shop_order ADD x int')",
    },
    'shop_order',
  ],
  [
    'a migration without a transaction',
    { ...usual, operations: column, concurrent: true },
    'shop_order',
  ],
  [
    'two statements of one text without a transaction',
    {
      ...usual,
      operations:
        "migrations.RunSQL('ALTER TABLE shop_order ADD x int; ALTER TABLE shop_shop ADD x int')",
      concurrent: true,
    },
    'shop_order',
    'shop_shop',
  ],
  [
    'composed SQL of a step of code',
    {
      ...usual,
      operations:
        "migrations.RunPython(lambda apps, editor: editor.connection.cursor().execute(sql.SQL('ALTER TABLE {} ADD x int').format(sql.Identifier('shop_order'))))",
    },
  ],
  [
    'a view, which cannot be locked beforehand',
    {
      ...usual,
      before: ['CREATE VIEW orders AS SELECT id FROM shop_order'],
      holds: 'SELECT * FROM orders',
      operations: "migrations.RunSQL('DROP VIEW orders')",
    },
    'orders',
  ],
]
/** Two partitions of the table that clients use, and a table that could be one. */
const parts = [
  'ALTER TABLE shop_order ALTER id DROP IDENTITY',
  'ALTER TABLE shop_order RENAME TO shop_order_0',
  'CREATE TABLE shop_order (LIKE shop_order_0) PARTITION BY RANGE (id)',
  'ALTER TABLE shop_order ATTACH PARTITION shop_order_0 FOR VALUES FROM (1) TO (10000)',
  'CREATE TABLE shop_order_1 PARTITION OF shop_order FOR VALUES FROM (10000) TO (20000)',
  'CREATE TABLE shop_order_2 (LIKE shop_order)',
]
const withDefault = [...parts, 'CREATE TABLE shop_order_d PARTITION OF shop_order DEFAULT']
/** What one refers to, and who refers to it. */
const related = [
  ...parts,
  'ALTER TABLE shop_order ADD FOREIGN KEY (shop_id) REFERENCES shop_shop',
  'ALTER TABLE shop_order ADD PRIMARY KEY (id)',
  'CREATE TABLE tags (order_id bigint REFERENCES shop_order)',
]
const attach =
  'ALTER TABLE shop_order ATTACH PARTITION shop_order_2 FOR VALUES FROM (20000) TO (30000)'
const create =
  'CREATE TABLE shop_order_3 PARTITION OF shop_order FOR VALUES FROM (20000) TO (30000)'
const sqlOf = (sql: string) => `migrations.RunSQL('${sql}')`
const partitions: readonly (readonly [name: string, LockCase, waits: boolean])[] = [
  [
    'a partition is dropped',
    { ...usual, before: parts, operations: sqlOf('DROP TABLE shop_order_1') },
    true,
  ],
  [
    'a partition is dropped while another one is read',
    {
      ...usual,
      before: parts,
      holds: 'SELECT * FROM shop_order WHERE id = 5',
      operations: sqlOf('DROP TABLE shop_order_1'),
    },
    true,
  ],
  [
    'a partition is detached while another one is read',
    {
      ...usual,
      before: parts,
      holds: 'SELECT * FROM shop_order WHERE id = 5',
      operations: sqlOf('ALTER TABLE shop_order DETACH PARTITION shop_order_1'),
    },
    true,
  ],
  [
    'a partition is detached concurrently',
    {
      wait: 60,
      before: parts,
      operations: sqlOf('ALTER TABLE shop_order DETACH PARTITION shop_order_1 CONCURRENTLY'),
      concurrent: true,
    },
    false,
  ],
  [
    'a table is attached while the parent is read',
    {
      ...usual,
      before: parts,
      operations: sqlOf(attach),
    },
    false,
  ],
  [
    'a table is attached that is read itself',
    {
      ...usual,
      before: parts,
      holds: 'SELECT * FROM shop_order_2',
      operations: sqlOf(attach),
    },
    true,
  ],
  [
    'a table is attached while the default partition is read',
    {
      ...usual,
      before: withDefault,
      holds: 'SELECT * FROM shop_order_d',
      operations: sqlOf(attach),
    },
    true,
  ],
  [
    'a partition is created while the default partition is read',
    {
      ...usual,
      before: withDefault,
      holds: 'SELECT * FROM shop_order_d',
      operations: sqlOf(create),
    },
    true,
  ],
  [
    'a partition is dropped while the default partition is read',
    {
      ...usual,
      before: withDefault,
      holds: 'SELECT * FROM shop_order_d',
      operations: sqlOf('DROP TABLE shop_order_1'),
    },
    true,
  ],
  [
    'a table is attached while others write to the table that its rows refer to',
    {
      ...usual,
      before: related,
      holds: 'INSERT INTO shop_shop (name) VALUES (1)',
      operations: sqlOf(attach),
    },
    true,
  ],
  [
    'a table is attached while others write to a table that refers to its rows',
    {
      ...usual,
      before: related,
      holds: 'INSERT INTO tags VALUES (5)',
      operations: sqlOf(attach),
    },
    true,
  ],
  [
    'a table is attached while others read what it locks against writers',
    {
      ...usual,
      before: related,
      holds: 'SELECT * FROM shop_shop, tags',
      operations: sqlOf(attach),
    },
    false,
  ],
  [
    'a partition is created while others write to a table that refers to its rows',
    {
      ...usual,
      before: related,
      holds: 'INSERT INTO tags VALUES (5)',
      operations: sqlOf(create),
    },
    true,
  ],
  [
    'a partition is created',
    {
      ...usual,
      before: parts,
      operations: sqlOf(create),
    },
    true,
  ],
  [
    'ONLY the table is changed',
    { ...usual, operations: sqlOf('ALTER TABLE ONLY shop_order ADD x int') },
    true,
  ],
  [
    'a view is made anew',
    {
      ...usual,
      before: ['CREATE VIEW orders AS SELECT id FROM shop_order'],
      holds: 'SELECT * FROM orders',
      operations: sqlOf('CREATE OR REPLACE VIEW orders AS SELECT id, n FROM shop_order'),
    },
    true,
  ],
  [
    'a view is renamed',
    {
      ...usual,
      before: ['CREATE VIEW orders AS SELECT id FROM shop_order'],
      holds: 'SELECT * FROM orders',
      operations: sqlOf('ALTER VIEW orders RENAME TO all_orders'),
    },
    true,
  ],
  [
    'the tables are in another schema',
    {
      ...usual,
      options: '-c search_path=app',
      first: ['CREATE SCHEMA app'],
      operations: `${column}, ${sqlOf('ALTER TABLE app.shop_order ADD y int')}`,
    },
    true,
  ],
]
/** What a step in the same transaction sees after the lock. */
const notes =
  "migrations.RunPython(lambda apps, editor: editor.connection.cursor().execute(\"INSERT INTO notes SELECT current_setting('lock_timeout'), current_setting('statement_timeout')\"))"
const limited = {
  ...usual,
  options: '-c lock_timeout=3s -c statement_timeout=20s',
  before: ['CREATE TABLE notes (a text, b text)'],
  notes: true as const,
}

/** Each takes 2 s on a table, and adds a column to another one after that. */
const long = {
  'the build of an index': [`migrations.RunSQL('CREATE INDEX i ON one (slow(n))')`, column],
  'a rewrite': [`migrations.RunSQL('ALTER TABLE one ALTER n TYPE bigint USING slow(n)')`, column],
  'a text with an update': [
    `migrations.RunSQL('UPDATE one SET n = slow(n); ALTER TABLE shop_order ADD x int')`,
  ],
  'an index of the same table': [
    `migrations.RunSQL('CREATE INDEX i ON shop_order ((CASE WHEN id = 7 THEN slow(n) END))')`,
    column,
  ],
}
const slow = [
  "CREATE FUNCTION slow(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(2); RETURN $1; END'",
  'CREATE TABLE one (n int)',
  'INSERT INTO one VALUES (1)',
]
const words = ({ locking }: SeenOfLocks) =>
  locking.map(({ taken, over, holders }) =>
    taken === true ? 'taken' : over === true ? 'over' : holders ? 'waits' : 'ready',
  )

describe.each(places)('with Django %s and %s', (django, server) => {
  test.each(cases)(
    'the migration "%s" is applied, and no client waits',
    async (_, one, ...tables) => {
      const seen = await labs[server].lock(one, django)
      expect(seen).toMatchObject({
        code: 0,
        applied: 1,
        database: { pooled: false, pending: [{ locks: tables.map((table) => ({ table })) }] },
      })
      expect(words(seen)).toEqual(['ready', 'waits', 'taken'])
      expect(seen.locking[1]).toMatchObject({
        holders: [{ application: one.application ?? 'report', state: 'idle in transaction' }],
      })
      expect(seen.longest).toBeLessThan(0.25)
    },
  )

  test.each(partitions)('no client waits when %s', async (_, one, waits) => {
    const seen = await labs[server].lock(one, django)
    expect(seen).toMatchObject({ code: 0, applied: 1 })
    expect(words(seen)).toEqual(waits ? ['ready', 'waits', 'taken'] : ['ready'])
    expect(seen.longest).toBeLessThan(0.25)
  })

  test.each([
    ['in one transaction', `${column}, ${notes}`, undefined],
    ['without a transaction', `${column}, ${notes}`, true as const],
  ])("the user's own time limits count after a lock, %s", async (_, operations, concurrent) => {
    const seen = await labs[server].lock(
      { ...limited, operations, ...(concurrent && { concurrent }) },
      django,
    )
    expect(seen).toMatchObject({
      code: 0,
      applied: 1,
      notes: [['3s', '20s']],
      limits: ['3s', '20s'],
    })
    expect(words(seen)).toEqual(['ready', 'waits', 'taken'])
    expect(seen.longest).toBeLessThan(0.25)
  })

  test.each(Object.entries(long))(
    'while %s takes long, the readers of a table that is changed after it do not wait',
    async (name, operations) => {
      const reads = name === 'an index of the same table'
      const one = { wait: 60, before: slow, operations: operations.join(', '), reads }
      const seen = await labs[server].lock(one, django)
      expect(seen).toMatchObject({ code: 0, applied: 1 })
      expect(seen.longest).toBeLessThan(0.25)
    },
  )

  test.each(['TABLE shop_order', 'INDEX shop_order_pkey'])(
    'REINDEX (CONCURRENTLY) %s is in no transaction',
    async (what) => {
      const operations = `migrations.RunSQL('REINDEX (CONCURRENTLY) ${what}')`
      const seen = await labs[server].lock({ wait: 60, operations, concurrent: true }, django)
      expect(seen).toMatchObject({ code: 0, applied: 1 })
    },
  )

  test('a table that is not free in time is not changed', async () => {
    const { frees: _, ...stays } = { ...usual, operations: column, wait: 2 }
    const seen = await labs[server].lock(stays, django)
    expect(seen).toMatchObject({ code: 1, applied: 0 })
    expect(words(seen)).toEqual(['ready', 'waits', 'over'])
    expect(seen.output).toContain('CommandError: shop_order was in use for 2 s')
    expect(seen.longest).toBeLessThan(0.25)
  })

  test('the wait is short after a step that has written rows', async () => {
    const write =
      "migrations.RunPython(lambda apps, editor: apps.get_model('shop', 'Order').objects.filter(id=7).update(n=2))"
    const { frees: _, ...stays } = { ...usual, operations: `${write}, ${column}` }
    const seen = await labs[server].lock(stays, django)
    expect(seen).toMatchObject({ code: 1, applied: 0 })
    expect(seen.locking.at(-1)).toMatchObject({ over: true, closed: true })
  })

  test.each([
    ['', 1, ['shop_order']],
    ["migrations.RunSQL('SET CONSTRAINTS ALL IMMEDIATE'), ", 0, []],
  ] as const)(
    'rows with unchecked foreign keys stop a change of their table, as the plan has said; %s',
    async (between, code, queued) => {
      const write =
        "migrations.RunPython(lambda apps, editor: apps.get_model('shop', 'Order').objects.create(n=1, shop=apps.get_model('shop', 'Shop').objects.create()))"
      const seen = await labs[server].lock(
        { operations: `${write}, ${between}${column}`, wait: 60 },
        django,
      )
      expect(seen).toMatchObject({
        code,
        applied: 1 - code,
        database: { pending: [{ held: { queued } }] },
      })
      if (code !== 0)
        expect(seen.output).toContain(
          'cannot ALTER TABLE "shop_order" because it has pending trigger events',
        )
    },
  )

  test('an index that was left invalid is built again', async () => {
    const seen = await labs[server].lock(
      {
        wait: 60,
        concurrent: true,
        // As VACUUM does: no build of an index.
        holds: 'LOCK TABLE shop_order IN SHARE UPDATE EXCLUSIVE MODE',
        frees: 'waited',
        before: [
          'CREATE INDEX shop_order_n ON shop_order (n)',
          'CREATE INDEX shop_order_n_ccnew ON shop_order (n)',
          "UPDATE pg_index SET indisvalid = false WHERE indexrelid::regclass::text LIKE 'shop_order_n%'",
        ],
        operations:
          "AddIndexConcurrently('order', models.Index(fields=['n'], name='shop_order_n'))",
      },
      django,
    )
    expect(seen).toMatchObject({ code: 0, applied: 1 })
    expect(seen.indexes).toEqual(
      expect.arrayContaining([
        ['shop_order_n', true],
        ['shop_order_n_ccnew', false],
      ]),
    )
    expect(seen.locking.slice(1)).toMatchObject([
      { note: expect.stringContaining('dropped the invalid index public.shop_order_n,') },
      { note: expect.stringContaining('the index public.shop_order_n_ccnew is invalid') },
    ])
  })
})

test.each(['postgres', 'pooler'])(
  'a migration waits for a transaction of 20 s, by %s',
  async (host) => {
    const seen = await labs['postgres:17'].lock(
      { ...usual, operations: column, frees: 20 },
      '6.0',
      host,
    )
    expect(seen).toMatchObject({
      code: 0,
      applied: 1,
      database: { pooled: host === 'pooler' },
      // What the migration sets is not left to others.
      limits: ['0', '0'],
    })
    expect(seen.locking.at(-1)).toMatchObject({ taken: true })
    expect(seen.locking.at(-1)?.['waited']).toBeGreaterThan(20)
    expect(seen.longest).toBeLessThan(0.25)
  },
)

test('without the guard, clients wait as long as the migration does', async () => {
  const seen = await labs['postgres:17'].lock(
    { ...usual, operations: column, wait: null, frees: 5 },
    '6.0',
  )
  expect(seen).toMatchObject({ code: 0, applied: 1, locking: [] })
  expect(seen.longest).toBeGreaterThan(0.5)
})
