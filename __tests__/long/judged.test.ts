/** The judge of migrations on each Django, the oldest and the newest too. */
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { cases } from '../migrations/cases.js'
import { expected, expectedOfPlacing, Lab } from '../migrations/lab.js'
import { placedCases } from '../migrations/placed-cases.js'

const djangos = ['2.2', '3.2', '4.2', '5.2', '6.0']
let lab: Lab

beforeAll(async () => {
  lab = await Lab.make(djangos)
})

afterAll(() => lab.remove())

const rows = djangos.flatMap((django) =>
  cases
    .filter(({ since = 0 }) => since <= Number(django))
    .map((one) => ({ django, name: one.name, one })),
)

test.each(rows)(
  'on Django $django the judge predicts what the code really does: $name',
  async ({ django, one }) => {
    expect(await lab.play(one, django, true)).toEqual(expected(one, true))
  },
)

test.each(djangos)('on Django %s a plan renders each field as Django does', async (django) => {
  const { byDjango, byPlan } = await lab.render(django)
  expect(byPlan).toEqual(byDjango)
  expect(byDjango.statements.length).toBeGreaterThan(10)
})

const placed = djangos.flatMap((django) =>
  placedCases
    .filter(({ since = 0 }) => since <= Number(django))
    .map((one) => ({ django, name: one.name, one })),
)

test.each(placed)(
  'on Django $django what breaks a version waits for the next release: $name',
  async ({ django, one }) => {
    expect(await lab.place(one, django)).toEqual(expectedOfPlacing(one))
  },
)

const onSqlite = placedCases.filter(({ name }) =>
  name.startsWith('a nullable column is removed with a check'),
)
test.each(onSqlite)('so does it on SQLite, which makes no bridges: $name', async (one) => {
  expect(await lab.place(one, '4.2', 'sqlite')).toEqual(expectedOfPlacing(one))
})

/** What rows on PostgreSQL refuse alone: SQLite stores any text in any column, and knows no such SQL. */
const ofPostgres = /narrowed|shorter|cuts|collation/
const refused = cases.filter(
  ({ name, since = 0, base, coming = [] }) =>
    since <= 6 &&
    coming.some((each) => each.startsWith('rows-refuse')) &&
    !ofPostgres.test(name) &&
    !JSON.stringify(base ?? '').includes('ADD CONSTRAINT'),
)
test.each(refused)('so do the rows of SQLite refuse: $name', async (one) => {
  const { blocked, coming } = await lab.play(one, '6.0', false, 'sqlite')
  expect({ blocked, coming }).toEqual({ blocked: true, coming: one.coming })
})
const fits = cases.filter(({ name }) => name === 'narrowed under the longest value')
test.each(fits)('the rows of SQLite do not refuse: $name', async (one) => {
  const { blocked, coming, newFails } = await lab.play(one, '6.0', false, 'sqlite')
  expect({ blocked, coming, newFails }).toEqual({ blocked: false, coming: [], newFails: [] })
})
