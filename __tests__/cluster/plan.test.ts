/** What a release would migrate, shown beside a running application by an account that may change nothing. */
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import type { Job } from 'kubernetes-types/batch/v1'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Report } from '../../src/report/report.js'
import { leastKubeconfig } from '../e2e/account.js'
import { catalogMigration, Site, type Changes } from '../e2e/site.js'
import { kubectl, kubectlJson, root, type How } from '../e2e/stack.js'
import { describeSeldom, seldom } from '../support/seldom.js'

let shop: Site
let running: string
let kubeconfig: string

/** The code without the column. */
const noWeight: Changes = {
  'catalog/models.py': (old) => old.replace(/ +weight_grams = .*\n/, ''),
  'catalog/views.py': (old) => old.replace('"weight_grams", ', ''),
}
const removal = 'migrations.RemoveField("product", "weight_grams")'
const drop = 'migrations.RunSQL("ALTER TABLE catalog_product DROP COLUMN weight_grams", "")'

beforeAll(async () => {
  shop = await Site.make('plan')
  running = await shop.commit('First', {})
  expect(await shop.release({ bake: '0' })).toMatchObject({ report: { result: 'deployed' } })
  await kubectl('-n', shop.namespace, 'apply', '-f', join(root, 'examples/rbac-plan.yaml'))
  kubeconfig = join(shop.folder, '../kubeconfig-plan')
  await writeFile(kubeconfig, await leastKubeconfig(shop.namespace, 'django-rollout-plan'))
  await shop.commit('No weight', {
    ...noWeight,
    ...catalogMigration('0003_no_weight', '0002_product_weight_grams', removal),
  })
  const build = { image: shop.image, tag: 'plan-1', push: 'true' }
  expect(await shop.cli('build', build)).toMatchObject({ code: 0 })
})

afterAll(() => shop.remove())

const plan = (options: Readonly<Record<string, string>> = {}, how: How = {}) =>
  shop.cli(
    'plan',
    { image: shop.image, namespace: shop.namespace, tag: 'plan-1', contract: 'off', ...options },
    { ...how, env: { KUBECONFIG: kubeconfig } },
  )
const jobs = async () => {
  const list = ['-n', shop.namespace, 'get', 'jobs', '-l', 'django-rollout/job=plan']
  return (await kubectlJson<{ items: readonly Job[] }>(...list)).items
}
/** Everything but what runs and comes and goes, with the versions of the API server. */
const versions = () =>
  kubectl(
    ...['-n', shop.namespace, 'get', 'deploy,statefulset,cronjob,service,configmap,secret,lease'],
    ...['-o', 'custom-columns=:.kind,:.metadata.name,:.metadata.uid,:.metadata.generation'],
  )
const own = () =>
  kubectl(
    ...['-n', shop.namespace, 'get', 'configmap,lease', 'django-rollout-shop'],
    ...['-o', 'jsonpath={.items[*].metadata.resourceVersion}'],
  )

test('an unsafe migration is shown as a release would judge it, and nothing is written', async () => {
  const before = [await versions(), await own(), await shop.state()]
  const planned = await plan()

  expect(planned).toMatchObject({
    code: 1,
    report: {
      command: 'plan',
      result: 'failed',
      tag: 'plan-1',
      cause: {
        code: 'unsafe-migration',
        sentence: expect.stringContaining('the column catalog_product.weight_grams is gone'),
      },
      plan: {
        migrations: [
          {
            name: 'catalog.0003_no_weight',
            verdict: 'unsafe',
            locks: [{ table: 'catalog_product', mode: 'ACCESS EXCLUSIVE' }],
          },
        ],
        versions: [{ tag: running, source: 'kept' }],
      },
      migrations: [],
    },
  })
  expect(planned.output).toContain('a release would be stopped, because a migration is unsafe')
  expect([await versions(), await own(), await shop.state()]).toEqual(before)
  expect([await jobs(), await shop.leftovers()]).toEqual([[], []])
  expect(await shop.sql(`SELECT count(*) FROM django_migrations WHERE name = '0003_no_weight'`)).toBe('0')
})

test('with "warn" it succeeds, and standard output is the report alone', async () => {
  const flags = { 'unsafe-migrations': 'warn', json: 'true', sql: 'true', 'backup-cronjob': 'nightly' }
  const { code, stdout, output } = await plan(flags)
  expect(code).toBe(0)
  const backup = 'catalog.0003_no_weight drops catalog_product.weight_grams'
  expect(output).toContain(`a release makes a backup first, because ${backup}`)
  expect(JSON.parse(stdout) as Report).toMatchObject({
    result: 'done',
    plan: {
      backup: [backup],
      migrations: [{ sql: expect.stringContaining('DROP COLUMN "weight_grams"') }],
      findings: [{ rule: 'column-gone', fix: expect.stringContaining('SeparateDatabaseAndState') }],
    },
    warnings: [expect.stringContaining('catalog_product.weight_grams')],
  })
})

/** As a release does by default. */
const heldBack = {
  code: 0,
  report: { plan: { migrations: [], held: [{ name: 'catalog.0003_no_weight' }], findings: [] } },
}

test('what a release would hold back is no reason to stop', async () => {
  const planned = await plan({ contract: 'next', 'backup-cronjob': 'nightly' })
  expect(planned).toMatchObject(heldBack)
  expect(planned.report.plan).not.toHaveProperty('backup')
  expect(planned.output).toContain('but 1 would be held back')
})

seldom('the plan of a migration with a Job manifest runs in the pod of that Job', async () => {
  const env = [{ name: 'DJANGO_SETTINGS_MODULE', value: 'of_the_job' }]
  await writeFile(
    join(shop.folder, 'migrate.json'),
    JSON.stringify({
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: { name: 'migrate' },
      spec: { template: { spec: { containers: [{ name: 'migrate', env }] } } },
    }),
  )
  const planned = await plan({ 'migrate-manifest': 'migrate.json' })
  expect(planned.output).toContain('created from migrate.json')
  expect(planned.report.cause?.sentence).toContain("No module named 'of_the_job'")

  const missing = await plan({ 'migrate-manifest': 'none.yaml' })
  expect(missing.report.cause).toMatchObject({
    code: 'manifest-invalid',
    sentence: 'none.yaml: there is no such file',
  })
})

test('a run that recovers leaves a plan alone, and a cancelled plan leaves nothing', async () => {
  // The plan waits for the table of applied migrations.
  const holds = `BEGIN; LOCK TABLE django_migrations IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(600)`
  const session = shop.sql(holds).catch(() => undefined)
  let cancel: (() => void) | undefined
  const planned = plan({}, { onOutput: (_, kill) => (cancel = () => { kill('SIGINT') }) })
  while ((await jobs()).every(({ status }) => !status?.active));
  const [job] = await jobs()

  const { image, namespace } = shop
  expect(await shop.cli('recover', { image, namespace })).toMatchObject({
    code: 0,
    report: { result: 'unchanged' },
  })
  expect((await jobs()).map(({ metadata }) => metadata?.uid)).toEqual([job?.metadata?.uid])

  cancel?.()
  expect(await planned).toMatchObject({ code: 130, report: { result: 'cancelled' } })
  expect(await jobs()).toEqual([])
  await shop.sql(`SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()`)
  await session
})

const needs = () => join(shop.folder, '../needs.json')

test('a plan of what runs has nothing to apply, and saves what it needs', async () => {
  const { code, report } = await plan({ tag: running, 'save-needs': needs() })
  expect([code, report.result, report.plan?.migrations]).toEqual([0, 'unchanged', []])
})

test('a plan without a cluster comes to the same verdict, on an empty database', async () => {
  const { image, namespace } = shop
  const alone = (options: Readonly<Record<string, string>>) =>
    shop.cli(
      'plan',
      { image, namespace, needs: needs(), ...options },
      { env: { KUBECONFIG: '/nowhere' } },
    )
  expect(await alone({ tag: 'plan-1' })).toMatchObject(heldBack)
  expect(await alone({ tag: 'plan-1', contract: 'off' })).toMatchObject({
    code: 1,
    report: {
      result: 'failed',
      cause: {
        code: 'unsafe-migration',
        sentence: expect.stringMatching(
          /^catalog\.0003_no_weight: the column catalog_product\.weight_grams is gone, but version .* \(cronjob\/expire-orders, deployment\/web, deployment\/worker\) uses it/,
        ),
      },
      plan: {
        migrations: [
          {
            name: 'catalog.0003_no_weight',
            locks: [{ table: 'catalog_product', mode: 'ACCESS EXCLUSIVE', rows: -1 }],
          },
        ],
        versions: [{ tag: running, source: 'kept' }],
      },
    },
  })
  await shop.drop()
  expect(await alone({})).toMatchObject({
    code: 0,
    report: {
      result: 'unchanged',
      plan: { migrations: [] },
      warnings: [expect.stringContaining('on an empty database')],
    },
  })
})

describeSeldom('a version that others have deployed:', () => {
  /** The column is gone from Django's state, but the running version uses it: the database says nothing of that. */
  beforeAll(async () => {
    await shop.commit('No weight, in two steps', {
      // The running version has none.
      'other/manage.py': `import sys; sys.path.insert(0, '.')\n${await readFile(join(shop.folder, 'manage.py'), 'utf8')}`,
      ...noWeight,
      ...catalogMigration(
        '0003_no_weight',
        '0002_product_weight_grams',
        `migrations.SeparateDatabaseAndState([], [${removal}])`,
      ),
      ...catalogMigration('0004_drop', '0003_no_weight', drop),
    })
    const build = { image: shop.image, tag: 'plan-2', push: 'true' }
    expect(await shop.cli('build', build)).toMatchObject({ code: 0 })
    await shop.sql(`INSERT INTO django_migrations (app, name, applied) VALUES ('catalog', '0003_no_weight', now())`)
    const inside = (...args: readonly string[]) => kubectl('-n', shop.namespace, ...args)
    await inside('delete', 'configmap', 'django-rollout-shop')
    await inside('set', 'image', 'deployment/web', 'deployment/worker', 'cronjob/expire-orders', `*=${shop.image}:${running}`)
    await inside('rollout', 'status', 'deployment/web', '--timeout=300s')
    await inside('rollout', 'status', 'deployment/worker', '--timeout=300s')
  })

  test('a Job of its image reports what it needs, and is removed', async () => {
    const { code, report, output } = await plan({ tag: 'plan-2' })
    expect(output).toMatch(/version \S+ \(.*deployment\/web.*\) was deployed by others: a Job of its image reports what it needs/)
    expect([code, report.plan]).toMatchObject([
      1,
      {
        migrations: [{ name: 'catalog.0004_drop', verdict: 'unsafe' }],
        findings: [{ rule: 'column-gone' }],
        versions: [{ tag: running, source: 'kept' }],
      },
    ])
    expect([await jobs(), await shop.leftovers()]).toEqual([[], []])
  })

  test('where its image does not start, the applied migrations are used, and the log says so', async () => {
    const { code, report, output } = await plan({ tag: 'plan-2', 'migrate-command': 'python other/manage.py migrate' })
    expect(output).toMatch(/what version \S+ .* needs is not known: .*other\/manage\.py/)
    expect([code, report.plan?.versions]).toMatchObject([0, [{ source: 'state' }]])
  })
})
