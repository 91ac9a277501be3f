/**
 * What the judge of migrations says before anything is written, what is held back of a release, and what the code of
 * each version really does.
 */
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { backCases } from '../migrations/back.js'
import { cases, type Case } from '../migrations/cases.js'
import { expected, expectedOfPlacing, Lab } from '../migrations/lab.js'
import { placedCases, type PlacedCase } from '../migrations/placed-cases.js'
import { seldom } from '../support/seldom.js'

const django = '5.2'
let lab: Lab

beforeAll(async () => {
  lab = await Lab.make([django])
})

afterAll(() => lab.remove())

test('the plan shows who else uses what is dropped, and what nobody uses', async () => {
  const before = [
    'ALTER TABLE shop_order ADD COLUMN old_note text',
    'CREATE TABLE shop_former (id int)',
    'CREATE TABLE others (id int)',
    'CREATE EXTENSION pg_stat_statements',
    'DROP ROLE IF EXISTS bi',
    'CREATE ROLE bi',
    'GRANT SELECT ON shop_order TO bi',
    'SET ROLE bi',
    'SELECT n FROM shop_order LIMIT 7',
    'RESET ROLE',
  ]
  const operations = 'migrations.RemoveField("order", "n")'
  const { database } = await lab.lock({ operations, before, reads: true, wait: 5 }, django)
  expect(database).toMatchObject({
    unused: ['shop_former', 'shop_order.old_note'],
    witnesses: [{ object: 'shop_order.n', role: 'bi', calls: 1 }],
    pending: [{ held: { seconds: 0, more: false } }],
  })
})

// Other migrations, and the longest wait of a client: __tests__/long/table-locks.test.ts.
test.each([
  ['is free in time', { frees: 1, wait: 60 }, { code: 0, applied: 1 }, 'taken'],
  ['is not free in time', { wait: 2 }, { code: 1, applied: 0 }, 'over'],
] as const)('a migration waits for a table that %s', async (_, times, ended, last) => {
  const operations = 'migrations.AddField("order", "x", models.IntegerField(null=True))'
  const holds = 'SELECT count(*) FROM shop_order'
  const seen = await lab.lock({ operations, holds, ...times }, django)
  expect(seen).toMatchObject(ended)
  expect(seen.locking.at(1)).toMatchObject({ holders: [{ application: 'report' }] })
  expect(seen.locking.at(-1)).toMatchObject({ [last]: true })
})

/** One row for each value that `of` has. */
const firstOfEach = <Row>(rows: readonly Row[], of: (row: Row) => string) =>
  rows.filter((row, at) => rows.findIndex((other) => of(other) === of(row)) === at)

const rulesOf = ({ running, coming = [], unpredicted = [] }: Case) =>
  [...running, ...coming, ...unpredicted].map((found) => found.split(' ')[0])

// The first case of each rule, and some in which nothing is found. All of them, on all versions:
// __tests__/long/judged.test.ts.
const harmless = [
  'its twin: db_default',
  'choices, help_text, default, on_delete',
  'NOT NULL made safe by SQL in the same file',
]
const played = cases.filter(
  (one, at) =>
    harmless.includes(one.name) ||
    rulesOf(one).some((rule) => !cases.slice(0, at).flatMap(rulesOf).includes(rule)),
)
test.each(played)('the judge predicts what the code really does: $name', async (one) => {
  expect(await lab.play(one, django)).toEqual(expected(one))
})

// All of them, on all versions: __tests__/long/safe-ways.test.ts.
const way = 'NULL to NOT NULL while the old code writes NULL'
test.each(cases.filter(({ name }) => name === way))(
  'no release of the safe way breaks: $name',
  async (one) => {
    expect(await lab.way(one, django)).toMatchObject({ wrong: [] })
  },
)

const back = firstOfEach(backCases, ({ expected }) => expected.does)
for (const one of backCases) {
  const play = back.includes(one) ? test : seldom
  play(`the newer version goes back: ${one.name}`, async () => {
    expect(await lab.reverse(one, django)).toEqual(one.expected)
  })
}

/** What becomes of a release: whether something is held back, by which bridges, and whether the release stops. */
const outcomeOf = ({ held, bridges = [], stops, stays, absent }: PlacedCase) =>
  JSON.stringify([
    ...[held.length > 0, stops, stays !== undefined, absent !== undefined],
    bridges.map((bridge) => bridge.split(' ')[0]),
  ])
// All of them, on all versions: __tests__/long/judged.test.ts.
test.each(firstOfEach(placedCases, outcomeOf))('what breaks a version waits for the next release: $name', async (one) => {
  expect(await lab.place(one, django)).toEqual(expectedOfPlacing(one))
})
