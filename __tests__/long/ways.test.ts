/** Ways back that take long: with a backup before values are dropped, and by runs that are killed in the middle. */
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { inTheRollout } from '../e2e/moment.js'
import { catalogMigration as migration, Site, type Changes } from '../e2e/site.js'
import { must, stack, type How } from '../e2e/stack.js'

let shop: Site
let first: string

beforeAll(async () => {
  shop = await Site.make('ways')
  first = await shop.commit('First', {})
  expect(await shop.release({ bake: '0' })).toMatchObject({ report: { result: 'deployed' } })
  await shop.sql(
    "INSERT INTO catalog_product (name, sku, price, stock, weight_grams, created_at) VALUES ('a', 'a', 1, 1, 70, now())",
  )
  for (const [name, command] of Object.entries({ backup: 'true', broken: 'false' })) {
    const input = cronJob(name, command)
    await must('kubectl', ['-n', shop.namespace, 'create', '-f', '-'], { env: stack.env, input })
  }
})

afterAll(() => shop.remove())

const cronJob = (name: string, command: string) => {
  const container = { name: 'backup', image: 'postgres:17', command: [command] }
  const template = { spec: { restartPolicy: 'Never', containers: [container] } }
  return JSON.stringify({
    apiVersion: 'batch/v1',
    kind: 'CronJob',
    metadata: { name },
    spec: { schedule: '0 3 1 1 *', jobTemplate: { spec: { backoffLimit: 0, template } } },
  })
}

/** Breaks the version before, and adds a column: its values are lost on the way back. */
const renamed: Changes = {
  'catalog/models.py': (old) =>
    old.replace('weight_grams =', 'extra = models.TextField(null=True)\n    grams ='),
  'catalog/views.py': (old) => old.replace('"weight_grams"', '"grams"'),
  ...migration(
    '0003_grams',
    '0002_product_weight_grams',
    'migrations.RenameField("product", "weight_grams", "grams"), migrations.AddField("product", "extra", models.TextField(null=True))',
  ),
}
const neverReady: Changes = {
  'shop/views.py': (old) => old.replace('"status": "ok"}', '"status": "not yet"}, status=503'),
}
const allow = { bake: '0', 'unsafe-migrations': 'allow', contract: 'off', bridge: 'off' }
const value = () => shop.sql("UPDATE catalog_product SET extra = 'x'")
const applied = () =>
  shop.sql(
    "SELECT string_agg(name, ' ' ORDER BY name) FROM django_migrations WHERE app = 'catalog' AND name > '0003'",
  )
const weight = (column = 'weight_grams') => shop.sql(`SELECT ${column} FROM catalog_product`)
const versions = async () => {
  const { 'cronjob/backup': _, 'cronjob/broken': __, ...own } = await shop.tags()
  return [...new Set(Object.values(own))]
}
const cli = (command: string, options: Readonly<Record<string, string>>, how: How = {}) =>
  shop.cli(command, { image: shop.image, namespace: shop.namespace, ...options }, how)
const reversing = (cronJob: string) => ({ 'on-unsafe-undo': 'reverse', 'backup-cronjob': cronJob })
const made = { backup: { job: expect.stringMatching(/^backup-/) } }

/** Kills the run at this moment of its log. */
function killed(moment: RegExp): How {
  let isKilled = false
  return {
    onOutput: (soFar, kill) => {
      if (isKilled || !moment.test(soFar)) return
      isKilled = true
      kill('SIGKILL')
    },
  }
}

test('a backup comes before an undo that drops values, and nothing is reversed when it fails', async () => {
  const second = await shop.commit('Grams', { ...renamed, ...neverReady })
  await shop.release(allow, killed(inTheRollout))
  await value()

  const failed = await cli('recover', reversing('broken'))
  expect(failed).toMatchObject({
    report: {
      result: 'stuck',
      cause: {
        code: 'restore-failed',
        hint: expect.stringMatching(
          /the migrations were not reversed: the backup failed: .*; nothing was reversed\n.*recover .*--backup-cronjob broken --on-unsafe-undo reverse/,
        ),
      },
    },
  })
  expect(failed.output).toContain(
    'backup because reversing catalog.0003_grams drops catalog_product.extra (1 row has a value)',
  )
  expect([await applied(), await weight('grams')]).toEqual(['0003_grams', '70'])
  expect((await shop.tags())['deployment/web']).toBe(second)

  expect(await cli('recover', reversing('backup'))).toMatchObject({
    report: { result: 'undone', reversed: ['catalog.0003_grams'], ...made, warnings: [] },
  })
  expect([await applied(), await weight(), await versions()]).toEqual(['', '70', [first]])

  // By the run itself.
  let hasValue: Promise<unknown> | undefined
  const undone = await shop.release(
    { ...allow, timeout: '30s', ...reversing('backup') },
    {
      onOutput: (soFar) => {
        if (inTheRollout.test(soFar)) hasValue ??= value()
      },
    },
  )
  await hasValue
  expect(undone).toMatchObject({
    report: { result: 'undone', reversed: ['catalog.0003_grams'], ...made, warnings: [] },
  })
  const { report } = await cli('history', {})
  expect(report.history?.at(-1)).toMatchObject({ backup: undone.report.backup?.job })
  expect([await applied(), await weight(), await versions()]).toEqual(['', '70', [first]])
  expect(await shop.leftovers()).toEqual([])
  await shop.drop()
})

test('a backup comes before a rollback that drops values, and nothing changes when it fails', async () => {
  await shop.commit('Grams', renamed)
  expect(await shop.release(allow)).toMatchObject({ report: { result: 'deployed' } })
  await value()
  const before = await shop.state()
  const options = { 'reverse-migrations': 'true', 'accept-downtime': 'true', bake: '0' }
  expect(await cli('rollback', { ...options, 'backup-cronjob': 'broken' })).toMatchObject({
    report: {
      result: 'failed',
      cause: { code: 'backup-failed', sentence: expect.stringMatching(/; nothing was reversed$/) },
    },
  })
  expect(await shop.state()).toEqual(before)
  expect(await applied()).toBe('0003_grams')

  expect(await cli('rollback', { ...options, 'backup-cronjob': 'backup' })).toMatchObject({
    report: { result: 'deployed', reversed: ['catalog.0003_grams'], ...made },
  })
  expect([await applied(), await weight(), await versions()]).toEqual(['', '70', [first]])
  await shop.drop()
})

/** Its reversal sleeps before it renames. */
const slow = (name: string, after: string, from: string, to: string): Changes =>
  migration(
    name,
    after,
    `migrations.RenameField("product", "${from}", "${to}"), migrations.RunSQL("SELECT 1", "SELECT pg_sleep(8)")`,
  )

test('a reversal that is killed half-way is ended by recover', async () => {
  await shop.commit('Grams', {
    'catalog/models.py': (old) =>
      old.replace('weight_grams =', 'grams =').replace('stock =', 'amount ='),
    'catalog/views.py': (old) =>
      old.replace('"weight_grams"', '"grams"').replace('"stock"', '"amount"'),
    ...slow('0003_grams', '0002_product_weight_grams', 'weight_grams', 'grams'),
    ...slow('0004_amount', '0003_grams', 'stock', 'amount'),
    ...neverReady,
  })
  const options = { ...allow, timeout: '20s', 'on-unsafe-undo': 'reverse' }
  await shop.release(options, killed(/Unapplying catalog\.0004_amount\.\.\. OK/))
  expect(await applied()).toBe('0003_grams')

  // The rest may end while its Job is ended.
  const recovered = await cli('recover', { 'on-unsafe-undo': 'reverse' })
  expect(recovered).toMatchObject({ report: { result: 'undone', warnings: [] } })
  expect([await applied(), await weight(), await versions()]).toEqual(['', '70', [first]])
  expect(await weight('stock')).toBe('1')
  expect(await shop.leftovers()).toEqual([])
  await shop.drop()
})

const column = (name: string) =>
  shop.sql(
    `SELECT is_nullable || coalesce(' ' || column_default, '') FROM information_schema.columns WHERE table_name = 'catalog_product' AND column_name = '${name}'`,
  )

test.each([
  ['before the pod begins', /created from deployment\/web/],
  ['when the plan is known', /stock: the column gets a default/],
  ['when it is made', inTheRollout],
])(
  'a run that is killed around a bridge, %s, leaves nothing that the next ones do not end',
  async (_, moment) => {
    const count = await shop.sql('SELECT count(*) FROM catalog_product')
    const sha = await shop.commit('No stock, a size', {
      'catalog/models.py': (old) =>
        old.replace(/ +stock = .*\n/, '    size = models.CharField(max_length=9, default="m")\n'),
      'catalog/views.py': (old) => old.replace('"stock"', '"size"'),
      ...migration(
        '0005_size',
        '0002_product_weight_grams',
        'migrations.AddField("product", "size", models.CharField(max_length=9, default="m"))',
      ),
      ...migration('0006_no_stock', '0005_size', 'migrations.RemoveField("product", "stock")'),
    })
    await shop.release({ bake: '0' }, killed(moment))
    expect(['undone', 'unchanged']).toContain((await shop.recover()).report.result)
    expect(await versions()).toEqual([first])
    // The old version works.
    await shop.sql(
      "INSERT INTO catalog_product (name, sku, price, stock, created_at) VALUES ('b', 'b', 1, 1, now())",
    )

    expect(await shop.release({ bake: '0' })).toMatchObject({
      report: { result: 'deployed', plan: { held: [{ name: 'catalog.0006_no_stock' }] } },
    })
    expect(await versions()).toEqual([sha])
    expect([await column('stock'), await column('size')]).toEqual([
      'NO 0',
      expect.stringMatching(/^NO 'm'/),
    ])

    await shop.commit('Nothing', { 'README.md': (old) => `${old}\n` })
    expect(await shop.release({ bake: '0' })).toMatchObject({
      report: { result: 'deployed', migrations: ['catalog.0006_no_stock'] },
    })
    expect([await column('stock'), await column('size')]).toEqual(['', 'NO'])
    expect(await shop.sql('SELECT count(*) FROM catalog_product')).toBe(String(Number(count) + 1))

    // As it was, for the next moment.
    await shop.sql("DELETE FROM catalog_product WHERE sku = 'b'")
    await shop.sql('ALTER TABLE catalog_product DROP size, ADD stock int NOT NULL DEFAULT 1')
    await shop.sql('ALTER TABLE catalog_product ALTER stock DROP DEFAULT')
    await shop.sql("DELETE FROM django_migrations WHERE name IN ('0005_size', '0006_no_stock')")
    expect(
      await cli('rollback', { to: '1', bake: '0', 'unsafe-migrations': 'allow' }),
    ).toMatchObject({ report: { result: 'deployed' } })
    await shop.drop()
    await shop.drop()
  },
)
