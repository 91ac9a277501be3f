import { describe, expect, test } from '@jest/globals'
import { parse } from 'yaml'
import type { KubeObject } from '../../src/kubernetes/objects.js'
import { collection, discover, watched } from '../../src/kubernetes/paths.js'
import { Failure } from '../../src/failure/failure.js'
import { clusterOf } from '../support/cluster.js'

test.each([
  ['v1', 'pods', '/api/v1/namespaces/shop/pods'],
  ['apps/v1', 'deployments', '/apis/apps/v1/namespaces/shop/deployments'],
  ['cert-manager.io/v1', 'certificates', '/apis/cert-manager.io/v1/namespaces/shop/certificates'],
])('the path of %s %s is %s', (version, plural, path) => {
  expect(collection(version, 'shop', plural)).toBe(path)
})

test('the watched kinds are named as in paths, by their lower-case plural', () => {
  for (const [plural, { kind }] of Object.entries(watched)) {
    expect(plural).toBe(`${kind.toLowerCase()}s`)
  }
})

/** Discovery documents, as `kubectl get --raw /api/v1` shows them. */
const documents: Readonly<Record<string, unknown>> = {
  '/api/v1': {
    resources: [
      { name: 'configmaps', kind: 'ConfigMap', namespaced: true },
      { name: 'services', kind: 'Service', namespaced: true },
      { name: 'services/proxy', kind: 'ServiceProxyOptions', namespaced: true },
      { name: 'persistentvolumes', kind: 'PersistentVolume', namespaced: false },
    ],
  },
  '/apis/networking.k8s.io/v1': {
    resources: [
      { name: 'ingresses/status', kind: 'Ingress', namespaced: true },
      { name: 'ingresses', kind: 'Ingress', namespaced: true },
      { name: 'networkpolicies', kind: 'NetworkPolicy', namespaced: true },
    ],
  },
}

async function found(...objects: readonly string[]) {
  const asked: string[] = []
  const cluster = clusterOf({
    find: <T>(path: string) => {
      asked.push(path)
      return Promise.resolve(documents[path] as T | undefined)
    },
  })
  const all = objects.map((text) => parse(text) as KubeObject)
  const resources = await discover(cluster, all)
  return { asked, resources, all }
}

describe('the path of an object', () => {
  test.each([
    ['v1', 'ConfigMap', '', 'configmaps', '/api/v1/namespaces/shop/configmaps/x'],
    [
      'networking.k8s.io/v1',
      'Ingress',
      'networking.k8s.io',
      'ingresses',
      '/apis/networking.k8s.io/v1/namespaces/shop/ingresses/x',
    ],
    [
      'networking.k8s.io/v1',
      'NetworkPolicy',
      'networking.k8s.io',
      'networkpolicies',
      '/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies/x',
    ],
  ])('is found for %s %s', async (apiVersion, kind, group, plural, path) => {
    const { resources, all } = await found(
      `{apiVersion: ${apiVersion}, kind: ${kind}, metadata: {name: x}}`,
    )
    expect(resources.of(all[0]!)).toMatchObject({ group, plural, namespaced: true })
    expect(resources.pathOf(all[0]!)).toBe(path)
  })

  test.each([
    [
      '{apiVersion: v1, kind: Foo, metadata: {name: x}}',
      'Foo "x": the cluster has no kind Foo in v1',
    ],
    [
      '{apiVersion: example.com/v1, kind: Foo, metadata: {name: x}}',
      'Foo "x": the cluster has no kind Foo in example.com/v1',
    ],
    [
      '{apiVersion: v1, kind: ServiceProxyOptions, metadata: {name: x}}',
      'ServiceProxyOptions "x": the cluster has no kind ServiceProxyOptions in v1',
    ],
    [
      '{apiVersion: v1, kind: PersistentVolume, metadata: {name: x}}',
      'PersistentVolume "x" is outside of the namespace; a release could not restore it',
    ],
  ])('is refused for %s', async (text, sentence) => {
    const { resources, all } = await found(text)
    for (const ask of [resources.of, resources.pathOf]) {
      expect(() => ask(all[0]!)).toThrow(Failure)
      expect(() => ask(all[0]!)).toThrow(sentence)
    }
  })
})

test('each group and version is requested once', async () => {
  const { asked } = await found(
    '{apiVersion: v1, kind: ConfigMap}',
    '{apiVersion: v1, kind: Service}',
    '{apiVersion: networking.k8s.io/v1, kind: Ingress}',
  )
  expect(asked).toEqual(['/api/v1', '/apis/networking.k8s.io/v1'])
  expect((await found()).asked).toEqual([])
})
