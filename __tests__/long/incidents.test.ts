/** Whole releases in which something public went wrong for others; migrations/incidents.test.ts lists all of them. */
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { at } from '../e2e/moment.js'
import { catalogMigration as migration, Site, type Changes } from '../e2e/site.js'
import { kubectl, must, stack } from '../e2e/stack.js'
import { until } from '../e2e/until.js'

let shop: Site

beforeAll(async () => {
  shop = await Site.make('incidents')
  await shop.commit('First', {})
  expect(await shop.release({ bake: '0' })).toMatchObject({ report: { result: 'deployed' } })
})

afterAll(() => shop.remove())

/** Runs in psql in the database's pod until its session ends, or it is stopped. */
async function session(application: string, script: string, host = ''): Promise<string> {
  const command = `printf '%s\\n' "$1" | PGPASSWORD=demo-password PGAPPNAME=${application} psql --host=${host} --username=shop --dbname=shop --quiet --tuples-only --no-align`
  const shell = ['/bin/sh', '-c', command, 'sh', script]
  return kubectl('-n', shop.namespace, 'exec', 'postgres-0', '--', ...shell).catch(
    (error: unknown) => String(error),
  )
}
const end = (application: string) =>
  shop.sql(
    `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = '${application}'`,
  )
/** A transaction that has read the products, and stays open until `end`. */
async function hold(): Promise<void> {
  void session('report', 'BEGIN; SELECT 1 FROM catalog_product;\n SELECT pg_sleep(3600);')
  const query =
    "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'report' AND query LIKE '%pg_sleep%'"
  await until('the session "report"', async () => (await shop.sql(query)) === '1')
}
const first = '0002_product_weight_grams'
const withoutTransaction = (files: Changes): Changes =>
  Object.fromEntries(
    Object.entries(files).map(([file, text]) => [
      file,
      `from django.contrib.postgres.operations import AddIndexConcurrently\n${String(text).replace('    operations', '    atomic = False\n$&')}`,
    ]),
  )

/** In transaction mode: each transaction gets a session of the server that is free. */
async function startPooler(): Promise<void> {
  const ini =
    "RUN printf '%s\\n' '[databases]' '* = host=postgres port=5432 user=shop password=demo-password' '[pgbouncer]' 'listen_addr = *' 'listen_port = 5432' 'auth_type = any' 'pool_mode = transaction' 'unix_socket_dir =' >/etc/pooler.ini"
  const image = `${stack.registry}/${shop.namespace}/pooler`
  await shop.pushImage(
    'made',
    `RUN apt-get update && apt-get install --yes --no-install-recommends pgbouncer\n${ini}\nUSER postgres`,
    [image],
  )
  const labels = { app: 'pooler' }
  const container = {
    name: 'pooler',
    image: `${image}:made`,
    command: ['pgbouncer', '/etc/pooler.ini'],
    readinessProbe: { tcpSocket: { port: 5432 }, periodSeconds: 1 },
  }
  const objects = [
    {
      ...{ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'pooler' } },
      spec: {
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [container] } },
      },
    },
    {
      ...{ apiVersion: 'v1', kind: 'Service', metadata: { name: 'pooler' } },
      spec: { selector: labels, ports: [{ port: 5432 }] },
    },
  ]
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects })
  await must('kubectl', ['-n', shop.namespace, 'create', '-f', '-'], { env: stack.env, input })
  const ready = ['rollout', 'status', 'deployment/pooler', '--timeout=300s']
  await kubectl('-n', shop.namespace, ...ready)
}

test('the Job is deleted while it builds an index, and the next release builds it anew', async () => {
  // The server notices that its client is gone, and ends the build: the index stays behind, invalid.
  await shop.sql("ALTER SYSTEM SET client_connection_check_interval = '200ms'")
  await shop.sql('SELECT pg_reload_conf()')
  await shop.commit('An index', {
    'catalog/models.py': (old) =>
      old.replace(
        /( +)ordering = /,
        '$1indexes = [models.Index(fields=["stock"], name="by_stock")]\n$&',
      ),
    ...withoutTransaction(
      migration(
        '0003_index',
        first,
        'AddIndexConcurrently("product", models.Index(fields=["stock"], name="by_stock"))',
      ),
    ),
  })
  const indexes = () =>
    shop.sql(
      "SELECT string_agg(relname || ' ' || indisvalid, ', ') FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE relname = 'by_stock'",
    )
  // A build waits for whoever may see older rows.
  await hold()
  const killed = at(
    /running for .*index of catalog_product: waiting for old snapshots/,
    async () => {
      const jobs = (await shop.jobs()).filter((name) => name.includes('-migrate-'))
      await kubectl('-n', shop.namespace, 'delete', 'job', ...jobs, '--wait=false')
    },
  )
  expect(await shop.release({ bake: '0' }, killed.how)).toMatchObject({
    code: 1,
    report: {
      result: 'failed',
      cause: { code: 'migration-failed', sentence: expect.stringContaining('it was deleted') },
    },
  })
  await killed.done()
  await until(
    'the end of the build',
    async () => (await shop.sql('SELECT count(*) FROM pg_stat_progress_create_index')) === '0',
  )
  await end('report')
  expect(await indexes()).toBe('by_stock false')

  const again = await shop.release({ bake: '0' })
  expect(again).toMatchObject({
    code: 0,
    report: { result: 'deployed', migrations: ['catalog.0003_index'], warnings: [] },
  })
  expect(again.output).toContain(
    'dropped the invalid index public.by_stock, which an interrupted release left behind',
  )
  expect(await indexes()).toBe('by_stock true')
})

test('the second step of a removal is refused after the first one was undone', async () => {
  const [running = ''] = Object.values(await shop.tags())
  await shop.commit('From the state only', {
    'catalog/models.py': (old) => old.replace(/ +weight_grams = .*\n/, ''),
    'catalog/views.py': (old) => old.replace('"weight_grams", ', ''),
    ...migration(
      '0004_state',
      '0003_index',
      'migrations.SeparateDatabaseAndState(state_operations=[migrations.RemoveField("product", "weight_grams")])',
    ),
    'shop/wsgi.py': (old) => `import shop.telemetry\n${old}`,
  })
  expect(await shop.release({ bake: '0' })).toMatchObject({ report: { result: 'undone' } })
  await shop.commit('Dropped', {
    'shop/wsgi.py': (old) => old.replace('import shop.telemetry\n', ''),
    ...migration(
      '0005_drop',
      '0004_state',
      'migrations.RunSQL("ALTER TABLE catalog_product DROP COLUMN weight_grams", migrations.RunSQL.noop)',
    ),
  })
  expect(await shop.release({ bake: '0', contract: 'off' })).toMatchObject({
    report: {
      result: 'failed',
      cause: {
        code: 'unsafe-migration',
        sentence: expect.stringContaining(
          `the column catalog_product.weight_grams is gone, but version ${running.slice(0, 12)}`,
        ),
      },
    },
  })
  await shop.drop()
  await shop.drop()
})

test('a release through PgBouncer takes its locks without a queue, and sets nothing for the web', async () => {
  await startPooler()
  await shop.commit('By the pooler', {
    'catalog/models.py': (old) =>
      old.replace(/( +)stock = /, '$1colour = models.CharField(max_length=20, null=True)\n$&'),
    ...migration(
      '0004_colour',
      '0003_index',
      'migrations.AddField("product", "colour", models.CharField(max_length=20, null=True))',
    ),
    'k8s/secret.yaml': (old) => old.replace('@postgres:', '@pooler:'),
  })
  await hold()
  const limits = session(
    'web',
    "SELECT current_setting('lock_timeout') || current_setting('statement_timeout') \\watch 0.02",
    'pooler',
  )
  const waits = at(/waits for catalog_product/, () => end('report'))
  const released = await shop.release({ bake: '0' }, waits.how)
  await waits.done()
  expect(released).toMatchObject({
    code: 0,
    report: {
      result: 'deployed',
      migrations: ['catalog.0004_colour'],
      warnings: [expect.stringContaining('pooler')],
    },
  })
  expect(released.output).toMatch(/catalog\.0004_colour: catalog_product locked after \d/)
  await kubectl('-n', shop.namespace, 'delete', 'deployment', 'pooler', '--wait=false')
  const seen = (await limits).split('\n').filter((line) => /^\d/.test(line))
  expect(seen.length).toBeGreaterThan(100)
  expect(new Set(seen)).toEqual(new Set(['00']))
})
