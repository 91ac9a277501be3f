/**
 * Finds the paths of the objects of a record. A record has kind and name; the path is made of those and of the
 * namespace of this run, so that no record leads anywhere else.
 */
import { keyOf } from '../kubernetes/apply.js'
import type { Cluster } from '../kubernetes/cluster.js'
import { groupOf, nameOf, type KubeObject } from '../kubernetes/objects.js'
import { isKept } from '../kubernetes/managed.js'
import { collection, resourcesOf } from '../kubernetes/paths.js'
import { titleOf, type ObjectSnapshot, type Snapshot } from '../undo/snapshot.js'

export type Entry = Omit<ObjectSnapshot, 'path'>

export type Located =
  | { readonly is: 'found'; readonly snapshot: Snapshot }
  /** A release does not write one of them; `why`: what is wrong with it, `wayOut`: what fixes it. */
  | { readonly is: 'refused'; readonly why: string; readonly wayOut?: string }

/** The plural names of usual kinds, which need no request to the server. */
const ordinary: Readonly<Record<string, string>> = {
  'v1 ConfigMap': 'configmaps',
  'v1 Secret': 'secrets',
  'v1 Service': 'services',
  'v1 ServiceAccount': 'serviceaccounts',
  'v1 PersistentVolumeClaim': 'persistentvolumeclaims',
  'apps/v1 Deployment': 'deployments',
  'apps/v1 StatefulSet': 'statefulsets',
  'apps/v1 DaemonSet': 'daemonsets',
  'batch/v1 CronJob': 'cronjobs',
  'batch/v1 Job': 'jobs',
  'networking.k8s.io/v1 Ingress': 'ingresses',
  'networking.k8s.io/v1 NetworkPolicy': 'networkpolicies',
  'autoscaling/v1 HorizontalPodAutoscaler': 'horizontalpodautoscalers',
  'autoscaling/v2 HorizontalPodAutoscaler': 'horizontalpodautoscalers',
  'policy/v1 PodDisruptionBudget': 'poddisruptionbudgets',
}

/**
 * Groups of Kubernetes itself: for their other kinds a release needs rights only if its manifests have one.
 * Definitions of custom kinds have groups that end like these: gateway.networking.k8s.io.
 */
const builtIn = [
  '',
  'apps',
  'autoscaling',
  'batch',
  'extensions',
  'policy',
  ...[
    'admissionregistration',
    'apiextensions',
    'apiregistration',
    'authentication',
    'authorization',
    'certificates',
    'coordination',
    'discovery',
    'events',
    'flowcontrol.apiserver',
    'internal.apiserver',
    'metrics',
    'networking',
    'node',
    'rbac.authorization',
    'resource',
    'scheduling',
    'storage',
    'storagemigration',
  ].map((name) => `${name}.k8s.io`),
]

const bringIt = 'release again with the manifests of that release (option manifests)'

/** The verbs that a release needs for the kinds in its manifests: a kind without these cannot be restored. */
const needed = ['get', 'create', 'update', 'delete']

/**
 * Returns the snapshot with the paths of its objects.
 *
 * @param brought the objects of this run's own manifests: it has the rights for those kinds.
 */
export async function locate(
  cluster: Cluster,
  entries: readonly Entry[],
  brought: readonly KubeObject[],
): Promise<Located> {
  const own = new Set(brought.map(kindOf))
  const seen = new Set<string>()
  for (const { object, written } of entries) {
    const title = titleOf(object)
    const namespaces = [object, written].map(({ metadata }) => metadata?.namespace)
    const foreign = namespaces.find((one) => one !== undefined && one !== cluster.namespace)
    if (foreign !== undefined) return refused(`${title} is of the namespace "${foreign}"`)
    if (seen.has(keyOf(object))) return refused(`${title} is in it twice`)
    seen.add(keyOf(object))
    if (keyOf(written) !== keyOf(object)) return refused(`${title} was replaced by another object`)
    if (isKept(object)) return refused(`${title} is not from the manifests of a release`)
    if (
      !(kindOf(object) in ordinary) &&
      builtIn.includes(groupOf(object)) &&
      !own.has(kindOf(object))
    ) {
      const why = `${title}: the rights for this kind were not checked`
      return { is: 'refused', why, wayOut: bringIt }
    }
  }
  const others = entries
    .map(({ object }) => object)
    .filter((object) => !(kindOf(object) in ordinary))
  const resources = await resourcesOf(cluster, others)
  const snapshot: ObjectSnapshot[] = []
  for (const entry of entries) {
    const { object } = entry
    const resource = resources.get(kindOf(object))
    const plural = ordinary[kindOf(object)] ?? resource?.plural
    if (plural === undefined) return refused(`${titleOf(object)}: the cluster has no such kind`)
    if (resource && !resource.namespaced)
      return refused(`${titleOf(object)} is outside of any namespace`)
    if (resource && !needed.every((verb) => resource.verbs.includes(verb))) {
      return refused(`${titleOf(object)} has a kind that cannot be restored`)
    }
    const path = `${collection(versionOf(object), cluster.namespace, plural)}/${nameOf(object)}`
    snapshot.push({ ...entry, path })
  }
  return { is: 'found', snapshot }
}

function refused(why: string): Located {
  return { is: 'refused', why }
}

function versionOf(object: KubeObject): string {
  return object.apiVersion ?? ''
}

function kindOf(object: KubeObject): string {
  return `${object.apiVersion} ${object.kind}`
}
