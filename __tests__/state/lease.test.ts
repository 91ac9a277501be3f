import { beforeEach, describe, expect, test } from '@jest/globals'
import type { Lease } from 'kubernetes-types/coordination/v1'
import { ApiError } from '../../src/kubernetes/api-error.js'
import type { Cluster } from '../../src/kubernetes/cluster.js'
import { fenced } from '../../src/state/fence.js'
import { LeaseLost, type HeldLease } from '../../src/state/held-lease.js'
import { isFree, acquireLease, type Holder, type AcquireResult } from '../../src/state/lease.js'
import type { KubeObject } from '../../src/kubernetes/objects.js'
import { handClock, settled, type HandClock } from '../support/clock.js'
import { clusterOf, memoryCluster, type Memory, type Trouble } from '../support/cluster.js'

const path = '/apis/coordination.k8s.io/v1/namespaces/shop/leases/django-rollout-shop'
const lastsMs = 30_000
const never = new AbortController().signal

let clock: HandClock
let memory: Memory
let cluster: Cluster

beforeEach(() => {
  clock = handClock(Date.parse('2026-01-01T00:00:00Z'))
  memory = memoryCluster({})
  cluster = {
    ...memory.cluster,
    post: <T>(collection: string, body: unknown) => {
      const object = body as KubeObject
      const where = `${collection}/${object.metadata?.name ?? ''}`
      if (memory.objects.has(where)) return Promise.reject(new ApiError(409, 'AlreadyExists', ''))
      memory.write(where, object)
      return Promise.resolve(memory.objects.get(where) as T)
    },
  }
})

const metadata = {
  name: 'django-rollout-shop',
  labels: { 'app.kubernetes.io/managed-by': 'django-rollout' },
}
const holder = (id: string): Holder => ({ id, who: id, url: `https://ci.example/${id}` })

/** Starts to take the lock; what became of it can be asked at any time. */
function take(id: string, waitMs = 0) {
  const waits: string[] = []
  let taking: AcquireResult | undefined
  const done = acquireLease(
    { cluster, clock },
    { name: 'django-rollout-shop', holder: holder(id), lastsMs, waitMs },
    never,
    (by) => waits.push(by),
  ).then((taken) => (taking = taken))
  return { waits, done, is: () => taking?.is }
}

const live = () => memory.objects.get(path) as Lease | undefined
const owner = () => live()?.spec?.holderIdentity

async function taken(id: string) {
  const taking = await take(id).done
  if (taking.is !== 'taken') throw new Error(`${id} did not get the lock`)
  return taking.lease
}

describe('a Lease', () => {
  test.each([
    ['it was never held', undefined, 0, true],
    ['it was given back', '', 0, true],
    ['another run renewed it a moment ago', 'other', 0, false],
    ['another run has not renewed it for almost as long as it lasts', 'other', 29_999, false],
    ['another run is gone', 'other', 30_000, true],
    ['it is our own', 'me', 0, true],
  ])('is free or not when %s (case %#)', (_, holderIdentity, unchanged, free) => {
    const spec = holderIdentity === undefined ? {} : { holderIdentity }
    expect(isFree({ spec }, 'me', unchanged, lastsMs)).toBe(free)
  })
})

describe('the lock', () => {
  test('is taken when it is free, and is free again after its release', async () => {
    const lease = await taken('a')
    expect(owner()).toBe('a')
    await lease.release()
    expect(owner()).toBe('')
    await taken('b')
    expect(owner()).toBe('b')
  })

  test('of another run is reported at once when there is no waiting time', async () => {
    await taken('a')
    expect(await take('b').done).toEqual({ is: 'held', by: 'a, https://ci.example/a' })
    expect(owner()).toBe('a')
  })

  test('is waited for, and given to one of two runs', async () => {
    const lease = await taken('a')
    const [b, c] = [take('b', 600_000), take('c', 600_000)]
    await clock.pass(5_000)
    expect([b.is(), c.is()]).toEqual([undefined, undefined])
    await lease.release()
    await clock.pass(2_000)
    expect([b.is(), c.is()].filter((is) => is === 'taken')).toHaveLength(1)
  })

  test('is renewed for as long as it is held', async () => {
    await taken('a')
    const b = take('b', 600_000)
    await clock.pass(300_000)
    expect(b.is()).toBeUndefined()
    expect(owner()).toBe('a')
  })

  test.each<[string, readonly Trouble[]]>([
    ['has too much to do', [429, 503]],
    ['does not answer, although it has received the request', ['answer lost', 'answer lost']],
    ['does not receive the request', ['no answer']],
  ])('is taken by the run that goes on asking a server that %s', async (_, troubles) => {
    for (const method of ['POST', 'PUT']) {
      const taker = memoryCluster({}, { [`${method} ${path}`]: troubles })
      if (method === 'PUT') taker.write(path, { metadata, spec: { holderIdentity: '' } })
      ;({ cluster } = taker)
      const a = take('a')
      await clock.pass(5_000)
      expect(a.is()).toBe('taken')
      expect((taker.objects.get(path) as Lease).spec?.holderIdentity).toBe('a')
    }
  })

  test('of a run that has disappeared is free after its time, however wrong the clock of that machine is', async () => {
    memory.write(path, {
      metadata,
      spec: { holderIdentity: 'gone', renewTime: '2031-01-01T00:00:00.000000Z' },
    })
    const b = take('b', 600_000)
    await clock.pass(29_000)
    expect(b.is()).toBeUndefined()
    await clock.pass(2_000)
    expect([b.is(), owner()]).toEqual(['taken', 'b'])
  })

  test('is lost when another run has taken it', async () => {
    const lease = await taken('a')
    memory.write(path, { metadata: { name: 'x' }, spec: { holderIdentity: 'b' } })
    await clock.pass(11_000)
    expect(lease.lost.aborted).toBe(true)
    await lease.release()
    expect(owner()).toBe('b')
  })

  test('is not lost when another client writes an annotation on it', async () => {
    const lease = await taken('a')
    memory.write(path, { ...live(), metadata: { ...metadata, annotations: { note: 'hello' } } })
    await clock.pass(60_000)
    expect([lease.lost.aborted, owner()]).toEqual([false, 'a'])
    const b = take('b')
    expect((await b.done).is).toBe('held')
  })

  test('becomes uncertain before another run may take it, when no renewal succeeds', async () => {
    const lease = await taken('a')
    cluster.put = () => Promise.reject(new Error('socket hang up'))
    await clock.pass(26_900)
    expect((await lease.ensureHeld()).aborted).toBe(false)
    await clock.pass(200)
    expect(await isOurs(lease)).toBe('transient')
    expect(lease.lost.aborted).toBe(false)
  })

  test('is not renewed by a response that arrives too late', async () => {
    const lease = await taken('a')
    const { put } = cluster
    cluster.put = async <T>(where: string, body: unknown) => {
      await clock.sleep(28_000)
      return put<T>(where, body)
    }
    await clock.pass(28_000)
    const wrote: number[] = []
    void lease.ensureHeld().then(() => wrote.push(clock.now()))
    await clock.pass(10_500)
    expect([owner(), wrote]).toEqual(['a', []])
  })

  test('is uncertain after a run has been suspended, until it is renewed', async () => {
    const lease = await taken('a')
    const version = () => live()?.metadata?.resourceVersion
    const before = version()
    clock.standStill(40_000)
    const atWrite = lease.ensureHeld().then(version)
    await clock.pass(1_000)
    expect(await atWrite).not.toBe(before)
  })

  test('is held again when the server comes back and no other run has taken it', async () => {
    const lease = await taken('a')
    const before = await lease.ensureHeld()
    const { put } = cluster
    cluster.put = () => Promise.reject(new ApiError(502, '', 'connect: connection refused'))
    await clock.pass(60_000)
    expect([before.aborted, await isOurs(lease)]).toEqual([true, 'transient'])
    cluster.put = put
    await clock.pass(2_000)
    expect([await isOurs(lease), (await lease.ensureHeld()).aborted]).toEqual(['ours', false])
    await clock.pass(300_000)
    expect(await isOurs(lease)).toBe('ours')
  })

  const gone = new Error('socket hang up')
  const denied = new ApiError(401, 'Unauthorized', 'Unauthorized')
  test.each<[string, Error, number, string, string]>([
    ['the server stays away for 90 s', gone, 90_000, 'unreachable', 'socket hang up'],
    ['its credentials have run out', denied, 27_000, 'denied', '401 Unauthorized'],
    ['its rights are gone', new ApiError(403, 'Forbidden', ''), 27_000, 'denied', '403 Forbidden'],
  ])('is lost when %s', async (_, error, after, why, words) => {
    const lease = await taken('a')
    cluster.put = () => Promise.reject(error)
    await clock.pass(after - 100)
    expect(lease.lost.aborted).toBe(false)
    await clock.pass(200)
    expect(lease.lost.reason).toMatchObject({ name: 'LeaseLost', why, words })
    await expect(lease.ensureHeld()).rejects.toBe(lease.lost.reason)
  })

  test('is lost at once when the server comes back and no longer knows the account', async () => {
    const lease = await taken('a')
    cluster.put = () => Promise.reject(gone)
    await clock.pass(40_000)
    cluster.put = () => Promise.reject(denied)
    await clock.pass(2_000)
    expect(lease.lost.reason).toMatchObject({ why: 'denied' })
  })

  test.each([
    ['another run has it', { spec: { holderIdentity: 'b' } }, 'b, https://ci.example/b'],
    ['another client deleted it', undefined, ''],
  ])('is lost when the server comes back and %s', async (_, now, words) => {
    const lease = await taken('a')
    const { put } = cluster
    cluster.put = () => Promise.reject(gone)
    await clock.pass(40_000)
    if (now) {
      const annotations = { 'django-rollout/holder': words }
      memory.write(path, { metadata: { name: 'x', annotations }, ...now })
    } else memory.objects.delete(path)
    cluster.put = put
    const wanted = lease.ensureHeld().catch((reason: unknown) => reason)
    await clock.pass(2_000)
    expect(lease.lost.reason).toMatchObject({ why: 'taken', words })
    expect(await wanted).toBe(lease.lost.reason)
  })
})

/** What a write would meet now. */
function isOurs(lease: HeldLease): Promise<string> {
  return Promise.race([
    lease.ensureHeld().then(
      () => 'ours',
      () => 'lost',
    ),
    clock.pass(3_000).then(() => 'transient'),
  ])
}

describe('a write of a run that may have lost its lock', () => {
  const body = { metadata: { name: 'x' } }
  const sure = new AbortController().signal
  const done = { code: 0, stdout: '', stderr: '' }
  const writes: [string, (cluster: Cluster) => Promise<unknown>][] = [
    ['post', (one) => one.post('/a', body)],
    ['put', (one) => one.put('/a', body)],
    ['remove', (one) => one.remove('/a')],
    ['kubectl', (one) => one.kubectl(['set', 'image'])],
  ]
  const scene = (ours: HeldLease['ensureHeld']) => {
    const given: unknown[] = []
    const write = (signal: unknown) => Promise.resolve(void given.push(signal))
    const bare = clusterOf({
      post: <T>(_path: string, _body: unknown, signal?: AbortSignal) => write(signal) as Promise<T>,
      put: <T>(_path: string, _body: unknown, signal?: AbortSignal) => write(signal) as Promise<T>,
      remove: (_path, { signal } = {}) => write(signal),
      kubectl: async (_args, how) => {
        given.push(await how?.ensureHeld?.())
        return done
      },
    })
    return { given, guard: fenced(bare, { ensureHeld: ours }) }
  }

  test.each(writes)(
    'by %s waits until the lock is held again, and is aborted when it is lost',
    async (_, write) => {
      const asked = Promise.withResolvers<AbortSignal>()
      const { given, guard } = scene(() => asked.promise)
      const writing = write(guard)
      await settled()
      expect(given).toEqual([])
      asked.resolve(sure)
      await writing
      expect(given).toEqual([sure])
    },
  )

  test.each(writes)('by %s is not sent when the lock is lost', async (_, write) => {
    const reason = new LeaseLost('taken', 'b')
    const { given, guard } = scene(() => Promise.reject(reason))
    await expect(write(guard)).rejects.toBe(reason)
    expect(given).toEqual([])
  })
})
