/** Writes GitLab's job log: each stage is a section that can be folded. */
import type { Clock } from '../platform/platform.js'
import type { Sink } from './reporter.js'

/**
 * The lines of another sink, with GitLab's marks around those of each stage:
 * https://docs.gitlab.com/ci/jobs/job_logs/#create-custom-collapsible-sections
 *
 * A mark is one only with its carriage return and escape, which no foreign line keeps (`printable`).
 */
export function withSections(sink: Sink, write: (text: string) => void, clock: Clock): Sink {
  let open = { name: '', at: 0 }
  const mark = (kind: 'start' | 'end', at: number, name: string, options = '') => {
    write(`\u001b[0Ksection_${kind}:${at}:${name}${options}\r\u001b[0K`)
  }
  return {
    ...sink,
    open: (stage) => {
      const ms = clock.now()
      // A name may be in a log once, and a job may run this program more than once.
      const name = `${stage.replace(/[^a-zA-Z0-9_.-]/g, '-')}-${ms}`
      open = { name, at: Math.floor(ms / 1000) }
      mark('start', open.at, name, '[collapsed=false]')
      sink.open(stage)
    },
    close: (stage, ended, seconds) => {
      // A stage that ran beside another is logged after it: GitLab still shows the time given here.
      mark('end', open.at + Math.round(seconds), open.name)
      sink.close(stage, ended, seconds)
    },
  }
}
