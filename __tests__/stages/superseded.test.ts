import { describe, expect, test } from '@jest/globals'
import { parse } from 'yaml'
import type { WorkloadObject } from '../../src/kubernetes/objects.js'
import { deletion } from '../../src/judge/rollout-status.js'
import { changeSince } from '../../src/stages/superseded.js'

describe('before its turn in the rollout a workload', () => {
  const web = (image: string, more = '') =>
    parse(
      `{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {replicas: 2, template: {${more} spec: {containers: [{name: web, image: 'shop:${image}'}]}}}}`,
    ) as WorkloadObject
  const leaving = (object: WorkloadObject): WorkloadObject => ({
    ...object,
    metadata: { ...object.metadata, deletionTimestamp: '2026-07-01T10:00:00Z' },
  })
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
    ['is being deleted', web('old'), leaving(web('old')), deletion],
    ['was created by another client that deletes it', undefined, leaving(web('old')), deletion],
    ['is still to be created', undefined, undefined, undefined],
    ['was created by another client', undefined, web('old'), 'an object of another client'],
  ])('is judged rightly when it %s', (_, before, now, expected) => {
    expect(changeSince({ kind: 'Deployment', name: 'web' }, before, now)).toBe(expected)
  })
})
