/** Which workloads a release restarts because of the configuration that it changes. Pure. */
import { createHash } from 'node:crypto'
import type { Change } from '../kubernetes/apply.js'
import { configHashOf, isReadBy, readsDifferently, readsOf } from '../kubernetes/configuration.js'
import { templateOf, type WorkloadObject } from '../kubernetes/objects.js'
import { titleOf } from '../undo/snapshot.js'
import type { Restart, Target } from '../kubernetes/target.js'

/**
 * Returns the targets with the restarts that these changes require. A CronJob needs none: its next Job reads the
 * current configuration.
 */
export function withRestarts(
  targets: readonly Target[],
  changes: readonly Change[],
): readonly Target[] {
  return targets.map((target) => {
    const restart = target.live && restartOf(target.live, changes)
    return restart ? { ...target, restart } : target
  })
}

/** Returns the restart that the pods of a live workload need. */
export function restartOf(live: WorkloadObject, changes: readonly Change[]): Restart | undefined {
  if (live.kind === 'CronJob') return undefined
  const reads = readsOf(templateOf(live))
  const read = changes.filter((change) => {
    if (change.is === 'none') return false
    const before = change.is === 'change' ? change.live : undefined
    return reads.some(
      (one) => isReadBy(change.object, one) && readsDifferently(one, before, change.becomes),
    )
  })
  if (read.length === 0) return undefined
  return {
    hash: hashOf(configHashOf(live), read),
    because: read.map(({ object }) => titleOf(object)).sort(),
  }
}

/**
 * Returns another value with every change, without any trace of a Secret's value: a short value could be guessed
 * from a hash of its contents. The hash is made of the current hash of the pods and of the versions that are
 * replaced.
 */
function hashOf(before: string | undefined, changes: readonly Change[]): string {
  const replaced = changes
    .map((change) => {
      const { uid, resourceVersion } =
        (change.is === 'create' ? undefined : change.live.metadata) ?? {}
      return [titleOf(change.object), uid ?? '', resourceVersion ?? '']
    })
    .sort(([one = ''], [other = '']) => one.localeCompare(other))
  const text = JSON.stringify([before ?? '', replaced])
  return createHash('sha256').update(text).digest('hex').slice(0, 16)
}
