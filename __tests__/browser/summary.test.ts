/** The job summary as a person sees it on GitHub: drawn by a real browser, and looked at. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { pageOf } from '../../src/failure/failure.js'
import { summary } from '../../src/report/summary.js'
import type { Report, StageReport, WorkloadReport } from '../../src/report/report.js'
import { reportOf, workloadOf } from '../support/report.js'
import { Chromium, type View } from './chromium.js'
import { lookAtDrawing, type Drawing } from './drawing.js'
import { show } from './github.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
/** Where the pictures go; those in docs/images were taken from here. */
const pictures = `${root}/build/summary`

let chromium: Chromium

beforeAll(async () => {
  chromium = await Chromium.start()
  await mkdir(pictures, { recursive: true })
})
afterAll(() => chromium.close())

const wide: View = { width: 1012, theme: 'light' }

async function look(report: Report, view: View = wide): Promise<Drawing> {
  await show(chromium, summary(report), view)
  return chromium.evaluate(`(${lookAtDrawing.toString()})()`)
}

/** The cells of each table that is shown, row by row. */
const tables = () =>
  chromium.evaluate<readonly (readonly (readonly string[])[])[]>(
    `[...document.querySelectorAll('table')].map((table) =>
      [...table.rows].map((row) => [...row.cells].map((cell) => cell.textContent)))`,
  )

describe.each(['light', 'dark'] as const)(
  'with the %s theme, the summary of a recorded release',
  (theme) => {
    async function recorded(name: string) {
      const text = await readFile(`${root}/__tests__/fixtures/summary/${name}.json`, 'utf8')
      const drawing = await look(JSON.parse(text) as Report, { ...wide, theme })
      await writeFile(`${pictures}/${name}-${theme}.png`, await chromium.screenshot())
      return drawing
    }

    test('is readable when the release went well', async () => {
      const drawing = await recorded('deployed')
      expect(drawing.problems).toEqual([])
      expect(drawing.sections).toEqual(['Stages', 'Rollout'])
      expect(drawing.labels.map((label) => label.replace(/, [\d.]+ s$/, ''))).toEqual([
        'preflight',
        'build',
        'test',
        'push',
        'lock',
        'snapshot',
        'manifests',
        'plan',
        'migrate',
        'rollout',
        'deployment/web',
        'deployment/worker',
      ])
      const [workloads] = await tables()
      expect(workloads).toEqual([
        ['Workload', 'Version', 'Pods ready', 'Seconds'],
        [
          'deployment/web',
          expect.stringMatching(/^\w{12} -> \w{12}$/),
          '2 of 2',
          expect.anything(),
        ],
        ['deployment/worker', expect.anything(), '1 of 1', expect.anything()],
        ['cronjob/expire-orders', expect.anything(), '', ''],
      ])
    })

    test('is readable when the release was undone', async () => {
      const drawing = await recorded('undone')
      expect(drawing.problems).toEqual([])
      expect(drawing.sections).toEqual(['Stages', 'Rollout', 'Undo'])
      expect(drawing.labels.slice(-7).map((label) => label.replace(/[\d.]+ s/, '…'))).toEqual([
        'rollout, …, failed',
        'cause recognised (crash)',
        'undo, …',
        'deployment/web, …',
        'deployment/worker, …, failed',
        'deployment/worker, …',
        'deployment/web, …',
      ])
      const [workloads] = await tables()
      expect(workloads).toContainEqual([
        'deployment/worker',
        expect.stringMatching(/^\w{12} \(as before\)$/),
        '1 of 1',
        expect.anything(),
      ])
    })
  },
)

describe('a timeline', () => {
  const stage = (name: string, from: number, took: number): StageReport => ({
    name,
    startedAt: from * 1000,
    seconds: took,
    ended: 'done',
  })
  const rolled = (name: string, from: number, to?: number): WorkloadReport =>
    workloadOf(name, {
      rollout: {
        startedAt: from * 1000,
        ready: to === undefined ? 0 : 1,
        wanted: 1,
        ...(to !== undefined && { completeAt: to * 1000 }),
      },
    })
  const long = 'a-worker-with-a-name-as-long-as-kubernetes-lets-it-be-63-letters'.slice(0, 63)

  test.each<[string, Partial<Report>, readonly string[]]>([
    [
      'of a run of half a second',
      {
        seconds: 0.5,
        stages: [stage('preflight', 0, 0.4), stage('build', 0.1, 0.3)],
        workloads: [],
      },
      ['00:00'],
    ],
    [
      'of one of four hours',
      {
        seconds: 14_400,
        stages: [stage('build', 0, 7200), stage('test', 7200, 60), stage('rollout', 7260, 7140)],
        workloads: [rolled('web', 7260, 7290), rolled('worker', 7290, 14_400)],
      },
      [0, 1, 2, 3].flatMap((hour) => [`0${hour}:00:00`, `0${hour}:30:00`]).concat('04:00:00'),
    ],
    [
      'of stages side by side',
      {
        seconds: 60,
        stages: [stage('build', 0, 30), stage('preflight', 0, 30), stage('test', 20, 40)],
        workloads: [],
      },
      ['00:00', '00:10', '00:20', '00:30', '00:40', '00:50', '01:00'],
    ],
    [
      'with sixty workloads',
      {
        seconds: 90,
        stages: [stage('preflight', 0, 1), stage('rollout', 1, 89)],
        workloads: Array.from({ length: 60 }, (_, i) => rolled(`worker-${i}`, 1, i + 5)),
      },
      ['00:00', '00:15', '00:30', '00:45', '01:00', '01:15', '01:30'],
    ],
    [
      'with long names, wherever their bars are',
      {
        seconds: 100,
        stages: [stage('preflight', 0, 1), stage('rollout', 1, 99)],
        workloads: [[0, 1], [30, 60], [45, 70], [60, 61], [98, 99], [20], [75]].map(([from, to]) =>
          rolled(long, from!, to),
        ),
      },
      ['00:00', '00:15', '00:30', '00:45', '01:00', '01:15', '01:30'],
    ],
  ])('is readable when it is %s', async (_, report, ticks) => {
    const drawing = await look(reportOf(report))
    expect(drawing.problems).toEqual([])
    expect(drawing.ticks).toEqual(ticks)
  })

  test('is readable on a phone', async () => {
    const stages = [stage('build', 0, 30), stage('preflight', 0, 30)]
    const drawing = await look(reportOf({ stages }), { ...wide, width: 390 })
    expect(drawing.problems).toEqual([])
  })
})

test.each([
  '<img src=x onerror=window.hit=1>',
  '<script>window.hit=1</script>',
  '</details></table><h1>no</h1>',
  '[a](javascript:alert(1)) ![b](https://e.example/p.png)',
  'https://e.example www.e.example',
  'a | b',
  '```\n# no\n```mermaid\ngantt',
  'a:b, 5s;c #35; %% d',
  'x\nclick t1 href "https://e.example"\nsection y',
  '%%{init: {"securityLevel": "loose"}}%%',
  '"quoted" \'and\' `ticked`',
  '} ] ) > end',
])('foreign text stays text, for example %j', async (text) => {
  const { sections, labels, problems } = await look(
    reportOf({
      result: 'undone',
      namespace: text,
      warnings: [text],
      migrations: [text],
      detectedAt: 2000,
      cause: {
        code: 'crash',
        sentence: text,
        hint: text,
        logs: [{ source: text, lines: [text] }],
        events: [text],
        workload: text,
      },
      workloads: [
        workloadOf(text, { rollout: { startedAt: 1000, ready: 0, wanted: 1 }, now: 'old' }),
      ],
      restored: [{ object: text, action: text }],
      stages: ['build', text].map((name) => ({
        name,
        startedAt: 0,
        seconds: 3,
        ended: 'done' as const,
      })),
    }),
  )
  expect(problems).toEqual([])
  expect(sections).toEqual(['Stages', 'Rollout'])
  expect(labels).toHaveLength(4)
  expect((await tables()).map((table) => table.length)).toEqual([2, 2, 3])

  const seen = await chromium.evaluate<Seen>(`({
    hit: window.hit ?? 'nothing',
    names: [...new Set([...document.querySelectorAll('article *:not(svg *)')].map((e) => e.localName))],
    links: [...document.querySelectorAll('a')].map((a) => [a.textContent, a.getAttribute('href')]),
    text: document.querySelector('article').textContent,
  })`)
  expect(seen.hit).toBe('nothing')
  expect(seen.names.filter((name) => !ours.includes(name))).toEqual([])
  // GitHub makes links of addresses: they show where they go.
  const foreign = seen.links.filter(([, goes]) => goes !== pageOf({ code: 'crash' }))
  expect(seen.links.length - foreign.length).toBe(1)
  for (const [shown, goes] of foreign) expect([shown, `http://${shown}`]).toContain(goes)
  for (const line of text.split('\n')) expect(seen.text).toContain(line)
})

interface Seen {
  readonly hit: unknown
  readonly names: readonly string[]
  readonly links: readonly (readonly [string, string])[]
  readonly text: string
}

const ours = [
  'h2',
  'p',
  'strong',
  'br',
  'a',
  'details',
  'summary',
  'pre',
  'code',
  'div',
  'svg',
  'table',
  'thead',
  'tbody',
  'tr',
  'th',
  'td',
]
