/** Lines that stay, and below them some that are drawn over and over. */
import { stripVTControlCharacters } from 'node:util'
import type { Clock, Window } from '../platform/platform.js'
import { widthOf, type Size } from './live-lines.js'

export interface Screen {
  /** A permanent line: drawing continues below it. */
  print(line: string): void
  /**
   * Draws these lines, of a width and number that fit, in place of those before: within 100 ms, and once a
   * second from then on. `undefined`: nothing any more.
   */
  draw(lines: ((size: Size) => readonly string[]) | undefined): void
}

const tickMs = 100
const redrawMs = 1000

// https://invisible-island.net/xterm/ctlseqs/ctlseqs.html
const up = (rows: number) => `\u001b[${rows}A`
const clearBelow = '\u001b[J'
// A letter that is wider than we thought must not begin a new row.
const withoutWrap = (text: string) => `\u001b[?7l${text}\u001b[?7h`

/**
 * The cursor rests below all lines and stays visible, and each write leaves the terminal in its usual mode:
 * there is nothing to restore, however the program ends.
 */
export function screen(window: Window, clock: Clock): Screen {
  let source: ((size: Size) => readonly string[]) | undefined
  let drawn: readonly string[] = []
  let size = window.size()
  let drawnAt = -Infinity
  let stop: (() => void) | undefined

  /** A window that became narrower has broken what was drawn into more rows. */
  const erase = () => {
    const { columns } = window.size()
    const rows = drawn.map((line) => widthOf(stripVTControlCharacters(line)) / columns)
    const height = rows.reduce((sum, each) => sum + Math.max(1, Math.ceil(each)), 0)
    return height === 0 ? '' : `\r${up(height)}${clearBelow}`
  }
  const block = () =>
    drawn.length === 0 ? '' : withoutWrap(drawn.map((line) => `${line}\n`).join(''))
  const show = (lines: readonly string[]) => {
    const text = erase()
    drawn = lines
    if (text !== '' || lines.length > 0) window.write(text + block())
  }
  const isResized = ({ columns, rows }: Size) => columns !== size.columns || rows !== size.rows
  const tick = () => {
    const now = window.size()
    const resized = isResized(now)
    if (!resized && clock.now() - drawnAt < redrawMs) return
    const lines = source?.(now) ?? []
    if (resized || lines.join('\n') !== drawn.join('\n')) show(lines)
    size = now
    drawnAt = clock.now()
  }
  return {
    print: (line) => {
      const text = `${erase()}${line}\n`
      // It may not fit any more: it is drawn again at the next tick.
      if (isResized(window.size())) drawn = []
      window.write(text + block())
      // The line is about a change: what is drawn has to agree with it.
      drawnAt = -Infinity
    },
    draw: (lines) => {
      source = lines
      drawnAt = -Infinity
      if (lines) {
        stop ??= clock.every(tickMs, tick)
        return
      }
      stop?.()
      stop = undefined
      show([])
    },
  }
}
