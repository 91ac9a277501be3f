import { expect, test } from '@jest/globals'
import type { WorkloadObject } from '../../src/kubernetes/objects.js'
import type { RawInputs } from '../../src/options/read.js'
import { longestOf, planAsLive, planTargets } from '../../src/stages/rollout.js'
import { clusterOf } from '../support/cluster.js'
import { scripted } from '../support/scripted.js'
import { contextOf } from '../support/settings.js'
import { pinned, target } from '../support/targets.js'

const manifest = { kind: 'Deployment', metadata: {}, spec: {} } as WorkloadObject

const version = { repository: 'ghcr.io/acme/shop', image: pinned }

test('the hash of the changes does not depend on who releases', async () => {
  const given: string[] = []
  const cluster = clusterOf({
    kubectl: (_args, { input = '' } = {}) => {
      given.push(input)
      return Promise.resolve({ code: 0, stdout: input, stderr: '' })
    },
  })
  const cause = { 'kubernetes.io/change-cause': 'release of old by ada' }
  const live = {
    ...manifest,
    metadata: { name: 'web', annotations: cause },
    spec: { template: {} },
  }
  const ours = { ...manifest, metadata: { name: 'web' } }
  const targets = [target('web', [], { manifest: ours, live })]
  expect(await planTargets(cluster, targets, version)).toMatchObject([{ is: 'none' }])
  expect(given[0]).toContain('release of old by ada')
})

test('an image that runs already keeps the name from the live template', async () => {
  const image = `ghcr.io/acme/shop:v1`
  const spec = { template: { spec: { containers: [{ name: 'web', image }] } } }
  const live = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web' },
    spec,
  } as const
  const given: string[] = []
  const cluster = clusterOf({
    kubectl: (_, how) => {
      given.push(how?.input ?? '')
      return Promise.resolve({ code: 0, stdout: JSON.stringify(live), stderr: '' })
    },
  })
  const targets = [target('web', ['web'], { manifest: live, live })]
  expect(await planAsLive(cluster, targets, version)).toMatchObject([{ is: 'none' }])
  expect(given[0]).toContain(`"image":"${image}"`)
})

test.each<[RawInputs, number]>([
  [{ timeout: '1m', bake: '15s' }, 135],
  [{ timeout: '1m', bake: '15s', 'smoke-path': '/', 'smoke-timeout': '5m' }, 420],
  [{ timeout: '1m', bake: '10m', 'smoke-path': '/', 'smoke-timeout': '5m' }, 720],
  [{ timeout: '1m', bake: '15s', 'smoke-timeout': '5m' }, 135],
])('a rollout with %j ends within %i s', (given, seconds) => {
  expect(longestOf(contextOf(scripted([]).platform, given).settings)).toBe(seconds * 1000)
})
