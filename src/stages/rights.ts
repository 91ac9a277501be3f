/** What a release asks of the API server: the rights that its account needs. Pure. */
import type { Right } from '../kubernetes/access.js'
import type { Manifests } from '../kubernetes/manifests.js'
import { watched, type Resources } from '../kubernetes/paths.js'

/** Everything that a release asks of the API server, besides what its manifests need. */
export const alwaysNeeded: readonly Right[] = [
  ...Object.entries(watched).map(([plural, { apiVersion }]) => ({
    group: apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : '',
    resource: plural,
    verbs: ['list', 'watch'],
  })),
  { group: '', resource: 'services', verbs: ['list'] },
  { group: '', resource: 'pods/log', verbs: ['get'] },
  // The lock, and the record of the release that is under way.
  { group: 'coordination.k8s.io', resource: 'leases', verbs: ['get', 'create', 'update'] },
  { group: '', resource: 'secrets', verbs: ['get', 'create', 'delete'] },
  // The history.
  { group: '', resource: 'configmaps', verbs: ['get', 'create', 'update'] },
]

const workloadPlurals = ['deployments', 'statefulsets', 'daemonsets', 'cronjobs'] as const

/** A broken pod of a StatefulSet stands in the way of its undo (src/rollout/unblock.ts). */
export const forStatefulSets: Right = { group: '', resource: 'pods', verbs: ['delete'] }

/** The way to a pod behind the Service (src/stages/smoke.ts). */
export const forSmoke: readonly Right[] = [
  { group: 'discovery.k8s.io', resource: 'endpointslices', verbs: ['list'] },
  { group: '', resource: 'pods', verbs: ['get'] },
  { group: '', resource: 'pods/portforward', verbs: ['create'] },
]

export function rightsFor(manifests: Manifests, resources: Resources): readonly Right[] {
  return [
    ...alwaysNeeded,
    ...workloadPlurals.map((resource) => ({
      group: resource === 'cronjobs' ? 'batch' : 'apps',
      resource,
      verbs: ['get', 'patch', 'update'],
    })),
    { group: 'batch', resource: 'jobs', verbs: ['create', 'delete'] },
    // What the server has made of the manifests is put into the record.
    ...([...manifests.ours, ...manifests.others].length > 0
      ? [{ group: '', resource: 'secrets', verbs: ['update'] }]
      : []),
    ...[...manifests.ours, ...manifests.others].map((object) => {
      const { group, plural } = resources.of(object)
      return {
        group,
        resource: plural,
        verbs: ['get', 'create', 'patch', 'update', 'delete'],
      }
    }),
  ]
}
