/** Good releases of the shop, one after the other, in a namespace that was empty before. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { get, whileAsking } from '../e2e/client.js'
import { Site } from '../e2e/site.js'
import { kubectl } from '../e2e/stack.js'
import { until } from '../e2e/until.js'
import { seldom } from '../support/seldom.js'

let shop: Site
let first: string

beforeAll(async () => {
  shop = await Site.make('good')
})

afterAll(() => shop.remove())

describe('a successful release', () => {
  test('tests, pushes, applies the manifests, migrates and rolls out in an empty namespace', async () => {
    first = await shop.commit('First', {})
    const released = await shop.release({
      version: 'one',
      'test-command': 'python manage.py test',
      'test-services': 'postgres',
    })

    expect(released).toMatchObject({ code: 0, report: { result: 'deployed', tag: first } })
    expect(released.report.migrations).toContain('orders.0001_initial')
    expect(released.output).toMatch(/✓ test [\s\S]*✓ push [\s\S]*✓ migrate [\s\S]*✓ rollout/)
    expect(await shop.tags()).toEqual({
      'deployment/web': first,
      'deployment/worker': first,
      'cronjob/expire-orders': first,
    })
    expect(await get(`${await shop.url()}/version`)).toBe('one')
  })

  test('of the same commit again is `unchanged`, with no build and no rollout', async () => {
    const before = { state: await shop.state(), pods: await shop.pods('web'), jobs: await shop.jobs() }
    const { result: released, asked } = await whileAsking(await shop.url(), () =>
      shop.release({ version: 'one' }),
    )

    expect(released).toMatchObject({ code: 0, report: { result: 'unchanged', tag: first } })
    expect(asked.failures).toEqual([])
    expect(released.output).not.toMatch(/▸ (test|push|rollout|migrate)| {2}built /)
    expect({
      state: await shop.state(),
      pods: await shop.pods('web'),
      jobs: await shop.jobs(),
    }).toEqual(before)
  })

  test('of a commit that changes no file of the image is `unchanged` with "skip-unchanged", without its tests', async () => {
    const commit = await shop.commit('A word', { 'README.md': 'Nothing of it is in the image.\n' })
    const pods = await shop.pods('web')
    const released = await shop.release({
      version: 'one',
      'skip-unchanged': 'true',
      'test-command': 'false',
    })

    expect(released).toMatchObject({ code: 0, report: { result: 'unchanged', tag: first } })
    expect(released.output).toContain('that gets the tag')
    expect(released.output).not.toContain('▸ test')
    expect(await shop.pods('web')).toEqual(pods)
    // The commit can be deployed elsewhere.
    expect(await shop.isPushed(commit)).toBe(true)
    const again = await shop.release({ version: 'one' })
    expect(again).toMatchObject({ code: 0, report: { result: 'unchanged', tag: commit } })
  })

  test('of the same commit is not `unchanged` while its pods crash', async () => {
    const command = '/spec/template/spec/containers/0/command'
    const patch = JSON.stringify([{ op: 'replace', path: command, value: ['false'] }])
    const worker = ['-n', shop.namespace, 'patch', 'deployment', 'worker', '--type=json']
    await kubectl(...worker, '--patch', patch)
    // It has no probe: until its first exit is seen, it runs well.
    const crashes = /^worker-.* (Error|CrashLoopBackOff) /m
    await until('the first exit', async () =>
      crashes.test(await kubectl('-n', shop.namespace, 'get', 'pods', '--no-headers')),
    )
    const released = await shop.cli('deploy', {
      image: shop.image,
      namespace: shop.namespace,
      tag: first,
      'migrate-command': '',
    })

    expect(released).toMatchObject({ code: 1, report: { result: 'failed' } })
    expect(released.report.cause?.sentence).toMatch(/^worker: exited with 1/)
  })

  test('of the same image with another manifest is rolled out, and moves the extra tags', async () => {
    const file = join(shop.folder, 'k8s/worker.yaml')
    const old = await readFile(file, 'utf8')
    await writeFile(file, old.replace('metadata:\n  name: worker', 'metadata:\n  name: worker\n  labels: {tier: back}'))
    const released = await shop.cli('deploy', {
      image: shop.image,
      namespace: shop.namespace,
      tag: first,
      manifests: 'k8s',
      bake: '0',
      'extra-tags': 'stable',
    })
    await writeFile(file, old)

    expect(released).toMatchObject({ code: 0, report: { result: 'deployed', tag: first } })
    const tier = 'jsonpath={.metadata.labels.tier}'
    expect(await kubectl('-n', shop.namespace, 'get', 'deploy', 'worker', '-o', tier)).toBe('back')
    const stable = await shop.cli('deploy', {
      image: shop.image,
      namespace: shop.namespace,
      tag: 'stable',
      'migrate-command': '',
      bake: '0',
    })
    expect(stable).toMatchObject({ code: 0, report: { tag: 'stable' } })
  })

  seldom('runs a new migration once, before the rollout, and logs it', async () => {
    const jobs = await shop.jobs()
    const sha = await shop.commit('Products have a colour', {
      'catalog/models.py': (old) =>
        old.replace(
          /( +)stock = /,
          '$1colour = models.CharField(max_length=20, default="", db_default="", blank=True)\n$1stock = ',
        ),
      'catalog/migrations/0003_product_colour.py': colour,
    })
    const { result: released, asked } = await whileAsking(await shop.url(), () =>
      shop.release({ version: 'two' }),
    )
    const { failures, versions, count } = asked

    expect(released).toMatchObject({
      code: 0,
      report: { result: 'deployed', tag: sha, migrations: ['catalog.0003_product_colour'] },
    })
    expect(released.output).toMatch(/Applying catalog\.0003_product_colour\.\.\. OK[\s\S]*▸ rollout/)
    const added = (await shop.jobs()).filter((job) => !jobs.includes(job))
    expect(added).toEqual([`shop-migrate-${sha.slice(0, 7)}-1`])
    const applied = `SELECT count(*) FROM django_migrations WHERE name = '0003_product_colour'`
    expect(await shop.sql(applied)).toBe('1')
    expect(new Set(Object.values(await shop.tags()))).toEqual(new Set([sha]))
    console.log(`good release: ${count} requests, ${failures.length} failed`)
    expect({ failures, versions }).toEqual({ failures: [], versions: ['one', 'two'] })
  })
})

const colour = `from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("catalog", "0002_product_weight_grams")]

    operations = [
        migrations.AddField(
            "product",
            "colour",
            models.CharField(max_length=20, default="", db_default="", blank=True),
        ),
    ]
`
