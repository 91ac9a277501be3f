import { describe, expect, test } from '@jest/globals'
import type { Cause } from '../../src/failure/failure.js'
import { summary } from '../../src/report/summary.js'
import { type Report, type WorkloadReport } from '../../src/report/report.js'
import { exitCodes } from '../../src/failure/result.js'
import { type Result } from '../../src/failure/result.js'
import { timeline } from '../../src/report/timeline.js'
import { newSha, reportOf, workloadOf } from '../support/report.js'

const cause = (more: Partial<Cause> = {}): Cause => ({
  code: 'crash',
  sentence: 'it fell',
  ...more,
})

/** The blocks of the summary, which empty lines part. */
const blocks = (more: Partial<Report>) => summary(reportOf(more)).trimEnd().split('\n\n')

test('the summary of a release that went well is complete', () => {
  const stages = [
    { name: 'build', startedAt: 0, seconds: 5, ended: 'done' },
    { name: 'rollout', startedAt: 5000, seconds: 75, ended: 'done' },
  ] as const
  const report = reportOf({
    stages,
    migrations: ['orders.0002'],
    workloads: [
      workloadOf('web', { seconds: 8.2, rollout: { startedAt: 0, ready: 2, wanted: 2 } }),
      workloadOf('worker', { seconds: 125 }),
    ],
  })
  expect(summary(report)).toBe(`\
## ✅ shop ef2714eb63e4 is deployed: 2 workloads in namespace prod (1 min 01 s)

| Workload | Version | Pods ready | Seconds |
| --- | --- | --- | --- |
| deployment/web | dbfb78c41221 -\\> ef2714eb63e4 | 2 of 2 | 8.2 |
| deployment/worker | dbfb78c41221 -\\> ef2714eb63e4 |  | 125.0 |

\`\`\`mermaid
${timeline(report) ?? ''}
\`\`\`

**Migrations applied:** orders.0002

<details><summary>Stages</summary>

| Stage | Took |  |
| --- | --- | --- |
| build | 5.0 s | done |
| rollout | 1 min 15 s | done |

</details>

Image: \`ghcr.io/acme/shop:${newSha}@sha256:${'ab'.repeat(32)}\`
`)
})

test('the summary of a release that was restored is complete', () => {
  const { digest: _, ...report } = reportOf({
    result: 'undone',
    cause: cause({
      hint: 'mend it',
      logs: [{ source: 'container web', lines: ['Traceback', 'KeyError'] }, { lines: ['bye'] }],
      events: ['BackOff: no'],
    }),
    workloads: [workloadOf('web', { now: 'old', undo: { startedAt: 0, ready: 1, wanted: 2 } })],
    restored: ['deployment/web', 'configmap/shop'].map((object) => ({
      object,
      action: 'restored',
    })),
    migrations: ['orders.0002'],
    warnings: ['the lock was not given back'],
    stages: [{ name: 'rollout', startedAt: 0, seconds: 5, ended: 'failed' }],
  })
  expect(summary(report)).toBe(`\
## ❌ shop ef2714eb63e4 did not go live: 1 workload runs version dbfb78c41221 again, verified (1 min 01 s)

**Cause:** it fell

**Hint:** mend it

**More:** [crash](https://github.com/django-rollout/django-rollout/blob/v1/docs/failures.md#crash)

<details open><summary>last lines of container web</summary>

\`\`\`
Traceback
KeyError
\`\`\`

</details>

<details open><summary>last log lines</summary>

\`\`\`
bye
\`\`\`

</details>

<details open><summary>cluster events</summary>

\`\`\`
BackOff: no
\`\`\`

</details>

| Workload | Version | Pods ready | Seconds |
| --- | --- | --- | --- |
| deployment/web | dbfb78c41221 (as before) | 1 of 2 |  |

| Object | Action |
| --- | --- |
| configmap/shop | restored |

the applied migrations stay in the database: orders.0002

**Warning:** the lock was not given back

<details><summary>Stages</summary>

| Stage | Took |  |
| --- | --- | --- |
| rollout | 5.0 s | failed |

</details>
`)
})

test.each(Object.keys(exitCodes) as Result[])('the result %s has a symbol', (result) => {
  const sign = exitCodes[result] === 0 ? '✅' : '❌'
  expect(blocks({ result })[0]).toMatch(new RegExp(`^## ${sign} \\S`))
})

describe('the number of pods in the summary', () => {
  const [stood, back] = [
    { startedAt: 0, ready: 1, wanted: 2 },
    { ready: 2, wanted: 2 },
  ]
  test.each<[string, Partial<WorkloadReport>, string]>([
    ['of the new version', { now: 'new', rollout: stood }, '1 of 2'],
    ['of the old one, once it is back', { now: 'old', rollout: stood, undo: back }, '2 of 2'],
    ['of the old one, which was not tracked', { now: 'old', rollout: stood }, ''],
    ['of a version that was left as it is', { now: 'unknown', rollout: stood }, '1 of 2'],
    ['where no pods are wanted', { now: 'new', rollout: { ready: 0, wanted: 0 } }, ''],
    ['where its controller has not said how many', { now: 'new', rollout: { ready: 0 } }, ''],
    ['where nothing was written', { now: 'new' }, ''],
  ])('is right in the case "%s"', (_, workload, pods) => {
    const [, , row = ''] =
      blocks({ workloads: [workloadOf('web', workload)] })[1]?.split('\n') ?? []
    expect(row.split(' | ')[2]).toBe(pods)
  })
})

test.each([
  [20, /^\| Workload/],
  [21, /^<details><summary>21 workloads</],
])('the table of %i workloads begins with %s', (count, begins) => {
  const workloads = Array.from({ length: count }, (_, i) => workloadOf(`worker-${i}`))
  expect(blocks({ workloads })[1]).toMatch(begins)
})

describe('foreign text in the summary', () => {
  test.each([
    ['a | b', 'a \\| b'],
    ['`id`', '\\`id\\`'],
    ['*a* _b_ ~c~', '\\*a\\* \\_b\\_ \\~c\\~'],
    ['![x](http://e.example)', '!\\[x\\](http://e.example)'],
    ['<img src=x>', '\\<img src=x\\>'],
    ['# a', '\\# a'],
    ['\\|', '\\\\\\|'],
    ['&lt;b&gt;', '\\&lt;b\\&gt;'],
    ['a\nb', 'a<br>b'],
    ['a\r\nb', 'a<br>b'],
    ['a\rb', 'a<br>b'],
    ['a\u001b[31mb\u0007', 'ab'],
  ])('stays text, for example %j', (text, words) => {
    const told = blocks({
      result: 'failed',
      cause: cause({ sentence: text, hint: text }),
      workloads: [],
      restored: [{ object: text, action: text }],
      migrations: [text],
      warnings: [text],
      exceptions: [{ object: text, is: 'unwell', message: text, fix: 'mend' }],
      stages: [],
    })
    expect(told.slice(1, 8)).toEqual([
      `**Cause:** ${words}`,
      `**Hint:** ${words}`,
      expect.stringMatching(/^\*\*More:/),
      `| Object | Action |\n| --- | --- |\n| ${words} | ${words} |`,
      `the applied migrations stay in the database: ${words}`,
      `**Warning:** ${words}: mend`,
      `**Warning:** ${words}`,
    ])
    expect(blocks({ migrations: [text], workloads: [] })[1]).toBe(
      `**Migrations applied:** ${words}`,
    )
  })
})

describe('the log in the summary', () => {
  /** The fence and what is in it. */
  function fenced(log: readonly string[]): readonly string[] {
    const text = summary(reportOf({ result: 'failed', cause: cause({ logs: [{ lines: log }] }) }))
    const [, inside = ''] = /<\/summary>\n\n([^]*?)\n\n<\/details>/.exec(text) ?? []
    return inside.split('\n')
  }

  test.each([
    ['no backtick', ['a', 'b'], '```'],
    ['a few', ['say `x`'], '```'],
    ['a fence', ['```', 'a', '```'], '````'],
    ['a long run within a line', ['a ````` b', '```'], '``````'],
    ['html', ['</details><b>'], '```'],
  ])('cannot end its code fence with %s', (_, log, fence) => {
    expect(fenced(log)).toEqual([fence, ...log, fence])
  })

  test('is left out when it is empty', () => {
    expect(
      summary(reportOf({ cause: cause({ logs: [{ lines: [] }], events: [] }) })),
    ).not.toContain('log</summary>')
    expect(summary(reportOf({ cause: cause() }))).not.toContain('log</summary>')
  })

  test('is cut to its last hundred lines', () => {
    const log = Array.from({ length: 250 }, (_, i) => `line ${i}`)
    expect(fenced(log)).toEqual(['```', ...log.slice(150), '```'])
  })

  test('has no control characters', () => {
    expect(fenced(['\u001b[31mred\u001b[0m\u0000', 'a\tb'])).toEqual(['```', 'red', 'a\tb', '```'])
  })
})

// GitHub drops a summary of more than 1 MiB whole.
test.each<[string, Partial<Report>]>([
  [
    'the log',
    { cause: cause({ logs: [{ lines: Array.from({ length: 100 }, () => '€'.repeat(65_536)) }] }) },
  ],
  ['a sentence', { cause: cause({ sentence: '|'.repeat(2_000_000) }) }],
  ['a hint', { cause: cause({ hint: '|'.repeat(2_000_000) }) }],
  ['a warning', { warnings: ['€'.repeat(2_000_000)] }],
  ['the list of workloads', { workloads: Array(1000).fill(workloadOf('w'.repeat(63))) }],
])('the summary is at most half a MiB, however long %s is', (_, more) => {
  expect(Buffer.byteLength(summary(reportOf({ result: 'failed', ...more })))).toBeLessThan(2 ** 19)
})

test('a hint with the rules of a Role is shown in full', () => {
  const hint = Array.from({ length: 200 }, (_, i) => `resources: rule${i}`).join('\n')
  expect(summary(reportOf({ cause: cause({ hint }) }))).toContain(hint.replaceAll('\n', '<br>'))
})

test('the findings of doctor are shown, and foreign text stays text', () => {
  const text = summary(
    reportOf({
      command: 'doctor',
      result: 'failed',
      workloads: [],
      stages: [],
      findings: [
        {
          about: 'cluster',
          severity: 'error',
          message: 'no answer <b>',
          fix: 'kubectl version\n```',
        },
        { about: 'tools', severity: 'ok', message: 'git 2.39.5' },
      ],
    }),
  )
  expect(text).toContain(
    '**tools**\n\n✓ git 2.39.5\n\n**cluster**\n\n✗ no answer \\<b\\>\n\n````\nkubectl version\n```\n````',
  )
  expect(text).toMatch(/^## ❌ shop .*: 1 thing would go wrong/)
})

test('the verdict on the migrations, and the safe way of those that are not safe', () => {
  const finding = {
    rule: 'insert-refused',
    severity: 'error',
    database: 'default',
    object: 'shop_order.colour',
    migration: 'shop.0002_colour',
  } as const
  const like = { database: 'default', operations: ['AddField'], reversible: true } as const
  const plan = {
    migrations: [
      { ...like, name: 'shop.0002_colour', verdict: 'unsafe' },
      { ...like, name: 'shop.0003_note', verdict: 'safe' },
    ],
    findings: [
      { ...finding, message: 'every INSERT fails', fix: 'Give it a default' },
      { ...finding, message: 'every DELETE fails', fix: 'Remove it:\nmigrations.x(),' },
      { ...finding, message: 'nobody cares', fix: 'none', allowed: 'a reason' },
    ],
  } as const
  const sentence = 'every INSERT fails (and 1 more finding)'
  const made = blocks({
    result: 'failed',
    plan,
    workloads: [],
    warnings: ['every DELETE fails', 'else'],
    cause: cause({ code: 'unsafe-migration', sentence }),
  })
  expect(made.slice(1, -1)).toEqual([
    `**Cause:** ${sentence}`,
    expect.stringContaining('[unsafe-migration]'),
    `| Migration | Operations | Running version |
| --- | --- | --- |
| shop.0002\\_colour | AddField | unsafe |
| shop.0003\\_note | AddField | safe |`,
    '✗ every DELETE fails',
    '```\nRemove it:\nmigrations.x(),\n```',
    '**Warning:** else',
  ])
})
