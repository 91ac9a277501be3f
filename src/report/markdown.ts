/** The job summary. Pure; the text is cut well under GitHub's 1 MiB, over which it drops it whole. */
import { idOf } from '../kubernetes/workload.js'
import { pageOf } from './cause.js'
import type { Report } from './report.js'
import { evidence, keptMigrations, moved, printable, seconds, verdict } from './words.js'

const mostLogLines = 100
const longestLogLine = 1000
/** Of anything else; a hint may hold the rules of a whole Role. */
const longestText = 10_000

export function summary(report: Report): string {
  const { cause, result } = report
  const sign = result === 'deployed' || result === 'unchanged' ? '✅' : '❌'
  const parts = [`## ${sign} ${escaped(verdict(report))}`]
  if (cause) {
    parts.push(`**Cause:** ${escaped(cause.sentence)}`)
    if (cause.hint !== undefined) parts.push(`**What to do:** ${escaped(cause.hint)}`)
    parts.push(`**More:** [${cause.code}](${pageOf(cause)})`)
    for (const { title = 'last lines of the log', lines } of evidence(cause)) {
      parts.push(details(title, lines.slice(-mostLogLines)))
    }
  }
  if (report.workloads.length > 0) {
    parts.push(
      table(
        ['Workload', 'Version', 'Seconds'],
        report.workloads.map((workload) => [
          idOf(workload),
          moved(workload),
          workload.seconds === undefined ? '' : workload.seconds.toFixed(1),
        ]),
      ),
    )
  }
  if (report.undone.length > 0) {
    parts.push(
      table(
        ['Put back', 'How'],
        report.undone.map(({ object, did }) => [object, did]),
      ),
    )
  }
  if (report.migrations.length > 0) {
    const kept = keptMigrations(report)
    const names = report.migrations.join(', ')
    parts.push(kept === undefined ? `**Migrations applied:** ${escaped(names)}` : escaped(kept))
  }
  for (const warning of report.warnings) parts.push(`**Warning:** ${escaped(warning)}`)
  parts.push(
    table(
      ['Stage', 'Took', ''],
      report.stages.map(({ name, seconds: took, ended }) => [name, seconds(took), ended]),
    ),
  )
  if (report.digest !== undefined) {
    parts.push(`Image: \`${report.image}:${report.tag}@${report.digest}\``)
  }
  return `${parts.join('\n\n')}\n`
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map(escaped).join(' | ')} |`
  return [line(head), `|${' --- |'.repeat(head.length)}`, ...rows.map(line)].join('\n')
}

/** Foreign words must stay words: no table cell, link, image or tag may come out of them. */
function escaped(text: string): string {
  return cut(text, longestText)
    .split(/\r\n|\r|\n/)
    .map((line) => printable(line).replace(/[\\|`*_[\]<>#~&]/g, (sign) => `\\${sign}`))
    .join('<br>')
}

function cut(text: string, longest: number): string {
  return text.length > longest ? `${text.slice(0, longest)}…` : text
}

/** A fence longer than any run of backticks inside keeps a log from ending it. */
function details(title: string, log: readonly string[]): string {
  const lines = log.map((line) => cut(printable(line), longestLogLine))
  const longest = Math.max(
    2,
    ...lines.flatMap((line) => (line.match(/`+/g) ?? []).map((run) => run.length)),
  )
  const fence = '`'.repeat(longest + 1)
  return `<details open><summary>${title}</summary>\n\n${fence}\n${lines.join('\n')}\n${fence}\n\n</details>`
}
