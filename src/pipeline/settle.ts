/** Looks for a release that was left unfinished, and puts it back. */
import { openCluster } from '../kubernetes/cluster.js'
import { guarded } from '../kubernetes/guarded.js'
import type { Report, Result } from '../report/report.js'
import { readRecord } from '../rollout/record.js'
import { watchNamespace } from '../rollout/watch.js'
import { lock } from '../stages/lock.js'
import { settle } from '../stages/settle.js'
import { reported, type Start } from './run.js'

/** Which record is wanted: any, or the one of a run that has ended without finishing its own. */
export type Wanted = 'any' | 'own'

/** `unchanged` when there is nothing to settle. */
export function settleLeft(start: Start, wanted: Wanted): Promise<Report> {
  return reported('settle', start, (run) =>
    run.reporter.stage('settle', async (journal): Promise<Result> => {
      const { world, settings, signal, holder, app, soFar, resources } = run
      const release = { world, settings, source: { tag: '' }, app, holder, signal }
      const cluster = await openCluster(world, await resources.access(world, settings), signal)
      resources.add(() => cluster.close())
      const isWanted = async () => {
        const record = await readRecord(cluster, app)
        return record && (wanted === 'any' || record.begun.run === holder.id) ? record : undefined
      }
      if (!(await isWanted())) return 'unchanged'
      const lease = await lock(release, journal, cluster)
      resources.add(() => lease.release())
      // The run may have finished, or another may have settled it, while we waited for the lock.
      const record = await isWanted()
      if (!record) return 'unchanged'
      const live = await watchNamespace(cluster, world.clock)
      const own = { ...release, signal: AbortSignal.any([signal, lease.lost]) }
      soFar.restored = await settle(own, journal, guarded(cluster, lease), live, record)
      return 'undone'
    }),
  )
}
