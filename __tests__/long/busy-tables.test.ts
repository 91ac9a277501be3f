/** A migration whose table is in use: nobody waits behind it, and it is named who uses the table. */
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { kubectl } from '../e2e/stack.js'
import { Site } from '../e2e/site.js'
import { until } from '../e2e/until.js'

let shop: Site
const sessions: Promise<unknown>[] = []

/** Starts a session of psql in the database's pod, which lasts until `end`. */
function session(application: string, script: string): void {
  const command = `printf '%s\\n' "$1" | PGAPPNAME=${application} psql --username=shop --dbname=shop --quiet --output=/dev/null`
  const shell = ['/bin/sh', '-c', command, 'sh', script]
  sessions.push(
    kubectl('-n', shop.namespace, 'exec', 'postgres-0', '--', ...shell).catch(() => undefined),
  )
}
const sessionsOf = (application: string) =>
  `FROM pg_stat_activity WHERE application_name = '${application}'`
const end = (application: string) =>
  shop.sql(`SELECT count(pg_terminate_backend(pid)) ${sessionsOf(application)}`)

/** How often a reader or a writer has waited for a table for longer than 250 ms. */
async function longWaits(): Promise<number> {
  const log = await kubectl('-n', shop.namespace, 'logs', 'postgres-0')
  return log.split(/still waiting for (?:AccessShare|RowShare|RowExclusive)Lock/).length - 1
}
const queries = async () =>
  Number(await shop.sql(`SELECT xact_commit FROM pg_stat_database WHERE datname = 'shop'`))
const columns = () =>
  shop.sql(
    `SELECT count(*) FROM information_schema.columns WHERE table_name = 'catalog_product' AND column_name = 'colour'`,
  )

beforeAll(async () => {
  shop = await Site.make('tables')
  await shop.commit('First', {})
  expect(await shop.release({ bake: '0' })).toMatchObject({ report: { result: 'deployed' } })
  // The server itself says who has waited for how long, however busy this machine is.
  await shop.sql('ALTER SYSTEM SET log_lock_waits = on')
  await shop.sql("ALTER SYSTEM SET deadlock_timeout = '250ms'")
  await shop.sql('SELECT pg_reload_conf()')
  session('reader', 'SELECT count(*) FROM catalog_product \\watch 0.05')
  session('writer', 'UPDATE catalog_product SET stock = stock + 1 \\watch 0.05')
  await shop.commit('A colour', {
    'catalog/models.py': (old) =>
      old.replace(
        /( +)stock = /,
        '$1colour = models.CharField(max_length=20, null=True)\n$1stock = ',
      ),
    'catalog/migrations/0003_colour.py': `from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("catalog", "0002_product_weight_grams")]

    operations = [migrations.AddField("product", "colour", models.CharField(max_length=20, null=True))]
`,
  })
})

afterAll(async () => {
  await shop.remove()
  await Promise.all(sessions)
})

const hold = async () => {
  session('report', 'BEGIN; SELECT count(*) FROM catalog_product;\n SELECT pg_sleep(3600);')
  const sleeps = `${sessionsOf('report')} AND query LIKE '%pg_sleep%'`
  await until(
    'the session that sleeps',
    async () => (await shop.sql(`SELECT count(*) ${sleeps}`)) === '1',
  )
}

test('a migration whose table is not free in time changes nothing, and names the users of the table', async () => {
  await hold()
  const before = await shop.state()
  const released = await shop.release({ bake: '0', 'lock-wait-migrate': '2s' })
  expect(released).toMatchObject({
    code: 1,
    report: {
      result: 'failed',
      cause: {
        code: 'lock-not-free',
        sentence: expect.stringMatching(
          /^catalog\.0003_colour: catalog_product was in use for \d\.\d s by pid \d+ \(report, active for [^()]+\): SELECT pg_sleep\(\?\);$/,
        ),
        hint: expect.stringContaining('lock-wait-migrate'),
      },
      migrations: [],
    },
  })
  expect(await columns()).toBe('0')
  expect(await shop.state()).toEqual(before)
  expect(await shop.leftovers()).toEqual([])
  expect(await longWaits()).toBe(0)
})

test('a migration waits until its table is free, no client waits for it, and the release continues', async () => {
  let ended: Promise<unknown> | undefined
  const endLater = async () => {
    const before = await queries()
    // Readers and writers go on meanwhile.
    await until('100 queries', async () => (await queries()) > before + 100)
    await end('report')
  }
  const released = await shop.release(
    { bake: '0' },
    {
      onOutput: (output) => {
        if (output.includes('waits for catalog_product')) ended ??= endLater()
      },
    },
  )
  await ended
  expect(released).toMatchObject({
    code: 0,
    report: {
      result: 'deployed',
      migrations: ['catalog.0003_colour'],
      plan: {
        migrations: [{ locks: [{ table: 'catalog_product', mode: 'ACCESS EXCLUSIVE' }] }],
      },
      warnings: [],
    },
  })
  expect(released.output).toMatch(
    /catalog\.0003_colour waits for catalog_product, in use by pid \d+ \(report, active for /,
  )
  expect(released.output).toMatch(/catalog\.0003_colour: catalog_product locked after \d/)
  expect(await columns()).toBe('1')
  expect(await longWaits()).toBe(0)

  // What counts would be seen: here somebody does wait.
  await shop.sql('BEGIN; LOCK TABLE catalog_product; SELECT pg_sleep(1)')
  await until('a long wait', async () => (await longWaits()) > 0)
  await Promise.all(['reader', 'writer'].map(end))
})
