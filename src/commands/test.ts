/** Tests an image that was built before; with `push` the image gets its tag when the tests have passed. */
import { findSource } from '../docker/source.js'
import type { Report } from '../report/report.js'
import { imageToTest } from '../stages/image.js'
import { reported, type Run, type Start } from './run.js'
import type { Outcome } from './run-state.js'
import { contextOf, pushed, runTests } from './steps.js'

/** Returns `done` when the tests passed or the image was pushed, `unchanged` without a test command and a push. */
export function testOnly(start: Start): Promise<Report> {
  return reported('test', start, theImage)
}

async function theImage(run: Run): Promise<Outcome> {
  const { platform, settings, reporter, state, resources } = run
  const requested = contextOf(run, await findSource(platform, settings, settings.context))
  const { built, source, image } = await reporter.stage('image', async (log) => {
    await resources.login(platform, settings)
    return imageToTest(requested.with({ log }))
  })
  const context = contextOf(run, source)
  if (image) state.haveImage(image)
  const wanted = settings['test-command'] !== ''
  if (wanted) await runTests(run, context, built)
  const isPushed = settings.push && !image
  if (isPushed) await pushed(run, context, built)
  return { result: wanted || isPushed ? 'done' : 'unchanged' }
}
