import { describe, expect, test } from '@jest/globals'
import { Failure } from '../../src/failure/failure.js'
import type { ClusterState } from '../../src/judge/types.js'
import { keyOf } from '../../src/kubernetes/apply.js'
import { ownImage, type Manifests } from '../../src/kubernetes/manifests.js'
import {
  isIgnored,
  isWorkload,
  templateOf,
  usesOf,
  type KubeObject,
} from '../../src/kubernetes/objects.js'
import {
  checkImages,
  findTargets,
  findWeb,
  guessWeb,
  noWorkload,
} from '../../src/stages/targets.js'
import { type Target } from '../../src/kubernetes/target.js'
import { clusterOf } from '../support/cluster.js'

const target = (name: string): Target => ({
  id: { kind: 'Deployment', name },
  path: `/${name}`,
  running: [],
  uses: [{ name: 'app', image: 'shop:1' }] as unknown as Target['uses'],
  live: {
    kind: 'Deployment',
    metadata: { name },
    spec: { template: { spec: { containers: [{ name: 'app', image: 'shop:1' }] } } },
  },
})
const two = [target('one'), target('two')]

describe('the workload that serves the web', () => {
  test('is the one that the user names', () => {
    expect(findWeb(two, [], 'deployment/two')).toMatchObject({ workload: { name: 'two' } })
  })

  test.each([
    [
      'several may',
      undefined,
      'several workloads may serve the web: deployment/one, deployment/two',
    ],
    [
      'a wrong name',
      'three',
      '"migrate-from" names three, which is not a workload of this release: deployment/one, deployment/two',
    ],
  ])('has to be named by the user: %s', (_, named, sentence) => {
    expect(() => findWeb(two, [], named)).toThrow(sentence)
  })

  test('is unknown where it is not needed', () => {
    expect(guessWeb(two, [])).toBeUndefined()
  })
})

describe('the failure "no workload runs the image"', () => {
  test.each([
    [
      'one that is written almost like it',
      'ghcr.io/acme/shop-web:1',
      /^did you mean image: ghcr\.io\/acme\/shop-web\? Else check/,
    ],
    ['another one', 'postgres:17', /^check the options image and namespace/],
  ])('names the image that runs instead: %s', (_, image, hint) => {
    const spec = { template: { spec: { containers: [{ name: 'app', image }] } } }
    const clusterState = {
      deployments: new Map([['web', { metadata: { name: 'web' }, spec }]]),
      statefulsets: new Map(),
    } as unknown as ClusterState
    let thrown: unknown
    try {
      noWorkload(clusterState, 'ghcr.io/acme/shop', 'prod')
    } catch (error) {
      thrown = error
    }
    expect(thrown).toBeInstanceOf(Failure)
    expect((thrown as Failure).cause).toMatchObject({
      code: 'no-workload',
      sentence: `no workload in the namespace "prod" runs ghcr.io/acme/shop; it has web (${image.split(':')[0]})`,
      hint: expect.stringMatching(hint),
    })
  })
})

describe('the images in the manifests', () => {
  const repository = 'ghcr.io/acme/shop'
  const cluster = clusterOf({ commandLine: (args) => `kubectl ${args.join(' ')}` })
  type Images = Readonly<Record<string, string | undefined>>
  const containers = (images: Images) =>
    Object.entries(images).map(([name, image]) => ({ name, ...(image !== undefined && { image }) }))

  const web = (images: Images, init: Images = {}, annotations = {}) => ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', annotations },
    spec: {
      template: { spec: { containers: containers(images), initContainers: containers(init) } },
    },
  })
  const manifestsOf = (...objects: KubeObject[]): Manifests => {
    const isOurs = (object: KubeObject) =>
      isWorkload(object) &&
      !isIgnored(object) &&
      usesOf(templateOf(object), ownImage(repository)).length > 0
    return {
      targets: objects.filter(isOurs).filter(isWorkload),
      others: objects.filter((object) => !isOurs(object)),
      jobs: [],
      files: new Map(objects.map((object) => [keyOf(object), 'k8s/web.yaml'])),
    }
  }
  const pictureOf = (...live: KubeObject[]) =>
    ({
      deployments: new Map(live.map((object) => [object.metadata?.name, object])),
      statefulsets: new Map(),
      daemonsets: new Map(),
      cronjobs: new Map(),
    }) as unknown as ClusterState
  const causeOf = (manifest: KubeObject, ...live: KubeObject[]) => {
    try {
      checkImages(cluster, pictureOf(...live), manifestsOf(manifest), repository)
    } catch (error) {
      if (error instanceof Failure) return error.cause
      throw error
    }
    return undefined
  }

  const live = web(
    { app: `${repository}:1`, proxy: 'nginx:1' },
    { wait: 'busybox:1', load: `${repository}:1` },
  )
  const where = 'k8s/web.yaml: Deployment "web": container'

  test.each([
    ['of the repository', web({ app: repository }, { load: 'shop' })],
    ['with a placeholder for a tag', web({ app: `${repository}:\${TAG}` }, { load: 'shop' })],
    [
      'of others beside ours',
      web({ app: 'shop', proxy: 'nginx:2', more: 'redis:7' }, { load: 'shop' }),
    ],
    ['without a container that it had', web({ app: 'shop' })],
    ['in a container of another name', web({ web: 'shop' })],
    ['that is nothing to us', { ...web({ db: 'postgres:17' }), metadata: { name: 'db' } }],
    [
      'of a workload that is left out',
      web({ app: 'REPLACE' }, {}, { 'django-rollout/ignore': 'true' }),
    ],
  ])('are accepted: %s', (_, manifest) => {
    expect(causeOf(manifest, live)).toBeUndefined()
  })

  test.each([
    ['an old name', web({ app: 'old.example/shop:1' }), 'app names the image old.example/shop:1'],
    ['a placeholder', web({ app: '${IMAGE}' }), 'app names the image ${IMAGE}'],
    ['nothing', web({ app: undefined }), 'app names no image'],
    [
      'one in an init container',
      web({ app: 'shop' }, { load: 'busybox' }),
      'load names the image busybox',
    ],
    [
      'one in a container of another name',
      web({ shop: 'old/shop:1' }),
      'shop names the image old/shop:1',
    ],
  ])('are rejected: %s', (_, manifest, words) => {
    expect(causeOf(manifest, live)).toMatchObject({
      code: 'manifest-invalid',
      sentence: `${where} ${words}, but deployment/web runs ${repository}:1`,
      hint: expect.stringContaining('set "image: shop" there'),
    })
  })

  test('are not taken from an init container that comes first', () => {
    expect(causeOf(web({ app: 'old/shop:1' }, { wait: 'busybox:1' }), live)?.sentence).toBe(
      `${where} app names the image old/shop:1, but deployment/web runs ${repository}:1`,
    )
  })

  test('may be of another repository when the user says so', () => {
    expect(causeOf(web({ app: 'varnish:7' }), live)?.hint).toContain(
      'If varnish:7 is correct, set it before the release: kubectl set image deployment/web app=varnish:7',
    )
  })

  test.each([
    web({ app: '${IMAGE}' }),
    {
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: { name: 'web' },
      spec: { template: { spec: { containers: containers({ app: '${IMAGE}' }) } } },
    },
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'web' },
      spec: { containers: containers({ app: '${IMAGE}' }) },
    },
  ])('are checked in new objects too: %j', (manifest) => {
    expect(causeOf(manifest)?.sentence).toBe(
      `k8s/web.yaml: ${manifest.kind} "web": container app names the image \${IMAGE}, which is not a valid image name`,
    )
  })

  test('do not make a workload a target when its manifest leaves it out, because it would be written twice', () => {
    const manifest = web({ app: 'shop' }, {}, { 'django-rollout/ignore': 'true' })
    expect(findTargets(pictureOf(live), manifestsOf(), repository, 'shop')).toHaveLength(1)
    expect(findTargets(pictureOf(live), manifestsOf(manifest), repository, 'shop')).toEqual([])
  })
})
