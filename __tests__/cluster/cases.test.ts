/**
 * Inputs that ended wrong once, each played on the real cluster by its own script (`__tests__/cases/inputs`, or
 * the folder that CASES names), and judged by what its `expected` says. The other forms are played in test-long alone.
 */
import { expect, test } from '@jest/globals'
import { expectations } from '../cases/expectations.js'
import { firstForms, found, otherForms } from '../cases/plays.js'
import { seldom } from '../support/seldom.js'

for (const { title, judged } of firstForms) test.concurrent(title, judged)
for (const { title, judged } of otherForms) seldom.concurrent(title, judged)

test('each case has an expectation, and each expectation has a case', () => {
  const known = Object.keys(expectations)
  const without = found
    .filter((name) => !known.includes(name))
    .map((name) => `${name}: say in __tests__/cases/expectations.ts what it has to end as`)
  expect(without).toEqual([])
  expect(known.filter((name) => !found.includes(name))).toEqual([])
})
