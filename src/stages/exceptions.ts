/**
 * Objects that are not as the result of a run says: those on another version after a release, and those on the
 * withdrawn version after an undo. Pure.
 */
import type { Job } from 'kubernetes-types/batch/v1'
import type { Pod } from 'kubernetes-types/core/v1'
import type { ObjectMeta } from 'kubernetes-types/meta/v1'
import { isOfRepository, parseImage, shortName, versionOf } from '../kubernetes/image.js'
import {
  isIgnored,
  isWorkload,
  templateOf,
  usesOf,
  workloadId,
  type ContainerUse,
  type KubeObject,
  type WorkloadObject,
} from '../kubernetes/objects.js'
import { idOf } from '../kubernetes/workload.js'
import type { Exception } from '../report/report.js'
import { ownerOf, type Owner } from '../judge/owner.js'
import { liveOf, otherTemplatePods, podsOf, type Live } from '../judge/objects.js'
import type { Restored } from '../undo/restore.js'
import type { ClusterState } from '../judge/types.js'
import type { Image } from '../docker/image.js'
import type { OpenContext } from './context.js'
import type { PreflightResult } from './preflight.js'

/** Renders the command line for these arguments of kubectl. */
export type CommandLine = (args: readonly string[]) => string

/** What a release has deployed. */
export interface Released {
  readonly image: { readonly repository: string; readonly tag: string; readonly digest: string }
  /** The workloads of the release, by `idOf`. */
  readonly targets: readonly string[]
  /** The images that they ran before. */
  readonly before: readonly string[]
}

/** Returns what runs another version of the image although all workloads of the release run this one. */
export function otherVersions(
  { cluster }: OpenContext,
  { live, targets }: Pick<PreflightResult, 'live' | 'targets'>,
  image: Image,
): readonly Exception[] {
  const released = {
    image,
    targets: targets.map(({ id }) => idOf(id)),
    before: targets.flatMap(({ running }) => running),
  }
  return onAnotherVersion(live.clusterState(), released, (args) => cluster.commandLine(args))
}

/** The same of a state of the cluster. */
export function onAnotherVersion(
  clusterState: ClusterState,
  released: Released,
  commandLine: CommandLine,
): readonly Exception[] {
  const { image, targets } = released
  const isOld = (use: string, id?: string) =>
    isOfRepository(use, image.repository) && !isReleased(use, id, image)
  const old = (pod: Pod) => containersOf(pod).filter(({ image: use, id }) => isOld(use, id))
  const workloads = workloadsOf(clusterState)
  const known = new Set(workloads.map((object) => idOf(workloadId(object))))
  const loose = groupsOf(
    [...clusterState.pods.values()]
      .filter((pod) => isRunning(pod) && old(pod).length > 0)
      .map((pod) => ({ pod, owner: ownerOf(clusterState, pod.metadata) })),
  ).filter(({ owner }) => owner.kind !== 'Job' && !known.has(owner.id))
  return [
    ...workloads.flatMap((object) => {
      const id = idOf(workloadId(object))
      const pods = podsOf(clusterState, object.metadata?.uid).filter((pod) => old(pod).length > 0)
      if (targets.includes(id))
        return heldBack(object, pods, versionsOf(pods.flatMap(old)), commandLine)
      const uses = usesOf(templateOf(object), (use) => isOld(use))
      return uses.length === 0 ? [] : leftOut(id, object, versionsOf(uses), commandLine)
    }),
    ...jobsOf(clusterState, (use) => isOld(use)).map(({ job, uses }): Exception => {
      const cron = cronOf(job)
      const since = cron === undefined ? '' : `, started before by cronjob/${cron},`
      return {
        object: titled(job),
        is: 'another version',
        message: `${titled(job)}${since} keeps running ${versionsOf(uses)}: the template of a Job is immutable`,
        fix: commandLine(['delete', 'job', nameOf(job)]),
      }
    }),
    ...loose.map(({ owner, pods }) => {
      const uses = pods.flatMap(old)
      const first = { object: owner.id, is: 'another version' as const }
      if (owner.kind === 'Pod') {
        const sets = uses.map(({ name }) => `${name}=${written(image)}`)
        return {
          ...first,
          message: `${owner.id} still runs ${versionsOf(uses)}: no workload recreates it`,
          fix: commandLine(['set', 'image', owner.id, ...sets]),
        }
      }
      const message = `${owner.id} (${owner.apiVersion}) still runs ${versionsOf(uses)} in ${counted(pods)}: a release changes no objects of this kind`
      return { ...first, message }
    }),
    ...companions(workloads, released, commandLine),
  ]
}

/** Returns pods of a released workload that its strategy leaves on the old version. */
function heldBack(
  object: WorkloadObject,
  pods: readonly Pod[],
  version: string,
  commandLine: CommandLine,
): readonly Exception[] {
  const why = heldBy(object)
  if (!why || pods.length === 0) return []
  const id = idOf(workloadId(object))
  const names = pods.map(nameOf)
  return [
    {
      object: id,
      is: 'another version',
      pods: pods.length,
      message: `${id}: ${counted(pods)} still ${pods.length === 1 ? 'runs' : 'run'} ${version}, ${why.words}`,
      fix: commandLine(
        why.is === 'OnDelete'
          ? ['delete', 'pod', ...names]
          : ['patch', id, '--patch', JSON.stringify(noPartition)],
      ),
    },
  ]
}

const noPartition = { spec: { updateStrategy: { rollingUpdate: { partition: 0 } } } }

function heldBy({ kind, spec }: WorkloadObject) {
  if (kind !== 'StatefulSet' && kind !== 'DaemonSet') return undefined
  const { updateStrategy } = spec as {
    updateStrategy?: { type?: string; rollingUpdate?: { partition?: number } }
  }
  if (updateStrategy?.type === 'OnDelete') {
    return {
      is: 'OnDelete',
      words: 'because updateStrategy: OnDelete changes a pod only when it is deleted',
    } as const
  }
  const partition = updateStrategy?.rollingUpdate?.partition ?? 0
  return partition > 0
    ? ({ is: 'partition', words: `because its partition is ${partition}` } as const)
    : undefined
}

function leftOut(
  id: string,
  object: WorkloadObject,
  version: string,
  commandLine: CommandLine,
): readonly Exception[] {
  const first = { object: id, is: 'another version' as const }
  return isIgnored(object)
    ? [
        {
          ...first,
          message: `${id} stays on ${version}: it is excluded by its annotation django-rollout/ignore`,
          fix: commandLine(['annotate', id, 'django-rollout/ignore-']),
        },
      ]
    : [{ ...first, message: `${id} runs ${version}: it was created during the release` }]
}

/**
 * Returns images of the same commit beside the released one (`shop-static` with the static files) that stay on the
 * previous version: its pages then name files that do not exist.
 */
function companions(
  workloads: readonly WorkloadObject[],
  { image, before }: Released,
  commandLine: CommandLine,
): readonly Exception[] {
  const tags = [...new Set(before.flatMap((one) => parseImage(one).tag ?? []))]
  const old = tags.filter((tag) => tag !== image.tag)
  const ownName = shortName(image.repository)
  return workloads.flatMap((object) => {
    if (isIgnored(object)) return []
    const uses = usesOf(templateOf(object), (use) => !isOfRepository(use, image.repository))
    return uses.flatMap(({ name, image: use }): readonly Exception[] => {
      const { repository, tag = '' } = parseImage(use)
      const isKin = shortName(repository).startsWith(`${ownName}-`)
      const stale = old.find((one) =>
        isCommit(one) ? tag.includes(one) : isKin && isVersion(one) && tag === one,
      )
      if (stale === undefined) return []
      const id = idOf(workloadId(object))
      const next = `${repository}:${tag.replace(stale, image.tag)}`
      return [
        {
          object: id,
          is: 'another version',
          message: `${id}, container ${name} stays on ${shortName(repository)}:${versionOf(use)}, which has the tag of the previous version`,
          fix: commandLine(['set', 'image', id, `${name}=${next}`]),
        },
      ]
    })
  })
}

/** `1.4`, `v2`: not a tag that moves, such as `main`. Any image may have it, so the image's name has to match too. */
function isVersion(tag: string): boolean {
  return /^v?\d/.test(tag)
}

/** A commit, perhaps with a suffix. */
function isCommit(tag: string): boolean {
  const [sha = ''] = /^[0-9a-f]{7,40}(?=$|[-_.])/.exec(tag) ?? []
  return /\d/.test(sha) && /[a-f]/.test(sha)
}

/** Returns what is not as an undo says: restored, and running as before. */
export function notAsBefore(
  clusterState: ClusterState,
  restored: readonly Restored[],
  commandLine: CommandLine,
): readonly Exception[] {
  return [...stillWithdrawn(clusterState, restored, commandLine), ...unwell(clusterState, restored)]
}

/** Returns the images that were written and are withdrawn. */
function withdrawnBy(restored: readonly Restored[]): ReadonlySet<string> {
  const images = (object: KubeObject) =>
    isWorkload(object) ? usesOf(templateOf(object), () => true).map(({ image }) => image) : []
  const before = restored.flatMap(({ prior }) =>
    prior.change === 'create' ? [] : [...images(prior.object), ...Object.values(prior.ran ?? {})],
  )
  const written = restored
    .filter(({ prior, did }) => prior.of === 'workload' && did !== 'external' && did !== 'keep')
    .flatMap(({ prior }) => images(prior.written))
  return new Set(written.filter((image) => !before.includes(image)))
}

/**
 * Returns what continues with the version that an undo has withdrawn, although all workloads are restored: Jobs
 * that a CronJob started during the undo, and pods that only a user deletes.
 */
function stillWithdrawn(
  clusterState: ClusterState,
  restored: readonly Restored[],
  commandLine: CommandLine,
): readonly Exception[] {
  const withdrawn = withdrawnBy(restored)
  const isIt = (image: string) => withdrawn.has(image)
  return [
    ...jobsOf(clusterState, isIt).map(({ job, uses }): Exception => {
      const cron = cronOf(job)
      const of = cron === undefined ? '' : `, started by cronjob/${cron},`
      return {
        object: titled(job),
        is: 'withdrawn',
        message: `${titled(job)}${of} keeps running the withdrawn ${versionsOf(uses)}`,
        fix: commandLine(['delete', 'job', nameOf(job)]),
      }
    }),
    ...restored.flatMap(({ prior, did }): readonly Exception[] => {
      if (did === 'external' || did === 'keep' || !isWorkload(prior.object)) return []
      const live = liveOf(clusterState, workloadId(prior.object))
      const why = live && keptPods(clusterState, live, prior.object)
      const pods = (why?.pods ?? []).filter((pod) =>
        containersOf(pod).some(({ image }) => isIt(image)),
      )
      if (!why || pods.length === 0) return []
      const id = idOf(workloadId(prior.object))
      return [
        {
          object: id,
          is: 'withdrawn',
          pods: pods.length,
          message: `${id}: ${counted(pods)} ${pods.length === 1 ? 'keeps' : 'keep'} running the withdrawn version, ${why.words}`,
          ...(why.fixable && { fix: commandLine(['delete', 'pod', ...pods.map(nameOf)]) }),
        },
      ]
    }),
  ]
}

/** Returns the pods that a controller leaves on another template, and why. */
function keptPods(clusterState: ClusterState, live: Live, before: WorkloadObject) {
  const object = live.object as KubeObject
  if (isWorkload(object) && heldBy(object)?.is === 'OnDelete') {
    const pods = podsOf(clusterState, live.object.metadata?.uid)
    return { pods, words: heldBy(object)?.words ?? '', fixable: true }
  }
  const { available, wanted } = availabilityOf(before)
  // The old pods of a complete Deployment are ending, whether the watch has reported it or not.
  if (live.kind !== 'Deployment' || available >= wanted) return undefined
  const words = 'because too few pods of the previous version are Ready, as before the release'
  return { pods: otherTemplatePods(clusterState, live), words, fixable: false }
}

/**
 * Returns restored workloads that are not well among those that were left as they are, or were not well before: no
 * stage has waited for more of their pods.
 */
function unwell(clusterState: ClusterState, restored: readonly Restored[]): readonly Exception[] {
  return restored.flatMap(({ prior, did }): readonly Exception[] => {
    if (!isWorkload(prior.object) || did === 'delete' || did === 'ask') return []
    const live = liveOf(clusterState, workloadId(prior.object))
    if (!live) return []
    const { available, wanted } = availabilityOf(live.object as WorkloadObject)
    if (available >= wanted) return []
    const id = idOf(workloadId(prior.object))
    const then = availabilityOf(prior.object)
    const isLeft = did === 'external' || did === 'keep'
    // What was complete before was seen to be complete again, or is about to be.
    if (!isLeft && (prior.change === 'create' || then.available >= then.wanted)) return []
    const why = isLeft ? 'was not restored' : 'was already unhealthy before the release'
    const pods = `${available} of ${wanted} pods available`
    return [
      {
        object: id,
        is: 'unwell',
        pods: wanted - available,
        message: `${id} ${why}, and is unhealthy: ${pods}`,
      },
    ]
  })
}

/** Returns how many pods of a workload are available, of those that it wants; by its own status. */
export function availabilityOf(object: WorkloadObject): {
  readonly available: number
  readonly wanted: number
} {
  const status = (object as { status?: Record<string, number | undefined> }).status ?? {}
  switch (object.kind) {
    case 'CronJob':
      return { available: 0, wanted: 0 }
    case 'DaemonSet':
      return {
        available: status['numberAvailable'] ?? 0,
        wanted: status['desiredNumberScheduled'] ?? 0,
      }
    default:
      return { available: status['availableReplicas'] ?? 0, wanted: object.spec.replicas ?? 1 }
  }
}

interface Use {
  readonly name: string
  readonly image: string
  /** The image that the kubelet has pulled for it. */
  readonly id?: string
}

function containersOf({ spec, status }: Pod): readonly Use[] {
  return (spec?.containers ?? []).flatMap(({ name, image }) => {
    const id = status?.containerStatuses?.find((one) => one.name === name)?.imageID
    return image === undefined ? [] : [{ name, image, ...(id !== undefined && { id }) }]
  })
}

/** Matches the written image, or the pulled digest: `latest` may be the very image. */
function isReleased(use: string, id: string | undefined, image: Released['image']): boolean {
  const { tag, digest } = parseImage(use)
  const pulled = id === undefined ? undefined : parseImage(id).digest
  if (digest === image.digest || pulled === image.digest) return true
  return digest === undefined && tag === image.tag && pulled === undefined
}

function written({ repository, tag, digest }: Released['image']): string {
  return `${repository}:${tag}@${digest}`
}

/** Returns whether the pod is neither over nor about to end. */
function isRunning({ metadata, status }: Pod): boolean {
  const isOver = status?.phase === 'Succeeded' || status?.phase === 'Failed'
  return !metadata?.deletionTimestamp && !isOver
}

/** Returns running Jobs whose template has such an image; leaves out the Jobs of the release. */
function jobsOf(
  clusterState: ClusterState,
  isIt: (image: string) => boolean,
): readonly { readonly job: Job; readonly uses: readonly ContainerUse[] }[] {
  return [...clusterState.jobs.values()].flatMap((job) => {
    const { metadata, spec, status } = job
    const isOfRelease = metadata?.labels?.['django-rollout/job'] !== undefined
    const isOver = (status?.conditions ?? []).some(
      ({ type, status: is }) => (type === 'Complete' || type === 'Failed') && is === 'True',
    )
    if (isOfRelease || isOver || metadata?.deletionTimestamp || spec?.suspend) return []
    const uses = usesOf(spec?.template ?? {}, isIt)
    return uses.length === 0 ? [] : [{ job, uses }]
  })
}

function cronOf({ metadata }: Job): string | undefined {
  return metadata?.ownerReferences?.find(({ kind }) => kind === 'CronJob')?.name
}

function groupsOf(
  all: readonly { readonly pod: Pod; readonly owner: Owner }[],
): readonly { readonly owner: Owner; readonly pods: readonly Pod[] }[] {
  const ids = [...new Set(all.map(({ owner }) => owner.id))]
  return ids.flatMap((id) => {
    const own = all.filter(({ owner }) => owner.id === id)
    const [first] = own
    return first ? [{ owner: first.owner, pods: own.map(({ pod }) => pod) }] : []
  })
}

function workloadsOf(clusterState: ClusterState): readonly WorkloadObject[] {
  return [
    ...clusterState.deployments.values(),
    ...clusterState.statefulsets.values(),
    ...clusterState.daemonsets.values(),
    ...clusterState.cronjobs.values(),
  ].filter((object): object is WorkloadObject & typeof object => isWorkload(object as KubeObject))
}

function versionsOf(uses: readonly { readonly image: string }[]): string {
  return [...new Set(uses.map(({ image }) => versionOf(image)))].join(', ')
}

function counted(pods: readonly Pod[]): string {
  return pods.length === 1 ? '1 pod' : `${pods.length} pods`
}

function titled(job: Job): string {
  return `job/${nameOf(job)}`
}

function nameOf({ metadata }: { readonly metadata?: ObjectMeta }): string {
  return metadata?.name ?? ''
}
