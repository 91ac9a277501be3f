/** The whole table of migrations under clients, on other versions of Django and on other databases; what is blocked is applied, too. */
import { beforeAll, describe, expect, test } from '@jest/globals'
import { additions, casesOf, removals } from '../migrations/load-cases.js'
import {
  costOfPlan,
  countsOf,
  expectedOf,
  expectedWithHolding,
  outcomeOf,
  playUnderLoad,
  type Engine,
  type Line,
} from '../migrations/load.js'

const runs: readonly (readonly [django: string, engine: Engine])[] = [
  ['4.2', 'postgres:17'],
  ['5.2', 'postgres:17'],
  ['5.2', 'postgres:15'],
  ['6.0', 'postgres:17'],
  ['5.2', 'mariadb'],
]

/** What holds on to rows that the new version deletes. */
const releases = ['a foreign key removed', 'a many-to-many field removed', 'DeleteModel']

/** A table takes minutes, on a slow machine many. */
const longestMs = 60 * 60_000

describe.each(runs)('Django %s with %s', (django, engine) => {
  const cases = casesOf(django, engine !== 'mariadb')
  let outcomes: readonly ReturnType<typeof outcomeOf>[]
  let seen: readonly Line[]

  beforeAll(async () => {
    seen = await playUnderLoad(cases, { django, engine, control: true })
    process.stdout.write(countsOf(cases, seen, `Django ${django}, ${engine}`))
    outcomes = seen.map(outcomeOf)
  }, longestMs)

  test.each(cases.map((one, index) => ({ index, name: one.name, kind: one.kind, one })))(
    'under clients that read and write: $name ($kind)',
    ({ one, index }) => {
      expect(outcomes[index]).toEqual(expectedOf(one, true))
    },
  )

  test('the rows of today refuse what they refused without clients', () => {
    const refused = cases.filter((one) => one.refused !== undefined)
    const findings = refused.map((one) =>
      seen.flatMap((line) => (line.name === one.name && 'findings' in line ? line.findings : [])),
    )
    expect(findings.map((all) => all.filter((each) => each.includes(' rows-refuse ')))).toEqual(
      refused.map((one) => one.refused?.map((each) => `breaks ${each}`)),
    )
  })
})

describe.each([
  ['4.2', 'postgres:17'],
  ['5.2', 'postgres:17'],
  ['6.0', 'postgres:17'],
  ['5.2', 'mariadb'],
] as const)(
  'where migrations may be held back and bridged: Django %s with %s',
  (django, engine) => {
    const releasing = casesOf(django, false).filter(({ name }) => releases.includes(name))
    const cases = engine === 'mariadb' ? [...removals, ...additions, ...releasing] : casesOf(django)
    let outcomes: readonly ReturnType<typeof outcomeOf>[]

    beforeAll(async () => {
      const seen = await playUnderLoad(cases, { django, engine, control: false, holds: true })
      process.stdout.write(countsOf(cases, seen, `Django ${django}, ${engine}, contract: next`))
      outcomes = seen.map(outcomeOf)
    }, longestMs)

    test.each(cases.map((one, index) => ({ index, name: one.name, kind: one.kind, one })))(
      'no request fails under clients that read and write: $name ($kind)',
      ({ one, index }) => {
        const outcome = outcomes[index] ?? { name: one.name, error: 'not played' }
        expect(outcome).toEqual(expectedWithHolding(one, outcome))
      },
    )
  },
)

test('a plan costs less than 0.5 s beyond the start of a project of 200 models and 300 migrations', async () => {
  const { start, five, nothing } = await costOfPlan({ django: '5.2', engine: 'postgres:17' })
  for (const one of [five, nothing]) {
    const cost = one.processor - start.processor
    process.stdout.write(
      `a plan with ${one.pending} pending migrations costs ${cost.toFixed(2)} s of a processor beyond the start (${start.processor.toFixed(2)} s)\n`,
    )
    expect(cost).toBeLessThan(0.5)
  }
  expect([five.pending, nothing.pending]).toEqual([5, 0])
})
