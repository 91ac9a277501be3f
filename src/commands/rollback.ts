/** Rolls back to a version that ran before: the same transaction as a release, without build and migrations. */
import { shortTag } from '../kubernetes/image.js'
import type { Report } from '../report/report.js'
import { rollbackTargets } from '../stages/rollback-templates.js'
import { runsUndisturbed } from '../stages/already-deployed.js'
import { otherVersions } from '../stages/exceptions.js'
import { checkFits, prove, titleOf, type Restores } from '../stages/migration/prove.js'
import { preflight, type PreflightResult } from '../stages/preflight.js'
import { rollout } from '../stages/rollout.js'
import { wavesFor } from '../stages/waves.js'
import { ReleaseContext, type OpenContext } from '../stages/context.js'
import { misfitSentence } from '../report/migration-sentences.js'
import { table } from '../options/table.js'
import type { WayBack } from '../state/fit.js'
import type { History } from '../state/history.js'
import { readHistory } from '../state/history-store.js'
import type { Image } from '../docker/image.js'
import { describe } from '../stages/targets.js'
import type { Target } from '../kubernetes/target.js'
import { checkStillPrevious, readVersions, chooseVersion, type Version } from '../stages/version.js'
import { reported, type Run, type Start } from './run.js'
import type { Outcome } from './run-state.js'
import { transaction } from './transaction.js'

export function rollBack(start: Start): Promise<Report> {
  return reported('rollback', start, toVersion)
}

async function toVersion(run: Run): Promise<Outcome> {
  const { platform, reporter, state, resources } = run
  const requested = new ReleaseContext({
    ...run,
    // Old code does not migrate a newer database: its schema stays as it is.
    settings: { ...run.settings, 'migrate-command': '' },
    source: { tag: '' },
  })
  const { cluster, checked } = await reporter.stage('preflight', (log) =>
    preflight(requested.with({ log }), () =>
      resources.openCluster(platform, run.settings, run.signal),
    ),
  )
  state.passPreflight(checked)
  const context = requested.with({ cluster })
  const { chosen, version } = await reporter.stage('version', async (log) => {
    await resources.login(platform, run.settings)
    const chosen = await readVersions(context.with({ log }), checked)
    return { chosen, version: await chooseVersion(context.with({ log }), chosen) }
  })
  const { image, sha, appliedSince } = version
  const command = commandFor(run, version, chosen.history)
  const source = { tag: image.tag, ...(sha !== undefined && { sha }) }
  state.source = source
  state.haveImage(image)
  if (appliedSince.length > 0) {
    run.warn(`the database is not changed; migrations applied since: ${appliedSince.join(', ')}`)
  }
  const { targets, warnings } = await reporter.stage('templates', (log) =>
    rollbackTargets(context.with({ log }), checked, version),
  )
  warnings.forEach(run.warn)
  const differs = targets.some(({ back }) => back !== undefined)
  if (!differs && (await runsUndisturbed(context, checked, image))) {
    state.exceptions = otherVersions(context, checked, image)
    return { result: 'unchanged' }
  }
  const way = checkFits(context, { version, history: chosen.history, command })
  if (run.settings['dry-run']) return dryRun(run, { targets, image, way })
  return transaction(run, context.with({ source }), checked, {
    command: 'rollback',
    image,
    ...backOf(version),
    check: (_, now) => {
      checkStillPrevious(context, chosen, now)
    },
    prove: (locked) => proveFit(run, locked, { ...checked, targets }, { version, command }),
    targets: async (locked, now) => {
      // It was logged before the lock was taken.
      const log = { ...locked.log, say: () => undefined }
      return (await rollbackTargets(locked.with({ log }), now, version)).targets
    },
    write: async (locked, { checked }, wrote) => {
      await reporter.stage('rollout', async (log) => {
        const logged = locked.with({ log })
        const waves = await wavesFor(logged, checked, image, undefined)
        await rollout(logged, { checked, image, beside: [], waves }, state.listener(wrote))
      })
      state.exceptions = otherVersions(locked, checked, image)
    },
  })
}

/** Returns how this version was migrated, else the others, where this run was given nothing else. */
function commandFor({ settings }: Run, { release }: Version, history: History): string {
  const given = settings['migrate-command']
  if (given !== table['migrate-command'].default) return given
  const kept = history.findLast(({ migrate }) => migrate !== undefined)?.migrate
  return release?.migrate ?? kept ?? given
}

/** Another release may have migrated while this run waited for the lock. */
async function proveFit(
  { reporter, state }: Run,
  context: OpenContext,
  checked: PreflightResult,
  wanted: Pick<Restores, 'version' | 'command'>,
): Promise<void> {
  const { cluster, app, settings, warn } = context
  const restores = { ...wanted, history: await readHistory(cluster, app, settings.image) }
  const way = checkFits(context, restores)
  if (way.is === 'unchanged' || settings['unsafe-migrations'] === 'allow') return
  const who = titleOf(wanted.version)
  const known = way.is === 'unfit' ? way.breaks.map((misfit) => misfitSentence(who, misfit)) : []
  known.forEach(warn)
  const proof = await reporter.stage('plan', (log) =>
    prove(context.with({ log }), restores, checked),
  )
  if (!proof) return
  if (known.length === 0) proof.warnings.forEach(warn)
  state.needs = proof.needs
  if (!wanted.version.release?.fit) state.fit = proof.fit
}

/** Returns the number for the history: a rollback to a rollback goes back to the release of that one. */
function backOf({ release }: Version): { readonly back?: number } {
  return release ? { back: release.back ?? release.number } : {}
}

async function dryRun(
  { reporter }: Run,
  {
    targets,
    image: { tag },
    way,
  }: { readonly targets: readonly Target[]; readonly image: Image; readonly way: WayBack },
): Promise<Outcome> {
  await reporter.stage('dry run', (log) => {
    for (const target of targets) {
      const besides = target.back ? ', and its pod template of that release' : ''
      log.say(`${describe(target)}; would set ${shortTag(tag)}${besides}`)
    }
    if (way.is === 'to prove')
      log.say('would first prove in a Job that this version fits the schema')
    return Promise.resolve()
  })
  return { result: 'unchanged', dryRun: true }
}
