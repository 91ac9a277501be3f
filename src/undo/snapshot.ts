/**
 * What stood there before our first write, and what has to be done to have it again. Pure: an undo
 * restores state and does not count revisions, so it can be asked for at any time, any number of times.
 */
import type { KubeObject } from '../kubernetes/objects.js'
import { groupOf, isBeingDeleted, isWorkload, keyOf, same } from '../kubernetes/objects.js'
import { holdsNoData } from '../kubernetes/selectors.js'
import { needsOf, titleOf, type Needs } from './needs.js'
import {
  answered,
  fieldsBack,
  fieldsOfOthers,
  fieldsOwnership,
  hasTemplateBack,
  isAnother,
  isAsCreated,
  notesBack,
  restoreTemplate,
  templateOwnership,
  wordsOfOthers,
  type Ownership,
} from './ownership.js'

export { hasTemplateBack } from './ownership.js'
export { titleOf } from './needs.js'

/** One object as it was. */
export interface ObjectSnapshot {
  readonly path: string
  /** As it was; as it is going to be where it was not there. */
  readonly object: KubeObject
  /**
   * As the release leaves it, known before its first write: what the server has made of a dry run, or the
   * live template with its new images. Once the server has answered the write, it is that answer: then what
   * is not a `template` alone has a `uid`.
   */
  readonly written: KubeObject
  /**
   * absent: the release will create it. template: `kubectl set image` will change its pod template, and
   * `kubectl annotate` its cause, and nothing else. whole: an apply will change it. sealed: and make it
   * immutable, so that only another object of its name can have the old content.
   */
  readonly change: 'create' | 'set-image' | 'apply' | 'make-immutable'
  /** One of our workloads, or another object that comes with the manifests. */
  readonly of: 'workload' | 'other'
  /**
   * after: it comes back once the pods are back, since it has found them until then. Else before them: what
   * they read at their start is there when they start.
   */
  readonly back?: 'after'
  /**
   * Images that its containers have to come back with, by name: the digests that ran, where a tag in the
   * template names another image by now.
   */
  readonly ran?: Readonly<Record<string, string>>
}

/** Everything that the release will write to, as it was before. */
export type Snapshot = readonly ObjectSnapshot[]

/** Is told what the server has answered to writes, as soon as it has: the record keeps it. */
export type Wrote = (answers: readonly KubeObject[]) => Promise<void>

/** An object as the undo needs it: who has managed which field is long, and no matter. */
export function asItWas(object: KubeObject): KubeObject {
  const { managedFields: _fields, ...metadata } = object.metadata ?? {}
  return { ...object, metadata }
}

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
  const byKey = new Map(answers.map((object) => [keyOf(object), object]))
  return snapshot.map((prior) => {
    const answer = byKey.get(keyOf(prior.object))
    if (!answer) return prior
    return { ...prior, written: prior.change === 'create' ? kept(answer) : answered(prior, answer) }
  })
}

export type UndoStep =
  | { readonly do: 'nothing' }
  | {
      readonly do: 'put'
      readonly object: KubeObject
      readonly by: PutBy
      /** `data.PORT`: what somebody else has changed in it, which stays. */
      readonly but?: readonly string[]
      /** What somebody else has decided about in it since, in place of what the release had written. */
      readonly theirs?: string
    }
  /** The object of this uid, and no other that has its name by then. */
  | { readonly do: 'delete'; readonly uid?: string }
  /** The object stays as the release has left it, and the report says so: `it holds data`. */
  | { readonly do: 'keep'; readonly why: string }
  /** Somebody deleted it in the middle of the release: a person has to decide. */
  | { readonly do: 'ask' }
  /** Somebody else has decided about it since: theirs is left alone, and told: `runs shop:hotfix`. */
  | { readonly do: 'theirs'; readonly words: string }

export type PutBy =
  | { readonly is: 'update' }
  | { readonly is: 'create' }
  /** Deletes the object of this uid and creates it anew. */
  | { readonly is: 'replace'; readonly uid: string }

/** What a step depends on besides the object itself. */
export interface Around {
  /** What objects that stay as they are cannot run without. */
  readonly needs?: Needs
  /** A database: a pod with the template that the release has written has become Ready. */
  readonly tookOver?: boolean
  /** The live template is what the server's admission makes of the one before. */
  readonly isAdmitted?: boolean
}

/** The one step that brings an object back from what it is now to what it was. */
export function planRestore(
  prior: ObjectSnapshot,
  live: KubeObject | undefined,
  { needs = new Map(), tookOver = false, isAdmitted = false }: Around = {},
): UndoStep {
  const { object: before, change } = prior
  const isGone = live === undefined || isBeingDeleted(live)
  if (isGone && change === 'make-immutable') {
    // Our own undo has deleted it, and was ended before it could create it. Its name may not be free yet.
    return { do: 'put', object: anew(before), by: { is: 'create' } }
  }
  if (isGone) {
    return { do: change === 'create' ? 'nothing' : 'ask' }
  }
  const theirs = (): UndoStep => ({ do: 'theirs', words: wordsOfOthers(prior, live) })
  const by = needs.get(titleOf(before))
  const needed = by === undefined ? undefined : `${by} needs it`
  if (change === 'create') {
    if (!isAsCreated(prior, live)) return theirs()
    const why = whyKept(prior) ?? needed
    if (why !== undefined) return { do: 'keep', why }
    const { uid } = live.metadata ?? {}
    return { do: 'delete', ...(uid !== undefined && { uid }) }
  }
  const template = isAdmitted ? 'before' : templateOwnership(prior, live)
  const fields = fieldsOwnership(prior, live)
  const isBack = [template, fields].every((is) => is === 'before' || is === 'untouched')
  if (isAnother(before, live)) return isBack ? { do: 'nothing' } : theirs()
  if (template === 'external' || (fields === 'external' && template !== 'written')) return theirs()

  const object = notesBack(prior, backOf(prior, live, template, fields))
  if (same(object, live)) return { do: 'nothing' }
  if (isVolume(prior) || (isDatabase(prior) && template === 'written' && tookOver)) {
    return { do: 'keep', why: holdsData }
  }
  if (needed !== undefined && !isBack) return { do: 'keep', why: needed }
  if (change === 'make-immutable' && isImmutable(live)) {
    const uid = live.metadata?.uid ?? ''
    return { do: 'put', object: anew(before), by: { is: 'replace', uid } }
  }
  const but = isBack ? [] : fieldsOfOthers(prior, live)
  return {
    do: 'put',
    object,
    by: { is: 'update' },
    ...(but.length > 0 && { but }),
    ...(fields === 'external' && { theirs: wordsOfOthers(prior, live) }),
  }
}

function backOf(
  prior: ObjectSnapshot,
  live: KubeObject,
  template: Ownership,
  fields: Ownership,
): KubeObject {
  const back = fields === 'written' ? fieldsBack(prior, live) : live
  return template === 'written' && isWorkload(back) ? restoreTemplate(prior, back) : back
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

const holdsData = 'it holds data'

function isVolume({ of, object }: ObjectSnapshot): boolean {
  return of === 'other' && object.kind === 'PersistentVolumeClaim'
}

/** A StatefulSet that does not run our image. */
export function isDatabase({ of, object }: ObjectSnapshot): boolean {
  return of === 'other' && object.kind === 'StatefulSet'
}

/** Groups of Kubernetes itself. */
const knownGroups = [
  '',
  'apps',
  'autoscaling',
  'batch',
  'coordination.k8s.io',
  'discovery.k8s.io',
  'events.k8s.io',
  'networking.k8s.io',
  'policy',
  'rbac.authorization.k8s.io',
]

/** Else it may take volumes along when it goes. */
function isHarmless(object: KubeObject): boolean {
  return knownGroups.includes(groupOf(object)) || holdsNoData(object)
}

/** Whether objects that it names may have to stay, since it does. */
export function leads({ written }: ObjectSnapshot): boolean {
  return isWorkload(written) || !isHarmless(written)
}

/** Why an object that the release has created is never removed. */
function whyKept(prior: ObjectSnapshot): string | undefined {
  if (isVolume(prior) || isDatabase(prior)) return holdsData
  if (isHarmless(prior.object)) return undefined
  return `removing a ${prior.object.kind} may remove data`
}

/** An object of the snapshot, as it was looked at, and what is to be done with it. */
export interface Looked {
  readonly prior: ObjectSnapshot
  readonly live: KubeObject | undefined
  readonly step: UndoStep
  /** The live template is what the server's admission makes of the one before. */
  readonly isAdmitted?: boolean
}

/** Whether a workload makes pods as it did before, once this step is done. */
export function isTemplateBack({ prior, live, step, isAdmitted = false }: Looked): boolean {
  const stays = step.do === 'put' ? step.object : live
  if (prior.change === 'create' || stays === undefined || !isWorkload(stays)) return false
  return isAdmitted || hasTemplateBack(prior, stays)
}

/**
 * What has to stay, since objects that are not put back name it. A workload that has its template back goes
 * on with what it named before.
 */
export function neededAfter(looked: readonly Looked[]): Needs {
  const left = looked.flatMap((one) => {
    const { prior, live, step } = one
    const stays = step.do === 'put' ? step.object : live
    if (stays === undefined || step.do === 'delete' || step.do === 'ask') return []
    if (isWorkload(stays)) {
      return isTemplateBack(one) ? [] : [stays]
    }
    const isLeft = step.do === 'keep' || step.do === 'theirs'
    return isLeft && whyKept(prior) !== undefined ? [stays] : []
  })
  return needsOf(
    left,
    looked.map(({ prior }) => prior.written),
  )
}
