/** What pending migrations break, in sentences. */
import { describe, expect, test } from '@jest/globals'
import { rules } from '../../src/django/inspector.generated.js'
import type { Plan } from '../../src/django/plan.js'
import type { Judged, MigrationFinding, Rule } from '../../src/django/verdict.js'
import type { KeptMisfit } from '../../src/state/fit.js'
import type { Entry } from '../../src/state/history.js'
import {
  fitWords,
  fixOf,
  migrationSentence,
  reportedPlan,
  unfitCause,
  unsafeCause,
  verdictLines,
  untoldWarnings,
  verdictWarnings,
  verifiedWarnings,
} from '../../src/report/migration-sentences.js'
import { columnGone } from '../support/misfits.js'
import { databasePlan } from '../support/plans.js'

const versions: Judged['versions'] = [
  { names: ['deployment/web', 'deployment/worker'], tag: 'v1', source: 'kept' },
  { names: ['cronjob/report'], tag: '4f2c1d9'.padEnd(40, '0'), source: 'state' },
]
const finding: MigrationFinding = {
  ...columnGone,
  direction: 'running',
  versions: [0],
  migration: 'shop.0002_next',
}
const judged: Judged = {
  policy: 'block',
  blocked: true,
  versions,
  findings: [finding],
  more: 0,
  comments: [],
}

describe('the sentence of a finding', () => {
  test.each<[Partial<MigrationFinding>, string]>([
    [
      {},
      'shop.0002_next: the column shop_order.note is gone, but version v1 (deployment/web, deployment/worker) uses it: every query of shop.Order fails',
    ],
    [
      { until: 'shop.0003_mend' },
      'shop.0002_next: the column shop_order.note is gone until shop.0003_mend is applied, but version v1 (deployment/web, deployment/worker) uses it: every query of shop.Order fails',
    ],
    [
      { versions: [0, 1] },
      'shop.0002_next: the column shop_order.note is gone, but each of version v1 (deployment/web, deployment/worker) and version 4f2c1d900000 (cronjob/report) uses it: every query of shop.Order fails',
    ],
    [
      { rule: 'insert-refused', direction: 'new', versions: [], object: 'shop_order.old' },
      'shop.0002_next: the column shop_order.old stays NOT NULL without a database default, but the new version does not set it: every INSERT into shop_order fails',
    ],
    [
      { rule: 'unique', lately: '2 of the latest 100 rows' },
      'shop.0002_next: shop_order.note becomes unique, but version v1 (deployment/web, deployment/worker) may write equal values: the second write fails (2 of the latest 100 rows would be refused)',
    ],
    [
      { rule: 'narrowed', from: 'varchar(50)', to: 'varchar(5)' },
      'shop.0002_next: the column shop_order.note becomes smaller: varchar(5) instead of varchar(50), but version v1 (deployment/web, deployment/worker) may write larger values: such a write fails',
    ],
  ])('is right for %j', (more, sentence) => {
    expect(migrationSentence({ ...finding, ...more }, versions)).toBe(sentence)
  })

  const all = Object.keys(rules) as Rule[]
  test.each(all)('is complete in both directions for %s', (rule) => {
    for (const direction of ['running', 'new'] as const) {
      const whole = { ...finding, rule, direction, detail: 'd', parent: 'p', from: 'f', to: 't' }
      expect(migrationSentence(whole, versions)).not.toMatch(/[{}]| {2}|undefined/)
    }
  })
})

test('the findings are written as lines of the log', () => {
  const allowed = { why: 'nobody reads it', file: '/app/shop/migrations/0002_next.py', line: 3 }
  const more = { ...judged, policy: 'warn', blocked: false, more: 2 } as const
  const comments = [{ file: '/app/x.py', line: 7, message: 'there is no rule "x"' }]
  const findings = [finding, { ...finding, severity: 'may' as const }, { ...finding, allowed }]
  expect(verdictLines({ ...more, findings, comments })).toEqual([
    'what version 4f2c1d900000 (cronjob/report) needs of the database was not kept, so it is taken from the applied migrations',
    expect.stringMatching(/^unsafe: shop.0002_next: the column/),
    expect.stringMatching(/^may break: shop.0002_next: the column/),
    expect.stringMatching(/^accepted: .* \(nobody reads it\)$/),
    'and 2 more',
    'the comment in /app/x.py:7 accepts nothing: there is no rule "x"',
    'they are still applied (unsafe-migrations: warn)',
  ])
  expect(verdictWarnings({ ...more, findings: [finding, { ...finding, allowed }] })).toHaveLength(2)
  expect(verdictWarnings({ ...more, policy: 'allow', findings })).toEqual([])
  expect(verdictWarnings({ ...more, findings: [], comments: [] })).toEqual([])
})

describe('the fix', () => {
  const lately = { lately: '2 of the latest 9 rows', query: 'SELECT 1;' }
  const code = ['migrations.X(),', '# In the next release:', 'migrations.Y(),']
  const own =
    'Or put it into a separate migration, which waits for the next release (contract: next)'
  const shown = 'These rows show that it is written:\nSELECT 1;'

  test.each<[string, Partial<MigrationFinding>, string]>([
    ['is the advice alone', { rule: 'unique-gone' }, ''],
    ['has the operations', { rule: 'narrowed', code }, `:\n${code.join('\n')}`],
    ['has the rows in the way', { rule: 'rows-refuse', query: 'SELECT 1;' }, ':\nSELECT 1;'],
    ['has the rows that are written', { rule: 'unique', ...lately }, `\n${shown}`],
    [
      'has all, and the other way where it is one',
      { rule: 'null-refused', code, ...lately },
      `:\n${code.join('\n')}\n${own}\n${shown}`,
    ],
    [
      'leaves the other way out where the migration could not wait',
      { rule: 'fk-added', stays: 'the new version leaves it to the foreign key', ...lately },
      `\n${shown}`,
    ],
  ])('%s', (_, more, rest) => {
    const one = { ...finding, ...more }
    expect(fixOf(one)).toBe(`${rules[one.rule].fix}${rest}`)
  })

  test('of a new name is the old one', () => {
    expect(fixOf({ ...finding, rule: 'table-gone', by: 'rename' })).toMatch(
      /^Keep the old name in the database: db_table /,
    )
  })
})

test('the cause of a stopped release names the findings', () => {
  const code = ['migrations.X(),']
  const file = '/app/shop/migrations/0002_next.py'
  const findings = [
    { ...finding, code, file },
    { ...finding, object: 'shop_order.ref' },
    { ...finding, severity: 'may' as const },
  ]
  expect(unsafeCause({ ...judged, findings }, (path) => path.replace('/app/', ''))).toEqual({
    code: 'unsafe-migration',
    sentence: `${migrationSentence(finding, versions)} (and 1 more finding)`,
    hint: `${rules['column-gone'].fix}:
migrations.X(),
To accept it, add to the file of shop.0002_next:
# django-rollout: allow column-gone shop_order.note: <why>
${migrationSentence({ ...finding, object: 'shop_order.ref' }, versions)}
${rules['column-gone'].fix}
To accept it, add to the file of shop.0002_next:
# django-rollout: allow column-gone shop_order.ref: <why>`,
    annotations: [
      {
        file: 'shop/migrations/0002_next.py',
        line: 1,
        title: 'Unsafe migration: column-gone',
        message: `${migrationSentence(finding, versions)}\n${rules['column-gone'].fix}:\nmigrations.X(),`,
      },
    ],
  })
  const many = Array.from({ length: 6 }, (_, at) => ({ ...finding, object: `shop_order.f${at}` }))
  const { hint = '' } = unsafeCause({ ...judged, findings: many }, () => undefined)
  expect(hint).toContain('allow column-gone shop_order.f3')
  expect(hint).not.toContain('shop_order.f4')
  expect(hint.split('\n').at(-1)).toBe('2 more findings: see the report')
  const unjudged = { ...finding, rule: 'unjudged' as const, object: 'default' }
  expect(unsafeCause({ ...judged, findings: [unjudged] }, () => undefined).hint).toContain(
    'To apply it without the comparison, set "unsafe-migrations: warn"',
  )
  const refused = { ...finding, rule: 'rows-refuse' as const }
  expect(unsafeCause({ ...judged, findings: [refused] }, () => undefined).hint).not.toContain(
    'accept',
  )
})

test('the hint names who keeps a version that the migration breaks', () => {
  const names = ['cronjob/report', 'deployment/web']
  const kept = [{ names, leftOut: ['cronjob/report'], tag: '1b0', source: 'kept' as const }]
  expect(
    unsafeCause({ ...judged, versions: kept, findings: [finding] }, () => undefined).hint,
  ).toContain(
    '\nNo release updates cronjob/report, which keeps 1b0: give it another image, or delete it\n',
  )
})

test('a wrong prediction is reported', () => {
  const verified = [{ database: 'default', unpredicted: [finding], unmet: ['x'], earlier: {} }]
  expect(verifiedWarnings(verified, judged)).toEqual([
    expect.stringMatching(/^the schema is not as the plan predicted: shop.0002_next: the column/),
  ])
})

describe('the fit of a release', () => {
  const breaks: KeptMisfit = {
    ...columnGone,
    migration: 'shop.0101_drop',
    release: 14,
  }
  const { migration: _, release: __, ...plain } = breaks
  const may: KeptMisfit = { ...breaks, rule: 'narrowed', severity: 'may' }
  const entry = (fit: Entry['fit'], result: Entry['result'] = 'deployed') =>
    ({ result, ...(fit && { fit }) }) as Entry

  test.each<[string, Entry]>([
    ['', entry({ misfits: [breaks] }, 'undone')],
    ['not known', entry(undefined)],
    ['fits', entry({ misfits: [] })],
    ['fits, 2 may break', entry({ misfits: [may, may], changed: true })],
    [
      'breaks: column-gone shop_order.note (shop.0101_drop, release 14)',
      entry({ misfits: [breaks] }),
    ],
    ['breaks: column-gone shop_order.note', entry({ misfits: [plain] })],
    [
      'breaks: column-gone shop_order.note (release 14) and 1 more',
      entry({ misfits: [may, { ...plain, release: 14 }, breaks] }),
    ],
  ])('is written as %j in the table', (words, one) => {
    expect(fitWords(one)).toBe(words)
  })

  test('is the reason to refuse a rollback, with the change, its release and a way out', () => {
    expect(unfitCause('release 12 (4f2c)', [breaks, plain], ['Release 13 fits: x'])).toEqual({
      code: 'schema-unfit',
      sentence:
        'the column shop_order.note is gone since shop.0101_drop (release 14), but release 12 (4f2c) uses it: every query of shop.Order fails (and 1 more finding)',
      hint: 'nothing was changed. Add the column shop_order.note again by a migration in a new release, then roll back; or release a new version that needs no rollback\nRelease 13 fits: x',
    })
  })

  test.each(Object.keys(rules) as Rule[])(
    'has a complete sentence and a way back for %s',
    (rule) => {
      const misfit = { ...breaks, rule, detail: 'd', parent: 'p', from: 'f', to: 't' }
      const { sentence, hint = '' } = unfitCause('release 12', [misfit], [])
      expect(`${sentence}${hint}`).not.toMatch(/[{}]| {2}|undefined/)
    },
  )
})

describe('the plan in the report', () => {
  const pending = { app: 'shop', operations: ['AddField'], atomic: true, reversible: true }
  const plan = (verdict: Judged | undefined): Plan => ({
    django: '5.2',
    python: '3.13',
    runs: true,
    databases: [
      {
        ...databasePlan,
        pending: [
          { ...pending, name: '0002_next' },
          { ...pending, name: '0003_more' },
        ],
      },
    ],
    ...(verdict && { judged: verdict }),
  })
  const allowed = { why: 'w', file: 'f', line: 1 }

  test.each<[string, Partial<MigrationFinding> | undefined]>([
    ['unsafe', {}],
    ['may break', { severity: 'may' }],
    ['not known', { severity: 'unknown' }],
    ['accepted', { allowed }],
    ['safe', { migration: 'shop.0001_initial' }],
    ['safe', { database: 'reports' }],
  ])('is right when it is %s', (verdict, more) => {
    const { migrations, findings } = reportedPlan(
      plan({ ...judged, findings: [{ ...finding, ...more }] }),
    )
    expect(migrations.map((one) => one.verdict)).toEqual([verdict, 'safe'])
    expect(findings).toEqual([
      expect.objectContaining({ rule: 'column-gone', fix: fixOf(finding) }),
    ])
  })

  test('is right for a first deploy', () => {
    const { migrations, findings } = reportedPlan(plan(undefined))
    expect(migrations.map((one) => one.verdict)).toEqual(['not judged', 'not judged'])
    expect(findings).toEqual([])
  })
})

test('a part of the plan that could not be read is a warning', () => {
  const untold = [{ part: 'the SQL', why: 'AttributeError: x' }]
  const database = { database: 'default' } as Parameters<typeof untoldWarnings>[0][0]
  expect(untoldWarnings([database, { ...database, untold }])).toEqual([
    'the SQL of the database "default" could not be read (AttributeError: x): django-rollout does not know this version of Django or of the database, and continues without it',
  ])
})
