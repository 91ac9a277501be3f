import { describe, expect, test } from '@jest/globals'
import {
  Last,
  LineSplitter,
  longest,
  LongLine,
  shownOfSecrets,
  withoutSecrets,
} from '../../src/platform/lines.js'

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

describe('a long line of a log', () => {
  /** The pieces of one line that comes in chunks of this length. */
  function piecesOf(line: string, chunk: number, whole = ''): string[] {
    const long = new LongLine(whole)
    const pieces: string[] = []
    for (let at = 0; at < line.length; at += chunk)
      pieces.push(...long.push(line.slice(at, at + chunk)))
    return [...pieces, long.end()]
  }

  const lines = [
    ['letters', 'x'.repeat(3 * longest + 5)],
    ['an emoji at the cut', `${'x'.repeat(longest - 1)}😀${'y'.repeat(longest)}`],
    ['a marker at the cut', `${'x'.repeat(longest - 2)}m-1${'y'.repeat(longest)}m-1`],
    ['a marker in a later piece', `${'x'.repeat(3 * longest)}m-1${'y'.repeat(longest)}`],
  ] as const

  test.each(lines)('comes in the same pieces in whatever chunks it arrives: %s', (_, line) => {
    const [pieces, ...others] = [7_919, longest, 1_000_000].map((chunk) =>
      piecesOf(line, chunk, 'm-1'),
    )
    expect(pieces?.join('')).toBe(line)
    for (const other of others) expect(other).toEqual(pieces)
  })

  test('is cut, and no letter in two', () => {
    const pieces = lines.slice(0, 2).flatMap(([, line]) => piecesOf(line, 1_000))
    expect(Math.max(...pieces.map((piece) => piece.length))).toBeLessThanOrEqual(longest)
    expect(pieces.filter((piece) => !piece.isWellFormed())).toEqual([])
  })

  test('comes whole where it is for the program', () => {
    const line = `Applying x...m-1${'y'.repeat(4 * longest)}m-1`
    expect(piecesOf(line, 10_000, 'm-1')).toEqual([line])
    // The next one is no part of it.
    const long = new LongLine('m-1')
    expect([...long.push(line), long.end()]).toEqual([line])
    expect([...long.push('z'.repeat(2 * longest)), long.end()].length).toBeGreaterThan(1)
  })
})

describe('of what never ends', () => {
  test('the last ones are kept', () => {
    const last = new Last<string>({ count: 3, letters: 100 }, (line) => line.length)
    for (let i = 0; i < 1_000; i++) last.push(`${i}`)
    expect(last.all).toEqual(['997', '998', '999'])
  })

  test('fewer of long ones, but one always', () => {
    const last = new Last<string>({ count: 100, letters: 10 }, (line) => line.length)
    for (const line of ['aaaa', 'bbbb', 'cccc']) last.push(line)
    expect(last.all).toEqual(['bbbb', 'cccc'])
    last.push('d'.repeat(50))
    expect(last.all).toEqual(['d'.repeat(50)])
    last.push('e')
    expect(last.all).toEqual(['e'])
  })
})

test.each([
  ['token s3cr3t in it', ['s3cr3t'], 'token *** in it'],
  ['the longest first: s3cr3t-two', ['s3cr3t', 's3cr3t-two'], 'the longest first: ***'],
  ['a line of it: BBBB', ['AAAA\n  BBBB\nC'], 'a line of it: ***'],
  ['short ones stay: abc', ['abc', ''], 'short ones stay: abc'],
])('%j is shown without its secrets', (text, secrets, shown) => {
  expect(withoutSecrets(shownOfSecrets(secrets), text)).toBe(shown)
})

test('a secret that is named is hidden, however short it is', () => {
  expect(withoutSecrets(['abc', 'abc-two'], 'abc and abc-two')).toBe('*** and ***')
})
