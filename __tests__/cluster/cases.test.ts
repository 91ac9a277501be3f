/**
 * Inputs that ended wrong once, each played on the real cluster by its own script (`__tests__/cases/inputs`, or
 * the folder that CASES names), and judged by what its `expected` says. test-long plays their other forms.
 */
import { expect, test } from '@jest/globals'
import { expectations } from '../cases/expectations.js'
import { firstForms, found } from '../cases/plays.js'

for (const { title, judged } of firstForms) test.concurrent(title, judged)

test('each case has an expectation, and each expectation has a case', () => {
  const known = Object.keys(expectations)
  const without = found
    .filter((name) => !known.includes(name))
    .map((name) => `${name}: say in __tests__/cases/expectations.ts what it has to end as`)
  expect(without).toEqual([])
  expect(known.filter((name) => !found.includes(name))).toEqual([])
})
