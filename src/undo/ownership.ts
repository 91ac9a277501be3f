/**
 * Decides who owns the current state of an object. An undo takes back what its release has written, and nothing
 * else: so each object is compared with its previous state, and with the state that the release left. Pure.
 */
import type { PodTemplateSpec } from 'kubernetes-types/core/v1'
import { parseImage, shortName, versionOf } from '../kubernetes/image.js'
import {
  alike,
  changeCause,
  isWorkload,
  lastApplied,
  same,
  templateOf,
  usesOf,
  withAnnotation,
  withImages,
  withTemplate,
  type KubeObject,
  type WorkloadObject,
} from '../kubernetes/objects.js'
import type { ObjectSnapshot } from './snapshot.js'

/**
 * untouched: the release writes nothing there. previous: its write has not happened, or is undone. release: as
 * the release left it. external: neither, so it was changed from outside since.
 */
export type Ownership = 'untouched' | 'previous' | 'release' | 'external'

/** Returns who owns the pod template. It is one unit: a change of a part of it makes another version. */
export function templateOwnership(prior: ObjectSnapshot, live: KubeObject): Ownership {
  const { object, written, change } = prior
  if (!isWorkload(live) || !isWorkload(written)) return 'untouched'
  const now = decidedTemplate(live)
  const isReleased = alike(now, decidedTemplate(written))
  if (change === 'create' || !isWorkload(object)) return isReleased ? 'release' : 'external'
  if (alike(decidedTemplate(object), decidedTemplate(written))) return 'untouched'
  if (hasTemplateBack(prior, live)) return 'previous'
  if (isReleased) return 'release'
  return hasPreviousImages({ ...prior, written }, live) ? 'previous' : 'external'
}

/**
 * Returns whether our write has not happened. Each of our writes to a template sets a new image: while all images
 * that it changes are as they were, it has not happened, whatever else was changed from outside. Not if all the
 * rest is as the release wrote it: then the image was set back by hand.
 */
function hasPreviousImages(
  { object, written, ran = {} }: ObjectSnapshot & { readonly written: WorkloadObject },
  live: WorkloadObject,
): boolean {
  const [before, released, now] = [imagesOf(object), imagesOf(written), imagesOf(live)]
  const changed = Object.keys(released).filter((name) => released[name] !== before[name])
  const imagesOfRelease = Object.fromEntries(changed.map((name) => [name, released[name] ?? '']))
  return (
    changed.length > 0 &&
    changed.every(
      (name) => now[name] === before[name] || now[name] === (ran[name] ?? before[name]),
    ) &&
    !alike(
      decidedTemplate(withTemplate(live, withImages(templateOf(live), imagesOfRelease))),
      decidedTemplate(written),
    )
  )
}

/** Returns whether the template is the previous one, or the previous one with the digests that ran. */
export function hasTemplateBack(
  { object, ran = {} }: ObjectSnapshot,
  live: WorkloadObject,
): boolean {
  if (!isWorkload(object)) return false
  const now = decidedTemplate(live)
  const pinned = withTemplate(object, withImages(templateOf(object), ran))
  return alike(now, decidedTemplate(object)) || alike(now, decidedTemplate(pinned))
}

/**
 * Returns who owns all other fields that the release changes, as one unit. External changes to fields that the
 * release does not change do not matter here.
 */
export function fieldsOwnership(prior: ObjectSnapshot, live: KubeObject): Ownership {
  const paths = changedFields(prior)
  if (paths.length === 0) return 'untouched'
  const [before, written, now] = threeSides(prior, live)
  const isAs = (side: unknown) => paths.every((path) => same(at(side, path), at(now, path)))
  if (isAs(before)) return 'previous'
  return isAs(written) && !isAppliedSince(prior, live) ? 'release' : 'external'
}

/**
 * Returns whether an object is the one that the release created, unchanged in what the release wrote: by its uid;
 * while that is not known, by its content.
 */
export function isAsCreated({ written }: ObjectSnapshot, live: KubeObject): boolean {
  const { uid } = written.metadata ?? {}
  if (uid !== undefined && uid !== live.metadata?.uid) return false
  if (isWorkload(live) && isWorkload(written)) {
    if (!alike(decidedTemplate(live), decidedTemplate(written))) return false
  }
  const isPlanned = uid === undefined
  return holds(fieldsOf(live, isPlanned), fieldsOf(written, isPlanned))
}

/**
 * Returns the written state, completed by the server's answer. Only in what the release was planned to change:
 * all other differences in the answer were written from outside between the plan and the write.
 */
export function withAnswer(prior: ObjectSnapshot, answer: KubeObject): KubeObject {
  const { object, written, change } = prior
  const next = withAnsweredTemplate(prior, answer)
  // The template is all that is written.
  if (change === 'set-image') return next
  const paths = differences(fieldsOf(object, false), fieldsOf(written, false))
  const { uid } = answer.metadata ?? {}
  const all = paths.reduce<unknown>((to, path) => withAt(to, path, answer), next) as KubeObject
  return { ...all, metadata: { ...all.metadata, ...(uid !== undefined && { uid }) } }
}

/**
 * Returns the written state with the template of the answer. If the generation is one more than when it was read,
 * all differences came by this one write, with what an admission webhook made of it.
 */
function withAnsweredTemplate({ object, written }: ObjectSnapshot, answer: KubeObject): KubeObject {
  if (![object, written, answer].every(isWorkload)) return written
  const [before, planned, now] = [object, written, answer] as WorkloadObject[] as [
    WorkloadObject,
    WorkloadObject,
    WorkloadObject,
  ]
  const { generation } = before.metadata ?? {}
  const isAlone = generation !== undefined && now.metadata?.generation === generation + 1
  const template = isAlone
    ? templateOf(now)
    : whereChanged(templateOf(before), templateOf(planned), templateOf(now))
  return withTemplate(planned, template as PodTemplateSpec)
}

/** Returns the planned value; where that differs from before, the current one. Matches containers and variables by name. */
function whereChanged(before: unknown, planned: unknown, now: unknown): unknown {
  if (same(before ?? undefined, planned ?? undefined)) return planned
  const sides = [before, planned, now]
  if (sides.every(isRecord)) {
    const [was, is, be] = sides as [Fields, Fields, Fields]
    const keys = [...new Set([...Object.keys(was), ...Object.keys(is)])]
    const entries = keys.map((key) => [key, whereChanged(was[key], is[key], be[key])] as const)
    return Object.fromEntries(entries.filter(([, value]) => value !== undefined))
  }
  if (!sides.every(isNamed)) return now
  const [was, is, be] = sides as [Named, Named, Named]
  const find = (side: Named, name: unknown) => side.find((one) => one['name'] === name)
  return is.flatMap((one) => {
    const item = whereChanged(find(was, one['name']), one, find(be, one['name']))
    return item === undefined ? [] : [item]
  })
}

type Named = readonly Fields[]

function isNamed(value: unknown): value is Named {
  return (
    Array.isArray(value) && value.every((one) => isRecord(one) && typeof one['name'] === 'string')
  )
}

/** Returns whether it was deleted and created again since it was read: nothing in it is the release's. */
export function isAnother(before: KubeObject, live: KubeObject): boolean {
  const [was, is] = [before.metadata?.uid, live.metadata?.uid]
  return was !== undefined && is !== undefined && was !== is
}

/** Returns the live object with the previous value of each field that the release changed; all else as it is. */
export function fieldsBack(prior: ObjectSnapshot, live: KubeObject): KubeObject {
  return changedFields(prior).reduce<KubeObject>(
    (object, path) => withAt(object, path, prior.object) as KubeObject,
    live,
  )
}

/**
 * Returns the live object with the previous annotations of kubectl and of the release: the last apply, which the
 * next one compares with, and the cause that `kubectl rollout history` shows. External annotations stay.
 */
export function notesBack({ object, written }: ObjectSnapshot, live: KubeObject): KubeObject {
  return [lastApplied, changeCause].reduce<KubeObject>((back, name) => {
    const annotated = written.metadata?.annotations?.[name]
    const before = object.metadata?.annotations?.[name]
    const isOfRelease =
      annotated !== before && isSameNote(live.metadata?.annotations?.[name], annotated)
    return isOfRelease ? withAnnotation(back, name, before) : back
  }, live)
}

/** Compares as JSON: some versions of kubectl escape it (`<` as `\\u003c`), others do not. */
function isSameNote(one: string | undefined, other: string | undefined): boolean {
  if (one === other) return true
  if (one === undefined || other === undefined) return false
  try {
    return same(JSON.parse(one), JSON.parse(other))
  } catch {
    return false
  }
}

/** Returns the live object with the previous pod template; marks of restarts stay, so that no wanted restart is lost. */
export function restoreTemplate(prior: ObjectSnapshot, live: WorkloadObject): WorkloadObject {
  const { object, ran } = prior
  if (!isWorkload(object)) return live
  const template = ran ? withImages(templateOf(object), ran) : templateOf(object)
  const { annotations = {} } = templateOf(live).metadata ?? {}
  const restarts = Object.entries(annotations).filter(([name]) => restartMarks.includes(name))
  if (restarts.length === 0) return withTemplate(live, template)
  const { metadata } = template
  const marked = { ...metadata?.annotations, ...Object.fromEntries(restarts) }
  return withTemplate(live, { ...template, metadata: { ...metadata, annotations: marked } })
}

/** Returns the fields with external changes besides those that the release changes: `data.COLOR`. */
export function externalFields(prior: ObjectSnapshot, live: KubeObject): readonly string[] {
  const released = changedFields(prior).map(named)
  const [before, , now] = threeSides(prior, live)
  return differences(before, now)
    .map(named)
    .filter((path) => !released.includes(path))
}

/** Describes the external changes in an object, without values: `runs shop:hotfix`, `has another data.PASSWORD`. */
export function describeExternal(prior: ObjectSnapshot, live: KubeObject): string {
  if (isAnother(prior.object, live)) return 'is another object'
  const { uid } = prior.written.metadata ?? {}
  if (prior.change === 'create' && uid !== undefined && uid !== live.metadata?.uid) {
    return 'is another object'
  }
  if (isWorkload(live) && templateOwnership(prior, live) === 'external') {
    const images = externalImages(prior, live)
    return images === '' ? 'has another pod template' : `runs ${images}`
  }
  const [before, written, now] = threeSides(prior, live)
  const changed =
    prior.change === 'create'
      ? differences(written, now)
      : changedFields(prior).filter(
          (path) =>
            !same(at(before, path), at(now, path)) && !same(at(written, path), at(now, path)),
        )
  const names = changed.map(named)
  if (names.length === 0) return 'was applied again'
  const more = names.length > mostNames ? ' and more' : ''
  return `has another ${names.slice(0, mostNames).join(', ')}${more}`
}

const mostNames = 3

/** Returns the images of its containers that are neither the release's nor the previous ones: `shop:hotfix`. */
function externalImages({ object, written }: ObjectSnapshot, live: WorkloadObject): string {
  const [before, released] = [imagesOf(object), imagesOf(written)]
  const words = Object.entries(imagesOf(live)).flatMap(([name, image]) =>
    image === released[name] || image === before[name]
      ? []
      : [`${shortName(parseImage(image).repository)}:${versionOf(image)}`],
  )
  return [...new Set(words)].join(', ')
}

function imagesOf(object: KubeObject): Readonly<Record<string, string>> {
  const uses = isWorkload(object) ? usesOf(templateOf(object), () => true) : []
  return Object.fromEntries(uses.map(({ name, image }) => [name, image]))
}

/** A restart of pods makes no other version. */
const restartMarks = [
  'kubectl.kubernetes.io/restartedAt',
  'reloader.stakater.com/last-reloaded-from',
]
/** Stakater's Reloader restarts pods by setting a variable in them. */
const restartVariable = 'STAKATER_'

/** Returns whether both are one version: a restart makes no other. */
export function isSameVersion(one: WorkloadObject, other: WorkloadObject): boolean {
  // The watch keeps the template while no client writes it.
  const isKept = templateOf(one) === templateOf(other)
  return isKept || alike(decidedTemplate(one), decidedTemplate(other))
}

/** Compared by `alike`: the server leaves empty fields out, or does not, with the same meaning. */
function decidedTemplate(object: WorkloadObject): unknown {
  const template = templateOf(object)
  let decided = decidedTemplates.get(template)
  if (decided === undefined) {
    const annotations = without(template.metadata?.annotations, restartMarks)
    const plain = { ...template, metadata: { ...template.metadata, annotations } }
    decided = { template: withoutRestartVariables(plain) }
    decidedTemplates.set(template, decided)
  }
  return decided.template
}

/** Templates are replaced, never changed. Hundreds of them are compared several times each. */
const decidedTemplates = new WeakMap<PodTemplateSpec, { readonly template: unknown }>()

function withoutRestartVariables(template: PodTemplateSpec): PodTemplateSpec {
  if (!template.spec) return template
  const containers = template.spec.containers.map((container) => ({
    ...container,
    env: (container.env ?? []).filter(({ name }) => !name.startsWith(restartVariable)),
  }))
  return { ...template, spec: { ...template.spec, containers } }
}

/** Controllers and the API server count these, so they are never a person's decision. */
const controllersOwn = [
  'deployment.kubernetes.io/revision',
  'deprecated.daemonset.template.generation',
]

/**
 * Returns what people decide of an object, without its pod template and its number of replicas, which a person or
 * an autoscaler may change at any time. For a planned object the server may assign other addresses.
 */
function fieldsOf(object: KubeObject, isPlanned: boolean): unknown {
  const {
    apiVersion: _version,
    kind: _kind,
    status: _status,
    metadata,
    ...content
  } = object as KubeObject & { status?: unknown }
  const spec = isRecord(content.spec) ? specOf(object, content.spec, isPlanned) : content.spec
  return {
    ...content,
    ...(spec !== undefined && { spec }),
    metadata: {
      labels: isPlanned ? without(metadata?.labels, drawn) : (metadata?.labels ?? {}),
      annotations: without(metadata?.annotations, [...controllersOwn, lastApplied, changeCause]),
    },
  }
}

function specOf(object: KubeObject, spec: Fields, isPlanned: boolean): unknown {
  if (isWorkload(object)) {
    const { jobTemplate, ...rest } = withTemplate(object, {}).spec
    return without({ ...rest, ...(jobTemplate && { jobTemplate }) }, ['replicas', 'template'])
  }
  const content = without(spec, ['replicas'])
  if (object.kind === 'Job' && isPlanned) return jobSpecOf(content)
  if (object.kind !== 'Service' || !isPlanned) return content
  const { ports } = content
  return {
    ...without(content, ['clusterIP', 'clusterIPs', 'healthCheckNodePort']),
    ...(Array.isArray(ports) && {
      ports: ports.map((port: unknown) => (isRecord(port) ? without(port, ['nodePort']) : port)),
    }),
  }
}

/** The server generates a uid for each dry run of a Job, and selects its pods by it. */
const drawn = ['controller-uid', 'batch.kubernetes.io/controller-uid']

function jobSpecOf({ selector: _, template, ...spec }: Fields): unknown {
  if (!isRecord(template) || !isRecord(template['metadata'])) return { ...spec, template }
  const { labels, ...metadata } = template['metadata']
  const chosen = without(isRecord(labels) ? labels : {}, drawn)
  return { ...spec, template: { ...template, metadata: { ...metadata, labels: chosen } } }
}

function threeSides(
  { object, written }: ObjectSnapshot,
  live: KubeObject,
): readonly [unknown, unknown, unknown] {
  const isPlanned = written.metadata?.uid === undefined
  return [
    fieldsOf(object, isPlanned),
    fieldsOf(written, isPlanned),
    fieldsOf(live, isPlanned),
  ] as const
}

/**
 * Returns whether a manifest was applied since: it decides about all that it has, also about fields that are as
 * the release wrote them. For a workload the template decides instead.
 */
function isAppliedSince({ object, written }: ObjectSnapshot, live: KubeObject): boolean {
  if (isWorkload(live)) return false
  const [before, released, now] = [object, written, live].map(
    ({ metadata }) => metadata?.annotations?.[lastApplied],
  )
  return !isSameNote(now, before) && !isSameNote(now, released)
}

type Path = readonly string[]
type Fields = Readonly<Record<string, unknown>>

/** Returns the fields that the release changes, each as deep as they differ; a list is one field. */
function changedFields({ object, written }: ObjectSnapshot): readonly Path[] {
  const isPlanned = written.metadata?.uid === undefined
  return differences(fieldsOf(object, isPlanned), fieldsOf(written, isPlanned))
}

function differences(one: unknown, other: unknown, path: Path = []): readonly Path[] {
  const [a, b] = [one ?? undefined, other ?? undefined]
  const areRecords = [a, b].every((side) => side === undefined || isRecord(side))
  if (!areRecords || (a === undefined && b === undefined)) return same(a, b) ? [] : [path]
  const [left, right] = [(a ?? {}) as Fields, (b ?? {}) as Fields]
  const keys = [...new Set([...Object.keys(left), ...Object.keys(right)])]
  return keys.flatMap((key) => differences(left[key], right[key], [...path, key]))
}

function named(path: Path): string {
  return path.join('.')
}

function at(value: unknown, path: Path): unknown {
  return (
    path.reduce<unknown>((found, key) => (isRecord(found) ? found[key] : undefined), value) ??
    undefined
  )
}

/** Returns the value with the field of another object at this path; without the field if the other has none. */
function withAt(value: unknown, path: Path, like: unknown): unknown {
  const [key, ...rest] = path
  if (key === undefined) return like
  const wanted = isRecord(like) ? like[key] : undefined
  const { [key]: now, ...others } = isRecord(value) ? value : {}
  const next = withAt(now, rest, wanted)
  const isGone = next === undefined || (wanted === undefined && isRecord(next) && isEmpty(next))
  return isGone ? others : { ...others, [key]: next }
}

/** Returns whether all of `part` is in `whole`, unchanged; `data` must be equal. */
function holds(whole: unknown, part: unknown): boolean {
  if (!isRecord(part)) return same(whole, part)
  const all = isRecord(whole) ? whole : {}
  return Object.entries(part).every(([key, value]) =>
    ['data', 'binaryData'].includes(key) ? same(all[key], value) : holds(all[key], value),
  )
}

function without<T>(fields: Readonly<Record<string, T>> = {}, names: readonly string[]) {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !names.includes(name)))
}

function isRecord(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isEmpty(fields: Fields): boolean {
  return Object.keys(fields).length === 0
}
