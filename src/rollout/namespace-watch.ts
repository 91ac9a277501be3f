/**
 * Keeps the state of the namespace: each kind is listed once and then watched from that version. A watch is
 * short (the server ends it), so that a silently cut connection is noticed. A gap that the server cannot bridge
 * (410 Gone, an ERROR event) is closed by a new list, which replaces all.
 * https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
 */
import type { Cluster } from '../kubernetes/cluster.js'
import { learnNames } from '../kubernetes/own-names.js'
import type { KubeObject } from '../kubernetes/objects.js'
import { nameOf } from '../kubernetes/objects.js'
import { collection, watched, type Watched } from '../kubernetes/paths.js'
import type { Clock } from '../platform/platform.js'
import { STALE } from '../judge/deployment-stage.js'
import type { ClusterState } from '../judge/types.js'

/** The server ends a watch after this many seconds; if it does not end soon after, the connection is dead. */
const watchSeconds = 25
const deadAfterMs = (watchSeconds + 10) * 1000
const retryMs = [250, 500, 1000, 2000] as const

export interface NamespaceWatch {
  clusterState(): ClusterState
  /** Calls back after each change, and after each confirmation that nothing changed. */
  onChange(callback: () => void): () => void
}

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
  const callbacks = new Set<() => void>()
  const onConfirmed = () => {
    callbacks.forEach((callback) => {
      callback()
    })
  }
  const kinds = Object.keys(watched) as Watched[]
  const watches = Object.fromEntries(
    kinds.map((kind) => [kind, new KindWatch(kind, { cluster, clock, onConfirmed })]),
  ) as Record<Watched, KindWatch>
  await Promise.all(kinds.map((kind) => watches[kind].list()))
  const own = (['deployments', 'statefulsets', 'daemonsets', 'cronjobs'] as const).flatMap(
    (kind) => [...watches[kind].objects.values()],
  )
  if (await learnNames(cluster, own)) {
    await Promise.all(kinds.map((kind) => watches[kind].list()))
  }
  kinds.forEach((kind) => void watches[kind].keep())

  const objects = Object.fromEntries(kinds.map((kind) => [kind, watches[kind].objects]))
  return {
    clusterState: () => ({
      ...(objects as unknown as Omit<ClusterState, 'confirmedAt'>),
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

interface WatchContext {
  readonly cluster: Cluster
  readonly clock: Clock
  /** Called after each change, and after each confirmation that nothing changed. */
  readonly onConfirmed: () => void
}

/**
 * Keeps the objects of one kind. It is in one of two states, by its version:
 *
 * - unlisted (no version): at first, and after a gap that the server cannot bridge. The next step is a list.
 * - listed (a version): the next step is a watch from there.
 */
class KindWatch {
  readonly objects = new Map<string, KubeObject>()
  /** When the server last confirmed the objects, in ms since 1970. */
  confirmedAt = 0
  #version: string | undefined

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
    const { apiVersion, kind } = watched[this.kind]
    const answer = await this.context.cluster.get<{
      metadata: { resourceVersion: string }
      items: readonly KubeObject[]
    }>(this.#path())
    this.objects.clear()
    // Items of a list come without the two fields that name their kind.
    for (const item of answer.items) this.objects.set(nameOf(item), { ...item, apiVersion, kind })
    this.#version = answer.metadata.resourceVersion
    this.#confirm()
  }

  /** Watches from the last version until the server ends the watch. */
  async #watch(from: string): Promise<void> {
    const { cluster, clock } = this.context
    const path =
      `${this.#path()}?watch=1` +
      `&resourceVersion=${from}&allowWatchBookmarks=true&timeoutSeconds=${watchSeconds}`
    const dead = new AbortController()
    const timeout = clock.sleep(deadAfterMs, AbortSignal.any([cluster.life, dead.signal]))
    timeout.then(
      () => {
        dead.abort()
      },
      () => undefined,
    )
    try {
      for await (const line of cluster.lines(path, AbortSignal.any([cluster.life, dead.signal]))) {
        const event = JSON.parse(line) as WatchEvent
        if (event.type === 'ERROR') {
          this.#version = undefined
          return
        }
        this.#take(event, from)
        this.#confirm()
      }
      this.#confirm()
    } finally {
      dead.abort()
    }
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
