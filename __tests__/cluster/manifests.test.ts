/** What people have in their folders of manifests: their Namespace, Jobs that run the image, no replicas. */
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openCluster, type Cluster } from '../../src/kubernetes/cluster.js'
import { readManifestFiles } from '../../src/kubernetes/manifest-files.js'
import { lastApplied, type KubeObject } from '../../src/kubernetes/objects.js'
import { realPlatform } from '../../src/platform/real.js'
import { makeImages, type Images } from '../e2e/images.js'
import { at } from '../e2e/moment.js'
import { kubectl, kubectlJson, root, run, stack, type How } from '../e2e/stack.js'
import { seldom } from '../support/seldom.js'

const namespace = `t-manifests-${Math.random().toString(36).slice(2, 7)}`
let folder: string
let images: Images<'v1' | 'v2'>
let cluster: Cluster

beforeAll(async () => {
  const app = join(root, '__tests__/cases/inputs/job-in-the-manifests')
  images = await makeImages('manifests', app, { v1: ['VERSION=v1'], v2: ['VERSION=v2'] })
  const forever = new AbortController().signal
  cluster = await openCluster(realPlatform(stack.env), { namespace }, forever)
  folder = await mkdtemp(join(tmpdir(), `${namespace}-`))
})

afterAll(async () => {
  await kubectl('delete', 'namespace', namespace, '--ignore-not-found', '--wait=false')
  await cluster.close()
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
  `x:\n  a: &a [${Array.from({ length: values }, (_, at) => at).join(', ')}]\n  all:\n${'  - *a\n'.repeat(uses)}`
const head = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n'
const values =
  '0644, 0o17, 0b11, 0x1F, 1_000, +12, -0, .5, 1e3, 1., 6.02e+23, 1:30, 190:20:30, yes, No, on, OFF, y, n, Y, ~, null, Null, NULL, "", \'\', "yes", 2001-12-14, 2001-12-14t21:59:43.10-05:00, =, <<, 0x, 08, 09.5, 1e, _1, !!str 5, !!int "7", !!float 3, !!binary aGk='

const files = [
  ['a list whose bracket is not indented', `${head}x:\n  y: [1,\n  2,\n]\n`],
  ['a map whose bracket is not indented', `${head}x:\n  y: {a: 1,\n}\n`],
  ['JSON whose bracket is not indented', `${head}x:\n  y: {\n"a": [\n1\n]\n}\n`],
  ['a key twice', `${head}data: {a: "1"}\ndata: {b: "2"}\n`],
  ['a key twice in a flow', `${head}data: {a: "1", a: "2"}\n`],
  ['a tab before a comment', `${head}data:\t# all\n  a: "1"\t# one\n`],
  ['a tab after a colon', `${head}data:\n  a:\t"1"\n`],
  ['a line of a tab', `${head}data:\n\t\n  a: "1"\n`],
  ['a tab as indentation', `${head}data:\n\ta: "1"\n`],
  ['tabs in a flow', `${head}data: {\n\ta: "1",\n\tb: "2"}\n`],
  ['tabs in a text', `${head}data:\n  a: |\n    all:\n    \tmake\n`],
  ['an anchor', `${head}x: &x {a: 1}\ny: *x\nz: {<<: *x, b: 2}\nw: {<<: [*x, {c: 3}]}\n`],
  ['values of YAML 1.1', `${head}x:\n- ${values.split(', ').join('\n- ')}\n`],
  ['keys of YAML 1.1', `${head}x: {1: a, 0x10: a, yes: a, n: b, ~: c, 1.5: d, "t": e, !!str 2: f}\n`],
  ['JSON', '{\n\t"apiVersion": "v1", "kind": "ConfigMap",\n\t"metadata": {"name": "a"}, "data": {"a": "\\u00e9\\/"}\n}'],
  ['JSON, twice', `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}\n{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"b"}}\n`],
  ['comments alone', '# nothing\n---\n# here\n'],
  ['CRLF', `${head}data:\n  a: |\n    1\n    2\n  b: "1"\n`.replaceAll('\n', '\r\n')],
  ['a byte order mark', `\ufeff${head}`],
  ['several documents', `---\n${head}---\n---\n# none\n---  # another\n${head.replace('name: a', 'name: b')}...\n`],
  ['a directive', `%YAML 1.1\n---\n${head}`],
  ['a List', `apiVersion: v1\nkind: List\nitems:\n- ${head.trimEnd().replaceAll('\n', '\n  ')}\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: b}}\n`],
  ['a List of a kind', 'apiVersion: v1\nkind: ConfigMapList\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: b}}\n'],
  ['long texts', `${head}data:\n  a: >-\n    one\n    two\n\n    three\n  b: |+\n    one\n\n  c: "one\n    two\\\n    three"\n  d: one\n    two\n`],
  ['a text with a colon', `${head}data: {a: b:c, d: "e: f"}\n`],
  ['a question mark', `${head}data:\n  ? a\n  : "1"\n  ? |\n    b\n  : "2"\n`],
  ['a list as key', `${head}x:\n  ? [a]\n  : 1\n`],
  ['a text before a colon twice', `${head}x: a: b\n`],
  ['an emoji', `${head}data: {a: "\u{1f680}", b: \u{1f680}}\n`],
  ['a control character', `${head}data: {a: "\u0007"}\n`],
  ['a reserved character', `${head}x: @a\n`],
  ['a percent sign', `${head}x: %a\n`],
  ['a template of Helm', `${head}x: {{ .Values.x }}\n`],
  ['a large number', `${head}x: [9007199254740991, 1e400, .inf]\n`],
  ['few aliases', aliased(3, 2)],
  ['a thousand aliases', aliased(1_000, 1)],
  ['just as many aliases as it accepts', aliased(1_000, 100)],
  ['too many aliases', aliased(1_000, 150)],
  ['an alias in itself', 'x: &a {b: *a}\n'],
  ['an alias of nothing', 'x: *b\n'],
  ['no end', `${head}data: {a: "1\n`],
] as const

/** One of each kind: what YAML 1.1 means, several objects, what kubectl refuses. */
const often = new Set([
  'a key twice',
  'an anchor',
  'values of YAML 1.1',
  'several documents',
  'a template of Helm',
  'too many aliases',
])

for (const [name, text] of files) {
  const play = often.has(name) ? test : seldom
  play(`a file is read as kubectl reads it: ${name}`, () => isReadAlike(text))
}

async function isReadAlike(text: string): Promise<void> {
  const file = join(folder, 'odd.yaml')
  await writeFile(file, /kind|^#/.test(text) ? text : `${head}${text}`)
  const args = ['label', '--local', '-f', file, '-o', 'json', 'none-']
  const theirs = await run('kubectl', args, { env: stack.env })
  const isEmpty = theirs.output.includes('no objects passed')
  const objects = theirs.stdout.split(/(?<=^\}$)/m).filter((one) => one.trim() !== '')
  const withoutLabels = (one: string) => JSON.parse(one.replace('"labels": {},', '')) as KubeObject
  const own = readManifestFiles(realPlatform(stack.env), cluster, [file])
  if (theirs.code !== 0 && !isEmpty) {
    await expect(own).rejects.toThrow(file)
    return
  }
  expect((await own).flatMap(({ objects }) => objects)).toEqual(objects.map(withoutLabels))
}
