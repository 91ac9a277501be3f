/** Every version of the image that runs anywhere in the namespace: each needs the database as it is. Pure. */
import type { Pod, PodTemplateSpec } from 'kubernetes-types/core/v1'
import type { ObjectMeta } from 'kubernetes-types/meta/v1'
import { isOfRepository, parseImage } from '../kubernetes/image.js'
import { imagesOf } from './objects.js'
import { ownerOf } from './owner.js'
import type { ClusterState } from './types.js'

export interface VersionInUse {
  /** Missing: a template names a tag, and no pod shows what it means. */
  readonly digest?: string
  readonly tag: string
  /** Who runs it: `deployment/web`, `cronjob/report`, `pod/shell`, `an ending pod of deployment/web`. Sorted. */
  readonly names: readonly string[]
  /** Nothing runs it: only templates that start no pod have it, those of 0 replicas and of suspended CronJobs. */
  readonly isIdle?: true
  /** Pods that are ending run it, and no others: when the last of them has to be gone, in ms since 1970. */
  readonly goneAt?: number
}

interface Use {
  readonly digest: string | undefined
  readonly tag: string
  readonly name: string
  readonly isIdle?: true
  readonly goneAt?: number
}

/**
 * Returns the versions that pods run, and those that templates start next. Pods that have ended, and pods that match
 * `isOwn` (the migration's), do not count; one that is ending does: it still answers, or ends its task.
 */
export function versionsInUse(
  clusterState: ClusterState,
  repository: string,
  isOwn: (pod: Pod) => boolean,
): readonly VersionInUse[] {
  const running = [...clusterState.pods.values()]
    .filter((pod) => pod.status?.phase !== 'Succeeded' && pod.status?.phase !== 'Failed')
    .filter((pod) => !isOwn(pod))
    .flatMap((pod) => usesOfPod(clusterState, pod, repository))
  const next = templatesOf(clusterState).flatMap((template) => usesOfTemplate(template, repository))
  return grouped([...running, ...next])
}

function usesOfPod(clusterState: ClusterState, pod: Pod, repository: string): readonly Use[] {
  const { status, spec } = pod
  const statuses = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])]
  const owner = ownerOf(clusterState, pod.metadata, ['ReplicaSet', 'Job']).id
  // A mirror may have renamed the images of the pod, but not those of its owner.
  const ofOwner = imagesOf(templateOfOwner(clusterState, pod)?.spec)
  const endsAt = pod.metadata?.deletionTimestamp
  const user =
    endsAt === undefined
      ? { name: owner }
      : { name: `${ending}${owner}`, goneAt: new Date(endsAt).getTime() }
  return Object.entries(imagesOf(spec)).flatMap(([container, image]) => {
    const names = [image, ofOwner[container]]
    if (image === undefined || !names.some((name) => name && isOfRepository(name, repository))) {
      return []
    }
    const { imageID = '' } = statuses.find((one) => one.name === container) ?? {}
    const pulled = parseImage(imageID.replace('docker-pullable://', '')).digest
    const { digest, tag = 'latest' } = parseImage(image)
    return [{ ...user, tag, digest: digest ?? pulled }]
  })
}

function templateOfOwner(
  clusterState: ClusterState,
  { metadata }: Pod,
): PodTemplateSpec | undefined {
  const { kind = '', name = '' } = metadata?.ownerReferences?.find((one) => one.controller) ?? {}
  const { replicasets, statefulsets, daemonsets, jobs } = clusterState
  const owners = new Map<string, ReadonlyMap<string, { spec?: { template?: PodTemplateSpec } }>>([
    ['ReplicaSet', replicasets],
    ['StatefulSet', statefulsets],
    ['DaemonSet', daemonsets],
    ['Job', jobs],
  ])
  return owners.get(kind)?.get(name)?.spec?.template
}

const ending = 'an ending pod of '

/** Returns whether a name is that of a pod which is ending. */
export function isEnding(name: string): boolean {
  return name.startsWith(ending)
}

interface Template {
  readonly name: string
  readonly images: readonly (string | undefined)[]
  readonly isIdle?: true
}

function usesOfTemplate({ images, ...user }: Template, repository: string): readonly Use[] {
  return images.flatMap((image) => {
    if (image === undefined || !isOfRepository(image, repository)) return []
    const { digest, tag = 'latest' } = parseImage(image)
    return [{ ...user, tag, digest }]
  })
}

function templatesOf({
  deployments,
  statefulsets,
  daemonsets,
  cronjobs,
}: ClusterState): readonly Template[] {
  const scaled = { deployment: deployments, statefulset: statefulsets }
  const title = (kind: string, { metadata }: { readonly metadata?: ObjectMeta }) =>
    `${kind}/${metadata?.name ?? ''}`
  return [
    ...Object.entries(scaled).flatMap(([kind, objects]) =>
      [...objects.values()].map((object) => ({
        ...idle(title(kind, object), object.spec?.replicas === 0 && 'with 0 replicas'),
        images: Object.values(imagesOf(object.spec?.template.spec)),
      })),
    ),
    ...[...daemonsets.values()].map((object) => ({
      name: title('daemonset', object),
      images: Object.values(imagesOf(object.spec?.template.spec)),
    })),
    ...[...cronjobs.values()].map((object) => ({
      ...idle(title('cronjob', object), object.spec?.suspend === true && 'which is suspended'),
      images: Object.values(imagesOf(object.spec?.jobTemplate.spec?.template.spec)),
    })),
  ]
}

/** `cronjob/report which is suspended` */
function idle(name: string, why: string | false): Pick<Template, 'name' | 'isIdle'> {
  return why === false ? { name } : { name: `${name} ${why}`, isIdle: true }
}

/** One for each digest; what has only a tag joins a digest that others run by the same tag. */
function grouped(uses: readonly Use[]): readonly VersionInUse[] {
  const known = uses.map((use) => ({
    ...use,
    digest: use.digest ?? uses.find(({ tag, digest }) => digest && tag === use.tag)?.digest,
  }))
  const keys = [...new Set(known.map(({ digest, tag }) => digest ?? tag))]
  return keys.map((key) => {
    const own = known.filter(({ digest, tag }) => (digest ?? tag) === key)
    const digest = own[0]?.digest
    return {
      ...(digest !== undefined && { digest }),
      tag: own[0]?.tag ?? '',
      names: namesOf(own),
      ...(own.every(({ isIdle }) => isIdle) && { isIdle: true }),
      ...endOf(own),
    }
  })
}

/** Only where no other pod runs it, or is started by a schedule. */
function endOf(uses: readonly Use[]): Pick<VersionInUse, 'goneAt'> {
  const ends = uses.flatMap(({ goneAt }) => goneAt ?? [])
  const isEnding = ends.length > 0 && uses.every(({ goneAt, isIdle }) => isIdle ?? goneAt)
  return isEnding ? { goneAt: Math.max(...ends) } : {}
}

/** One that is ending is named only where nothing else of its owner runs the same. */
function namesOf(uses: readonly Use[]): readonly string[] {
  const names = new Set(uses.map(({ name }) => name))
  const isTold = (name: string) => isEnding(name) && names.has(name.slice(ending.length))
  return [...names].filter((name) => !isTold(name)).sort()
}
