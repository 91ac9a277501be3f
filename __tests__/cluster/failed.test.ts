/** Releases that fail before anything that users run is touched. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { whileAsking } from '../e2e/client.js'
import { failingMigration, Site, type Changes, type Released } from '../e2e/site.js'
import { acceptManifests, run, stack } from '../e2e/stack.js'
import { seldom } from '../support/seldom.js'

let shop: Site
let good: string

beforeAll(async () => {
  shop = await Site.make('failed')
  good = await shop.commit('Good', {})
  const released = await shop.release({ version: 'good' })
  if (released.report.result !== 'deployed') throw new Error(released.output)
})

afterEach(() => shop.drop())
afterAll(() => shop.remove())

/** Releases a broken commit: it must end as `failed`, with every object and every pod as before. */
async function fails(
  message: string,
  changes: Changes,
  release: (sha: string) => Promise<Released> = () => shop.release({ version: 'bad' }),
): Promise<Released & { readonly sha: string }> {
  const pods = async () => [...(await shop.pods('web')), ...(await shop.pods('worker'))]
  const sha = await shop.commit(message, changes)
  const before = { state: await shop.state(), pods: await pods() }
  const { result: released, asked } = await whileAsking(await shop.url(), () => release(sha))
  const { failures, versions, count } = asked
  console.log(`${message}: ${count} requests, ${failures.length} failed`)

  expect(released).toMatchObject({ code: 1, report: { result: 'failed' } })
  expect(released.output).toContain('the running version was not touched')
  expect(new Set(Object.values(await shop.tags()))).toEqual(new Set([good]))
  expect({ state: await shop.state(), pods: await pods() }).toEqual(before)
  expect({ failures, versions }).toEqual({ failures: [], versions: ['good'] })
  return { ...released, sha }
}

describe('a release fails, and no running pod is touched', () => {
  test('when the settings cannot be imported in the cluster, which the pod of the plan shows', async () => {
    const { report, output } = await fails('settings import a module that is not there', {
      // Only in the cluster: the tests in the image pass.
      'shop/settings.py': (old) =>
        `${old}\nif "KUBERNETES_SERVICE_HOST" in os.environ:\n    import shop.observability\n`,
    })

    expect(report.cause?.code).toBe('plan-failed')
    expect(report.cause?.sentence).toMatch(
      /ModuleNotFoundError: No module named 'shop\.observability' \(shop\/settings\.py:\d+\)/,
    )
    expect(output).toContain('✗ plan failed')
  })

  test('when a unit test fails, and no tag is in the registry', async () => {
    const { report, sha } = await fails(
      'a test fails',
      {
        'catalog/tests.py': (old) =>
          `${old}\n\nclass Broken(TestCase):\n    def test_sum(self):\n        self.assertEqual(1 + 1, 3)\n`,
      },
      () =>
        shop.release({
          version: 'bad',
          'test-command': 'python manage.py test',
          'test-services': 'postgres',
        }),
    )

    expect(report.cause).toMatchObject({
      code: 'tests-failed',
      sentence: expect.stringMatching(
        /1 of \d+ failed: .*test_sum.* \(catalog\/tests\.py:\d+\): AssertionError: 2 != 3/,
      ) as unknown,
    })
    expect(await registryHas(sha)).toBe(false)
    expect(await registryHas(good)).toBe(true)
  })

  seldom('when a migration fails, and the old pods are never restarted', async () => {
    const { report } = await fails('a migration fails', {
      'catalog/migrations/0003_broken.py': failingMigration,
    })

    expect(report.cause?.code).toBe('migration-failed')
    expect(report.cause?.sentence).toMatch(/migration catalog\.0003_broken failed: .*no_such_column/)
    expect(report.migrations).toEqual([])
  })

  test('when the pod of the plan cannot start, and no Job is left that could migrate later', async () => {
    const jobs = await shop.jobs()
    const { report } = await fails(
      'web wants a Secret that is not there',
      {
        'k8s/web.yaml': (old) =>
          old.replace(/( +)envFrom:\n/, '$1envFrom:\n$1  - secretRef: {name: no-such-secret}\n'),
      },
      () => shop.release({ version: 'bad', grace: 'ConfigMissing=1s' }),
    )

    expect(report.cause).toMatchObject({
      code: 'config-missing',
      sentence: expect.stringContaining('secret "no-such-secret" not found') as unknown,
    })
    expect(await shop.jobs()).toEqual(jobs)
  })

  test('when the tag to deploy is not in the registry, and it fails at once', async () => {
    const { report } = await fails('a tag with a typo', {}, () =>
      shop.cli('deploy', { image: shop.image, namespace: shop.namespace, tag: 'no-such-tag' }),
    )

    expect(report.cause).toMatchObject({
      code: 'image-missing',
      sentence: `the registry has no ${shop.image}:no-such-tag`,
    })
  })
})

async function registryHas(tag: string): Promise<boolean> {
  const url = `http://${stack.registry}/v2/${shop.namespace}/shop/manifests/${tag}`
  const args = ['-sS', '-o', '/dev/null', '--head', '--write-out', '%{http_code}', '-H', acceptManifests, url]
  return (await run('curl', args)).stdout.trim() === '200'
}
