/**
 * Keeps the state of the namespace: each kind is listed once and then watched from that version. A watch is
 * short (the server ends it), so that a silently cut connection is noticed. A gap that the server cannot bridge
 * (410 Gone, an ERROR event) is closed by a new list, which replaces all.
 * https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
 */
import type { Cluster } from '../kubernetes/cluster.js'
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
  const signal = cluster.life
  const kinds = Object.keys(watched) as Watched[]
  const maps = Object.fromEntries(
    kinds.map((kind) => [kind, new Map<string, KubeObject>()]),
  ) as Record<Watched, Map<string, KubeObject>>
  const confirmed = Object.fromEntries(kinds.map((kind) => [kind, 0])) as Record<Watched, number>
  const callbacks = new Set<() => void>()

  /** The version up to which each kind was watched; without one it must be listed again. */
  const versions: Partial<Record<Watched, string>> = {}

  const confirm = (kind: Watched) => {
    confirmed[kind] = clock.now()
    callbacks.forEach((callback) => {
      callback()
    })
  }

  const list = async (kind: Watched): Promise<void> => {
    const { apiVersion, kind: kindName } = watched[kind]
    const answer = await cluster.get<{
      metadata: { resourceVersion: string }
      items: readonly KubeObject[]
    }>(collection(apiVersion, cluster.namespace, kind))
    maps[kind].clear()
    // Items of a list come without the two fields that name their kind.
    for (const item of answer.items) {
      maps[kind].set(nameOf(item), { ...item, apiVersion, kind: kindName })
    }
    versions[kind] = answer.metadata.resourceVersion
    confirm(kind)
  }

  /** Watches from the last version until the server ends the watch. */
  const watch = async (kind: Watched, from: string): Promise<void> => {
    const path =
      `${collection(watched[kind].apiVersion, cluster.namespace, kind)}?watch=1` +
      `&resourceVersion=${from}&allowWatchBookmarks=true&timeoutSeconds=${watchSeconds}`
    const dead = new AbortController()
    const timeout = clock.sleep(deadAfterMs, AbortSignal.any([signal, dead.signal]))
    timeout.then(
      () => {
        dead.abort()
      },
      () => undefined,
    )
    try {
      for await (const line of cluster.lines(path, AbortSignal.any([signal, dead.signal]))) {
        const event = JSON.parse(line) as WatchEvent
        if (event.type === 'ERROR') {
          delete versions[kind]
          return
        }
        versions[kind] = event.object.metadata?.resourceVersion ?? versions[kind] ?? from
        if (event.type === 'DELETED') maps[kind].delete(nameOf(event.object))
        else if (event.type !== 'BOOKMARK') maps[kind].set(nameOf(event.object), event.object)
        confirm(kind)
      }
      confirm(kind)
    } finally {
      dead.abort()
    }
  }

  const keep = async (kind: Watched) => {
    let failures = 0
    while (!signal.aborted) {
      const from = versions[kind]
      try {
        if (from === undefined) await list(kind)
        else await watch(kind, from)
        failures = 0
      } catch (error) {
        // A watch that received something before it was cut starts the count of failures again.
        failures = versions[kind] === from ? failures + 1 : 1
        // 410 Gone: the version is too old to go on from.
        if ((error as { status?: number }).status === 410) delete versions[kind]
        const pause = retryMs[Math.min(failures, retryMs.length) - 1] ?? 2000
        await clock.sleep(pause, signal).catch(() => undefined)
      }
    }
  }

  await Promise.all(kinds.map(list))
  kinds.forEach((kind) => void keep(kind))

  return {
    clusterState: () => ({
      ...(maps as unknown as Omit<ClusterState, 'confirmedAt'>),
      // What an event reports may long be over if the server does not confirm it any more.
      ...(clock.now() - confirmed.events > STALE && { events: new Map() }),
      confirmedAt: Math.min(...deciding.map((kind) => confirmed[kind])),
    }),
    onChange: (callback) => {
      callbacks.add(callback)
      return () => callbacks.delete(callback)
    },
  }
}
