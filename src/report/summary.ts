/** The job summary. Pure; the text is cut well under GitHub's 1 MiB, over which it drops it whole. */
import { idOf } from '../kubernetes/workload.js'
import { pageOf } from '../failure/failure.js'
import { byTopic, signs } from './finding-lines.js'
import { closed, escaped, fenced, open, table } from './markdown.js'
import { planText, summaryLimit } from './plan-text.js'
import { type Report, type WorkloadReport } from './report.js'
import { wentWell } from '../failure/result.js'
import { mostShown, timeline } from './timeline.js'
import {
  evidence,
  keptMigrations,
  lastWriteProgress,
  moved,
  plural,
  seconds,
  verdict,
  warningsOf,
} from './sentences.js'

const mostLogLines = 100
/** Of workloads; more are folded up, so that what comes after them is seen. */
const mostOpen = 20

export function summary(report: Report): string {
  if (report.command === 'plan') return planText(report, { longest: summaryLimit })
  const { cause, result } = report
  const isMarred = report.commands?.some(({ ended }) => ended === 'failed') === true
  const sign = !wentWell(result) ? '❌' : isMarred ? '⚠️' : '✅'
  const parts = [`## ${sign} ${escaped(verdict(report))} (${seconds(report.seconds)})`]
  if (cause) {
    parts.push(`**Cause:** ${escaped(cause.sentence)}`)
    if (cause.hint !== undefined) parts.push(`**Hint:** ${escaped(cause.hint)}`)
    parts.push(`**More:** [${cause.code}](${pageOf(cause)})`)
    for (const { title = 'last log lines', lines } of evidence(cause)) {
      parts.push(open(title, fenced(lines.slice(-mostLogLines))))
    }
  }
  for (const [topic, found] of byTopic(report.findings ?? [])) {
    parts.push(`**${topic}**`)
    for (const { severity, message, fix } of found) {
      parts.push(
        `${signs[severity]} ${escaped(message)}`,
        ...(fix === undefined ? [] : [fenced(fix.split('\n'))]),
      )
    }
  }
  parts.push(...planParts(report))
  if (report.workloads.length > 0) {
    const rows = report.workloads.map((workload) => [
      idOf(workload),
      moved(workload),
      podsOf(workload),
      workload.seconds === undefined ? '' : workload.seconds.toFixed(1),
    ])
    const all = table(['Workload', 'Version', 'Pods ready', 'Seconds'], rows)
    parts.push(rows.length > mostOpen ? closed(plural(rows.length, 'workload'), all) : all)
  }
  const chart = timeline(report)
  if (chart !== undefined) {
    parts.push(`\`\`\`mermaid\n${chart}\n\`\`\``)
    if (report.workloads.length > mostShown) {
      parts.push(`The chart shows the ${mostShown} slowest workloads.`)
    }
  }
  const workloads = report.workloads.map(idOf)
  const others = report.restored.filter(({ object }) => !workloads.includes(object))
  if (others.length > 0) {
    parts.push(
      table(
        ['Object', 'Action'],
        others.map(({ object, action }) => [object, action]),
      ),
    )
  }
  if (report.backup) {
    const { job, seconds: took } = report.backup
    parts.push(`**Backup:** ${escaped(`job/${job}`)} (${seconds(took)})`)
  }
  if (report.commands) {
    const rows = report.commands.map(({ when, command, seconds: took, ended }) => [
      when,
      command,
      seconds(took),
      ended,
    ])
    parts.push(table(['Commands', '', 'Took', ''], rows))
  }
  if (report.migrations.length > 0) {
    const kept = keptMigrations(report)
    const names = report.migrations.join(', ')
    parts.push(kept === undefined ? `**Migrations applied:** ${escaped(names)}` : escaped(kept))
  }
  const shown = report.plan?.findings.map(({ message }) => message) ?? []
  for (const warning of warningsOf(report)) {
    if (!shown.includes(warning)) parts.push(`**Warning:** ${escaped(warning)}`)
  }
  if (report.stages.length > 0) {
    const rows = report.stages.map(({ name, seconds: took, ended }) => [name, seconds(took), ended])
    parts.push(closed('Stages', table(['Stage', 'Took', ''], rows)))
  }
  if (report.digest !== undefined) {
    parts.push(`Image: \`${report.image}:${report.tag}@${report.digest}\``)
  }
  return `${parts.join('\n\n')}\n`
}

/** Renders the verdict on each pending migration, and how to do safely what is not safe. */
function planParts({ plan, cause }: Report): readonly string[] {
  const { migrations = [], findings = [], held = [], bridges = [] } = plan ?? {}
  const judged = migrations.filter(({ verdict }) => verdict !== 'not judged')
  const rows = migrations.map(({ name, operations, verdict }) => [
    name,
    operations.join(', '),
    verdict,
  ])
  const all = table(['Migration', 'Operations', 'Running version'], rows)
  const open = findings.filter(
    ({ allowed, message }) => allowed === undefined && cause?.sentence.startsWith(message) !== true,
  )
  return [
    ...(judged.length === 0
      ? []
      : [rows.length > mostOpen ? closed(plural(rows.length, 'migration'), all) : all]),
    ...held.map(({ message }) => `**Held back:** ${escaped(message)}`),
    ...bridges.map(escaped),
    ...open.flatMap(({ severity, message, fix }) => [
      `${signs[severity]} ${escaped(message)}`,
      fenced(fix.split('\n')),
    ]),
  ]
}

function podsOf(workload: WorkloadReport): string {
  const { ready, wanted } = lastWriteProgress(workload) ?? {}
  return ready === undefined || !wanted ? '' : `${ready} of ${wanted}`
}
