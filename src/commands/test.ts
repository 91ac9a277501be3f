/** Tests an image that was built before; with `push` the image gets its tag when the tests have passed. */
import { findSource } from '../docker/source.js'
import type { Report } from '../report/report.js'
import { imageToTest } from '../stages/image.js'
import { push } from '../stages/push.js'
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

/** Runs the tests in a box, which is thrown away beside what follows. */
export async function testIn(
  { reporter, state, warn }: Pick<Run, 'reporter' | 'state' | 'warn'>,
  context: ReleaseContext,
  tested: Tested,
): Promise<void> {
  try {
    await reporter.stage('test', (log) => test(context.with({ log }), tested, state.keepTests))
  } finally {
    void tested.box.close(warn)
  }
}
