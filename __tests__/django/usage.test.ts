/** How long a migration keeps what it locks, and which statements name what it drops. */
import { describe, expect, test } from '@jest/globals'
import { answersTo } from '../support/inspector.js'

const order = '"shop_order"'
const code = '-- RAW PYTHON: THIS OPERATION CANNOT BE WRITTEN AS SQL'

describe('what comes after the first lock counts:', () => {
  const rows: readonly (readonly [
    string,
    readonly string[],
    { readonly steps: readonly string[]; readonly more?: true },
  ])[] = [
    ['a column', [`ALTER TABLE ${order} ADD COLUMN "a" text NULL`], { steps: [] }],
    [
      'a column with a constant',
      [`ALTER TABLE ${order} ADD COLUMN "a" text DEFAULT 'f()' NOT NULL`],
      { steps: [] },
    ],
    [
      'a column with the time',
      [`ALTER TABLE ${order} ADD COLUMN "a" timestamptz DEFAULT now() NOT NULL`],
      { steps: [] },
    ],
    [
      'a column with a value for each row',
      [`ALTER TABLE ${order} ADD COLUMN "a" uuid DEFAULT gen_random_uuid() NOT NULL`],
      { steps: ['rewrite'] },
    ],
    [
      'a column with an index',
      [`ALTER TABLE ${order} ADD COLUMN "a" int NULL UNIQUE`, `CREATE INDEX "i" ON ${order} ("a")`],
      { steps: ['index', 'index'] },
    ],
    [
      'an index beside which others go on',
      [`CREATE INDEX CONCURRENTLY "i" ON ${order} ("a")`],
      { steps: [] },
    ],
    ['longer text', [`ALTER TABLE ${order} ALTER COLUMN "a" TYPE varchar(90)`], { steps: [] }],
    ['another type', [`ALTER TABLE ${order} ALTER COLUMN "a" TYPE bigint`], { steps: ['rewrite'] }],
    ['NOT NULL', [`ALTER TABLE ${order} ALTER COLUMN "a" SET NOT NULL`], { steps: ['scan'] }],
    [
      'constraints',
      [
        `ALTER TABLE ${order} ADD CONSTRAINT "c" CHECK ("a" > 0), ADD CONSTRAINT "u" UNIQUE ("a")`,
        `ALTER TABLE ${order} ADD CONSTRAINT "f" FOREIGN KEY ("s") REFERENCES "shop_shop" ("id")`,
      ],
      { steps: ['scan', 'index', 'scan'] },
    ],
    [
      'constraints that are checked later',
      [`ALTER TABLE ${order} ADD CONSTRAINT "c" CHECK ("a" > 0) NOT VALID`],
      { steps: [] },
    ],
    [
      'a new table',
      [`CREATE TABLE ${order} ("id" int)`, `CREATE INDEX "i" ON ${order} ("id")`],
      { steps: [] },
    ],
    [
      'code after a lock',
      [`ALTER TABLE ${order} ADD COLUMN "a" text NULL`, code],
      { steps: [], more: true },
    ],
    ['code before a lock', [code, `ALTER TABLE ${order} ADD COLUMN "a" text NULL`], { steps: [] }],
    [
      'rows after a lock',
      [`ALTER TABLE ${order} ADD COLUMN "a" text NULL; UPDATE ${order} SET a = 'x'`],
      { steps: [], more: true },
    ],
    ['rows alone', [`UPDATE ${order} SET a = 'x'`], { steps: [] }],
  ]
  const read = answersTo(
    `from rollout_inspector.cost import steps_of
def answer(statements): return steps_of(statements)`,
    rows.map(([, statements]) => statements),
  )
  test.each(rows)('%s', (_, statements, { steps, more = false }) => {
    expect(read(statements)).toEqual([steps.map((work) => [order, work]), more])
  })
})

describe('PostgreSQL may refuse a change of a table, as foreign keys of its rows are unchecked:', () => {
  const change = `ALTER TABLE ${order} ADD COLUMN "a" text NULL`
  const rows: readonly (readonly [string, readonly string[], readonly string[]])[] = [
    ['after code', [code, change], [order]],
    ['an index after code', [code, `CREATE INDEX "i" ON ${order} ("a")`], [order]],
    ['before code', [change, code], []],
    ['after new rows', [`INSERT INTO ${order} (a) SELECT 'x'; ${change}`], [order]],
    ['after rows that go', [`DELETE FROM ${order}`, change], [order]],
    ['after other values', [`UPDATE ${order} SET a = 'x'`, change], []],
    ['after they are checked', [code, 'SET CONSTRAINTS ALL IMMEDIATE', change], []],
    ['after they are checked from then on', ['SET CONSTRAINTS ALL IMMEDIATE', code, change], []],
    ['a new table after code', [code, `CREATE TABLE "n" ("o" int REFERENCES ${order})`], []],
  ]
  const read = answersTo(
    `from rollout_inspector.cost import queued_of
def answer(statements): return sorted(queued_of(statements))`,
    rows.map(([, statements]) => statements),
  )
  test.each(rows)('%s', (_, statements, tables) => {
    expect(read(statements)).toEqual(tables)
  })
})

test('the time is that of the whole transaction, or of the longest statement', () => {
  const steps = [
    ['a', 'rewrite'],
    ['b', 'scan'],
    ['new', 'scan'],
  ]
  const read = answersTo(
    `from rollout_inspector.cost import seconds_of
def answer(given): return seconds_of(*given)`,
    [
      [steps, { a: 60e6, b: 200e6 }, true],
      [steps, { a: 60e6, b: 200e6 }, false],
      [[], {}, false],
    ],
  )
  expect(read([steps, { a: 60e6, b: 200e6 }, true])).toBe(3)
  expect(read([steps, { a: 60e6, b: 200e6 }, false])).toBe(2)
  expect(read([[], {}, false])).toBe(0)
})

describe('a statement of another role is a witness:', () => {
  const dropped = [
    ['shop_order', 'note'],
    ['shop_tag', ''],
  ]
  const rows: readonly (readonly [string, unknown, unknown])[] = [
    [
      'it names the table and the column',
      ['bi', 'SELECT  note FROM shop_order', 340],
      [{ object: 'shop_order.note', role: 'bi', calls: 340, query: 'SELECT note FROM shop_order' }],
    ],
    [
      'it takes all columns',
      ['bi', 'SELECT id, o.* FROM shop_order o', 1],
      [
        {
          object: 'shop_order.note',
          role: 'bi',
          calls: 1,
          query: 'SELECT id, o.* FROM shop_order o',
        },
      ],
    ],
    [
      'it names a table that is dropped',
      ['bi', 'DELETE FROM "shop_tag"', 1],
      [{ object: 'shop_tag', role: 'bi', calls: 1, query: 'DELETE FROM "shop_tag"' }],
    ],
    ['it counts rows', ['bi', 'SELECT count(*) FROM shop_order', 1], []],
    [
      'values that the server has not removed are not shown',
      [
        'bi',
        "COPY (SELECT note FROM shop_order WHERE mail='ann@example.com' AND id=731) TO STDOUT",
        1,
      ],
      [
        {
          object: 'shop_order.note',
          role: 'bi',
          calls: 1,
          query: "COPY (SELECT note FROM shop_order WHERE mail='?' AND id=?) TO STDOUT",
        },
      ],
    ],
    [
      'only a value is named so',
      ['bi', "COPY (SELECT id FROM shop_order WHERE a='note') TO STDOUT", 1],
      [],
    ],
    ['it names another column', ['bi', 'SELECT notes FROM shop_order', 1], []],
    ['it names the column of another table', ['bi', 'SELECT note FROM shop_orders', 1], []],
    ['its text is not shown', ['bi', '<insufficient privilege>', 1], null],
  ]
  const read = answersTo(
    `from rollout_inspector.usage import named_in
def answer(given): return named_in([given[0]], given[1])`,
    rows.map(([, statement]) => [statement, dropped]),
  )
  test.each(rows)('%s', (_, statement, told) => {
    expect(read([statement, dropped])).toEqual(told)
  })
})
