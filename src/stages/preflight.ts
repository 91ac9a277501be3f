/** Looks before anything is written: what is there, what may this account do, what will change. */
import type { PodTemplateSpec, Service } from 'kubernetes-types/core/v1'
import { webWorkload, type Candidate } from '../django/roles.js'
import { asRoleRules, merged, missingRights, type Right } from '../kubernetes/access.js'
import { liveOf, planApply } from '../kubernetes/apply.js'
import { ApiError } from '../kubernetes/apierror.js'
import type { Cluster } from '../kubernetes/cluster.js'
import { isOfRepository, parseImage, shortName, versionOf } from '../kubernetes/image.js'
import {
  ownImage,
  prepared,
  readManifests,
  withLiveReplicas,
  type Manifests,
} from '../kubernetes/manifests.js'
import {
  isWorkload,
  nameOf,
  takesPart,
  templateOf,
  usesOf,
  workloadId,
  type ContainerUse,
  type KubeObject,
  type WorkloadObject,
} from '../kubernetes/objects.js'
import { collection, discover, watched, type Resources } from '../kubernetes/paths.js'
import { idOf, type WorkloadId } from '../kubernetes/workload.js'
import { fail } from '../report/cause.js'
import type { Journal } from '../report/journal.js'
import type { Picture } from '../rollout/types.js'
import { watchNamespace, type LivePicture } from '../rollout/watch.js'
import type { Release } from './release.js'

/** A workload of the release. */
export interface Target {
  readonly id: WorkloadId
  readonly path: string
  /** The containers that run our image, as the manifest has them, else the live template. */
  readonly uses: readonly ContainerUse[]
  /** The images that those containers have in the live template. */
  readonly running: readonly string[]
  /** As it stands in the cluster; none: the manifests create it. */
  readonly live?: WorkloadObject
  /** As the user's manifests have it; none: it is changed by `kubectl set image` alone. */
  readonly manifest?: WorkloadObject
}

/** What the release will work on. */
export interface Site {
  readonly live: LivePicture
  readonly targets: readonly Target[]
  /** Manifests of everything that does not run our image. */
  readonly others: readonly KubeObject[]
  readonly resources: Resources
  /** What the migration Job is made from; none when no migrations are wanted. */
  readonly web?: Web
  /** Services, live and from the manifests: they tell which workload serves the web. */
  readonly services: readonly Service[]
}

export interface Web {
  readonly workload: WorkloadId
  readonly template: PodTemplateSpec
  /** The container that serves the web. */
  readonly container: string
  /** All containers that run our image. */
  readonly containers: readonly string[]
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
  await checkRights(cluster, manifests, resources)

  const live = await watchNamespace(cluster, world.clock)
  const targets = findTargets(live.picture(), manifests, settings.image, cluster.namespace)
  if (targets.length === 0) noWorkload(live.picture(), settings.image, cluster.namespace)
  checkFit(targets)
  await rehearse(release, cluster, targets, manifests)

  journal.say(`Kubernetes ${cluster.version}, namespace ${cluster.namespace}`)
  targets.forEach((target) => {
    journal.say(describe(target))
  })
  const { items } = await cluster.get<{ items: readonly Service[] }>(
    collection('v1', cluster.namespace, 'services'),
  )
  const planned = manifests.others.filter(({ kind }) => kind === 'Service') as unknown as Service[]
  const services = [...items, ...planned]
  const site = { live, targets, others: manifests.others, resources, services }
  if (settings['migrate-command'] === '') return site
  return { ...site, web: findWeb(targets, services, settings['migrate-from']) }
}

/** `web (Deployment, 2 replicas): runs 1f0e…` */
function describe({ id, live, running }: Target): string {
  if (!live) return `${idOf(id)}: will be created`
  const { replicas } = live.spec
  const size =
    replicas === undefined ? '' : `, ${replicas} ${replicas === 1 ? 'replica' : 'replicas'}`
  const versions = [...new Set(running.map(versionOf))].join(', ')
  return `${idOf(id)}: runs ${versions}${size}`
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
  return fail({
    code: 'cluster-unreachable',
    sentence: 'the cluster does not accept the credentials of the kubeconfig (401 Unauthorized)',
    hint: 'renew the token or the login; kubectl auth whoami shows who you are',
  })
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
]

const workloadPlurals = ['deployments', 'statefulsets', 'daemonsets', 'cronjobs'] as const

async function checkRights(
  cluster: Cluster,
  manifests: Manifests,
  resources: Resources,
): Promise<void> {
  const missing = await missingRights(
    cluster,
    merged([
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
    ]),
  )
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

/** Live workloads that run the repository's image, and those that the manifests bring. */
export function findTargets(
  picture: Picture,
  manifests: Manifests,
  repository: string,
  namespace: string,
): readonly Target[] {
  const live = [
    ...picture.deployments.values(),
    ...picture.statefulsets.values(),
    ...picture.daemonsets.values(),
    ...picture.cronjobs.values(),
  ].filter((object): object is WorkloadObject & typeof object => isWorkload(object as KubeObject))
  const liveById = new Map(live.map((object) => [idOf(workloadId(object)), object]))
  const manifestById = new Map(manifests.ours.map((object) => [idOf(workloadId(object)), object]))
  const running = live.filter((object) => takesPart(object, repository))
  const all = new Map(
    [...running, ...manifests.ours].map((object) => [idOf(workloadId(object)), object]),
  )
  return [...all].map(([key, object]) => {
    const id = workloadId(object)
    const now = liveById.get(key)
    const manifest = manifestById.get(key)
    const plural = `${id.kind.toLowerCase()}s`
    const apiVersion = id.kind === 'CronJob' ? 'batch/v1' : 'apps/v1'
    const uses = manifest
      ? usesOf(templateOf(manifest), ownImage(repository))
      : usesOf(templateOf(object), (image) => isOfRepository(image, repository))
    return {
      id,
      path: `${collection(apiVersion, namespace, plural)}/${id.name}`,
      uses,
      running: imagesIn(now, uses),
      ...(now && { live: now }),
      ...(manifest && { manifest }),
    }
  })
}

/** The images that these containers have in the live template; none where they are not in it. */
export function imagesIn(
  live: WorkloadObject | undefined,
  uses: readonly ContainerUse[],
): readonly string[] {
  const all = live ? usesOf(templateOf(live), () => true) : []
  return uses.flatMap(({ name }) => {
    const image = all.find((one) => one.name === name)?.image
    return image === undefined ? [] : [image]
  })
}

/** Throws a Failure `usage` when the user has to say which it is. */
function findWeb(
  targets: readonly Target[],
  services: readonly Service[],
  named: string | undefined,
): Web {
  const candidates = targets.flatMap(({ id, uses, live, manifest }): readonly Candidate[] => {
    const object = manifest ?? live
    if (!object) return []
    const containers = uses.map(({ name }) => name)
    return [{ workload: id, template: templateOf(object), containers }]
  })
  const web = webWorkload(candidates, services, named)
  if (web.is === 'found') return { ...web.candidate, container: web.container }
  const all = web.candidates.join(', ')
  return fail({
    code: 'usage',
    sentence:
      web.because === 'no-such-name'
        ? `"migrate-from" names ${named ?? ''}, which is no workload of this release: ${all}`
        : `it is not clear which workload the migration takes its environment from: ${all}`,
    hint: `name one, for example migrate-from: ${web.candidates[0] ?? 'deployment/web'}`,
  })
}

function noWorkload(picture: Picture, repository: string, namespace: string): never {
  const others = [...picture.deployments.values(), ...picture.statefulsets.values()].map(
    (object) => {
      const images = usesOf(object.spec?.template ?? {}, () => true).map(
        ({ image }) => parseImage(image).repository,
      )
      return `${object.metadata?.name ?? ''} (${[...new Set(images)].join(', ')})`
    },
  )
  const there =
    others.length === 0 ? 'it has no workloads' : `it has ${others.slice(0, 5).join(', ')}`
  fail({
    code: 'no-workload',
    sentence: `no workload in the namespace "${namespace}" runs ${repository}; ${there}`,
    hint: `check the options image and namespace; for a first deploy give the manifests (a container with "image: ${shortName(repository)}" gets the new image)`,
  })
}

/** A paused Deployment takes a new template and never rolls it out. */
function checkFit(targets: readonly Target[]): void {
  const paused = targets.find(({ live }) => live?.spec.paused)
  if (paused) {
    fail({
      code: 'workload-unfit',
      sentence: `${idOf(paused.id)} is paused, so a new version would never roll out`,
      hint: `kubectl rollout resume ${idOf(paused.id)}`,
      workload: paused.id.name,
    })
  }
}

/** A dry run of all manifests on the server: what it would refuse is known before anything is written. */
async function rehearse(
  { settings, source }: Release,
  cluster: Cluster,
  targets: readonly Target[],
  { others }: Manifests,
): Promise<void> {
  const image = `${settings.image}:${source.tag}`
  const ours = targets.flatMap(({ manifest, live }) =>
    manifest ? [prepared(manifest, live, settings.image, image)] : [],
  )
  const live = await liveOf(cluster, others)
  const liveByName = new Map(live.map((object) => [`${object.kind}/${nameOf(object)}`, object]))
  const foreign = others.map((object) =>
    withLiveReplicas(object, liveByName.get(`${object.kind}/${nameOf(object)}`)),
  )
  await planApply(cluster, [...ours, ...foreign], live)
}
