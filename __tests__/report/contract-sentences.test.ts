/** What people read of migrations that are held back. */
import { expect, test } from '@jest/globals'
import type { ContractPolicy } from '../../src/django/contract.js'
import {
  bridgeSentence,
  heldSentence,
  madeBridgeSentence,
  notAppliedWarning,
  nullWarnings,
  stillHeldWarning,
  unheldWarnings,
} from '../../src/report/contract-sentences.js'

const versions = [{ names: ['deployment/web'], tag: '4f2c1d9', source: 'kept' as const }]
const report = ['cronjob/report']
const excluded = [{ names: report, leftOut: report, tag: '1b0', source: 'kept' as const }]
const held = {
  database: 'default',
  name: 'shop.0012_no_note',
  operations: ['RemoveField'],
  object: 'shop_order.note',
  versions: [0],
}
const bridge = { database: 'default', table: 'shop_order', column: 'note' }

test.each([
  [
    held,
    'next',
    'shop.0012_no_note (RemoveField) is held back: version 4f2c1d9 (deployment/web) still needs shop_order.note as it is. The next release applies it',
  ],
  [
    { ...held, rule: 'null-refused' },
    'next',
    'shop.0012_no_note (RemoveField) is held back: version 4f2c1d9 (deployment/web) may still write NULL into shop_order.note. The next release applies it',
  ],
  [
    { ...held, rule: 'narrowed' },
    'after',
    'shop.0012_no_note (RemoveField) is held back: version 4f2c1d9 (deployment/web) may still write more into shop_order.note than fits then. It is applied when the rollout is done',
  ],
  [
    { ...held, rule: 'fk-added' },
    'manual',
    'shop.0012_no_note (RemoveField) is held back: version 4f2c1d9 (deployment/web) may still write values into shop_order.note that refer to no row. Only the command "migrate" applies it',
  ],
  [
    { ...held, object: undefined, after: 'shop.0011', versions: [] },
    'next',
    'shop.0012_no_note (RemoveField) is held back: it depends on shop.0011. The next release applies it',
  ],
  [
    { ...held, object: undefined, versions: [] },
    'manual',
    'shop.0012_no_note (RemoveField) is held back: an earlier release held it back. Only the command "migrate" applies it',
  ],
] as const)(
  'says why a migration is held back, and when it is applied (%#)',
  (one, policy, sentence) => {
    const { object, ...others } = one
    expect(
      heldSentence({ ...others, ...(object !== undefined && { object }) }, versions, policy),
    ).toBe(sentence)
  },
)

test('says what keeps a migration from being applied by any release', () => {
  expect(heldSentence(held, excluded, 'next')).toBe(
    'shop.0012_no_note (RemoveField) is held back: version 1b0 (cronjob/report) still needs shop_order.note as it is. It waits until cronjob/report, which no release updates, has another image',
  )
})

test('says what cannot stay held back, and why', () => {
  const unheld = [{ app: 'shop', name: '0012_no_note', why: 'shop.0013 depends on it' }]
  expect(unheldWarnings([{ unheld }, { unheld: [] }])).toEqual([
    'shop.0012_no_note is applied now, although it was held back: shop.0013 depends on it',
  ])
})

test('warns of rows with NULL that the running version may read', () => {
  const bridges = (['default-set', 'null-allowed'] as const).map((kind) => ({
    ...bridge,
    kind,
    migration: 'shop.0012_no_note',
  }))
  expect(nullWarnings([{ bridges }])).toEqual([
    'rows that the new version writes have NULL in shop_order.note: code of the running version that reads them may not expect it',
  ])
})

test('says what makes up for it', () => {
  expect(bridgeSentence({ ...bridge, kind: 'null-allowed' })).toBe(
    'shop_order.note: NULL is allowed until the column is dropped, because the new version does not set it',
  )
  expect(madeBridgeSentence({ ...bridge, kind: 'default-kept', isEnded: true })).toBe(
    'shop_order.note: the default that an earlier release left in the database is dropped',
  )
  expect(
    madeBridgeSentence({ ...bridge, kind: 'default-kept', isEnded: true, failed: 'busy' }),
  ).toBe('shop_order.note: its default stays in the database until the next release (busy)')
})

test.each<[string, ContractPolicy, readonly string[], string | undefined]>([
  ['nothing', 'next', [], undefined],
  ['one', 'next', ['a.1'], 'a.1: still held back; the next release of another image applies it'],
  [
    'several',
    'after',
    ['a.1', 'a.2'],
    'a.1, a.2: still held back; the next release of another image applies them',
  ],
  [
    'what no release applies',
    'manual',
    ['a.1'],
    'a.1: still held back; only the command "migrate" applies it',
  ],
])('is held back still: %s', (_, policy, held, warning) => {
  expect(stillHeldWarning(held, policy)).toBe(warning)
})

test.each([
  [[], 'what was held back was not applied, and the next release of another image does it: busy'],
  [
    ['a.1'],
    'what was held back was not all applied, and the next release of another image does the rest: busy',
  ],
])('what was held back was not applied after the rollout, but %j', (applied, warning) => {
  expect(notAppliedWarning(applied, 'busy')).toBe(warning)
})
