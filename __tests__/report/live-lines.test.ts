import { describe, expect, test } from '@jest/globals'
import type { StatusRow } from '../../src/platform/stage-log.js'
import { liveLines, widthOf } from '../../src/report/live-lines.js'

const plain = (_: number, text: string) => text
const web: StatusRow = { of: 'deployment/web', is: 'ready', words: '2 of 2 ready', seconds: 8.2 }
const worker: StatusRow = {
  of: 'deployment/worker',
  is: 'waiting',
  seconds: 20,
  words: '2 of 3 ready, waiting for worker-7d (startup probe 14 s of 60 s)',
}
const beat: StatusRow = {
  of: 'deployment/beat',
  is: 'degraded',
  seconds: 125,
  words: '0 of 1 ready, waiting for beat-1 (exited with 1)',
}
const failed: StatusRow = { of: 'deployment/beat', is: 'failed', words: 'failed: x' }
const bake: StatusRow = { is: 'waiting', words: 'all are ready, watched for 3 s of 15 s' }

describe('each workload has a live line', () => {
  test.each<[string, StatusRow[], string[]]>([
    ['nothing', [], []],
    [
      'with sign, name, seconds and words',
      [web, worker, beat],
      [
        '  ✓ deployment/web       8 s  2 of 2 ready',
        '  · deployment/worker   20 s  2 of 3 ready, waiting for worker-7d (startup probe 14 s of 60 s)',
        '  ! deployment/beat    125 s  0 of 1 ready, waiting for beat-1 (exited with 1)',
      ],
    ],
    [
      'and one about all',
      [web, bake],
      [
        '  ✓ deployment/web  8 s  2 of 2 ready',
        '  ·                      all are ready, watched for 3 s of 15 s',
      ],
    ],
    [
      'words alone',
      [{ is: 'waiting', words: 'building: step 3 of 9', seconds: 4 }],
      ['  · 4 s  building: step 3 of 9'],
    ],
  ])('in the case "%s"', (_, standings, lines) => {
    expect(liveLines(standings, { columns: 100, rows: 24 }, plain)).toEqual(lines)
  })
})

describe('a small window', () => {
  test.each<[number, string]>([
    [
      100,
      '  · deployment/worker  20 s  2 of 3 ready, waiting for worker-7d (startup probe 14 s of 60 s)',
    ],
    [60, '  · deployment/worker  20 s  2 of 3 ready, waiting for work…'],
    [40, '  · deployment/worker  20 s  2 of 3 rea…'],
    [20, '  · deployment/work…'],
  ])('of %d columns cuts the line', (columns, line) => {
    expect(liveLines([worker], { columns, rows: 24 }, plain)).toEqual([line])
  })

  test.each([
    [19, 24],
    [80, 3],
  ])('of %d columns and %d rows has no live lines', (columns, rows) => {
    expect(liveLines([worker], { columns, rows }, plain)).toEqual([])
  })

  const many = Array.from({ length: 60 }, (_, i): StatusRow => ({
    of: `w${i}`,
    is: i % 2 === 0 ? 'ready' : 'waiting',
    words: '…',
  }))
  many[50] = { ...beat, of: 'w50' }
  many[51] = { ...failed, of: 'w51' }

  test('shows the important lines, and counts the others', () => {
    expect(liveLines(many, { columns: 80, rows: 8 }, plain)).toEqual([
      '  ✗ w51         failed: x',
      '  ! w50  125 s  0 of 1 ready, waiting for beat-1 (exited with 1)',
      '  · w1          …',
      '  · w3          …',
      '  · w5          …',
      '  … and 55 more; 29 of 60 ready',
    ])
  })

  test('counts only workloads', () => {
    const all = [web, web, web, bake]
    expect(liveLines(all, { columns: 80, rows: 4 }, plain)).toEqual([
      '  ·   all are ready, watched for 3 s of 15 s',
      '  … and 3 more; 3 of 3 ready',
    ])
  })

  test.each([4, 5, 10, 24, 61, 62, 100])('of %d rows is never filled', (rows) => {
    const lines = liveLines(many, { columns: 80, rows }, plain)
    expect(lines.length).toBeLessThanOrEqual(rows - 2)
    expect(lines).toHaveLength(Math.min(60, rows - 2))
  })
})

test('the symbol of a line is colored without taking more room', () => {
  const paint = (code: number, text: string) => `\u001b[${code}m${text}\u001b[0m`
  expect(liveLines([web, worker, beat, failed], { columns: 20, rows: 24 }, paint)).toEqual([
    '  \u001b[32m✓\u001b[0m deployment/web …',
    '  \u001b[2m·\u001b[0m deployment/work…',
    '  \u001b[33m!\u001b[0m deployment/beat…',
    '  \u001b[31m✗\u001b[0m deployment/beat…',
  ])
})

describe('foreign text in a live line', () => {
  test.each([
    ['a move of the cursor', 'a\u001b[2Kb\u001b[1A', 'ab'],
    ['several lines', 'a\nb\r\nc', 'a b c'],
    ['a tab', 'a\tb', 'a b'],
    ['a title', '\u001b]0;owned\u0007text', 'text'],
  ])('stays on one line although it has %s', (_, words, shown) => {
    const lines = liveLines([{ is: 'waiting', words }], { columns: 40, rows: 24 }, plain)
    expect(lines).toEqual([`  ·   ${shown}`])
  })

  test.each<[string, number]>([
    ['größer', 6],
    ['漢字', 4],
    ['🎉!', 3],
    ['e\u0301', 1],
    ['한글', 4],
    ['ＡＢ', 4],
    ['…·✓', 3],
    ['a\u200bb', 2],
  ])('is measured: %s takes %d columns', (text, columns) => {
    expect(widthOf(text)).toBe(columns)
  })

  test('is cut between wide letters', () => {
    const words = '漢'.repeat(30)
    const [line = ''] = liveLines([{ is: 'waiting', words }], { columns: 21, rows: 24 }, plain)
    expect(widthOf(line)).toBeLessThanOrEqual(21)
    expect(line).toMatch(/^ {2}· {3}漢{7}…$/)
  })
})
