/** What breaks the running versions after a migration, by its plan and by the databases. */
import { expect, test } from '@jest/globals'
import { brokenBy, type MigrationFinding, type Verified } from '../../src/django/verdict.js'
import { columnGone } from '../support/misfits.js'

const finding = (part: Partial<MigrationFinding> = {}): MigrationFinding => ({
  ...columnGone,
  direction: 'running',
  versions: [0],
  ...part,
})
const verified = (part: Partial<Verified> = {}): readonly Verified[] => [
  { database: 'default', unpredicted: [], unmet: [], earlier: {}, ...part },
]
const until = 'shop.0003_note'

test.each<[string, readonly MigrationFinding[], readonly Verified[], readonly object[]]>([
  ['what was predicted and is so', [finding()], verified(), [columnGone]],
  [
    'nothing that was predicted and is not so',
    [finding()],
    verified({ unmet: ['column-gone shop_order.note'] }),
    [],
  ],
  ['what was found only then', [], verified({ unpredicted: [finding()] }), [columnGone]],
  ['nothing that only some rows miss', [finding({ severity: 'may' })], verified(), []],
  ['nothing of the new version', [finding({ direction: 'new' })], verified(), []],
  ['nothing that a later migration has fixed', [finding({ until })], verified(), []],
  [
    'what a later migration would have fixed that was not applied',
    [finding({ until })],
    verified({ unpredicted: [finding()] }),
    [columnGone],
  ],
])('an undo takes for broken: %s', (_, findings, compared, expected) => {
  const judged = { policy: 'warn', blocked: false, versions: [], more: 0, comments: [] } as const
  expect(brokenBy({ ...judged, findings }, compared)).toEqual(expected)
})
