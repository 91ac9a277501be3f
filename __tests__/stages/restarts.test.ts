import { expect, test } from '@jest/globals'
import { parse } from 'yaml'
import type { Change } from '../../src/kubernetes/apply.js'
import type { KubeObject, WorkloadObject } from '../../src/kubernetes/objects.js'
import { restartOf } from '../../src/stages/restarts.js'

const web = (kind = 'Deployment', annotations = '{}') => {
  const template = `{metadata: {annotations: ${annotations}}, spec: {containers: [{name: web, envFrom: [{secretRef: {name: shop}}]}]}}`
  const spec =
    kind === 'CronJob'
      ? `{jobTemplate: {spec: {template: ${template}}}}`
      : `{template: ${template}}`
  return parse(`{apiVersion: apps/v1, kind: ${kind}, spec: ${spec}}`) as WorkloadObject
}
const secret = (value: string, version = '1', name = 'shop') =>
  parse(
    `{apiVersion: v1, kind: Secret, metadata: {name: ${name}, uid: u, resourceVersion: "${version}"}, data: {a: ${value}}}`,
  ) as KubeObject
const change = (live: KubeObject, object: KubeObject): Change => ({
  is: 'change',
  live,
  object,
  becomes: object,
})

test('pods that read a changed value are replaced', () => {
  const restart = restartOf(web(), [change(secret('one'), secret('two'))])
  expect(restart?.because).toEqual(['secret/shop'])
  expect(restart?.hash).toMatch(/^[0-9a-f]{16}$/)
})

test.each([
  ['what they do not read', web(), change(secret('one', '1', 'b'), secret('two', '1', 'b'))],
  [
    'an apply without a change',
    web(),
    { ...change(secret('one'), secret('two')), is: 'none' } as Change,
  ],
  ['the same content', web(), change(secret('one', '1'), secret('one', '2'))],
  ['a CronJob', web('CronJob'), change(secret('one'), secret('two'))],
])('no pods are replaced for %s', (_, live, changed) => {
  expect(restartOf(live, [changed])).toBeUndefined()
})

test('each change gives a different hash, and no hash contains a value', () => {
  const hash = (live: WorkloadObject, one: Change) => restartOf(live, [one])?.hash
  const first = hash(web(), change(secret('one', '1'), secret('two', '1')))
  expect(hash(web(), change(secret('one', '1'), secret('three', '1')))).toBe(first)
  expect(hash(web(), change(secret('two', '2'), secret('one', '2')))).not.toBe(first)
  const created: Change = { is: 'create', object: secret('one'), becomes: secret('one') }
  const again = web('Deployment', `{django-rollout/config-hash: ${hash(web(), created)}}`)
  expect(hash(again, created)).not.toBe(hash(web(), created))
})
