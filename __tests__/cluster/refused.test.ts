/** What a release refuses before it writes anything: one clear sentence each, and nothing changed. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { leastKubeconfig } from '../e2e/account.js'
import { Site } from '../e2e/site.js'
import { kubectl, stack } from '../e2e/stack.js'

let shop: Site

beforeAll(async () => {
  shop = await Site.make('refused')
  // Something runs here, but not our image.
  const create = ['create', 'deployment', 'pause', '--image=postgres:17', '--replicas=0']
  await kubectl('-n', shop.namespace, ...create)
})

afterAll(() => shop.remove())

interface Refusal {
  readonly of: string
  readonly options: () => Promise<Readonly<Record<string, string>>> | Readonly<Record<string, string>>
  readonly code: number
  readonly result?: string
  readonly says: RegExp
}

const refusals: readonly Refusal[] = [
  {
    of: 'a duration that is none',
    options: () => ({ timeout: '10 minutes' }),
    code: 2,
    says: /"timeout" "10 minutes" is not a duration; write it as 90s, 10m or 1m30s/,
  },
  {
    of: 'an image with its tag',
    options: () => ({ image: 'ghcr.io/acme/shop:1.2' }),
    code: 2,
    says: /"image" "ghcr\.io\/acme\/shop:1\.2" must have no tag and no digest; set the tag with "tag"/,
  },
  {
    of: 'an extra tag that is none',
    options: () => ({ 'extra-tags': 'latest stable/1' }),
    code: 2,
    says: /"extra-tags" "latest stable\/1" has "stable\/1", which is not a tag/,
  },
  {
    of: 'an unknown symptom',
    options: () => ({ grace: 'Crashing=5s' }),
    code: 2,
    says: /"grace" "Crashing=5s" has "Crashing"; it takes ImageNotFound, /,
  },
  {
    of: 'a workload to migrate from that is not there',
    options: () => ({ manifests: 'k8s', 'migrate-from': 'deployment/wbe' }),
    code: 2,
    result: 'usage',
    says: /"migrate-from" names deployment\/wbe, which is not a workload of this release: .*deployment\/web/,
  },
  {
    of: 'no cluster',
    options: async () => {
      const text = await leastKubeconfig(shop.namespace)
      return { kubeconfig: text.replace(/"server":"[^"]+"/, '"server":"https://127.0.0.1:9"') }
    },
    code: 1,
    result: 'failed',
    says: /the cluster does not answer: .*127\.0\.0\.1:9.*refused/,
  },
  {
    of: 'a context that the kubeconfig does not have',
    options: () => ({ 'kube-context': 'production' }),
    code: 1,
    result: 'failed',
    says: /the cluster does not answer: context "production" does not exist/,
  },
  {
    of: 'no such namespace',
    options: () => ({ namespace: 'shpo' }),
    code: 1,
    result: 'failed',
    says: /the namespace "shpo" does not exist, or this account has no rights in it/,
  },
  {
    of: 'no such namespace, asked as an administrator',
    options: () => ({ namespace: 'shpo', admin: '' }),
    code: 1,
    result: 'failed',
    says: /the namespace "shpo" does not exist/,
  },
  {
    of: 'no workload with this image',
    options: () => ({}),
    code: 1,
    result: 'failed',
    says: /no workload in the namespace "t-refused-\w+" runs 127\.0\.0\.1:5000\/t-refused-\w+\/shop; it has pause \(postgres\)/,
  },
  {
    of: 'a right that the account lacks',
    options: async () => {
      await kubectl(
        ...['-n', shop.namespace, 'patch', 'role', 'django-rollout', '--type=json', '-p'],
        '[{"op": "replace", "path": "/rules/0/verbs", "value": ["get", "list", "watch", "create", "update", "delete"]}]',
      )
      return { manifests: 'k8s' }
    },
    code: 1,
    result: 'failed',
    says: /the account may not patch deployments; patch statefulsets in the namespace/,
  },
]

describe('a release refuses', () => {
  test.each(refusals)('$of', async ({ options, code, result, says }) => {
    const before = await everything()
    const { admin, ...given } = (await options()) as Record<string, string>
    const ended = await shop.cli(
      'release',
      { image: shop.image, namespace: shop.namespace, 'test-command': '', ...given },
      admin === undefined ? {} : { env: { KUBECONFIG: stack.kubeconfig } },
    )

    expect(ended.output).toMatch(says)
    expect(ended.code).toBe(code)
    expect(ended.report.result).toBe(result)
    expect(await everything()).toEqual(before)
  })

  test('a name that is no option, and suggests the right one', async () => {
    const ended = await shop.cli('release', { imgae: 'x', namespace: shop.namespace })
    expect(ended.output).toContain(
      '"--imgae" is not an option of release; did you mean "--image"?',
    )
    expect(ended.code).toBe(2)
  })

  test('a manifest that is not valid, and names its file and line', async () => {
    const file = join(dirname(shop.folder), 'broken.yaml')
    await writeFile(file, 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n data: {}\n')
    const ended = await shop.cli('release', {
      image: shop.image,
      namespace: shop.namespace,
      manifests: file,
      'test-command': '',
    })
    expect(ended.report.cause?.code).toBe('manifest-invalid')
    expect(ended.report.cause?.sentence).toContain('broken.yaml:5: ')
  })
})

/** Every object of the namespace that a release could have made or changed. */
async function everything(): Promise<string> {
  const kinds = 'deploy,statefulset,cronjob,job,service,configmap,secret,pod'
  const names = 'jsonpath={range .items[*]}{.kind}/{.metadata.name} {.metadata.generation}{"\\n"}{end}'
  return kubectl('-n', shop.namespace, 'get', kinds, '-o', names)
}
