/** Ways back over migrations that break the previous version: the newer image reverses them, or nothing is restored. */
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { whileAsking } from '../e2e/client.js'
import { inTheRollout, killAt } from '../e2e/moment.js'
import { catalogMigration as migration, Site, type Changes } from '../e2e/site.js'
import { kubectl, type How } from '../e2e/stack.js'
import { until } from '../e2e/until.js'
import { seldom } from '../support/seldom.js'

let shop: Site
let first: string
/** Over `first`, with the renamed column. */
let second: string

beforeAll(async () => {
  shop = await Site.make('reversed')
  first = await shop.commit('First', {})
  expect(await shop.release({ bake: '0' })).toMatchObject({ report: { result: 'deployed' } })
  await shop.sql(
    "INSERT INTO catalog_product (name, sku, price, stock, weight_grams, created_at) VALUES ('a', 'a', 1, 1, 70, now())",
  )
})

afterAll(() => shop.remove())

const renamed = (name: string): Changes => ({
  'catalog/models.py': (old) => old.replace('weight_grams =', 'grams ='),
  'catalog/views.py': (old) => old.replace('"weight_grams"', '"grams"'),
  ...migration(
    name,
    '0002_product_weight_grams',
    'migrations.RenameField("product", "weight_grams", "grams")',
  ),
})
const python = 'migrations.RunPython(lambda apps, editor: None)'
const neverReady: Changes = {
  'shop/views.py': (old) =>
    old.replace('"status": "ok"}', '"status": "not yet"}, status=503'),
}

const applied = () =>
  shop.sql(
    "SELECT string_agg(name, ' ' ORDER BY name) FROM django_migrations WHERE app = 'catalog' AND name > '0003'",
  )
const weight = (column = 'weight_grams') => shop.sql(`SELECT ${column} FROM catalog_product`)
const versions = async () => [...new Set(Object.values(await shop.tags()))]
const rollback = (options: Readonly<Record<string, string>> = {}, how: How = {}) =>
  shop.cli('rollback', { image: shop.image, namespace: shop.namespace, bake: '0', ...options }, how)
const both = { 'reverse-migrations': 'true', 'accept-downtime': 'true' }

/** When the Job of the migration is there, whose pod goes on alone: no plan of it is known yet. */
const theJobIsMade = /, created from deployment\/web/
const allow = { bake: '0', 'unsafe-migrations': 'allow', contract: 'off', bridge: 'off' }

test('a rollback over a renamed column is refused with the commands', async () => {
  second = await shop.commit('Grams', renamed('0003_grams'))
  expect(await shop.release(allow)).toMatchObject({ report: { result: 'deployed' } })

  const before = await shop.state()
  const refused = await rollback()
  expect(refused).toMatchObject({
    code: 1,
    report: {
      result: 'failed',
      cause: {
        code: 'schema-unfit',
        sentence: expect.stringMatching(
          /^the column catalog_product\.weight_grams is gone since catalog\.0003_grams \(release 2\), but release 1 /,
        ),
        hint: expect.stringMatching(
          /let the running version reverse catalog\.0003_grams first, which drops no stored value: django-rollout rollback .*--to 1 --reverse-migrations true --accept-downtime true\n/,
        ),
      },
    },
  })
  // Both orders break somebody.
  expect(await rollback({ 'reverse-migrations': 'true' })).toMatchObject({
    report: { result: 'failed', cause: { code: 'schema-unfit' } },
  })
  expect(await shop.state()).toEqual(before)
  expect([await applied(), await weight('grams')]).toEqual(['0003_grams', '70'])
})

seldom('a rollback that is killed after the reversal is undone, with the migrations that its version needs again', async () => {
  await rollback(both, killAt(inTheRollout))
  expect(await applied()).toBe('')
  expect(await shop.recover()).toMatchObject({ report: { result: 'undone' } })
  expect([await applied(), await weight('grams'), await versions()]).toEqual(['0003_grams', '70', [second]])
})

test('a rollback over a renamed column goes through when the commands are accepted', async () => {
  const back = await rollback(both)
  expect(back).toMatchObject({
    code: 0,
    report: { result: 'deployed', tag: first, reversed: ['catalog.0003_grams'] },
  })
  expect([await applied(), await weight(), await versions()]).toEqual(['', '70', [first]])
  const { stdout } = await shop.cli('history', { image: shop.image, namespace: shop.namespace })
  expect(stdout).toContain('reversed: catalog.0003_grams')
  await shop.drop()
})

seldom('a step in Python without a way back stops a rollback before a write', async () => {
  await shop.commit('Grams', renamed('0003_grams'))
  await shop.commit('Filled', migration('0004_filled', '0003_grams', python))
  expect(await shop.release(allow)).toMatchObject({ report: { result: 'deployed' } })
  const before = await shop.state()
  const refused = await rollback({ to: '1', ...both })
  expect(refused).toMatchObject({
    report: {
      result: 'failed',
      cause: {
        code: 'schema-unfit',
        hint: expect.stringContaining(
          'catalog.0004_filled cannot be reversed (RunPython without a reverse)',
        ),
      },
    },
  })
  expect(await shop.state()).toEqual(before)
  expect(await applied()).toBe('0003_grams 0004_filled')
  // As a person would mend it.
  await shop.sql('ALTER TABLE catalog_product RENAME COLUMN grams TO weight_grams')
  await shop.sql("DELETE FROM django_migrations WHERE name IN ('0003_grams', '0004_filled')")
  expect(await rollback({ to: '1' })).toMatchObject({ report: { result: 'deployed' } })
  await shop.drop()
  await shop.drop()
})

test('a failed release that breaks the previous version is reversed by its own image', async () => {
  await shop.commit('Grams', { ...renamed('0005_grams'), ...neverReady })
  const url = `${await shop.url()}/api/products/?`
  const { result: failed, asked } = await whileAsking(url, () =>
    shop.release({ ...allow, timeout: '20s' }),
  )
  console.log(`undo with reversal: ${asked.failures.length} of ${asked.count} requests failed`)
  expect(failed).toMatchObject({
    report: { result: 'undone', reversed: ['catalog.0005_grams'], warnings: [] },
  })
  expect([await applied(), await weight(), await versions()]).toEqual(['', '70', [first]])
  expect(await shop.leftovers()).toEqual([])
  await shop.drop()
})

seldom('a failed release that breaks the previous version is reversed by another process, from the record', async () => {
  await shop.commit('Grams', { ...renamed('0005_grams'), ...neverReady })
  await shop.release(allow, killAt(inTheRollout))
  expect(await applied()).toBe('0005_grams')
  expect(await shop.recover()).toMatchObject({
    report: { result: 'undone', reversed: ['catalog.0005_grams'], warnings: [] },
  })
  expect([await applied(), await weight(), await versions()]).toEqual(['', '70', [first]])

  // Also of a run that was killed before the plan had come: its Job has it.
  await shop.release(allow, killAt(theJobIsMade))
  await until('the migration', async () => (await applied()) === '0005_grams')
  expect(await shop.recover()).toMatchObject({
    report: { result: 'undone', reversed: ['catalog.0005_grams'], warnings: [] },
  })
  expect([await applied(), await weight(), await versions()]).toEqual(['', '70', [first]])
  await shop.drop()
})

seldom('a failed first release that breaks what runs is reversed, too: its needs were reported by its own image', async () => {
  const running = (await shop.tags())['deployment/web'] ?? ''
  const inside = (...args: readonly string[]) => kubectl('-n', shop.namespace, ...args)
  await inside('delete', 'configmap', 'django-rollout-shop')
  await inside('set', 'image', 'deployment/web', 'deployment/worker', 'cronjob/expire-orders', `*=${shop.image}:${running}`)
  await inside('rollout', 'status', 'deployment/web', '--timeout=300s')
  await inside('rollout', 'status', 'deployment/worker', '--timeout=300s')
  await shop.commit('Grams', { ...renamed('0005_grams'), ...neverReady })

  // By another process, from the record: the history has nothing.
  await shop.release(allow, killAt(inTheRollout))
  expect(await applied()).toBe('0005_grams')
  const recovered = await shop.recover()
  if (recovered.report.result !== 'undone') throw new Error(recovered.output)
  expect(recovered).toMatchObject({
    report: { result: 'undone', reversed: ['catalog.0005_grams'], warnings: [] },
  })
  expect([await applied(), await weight(), await versions()]).toEqual(['', '70', [running]])
  await shop.drop()
})

test('a failed release that cannot be reversed stops, and says what to do', async () => {
  await shop.commit('Grams', { ...renamed('0005_grams'), ...neverReady })
  const sha = await shop.commit('Filled', migration('0006_filled', '0005_grams', python))
  const stopped = await shop.release({ ...allow, timeout: '20s' })
  expect(stopped).toMatchObject({
    report: {
      result: 'stuck',
      cause: {
        code: 'restore-failed',
        sentence: expect.stringMatching(
          /deployment\/web.* cannot work: the new version failed, and the previous version was not restored: the column catalog_product\.weight_grams is gone/,
        ),
        hint: expect.stringMatching(
          /catalog\.0006_filled cannot be reversed \(RunPython without a reverse\)\n.*recover .*--on-unsafe-undo undo/,
        ),
      },
    },
  })
  expect((await shop.tags())['deployment/web']).toBe(sha)

  // Another process decides the same from the record.
  expect(await shop.recover()).toMatchObject({ report: { result: 'stuck' } })
  const { image, namespace } = shop
  const recovered = await shop.cli('recover', { image, namespace, 'on-unsafe-undo': 'undo' })
  expect(recovered).toMatchObject({
    report: {
      result: 'undone',
      warnings: [expect.stringContaining('the previous version is back, but the column')],
    },
  })
  expect(recovered.report.seconds).toBeLessThan(90)
  expect(await versions()).toEqual([first])
  expect(await shop.leftovers()).toEqual([])
})
