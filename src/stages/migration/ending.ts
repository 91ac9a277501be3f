/** Pods that are ending while a release follows another one quickly: the migrations may break only their version. */
import { versionsInUse } from '../../judge/versions-in-use.js'
import type { Judged } from '../../django/verdict.js'
import type { Image } from '../../docker/image.js'
import { blocking } from '../../report/migration-sentences.js'
import type { NamespaceWatch } from '../../rollout/namespace-watch.js'
import { reconcileUntil } from '../../rollout/reconcile.js'
import type { StageLog } from '../../platform/stage-log.js'
import type { OpenContext } from '../context.js'
import { isOfMigration } from './job.js'

/** The kubelet kills a pod after its grace period, and then reports it: on a busy node not at once. */
const reportedMs = 10_000

/**
 * Waits until what a blocked plan breaks is gone, where only pods that are ending run it. Returns false, at once or
 * when they had to be gone, where something still does.
 */
export async function endOfBroken(
  { platform, cluster, settings, app, signal }: OpenContext,
  live: NamespaceWatch,
  judged: Judged,
  log: StageLog,
): Promise<boolean> {
  const stops = blocking(judged)
  if (stops.some(({ direction }) => direction === 'new')) return false
  const broken = new Set(
    stops.flatMap(({ versions: of }) => of.map((at) => judged.versions[at]?.tag)),
  )
  const last = platform.clock.now() + settings.timeout
  try {
    return await reconcileUntil<boolean>(
      { cluster, clock: platform.clock, live, signal },
      (now) => {
        const inUse = versionsInUse(live.clusterState(), settings.image, isOfMigration(app))
        const left = inUse.filter(({ tag, isIdle }) => broken.has(tag) && !isIdle)
        const until = Math.min(
          last,
          ...left.map(({ goneAt }) => (goneAt === undefined ? now : goneAt + reportedMs)),
        )
        if (left.length === 0) return { logsWanted: [], ended: true }
        if (now >= until) return { logsWanted: [], ended: false }
        const names = left.flatMap((one) => one.names).join(', ')
        log.waiting(`the migrations break what ends now: waiting for ${names}`)
        return { logsWanted: [], requeueAt: until }
      },
      () => undefined,
    )
  } finally {
    log.waiting(undefined)
  }
}

/** Waits until the pods that are ending of other versions are gone, or had to be. */
export async function endOfOthers(
  { platform, cluster, settings, app, signal }: OpenContext,
  live: NamespaceWatch,
  { digest: own }: Pick<Image, 'digest'>,
  log: StageLog,
): Promise<void> {
  const last = platform.clock.now() + settings.timeout
  try {
    await reconcileUntil<true>(
      { cluster, clock: platform.clock, live, signal },
      (now) => {
        const inUse = versionsInUse(live.clusterState(), settings.image, isOfMigration(app))
        const left = inUse.filter(({ digest, goneAt }) => digest !== own && goneAt !== undefined)
        const until = Math.min(last, ...left.map(({ goneAt = now }) => goneAt + reportedMs))
        if (left.length === 0 || now >= until) return { logsWanted: [], ended: true }
        log.waiting(`waiting for ${left.flatMap(({ names }) => names).join(', ')}`)
        return { logsWanted: [], requeueAt: until }
      },
      () => undefined,
    )
  } finally {
    log.waiting(undefined)
  }
}
