/**
 * A record is data: whoever may write Secrets in the namespace may have written it. Each run here has all rights,
 * so it is the product that refuses, and not the API server.
 */
import { gunzipSync, gzipSync } from 'node:zlib'
import { writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { Site } from '../e2e/site.js'
import { kubectl, kubectlJson, must, stack } from '../e2e/stack.js'
import { seldom } from '../support/seldom.js'

interface Secret {
  readonly metadata: { readonly name: string; readonly labels: Readonly<Record<string, string>> }
  readonly data: { readonly record: string }
}

/** The content of a record, as far as it is changed here. */
interface Kept {
  readonly snapshot: readonly object[]
  readonly [field: string]: unknown
}

let site: Site
/** Of somebody else. */
let other: string
/** The Secret of a release that failed and was kept. */
let secret: Secret

beforeAll(async () => {
  site = await Site.make('record')
  other = `${site.namespace}-other`
  await kubectl('create', 'namespace', other)
  await site.pushImage('v1', 'STOPSIGNAL SIGKILL\nCMD sleep infinity')
  await site.pushImage('v2', 'STOPSIGNAL SIGKILL\nCMD echo "this version is broken"; exit 1')
  await Promise.all([site.namespace, other].map((namespace) => apply(namespace, live())))
  for (const namespace of [site.namespace, other]) {
    await kubectl('-n', namespace, 'rollout', 'status', 'deployment/web', '--timeout=120s')
  }
  const ended = await run('deploy', site.namespace, {
    tag: 'v2',
    manifests: await file('release', [config('mine', 'new')]),
    'migrate-command': 'none',
    'on-failure': 'keep',
  })
  expect({ result: ended.report.result, output: ended.output }).toMatchObject({ result: 'kept' })
  secret = await kubectlJson<Secret>('-n', site.namespace, 'get', 'secret', 'django-rollout-shop')
})

afterAll(async () => {
  await kubectl('delete', 'namespace', other, '--wait=false')
  await site.remove()
})

type Forgery = [what: string, forge: (record: Kept) => Kept | string, named: string]
const title = 'a record that %s is refused by recover and by a release, and no object is written'

test.each<Forgery>([
  ['restores an object in another namespace', (record) => added(record, 'apply', config('victim', 'eve', other)), 'configmap/victim'],
  ['has a kind that a release needs no right for', (record) => added(record, 'apply', role('Role')), 'role/eve'],
  ['is too large when it is unpacked', (record) => JSON.stringify(record) + ' '.repeat(17 * 1024 * 1024), '16 MiB'],
  ['was written in the namespace of which this one is a copy', (record) => ({ ...record, namespace: { uid: 'a', roots: 'b' } }), 'namespace'],
])(title, isRefused)

seldom.each<Forgery>([
  ['creates an object in another namespace', (record) => added(record, 'create', config('victim', 'eve', other)), 'configmap/victim'],
  ['has a kind outside of all namespaces', (record) => added(record, 'apply', role('ClusterRole')), 'clusterrole/eve'],
  ['has a name that leads into another path', (record) => added(record, 'apply', config(`../../${other}/configmaps/victim`, 'eve')), 'name'],
  ['has the same object twice', (record) => added(record, 'apply', config('mine', 'eve')), 'configmap/mine'],
])(title, isRefused)

async function isRefused(...[, forged, named]: Forgery): Promise<void> {
  const before = await everything()
  await write(site.namespace, forged(recordOf(secret)))
  const { version } = await versionOf(site.namespace)
  for (const command of ['recover', 'deploy'] as const) {
    const ended = await run(command, site.namespace, command === 'deploy' ? { tag: 'v1', 'migrate-command': 'none' } : {})
    expect({ code: ended.report.cause?.code, output: ended.output }).toMatchObject({ code: 'record-unusable' })
    expect(ended.report.cause?.sentence).toContain(named)
    expect(ended.report.cause?.hint).toContain('delete secret django-rollout-shop')
  }
  expect(await everything()).toEqual(before)
  // Whoever looks into it finds what was there.
  expect((await versionOf(site.namespace)).version).toBe(version)
}

test('the record of a copied namespace never restores its original, nor the copy', async () => {
  const before = await everything()
  await write(other, recordOf(secret))
  const ended = await run('recover', other)
  expect({ code: ended.report.cause?.code, output: ended.output }).toMatchObject({ code: 'record-unusable' })
  expect(await everything()).toEqual(before)
})

test('the record is restored as the release wrote it', async () => {
  await write(site.namespace, recordOf(secret))
  const ended = await run('recover', site.namespace)
  expect({ result: ended.report.result, output: ended.output }).toMatchObject({ result: 'undone' })
  const { spec } = await kubectlJson<Workload>('-n', site.namespace, 'get', 'deployment', 'web')
  expect(spec.template.spec.containers[0]?.image).toBe(`${site.image}:v1`)
  expect(await kubectl('-n', site.namespace, 'get', 'configmap', 'mine', '--ignore-not-found')).toBe('')
})

interface Workload {
  readonly spec: { readonly template: { readonly spec: { readonly containers: readonly { readonly image: string }[] } } }
}

function run(command: string, namespace: string, options: Readonly<Record<string, string>> = {}) {
  const env = { KUBECONFIG: stack.env['KUBECONFIG'] ?? '' }
  return site.cli(command, { image: site.image, namespace, ...options }, { env })
}

function recordOf({ data }: Secret): Kept {
  return JSON.parse(gunzipSync(Buffer.from(data.record, 'base64')).toString()) as Kept
}

function added(record: Kept, change: string, object: object): Kept {
  return { ...record, snapshot: [...record.snapshot, { object, written: object, change, of: 'other' }] }
}

/** Writes it as the product would: labelled, packed. */
async function write(namespace: string, record: Kept | string): Promise<void> {
  const text = typeof record === 'string' ? record : JSON.stringify(record)
  const { name, labels } = secret.metadata
  await kubectl('-n', namespace, 'delete', 'secret', name, '--ignore-not-found')
  await must('kubectl', ['-n', namespace, 'create', '-f', '-'], {
    env: stack.env,
    input: JSON.stringify({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name, labels },
      data: { record: gzipSync(text).toString('base64') },
    }),
  })
}

async function versionOf(namespace: string): Promise<{ readonly version: string }> {
  const version = await kubectl('-n', namespace, 'get', 'secret', 'django-rollout-shop', '-o', 'jsonpath={.metadata.resourceVersion}')
  return { version }
}

/** What people have decided in both namespaces, and the role that would be for the whole cluster. */
async function everything(): Promise<unknown> {
  return [await objects(), await kubectl('get', 'clusterrole', 'eve', '--ignore-not-found')]
}

async function objects(): Promise<unknown> {
  interface List {
    readonly items: readonly { kind: string; metadata: { name: string }; spec?: unknown; data?: unknown; rules?: unknown }[]
  }
  const kinds = 'deployments,configmaps,roles,rolebindings'
  const lists = await Promise.all(
    [site.namespace, other].map((one) => kubectlJson<List>('-n', one, 'get', kinds)),
  )
  return lists.map(({ items }) =>
    items
      .filter(({ metadata: { name } }) => !name.startsWith('django-rollout'))
      .map(({ kind, metadata: { name }, spec, data, rules }) => ({ kind, name, spec, data, rules })),
  )
}

async function apply(namespace: string, objects: readonly object[]): Promise<void> {
  await kubectl('-n', namespace, 'apply', '-f', await file('live', objects))
}

async function file(name: string, objects: readonly object[]): Promise<string> {
  const path = join(dirname(site.folder), `${name}.json`)
  await writeFile(path, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }))
  return path
}

function config(name: string, color: string, namespace?: string) {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace }, data: { COLOR: color } }
}

function role(kind: string) {
  const rules = [{ apiGroups: ['*'], resources: ['*'], verbs: ['*'] }]
  return { apiVersion: 'rbac.authorization.k8s.io/v1', kind, metadata: { name: 'eve' }, rules }
}

/** The web, and what could be a victim. */
function live(): readonly object[] {
  const labels = { app: 'web' }
  const container = { name: 'web', image: `${site.image}:v1` }
  const template = { metadata: { labels }, spec: { terminationGracePeriodSeconds: 1, containers: [container] } }
  const spec = { selector: { matchLabels: labels }, template }
  return [
    { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web' }, spec },
    config('victim', 'old'),
  ]
}
