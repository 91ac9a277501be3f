import { describe, expect, test } from '@jest/globals'
import {
  byDigest,
  digestsOn,
  otherDigests,
  taggedIn,
  versionIn,
} from '../../src/judge/running-digests.js'
import { desiredBack } from '../../src/judge/desired.js'
import { workloadId } from '../../src/kubernetes/objects.js'
import { digest, running } from '../support/running.js'

const shop = 'ghcr.io/acme/shop'

/** `statefulset/web app a`: workload, container and the digest's letter, or `?`; is it of another repository? */
function tagged(text: string): readonly string[] {
  const { clusterState, workloads } = running(text)
  return taggedIn(clusterState, workloads, shop).map(({ workload, container, ran }) => {
    const letter = ran?.digest.split(':')[1]?.[0] ?? '?'
    return `${workload} ${container} ${letter}${ran?.of === 'another repository' ? ' elsewhere' : ''}`
  })
}

describe('the digest that runs by a tag is found', () => {
  test.each([
    [
      'the digest of its pods',
      `web: {image: ${shop}:latest, pods: [a, a]}`,
      ['statefulset/web app a'],
    ],
    ['an image without a tag too', `web: {image: ${shop}, pods: [a]}`, ['statefulset/web app a']],
    [
      'the one that most pods run',
      `web: {image: ${shop}:v1, pods: [b, a, a]}`,
      ['statefulset/web app a'],
    ],
    [
      'its init container too',
      `web: {image: ${shop}:v1, init: ${shop}:v1, pods: [a]}`,
      ['statefulset/web init a', 'statefulset/web app a'],
    ],
    [
      'as Docker reports it',
      `web: {image: ${shop}:v1, pods: ['docker-pullable://${shop}@${digest('c')}']}`,
      ['statefulset/web app c'],
    ],
    [
      'the digest of another repository, where the node has the image from there too',
      `web: {image: ${shop}:v1, pods: ['${shop}-base@${digest('c')}']}`,
      ['statefulset/web app c elsewhere'],
    ],
    [
      'not the id of an image that no registry has',
      `web: {image: ${shop}:v1, pods: ['${digest('c')}']}`,
      ['statefulset/web app ?'],
    ],
    [
      'not yet, while the image is being pulled',
      `web: {image: ${shop}:v1, pods: ['']}`,
      ['statefulset/web app ?'],
    ],
    [
      'not what an older template runs',
      `web: {image: ${shop}:v1, pods: [a], old: true}`,
      ['statefulset/web app ?'],
    ],
    [
      'without pods what the others run by the same tag',
      `{clean: {kind: CronJob, image: '${shop}:v1'}, web: {image: '${shop}:v1', pods: [a, b]}, worker: {image: '${shop}:v1', pods: [b]}, old: {image: '${shop}:v0', pods: [c, c, c]}}`,
      [
        'cronjob/clean app b',
        'statefulset/web app a',
        'statefulset/worker app b',
        'statefulset/old app c',
      ],
    ],
    ['no container with a digest', `web: {image: '${shop}:v1@${digest('a')}', pods: [a]}`, []],
    ['no container of another image', 'web: {image: nginx, pods: [a]}', []],
  ])('for "%s"', (_, text, expected) => {
    expect(tagged(text)).toEqual(expected)
  })

  test('for the short and long names of Docker Hub’s images', () => {
    const { clusterState, workloads } = running(
      `web: {image: 'acme/shop:latest', pods: ['docker.io/acme/shop@${digest('a')}']}`,
    )
    expect(taggedIn(clusterState, workloads, 'acme/shop')).toEqual([
      {
        workload: 'statefulset/web',
        container: 'app',
        image: 'acme/shop:latest',
        ran: { digest: digest('a'), of: 'our repository' },
      },
    ])
  })
})

test.each([
  ['shop:v1', 'shop:v1@sha256:0'],
  ['shop', 'shop:latest@sha256:0'],
  ['localhost:5000/shop', 'localhost:5000/shop:latest@sha256:0'],
])('the image %s is pinned by its digest as %s', (image, expected) => {
  expect(byDigest(image, 'sha256:0')).toBe(expected)
})

describe('the one version that runs is found', () => {
  test.each([
    [
      'by the pods, and by a template that has the digest',
      `{web: {image: ${shop}:v1, pods: [a]}, worker: {image: '${shop}:v2@${digest('a')}'}}`,
      ['v1', digest('a')],
    ],
    ['without a tag', `web: {image: '${shop}@${digest('a')}'}`, ['aaaaaaaaaaaa', digest('a')]],
    [
      'by others, of a workload without pods',
      `{web: {image: ${shop}:v1, pods: [a]}, clean: {kind: CronJob, image: ${shop}:v1}}`,
      ['v1', digest('a')],
    ],
    [
      'none where there are two',
      `{a: {image: ${shop}:v1, pods: [a]}, b: {image: ${shop}:v2, pods: [b]}}`,
    ],
    ['none where one is not known', `{a: {image: ${shop}:v1, pods: [a]}, b: {image: ${shop}:v2}}`],
    ['none of another image', `{a: {image: ${shop}:v1, pods: [a]}, b: {image: nginx}}`],
    [
      'none of another repository',
      `web: {image: ${shop}:v1, pods: ['${shop}-base@${digest('c')}']}`,
    ],
    ['none of nothing', '{}'],
  ])('for "%s"', (_, text, expected: readonly string[] = []) => {
    const { clusterState, workloads } = running(text)
    const { tag, digest } = versionIn(clusterState, workloads, shop) ?? {}
    expect([tag, digest].filter(Boolean)).toEqual(expected)
  })
})

test.each([
  ['what Ready pods run there', `web: {image: '${shop}', pods: [a, b, a], node: one}`, ['a', 'b']],
  ['not what is elsewhere', `web: {image: '${shop}', pods: [a], node: two}`, []],
  ['not what is not Ready', `web: {image: '${shop}', pods: [a]}`, []],
  ['not other images', `web: {image: nginx, pods: ['nginx@${digest('a')}'], node: one}`, []],
])('the digests on a node: %s', (_, text, letters) => {
  const { clusterState } = running(text)
  expect(digestsOn(clusterState, shop, ['one'])).toEqual(letters.map(digest))
})

describe('pods of the new version that run another digest than a', () => {
  const image = `${shop}:v1@${digest('a')}`
  const ready = (pods: string, more = '') =>
    `web: {image: '${image}', pods: ${pods}, node: one${more}}`

  test.each([
    ['none', ready('[a, a]'), []],
    ['one of two', ready('[a, b]'), ['statefulset/web web-1 app b']],
    [
      'as Docker reports it',
      ready(`['docker-pullable://${shop}@${digest('b')}']`),
      ['statefulset/web web-0 app b'],
    ],
    [
      'its init container too',
      ready('[b]', `, init: '${image}'`),
      ['statefulset/web web-0 init b', 'statefulset/web web-0 app b'],
    ],
    ['not the id of an image, which is that of its configuration', ready(`['${digest('b')}']`), []],
    [
      'not another repository: an image swapper, or a node that has the image from there',
      ready(`['mirror.example/acme/shop@${digest('b')}']`),
      [],
    ],
    ['not before the kubelet says it', ready(`['']`), []],
    ['not what is not Ready', `web: {image: '${image}', pods: [b]}`, []],
    ['not what runs an older template', ready('[b]', ', old: true'), []],
  ])('%s', (_, text, expected) => {
    const { clusterState, workloads } = running(text)
    const desired = workloads.map((one) => desiredBack(workloadId(one), one, one, clusterState))
    const found = otherDigests(clusterState, desired, { repository: shop, digest: digest('a') })
    expect(
      found.map((one) => `${one.workload} ${one.pod} ${one.container} ${one.digest[7] ?? ''}`),
    ).toEqual(expected)
  })

  test('not a container that the release does not change', () => {
    const { clusterState, workloads } = running(ready('[b]'))
    const desired = workloads.map((one) => ({
      ...desiredBack(workloadId(one), one, one, clusterState),
      images: { web: image },
    }))
    expect(otherDigests(clusterState, desired, { repository: shop, digest: digest('a') })).toEqual(
      [],
    )
  })
})
