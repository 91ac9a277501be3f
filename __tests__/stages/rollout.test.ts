import { describe, expect, test } from '@jest/globals'
import { parse } from 'yaml'
import type { WorkloadObject } from '../../src/kubernetes/objects.js'
import type { WorkloadKind } from '../../src/kubernetes/workload.js'
import { deletion } from '../../src/rollout/progress.js'
import {
  imageCommands,
  madeSince,
  planAsLive,
  planOurs,
  wavesOf,
} from '../../src/stages/rollout.js'
import type { Target } from '../../src/stages/targets.js'
import { clusterOf } from '../support/cluster.js'

const digest = `sha256:${'a'.repeat(64)}`
const pinned = `ghcr.io/acme/shop:new@${digest}`

/** `web: [web]` or `web: [web, -nginx]`: a minus before a container that is not ours. */
function target(name: string, containers: readonly string[], more: Partial<Target> = {}): Target {
  const kind: WorkloadKind = name === 'clean' ? 'CronJob' : 'Deployment'
  const ours = containers.filter((one) => !one.startsWith('-'))
  const template = {
    spec: {
      containers: containers.map((one) => ({
        name: one.replace('-', ''),
        image: one.startsWith('-') ? 'nginx' : 'ghcr.io/acme/shop:old',
      })),
    },
  }
  const spec = kind === 'CronJob' ? { jobTemplate: { spec: { template } } } : { template }
  return {
    id: { kind, name },
    path: `/${name}`,
    uses: ours.map((one) => ({ name: one, init: false, image: 'ghcr.io/acme/shop:old' })),
    running: ours.map(() => 'ghcr.io/acme/shop:old'),
    live: { apiVersion: 'apps/v1', kind, metadata: { name }, spec },
    ...more,
  }
}

const range = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, nth) => `deployment/w${from + nth}`)

const manifest = { kind: 'Deployment', metadata: {}, spec: {} } as WorkloadObject

describe('kubectl set image', () => {
  test.each([
    ['one workload', 'web: [web]', ['deployment/web web']],
    [
      'many with a container of the same name share a call',
      '{web: [app], worker: [app], clean: [app]}',
      ['deployment/web deployment/worker cronjob/clean app'],
    ],
    [
      'others need their own: a name that one lacks would fail the call half-way',
      '{web: [web, -nginx], worker: [worker, -nginx]}',
      ['deployment/web web', 'deployment/worker worker'],
    ],
    ['a foreign container keeps its image', 'web: [web, -nginx]', ['deployment/web web']],
    [
      'more than a call writes quickly go side by side, in parts of about the same length',
      `{${Array.from({ length: 32 }, (_, nth) => `w${nth}: [w${nth}]`).join(', ')}}`,
      [range(0, 11), range(11, 22), range(22, 32)].map((ids) => `${ids.join(' ')} *`),
    ],
    [
      'all containers ours: one call for all such workloads',
      '{web: [web, migrate], worker: [worker, sidecar]}',
      ['deployment/web deployment/worker *'],
    ],
  ])('%s', (_, workloads, calls) => {
    const targets = Object.entries(parse(workloads) as Record<string, string[]>).map(
      ([name, containers]) => target(name, containers),
    )
    expect(
      imageCommands(targets, pinned).map((args) =>
        args
          .slice(2)
          .map((word) => word.replace(`=${pinned}`, ''))
          .join(' '),
      ),
    ).toEqual(calls)
  })

  test('is not for what the manifests bring', () => {
    expect(imageCommands([target('web', ['web'], { manifest })], pinned)).toEqual([])
  })
})

test('what an apply would change does not depend on who releases', async () => {
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
  expect(await planOurs(cluster, targets, 'ghcr.io/acme/shop', pinned)).toMatchObject([
    { is: 'none' },
  ])
  expect(given[0]).toContain('release of old by ada')
})

test('an image that runs already has the name in a manifest that the live template has for it', async () => {
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
  expect(await planAsLive(cluster, targets, 'ghcr.io/acme/shop', pinned)).toMatchObject([
    { is: 'none' },
  ])
  expect(given[0]).toContain(`"image":"${image}"`)
})

describe('right before its turn a workload', () => {
  const web = (image: string, more = '') =>
    parse(
      `{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {replicas: 2, template: {${more} spec: {containers: [{name: web, image: 'shop:${image}'}]}}}}`,
    ) as WorkloadObject
  const restarted = 'metadata: {annotations: {kubectl.kubernetes.io/restartedAt: now}},'

  test.each<[string, WorkloadObject | undefined, WorkloadObject | undefined, string | undefined]>([
    ['is as it was', web('old'), web('old'), undefined],
    ['was restarted', web('old'), web('old', restarted), undefined],
    [
      'was scaled',
      web('old'),
      { ...web('old'), spec: { ...web('old').spec, replicas: 9 } },
      undefined,
    ],
    ['has another image', web('old'), web('hotfix'), 'image shop:hotfix in container web'],
    [
      'has another label',
      web('old'),
      web('old', 'metadata: {labels: {a: b}},'),
      'another template',
    ],
    ['is gone', web('old'), undefined, deletion],
    ['is still to be created', undefined, undefined, undefined],
    ['was created by somebody', undefined, web('old'), 'what somebody else has created'],
  ])('%s', (_, before, now, expected) => {
    expect(madeSince({ kind: 'Deployment', name: 'web' }, before, now)).toBe(expected)
  })
})

describe('waves', () => {
  const web = target('web', ['web'])
  const worker = target('worker', ['worker'])
  const chosen = { workload: web.id, template: {}, container: 'web', containers: ['web'] }
  const absent = (({ live: _live, ...rest }) => rest)(web)

  test.each([
    ['the web goes first', { targets: [worker, web], web: chosen }, [['web'], ['worker']]],
    ['all at once when no web is known', { targets: [worker, web] }, [['worker', 'web'], []]],
    [
      'all at once in a first deploy',
      { targets: [worker, absent], web: chosen },
      [['worker', 'web'], []],
    ],
    ['the web alone', { targets: [web], web: chosen }, [['web'], []]],
  ])('%s', (_, site, waves) => {
    expect(wavesOf(site).map((wave) => wave.map(({ id }) => id.name))).toEqual(waves)
  })
})
