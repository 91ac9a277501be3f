/** Rolls back to a version that ran before: the same transaction as a release, without build and migrations. */
import { shortTag } from '../kubernetes/image.js'
import type { Report } from '../report/report.js'
import { rollbackTargets } from '../stages/rollback-templates.js'
import { runsUndisturbed } from '../stages/already-deployed.js'
import { otherVersions } from '../stages/exceptions.js'
import { preflight } from '../stages/preflight.js'
import { rollout } from '../stages/rollout.js'
import { ReleaseContext } from '../stages/context.js'
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
  if (run.settings['dry-run']) return dryRun(run, targets, image)
  return transaction(run, context.with({ source }), checked, {
    command: 'rollback',
    image,
    ...backOf(version),
    check: (_, now) => {
      checkStillPrevious(context, chosen, now)
    },
    targets: async (locked, now) => {
      // It was logged before the lock was taken.
      const log = { ...locked.log, say: () => undefined }
      return (await rollbackTargets(locked.with({ log }), now, version)).targets
    },
    write: async (locked, { checked }, wrote) => {
      await reporter.stage('rollout', (log) =>
        rollout(locked.with({ log }), { checked, image, beside: [] }, state.listener(wrote)),
      )
      state.exceptions = otherVersions(locked, checked, image)
    },
  })
}

/** Returns the number for the history: a rollback to a rollback goes back to the release of that one. */
function backOf({ release }: Version): { readonly back?: number } {
  return release ? { back: release.back ?? release.number } : {}
}

async function dryRun(
  { reporter }: Run,
  targets: readonly Target[],
  { tag }: Image,
): Promise<Outcome> {
  await reporter.stage('dry run', (log) => {
    for (const target of targets) {
      const besides = target.back ? ', and its pod template of that release' : ''
      log.say(`${describe(target)}; would set ${shortTag(tag)}${besides}`)
    }
    return Promise.resolve()
  })
  return { result: 'unchanged', dryRun: true }
}
