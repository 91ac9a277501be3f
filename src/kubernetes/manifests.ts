/** The user's manifests: what they have for a release, with our image put in. */
import type { Platform } from '../platform/platform.js'
import { keyOf } from './apply.js'
import type { Cluster } from './cluster.js'
import { isOfRepository, parseImage, shortName } from './image.js'
import {
  containersOf,
  isIgnored,
  isWorkload,
  templateOf,
  usesOf,
  withImage,
  withTemplate,
  type KubeObject,
  type WorkloadObject,
} from './objects.js'
import { isKept } from './managed.js'
import { isNamespace, outside } from './paths.js'
import { invalid, readManifestFiles, titled } from './manifest-files.js'

export interface Manifests {
  /** Workloads that run our image, as written (their images are put in when the digest is known). */
  readonly targets: readonly WorkloadObject[]
  /** Everything else: ConfigMaps, Services, databases… */
  readonly others: readonly KubeObject[]
  /** Jobs that run our image: each release runs them again. */
  readonly jobs: readonly KubeObject[]
  /** The release's own namespace: created if it is missing, and never removed. */
  readonly namespace?: KubeObject
  /** The file that each object was read from, by its `keyOf`. */
  readonly files: ReadonlyMap<string, string>
}

export const noManifests: Manifests = { targets: [], others: [], jobs: [], files: new Map() }

/** Cluster-scoped kinds: a release neither creates nor removes them. */
const clusterWide = ['Namespace', 'ClusterRole', 'ClusterRoleBinding', 'CustomResourceDefinition']

/** Reads all manifests; throws a Failure `manifest-invalid` that names file, place and error. */
export async function readManifests(
  platform: Platform,
  cluster: Cluster,
  paths: readonly string[],
  repository: string,
): Promise<Manifests> {
  const read = await readManifestFiles(platform, cluster, paths)
  const files = new Map<string, string>()
  for (const { file, objects } of read)
    for (const object of objects) {
      check(object, file, cluster.namespace)
      const key = keyOf(object)
      if (files.has(key)) invalid(`${titled(object)} is in the manifests twice`)
      files.set(key, file)
    }
  const objects = read.flatMap((one) => one.objects)
  const namespace = objects.find((object) => isNamespace(object, cluster.namespace))
  const isOurs = ownImage(repository)
  const targets = objects
    .filter(isWorkload)
    .filter((object) => !isIgnored(object))
    .filter((object) => usesOf(templateOf(object), isOurs).length > 0)
  const jobs = objects.filter((object) => isJobOf(object, isOurs))
  const taken: readonly (KubeObject | undefined)[] = [...targets, ...jobs, namespace]
  const others = objects.filter((object) => !taken.includes(object))
  return { targets, others, jobs, files, ...(namespace && { namespace }) }
}

/** A suspended Job waits for a person, and is applied as it is written. */
function isJobOf(object: KubeObject, isOurs: (image: string) => boolean): boolean {
  const { apiVersion, kind } = object
  return (
    apiVersion === 'batch/v1' &&
    kind === 'Job' &&
    !isIgnored(object) &&
    (object.spec as { suspend?: unknown } | null | undefined)?.suspend !== true &&
    containersOf(object).some(({ image }) => isOurs(image ?? ''))
  )
}

/**
 * Returns whether a container of a manifest runs our image: it names the repository, with any tag, or just its last part
 * (`image: shop` for ghcr.io/acme/shop), so that manifests need not name a registry.
 */
export function ownImage(repository: string): (image: string) => boolean {
  return (image) =>
    isOfRepository(image, repository) || parseImage(image).repository === shortName(repository)
}

/** Returns a workload's manifest with the released image. */
export function prepared(
  manifest: WorkloadObject,
  repository: string,
  image: string,
): WorkloadObject {
  return withTemplate(manifest, withImage(templateOf(manifest), ownImage(repository), image))
}

function check(object: KubeObject, file: string, namespace: string): void {
  const name = titled(object)
  // An apply would overwrite the record of its own release, and the record's reader refuses such an object.
  if (isKept(object)) {
    invalid(
      `${file}: ${name} has a name that is reserved for the lock, record and history of django-rollout`,
      'rename it, or remove it from the manifests: the name of a ConfigMap, Secret or Lease must not start with django-rollout-',
    )
  }
  if (clusterWide.includes(object.kind ?? '') && !isNamespace(object, namespace)) outside(object)
  const own = object.metadata?.namespace
  if (own !== undefined && own !== namespace) {
    invalid(
      `${name} names the namespace "${own}", but the release goes to "${namespace}"`,
      'remove metadata.namespace from the manifests',
    )
  }
}
