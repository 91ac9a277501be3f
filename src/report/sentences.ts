/** Small renderings that log, summary and outputs share. Pure. */
import { stripVTControlCharacters } from 'node:util'
import { shortTag, versionOf } from '../kubernetes/image.js'
import { idOf } from '../kubernetes/workload.js'
import type { Command } from '../options/commands.js'
import type { WriteProgress } from '../judge/types.js'
import type { Cause } from '../failure/failure.js'
import type { Finding } from './finding.js'
import type { StatusRow } from '../platform/stage-log.js'
import { type Exception, type Report, type WorkloadReport } from './report.js'
import { wentWell } from '../failure/result.js'
import { type Result } from '../failure/result.js'

/** `8.2 s`, `2 min 05 s` */
export function seconds(value: number): string {
  // 59.96 would be rounded to 60.0.
  if (value < 59.95) return `${value.toFixed(1)} s`
  if (value < 60) return '1 min 00 s'
  const minutes = Math.floor(value / 60)
  return `${minutes} min ${String(Math.floor(value % 60)).padStart(2, '0')} s`
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`
}

/** `1f0e… -> 93ab…`, or what became of it when it did not get there. */
export function moved({ from, to, now, runs }: WorkloadReport): string {
  const before = from === undefined ? 'nothing' : versionOf(from)
  switch (now) {
    case 'new':
      return `${before} -> ${versionOf(to)}`
    case 'old':
      return `${before} (as before)`
    case 'removed':
      return 'removed'
    case 'absent':
      return 'absent (as before)'
    case 'gone':
      return `deleted by another client (before: ${before})`
    case 'unknown':
      if (runs !== undefined) return `is on ${versionOf(runs)} (before: ${before})`
      return `${before} or ${versionOf(to)}: not known`
  }
}

/** What became of the write that brought a workload to what it runs at the end; none where none did. */
export function lastWriteProgress({
  now,
  rollout,
  undo,
}: WorkloadReport): WriteProgress | undefined {
  return undo ?? (now === 'new' || now === 'unknown' ? rollout : undefined)
}

/** The last word of a run: what the cluster runs now, and whether a person has anything to do. */
export function verdict(report: Report): string {
  return [lastWord(report), ...leftBy(report), ...excepted(report.exceptions ?? [])].join('; ')
}

/** `kept: statefulset/db; changed by others: secret/db`: what an undo has not restored. */
function leftBy({ restored: undone }: Report): readonly string[] {
  const parts = { kept: 'kept, ', 'changed by others': 'left alone' }
  return Object.entries(parts).flatMap(([title, begins]) => {
    const found = undone
      .filter(({ action }) => action.startsWith(begins))
      .map(({ object }) => object)
    return found.length === 0 ? [] : [`${title}: ${named(found)}`]
  })
}

/** `on another version: statefulset/queue, pod/shell` */
function excepted(exceptions: readonly Exception[]): readonly string[] {
  const titles = {
    'another version': 'on another version',
    withdrawn: 'on the withdrawn version',
    unwell: 'unhealthy',
  } as const
  return (['another version', 'withdrawn', 'unwell'] as const).flatMap((kind) => {
    const found = exceptions.filter(({ is }) => is === kind).map(({ object }) => object)
    return found.length === 0 ? [] : [`${titles[kind]}: ${named([...new Set(found)])}`]
  })
}

function named(ids: readonly string[]): string {
  const more = ids.length > mostNamed ? [`${ids.length - mostNamed} more`] : []
  return [...ids.slice(0, mostNamed), ...more].join(', ')
}

const mostNamed = 3

function lastWord(report: Report): string {
  const { tag, app, namespace, workloads, cause } = report
  // A run that ended early may not know its tag yet.
  const release = tag === '' ? app : `${app} ${shortTag(tag)}`
  const all = plural(workloads.length, 'workload')
  switch (report.command) {
    case 'recover':
      return recovered(report)
    case 'history':
      return historySentence(report)
    case 'build':
    case 'test':
    case 'plan':
    case 'migrate':
      return stepped(report, report.command, release)
    case 'doctor':
      return examined(report, release)
    case 'release':
    case 'deploy':
    case 'rollback':
  }
  if (report.dryRun)
    return `dry run: ${app} would roll back to ${shortTag(tag)}; nothing was changed`
  const words: Readonly<Record<Result, () => string>> = {
    deployed: () => `${release} is deployed: ${all} in namespace ${namespace}`,
    done: () => `${release} is done`,
    unchanged: () => `${release} is already running: nothing to do for ${all}`,
    undone: () => `${release} did not go live: ${back(report)}`,
    failed: () => `${release} did not go live: the running version was not touched`,
    usage: () => 'nothing was done',
    stuck: () =>
      `${app} is inconsistent: the previous version could not be verified. Manual action is required`,
    locked: () => 'another release is in progress: nothing was done',
    kept: () =>
      `${release} failed and was kept for inspection (on-failure: keep). Manual action is required`,
    superseded: () =>
      cause?.code === 'stale-commit'
        ? report.command === 'rollback'
          ? `${release} was not restored: another release went live first`
          : `${release} was not released: a newer version is live already`
        : `${app}: another client changed what this release writes; its change was kept`,
    cancelled: () => `${release} was cancelled: all workloads and objects are as before`,
  }
  return words[report.result]()
}

/** What an undo has made sure of: each workload by its own version, without those that are not well. */
function back({ workloads, exceptions = [] }: Report): string {
  const unwell = exceptions.filter(({ is }) => is === 'unwell').map(({ object }) => object)
  const old = workloads.filter(({ now }) => now === 'old')
  const well = old.filter((one) => !unwell.includes(idOf(one)))
  const versions = [...new Set(well.map(({ from = '' }) => versionOf(from)))]
  if (old.length === 0) return 'everything that the release created is removed, verified'
  if (well.length === 0) return 'everything is restored'
  if (versions.length === 1) {
    return `${plural(well.length, 'workload runs', 'workloads run')} version ${versions[0] ?? ''} again, verified`
  }
  const where = versions.map((version) => {
    const ids = well.filter(({ from = '' }) => versionOf(from) === version).map(idOf)
    return `version ${version} (${named(ids)})`
  })
  return `${plural(well.length, 'workload runs', 'workloads run')} as before, verified: ${where.join(', ')}`
}

/** The same for a run that did one step of a release and touched nothing that users run. */
function stepped(
  { result, digest, namespace, migrations, stages, plan, cause }: Report,
  command: 'build' | 'test' | 'plan' | 'migrate',
  release: string,
): string {
  const pushed = digest === undefined ? 'not pushed yet' : 'the registry has it'
  const planned = plan?.migrations.length ?? 0
  const held = plan?.held?.length ?? 0
  const andHeld = held === 0 ? '' : `, but ${held} would be held back`
  const untested = `${release} was not tested, because "test-command" is none; ${pushed}`
  const words = {
    build: {
      done: `${release} is built; ${pushed}`,
      unchanged: `${release} was built before; ${pushed}`,
      not: `${release} was not built`,
    },
    test: {
      // Without tests it was pushed, and nothing more.
      done: stages.some(({ name }) => name === 'test')
        ? `${release} passed its tests; ${pushed}`
        : untested,
      unchanged: untested,
      not: stages.some(({ name }) => name === 'push')
        ? `${release} was not pushed`
        : `${release} did not pass its tests`,
    },
    plan: {
      done:
        planned === 0
          ? `${release}: no migrations to apply in namespace ${namespace}${andHeld}; the command still runs`
          : `${release}: a release would apply ${plural(planned, 'migration')} in namespace ${namespace}${andHeld}`,
      unchanged: `${release}: no migrations to apply in namespace ${namespace}${andHeld}`,
      not:
        cause?.code === 'unsafe-migration'
          ? `${release}: a release would be stopped, because a migration is unsafe`
          : `${release}: the migrations for namespace ${namespace} could not be planned`,
    },
    migrate: {
      done: `${release}: ${plural(migrations.length, 'migration')} applied in namespace ${namespace}`,
      unchanged: `${release}: nothing to migrate in namespace ${namespace}`,
      not: `${release} did not migrate namespace ${namespace}`,
    },
  }[command]
  switch (result) {
    case 'done':
      return words.done
    case 'unchanged':
      return words.unchanged
    case 'usage':
      return 'nothing was done'
    case 'locked':
      return 'a release is in progress: nothing was done'
    case 'cancelled':
      return `${words.not}: it was cancelled`
    case 'stuck':
      return `${words.not}, and an earlier release is incomplete. Manual action is required`
    default:
      return words.not
  }
}

/** The same for a run that only checked whether a release would succeed. */
function examined({ result, namespace, findings }: Report, release: string): string {
  const what = `${release} to namespace ${namespace}`
  return findings ? `${what}: ${tally(findings)}` : `${what}: not checked (${result})`
}

/** `2 things would go wrong, 3 warnings` */
export function tally(findings: readonly Finding[]): string {
  const count = (what: Finding['severity']) =>
    findings.filter(({ severity }) => severity === what).length
  const wrong = count('error') === 0 ? 'nothing' : plural(count('error'), 'thing')
  const warnings = count('warning') === 0 ? '' : `, ${plural(count('warning'), 'warning')}`
  return `${wrong} would go wrong${warnings}`
}

/** The same for a run that searched for the remains of another one. */
function recovered({ app, namespace, result, restored: undone }: Report): string {
  switch (result) {
    case 'unchanged':
      return `${app}: nothing is unfinished in namespace ${namespace}`
    case 'undone':
      return undone.some(({ action }) => action === 'ended')
        ? `${app}: the unfinished migration was stopped; the running version was not touched`
        : `${app}: the unfinished release was undone, verified`
    case 'locked':
      return `${app}: a release is in progress: nothing was done`
    case 'usage':
      return 'nothing was done'
    case 'cancelled':
      return `${app}: nothing was restored, because the run was cancelled first`
    default:
      return `${app}: restoring the unfinished release failed. Manual action is required`
  }
}

/** The same for a run that only reads. */
function historySentence({ app, namespace, result }: Report): string {
  switch (result) {
    case 'unchanged':
      return `${app}: its releases in namespace ${namespace}`
    case 'cancelled':
      return `${app}: the history was not read, because the run was cancelled`
    default:
      return `${app}: its releases in namespace ${namespace} could not be read`
  }
}

/** Returns all warnings: first what is not as the result says, each with its fix. */
export function warningsOf(report: Report): readonly string[] {
  return placedWarnings(report).map(({ message }) => message)
}

/** A warning, and the line of the repository that it is about. */
export interface PlacedWarning {
  readonly message: string
  readonly file?: string
  readonly line?: number
}

export function placedWarnings({
  warnings,
  exceptions = [],
  modelChanges = [],
}: Report): readonly PlacedWarning[] {
  return [
    ...[...exceptions, ...modelChanges].map(({ message, fix, ...place }) => ({
      ...place,
      message: fix === undefined ? message : `${message}: ${fix}`,
    })),
    ...warnings.map((message) => ({ message })),
  ]
}

/** What a run does when a user, or the runner, ends it. */
export function onCancel(command: Command): string | undefined {
  switch (command) {
    case 'history':
    case 'doctor':
      return undefined
    case 'plan':
      return 'the Job is removed'
    case 'recover':
      return 'a restore that has started runs to its end'
    default:
      return 'the changes are undone'
  }
}

/** What was seen of a failure, each part under its title: the logs, then the cluster's warnings. */
export function evidence({ logs = [], events = [] }: Cause): readonly {
  readonly title?: string
  readonly lines: readonly string[]
}[] {
  return [
    ...logs.map(({ source, lines }) => ({
      ...(source !== undefined && { title: `last lines of ${source}` }),
      lines,
    })),
    { title: 'cluster events', lines: events },
  ].filter(({ lines }) => lines.length > 0)
}

/** `migrations: orders.0002_note stay applied` when an undo leaves them. */
export function keptMigrations(report: Report): string | undefined {
  if (report.migrations.length === 0 || wentWell(report.result)) return undefined
  return `the applied migrations stay in the database: ${report.migrations.join(', ')}`
}

/** Why those are waited for that are not ready yet, on one line however many they are. */
export function stillWaiting(rows: readonly StatusRow[]): string {
  const open = byInterest(rows).filter(({ is }) => is !== 'ready')
  const reasons = open
    .slice(0, mostReasons)
    .map(({ of, words }) => (of ? `${of}: ${words}` : words))
  const more = open.length - reasons.length
  return [...reasons, ...(more > 0 ? [`… and ${more} more`] : [])].join('; ')
}

const mostReasons = 3

/** The important ones first; the others in their order. */
export function byInterest(rows: readonly StatusRow[]): readonly StatusRow[] {
  const order = ['failed', 'degraded', 'waiting', 'ready']
  return rows.toSorted((one, other) => order.indexOf(one.is) - order.indexOf(other.is))
}

/** Foreign text of any form as one line. */
export function oneLine(text: string): string {
  return printable(text.replaceAll('\n', ' '))
}

/** Without control characters: foreign text must not move the cursor or retitle the window. */
export function printable(text: string): string {
  return stripVTControlCharacters(text).replace(/(?!\t)\p{Cc}/gu, '')
}
