/** The judge of migrations on the oldest and the newest Django. */
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { cases } from '../migrations/cases.js'
import { expected, Lab } from '../migrations/lab.js'

const djangos = ['3.2', '4.2', '6.0']
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
