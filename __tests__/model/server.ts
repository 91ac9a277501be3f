/** An API server in memory, as far as the protocol relies on it: versions and conflicts. */
import type { KubeObject, WorkloadObject } from '../../src/kubernetes/objects.js'
import { nameOf, same, templateOf, withImage, withTemplate } from '../../src/kubernetes/objects.js'

export interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly body?: unknown
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

export class Server {
  private readonly objects = new Map<string, KubeObject>()
  /** Goes on when an object is made anew: a version never comes again. By path, so that writes to two objects give the same state in either order. */
  private readonly versions = new Map<string, number>()
  private readonly texts = new Map<string, string>()

  constructor(
    objects: Readonly<Record<string, KubeObject>>,
    private readonly weak: Weakness | undefined,
    private readonly refuses: (path: string, image: string) => boolean,
    private readonly onChange: (change: Change) => void,
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

  perform({ method, path, body }: Call): Answer {
    const live = this.objects.get(path)
    switch (method) {
      case 'GET':
        return live ? { status: 200, body: live } : failed(404, 'NotFound')
      case 'POST': {
        const object = body as KubeObject
        const where = `${path}/${nameOf(object)}`
        if (this.objects.has(where) && !this.takesAll) return failed(409, 'AlreadyExists')
        const uid = `${where}#${(this.versions.get(where) ?? 0) + 1}`
        const metadata = { ...object.metadata, uid, generation: 1 }
        const next = { ...object, metadata }
        if (object.kind === 'Secret' && this.weak === 'a record is answered and not kept') {
          return { status: 201, body: next }
        }
        return { status: 201, body: this.keep(where, next, 'ADDED') }
      }
      case 'PUT':
        if (!live) return failed(404, 'NotFound')
        return this.put(path, live, body as KubeObject)
      case 'PATCH':
        if (!live) return failed(404, 'NotFound')
        return this.patch(path, live as WorkloadObject, body as Patch)
      case 'DELETE': {
        if (!live) return failed(404, 'NotFound')
        const { preconditions } = (body ?? {}) as { preconditions?: { uid?: string } }
        const { uid } = preconditions ?? {}
        if (uid !== undefined && uid !== live.metadata?.uid) return failed(409, 'Conflict')
        if (this.weak === 'a record is there again after its end') return { status: 200, body: {} }
        this.objects.delete(path)
        this.texts.delete(path)
        this.onChange({ type: 'DELETED', path, object: live })
        return { status: 200, body: {} }
      }
    }
  }

  private put(path: string, live: KubeObject, object: KubeObject): Answer {
    const { resourceVersion, uid } = object.metadata ?? {}
    const old = resourceVersion !== undefined && resourceVersion !== live.metadata?.resourceVersion
    if (old && !this.takesAll) return failed(409, 'Conflict')
    if (uid !== undefined && uid !== live.metadata?.uid) return failed(409, 'Conflict')
    return { status: 200, body: this.change(path, live, object) }
  }

  /** What `kubectl set image` and `kubectl annotate` send: no version, the last one wins. */
  private patch(path: string, live: WorkloadObject, { image, annotations }: Patch): Answer {
    if (image !== undefined && this.refuses(path, image)) return failed(403, 'Forbidden')
    const object =
      image === undefined
        ? live
        : withTemplate(
            live,
            withImage(templateOf(live), () => true, image),
          )
    const metadata = {
      ...object.metadata,
      annotations: { ...object.metadata?.annotations, ...annotations },
    }
    return { status: 200, body: this.change(path, live, { ...object, metadata }) }
  }

  private change(path: string, live: KubeObject, object: KubeObject): KubeObject {
    const { uid = '', generation = 1, resourceVersion = '' } = live.metadata ?? {}
    const metadata = {
      ...object.metadata,
      uid,
      resourceVersion,
      generation: same(object.spec, live.spec) ? generation : generation + 1,
    }
    const next = { ...object, metadata }
    return same(next, live) ? live : this.keep(path, next, 'MODIFIED')
  }

  private keep(path: string, object: KubeObject, type: Change['type']): KubeObject {
    const version = (this.versions.get(path) ?? 0) + 1
    this.versions.set(path, version)
    const kept = { ...object, metadata: { ...object.metadata, resourceVersion: String(version) } }
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
  readonly image?: string
  readonly annotations?: Readonly<Record<string, string>>
}

function failed(status: number, reason: string): Answer {
  return { status, body: { kind: 'Status', reason, message: reason } }
}
