/** What a reversal would do, in words. */
import { expect, test } from '@jest/globals'
import { reversalOf } from '../../src/django/reversal.js'
import {
  impossibleWords,
  isBetween,
  lossOf,
  reversalWords,
} from '../../src/report/reversal-sentences.js'

const database = {
  database: 'default',
  misfits: [],
  migrations: ['shop.0003_b', 'shop.0002_a'],
  irreversible: [],
  newFits: true,
  drops: [],
  code: [],
}
const reversal = (part: object = {}) => {
  const read = reversalOf({ do: 'told', databases: [{ ...database, ...part }] })
  if (!read) throw new Error('it cannot be read')
  return read
}

test.each<[string, object, string | undefined]>([
  ['nothing', {}, undefined],
  ['an empty column', { drops: [{ object: 'shop_order.x', rows: 0 }] }, undefined],
  [
    'one row',
    { drops: [{ object: 'shop_order.x', rows: 1 }] },
    'drops shop_order.x (1 row has a value)',
  ],
  [
    'a table, and a column that nobody could count',
    {
      drops: [
        { object: 'shop_note', rows: 10_001 },
        { object: 'shop_order.x', rows: null },
      ],
    },
    'drops shop_note (more than 10000 rows have a value), shop_order.x (how many rows have a value is not known)',
  ],
  [
    'values that a shorter type cuts, and a column',
    {
      drops: [
        { object: 'shop_order.x', rows: 2 },
        { object: 'shop_order.note', rows: 1, cut: true },
      ],
    },
    'drops shop_order.x (2 rows have a value), and shortens values of shop_order.note (1 row changes)',
  ],
  ['code', { code: ['shop.0003_b'] }, 'runs code that may change rows: shop.0003_b'],
])('the loss of %s', (_, part, words) => {
  expect(lossOf(reversal(part))).toBe(words)
})

test('what is reversed, and why something cannot be', () => {
  expect(reversalWords(reversal())).toBe('reversing shop.0003_b, shop.0002_a drops no stored value')
  const irreversible = [{ migration: 'shop.0003_b', operations: ['RunPython', 'RunPython'] }]
  expect(impossibleWords(reversal({ irreversible, why: 'x' }))).toBe(
    'shop.0003_b cannot be reversed (RunPython without a reverse)',
  )
  expect(impossibleWords(reversal({ why: 'which migrations to reverse is not known' }))).toBe(
    'which migrations to reverse is not known',
  )
  expect([isBetween(reversal()), isBetween(reversal({ newFits: false }))]).toEqual([true, false])
})

test.each<[string, unknown]>([
  ['nothing', null],
  ['another verdict', { do: 'rm', databases: [] }],
  ['a database without its migrations', { do: 'told', databases: [{ database: 'default' }] }],
])('%s is no reversal', (_, json) => {
  expect(reversalOf(json)).toBeUndefined()
})

test('what these migrations have not broken is read by rule and object', () => {
  const excused = [
    ['column-gone', 'shop_order', 'note'],
    ['table-gone', 'shop_order', ''],
  ]
  const read = reversalOf({ do: 'fits', databases: [{ ...database, excused }] })
  expect(read?.databases[0]?.excused).toEqual([
    'column-gone shop_order.note',
    'table-gone shop_order',
  ])
})
