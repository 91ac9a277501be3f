/** What is read of the cluster when a symptom calls for it: as far as the account may read it. */
import { expect, test } from '@jest/globals'
import { ApiError } from '../../src/kubernetes/api-error.js'
import { fetchFact, readNodes } from '../../src/rollout/facts.js'
import { handClock } from '../support/clock.js'
import { clusterOf } from '../support/cluster.js'

/** A cluster with these answers, by path; an error where the answer is one, and no answer for `undefined`. */
function answering(answers: Readonly<Record<string, unknown>>) {
  return clusterOf({
    version: 'v1.34.1-eks-113cf36',
    find: <T>(path: string) => {
      const answer = answers[path]
      if (answer instanceof Error) return Promise.reject(answer)
      return path in answers ? Promise.resolve(answer as T) : new Promise<T>(() => undefined)
    },
  })
}

const forbidden = new ApiError(403, 'Forbidden', 'nodes is forbidden: User "shop" cannot list')

test('the API groups', async () => {
  const cluster = answering({
    '/apis': { groups: [{ name: 'apps' }, { name: 'cert-manager.io' }] },
  })
  expect(await fetchFact(cluster, handClock(), { is: 'groups' })).toEqual({
    is: 'groups',
    names: { is: 'read', value: ['apps', 'cert-manager.io'] },
  })
})

test.each([undefined, {}, { groups: [] }])('no groups at all are no answer', async (answer) => {
  const cluster = answering({ '/apis': answer })
  expect(await fetchFact(cluster, handClock(), { is: 'groups' })).toMatchObject({
    names: { is: 'unreadable' },
  })
})

test.each([
  [
    {
      metadata: {
        ownerReferences: [{ kind: 'ExternalSecret' }],
        managedFields: [{ manager: 'externalsecrets' }],
        annotations: { 'reconcile.external-secrets.io/data-hash': '1' },
      },
      data: { password: 'a secret' },
    },
    {
      exists: true,
      owners: ['ExternalSecret'],
      managers: ['externalsecrets'],
      annotations: ['reconcile.external-secrets.io/data-hash'],
    },
  ],
  [undefined, { exists: false, owners: [], managers: [], annotations: [] }],
])('who has written a Secret, and nothing of what it holds', async (object, value) => {
  const wanted = { is: 'writers', kind: 'Secret', name: 'db' } as const
  const cluster = answering({ '/api/v1/namespaces/shop/secrets/db': object })
  expect(await fetchFact(cluster, handClock(), wanted)).toEqual({
    ...wanted,
    found: { is: 'read', value },
  })
})

test('what shows that nodes are added: each part as far as it can be read', async () => {
  const clock = handClock()
  const node = {
    metadata: { labels: { 'karpenter.sh/nodepool': 'a' }, annotations: { note: 'b' } },
    spec: { providerID: 'aws:///eu/i-1', taints: [{ key: 'ours', effect: 'NoSchedule' }] },
  }
  const cluster = answering({
    '/api/v1/nodes?limit=50': { items: [node, {}] },
    '/api/v1/namespaces/kube-system/configmaps/cluster-autoscaler-status': forbidden,
  })
  const read = fetchFact(cluster, clock, { is: 'nodes' })
  // The configuration of the issuer is not answered.
  await clock.pass(5000)
  expect(await read).toEqual({
    is: 'nodes',
    version: 'v1.34.1-eks-113cf36',
    nodes: {
      is: 'read',
      value: [
        { provider: 'aws:///eu/i-1', keys: ['karpenter.sh/nodepool', 'note', 'ours'] },
        { provider: '', keys: [] },
      ],
    },
    status: { is: 'unreadable', why: 'Forbidden' },
    issuer: { is: 'unreadable', why: 'not finished within 5000 ms' },
  })
})

test.each([
  ['all of them', { items: [{ metadata: { name: 'a' } }] }, [{ metadata: { name: 'a' } }]],
  ['those of a cluster without any', {}, []],
  [
    'none where there are more than are read',
    { items: [{}], metadata: { continue: 'x' } },
    undefined,
  ],
  ['none where the account may not read them', forbidden, undefined],
])('the nodes: %s', async (_, answer, nodes) => {
  const cluster = answering({ '/api/v1/nodes?limit=500': answer })
  expect(await readNodes(cluster, handClock())).toEqual(nodes)
})
