/** Which tables a statement locks, and what of a running query is shown to people. */
import { describe, expect, test } from '@jest/globals'
import { answersTo } from '../support/inspector.js'

const closed = 'ACCESS EXCLUSIVE'
const writes = 'SHARE ROW EXCLUSIVE'
const rows = 'SHARE'
const [order, shop] = ['"shop_order"', '"shop_shop"']
const table = (name: string, mode: string) => ['table', name, mode]
const all = (name: string) => table(name, closed)

// As Django 3.2 to 6.0 sends them, and as people write them.
const statements: readonly (readonly [sql: string, locked: readonly (readonly string[])[]])[] = [
  [`ALTER TABLE ${order} ADD COLUMN "x" varchar(10) DEFAULT 'a;b' NOT NULL`, [all(order)]],
  [`ALTER TABLE ${order} RENAME COLUMN "a" TO "b"`, [all(order)]],
  [`ALTER TABLE ${order} RENAME TO "sales"`, [all(order)]],
  [`ALTER TABLE ${order} ALTER COLUMN "x" SET NOT NULL`, [all(order)]],
  [
    `ALTER TABLE ${order} ADD COLUMN "q_id" bigint NULL CONSTRAINT "fk" REFERENCES ${shop}("id") DEFERRABLE INITIALLY DEFERRED; SET CONSTRAINTS "fk" IMMEDIATE`,
    [all(order), table(shop, writes)],
  ],
  [
    `ALTER TABLE ${order} ADD CONSTRAINT "fk" FOREIGN KEY ("s") REFERENCES ${shop} ("id")`,
    [table(order, writes), table(shop, writes)],
  ],
  [
    `SET CONSTRAINTS "fk" IMMEDIATE; ALTER TABLE ${order} DROP CONSTRAINT "fk"`,
    [all(order), ['constraint', order, '"fk"']],
  ],
  [
    `ALTER TABLE ${order} DROP COLUMN "shop_id" CASCADE`,
    [all(order), ['column', order, '"shop_id"']],
  ],
  [
    `ALTER TABLE ${order} ALTER COLUMN "id" TYPE bigint USING "id"::bigint`,
    [all(order), ['column', order, '"id"']],
  ],
  [`DROP TABLE ${order} CASCADE`, [all(order), ['drop', order, '']]],
  [`DROP TABLE IF EXISTS a, s.b`, [all('a'), ['drop', 'a', ''], all('s.b'), ['drop', 's.b', '']]],
  [`CREATE INDEX "i" ON ${order} ("n")`, [table(order, rows)]],
  [`CREATE UNIQUE INDEX IF NOT EXISTS i ON ONLY s.t (n) WHERE n > 5`, [['only', 's.t', rows]]],
  [`ALTER TABLE ONLY a ADD x int REFERENCES b`, [['only', 'a', closed], table('b', writes)]],
  [`create index on t (n)`, [table('t', rows)]],
  [`DROP INDEX IF EXISTS "i"`, [['index', '"i"', '']]],
  [
    `DROP INDEX i, s.j RESTRICT`,
    [
      ['index', 'i', ''],
      ['index', 's.j', ''],
    ],
  ],
  [`REINDEX INDEX i`, [['index', 'i', '']]],
  [`CREATE TABLE "n" ("id" bigint, "p" bigint REFERENCES ${shop} ("id"))`, [table(shop, writes)]],
  [
    `CREATE TABLE n PARTITION OF orders FOR VALUES IN (1)`,
    [
      ['only', 'orders', closed],
      ['part', 'orders', ''],
    ],
  ],
  [`ALTER TABLE a ATTACH PARTITION s.b FOR VALUES IN (1)`, [all('s.b'), ['part', 'a', '']]],
  [`ALTER TABLE a DETACH PARTITION b`, [all('b'), ['drop', 'b', '']]],
  [`ALTER TABLE a DETACH PARTITION b CONCURRENTLY`, []],
  [`ALTER TABLE a DETACH PARTITION b FINALIZE`, []],
  [`TRUNCATE a, b RESTART IDENTITY`, [all('a'), all('b')]],
  [`TRUNCATE a, ONLY b, only "ONLY", s.d *`, [all('a'), all('b'), all('"ONLY"'), all('s.d')]],
  [`TRUNCATE TABLE ONLY a CASCADE`, [all('a'), ['others', 'a', '']]],
  [
    `CREATE TRIGGER t AFTER INSERT OR UPDATE OF x ON ${order} FOR EACH ROW EXECUTE FUNCTION f()`,
    [table(order, writes)],
  ],
  [`DROP TRIGGER IF EXISTS t ON ${order}`, [all(order)]],
  [`ALTER TRIGGER t ON a RENAME TO u`, [all('a')]],
  [`LOCK a`, [all('a')]],
  [
    `LOCK TABLE ONLY a, s.b IN SHARE ROW EXCLUSIVE MODE NOWAIT`,
    [table('a', writes), table('s.b', writes)],
  ],
  [`LOCK TABLE a IN SHARE MODE`, [table('a', rows)]],
  [`LOCK TABLE a IN ROW EXCLUSIVE MODE`, []],
  [`DROP FUNCTION f() CASCADE`, [['unread', 'DROP FUNCTION f() CASCADE', '']]],
  [`DROP FUNCTION f()`, []],
  [
    `ALTER DOMAIN d ADD CHECK (value > 0)`,
    [['unread', 'ALTER DOMAIN d ADD CHECK (value > 0)', '']],
  ],
  [`ALTER TABLE t DISABLE TRIGGER ALL`, [table('t', writes)]],
  [`CREATE POLICY p ON t USING (true)`, [all('t')]],
  [`DROP VIEW IF EXISTS v`, [all('v')]],
  [`CREATE OR REPLACE VIEW v AS SELECT 1`, [all('v')]],
  [`REFRESH MATERIALIZED VIEW m`, [all('m')]],
  [`REINDEX TABLE t`, [all('t')]],
  [`REINDEX (VERBOSE, CONCURRENTLY FALSE) TABLE t`, [all('t')]],
  [`ALTER TABLE a ADD x int, VALIDATE CONSTRAINT c`, [all('a')]],
  [`-- ALTER TABLE b ADD x int;\n ALTER TABLE "s"."a" ADD x int /* ; */`, [all('"s"."a"')]],
  [
    `DO $$ BEGIN ALTER TABLE t ADD x int; END $$`,
    [['unread', 'DO $$ BEGIN ALTER TABLE t ADD x int; END $$', '']],
  ],
  // Reading and writing go on, and a time limit would leave an invalid index behind.
  [`CREATE INDEX CONCURRENTLY "i" ON ${order} ("n")`, []],
  [`DROP INDEX CONCURRENTLY IF EXISTS "i"`, []],
  [`REINDEX TABLE CONCURRENTLY t`, []],
  [`REINDEX (CONCURRENTLY) TABLE t`, []],
  [`reindex(verbose, concurrently)index i`, []],
  [`REFRESH MATERIALIZED VIEW CONCURRENTLY m`, []],
  [`ALTER TABLE ${order} VALIDATE CONSTRAINT "c"`, []],
  [`ALTER TABLE t ALTER COLUMN x SET STATISTICS 100`, []],
  [`ALTER TABLE t SET (fillfactor = 70)`, []],
  [`CREATE TABLE "n" ("id" bigint)`, []],
  [`INSERT INTO t VALUES ('ALTER TABLE x ADD y int')`, []],
  [`UPDATE t SET a = 1 WHERE b IN (SELECT 1)`, []],
  [`COMMENT ON TABLE t IS 'DROP TABLE x'`, []],
  [`CREATE EXTENSION IF NOT EXISTS hstore`, []],
  [`CREATE FUNCTION f() RETURNS int AS $$ ALTER TABLE x ADD y int; $$ LANGUAGE sql`, []],
]
const ofSql = answersTo(
  'from rollout_inspector.locks import of_sql as answer',
  statements.map(([sql]) => sql),
)

test.each(statements)('the locks of the statement are found: %s', (sql, locked) => {
  expect(ofSql(sql)).toEqual(locked)
})

describe('the first SQL of a migration', () => {
  const code = '-- THIS OPERATION CANNOT BE WRITTEN AS SQL'
  const last = 'ALTER TABLE last ADD x int'
  const quick = [
    `ALTER TABLE a ADD COLUMN "check" varchar(10) DEFAULT 'a(b' NOT NULL`,
    'ALTER TABLE a ADD q bigint NULL CONSTRAINT fk REFERENCES s ("id") DEFERRABLE; SET CONSTRAINTS fk IMMEDIATE',
    'ALTER TABLE a ADD x timestamptz DEFAULT (STATEMENT_TIMESTAMP()) NOT NULL',
    'ALTER TABLE a ALTER COLUMN "x" DROP DEFAULT, ALTER y DROP NOT NULL',
    'ALTER TABLE a ADD CONSTRAINT c CHECK (x > 0) NOT VALID',
    'ALTER TABLE a RENAME COLUMN "x" TO "y"',
    'CREATE TABLE n (id bigint PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY)',
    'CREATE TABLE n (id int); ALTER TABLE n ADD CONSTRAINT fk FOREIGN KEY (a) REFERENCES o (id); CREATE INDEX i ON "n" (a)',
    'DROP TABLE a CASCADE',
    'CREATE VIEW v AS SELECT 1',
    '-- of a person\nDROP INDEX i',
  ]
  const long = [
    'CREATE INDEX i ON a (x)',
    'CREATE UNIQUE INDEX i ON a (x)',
    'UPDATE a SET x = 1',
    'INSERT INTO a SELECT 1',
    'DELETE FROM a',
    'SELECT write()',
    'WITH w AS (DELETE FROM a RETURNING x) SELECT 1',
    'ALTER TABLE a ALTER COLUMN "x" TYPE bigint',
    'ALTER TABLE a ADD y int, ALTER x SET NOT NULL',
    'ALTER TABLE a ADD x int CHECK (x > 0)',
    'ALTER TABLE a ADD x uuid DEFAULT gen_random_uuid()',
    'ALTER TABLE a ADD x bigserial',
    'ALTER TABLE a ADD CONSTRAINT c CHECK (x > 0)',
    'ALTER TABLE a ADD CONSTRAINT c FOREIGN KEY (x) REFERENCES b (id)',
    'ALTER TABLE a VALIDATE CONSTRAINT c',
    'CREATE TABLE n AS SELECT 1',
    'CREATE MATERIALIZED VIEW m AS SELECT 1',
    'REFRESH MATERIALIZED VIEW m',
    'REINDEX TABLE a',
    'DO $$ x $$',
    'unknown words',
    'SET LOCAL search_path TO a',
    'SET SCHEMA x',
    'RESET ROLE',
  ]
  const all = [...quick, ...long].map((sql) => [`${sql};`, last])
  const parts = [['DROP TABLE a;', code, last], [code, 'DROP TABLE a;', code, last], []]
  const answer = answersTo('from rollout_inspector.locks import leading as answer', [
    ...all,
    ...parts,
  ])

  test.each(quick)('goes on after what works on the catalog alone: %s', (sql) => {
    expect(answer([`${sql};`, last])).toContain(last)
  })
  test.each(long)('ends with what works on rows: %s', (sql) => {
    expect(answer([`${sql};`, last])).toBe(sql.replace(/'a\(b'/, "'x'"))
  })
  test('ends before code', () => {
    expect(parts.map(answer)).toEqual(['DROP TABLE a', 'DROP TABLE a', ''])
  })
})

describe('a text is split', () => {
  const texts: readonly (readonly [sql: string, pieces: readonly string[]])[] = [
    [`UPDATE a SET x = ';';DROP TABLE b;`, [`UPDATE a SET x = ';'`, 'DROP TABLE b']],
    ['DROP TABLE a; -- ; of it', ['DROP TABLE a']],
    ['/* /* */ ; */ DROP TABLE a;', ['/* /* */ ; */ DROP TABLE a']],
    ['DROP TABLE a$b;DROP TABLE c$b', ['DROP TABLE a$b', 'DROP TABLE c$b']],
    [`DO $f$ a; $f$;DROP TABLE b`, ['DO $f$ a; $f$', 'DROP TABLE b']],
    // Here it is not certain where a statement ends, or it has to be sent as it is.
    ['DROP TABLE a; SELECT 1', []],
    ['DROP TABLE a; DELETE FROM b RETURNING x', []],
    ['DROP TABLE a; DROP INDEX CONCURRENTLY i', []],
    ['BEGIN; DROP TABLE a; COMMIT', []],
    ['CREATE RULE r AS ON UPDATE TO t DO (DELETE FROM a; DELETE FROM b)', []],
    ['CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END', []],
    ['/* /* */ ; DROP TABLE a */ ; */ DROP TABLE b', []],
    [String.raw`UPDATE a SET x = '\';DROP TABLE b;'`, []],
  ]
  const answer = answersTo(
    'from rollout_inspector.locks import pieces as answer',
    texts.map(([sql]) => sql),
  )

  test.each(texts)('where that is certain: %s', (sql, pieces) => {
    expect(answer(sql)).toEqual(pieces)
  })
})

test('an index that is built concurrently takes no lock', () => {
  const program = 'from rollout_inspector.locks import concurrent_of as answer'
  const sql = [
    `CREATE INDEX CONCURRENTLY "Shop""n" ON ${order} ("n")`,
    'create unique index concurrently if not exists Shop_n on s.t (n)',
    `CREATE INDEX "i" ON ${order} ("n")`,
  ]
  expect(sql.map(answersTo(program, sql))).toEqual([[['Shop"n', order]], [['shop_n', 's.t']], []])
})

test('a query of another session is shown without its values', () => {
  const program = 'from rollout_inspector.guard import without_values as answer'
  const queries = [
    "SELECT *\n FROM t2 WHERE mail = 'ada''s@example.org' AND id = 42",
    `SELECT 'cut off in the mid`,
  ]
  expect(queries.map(answersTo(program, queries))).toEqual([
    "SELECT * FROM t2 WHERE mail = '?' AND id = ?",
    "SELECT '?'",
  ])
})
