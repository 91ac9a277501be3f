/** What a failed migration has left behind, and how it is mended: in words. */
import { expect, test } from '@jest/globals'
import { halfOf, type HalfStep } from '../../src/django/half.js'
import { withLeft } from '../../src/report/half-sentences.js'

const step: HalfStep = {
  ...{ name: 'Add field a', seen: true, isCode: false, loses: false, earlier: false },
  ...{ sql: ['DROP a;'], late: [] },
}
const second = { ...step, name: 'Create model B', sql: ['DROP b;', 'DROP c;'] }
const code = { ...step, name: 'Raw Python operation', seen: undefined, isCode: true, sql: [] }
const sql = { ...step, name: 'Raw SQL operation', seen: undefined, sql: [] }
const open = { ...step, name: 'Create constraint d', seen: false, sql: [] }
const removed = { ...step, name: 'Remove field e', loses: true, sql: ['ADD e;'] }
const cause = { code: 'migration-failed', sentence: 'it failed' } as const

const fake = 'python manage.py migrate --fake shop 0002_next'
const show = 'python manage.py sqlmigrate shop 0002_next'
const kept = 'done, and kept by the database'
const back = 'this takes it back in the database, without loss of data'

test.each<[what: string, steps: readonly HalfStep[], words: string, hint: RegExp]>([
  [
    'the first one is there: it is taken back',
    [step, open],
    `${kept}: Add field a; not done: Create constraint d`,
    new RegExp(`^The next release fails at what is there; ${back}:\nDROP a;$`),
  ],
  [
    'the last one is taken back first',
    [step, second, open],
    `${kept}: Add field a, Create model B; not done: Create constraint d`,
    /:\nDROP b;\nDROP c;\nDROP a;$/,
  ],
  [
    'it was there before this release',
    [{ ...step, earlier: true }, open],
    `${kept}: Add field a; not done: Create constraint d`,
    new RegExp(
      `; if an earlier failure has left what was there before this release, ${back}:\nDROP`,
    ),
  ],
  [
    'all is there',
    [step, code, second],
    `${kept}: Add field a, Raw Python operation, Create model B`,
    new RegExp(`it is not recorded, .* Record it:\n${fake}$`),
  ],
  [
    'all but what Django makes at the end',
    [{ ...step, late: ['fk_of_a'] }],
    `${kept}: Add field a; not done: fk_of_a`,
    /:\nDROP a;$/,
  ],
  [
    'code that has failed or not',
    [step, code, open],
    `${kept}: Add field a; not done: Create constraint d; perhaps done: Raw Python operation`,
    new RegExp(`; if Raw Python operation may run again, ${back}:\nDROP a;$`),
  ],
  [
    'what is gone cannot be taken back',
    [removed, open],
    `${kept}: Remove field e; not done: Create constraint d`,
    new RegExp(`by hand, as this shows it:\n${show}\nThen record it:\n${fake}$`),
  ],
  [
    'code that is left to do is no SQL',
    [removed, open, code],
    `${kept}: Remove field e; not done: Create constraint d, Raw Python operation`,
    new RegExp(`run by hand what it does not show \\(Raw Python operation\\):\n${show}\n`),
  ],
  [
    'SQL, which is done because what comes after it is',
    [sql, step, open],
    `${kept}: Raw SQL operation, Add field a; not done: Create constraint d`,
    new RegExp(`by hand, as this shows it:\n${show}\n`),
  ],
  [
    'SQL that nobody can see',
    [step, sql, open],
    `${kept}: Add field a; not done: Create constraint d; perhaps done: Raw SQL operation`,
    new RegExp(`before this release: shop_order. Compare them with what it does:\n${show}$`),
  ],
  [
    'a later one is there, and an earlier one is not',
    [open, step],
    'perhaps done: Create constraint d, Add field a',
    /before this release: shop_order/,
  ],
])('%s', (_, steps, words, hint) => {
  const half = { app: 'shop', name: '0002_next', steps, tables: ['shop_order'] }
  const told = withLeft(cause, [
    { database: 'default', unpredicted: [], unmet: [], earlier: {} },
    { database: 'default', unpredicted: [], unmet: [], earlier: {}, half },
  ])
  expect(told.sentence).toBe(`it failed; ${words}`)
  expect(told.hint).toMatch(hint)
})

test.each<[what: string, steps: readonly HalfStep[], tables: readonly string[]]>([
  ['nothing is there', [open], []],
  ['code, which is taken back where it fails', [code, open], ['shop_order']],
  ['SQL, and no table has changed', [sql], []],
])('nothing is told where %s', (_, steps, tables) => {
  const half = { app: 'shop', name: '0002_next', steps, tables }
  const verified = { database: 'default', unpredicted: [], unmet: [], earlier: {}, half }
  expect(withLeft(cause, [verified])).toBe(cause)
})

test('another database is named in its commands, and what else is to do stays', () => {
  const half = { app: 'shop', name: '0002_next', steps: [step], tables: [] }
  const verified = { database: 'other', unpredicted: [], unmet: [], earlier: {}, half }
  const { hint } = withLeft({ ...cause, hint: 'Look.' }, [verified])
  expect(hint).toMatch(
    /^Look\.\nAll of shop\.0002_next .*\n.* migrate --database=other --fake shop/,
  )
})

test('it is read as the pod tells it', () => {
  const told = { name: 'Add field a', code: false, seen: true, sql: ['-- a', 'DROP a;'] }
  const half = { migration: ['shop', '0002_next'], steps: [told], tables: ['shop_order'] }
  expect(halfOf(half)).toEqual({
    ...{ app: 'shop', name: '0002_next', tables: ['shop_order'] },
    steps: [step],
  })
  expect(halfOf({ ...half, steps: [{ ...told, seen: null, code: true }] })?.steps).toMatchObject([
    { seen: undefined, isCode: true },
  ])
  for (const broken of [null, { ...half, steps: [{}] }, { ...half, migration: ['shop'] }])
    expect(halfOf(broken)).toBeUndefined()
})
