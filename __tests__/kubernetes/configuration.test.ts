import { describe, expect, test } from '@jest/globals'
import { parse } from 'yaml'
import type { PodTemplateSpec } from 'kubernetes-types/core/v1'
import {
  configHashOf,
  readsDifferently,
  readsOf,
  withConfigHash,
} from '../../src/kubernetes/configuration.js'
import type { KubeObject, WorkloadObject } from '../../src/kubernetes/objects.js'

const read = (kind: string, name: string, keys: string | readonly string[]) => ({
  kind,
  name,
  keys,
  container: 'web',
})
const volumes = `volumes: [
  {name: files, configMap: {name: shop}},
  {name: some, secret: {secretName: shop, items: [{key: a, path: etc/a}, {key: b, path: b}]}},
  {name: many, projected: {sources: [{configMap: {name: one}}, {secret: {name: two}}, {downwardAPI: {}}]}}]`

describe('the configuration that pods read once', () => {
  test.each([
    ['nothing', '{}', []],
    ['a value', 'env: [{name: A, value: a}]', []],
    [
      'variables',
      'env: [{name: A, valueFrom: {secretKeyRef: {name: shop, key: a}}}, {name: B, valueFrom: {configMapKeyRef: {name: shop, key: b}}}, {name: C, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]',
      [read('Secret', 'shop', ['a']), read('ConfigMap', 'shop', ['b'])],
    ],
    [
      'all of an object',
      'envFrom: [{secretRef: {name: shop}}, {prefix: X_, configMapRef: {name: more, optional: true}}]',
      [read('Secret', 'shop', 'all'), read('ConfigMap', 'more', 'all')],
    ],
    [
      'a volume, which is updated without a restart',
      'volumeMounts: [{name: files, mountPath: /etc}]',
      [],
    ],
    [
      'a file of a volume',
      'volumeMounts: [{name: files, mountPath: /a.py, subPath: a.py}]',
      [read('ConfigMap', 'shop', ['a.py'])],
    ],
    [
      'a folder of a volume',
      'volumeMounts: [{name: some, mountPath: /etc, subPath: etc}]',
      [read('Secret', 'shop', ['a'])],
    ],
    [
      'a file whose name is made',
      'volumeMounts: [{name: files, mountPath: /a, subPathExpr: $(POD)}]',
      [read('ConfigMap', 'shop', 'all')],
    ],
    [
      'a file of several',
      'volumeMounts: [{name: many, mountPath: /a, subPath: a}]',
      [read('ConfigMap', 'one', ['a']), read('Secret', 'two', ['a'])],
    ],
  ])('is found for "%s"', (_, container, reads) => {
    const template = `{spec: {containers: [{name: web, ${container === '{}' ? '' : container}}], ${volumes}}}`
    expect(readsOf(parse(template) as PodTemplateSpec)).toEqual(reads)
  })

  test('is found for init containers too', () => {
    const template = '{spec: {initContainers: [{name: web, envFrom: [{secretRef: {name: a}}]}]}}'
    expect(readsOf(parse(template) as PodTemplateSpec)).toEqual([read('Secret', 'a', 'all')])
  })
})

describe('a change of the configuration that a container reads', () => {
  test.each([
    ['value', 'all', 'data: {a: MQ==}', 'data: {a: Mg==}', true],
    ['key', 'all', 'data: {a: MQ==}', 'data: {a: MQ==, b: MQ==}', true],
    ['key that goes', 'all', 'data: {a: MQ==, b: MQ==}', 'data: {a: MQ==}', true],
    ['key than the one that is read', ['a'], 'data: {a: MQ==}', 'data: {a: MQ==, b: MQ==}', false],
    ['label', 'all', 'data: {a: MQ==}', '{data: {a: MQ==}, metadata: {labels: {x: y}}}', false],
    ['way to write it', 'all', 'data: {a: MQ==}', 'stringData: {a: "1"}', false],
    ['text', 'all', 'data: {a: MQ==}', '{data: {a: MQ==}, stringData: {a: "2"}}', true],
    ['file', ['a'], 'binaryData: {a: MQ==}', 'binaryData: {a: Mg==}', true],
    ['object', ['a'], undefined, 'data: {a: MQ==}', true],
    ['object without the key', ['b'], undefined, 'data: {a: MQ==}', false],
  ])('is judged rightly for another %s', (_, keys, before, after, is) => {
    const one = { kind: 'Secret', name: 'a', container: 'web', keys: keys as 'all' } as const
    const old = before === undefined ? undefined : (parse(before) as KubeObject)
    expect(readsDifferently(one, old, parse(after) as KubeObject)).toBe(is)
  })
})

test('the hash is written to the pod template', () => {
  const web = parse(
    '{apiVersion: apps/v1, kind: Deployment, spec: {template: {metadata: {annotations: {a: b}}}}}',
  ) as WorkloadObject
  expect(withConfigHash(web, undefined)).toBe(web)
  const changed = withConfigHash(web, 'x')
  expect(configHashOf(changed)).toBe('x')
  expect(changed.spec.template?.metadata?.annotations).toMatchObject({ a: 'b' })
  expect(configHashOf(undefined)).toBeUndefined()
})
