/** Shows what a release would migrate, judged against the live database and all versions that run. Applies nothing. */
import { findSource } from '../docker/source.js'
import { fail } from '../failure/failure.js'
import type { Plan } from '../django/plan.js'
import { backupReasons } from '../report/backup-sentences.js'
import { unsafeCause } from '../report/migration-sentences.js'
import type { Report } from '../report/report.js'
import { plural } from '../report/sentences.js'
import { toRepo, type ClusterContext, type ReleaseContext } from '../stages/context.js'
import { imageToDeploy, imageToTest } from '../stages/image.js'
import { runningVersions, type MigrationInput } from '../stages/migration/job.js'
import { planAlone } from '../stages/plan-alone.js'
import { backupWhen } from '../stages/migration/backup.js'
import { planWarnings } from '../stages/migration/log.js'
import { withReported } from '../stages/migration/unreleased.js'
import { Planning } from '../stages/migration/planning.js'
import { onceVerified } from '../stages/signature.js'
import { survey } from '../stages/survey.js'
import { readArchive } from '../state/history-store.js'
import { needsFileOf, readNeedsFile, type NeedsFile } from '../state/needs-file.js'
import type { Platform } from '../platform/platform.js'
import type { StageLog } from '../platform/stage-log.js'
import { allOrAbort } from '../platform/time.js'
import { sentenceOf } from './causes.js'
import { contextOf, reported, type Run, type Start } from './run.js'
import type { Outcome } from './run-state.js'

/** Returns `done` when a release would migrate, `unchanged` when nothing is pending. */
export function planOnly(start: Start): Promise<Report> {
  return reported('plan', start, ofImage)
}

async function ofImage(run: Run): Promise<Outcome> {
  const { platform, settings, reporter, signal, state, resources } = run
  if (settings['migrate-command'] === '') {
    fail({
      code: 'usage',
      sentence: '"plan" needs a command, but "migrate-command" is none',
      hint: 'remove the option to use the default, or remove this step',
    })
  }
  if (platform.env['GITHUB_EVENT_NAME'] === 'pull_request_target') {
    fail({
      code: 'usage',
      sentence:
        '"plan" does not run on pull_request_target: the code of any fork would run with the secrets of the web',
      hint: 'use the event pull_request',
    })
  }
  if (settings.needs !== undefined && settings['save-needs'] !== undefined) {
    fail({
      code: 'usage',
      sentence: '"save-needs" asks the cluster, and "needs" plans without one',
      hint: 'remove one of the two options',
    })
  }
  const needs = settings.needs === undefined ? undefined : await needsIn(platform, settings.needs)
  const requested = contextOf(run, await findSource(platform, settings, settings.context))
  if (needs) return withoutCluster(run, requested, needs)
  const verified = Promise.withResolvers<unknown>()
  const [{ cluster, checked, web }, { image, source }] = await allOrAbort(signal, [
    (signal) =>
      reporter.stage('preflight', async (log) => {
        const context = requested.with({ signal, log })
        const open = onceVerified(settings, verified.promise, () =>
          resources.openCluster(platform, settings, signal),
        )
        return withReported(context, await survey(context, open))
      }),
    (signal) =>
      reporter.stage('image', async (log) => {
        await resources.login(settings)
        const ready = await imageToDeploy(requested.with({ signal, log }))
        verified.resolve(ready)
        return ready
      }),
  ])
  state.haveImage(image)
  const context = contextOf(run, source).with({ cluster })
  const plan = await reporter.stage('plan', async (log) => {
    const input: MigrationInput = {
      checked,
      web,
      image,
      plansOnly: true,
      backup: backupWhen(settings),
    }
    const { plan, needs } = await planned(context.with({ log }), input)
    await saveNeeds(context.with({ log }), input, { plan, needs })
    sayBackup(log, plan)
    return plan
  })
  return concluded(run, context, plan)
}

async function needsIn(platform: Platform, path: string): Promise<NeedsFile> {
  const needs = readNeedsFile(await platform.files.read(path))
  return (
    needs ??
    fail({
      code: 'usage',
      sentence: `"needs" is no file that "save-needs" has written: ${path}`,
      hint: 'write it with the cluster: plan --tag <the running version> --save-needs needs.json',
    })
  )
}

/** Judges the image against what a plan with the cluster has saved. */
async function withoutCluster(
  run: Run,
  requested: ReleaseContext,
  needs: NeedsFile,
): Promise<Outcome> {
  const { settings, reporter, state, resources, warn } = run
  const { built, source, image } = await reporter.stage('image', async (log) => {
    await resources.login(settings)
    return imageToTest(requested.with({ log }))
  })
  const context = contextOf(run, source)
  if (image) state.haveImage(image)
  const plan = await reporter.stage('plan', async (log) => {
    const plan = await planAlone(context.with({ log }), built, needs)
    sayBackup(log, plan)
    return plan
  })
  warn('planned without the cluster, on an empty database: what depends on rows is not known')
  return concluded(run, context, plan)
}

function sayBackup(log: StageLog, { backup, judged }: Plan): void {
  if (!backup || judged?.blocked === true) return
  for (const why of backupReasons(backup)) log.say(`a release makes a backup first, because ${why}`)
}

/** Fails where a release would. */
function concluded({ state, warn }: Run, context: ReleaseContext, plan: Plan): Outcome {
  state.plan = plan
  if (plan.judged?.blocked === true) fail(unsafeCause(plan.judged, toRepo(context)))
  planWarnings(plan).forEach(warn)
  const hasWork = plan.databases.some(
    ({ pending, squashed }) => pending.length + squashed.length > 0,
  )
  return { result: plan.runs || hasWork ? 'done' : 'unchanged' }
}

async function planned(context: ClusterContext, input: MigrationInput): Promise<Planned> {
  const { log, warn } = context
  const planning = new Planning(context, input)
  try {
    const plan = await planning.plan(log)
    return { plan, needs: planning.migration.needs() }
  } finally {
    await planning.migration.close().catch((error: unknown) => {
      warn(sentenceOf(error))
    })
  }
}

interface Planned {
  readonly plan: Plan
  /** What the planned version needs, packed. */
  readonly needs: string | undefined
}

/** Writes what a later plan compares with that has no cluster. */
async function saveNeeds(
  context: ClusterContext,
  { checked, image }: MigrationInput,
  { plan, needs: own }: Planned,
): Promise<void> {
  const { platform, settings, cluster, app, log } = context
  const path = settings['save-needs']
  if (path === undefined) return
  const kept = await readArchive(cluster, app, settings.image)
  const running = runningVersions(context, checked, image, kept)
  await platform.files.write(path, needsFileOf(running, own, plan))
  log.say(`what ${plural(running.length, 'version')} needs is in ${path}`)
}
