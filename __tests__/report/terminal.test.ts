import { describe, expect, test } from '@jest/globals'
import { pageOf } from '../../src/failure/failure.js'
import type { Size } from '../../src/report/live-lines.js'
import type { Sink } from '../../src/report/reporter.js'
import { terminalSink, writeClosing } from '../../src/report/terminal.js'
import { reportOf } from '../support/report.js'

/** What one call writes. */
function written(call: (sink: Sink) => void, color = false): readonly string[] {
  const lines: string[] = []
  call(terminalSink((line) => lines.push(line), color))
  return lines
}

test.each<[string, (sink: Sink) => void, string[], string[]]>([
  ['a stage', (sink) => sink.open('build'), ['▸ build'], ['\u001b[1m▸ build\u001b[0m']],
  [
    'our words',
    (sink) => sink.say('pushed', 12.34),
    ['  pushed  12.3s'],
    ['  pushed  \u001b[2m12.3s\u001b[0m'],
  ],
  [
    'more than one line',
    (sink) => sink.say('a\nb', 1),
    ['  a  1.0s', '  b  1.0s'],
    ['  a  \u001b[2m1.0s\u001b[0m', '  b  \u001b[2m1.0s\u001b[0m'],
  ],
  ['foreign words', (sink) => sink.quote('hello'), ['  │ hello'], ['\u001b[2m  │ hello\u001b[0m']],
  [
    'done',
    (sink) => sink.close('build', 'done', 5),
    ['✓ build 5.0 s'],
    ['\u001b[32m✓\u001b[0m build \u001b[2m5.0 s\u001b[0m'],
  ],
  [
    'failed',
    (sink) => sink.close('build', 'failed', 65),
    ['✗ build failed 1 min 05 s'],
    ['\u001b[31m✗\u001b[0m build failed \u001b[2m1 min 05 s\u001b[0m'],
  ],
  [
    'stopped',
    (sink) => sink.close('build', 'stopped', 5),
    ['· build stopped 5.0 s'],
    ['· build stopped \u001b[2m5.0 s\u001b[0m'],
  ],
])('a line is colored for "%s"', (_, call, plain, painted) => {
  expect(written(call)).toEqual(plain)
  expect(written(call, true)).toEqual(painted)
})

describe('foreign text cannot control the terminal', () => {
  test.each([
    ['a color', '\u001b[31mred\u001b[0m', 'red'],
    ['a move of the cursor', 'a\u001b[2Kb\u001b[1A', 'ab'],
    ['a title', '\u001b]0;owned\u0007text', 'text'],
    ['a link', '\u001b]8;;http://e.example\u0007click\u001b]8;;\u0007', 'click'],
    ['an escape of one byte', '\u009b31mred', 'red'],
    ['a bare escape', 'a\u001b', 'a'],
    ['a return', 'good\rbad', 'goodbad'],
    ['a backspace, a bell, a zero', 'a\bb\u0007c\u0000', 'abc'],
    ['an escape within another', '\u001b\u001b[31m[31mx', '[31mx'],
    ['a tab stays', 'a\tb', 'a\tb'],
    ['letters of all kinds stay', 'größer € 漢 🎉', 'größer € 漢 🎉'],
  ])('in the case "%s"', (_, text, shown) => {
    expect(written((sink) => sink.quote(text))).toEqual([`  │ ${shown}`])
    expect(written((sink) => sink.say(text, 0))).toEqual([`  ${shown}  0.0s`])

    const lines: string[] = []
    const cause = { code: 'crash', sentence: text, hint: text, logs: [{ lines: [text] }] } as const
    const report = reportOf({ result: 'failed', cause, workloads: [], warnings: [text] })
    writeClosing(report, (line) => lines.push(line), false)
    expect(lines.slice(0, -1)).toEqual([
      '',
      `✗ ${shown}`,
      `  │ ${shown}`,
      `warning: ${shown}`,
      `hint: ${shown}`,
      `more: ${pageOf(cause)}`,
    ])
  })
})

test.each([
  [
    false,
    [
      '',
      '✗ it fell',
      '  │ Traceback',
      `more: ${pageOf({ code: 'cancelled' })}`,
      '✗ shop ef2714eb63e4 was cancelled: all workloads and objects are as before (1 min 01 s)',
    ],
  ],
  [
    true,
    [
      '',
      '\u001b[31m✗ it fell\u001b[0m',
      '\u001b[2m  │ Traceback\u001b[0m',
      `more: ${pageOf({ code: 'cancelled' })}`,
      '\u001b[31m✗ shop ef2714eb63e4 was cancelled: all workloads and objects are as before (1 min 01 s)\u001b[0m',
    ],
  ],
])('the last lines are right when painted is %s', (color, expected) => {
  const lines: string[] = []
  const cause = {
    code: 'cancelled',
    sentence: 'it fell',
    logs: [{ lines: ['Traceback'] }],
  } as const
  const report = reportOf({ result: 'cancelled', cause, workloads: [] })
  writeClosing(report, (line) => lines.push(line), color)
  expect(lines).toEqual(expected)
})

test('the last line of a successful release is green', () => {
  const lines: string[] = []
  writeClosing(reportOf({ result: 'unchanged', workloads: [] }), (line) => lines.push(line), true)
  expect(lines.at(-1)).toBe(
    '\u001b[32m✓ shop ef2714eb63e4 is already running: nothing to do for 0 workloads (1 min 01 s)\u001b[0m',
  )
})

describe('the current state of a release', () => {
  test('is drawn on a screen, in lines that fit', () => {
    const drawn: (readonly string[] | undefined)[] = []
    const on = {
      draw: (lines: ((size: Size) => readonly string[]) | undefined) =>
        void drawn.push(lines?.({ columns: 30, rows: 10 })),
    }
    const sink = terminalSink(() => {}, false, on)
    sink.draw?.(() => [{ of: 'deployment/web', is: 'waiting', words: '1 of 2 ready', seconds: 3 }])
    sink.draw?.(undefined)
    expect(drawn).toEqual([['  · deployment/web  3 s  1 of…'], undefined])
  })

  test('is not drawn where there is no screen', () => {
    expect(terminalSink(() => {}, true)).not.toHaveProperty('draw')
  })
})
