/** What is held back of a release's migrations, and what the code of both versions really does meanwhile. */
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { expectedOfPlacing, Lab } from '../migrations/lab.js'
import { placedCases, type PlacedCase } from '../migrations/placed-cases.js'

const django = '5.2'
let lab: Lab

beforeAll(async () => {
  lab = await Lab.make([django])
})

afterAll(() => lab.remove())

/** What becomes of a case. */
const outcomeOf = ({ held, bridges, unheld, absent, stops, stays, files, ...more }: PlacedCase) =>
  JSON.stringify([
    held.length > 0,
    bridges?.map((bridge) => bridge.split(' ')[0]),
    ...[unheld, absent, stays, files, more.oldFails].map((told) => told !== undefined),
    ...[stops, more.again],
  ])
// Two cases of each outcome; all of them: __tests__/long/judged.test.ts.
const played = placedCases.filter(
  (one, at) =>
    placedCases.slice(0, at).filter((other) => outcomeOf(other) === outcomeOf(one)).length < 2,
)
test.each(played)('what breaks a version waits for the next release: $name', async (one) => {
  expect(await lab.place(one, django)).toEqual(expectedOfPlacing(one))
})
