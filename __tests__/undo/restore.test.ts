/** Putting a snapshot back on a cluster that has its moments. */
import { describe, expect, test } from '@jest/globals'
import {
  isWorkload,
  templateOf,
  withImage,
  withTemplate,
  type KubeObject,
} from '../../src/kubernetes/objects.js'
import { changedSince, externalChanges, restore } from '../../src/undo/restore.js'
import type { ObjectSnapshot, Snapshot } from '../../src/undo/snapshot.js'
import { handClock } from '../support/clock.js'
import { memoryCluster, type Memory, type Trouble } from '../support/cluster.js'
import { notebook } from '../support/journal.js'
import { scripted } from '../support/scripted.js'

const config = (name: string, color: string): KubeObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name },
  ...{ data: { color } },
})

const volume: KubeObject = {
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: { name: 'media' },
  spec: {},
}

const changed = (name: string): ObjectSnapshot => ({
  path: `/${name}`,
  object: config(name, 'old'),
  written: config(name, 'new'),
  change: 'apply',
  of: 'other',
})
const created = (name: string, object = config(name, 'new')): ObjectSnapshot => ({
  path: `/${name}`,
  object,
  written: object,
  change: 'create',
  of: 'other',
})

/** One object that the release has changed, and one that it has created. */
const snapshot: Snapshot = [changed('a'), created('b')]
const released = { '/a': config('a', 'new'), '/b': config('b', 'new') }

function onCluster(troubles: Readonly<Record<string, readonly Trouble[]>> = {}): Memory {
  return memoryCluster(released, troubles)
}

/** Restores; each object with what was done, what was said, and the pauses between (ms). */
async function run(memory: Memory, what: Snapshot = snapshot) {
  const { platform, slept } = scripted([])
  const stageLog = notebook()
  const { signal } = new AbortController()
  const restored = await restore(
    { cluster: memory.cluster, clock: platform.clock, log: stageLog, signal },
    what,
  )
  return {
    did: restored.map(({ prior, did }) => `${prior.path} ${did}`).join(', '),
    lines: stageLog.lines.toSorted(),
    slept,
  }
}

/** `/a=old` */
function standing({ objects }: Memory): string {
  return [...objects]
    .map(([path, object]) => `${path}=${(object as { data?: { color?: string } }).data?.color}`)
    .toSorted()
    .join(' ')
}

describe('restore', () => {
  test('restores changed objects, removes created ones, and reports both', async () => {
    const memory = onCluster()
    expect(await run(memory)).toEqual({
      did: '/a put, /b delete',
      lines: ['configmap/a restored', 'configmap/b removed (created by the release)'],
      slept: [],
    })
    expect(standing(memory)).toBe('/a=old')
    expect(memory.asked.toSorted()).toEqual([
      'DELETE /b 200',
      'GET /a 200',
      'GET /b 200',
      'PUT /a 200',
    ])
  })

  test.each<[string, Snapshot, Memory, string, readonly string[]]>([
    ['nothing', [], onCluster(), '', []],
    [
      'what was not reached yet',
      snapshot,
      memoryCluster({ '/a': config('a', 'old') }),
      '/a nothing, /b nothing',
      [],
    ],
    [
      'an object that another client deleted',
      snapshot,
      memoryCluster({}),
      '/a ask, /b nothing',
      ['configmap/a was deleted by another client'],
    ],
    [
      'data',
      [created('media', volume)],
      memoryCluster({ '/media': volume }),
      '/media keep',
      ['persistentvolumeclaim/media kept, because it holds data'],
    ],
    [
      'what data needs',
      [created('db', database()), created('keys', { kind: 'Secret', metadata: { name: 'keys' } })],
      memoryCluster({ '/db': database(), '/keys': { kind: 'Secret', metadata: { name: 'keys' } } }),
      '/db keep, /keys keep',
      [
        'secret/keys kept, because statefulset/db needs it',
        'statefulset/db kept, because it holds data',
      ],
    ],
  ])('writes nothing for %s', async (_, what, memory, did, lines) => {
    expect(await run(memory, what)).toEqual({ did, lines, slept: [] })
    expect(memory.asked.filter((request) => !request.startsWith('GET'))).toEqual([])
  })

  test('reports the digest by which an image is restored', async () => {
    const memory = memoryCluster({ '/web': deployment('shop:new') })
    const { lines } = await run(memory, [
      { ...ofOurs('web'), ran: { web: `shop:latest@sha256:${'ab'.repeat(32)}` } },
    ])
    expect(lines).toEqual([
      'deployment/web restored (latest as sha256:abababababab that ran before)',
    ])
  })
})

describe('a template that admission changes when it is restored', () => {
  const web = setsNew()
  const stamped = (object: KubeObject): KubeObject => {
    if (!isWorkload(object)) return object
    const template = templateOf(object)
    return withTemplate(object, { ...template, metadata: { labels: { team: 'a' } } })
  }
  const pinning = (object: KubeObject): KubeObject =>
    isWorkload(object)
      ? withTemplate(
          object,
          withImage(templateOf(object), () => true, 'shop@sha256:0a'),
        )
      : object
  const ends = async (memory: Memory) => {
    const { platform } = scripted([])
    const { signal } = new AbortController()
    const [one] = await restore(
      { cluster: memory.cluster, clock: platform.clock, log: notebook(), signal },
      [web],
    )
    return one && `${one.did}${one.isBack ? ', back' : ''}`
  }

  test.each([
    ['stamped', stamped],
    ['pinned', pinning],
  ])('counts as restored when it is %s', async (_, admitted) => {
    const memory = memoryCluster({ '/web': deployment('shop:new') }, {}, admitted)
    expect(await ends(memory)).toBe('put, back')
    // Whoever comes next knows it too.
    expect(await ends(memory)).toBe('nothing, back')
    expect(await changedSince(memory.cluster, [web])).toBe(false)
  })

  test('does not count as restored when another client has changed it', async () => {
    const memory = memoryCluster({ '/web': deployment('shop:hotfix') }, {}, stamped)
    expect(await ends(memory)).toBe('external')
  })

  test.each([400, 403, 409])(
    'does not count as restored when the server gives no answer (%d)',
    async (status) => {
      const memory = memoryCluster(
        { '/web': stamped(deployment('shop:hotfix')) },
        { 'DRY /web': [status] },
      )
      expect(await ends(memory)).toBe('external')
    },
  )
})

describe('an object that is being deleted', () => {
  const leaving = (object: KubeObject): KubeObject => ({
    ...object,
    metadata: { ...object.metadata, deletionTimestamp: '2026-07-01T10:00:00Z' },
  })

  test.each<[string, ObjectSnapshot, KubeObject, string]>([
    ['ours', setsNew(), deployment('shop:new'), '/web ask'],
    ['as it was', setsNew(), deployment('shop:latest'), '/web ask'],
    ['created', { ...setsNew(), change: 'create' }, deployment('shop:new'), '/web nothing'],
  ])('counts as deleted: %s', async (_, prior, live, did) => {
    const memory = memoryCluster({ '/web': leaving(live) })
    expect((await run(memory, [prior])).did).toBe(did)
    expect(memory.asked).toEqual(['GET /web 200'])
  })

  test('is waited for when our undo has deleted it, so that it can be created again', async () => {
    const sealed = { ...changed('a'), change: 'make-immutable' } as const
    const memory = memoryCluster(
      { '/a': leaving(config('a', 'new')) },
      { 'POST /a': [409, (now) => now.objects.delete('/a')] },
    )
    expect((await run(memory, [sealed])).did).toBe('/a put')
    expect(standing(memory)).toBe('/a=old')
  })
})

describe('a version of another client', () => {
  const web = setsNew()

  test('is left alone and reported, and everything else is restored', async () => {
    const memory = memoryCluster({ ...released, '/web': deployment('acme/shop:hotfix') })
    expect(await run(memory, [...snapshot, web])).toEqual({
      did: '/a put, /b delete, /web external',
      lines: [
        'configmap/a restored',
        'configmap/b removed (created by the release)',
        'deployment/web runs shop:hotfix, set by another client: not restored',
      ],
      slept: [],
    })
    expect(memory.asked).not.toContain('PUT /web 200')
    expect((await run(memory, [...snapshot, web])).did).toBe(
      '/a nothing, /b nothing, /web external',
    )
  })

  test.each<[string, ObjectSnapshot, string]>([
    ['that comes while ours is restored', web, 'PUT /web'],
    ['that comes while ours is removed', { ...web, change: 'create' }, 'DELETE /web'],
  ])('is left alone when it arrives late: %s', async (_, prior, request) => {
    const external = (uid: string, image: string) => ({
      ...deployment(image),
      metadata: { name: 'web', uid },
    })
    const memory = memoryCluster(
      { '/web': external('one', 'shop:new') },
      {
        [request]: [
          (now) => {
            now.write('/web', external('two', 'shop:hotfix'))
          },
        ],
      },
    )
    expect((await run(memory, [prior])).did).toBe('/web external')
    expect(memory.objects.get('/web')?.metadata?.uid).toBe('two')
    const asked = memory.asked.filter((one) => !one.startsWith('DRY'))
    expect(asked).toEqual(['GET /web 200', `${request} 409`, 'GET /web 200'])
  })

  test.each<[string | undefined, string, readonly KubeObject[]]>([
    [undefined, 'ours', [deployment('shop:new')]],
    [undefined, 'as before', [deployment('shop:latest')]],
    ['deployment/web runs shop:hotfix', 'external', [deployment('shop:hotfix')]],
    ['deployment/web has another pod template', 'no image', [deployment('')]],
    [
      'deployment/web runs shop:one; deployment/web runs shop:two',
      'two',
      [deployment('shop:one'), deployment('shop:two')],
    ],
  ])('is named as "%s" in the case "%s"', async (expected, _, objects) => {
    const memory = memoryCluster(Object.fromEntries(objects.map((one, i) => [`/${i}`, one])))
    const { platform } = scripted([])
    const priors = objects.map((_, i) => ({ ...web, path: `/${i}` }))
    const { signal } = new AbortController()
    const restored = await restore(
      { cluster: memory.cluster, clock: platform.clock, log: notebook(), signal },
      priors,
    )
    expect(externalChanges(restored)).toBe(expected)
  })

  test('is in the report of the state of each object', async () => {
    const memory = memoryCluster({ ...released, '/web': deployment('shop:new') })
    const { platform } = scripted([])
    const { signal } = new AbortController()
    const what = [...snapshot, web]
    const restored = await restore(
      { cluster: memory.cluster, clock: platform.clock, log: notebook(), signal },
      what,
    )
    expect(restored.map(({ current }) => current)).toEqual([
      memory.objects.get('/a'),
      undefined,
      memory.objects.get('/web'),
    ])
  })
})

describe('what a kept object needs', () => {
  /** A Deployment whose container reads a ConfigMap. */
  const reading = (image: string, name: string): KubeObject => ({
    ...deployment(image),
    spec: {
      template: {
        spec: { containers: [{ name: 'web', image, envFrom: [{ configMapRef: { name } }] }] },
      },
    },
  })
  const web: ObjectSnapshot = {
    ...ofOurs('web'),
    object: reading('shop:old', 'a'),
    written: reading('shop:new', 'b'),
  }
  const all = [...snapshot, web]

  test('is restored in the order in which it is needed', async () => {
    const memory = memoryCluster({ ...released, '/web': reading('shop:new', 'b') })
    expect((await run(memory, all)).did).toBe('/a put, /b delete, /web put')
    expect(memory.asked.filter((request) => !request.startsWith('GET'))).toEqual([
      ...['PUT /a 200', 'PUT /web 200', 'DELETE /b 200'],
    ])
  })

  test.each([
    ['a', '/a keep, /b delete, /web external'],
    ['b', '/a put, /b keep, /web external'],
  ])('is kept when a hotfix reads configmap/%s', async (name, did) => {
    const memory = memoryCluster({ ...released, '/web': reading('shop:hotfix', name) })
    const { lines, ...ended } = await run(memory, all)
    expect(ended.did).toBe(did)
    expect(lines).toContain(`configmap/${name} kept, because deployment/web needs it`)
    expect((await run(memory, all)).did).toBe(did.replace(/put|delete/, 'nothing'))
  })

  test('is kept when the workload cannot be restored', async () => {
    const memory = memoryCluster(
      { ...released, '/web': reading('shop:new', 'b') },
      { 'PUT /web': [403] },
    )
    await expect(run(memory, all)).rejects.toThrow('status 403')
    expect(standing(memory)).toContain('/b=new')
    expect((await run(memory, all)).did).toBe('/a nothing, /b delete, /web put')
  })

  test.each([
    ['never became Ready', false, '/a put, /db put'],
    ['has been Ready', true, '/a keep, /db keep'],
  ])('is handled rightly for a database whose new pod %s', async (_, ready, did) => {
    const of = (image: string): KubeObject => ({
      ...reading(image, 'a'),
      kind: 'StatefulSet',
      metadata: { name: 'db', uid: 'set' },
      ...{ status: { currentRevision: 'one', updateRevision: 'two' } },
    })
    const db: ObjectSnapshot = {
      ...changed('db'),
      object: of('postgres:16'),
      written: of('postgres:17'),
    }
    const owner = { apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'db', uid: 'set' }
    const pod = {
      metadata: {
        labels: { 'controller-revision-hash': 'two' },
        ownerReferences: [{ ...owner, controller: true }],
      },
      status: { conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] },
    }
    const memory = memoryCluster({ '/a': config('a', 'new'), '/db': of('postgres:17') })
    const cluster = {
      ...memory.cluster,
      get: <T>() => Promise.resolve({ items: [pod] } as T),
    }
    expect((await run({ ...memory, cluster }, [changed('a'), db])).did).toBe(did)
  })
})

describe('a restore that is repeated ends the same', () => {
  const ran = { web: 'shop:latest@sha256:1' }
  const sealedConfig: KubeObject = { ...config('x', 'new'), ...{ immutable: true } }
  /** Of all kinds of steps one, with what is there after the release, and after the undo. */
  const cases: [string, ObjectSnapshot, KubeObject | undefined, KubeObject | undefined][] = [
    ['an object that was changed', changed('x'), config('x', 'new'), config('x', 'old')],
    ['an object that was not reached', changed('x'), config('x', 'old'), config('x', 'old')],
    ['an object that was created', created('x'), config('x', 'new'), undefined],
    ['an object that was to be created', created('x'), undefined, undefined],
    [
      'an object that was made immutable',
      { ...changed('x'), written: sealedConfig, change: 'make-immutable' },
      { ...sealedConfig, metadata: { name: 'x', uid: 'u' } },
      config('x', 'old'),
    ],
    ['a volume', created('x', volume), volume, volume],
    ['a workload', ofOurs('x'), deployment('shop:new'), deployment('shop:latest')],
    [
      'a workload whose tag has moved',
      { ...ofOurs('x'), ran },
      deployment('shop:new'),
      deployment('shop:latest@sha256:1'),
    ],
    [
      'an applied workload whose tag has moved',
      { ...ofOurs('x'), change: 'apply', ran },
      deployment('shop:new'),
      deployment('shop:latest@sha256:1'),
    ],
    [
      'a workload of a release',
      { ...setsNew(), path: '/x' },
      deployment('shop:new'),
      deployment('shop:latest'),
    ],
    [
      'a workload of a release whose tag has moved',
      { ...setsNew(), path: '/x', ran },
      deployment('shop:new'),
      deployment('shop:latest@sha256:1'),
    ],
    [
      'a workload that somebody has changed before its turn came',
      { ...setsNew(), path: '/x' },
      debugging('shop:latest'),
      debugging('shop:latest'),
    ],
    [
      'a workload whose tag has moved, and which was not reached',
      { ...ofOurs('x'), ran },
      deployment('shop:latest'),
      deployment('shop:latest'),
    ],
  ]
  /** As people decide about it. */
  const current = ({ objects }: Memory) => {
    const { metadata: _, ...decided } = objects.get('/x') ?? {}
    return decided
  }
  const written = (object: KubeObject | undefined) => (object ? { '/x': object } : {})

  describe.each<[string, readonly Trouble[]]>([
    ['once', []],
    ['after a write that was refused', [403]],
    ['after a write whose answer got lost', ['answer lost', 403]],
    ['after many that did not come through', ['no answer', 500, 409, 403]],
  ])('when it runs %s', (_, troubles) => {
    test.each(cases)('with the objects %s', async (_, prior, released, expected) => {
      const memory = memoryCluster(written(released), {
        ...{ 'PUT /x': troubles, 'DELETE /x': troubles, 'POST /x': troubles },
      })
      // A replacement is two requests, and each of them meets its troubles.
      const tries = [...troubles, ...troubles]
      for (const _ of tries) await run(memory, [prior]).catch(() => undefined)
      await run(memory, [prior])
      const { metadata: _metadata, ...wanted } = expected ?? {}
      expect(current(memory)).toEqual(wanted)

      const before = [...memory.objects]
      const { did } = await run(memory, [prior])
      expect(did).toBe(expected === volume ? '/x keep' : '/x nothing')
      expect([...memory.objects]).toEqual(before)
    })
  })

  test('and goes on with the next object where one was refused', async () => {
    const memory = onCluster({ 'DELETE /b': [403] })
    await expect(run(memory)).rejects.toThrow('status 403')
    expect(standing(memory)).toBe('/a=old /b=new')
    expect((await run(memory)).did).toBe('/a nothing, /b delete')
    expect(standing(memory)).toBe('/a=old')
  })
})

describe('a failed request', () => {
  test.each<[string, Record<string, Trouble[]>, readonly number[]]>([
    ['a conflict', { 'PUT /a': [409] }, [250]],
    ['a server that is away', { 'PUT /a': [500, 503] }, [250, 500]],
    ['a server that is busy', { 'PUT /a': [429] }, [250]],
    ['no answer to a read', { 'GET /a': ['no answer', 'no answer'] }, [250, 500]],
    ['no answer to a write', { 'PUT /a': ['no answer'] }, [250]],
    ['an answer that got lost', { 'PUT /a': ['answer lost'] }, [250]],
    ['the same for a removal', { 'DELETE /b': [500, 'answer lost'] }, [250, 500]],
  ])('is retried after "%s"', async (_, troubles, slept) => {
    const memory = onCluster(troubles)
    expect((await run(memory)).slept).toEqual(slept)
    expect(standing(memory)).toBe('/a=old')
  })

  test.each<[string, Record<string, Trouble[]>]>([
    ['status 403', { 'PUT /a': [403] }],
    ['status 422', { 'PUT /a': [422] }],
    ['status 403', { 'GET /a': [403] }],
    ['status 403', { 'DELETE /b': [403] }],
  ])('ends the restore at once with "%s"', async (message, troubles) => {
    const memory = onCluster(troubles)
    await expect(run(memory)).rejects.toThrow(message)
    const [request = ''] = Object.keys(troubles)
    expect(memory.asked.filter((asked) => asked.startsWith(request))).toHaveLength(1)
  })

  test.each<[number, string]>([
    [40, 'a put, b delete'],
    [60, 'status 503'],
  ])('that fails %i times in a row ends as "%s"', async (times, ended) => {
    const memory = onCluster({ 'PUT /a': new Array<Trouble>(times).fill(503) })
    const done = await run(memory).then(
      ({ did }) => did.replaceAll('/', ''),
      (error: unknown) => (error as Error).message,
    )
    expect(done).toBe(ended)
  })

  test('for one object does not keep the others from being restored', async () => {
    const memory = onCluster({ 'PUT /a': [403], 'DELETE /b': [500, 500] })
    await expect(run(memory)).rejects.toThrow('status 403')
    expect(standing(memory)).toBe('/a=new')
  })

  test('is not retried when the undo itself is stopped', async () => {
    const stop = new AbortController()
    const memory = onCluster({ 'GET /a': [500, 500] })
    const clock = handClock()
    const undo = restore({ cluster: memory.cluster, clock, log: notebook(), signal: stop.signal }, [
      changed('a'),
    ])
    await clock.pass(100)
    stop.abort(new Error('stopped'))
    await expect(undo).rejects.toThrow('stopped')
    await clock.pass(10_000)
    expect(memory.asked).toEqual(['GET /a 500'])
  })
})

describe('another client’s write between our reading and our writing', () => {
  test.each<[string, (memory: Memory) => void, string, string]>([
    [
      'another change',
      (memory) => {
        memory.write('/a', config('a', 'external'))
      },
      '/a external',
      '/a=external',
    ],
    [
      'what we wanted to write',
      (memory) => {
        memory.write('/a', config('a', 'old'))
      },
      '/a nothing',
      '/a=old',
    ],
    ['its deletion', (memory) => memory.objects.delete('/a'), '/a ask', ''],
  ])('leads to a new decision: %s', async (_, external, did, expected) => {
    const memory = memoryCluster({ '/a': config('a', 'new') }, { 'PUT /a': [external] })
    expect((await run(memory, [changed('a')])).did).toBe(did)
    expect(standing(memory)).toBe(expected)
  })
})

test('an object that took the name of a deleted immutable object is not deleted', async () => {
  const sealed = {
    ...config('a', 'new'),
    metadata: { name: 'a', uid: 'u' },
    ...{ immutable: true },
  }
  const before = { ...changed('a'), written: sealed, change: 'make-immutable' } as const
  const external = { ...config('a', 'external'), metadata: { name: 'a', uid: 'v' } }
  const memory = memoryCluster(
    { '/a': sealed },
    {
      'DELETE /a': [
        (now) => {
          now.write('/a', external)
        },
      ],
    },
  )
  await run(memory, [before])
  expect(memory.asked).toEqual(['GET /a 200', 'DELETE /a 409', 'GET /a 200'])
  expect(memory.objects.get('/a')?.metadata?.uid).toBe('v')
})

describe('changedSince', () => {
  test.each<[boolean, string, Snapshot, Record<string, KubeObject>]>([
    [false, 'nothing was to be written', [], {}],
    [false, 'nothing was written', snapshot, { '/a': config('a', 'old') }],
    [true, 'one was changed', snapshot, { '/a': config('a', 'new') }],
    [true, 'one was created', snapshot, { '/a': config('a', 'old'), '/b': config('b', 'new') }],
    [true, 'one was deleted', snapshot, {}],
    [true, 'a volume was created', [created('media', volume)], { '/media': volume }],
    [true, 'ours was written', [setsNew()], { '/web': deployment('shop:new') }],
    [true, 'external was written', [setsNew()], { '/web': deployment('shop:hotfix') }],
    [false, 'only their environment was', [setsNew()], { '/web': debugging('shop:latest') }],
  ])('is %s when %s', async (expected, _, what, objects) => {
    const memory = memoryCluster(objects)
    expect(await changedSince(memory.cluster, what)).toBe(expected)
    expect(memory.asked.every((request) => /^(GET|DRY) /.test(request))).toBe(true)
  })
})

/** One of our workloads that ran `shop:latest`. */
function ofOurs(name: string): ObjectSnapshot {
  return {
    path: `/${name}`,
    object: deployment('shop:latest'),
    written: deployment('shop:new'),
    change: 'set-image',
    of: 'workload',
  }
}

/** The same in a release of `shop:new`. */
function setsNew(): ObjectSnapshot {
  return ofOurs('web')
}

/** With an environment that somebody has set. */
function debugging(image: string): KubeObject {
  const containers = [{ name: 'web', image, env: [{ name: 'DEBUG', value: '1' }] }]
  return { ...deployment(image), spec: { template: { spec: { containers } } } }
}

function deployment(image: string): KubeObject {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web' },
    spec: { template: { spec: { containers: [{ name: 'web', image }] } } },
  }
}

/** A database that names a Secret. */
function database(): KubeObject {
  const containers = [{ name: 'db', envFrom: [{ secretRef: { name: 'keys' } }] }]
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: 'db' },
    spec: { template: { spec: { containers } } },
  }
}
