/** What people have in their folders of manifests: their Namespace, Jobs that run the image, no replicas. */
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseManifest } from '../../src/kubernetes/manifests.js'
import { lastApplied } from '../../src/kubernetes/objects.js'
import { makeImages, type Images } from '../e2e/images.js'
import { at } from '../e2e/moment.js'
import { kubectl, kubectlJson, root, run, stack, type How } from '../e2e/stack.js'

const namespace = `t-manifests-${Math.random().toString(36).slice(2, 7)}`
let folder: string
let images: Images<'v1' | 'v2'>

beforeAll(async () => {
  const app = join(root, '__tests__/cases/inputs/job-in-the-manifests')
  images = await makeImages('manifests', app, { v1: ['VERSION=v1'], v2: ['VERSION=v2'] })
  folder = await mkdtemp(join(tmpdir(), `${namespace}-`))
})

afterAll(async () => {
  await kubectl('delete', 'namespace', namespace, '--ignore-not-found', '--wait=false')
  await rm(folder, { recursive: true, force: true })
})

const job = (name: string, script: string) => ({
  apiVersion: 'batch/v1', kind: 'Job', metadata: { name },
  spec: {
    backoffLimit: 0,
    template: {
      spec: {
        restartPolicy: 'Never',
        terminationGracePeriodSeconds: 1,
        containers: [{ name, image: 'shop', command: ['python', '-c', script] }],
      },
    },
  },
})

/** As a kustomization builds them: each object names the namespace. */
async function manifests(tier: string, spec: object, ...jobs: readonly object[]): Promise<void> {
  const web = {
    apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web' },
    spec: {
      ...spec,
      selector: { matchLabels: { app: 'web' } },
      template: {
        metadata: { labels: { app: 'web' } },
        spec: {
          terminationGracePeriodSeconds: 1,
          containers: [
            {
              name: 'web', image: 'shop', ports: [{ containerPort: 8000 }],
              readinessProbe: { tcpSocket: { port: 8000 }, periodSeconds: 1 },
            },
          ],
        },
      },
    },
  }
  const own = {
    apiVersion: 'v1', kind: 'Namespace',
    metadata: { name: namespace, labels: { tier } },
  }
  const items = [own, web, ...jobs]
  await writeFile(
    join(folder, 'all.json'),
    JSON.stringify({ apiVersion: 'v1', kind: 'List', items }),
  )
  await writeFile(
    join(folder, 'kustomization.yaml'),
    `namespace: ${namespace}\nresources: [all.json]\n`,
  )
}

function deploy(tag: string, how: How = {}) {
  const options = { image: images.repository, namespace, tag, manifests: folder }
  const flags = Object.entries({ ...options, 'migrate-command': 'none', bake: '1s' })
  const args = flags.flatMap(([name, value]) => [`--${name}`, value])
  return run('node', [join(root, 'dist/cli/index.js'), 'deploy', ...args], {
    ...how,
    cwd: folder,
    env: stack.env,
  })
}

interface Deployment {
  readonly metadata: { readonly annotations: Readonly<Record<string, string>> }
  readonly spec: { readonly replicas: number }
}

const web = () => kubectlJson<Deployment>('-n', namespace, 'get', 'deployment', 'web')
const imageOf = async () =>
  (await kubectl('-n', namespace, 'get', 'deployment', '-o', 'jsonpath={..image}')).split('@')[0]
const tier = () => kubectl('get', 'namespace', namespace, '-o', 'jsonpath={.metadata.labels.tier}')
const jobs = async () => {
  const columns = 'N:.metadata.name,C:.status.conditions[-1:].type'
  const table = await kubectl('-n', namespace, 'get', 'jobs', '--no-headers', '-o', `custom-columns=${columns}`)
  return table
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.replace(/-[0-9a-f]{5} +/, ' '))
    .sort()
}

const seed = job('seed', 'print("seeded")')

test('a missing namespace is created, and a Job that already runs runs once', async () => {
  await manifests('one', { replicas: 1 }, seed)
  expect(await deploy('v1')).toMatchObject({ code: 0 })
  expect([await tier(), await imageOf(), await jobs()]).toEqual([
    'one',
    `${images.repository}:v1`,
    ['seed-v1 Complete'],
  ])
  const { code, output } = await deploy('v1')
  expect({ code, output }).toMatchObject({ code: 0, output: expect.stringContaining('is already running') })
  expect(await jobs()).toEqual(['seed-v1 Complete'])
})

test('a Job that fails makes the release fail, and everything is restored', async () => {
  const wrong = job('load', 'import time; time.sleep(2); raise ValueError("no such shop")')
  const slow = job('slow', 'import time; time.sleep(600)')
  await manifests('two', { replicas: 1 }, wrong, slow)
  const { code, output } = await deploy('v2')
  expect({ code, output }).toMatchObject({
    code: 1,
    output: expect.stringContaining('ValueError: no such shop'),
  })
  // The labels of a namespace are nothing that is put back.
  expect([await tier(), await imageOf(), await jobs()]).toEqual([
    'two',
    `${images.repository}:v1`,
    ['load-v2 Failed', 'seed-v1 Complete'],
  ])
})

test('the live number of replicas stays when the manifest is applied, now and the next time', async () => {
  await manifests('one', {}, job('wait', 'import time; time.sleep(3)'))
  const scaled = at(/job\/wait-\S+ created/, () =>
    kubectl('-n', namespace, 'scale', 'deployment/web', '--replicas=3'),
  )
  expect(await deploy('v2', scaled.how)).toMatchObject({ code: 0 })
  await scaled.done()
  const { metadata, spec } = await web()
  expect(spec.replicas).toBe(3)
  expect(JSON.parse(metadata.annotations[lastApplied] ?? '')).not.toHaveProperty('spec.replicas')
  await kubectl('apply', '-k', folder)
  expect((await web()).spec.replicas).toBe(3)
})

/** So many uses of a list of so many values. */
const aliased = (uses: number, values: number) =>
  `a: &a [${Array.from({ length: values }, (_, at) => at).join(', ')}]\nall:\n${'- *a\n'.repeat(uses)}`

test.each([
  ['few', aliased(3, 2)],
  ['a thousand', aliased(1_000, 1)],
  ['just as many as it accepts', aliased(1_000, 100)],
  ['too many', aliased(1_000, 150)],
  ['one in itself', 'a: &a {b: *a}'],
  ['one of nothing', 'a: *b'],
])('aliases are read as kubectl reads them: %s', async (_, text) => {
  const head = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: {q: w}}\n'
  const args = ['label', '--local', '--overwrite', '-f', '-', 'q=w', '-o', 'json']
  const theirs = await run('kubectl', args, { env: stack.env, input: `${head}${text}\n` })
  const own = () => parseManifest(`${head}${text}\n`, 'f')
  if (theirs.code === 0) expect(own()).toEqual([JSON.parse(theirs.stdout)])
  else expect(own).toThrow(/^f: /)
})
