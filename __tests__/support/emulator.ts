/** A terminal to look at: what a person would see of the bytes that a program writes. */
import xterm from '@xterm/headless'
import type { Window } from '../../src/platform/platform.js'

export interface Emulator extends Window {
  /** All rows of the window, without those that are empty at its end. */
  readonly screen: () => Promise<readonly string[]>
  /** The same, and what has scrolled out at the top. */
  readonly all: () => Promise<readonly string[]>
  readonly resize: (columns: number, rows: number) => Promise<void>
  /** Where the cursor is, in rows and columns of the window. */
  readonly cursor: () => Promise<{ readonly row: number; readonly column: number }>
  /** Everything that was written, piece by piece. */
  readonly written: readonly string[]
}

export function emulator(columns: number, rows: number): Emulator {
  const terminal = new xterm.Terminal({
    cols: columns,
    rows,
    scrollback: 10_000,
    allowProposedApi: true,
    // As a terminal's line discipline does.
    convertEol: true,
  })
  const written: string[] = []
  const settled = () => new Promise<void>((resolve) => terminal.write('', resolve))
  const rowsFrom = (first: number) => {
    const { active } = terminal.buffer
    const lines = Array.from(
      { length: active.length - first },
      (_, i) => active.getLine(first + i)?.translateToString(true) ?? '',
    )
    while (lines.at(-1) === '') lines.pop()
    return lines
  }
  return {
    written,
    write: (text) => {
      written.push(text)
      terminal.write(text)
    },
    size: () => ({ columns: terminal.cols, rows: terminal.rows }),
    resize: async (cols, newRows) => {
      await settled()
      terminal.resize(cols, newRows)
    },
    screen: () => settled().then(() => rowsFrom(terminal.buffer.active.baseY)),
    all: () => settled().then(() => rowsFrom(0)),
    cursor: async () => {
      await settled()
      const { cursorX: column, cursorY: row } = terminal.buffer.active
      return { row, column }
    },
  }
}
