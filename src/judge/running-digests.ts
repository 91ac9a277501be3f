/** Which image really runs where a pod template names a tag: tomorrow the tag may name another. Pure. */
import { isOfRepository, parseImage } from '../kubernetes/image.js'
import { templateOf, usesOf, workloadId, type WorkloadObject } from '../kubernetes/objects.js'
import { idOf } from '../kubernetes/workload.js'
import { desiredBack } from './desired.js'
import { ourPods } from './objects.js'
import type { ClusterState } from './types.js'

/** A container of ours whose template has an image without a digest. */
export interface Tagged {
  /** `idOf` its workload. */
  readonly workload: string
  readonly container: string
  /** As the template has it: `shop:latest`. */
  readonly image: string
  /** What most of its pods run; of a workload without pods, what the others run by the same image. */
  readonly ran?: Ran
}

export interface Ran {
  readonly digest: string
  /**
   * A node that has pulled the same image from several repositories names any of them: the digest may be
   * unknown in ours.
   */
  readonly of: 'our repository' | 'another repository'
}

/** All containers of the repository that run by a tag alone, in these workloads as they stand now. */
export function taggedIn(
  clusterState: ClusterState,
  workloads: readonly WorkloadObject[],
  repository: string,
): readonly Tagged[] {
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

/** `shop:latest@sha256:…` */
export function byDigest(image: string, digest: string): string {
  const { repository, tag = 'latest' } = parseImage(image)
  return `${repository}:${tag}@${digest}`
}

/** The one version that all containers of ours run, where all are known to run the same. */
export function versionIn(
  clusterState: ClusterState,
  workloads: readonly WorkloadObject[],
  repository: string,
): Found | undefined {
  const isOurs = (image: string) => isOfRepository(image, repository)
  const tagged = taggedIn(clusterState, workloads, repository)
  const all = workloads.flatMap((object) => {
    const uses = usesOf(templateOf(object), isOurs)
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

/** What has no tag is called by the digest, as a tag may be. */
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

/** Pods tell what they run; what their template is called does not matter. */
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
  const pods = ourPods(clusterState, desired)
  if (pods.length === 0) return 'what its tag names'
  const running = runningIn(clusterState, object, name, wanted.repository)
  const isThis =
    running.length === pods.length && running.every((one) => one.digest === wanted.digest)
  return isThis ? 'this image' : 'another image'
}

/** What this container runs in each pod of the live template, by the kubelets that have pulled it. */
function runningIn(
  clusterState: ClusterState,
  object: WorkloadObject,
  container: string,
  repository: string,
): readonly Ran[] {
  const desired = desiredBack(workloadId(object), object, object, clusterState)
  return ourPods(clusterState, desired).flatMap(({ status }): readonly Ran[] => {
    const all = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])]
    const { imageID = '' } = all.find(({ name }) => name === container) ?? {}
    const { repository: pulled, digest } = parseImage(imageID.replace('docker-pullable://', ''))
    if (digest === undefined) return []
    const isOurs = isOfRepository(pulled, repository)
    return [{ digest, of: isOurs ? 'our repository' : 'another repository' }]
  })
}

function mostOf(running: readonly Ran[]): Ran | undefined {
  const count = ({ digest }: Ran) => running.filter((one) => one.digest === digest).length
  return running.toSorted((one, other) => count(other) - count(one))[0]
}

/** What runs, told by its pods. */
export interface Found {
  readonly tag: string
  readonly digest: string
}
