/** What the cluster's objects mean to a release: pure reading, no requests. */
import type { Container, PodSpec, PodTemplateSpec } from 'kubernetes-types/core/v1'
import type { ObjectMeta } from 'kubernetes-types/meta/v1'
import { isOfRepository } from './image.js'
import type { WorkloadId, WorkloadKind } from './workload.js'

/** Any object of the API, as far as all of them are alike. */
export interface KubeObject {
  readonly apiVersion?: string
  readonly kind?: string
  readonly metadata?: ObjectMeta
  readonly spec?: unknown
}

/** An object of one of the four kinds that run pods for us. */
export interface WorkloadObject extends KubeObject {
  readonly kind: WorkloadKind
  readonly spec: WorkloadSpec
}

interface WorkloadSpec {
  readonly replicas?: number
  readonly paused?: boolean
  readonly revisionHistoryLimit?: number
  readonly template?: PodTemplateSpec
  readonly jobTemplate?: { readonly spec?: { readonly template?: PodTemplateSpec } }
}

const workloadKinds: readonly string[] = ['Deployment', 'StatefulSet', 'DaemonSet', 'CronJob']
const workloadGroups: readonly string[] = ['apps/v1', 'batch/v1']

export function isWorkload(object: KubeObject): object is WorkloadObject {
  return (
    workloadKinds.includes(object.kind ?? '') &&
    workloadGroups.includes(object.apiVersion ?? '') &&
    typeof object.spec === 'object' &&
    object.spec !== null
  )
}

export function nameOf(object: KubeObject): string {
  return object.metadata?.name ?? ''
}

export function workloadId(object: WorkloadObject): WorkloadId {
  return { kind: object.kind, name: nameOf(object) }
}

/** Returns the pod template, which a CronJob has two levels deeper than the others. */
export function templateOf(object: WorkloadObject): PodTemplateSpec {
  return (
    (object.kind === 'CronJob' ? object.spec.jobTemplate?.spec?.template : object.spec.template) ??
    {}
  )
}

interface WithPods {
  readonly template?: { readonly spec?: unknown }
  readonly jobTemplate?: { readonly spec?: { readonly template?: { readonly spec?: unknown } } }
}

/** The containers, init containers too, of any kind of object that has pods the usual way, as it is written. */
export function containersOf(
  object: KubeObject,
): readonly { readonly name: string; readonly image?: string | null }[] {
  const spec = object.spec as WithPods | null | undefined
  const template = spec?.jobTemplate?.spec?.template ?? spec?.template
  const pod = (object.kind === 'Pod' ? spec : template?.spec) as Partial<PodSpec> | null | undefined
  return [pod?.initContainers, pod?.containers].flatMap((all: unknown) =>
    Array.isArray(all) ? (all as unknown[]).flatMap((one) => (isContainer(one) ? [one] : [])) : [],
  )
}

function isContainer(one: unknown): one is { name: string; image?: string | null } {
  if (typeof one !== 'object' || one === null) return false
  const { name, image } = one as { name?: unknown; image?: unknown }
  return typeof name === 'string' && (typeof image === 'string' || (image ?? null) === null)
}

/** Returns the same object with another pod template. */
export function withTemplate<T extends WorkloadObject>(object: T, template: PodTemplateSpec): T {
  if (object.kind !== 'CronJob') return { ...object, spec: { ...object.spec, template } }
  const { jobTemplate } = object.spec
  const spec = { ...jobTemplate?.spec, template }
  return { ...object, spec: { ...object.spec, jobTemplate: { ...jobTemplate, spec } } }
}

/** What `kubectl rollout history` shows of a revision. */
export const changeCause = 'kubernetes.io/change-cause'

/** Returns the same object with an annotation; `undefined`: without it. */
export function withAnnotation<T extends KubeObject>(
  object: T,
  name: string,
  value: string | undefined,
): T {
  const { [name]: _, ...others } = object.metadata?.annotations ?? {}
  const annotations = value === undefined ? others : { ...others, [name]: value }
  return { ...object, metadata: { ...object.metadata, annotations } }
}

/** Returns whether an init container keeps running (Kubernetes 1.29). The field is younger than the types in use. */
export function isSidecar(container: Container): boolean {
  return (container as { readonly restartPolicy?: string }).restartPolicy === 'Always'
}

/** A container of a pod template that runs our image. */
export interface ContainerUse {
  readonly name: string
  readonly init: boolean
  readonly image: string
}

/** Returns the containers (init containers too) whose image `isOurs`. */
export function usesOf(
  template: PodTemplateSpec,
  isOurs: (image: string) => boolean,
): readonly ContainerUse[] {
  // A manifest may have an empty `image:`.
  const pick = (containers: readonly { name: string; image?: string | null }[], init: boolean) =>
    containers.flatMap(({ name, image }) => (image && isOurs(image) ? [{ name, init, image }] : []))
  return [
    ...pick(template.spec?.initContainers ?? [], true),
    ...pick(template.spec?.containers ?? [], false),
  ]
}

/** Returns the containers of a workload whose image is of the repository. */
export function usesOfRepository(
  object: WorkloadObject,
  repository: string,
): readonly ContainerUse[] {
  return usesOf(templateOf(object), (image) => isOfRepository(image, repository))
}

/** Returns the template with `image` in every container whose image `isOurs`. */
export function withImage(
  template: PodTemplateSpec,
  isOurs: (image: string) => boolean,
  image: string,
): PodTemplateSpec {
  const uses = usesOf(template, isOurs)
  return withImages(template, Object.fromEntries(uses.map(({ name }) => [name, image])))
}

/** Returns the template with these images, by the names of the containers. */
export function withImages(
  template: PodTemplateSpec,
  images: Readonly<Record<string, string>>,
): PodTemplateSpec {
  if (!template.spec) return template
  const put = <C extends { name: string }>(container: C): C => {
    const image = images[container.name]
    return image === undefined ? container : { ...container, image }
  }
  const { containers, initContainers } = template.spec as Partial<PodSpec>
  return {
    ...template,
    spec: {
      ...template.spec,
      ...(containers && { containers: containers.map(put) }),
      ...(initContainers && { initContainers: initContainers.map(put) }),
    },
  }
}

/** Returns whether an object is being deleted: it waits for its finalizers. */
export function isBeingDeleted(object: KubeObject): boolean {
  return object.metadata?.deletionTimestamp !== undefined
}

/** Returns whether a person has excluded this workload from every release. */
export function isIgnored(object: KubeObject): boolean {
  return object.metadata?.annotations?.['django-rollout/ignore'] === 'true'
}

/** Returns whether the live object takes part in releases of the repository. */
export function takesPart(object: WorkloadObject, repository: string): boolean {
  return !isIgnored(object) && usesOfRepository(object, repository).length > 0
}

/** kubectl's annotation of the last apply: the third side of its merge. */
export const lastApplied = 'kubectl.kubernetes.io/last-applied-configuration'

/** Returns the part of an object that people decide: equal parts mean that an apply changes nothing. */
export function decided(object: KubeObject): unknown {
  const { status: _status, metadata = {}, ...rest } = object as KubeObject & { status?: unknown }
  const annotations = { ...metadata.annotations }
  delete annotations[lastApplied]
  return {
    ...rest,
    metadata: { name: metadata.name, labels: metadata.labels ?? {}, annotations },
  }
}

/** Returns a key that is the same for all versions of a group, and differs for a kind of the same name in another group. */
export function keyOf(object: KubeObject): string {
  return `${groupOf(object)}/${object.kind}/${nameOf(object)}`
}

/** `apps`; empty for the core of Kubernetes. */
export function groupOf({ apiVersion = '' }: KubeObject): string {
  return apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : ''
}

/** Deep equality of plain data; the order of keys does not matter, an undefined value is no value. */
export function same(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a) !== Array.isArray(b)) return false
  const left = Object.entries(a).filter(([, value]) => value !== undefined)
  const right = Object.entries(b).filter(([, value]) => value !== undefined)
  return (
    left.length === right.length &&
    left.every(([key, value]) => same(value, (b as Record<string, unknown>)[key]))
  )
}

/** Deep equality as Kubernetes has it for templates: as `same`, and absent and empty are the same. */
export function alike(one: unknown, other: unknown): boolean {
  if (one === other) return true
  if (isEmpty(one) || isEmpty(other)) return isEmpty(one) && isEmpty(other)
  if (Array.isArray(one) || Array.isArray(other)) {
    if (!Array.isArray(one) || !Array.isArray(other) || one.length !== other.length) return false
    return one.every((item, at) => alike(item, other[at]))
  }
  if (typeof one !== 'object' || typeof other !== 'object') return false
  const [fields, others] = [one, other] as [Fields, Fields]
  return (
    Object.entries(fields).every(([key, field]) =>
      alike(field, Object.hasOwn(others, key) ? others[key] : undefined),
    ) && Object.keys(others).every((key) => Object.hasOwn(fields, key) || isEmpty(others[key]))
  )
}

type Fields = Readonly<Record<string, unknown>>

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null) return true
  if (Array.isArray(value)) return value.length === 0
  return typeof value === 'object' && Object.values(value).every(isEmpty)
}

/** Returns an object without managedFields, which are half of it and mostly do not matter. */
export function withoutManagedFields(object: KubeObject): KubeObject {
  const { managedFields: _fields, ...metadata } = object.metadata ?? {}
  return { ...object, metadata }
}
