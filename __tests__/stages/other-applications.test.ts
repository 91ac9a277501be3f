/** Two images of one repository, whose manifests are in one folder. */
import { expect, test } from '@jest/globals'
import { noManifests } from '../../src/kubernetes/manifests.js'
import type { WorkloadObject } from '../../src/kubernetes/objects.js'
import { withoutOthers } from '../../src/stages/other-applications.js'

const api = 'ghcr.io/acme/api'
const pinned = `${api}:4f2c1d9@sha256:${'a'.repeat(64)}`
const byRelease = { 'kubernetes.io/change-cause': 'release of 4f2c1d9 by ada' }
const byHand = { 'kubernetes.io/change-cause': 'kubectl set image' }

function workload(image: string, annotations = {}, kind = 'Deployment'): WorkloadObject {
  const template = { spec: { containers: [{ name: 'main', image }] } }
  const isCron = kind === 'CronJob'
  return {
    apiVersion: isCron ? 'batch/v1' : 'apps/v1',
    kind,
    metadata: { name: isCron ? 'report' : 'api', annotations },
    spec: isCron ? { jobTemplate: { spec: { template } } } : { template },
  } as WorkloadObject
}

const leftOf = (written: readonly WorkloadObject[], live: readonly WorkloadObject[]) => {
  const { manifests, left } = withoutOthers({ ...noManifests, others: written }, live)
  expect(manifests.others).toHaveLength(written.length - left.length)
  return left.map(({ id, image }) => `${id} ${image}`)
}

test.each<[string, readonly WorkloadObject[], readonly WorkloadObject[], readonly string[]]>([
  ['its name alone', [workload('api')], [workload(pinned, byRelease)], [`deployment/api ${api}`]],
  [
    'a tag that is replaced',
    [workload(`${api}:latest`)],
    [workload(pinned, byRelease)],
    [`deployment/api ${api}`],
  ],
  [
    'a CronJob of that image',
    [workload('api', {}, 'CronJob')],
    [workload(pinned, byRelease), workload(pinned, {}, 'CronJob')],
    [`cronjob/report ${api}`],
  ],
  ['what is not there yet', [workload('api')], [], []],
  ['what no release has written', [workload(api)], [workload(pinned, byHand)], []],
  ['what a release wrote without a digest', [workload(api)], [workload(api, byRelease)], []],
  ['an image by its digest', [workload(pinned)], [workload(pinned, byRelease)], []],
  ['another image', [workload('postgres:18')], [workload(pinned, byRelease)], []],
  [
    'what is applied as it is written',
    [workload('api', { 'django-rollout/ignore': 'true' })],
    [workload(pinned, byRelease)],
    [],
  ],
])('a workload of another application is left to its releases: %s', (_, written, live, left) => {
  expect(leftOf(written, live)).toEqual(left)
})
