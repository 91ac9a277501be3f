/** Renders the current state as lines that fit into a window. Pure. */
import type { StatusRow } from '../platform/stage-log.js'
import { byInterest, printable } from './sentences.js'

/** Of a window, in characters. */
export interface Size {
  readonly columns: number
  readonly rows: number
}

/** Colors of a terminal by number, or the text as it is. */
export type Paint = (code: number, text: string) => string

const signs = {
  failed: ['✗', 31],
  degraded: ['!', 33],
  waiting: ['·', 2],
  ready: ['✓', 32],
} as const

/** Smaller windows show the log alone: `columns`, and rows for a line of the log, one of these, and the cursor. */
const smallest: Size = { columns: 20, rows: 4 }

/**
 * `· deployment/worker  20 s  1 of 3 ready, waiting for worker-7d… (startup probe 14 s of 60 s)`: a line for
 * each, none wider than the window. Those that have no room are counted, and are the least interesting ones.
 */
export function liveLines(
  all: readonly StatusRow[],
  { columns, rows }: Size,
  paint: Paint,
): readonly string[] {
  if (columns < smallest.columns || rows < smallest.rows) return []
  const room = rows - 2
  const shown = all.length <= room ? all : byInterest(all).slice(0, room - 1)
  const hidden = all.length - shown.length
  const secondsOf = ({ seconds }: StatusRow) =>
    seconds === undefined ? '' : `${Math.round(seconds)} s`
  const longest = (texts: readonly string[]) => Math.max(0, ...texts.map(widthOf))
  const nameWidth = longest(shown.map(({ of = '' }) => of))
  const secondsWidth = longest(shown.map(secondsOf))
  const lines = shown.map((row) => {
    const [sign, color] = signs[row.is]
    const name = nameWidth === 0 ? '' : `${(row.of ?? '').padEnd(nameWidth)}  `
    const words = printable(row.words.replace(/\s+/g, ' '))
    const line = `${name}${secondsOf(row).padStart(secondsWidth)}  ${words}`
    return `  ${paint(color, sign)} ${cut(line, columns - 4)}`
  })
  if (hidden === 0) return lines
  const workloads = all.filter(({ of }) => of !== undefined)
  const ready = workloads.filter(({ is }) => is === 'ready')
  const count = `${ready.length} of ${workloads.length} ready`
  return [...lines, cut(`  … and ${hidden} more; ${count}`, columns)]
}

/** Not wider than so many columns; what is left out is an ellipsis. */
function cut(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text
  let width = 0
  let kept = ''
  for (const letter of text) {
    width += widthOf(letter)
    if (width >= columns) break
    kept += letter
  }
  return `${kept}…`
}

/** How many columns a text takes, but for letters that terminals do not agree on. */
export function widthOf(text: string): number {
  let width = 0
  for (const letter of text) width += invisible.test(letter) ? 0 : wide.test(letter) ? 2 : 1
  return width
}

const invisible = /\p{Mn}|\p{Me}|\p{Cf}/u
// East Asian Wide and Fullwidth, in large blocks: https://www.unicode.org/reports/tr11/
const wide =
  /\p{Emoji_Presentation}|[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]/u
