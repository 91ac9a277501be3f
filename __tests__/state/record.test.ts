/** A record is data: whoever may create Secrets in the namespace may have written it. */
import { describe, expect, test } from '@jest/globals'
import { gzipSync } from 'node:zlib'
import type { Cluster } from '../../src/kubernetes/cluster.js'
import type { KubeObject } from '../../src/kubernetes/objects.js'
import { locate } from '../../src/state/locate.js'
import { openRecord, readRecord, withPaths, type Namespace } from '../../src/state/record.js'
import type { ObjectSnapshot } from '../../src/undo/snapshot.js'
import { causeOf } from '../support/cause.js'
import { handClock } from '../support/clock.js'
import { memoryCluster } from '../support/cluster.js'
import { columnGone } from '../support/misfits.js'

const image = 'ghcr.io/acme/shop'
const path = '/api/v1/namespaces/shop/secrets/django-rollout-shop'
const labels = { 'app.kubernetes.io/managed-by': 'django-rollout' }
const metadata = { name: 'django-rollout-shop', labels, uid: 'u' }

const begun = {
  run: 'x',
  command: 'deploy',
  who: 'ada',
  at: '2026-01-31T12:00:00.000Z',
  image,
  tag: '1',
  digest: 'sha256:0f',
} as const
const timeouts = { timeout: 600_000, grace: { NotReady: 90_000 } }
const namespace = { uid: 'here', roots: 'roots' }

const configMap = (name: string, more: object = {}): KubeObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, ...more },
})
const entry = (object: unknown, more: object = {}) => ({
  object,
  written: object,
  change: 'apply',
  of: 'other',
  ...more,
})
const good = { begun, timeouts, namespace, snapshot: [entry(configMap('a'))] }

const kinds = (...resources: object[]) => ({ resources }) as unknown as KubeObject
const verbs = ['get', 'create', 'update', 'delete']

/** A namespace in which this record stands. */
function clusterWith(data: object | string | undefined, own: object = metadata): Cluster {
  const text = typeof data === 'object' ? JSON.stringify(data) : data
  const commandLine = (args: readonly string[]) => ['kubectl', ...args].join(' ')
  const record = text === undefined ? {} : { record: gzipSync(text).toString('base64') }
  const { cluster } = memoryCluster({
    '/api/v1/namespaces/shop': { metadata: { uid: 'here' } },
    '/api/v1/namespaces/shop/configmaps/kube-root-ca.crt': { metadata: { uid: 'roots' } },
    '/apis/example.com/v1': kinds(
      { name: 'widgets', kind: 'Widget', namespaced: true, verbs },
      { name: 'orbits', kind: 'Orbit', namespaced: false, verbs },
      { name: 'asks', kind: 'Ask', namespaced: true, verbs: ['create'] },
    ),
    '/apis/rbac.authorization.k8s.io/v1': kinds({
      name: 'roles',
      kind: 'Role',
      namespaced: true,
      verbs,
    }),
    [path]: { apiVersion: 'v1', kind: 'Secret', metadata: own, data: record } as KubeObject,
  })
  return { ...cluster, commandLine }
}

async function read(cluster: Cluster, brought: readonly KubeObject[] = []) {
  const found = await readRecord(cluster, 'shop', image)
  return found && withPaths(cluster, 'shop', found, brought)
}

test('a record is read as it was written, with its paths computed again', async () => {
  const memory = memoryCluster({ '/api/v1/namespaces/shop': { metadata: { uid: 'here' } } })
  const prior: ObjectSnapshot = {
    ...(entry(configMap('a')) as unknown as ObjectSnapshot),
    path: '/elsewhere',
  }
  await openRecord(memory.cluster, handClock(0), 'shop', { begun, timeouts, snapshot: [prior] })
  expect(await read(memory.cluster)).toMatchObject({
    begun,
    timeouts,
    namespace: { uid: 'here' },
    snapshot: [{ ...prior, path: '/api/v1/namespaces/shop/configmaps/a' }],
  })
})

const work = { web: 'deployment/web', container: 'web', command: 'python manage.py migrate' }
const misfit = {
  ...columnGone,
}

test.each<[string, object, object]>([
  [
    'a release',
    { ...work, is: 'back', migrations: ['shop.0002_x'], misfits: [misfit] },
    { ...work, is: 'back', migrations: ['shop.0002_x'], misfits: [misfit] },
  ],
  [
    'a first release',
    { ...work, is: 'back', reported: [{ digest: 'sha256:0f', tag: 'v1', needs: 'eJyrrgUA' }] },
    { ...work, is: 'back', reported: [{ digest: 'sha256:0f', tag: 'v1', needs: 'eJyrrgUA' }] },
  ],
  [
    'a release whose misfits cannot be read',
    { ...work, is: 'back', migrations: [], misfits: [{ rule: 'of a later version' }] },
    { ...work, is: 'back', migrations: [] },
  ],
  [
    'a rollback',
    { ...work, is: 'again', tag: '1', digest: 'sha256:0f' },
    { ...work, is: 'again', tag: '1', digest: 'sha256:0f' },
  ],
])('a record has what the undo of %s does about the databases', async (_, schema, read) => {
  const record = await readRecord(clusterWith({ ...good, schema }), 'shop', image)
  expect(record?.schema).toEqual(read)
})

test('a custom kind is found by its name in the server’s discovery', async () => {
  const widget = { apiVersion: 'example.com/v1', kind: 'Widget', metadata: { name: 'w' } }
  const record = await read(clusterWith({ ...good, snapshot: [entry(widget)] }))
  expect(record?.snapshot[0]?.path).toBe('/apis/example.com/v1/namespaces/shop/widgets/w')
})

test('a rare kind of Kubernetes itself is restored by a manifest that contains it', async () => {
  const role = {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'Role',
    metadata: { name: 'r' },
  }
  const cluster = clusterWith({ ...good, snapshot: [entry(role)] })
  expect((await read(cluster, [role]))?.snapshot[0]?.path).toBe(
    '/apis/rbac.authorization.k8s.io/v1/namespaces/shop/roles/r',
  )
  expect(await causeOf(read(cluster))).toMatchObject({
    code: 'record-unusable',
    hint: expect.stringMatching(/^release again with the manifests of that release/) as unknown,
  })
})

test.each([
  ['gateway.networking.k8s.io/v1', true],
  ['snapshot.storage.k8s.io/v1', true],
  ['policy.networking.k8s.io/v1alpha1', true],
  ['networking.k8s.io/v1', false],
  ['rbac.authorization.k8s.io/v1', false],
  ['policy/v1', false],
])('a kind of %s is restored without a manifest: %s', async (apiVersion, isBack) => {
  const thing = { apiVersion, kind: 'Thing', metadata: { name: 't' } }
  const memory = memoryCluster({
    '/api/v1/namespaces/shop': { metadata: { uid: 'here' } },
    [`/apis/${apiVersion}`]: kinds({ name: 'things', kind: 'Thing', namespaced: true, verbs }),
  })
  const located = await locate(memory.cluster, [entry(thing) as unknown as ObjectSnapshot], [])
  expect(located.is).toBe(isBack ? 'found' : 'refused')
})

test.each<[string, Namespace, Namespace, boolean]>([
  ['that its writer could not look at', {}, { uid: 'here', roots: 'roots' }, true],
  ['that this account may not look at', { uid: 'there', roots: 'x' }, {}, true],
  ['of which each knows something else', { uid: 'here' }, { roots: 'roots' }, false],
  ['of one uid', { uid: 'here' }, { uid: 'here', roots: 'roots' }, true],
  ['of another uid', { uid: 'there' }, { uid: 'here', roots: 'roots' }, false],
])(
  'a record of a namespace %s is accepted or refused as expected',
  async (_, there, here, isTaken) => {
    const cluster = clusterWith({ ...good, namespace: there })
    const find = <T>(at: string): Promise<T | undefined> => {
      const uid = at.endsWith('kube-root-ca.crt') ? here.roots : here.uid
      if (at === path) return cluster.find<T>(at)
      return Promise.resolve(uid === undefined ? undefined : ({ metadata: { uid } } as T))
    }
    const reading = read({ ...cluster, find })
    expect(await reading.then(Boolean, () => false)).toBe(isTaken)
  },
)

const deployment = (spec: unknown) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web' },
  spec,
})
const withObject = (object: unknown, more: object = {}) => ({
  ...good,
  snapshot: [entry(object, more)],
})
const withBegun = (more: object) => ({ ...good, begun: { ...begun, ...more } })

describe('a bad record is refused with a way out', () => {
  test.each<[string, object | string | undefined, RegExp]>([
    ['no content', undefined, /no key "record"/],
    ['no JSON', '{', /not JSON/],
    ['another JSON', '[]', /record is not an object/],
    ['a bomb', ' '.repeat(17 * 1024 * 1024), /larger than 16 MiB/],
    ['a well', '['.repeat(100_000), /nested too deeply/],
    ['a field too many', { ...good, then: 'rm' }, /field "then"/],
    [
      'a copied namespace',
      { ...good, namespace: { uid: 'there', roots: 'x' } },
      /another namespace/,
    ],
    ['another root', { ...good, namespace: { roots: 'x' } }, /another namespace/],
    [
      'a commit that is an option',
      withBegun({ sha: '--upload-pack=x' }),
      /begun\.sha is not a commit/,
    ],
    ['a tag that is an option', withBegun({ tag: '-x' }), /begun\.tag is not a tag/],
    ['an image that is an option', withBegun({ image: '--x' }), /begun\.image/],
    ['an invalid digest', withBegun({ digest: 'x y' }), /begun\.digest/],
    ['an invalid time', withBegun({ at: 'now' }), /begun\.at/],
    ['an unknown command', withBegun({ command: 'destroy' }), /begun\.command/],
    [
      'a workload that leads out',
      { ...good, schema: { ...work, is: 'back', migrations: [], web: '../x' } },
      /schema\.web is not a workload/,
    ],
    [
      'a migration that is an option',
      { ...good, schema: { ...work, is: 'back', migrations: ['--all'] } },
      /schema\.migrations\[0\] is not a migration/,
    ],
    [
      'a reversal without its image',
      { ...good, schema: { ...work, is: 'again', tag: '1' } },
      /schema\.digest/,
    ],
    ['no list of objects', { ...good, snapshot: {} }, /snapshot is not a list/],
    ['an invalid entry', { ...good, snapshot: [{ path: '/x' }] }, /snapshot\[0\]\.object/],
    [
      'an object of another namespace',
      withObject(configMap('a', { namespace: 'other' })),
      /of the namespace "other"/,
    ],
    ['a name that leads out', withObject(configMap('../../other/configmaps/a')), /not a name/],
    ['a name with a question', withObject(configMap('a?x=y')), /not a name/],
    [
      'a version that leads out',
      withObject({ ...configMap('a'), apiVersion: '../v1' }),
      /version of an API/,
    ],
    [
      'one object twice',
      { ...good, snapshot: [entry(configMap('a')), entry(configMap('a'))] },
      /twice/,
    ],
    [
      'what becomes another one',
      withObject(configMap('a'), { written: configMap('b') }),
      /another object/,
    ],
    [
      'our own history',
      withObject(configMap('django-rollout-shop')),
      /not from the manifests of a release/,
    ],
    [
      'the namespace',
      withObject({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } }),
      /rights for this kind/,
    ],
    [
      'a pod',
      withObject({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' } }),
      /rights for this kind/,
    ],
    [
      'a kind outside',
      withObject({ apiVersion: 'example.com/v1', kind: 'Orbit', metadata: { name: 'o' } }),
      /outside/,
    ],
    [
      'a question',
      withObject({ apiVersion: 'example.com/v1', kind: 'Ask', metadata: { name: 'o' } }),
      /cannot be restored/,
    ],
    [
      'a kind that is not there',
      withObject({ apiVersion: 'example.com/v1', kind: 'No', metadata: { name: 'o' } }),
      /no such kind/,
    ],
    [
      'containers that are none',
      withObject(deployment({ template: { spec: { containers: 5 } } })),
      /containers is not a list/,
    ],
    ['no spec', withObject(deployment(undefined)), /spec is not an object/],
    ['an invalid workload', withObject(configMap('a'), { of: 'workload' }), /not a workload/],
  ])('for "%s"', async (_, data, why) => {
    const cause = await causeOf(read(clusterWith(data)))
    expect(cause.code).toBe('record-unusable')
    expect(cause.sentence).toMatch(why)
    expect(cause.hint).toContain('delete secret django-rollout-shop')
  })

  test('when it is no gzip', async () => {
    const data = { record: 'bm90IGd6aXA=' }
    const found = { find: <T>() => Promise.resolve({ metadata, data } as T) }
    expect(await causeOf(read({ ...clusterWith(''), ...found }))).toMatchObject({
      code: 'record-unusable',
      sentence: expect.stringContaining('not gzip') as unknown,
    })
  })

  test('when it does not have our label', async () => {
    const cause = await causeOf(read(clusterWith(good, { ...metadata, labels: {} })))
    expect(cause.code).toBe('record-unusable')
  })

  test('when it is a Secret of another client', async () => {
    const cause = await causeOf(read(clusterWith(undefined, { name: 'django-rollout-shop' })))
    expect(cause.code).toBe('name-taken')
    expect(cause.sentence).toContain('secret/django-rollout-shop')
  })

  test('when it belongs to another application', async () => {
    const cause = await causeOf(read(clusterWith(withBegun({ image: 'ghcr.io/other/shop' }))))
    expect(cause).toMatchObject({
      code: 'usage',
      hint: expect.stringContaining('app: acme-shop') as unknown,
    })
  })
})
