/** The reversal of migrations: how little of them, and what is done about it. */
import { expect, test } from '@jest/globals'
import { answersTo } from '../support/inspector.js'

const leastProgram = `from rollout_inspector.reverse import least
def answer(given):
    order, parents, needed = given
    return least(order, parents, lambda keys: set(needed) <= set(keys))`

/** Migrations by what each depends on, what has to be reversed, and what is. */
const parts: readonly [
  string,
  Readonly<Record<string, readonly string[]>>,
  readonly string[],
  readonly string[] | null,
][] = [
  ['nothing has to be', { a: [] }, [], []],
  ['only the last one', { a: [], b: ['a'], c: ['b'] }, ['c'], ['c']],
  ['with all that depends on it', { a: [], b: ['a'], c: ['b'] }, ['b'], ['b', 'c']],
  [
    'what others have added beside it stays',
    { a: [], x: [], b: ['a'], y: ['x'] },
    ['a'],
    ['a', 'b'],
  ],
  ['across apps', { a: [], x: ['a'], y: [] }, ['a'], ['a', 'x']],
  ['one that is not among them', { a: [], b: ['a'] }, ['z'], null],
  ['a parent that is not among them', { b: ['a'] }, ['b'], ['b']],
]
const leastOf = answersTo(
  leastProgram,
  parts.map(([, parents, needed]) => [Object.keys(parents), parents, needed]),
)

test.each(parts)('the least is reversed: %s', (_, parents, needed, reversed) => {
  expect(leastOf([Object.keys(parents), parents, needed])).toEqual(reversed)
})

const concludedProgram = `from rollout_inspector.reverse import concluded
def answer(given):
    names = ("fits", "possible", "newFits", "loses")
    databases, how, downtime = given
    return concluded([{name: name in facts for name in names} for facts in databases], how, downtime)`

/** Facts of each database: the table of section 6 of the design. */
const rows: readonly [string, readonly string[], 'tell' | 'lossless' | 'any', boolean, string][] = [
  ['it fits', ['fits'], 'any', true, 'fits'],
  ['it fits, and a reversal were possible', ['fits possible newFits'], 'any', true, 'fits'],
  ['both fit in between', ['possible newFits'], 'any', false, 'reverse'],
  ['both fit in between, lossless', ['possible newFits'], 'lossless', false, 'reverse'],
  ['nobody wants it', ['possible newFits'], 'tell', false, 'told'],
  ['both orders break somebody', ['possible'], 'any', false, 'downtime'],
  ['both orders, accepted', ['possible'], 'any', true, 'reverse'],
  ['values are lost', ['possible newFits loses'], 'lossless', true, 'loss'],
  ['values are lost, accepted', ['possible newFits loses'], 'any', false, 'reverse'],
  ['not reversible', ['newFits'], 'any', true, 'impossible'],
  ['not reversible, nobody wants it', [''], 'tell', false, 'impossible'],
  ['one of two databases fits', ['fits', 'possible newFits'], 'any', false, 'reverse'],
  ['one of two cannot be reversed', ['possible newFits', 'newFits'], 'any', true, 'impossible'],
  ['one of two loses values', ['possible newFits', 'possible loses'], 'lossless', true, 'loss'],
]
const factsOf = (databases: readonly string[]) => databases.map((facts) => facts.split(' '))
const concluded = answersTo(
  concludedProgram,
  rows.map(([, databases, how, downtime]) => [factsOf(databases), how, downtime]),
)

test.each(rows)('%s', (_, databases, how, downtime, does) => {
  expect(concluded([factsOf(databases), how, downtime])).toBe(does)
})

/** The types of a column now and after the reversal, and the condition of the rows of which something is lost. */
const cuts: readonly (readonly [string, string, string])[] = [
  ['text', 'varchar(50)', 'char_length(<column>) > 50'],
  ['varchar(80)', 'varchar(50)', 'char_length(<column>) > 50'],
  ['varchar(50)', 'text', ''],
  ['text', 'integer', '<column> IS NOT NULL'],
  ['numeric(14, 6)', 'numeric(10, 2)', '<column> <> round(<column>, 2)'],
  ['numeric(10, 2)', 'integer', '<column> <> round(<column>)'],
  ['numeric(10, 2)', 'numeric(14, 6)', ''],
  ['bigint', 'integer', ''],
  ['integer', 'bigint', ''],
  ['integer UNSIGNED', 'integer', ''],
  ['integer', 'numeric(10, 2)', ''],
  ['uuid', 'text', ''],
  ['jsonb', 'json', ''],
  ['timestamp with time zone', 'date', '<column> IS NOT NULL'],
]
const cutOf = answersTo(
  `from rollout_inspector.reverse import cut_of
def answer(types): return cut_of(*types)`,
  cuts.map(([was, then]) => [was, then]),
)

test.each(cuts)('of values that go back from %s to %s is lost: %s', (was, then, where) => {
  expect(cutOf([was, then])).toBe(where)
})
