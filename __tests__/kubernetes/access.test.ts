import { describe, expect, test } from '@jest/globals'
import { parse } from 'yaml'
import { ApiError } from '../../src/kubernetes/api-error.js'
import {
  asRoleRules,
  merged,
  missingRights,
  rightsInWords,
  type Right,
} from '../../src/kubernetes/access.js'
import { clusterOf } from '../support/cluster.js'

interface Asked {
  readonly spec: { readonly resourceAttributes: Readonly<Record<string, string>> }
}

/**
 * A cluster that allows what stands in the list: `get pods/log`, `patch apps/deployments`. It lists `rules`; none: it
 * says that there are others.
 */
function allowing(allowed: readonly string[], rules?: readonly object[]) {
  const asked: string[] = []
  const cluster = clusterOf({
    review: <T>(path: string, body: unknown) => {
      if (path.endsWith('/selfsubjectrulesreviews')) {
        expect(body).toMatchObject({ spec: { namespace: 'shop' } })
        const status = { resourceRules: rules ?? [], incomplete: rules === undefined }
        return Promise.resolve({ status } as T)
      }
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

describe('the rules that the server lists', () => {
  const rule = (group: string, resource: string, verb: string, ...resourceNames: string[]) => ({
    apiGroups: [group],
    resources: [resource],
    verbs: [verb],
    ...(resourceNames.length > 0 && { resourceNames }),
  })

  test.each<[string, readonly object[], readonly string[]]>([
    ['grant all', all.map((one) => ruleOf(one)), []],
    ['grant all by *', [rule('*', '*', '*')], []],
    ['grant all resources of one group', [rule('', '*', '*')], all.slice(0, 2)],
    ['grant all but a verb', all.slice(1).map((one) => ruleOf(one)), all.slice(0, 1)],
    [
      'grant a subresource of everything',
      [rule('', '*/log', 'get')],
      all.filter((one) => !one.includes('log')),
    ],
    ['grant a name of them', [rule('apps', 'deployments', '*', 'web')], all],
    ['grant another group', [rule('extensions', 'deployments', '*')], all],
    ['grant nothing', [], all],
  ])('need no review of what they grant: %s', async (_, rules, left) => {
    const { cluster, asked } = allowing(all, rules)
    expect(await missingRights(cluster, wanted)).toEqual([])
    expect(asked.sort()).toEqual([...left].sort())
  })

  test('decide nothing where they are not all: each right is reviewed, also what they grant or do not name', async () => {
    const { cluster: server, asked } = allowing(all.slice(1))
    const cluster = clusterOf({
      review: <T>(path: string, body: unknown) =>
        path.endsWith('/selfsubjectrulesreviews')
          ? Promise.resolve({
              status: {
                incomplete: true,
                resourceRules: all.slice(0, 2).map((one) => ruleOf(one)),
              },
            } as T)
          : server.review<T>(path, body),
    })
    expect(await missingRights(cluster, wanted)).toEqual([right('apps', 'deployments', 'get')])
    expect(asked.sort()).toEqual([...all].sort())
  })

  test('may name objects', async () => {
    const right = {
      group: 'apps',
      resource: 'deployments',
      verbs: ['get'],
      names: ['web', 'worker'],
    }
    const { cluster, asked } = allowing([], [rule('apps', 'deployments', 'get', 'web', 'worker')])
    expect(await missingRights(cluster, [right])).toEqual([])
    expect(asked).toEqual([])

    const some = allowing([], [rule('apps', 'deployments', 'get', 'web')])
    expect(await missingRights(some.cluster, [right])).toEqual([
      { group: 'apps', resource: 'deployments', verbs: ['get'] },
    ])
    expect(some.asked).toEqual(['get apps/deployments', 'get apps/deployments/worker'])
  })

  test('say nothing of namespaces', async () => {
    const { cluster, asked } = allowing(['get namespaces/shop'], [rule('*', '*', '*')])
    expect(await missingRights(cluster, [right('', 'namespaces', 'get')])).toEqual([])
    expect(asked).toEqual(['get namespaces/shop'])
  })

  test('are done without where the server does not list them', async () => {
    const { cluster: server } = allowing(all)
    const cluster = clusterOf({
      review: <T>(path: string, body: unknown) =>
        path.endsWith('/selfsubjectrulesreviews')
          ? Promise.reject(new ApiError(404, 'NotFound', 'not found'))
          : server.review<T>(path, body),
    })
    expect(await missingRights(cluster, wanted)).toEqual([])
  })

  function ruleOf(allowed: string) {
    const [verb = '', what = ''] = allowed.split(' ')
    return what.startsWith('apps/') ? rule('apps', what.slice(5), verb) : rule('', what, verb)
  }
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

test('of what may hold something that is not ours, only the named objects are printed', () => {
  const own = (names: readonly string[], ...verbs: string[]): Right => ({
    ...right('', 'secrets', ...verbs),
    names,
  })
  const rules = (...rights: Right[]) => parse(asRoleRules(merged(rights))) as unknown
  const secrets = { apiGroups: [''], resources: ['secrets'] }
  expect(rules(own(['a'], 'get', 'create', 'delete'), own(['b'], 'get'))).toEqual([
    { ...secrets, resourceNames: ['a', 'b'], verbs: ['get'] },
    { ...secrets, verbs: ['create'] },
    { ...secrets, resourceNames: ['a'], verbs: ['delete'] },
  ])
  // A right to all of them holds for the named ones, too; and no name at all would mean all names.
  expect(rules(own(['a'], 'get'), right('', 'secrets', 'get'))).toEqual([
    { ...secrets, verbs: ['get'] },
  ])
  expect(rules(own([], 'get'))).toEqual([])
  // A sentence says once what is missing of a kind.
  expect(
    rightsInWords([own(['a'], 'get'), right('apps', 'deployments', 'patch'), own([], 'create')]),
  ).toBe('get, create secrets; patch deployments')
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

test('the rules are listed once, however often rights are checked', async () => {
  const asked: string[] = []
  const cluster = clusterOf({
    review: <T>(path: string) => {
      asked.push(path.split('/').at(-1) ?? '')
      const rule = { apiGroups: [''], resources: ['pods'], verbs: ['list'] }
      return Promise.resolve({ status: { incomplete: false, resourceRules: [rule] } } as T)
    },
  })
  const pods = { group: '', resource: 'pods', verbs: ['list'] }
  expect([await missingRights(cluster, [pods]), await missingRights(cluster, [pods])]).toEqual([
    [],
    [],
  ])
  expect(asked).toEqual(['selfsubjectrulesreviews'])
})
