/** An API server in memory, as far as the protocol relies on it: versions and conflicts. */
import type { KubeObject, WorkloadObject } from '../../src/kubernetes/objects.js'
import { otherFolders } from './places.js'
import { isWorkload, nameOf, same, templateOf, withTemplate } from '../../src/kubernetes/objects.js'

export interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly body?: unknown
  /**
   * It brings the new version; all other writes keep books, or take it back. `since`: how often a person had
   * written when kubectl was called.
   */
  readonly brings?: { readonly since: number }
}

export interface Answer {
  readonly status: number
  readonly body: unknown
}

export interface Change {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly path: string
  readonly object: KubeObject
}

/** What the protocol builds on, taken away: the model has to notice. */
export type Weakness =
  | 'a write is taken whatever version it was decided on'
  | 'a record is answered and not kept'
  | 'a record is there again after its end'
  | 'no time goes by for a run that is cut off'
  | 'a request that was given up arrives later'
  | 'what a person has changed looks as it was'

export class Server {
  private readonly objects = new Map<string, KubeObject>()
  /** Goes on when an object is made anew: a version never comes again. By path, so that writes to two objects give the same state in either order. */
  private readonly versions = new Map<string, number>()
  private readonly texts = new Map<string, string>()
  /** How objects were before a person changed them, where that is all that is seen. */
  private readonly masks = new Map<string, KubeObject>()

  constructor(
    objects: Readonly<Record<string, KubeObject>>,
    private readonly weak: Weakness | undefined,
    private readonly refuses: (path: string, image: string) => boolean,
    private readonly onChange: (change: Change) => void,
    /** An admission webhook writes into each pod template that is sent. */
    private readonly stamps = false,
  ) {
    for (const [path, object] of Object.entries(objects)) this.keep(path, object, 'ADDED')
  }

  find(path: string): KubeObject | undefined {
    return this.objects.get(path)
  }

  /** All that stands in a collection. */
  list(collection: string): readonly KubeObject[] {
    return [...this.objects].flatMap(([path, object]) =>
      path.startsWith(`${collection}/`) ? [object] : [],
    )
  }

  /** Everything, as one text. */
  text(): string {
    return [...this.texts.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).join('\n')
  }

  /** What it would make of a PUT. */
  try({ path, body }: Call): Answer {
    const live = this.objects.get(path)
    if (!live) return failed(404, 'NotFound')
    const { uid } = (body as KubeObject).metadata ?? {}
    if (uid !== undefined && uid !== live.metadata?.uid) return failed(409, 'Conflict')
    return { status: 200, body: this.next(live, body as KubeObject) }
  }

  perform({ method, path, body }: Call): Answer {
    const live = this.objects.get(path)
    switch (method) {
      case 'GET':
        if (otherFolders.includes(path)) return { status: 200, body: { items: this.list(path) } }
        return live ? { status: 200, body: this.seen(path, live) } : failed(404, 'NotFound')
      case 'POST': {
        const object = body as KubeObject
        const where = `${path}/${nameOf(object)}`
        if (this.objects.has(where) && !this.takesAll) return failed(409, 'AlreadyExists')
        if (object.kind === 'Secret' && this.weak === 'a record is answered and not kept') {
          return { status: 201, body: { ...object, metadata: { ...object.metadata, uid: 'lost' } } }
        }
        return { status: 201, body: this.make(where, object) }
      }
      case 'PUT':
        if (!live) return failed(404, 'NotFound')
        return this.put(path, live, body as KubeObject)
      case 'PATCH':
        if (!live) return failed(404, 'NotFound')
        return this.patch(path, live, body as Patch)
      case 'DELETE': {
        if (!live) return failed(404, 'NotFound')
        const { preconditions } = (body ?? {}) as { preconditions?: KubeObject['metadata'] }
        const { uid, resourceVersion } = preconditions ?? {}
        if (uid !== undefined && uid !== live.metadata?.uid) return failed(409, 'Conflict')
        if (isOld(resourceVersion, live) && !this.takesAll) return failed(409, 'Conflict')
        if (this.weak === 'a record is there again after its end') return { status: 200, body: {} }
        this.drop(path, live)
        return { status: 200, body: {} }
      }
    }
  }

  /** How often a person has written. */
  edits = 0

  /** What a person does by hand: none, for its end. */
  edit(path: string, object: KubeObject | undefined): void {
    this.edits += 1
    const live = this.objects.get(path)
    if (live && this.weak === 'what a person has changed looks as it was')
      this.masks.set(path, live)
    if (live && object) this.change(path, live, object)
    else if (live) this.drop(path, live)
    else if (object) this.make(path, object)
  }

  private seen(path: string, live: KubeObject): KubeObject {
    const mask = this.masks.get(path)
    const { uid, resourceVersion } = live.metadata ?? {}
    const shell = {
      ...(uid !== undefined && { uid }),
      ...(resourceVersion !== undefined && { resourceVersion }),
    }
    return mask ? { ...mask, metadata: { ...mask.metadata, ...shell } } : live
  }

  private make(path: string, object: KubeObject): KubeObject {
    const uid = `${path}#${(this.versions.get(path) ?? 0) + 1}`
    return this.keep(
      path,
      { ...object, metadata: { ...object.metadata, uid, generation: 1 } },
      'ADDED',
    )
  }

  private drop(path: string, live: KubeObject): void {
    this.objects.delete(path)
    this.texts.delete(path)
    this.onChange({ type: 'DELETED', path, object: live })
  }

  private put(path: string, live: KubeObject, object: KubeObject): Answer {
    const { resourceVersion, uid } = object.metadata ?? {}
    if (isOld(resourceVersion, live) && !this.takesAll) return failed(409, 'Conflict')
    if (uid !== undefined && uid !== live.metadata?.uid) return failed(409, 'Conflict')
    if (isWorkload(object) && this.refuses(path, imageIn(object))) return failed(403, 'Forbidden')
    return { status: 200, body: this.change(path, live, object) }
  }

  /** What `kubectl apply` sends: no version, unless one is named; the last one wins. */
  private patch(path: string, live: KubeObject, { apply }: Patch): Answer {
    if (isOld(apply.metadata?.resourceVersion, live)) return failed(409, 'Conflict')
    return { status: 200, body: this.change(path, live, applied(apply, live)) }
  }

  private change(path: string, live: KubeObject, object: KubeObject): KubeObject {
    const next = this.next(live, object)
    return same(next, live) ? live : this.keep(path, next, 'MODIFIED')
  }

  private next(live: KubeObject, sent: KubeObject): KubeObject {
    const object = this.stamps && isWorkload(sent) ? stamped(sent) : sent
    const { uid = '', generation = 1, resourceVersion = '' } = live.metadata ?? {}
    const metadata = {
      ...object.metadata,
      uid,
      resourceVersion,
      generation: same(object.spec, live.spec) ? generation : generation + 1,
    }
    return done({ ...object, metadata })
  }

  private keep(path: string, object: KubeObject, type: Change['type']): KubeObject {
    const version = (this.versions.get(path) ?? 0) + 1
    this.versions.set(path, version)
    const metadata = { ...object.metadata, resourceVersion: String(version) }
    const kept = done({ ...object, metadata })
    this.objects.set(path, kept)
    this.texts.set(path, JSON.stringify(kept))
    this.onChange({ type, path, object: kept })
    return kept
  }

  private get takesAll(): boolean {
    return this.weak === 'a write is taken whatever version it was decided on'
  }
}

export interface Patch {
  /** A manifest. */
  readonly apply: KubeObject
}

export function imageIn(object: WorkloadObject): string {
  return templateOf(object).spec?.containers[0]?.image ?? ''
}

const lastApplied = 'kubectl.kubernetes.io/last-applied-configuration'

/** What `kubectl apply` makes of an object: what the manifest had before and has no more is gone, the rest stays. */
export function applied(object: KubeObject, live: KubeObject | undefined): KubeObject {
  const { resourceVersion: _, ...metadata } = object.metadata ?? {}
  const manifest = { ...object, metadata }
  const before = JSON.parse(live?.metadata?.annotations?.[lastApplied] ?? '{}') as KubeObject
  const merged = merge(live ?? {}, before, manifest) as KubeObject
  const annotations = { ...merged.metadata?.annotations, [lastApplied]: JSON.stringify(manifest) }
  return { ...merged, metadata: { ...merged.metadata, annotations } }
}

function stamped(object: WorkloadObject): WorkloadObject {
  const template = templateOf(object)
  const annotations = { ...template.metadata?.annotations, 'acme.com/stamp': 'yes' }
  return withTemplate(object, { ...template, metadata: { ...template.metadata, annotations } })
}

/** By key, down to what is no mapping. */
function merge(live: unknown, before: unknown, now: unknown): unknown {
  if (!isMapping(now)) return now
  const [old, was] = [isMapping(live) ? live : {}, isMapping(before) ? before : {}]
  const kept = Object.entries(old).filter(([key]) => key in now || !(key in was))
  const set = Object.entries(now).map(([key, value]) => [key, merge(old[key], was[key], value)])
  return { ...Object.fromEntries(kept), ...Object.fromEntries(set) } as unknown
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isOld(decidedOn: string | undefined, live: KubeObject): boolean {
  return decidedOn !== undefined && decidedOn !== live.metadata?.resourceVersion
}

/** A Deployment whose controller is done at once. */
function done(object: KubeObject): KubeObject {
  if (object.kind !== 'Deployment') return object
  const { replicas = 1 } = object.spec as { replicas?: number }
  const counts = { replicas, updatedReplicas: replicas, readyReplicas: replicas }
  const status = { ...counts, availableReplicas: replicas }
  const observed = { observedGeneration: object.metadata?.generation ?? 1 }
  return { ...object, status: { ...observed, ...status } } as KubeObject
}

function failed(status: number, reason: string): Answer {
  return { status, body: { kind: 'Status', reason, message: reason } }
}
