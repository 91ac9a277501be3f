import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { harmless, inputsOf, mistypedInputs, outputsOf } from '../../src/github/runner.js'
import type { Report } from '../../src/report/report.js'

const digest = `sha256:${'0f'.repeat(32)}`

const report: Report = {
  command: 'release',
  result: 'deployed',
  app: 'shop',
  namespace: 'shop',
  image: 'ghcr.io/acme/shop',
  tag: '2',
  digest,
  previousTag: '1',
  stages: [],
  workloads: [
    { kind: 'Deployment', name: 'web', from: 'shop:1', to: 'shop:2', now: 'new', seconds: 4.25 },
  ],
  migrations: ['orders.0002_note'],
  warnings: [],
  restored: [],
  startedAt: 0,
  seconds: 61.26,
}

describe('the inputs of the action', () => {
  const env = {
    INPUT_IMAGE: 'ghcr.io/acme/shop',
    'INPUT_MIGRATE-COMMAND': '',
    'INPUT_TEST-COMMAND': 'pytest',
    INPUT_COMMAND: 'release',
    INPUT_NOPE: 'x',
    IMAGE: 'other',
    image: 'other',
  }

  test.each([
    // An input that was not given comes as an empty text, and so does one that was given as nothing.
    ['release', { image: 'ghcr.io/acme/shop', 'test-command': 'pytest' }],
    // Options of other commands are not there.
    ['deploy', { image: 'ghcr.io/acme/shop' }],
  ] as const)('are read for the command %s', (command, given) => {
    expect(inputsOf(command, env)).toEqual(given)
  })

  test('are empty without variables', () => {
    expect(inputsOf('release', {})).toEqual({})
  })

  test.each([
    ['INPUT_NAMEPSACE', ['"namepsace" is not an input of this action; did you mean "namespace"?']],
    ['INPUT_SMOK-PATH', ['"smok-path" is not an input of this action; did you mean "smoke-path"?']],
    // Of a composite action around ours, or of our own action.yml alone.
    ['INPUT_WHOLLY-ELSE', []],
    ['INPUT_COMMAND', []],
    ['INPUT_IMAGE', []],
    ['NAMEPSACE', []],
  ])('are rejected when %s is mistyped', (variable, told) => {
    expect(mistypedInputs('release', { [variable]: 'x' })).toEqual(told)
  })
})

// https://github.com/actions/runner/blob/main/src/Runner.Common/ActionCommand.cs: blanks in front are
// trimmed (char.IsWhiteSpace), `##[` counts anywhere in a line.
describe('a line of foreign text', () => {
  test.each([
    ['plain words: a::b', 'plain words: a::b'],
    ['', ''],
    [':', ':'],
    ['10:00:01 :: x', '10:00:01 :: x'],
    ['# [a]', '# [a]'],
    ['::error::x', '\u200b::error::x'],
    ['  ::set-output name=a::b', '  \u200b::set-output name=a::b'],
    ['\t\u00a0\u3000::error::x', '\t\u00a0\u3000\u200b::error::x'],
    ['\u0085::error::x', '\u0085\u200b::error::x'],
    ['\u001c\u001f::error::x', '\u001c\u001f\u200b::error::x'],
    [':::', '\u200b:::'],
    ['a ##[error]x ##[b]', 'a #\u200b#[error]x #\u200b#[b]'],
    ['###[x]', '##\u200b#[x]'],
    ['a\r::error::x', 'a ::error::x'],
    ['\r::error::x', ' \u200b::error::x'],
    ['a\n::error::x', 'a\n\u200b::error::x'],
    ['a\r\n\n  ::error::x', 'a \n\n  \u200b::error::x'],
  ])('is never a workflow command: %j', (line, made) => {
    expect(harmless(line)).toBe(made)
  })
})

const finding = {
  rule: 'column-gone',
  severity: 'error',
  database: 'default',
  object: 'shop_order.note',
  message: 'it is gone',
  fix: '',
} as const
type Verdict = NonNullable<Report['plan']>['migrations'][number]['verdict']
const planned = (verdict: Verdict) => ({
  ...{ database: 'default', name: 'shop.0002_note', operations: [], reversible: true },
  verdict,
})
test.each<[string, Report['plan'], string]>([
  ['no plan', undefined, 'not known'],
  ['no finding', { migrations: [], findings: [] }, 'safe'],
  ['a finding', { migrations: [], findings: [finding] }, 'unsafe'],
  ['a warning', { migrations: [], findings: [{ ...finding, severity: 'warning' }] }, 'safe'],
  [
    'a migration that is not compared',
    { migrations: [planned('not judged')], findings: [] },
    'not known',
  ],
  ['one that cannot be read', { migrations: [planned('not known')], findings: [] }, 'not known'],
  ['one that may break', { migrations: [planned('may break')], findings: [] }, 'not known'],
  ['one of them unsafe', { migrations: [planned('not known')], findings: [finding] }, 'unsafe'],
  [
    'safe and accepted ones',
    { migrations: [planned('safe'), planned('accepted')], findings: [] },
    'safe',
  ],
  ['an accepted one', { migrations: [], findings: [{ ...finding, allowed: 'so' }] }, 'safe'],
])('a plan with %s has its verdict as an output', (_, plan, verdict) => {
  const told = outputsOf({ ...report, command: 'plan', result: 'done', ...(plan && { plan }) }, '')
  expect(told).toMatchObject({ verdict, plan: JSON.stringify(plan ?? null) })
})

test('outputs are texts, and every output is set', () => {
  expect(outputsOf(report, '/tmp/r.json')).toEqual({
    result: 'deployed',
    image: `ghcr.io/acme/shop:2@${digest}`,
    digest,
    tag: '2',
    'previous-tag': '1',
    migrations: '["orders.0002_note"]',
    workloads:
      '[{"kind":"Deployment","name":"web","from":"shop:1","to":"shop:2","now":"new","seconds":4.25}]',
    cause: '',
    report: '/tmp/r.json',
    seconds: '61.3',
  })
  const { digest: _digest, previousTag: _previousTag, ...least } = report
  expect(
    outputsOf(
      {
        ...least,
        result: 'failed',
        workloads: [],
        migrations: [],
        cause: { code: 'usage', sentence: 'no' },
      },
      '',
    ),
  ).toMatchObject({
    result: 'failed',
    image: '',
    digest: '',
    'previous-tag': '',
    migrations: '[]',
    workloads: '[]',
    cause: 'no',
    report: '',
  })
})

// A process takes its time to start on a busy machine.
jest.setTimeout(30_000)

/** What the runner reads of a process that tells something. */
describe('a real process', () => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'runner-'))
  })
  afterAll(() => {
    rmSync(folder, { recursive: true })
  })

  function stdoutOf(what: string, told: object, files: readonly string[] = []) {
    const paths = Object.fromEntries(
      ['GITHUB_OUTPUT', 'GITHUB_STEP_SUMMARY'].map((name) => [name, join(folder, name)]),
    )
    for (const path of Object.values(paths)) writeFileSync(path, '')
    const env = Object.fromEntries(Object.entries(paths).filter(([name]) => files.includes(name)))
    const stdout = execFileSync(
      process.execPath,
      [
        '--experimental-transform-types',
        '--disable-warning=ExperimentalWarning',
        '--import',
        './scripts/typescript.mjs',
        '__tests__/github/sent-statuses.ts',
        what,
        JSON.stringify(told),
      ],
      {
        encoding: 'utf8',
        env: { PATH: process.env['PATH'], ...env },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    )
    const read = (name: string) => readFileSync(paths[name] ?? '', 'utf8')
    return {
      lines: stdout.trimEnd().split('\n'),
      output: read('GITHUB_OUTPUT'),
      summary: read('GITHUB_STEP_SUMMARY'),
    }
  }

  /** The lines that the runner takes for commands. */
  const commands = (lines: readonly string[]) =>
    lines.filter((line) => line.trimStart().startsWith('::') || line.includes('##['))

  test('writes a stage as a group, and nothing in it is a command', () => {
    const lines = ['plain', '::error::x', 'a\n::error::y', '##[error]z', 'b\r::add-mask::c']
    const told = stdoutOf('sink', { lines }).lines
    expect(commands(told)).toEqual(['::group::build', '::endgroup::'])
    expect(told).toContain('plain  1.3s')
    expect(told).toContain('  │ plain')
    expect(told.at(-1)).toBe('✗ build failed 1 min 01 s')
  })

  test('masks the secrets before anything is printed', () => {
    const givens = [
      {},
      { image: 'ghcr.io/acme/shop' },
      { 'registry-password': 'correct horse' },
      { kubeconfig: 'apiVersion: v1\nusers:\n- user: {token: abcdef0123456789}\n' },
    ]
    const { lines } = stdoutOf('mask', { givens })
    expect(lines).toEqual([
      'next',
      'next',
      '::add-mask::correct horse',
      'next',
      '::add-mask::abcdef0123456789',
      'next',
    ])
  })

  test('writes outputs and summary to files, and foreign text is no command', () => {
    const bad: Report = {
      ...report,
      result: 'undone',
      cause: {
        code: 'crash',
        sentence: 'web: it said\n::error::from the sentence',
        hint: 'look\n::error::from the hint',
        logs: [{ lines: ['::error::from the log', '##[error]from the log'] }],
        events: ['::error::from an event'],
        annotations: [
          { file: 'shop/a.py', line: 3, title: 'KeyError: a,b', message: 'one\n::error::two' },
        ],
      },
      warnings: ['beware\n::error::from a warning'],
      migrations: ['a.0001\n::error::from a migration'],
    }
    const { lines, output, summary } = stdoutOf('report', { report: bad }, [
      'GITHUB_OUTPUT',
      'GITHUB_STEP_SUMMARY',
    ])
    expect(commands(lines)).toEqual([
      '::warning::beware%0A::error::from a warning',
      '::error title=KeyError%3A a%2Cb,file=shop/a.py,line=3::one%0A::error::two',
    ])
    expect(lines).toContain('  │ \u200b::error::from the log')
    expect(lines).toContain('  │ \u200b::error::from an event')
    expect(output).toMatch(/^result<<(ghadelimiter_\S+)\nundone\n\1\n/)
    expect(summary).toContain('did not go live')
  })

  test('annotates a cause without a place, and the first nine of many places', () => {
    const cause = { code: 'tests-failed', sentence: '12 tests failed' } as const
    const place = (line: number) => ({ file: 'a.py', line, title: 't', message: 'm' })
    const places = Array.from({ length: 12 }, (_, i) => place(i + 1))
    const files = ['GITHUB_OUTPUT', 'GITHUB_STEP_SUMMARY']
    const bad = { ...report, result: 'failed', cause }
    expect(commands(stdoutOf('report', { report: bad }, files).lines)).toEqual([
      '::error::12 tests failed',
    ])
    const many = { ...bad, cause: { ...cause, annotations: places } }
    expect(commands(stdoutOf('report', { report: many }, files).lines)).toHaveLength(9)
  })

  test.each([
    [10, 10, '::warning::warning 10'],
    [11, 10, '::warning::2 more warnings:%0Awarning 10%0Awarning 11'],
    [40, 10, /^::warning::31 more warnings:%0Awarning 10%0A.*%0Awarning 40$/],
  ])('keeps all of %i warnings in %i annotations', (count, shown, last) => {
    const warnings = Array.from({ length: count }, (_, i) => `warning ${i + 1}`)
    const files = ['GITHUB_OUTPUT', 'GITHUB_STEP_SUMMARY']
    const told = commands(stdoutOf('report', { report: { ...report, warnings } }, files).lines)
    expect(told).toHaveLength(shown)
    expect(told.at(-1)).toMatch(last)
  })

  test('puts a warning on the line that it is about', () => {
    const change = { app: 'orders', changes: ['Add field note'], message: 'a change', fix: 'mend' }
    const modelChanges = [{ ...change, file: 'orders/models.py', line: 4 }, change]
    const files = ['GITHUB_OUTPUT', 'GITHUB_STEP_SUMMARY']
    const { lines } = stdoutOf('report', { report: { ...report, modelChanges } }, files)
    expect(commands(lines)).toEqual([
      '::warning file=orders/models.py,line=4::a change: mend',
      '::warning::a change: mend',
    ])
  })

  test('reports that a run has left nothing, and leaves the summary to main', () => {
    const recovered = { ...report, command: 'recover', result: 'unchanged', warnings: ['beware'] }
    const files = ['GITHUB_OUTPUT', 'GITHUB_STEP_SUMMARY']
    expect(stdoutOf('nothing left', { report: recovered }, files)).toEqual({
      lines: ['this run left nothing unfinished', '::warning::beware'],
      output: '',
      summary: '',
    })
  })

  test('prints the summary where the runner takes none', () => {
    const { lines, output } = stdoutOf('report', { report }, ['GITHUB_OUTPUT'])
    expect(lines.join('\n')).toContain('shop 2 is deployed')
    expect(output).toContain('deployed')
  })
})
