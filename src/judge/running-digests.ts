/** Which image runs where a pod template names a tag: tomorrow the tag may name another. Pure. */
import { isOfRepository, parseImage, type ImageReference } from '../kubernetes/image.js'
import { templateOf, usesOf, workloadId, type WorkloadObject } from '../kubernetes/objects.js'
import { idOf } from '../kubernetes/workload.js'
import { desiredBack } from './desired.js'
import { desiredPods, isReady } from './objects.js'
import type { ClusterState, DesiredWorkload } from './types.js'

/** A container of the application whose template has an image without a digest. */
export interface TaggedContainer {
  /** `idOf` its workload. */
  readonly workload: string
  readonly container: string
  /** As in the template: `shop:latest`. */
  readonly image: string
  /** What most of its pods run; for a workload without pods, what the other workloads run by the same image. */
  readonly ran?: RunningImage
}

export interface RunningImage {
  readonly digest: string
  /**
   * A node that has pulled the same image from several repositories names any of them: our repository may not
   * have the digest.
   */
  readonly of: 'our repository' | 'another repository'
}

/** Returns all containers with an image of the repository by a tag alone, in these workloads as they are now. */
export function taggedIn(
  clusterState: ClusterState,
  workloads: readonly WorkloadObject[],
  repository: string,
): readonly TaggedContainer[] {
  const all = workloads.flatMap((object) => {
    const uses = usesOf(
      templateOf(object),
      (image) => isOfRepository(image, repository) && parseImage(image).digest === undefined,
    )
    return uses.map(({ name, image }) => ({
      workload: idOf(workloadId(object)),
      container: name,
      image,
      running: runningIn(clusterState, object, name, repository),
    }))
  })
  return all.map(({ running, ...tagged }) => {
    const others = all.filter(({ image }) => image === tagged.image)
    const ran = mostOf(running) ?? mostOf(others.flatMap((other) => other.running))
    return { ...tagged, ...(ran && { ran }) }
  })
}

/** Returns the image pinned by its digest: `shop:latest@sha256:…`. */
export function byDigest(image: string, digest: string): string {
  const { repository, tag = 'latest' } = parseImage(image)
  return `${repository}:${tag}@${digest}`
}

/** Returns the version that all containers of the application run, if all are known to run the same. */
export function versionIn(
  clusterState: ClusterState,
  workloads: readonly WorkloadObject[],
  repository: string,
): RunningVersion | undefined {
  const isOfThisRepository = (image: string) => isOfRepository(image, repository)
  const tagged = taggedIn(clusterState, workloads, repository)
  const all = workloads.flatMap((object) => {
    const uses = usesOf(templateOf(object), isOfThisRepository)
    if (uses.length === 0) return [undefined]
    return uses.map(({ name, image }) => {
      const { tag, digest } = parseImage(image)
      const workload = idOf(workloadId(object))
      const { ran } =
        tagged.find((one) => one.workload === workload && one.container === name) ?? {}
      const runs = digest ?? (ran?.of === 'our repository' ? ran.digest : undefined)
      return runs === undefined ? undefined : { tag: tag ?? shortDigest(runs), digest: runs }
    })
  })
  const [first] = all
  return first && all.every((one) => one?.digest === first.digest) ? first : undefined
}

/** Returns the short digest that names an image without a tag. */
function shortDigest(digest: string): string {
  return digest.replace(/^.*:/, '').slice(0, 12)
}

/** What a container of the live template is known to run. */
export type Runs =
  /** Its template or all of its pods say so. */
  | 'this image'
  /** Its template or a pod says so, or a pod does not say. */
  | 'another image'
  /** It has no pods, and its template names a tag. */
  | 'what its tag names'

/** Returns what a container runs by its pods; the tag in their template does not matter. */
export function runsOf(
  clusterState: ClusterState,
  object: WorkloadObject,
  { name, image }: { readonly name: string; readonly image: string },
  wanted: { readonly repository: string; readonly digest: string },
): Runs {
  const { repository, digest } = parseImage(image)
  if (!isOfRepository(repository, wanted.repository)) return 'another image'
  if (digest !== undefined) return digest === wanted.digest ? 'this image' : 'another image'
  const desired = desiredBack(workloadId(object), object, object, clusterState)
  const pods = desiredPods(clusterState, desired)
  if (pods.length === 0) return 'what its tag names'
  const running = runningIn(clusterState, object, name, wanted.repository)
  const isThis =
    running.length === pods.length && running.every((one) => one.digest === wanted.digest)
  return isThis ? 'this image' : 'another image'
}

/** Returns what this container runs in each pod of the live template, by the kubelets that have pulled it. */
function runningIn(
  clusterState: ClusterState,
  object: WorkloadObject,
  container: string,
  repository: string,
): readonly RunningImage[] {
  const desired = desiredBack(workloadId(object), object, object, clusterState)
  return desiredPods(clusterState, desired).flatMap(({ status }): readonly RunningImage[] => {
    const all = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])]
    const { imageID = '' } = all.find(({ name }) => name === container) ?? {}
    const { repository: pulled, digest } = pulledImage(imageID)
    if (digest === undefined) return []
    const isOfThisRepository = isOfRepository(pulled, repository)
    return [{ digest, of: isOfThisRepository ? 'our repository' : 'another repository' }]
  })
}

/** Returns the digests of the repository that Ready pods on these nodes run. */
export function digestsOn(
  { pods }: ClusterState,
  repository: string,
  nodes: readonly string[],
): readonly string[] {
  const on = [...pods.values()].filter(
    (pod) => isReady(pod) && nodes.includes(pod.spec?.nodeName ?? ''),
  )
  const statuses = on.flatMap(({ status }) => status?.containerStatuses ?? [])
  const pulled = statuses.map(({ imageID }) => pulledImage(imageID))
  const own = pulled.filter((one) => isOfRepository(one.repository, repository))
  return [...new Set(own.flatMap(({ digest }) => digest ?? []))]
}

/** A container of a Ready pod that runs another digest of the repository than it should. */
export interface OtherDigest {
  /** `idOf` its workload. */
  readonly workload: string
  readonly pod: string
  readonly container: string
  readonly digest: string
}

/**
 * Returns where Ready pods of the new templates run another digest of the repository. A kubelet that names another
 * repository, or the image by its id alone, says nothing about that.
 */
export function otherDigests(
  clusterState: ClusterState,
  desiredWorkloads: readonly DesiredWorkload[],
  { repository, digest }: { readonly repository: string; readonly digest: string },
): readonly OtherDigest[] {
  return desiredWorkloads.flatMap((desired) =>
    desiredPods(clusterState, desired)
      .filter(isReady)
      .flatMap(({ metadata, status }) => {
        const { initContainerStatuses = [], containerStatuses = [] } = status ?? {}
        return [...initContainerStatuses, ...containerStatuses].flatMap(({ name, imageID }) => {
          const pulled = pulledImage(imageID)
          const isOther = pulled.digest !== undefined && pulled.digest !== digest
          if (!isOther || !(name in desired.images)) return []
          if (!isOfRepository(pulled.repository, repository)) return []
          const [workload, pod] = [idOf(desired.workload), metadata?.name ?? '']
          return [{ workload, pod, container: name, digest: pulled.digest }]
        })
      }),
  )
}

/** Returns what a kubelet says that a container runs. */
function pulledImage(imageID: string): ImageReference {
  return parseImage(imageID.replace('docker-pullable://', ''))
}

function mostOf(running: readonly RunningImage[]): RunningImage | undefined {
  const count = ({ digest }: RunningImage) => running.filter((one) => one.digest === digest).length
  return running.toSorted((one, other) => count(other) - count(one))[0]
}

/** The version that runs, by its pods. */
export interface RunningVersion {
  readonly tag: string
  readonly digest: string
}
