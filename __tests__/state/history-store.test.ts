/** The history in its ConfigMap, with the pod templates of what went live. */
import { describe, expect, test } from '@jest/globals'
import { randomBytes } from 'node:crypto'
import {
  readArchive,
  readHistory,
  saveRelease,
  type LiveVersion,
} from '../../src/state/history-store.js'
import type { ReleaseEnd } from '../../src/state/history.js'
import type { Templates } from '../../src/undo/templates.js'
import { handClock } from '../support/clock.js'
import { memoryCluster } from '../support/cluster.js'

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

test('what ran before a release is told with it, once, and with its templates', async () => {
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

describe('the templates of a release', () => {
  test('are kept when it has gone live, and stay when others follow', async () => {
    const { add, cluster, kept } = archive()
    await add(ended('a'), templates('a'))
    await add(ended('b', 'undone'))
    await add(ended('c'), templates('c'))
    expect(await kept()).toEqual([1, 3])
    expect((await readArchive(cluster, 'shop', 'shop')).templates.get(1)).toEqual(templates('a'))
  })

  test('have their limit: the newest stay', async () => {
    const { add, objects, kept } = archive()
    for (const run of 'abcdefghij') {
      await add(ended(run), templates(randomBytes(50 * 1024).toString('base64')))
    }
    expect((await kept()).at(-1)).toBe(10)
    expect((await kept()).length).toBeGreaterThan(4)
    expect(JSON.stringify(objects.get(path)).length).toBeLessThan(400 * 1024)
    expect(await readHistory(archiveOf(objects), 'shop', ended('a').image)).toHaveLength(10)
  })

  test('that somebody has changed by hand are as if they were not there', async () => {
    const { add, objects, write, kept } = archive()
    await add(ended('a'), templates('a'))
    write(path, { ...objects.get(path), binaryData: { 'templates-000001': 'bm8=' } } as object)
    expect(await kept()).toEqual([])
  })
})

function archiveOf(objects: ReadonlyMap<string, object>) {
  return memoryCluster(Object.fromEntries(objects)).cluster
}
