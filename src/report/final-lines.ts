import { pageOf } from '../failure/failure.js'
import { findingLines } from './findings.js'
import { type Report } from './report.js'
import { wentWell } from '../failure/result.js'
import { evidence, keptMigrations, moved, seconds, verdict, warningsOf } from './words.js'
import { idOf } from '../kubernetes/workload.js'

/** A line of the log's last part; `quoted` ones are foreign text. */
export interface ClosingLine {
  readonly text: string
  readonly kind: 'ours' | 'quoted' | 'error' | 'warning' | 'good'
}

/**
 * What stands at the end of the log, in the order in which a person at 3 a.m. needs it: the cause in one
 * sentence, its evidence, what was put back, what to do now.
 */
export function finalLines(report: Report): readonly ClosingLine[] {
  const { cause, result } = report
  const good = wentWell(result)
  const lines: ClosingLine[] = []
  const ours = (text: string) => {
    for (const line of text.split('\n')) lines.push({ text: line, kind: 'ours' })
  }

  lines.push(...findingLines(report.findings ?? []))
  if (cause) {
    const [first = '', ...rest] = cause.sentence.split('\n')
    lines.push({ text: first, kind: 'error' })
    rest.forEach(ours)
    for (const { title, lines: foreign } of evidence(cause)) {
      if (title !== undefined) ours(`${title}:`)
      for (const text of foreign) lines.push({ text, kind: 'quoted' })
    }
  }
  for (const workload of report.workloads) {
    const took = workload.seconds === undefined ? '' : `, ${seconds(workload.seconds)}`
    ours(`${idOf(workload)}: ${moved(workload)}${took}`)
  }
  const told = report.workloads.map(idOf)
  for (const { object, action } of report.restored) {
    if (!told.includes(object)) ours(`${object}: ${action}`)
  }
  const kept = keptMigrations(report)
  if (kept !== undefined) ours(kept)
  if (good && report.migrations.length > 0) {
    ours(`migrations applied: ${report.migrations.join(', ')}`)
  }
  for (const warning of warningsOf(report)) ours(`warning: ${warning}`)
  if (cause?.hint !== undefined) ours(`what to do: ${cause.hint}`)
  if (cause) ours(`more: ${pageOf(cause)}`)
  lines.push({
    text: `${verdict(report)} (${seconds(report.seconds)})`,
    kind: good ? 'good' : 'error',
  })
  return lines
}
