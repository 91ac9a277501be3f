import type { Pod } from 'kubernetes-types/core/v1'
import {
  isBeingDeleted,
  same,
  templateOf,
  usesOf,
  type WorkloadObject,
} from '../kubernetes/objects.js'
import type { WorkloadId } from '../kubernetes/workload.js'
import { hasLostNode, podsOfWorkload } from './objects.js'
import type { DesiredWorkload, ClusterState, KnownStarts } from './types.js'

/** A workload that was written, or is left as it is. */
interface WrittenWorkload extends Pick<DesiredWorkload, 'workload' | 'images'> {
  readonly now: WorkloadObject
  /** `undefined`: it did not exist. */
  readonly before: WorkloadObject | undefined
  /** What the history knows of its starts. */
  readonly known?: KnownStarts | undefined
}

/** Returns what a workload must become, given what it is now and what it was before. */
export function desiredOf(
  { workload, images, now, before, known }: WrittenWorkload,
  clusterState: ClusterState,
): DesiredWorkload {
  const stale = before === undefined ? undefined : staleProgressing(before)
  const all = before === undefined ? [] : podsOfWorkload(clusterState, before)
  const podsBefore = all.filter((pod) => !isBeingDeleted(pod))
  const seen = withHistory(startsOf(podsBefore), known)
  const startsAlike = before !== undefined && same(startOf(before), startOf(now))
  const starts = seen && (startsAlike ? seen : { ...seen, count: 0 })
  const deadNodes =
    workload.kind === 'DaemonSet'
      ? podsBefore.filter(hasLostNode).flatMap(({ spec }) => spec?.nodeName ?? [])
      : []
  return {
    workload,
    images,
    generation: now.metadata?.generation ?? 0,
    first: before === undefined,
    ...(stale !== undefined && { staleProgressing: stale }),
    ...(starts && { starts }),
    ...(deadNodes.length > 0 && { deadNodes }),
  }
}

/** Returns the state of a workload that nothing changes: it must be complete as it is. */
export function desiredAsIs(
  workload: WorkloadId,
  object: WorkloadObject,
  clusterState: ClusterState,
): DesiredWorkload {
  return desiredOf({ workload, images: {}, now: object, before: object }, clusterState)
}

/**
 * Returns the desired state of an undo: the images that the template named before. The pods that run now are
 * of the withdrawn version: how long those took says nothing.
 */
export function desiredBack(
  workload: WorkloadId,
  prior: WorkloadObject,
  now: WorkloadObject,
  clusterState: ClusterState,
): DesiredWorkload {
  const images = Object.fromEntries(
    usesOf(templateOf(prior), () => true).map(({ name, image }) => [name, image]),
  )
  const { starts: _, ...desired } = desiredOf({ workload, images, now, before: now }, clusterState)
  return desired
}

interface Condition {
  readonly type: string
  readonly status: string
  readonly lastTransitionTime?: string
}

/** Returns the `lastTransitionTime` of a Progressing=False that is there already. */
function staleProgressing(object: WorkloadObject): string | undefined {
  const status = (object as { status?: { conditions?: readonly Condition[] } }).status
  return status?.conditions?.find((one) => one.type === 'Progressing' && one.status === 'False')
    ?.lastTransitionTime
}

/** Returns how long pods took from the start of their containers to Ready: those that never restarted. */
export function startsOf(pods: readonly Pod[]): KnownStarts | undefined {
  const starts = pods.flatMap((pod) => {
    const ready = pod.status?.conditions?.find(
      ({ type, status }) => type === 'Ready' && status === 'True',
    )
    const containers = pod.status?.containerStatuses ?? []
    const began = containers.flatMap(({ state }) =>
      state?.running?.startedAt !== undefined ? [Date.parse(state.running.startedAt)] : [],
    )
    const restarted = containers.some(({ restartCount }) => restartCount > 0)
    if (!ready?.lastTransitionTime || began.length === 0 || restarted) return []
    const took = Date.parse(ready.lastTransitionTime) - Math.max(...began)
    return [{ took: Math.max(0, took) + 1000, isProbed: isProbed(pod) }]
  })
  if (starts.length === 0) return undefined
  return {
    slowest: Math.max(...starts.map(({ took }) => took)),
    count: starts.filter(({ isProbed }) => isProbed).length,
  }
}

function isProbed({ spec }: Pod): boolean {
  return (spec?.containers ?? []).some((one) => one.readinessProbe ?? one.startupProbe)
}

/** The pods that run now are those of the history's last release, mostly: none counts twice. */
function withHistory(
  now: KnownStarts | undefined,
  known: KnownStarts | undefined,
): KnownStarts | undefined {
  const both = joined(now, known)
  return both && { ...both, count: Math.max(now?.count ?? 0, known?.count ?? 0) }
}

/** Returns the starts of several sources as those of one. */
export function joined(...all: readonly (KnownStarts | undefined)[]): KnownStarts | undefined {
  const known = all.filter((one) => one !== undefined)
  if (known.length === 0) return undefined
  return {
    slowest: Math.max(...known.map(({ slowest }) => slowest)),
    count: known.reduce((sum, { count }) => sum + count, 0),
  }
}

/** What a start depends on besides the image: other probes are met at another time, less CPU takes longer. */
function startOf(object: WorkloadObject): unknown {
  return (templateOf(object).spec?.containers ?? []).map(
    ({ name, readinessProbe, startupProbe, command, args, resources }) => ({
      name,
      readinessProbe: readinessProbe ?? null,
      startupProbe: startupProbe ?? null,
      command: command ?? [],
      args: args ?? [],
      resources: resources ?? {},
    }),
  )
}
