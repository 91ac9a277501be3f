/** Writes to the GitHub runner: groups, annotations, outputs, summary. */
import * as core from '@actions/core'
import { actions, type Command } from '../options/commands.js'
import { hintFor } from '../options/closest-match.js'
import type { RawInputs } from '../options/read.js'
import { optionsOf } from '../options/table.js'
import { secretsOf } from './secrets.js'
import type { Annotation } from '../failure/failure.js'
import { finalLines } from '../report/final-lines.js'
import { summary } from '../report/summary.js'
import type { Report } from '../report/report.js'
import type { Sink } from '../report/reporter.js'
import { placedWarnings, seconds, type PlacedWarning } from '../report/sentences.js'
import { messageOf } from '../platform/error-message.js'

/** The runner shows at most ten annotations of a step and drops the rest. */
const mostAnnotations = 10
/** https://docs.github.com/en/rest/checks/runs: longer messages are cut anyway. */
const longestMessage = 4000

/** Inputs come as INPUT_… variables: one that was not given, or given as nothing, as an empty text. */
export function inputsOf(
  command: Command,
  env: Readonly<Record<string, string | undefined>>,
): RawInputs {
  const given: Record<string, string> = {}
  for (const [name] of optionsOf(command, 'action')) {
    const value = env[`INPUT_${name.toUpperCase()}`]
    if (value) given[name] = value
  }
  return given
}

/** Returns which action this is: a default in the sub-actions' action.yml that users should not set. */
export function actionOf(
  env: Readonly<Record<string, string | undefined>>,
): (typeof actions)[number] {
  return actions.find((name) => name === env['INPUT_COMMAND']) ?? 'release'
}

/**
 * Returns given inputs that this action does not have, where a typing error is likely: the runner only warns of
 * them, in a place that is rarely read. A composite action's own inputs may be among the variables too.
 */
export function mistypedInputs(
  command: Command,
  env: Readonly<Record<string, string | undefined>>,
): readonly string[] {
  const names = optionsOf(command, 'action').map(([name]) => name)
  return Object.keys(env).flatMap((variable) => {
    const [, input] = /^INPUT_(.+)$/.exec(variable) ?? []
    const name = input?.toLowerCase().replaceAll(' ', '_')
    if (name === undefined || name === 'command' || (names as string[]).includes(name)) return []
    const hint = hintFor(name, names)
    return hint === '' ? [] : [`"${name}" is not an input of this action${hint}`]
  })
}

/** Hides the secret inputs before anything is printed. */
export function maskSecrets(given: RawInputs): void {
  for (const hidden of secretsOf(given)) core.setSecret(hidden)
}

export function runnerSink(): Sink {
  return {
    open: (stage) => {
      core.startGroup(stage)
    },
    say: (line, at) => {
      line.split('\n').forEach((part) => {
        core.info(`${harmless(part)}  ${at.toFixed(1)}s`)
      })
    },
    quote: (line) => {
      core.info(`  │ ${harmless(line)}`)
    },
    close: (stage, ended, took) => {
      core.endGroup()
      const sign = { done: '✓', failed: '✗', stopped: '·' }[ended]
      core.info(`${sign} ${stage}${ended === 'done' ? '' : ` ${ended}`} ${seconds(took)}`)
    },
  }
}

/**
 * Returns a line that the runner cannot take for a workflow command: those begin with `::` after what .NET calls
 * blanks, or hold `##[`; and carriage returns would hide what is before them.
 */
export function harmless(line: string): string {
  return line
    .replaceAll('\r', ' ')
    .split('\n')
    .map((one) => (/^[\s\p{Cc}]*::/u.test(one) ? one.replace('::', '\u200b::') : one))
    .join('\n')
    .replaceAll('##[', '#\u200b#[')
}

/** Reports cause, evidence and what was restored; then annotations, outputs and the summary. */
export async function reportToRunner(report: Report, reportPath: string): Promise<void> {
  for (const { text, kind } of finalLines(report)) {
    core.info(kind === 'quoted' ? `  │ ${harmless(text)}` : harmless(text))
  }
  annotate(report)
  for (const [name, value] of Object.entries(outputsOf(report, reportPath))) {
    core.setOutput(name, value)
  }
  try {
    await core.summary.addRaw(summary(report)).write()
  } catch (error) {
    // Other runners than GitHub's may have no summaries.
    core.info(`the job summary could not be written: ${harmless(messageOf(error))}`)
  }
}

/** Reports that post found nothing left by its run: no summary, which would describe the whole namespace. */
export function reportNothingLeft({ warnings }: Pick<Report, 'warnings'>): void {
  core.info('this run left nothing unfinished')
  warn(warnings.map((message) => ({ message })))
}

function warn(warnings: readonly PlacedWarning[]): void {
  for (const { message, file, line } of folded(warnings)) {
    const place = file !== undefined && line !== undefined ? { file, startLine: line } : {}
    core.warning(message.slice(0, longestMessage), place)
  }
}

function annotate(report: Report): void {
  const { cause } = report
  warn(placedWarnings(report))
  if (!cause) return
  const at = cause.annotations ?? []
  at.slice(0, mostAnnotations - 1).forEach(({ file, line, title, message }: Annotation) => {
    core.error(message.slice(0, longestMessage), { file, startLine: line, title })
  })
  if (at.length === 0) core.error(cause.sentence.slice(0, longestMessage))
}

/** As many as the runner shows: the last holds all that are over. */
function folded(warnings: readonly PlacedWarning[]): readonly PlacedWarning[] {
  if (warnings.length <= mostAnnotations) return warnings
  const shown = warnings.slice(0, mostAnnotations - 1)
  const over = warnings.slice(shown.length).map(({ message }) => message)
  return [...shown, { message: [`${over.length} more warnings:`, ...over].join('\n') }]
}

/** The outputs of the action, all texts. */
export function outputsOf(report: Report, reportPath: string): Readonly<Record<string, string>> {
  return {
    result: report.result,
    image: report.digest === undefined ? '' : `${report.image}:${report.tag}@${report.digest}`,
    digest: report.digest ?? '',
    tag: report.tag,
    'previous-tag': report.previousTag ?? '',
    migrations: JSON.stringify(report.migrations),
    workloads: JSON.stringify(report.workloads),
    cause: report.cause?.sentence ?? '',
    report: reportPath,
    seconds: report.seconds.toFixed(1),
    ...(report.command === 'plan' && planOutputs(report)),
  }
}

/** All outputs of a job may have 1 MB. */
const longestOutput = 400_000

function planOutputs({ plan }: Report): Readonly<Record<string, string>> {
  const json = JSON.stringify(plan ?? null)
  return { plan: json.length > longestOutput ? '' : json, verdict: verdictOf(plan) }
}

/** What may break, and what was compared with nothing, is not safe for those who merge by this output. */
const known = new Set(['safe', 'accepted', 'unsafe'])

/** Also where `unsafe-migrations` lets a release go through. */
function verdictOf(plan: Report['plan']): 'safe' | 'unsafe' | 'not known' {
  if (!plan) return 'not known'
  const isUnsafe = plan.findings.some(
    ({ severity, allowed }) => severity === 'error' && allowed === undefined,
  )
  if (isUnsafe) return 'unsafe'
  const isKnown = plan.migrations.every(({ verdict }) => known.has(verdict))
  return isKnown ? 'safe' : 'not known'
}
