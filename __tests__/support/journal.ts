import type { StageLog, WaitedFor } from '../../src/platform/stage-log.js'
import { stillWaiting } from '../../src/report/sentences.js'

/** A journal that keeps what it is told, foreign lines with `> ` before them. */
export function notebook(): StageLog & {
  readonly lines: string[]
  /** What is being waited for, asked for now. */
  readonly waitsFor: () => string | undefined
} {
  const lines: string[] = []
  let waiting: WaitedFor | undefined
  return {
    lines,
    say: (line) => lines.push(line),
    quote: (line) => lines.push(`> ${line}`),
    waiting: (on) => {
      waiting = on
    },
    waitsFor: () => (typeof waiting === 'function' ? stillWaiting(waiting()) : waiting),
  }
}
