import { closing } from './closing.js'
import type { Report } from './report.js'
import type { Sink } from './reporter.js'
import { printable, seconds } from './words.js'

/** Writes a run as plain lines, for terminals, GitLab, Jenkins and files. */
export function terminalSink(write: (line: string) => void, color: boolean): Sink {
  const paint = (code: number, text: string) => (color ? `\u001b[${code}m${text}\u001b[0m` : text)
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
  }
}

export function writeClosing(report: Report, write: (line: string) => void, color: boolean): void {
  const paint = (code: number, text: string) => (color ? `\u001b[${code}m${text}\u001b[0m` : text)
  write('')
  for (const { text, kind } of closing(report)) {
    const line = printable(text)
    switch (kind) {
      case 'ours':
        write(line)
        break
      case 'quoted':
        write(paint(2, `  │ ${line}`))
        break
      case 'error':
        write(paint(31, `✗ ${line}`))
        break
      case 'good':
        write(paint(32, `✓ ${line}`))
    }
  }
}
