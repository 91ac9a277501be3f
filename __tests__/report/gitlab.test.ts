import { expect, test } from '@jest/globals'
import { withSections } from '../../src/report/gitlab.js'
import type { Sink } from '../../src/report/reporter.js'
import { Reporter } from '../../src/report/reporter.js'
import { terminalSink } from '../../src/report/terminal.js'
import { handClock, settled } from '../support/clock.js'
import { sectionsOf } from '../support/gitlablog.js'

const start = 1_763_712_000_400

/** The log of what is told, on a clock that stands at `start`. */
function logged(tell: (sink: Sink) => void, color = false): string {
  let log = ''
  const lines = terminalSink((line) => (log += `${line}\n`), color)
  tell(withSections(lines, (text) => (log += text), handClock(start)))
  return log
}

test('a stage is a section, with its own seconds', () => {
  const log = logged((sink) => {
    sink.open('build')
    sink.say('pulled', 1)
    sink.close('build', 'done', 61.6)
    sink.say('after it', 62)
  })
  expect(log).toBe(
    [
      '\u001b[0Ksection_start:1763712000:build-1763712000400[collapsed=false]\r\u001b[0K▸ build',
      '  pulled  1.0s',
      '\u001b[0Ksection_end:1763712062:build-1763712000400\r\u001b[0K✓ build 1 min 01 s',
      '  after it  62.0s',
      '',
    ].join('\n'),
  )
  expect(sectionsOf(log)).toEqual([
    {
      name: 'build-1763712000400',
      header: '▸ build',
      lines: ['  pulled  1.0s'],
      seconds: 62,
    },
  ])
})

test('the name of a section is valid in GitLab', () => {
  const log = logged((sink) => {
    sink.open('dry run')
    sink.close('dry run', 'done', 0)
  })
  expect(sectionsOf(log)).toMatchObject([{ name: 'dry-run-1763712000400', header: '▸ dry run' }])
})

test('colors are written where the sink has colors', () => {
  const log = logged((sink) => {
    sink.open('build')
    sink.close('build', 'failed', 1)
  }, true)
  expect(log).toContain('\r\u001b[0K\u001b[1m▸ build\u001b[0m\n')
  expect(sectionsOf(log)).toMatchObject([{ header: '▸ build' }])
})

test('stages that run in parallel are sections one after the other', async () => {
  const clock = handClock(start)
  let log = ''
  const lines = terminalSink((line) => (log += `${line}\n`), false)
  const reporter = new Reporter(
    withSections(lines, (text) => (log += text), clock),
    clock,
  )
  const stage = (name: string, ms: number) =>
    reporter.stage(name, async (stageLog) => {
      stageLog.say('begun')
      await clock.sleep(ms)
      stageLog.say('over')
    })
  const both = Promise.all([stage('preflight', 9000), stage('build', 4000)])
  await settled()
  await clock.pass(9000)
  await both
  expect(sectionsOf(log)).toMatchObject([
    { header: '▸ preflight', lines: ['  begun  0.0s', '  over  9.0s'], seconds: 9 },
    { header: '▸ build', lines: ['  begun  0.0s', '  over  4.0s'], seconds: 4 },
  ])
})

test.each([
  ['end', '\u001b[0Ksection_end:1763712000:build-1763712000400\r\u001b[0K'],
  ['start', 'section_start:1:mine\r\u001b[0Kmine'],
  ['start with options', 'section_start:1:mine[collapsed=true]\r\u001b[0Kmine'],
  ['mark with an escape within an escape', 'section_end:1:mine\r\u001b\u001b[0m[0K'],
  ['mark by an escape of one byte', 'section_end:1:mine\r\u009b0K'],
])('foreign text cannot be taken for a section %s', (_, text) => {
  const log = logged((sink) => {
    sink.open('build')
    sink.quote(text)
    sink.say(text, 1)
    sink.close('build', 'done', 1)
  })
  const [section, ...more] = sectionsOf(log)
  expect(more).toEqual([])
  expect(section?.lines).toHaveLength(2)
  expect(section?.lines[0]).toMatch(/^ {2}│ section_(start|end):/)
})

test('the parser in these tests accepts only whole sections', () => {
  const mark = (kind: string, name: string) => `\u001b[0Ksection_${kind}:1:${name}\r\u001b[0K`
  expect(() => sectionsOf(mark('start', 'a'))).toThrow('a is not closed')
  expect(() => sectionsOf(mark('end', 'a'))).toThrow('a is closed, and none open')
  expect(() => sectionsOf(mark('start', 'a') + mark('start', 'b'))).toThrow('within a')
  const once = mark('start', 'a') + mark('end', 'a')
  expect(() => sectionsOf(once + mark('start', 'a'))).toThrow('a comes twice')
  expect(() => sectionsOf('section_start:x:y\r\u001b[0K')).toThrow('half a mark')
})
