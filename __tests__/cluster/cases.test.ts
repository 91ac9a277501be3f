/**
 * Inputs that ended wrong once, each played on the real cluster by its own script (`__tests__/cases/inputs`, or
 * the folder that CASES names), and judged by what its `expected` says.
 */
import { expect, test } from '@jest/globals'
import { readdirSync } from 'node:fs'
import { isThoughtOf } from '../cases/checks.js'
import { expectations } from '../cases/expectations.js'
import { folder, play } from '../cases/play.js'

const found = readdirSync(folder, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name)

// The longest first: the others have their turn beside it.
const first = ['jobs-of-a-withdrawn-cronjob', 'claim-of-one-pod', 'kept-database-needs-its-config']
const plays = [...new Set([...first, ...found])]
  .filter((name) => found.includes(name))
  .flatMap((name) => Object.entries(expectations[name] ?? {}).map((form) => [name, ...form] as const))

for (const [name, form, check] of plays) {
  const title = form === '' ? name : `${name}, form ${form},`
  test.concurrent(`the case ${title} ends as expected`, async () => {
    const told = await play(name, form)
    const wrong = [...check(told), ...isThoughtOf(told)]
    // Whoever reads it has the whole story at hand.
    expect({ wrong, read: told.file }).toEqual({ wrong: [], read: told.file })
  })
}

test('each case has an expectation, and each expectation has a case', () => {
  const known = Object.keys(expectations)
  const without = found
    .filter((name) => !known.includes(name))
    .map((name) => `${name}: say in __tests__/cases/expectations.ts what it has to end as`)
  expect(without).toEqual([])
  expect(known.filter((name) => !found.includes(name))).toEqual([])
})
