/** What an undo does about the databases where no Job is needed, or none can tell. */
import { describe, expect, test } from '@jest/globals'
import type { Job } from 'kubernetes-types/batch/v1'
import type { Misfit } from '../../../src/django/verdict.js'
import { ApiError } from '../../../src/kubernetes/api-error.js'
import { schemaBack } from '../../../src/stages/migration/back.js'
import type { SchemaWork } from '../../../src/state/record.js'
import type { Snapshot } from '../../../src/undo/snapshot.js'
import { clusterOf } from '../../support/cluster.js'
import { notebook } from '../../support/journal.js'
import { nothing, standing } from '../../support/live.js'
import { lacks } from '../../support/registry.js'
import { scripted } from '../../support/scripted.js'
import { contextOf } from '../../support/settings.js'
import { columnGone } from '../../support/misfits.js'

const lost: Misfit = {
  ...columnGone,
  migration: 'shop.0002_drop',
}
const unfit =
  'the column shop_order.note is gone since shop.0002_drop, but the previous version uses it: every query of shop.Order fails'
const back = (part: object = {}): SchemaWork => ({
  is: 'back',
  web: 'deployment/web',
  container: 'web',
  command: 'python manage.py migrate',
  migrations: ['shop.0002_drop'],
  ...part,
})
const web = (image: string, replicas = 1) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web' },
  spec: { replicas, template: { spec: { containers: [{ name: 'web', image }] } } },
})
const ran = `ghcr.io/acme/shop:v1@sha256:${'a'.repeat(64)}`
const snapshotOf = (change: 'set-image' | 'create', replicas = 1): Snapshot => [
  { path: '/web', object: web(ran, replicas), written: web(ran), change, of: 'workload' },
]

const rows: readonly [
  string,
  SchemaWork | undefined,
  string,
  Snapshot,
  string | undefined,
  number,
][] = [
  ['a release that never migrated', undefined, 'auto', snapshotOf('set-image'), undefined, 0],
  [
    'a schema that fits, by the databases',
    back({ misfits: [] }),
    'auto',
    snapshotOf('set-image'),
    undefined,
    0,
  ],
  [
    'pods that come back in any case',
    back({ misfits: [lost] }),
    'undo',
    snapshotOf('set-image'),
    unfit,
    0,
  ],
  [
    'pods that come back in any case, of a version whose needs were not kept',
    back(),
    'undo',
    snapshotOf('set-image'),
    undefined,
    1,
  ],
  ['a first deploy', back({ misfits: [lost] }), 'auto', snapshotOf('create'), undefined, 0],
  ['a workload without pods', back(), 'auto', snapshotOf('set-image', 0), undefined, 0],
  [
    'a version whose needs were not kept, not compared',
    back(),
    'auto',
    snapshotOf('set-image'),
    undefined,
    1,
  ],
]

test.each(rows)('%s', async (_, schema, option, snapshot, expected, warned) => {
  const { ended, warnings } = await undoOf(schema, option, snapshot)
  expect(await ended).toEqual(expected === undefined ? {} : { unfit: expected })
  expect(warnings).toHaveLength(warned)
})

describe('nothing is restored onto a schema that is known to break it', () => {
  const sentence = `deployment/web cannot work: the new version failed, and the previous version was not restored: ${unfit}`

  test.each(['auto', 'stop', 'reverse'])('where its needs were not kept: %s', async (option) => {
    const { ended, warnings } = await undoOf(
      back({ misfits: [lost] }),
      option,
      snapshotOf('set-image'),
    )
    await expect(ended).rejects.toMatchObject({
      cause: {
        code: 'restore-failed',
        sentence,
        hint: expect.stringMatching(
          /^the migrations were not reversed: what the previous version needs of the database was not kept\nto restore the previous version on this schema: .*--on-unsafe-undo undo$/,
        ),
      },
    })
    expect(warnings).toEqual([])
  })

  test.each([
    ['the digest', ran],
    ['the tag', 'ghcr.io/acme/shop:v1'],
  ])(
    'where the Job is refused that would reverse it, by what was reported of %s',
    async (_, of) => {
      const reported = [{ digest: `sha256:${'a'.repeat(64)}`, tag: 'v1', needs: 'eJyrrgUA' }]
      const [entry] = snapshotOf('set-image')
      const snapshot = entry ? [{ ...entry, object: web(of) }] : []
      const { ended, jobs } = await undoOf(back({ misfits: [lost], reported }), 'auto', snapshot)
      await expect(ended).rejects.toMatchObject({
        cause: { sentence, hint: expect.stringContaining('reversing them failed: no Jobs here') },
      })
      expect(JSON.stringify(jobs)).toContain('eJyrrgUA')
    },
  )
})

describe('the Job of the newer image', () => {
  const digest = `sha256:${'a'.repeat(64)}`
  const reported = [{ digest, tag: 'v1', needs: 'eJyrrgUA' }]
  const begun = {
    how: 'lossless',
    since: ['shop.0002_drop'],
    downtime: true,
    'only-new': true,
    wanted: [0],
  }
  const rows: readonly [string, object, string, object | undefined][] = [
    ['looks at what the release was to apply', {}, 'auto', begun],
    [
      'only looks where that is not known, and takes nothing for older',
      { migrations: undefined },
      'auto',
      { ...begun, how: 'tell', since: [], 'only-new': false },
    ],
    ['only looks where pods come back in any case', {}, 'undo', { ...begun, how: 'tell' }],
    [
      'is not needed where they do, and the databases have said what breaks',
      { misfits: [lost] },
      'undo',
      undefined,
    ],
  ]
  test.each(rows)('%s', async (_, part, option, expected) => {
    const { jobs } = await undoOf(back({ reported, ...part }), option, snapshotOf('set-image'))
    expect(jobs.map(reverseIn)).toEqual(expected === undefined ? [] : [expected])
  })
})

/** What a Job is to reverse. */
function reverseIn(job: unknown): unknown {
  const { spec } = job as Job
  const env = spec?.template.spec?.containers[0]?.env ?? []
  const text = env.find(({ name }) => name === 'DJANGO_ROLLOUT_SPEC')?.value ?? '{}'
  const { reverse } = JSON.parse(text) as { readonly reverse?: object }
  return reverse
}

async function undoOf(schema: SchemaWork | undefined, option: string, snapshot: Snapshot) {
  const warnings: string[] = []
  const jobs: unknown[] = []
  const cluster = clusterOf({
    find: () => Promise.resolve(undefined),
    post: (_, job) => {
      jobs.push(job)
      return Promise.reject(new ApiError(403, 'Forbidden', 'no Jobs here'))
    },
    remove: () => Promise.resolve(),
  })
  const context = contextOf(scripted([lacks('.*')]).platform, { 'on-unsafe-undo': option }).with({
    cluster,
    log: notebook(),
    warn: (sentence: string) => warnings.push(sentence),
  })
  const begun = {
    run: 'x',
    command: 'release',
    who: 'ada',
    at: '2026-01-31T12:00:00.000Z',
    image: 'ghcr.io/acme/shop',
    tag: 'v2',
    digest: `sha256:${'b'.repeat(64)}`,
  } as const
  const input = { begun, snapshot, live: standing({ ...nothing }), ...(schema && { schema }) }
  const ended = schemaBack(context, input, {
    onReversed: () => undefined,
    onBackup: () => undefined,
  })
  await ended.catch(() => undefined)
  return { ended, warnings, jobs }
}
