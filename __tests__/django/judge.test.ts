/** The judge of migrations: what does not fit between code and a database. Its rules are data that both sides read. */
import { describe, expect, test } from '@jest/globals'
import { rules } from '../../src/django/inspector.generated.js'
import { hashOf, isWhole } from '../../src/state/needs.js'
import { answersTo, inspect } from '../support/inspector.js'

interface Column {
  readonly null: boolean
  readonly filled: boolean
  readonly type: string | null
  readonly generated?: boolean
}
interface Table {
  readonly kind: 'table' | 'view' | 'unknown'
  readonly columns: Readonly<Record<string, Column>>
  readonly fks: readonly (readonly [string, string])[]
  readonly targets?: Readonly<Record<string, string | null>>
  readonly uniques: readonly (readonly string[])[]
  readonly checks: readonly string[]
  readonly arbiters: Readonly<Record<string, readonly string[]>>
}
type Tables = Readonly<Record<string, Table>>

const plain: Column = { null: false, filled: false, type: null }
const nullable: Column = { ...plain, null: true }
const filled: Column = { ...plain, filled: true }
const order: Table = {
  kind: 'table',
  columns: {
    ...{ id: filled, note: plain, ref: nullable, mark: filled, both: filled },
    shop_id: nullable,
  },
  fks: [['shop_id', 'shop_shop']],
  uniques: [],
  checks: [],
  arbiters: { a: ['id'], b: ['mark', 'ref'] },
}
const shop: Table = { ...order, columns: { id: filled }, fks: [] }
const before: Tables = { shop_order: order, shop_shop: shop }
const needs = {
  shop_order: {
    m: 'shop.Order',
    q: [['id'], ['mark', 'ref']],
    c: {
      id: { t: 'bigint', g: 1 },
      note: { t: 'varchar(50)', p: 1 },
      ref: { t: 'varchar(50)', n: 1 },
      mark: { t: 'varchar(9)', d: 1 },
      both: { t: 'varchar(9)', d: 1, p: 1 },
      shop_id: { t: 'bigint', n: 1, r: ['shop_shop', 1, 'id'] },
    },
  },
  shop_shop: { m: 'shop.Shop', c: { id: { t: 'bigint', g: 1 } } },
}

/** The order with one column as it is written; `undefined`: without it. */
function withColumn(name: string, column: Column | undefined): Tables {
  const { [name]: _, ...others } = order.columns
  const columns = column ? { ...others, [name]: column } : others
  const fks = column ? order.fks : order.fks.filter(([of]) => of !== name)
  return { ...before, shop_order: { ...order, columns, fks } }
}
const withOrder = (part: Partial<Table>): Tables => ({
  ...before,
  shop_order: { ...order, ...part },
})

/** The judge's own subtraction: only what fitted before. */
const foundProgram = `from rollout_inspector.judge import misfits, regressions, severity_of
def answer(given):
    needs, before, after, is_new = given
    old, new = [misfits(needs, one.get, needs, is_new) for one in (before, after)]
    return ["%s %s" % (severity_of(key[0], new[key], needs.get(key[1], {}), is_new), " ".join(filter(None, key)))
        for key in sorted(regressions(new, old))]`
const question = (after: Tables, direction: 'running' | 'new') => [
  needs,
  before,
  after,
  direction === 'new',
]

test('what is made of a table or column that was not there breaks nothing', () => {
  const { note: _, ...others } = order.columns
  const noNote: Tables = { ...before, shop_order: { ...order, columns: others } }
  const made = withOrder({ columns: { id: filled, note: plain }, uniques: [['note']] })
  const rows = [
    [needs, { shop_shop: shop }, made, false],
    [needs, noNote, withColumn('note', { ...plain, type: 'integer' }), false],
  ]
  const read = answersTo(foundProgram, rows)
  expect(rows.map(read)).toEqual([[], []])
})

test('needs of an earlier release do not tell to which column a foreign key refers', () => {
  const column = { ...needs.shop_order.c.shop_id, r: ['shop_shop', 1] }
  const kept = {
    ...needs,
    shop_order: { ...needs.shop_order, c: { ...needs.shop_order.c, shop_id: column } },
  }
  const rows = [[kept, before, withOrder({ targets: { shop_id: 'number' } }), false]]
  expect(rows.map(answersTo(foundProgram, rows))).toEqual([[]])
})

describe('a change that breaks a running version', () => {
  const rows: readonly [string, Tables, readonly string[]][] = [
    ['nothing changed', before, []],
    ['a new nullable column', withColumn('colour', nullable), []],
    ['a new column with a database default', withColumn('colour', filled), []],
    [
      'a new column that no INSERT sets',
      withColumn('colour', plain),
      ['breaks insert-refused shop_order colour'],
    ],
    [
      'a column that is gone',
      withColumn('note', undefined),
      ['breaks column-gone shop_order note'],
    ],
    ['a table that is gone', { shop_shop: shop }, ['breaks table-gone shop_order']],
    [
      'a column that no longer takes NULL',
      withColumn('ref', plain),
      ['may null-refused shop_order ref'],
    ],
    ['a column that takes NULL now', withColumn('note', nullable), []],
    ['a default that is gone', withColumn('mark', plain), ['breaks default-gone shop_order mark']],
    [
      'the numbers of new rows that are gone',
      withColumn('id', plain),
      ['breaks default-gone shop_order id'],
    ],
    [
      'a column that the database computes now',
      withColumn('note', { ...filled, generated: true }),
      ['breaks generated shop_order note'],
    ],
    ['one that it computed before', withColumn('id', { ...filled, generated: true }), []],
    [
      'a foreign key to another table',
      { ...withOrder({ fks: [['shop_id', 'shop_market']] }), shop_market: shop },
      ['may fk-added shop_order shop_id'],
    ],
    [
      'a foreign key to another column',
      withOrder({ targets: { shop_id: 'number' } }),
      ['may fk-added shop_order shop_id'],
    ],
    [
      'a foreign key whose column has a new name',
      {
        ...withOrder({ targets: { shop_id: 'number' } }),
        shop_shop: { ...shop, columns: { number: filled } },
      },
      ['breaks column-gone shop_shop id'],
    ],
    ['a foreign key to a column that is not known', withOrder({ targets: { shop_id: null } }), []],
    [
      'a foreign key to a table with a new name',
      {
        shop_order: { ...order, fks: [['shop_id', 'market']] },
        shop_shop: { ...shop, kind: 'view' },
        market: shop,
      },
      [],
    ],
    [
      'a table that SQL makes anew',
      { ...before, shop_order: { ...order, kind: 'unknown', columns: {} } },
      ['unknown unread shop_order'],
    ],
    ['a default that is gone where NULL is taken', withColumn('mark', nullable), []],
    ['a default that the code has, too', withColumn('both', plain), []],
    ['a default that nobody relies on', withColumn('note', filled), []],
    [
      'a shorter text',
      withColumn('note', { ...plain, type: 'varchar(5)' }),
      ['may narrowed shop_order note'],
    ],
    ['a longer text', withColumn('note', { ...plain, type: 'varchar(500)' }), []],
    [
      'a number of a text',
      withColumn('note', { ...plain, type: 'integer' }),
      ['breaks retyped shop_order note'],
    ],
    ['a new unique constraint', withOrder({ uniques: [['note']] }), ['may unique shop_order note']],
    [
      'one with a new column that allows NULL',
      withOrder({ uniques: [['colour', 'note']], columns: { ...order.columns, colour: nullable } }),
      [],
    ],
    [
      'one with a new column that has a default',
      withOrder({ uniques: [['colour', 'note']], columns: { ...order.columns, colour: filled } }),
      ['may unique shop_order colour,note'],
    ],
    [
      'a unique constraint that is gone',
      withOrder({ arbiters: { a: ['id'] } }),
      ['may unique-gone shop_order mark,ref'],
    ],
    [
      'one with more columns, and a new one over the same',
      withOrder({ arbiters: { c: ['id'], d: ['mark', 'note', 'ref'] } }),
      ['may unique-gone shop_order mark,ref'],
    ],
    [
      'a unique constraint by another name',
      withOrder({ arbiters: { c: ['mark', 'ref'], d: ['id'] } }),
      [],
    ],
    ['a new check', withOrder({ checks: ['positive'] }), ['may check shop_order positive']],
    [
      'the check of a new column, which NULL passes',
      withOrder({ columns: { ...order.columns, size: nullable }, checks: ['size'] }),
      [],
    ],
    ['the new check of a column', withOrder({ checks: ['mark'] }), ['may check shop_order mark']],
    [
      'a foreign key of a known column',
      withOrder({ fks: [...order.fks, ['note', 'shop_shop']] }),
      ['may fk-added shop_order note'],
    ],
    [
      'a new column with a foreign key',
      withOrder({
        columns: { ...order.columns, to_id: nullable },
        fks: [...order.fks, ['to_id', 'shop_shop']],
      }),
      [],
    ],
    [
      'a view that is not known yet',
      withOrder({ kind: 'view', columns: {} }),
      ['unknown view shop_order'],
    ],
    ['a view with all columns', withOrder({ kind: 'view' }), []],
    [
      'a view without a column',
      {
        ...withColumn('note', undefined),
        shop_order: { ...withColumn('note', undefined)['shop_order']!, kind: 'view' },
      },
      ['breaks column-gone shop_order note'],
    ],
    ['a table that nobody knows', { ...before, shop_note: order }, []],
  ]
  const found = answersTo(
    foundProgram,
    rows.map(([, after]) => question(after, 'running')),
  )
  test.each(rows)('is found: %s', (_, after, expected) => {
    expect(found(question(after, 'running'))).toEqual(expected)
  })

  test('is not reported when it was missing before', () => {
    const amiss = withColumn('colour', plain)
    const read = answersTo(foundProgram, [
      [needs, amiss, amiss, false],
      [needs, before, amiss, false],
    ])
    expect(read([needs, amiss, amiss, false])).toEqual([])
    expect(read([needs, before, amiss, false])).toHaveLength(1)
  })
})

test.each<[string, Tables, readonly string[]]>([
  [
    'a column that was left behind',
    withColumn('colour', plain),
    ['breaks insert-refused shop_order colour'],
  ],
  [
    'a foreign key that was left behind',
    withOrder({
      columns: { ...order.columns, to_id: nullable },
      fks: [...order.fks, ['to_id', 'shop_shop']],
    }),
    ['may delete-refused shop_order to_id'],
  ],
  ['constraints that it knows', withOrder({ uniques: [['note']], checks: ['positive'] }), []],
])('what is missing for the new version is found: %s', (_, after, expected) => {
  const asked = question(after, 'new')
  expect(answersTo(foundProgram, [asked])(asked)).toEqual(expected)
})

describe('a change of type', () => {
  const rows: readonly [string, string, string | null, boolean][] = [
    ['varchar(50)', 'varchar(50)', null, false],
    ['varchar(50)', 'varchar(51)', null, false],
    ['varchar(50)', 'varchar(49)', 'narrowed', false],
    ['varchar(50)', 'text', null, false],
    ['text', 'varchar(50)', 'narrowed', false],
    ['text', 'varchar', 'retyped', false],
    ['integer', 'bigint', null, false],
    ['bigint', 'integer', 'retyped', false],
    ['integer', 'varchar(5)', 'retyped', true],
    ['text', 'integer', 'retyped', true],
    ['numeric(10, 2)', 'numeric(12, 2)', null, false],
    ['numeric(10, 2)', 'numeric(12, 3)', null, false],
    ['numeric(10, 2)', 'numeric(10, 3)', 'narrowed', false],
    ['numeric(10, 2)', 'numeric(10, 1)', 'narrowed', false],
    ['char(32)', 'varchar(32)', null, false],
    ['char(32)', 'varchar(5)', 'narrowed', false],
    ['uuid', 'another type', 'retyped', false],
    ['', 'integer', null, false],
    ['varchar(50)', 'varchar(50)[]', 'retyped', true],
    ['varchar(50)[]', 'varchar(5)[]', 'narrowed', false],
    ['varchar(50)[]', 'text[]', null, false],
    ['integer[]', 'integer[][]', 'retyped', true],
    ['date', 'timestamp with time zone', 'retyped', false],
    ['integer', 'boolean', 'retyped', true],
    ['boolean', 'integer', 'retyped', true],
    ['bool', 'integer', 'retyped', false],
    ['text', 'jsonb', 'retyped', true],
    ['jsonb', 'text', 'retyped', false],
    ['varchar(50)', 'date', 'retyped', true],
    ['varchar(50)', 'uuid', 'retyped', true],
    ['interval', 'bigint', 'retyped', true],
    ['bytea', 'text', 'retyped', true],
    ['uuid', 'varchar(36)', 'retyped', true],
    ['integer', 'numeric(5, 2)', 'retyped', false],
  ]
  const read = answersTo(
    `from rollout_inspector.judge import of_types
def answer(types): return of_types(*types)`,
    rows.map(([from, to]) => [from, to]),
  )
  test.each(rows)('from %s to %s is judged as %s', (from, to, rule, sure) => {
    expect(read([from, to])).toEqual([rule, sure])
  })
})

test.each<[string, readonly object[], object]>([
  [
    'NULL if one of them allows it, and a default only if each that allows it has one',
    [
      { t: 'text', n: 1 },
      { t: 'text', p: 1 },
    ],
    { t: 'text', n: 1 },
  ],
  [
    'the default of the only one that allows NULL',
    [{ t: 'text', n: 1, p: 1 }, { t: 'text' }],
    { t: 'text', n: 1, p: 1 },
  ],
  [
    'the database default that one relies on',
    [
      { t: 'text', d: 1 },
      { t: 'text', p: 1 },
    ],
    { t: 'text', l: 1 },
  ],
  [
    'the numbers that the database gives',
    [
      { t: 'bigint', g: 1 },
      { t: 'bigint', g: 1 },
    ],
    { t: 'bigint', g: 1, l: 1 },
  ],
])('several models of one table need %s', (_, columns, expected) => {
  const program = `import json, sys
from rollout_inspector.needs import merged
print(json.dumps(merged(json.load(sys.stdin))))`
  const tables = columns.map((column, at) => ({ m: `m${at}`, u: at, c: { c: column } }))
  expect(inspect(program, tables)).toEqual({ m: 'm0', u: 0, c: { c: expected } })
  expect(inspect(program, [...tables].reverse())).toEqual({ m: 'm0', u: 0, c: { c: expected } })
})

test('NULL is refused for sure where rows have none and the code sets none', () => {
  const program = `import json, sys
from rollout_inspector.judge import severity_of
print(json.dumps([severity_of("null-refused", each, {}, False) for each in json.load(sys.stdin)]))`
  const cases = [
    { nulls: true, filled: false },
    { nulls: true, filled: true },
    { nulls: false, filled: false },
    { nulls: null, filled: false },
  ]
  expect(inspect(program, cases)).toEqual(['breaks', 'may', 'may', 'may'])
})

test('what breaks only versions that nothing runs stops no release', () => {
  const program = `import json, sys
from rollout_inspector import task, verdict
def severity(running):
    task.spec["running"] = running
    return verdict.unjudged("default", ValueError(), ["a migration"])["severity"]
print(json.dumps([severity(each) for each in json.load(sys.stdin)]))`
  expect(inspect(program, [[{}], [{ idle: true }], [{ idle: true }, {}]])).toEqual([
    'breaks',
    'may',
    'breaks',
  ])
})

test('on a Django of later interfaces a comparison that fails stops only what a person holds back', () => {
  const program = `import json, sys, types
from rollout_inspector import task, verdict
sys.modules["django"] = types.SimpleNamespace(VERSION=(7, 0, 0))
task.spec["running"] = [{}]
def severity(stay):
    task.spec["contract"] = {"stay": stay}
    pending = [types.SimpleNamespace(app_label="shop", name="0002_drop")]
    return verdict.unjudged("default", ValueError(), pending)["severity"]
print(json.dumps([severity(each) for each in json.load(sys.stdin)]))`
  expect(inspect(program, [[], ['shop.0001_other'], ['shop.0002_drop']])).toEqual([
    'may',
    'may',
    'breaks',
  ])
})

/** What SQL changes: `kind table column…`, as far as the reader knows. */
describe('the judge reads SQL:', () => {
  const rows: readonly [string, readonly string[]][] = [
    ['SELECT 1', []],
    ["UPDATE shop_order SET note = 'DROP TABLE x; ALTER'", []],
    ['CREATE INDEX CONCURRENTLY i ON shop_order (note)', []],
    ['-- ALTER TABLE x DROP y\nSELECT 1 /* DROP TABLE z */', []],
    ['ALTER TABLE "shop_order" DROP COLUMN IF EXISTS "note" CASCADE', ['remove shop_order note']],
    ['alter table only public.shop_order drop note', ['remove shop_order note in public']],
    [
      'ALTER TABLE `shop_order` DROP COLUMN `note`, ADD COLUMN x int NULL',
      ['remove shop_order note', 'add shop_order x null'],
    ],
    [
      'ALTER TABLE shop_order RENAME COLUMN a TO b; ALTER TABLE shop_order RENAME TO orders',
      ['rename-column shop_order a b', 'rename shop_order orders'],
    ],
    ['ALTER TABLE a RENAME b TO c', ['rename-column a b c']],
    ['RENAME TABLE a TO b', ['rename a b']],
    ['DROP TABLE IF EXISTS a, "b" CASCADE', ['delete a', 'delete b']],
    ['DROP MATERIALIZED VIEW a', ['delete a']],
    ['CREATE OR REPLACE VIEW shop_order AS SELECT 1', ['view shop_order']],
    [
      'ALTER TABLE a ALTER COLUMN b SET NOT NULL, ALTER c DROP DEFAULT',
      ['set a b null=false', 'set a c filled=false'],
    ],
    ['ALTER TABLE a ALTER b TYPE varchar(5) USING b::varchar(5)', ['set a b type=varchar(5)']],
    [
      'ALTER TABLE a ALTER COLUMN b SET DATA TYPE character varying(9)',
      ['set a b type=varchar(9)'],
    ],
    [
      'ALTER TABLE a MODIFY COLUMN b varchar(5) NOT NULL',
      ['set a b null=false filled=false type=varchar(5)'],
    ],
    [
      'ALTER TABLE a CHANGE b c int NULL',
      ['rename-column a b c', 'set a c null=true filled=false type=integer'],
    ],
    ['ALTER TABLE a ADD b numeric(10, 2) DEFAULT 0 NOT NULL', ['add a b filled']],
    ['ALTER TABLE a ADD COLUMN b bigint NOT NULL REFERENCES c (id)', ['add a b c']],
    ['ALTER TABLE a ADD COLUMN b bigserial', ['add a b null filled']],
    ['ALTER TABLE a ADD CONSTRAINT u UNIQUE (b, "c")', ['unique a b,c']],
    ['ALTER TABLE a ADD CONSTRAINT u UNIQUE USING INDEX i', ['unique a u']],
    ['CREATE UNIQUE INDEX CONCURRENTLY u ON a (b)', ['unique a b']],
    ['CREATE UNIQUE INDEX u ON a (lower(b))', ['unique a u']],
    ['ALTER TABLE a ADD CONSTRAINT k CHECK (b > 0) NOT VALID', ['check a k']],
    ['ALTER TABLE a ADD CONSTRAINT f FOREIGN KEY (b) REFERENCES c(id)', ['reference a b c']],
    ['ALTER TABLE a VALIDATE CONSTRAINT k; ALTER TABLE a OWNER TO b', []],
    ['ALTER TABLE a DROP CONSTRAINT k', ['drop-check a k']],
    ['ALTER TABLE a DROP INDEX k, DROP KEY IF EXISTS `K`', ['drop-index a k', 'drop-index a K']],
    ['DROP INDEX CONCURRENTLY IF EXISTS s.k, "K"', ['drop-index k', 'drop-index K']],
    ['DROP INDEX k ON a', ['drop-index a k']],
    ['DROP INDEX k CASCADE', ['drop-index k', 'unread']],
    ['ALTER TABLE a ALTER COLUMN b SET STATISTICS 100', []],
    ['CREATE FUNCTION f() RETURNS trigger AS $$ BEGIN DROP TABLE a; END; $$ LANGUAGE plpgsql', []],
    ['DO $do$ BEGIN DROP TABLE a; END $do$', ['unread']],
    ["DO 'BEGIN EXECUTE ''DROP TABLE a''; END'", ['unread']],
    ['CREATE FUNCTION f() RETURNS void AS $$ BEGIN DROP TABLE a; END; $$; SELECT f()', ['unread']],
    ['CREATE FUNCTION f() RETURNS int AS $$ SELECT 1; $$ LANGUAGE sql', []],
    ['CREATE TRIGGER t BEFORE INSERT ON a EXECUTE FUNCTION f()', ['unread a']],
    ['CREATE RULE r AS ON INSERT TO a DO INSTEAD NOTHING', ['unread a']],
    ['DROP TRIGGER IF EXISTS t ON a CASCADE', ['unread a']],
    ['DROP TRIGGER IF EXISTS t', ['unread']],
    ['DROP RULE r ON a', ['unread a']],
    ['CREATE POLICY p ON a AS RESTRICTIVE USING (b > 0)', ['unread a']],
    ['ALTER TABLE a DISABLE TRIGGER t', ['unread a']],
    ['ALTER TABLE a ADD CONSTRAINT f FOREIGN KEY (b, c) REFERENCES d (e, f)', ['unread a']],
    [
      'ALTER TABLE a DROP CONSTRAINT a_pkey, ADD PRIMARY KEY (b, c)',
      ['drop-check a a_pkey', 'set a b null=false', 'set a c null=false', 'unique a b,c'],
    ],
    ['ALTER TABLE a ADD PRIMARY KEY USING INDEX i', ['unread a']],
    ['ALTER TABLE a ENABLE ROW LEVEL SECURITY', ['unread a']],
    ['ALTER TABLE a ENABLE TRIGGER ALL', []],
    ['ALTER TABLE a SET SCHEMA b', ['unread']],
    ["INSERT INTO a VALUES ('C:\\'); DROP TABLE b; SELECT 'x'", ['delete b']],
    ["SELECT E'it\\'s'; DROP TABLE b", ['delete b']],
    ['DROP SCHEMA s CASCADE', ['unread']],
    ['DROP EXTENSION hstore CASCADE', ['unread']],
    ['ALTER TABLE a ATTACH PARTITION b FOR VALUES IN (1)', ['unread']],
    ['ALTER VIEW a RENAME TO b', ['unread']],
    ['ALTER TABLE "my table" DROP COLUMN a', ['remove my table a']],
    ['ALTER TABLE Shop_Order DROP COLUMN NOTE', ['remove shop_order note']],
    ['ALTER TABLE "Shop Order" DROP COLUMN "my  note"', ['remove Shop Order my  note']],
    ['ALTER TABLE "a""b" RENAME TO "C"', ['rename a"b C']],
    ['DROP TABLE other.shop_order CASCADE', ['delete shop_order in other']],
    ['ALTER TABLE "Other"."a.b" DROP c', ['remove a.b c in Other']],
    ['CREATE UNIQUE INDEX u ON a (B, "C d")', ['unique a C d,b']],
    ['/* a /* b; */ DROP TABLE c; */ DROP TABLE d', ['delete d']],
    ['DROP TABLE a /* never closed; DROP TABLE b', ['delete a']],
    ["SELECT 'never closed; DROP TABLE b", []],
    ['SELECT a$1$2; DROP TABLE b', ['delete b']],
    ['ALTER TABLE a ADD b text GENERATED ALWAYS AS (c) STORED', ['add a b null filled generated']],
    ["ALTER TABLE a ADD COLUMN b text DEFAULT 'x; y, z' NOT NULL", ['add a b filled']],
    ['CREATE TABLE IF NOT EXISTS b (id int)', ['create b']],
    ['ALTER TABLE a ALTER b SET DEFAULT NULL', ['set a b filled=false']],
    ['ALTER TABLE a ALTER b SET DEFAULT NULLIF(1, 2)', ['set a b filled=true']],
    ['ALTER TABLE a ADD b int DEFAULT 1 UNIQUE', ['unique a b', 'add a b null filled']],
    ['ALTER TABLE a ADD b int CHECK (c IS NOT NULL)', ['check a b_check', 'add a b null']],
    ["ALTER TABLE a ADD b int CHECK (c <> 'n')", ['check a b_check', 'add a b null']],
    ['ALTER TABLE a ADD b int CONSTRAINT k CHECK (b > 0)', ['check a k', 'add a b null']],
    ['ALTER TABLE a ADD b text DEFAULT lower(unique_of(1))', ['add a b null filled']],
    ['ALTER TABLE a ADD CONSTRAINT k NOT NULL b', ['set a b null=false']],
    ['ALTER TABLE a ENABLE ALWAYS TRIGGER t', ['unread a']],
    ['CREATE OR REPLACE FUNCTION f() RETURNS trigger AS $$ BEGIN RETURN NULL; END; $$', ['unread']],
    ['REVOKE INSERT ON a FROM b', ['unread']],
    ['GRANT INSERT ON a TO b', []],
    ["ALTER TYPE t RENAME VALUE 'a' TO 'b'", ['unread']],
    ["ALTER TYPE t ADD VALUE 'c'", []],
    ["SELECT 'it''s'; DROP TABLE a", ['delete a']],
    ['ALTER ROLE shop SET search_path = other', ['unread']],
    ["SELECT a #> 'b'; DROP TABLE a", ['delete a']],
  ]
  const read = answersTo(
    `from rollout_inspector.reader import changes_of
def answer(sql): return list(changes_of(sql))`,
    rows.map(([sql]) => sql),
  )
  test.each(rows)('%s', (sql, expected) => {
    expect((read(sql) as Readonly<Record<string, unknown>>[]).map(shortly)).toEqual(expected)
  })

  function shortly(change: Readonly<Record<string, unknown>>): string {
    const { kind, table, column, to, old, columns, name, parent } = change
    const states = ['null', 'filled', 'type'].flatMap((key) =>
      kind === 'set' && key in change ? [`${key}=${String(change[key])}`] : [],
    )
    const added = kind === 'add' ? ['null', 'filled', 'generated'].filter((key) => change[key]) : []
    const parts = [kind, table, column, to, old, kind === 'rename' ? change['new'] : undefined]
    const more = [Array.isArray(columns) ? columns.join(',') : undefined, name, parent]
    const schema = typeof change['schema'] === 'string' ? [`in ${change['schema']}`] : []
    const words = [...parts, ...more, ...schema].filter((word) => typeof word === 'string')
    return [...words, ...states, ...added].join(' ')
  }
})

describe('the judge reads the SQL of MySQL:', () => {
  const rows: readonly [string, readonly string[]][] = [
    ["# don't\nALTER TABLE a DROP COLUMN b", ['remove']],
    ['ALTER TABLE a /*!50000 DROP COLUMN b */, ADD c int', ['unread', 'add']],
    ['ALTER TABLE a ADD COLUMN (b int NOT NULL, c int)', ['unread']],
  ]
  const read = answersTo(
    `from rollout_inspector.reader import changes_of
def answer(sql): return [each["kind"] for each in changes_of(sql, "mysql")]`,
    rows.map(([sql]) => sql),
  )
  test.each(rows)('%s', (sql, expected) => {
    expect(read(sql)).toEqual(expected)
  })
})

/** What it asks of the rows: the text of the condition, and whether old rows are looked at. */
describe('the judge reads conditions in SQL:', () => {
  const rows: readonly [string, Readonly<Record<string, unknown>>][] = [
    [
      "ALTER TABLE a ADD CONSTRAINT k CHECK (b <> 'x)''y' AND (c > 0)) NOT VALID",
      { condition: "b <> 'x)''y' AND (c > 0)", later: true },
    ],
    [
      "SELECT 'first'; ALTER TABLE a ADD CHECK (b IN ('s', E't\\'u'))",
      { condition: "b IN ('s', E't\\'u')", later: false },
    ],
    ['ALTER TABLE a ADD CONSTRAINT k EXCLUDE USING gist (b WITH =)', { condition: null }],
    ["CREATE UNIQUE INDEX u ON a (b) WHERE c = 'd'", { condition: "c = 'd'" }],
    ['CREATE UNIQUE INDEX u ON a (b)', { condition: '' }],
    ['CREATE UNIQUE INDEX u ON a (lower(b))', { condition: null }],
    ['ALTER TABLE a ADD CONSTRAINT u UNIQUE (b)', { condition: '' }],
    ['ALTER TABLE a ADD CONSTRAINT u UNIQUE USING INDEX i', { condition: null }],
    ['ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES c("D")', { target: 'D', later: false }],
    ['ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES c NOT VALID', { target: null, later: true }],
  ]
  const read = answersTo(
    `from rollout_inspector.reader import changes_of
def answer(sql): return list(changes_of(sql))`,
    rows.map(([sql]) => sql),
  )
  test.each(rows)('%s', (sql, expected) => {
    expect(read(sql)).toEqual([expect.objectContaining(expected)])
  })

  test('what is not enforced refuses nothing', () => {
    const program = `import json
from rollout_inspector.reader import changes_of
print(json.dumps(list(changes_of("ALTER TABLE a ADD CHECK (b > 0) NOT ENFORCED"))))`
    expect(inspect(program, null)).toEqual([])
  })
})

test('SQL of what is never closed is read in time that grows with its length only', () => {
  const program = `import json, sys, time
from rollout_inspector.reader import statements_of
started = time.process_time()
for text in ("/*", "'a", '"a', "-- ", "$a$ ", "/* ' "):
    list(statements_of(text * 30000, False))
print(json.dumps(time.process_time() - started))`
  expect(inspect(program, null)).toBeLessThan(3)
})

describe('a comment that accepts a finding', () => {
  const rows: readonly [string, readonly unknown[], readonly unknown[]][] = [
    [
      '# django-rollout: allow column-gone shop_order.note: nobody reads it\n',
      [['column-gone', 'shop_order.note', 'nobody reads it', 1]],
      [],
    ],
    [
      'x = 1\noperations = [  #django-rollout: allow table-gone shop_order: gone\n]\n',
      [['table-gone', 'shop_order', 'gone', 2]],
      [],
    ],
    [
      '# django-rollout: allow column-gone: nobody\n',
      [],
      [expect.stringMatching(/^it names no object/)],
    ],
    [
      '# django-rollout: allow column-gone shop_order.note\n',
      [],
      [expect.stringMatching(/^it gives no reason/)],
    ],
    [
      '# django-rollout: allow column-gone shop_order.note:  \n',
      [],
      [expect.stringMatching(/^it gives no reason/)],
    ],
    ['# django-rollout: allow everything shop_order: why\n', [], ['there is no rule "everything"']],
    ['# django-rollout: allow unjudged default: why\n', [], ['there is no rule "unjudged"']],
    ['x = "# django-rollout: allow column-gone shop_order.note: why"\n', [], []],
    ['# allow column-gone shop_order.note: why\n', [], []],
    ['x = (\n', [], []],
  ]
  const read = answersTo(
    `import tempfile, types
from rollout_inspector import allows
def answer(text):
    with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
        file.write(text)
        file.flush()
        sys.modules["m"] = types.SimpleNamespace(__file__=file.name)
        found, wrong = allows.comments_of([types.SimpleNamespace(__module__="m")])
    accepted = [list(key) + [each["why"], each["line"]] for key, each in found.items()]
    return [accepted, [each["message"] for each in wrong]]`,
    rows.map(([text]) => text),
  )
  test.each(rows)('is read from %j', (text, accepted, wrong) => {
    expect(read(text)).toEqual([accepted, wrong])
  })
})

describe('the comparison after a migration decides whether a rollback may restore a version', () => {
  const read = (table: Table, types: Readonly<Record<string, string>>): Table => ({
    ...table,
    columns: Object.fromEntries(
      Object.entries(table.columns).map(([name, column]) => [
        name,
        { ...column, read: types[name] ?? 'as it was' },
      ]),
    ),
  })
  const tables = (all: Tables, types = {}) =>
    Object.fromEntries(Object.entries(all).map(([name, table]) => [name, read(table, types)]))
  type Row = readonly [
    name: string,
    before: Tables,
    after: Tables,
    added: readonly string[],
    gone: readonly string[],
  ]
  const dropped = withColumn('note', undefined)
  const { shop_order: _, ...noOrder } = before
  const rows: readonly Row[] = [
    ['nothing changed', before, before, [], []],
    ['a column went', before, dropped, ['breaks column-gone shop_order.note shop.0101'], []],
    ['it came back', dropped, before, [], ['column-gone shop_order.note']],
    ['it was gone before', dropped, dropped, [], []],
    [
      'a column of a new name, by no known migration',
      before,
      withColumn('colour', plain),
      ['breaks insert-refused shop_order.colour'],
      [],
    ],
    ['a table went', before, noOrder, ['breaks table-gone shop_order'], []],
    [
      'what breaks comes first',
      before,
      withOrder({ uniques: [['ref']], columns: { ...order.columns, colour: plain } }),
      ['breaks insert-refused shop_order.colour', 'may unique shop_order.ref'],
      [],
    ],
  ]
  const asked = ([, was, now]: Row) => ({
    needs,
    before: tables(was),
    after: tables(now),
    types: {},
  })
  const narrowed = {
    needs,
    before: tables(before),
    after: tables(before, { note: 'another' }),
    types: { shop_order: { note: 'varchar(5)' } },
  }
  const again = { ...narrowed, types: { shop_order: { note: 'varchar(50)' } } }
  const program = `from rollout_inspector import verdict
from rollout_inspector.catalog import Catalog
def answer(given):
    verdict.Catalog = lambda connection: Catalog(None, given["after"])
    question = {
        "alias": "default", "tables": given["before"], "types": given["types"], "needs": [], "predicted": [],
        "new": {"needs": {}, "known": []}, "earlier": {"h": given["needs"]},
        "causes": {"shop_order note": "shop.0101"},
    }
    told = verdict.verified(question, None)["earlier"]["h"]
    added = [" ".join(filter(None, [each["severity"], each["rule"], each["object"], each["migration"]])) for each in told["added"]]
    return [added, told["gone"]]`
  const answer = answersTo(program, [...rows.map(asked), narrowed, again])
  test.each(rows)('in the case "%s"', (...row) => {
    const [, , , added, gone] = row
    expect(answer(asked(row))).toEqual([added, gone])
  })

  test('and a type that changes back is forgotten', () => {
    expect(answer(narrowed)).toEqual([
      ['may narrowed shop_order.note shop.0101'],
      ['retyped shop_order.note'],
    ])
    expect(answer(again)).toEqual([[], ['narrowed shop_order.note', 'retyped shop_order.note']])
  })
})

test('the needs that one pod packs are kept, and unpacked in the next pod', () => {
  const program = `import json, sys
from rollout_inspector.needs import packed, unpacked
needs = json.load(sys.stdin)
text = packed(needs)
print(json.dumps([text, unpacked(text) == needs, unpacked("eNo="), unpacked("none"), unpacked(packed({"default": {"a": {"c": {"b": {}}}}}))]))`
  const [text, ...rest] = inspect(program, { default: needs }) as [string, ...unknown[]]
  expect(rest).toEqual([true, null, null, null])
  expect(isWhole(text, hashOf(text))).toBe(true)
  expect(isWhole(text, hashOf('other'))).toBe(false)
})

describe('the table of rules', () => {
  test.each(Object.entries(rules))('has sentences for both directions of %s', (_, rule) => {
    for (const direction of ['running', 'new'] as const) {
      const parts: readonly string[] = rule[direction]
      // What concerns no version is one sentence, made by the pod.
      expect(parts.length === 3 || parts.join() === '{detail}').toBe(true)
    }
    expect(rule.fix).not.toMatch(/[.{]$/)
    expect(['breaks', 'may', 'unknown']).toContain(rule.severity)
    expect(['safe', 'unsafe', 'unknown']).toContain(rule.undo)
  })
})

describe('SQL that may change rows is known:', () => {
  const rows: readonly [string, { readonly fills: boolean; readonly writes: boolean }][] = [
    ['UPDATE shop_order SET ref = 1', { fills: true, writes: true }],
    ['WITH a AS (SELECT 1) DELETE FROM shop_order', { fills: true, writes: true }],
    ['DELETE FROM shop_order a USING shop_order b', { fills: false, writes: true }],
    ['-- twice\n delete from shop_order', { fills: false, writes: true }],
    ['TRUNCATE shop_order', { fills: false, writes: true }],
    ['INSERT INTO shop_shop VALUES (1)', { fills: false, writes: true }],
    ['SELECT remove_equal_orders()', { fills: false, writes: true }],
    ['ALTER TABLE shop_order ADD deleted int', { fills: false, writes: false }],
    ["COMMENT ON TABLE shop_order IS ';DELETE FROM it'", { fills: false, writes: false }],
    ['', { fills: false, writes: false }],
  ]
  const read = answersTo(
    `from rollout_inspector import reader
def answer(sql): return {"fills": reader.fills_rows(sql), "writes": reader.writes_rows(sql)}`,
    rows.map(([sql]) => sql),
  )
  test.each(rows)('%s', (sql, expected) => {
    expect(read(sql)).toEqual(expected)
  })
})

describe('what was tried before and after a migration', () => {
  const row = { is_there: true, is_same: true }
  type Answers = Readonly<Record<string, readonly [string, string] | boolean>> | null
  const fits = ['fits', ''] as const
  const all = { ...row, SELECT: fits, INSERT: fits, UPDATE: fits, DELETE: fits }
  const insert = (code: string, more: object = {}): Answers => ({
    ...all,
    ...more,
    INSERT: [code, 'no'],
  })
  const rows: readonly [name: string, Answers, Answers, string | null, anew?: boolean][] = [
    ['all fits', all, all, null],
    ['a trigger raises an error', all, insert('P0001'), 'INSERT: no'],
    ['the column is gone', all, { SELECT: ['42703', 'gone'] }, 'SELECT: gone'],
    ['a view takes no rows', all, insert('55000'), 'INSERT: no'],
    ['the right is gone', all, insert('42501'), 'INSERT: no'],
    ['a setting is not there', all, insert('42704'), null],
    ['a column has no value', all, insert('23502'), 'INSERT: no'],
    ['the numbers of new rows begin again', all, insert('number taken'), 'INSERT: no'],
    ['the same row breaks a check', all, insert('23514'), 'INSERT: no'],
    ['another row breaks a check', all, insert('23514', { is_same: false }), null],
    ['the same row is too long', all, insert('22001'), 'INSERT: no'],
    ['another row refers to nothing', all, insert('23503', { is_same: false }), null],
    ['another row meets the trigger', all, insert('P0001', { is_same: false }), 'INSERT: no'],
    ['an equal row is there', all, insert('23505'), null],
    ['the row is locked', all, insert('55P03'), null],
    ['it takes long', all, insert('57014'), null],
    ['it was refused before', insert('P0001'), insert('P0001'), null],
    ['it was not known before', insert('55P03'), insert('P0001'), null],
    ['it was not tried before', { SELECT: fits }, insert('P0001'), null],
    ['it was not tried after', all, null, null],
    ['it could not be tried before', null, insert('P0001'), null],
    ['the rows are gone', all, { ...all, is_there: false }, null],
    [
      'the rows of a table made anew are gone',
      all,
      { ...all, is_there: false },
      'SELECT: its rows are gone',
      true,
    ],
    ['it had none', { ...all, is_there: false }, { ...all, is_there: false }, null, true],
  ]
  const asked = rows.map(([, before, after, , anew]) => [before, after, anew ?? false])
  const read = answersTo(
    `from rollout_inspector.trial import refusal
def answer(given): return refusal(*given)`,
    asked,
  )
  test.each(rows.map(([name, , , expected], index) => ({ name, expected, index })))(
    '$name',
    ({ expected, index }) => {
      expect(read(asked[index])).toBe(expected)
    },
  )
})

test("an INSERT has what Django's has", () => {
  const needs = [{ t: 'x' }, { p: 1, d: 1 }, { n: 1 }, { g: 1 }, { d: 1 }, { l: 1 }]
  const read = answersTo(
    `from rollout_inspector.trial import is_sent
def answer(need): return is_sent(need)`,
    needs,
  )
  expect(needs.map(read)).toEqual([true, true, true, false, false, false])
})

describe('after a step in Python, by the columns of a table', () => {
  const needs = { id: { g: 1 }, note: { t: 'text' }, at: { d: 1 } }
  const own = { id: false, note: true, at: false }
  const fits = ['fits', '']
  const rows: [string, object | null, Record<'SELECT' | 'INSERT', string[]>][] = [
    ['all are there', own, { SELECT: fits, INSERT: fits }],
    ['a nullable one is new', { ...own, extra: false }, { SELECT: fits, INSERT: fits }],
    [
      'one that each row has to give is new',
      { ...own, extra: true },
      { SELECT: fits, INSERT: ['23502', 'column "extra" is NOT NULL without a default'] },
    ],
    [
      'the default is gone that it relies on',
      { ...own, at: true },
      { SELECT: fits, INSERT: ['23502', 'column "at" is NOT NULL without a default'] },
    ],
    [
      'one that it uses is gone',
      { id: false, at: false },
      { SELECT: ['42703', 'column "note" does not exist'], INSERT: fits },
    ],
    ['the table is gone', null, { SELECT: ['42P01', 'the table does not exist'], INSERT: fits }],
  ]
  const given = rows.map(([, columns]) => [needs, columns])
  const read = answersTo(
    `from rollout_inspector.trial import by_columns
def answer(given): return by_columns(*given)`,
    given,
  )
  test.each(rows.map(([name, , expected], index) => ({ name, expected, index })))(
    '$name',
    ({ expected, index }) => {
      expect(read(given[index])).toEqual(expected)
    },
  )
})
