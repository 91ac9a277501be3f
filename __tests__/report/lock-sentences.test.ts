/** What is said of the locks of migrations. */
import { describe, expect, test } from '@jest/globals'
import type { HeldLocks, TableLock } from '../../src/django/plan.js'
import { lockingOf, type LockHolder, type LockWait } from '../../src/django/locking.js'
import {
  lockCause,
  lockLine,
  lockWords,
  heldWarnings,
  poolerWarnings,
  queuedWarnings,
  witnessWarnings,
} from '../../src/report/lock-sentences.js'

const holder: LockHolder = {
  pid: 4711,
  user: 'ada',
  application: 'report',
  state: 'active',
  age: 12,
  query: 'SELECT ?',
  isMaintenance: false,
}
const wait: LockWait = {
  is: 'waits',
  migration: 'shop.0002_next',
  tables: ['shop_order', 'shop_shop'],
  waited: 2.04,
  isClosed: false,
  holders: [holder],
}

test.each([
  [
    wait,
    'shop.0002_next waits for shop_order, shop_shop, in use by pid 4711 (report, active for 12.0 s): SELECT ?',
  ],
  [
    { ...wait, holders: [{ pid: 1, isMaintenance: false }, { isMaintenance: false }] },
    'shop.0002_next waits for shop_order, shop_shop, in use by pid 1; a prepared transaction',
  ],
  [{ ...wait, is: 'taken' }, 'shop.0002_next: shop_order, shop_shop locked after 2.0 s'],
  [{ ...wait, is: 'over' }, 'shop.0002_next: shop_order, shop_shop were still in use after 2.0 s'],
  [{ is: 'note', migration: 'shop.0002_next', text: 'a note' }, 'shop.0002_next: a note'],
] as const)('the log line is right for %j', (locking, line) => {
  expect(lockLine(locking)).toBe(line)
})

test('the cause of a migration that was given up speaks of several tables', () => {
  const cause = { code: 'crash', sentence: '' } as const
  expect(lockCause(cause, wait, []).sentence).toMatch(
    /^shop\.0002_next: shop_order, shop_shop were in use for 2\.0 s by /,
  )
})

test('the cause of a migration that was given up names the table and its users', () => {
  const cause = { code: 'crash', sentence: 'it exited with 1', pod: 'p' } as const
  expect(lockCause(cause, { ...wait, tables: ['shop_order'] }, ['shop.0001_first'])).toEqual({
    code: 'lock-not-free',
    pod: 'p',
    sentence:
      'shop.0002_next: shop_order was in use for 2.0 s by pid 4711 (report, active for 12.0 s): SELECT ?; applied before it: shop.0001_first',
    hint: 'Release again when they have ended, or set a longer "lock-wait-migrate"',
  })
})

test.each([
  [{ state: 'idle in transaction' }, /^A client has left .* SELECT pg_terminate_backend\(4711\)/],
  [{ application: 'pg_dump' }, /^A backup \(pg_dump\) holds all tables .* "lock-wait-migrate"$/],
  [{ isMaintenance: true }, /^Maintenance such as VACUUM/],
])('the hint is right for %j', (more, hint) => {
  const cause = { code: 'crash', sentence: '' } as const
  expect(lockCause(cause, { ...wait, holders: [{ ...holder, ...more }] }, []).hint).toMatch(hint)
})

test('the hint is right for a migration that has locked another table already', () => {
  const cause = { code: 'crash', sentence: '' } as const
  expect(lockCause(cause, { ...wait, isClosed: true }, []).hint).toMatch(
    /^The migration had locked/,
  )
})

test.each([
  [{ rows: 1234567, bytes: 52 * 1024 ** 2 }, 't (SHARE, about 1,200,000 rows, 52 MB)'],
  [{ rows: -1, bytes: 0 }, 't (SHARE)'],
  [{ rows: 7, bytes: 3.5 * 1024 ** 3 }, 't (SHARE, about 7 rows, 3.5 GB)'],
  [{ rows: -1, bytes: 0, reads: 1234, writes: 0.2 }, 't (SHARE, 1,200 reads/s)'],
])('the size of a table is written in words for %j', (size, words) => {
  expect(lockWords({ table: 't', mode: 'SHARE', ...size })).toBe(words)
})

describe('a migration that keeps its tables is a warning', () => {
  const lock = { table: 't', mode: 'ACCESS EXCLUSIVE', rows: 1, bytes: 1 }
  const busy = { ...lock, reads: 120, writes: 8 }
  const rows: readonly (readonly [string, TableLock, HeldLocks | undefined, string[]])[] = [
    ['never for a moment', busy, undefined, []],
    ['not for seconds on a quiet table', lock, { seconds: 3, hasMore: false, queued: [] }, []],
    [
      'where many queries wait',
      busy,
      { seconds: 3, hasMore: false, queued: [] },
      ['shop.0002_next locks t for about 3.0 s: about 380 queries will wait'],
    ],
    [
      'for writers alone where others read on',
      { ...busy, mode: 'SHARE' },
      { seconds: 20, hasMore: true, queued: [] },
      [
        'shop.0002_next locks t for about 20.0 s and the time of its data steps: about 160 queries will wait',
      ],
    ],
    [
      'for long',
      lock,
      { seconds: 20, hasMore: false, queued: [] },
      ['shop.0002_next locks t for about 20.0 s'],
    ],
  ]
  test.each(rows)('%s', (_, one, held, warnings) => {
    const pending = [{ app: 'shop', name: '0002_next', locks: [one], ...(held && { held }) }]
    const databases = [{ database: 'default', pending }] as unknown as Parameters<
      typeof heldWarnings
    >[0]
    expect(heldWarnings(databases)).toEqual(warnings)
  })
})

test('tables whose rows have unchecked foreign keys are named', () => {
  const held = { seconds: 0, hasMore: false, queued: ['shop_order', 'shop_tag'] }
  const databases = [{ pending: [{ app: 'shop', name: '0002_next', held }] }]
  expect(queuedWarnings(databases as unknown as Parameters<typeof queuedWarnings>[0])).toEqual([
    expect.stringMatching(/^shop\.0002_next changes shop_order, shop_tag after a step/),
  ])
})

test('other roles that use what is dropped are named', () => {
  type Given = Parameters<typeof witnessWarnings>[0]
  const of = (witnesses: unknown) =>
    witnessWarnings([{ database: 'default', witnesses }] as unknown as Given)
  const one = { object: 'shop_order.note', role: 'bi', calls: 340, query: 'SELECT note' }
  expect(of([one])).toEqual([
    'shop_order.note is dropped, and the role bi has named it in 340 queries since the statistics were reset: SELECT note',
  ])
  expect(of('hidden')).toEqual([expect.stringContaining('GRANT pg_read_all_stats')])
  expect(of(undefined)).toEqual([])
})

test('a pooler is reported as a warning', () => {
  const database = { database: 'default', isPooled: true } as Parameters<
    typeof poolerWarnings
  >[0][0]
  expect(poolerWarnings([database, { ...database, isPooled: undefined as never }])).toEqual([
    expect.stringContaining('"default" through a pooler that shares sessions'),
  ])
})

test.each([
  ['{"locking": {"ready": true}}', { is: 'ready' }],
  [
    '{"locking": {"note": "a\\nb", "migration": "m", "database": "d"}}',
    { is: 'note', migration: 'm', text: 'a b' },
  ],
  [
    '{"locking": {"tables": ["t"], "waited": 1.5, "limit": 60, "closed": true, "over": true, "migration": "m", "holders": [{"id": "1 2/3", "pid": 1, "mode": "ShareUpdateExclusiveLock", "user": "u", "application": "a\\u001b[31m", "state": null, "age": null, "query": ""}]}}',
    {
      is: 'over',
      migration: 'm',
      tables: ['t'],
      waited: 1.5,
      isClosed: true,
      holders: [{ pid: 1, user: 'u', application: 'a [31m', isMaintenance: true }],
    },
  ],
  ['{"locking": {}}', undefined],
  ['{"locking": {"migration": "m"}}', undefined],
  ['{"locking"', undefined],
])('the event in %s is read', (text, locking) => {
  expect(lockingOf(text)).toEqual(locking)
})
