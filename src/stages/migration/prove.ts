/**
 * Whether an older version fits a database that newer ones have migrated. The history knows most of it; a Job of the
 * older image proves the rest before a rollback writes anything: the image starts with the configuration of today, and
 * compares what it needs with the database.
 */
import { fail } from '../../failure/failure.js'
import { shortTag } from '../../kubernetes/image.js'
import type { Web } from '../../kubernetes/target.js'
import { idOf } from '../../kubernetes/workload.js'
import { commandLine } from '../../options/command-line.js'
import type { Settings } from '../../options/table.js'
import { messageOf } from '../../platform/error-message.js'
import { unfitCause, verdictWarnings } from '../../report/migration-sentences.js'
import { breaking, wayBack, type Fit, type KeptMisfit, type WayBack } from '../../state/fit.js'
import { appliedSince, liveNow, wentLive, type History } from '../../state/history.js'
import { logWarning, type ClusterContext, type ReleaseContext } from '../context.js'
import type { PreflightResult } from '../preflight.js'
import { webOf } from '../targets.js'
import type { Version } from '../version.js'
import { startMigration } from './run.js'

/** What a rollback restores. */
export interface Restores {
  readonly version: Version
  /** As it is now. */
  readonly history: History
  /** The option `migrate-command`; empty: the application has no migrations. */
  readonly command: string
}

/**
 * Returns what has to be done before this rollback. Throws a Failure `schema-unfit` where the history knows that the
 * version does not fit, unless the user wants it anyway.
 */
export function checkFits(context: ReleaseContext, restores: Restores): WayBack {
  const way = wayTo(restores)
  if (way.is === 'unfit' && context.settings['unsafe-migrations'] === 'block')
    refuse(context, restores, way.breaks)
  return way
}

/** Returns what has to be done before this rollback. */
export function wayTo({ version, history, command }: Restores): WayBack {
  const hasMigrations = history.some(
    ({ needs, migrations }) => needs !== undefined || migrations.length > 0,
  )
  if (command === '' || !hasMigrations) return { is: 'unchanged' }
  const release = history.find(({ number }) => number === version.release?.number)
  return wayBack(release, release ? appliedSince(history, release) : [])
}

/** Throws the Failure of a version that does not fit. `ways`: what else can be done, a line each. */
export function refuse(
  context: ReleaseContext,
  restores: Restores,
  breaks: readonly KeptMisfit[],
  ways: readonly string[] = [],
): never {
  fail(unfitCause(titleOf(restores.version), breaks, [...ways, ...waysOut(context, restores)]))
}

/** What the Job has shown. */
interface Proof {
  readonly fit: Fit
  /** What certainly fails. */
  readonly breaks: readonly KeptMisfit[]
  readonly needs: string | undefined
  /** What a person should know. */
  readonly warnings: readonly string[]
}

/** A Job that needs longer proves nothing: a rollback is urgent, in ms. */
const longestProofMs = 60_000

/**
 * Proves by a Job that the version fits. Returns nothing, with a warning, where that is not known: a database that
 * is down or a full cluster must not keep a rollback from being tried, which is undone if it fails. Throws the
 * signal's reason.
 */
export async function prove(
  context: ClusterContext,
  restores: Restores,
  checked: PreflightResult,
): Promise<Proof | undefined> {
  const { version } = restores
  const { log, warn, settings } = context
  const who = titleOf(version)
  const web = webToProve(settings, restores, checked)
  if (!web) {
    warn(
      `whether ${who} fits the schema is not known: set "migrate-from" to the workload that serves the web`,
    )
    return undefined
  }
  const migration = startMigration(context, {
    checked,
    web,
    image: version.image,
    proves: {
      name: nameOf(version),
      command: restores.command,
      timeoutMs: Math.min(settings.timeout, longestProofMs),
    },
  })
  const notProved = (why: string): Proof | undefined => {
    logWarning(context, `whether ${who} fits the schema was not proved: ${why}`)
    return undefined
  }
  try {
    const { judged } = await migration.plan(log)
    const unjudged = judged?.findings.find(({ rule }) => rule === 'unjudged')
    if (unjudged) return notProved(unjudged.detail ?? 'the comparison failed')
    const breaks = breaking(judged?.findings ?? [])
    const fits = breaks.length === 0 ? 'fits the schema' : 'does not fit the schema'
    log.say(`${who} starts with the current configuration, and ${fits}`)
    return {
      fit: { misfits: breaks },
      breaks,
      needs: migration.needs(),
      warnings: verdictWarnings(judged),
    }
  } catch (error) {
    context.signal.throwIfAborted()
    return notProved(messageOf(error))
  } finally {
    await migration.close().catch((error: unknown) => {
      warn(messageOf(error))
    })
  }
}

/** Returns the web as it runs now. */
export function webNow(
  settings: Settings,
  { command }: Restores,
  { web: known, targets, services }: PreflightResult,
): Web | undefined {
  return known ?? foundWeb({ ...settings, 'migrate-command': command }, targets, services)
}

/** Returns the web with the template that the rollback restores. */
function webToProve(
  settings: Settings,
  restores: Restores,
  checked: PreflightResult,
): Web | undefined {
  const web = webNow(settings, restores, checked)
  if (!web) return undefined
  const { targets } = checked
  const { back } = targets.find(({ id }) => idOf(id) === idOf(web.workload)) ?? {}
  const has = back?.spec?.containers.some(({ name }) => name === web.container) === true
  return has ? { ...web, template: back } : web
}

function foundWeb(...given: Parameters<typeof webOf>): Web | undefined {
  try {
    return webOf(...given)
  } catch {
    return undefined
  }
}

/** `release 3` */
function nameOf({ release, image }: Version): string {
  return release ? `release ${release.number}` : `version ${shortTag(image.tag)}`
}

/** `release 3 (4f2c1d9)` */
export function titleOf(version: Version): string {
  const { release, image } = version
  return release ? `${nameOf(version)} (${shortTag(image.tag)})` : nameOf(version)
}

/** Returns a version that fits, and the option that rolls back anyway. */
function waysOut(
  { settings }: Pick<ReleaseContext, 'settings'>,
  { history, version }: Restores,
): readonly string[] {
  const others = [liveNow(history)?.digest, version.image.digest]
  const fitting = history.findLast(
    (entry) =>
      wentLive(entry) &&
      !others.includes(entry.digest) &&
      entry.fit !== undefined &&
      breaking(entry.fit.misfits).length === 0,
  )
  const back = (to: number) => commandLine('rollback', settings, { to: String(to) })
  return [
    ...(fitting ? [`Release ${fitting.number} fits: ${back(fitting.number)}`] : []),
    'To roll back anyway, set "unsafe-migrations: allow"',
  ]
}
