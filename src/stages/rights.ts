/** The rights that the account of a release needs. Pure. */
import type { Right } from '../kubernetes/access.js'
import type { Manifests } from '../kubernetes/manifests.js'
import { nameOf } from '../kubernetes/objects.js'
import { watched, type Resources } from '../kubernetes/paths.js'
import type { WorkloadId } from '../kubernetes/workload.js'

/** What every look at a namespace requests. */
const alwaysRead: readonly Right[] = [
  ...Object.entries(watched).map(([plural, { apiVersion }]) => ({
    group: apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : '',
    resource: plural,
    verbs: ['list', 'watch'],
  })),
  { group: '', resource: 'services', verbs: ['list'] },
  { group: '', resource: 'pods/log', verbs: ['get'] },
]

/** Everything that a release requests from the API server, besides what its workloads and its manifests need. */
export const alwaysNeeded = (app: string): readonly Right[] => [
  ...alwaysRead,
  // The lock, and the record of the current release.
  {
    group: 'coordination.k8s.io',
    resource: 'leases',
    verbs: ['get', 'create', 'update'],
    names: namesOf(app),
  },
  // A release also updates it; without that right it warns, and continues (src/commands/open-release.ts).
  { group: '', resource: 'secrets', verbs: ['get', 'create', 'delete'], names: namesOf(app) },
  // The history.
  { group: '', resource: 'configmaps', verbs: ['get', 'create', 'update'], names: namesOf(app) },
]

/** Everything that a plan requests (examples/rbac-plan.yaml): it writes nothing but its own Job. */
export const forPlan = (app: string): readonly Right[] => [
  ...alwaysRead,
  { group: '', resource: 'configmaps', verbs: ['get'], names: namesOf(app) },
  { group: 'batch', resource: 'jobs', verbs: ['get', 'create', 'delete'] },
]

/** All objects of django-rollout in the cluster have one name. */
const namesOf = (app: string) => [`django-rollout-${app}`]

const workloadPlurals = ['deployments', 'statefulsets', 'daemonsets', 'cronjobs'] as const

/**
 * A broken pod of a StatefulSet blocks its undo (src/undo/unblock.ts): a released StatefulSet, or a database among
 * the other manifests.
 */
export function forStatefulSets(
  written: readonly { readonly kind?: string | undefined }[],
): readonly Right[] {
  const has = written.some(({ kind }) => kind === 'StatefulSet')
  return has ? [{ group: '', resource: 'pods', verbs: ['delete'] }] : []
}

/** The way to a pod behind the Service (src/stages/smoke.ts). */
export const forSmoke: readonly Right[] = [
  { group: 'discovery.k8s.io', resource: 'endpointslices', verbs: ['list'] },
  { group: '', resource: 'pods', verbs: ['get'] },
  { group: '', resource: 'pods/portforward', verbs: ['create'] },
]

/** Returns the rights that are known before the workloads are. */
export function rightsFor(
  app: string,
  manifests: Manifests,
  resources: Resources,
  backup?: string,
): readonly Right[] {
  const brought = [...manifests.targets, ...manifests.others]
  return [
    ...alwaysNeeded(app),
    { group: 'batch', resource: 'jobs', verbs: ['create', 'delete'] },
    ...(backup === undefined
      ? []
      : [{ group: 'batch', resource: 'cronjobs', verbs: ['get'], names: [backup] }]),
    // To see whether a Job was created although the answer was lost.
    ...(manifests.jobs.length > 0 || backup !== undefined
      ? [{ group: 'batch', resource: 'jobs', verbs: ['get'] }]
      : []),
    ...brought.map((object) => {
      const { group, plural } = resources.of(object)
      return {
        group,
        resource: plural,
        verbs: ['get', 'create', 'patch', 'update', 'delete'],
        names: [nameOf(object)],
      }
    }),
  ]
}

/** Returns the rights for these workloads; for all workloads where they could not be read. */
export function rightsForWorkloads(ids?: readonly WorkloadId[]): readonly Right[] {
  return workloadPlurals.map((resource) => ({
    group: resource === 'cronjobs' ? 'batch' : 'apps',
    resource,
    verbs: ['get', 'patch', 'update'],
    ...(ids && {
      names: ids
        .filter(({ kind }) => `${kind.toLowerCase()}s` === resource)
        .map(({ name }) => name),
    }),
  }))
}
