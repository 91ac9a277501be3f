/** What the judge of migrations says before anything is written, and what the code of each version really does. */
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { backCases } from '../migrations/back.js'
import { cases } from '../migrations/cases.js'
import { expected, Lab } from '../migrations/lab.js'

const django = '5.2'
let lab: Lab

beforeAll(async () => {
  lab = await Lab.make([django])
})

afterAll(() => lab.remove())

test.each(cases)('the judge predicts what the code really does: $name', async (one) => {
  expect(await lab.play(one, django)).toEqual(expected(one))
})

test.each(backCases)('the newer version goes back: $name', async (one) => {
  expect(await lab.reverse(one, django)).toEqual(one.expected)
})
