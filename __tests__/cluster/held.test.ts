/** A NOT NULL field is removed and another one added in one commit, under clients that read and write all the while. */
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { whileBuying } from '../e2e/client.js'
import { Site, type Changes } from '../e2e/site.js'
import { seldom } from '../support/seldom.js'

let shop: Site
let url: string
const first = '0002_product_weight_grams'
const colour = 'colour = models.CharField(max_length=20, default="red")'
const brand = 'brand = models.CharField(max_length=20, null=True)'
const size = 'size = models.CharField(max_length=9, default="m")'

const migration = (name: string, after: string, operation: string): Changes => ({
  [`catalog/migrations/${name}.py`]: `from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("catalog", "${after}")]
    operations = [${operation}]
`,
})
const adds = (field: string) => {
  const [name = '', type = ''] = field.split(' = ')
  return `migrations.AddField("product", "${name}", ${type})`
}

beforeAll(async () => {
  shop = await Site.make('held')
  await shop.commit('First', {
    'catalog/models.py': (old) => old.replace(/( +)stock = /, `$1${colour}\n$1${brand}\n$1stock = `),
    'catalog/views.py': (old) => old.replace('"weight_grams", ', '"weight_grams", "brand", "colour", '),
    ...migration('0003_colour', first, `${adds(colour)}, ${adds(brand)}`),
  })
  expect(await shop.release({ bake: '0' })).toMatchObject({ report: { result: 'deployed' } })
  url = await shop.url()
})

afterAll(() => shop.remove())

const columns = () =>
  shop.sql(
    `SELECT string_agg(column_name || CASE WHEN column_default IS NULL THEN '' ELSE '=' || split_part(column_default, ':', 1) END, ' ' ORDER BY column_name)
     FROM information_schema.columns WHERE table_name = 'catalog_product' AND column_name IN ('brand', 'colour', 'size')`,
  )

test('a removal is held back and an addition keeps its default, and the next release ends both', async () => {
  await shop.commit('A size, no colour', {
    'catalog/models.py': (old) =>
      old.replace(/ +colour = .*\n/, '').replace(/( +)stock = /, `$1${size}\n$1stock = `),
    'catalog/views.py': (old) => old.replace('"colour", ', '"size", '),
    ...migration('0004_size', '0003_colour', adds(size)),
    ...migration('0005_no_colour', '0004_size', 'migrations.RemoveField("product", "colour")'),
  })
  const one = await whileBuying(url, () => shop.release({ bake: '0' }))
  expect(one.result).toMatchObject({
    code: 0,
    report: {
      result: 'deployed',
      plan: {
        migrations: [{ name: 'catalog.0004_size', verdict: 'safe' }],
        held: [
          {
            name: 'catalog.0005_no_colour',
            message: expect.stringMatching(
              /^catalog\.0005_no_colour \(RemoveField\) is held back: version \w{12} \(.*deployment\/web.*\) still needs catalog_product\.colour as it is\. The next release applies it$/,
            ),
          },
        ],
      },
      migrations: ['catalog.0004_size'],
      warnings: [],
    },
  })
  expect(one.failures).toEqual([])
  expect(await columns()).toBe(`brand colour='red' size='m'`)
  const { image, namespace } = shop
  const { stdout } = await shop.cli('history', { image, namespace })
  expect(stdout).toContain('migrations: 1; 1 migration held back')

  await shop.commit('Nothing', { 'README.md': (old) => `${old}\n` })
  const two = await whileBuying(url, () => shop.release({ bake: '0' }))
  expect(two.result).toMatchObject({
    code: 0,
    report: { result: 'deployed', migrations: ['catalog.0005_no_colour'], warnings: [] },
  })
  expect(two.failures).toEqual([])
  expect(await columns()).toBe('brand size')
  expect(await shop.leftovers()).toEqual([])
})

test('with "after" it is applied when no pod of the old version is left', async () => {
  await shop.commit('No brand', {
    'catalog/models.py': (old) => old.replace(/ +brand = .*\n/, ''),
    'catalog/views.py': (old) => old.replace('"brand", ', ''),
    ...migration('0006_no_brand', '0005_no_colour', 'migrations.RemoveField("product", "brand")'),
  })
  const after = await whileBuying(url, () => shop.release({ bake: '0', contract: 'after' }))
  expect(after.result).toMatchObject({
    code: 0,
    report: { result: 'deployed', migrations: ['catalog.0006_no_brand'], warnings: [] },
  })
  expect(after.failures).toEqual([])
  expect(await columns()).toBe('size')
})

test('nothing is held back where the pods migrate by themselves', async () => {
  await shop.commit('No weight', {
    'catalog/models.py': (old) => old.replace(/ +weight_grams = .*\n/, ''),
    'catalog/views.py': (old) => old.replace('"weight_grams", ', ''),
    ...migration('0007_no_weight', '0006_no_brand', 'migrations.RemoveField("product", "weight_grams")'),
    start: '#!/bin/sh\npython manage.py migrate --noinput\nexec "$@"\n',
    Dockerfile: (old) => `${old}\nENTRYPOINT ["sh", "/app/start"]\n`,
  })
  expect(await shop.release({ bake: '0' })).toMatchObject({
    code: 1,
    report: {
      result: 'failed',
      cause: {
        code: 'unsafe-migration',
        hint: expect.stringContaining(
          'It cannot be held back until the next release: /app/start migrates by itself',
        ),
      },
    },
  })
  expect(await shop.sql('SELECT count(weight_grams) FROM catalog_product')).toBe('0')
  await shop.drop()
})

seldom('with "manual" no release applies it, also when it would be safe, but the command "migrate" does', async () => {
  const options = { contract: 'manual', bake: '0' }
  await shop.commit('No size', {
    'catalog/models.py': (old) => old.replace(/ +size = .*\n/, ''),
    'catalog/views.py': (old) => old.replace('"size", ', ''),
    ...migration('0007_no_size', '0006_no_brand', 'migrations.RemoveField("product", "size")'),
  })
  const held = {
    name: 'catalog.0007_no_size',
    message: expect.stringMatching(/ is held back: .*\. Only the command "migrate" applies it$/),
  }
  expect(await shop.release(options)).toMatchObject({
    code: 0,
    report: { result: 'deployed', plan: { migrations: [], held: [held] }, warnings: [] },
  })
  const tag = await shop.commit('Nothing again', { 'README.md': (old) => `${old}\n` })
  expect(await shop.release(options)).toMatchObject({
    code: 0,
    report: { result: 'deployed', plan: { migrations: [], held: [held] }, warnings: [] },
  })
  // The new version sets no size, and the column is NOT NULL.
  expect(await columns()).toBe(`size='m'`)

  const { image, namespace } = shop
  const migrated = await whileBuying(url, () =>
    shop.cli('migrate', { image, namespace, tag, contract: 'manual' }),
  )
  expect(migrated.result).toMatchObject({
    code: 0,
    report: { result: 'done', migrations: ['catalog.0007_no_size'], warnings: [] },
  })
  expect(migrated.failures).toEqual([])
  expect(await columns()).toBe('')
})
