/** Workloads of the manifests that another application releases: its own release writes them. Pure. */
import { isOfRepository, parseImage, shortName } from '../kubernetes/image.js'
import type { Manifests } from '../kubernetes/manifests.js'
import {
  changeCause,
  containersOf,
  isIgnored,
  isWorkload,
  workloadId,
  type WorkloadObject,
} from '../kubernetes/objects.js'
import { idOf } from '../kubernetes/workload.js'

export interface OfOthers {
  /** `deployment/api` */
  readonly id: string
  /** The repository that the other application releases. */
  readonly image: string
}

/**
 * Returns the manifests without the workloads that releases of another image have written: a manifest has only a
 * placeholder for that image, which an apply would put in the place of what runs. `live`: all workloads.
 */
export function withoutOthers(
  manifests: Manifests,
  live: readonly WorkloadObject[],
): { readonly manifests: Manifests; readonly left: readonly OfOthers[] } {
  const liveById = new Map(live.map((object) => [idOf(workloadId(object)), object]))
  const released = live.filter(isReleased).flatMap(pinnedImages)
  const ofOthers = (object: Manifests['others'][number]): OfOthers | undefined => {
    if (!isWorkload(object) || isIgnored(object)) return undefined
    const id = idOf(workloadId(object))
    const now = liveById.get(id)
    const runs = now ? pinnedImages(now).filter((one) => released.includes(one)) : []
    const image = containersOf(object).flatMap((container) =>
      runs.filter((one) => isPlaceholder(container.image ?? '', one)),
    )[0]
    return image === undefined ? undefined : { id, image }
  }
  const found = manifests.others.map((object) => ({ object, of: ofOthers(object) }))
  const left = found.flatMap(({ of }) => of ?? [])
  const others = found.flatMap(({ object, of }) => (of ? [] : [object]))
  return { manifests: { ...manifests, others }, left }
}

/** Returns whether a release has written the workload. A CronJob has no such annotation: its image shows it. */
export function isReleased({ metadata }: WorkloadObject): boolean {
  return /^(release of|rollback to) \S+ by /.test(metadata?.annotations?.[changeCause] ?? '')
}

/** Returns the repositories of the images that are named by digest, as a release names them. */
function pinnedImages(object: WorkloadObject): readonly string[] {
  return containersOf(object).flatMap(({ image }) => {
    const { repository, digest } = parseImage(image ?? '')
    return digest === undefined ? [] : [repository]
  })
}

/** One with a digest is meant. */
function isPlaceholder(image: string, repository: string): boolean {
  const { repository: named, digest } = parseImage(image)
  return (
    digest === undefined && (isOfRepository(named, repository) || named === shortName(repository))
  )
}
