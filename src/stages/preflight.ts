/** Looks before anything is written: what is there, what may this account do, what will change. */
import type { Service } from 'kubernetes-types/core/v1'
import { asRoleRules, merged, missingRights, type Right } from '../kubernetes/access.js'
import { ApiError } from '../kubernetes/apierror.js'
import { noCredentials } from '../kubernetes/away.js'
import type { Cluster } from '../kubernetes/cluster.js'
import { readManifests, type Manifests } from '../kubernetes/manifests.js'
import type { KubeObject } from '../kubernetes/objects.js'
import { collection, discover, watched, type Resources } from '../kubernetes/paths.js'
import { fail } from '../report/cause.js'
import type { Journal } from '../report/journal.js'
import { watchNamespace, type LivePicture } from '../rollout/watch.js'
import { planManifests } from './manifests.js'
import type { Release } from './release.js'
import { planOurs } from './rollout.js'
import { smokeAim } from './smoke.js'
import {
  checkFit,
  describe,
  findTargets,
  noWorkload,
  webOf,
  type Target,
  type Web,
} from './targets.js'

/** What the release will work on. */
export interface Site {
  readonly live: LivePicture
  readonly targets: readonly Target[]
  /** Manifests of everything that does not run our image. */
  readonly others: readonly KubeObject[]
  readonly resources: Resources
  /** What serves the web: goes first, and the migration Job is made from it. None: it is not known. */
  readonly web?: Web
  /** Services as the release leaves them: they tell which workload serves the web. */
  readonly services: readonly Service[]
}

export async function preflight(
  release: Release,
  journal: Journal,
  cluster: Cluster,
): Promise<Site> {
  const { world, settings } = release
  const manifests = await readManifests(world, cluster, settings.manifests, settings.image)
  await checkNamespace(cluster)
  const resources = await discover(cluster, [...manifests.ours, ...manifests.others])
  await checkRights(cluster, rightsFor(manifests, resources))

  const live = await watchNamespace(cluster, world.clock)
  const targets = findTargets(live.picture(), manifests, settings.image, cluster.namespace)
  if (targets.length === 0) noWorkload(live.picture(), settings.image, cluster.namespace)
  checkFit(targets)
  if (targets.some(({ id }) => id.kind === 'StatefulSet')) {
    await checkRights(cluster, [forStatefulSets])
  }
  await rehearse(release, cluster, targets, manifests)

  journal.say(`Kubernetes ${cluster.version}, namespace ${cluster.namespace}`)
  targets.forEach((target) => {
    journal.say(describe(target))
  })
  const { items } = await cluster.get<{ items: readonly Service[] }>(
    collection('v1', cluster.namespace, 'services'),
  )
  const services = servicesWith(manifests.others, items)
  const web = webOf(settings, targets, services)
  if (web && settings['smoke-path'] !== undefined) {
    smokeAim(web, services, settings['smoke-host'])
    await checkRights(cluster, forSmoke)
  }
  return { live, targets, others: manifests.others, resources, services, ...(web && { web }) }
}

/** The Services as they will be: what a manifest brings stands for the live one of its name. */
export function servicesWith(
  manifests: readonly KubeObject[],
  live: readonly Service[],
): readonly Service[] {
  const planned = manifests.filter(({ kind }) => kind === 'Service') as unknown as Service[]
  const names = planned.map(({ metadata }) => metadata?.name)
  return [...planned, ...live.filter(({ metadata }) => !names.includes(metadata?.name))]
}

async function checkNamespace(cluster: Cluster): Promise<void> {
  try {
    const found = await cluster.find<KubeObject>(`/api/v1/namespaces/${cluster.namespace}`)
    if (found === undefined) namespaceMissing(cluster.namespace, 'does not exist')
  } catch (error) {
    // Not every account may look at the namespace itself; the rights below decide then.
    if (!(error instanceof ApiError && error.status === 403)) throw clearer(error)
  }
}

/** 401: the credentials are known to nobody; said in words instead of a status. */
function clearer(error: unknown): unknown {
  if (!(error instanceof ApiError && error.status === 401)) return error
  return fail(noCredentials)
}

function namespaceMissing(namespace: string, is: string): never {
  fail({
    code: 'namespace-missing',
    sentence: `the namespace "${namespace}" ${is}`,
    hint: `check the option namespace, or make it: kubectl create namespace ${namespace}`,
  })
}

/** Everything that a release asks of the API server, besides what its manifests need. */
const alwaysNeeded: readonly Right[] = [
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
const forStatefulSets: Right = { group: '', resource: 'pods', verbs: ['delete'] }

/** The way to a pod behind the Service (src/stages/smoke.ts). */
const forSmoke: readonly Right[] = [
  { group: 'discovery.k8s.io', resource: 'endpointslices', verbs: ['list'] },
  { group: '', resource: 'pods', verbs: ['get'] },
  { group: '', resource: 'pods/portforward', verbs: ['create'] },
]

function rightsFor(manifests: Manifests, resources: Resources): readonly Right[] {
  return [
    ...alwaysNeeded,
    ...workloadPlurals.map((resource) => ({
      group: resource === 'cronjobs' ? 'batch' : 'apps',
      resource,
      verbs: ['get', 'patch', 'update'],
    })),
    { group: 'batch', resource: 'jobs', verbs: ['create', 'delete'] },
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

async function checkRights(cluster: Cluster, rights: readonly Right[]): Promise<void> {
  const missing = await missingRights(cluster, merged(rights))
  if (missing.length === 0) return
  if (
    alwaysNeeded.every(({ group, resource, verbs }) =>
      missing.some(
        (right) =>
          right.group === group &&
          right.resource === resource &&
          verbs.every((verb) => right.verbs.includes(verb)),
      ),
    )
  ) {
    namespaceMissing(cluster.namespace, 'does not exist, or this account may do nothing in it')
  }
  const words = missing.map(({ resource, verbs }) => `${verbs.join(', ')} ${resource}`).join('; ')
  fail({
    code: 'right-missing',
    sentence: `the account may not ${words} in the namespace "${cluster.namespace}"`,
    hint: `add these rules to its Role (a complete one is in examples/rbac.yaml):\n${asRoleRules(missing)}`,
  })
}

/** A dry run of all manifests on the server: what it would refuse is known before anything is written. */
async function rehearse(
  { settings, source }: Release,
  cluster: Cluster,
  targets: readonly Target[],
  manifests: Manifests,
): Promise<void> {
  const image = `${settings.image}:${source.tag}`
  await Promise.all([
    planOurs(cluster, targets, settings.image, image),
    planManifests(cluster, manifests.others),
  ])
}
