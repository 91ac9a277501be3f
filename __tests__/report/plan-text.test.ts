/** The plan as Markdown: what decides comes first, and foreign words stay words. */
import { describe, expect, test } from '@jest/globals'
import type {
  MigrationPlan,
  PlanFinding,
  PlannedMigration,
  Report,
} from '../../src/report/report.js'
import { planText } from '../../src/report/plan-text.js'
import { reportOf } from '../support/report.js'

const migration = (more: Partial<PlannedMigration> = {}): PlannedMigration => ({
  database: 'default',
  name: 'shop.0002_note',
  operations: ['RemoveField'],
  reversible: true,
  verdict: 'safe',
  ...more,
})
const finding = (more: Partial<PlanFinding> = {}): PlanFinding => ({
  rule: 'column-gone',
  severity: 'error',
  database: 'default',
  object: 'shop_order.note',
  migration: 'shop.0002_note',
  message: 'shop.0002_note: the column shop_order.note is gone',
  fix: 'First stop using it:\nmigrations.SeparateDatabaseAndState()',
  ...more,
})
const held = {
  database: 'default',
  name: 'shop.0003_x',
  operations: ['RemoveField'],
  message: 'shop.0003_x is held back',
}
const running = [
  { names: ['deployment/web', 'cronjob/report'], tag: 'v1', source: 'kept' },
] as const
const planOf = (plan: Partial<MigrationPlan>, more: Partial<Report> = {}) =>
  reportOf({
    command: 'plan',
    result: 'done',
    workloads: [],
    plan: { migrations: [migration()], versions: running, findings: [], ...plan },
    ...more,
  })
const text = (report: Report, longest = 65_536) =>
  planText(report, { longest, url: 'https://github.example/run/1' })
const unsafe = {
  code: 'unsafe-migration',
  sentence: `${finding().message} (and 1 more finding)`,
} as const

describe('the plan as Markdown', () => {
  test('has the verdict in its first line, and a row for each migration', () => {
    const locks = [
      { table: 'shop_order', mode: 'ACCESS EXCLUSIVE', rows: 400_123, bytes: 54_525_952 },
    ]
    expect(
      text(planOf({ migrations: [migration({ locks }), migration({ name: 'shop.0003_x' })] })),
    ).toBe(
      [
        '## ✅ shop ef2714eb63e4: a release would apply 2 migrations in namespace prod',
        '| Migration | Operations | Locks | Verdict |\n| --- | --- | --- | --- |\n' +
          '| shop.0002\\_note | RemoveField | shop\\_order (ACCESS EXCLUSIVE, about 400,000 rows, 52 MB) | safe |\n' +
          '| shop.0003\\_x | RemoveField |  | safe |',
        'Compared with v1 (deployment/web, cronjob/report), and with the live database.',
        `Image \`ghcr.io/acme/shop:${reportOf().tag}@${reportOf().digest}\` · 1 min 01 s · [run](https://github.example/run/1)\n`,
      ].join('\n\n'),
    )
  })

  test('has each finding with the safe way, and says once what is wrong', () => {
    const all = text(planOf({ findings: [finding()] }, { result: 'failed', cause: unsafe }))
    expect(all).toMatch(/^## ❌ .* a release would be stopped, because a migration is unsafe\n/)
    expect(all).toContain(
      '✗ shop.0002\\_note: the column shop\\_order.note is gone\n\n```\nFirst stop',
    )
    expect(all).not.toContain('**Cause:**')
    expect(all).toContain('failures.md#unsafe-migration')
  })

  test.each<[string, Partial<MigrationPlan>, Partial<Report>, RegExp]>([
    [
      'an accepted finding',
      { findings: [finding({ allowed: 'nobody reads it' })] },
      {},
      /Accepted: .*gone \(nobody reads it\)/,
    ],
    [
      'several databases',
      { migrations: [migration(), migration({ database: 'logs' })] },
      {},
      /\| logs: shop/,
    ],
    ['nothing to compare with', { versions: [] }, {}, /Nothing was compared/],
    [
      'the source of the needs',
      { versions: [{ ...running[0], source: 'state' }] },
      {},
      /by the applied migrations\)/,
    ],
    [
      'what is held back, without any migration that is applied',
      { migrations: [], held: [held] },
      { result: 'unchanged' },
      /no migrations to apply in namespace prod, but 1 would be held back[^]*\*\*Held back:\*\* shop\.0003\\_x is held back[^]*Compared with v1/,
    ],
    [
      'a bridge',
      { bridges: ['the default of shop_order.n is kept'] },
      {},
      /\*\*Bridge:\*\* the default of shop\\_order\.n is kept/,
    ],
    [
      'why a backup comes first',
      { backup: ['shop.0002_note drops shop_order.note'] },
      {},
      /\*\*Backup first:\*\* shop\.0002\\_note drops shop\\_order\.note/,
    ],
    ['a warning', {}, { warnings: ['look out'] }, /\*\*Warning:\*\* look out/],
    [
      'the SQL',
      { migrations: [migration({ sql: 'ALTER TABLE x' })] },
      {},
      /<summary>SQL of shop.0002_note<\/summary>\n\n```sql\nALTER TABLE x\n```/,
    ],
    [
      'another cause',
      {},
      {
        result: 'failed',
        cause: { code: 'plan-failed', sentence: 'it does not start', logs: [{ lines: ['boom'] }] },
      },
      /\*\*Cause:\*\* it does not start\n[^]*```\nboom\n```/,
    ],
  ])('shows %s', (_, plan, more, found) => {
    expect(text(planOf(plan, more))).toMatch(found)
  })

  test.each([
    ['a name', 'thanks @ada', 'thanks @\u200bada'],
    ['an issue', 'as in acme/shop#12', 'as in acme/shop\\#\u200b12'],
    [
      'an address',
      'https://github.com/acme/shop/issues/1',
      'https://\u200bgithub.com/acme/shop/issues/1',
    ],
    ['a tag', '<img src=x>', '\\<img src=x\\>'],
    [
      'a comment',
      '<!-- django-rollout: plan of shop in prod -->',
      '\\<!-- django-rollout: plan of shop in prod --\\>',
    ],
    ['a cell', 'a | b', 'a \\| b'],
  ])('%s in foreign words stays words', (_, words, shown) => {
    expect(text(planOf({}, { warnings: [words] }))).toContain(`**Warning:** ${shown}\n`)
  })

  test('a fence in the code of a finding does not end it', () => {
    const fix = '```\n@ada'
    expect(text(planOf({ findings: [finding({ fix })] }))).toContain('````\n```\n@ada\n````')
  })

  test.each([1_000, 5_000, 65_536])(
    'is shorter than %i characters, whatever there is',
    (longest) => {
      const migrations = Array.from({ length: 300 }, (_, at) =>
        migration({ name: `shop.${at}_${'x'.repeat(90)}`, sql: 'SELECT 1\n'.repeat(800) }),
      )
      const findings = migrations.map(({ name }) =>
        finding({ message: `${name}: gone`, fix: 'y'.repeat(9_000) }),
      )
      const all = text(
        planOf({ migrations, findings }, { warnings: findings.map(({ fix }) => fix) }),
        longest,
      )
      expect(all.length).toBeLessThan(longest)
      expect(all).toMatch(/^## ✅ shop .*\n\n/)
      expect(all).toContain('see [the run](https://github.example/run/1)')
    },
  )
})
