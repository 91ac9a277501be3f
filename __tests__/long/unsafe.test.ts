/** Migrations that break a version which runs are refused before anything is written, unless a person accepts them. */
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import type { Pod } from 'kubernetes-types/core/v1'
import { catalogMigration as migration, Site, type Changes } from '../e2e/site.js'
import { kubectlJson } from '../e2e/stack.js'

let shop: Site
let running: string

beforeAll(async () => {
  shop = await Site.make('unsafe')
  running = await shop.commit('First', {})
  expect(await shop.release({ bake: '0' })).toMatchObject({ report: { result: 'deployed' } })
})

afterAll(() => shop.remove())

/** A field of the products, and the migration that adds it. */
const adding = (field: string, name: string, after: string, comment = ''): Changes => {
  const [, column = ''] = /^(\w+) = /.exec(field) ?? []
  const type = field.replace(/^\w+ = /, '')
  const text = `${comment}migrations.AddField("product", "${column}", ${type})`
  return {
    'catalog/models.py': (old) => old.replace(/( +)stock = /, `$1${field}\n$1stock = `),
    ...migration(name, after, text),
  }
}

const applied = (name: string) =>
  shop.sql(`SELECT count(*) FROM django_migrations WHERE name = '${name}'`)
const columns = () =>
  shop.sql(
    `SELECT string_agg(column_name, ' ' ORDER BY column_name) FROM information_schema.columns
     WHERE table_name = 'catalog_product' AND column_name IN ('colour', 'weight_grams', 'size')`,
  )
async function isEnding(): Promise<boolean> {
  const list = ['-n', shop.namespace, 'get', 'pods']
  const { items } = await kubectlJson<{ items: readonly Pod[] }>(...list)
  return items.some(({ metadata }) => metadata?.deletionTimestamp !== undefined)
}
/** Nothing is held back, and no default is kept. */
const asBefore = { bake: '0', contract: 'off', bridge: 'off' }
const everyone = '(cronjob/expire-orders, deployment/web, deployment/worker)'
const first = '0002_product_weight_grams'
const colour = 'colour = models.CharField(max_length=20, default="red"'

test('a NOT NULL column with a Python default is refused, by name and with the safe way', async () => {
  await shop.commit('A colour', adding(`${colour})`, '0003_colour', first))
  const before = await shop.state()
  const refused = await shop.release(asBefore)

  expect(refused).toMatchObject({
    code: 1,
    report: {
      result: 'failed',
      cause: {
        code: 'unsafe-migration',
        sentence: `catalog.0003_colour: the column catalog_product.colour is NOT NULL without a database default, but version ${running.slice(0, 12)} ${everyone} does not set it: every INSERT into catalog_product fails`,
        hint: expect.stringMatching(
          /AddField\(model_name="product", name="colour", .*db_default='red'.*\n[^]*# django-rollout: allow insert-refused catalog_product\.colour: <why>$/,
        ),
        annotations: [{ file: 'catalog/migrations/0003_colour.py', line: 1 }],
      },
      plan: { migrations: [{ name: 'catalog.0003_colour', verdict: 'unsafe' }] },
      migrations: [],
    },
  })
  expect([await applied('0003_colour'), await columns()]).toEqual(['0', 'weight_grams'])
  expect(await shop.state()).toEqual(before)
  expect(await shop.leftovers()).toEqual([])
  await shop.drop()
})

test('a NOT NULL column with a database default is released', async () => {
  running = await shop.commit(
    'A colour',
    adding(`${colour}, db_default="red")`, '0003_colour', first),
  )
  const released = await shop.release({ bake: '0' })
  expect(released).toMatchObject({
    code: 0,
    report: {
      result: 'deployed',
      plan: { migrations: [{ verdict: 'safe' }], findings: [] },
      warnings: [],
    },
  })
})

test('a dropped column that the running version reads is refused', async () => {
  await shop.commit('No weight', {
    'catalog/models.py': (old) => old.replace(/ +weight_grams = .*\n/, ''),
    'catalog/views.py': (old) => old.replace('"weight_grams", ', ''),
    ...migration(
      '0004_no_weight',
      '0003_colour',
      'migrations.RemoveField("product", "weight_grams")',
    ),
  })
  // A pod of the version before counts until it has ended.
  while (await isEnding());
  const refused = await shop.release(asBefore)
  expect(refused).toMatchObject({
    code: 1,
    report: {
      result: 'failed',
      cause: {
        code: 'unsafe-migration',
        sentence: `catalog.0004_no_weight: the column catalog_product.weight_grams is gone, but version ${running.slice(0, 12)} ${everyone} uses it: every query of catalog.Product fails`,
        hint: expect.stringContaining('DROP COLUMN "weight_grams"'),
      },
    },
  })
  expect(await columns()).toBe('colour weight_grams')
})

test('an unsafe migration with "warn" is applied and reported, and the same code is then released silently', async () => {
  const tag = (await shop.git('rev-parse', 'HEAD')).trim()
  const { image, namespace } = shop
  const options = { image, namespace, tag }
  const migrated = await shop.cli('migrate', {
    ...options,
    ...{ contract: 'off', bridge: 'off' },
    'unsafe-migrations': 'warn',
  })
  expect(migrated).toMatchObject({
    code: 0,
    report: {
      result: 'done',
      migrations: ['catalog.0004_no_weight'],
      warnings: [expect.stringContaining('the column catalog_product.weight_grams is gone')],
    },
  })
  expect(await columns()).toBe('colour')

  const deployed = await shop.deploy(tag, { bake: '0' })
  expect(deployed).toMatchObject({ code: 0, report: { result: 'deployed', warnings: [] } })
})

test('a comment with a reason accepts one finding', async () => {
  const comment =
    '\n        # django-rollout: allow insert-refused catalog_product.size: nobody adds products\n        '
  const field = 'size = models.CharField(max_length=9, default="m")'
  await shop.commit('A size', adding(field, '0005_size', '0004_no_weight', comment))
  const released = await shop.release({ bake: '0' })
  expect(released).toMatchObject({
    code: 0,
    report: {
      result: 'deployed',
      plan: {
        migrations: [{ name: 'catalog.0005_size', verdict: 'accepted' }],
        findings: [{ allowed: 'nobody adds products' }],
      },
    },
  })
  expect(released.output).toMatch(/accepted: catalog\.0005_size: .* \(nobody adds products\)/)
  expect(await columns()).toBe('colour size')
})

test('an unsafe migration with "allow" is applied without a warning', async () => {
  const field = 'rank = models.IntegerField(default=1)'
  const tag = await shop.commit('A rank', adding(field, '0006_rank', '0005_size'))
  const { image, namespace } = shop
  expect(await shop.cli('build', { image, push: 'true' })).toMatchObject({ code: 0 })
  const options = { image, namespace, tag, 'unsafe-migrations': 'allow', bridge: 'off' }
  expect(await shop.cli('migrate', options)).toMatchObject({
    code: 0,
    report: { result: 'done', migrations: ['catalog.0006_rank'], warnings: [] },
  })
  expect(await applied('0006_rank')).toBe('1')
})

const rollback = (options: Readonly<Record<string, string>>) =>
  shop.cli('rollback', { image: shop.image, namespace: shop.namespace, bake: '0', ...options })

test('the history says which versions no longer fit the schema, and a rollback to one is refused', async () => {
  const { image, namespace } = shop
  const { stdout } = await shop.cli('history', { image, namespace })
  const rows = stdout.trimEnd().split('\n').slice(1)
  // What `migrate` has applied belongs to no release.
  const gone = 'breaks: column-gone catalog_product.weight_grams (catalog.0004_no_weight)'
  expect(rows).toEqual([
    expect.stringContaining('breaks: insert-refused catalog_product.rank (catalog.0006_rank)'),
    expect.stringContaining(
      'breaks: insert-refused catalog_product.size (catalog.0005_size, release 6) and 1 more',
    ),
    expect.not.stringMatching(/fits|breaks|not known/),
    expect.stringContaining(`${gone} and 2 more`),
    expect.not.stringMatching(/fits|breaks|not known/),
    expect.stringContaining(`${gone} and 2 more`),
  ])

  const before = await shop.state()
  expect(await rollback({ to: '3' })).toMatchObject({
    code: 1,
    report: {
      result: 'failed',
      cause: {
        code: 'schema-unfit',
        sentence: expect.stringMatching(
          /^the column catalog_product\.weight_grams is gone since catalog\.0004_no_weight, but release 3 \(\w{12}\) uses it: every query of catalog\.Product fails \(and 2 more findings\)$/,
        ),
        hint: expect.stringContaining('Add the column catalog_product.weight_grams again'),
      },
    },
  })
  expect(await shop.state()).toEqual(before)
  expect(await shop.leftovers()).toEqual([])
})

test('a rollback to a version that still fits is proved by its own image first', async () => {
  const rank = (await shop.git('rev-parse', 'HEAD')).trim()
  expect(await shop.deploy(rank, { bake: '0' })).toMatchObject({ report: { result: 'deployed' } })
  const field = 'hint = models.TextField(null=True)'
  await shop.commit('A hint', adding(field, '0007_hint', '0006_rank'))
  expect(await shop.release({ bake: '0' })).toMatchObject({ report: { result: 'deployed' } })

  // Another client has changed the schema: the history cannot know that, and the image itself finds it.
  const rename = (from: string, to: string) => shop.sql(`ALTER TABLE ${from} RENAME TO ${to}`)
  await rename('auth_group', 'hidden')
  const before = await shop.state()
  expect(await rollback({})).toMatchObject({
    code: 1,
    report: {
      result: 'failed',
      cause: {
        code: 'schema-unfit',
        sentence: expect.stringMatching(
          /^the table auth_group is gone, but release 7 \(\w{12}\) uses it/,
        ),
      },
    },
  })
  expect(await shop.state()).toEqual(before)

  await rename('hidden', 'auth_group')
  const back = await rollback({})
  expect(back).toMatchObject({ code: 0, report: { result: 'deployed', tag: rank } })
  expect(back.output).toContain('starts with the current configuration, and fits the schema')
  expect(new Set(Object.values(await shop.tags()))).toEqual(new Set([rank]))
})
