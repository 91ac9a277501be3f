/** What the judge of migrations says before anything is written, and what the code of each version really does. */
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { backCases } from '../migrations/back.js'
import { cases, type Case } from '../migrations/cases.js'
import { expected, Lab, withTenants } from '../migrations/lab.js'
import { expectedOfTenants, tenantCases } from '../migrations/tenant-cases.js'

const django = '5.2'
const oldest = '2.2'
let lab: Lab

beforeAll(async () => {
  lab = await Lab.make([django, oldest, withTenants])
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

/** What a case is about: the first rule of each version, and whether the release stops. */
const ruleOf = ({ running, coming = [], unpredicted = [], blocked }: Case) => {
  const [of, to, after] = [running, coming, unpredicted].map(
    (found) => found.map((each) => each.split(' ')[0]).sort()[0],
  )
  return of ?? to ?? after ? JSON.stringify([of, to, after, blocked]) : undefined
}
// One case of each rule, and those without a finding, which are no two alike.
const often = cases.filter(({ seldom }) => !seldom)
const played = often.filter((one, at) => {
  const rule = ruleOf(one)
  return rule === undefined || often.findIndex((other) => ruleOf(other) === rule) === at
})
test.each(played)('the judge predicts what the code really does: $name', async (one) => {
  expect(await lab.play(one, django)).toEqual(expected(one))
})

// All of them, on all versions: __tests__/long/safe-ways.test.ts.
const ways = ['RemoveField', 'NULL to NOT NULL while the old code writes NULL']
test.each(cases.filter(({ name }) => ways.includes(name)))(
  'no release of the safe way breaks: $name',
  async (one) => {
    expect(await lab.way(one, django)).toMatchObject({ wrong: [] })
  },
)

test.each(backCases)('the newer version goes back: $name', async (one) => {
  expect(await lab.reverse(one, django)).toEqual(one.expected)
})

// All cases, on all versions: __tests__/long/judged.test.ts.
const old = cases.filter(({ since = 0 }) => since <= Number(oldest)).slice(0, 3)
test.each(old)(`so does it on Django ${oldest}: $name`, async (one) => {
  expect(await lab.play(one, oldest)).toEqual(expected(one))
})

// All of them: __tests__/long/tenants.test.ts.
test.each(tenantCases.slice(0, 2))('with a schema for each tenant: $name', async (one) => {
  expect(await lab.tenants(one)).toEqual(expectedOfTenants(one))
})
