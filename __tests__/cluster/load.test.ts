/** Migrations under clients that read and write all the while, in a pod: what is stopped, what is let through, and what fails. */
import { beforeAll, expect, test } from '@jest/globals'
import { casesOf } from '../migrations/load-cases.js'
import { countsOf, expectedOf, outcomeOf, playUnderLoad } from '../migrations/load.js'

// The others are in long/load.test.ts.
const cases = casesOf('5.2').filter(({ always }) => always)
let outcomes: readonly ReturnType<typeof outcomeOf>[]

beforeAll(async () => {
  const seen = await playUnderLoad(cases, { django: '5.2', engine: 'postgres:17', control: false })
  process.stdout.write(countsOf(cases, seen, 'Django 5.2, PostgreSQL 17'))
  outcomes = seen.map(outcomeOf)
})

test.each(cases.map((one, index) => ({ index, name: one.name, kind: one.kind, one })))(
  'under clients that read and write: $name ($kind)',
  ({ one, index }) => {
    expect(outcomes[index]).toEqual(expectedOf(one, false))
  },
)
