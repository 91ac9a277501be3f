/** Every version of the image that runs anywhere in the namespace. */
import { describe, expect, test } from '@jest/globals'
import type { CronJob, Job } from 'kubernetes-types/batch/v1'
import type { Deployment, ReplicaSet } from 'kubernetes-types/apps/v1'
import type { Pod } from 'kubernetes-types/core/v1'
import type { ObjectMeta } from 'kubernetes-types/meta/v1'
import { versionsInUse } from '../../src/judge/versions-in-use.js'
import { nothing } from '../support/live.js'

const shop = 'ghcr.io/acme/shop'
const digestOf = (letter: string) => `sha256:${letter.repeat(64)}`
const owned = (kind: string, name: string): ObjectMeta => ({
  ownerReferences: [{ apiVersion: 'v1', kind, name, uid: name, controller: true }],
})
const spec = (image: string) => ({ containers: [{ name: 'app', image }] })
const named = <T extends { metadata?: ObjectMeta }>(...all: readonly T[]) =>
  new Map(all.map((one) => [one.metadata?.name ?? '', one]))

function podOf(name: string, image: string, pulled: string, more: Partial<Pod> = {}): Pod {
  return {
    ...more,
    metadata: { ...more.metadata, name },
    spec: spec(image),
    status: {
      phase: 'Running',
      containerStatuses: [{ name: 'app', image, imageID: pulled, ready: true, restartCount: 0 }],
      ...more.status,
    },
  }
}

const replicasets = named<ReplicaSet>({
  metadata: { ...owned('Deployment', 'web'), name: 'web-1' },
  spec: { selector: {}, template: { spec: spec(`${shop}:v1`) } },
})
const jobs = named<Job>({ metadata: { ...owned('CronJob', 'report'), name: 'report-1' } })
const cronjob = (image: string): CronJob => ({
  metadata: { name: 'report' },
  spec: { schedule: '', jobTemplate: { spec: { template: { spec: spec(image) } } } },
})
const web = { metadata: owned('ReplicaSet', 'web-1') }
const ending = { metadata: { ...web.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } }

const deploymentOf = (replicas: number): Deployment => ({
  metadata: { name: 'web' },
  spec: { replicas, selector: {}, template: { spec: spec(`${shop}:v1@${digestOf('a')}`) } },
})
const suspended = (suspend: boolean): CronJob => {
  const { metadata, spec: own } = cronjob(`${shop}:v1@${digestOf('a')}`)
  return { ...(metadata && { metadata }), ...(own && { spec: { ...own, suspend } }) }
}
const endingPod = podOf('web-1-a', `${shop}:v1@${digestOf('a')}`, '', ending)

describe('the versions in use', () => {
  test.each<[string, readonly Pod[], readonly CronJob[], readonly string[]]>([
    ['none', [], [], []],
    [
      'of a Deployment, by its pods',
      [
        podOf('web-1-a', `${shop}:v1`, `${shop}@${digestOf('a')}`, web),
        podOf('web-1-b', `${shop}:v1`, `${shop}@${digestOf('a')}`, web),
      ],
      [],
      ['a v1 deployment/web'],
    ],
    [
      'of a Deployment whose pods are renamed by a mirror',
      [
        podOf('web-1-a', `mirror.example/shop:v1@${digestOf('a')}`, '', web),
        podOf('other-1-a', `mirror.example/shop:v9@${digestOf('b')}`, ''),
      ],
      [],
      ['a v1 deployment/web'],
    ],
    [
      'two at once, and a pod without owner',
      [
        podOf('web-1-a', `${shop}:v1@${digestOf('a')}`, '', web),
        podOf('shell', `${shop}:v0`, `docker-pullable://${shop}@${digestOf('b')}`),
      ],
      [],
      ['a v1 deployment/web', 'b v0 pod/shell'],
    ],
    [
      'of a CronJob whose pod runs, and of its next pod',
      [
        podOf('report-1-x', `${shop}:v1`, `${shop}@${digestOf('a')}`, {
          metadata: owned('Job', 'report-1'),
        }),
      ],
      [cronjob(`${shop}:v2@${digestOf('b')}`)],
      ['a v1 cronjob/report', 'b v2 cronjob/report'],
    ],
    [
      'of pods that are ending, once',
      [
        podOf('web-1-a', `${shop}:v1@${digestOf('a')}`, '', ending),
        podOf('web-1-b', `${shop}:v2@${digestOf('b')}`, '', ending),
        podOf('web-1-c', `${shop}:v2@${digestOf('b')}`, '', web),
      ],
      [],
      ['a v1 an ending pod of deployment/web', 'b v2 deployment/web'],
    ],
    [
      'of a CronJob that waits, by the tag that others run',
      [podOf('web-1-a', `${shop}:v1`, `${shop}@${digestOf('a')}`, web)],
      [cronjob(`${shop}:v1`)],
      ['a v1 cronjob/report deployment/web'],
    ],
    ['of an unknown tag', [], [cronjob(`${shop}:v1`)], ['? v1 cronjob/report']],
    [
      'not of pods that have ended, of other images, and of the migration',
      [
        podOf('done', `${shop}:v1`, `${shop}@${digestOf('a')}`, { status: { phase: 'Succeeded' } }),
        podOf('db', 'postgres:17', `postgres@${digestOf('b')}`),
        podOf('own', `${shop}:v1`, `${shop}@${digestOf('c')}`, {
          metadata: { labels: { own: 'yes' } },
        }),
      ],
      [],
      [],
    ],
  ])('are found: %s', (_, pods, cronjobs, expected) => {
    const state = {
      ...nothing,
      replicasets,
      jobs,
      pods: named(...pods),
      cronjobs: named(...cronjobs),
    }
    const found = versionsInUse(state, shop, (pod) => pod.metadata?.labels?.['own'] === 'yes')
    expect(
      found.map(({ digest, tag, names }) => [digest?.at(-1) ?? '?', tag, ...names].join(' ')),
    ).toEqual(expected)
  })

  test.each<[string, Partial<typeof nothing>, string]>([
    [
      'a Deployment with 0 replicas',
      { deployments: named(deploymentOf(0)) },
      'idle deployment/web with 0 replicas',
    ],
    ['a Deployment with replicas', { deployments: named(deploymentOf(1)) }, 'deployment/web'],
    [
      'a suspended CronJob',
      { cronjobs: named(suspended(true)) },
      'idle cronjob/report which is suspended',
    ],
    ['a CronJob', { cronjobs: named(suspended(false)) }, 'cronjob/report'],
    [
      'a pod that is ending, and a Deployment with 0 replicas',
      { deployments: named(deploymentOf(0)), pods: named(endingPod) },
      'gone at 1767225600000 an ending pod of deployment/web, deployment/web with 0 replicas',
    ],
    [
      'a pod that is ending, and a Deployment with replicas',
      { deployments: named(deploymentOf(1)), pods: named(endingPod) },
      'deployment/web',
    ],
  ])('are known to run for how long: %s', (_, state, expected) => {
    const found = versionsInUse({ ...nothing, replicasets, ...state }, shop, () => false)
    expect(
      found.map(({ isIdle, goneAt, names }) =>
        [
          ...(isIdle ? ['idle'] : []),
          ...(goneAt === undefined ? [] : [`gone at ${goneAt}`]),
          names.join(', '),
        ].join(' '),
      ),
    ).toEqual([expected])
  })

  test('are found for a Deployment without pods, by its template', () => {
    const deployment: Deployment = {
      metadata: { name: 'web' },
      spec: { selector: {}, template: { spec: spec(`${shop}:v1@${digestOf('a')}`) } },
    }
    const state = { ...nothing, deployments: named(deployment) }
    expect(versionsInUse(state, shop, () => false)).toEqual([
      { digest: digestOf('a'), tag: 'v1', names: ['deployment/web'] },
    ])
  })
})
