import { fail } from '../failure/failure.js'
import type { Cluster } from './cluster.js'
import { nameOf, type KubeObject } from './objects.js'

/** The kinds of objects that a release watches. */
export const watched = {
  deployments: { apiVersion: 'apps/v1', kind: 'Deployment' },
  statefulsets: { apiVersion: 'apps/v1', kind: 'StatefulSet' },
  daemonsets: { apiVersion: 'apps/v1', kind: 'DaemonSet' },
  cronjobs: { apiVersion: 'batch/v1', kind: 'CronJob' },
  replicasets: { apiVersion: 'apps/v1', kind: 'ReplicaSet' },
  jobs: { apiVersion: 'batch/v1', kind: 'Job' },
  pods: { apiVersion: 'v1', kind: 'Pod' },
  events: { apiVersion: 'v1', kind: 'Event' },
} as const

export type Watched = keyof typeof watched

/** `/apis/apps/v1/namespaces/shop/deployments` */
export function collection(apiVersion: string, namespace: string, plural: string): string {
  const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`
  return `${root}/namespaces/${namespace}/${plural}`
}

export function namespacePath(namespace: string): string {
  return `/api/v1/namespaces/${namespace}`
}

/** Returns whether an object is the release's own namespace. */
export function isNamespace(object: KubeObject, namespace: string): boolean {
  const { apiVersion, kind } = object
  return apiVersion === 'v1' && kind === 'Namespace' && nameOf(object) === namespace
}

/** What the server calls a kind in its paths. */
export interface Resource {
  readonly group: string
  readonly plural: string
  readonly namespaced: boolean
  /** The verbs that it supports. */
  readonly verbs: readonly string[]
}

export interface Resources {
  of(object: KubeObject): Resource
  pathOf(object: KubeObject): string
}

/**
 * Reads the plural names of the kinds of these objects from the server's discovery documents, one request per group
 * and version. Throws a Failure for a kind that the cluster does not have, or that has no namespace.
 */
export async function discover(
  cluster: Cluster,
  objects: readonly KubeObject[],
): Promise<Resources> {
  const known = await resourcesOf(cluster, objects)
  const of = (object: KubeObject): Resource => {
    const resource = known.get(`${object.apiVersion} ${object.kind}`)
    if (!resource) {
      return fail({
        code: 'manifest-invalid',
        sentence: `${object.kind} "${nameOf(object)}": the cluster has no kind ${object.kind} in ${object.apiVersion}`,
        hint: 'check apiVersion and kind, or install the CustomResourceDefinition of that kind',
      })
    }
    if (!resource.namespaced && !isNamespace(object, cluster.namespace)) outside(object)
    return resource
  }
  return {
    of,
    pathOf: (object) => {
      const { plural, namespaced } = of(object)
      if (!namespaced) return namespacePath(cluster.namespace)
      return `${collection(object.apiVersion ?? '', cluster.namespace, plural)}/${nameOf(object)}`
    },
  }
}

/** What the cluster has in the groups and versions of these objects, by `<apiVersion> <kind>`. */
export async function resourcesOf(
  cluster: Cluster,
  objects: readonly KubeObject[],
): Promise<ReadonlyMap<string, Resource>> {
  const versions = [...new Set(objects.map((object) => object.apiVersion ?? ''))]
  const known = new Map<string, Resource>()
  await Promise.all(
    versions.map(async (version) => {
      const root = version.includes('/') ? `/apis/${version}` : `/api/${version}`
      const found = await cluster.find<ResourceList>(root)
      for (const { name, kind, namespaced, verbs = [] } of found?.resources ?? []) {
        // Subresources such as deployments/scale have a slash.
        if (name.includes('/')) continue
        const group = version.includes('/') ? version.slice(0, version.indexOf('/')) : ''
        known.set(`${version} ${kind}`, { group, plural: name, namespaced, verbs })
      }
    }),
  )
  return known
}

/** Throws a Failure for an object that is cluster-scoped. */
export function outside(object: KubeObject): never {
  fail({
    code: 'manifest-invalid',
    sentence: `${object.kind} "${nameOf(object)}" is outside of the namespace; a release could not restore it`,
    hint: 'apply it once with kubectl, and remove it from "manifests"',
  })
}

interface ResourceList {
  readonly resources: readonly {
    name: string
    kind: string
    namespaced: boolean
    verbs?: readonly string[]
  }[]
}
