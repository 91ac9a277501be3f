/** The image of a commit, for pipelines that put steps of their own between the parts of a release. */
import { findSourceToBuild } from '../docker/source.js'
import type { Report } from '../report/report.js'
import type { Result } from '../failure/result.js'
import { build } from '../stages/build.js'
import { findBuild } from '../stages/image.js'
import { reported, type Run, type Start } from './run.js'
import { pushed, releaseOf } from './steps.js'

/** `done` when it was built, `unchanged` when the registry has the commit's image already. */
export function buildOnly(start: Start): Promise<Report> {
  return reported('build', start, ofCommit)
}

async function ofCommit(run: Run): Promise<Result> {
  const { platform, settings, reporter, soFar, resources } = run
  const requested = releaseOf(run, await findSourceToBuild(platform, settings, settings.context))
  const built = await reporter.stage('build', async (stageLog) => {
    await resources.login(platform, settings)
    const { image, source, inputs } = await findBuild(requested, stageLog)
    const release = releaseOf(run, source)
    if (image) soFar.image = image
    return image ? undefined : build(release, stageLog, inputs)
  })
  if (!built) return 'unchanged'
  if (settings.push) await pushed(run, requested, built)
  return 'done'
}
