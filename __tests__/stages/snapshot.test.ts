import { expect, test } from '@jest/globals'
import type { KubeObject, WorkloadObject } from '../../src/kubernetes/objects.js'
import type { PreflightResult } from '../../src/stages/preflight.js'
import { checkedNow } from '../../src/stages/snapshot.js'
import { memoryCluster } from '../support/cluster.js'
import { notebook } from '../support/journal.js'
import { standing } from '../support/live.js'
import { scripted } from '../support/scripted.js'
import { contextOf } from '../support/settings.js'

const path = '/apis/apps/v1/namespaces/shop/deployments/web'
const web = (database: string, image = 'ghcr.io/acme/shop:1', more = {}): KubeObject => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web', namespace: 'shop' },
  spec: {
    ...more,
    template: {
      spec: { containers: [{ name: 'django', image, env: [{ name: 'DB', value: database }] }] },
    },
  },
})
const context = contextOf(scripted([]).platform).with({ log: notebook() })
const before = {
  live: standing(),
  targets: [
    {
      id: { kind: 'Deployment', name: 'web' },
      path,
      uses: [{ name: 'django', init: false, image: 'ghcr.io/acme/shop:1' }],
      running: ['ghcr.io/acme/shop:1'],
      live: web('old'),
    },
  ],
  others: [],
  services: [],
} as unknown as PreflightResult
const now = (object?: KubeObject): Promise<PreflightResult> =>
  checkedNow(
    context.with({ cluster: memoryCluster(object ? { [path]: object } : {}).cluster }),
    before,
  )

test('a migration runs in the current environment of the web process', async () => {
  const checked = await now(web('new', 'ghcr.io/acme/shop:2'))

  expect(checked.web?.template.spec?.containers[0]?.env).toEqual([{ name: 'DB', value: 'new' }])
  expect(checked.targets[0]?.running).toEqual(['ghcr.io/acme/shop:2'])
})

test.each([
  ['the same object', 'a', 'a', 'n'],
  ['another one of its name: its namespace may be, too', 'a', 'b', undefined],
  ['new', undefined, 'a', undefined],
])(
  'the uid of the namespace counts under the lock where the workload is %s',
  async (_, was, is, uid) => {
    const of = (own: string | undefined) => ({
      ...web('old'),
      metadata: { name: 'web', namespace: 'shop', ...(own !== undefined && { uid: own }) },
    })
    const [target] = before.targets
    const checked = await checkedNow(
      context.with({ cluster: memoryCluster({ [path]: of(is) }).cluster }),
      { ...before, namespaceUid: 'n', targets: [{ ...target!, live: of(was) as WorkloadObject }] },
    )
    expect(checked.namespaceUid).toBe(uid)
  },
)

test.each([
  ['gone', undefined, 'no-workload'],
  ['of another image', web('new', 'ghcr.io/acme/blog:2'), 'no-workload'],
  ['paused', web('new', undefined, { paused: true }), 'workload-unfit'],
])('a web workload that is %s when the migration starts is reported', async (_, object, code) => {
  await expect(now(object)).rejects.toMatchObject({ cause: { code } })
})
