import { expect, test } from '@jest/globals'
import type { Pod } from 'kubernetes-types/core/v1'
import { parse } from 'yaml'
import { staleConfigurationFindings } from '../../src/checks/configuration.js'
import type { KubeObject } from '../../src/kubernetes/objects.js'
import type { Target } from '../../src/kubernetes/target.js'

const target = parse(
  '{id: {kind: Deployment, name: web}, live: {apiVersion: apps/v1, kind: Deployment, spec: {template: {spec: {containers: [{name: web, env: [{name: A, valueFrom: {secretKeyRef: {name: shop, key: a}}}]}]}}}}}',
) as Target
const pod = (minute: number) =>
  parse(
    `{status: {containerStatuses: [{name: web, state: {running: {startedAt: "2026-01-01T00:${minute}:00Z"}}}]}}`,
  ) as Pod
const secret = (minute: number, fields: string) =>
  parse(
    `{apiVersion: v1, kind: Secret, metadata: {name: shop, managedFields: [{time: "2026-01-01T00:10:00Z", fieldsV1: {"f:data": {"f:a": {}}}}, {time: "2026-01-01T00:${minute}:00Z", fieldsV1: ${fields}}]}}`,
  ) as KubeObject

test.each([
  ['the key that they read', 30, '{"f:data": {"f:a": {}}}', ['its pods']],
  ['another key', 30, '{"f:data": {"f:b": {}}}', []],
  ['a label', 30, '{"f:metadata": {}}', []],
  ['the key, before they had started', 15, '{"f:data": {"f:a": {}}}', []],
  ['the key, when one of them had started', 20, '{"f:data": {"f:a": {}}}', ['1 of its pods']],
])('the pods that need a restart are found after a change of %s', (_, minute, fields, words) => {
  const pods = [pod(19), pod(21)]
  const found = staleConfigurationFindings(target, pods, [secret(minute, fields)], (args) =>
    args.join(' '),
  )
  expect(found).toEqual(
    words.map((of) => ({
      about: 'workloads',
      severity: 'warning',
      message: `deployment/web: secret/shop changed after the start of ${of}, which may still use the old values`,
      fix: 'rollout restart deployment/web',
    })),
  )
})
