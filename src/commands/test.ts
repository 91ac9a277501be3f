/** Tests an image that was built before; with `push` the image gets its tag when the tests have passed. */
import { findSource } from '../docker/source.js'
import { fail } from '../failure/failure.js'
import type { Report } from '../report/report.js'
import { imageToTest } from '../stages/image.js'
import { push } from '../stages/push.js'
import { findModelChanges, missingMigrations } from '../stages/models.js'
import { test, testBox, type Tested } from '../stages/test.js'
import type { ReleaseContext } from '../stages/context.js'
import { contextOf, reported, type Run, type Start } from './run.js'
import type { Outcome } from './run-state.js'

/** Returns `done` when the tests passed or the image was pushed, `unchanged` without a test command and a push. */
export function testOnly(start: Start): Promise<Report> {
  return reported('test', start, theImage)
}

async function theImage(run: Run): Promise<Outcome> {
  const { platform, settings, reporter, state, resources } = run
  const requested = contextOf(run, await findSource(platform, settings, settings.context))
  const { built, source, image } = await reporter.stage('image', async (log) => {
    await resources.login(settings)
    return imageToTest(requested.with({ log }))
  })
  const context = contextOf(run, source)
  if (image) state.haveImage(image)
  const wanted = settings['test-command'] !== ''
  if (wanted) {
    await testIn(run, context, { built, box: resources.keepBox(testBox(context), run.warn) })
  }
  const isPushed = settings.push && !image
  if (isPushed) {
    state.haveImage(await reporter.stage('push', (log) => push(context.with({ log }), built)))
  }
  return { result: wanted || isPushed ? 'done' : 'unchanged' }
}

type TestingRun = Pick<Run, 'reporter' | 'state' | 'resources' | 'warn'>

/**
 * Runs the tests in a box, which is thrown away beside what follows. Beside them the models are compared with the
 * migrations: what that finds may come later, and is in the report.
 */
export async function testIn(
  run: TestingRun,
  context: ReleaseContext,
  tested: Tested,
): Promise<void> {
  const { reporter, state, warn, resources } = run
  const ended = new AbortController()
  const begun = Promise.withResolvers<undefined>()
  const onOutput = () => {
    begun.resolve(undefined)
  }
  const listener = { onOutput, onReport: state.keepTests }
  const tests = reporter
    .stage('test', (log) => test(context.with({ log }), tested, listener))
    .finally(() => {
      ended.abort()
      onOutput()
    })
  // Two containers that start at once start later.
  const models = begun.promise.then(() => compareModels(run, context, tested, ended.signal))
  void Promise.allSettled([tests, models]).then(() => tested.box.close(warn))
  resources.add(() => models)
  await tests
  if (context.settings['missing-migrations'] !== 'block') return
  await models
  if (state.modelChanges.length > 0) fail(missingMigrations(state.modelChanges))
}

/** Never rejects. */
async function compareModels(
  { reporter, state }: TestingRun,
  context: ReleaseContext,
  tested: Tested,
  ended: AbortSignal,
): Promise<void> {
  const { settings } = context
  if (settings['missing-migrations'] === 'allow' || settings['migrate-command'] === '') return
  try {
    state.modelChanges = await reporter.stage('models', (log) =>
      findModelChanges(context.with({ log }), tested, ended),
    )
  } catch {
    // The run was cancelled: the tests are too.
  }
}
