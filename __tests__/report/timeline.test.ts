/** The source of the chart; __tests__/browser shows that it can be drawn and read. */
import { describe, expect, test } from '@jest/globals'
import type { Report, StageReport } from '../../src/report/report.js'
import { timeline } from '../../src/report/timeline.js'
import type { WriteProgress } from '../../src/judge/types.js'
import { reportOf, workloadOf } from '../support/report.js'

const start = Date.parse('2026-01-01T12:00:00Z')

/** Times in seconds after the start of the run. */
const stage = (
  name: string,
  from: number,
  took: number,
  ended: StageReport['ended'] = 'done',
): StageReport => ({ name, startedAt: start + from * 1000, seconds: took, ended })

const progress = (from: number, to?: number, wanted = 2): WriteProgress => ({
  startedAt: start + from * 1000,
  wanted,
  ready: to === undefined ? 0 : wanted,
  ...(to !== undefined && { completeAt: start + to * 1000 }),
})

const stages = [stage('preflight', 0, 1), stage('rollout', 1, 9)]

/** The rows with their sections, dates left out. */
function rows(more: Partial<Report>): readonly string[] {
  const all = timeline(
    reportOf({ startedAt: start, seconds: 20, stages, workloads: [], ...more }),
  )?.split('\n')
  return (all ?? []).slice(5).map((line) => line.replaceAll('2000-01-01 00:', ''))
}

test('the timeline of a release that went well has its stages and workloads', () => {
  const report = reportOf({
    startedAt: start,
    seconds: 20,
    stages: [stage('build', 0, 5), stage('preflight', 0, 1.25), stage('rollout', 5, 15)],
    workloads: [
      workloadOf('worker', { rollout: progress(7, 9) }),
      workloadOf('web', { rollout: progress(5, 12) }),
    ],
  })
  expect(timeline(report)?.split('\n').slice(1)).toEqual([
    'gantt',
    'dateFormat YYYY-MM-DD HH:mm:ss.SSS',
    'axisFormat %M:%S',
    'tickInterval 5second',
    'section Stages',
    'preflight, 1.3 s :2000-01-01 00:00:00.000, 2000-01-01 00:00:01.250',
    'build, 5.0 s :2000-01-01 00:00:00.000, 2000-01-01 00:00:05.000',
    'rollout, 15.0 s :2000-01-01 00:00:05.000, 2000-01-01 00:00:20.000',
    'section Rollout',
    'deployment/web, 7.0 s :2000-01-01 00:00:05.000, 2000-01-01 00:00:12.000',
    'deployment/worker, 2.0 s :2000-01-01 00:00:07.000, 2000-01-01 00:00:09.000',
  ])
})

test('the timeline of a release that was undone shows when the failure was detected', () => {
  expect(
    rows({
      result: 'undone',
      cause: { code: 'crash', sentence: 'it fell', workload: 'deployment/worker' },
      detectedAt: start + 10_000,
      stages: [stage('rollout', 1, 9, 'failed'), stage('undo', 10.1, 5)],
      workloads: [
        workloadOf('web', { rollout: progress(1, 4), undo: progress(10.1, 15) }),
        workloadOf('worker', { rollout: progress(4), undo: progress(10.1, 11) }),
        workloadOf('mail', { rollout: progress(4), undo: progress(10.1) }),
      ],
    }),
  ).toEqual([
    'section Stages',
    'rollout, 9.0 s, failed :crit, 00:01.000, 00:10.000',
    'cause recognised (crash) :crit, milestone, 00:10.000, 00:10.000',
    'undo, 5.0 s :00:10.100, 00:15.100',
    'section Rollout',
    'deployment/web, 3.0 s :00:01.000, 00:04.000',
    'deployment/worker, 6.0 s, failed :crit, 00:04.000, 00:10.000',
    'deployment/mail, 6.0 s, not complete :00:04.000, 00:10.000',
    'section Undo',
    'deployment/worker, 0.9 s :00:10.100, 00:11.000',
    'deployment/web, 4.9 s :00:10.100, 00:15.000',
    'deployment/mail, 9.9 s, not complete :00:10.100, 00:20.000',
  ])
})

describe('the timeline has no row', () => {
  const before = ['section Stages', 'preflight, 1.0 s', 'rollout, 9.0 s']
  const names = (more: Partial<Report>) => rows(more).map((row) => row.replace(/ :.*/, ''))
  test.each<[string, Partial<Report>]>([
    ['a workload that nothing was written to', { workloads: [workloadOf('web')] }],
    [
      'one without wanted pods',
      { workloads: [workloadOf('tidy', { kind: 'CronJob', rollout: progress(1, undefined, 0) })] },
    ],
    [
      'one that the undo only read',
      { workloads: [workloadOf('web', { undo: { ready: 1, wanted: 1, completeAt: start } })] },
    ],
    ['a cause without its moment', { cause: { code: 'crash', sentence: 'it fell' } }],
    ['a moment without a cause', { detectedAt: start }],
  ])('for %s', (_, more) => {
    expect(names(more)).toEqual(before)
  })
})

test.each([[[]], [[stage('preflight', 0, 1, 'failed')]]])(
  'the timeline is left out for the stages %j',
  (few) => {
    expect(timeline(reportOf({ stages: few }))).toBeUndefined()
  },
)

test('the timeline marks a stage that was stopped', () => {
  expect(rows({ stages: [stage('build', 0, 2, 'stopped'), stage('preflight', 0, 2)] })).toEqual([
    'section Stages',
    'build, 2.0 s, stopped :00:00.000, 00:02.000',
    'preflight, 2.0 s :00:00.000, 00:02.000',
  ])
})

test('the timeline shows a stage that took no time', () => {
  expect(rows({ stages: [stage('lock', 1, 0), stage('push', 1, 0.01)] })).toEqual([
    'section Stages',
    'lock, 0.0 s :00:01.000, 00:01.050',
    'push, 0.0 s :00:01.000, 00:01.050',
  ])
})

test.each([
  [0.2, '1second', '%M:%S'],
  [8, '1second', '%M:%S'],
  [8.5, '2second', '%M:%S'],
  [61, '10second', '%M:%S'],
  [600, '2minute', '%M:%S'],
  [3600, '10minute', '%H:%M:%S'],
  [20_000, '1hour', '%H:%M:%S'],
])(
  'the axis of a timeline of %f s has a tick every %s in the format %s',
  (seconds, tick, format) => {
    const source = timeline(reportOf({ stages, seconds }))
    expect(source).toContain(`\naxisFormat ${format}\ntickInterval ${tick}\n`)
  },
)

describe('the names in a timeline', () => {
  test.each([
    ['web', 'deployment/web'],
    ['a:b;c#35;%%"\'`', 'deployment/a_b_c_35______'],
    ['a\nsection b\r\n```', 'deployment/a_section b_____'],
    ['größe-2.x_y', 'deployment/größe-2.x_y'],
    ['x'.repeat(21), `deployment/${'x'.repeat(21)}`],
    [`${'x'.repeat(30)}-mail`, `deployment/xxxxx…${'x'.repeat(10)}-mail`],
  ])('are written safely, for example %j', (name, shown) => {
    const [, , , , row = ''] = rows({ workloads: [workloadOf(name, { rollout: progress(1, 2) })] })
    expect(row).toBe(`${shown}, 1.0 s :00:01.000, 00:02.000`)
  })
})

test('are those of the failed workload, the incomplete ones, and the slowest of many', () => {
  const workloads = [
    ...Array.from({ length: 50 }, (_, i) => workloadOf(`w${i}`, { rollout: progress(0, i + 1) })),
    workloadOf('slow', { rollout: progress(0) }),
    workloadOf('broken', { rollout: progress(1) }),
  ]
  const cause = { code: 'crash', sentence: 'it fell', workload: 'deployment/broken' } as const
  const shown = rows({ workloads, cause, detectedAt: start + 60_000, seconds: 70 })
  const names = shown.slice(shown.indexOf('section Rollout') + 1).map((row) => row.split(',')[0])
  expect(names).toHaveLength(40)
  expect(names).toEqual(expect.arrayContaining(['deployment/slow', 'deployment/broken']))
  expect(names).toContain('deployment/w12')
  expect(names).not.toContain('deployment/w11')
})
