/** Shows what a release would migrate, judged against the live database and all versions that run. Applies nothing. */
import { findSource } from '../docker/source.js'
import { fail } from '../failure/failure.js'
import type { Plan } from '../django/inspector.js'
import { poolerWarnings } from '../report/lock-sentences.js'
import { unsafeCause, verdictWarnings } from '../report/migration-sentences.js'
import type { Report } from '../report/report.js'
import { toRepo, type ClusterContext } from '../stages/context.js'
import { imageToDeploy } from '../stages/image.js'
import { endOfBroken } from '../stages/migration/ending.js'
import type { MigrationInput } from '../stages/migration/job.js'
import { comparisonLacks } from '../stages/migration/log.js'
import { startMigration } from '../stages/migration/run.js'
import { survey } from '../stages/survey.js'
import { allOrAbort } from '../platform/time.js'
import { sentenceOf } from './causes.js'
import { contextOf, reported, type Run, type Start } from './run.js'
import type { Outcome } from './run-state.js'

/** Returns `done` when a release would migrate, `unchanged` when nothing is pending. */
export function planOnly(start: Start): Promise<Report> {
  return reported('plan', start, ofImage)
}

async function ofImage(run: Run): Promise<Outcome> {
  const { platform, settings, reporter, signal, state, resources, warn } = run
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
  const requested = contextOf(run, await findSource(platform, settings, settings.context))
  const [{ cluster, checked, web }, { image, source }] = await allOrAbort(signal, [
    (signal) =>
      reporter.stage('preflight', (log) =>
        survey(requested.with({ signal, log }), () =>
          resources.openCluster(platform, settings, signal),
        ),
      ),
    (signal) =>
      reporter.stage('image', async (log) => {
        await resources.login(platform, settings)
        return imageToDeploy(requested.with({ signal, log }))
      }),
  ])
  state.haveImage(image)
  const context = contextOf(run, source).with({ cluster })
  const plan = await reporter.stage('plan', async (log) => {
    const plan = await planned(context.with({ log }), { checked, web, image, plansOnly: true })
    state.plan = plan
    if (plan.judged?.blocked === true) fail(unsafeCause(plan.judged, toRepo(context)))
    return plan
  })
  const notCompared = comparisonLacks(plan)
  if (notCompared !== undefined) warn(notCompared)
  verdictWarnings(plan.judged).forEach(warn)
  poolerWarnings(plan.databases).forEach(warn)
  return { result: plan.runs ? 'done' : 'unchanged' }
}

/** Plans once more, as a release does, when only pods that were ending stood against it. */
async function planned(
  context: ClusterContext,
  input: MigrationInput,
  isLast = false,
): Promise<Plan> {
  const { log, warn } = context
  const migration = startMigration(context, input)
  let plan: Plan
  try {
    plan = await migration.plan(log)
  } finally {
    await migration.close().catch((error: unknown) => {
      warn(sentenceOf(error))
    })
  }
  if (isLast || plan.judged?.blocked !== true) return plan
  const isGone = await endOfBroken(context, input.checked.live, plan.judged, log)
  return isGone ? planned(context, input, true) : plan
}
