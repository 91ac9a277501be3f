import { beforeEach, describe, expect, test } from '@jest/globals'
import type { Lease } from 'kubernetes-types/coordination/v1'
import { ApiError } from '../../src/kubernetes/apierror.js'
import type { Cluster } from '../../src/kubernetes/cluster.js'
import { isFree, takeLease, type Holder, type Taking } from '../../src/kubernetes/lease.js'
import type { KubeObject } from '../../src/kubernetes/objects.js'
import { handClock, type HandClock } from '../support/clock.js'
import { memoryCluster, type Memory } from '../support/cluster.js'

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

const holder = (id: string): Holder => ({ id, who: id, url: `https://ci.example/${id}` })

/** Starts to take the lock; what became of it can be asked at any time. */
function take(id: string, waitMs = 0) {
  const waits: string[] = []
  let taking: Taking | undefined
  const done = takeLease(
    cluster,
    clock,
    'django-rollout-shop',
    holder(id),
    { lastsMs, waitMs },
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

describe('whether a Lease is free', () => {
  test.each([
    ['nobody ever had it', undefined, 0, true],
    ['it was given back', '', 0, true],
    ['another run renewed it a moment ago', 'other', 0, false],
    ['another run has not renewed it for almost as long as it lasts', 'other', 29_999, false],
    ['another run is gone', 'other', 30_000, true],
    ['it is our own', 'me', 0, true],
  ])('%s: %#', (_, holderIdentity, unchanged, free) => {
    const spec = holderIdentity === undefined ? {} : { holderIdentity }
    expect(isFree({ spec }, 'me', unchanged, lastsMs)).toBe(free)
  })
})

describe('the lock', () => {
  test('is taken when nobody has it, and free again when it is released', async () => {
    const lease = await taken('a')
    expect(owner()).toBe('a')
    await lease.release()
    expect(owner()).toBe('')
    await taken('b')
    expect(owner()).toBe('b')
  })

  test('of another run is named at once when nothing is to be waited for', async () => {
    await taken('a')
    expect(await take('b').done).toEqual({ is: 'held', by: 'a, https://ci.example/a' })
    expect(owner()).toBe('a')
  })

  test('is waited for, and goes to one of two that want it', async () => {
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

  test('of a run that is gone is free after its time, however wrong that machine’s clock was', async () => {
    memory.write(path, {
      metadata: { name: 'django-rollout-shop' },
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

  test('is not lost when somebody writes an annotation on it', async () => {
    const lease = await taken('a')
    memory.write(path, { ...live(), metadata: { name: 'x', annotations: { note: 'hello' } } })
    await clock.pass(60_000)
    expect([lease.lost.aborted, owner()]).toEqual([false, 'a'])
    const b = take('b')
    expect((await b.done).is).toBe('held')
  })

  test('counts as lost before another run may take it, when no renewal comes through', async () => {
    const lease = await taken('a')
    cluster.put = () => Promise.reject(new Error('socket hang up'))
    await clock.pass(26_000)
    expect(lease.lost.aborted).toBe(false)
    await clock.pass(4_500)
    expect(lease.lost.aborted).toBe(true)
  })
})
