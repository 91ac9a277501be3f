/** What others have made of a workload in the middle of a release. Pure. */
import { isBeingDeleted, templateOf, usesOf, type WorkloadObject } from '../kubernetes/objects.js'
import type { Cause } from '../failure/failure.js'
import type { Live } from '../judge/objects.js'
import { isSameVersion } from '../undo/ownership.js'
import { deletion, takenOver } from '../judge/rollout-status.js'
import type { Target } from '../kubernetes/target.js'

/** Returns what a workload has become since it was read; nothing for its restart, or its scale. */
export function changeSince(
  workload: Target['id'],
  before: WorkloadObject | undefined,
  now: WorkloadObject | undefined,
): string | undefined {
  if (!now) return before && deletion
  if (isBeingDeleted(now)) return deletion
  if (before && isSameVersion(before, now)) return undefined
  const uses = before ? usesOf(templateOf(before), () => true) : []
  const images = Object.fromEntries(uses.map(({ name, image }) => [name, image]))
  const desired = { workload, images, generation: 0, first: !before }
  const other = before ? 'another template' : 'an object of another client'
  return takenOver({ kind: workload.kind, object: now } as Live, desired) ?? other
}

export function supersededBy(by: Readonly<Record<string, string>>): Cause {
  const words = Object.entries(by).map(([id, what]) =>
    what === deletion ? `${id} was deleted` : `${id} runs ${what}`,
  )
  return {
    code: 'superseded',
    sentence: `another client changed a workload during the release: ${words.join('; ')}`,
    hint: 'that change and all other workloads were kept. Decide which version should run, then release it',
  }
}
