import type { Journal } from '../../src/report/journal.js'

/** A journal that keeps what it is told, foreign lines with `> ` before them. */
export function notebook(): Journal & { readonly lines: string[] } {
  const lines: string[] = []
  return {
    lines,
    say: (line) => lines.push(line),
    quote: (line) => lines.push(`> ${line}`),
    waiting: () => undefined,
    annotate: () => undefined,
  }
}
