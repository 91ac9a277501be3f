/** How long the pods of the old version may take to end. */
import { expect, test } from '@jest/globals'
import { parse } from 'yaml'
import type { WorkloadObject } from '../../src/kubernetes/objects.js'
import { drainTime } from '../../src/judge/drain.js'

test.each([
  ['nothing has to end', [], 0],
  ['30 s by default', ['{kind: Deployment, spec: {template: {spec: {}}}}'], 30],
  ['all pods of a Deployment at the same time', [of('Deployment', 600, 'replicas: 4')], 600],
  ['those of a StatefulSet one after the other', [of('StatefulSet', 120, 'replicas: 3')], 360],
  [
    'and those of a DaemonSet',
    [of('DaemonSet', 60, '').replace('kind', 'status: {desiredNumberScheduled: 5}, kind')],
    300,
  ],
  ['workloads side by side', [of('Deployment', 600, ''), of('StatefulSet', 30, '')], 600],
  ['the pods of a CronJob are not waited for', ['{kind: CronJob, spec: {}}'], 0],
])('the time to wait for ending pods is right: %s', (_, workloads, seconds) => {
  expect(drainTime(workloads.map((text) => parse(text) as WorkloadObject))).toBe(seconds * 1000)
})

function of(kind: string, grace: number, spec: string): string {
  return `{kind: ${kind}, spec: {${spec}${spec === '' ? '' : ', '}template: {spec: {terminationGracePeriodSeconds: ${grace}}}}}`
}
