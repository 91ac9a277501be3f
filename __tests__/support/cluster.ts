import { ApiError } from '../../src/kubernetes/api-error.js'
import type { Cluster } from '../../src/kubernetes/cluster.js'
import { OwnNames } from '../../src/kubernetes/own-names.js'
import type { KubeObject } from '../../src/kubernetes/objects.js'
import { settled } from './clock.js'

/** A cluster that can do what is given; anything else fails the test. */
export function clusterOf(can: Partial<Cluster>): Cluster {
  const cannot = (what: string) => () => {
    throw new Error(`not expected: ${what}`)
  }
  return {
    namespace: 'shop',
    version: 'v1.34.4',
    client: 'v1.34.4',
    names: new OwnNames('ghcr.io/acme/shop'),
    life: new AbortController().signal,
    get: cannot('get'),
    find: cannot('find'),
    review: cannot('review'),
    post: cannot('post'),
    dryRun: cannot('dryRun'),
    put: cannot('put'),
    remove: cannot('remove'),
    lines: cannot('lines'),
    kubectl: cannot('kubectl'),
    kustomize: cannot('kustomize'),
    printFiles: cannot('printFiles'),
    stream: cannot('stream'),
    commandLine: cannot('commandLine'),
    close: () => Promise.resolve(),
    ...can,
  }
}

export interface Memory {
  readonly cluster: Cluster
  /** What stands there, by path. */
  readonly objects: Map<string, KubeObject>
  /** Each request with what became of it: `PUT /a 409`. */
  readonly asked: string[]
  /** Somebody else's write: always newer than what was read before. */
  write(path: string, object: KubeObject): void
}

/** What happens to a request: nothing special, an error, or something that somebody else does right before. */
export type Trouble = 'no answer' | 'answer lost' | number | ((memory: Memory) => void)

/**
 * Keeps objects as the API server does: each write makes a new resourceVersion, and one that was decided
 * on an older version is a conflict. `troubles`, by request (`PUT /a`), each happen once, in their order.
 */
export function memoryCluster(
  objects: Readonly<Record<string, KubeObject>>,
  troubles: Readonly<Record<string, readonly Trouble[]>> = {},
  /** What an admission webhook makes of what is put. */
  admitted: (object: KubeObject) => KubeObject = (object) => object,
): Memory {
  const left = new Map(Object.entries(troubles).map(([request, all]) => [request, [...all]]))
  let version = 0
  const kept = new Map<string, KubeObject>()
  const write = (path: string, object: KubeObject) => {
    version += 1
    kept.set(path, {
      ...object,
      metadata: { ...object.metadata, resourceVersion: String(version) },
    })
  }
  const answer = async <T>(request: string, work: () => T): Promise<T> => {
    await settled()
    const problem = left.get(request)?.shift()
    const say = (status: string | number) => memory.asked.push(`${request} ${status}`)
    try {
      if (problem === 'no answer') throw new Error('socket hang up')
      if (typeof problem === 'number') throw new ApiError(problem, '', `status ${problem}`)
      if (typeof problem === 'function') problem(memory)
      const value = work()
      if (problem === 'answer lost') throw new Error('read ECONNRESET')
      say(200)
      return value
    } catch (error) {
      say(error instanceof ApiError ? error.status : 'error')
      throw error
    }
  }
  const memory: Memory = {
    objects: kept,
    asked: [],
    write,
    cluster: clusterOf({
      find: <T>(path: string) => answer(`GET ${path}`, () => kept.get(path) as T | undefined),
      dryRun: <T>(path: string, body: unknown) =>
        answer(`DRY ${path}`, () => admitted(body as KubeObject) as T),
      put: <T>(path: string, body: unknown) =>
        answer(`PUT ${path}`, () => {
          const live = kept.get(path)
          const object = body as KubeObject
          if (!live) throw new ApiError(404, 'NotFound', 'not found')
          if (object.metadata?.resourceVersion !== live.metadata?.resourceVersion) {
            throw new ApiError(409, 'Conflict', 'the object has been modified')
          }
          write(path, admitted(object))
          return kept.get(path) as T
        }),
      post: <T>(path: string, body: unknown) => {
        const object = body as KubeObject
        const own = `${path}/${object.metadata?.name}`
        return answer(`POST ${own}`, () => {
          if (kept.has(own)) throw new ApiError(409, 'AlreadyExists', 'the object is there')
          write(own, object)
          return kept.get(own) as T
        })
      },
      remove: (path, { uid } = {}) =>
        answer(`DELETE ${path}`, () => {
          const live = kept.get(path)
          if (live && uid !== undefined && live.metadata?.uid !== uid) {
            throw new ApiError(409, 'Conflict', 'the object is another one')
          }
          kept.delete(path)
        }),
    }),
  }
  for (const [path, object] of Object.entries(objects)) write(path, object)
  return memory
}
