/** What is held back of a release's migrations, and what the code of both versions really does meanwhile. */
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { expectedOfPlacing, Lab } from '../migrations/lab.js'
import { placedCases } from '../migrations/placed-cases.js'

const django = '5.2'
let lab: Lab

beforeAll(async () => {
  lab = await Lab.make([django])
})

afterAll(() => lab.remove())

test.each(placedCases)('what breaks a version waits for the next release: $name', async (one) => {
  expect(await lab.place(one, django)).toEqual(expectedOfPlacing(one))
})
