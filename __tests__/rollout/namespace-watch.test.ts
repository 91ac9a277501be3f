/** The picture of a namespace against a server that ends, cuts and forgets watches. */
import { afterEach, describe, expect, test } from '@jest/globals'
import { ApiError } from '../../src/kubernetes/api-error.js'
import type { KubeObject } from '../../src/kubernetes/objects.js'
import { watchNamespace, type NamespaceWatch } from '../../src/rollout/namespace-watch.js'
import { handClock, settled, type HandClock } from '../support/clock.js'
import { clusterOf } from '../support/cluster.js'

const kinds = [
  'deployments',
  'statefulsets',
  'daemonsets',
  'cronjobs',
  'replicasets',
  'jobs',
  'pods',
  'events',
]

interface List {
  readonly version: string
  readonly names: readonly string[]
}

/** One watch that a client has opened. */
class Watch {
  open = true
  readonly #lines: string[] = []
  #wake: () => void = () => {}
  #end: { readonly by?: unknown } | undefined

  constructor(readonly path: string) {}

  event(type: string, name: string, version: string): Promise<void> {
    const metadata = { name, resourceVersion: version }
    return this.line(JSON.stringify({ type, object: { kind: 'Pod', metadata } }))
  }

  line(text: string): Promise<void> {
    this.#lines.push(text)
    this.#wake()
    return settled()
  }

  /** Without an error: as the server ends it. */
  end(by?: unknown): Promise<void> {
    this.#end = { by }
    this.#wake()
    return settled()
  }

  async *lines(signal: AbortSignal): AsyncGenerator<string> {
    signal.addEventListener('abort', () => void this.end(signal.reason))
    try {
      for (;;) {
        const line = this.#lines.shift()
        if (line !== undefined) yield line
        else if (this.#end?.by !== undefined) throw this.#end.by as Error
        else if (this.#end !== undefined) return
        else await new Promise<void>((resolve) => (this.#wake = resolve))
      }
    } finally {
      this.open = false
    }
  }
}

/** A server whose pods are listed and watched as a test says; of all other kinds there is nothing. */
class Server {
  readonly clock: HandClock = handClock()
  readonly life = new AbortController()
  readonly watches: Watch[] = []
  /** Requests for pods, shortened: `list`, `watch from 7`, `watch with the list`. */
  readonly asked: string[] = []
  /** What the next requests get instead of an answer. */
  readonly troubles: Error[] = []

  constructor(
    public list: List = { version: '1', names: [] },
    /** What a watch does that should begin with the list. */
    readonly initial?: Initial,
    readonly kubernetes = initial ? 'v1.34.4' : 'v1.33.4',
  ) {}

  start(): Promise<NamespaceWatch> {
    const cluster = clusterOf({
      life: this.life.signal,
      version: this.kubernetes,
      get: async <T>(path: string) => {
        await settled()
        if (!path.endsWith('/pods')) return { metadata: { resourceVersion: '1' }, items: [] } as T
        this.asked.push('list')
        const problem = this.troubles.shift()
        if (problem) throw problem
        const items = this.list.names.map((name) => ({ metadata: { name, managedFields: [] } }))
        return { metadata: { resourceVersion: this.list.version }, items } as T
      },
      lines: (path, signal) => this.#watch(path, signal),
    })
    return watchNamespace(cluster, this.clock)
  }

  /** The open watch of the pods. */
  get pods(): Watch {
    const open = this.watches.filter((watch) => watch.open && watch.path.includes('/pods?'))
    if (open.length !== 1) throw new Error(`${open.length} watches of the pods are open`)
    return open[0]!
  }

  async *#watch(path: string, signal: AbortSignal): AsyncGenerator<string> {
    await settled()
    if (path.includes('/pods?')) {
      const from = /resourceVersion=(\w+)/.exec(path)?.[1]
      this.asked.push(from === undefined ? 'watch with the list' : `watch from ${from}`)
      const problem = this.troubles.shift()
      if (problem) throw problem
    }
    const isList = path.includes(
      '?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan',
    )
    if (isList && this.initial === 'is refused') throw new ApiError(422, 'Invalid', 'forbidden')
    const watch = new Watch(path)
    this.watches.push(watch)
    if (isList) void this.#begin(watch)
    yield* watch.lines(signal)
  }

  async #begin(watch: Watch): Promise<void> {
    const { version, names } = watch.path.includes('/pods?')
      ? this.list
      : { version: '1', names: [] }
    if (this.initial === 'stays silent') return
    if (this.initial === 'ends') return watch.end()
    if (this.initial === 'fails') return watch.line('{"type": "ERROR", "object": {"code": 500}}')
    for (const name of names) {
      if (this.initial === 'sends it slowly') await this.clock.sleep(4_000)
      await watch.event('ADDED', name, '3')
    }
    if (this.initial === 'never ends its list') return
    const annotations = { 'k8s.io/initial-events-end': 'true' }
    const object = { metadata: { resourceVersion: version, annotations } }
    await watch.line(JSON.stringify({ type: 'BOOKMARK', object }))
  }
}

type Initial =
  | 'sends it'
  | 'sends it slowly'
  | 'is refused'
  | 'fails'
  | 'ends'
  | 'stays silent'
  | 'never ends its list'

let server: Server
afterEach(() => {
  server.life.abort()
})

/** A picture whose watches are open. */
async function watching(list?: List): Promise<NamespaceWatch> {
  server = new Server(list)
  const live = await server.start()
  await server.clock.pass(0)
  return live
}

const namesIn = (live: NamespaceWatch) => [...live.clusterState().pods.keys()].toSorted().join(' ')

describe('the first lists', () => {
  test('cover all kinds, and each watch begins at the version of its list', async () => {
    const live = await watching({ version: '7', names: ['a', 'b'] })
    expect(namesIn(live)).toBe('a b')
    expect(Object.keys(live.clusterState()).toSorted()).toEqual(
      [...kinds, 'confirmedAt'].toSorted(),
    )
    expect(server.watches.map(({ path }) => path.replace(/.*\/(\w+)\?.*/, '$1'))).toEqual(kinds)
    expect(server.pods.path).toBe(
      '/api/v1/namespaces/shop/pods?watch=1&resourceVersion=7&allowWatchBookmarks=true&timeoutSeconds=25',
    )
  })

  test('add the kind, which the items of a list do not have, and leave out managedFields', async () => {
    const live = await watching({ version: '7', names: ['a'] })
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a' } }
    expect(live.clusterState().pods.get('a')).toEqual(pod)
  })

  test('pass their errors on', async () => {
    server = new Server()
    server.troubles.push(new ApiError(403, 'Forbidden', 'pods is forbidden'))
    await expect(server.start()).rejects.toThrow('pods is forbidden')
  })
})

describe('a watch that begins with the list', () => {
  const list = { version: '7', names: ['a', 'b'] }
  /** The state after so many ms. */
  const started = async (initial: Initial | undefined, ms: number, kubernetes?: string) => {
    server = new Server(list, initial, kubernetes)
    const live = server.start()
    await server.clock.pass(ms)
    return live
  }

  test('is one request for each kind, and goes on', async () => {
    const live = await started('sends it', 100)
    expect(namesIn(live)).toBe('a b')
    await server.pods.event('ADDED', 'c', '8')
    await server.pods.event('DELETED', 'a', '9')
    expect(namesIn(live)).toBe('b c')
    expect(server.asked).toEqual(['watch with the list'])
    expect(server.watches).toHaveLength(kinds.length)
    await server.pods.end()
    await server.clock.pass(0)
    expect(server.asked).toEqual(['watch with the list', 'watch from 9'])
  })

  test('may take long, as long as something comes', async () => {
    const live = await started('sends it slowly', 8_100)
    expect(namesIn(live)).toBe('a b')
    expect(server.asked).toEqual(['watch with the list'])
  })

  test('and does not come to its end is replaced by a list after 20 s', async () => {
    server = new Server({ version: '7', names: ['a', 'b', 'c', 'd', 'e', 'f'] }, 'sends it slowly')
    const live = server.start()
    await server.clock.pass(20_100)
    expect(namesIn(await live)).toBe('a b c d e f')
    expect(server.asked).toEqual(['watch with the list', 'list', 'watch from 7'])
  })

  test('closes a gap, too', async () => {
    const live = await started('sends it', 100)
    server.list = { version: '20', names: ['b', 'c'] }
    await server.pods.line('{"type": "ERROR", "object": {"code": 410}}')
    await server.clock.pass(100)
    expect(namesIn(live)).toBe('b c')
    expect(server.asked).toEqual(['watch with the list', 'watch with the list'])
  })

  test.each<[Initial, number]>([
    ['is refused', 100],
    ['fails', 100],
    ['ends', 100],
    ['stays silent', 5_100],
    ['never ends its list', 5_100],
  ])('and %s is replaced by a list, and not tried again: after %d ms', async (initial, ms) => {
    const live = await started(initial, ms)
    expect(namesIn(live)).toBe('a b')
    expect(server.asked).toEqual(['watch with the list', 'list', 'watch from 7'])
    await server.pods.line('{"type": "ERROR", "object": {"code": 410}}')
    await server.clock.pass(100)
    expect(server.asked.slice(3)).toEqual(['list', 'watch from 7'])
  })

  test.each([
    ['v1.31.9', false],
    ['v1.33.4+k3s1', false],
    ['v1.34.0-eks-113cf36', true],
    ['v1.40.1', true],
    ['unknown', false],
  ])('is requested of Kubernetes %s: %s', async (kubernetes, isTried) => {
    await started('sends it', 100, kubernetes)
    expect(server.asked[0] === 'watch with the list').toBe(isTried)
  })
})

describe('an event', () => {
  test.each([
    ['Pod', 'v1', false],
    ['Deployment', 'apps/v1', true],
  ])(
    'about a %s has managedFields, which are long, only where they are read',
    async (kind, apiVersion, has) => {
      const live = await watching({ version: '7', names: ['a'] })
      const managedFields = [{ manager: 'kubelet' }]
      const metadata = { name: 'a', resourceVersion: '8' }
      const object = { apiVersion, kind, metadata: { ...metadata, managedFields }, spec: {} }
      await server.pods.line(JSON.stringify({ type: 'MODIFIED', object }))
      expect(live.clusterState().pods.get('a')?.metadata).toEqual(
        has ? { ...metadata, managedFields } : metadata,
      )
    },
  )

  test.each([
    ['ADDED', 'c', 'a b c'],
    ['MODIFIED', 'a', 'a b'],
    ['DELETED', 'a', 'b'],
    ['DELETED', 'unknown', 'a b'],
    ['BOOKMARK', '', 'a b'],
  ])('of the type %s for %s leads to the objects %s', async (type, name, expected) => {
    const live = await watching({ version: '7', names: ['a', 'b'] })
    let called = 0
    live.onChange(() => (called += 1))
    await server.pods.event(type, name, '8')
    expect(namesIn(live)).toBe(expected)
    expect(called).toBe(1)
  })

  test.each([
    ['ReplicaSet', 2, 'the spec that was read before'],
    ['ReplicaSet', 3, 'its own spec'],
    ['Pod', 2, 'its own spec'],
  ])('of a %s whose generation was 2 and is %s leaves %s', async (kind, generation, expected) => {
    const live = await watching()
    const event = (type: string, generation: number) => {
      const metadata = { name: 'a', uid: 'u', generation, resourceVersion: '8' }
      return server.pods.line(JSON.stringify({ type, object: { kind, metadata, spec: {} } }))
    }
    await event('ADDED', 2)
    const before = live.clusterState().pods.get('a')?.spec
    await event('MODIFIED', generation)
    const isKnown = live.clusterState().pods.get('a')?.spec === before
    expect(isKnown ? 'the spec that was read before' : 'its own spec').toBe(expected)
  })

  test('of the type MODIFIED replaces the object', async () => {
    const live = await watching({ version: '7', names: ['a'] })
    await server.pods.event('MODIFIED', 'a', '8')
    expect((live.clusterState().pods.get('a') as KubeObject).metadata?.resourceVersion).toBe('8')
  })

  test('is not passed to a listener that has gone', async () => {
    const live = await watching()
    let called = 0
    const stop = live.onChange(() => (called += 1))
    stop()
    await server.pods.event('ADDED', 'a', '2')
    expect(called).toBe(0)
  })

  test.each(['ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK'])(
    'of the type %s moves the version at which the next watch begins',
    async (type) => {
      await watching({ version: '7', names: ['a'] })
      await server.pods.event(type, 'a', '9')
      await server.pods.end()
      await server.clock.pass(0)
      expect(server.asked).toEqual(['list', 'watch from 7', 'watch from 9'])
    },
  )
})

describe('a gap that the server cannot bridge is closed by a new list', () => {
  test.each<[string, (live: NamespaceWatch) => Promise<void>, readonly string[]]>([
    [
      'an ERROR event',
      async () => {
        const status = { kind: 'Status', code: 410, reason: 'Expired' }
        await server.pods.line(JSON.stringify({ type: 'ERROR', object: status }))
      },
      ['list', 'watch from 7', 'list', 'watch from 20'],
    ],
    [
      '410 Gone',
      async () => {
        server.troubles.push(new ApiError(410, 'Expired', 'too old resource version'))
        await server.pods.end()
      },
      ['list', 'watch from 7', 'watch from 7', 'list', 'watch from 20'],
    ],
    [
      '410 Gone, and the list fails twice',
      async () => {
        server.troubles.push(new ApiError(410, 'Expired', 'too old resource version'))
        server.troubles.push(new Error('socket hang up'), new ApiError(503, '', 'starting'))
        await server.pods.end()
      },
      ['list', 'watch from 7', 'watch from 7', 'list', 'list', 'list', 'watch from 20'],
    ],
  ])('after %s, and objects deleted in the gap are gone', async (_, gap, asked) => {
    const live = await watching({ version: '7', names: ['a', 'b'] })
    server.list = { version: '20', names: ['b', 'c'] }
    let called = 0
    live.onChange(() => (called += 1))
    await gap(live)
    await server.clock.pass(5000)
    expect(namesIn(live)).toBe('b c')
    expect(server.asked).toEqual(asked)
    expect(called).toBeGreaterThan(0)
  })
})

describe('a watch connection', () => {
  test.each<[string, () => Promise<void>]>([
    ['that the server ends', () => server.pods.end()],
    ['that is cut', () => server.pods.end(new Error('aborted'))],
    ['that ends in the middle of a line', () => server.pods.line('{"type": "ADD')],
  ])('%s is resumed from the last version', async (_, end) => {
    const live = await watching({ version: '7', names: ['a'] })
    await server.pods.event('ADDED', 'b', '8')
    await end()
    await server.clock.pass(250)
    expect(server.asked).toEqual(['list', 'watch from 7', 'watch from 8'])
    await server.pods.event('ADDED', 'c', '9')
    expect(namesIn(live)).toBe('a b c')
  })

  test.each([
    [34.9, ['list', 'watch from 8'], 0],
    [35.3, ['list', 'watch from 8', 'watch from 8'], 0],
    [70, ['list', 'watch from 8', 'watch from 8'], 0],
    [70.8, ['list', 'watch from 8', 'watch from 8', 'watch from 8'], 0],
  ])(
    'that is silent is resumed: after %d s the requests were %j',
    async (seconds, asked, confirmedAt) => {
      const live = await watching({ version: '8', names: ['a'] })
      await server.clock.pass(seconds * 1000)
      expect(server.asked).toEqual(asked)
      expect(live.clusterState().confirmedAt).toBe(confirmedAt)
      expect(namesIn(live)).toBe('a')
      expect(server.watches.filter(({ open }) => open)).toHaveLength(kinds.length)
    },
  )

  test('that delivers events in between is resumed soon, however often it is cut', async () => {
    await watching({ version: '7', names: ['a'] })
    for (const version of ['8', '9', '10', '11']) {
      await server.pods.event('MODIFIED', 'a', version)
      await server.pods.end(new Error('aborted'))
      await server.clock.pass(250)
      expect(server.asked.at(-1)).toBe(`watch from ${version}`)
    }
  })

  test('is retried without limit, with growing pauses', async () => {
    const live = await watching({ version: '7', names: ['a'] })
    server.troubles.push(...new Array<Error>(6).fill(new Error('connect ECONNREFUSED')))
    await server.pods.end(new Error('aborted'))
    const tries: number[] = []
    for (let second = 0; second < 14; second++) {
      const before = server.asked.length
      await server.clock.pass(1000)
      tries.push(server.asked.length - before)
    }
    expect(tries).toEqual([2, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 0, 0, 0])
    await server.pods.event('ADDED', 'b', '8')
    expect(namesIn(live)).toBe('a b')
  })
})

describe('the cluster state is as old as its least fresh kind', () => {
  const endAll = async (but?: string) => {
    for (const watch of server.watches.filter(({ open }) => open)) {
      if (but === undefined || !watch.path.includes(`/${but}?`)) await watch.end()
    }
  }

  test.each<[string, () => Promise<void>, number]>([
    ['all confirm', () => endAll(), 25_000],
    ['all but one', () => endAll('jobs'), 0],
    ['all but the events, which add words alone', () => endAll('events'), 25_000],
    ['all but the CronJobs, which have no pods', () => endAll('cronjobs'), 25_000],
    ['only one has an event', () => server.pods.event('ADDED', 'a', '2'), 0],
    [
      'all but one confirm, and that has a bookmark',
      async () => {
        await endAll('pods')
        await server.pods.event('BOOKMARK', '', '2')
      },
      25_000,
    ],
    [
      'one was cut',
      async () => {
        await endAll('pods')
        await server.pods.end(new Error('aborted'))
      },
      0,
    ],
  ])('when %s: %i', async (_, happens, expected) => {
    const live = await watching()
    await server.clock.pass(25_000)
    expect(live.clusterState().confirmedAt).toBe(0)
    await happens()
    expect(live.clusterState().confirmedAt).toBe(expected)
  })

  test('and unconfirmed events do not make it fresh', async () => {
    const live = await watching({ version: '7', names: ['a'] })
    const watch = server.watches.find(({ path }) => path.includes('/events?'))
    await watch?.event('ADDED', 'web.1', '8')
    expect(live.clusterState().events.size).toBe(1)
    await endAll('events')
    server.troubles.push(...new Array<Error>(9).fill(new Error('connect ECONNREFUSED')))
    await watch?.end(new Error('aborted'))
    await server.clock.pass(10_000)
    expect(live.clusterState().events.size).toBe(1)
    await server.clock.pass(60_000)
    expect(live.clusterState().events.size).toBe(0)
  })

  test('and a confirmation without a change makes it fresh', async () => {
    const live = await watching()
    let called = 0
    live.onChange(() => (called += 1))
    await server.pods.end()
    expect(called).toBe(1)
  })
})

test('the watch ends with the connection to the cluster', async () => {
  const live = await watching({ version: '7', names: ['a'] })
  server.life.abort(new Error('closed'))
  await server.clock.pass(60_000)
  expect(server.watches.filter(({ open }) => open)).toEqual([])
  expect(server.asked).toEqual(['list', 'watch from 7'])
  expect(live.clusterState().confirmedAt).toBe(0)
})
