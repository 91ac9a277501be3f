import { describe, expect, test } from '@jest/globals'
import { learnNames, OwnNames } from '../../src/kubernetes/own-names.js'
import { ApiError } from '../../src/kubernetes/api-error.js'
import type { KubeObject } from '../../src/kubernetes/objects.js'
import { clusterOf } from '../support/cluster.js'

const shop = 'ghcr.io/acme/shop'
const mirrored = 'mirror.example/ghcr.io/acme/shop'
const digest = `@sha256:${'a'.repeat(64)}`

function web(image: string, sidecar = 'envoy:1'): KubeObject {
  const containers = [
    { name: 'web', image },
    { name: 'side', image: sidecar },
  ]
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', resourceVersion: '7' },
    spec: { template: { spec: { containers } } },
  }
}

describe('a name that admission gives to our image', () => {
  test.each<[string, KubeObject, KubeObject, boolean]>([
    ['another registry', web(`${shop}:v1`), web(`${mirrored}:v1${digest}`), true],
    ['a digest', web(`${shop}:v1`), web(`${shop}:v1${digest}`), false],
    ['another image', web(`${shop}:v1`), web('pause:3'), false],
    ['nothing', web(`${shop}:v1`), web(`${shop}:v1`), false],
    ['a name of another container', web('other:v1', `${shop}:v1`), web(`${mirrored}:v1`), false],
  ])('is known from what a workload becomes: %s', (_, sent, made, is) => {
    const names = new OwnNames(shop)
    expect(names.learn(sent, made)).toBe(is)
    expect(names.learn(sent, made)).toBe(false)
  })

  test('is read as ours in the images of what the server answers', () => {
    const names = new OwnNames(shop)
    const text = JSON.stringify({
      image: `${mirrored}:v1`,
      pinned: { image: `${mirrored}${digest}` },
      longer: { image: `${mirrored}-admin:v1` },
      message: `pulling ${mirrored}:v1 failed`,
    })
    expect(names.read(text)).toBe(text)
    names.learn(web(`${shop}:v1`), web(`${mirrored}:v1`))
    expect(JSON.parse(names.read(text))).toEqual({
      image: `${shop}:v1`,
      pinned: { image: `${shop}${digest}` },
      longer: { image: `${mirrored}-admin:v1` },
      message: `pulling ${mirrored}:v1 failed`,
    })
    expect(names.read(`{\n  "image": "${mirrored}:v1"\n}`)).toContain(`"${shop}:v1"`)
  })
})

describe('a name that runs already', () => {
  const sent: string[] = []
  /** What the server makes of our image. */
  const learned = (running: string, made: string | ApiError) => {
    sent.length = 0
    const cluster = clusterOf({
      dryRun: <T>(path: string, body: unknown) => {
        sent.push(path, JSON.stringify(body))
        if (made instanceof ApiError) return Promise.reject(made)
        return Promise.resolve(web(made) as T)
      },
    })
    return learnNames(cluster, [web(running)])
  }

  test.each<[string, string, string | ApiError, boolean]>([
    ['the server gives it to ours', `${mirrored}:v1${digest}`, `${mirrored}:v1${digest}`, true],
    ['the server leaves ours as it is', `${mirrored}:v1`, `${shop}:v1`, false],
    ['the account may not try', `${mirrored}:v1`, new ApiError(403, 'Forbidden', 'no'), false],
  ])('is ours or not: %s', async (_, running, made, is) => {
    expect(await learned(running, made)).toBe(is)
    expect(sent[0]).toBe('/apis/apps/v1/namespaces/shop/deployments/web')
    expect(sent[1]).toContain(running.replace(mirrored, shop))
    expect(sent[1]).not.toContain('resourceVersion')
  })

  test.each([`${shop}:v1`, 'ghcr.io/acme/admin:v1'])('costs no request for %s', async (running) => {
    expect(await learned(running, new ApiError(500, '', ''))).toBe(false)
    expect(sent).toEqual([])
  })
})
