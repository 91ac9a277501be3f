/** What a release would migrate, as Markdown: the job summary of `plan`, and its comment on a pull request. Pure. */
import { pageOf } from '../failure/failure.js'
import { wentWell } from '../failure/result.js'
import { shortTag } from '../kubernetes/image.js'
import { signs } from './finding-lines.js'
import { lockWords } from './lock-sentences.js'
import { closed, escaped, fenced, table } from './markdown.js'
import { evidence, plural, seconds, verdict, warningsOf } from './sentences.js'
import type { MigrationPlan, PlanFinding, PlannedMigration, Report } from './report.js'

/** Well under GitHub's 1 MiB, over which it drops the summary whole. */
export const summaryLimit = 900_000

export interface PlanTextOptions {
  readonly longest: number
  /** The last lines of containers: they may hold what only the log of the run hides. */
  readonly hasLogs?: boolean
  /** The page of the run, with its log and summary. */
  readonly url?: string
}

/** How much of a plan is shown: the first of these that fits. */
interface Detail {
  readonly sql: boolean
  /** Of migrations, findings and warnings, each. */
  readonly most: number
  /** Lines of the log of a container. */
  readonly lines: number
  /** Of a text that is foreign. */
  readonly longest: number
}

const details: readonly Detail[] = [
  { sql: true, most: 200, lines: 100, longest: 10_000 },
  { sql: false, most: 200, lines: 100, longest: 10_000 },
  { sql: false, most: 40, lines: 20, longest: 1_000 },
  { sql: false, most: 8, lines: 5, longest: 300 },
]

/** Renders the plan with its verdict in the first line, never longer than `longest`. */
export function planText(
  report: Report,
  { longest, url, hasLogs = true }: PlanTextOptions,
): string {
  const head = `## ${wentWell(report.result) ? '✅' : '❌'} ${quiet(verdict(report))}`
  const more = url === undefined ? 'see the report' : `see [the run](${url})`
  for (const one of details) {
    const detail = hasLogs ? one : { ...one, lines: 0 }
    const text = [head, ...partsOf(report, detail, more), footer(report, url)].join('\n\n')
    if (text.length < longest) return `${text}\n`
  }
  return `${[head, `The plan is too long: ${more}.`].join('\n\n')}\n`
}

function partsOf(report: Report, detail: Detail, more: string): readonly string[] {
  const { plan, cause } = report
  const open = (plan?.findings ?? []).filter(({ allowed }) => allowed === undefined)
  const shown = open.map(({ message }) => message)
  const isAmongThem = shown.some((message) => cause?.sentence.startsWith(message) === true)
  const warnings = warningsOf(report).filter((warning) => !shown.includes(warning))
  return [
    ...(isAmongThem ? [] : causeParts(report, detail)),
    ...(plan ? migrationParts(plan, detail, more) : []),
    ...some(plan?.held ?? [], detail, more, ({ message }) => [
      `**Held back:** ${quiet(message, detail.longest)}`,
    ]),
    ...some(plan?.bridges ?? [], detail, more, (bridge) => [
      `**Bridge:** ${quiet(bridge, detail.longest)}`,
    ]),
    ...some(plan?.backup ?? [], detail, more, (why) => [
      `**Backup first:** ${quiet(why, detail.longest)}`,
    ]),
    ...some(open, detail, more, (finding) => findingParts(finding, detail)),
    ...(isAmongThem && cause
      ? [`[What to do, and how to accept a finding](${pageOf(cause)})`]
      : []),
    ...some(plan?.findings.filter(({ allowed }) => allowed) ?? [], detail, more, (finding) => [
      `Accepted: ${quiet(finding.message, detail.longest)} (${quiet(finding.allowed ?? '', detail.longest)})`,
    ]),
    ...versionParts(plan),
    ...some(warnings, detail, more, (warning) => [
      `**Warning:** ${quiet(warning, detail.longest)}`,
    ]),
  ]
}

function causeParts({ cause }: Report, { lines, longest }: Detail): readonly string[] {
  if (!cause) return []
  return [
    `**Cause:** ${quiet(cause.sentence, longest)}`,
    ...(cause.hint === undefined ? [] : [`**Hint:** ${quiet(cause.hint, longest)}`]),
    `**More:** [${cause.code}](${pageOf(cause)})`,
    ...(lines === 0 ? [] : evidence(cause)).map(({ title = 'last log lines', lines: all }) =>
      closed(title, fenced(all.slice(-lines))),
    ),
  ]
}

function migrationParts(plan: MigrationPlan, detail: Detail, more: string): readonly string[] {
  const { migrations } = plan
  if (migrations.length === 0) return []
  const isOne = new Set(migrations.map(({ database }) => database)).size === 1
  const nameOf = ({ database, name }: PlannedMigration) => (isOne ? name : `${database}: ${name}`)
  const shown = migrations.slice(0, detail.most)
  const rows = shown.map((one) => [
    nameOf(one),
    one.operations.join(', '),
    (one.locks ?? []).map(lockWords).join('\n'),
    one.verdict,
  ])
  return [
    table(['Migration', 'Operations', 'Locks', 'Verdict'], rows, (cell) =>
      quiet(cell, detail.longest),
    ),
    ...left(migrations.length - shown.length, more),
    ...(detail.sql
      ? shown.flatMap((one) =>
          one.sql === undefined
            ? []
            : [closed(`SQL of ${nameOf(one)}`, fenced(one.sql.split('\n'), 'sql'))],
        )
      : []),
  ]
}

function findingParts({ severity, message, fix }: PlanFinding, { longest }: Detail) {
  const code = fix.length > longest ? `${fix.slice(0, longest)}…` : fix
  return [`${signs[severity]} ${quiet(message, longest)}`, fenced(code.split('\n'))]
}

/** With whom the migrations were compared: a safe verdict is as good as that. */
function versionParts(plan: MigrationPlan | undefined): readonly string[] {
  const all = [...(plan?.migrations ?? []), ...(plan?.held ?? [])]
  if (!plan || all.length === 0) return []
  const versions = plan.versions ?? []
  if (versions.length === 0)
    return ['Nothing was compared: no running version of this image was found.']
  const named = versions.slice(0, mostVersions).map(({ tag, names, source }) => {
    const who = names.length > mostNames ? plural(names.length, 'workload') : names.join(', ')
    const state = source === 'state' ? ', by the applied migrations' : ''
    return `${tag === '' ? 'the running version' : shortTag(tag)} (${who}${state})`
  })
  const more = versions.length - named.length
  return [
    `Compared with ${quiet(named.join('; '))}${more > 0 ? ` and ${plural(more, 'other version')}` : ''}, and with the live database.`,
  ]
}

const mostVersions = 8
const mostNames = 6

function footer({ image, tag, digest, seconds: took }: Report, url: string | undefined): string {
  const parts = [
    ...(digest === undefined ? [] : [`Image \`${image}:${tag}@${digest}\``]),
    seconds(took),
    ...(url === undefined ? [] : [`[run](${url})`]),
  ]
  return parts.join(' · ')
}

function some<T>(
  all: readonly T[],
  { most }: Detail,
  more: string,
  render: (one: T) => readonly string[],
): readonly string[] {
  return [...all.slice(0, most).flatMap(render), ...left(all.length - most, more)]
}

function left(count: number, more: string): readonly string[] {
  return count > 0 ? [`… and ${count} more: ${more}.`] : []
}

/**
 * Foreign words notify no user and lead nowhere. GitHub looks for names, issues and addresses in a comment also where
 * Markdown is escaped: a mark that is not seen keeps it from them.
 */
function quiet(text: string, longest?: number): string {
  return escaped(text, longest).replaceAll(
    /@(?=\w)|\\#(?=\d)|\bGH-(?=\d)|:\/\/|\bwww\./gi,
    (found) => `${found}\u200b`,
  )
}
