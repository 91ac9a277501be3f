/**
 * Whose is what stands in an object now? An undo takes back what its release has written, and nothing else:
 * so each object is compared with how it was before, and with how the release has left it. Pure.
 */
import type { PodTemplateSpec } from 'kubernetes-types/core/v1'
import { parseImage, shortName, versionOf } from '../kubernetes/image.js'
import {
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
 * untouched: the release writes nothing there. before: its write has not happened, or is back. written: as
 * the release has left it. external: neither, so somebody else has decided about it since.
 */
export type Ownership = 'untouched' | 'before' | 'written' | 'external'

/** A pod template is one unit: whoever changes a part of it has made another version. */
export function templateOwnership(prior: ObjectSnapshot, live: KubeObject): Ownership {
  const { object, written, change } = prior
  if (!isWorkload(live) || !isWorkload(written)) return 'untouched'
  const now = decidedTemplate(live)
  const isWritten = same(now, decidedTemplate(written))
  if (change === 'create' || !isWorkload(object)) return isWritten ? 'written' : 'external'
  if (same(decidedTemplate(object), decidedTemplate(written))) return 'untouched'
  if (hasTemplateBack(prior, live)) return 'before'
  if (isWritten) return 'written'
  return hasImagesOfBefore({ ...prior, written }, live) ? 'before' : 'external'
}

/**
 * A new image comes with each of our writes to a template: while all that it changes are as they were, our
 * write has not happened, whatever else somebody has changed. Not when all the rest is ours: then somebody has
 * set the image back by hand.
 */
function hasImagesOfBefore(
  { object, written, ran = {} }: ObjectSnapshot & { readonly written: WorkloadObject },
  live: WorkloadObject,
): boolean {
  const [before, ours, now] = [imagesOf(object), imagesOf(written), imagesOf(live)]
  const changed = Object.keys(ours).filter((name) => ours[name] !== before[name])
  const imagesOfRelease = Object.fromEntries(changed.map((name) => [name, ours[name] ?? '']))
  return (
    changed.length > 0 &&
    changed.every(
      (name) => now[name] === before[name] || now[name] === (ran[name] ?? before[name]),
    ) &&
    !same(
      decidedTemplate(withTemplate(live, withImages(templateOf(live), imagesOfRelease))),
      decidedTemplate(written),
    )
  )
}

/** Whether its pods are made as they were. */
export function hasTemplateBack(
  { object, ran = {} }: ObjectSnapshot,
  live: WorkloadObject,
): boolean {
  if (!isWorkload(object)) return false
  const now = decidedTemplate(live)
  const pinned = withTemplate(object, withImages(templateOf(object), ran))
  return same(now, decidedTemplate(object)) || same(now, decidedTemplate(pinned))
}

/**
 * All other fields that the release changes, as one unit. What others have changed in fields that the
 * release does not change is theirs, and no matter here.
 */
export function fieldsOwnership(prior: ObjectSnapshot, live: KubeObject): Ownership {
  const paths = changedFields(prior)
  if (paths.length === 0) return 'untouched'
  const [before, written, now] = threeSides(prior, live)
  const isAs = (side: unknown) => paths.every((path) => same(at(side, path), at(now, path)))
  if (isAs(before)) return 'before'
  return isAs(written) && !isAppliedByOthers(prior, live) ? 'written' : 'external'
}

/**
 * An object that the release has created, and that nobody has changed in what it brought: the one of its
 * uid; while that is not known, the one of its content.
 */
export function isAsCreated({ written }: ObjectSnapshot, live: KubeObject): boolean {
  const { uid } = written.metadata ?? {}
  if (uid !== undefined && uid !== live.metadata?.uid) return false
  if (isWorkload(live) && isWorkload(written)) {
    if (!same(decidedTemplate(live), decidedTemplate(written))) return false
  }
  const isPlanned = uid === undefined
  return holds(fieldsOf(live, isPlanned), fieldsOf(written, isPlanned))
}

/**
 * As written, by the server's answer. Only in what the release was to change: whatever else differs in the
 * answer was written by others between the plan and the write.
 */
export function answered(prior: ObjectSnapshot, answer: KubeObject): KubeObject {
  const { object, written, change } = prior
  const next = withTemplateAnswered(prior, answer)
  // Its template is all that is written.
  if (change === 'set-image') return next
  const paths = differences(fieldsOf(object, false), fieldsOf(written, false))
  const { uid } = answer.metadata ?? {}
  const all = paths.reduce<unknown>((to, path) => withAt(to, path, answer), next) as KubeObject
  return { ...all, metadata: { ...all.metadata, ...(uid !== undefined && { uid }) } }
}

/**
 * One generation more than it was looked at: all that differs came by this one write, with what an admission
 * webhook has made of it.
 */
function withTemplateAnswered({ object, written }: ObjectSnapshot, answer: KubeObject): KubeObject {
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

/** As planned; but where that differs from before, as it is now. Containers and variables by their names. */
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

/** Deleted and made again since it was looked at: nothing in it is the release's. */
export function isAnother(before: KubeObject, live: KubeObject): boolean {
  const [was, is] = [before.metadata?.uid, live.metadata?.uid]
  return was !== undefined && is !== undefined && was !== is
}

/** The live object with the fields back that the release has changed; everything else as it is. */
export function fieldsBack(prior: ObjectSnapshot, live: KubeObject): KubeObject {
  return changedFields(prior).reduce<KubeObject>(
    (object, path) => withAt(object, path, prior.object) as KubeObject,
    live,
  )
}

/**
 * The live object with kubectl's and our own notes back: the last apply, which the next one compares with,
 * and the cause that `kubectl rollout history` shows. A note of somebody else stays.
 */
export function notesBack({ object, written }: ObjectSnapshot, live: KubeObject): KubeObject {
  return [lastApplied, changeCause].reduce<KubeObject>((back, name) => {
    const noted = written.metadata?.annotations?.[name]
    const before = object.metadata?.annotations?.[name]
    const isOurs = noted !== before && isSameNote(live.metadata?.annotations?.[name], noted)
    return isOurs ? withAnnotation(back, name, before) : back
  }, live)
}

/** Versions of kubectl escape the JSON of the last apply (`<` as `\\u003c`), or do not. */
function isSameNote(one: string | undefined, other: string | undefined): boolean {
  if (one === other) return true
  if (one === undefined || other === undefined) return false
  try {
    return same(JSON.parse(one), JSON.parse(other))
  } catch {
    return false
  }
}

/** The live object with the pod template back; its pods are not restarted less often than people want. */
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

/** `data.COLOR`: what others have changed in an object besides what the release changes there. */
export function fieldsOfOthers(prior: ObjectSnapshot, live: KubeObject): readonly string[] {
  const ours = changedFields(prior).map(named)
  const [before, , now] = threeSides(prior, live)
  return differences(before, now)
    .map(named)
    .filter((path) => !ours.includes(path))
}

/** `runs shop:hotfix`, `data.PASSWORD was changed`: what is somebody else's in it. No values. */
export function wordsOfOthers(prior: ObjectSnapshot, live: KubeObject): string {
  if (isAnother(prior.object, live)) return 'is another object'
  const { uid } = prior.written.metadata ?? {}
  if (prior.change === 'create' && uid !== undefined && uid !== live.metadata?.uid) {
    return 'is another object'
  }
  if (isWorkload(live) && templateOwnership(prior, live) === 'external') {
    const images = foreignImages(prior, live)
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

/** `shop:hotfix`: images of its containers that are neither of the release nor of before. */
function foreignImages({ object, written }: ObjectSnapshot, live: WorkloadObject): string {
  const [before, ours] = [imagesOf(object), imagesOf(written)]
  const words = Object.entries(imagesOf(live)).flatMap(([name, image]) =>
    image === ours[name] || image === before[name]
      ? []
      : [`${shortName(parseImage(image).repository)}:${versionOf(image)}`],
  )
  return [...new Set(words)].join(', ')
}

function imagesOf(object: KubeObject): Readonly<Record<string, string>> {
  const uses = isWorkload(object) ? usesOf(templateOf(object), () => true) : []
  return Object.fromEntries(uses.map(({ name, image }) => [name, image]))
}

/** Whoever restarts pods decides nothing about what they are. */
const restartMarks = [
  'kubectl.kubernetes.io/restartedAt',
  'reloader.stakater.com/last-reloaded-from',
]
/** Stakater's Reloader restarts pods by a variable of theirs. */
const restartVariable = 'STAKATER_'

/** Whether people see one version in both: a restart makes no other. */
export function isSameVersion(one: WorkloadObject, other: WorkloadObject): boolean {
  return same(decidedTemplate(one), decidedTemplate(other))
}

function decidedTemplate(object: WorkloadObject): unknown {
  const template = templateOf(object)
  const annotations = without(template.metadata?.annotations, restartMarks)
  const plain = { ...template, metadata: { ...template.metadata, annotations } }
  return pruned(withoutRestartVariables(plain))
}

function withoutRestartVariables(template: PodTemplateSpec): PodTemplateSpec {
  if (!template.spec) return template
  const containers = template.spec.containers.map((container) => ({
    ...container,
    env: (container.env ?? []).filter(({ name }) => !name.startsWith(restartVariable)),
  }))
  return { ...template, spec: { ...template.spec, containers } }
}

/** Counted by controllers and by the API server, so never anybody's decision. */
const controllersOwn = [
  'deployment.kubernetes.io/revision',
  'deprecated.daemonset.template.generation',
]

/**
 * What people decide of an object, but for its pod template and the number of its replicas, which is a
 * person's or an autoscaler's at any time. Of what was only planned the server may give other addresses.
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

/** The server draws a uid for each try of a Job, and selects its pods by it. */
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
 * Whoever has applied a manifest since has decided about all that it holds, also about what the release had
 * written just so. A workload's version is told by its template instead.
 */
function isAppliedByOthers({ object, written }: ObjectSnapshot, live: KubeObject): boolean {
  if (isWorkload(live)) return false
  const [before, ours, now] = [object, written, live].map(
    ({ metadata }) => metadata?.annotations?.[lastApplied],
  )
  return !isSameNote(now, before) && !isSameNote(now, ours)
}

type Path = readonly string[]
type Fields = Readonly<Record<string, unknown>>

/** The fields that the release changes, each as deep as it can be told apart; a list is one field. */
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

/** With the value that another object has at this path; without the field where that has none. */
function withAt(value: unknown, path: Path, like: unknown): unknown {
  const [key, ...rest] = path
  if (key === undefined) return like
  const wanted = isRecord(like) ? like[key] : undefined
  const { [key]: now, ...others } = isRecord(value) ? value : {}
  const next = withAt(now, rest, wanted)
  const isGone = next === undefined || (wanted === undefined && isRecord(next) && isEmpty(next))
  return isGone ? others : { ...others, [key]: next }
}

/** Whether everything of `part` is in `whole`, as it is there; of data all, and no more. */
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

/** The server leaves out what is empty, or does not: it means the same. */
function pruned(value: unknown): unknown {
  if (Array.isArray(value)) return value.length === 0 ? undefined : value.map(pruned)
  if (!isRecord(value)) return value ?? undefined
  const entries = Object.entries(value)
    .map(([key, item]) => [key, pruned(item)] as const)
    .filter(([, item]) => item !== undefined)
  return entries.length === 0 ? undefined : Object.fromEntries(entries)
}

function isRecord(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isEmpty(fields: Fields): boolean {
  return Object.keys(fields).length === 0
}
