import { describe, expect, test } from '@jest/globals'
import { LineSplitter } from '../../src/platform/lines.js'

/** The lines of a stream that comes in these chunks. */
function linesOf(...chunks: readonly (string | Buffer)[]): string[] {
  const lines: string[] = []
  const splitter = new LineSplitter((line) => lines.push(line))
  for (const chunk of chunks) splitter.push(Buffer.from(chunk))
  splitter.end()
  return lines
}

describe('a stream is cut into lines', () => {
  test.each<[string, (string | Buffer)[], string[]]>([
    ['line ends', ['a\nb\n'], ['a', 'b']],
    ['a last line without end', ['a\nb'], ['a', 'b']],
    ['an empty line', ['a\n\nb\n'], ['a', '', 'b']],
    ['nothing', [], []],
    ['chunks within a line', ['he', 'll', 'o\nyo', 'u\n'], ['hello', 'you']],
    ['Windows line ends', ['a\r\nb\r\n'], ['a', 'b']],
    ['a Windows line end in two chunks', ['a\r', '\nb\n'], ['a', 'b']],
    [
      'a letter in two chunks',
      [Buffer.from('é').subarray(0, 1), Buffer.from('é').subarray(1)],
      ['é'],
    ],
    ['a letter that never ends', [Buffer.from('aé').subarray(0, 2)], ['a\ufffd']],
    ['progress drawn over', ['10%\r20%\r', '30%\r100%\nnext\n'], ['100%', 'next']],
    ['progress whose line is never ended', ['10%\r20%\r30%'], ['30%']],
  ])('with "%s"', (_, chunks, lines) => {
    expect(linesOf(...chunks)).toEqual(lines)
  })

  test('of at most 64 Ki letters, and no letter is cut in two', () => {
    const line = `${'x'.repeat(64 * 1024 - 1)}😀${'y'.repeat(100_000)}`
    const pieces = linesOf(line, '\nnext\n')
    expect(pieces.at(-1)).toBe('next')
    expect(pieces.slice(0, -1).join('')).toBe(line)
    expect(Math.max(...pieces.map((piece) => piece.length))).toBeLessThanOrEqual(64 * 1024)
    expect(pieces[1]).toMatch(/^😀y/u)
  })

  test('without keeping a progress bar that is drawn for hours', () => {
    const lines: string[] = []
    const splitter = new LineSplitter((line) => lines.push(line))
    for (let i = 0; i < 10_000; i++) splitter.push(Buffer.from(`${i} ${'#'.repeat(100)}\r`))
    splitter.end()
    expect(lines).toEqual([`9999 ${'#'.repeat(100)}`])
  })
})
