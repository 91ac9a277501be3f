/**
 * The state before our first write, and how to restore it. Pure: an undo restores state and does not count
 * revisions, so it can be planned at any time, any number of times.
 */
import type { KubeObject } from '../kubernetes/objects.js'
import { groupOf, isBeingDeleted, isWorkload, keyOf, same } from '../kubernetes/objects.js'
import { holdsNoData } from '../kubernetes/selectors.js'
import { needsOf, titleOf, type Needs } from './needs.js'
import {
  withAnswer,
  fieldsBack,
  externalFields,
  fieldsOwnership,
  hasTemplateBack,
  isAnother,
  isAsCreated,
  notesBack,
  restoreTemplate,
  templateOwnership,
  describeExternal,
  type Ownership,
} from './ownership.js'

export { hasTemplateBack } from './ownership.js'
export { titleOf } from './needs.js'

/** One object as it was. */
export interface ObjectSnapshot {
  readonly path: string
  /** The previous state; the planned one if it did not exist. */
  readonly object: KubeObject
  /**
   * As the release leaves it, known before its first write: the server's answer to a dry run, or the live template
   * with its new images. Once the server has answered the write, it is that answer: then all but a `set-image` have a
   * `uid`.
   */
  readonly written: KubeObject
  /**
   * create: the release creates it. set-image: a PUT changes its pod template and its cause, and nothing else. apply: an apply changes it. make-immutable: an apply changes it and makes it
   * immutable, so that only another object of its name can have the previous content.
   */
  readonly change: 'create' | 'set-image' | 'apply' | 'make-immutable'
  /** A workload of the application, or another object of the manifests. */
  readonly of: 'workload' | 'other'
  /**
   * after: it is restored once the pods are back, since it selects them until then. Else before them: what they read
   * at their start exists when they start.
   */
  readonly back?: 'after'
  /**
   * Images with which its containers are restored, by name: the digests that ran, if a tag in the template names
   * another image by now.
   */
  readonly ran?: Readonly<Record<string, string>>
}

/** All objects to which the release will write, as they were before. */
export type Snapshot = readonly ObjectSnapshot[]

/** Receives the server's answers to writes at once: the record keeps them. */
export type OnWrite = (answers: readonly KubeObject[]) => Promise<void>

/** Returns what is kept of an object: without what the server updates or assigns. */
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

/** Returns the snapshot with the server's answers to our writes. */
export function withAnswers(snapshot: Snapshot, answers: readonly KubeObject[]): Snapshot {
  const byKey = new Map(answers.map((object) => [keyOf(object), object]))
  return snapshot.map((prior) => {
    const answer = byKey.get(keyOf(prior.object))
    if (!answer) return prior
    return {
      ...prior,
      written: prior.change === 'create' ? kept(answer) : withAnswer(prior, answer),
    }
  })
}

export type UndoStep =
  | { readonly do: 'nothing' }
  | {
      readonly do: 'put'
      readonly object: KubeObject
      readonly by: PutBy
      /** External changes in other fields, which stay: `data.PORT`. */
      readonly but?: readonly string[]
      /** The external change of what the release had written, which stays. */
      readonly external?: string
    }
  /** The object of this uid, and no other that has its name by then. */
  | { readonly do: 'delete'; readonly uid?: string }
  /** The object stays as the release left it, and the report says so: `it holds data`. */
  | { readonly do: 'keep'; readonly why: string }
  /** It was deleted from outside during the release: a person must decide. */
  | { readonly do: 'ask' }
  /** It was changed from outside since: it is left alone, and reported: `runs shop:hotfix`. */
  | { readonly do: 'external'; readonly words: string }

export type PutBy =
  | { readonly is: 'update' }
  | { readonly is: 'create' }
  /** Deletes the object of this uid and creates it again. */
  | { readonly is: 'replace'; readonly uid: string }

/** What a step depends on besides the object itself. */
export interface RestoreConditions {
  /** What is needed by objects that stay as they are. */
  readonly needs?: Needs
  /** A database: a pod with the release's template has become Ready. */
  readonly tookOver?: boolean
  /** The live template is what the server's admission makes of the one before. */
  readonly isAdmitted?: boolean
}

/** Returns the one step that restores an object from its current to its previous state. */
export function planRestore(
  prior: ObjectSnapshot,
  live: KubeObject | undefined,
  { needs = new Map(), tookOver = false, isAdmitted = false }: RestoreConditions = {},
): UndoStep {
  const { object: before, change } = prior
  const isGone = live === undefined || isBeingDeleted(live)
  if (isGone && change === 'make-immutable') {
    // Our own undo has deleted it, and was stopped before it could create it. Its name may not be free yet.
    return { do: 'put', object: anew(before), by: { is: 'create' } }
  }
  if (isGone) {
    return { do: change === 'create' ? 'nothing' : 'ask' }
  }
  const external = (): UndoStep => ({ do: 'external', words: describeExternal(prior, live) })
  const by = needs.get(titleOf(before))
  const needed = by === undefined ? undefined : `${by} needs it`
  if (change === 'create') {
    if (!isAsCreated(prior, live)) return external()
    const why = whyKept(prior) ?? needed
    if (why !== undefined) return { do: 'keep', why }
    const { uid } = live.metadata ?? {}
    return { do: 'delete', ...(uid !== undefined && { uid }) }
  }
  const template = isAdmitted ? 'previous' : templateOwnership(prior, live)
  const fields = fieldsOwnership(prior, live)
  const isBack = [template, fields].every((is) => is === 'previous' || is === 'untouched')
  if (isAnother(before, live)) return isBack ? { do: 'nothing' } : external()
  if (template === 'external' || (fields === 'external' && template !== 'release'))
    return external()

  const object = notesBack(prior, backOf(prior, live, template, fields))
  if (same(object, live)) return { do: 'nothing' }
  if (isVolume(prior) || (isDatabase(prior) && template === 'release' && tookOver)) {
    return { do: 'keep', why: holdsData }
  }
  if (needed !== undefined && !isBack) return { do: 'keep', why: needed }
  if (change === 'make-immutable' && isImmutable(live)) {
    const uid = live.metadata?.uid ?? ''
    return { do: 'put', object: anew(before), by: { is: 'replace', uid } }
  }
  const but = isBack ? [] : externalFields(prior, live)
  return {
    do: 'put',
    object,
    by: { is: 'update' },
    ...(but.length > 0 && { but }),
    ...(fields === 'external' && { external: describeExternal(prior, live) }),
  }
}

function backOf(
  prior: ObjectSnapshot,
  live: KubeObject,
  template: Ownership,
  fields: Ownership,
): KubeObject {
  const back = fields === 'release' ? fieldsBack(prior, live) : live
  return template === 'release' && isWorkload(back) ? restoreTemplate(prior, back) : back
}

/** Returns whether a ConfigMap or a Secret is immutable. */
export function isImmutable(object: KubeObject): boolean {
  return (object as { readonly immutable?: boolean }).immutable === true
}

/** Returns the object as it can be created: without what the server assigns. */
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

/** Returns whether it is a StatefulSet that does not run the application's image. */
export function isDatabase({ of, object }: ObjectSnapshot): boolean {
  return of === 'other' && object.kind === 'StatefulSet'
}

/** API groups of Kubernetes itself. */
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

/** Returns whether removing an object removes no data: an object of another kind may remove its volumes with it. */
function isHarmless(object: KubeObject): boolean {
  return knownGroups.includes(groupOf(object)) || holdsNoData(object)
}

/** Returns whether objects that it names may have to stay, if it stays. */
export function leads({ written }: ObjectSnapshot): boolean {
  return isWorkload(written) || !isHarmless(written)
}

/** Returns why an object that the release created is never removed. */
function whyKept(prior: ObjectSnapshot): string | undefined {
  if (isVolume(prior) || isDatabase(prior)) return holdsData
  if (isHarmless(prior.object)) return undefined
  return `removing a ${prior.object.kind} may remove data`
}

/** An object of the snapshot with its current state and the step that restores it. */
export interface RestorePlan {
  readonly prior: ObjectSnapshot
  readonly live: KubeObject | undefined
  readonly step: UndoStep
  /** The live template is what the server's admission makes of the one before. */
  readonly isAdmitted?: boolean
}

/** Returns whether a workload creates pods as before the release, once this step is done. */
export function isTemplateBack({ prior, live, step, isAdmitted = false }: RestorePlan): boolean {
  const stays = step.do === 'put' ? step.object : live
  if (prior.change === 'create' || stays === undefined || !isWorkload(stays)) return false
  return isAdmitted || hasTemplateBack(prior, stays)
}

/**
 * Returns what must stay, since objects that are not restored name it. A workload with its previous template needs
 * what it named before.
 */
export function neededAfter(plans: readonly RestorePlan[]): Needs {
  const left = plans.flatMap((one) => {
    const { prior, live, step } = one
    const stays = step.do === 'put' ? step.object : live
    if (stays === undefined || step.do === 'delete' || step.do === 'ask') return []
    if (isWorkload(stays)) {
      return isTemplateBack(one) ? [] : [stays]
    }
    const isLeft = step.do === 'keep' || step.do === 'external'
    return isLeft && whyKept(prior) !== undefined ? [stays] : []
  })
  return needsOf(
    left,
    plans.map(({ prior }) => prior.written),
  )
}
