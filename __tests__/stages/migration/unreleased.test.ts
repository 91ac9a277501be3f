/** Which running versions a Job is made for: those that no release has written. */
import { describe, expect, test } from '@jest/globals'
import type { CronJob } from 'kubernetes-types/batch/v1'
import type { Deployment } from 'kubernetes-types/apps/v1'
import type { Pod } from 'kubernetes-types/core/v1'
import { unreleasedIn } from '../../../src/stages/migration/unreleased.js'
import { scripted } from '../../support/scripted.js'
import { nothing, standing } from '../../support/live.js'
import { contextOf } from '../../support/settings.js'

const repository = 'ghcr.io/acme/shop'
const digest = `sha256:${'a'.repeat(64)}`
const context = contextOf(scripted([]).platform, { image: repository })
const specOf = (image: string) => ({
  containers: [
    { name: 'proxy', image: 'proxy' },
    { name: 'app', image },
  ],
})

/** A pod that runs `shop:v1`, whatever its owner's template says. */
const pod = (owner: string): readonly [string, Pod] => [
  `${owner}-1`,
  {
    metadata: {
      name: `${owner}-1`,
      ownerReferences: [
        { apiVersion: 'apps/v1', kind: 'Deployment', name: owner, uid: owner, controller: true },
      ],
    },
    spec: specOf(`${repository}:v1`),
    status: {
      phase: 'Running',
      containerStatuses: [
        {
          name: 'app',
          image: `${repository}:v1`,
          imageID: `${repository}@${digest}`,
          ready: true,
          restartCount: 0,
        },
      ],
    },
  },
]

const deployment = (name: string, image: string, cause?: string): readonly [string, Deployment] => [
  name,
  {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: {
      name,
      ...(cause !== undefined && { annotations: { 'kubernetes.io/change-cause': cause } }),
    },
    spec: { replicas: 1, selector: {}, template: { spec: specOf(image) } },
  },
]

const cronjob = (image: string, suspend = false): readonly [string, CronJob] => [
  'report',
  {
    apiVersion: 'batch/v1',
    kind: 'CronJob',
    metadata: { name: 'report' },
    spec: { schedule: '', suspend, jobTemplate: { spec: { template: { spec: specOf(image) } } } },
  },
]

const byTag = `${repository}:v1`
const pinned = `${repository}:v1@${digest}`
const released = 'release of v1 by ada'

describe('a Job reports what a version needs', () => {
  test.each<
    [
      string,
      readonly (readonly [string, Deployment])[],
      readonly (readonly [string, CronJob])[],
      string[],
    ]
  >([
    ['where its tag was set by hand', [deployment('web', byTag)], [], ['deployment/web app']],
    [
      'where another tool has named its digest',
      [deployment('web', pinned)],
      [],
      ['deployment/web app'],
    ],
    [
      'where its tag was set by hand after a release',
      [deployment('web', byTag, released)],
      [],
      ['deployment/web app'],
    ],
    [
      'where one of its workloads is of no release',
      [deployment('web', pinned, released), deployment('worker', byTag)],
      [],
      ['deployment/web app'],
    ],
    ['of a CronJob alone', [], [cronjob(byTag)], []],
    [
      'but not where releases have written all',
      [deployment('web', pinned, released)],
      [cronjob(pinned)],
      [],
    ],
    ['but not where nothing runs it', [], [cronjob(pinned, true)], []],
    ['but not where it has another image', [deployment('web', 'nginx:1')], [], []],
  ])('%s', (_, deployments, cronjobs, expected) => {
    const state = {
      ...nothing,
      deployments: new Map(deployments),
      cronjobs: new Map(cronjobs),
      pods: new Map(
        deployments.flatMap(([name, { spec }]) =>
          spec?.template.spec?.containers.some(({ image }) => image?.startsWith(repository))
            ? [pod(name)]
            : [],
        ),
      ),
    }
    const found = unreleasedIn(
      { settings: context.settings, app: 'shop' },
      { live: standing(state) },
    )
    expect(
      found.map(
        ({ web }) => `${web.workload.kind.toLowerCase()}/${web.workload.name} ${web.container}`,
      ),
    ).toEqual(expected)
    expect(found.every(({ image }) => image.digest === digest)).toBe(true)
  })
})
