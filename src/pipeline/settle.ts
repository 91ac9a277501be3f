/** Looks for a release that was left unfinished, and puts it back. */
import { openCluster } from '../kubernetes/cluster.js'
import type { Holder } from '../kubernetes/lease.js'
import { shortName } from '../kubernetes/image.js'
import type { Settings } from '../options/table.js'
import type { Report, Result } from '../report/report.js'
import type { Reporter } from '../report/reporter.js'
import { readRecord } from '../rollout/record.js'
import { watchNamespace } from '../rollout/watch.js'
import { lock } from '../stages/lock.js'
import { settle } from '../stages/settle.js'
import type { World } from '../world/world.js'
import { causeOf, report, resultBefore, type SoFar } from './ending.js'
import { Resources } from './resources.js'

/** Which record is wanted: any, or the one of a run that has ended without finishing its own. */
export type Wanted = 'any' | 'own'

/** Never throws: whatever happens ends in a report. `unchanged` when there is nothing to settle. */
export async function settleLeft(
  world: World,
  settings: Settings,
  reporter: Reporter,
  signal: AbortSignal,
  holder: Holder,
  wanted: Wanted,
): Promise<Report> {
  const soFar: SoFar = { migrations: [], warnings: [], seconds: {} }
  const resources = new Resources()
  const app = settings.app ?? shortName(settings.image)
  const release = { world, settings, source: { tag: '' }, app, signal }

  const putBack = (): Promise<Result> =>
    reporter.stage('settle', async (journal) => {
      const cluster = await openCluster(world, await resources.access(world, settings), signal)
      resources.add(() => cluster.close())
      const isWanted = async () => {
        const record = await readRecord(cluster, app)
        return record && (wanted === 'any' || record.run === holder.id) ? record : undefined
      }
      if (!(await isWanted())) return 'unchanged'
      const lease = await lock(release, journal, cluster, holder)
      resources.add(() => lease.release())
      // The run may have finished, or another may have settled it, while we waited for the lock.
      const record = await isWanted()
      if (!record) return 'unchanged'
      const live = await watchNamespace(cluster, world.clock)
      soFar.restored = await settle(release, journal, cluster, live, record)
      return 'undone'
    })

  let result: Result
  try {
    result = await putBack()
  } catch (error) {
    soFar.cause = causeOf(error, signal)
    result = resultBefore(soFar.cause)
  } finally {
    await resources.close()
  }
  return report('settle', settings, reporter, result, soFar)
}
