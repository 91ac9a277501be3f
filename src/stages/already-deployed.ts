/** Whether there is anything to release. */
import { pinned, type Image } from '../docker/image.js'
import { fingerprintOf } from '../kubernetes/jobs.js'
import { silentLog } from '../platform/stage-log.js'
import { readHistory } from '../state/history-store.js'
import { wentLive } from '../state/history.js'
import { readRecord } from '../state/record.js'
import type { OpenContext } from './context.js'
import { planManifests } from './manifests.js'
import { runsAlready } from './pinned-tags.js'
import type { PreflightResult } from './preflight.js'
import { planAsLive, runsWell } from './rollout.js'

/** Returns whether this version runs undisturbed, and the manifests would change nothing. */
export async function isDeployed(
  context: OpenContext,
  checked: PreflightResult,
  image: Image,
): Promise<boolean> {
  if (!(await runsUndisturbed(context, checked, image))) return false
  const { app, cluster } = context
  const repository = context.settings.image
  const changes = await Promise.all([
    planManifests(context.with({ log: silentLog }), checked.others),
    planAsLive(cluster, checked.targets, { repository, image: pinned(image) }),
  ])
  if (changes.flat().some(({ is }) => is !== 'none')) return false
  const wanted = fingerprintsOf(checked, repository, image)
  if (wanted.length === 0) return true
  const ran = (await readHistory(cluster, app, repository)).filter(wentLive)
  return wanted.every((one) => ran.some(({ jobs = [] }) => jobs.includes(one)))
}

/** Returns whether this very version runs already and well, and no release was left open. */
export async function runsUndisturbed(
  context: OpenContext,
  checked: PreflightResult,
  image: Image,
): Promise<boolean> {
  const { platform, app, settings, cluster } = context
  if (!(await runsAlready(context, checked.live, checked.targets, image))) return false
  if (!runsWell(checked, platform.clock.now())) return false
  return (await readRecord(cluster, app, settings.image)) === undefined
}

/** Returns the fingerprints of the Jobs in the manifests, with this image. */
export function fingerprintsOf(
  { jobs }: PreflightResult,
  repository: string,
  { digest }: Image,
): readonly string[] {
  return jobs.map((manifest) => fingerprintOf(manifest, repository, `${repository}@${digest}`))
}
