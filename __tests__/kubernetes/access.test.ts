import { describe, expect, test } from '@jest/globals'
import { parse } from 'yaml'
import { asRoleRules, merged, missingRights, type Right } from '../../src/kubernetes/access.js'
import { clusterOf } from '../support/cluster.js'

interface Asked {
  readonly spec: { readonly resourceAttributes: Readonly<Record<string, string>> }
}

/** A cluster that allows what stands in the list: `get pods/log`, `patch apps/deployments`. */
function allowing(allowed: readonly string[]) {
  const asked: string[] = []
  const cluster = clusterOf({
    review: <T>(path: string, body: unknown) => {
      expect(path).toBe('/apis/authorization.k8s.io/v1/selfsubjectaccessreviews')
      const { namespace, group, resource, subresource, verb, name } = (body as Asked).spec
        .resourceAttributes
      expect(namespace).toBe('shop')
      const what = [group, resource, subresource, name].filter(Boolean).join('/')
      asked.push(`${verb} ${what}`)
      return Promise.resolve({ status: { allowed: allowed.includes(`${verb} ${what}`) } } as T)
    },
  })
  return { cluster, asked }
}

const right = (group: string, resource: string, ...verbs: string[]): Right => ({
  group,
  resource,
  verbs,
})

const wanted = [
  right('apps', 'deployments', 'get', 'patch'),
  right('', 'pods/log', 'get'),
  right('', 'pods', 'list'),
]
const all = ['get apps/deployments', 'patch apps/deployments', 'get pods/log', 'list pods']

test.each([
  ['everything', all, []],
  ['nothing', [], wanted],
  ['all but one verb', all.slice(1), [right('apps', 'deployments', 'get')]],
  [
    'all but the subresource',
    all.filter((one) => one !== 'get pods/log'),
    [right('', 'pods/log', 'get')],
  ],
])('the missing rights are found when the server allows %s', async (_, allowed, missing) => {
  const { cluster, asked } = allowing(allowed)
  expect(await missingRights(cluster, wanted)).toEqual(missing)
  expect(asked.sort()).toEqual([...all].sort())
})

describe('a Role that names objects', () => {
  const named = (...names: string[]): Right => ({
    ...right('apps', 'deployments', 'get', 'patch'),
    names,
  })

  test('is checked for each name only where a right for all names is refused', async () => {
    const { cluster, asked } = allowing([
      'get apps/deployments',
      'patch apps/deployments/web',
      'patch apps/deployments/worker',
    ])
    expect(await missingRights(cluster, [named('web', 'worker'), named('web')])).toEqual([])
    expect(asked).toHaveLength(4)
    const missing = await missingRights(cluster, [named('web', 'beat')])
    expect(missing).toEqual([right('apps', 'deployments', 'patch')])
  })

  test('is not checked for rights that no object needs', async () => {
    const { cluster, asked } = allowing([])
    expect(await missingRights(cluster, [named()])).toEqual([])
    expect(asked).toEqual([])
  })

  test('cannot grant the right to create a name', async () => {
    const { cluster, asked } = allowing(['create secrets/a'])
    const make = { ...right('', 'secrets', 'create'), names: ['a'] }
    expect(await missingRights(cluster, [make])).toEqual([right('', 'secrets', 'create')])
    expect(asked).toEqual(['create secrets'])
  })
})

test('an answer without a verdict is a refusal', async () => {
  const cluster = clusterOf({ review: <T>() => Promise.resolve({} as T) })
  expect(await missingRights(cluster, wanted)).toEqual(wanted)
})

test('missing rights are printed so that they can be pasted into a Role', () => {
  const rules = asRoleRules([
    right('', 'pods/log', 'get'),
    right('apps', 'deployments', 'get', 'patch'),
  ])
  expect(parse(rules)).toEqual([
    { apiGroups: [''], resources: ['pods/log'], verbs: ['get'] },
    { apiGroups: ['apps'], resources: ['deployments'], verbs: ['get', 'patch'] },
  ])
  expect(rules).not.toMatch(/\n$/)
})

test('rights on the same resource are merged, and the first come first', () => {
  expect(
    merged([
      right('apps', 'deployments', 'get'),
      right('', 'pods', 'list'),
      right('apps', 'deployments', 'patch', 'get'),
      right('', 'pods/log', 'get'),
      right('batch', 'pods', 'get'),
    ]),
  ).toEqual([
    right('apps', 'deployments', 'get', 'patch'),
    right('', 'pods', 'list'),
    right('', 'pods/log', 'get'),
    right('batch', 'pods', 'get'),
  ])
  expect(merged([])).toEqual([])
})
