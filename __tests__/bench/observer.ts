/** Somebody who watches a namespace beside the tool, and writes down when something came to be so. */
import type { IncomingMessage } from 'node:http'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Seen } from '../faults/sights.js'
import { ask, json } from './api.js'

export interface Deployment {
  readonly metadata: {
    readonly name: string
    readonly uid: string
    readonly generation: number
  }
  readonly spec: {
    readonly replicas: number
    readonly template: unknown
  }
  readonly status: {
    readonly observedGeneration?: number
    readonly replicas?: number
    readonly updatedReplicas?: number
    readonly availableReplicas?: number
  }
}

export interface Scene {
  readonly deployments: ReadonlyMap<string, Deployment>
  readonly pods: ReadonlyMap<string, Seen>
  readonly replicasets: ReadonlyMap<string, Seen>
}

/** Times in ms since 1970. */
export interface Sighting {
  readonly first?: number
  /** When it last came to be so, after it had not been. */
  readonly last?: number
  readonly holds: boolean
  /** Resolves as soon as it holds. */
  readonly held: Promise<unknown>
}

export interface Observer {
  readonly scene: Scene
  see(test: (scene: Scene) => boolean): Sighting
  stop(): Promise<void>
}

interface Meta {
  readonly metadata: { readonly uid: string; readonly resourceVersion: string }
}
interface List {
  readonly metadata: { readonly resourceVersion: string }
  readonly items: readonly Meta[]
}
interface Change {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR'
  readonly object: Meta
}

export async function observe(namespace: string): Promise<Observer> {
  const over = new AbortController()
  const looks = new Set<() => void>()
  const watching: Promise<void>[] = []
  const follow = async (group: string, kind: string) => {
    const path = `/${group}/namespaces/${namespace}/${kind}`
    const all = new Map<string, Meta>()
    const list = async () => {
      const { metadata, items } = await json<List>(path)
      all.clear()
      for (const item of items) all.set(item.metadata.uid, item)
      for (const look of looks) look()
      return metadata.resourceVersion
    }
    watching.push(watch(path, all, await list(), list))
    return all
  }
  const watch = async (
    path: string,
    all: Map<string, Meta>,
    from: string,
    list: () => Promise<string>,
  ) => {
    let version = from
    while (!over.signal.aborted) {
      try {
        const asked = `${path}?watch=1&allowWatchBookmarks=true&resourceVersion=${version}`
        const answer = await ask(asked, { signal: over.signal })
        for await (const { type, object } of changes(answer)) {
          if (type === 'ERROR') break
          version = object.metadata.resourceVersion
          if (type === 'DELETED') all.delete(object.metadata.uid)
          else if (type !== 'BOOKMARK') all.set(object.metadata.uid, object)
          for (const look of looks) look()
        }
        version = await list()
      } catch {
        // It was stopped, or the server went away.
        await sleep(200)
      }
    }
  }
  const apps = 'apis/apps/v1'
  const [deployments, pods, replicasets] = await Promise.all([
    follow(apps, 'deployments'),
    follow('api/v1', 'pods'),
    follow(apps, 'replicasets'),
  ])
  const scene = { deployments, pods, replicasets } as unknown as Scene
  return {
    scene,
    see: (test) => {
      const { promise: held, resolve } = Promise.withResolvers<undefined>()
      const seen: { first?: number; last?: number; holds: boolean; held: Promise<unknown> } = {
        holds: test(scene),
        held,
      }
      if (seen.holds) resolve(undefined)
      looks.add(() => {
        const holds = test(scene)
        if (holds && !seen.holds) {
          const now = Date.now()
          seen.first ??= now
          seen.last = now
          resolve(undefined)
        }
        seen.holds = holds
      })
      return seen
    },
    stop: async () => {
      over.abort()
      await Promise.all(watching)
    },
  }
}

async function* changes(answer: IncomingMessage): AsyncGenerator<Change> {
  for await (const line of createInterface({ input: answer })) yield JSON.parse(line) as Change
}

export function isComplete({ metadata, spec, status }: Deployment): boolean {
  const { observedGeneration = 0, replicas, updatedReplicas, availableReplicas } = status
  return (
    observedGeneration >= metadata.generation &&
    [replicas, updatedReplicas, availableReplicas].every((count = 0) => count === spec.replicas)
  )
}
