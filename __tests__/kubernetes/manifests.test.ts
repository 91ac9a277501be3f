import { describe, expect, test } from '@jest/globals'
import { parse, parseAllDocuments } from 'yaml'
import { checkText } from '../../src/kubernetes/manifest-files.js'
import { ownImage, prepared, readManifests } from '../../src/kubernetes/manifests.js'
import { nameOf, type KubeObject, type WorkloadObject } from '../../src/kubernetes/objects.js'
import { Failure, type Cause } from '../../src/failure/failure.js'
import type { Files, Finished } from '../../src/platform/platform.js'
import { clusterOf } from '../support/cluster.js'
import { scripted } from '../support/scripted.js'

const config = (name: string, more = '') =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\n${more}`
const deployment = (name: string, image: string, metadata = '') =>
  `{apiVersion: apps/v1, kind: Deployment, metadata: {name: ${name}, ${metadata}}, spec: {replicas: 1, template: {spec: {containers: [{name: c, image: "${image}"}]}}}}`

/** The cause of what is thrown; fails when nothing is. */
function causeOf(work: () => unknown): Cause {
  try {
    work()
  } catch (error) {
    if (error instanceof Failure) return error.cause
    throw error
  }
  throw new Error('nothing was thrown')
}

describe('what kubectl refuses', () => {
  test.each([
    ['no YAML', 'a: [1\nb: 2', 'f.yaml:2: Flow sequence in block collection must be sufficiently'],
    ['a tab', 'a:\n\tb: 1', 'f.yaml:2: '],
    ['in the second document', `${config('a')}---\na: b: c`, 'f.yaml:5: '],
    ['a template of Helm', 'metadata: {{ .Values.x }}', 'f.yaml:1: a key is not a string'],
    ['an anchor that is not there', 'a: *nope', 'f.yaml: Unresolved alias'],
    ['a text', 'hello', 'f.yaml: a document is not an object with apiVersion and kind'],
    ['an array', '- a', 'f.yaml: a document is not an object with apiVersion and kind'],
    ['no kind', 'apiVersion: v1', 'f.yaml: an object has no apiVersion or no kind'],
    ['an empty kind', 'apiVersion: v1\nkind: ""', 'f.yaml: an object has no apiVersion or no kind'],
    ['no apiVersion', 'kind: Service', 'f.yaml: an object has no apiVersion or no kind'],
    ['no name', 'apiVersion: v1\nkind: Service', 'f.yaml: a Service has no metadata.name'],
    [
      'only generateName',
      'apiVersion: batch/v1\nkind: Job\nmetadata: {generateName: x-}',
      'f.yaml: a Job has no metadata.name',
    ],
    [
      'a number as name',
      config('2024'),
      'f.yaml: a ConfigMap has a metadata.name that is not a string',
    ],
    [
      'a List with a hole',
      `apiVersion: v1\nkind: List\nitems:\n-\n`,
      'f.yaml: a document is not an object with apiVersion and kind',
    ],
    [
      'a List of something else',
      `apiVersion: v1\nkind: List\nitems: {a: b}\n`,
      'f.yaml: a List has no items',
    ],
    [
      'containers that are no list',
      `{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {template: {spec: {containers: {name: c}}}}}`,
      'f.yaml: Deployment "web": containers is not a list of containers',
    ],
    [
      'a container that is no object',
      `{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {template: {spec: {containers: [], initContainers: [web]}}}}`,
      'f.yaml: Deployment "web": initContainers is not a list of containers',
    ],
    [
      'an image that is a number',
      `{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {template: {spec: {containers: [{name: c, image: 1.4}]}}}}`,
      'f.yaml: Deployment "web": the image of a container is not a string',
    ],
  ])('is told with place and reason: %s', (_, text, sentence) => {
    const cause = causeOf(() => checkText(text, 'f.yaml'))
    expect(cause.code).toBe('manifest-invalid')
    expect(cause.sentence).toContain(sentence)
    expect(cause.sentence).not.toMatch(/\n|:$/)
  })
})

/** Files as a test gives them; `kubectl kustomize` answers as it says. */
function read(
  texts: Readonly<Record<string, string>>,
  paths: readonly string[],
  kustomized: Partial<Finished> = {},
  refused?: string,
) {
  const { platform } = scripted([], { files: texts })
  const written = new Map<string, string>()
  const files: Files = {
    ...platform.files,
    writePrivate: (path, text) => Promise.resolve(void written.set(path, text)),
    read: (path) => Promise.resolve(written.get(path) ?? texts[path]),
    list: (folder) =>
      Promise.resolve(
        Object.keys(texts)
          .filter((path) => path.startsWith(`${folder.replace(/\/$/, '')}/`))
          .map((path) => path.slice(folder.replace(/\/$/, '').length + 1).split('/')[0] ?? '')
          .sort(),
      ),
    isFolder: (path) => platform.files.isFolder(path.replace(/\/$/, '')),
    exists: (path) => platform.files.exists(path.replace(/\/$/, '')),
  }
  const cluster = clusterOf({
    kustomize: () =>
      Promise.resolve({ code: 0, stdout: config('built'), stderr: '', ...kustomized }),
    printFiles: async (paths) => {
      if (refused !== undefined) return { code: 1, stdout: '', stderr: refused }
      const texts = await Promise.all(paths.map((path) => files.read(path)))
      const documents = texts.flatMap((text) => parseAllDocuments(text ?? ''))
      const objects = documents.flatMap((one) => {
        const read = one.toJS() as { readonly kind: string; readonly items?: object[] }
        return read.kind === 'List' ? (read.items ?? []) : [read]
      })
      const printed = objects.map((object) => `${JSON.stringify(object, null, 4)}\n`)
      return { code: 0, stdout: printed.join(''), stderr: '' }
    },
  })
  return readManifests({ ...platform, files }, cluster, paths, 'ghcr.io/acme/shop')
}

async function refusal(
  texts: Readonly<Record<string, string>>,
  paths: readonly string[],
  kustomized?: Partial<Finished>,
  refused?: string,
): Promise<Cause> {
  try {
    await read(texts, paths, kustomized, refused)
  } catch (error) {
    if (error instanceof Failure) return error.cause
    throw error
  }
  throw new Error('nothing was thrown')
}

const names = (objects: readonly KubeObject[]) => objects.map(nameOf)

describe('the manifests of files and folders', () => {
  const texts = {
    'k8s/a.yaml': config('a'),
    'k8s/b.yml': config('b'),
    'k8s/c.json': '{"apiVersion":"v1","kind":"Secret","metadata":{"name":"c"}}',
    'k8s/notes.md': '# no manifest',
    'k8s/deeper/d.yaml': config('d'),
    'other.yaml': config('other'),
    'kust/kustomization.yaml': 'resources: [x.yaml]',
    'kust/x.yaml': config('x'),
  }

  test.each([
    ['none', [], []],
    ['a file', ['other.yaml'], ['other']],
    ['a folder, and nothing below it', ['k8s'], ['a', 'b', 'c']],
    ['a folder with a slash', ['k8s/'], ['a', 'b', 'c']],
    ['several, in their order', ['other.yaml', 'k8s/b.yml'], ['other', 'b']],
    ['a kustomization', ['kust'], ['built']],
  ])('are read: %s', async (_, paths, expected) => {
    expect(names((await read(texts, paths)).others)).toEqual(expected)
  })

  test.each([
    [['nowhere'], 'manifests: no such file or folder: "nowhere"'],
    [['docs'], 'manifests: the folder "docs" has no .yaml, .yml or .json file'],
    [['k8s', 'k8s/a.yaml'], 'ConfigMap "a" is in the manifests twice'],
  ])('are rejected for %j: %s', async (paths, sentence) => {
    const cause = await refusal({ ...texts, 'docs/x.md': '' }, paths)
    expect(cause).toMatchObject({ code: 'manifest-invalid', sentence })
  })

  test('are rejected without the object that kubectl quotes', async () => {
    const stderr = `error: unable to decode "a.yaml": Object 'Kind' is missing in '{"data":{"password":"hunter2"}}'\n`
    const cause = await refusal({ 'a.yaml': config('a') }, ['a.yaml'], {}, stderr)
    expect(cause.sentence).toBe(`unable to decode "a.yaml": Object 'Kind' is missing`)
  })

  test('are rejected in the words of kustomize', async () => {
    const stderr = 'error: accumulating resources: open x.yaml: no such file\n'
    const cause = await refusal(texts, ['kust'], { code: 1, stderr })
    expect(cause.sentence).toBe(
      'manifests: kubectl kustomize kust: error: accumulating resources: open x.yaml: no such file',
    )
  })
})

describe('a release rejects manifests', () => {
  test.each([
    [
      '{apiVersion: v1, kind: Namespace, metadata: {name: prod}}',
      'Namespace "prod" is outside of the namespace; a release could not restore it',
    ],
    [
      '{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: r}}',
      'ClusterRole "r" is outside of the namespace; a release could not restore it',
    ],
    [
      '{apiVersion: v1, kind: Secret, metadata: {name: s, namespace: prod}}',
      'Secret "s" names the namespace "prod", but the release goes to "shop"',
    ],
  ])('with %s', async (text, sentence) => {
    const cause = await refusal({ 'a.yaml': text }, ['a.yaml'])
    expect(cause).toMatchObject({ code: 'manifest-invalid', sentence })
    expect(cause.hint).toBeDefined()
  })

  test.each([
    ['{apiVersion: v1, kind: ConfigMap, metadata: {name: django-rollout-shop}}', 'ConfigMap'],
    ['{apiVersion: v1, kind: Secret, metadata: {name: django-rollout-shop-2}}', 'Secret'],
    [
      '{apiVersion: v1, kind: Secret, type: Opaque, metadata: {name: django-rollout-token}}',
      'Secret',
    ],
    [
      '{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: django-rollout-a}}',
      'Lease',
    ],
    [
      '{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: Secret, metadata: {name: django-rollout-a}}]}',
      'Secret',
    ],
  ])('with an object that it keeps itself: %s', async (text, kind) => {
    const cause = await refusal({ 'k8s/a.yaml': config('a'), 'k8s/b.yaml': text }, ['k8s'])
    expect(cause.code).toBe('manifest-invalid')
    expect(cause.sentence).toMatch(
      new RegExp(`^k8s/b.yaml: ${kind} "django-rollout-.*" has a name that is reserved for`),
    )
    expect(cause.hint).toContain('rename it')
  })

  test.each([
    '{apiVersion: v1, kind: ServiceAccount, metadata: {name: django-rollout-shop}}',
    '{apiVersion: v1, kind: Secret, type: kubernetes.io/service-account-token, metadata: {name: django-rollout-token}}',
    '{apiVersion: v1, kind: ConfigMap, metadata: {name: my-django-rollout-shop}}',
    '{apiVersion: v1, kind: ConfigMap, metadata: {name: django-rollout}}',
    '{apiVersion: acme.example.com/v1, kind: Secret, metadata: {name: django-rollout-shop}}',
  ])('but not %s, which it does not keep', async (text) => {
    expect((await read({ 'a.yaml': text }, ['a.yaml'])).others).toHaveLength(1)
  })

  test('but not its own namespace', async () => {
    const text = '{apiVersion: v1, kind: Secret, metadata: {name: s, namespace: shop}}'
    expect(names((await read({ 'a.yaml': text }, ['a.yaml'])).others)).toEqual(['s'])
  })
})

test('the namespace of the release is neither ours nor another object', async () => {
  const text = `{apiVersion: v1, kind: Namespace, metadata: {name: shop}}\n---\n${config('a')}`
  const found = await read({ 'k8s/a.yaml': text }, ['k8s'])
  expect(found).toMatchObject({ targets: [], namespace: { metadata: { name: 'shop' } } })
  expect(names(found.others)).toEqual(['a'])
})

test('an object is the same in every version that it is written in', async () => {
  const scaler = (version: string) =>
    `{apiVersion: autoscaling/${version}, kind: HorizontalPodAutoscaler, metadata: {name: web}}`
  const cause = await refusal({ 'k8s/a.yaml': scaler('v1'), 'k8s/b.yaml': scaler('v2') }, ['k8s'])
  expect(cause.sentence).toBe('HorizontalPodAutoscaler "web" is in the manifests twice')
})

test('the file of each object is known', async () => {
  const found = await read({ 'k8s/a.yaml': config('a'), 'kust/kustomization.yaml': '' }, [
    'k8s',
    'kust',
  ])
  expect([...found.files]).toEqual([
    ['/ConfigMap/a', 'k8s/a.yaml'],
    ['/ConfigMap/built', 'kust'],
  ])
})

test.each([
  ['ghcr.io/acme/shop:1', '', 'targets'],
  ['ghcr.io/acme/shop', '', 'targets'],
  ['shop', '', 'targets'],
  ['shop:latest', '', 'targets'],
  ['acme/shop:1', '', 'others'],
  ['postgres:16', '', 'others'],
  ['ghcr.io/acme/shop:1', 'annotations: {django-rollout/ignore: "true"}', 'others'],
])('a Deployment with image %s and %j is among %s', async (image, metadata, where) => {
  const found = await read({ 'a.yaml': deployment('web', image, metadata) }, ['a.yaml'])
  expect({ targets: names(found.targets), others: names(found.others) }).toEqual({
    targets: [],
    others: [],
    [where]: ['web'],
  })
})

test.each([
  ['that runs our image', '', '', 'jobs'],
  ['that runs another', '', 'x/', 'others'],
  ['that is suspended', 'suspend: true, ', '', 'others'],
])('a Job %s is assigned rightly', async (_, spec, image, where) => {
  const job = `{apiVersion: batch/v1, kind: Job, metadata: {name: j}, spec: {${spec}template: {spec: {containers: [{name: c, image: ${image}shop}]}}}}`
  const found = await read({ 'a.yaml': job }, ['a.yaml'])
  expect({ jobs: names(found.jobs), others: names(found.others) }).toEqual({
    jobs: [],
    others: [],
    [where]: ['j'],
  })
})

test.each([
  ['nginx', 'nginx:1', true],
  ['docker.io/library/nginx', 'nginx:1', true],
  ['ghcr.io/acme/shop', 'shop@sha256:0', true],
  ['ghcr.io/acme/shop', 'other/shop', false],
])('for the repository %s, %s is its own image: %s', (repository, image, is) => {
  expect(ownImage(repository)(image)).toBe(is)
})

describe('the released image', () => {
  const container = '[{name: c, image: shop}]'
  test.each([
    [
      `{apiVersion: apps/v1, kind: Deployment, spec: {replicas: 2, template: {spec: {containers: ${container}}}}}`,
      { replicas: 2, template: { spec: { containers: [{ name: 'c', image: 'new' }] } } },
    ],
    [
      `{apiVersion: batch/v1, kind: CronJob, spec: {jobTemplate: {spec: {template: {spec: {containers: ${container}}}}}}}`,
      {
        jobTemplate: {
          spec: { template: { spec: { containers: [{ name: 'c', image: 'new' }] } } },
        },
      },
    ],
  ])('is set in %s', (text, spec) => {
    expect(prepared(parse(text) as WorkloadObject, 'ghcr.io/acme/shop', 'new').spec).toEqual(spec)
  })
})
