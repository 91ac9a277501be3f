import { finalLines } from './final-lines.js'
import { liveLines, type Paint } from './live-lines.js'
import type { Report } from './report.js'
import type { Sink } from './reporter.js'
import type { Screen } from './screen.js'
import { printable, seconds } from './sentences.js'

/** Writes a run as plain lines, for terminals, GitLab, Jenkins and files; with a screen, what is waited for below. */
export function terminalSink(
  write: (line: string) => void,
  color: boolean,
  screen?: Pick<Screen, 'draw'>,
): Sink {
  const paint = painter(color)
  return {
    open: (stage) => {
      write(paint(1, `▸ ${stage}`))
    },
    say: (line, at) => {
      line.split('\n').forEach((part) => {
        write(`  ${printable(part)}  ${paint(2, `${at.toFixed(1)}s`)}`)
      })
    },
    quote: (line) => {
      write(paint(2, `  │ ${printable(line)}`))
    },
    close: (stage, ended, took) => {
      const sign = { done: paint(32, '✓'), failed: paint(31, '✗'), stopped: '·' }[ended]
      write(`${sign} ${stage}${ended === 'done' ? '' : ` ${ended}`} ${paint(2, seconds(took))}`)
    },
    ...(screen && {
      draw: (rows: Parameters<NonNullable<Sink['draw']>>[0]) => {
        screen.draw(rows && ((size) => liveLines(rows(), size, paint)))
      },
    }),
  }
}

function painter(color: boolean): Paint {
  return (code, text) => (color ? `\u001b[${code}m${text}\u001b[0m` : text)
}

export function writeClosing(report: Report, write: (line: string) => void, color: boolean): void {
  const paint = painter(color)
  write('')
  for (const { text, kind } of finalLines(report)) {
    const line = printable(text)
    switch (kind) {
      case 'plain':
        write(line)
        break
      case 'quoted':
        write(paint(2, `  │ ${line}`))
        break
      case 'error':
        write(paint(31, `✗ ${line}`))
        break
      case 'warning':
        write(paint(33, `! ${line}`))
        break
      case 'good':
        write(paint(32, `✓ ${line}`))
    }
  }
}
