import { expect, test } from '@jest/globals'
import type { BackupReason } from '../../src/django/plan.js'
import { backupReasons } from '../../src/report/backup-sentences.js'

test.each<[BackupReason['why'], string, string]>([
  ['irreversible', '', 'shop.0002_x cannot be reversed'],
  ['drops', 'shop_order.note', 'shop.0002_x drops shop_order.note'],
  ['narrows', 'shop_order.ref', 'shop.0002_x shortens or converts shop_order.ref'],
  ['unread', 'DO $$', 'what shop.0002_x drops is not known: DO $$'],
])('a backup because of %s is explained', (why, object, words) => {
  expect(backupReasons([{ migration: 'shop.0002_x', why, object }])).toEqual([words])
})

test('a backup without a reason of the migrations has been asked for', () => {
  expect(backupReasons([])).toEqual(['"backup: always"'])
})
