/**
 * What stood there before our first write, and what has to be done to have it again. Pure: an undo
 * restores state and does not count revisions, so it can be asked for at any time, any number of times.
 */
import { keyOf } from '../kubernetes/apply.js'
import type { KubeObject, WorkloadObject } from '../kubernetes/objects.js'
import {
  changeCause,
  isWorkload,
  nameOf,
  same,
  templateOf,
  withAnnotation,
  withImages,
  withTemplate,
} from '../kubernetes/objects.js'
import { whoseImages } from './whose.js'

/** One object as it was. */
export interface Prior {
  readonly path: string
  /** As it was; as it is going to be where it was not there. */
  readonly object: KubeObject
  /**
   * As the release leaves it, known before its first write: what the server has made of a dry run, or the
   * live template with its new images. It has a `uid` once the server has answered the write: then it is
   * that answer.
   */
  readonly written: KubeObject
  /**
   * absent: the release will create it. template: `kubectl set image` will change its pod template, and
   * `kubectl annotate` its cause, and nothing else. whole: an apply will change it. sealed: and make it
   * immutable, so that only another object of its name can have the old content.
   */
  readonly was: 'absent' | 'template' | 'whole' | 'sealed'
  /** One of our workloads, or another object that comes with the manifests. */
  readonly of: 'workload' | 'other'
  /**
   * Images that its containers have to come back with, by name: the digests that ran, where a tag in the
   * template names another image by now.
   */
  readonly ran?: Readonly<Record<string, string>>
  /** What the release sets in a workload of ours. */
  readonly sets?: {
    /** By the names of its containers. */
    readonly images: Readonly<Record<string, string>>
    /** Its change-cause. */
    readonly cause: string
  }
}

/** Everything that the release will write to, as it was before. */
export type Snapshot = readonly Prior[]

/** Is told what the server has answered to writes, as soon as it has: the record keeps it. */
export type Wrote = (answers: readonly KubeObject[]) => Promise<void>

/** What is kept of an object: without what the server writes again and again, or gives anew. */
export function planned(object: KubeObject): KubeObject {
  const { uid: _uid, ...metadata } = kept(object).metadata ?? {}
  return { ...kept(object), metadata }
}

function kept(object: KubeObject): KubeObject {
  const { status: _status, metadata = {}, ...rest } = object as KubeObject & { status?: unknown }
  const { name, uid, labels, annotations, ownerReferences } = metadata
  return {
    ...rest,
    metadata: {
      ...(name !== undefined && { name }),
      ...(uid !== undefined && { uid }),
      ...(labels && { labels }),
      ...(annotations && { annotations }),
      ...(ownerReferences && { ownerReferences }),
    },
  }
}

/** The snapshot with what the server has answered to our writes. */
export function withAnswers(snapshot: Snapshot, answers: readonly KubeObject[]): Snapshot {
  const answered = new Map(answers.map((object) => [keyOf(object), kept(object)]))
  return snapshot.map((prior) => {
    const written = answered.get(keyOf(prior.object))
    return written ? { ...prior, written } : prior
  })
}

export type UndoStep =
  | { readonly do: 'nothing' }
  | { readonly do: 'put'; readonly object: KubeObject; readonly by: PutBy }
  /** The object of this uid, and no other that has its name by then. */
  | { readonly do: 'delete'; readonly uid?: string }
  /** Data is never taken back: the object stays as it is now, and the report says so. */
  | { readonly do: 'keep' }
  /** Somebody deleted it in the middle of the release: a person has to decide. */
  | { readonly do: 'ask' }
  /** Somebody else has set its image: theirs is left alone, and told. */
  | { readonly do: 'theirs' }

export type PutBy =
  | { readonly is: 'update' }
  | { readonly is: 'create' }
  /** Deletes the object of this uid and creates it anew. */
  | { readonly is: 'replace'; readonly uid: string }

/** Counted by the Deployment controller and the API server, so never ours to put back. */
const controllersOwn = [
  'deployment.kubernetes.io/revision',
  'deprecated.daemonset.template.generation',
]

/**
 * The one step that brings an object back from what it is now to what it was. `needed` are the objects
 * that a kept one cannot run without (`neededByKept`).
 */
export function undoOf(
  prior: Prior,
  live: KubeObject | undefined,
  needed: ReadonlySet<string> = new Set(),
): UndoStep {
  if (live === undefined && prior.was === 'sealed') {
    // Our own undo has deleted it, and was ended before it could create it.
    return { do: 'put', object: anew(prior.object), by: { is: 'create' } }
  }
  if (live === undefined || live.metadata?.deletionTimestamp !== undefined) {
    return { do: prior.was === 'absent' ? 'nothing' : 'ask' }
  }
  const whose = whoseImages(prior, live)
  if (whose === 'theirs') return { do: 'theirs' }
  if (prior.was === 'absent') {
    if (holdsData(prior) || needed.has(titleOf(prior.object))) return { do: 'keep' }
    const { uid } = live.metadata ?? {}
    return { do: 'delete', ...(uid !== undefined && { uid }) }
  }
  const object = whose === 'as before' ? ourCauseBack(prior, live) : oursBack(prior, live)
  if (same(withoutStatus(object), withoutStatus(live))) return { do: 'nothing' }
  if (holdsData(prior)) return { do: 'keep' }
  if (prior.was === 'sealed' && isImmutable(live)) {
    const uid = live.metadata?.uid ?? ''
    return { do: 'put', object: anew(prior.object), by: { is: 'replace', uid } }
  }
  return { do: 'put', object, by: { is: 'update' } }
}

/** A ConfigMap or a Secret that the server lets nobody change any more. */
export function isImmutable(object: KubeObject): boolean {
  return (object as { readonly immutable?: boolean }).immutable === true
}

/** As it can be created: without what the server gives. */
function anew({ metadata, ...content }: KubeObject): KubeObject {
  const { name, labels, annotations, ownerReferences } = metadata ?? {}
  return {
    ...content,
    metadata: {
      ...(name !== undefined && { name }),
      ...(labels && { labels }),
      ...(annotations && { annotations }),
      ...(ownerReferences && { ownerReferences }),
    },
  }
}

/**
 * What the object has to be again. While the live template is the prior one, its pods are the prior ones
 * too, and it stays to the letter. A changed one makes new pods, and those must not follow a tag that has
 * moved.
 */
function wanted({ object, ran }: Prior, live: KubeObject): KubeObject {
  if (!ran || !isWorkload(object) || !isWorkload(live)) return object
  const template = templateOf(object)
  if (same(template, templateOf(live))) return object
  return withTemplate(object, withImages(template, ran))
}

/** Whether its pods are made as they were: else somebody has changed its template, and it is theirs to mend. */
export function hasTemplateBack(prior: Prior, stands: WorkloadObject): boolean {
  const before = wanted(prior, stands)
  return isWorkload(before) && same(templateOf(before), templateOf(stands))
}

/** Volumes and databases: taking them back would cost data, or is refused by the server. */
function holdsData({ of, object }: Prior): boolean {
  return of === 'other' && ['PersistentVolumeClaim', 'StatefulSet'].includes(object.kind ?? '')
}

/**
 * What the databases of the snapshot name in their pod templates: a database that is kept goes on with its
 * password, its configuration and its Service. By title (`secret/shop-secrets`).
 */
export function neededByKept(snapshot: Snapshot): ReadonlySet<string> {
  return new Set(
    snapshot.filter(holdsData).flatMap(({ object }) => (isWorkload(object) ? namedIn(object) : [])),
  )
}

function namedIn(object: WorkloadObject): readonly string[] {
  const { serviceName } = object.spec as { serviceName?: string }
  const { spec } = templateOf(object)
  const containers = [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])]
  const projected = (spec?.volumes ?? []).flatMap((volume) => volume.projected?.sources ?? [])
  const configMaps = [
    ...containers.flatMap(({ envFrom = [] }) => envFrom.map((from) => from.configMapRef?.name)),
    ...containers.flatMap(({ env = [] }) => env.map((one) => one.valueFrom?.configMapKeyRef?.name)),
    ...(spec?.volumes ?? []).map((volume) => volume.configMap?.name),
    ...projected.map((source) => source.configMap?.name),
  ]
  const secrets = [
    ...containers.flatMap(({ envFrom = [] }) => envFrom.map((from) => from.secretRef?.name)),
    ...containers.flatMap(({ env = [] }) => env.map((one) => one.valueFrom?.secretKeyRef?.name)),
    ...(spec?.volumes ?? []).map((volume) => volume.secret?.secretName),
    ...projected.map((source) => source.secret?.name),
    ...(spec?.imagePullSecrets ?? []).map(({ name }) => name),
  ]
  const titled = (kind: string, names: readonly (string | undefined)[]) =>
    names.flatMap((name) => (name === undefined ? [] : [`${kind}/${name}`]))
  return [
    ...titled('configmap', configMaps),
    ...titled('secret', secrets),
    ...titled('service', [serviceName]),
    ...titled('serviceaccount', [spec?.serviceAccountName]),
  ]
}

function oursBack(prior: Prior, live: KubeObject): KubeObject {
  const before = wanted(prior, live)
  return prior.was === 'template' ? templateBack(before, live) : allBack(before, live)
}

/** That of a StatefulSet is written before its image. */
function ourCauseBack({ object, sets }: Prior, live: KubeObject): KubeObject {
  const isOurs = live.metadata?.annotations?.[changeCause] === sets?.cause
  return isOurs ? causeBack(object, live) : live
}

/** With the template goes its cause, which the history of its revision shows. */
function templateBack(before: KubeObject, live: KubeObject): KubeObject {
  if (!isWorkload(live) || !isWorkload(before)) return live
  return causeBack(before, withTemplate(live, templateOf(before)))
}

function causeBack<T extends KubeObject>(before: KubeObject, live: T): T {
  return withAnnotation(live, changeCause, before.metadata?.annotations?.[changeCause])
}

/**
 * All that people decide as it was, in the live object's shell: its resourceVersion guards the write.
 * The number of replicas is a person's or an autoscaler's and stays as it is now.
 */
function allBack(before: KubeObject, live: KubeObject): KubeObject {
  const { metadata, ...content } = before
  const annotations = { ...metadata?.annotations }
  for (const name of controllersOwn) {
    const now = live.metadata?.annotations?.[name]
    if (now === undefined) delete annotations[name]
    else annotations[name] = now
  }
  const replicas = (live.spec as { replicas?: number } | undefined)?.replicas
  const spec =
    replicas === undefined ? content.spec : { ...(content.spec as object | undefined), replicas }
  return {
    ...content,
    ...(spec !== undefined && { spec }),
    metadata: {
      ...live.metadata,
      labels: metadata?.labels ?? {},
      annotations,
    },
  }
}

function withoutStatus(object: KubeObject): unknown {
  const { status: _status, metadata, ...rest } = object as KubeObject & { status?: unknown }
  return {
    ...rest,
    name: metadata?.name,
    labels: metadata?.labels ?? {},
    annotations: metadata?.annotations ?? {},
  }
}

/** `configmap/shop-config` */
export function titleOf(object: KubeObject): string {
  return `${(object.kind ?? '').toLowerCase()}/${nameOf(object)}`
}
