/** The backup before a migration that drops values, and the restore of docs/backup.md. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import type { Job } from 'kubernetes-types/batch/v1'
import { catalogMigration as migration, Site } from '../e2e/site.js'
import { kubectlJson, must, root, stack } from '../e2e/stack.js'
import { seldom } from '../support/seldom.js'

let shop: Site
let page: string
let cronJob = ''
const kept = { bake: '0', 'backup-cronjob': 'backup', 'unsafe-migrations': 'allow', contract: 'off', bridge: 'off' }

/** The text of the page's code blocks in this language. */
const blocks = (language: string) =>
  [...page.matchAll(new RegExp(`^( *)\`\`\`${language}\n([^]*?)^ *\`\`\``, 'gm'))].map(
    ([, indent = '', text = '']) => text.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
  )
const applied = (name: string) =>
  shop.sql(`SELECT count(*) FROM django_migrations WHERE name = '${name}'`)
const weights = () => shop.sql('SELECT sum(weight_grams) FROM catalog_product')
const backups = async () => {
  const labels = 'django-rollout/job=backup'
  const { items } = await kubectlJson<{ items: readonly Job[] }>('-n', shop.namespace, 'get', 'jobs', '-l', labels)
  return items
}

beforeAll(async () => {
  page = await readFile(join(root, 'docs/backup.md'), 'utf8')
  const [claim = '', ...rest] = (blocks('yaml').find((text) => text.includes('CronJob')) ?? '').split('---\n')
  cronJob = rest.join('')
  shop = await Site.make('backup')
  await must('kubectl', ['-n', shop.namespace, 'create', '--filename=-'], { env: stack.env, input: claim })
  await shop.commit('First', { 'k8s/backup.yaml': cronJob })
  expect(await shop.release(kept)).toMatchObject({ report: { result: 'deployed' } })
  await shop.sql("INSERT INTO catalog_product (name, sku, price, stock, weight_grams, created_at) VALUES ('Tea', 'T1', 1, 1, 700, now())")
})

afterAll(() => shop.remove())

test('a backup is made before a column is dropped, and its restore brings the values back', async () => {
  const before = await weights()
  expect(Number(before)).toBeGreaterThan(0)
  await shop.commit('No weight', {
    'catalog/models.py': (old) => old.replace(/ +weight_grams = .*\n/, ''),
    'catalog/views.py': (old) => old.replace('"weight_grams", ', ''),
    ...migration('0003_no_weight', '0002_product_weight_grams', 'migrations.RemoveField("product", "weight_grams")'),
  })
  const released = await shop.release(kept)
  expect(released).toMatchObject({
    code: 0,
    report: {
      result: 'deployed',
      backup: { job: expect.stringMatching(/^backup-/) },
      migrations: ['catalog.0003_no_weight'],
    },
  })
  expect(released.output).toContain('backup because catalog.0003_no_weight drops catalog_product.weight_grams')
  expect(released.report.stages.map(({ name }) => name).join(' ')).toContain('plan backup migrate')
  const job = released.report.backup?.job ?? ''
  expect(await backups()).toMatchObject([
    {
      metadata: {
        name: job,
        annotations: { 'cronjob.kubernetes.io/instantiate': 'manual' },
        ownerReferences: [{ kind: 'CronJob', name: 'backup' }],
      },
      status: { succeeded: 1 },
    },
  ])
  const history = await shop.cli('history', { image: shop.image, namespace: shop.namespace })
  expect(history.report.history?.at(-1)).toMatchObject({ backup: job })

  const commands = blocks('sh').map((text) =>
    text
      .replaceAll('-n shop', `-n ${shop.namespace}`)
      .replace(/BACKUP=.*/, `BACKUP=${job}`)
      .replace('--timeout=10m', '--timeout=1m'),
  )
  for (const text of commands.slice(0, 2)) {
    await must('/bin/sh', ['-ec', text], { env: stack.env })
  }
  expect(await weights()).toBe(before)
  const [, , rollback = ''] = commands
  const [, ...words] = rollback.trim().split(' ')
  expect(words).toEqual(['rollback', '--unsafe-migrations', 'warn'])
  const back = await shop.cli('rollback', {
    image: shop.image,
    namespace: shop.namespace,
    'unsafe-migrations': 'warn',
    bake: '0',
  })
  expect(back).toMatchObject({ code: 0, report: { result: 'deployed' } })
  await must('/bin/sh', ['-ec', commands[3] ?? ''], { env: stack.env })
})

test('nothing is migrated when the backup fails, or when its CronJob does not exist', async () => {
  const fails = ['/bin/sh', '-c', 'echo "pg_dump: error: no space left on device" >&2; exit 3']
  await shop.commit('A backup that fails', {
    'k8s/backup.yaml': (old) => old.replace(/command:\n[^]*?( +)env:/, `command: ${JSON.stringify(fails)}\n$1env:`),
  })
  const failed = await shop.release(kept)
  expect(failed).toMatchObject({
    code: 1,
    report: {
      cause: {
        code: 'backup-failed',
        sentence: expect.stringMatching(/^the backup failed: .*; nothing was migrated$/),
        logs: [{ lines: [expect.stringContaining('no space left on device')] }],
      },
      migrations: [],
    },
  })
  expect(await applied('0003_no_weight')).toBe('0')

  const missing = await shop.release({ ...kept, 'backup-cronjob': 'backups' })
  expect(missing).toMatchObject({
    code: 1,
    report: {
      result: 'failed',
      cause: {
        code: 'backup-failed',
        sentence: `"backup-cronjob" names cronjob/backups, but the namespace ${shop.namespace} has no such CronJob`,
      },
    },
  })
  expect(missing.report.stages.every(({ name }) => name === 'preflight' || name === 'build')).toBe(true)
})

seldom('what was held back until the rollout is done is dropped after a backup, too', async () => {
  await shop.commit('A backup that works', { 'k8s/backup.yaml': cronJob })
  const released = await shop.release({ bake: '0', 'backup-cronjob': 'backup', contract: 'after' })
  expect(released).toMatchObject({
    code: 0,
    report: {
      result: 'deployed',
      backup: { job: expect.stringMatching(/^backup-/) },
      migrations: ['catalog.0003_no_weight'],
      warnings: [],
    },
  })
  expect(await applied('0003_no_weight')).toBe('1')
})

seldom('a migration that loses nothing is applied without a backup', async () => {
  const before = await backups()
  await shop.commit('A hint', {
    'catalog/models.py': (old) => old.replace(/( +)stock = /, '$1hint = models.TextField(null=True)\n$1stock = '),
    ...migration('0004_hint', '0003_no_weight', 'migrations.AddField("product", "hint", models.TextField(null=True))'),
  })
  const released = await shop.release(kept)
  expect(released).toMatchObject({ code: 0, report: { result: 'deployed' } })
  expect(released.report.backup).toBeUndefined()
  expect(await backups()).toEqual(before)
})
