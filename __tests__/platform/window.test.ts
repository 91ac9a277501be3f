import { describe, expect, test } from '@jest/globals'
import { colorOf, windowOf } from '../../src/platform/window.js'

/** A stream that goes to a terminal, as far as is asked. */
function stream(more: object = {}) {
  const written: string[] = []
  const write = (text: string) => written.push(text)
  const fields = { isTTY: true, columns: 100, rows: 30, write, ...more }
  return { written, stream: fields as unknown as NodeJS.WriteStream }
}

describe('a terminal window is recognized', () => {
  test.each<[string, object, Record<string, string>, boolean]>([
    ['a terminal', {}, { TERM: 'xterm-256color' }, true],
    ['one that does not say which', {}, {}, true],
    ['a pipe or a file', { isTTY: undefined }, { TERM: 'xterm' }, false],
    ['one that cannot move its cursor', {}, { TERM: 'dumb' }, false],
    ['CI', {}, { TERM: 'xterm', CI: 'true' }, false],
    ['no CI', {}, { TERM: 'xterm', CI: 'false' }, true],
    ['no CI, said by nothing', {}, { TERM: 'xterm', CI: '' }, true],
  ])('in the case "%s"', (_, fields, env, is) => {
    expect(windowOf(stream(fields).stream, env) !== undefined).toBe(is)
  })
})

test('the size of the window is read each time, with a default where it is unknown', () => {
  const { stream: one } = stream()
  const window = windowOf(one, {})
  expect(window?.size()).toEqual({ columns: 100, rows: 30 })
  Object.assign(one, { columns: 40, rows: 10 })
  expect(window?.size()).toEqual({ columns: 40, rows: 10 })
  Object.assign(one, { columns: 0, rows: 0 })
  expect(window?.size()).toEqual({ columns: 80, rows: 24 })
})

test('text is written to the stream', () => {
  const { written, stream: one } = stream()
  windowOf(one, {})?.write('text')
  expect(written).toEqual(['text'])
})

describe('colors are used or not', () => {
  const terminal = { isTTY: true }
  test.each([
    ['a terminal', terminal, { TERM: 'xterm' }, true],
    ['a pipe', {}, { TERM: 'xterm' }, false],
    ['a terminal without colors', terminal, { TERM: 'dumb' }, false],
    ['a terminal of a CI', terminal, { TERM: 'xterm', CI: 'true' }, true],
    ['NO_COLOR', terminal, { NO_COLOR: '1' }, false],
    ['any word for that', terminal, { NO_COLOR: '0' }, false],
    ['an empty word', terminal, { NO_COLOR: '' }, true],
    ['a log that shows them', {}, { FORCE_COLOR: '1' }, true],
    ['the same where TERM is dumb', {}, { FORCE_COLOR: '1', TERM: 'dumb' }, true],
    ['forced to have none', terminal, { FORCE_COLOR: '0' }, false],
    ['both', terminal, { NO_COLOR: '1', FORCE_COLOR: '1' }, false],
  ])('in the case "%s"', (_, stream, env, has) => {
    expect(colorOf(stream, env)).toBe(has)
  })
})
