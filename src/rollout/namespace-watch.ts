/**
 * Keeps the state of the namespace: each kind is listed once and then watched from that version. Where the server can,
 * the first watch itself begins with the list. A watch is short (the server ends it), so that a silently cut connection
 * is noticed. A gap that the server cannot bridge (410 Gone, an ERROR event) is closed by a new list, which replaces all.
 * https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
 * https://kubernetes.io/docs/reference/using-api/api-concepts/#streaming-lists
 */
import type { Cluster } from '../kubernetes/cluster.js'
import { learnNames } from '../kubernetes/own-names.js'
import type { KubeObject } from '../kubernetes/objects.js'
import { isWorkload, nameOf, withoutManagedFields } from '../kubernetes/objects.js'
import { collection, watched, type Watched } from '../kubernetes/paths.js'
import type { Clock } from '../platform/platform.js'
import { STALE } from '../judge/deployment-stage.js'
import { Grouped } from '../judge/grouped.js'
import type { ClusterState } from '../judge/types.js'

/** The server ends a watch after this many seconds; if it does not end soon after, the connection is dead. */
const watchSeconds = 25
const deadAfterMs = (watchSeconds + 10) * 1000
const retryMs = [250, 500, 1000, 2000] as const
/** A watch that sends nothing of the list for so long never will: something between ignores what it does not know. */
const initialMs = 5_000
/** As long as it may send the list, well before the state becomes stale. */
const mostInitialMs = 20_000

export interface NamespaceWatch {
  clusterState(): ClusterState
  /** Calls back after each change, and after each confirmation that nothing changed. */
  onChange(callback: () => void): () => void
}

const initialEventsEnd = 'k8s.io/initial-events-end'

/** The kinds that decide a rollout; the others add words, or have no pods. */
const deciding = (Object.keys(watched) as Watched[]).filter(
  (kind) => kind !== 'events' && kind !== 'cronjobs',
)

interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR'
  readonly object: KubeObject
}

/**
 * Lists every kind and keeps watching in the background until the cluster is closed. Throws when the first
 * lists fail. Later errors are retried for as long as it takes: the state then becomes stale, which the judge
 * sees.
 */
export async function watchNamespace(cluster: Cluster, clock: Clock): Promise<NamespaceWatch> {
  const lists: WatchContext['lists'] = { byWatch: sendsInitialEvents(cluster.version) }
  const callbacks = new Set<() => void>()
  const onConfirmed = () => {
    callbacks.forEach((callback) => {
      callback()
    })
  }
  const kinds = Object.keys(watched) as Watched[]
  const watches = Object.fromEntries(
    kinds.map((kind) => [kind, new KindWatch(kind, { cluster, clock, onConfirmed, lists })]),
  ) as Record<Watched, KindWatch>
  await Promise.all(kinds.map((kind) => watches[kind].list()))
  const own = (['deployments', 'statefulsets', 'daemonsets', 'cronjobs'] as const).flatMap(
    (kind) => [...watches[kind].objects.values()],
  )
  if (await learnNames(cluster, own)) {
    await Promise.all(kinds.map((kind) => watches[kind].list()))
  }
  kinds.forEach((kind) => void watches[kind].keep())

  const objects = () => Object.fromEntries(kinds.map((kind) => [kind, watches[kind].objects]))
  return {
    clusterState: () => ({
      ...(objects() as unknown as Omit<ClusterState, 'confirmedAt'>),
      // What an event reports may long be over if the server does not confirm it any more.
      ...(clock.now() - watches.events.confirmedAt > STALE && { events: new Map() }),
      confirmedAt: Math.min(...deciding.map((kind) => watches[kind].confirmedAt)),
    }),
    onChange: (callback) => {
      callbacks.add(callback)
      return () => callbacks.delete(callback)
    },
  }
}

/** On by default since 1.34, as it was in 1.32. Others refuse it, and so would cost a request for each kind. */
function sendsInitialEvents(version: string): boolean {
  const [, minor = '0'] = /^v1\.(\d+)/.exec(version) ?? []
  return Number(minor) >= 34
}

interface WatchContext {
  readonly cluster: Cluster
  readonly clock: Clock
  /** Called after each change, and after each confirmation that nothing changed. */
  readonly onConfirmed: () => void
  /** Whether a watch may begin with the list. What one kind is refused is not tried again. */
  readonly lists: { byWatch: boolean }
}

/** An open watch. */
interface Stream {
  readonly lines: AsyncIterator<string>
  readonly end: () => void
}

/** A loop over these that is left leaves the watch open. */
async function* eventsIn({ lines }: Stream): AsyncGenerator<WatchEvent> {
  for (let next = await lines.next(); next.done !== true; next = await lines.next()) {
    const event = JSON.parse(next.value) as WatchEvent
    yield { ...event, object: asRead(event.object) }
  }
}

/** Returns an object as it is read here: only a workload's managedFields matter, which say who has changed its image. */
function asRead(object: KubeObject): KubeObject {
  return isWorkload(object) ? object : withoutManagedFields(object)
}

/**
 * Keeps the objects of one kind. It is in one of two states, by its version:
 *
 * - unlisted (no version): at first, and after a gap that the server cannot bridge. The next step is a list.
 * - listed (a version): the next step is a watch from there; that of the list, where it is open.
 */
class KindWatch {
  objects = new Grouped<KubeObject>()
  /** When the server last confirmed the objects, in ms since 1970. */
  confirmedAt = 0
  #version: string | undefined
  #open: Stream | undefined

  constructor(
    private readonly kind: Watched,
    private readonly context: WatchContext,
  ) {}

  /** Lists and watches until the cluster is closed. */
  async keep(): Promise<void> {
    const { cluster, clock } = this.context
    let failures = 0
    while (!cluster.life.aborted) {
      const from = this.#version
      try {
        if (from === undefined) await this.list()
        else await this.#watch(from)
        failures = 0
      } catch (error) {
        // A watch that received something before it was cut starts the count of failures again.
        failures = this.#version === from ? failures + 1 : 1
        // 410 Gone: the version is too old to go on from.
        if ((error as { status?: number }).status === 410) this.#version = undefined
        const pause = retryMs[Math.min(failures, retryMs.length) - 1] ?? 2000
        await clock.sleep(pause, cluster.life).catch(() => undefined)
      }
    }
  }

  async list(): Promise<void> {
    const { lists } = this.context
    this.#open?.end()
    this.#open = undefined
    if (lists.byWatch) {
      this.#open = await this.#listByWatch()
      if (this.#open) return
      this.context.cluster.life.throwIfAborted()
      lists.byWatch = false
    }
    const { apiVersion, kind } = watched[this.kind]
    const answer = await this.context.cluster.get<{
      metadata: { resourceVersion: string }
      items: readonly KubeObject[]
    }>(this.#path())
    // Items of a list come without the two fields that name their kind.
    const items = answer.items.map((item) => asRead({ ...item, apiVersion, kind }))
    const objects = new Grouped(items.map((item) => [nameOf(item), item]))
    this.#replace(objects, answer.metadata.resourceVersion)
  }

  /** Returns the watch that has sent all objects, and goes on; nothing where a list has to be requested. */
  async #listByWatch(): Promise<Stream | undefined> {
    const { clock, cluster } = this.context
    const stream = this.#stream('sendInitialEvents=true&resourceVersionMatch=NotOlderThan')
    const listed = new AbortController()
    const signal = AbortSignal.any([cluster.life, listed.signal])
    const endsAt = clock.now() + mostInitialMs
    let heardAt = clock.now()
    const left = () => Math.min(heardAt + initialMs, endsAt) - clock.now()
    const silence = async () => {
      while (left() > 0) await clock.sleep(left(), signal)
    }
    silence().then(stream.end, () => undefined)
    try {
      const items = new Grouped<KubeObject>()
      for await (const { type, object } of eventsIn(stream)) {
        heardAt = clock.now()
        if (type === 'ERROR') break
        if (type === 'DELETED') items.delete(nameOf(object))
        else if (type !== 'BOOKMARK') items.set(nameOf(object), object)
        else if (object.metadata?.annotations?.[initialEventsEnd] === 'true') {
          this.#replace(items, object.metadata.resourceVersion)
          return stream
        }
      }
    } catch {
      // The list that follows reports what is wrong, if anything is.
    } finally {
      listed.abort()
    }
    stream.end()
    return undefined
  }

  #replace(objects: Grouped<KubeObject>, version: string | undefined): void {
    this.objects = objects
    this.#version = version
    this.#confirm()
  }

  /** Watches from the last version until the server ends the watch. */
  async #watch(from: string): Promise<void> {
    const stream = this.#open ?? this.#stream(`resourceVersion=${from}`)
    this.#open = undefined
    try {
      for await (const event of eventsIn(stream)) {
        if (event.type === 'ERROR') {
          this.#version = undefined
          return
        }
        this.#take(event, from)
        this.#confirm()
      }
      this.#confirm()
    } finally {
      stream.end()
    }
  }

  #stream(from: string): Stream {
    const { cluster, clock } = this.context
    const path = `${this.#path()}?watch=1&${from}&allowWatchBookmarks=true&timeoutSeconds=${watchSeconds}`
    const over = new AbortController()
    const signal = AbortSignal.any([cluster.life, over.signal])
    const lines = cluster.lines(path, signal)[Symbol.asyncIterator]()
    const end = () => {
      over.abort()
      lines.return?.().catch(() => undefined)
    }
    clock.sleep(deadAfterMs, signal).then(end, () => undefined)
    return { lines, end }
  }

  #take({ type, object }: WatchEvent, from: string): void {
    this.#version = object.metadata?.resourceVersion ?? this.#version ?? from
    if (type === 'DELETED') this.objects.delete(nameOf(object))
    else if (type !== 'BOOKMARK') {
      const name = nameOf(object)
      this.objects.set(name, withKnownSpec(object, this.objects.get(name)))
    }
  }

  #confirm(): void {
    this.confirmedAt = this.context.clock.now()
    this.context.onConfirmed()
  }

  #path(): string {
    return collection(watched[this.kind].apiVersion, this.context.cluster.namespace, this.kind)
  }
}

/**
 * Returns an object whose spec is the same as before as one with that very spec: who has read a pod template need not
 * read it again at each change of the status. A pod is left as it is: its generation does not count its binding.
 */
function withKnownSpec(object: KubeObject, before: KubeObject | undefined): KubeObject {
  const { uid, generation } = object.metadata ?? {}
  const isKnown =
    generation !== undefined &&
    generation === before?.metadata?.generation &&
    uid === before.metadata.uid &&
    object.kind !== 'Pod'
  return isKnown ? { ...object, spec: before.spec } : object
}
