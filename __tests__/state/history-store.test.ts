/** The history in its ConfigMap, with the pod templates of what went live. */
import { describe, expect, test } from '@jest/globals'
import type { ConfigMap } from 'kubernetes-types/core/v1'
import { randomBytes } from 'node:crypto'
import { deflateSync } from 'node:zlib'
import {
  readArchive,
  readHistory,
  readReleases,
  saveRelease,
  saveSchemaChange,
  type LiveVersion,
} from '../../src/state/history-store.js'
import type { ReleaseEnd } from '../../src/state/history.js'
import type { Templates } from '../../src/undo/templates.js'
import { handClock } from '../support/clock.js'
import type { KubeObject } from '../../src/kubernetes/objects.js'
import { memoryCluster, type Memory } from '../support/cluster.js'
import { columnGone } from '../support/misfits.js'

const path = '/api/v1/namespaces/shop/configmaps/django-rollout-shop'

const ended = (run: string, result: ReleaseEnd['result'] = 'deployed'): ReleaseEnd => ({
  run,
  command: 'release',
  who: 'ada',
  at: '2026-01-31T12:00:00.000Z',
  image: 'shop',
  tag: run,
  digest: `sha256:${run}`,
  result,
  seconds: 1,
  migrations: [],
})

const templates = (text: string): Templates => ({
  'deployment/web': { spec: { containers: [{ name: 'web', command: [text] }] } },
})

function archive() {
  const memory = memoryCluster({})
  const clock = handClock()
  return {
    ...memory,
    add: (one: ReleaseEnd, own?: Templates) =>
      saveRelease({ cluster: memory.cluster, clock, app: 'shop' }, one, { templates: own }),
    remembered: (one: ReleaseEnd, live: LiveVersion) =>
      saveRelease({ cluster: memory.cluster, clock, app: 'shop' }, one, live),
    kept: async () => [...(await readArchive(memory.cluster, 'shop', 'shop')).templates.keys()],
  }
}

test('the version before a release is recorded with it, once, and with its templates', async () => {
  const { add, cluster, remembered } = archive()
  const before = { tag: 'old', digest: 'sha256:old', templates: templates('old') }
  await add(ended('x', 'undone'))
  await remembered(ended('a'), { templates: templates('a'), before })
  // The answer was lost.
  await remembered(ended('a'), { templates: templates('a'), before })
  await remembered(ended('b'), { templates: templates('b'), before: { ...before, ...ended('a') } })
  const history = await readHistory(cluster, 'shop', 'shop')
  expect(history.map(({ tag, result }) => `${tag} ${result}`)).toEqual([
    'x undone',
    'old found',
    'a deployed',
    'b deployed',
  ])
  expect((await readArchive(cluster, 'shop', 'shop')).templates.get(2)).toEqual(templates('old'))
})

describe('a release whose run has read the history under its lock', () => {
  const b = () => ended('b')
  test.each<[string, (memory: Memory) => void, readonly string[], readonly string[]]>([
    ['is added without another look', () => undefined, ['PUT 200'], ['a', 'b']],
    [
      'is added to what has been added since',
      (memory) => {
        const added = { ...ended('c'), number: 2 }
        const live = memory.objects.get(path) as ConfigMap
        const data = { ...live.data, 'release-000002': JSON.stringify(added) }
        memory.write(path, { ...live, data } as KubeObject)
      },
      ['PUT 409', 'GET 200', 'PUT 200'],
      ['a', 'c', 'b'],
    ],
    [
      'begins the history anew where it was deleted',
      (memory) => memory.objects.delete(path),
      ['PUT 404', 'GET 200', 'POST 200'],
      ['b'],
    ],
  ])('%s', async (_, happens, asked, tags) => {
    const { add, cluster, asked: all, ...memory } = archive()
    await add(ended('a'))
    const read = await readReleases(cluster, 'shop')
    happens({ ...memory, cluster, asked: all })
    all.length = 0
    await saveRelease({ cluster, clock: handClock(), app: 'shop' }, b(), {}, read)
    expect(all.map((line) => line.replace(/ \S+ /, ' '))).toEqual(asked)
    expect((await readHistory(cluster, 'shop', 'shop')).map(({ tag }) => tag)).toEqual(tags)
  })

  test('is the first one', async () => {
    const { cluster, asked } = archive()
    const read = await readReleases(cluster, 'shop')
    await saveRelease({ cluster, clock: handClock(), app: 'shop' }, b(), {}, read)
    expect(asked.map((line) => line.replace(/ \S+ /, ' '))).toEqual(['GET 200', 'POST 200'])
  })
})

describe('the templates of a release', () => {
  test('are kept when it has gone live, and stay when others follow', async () => {
    const { add, cluster, kept } = archive()
    await add(ended('a'), templates('a'))
    await add(ended('b', 'undone'))
    await add(ended('c'), templates('c'))
    expect(await kept()).toEqual([1, 3])
    expect((await readArchive(cluster, 'shop', 'shop')).templates.get(1)).toEqual(templates('a'))
  })

  test('have a limit, and the newest stay', async () => {
    const { add, objects, kept } = archive()
    for (const run of 'abcdefghij') {
      await add(ended(run), templates(randomBytes(50 * 1024).toString('base64')))
    }
    expect((await kept()).at(-1)).toBe(10)
    expect((await kept()).length).toBeGreaterThan(4)
    expect(JSON.stringify(objects.get(path)).length).toBeLessThan(400 * 1024)
    expect(await readHistory(archiveOf(objects), 'shop', ended('a').image)).toHaveLength(10)
  })

  test('count as missing when a user has changed them by hand', async () => {
    const { add, objects, write, kept } = archive()
    await add(ended('a'), templates('a'))
    write(path, { ...objects.get(path), binaryData: { 'templates-000001': 'bm8=' } } as object)
    expect(await kept()).toEqual([])
  })
})

function archiveOf(objects: ReadonlyMap<string, object>) {
  return memoryCluster(Object.fromEntries(objects)).cluster
}

describe('the needs of a version', () => {
  test('that ran before the first release are kept with it, and it fits what was not migrated', async () => {
    const { cluster, remembered } = archive()
    const before = {
      tag: 'old',
      digest: 'sha256:old',
      templates: templates('old'),
      needs: needs('old'),
    }
    await remembered(ended('a'), { needs: needs('note'), before })
    const { history, earlier } = await readArchive(cluster, 'shop', 'shop')
    expect(history[0]).toMatchObject({ tag: 'old', result: 'found', fit: { misfits: [] } })
    expect(earlier.map((one) => one.needs)).toEqual([needs('note'), needs('old')])
  })

  const table = (note: string) => ({ m: 'shop.Order', c: { [note]: { t: 'varchar(50)', p: 1 } } })
  const needs = (note: string) =>
    deflateSync(JSON.stringify({ default: { shop_order: table(note) } })).toString('base64')
  const inUse = async (cluster: Parameters<typeof readArchive>[0]) =>
    (await readArchive(cluster, 'shop', 'shop')).needs

  test('are kept by the digest of its image, whether it went live or not', async () => {
    const { remembered, add, cluster } = archive()
    await remembered(ended('a'), { needs: needs('note') })
    await remembered(ended('b', 'kept'), { needs: needs('text') })
    await add(ended('c'))
    expect(await inUse(cluster)).toEqual(
      new Map([
        ['sha256:a', needs('note')],
        ['sha256:b', needs('text')],
      ]),
    )
  })

  test('of live versions is asked of the next migration, the newest first; its answer stays with them', async () => {
    const { remembered, cluster } = archive()
    await remembered(ended('a'), { needs: needs('note') })
    await remembered(ended('b'), { needs: needs('text') })
    await remembered(ended('c', 'kept'), { needs: needs('other') })
    const { earlier } = await readArchive(cluster, 'shop', 'shop')
    expect(earlier.map((one) => one.needs)).toEqual([needs('text'), needs('note')])
    const lost = {
      ...columnGone,
    } as const
    const [text, note] = earlier.map(({ hash }) => hash)
    const change = {
      [note ?? '']: { added: [lost], gone: [] },
      [text ?? '']: { added: [], gone: [] },
    }
    const databases = [{ database: 'default', unpredicted: [], unmet: [], earlier: change }]
    // It failed, and its migration stays.
    const applied = ['shop.0002']
    await remembered(
      { ...ended('d', 'undone'), migrations: applied },
      { schema: { is: 'compared', databases, applied } },
    )
    const fits = async () =>
      (await readHistory(cluster, 'shop', 'shop')).map(({ fit }) => fit?.misfits)
    const kept = { ...lost, migration: 'shop.0002', release: 4 }
    expect(await fits()).toEqual([[kept], [], undefined, undefined])

    const context = { cluster, clock: handClock(), app: 'shop' }
    const back = { [note ?? '']: { added: [], gone: ['column-gone shop_order.note'] } }
    await saveSchemaChange(context, {
      is: 'compared',
      databases: [{ database: 'default', unpredicted: [], unmet: [], earlier: back }],
      applied: ['shop.0003'],
    })
    expect(await fits()).toEqual([[], undefined, undefined, undefined])
  })

  test('has the migrations that the command "migrate" has applied since', async () => {
    const { add, cluster } = archive()
    await add({ ...ended('a'), migrations: ['shop.0001'] })
    const context = { cluster, clock: handClock(), app: 'shop' }
    await saveSchemaChange(context, undefined, {}, ['shop.0002'])
    const [entry] = await readHistory(cluster, 'shop', 'shop')
    expect(entry?.migrations).toEqual(['shop.0001', 'shop.0002'])
  })

  test('is as unknown as before where another client has written another fit', async () => {
    const { remembered, cluster } = archive()
    await remembered(ended('a'), { needs: needs('note') })
    const live = (await cluster.find<ConfigMap>(path))!
    const data = Object.fromEntries(
      Object.entries(live.data ?? {}).map(([key, text]) => [
        key,
        JSON.stringify({ ...(JSON.parse(text) as object), fit: 'yes' }),
      ]),
    )
    await cluster.put(path, { ...live, data })
    expect(await readHistory(cluster, 'shop', 'shop')).toMatchObject([{ tag: 'a' }])
    expect((await readHistory(cluster, 'shop', 'shop'))[0]?.fit).toBeUndefined()
  })

  test('are kept once for all releases that share them', async () => {
    const { remembered, cluster } = archive()
    for (const run of ['a', 'b', 'c']) await remembered(ended(run), { needs: needs('note') })
    const { binaryData = {} } = (await cluster.find<ConfigMap>(path)) ?? {}
    expect(Object.keys(binaryData)).toHaveLength(1)
    expect((await inUse(cluster)).size).toBe(3)
  })

  test('have a limit, and those of live versions stay, the newest first', async () => {
    const { remembered, cluster } = archive()
    const large = () => {
      const columns = Array.from({ length: 900 }, (): [string, object] => [
        randomBytes(30).toString('hex'),
        { t: 'text' },
      ])
      const all = { default: { a: { m: 'm', c: Object.fromEntries(columns) } } }
      return deflateSync(JSON.stringify(all)).toString('base64')
    }
    expect(large().length).toBeGreaterThan(40_000)
    for (const run of ['a', 'b', 'c', 'd']) await remembered(ended(run), { needs: large() })
    for (const run of ['x', 'y', 'z']) await remembered(ended(run, 'undone'), { needs: large() })
    expect([...(await inUse(cluster)).keys()].sort()).toEqual([
      'sha256:a',
      'sha256:b',
      'sha256:c',
      'sha256:d',
    ])
  })

  test.each<[string, string]>([
    ['other needs', needs('other')],
    ['no base64', '{"default": {}}'],
    ['no needs', deflateSync('{"default": {"a": {"c": {}}}}').toString('base64')],
    ['no JSON', deflateSync('x').toString('base64')],
  ])('count as missing where another client has written %s', async (_, body) => {
    const { remembered, cluster } = archive()
    await remembered(ended('a'), { needs: needs('note') })
    const live = (await cluster.find<ConfigMap>(path))!
    const [key = ''] = Object.keys(live.binaryData ?? {})
    await cluster.put(path, { ...live, binaryData: { [key]: body } })
    expect((await inUse(cluster)).size).toBe(0)
  })
})
