/** The safe way that is offered for a migration, as its code is printed: played release by release. */
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { cases } from '../migrations/cases.js'
import { Lab } from '../migrations/lab.js'
import { wayCases } from '../migrations/ways-cases.js'

const djangos = ['2.2', '3.2', '4.2', '5.2', '6.0']
let lab: Lab

beforeAll(async () => {
  lab = await Lab.make(djangos)
})

afterAll(() => lab.remove())

const rows = djangos.flatMap((django) =>
  [...cases, ...wayCases]
    .filter(({ since = 0, way }) => way !== undefined && since <= Number(django))
    .map((one) => ({ django, name: one.name, one })),
)

test.each(rows)('on Django $django no release breaks: $name', async ({ django, one }) => {
  const { code, wrong, differs } = await lab.way(one, django)
  if (one.way === 'none') {
    expect(code).toEqual([])
    return
  }
  expect({ code, wrong }).toEqual({ code, wrong: [] })
  expect(Object.keys(differs).length === 0 ? 'same' : 'another').toBe(one.way)
})
