import { describe, expect, test } from '@jest/globals'
import { MigrationLog, migrationProgress, type Migrated } from '../../src/django/progress.js'

function migrated(lines: readonly string[]): Migrated {
  const log = new MigrationLog()
  for (const line of lines) log.read(line)
  return log.migrated
}

describe('a line of migrate', () => {
  test.each([
    ['  Applying orders.0002_note... OK', 'orders.0002_note forwards applied'],
    ['  Applying orders.0002_note... OK (0.012s)', 'orders.0002_note forwards applied'],
    ['  Applying orders.0001_initial... FAKED', 'orders.0001_initial forwards faked'],
    [
      '  Applying orders.0003_fill...Traceback (most recent call last):',
      'orders.0003_fill forwards begun',
    ],
    ['  Applying orders.0003_fill...', 'orders.0003_fill forwards begun'],
    ['  Unapplying orders.0002_note... OK', 'orders.0002_note backwards applied'],
  ])('is read: %s', (line, expected) => {
    const progress = migrationProgress(line)
    expect(progress && `${progress.migration} ${progress.direction} ${progress.is}`).toBe(expected)
  })

  test.each(['Running migrations:', '  Rendering model states... DONE', 'Applying the rules'])(
    'is ignored: %s',
    (line) => {
      expect(migrationProgress(line)).toBeUndefined()
    },
  )
})

describe('the log of a migration', () => {
  test.each([
    [
      'a failure',
      `Running migrations:
  Applying orders.0001_initial... OK
  Applying orders.0002_note... OK
  Applying orders.0003_fill...Traceback (most recent call last):
  File "/app/manage.py", line 22, in <module>`,
      { applied: ['orders.0001_initial', 'orders.0002_note'], open: 'orders.0003_fill' },
    ],
    [
      'a migration that prints',
      `  Applying orders.0003_fill...filling
 OK
  Applying sessions.0001_initial... OK`,
      { applied: ['orders.0003_fill', 'sessions.0001_initial'] },
    ],
    [
      'one whose end is lost among what it prints',
      '  Applying orders.0003_fill...filling OK\n  Applying sessions.0001_initial...',
      { applied: ['orders.0003_fill'], open: 'sessions.0001_initial' },
    ],
    ['nothing to do', '  No migrations to apply.', { applied: [] }],
  ])('is read in the case "%s"', (_name, log, expected) => {
    expect(migrated(log.split('\n'))).toEqual(expected)
  })
})

test('a migration that each of two databases gets is counted once', () => {
  const lines = [
    '  Applying sums.0001_initial... OK',
    'Running migrations:',
    '  Applying sums.0001_initial... OK',
  ]
  expect(migrated(lines)).toEqual({ applied: ['sums.0001_initial'] })
})

test('the migrations of tenants are counted once', () => {
  const lines = [
    '[standard:public]   Applying shop.0002_note... OK',
    '[1/2 (50%) standard:acme]   Applying shop.0002_note... OK',
    '[2/2 (100%) standard:globex]   Applying shop.0003_ref... OK',
  ]
  expect(migrated(lines)).toEqual({ applied: ['shop.0002_note', 'shop.0003_ref'] })
})
