import { expect, test } from '@jest/globals'
import type { KubeObject } from '../../src/kubernetes/objects.js'
import { forStatefulSets } from '../../src/stages/rights.js'
import { servicesWith } from '../../src/stages/inspect.js'

const service = (name: string, port: string) => ({
  apiVersion: 'v1' as const,
  kind: 'Service' as const,
  metadata: { name },
  spec: { ports: [{ name: port, port: 80 }] },
})

test('a Service of the manifests takes the place of the live Service of its name', () => {
  const planned: KubeObject[] = [
    service('shop', 'web'),
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'api' } },
  ]
  const live = [service('shop', 'http'), service('api', 'http')]
  expect(servicesWith(planned, live)).toEqual([service('shop', 'web'), service('api', 'http')])
})

test.each([
  ['a workload of ours', [{ kind: 'Deployment' }, { kind: 'StatefulSet' }], ['delete']],
  ['a database of the manifests', [{ kind: 'ConfigMap' }, { kind: 'StatefulSet' }], ['delete']],
  ['no StatefulSet', [{ kind: 'Deployment' }, {}], undefined],
])('the right to delete pods is needed for %s: %j', (_, written, verbs) => {
  expect(forStatefulSets(written)[0]?.verbs).toEqual(verbs)
})
