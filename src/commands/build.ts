/** Builds the image of a commit, for pipelines that put their own steps between the phases of a release. */
import { whyIndex } from '../docker/build-index.js'
import { findSourceToBuild } from '../docker/source.js'
import type { Report } from '../report/report.js'
import { build, lookForCache } from '../stages/build.js'
import { findBuild } from '../stages/image.js'
import { push } from '../stages/push.js'
import { fail } from '../failure/failure.js'
import { contextOf, reported, type Run, type Start } from './run.js'
import type { Outcome } from './run-state.js'

/** Returns `done` when the image was built, `unchanged` when the registry already has the image of the commit. */
export function buildOnly(start: Start): Promise<Report> {
  return reported('build', start, ofCommit)
}

async function ofCommit(run: Run): Promise<Outcome> {
  const { platform, settings, reporter, state, resources } = run
  const why = whyIndex(settings)
  if (why !== undefined && !settings.push) {
    fail({
      code: 'usage',
      sentence: `${why} is only in the registry, and needs its tag there`,
      hint: 'Set "push", and test it by its digest; or let "release" do both, where only a tested image gets the tag',
    })
  }
  const requested = contextOf(run, await findSourceToBuild(platform, settings, settings.context))
  const built = await reporter.stage('build', async (log) => {
    await resources.login(settings)
    const logged = requested.with({ log })
    const cache = lookForCache(logged)
    const { image, source, inputs } = await findBuild(logged)
    const context = contextOf(run, source).with({ log })
    if (image) state.haveImage(image)
    return image ? undefined : build(context, { inputs, cache })
  })
  if (!built) return { result: 'unchanged' }
  if (settings.push) {
    state.haveImage(await reporter.stage('push', (log) => push(requested.with({ log }), built)))
  }
  return { result: 'done' }
}
