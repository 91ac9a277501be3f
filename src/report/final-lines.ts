import { pageOf } from '../failure/failure.js'
import { findingLines } from './finding-lines.js'
import { type Report } from './report.js'
import { wentWell } from '../failure/result.js'
import { evidence, keptMigrations, moved, seconds, verdict, warningsOf } from './sentences.js'
import { idOf } from '../kubernetes/workload.js'

/** A line of the log's last part; `quoted` ones are foreign text. */
export interface FinalLine {
  readonly text: string
  readonly kind: 'plain' | 'quoted' | 'error' | 'warning' | 'good'
}

/**
 * Returns the end of the log, in the order in which a person at 3 a.m. needs it: the cause in one sentence, its
 * evidence, what was restored, what to do now.
 */
export function finalLines(report: Report): readonly FinalLine[] {
  const { cause, result } = report
  const good = wentWell(result)
  const lines: FinalLine[] = []
  const plain = (text: string) => {
    for (const line of text.split('\n')) lines.push({ text: line, kind: 'plain' })
  }

  lines.push(...findingLines(report.findings ?? []))
  if (cause) {
    const [first = '', ...rest] = cause.sentence.split('\n')
    lines.push({ text: first, kind: 'error' })
    rest.forEach(plain)
    if (cause.waited !== undefined) plain(`waited ${cause.waited}`)
    for (const { title, lines: foreign } of evidence(cause)) {
      if (title !== undefined) plain(`${title}:`)
      for (const text of foreign) lines.push({ text, kind: 'quoted' })
    }
  }
  for (const workload of report.workloads) {
    const took = workload.seconds === undefined ? '' : `, ${seconds(workload.seconds)}`
    plain(`${idOf(workload)}: ${moved(workload)}${took}`)
  }
  const workloads = report.workloads.map(idOf)
  for (const { object, action } of report.restored) {
    if (!workloads.includes(object)) plain(`${object}: ${action}`)
  }
  const kept = keptMigrations(report)
  if (kept !== undefined) plain(kept)
  if (good && report.migrations.length > 0) {
    plain(`migrations applied: ${report.migrations.join(', ')}`)
  }
  const held = (report.plan?.held ?? []).map(({ name }) => name)
  const waiting = held.filter((name) => !report.migrations.includes(name))
  if (report.result === 'deployed' && waiting.length > 0) {
    plain(`migrations held back: ${waiting.join(', ')}`)
  }
  for (const warning of warningsOf(report)) plain(`warning: ${warning}`)
  if (cause?.hint !== undefined) plain(`hint: ${cause.hint}`)
  if (cause) plain(`more: ${pageOf(cause)}`)
  lines.push({
    text: `${verdict(report)} (${seconds(report.seconds)})`,
    kind: good ? 'good' : 'error',
  })
  return lines
}
