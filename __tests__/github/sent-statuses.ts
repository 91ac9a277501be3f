/**
 * Runs as a process of its own, as on a runner: the first argument says what is told, and standard output
 * is what the runner reads.
 */
import {
  maskSecrets,
  runnerSink,
  reportNothingLeft,
  reportToRunner,
} from '../../src/github/runner.js'
import type { Report } from '../../src/report/report.js'

const [, , what, text = '{}'] = process.argv
const told = JSON.parse(text) as {
  lines?: string[]
  givens?: Record<string, string>[]
  report?: Report
}

if (what === 'sink') {
  const sink = runnerSink()
  sink.open('build')
  for (const line of told.lines ?? []) {
    sink.say(line, 1.25)
    sink.quote(line)
  }
  sink.close('build', 'failed', 61)
} else if (what === 'mask') {
  for (const given of told.givens ?? []) {
    maskSecrets(given)
    console.log('next')
  }
} else if (what === 'report' && told.report) {
  await reportToRunner(told.report, '/tmp/report.json')
} else if (what === 'nothing left' && told.report) {
  reportNothingLeft(told.report)
}
