/** Which databases a release migrates: those of the project, and never another than the web's. */
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { Site } from '../e2e/site.js'
import { kubectl } from '../e2e/stack.js'
import { seldom } from '../support/seldom.js'

let shop: Site
let first: Awaited<ReturnType<Site['release']>>

/** Fails where the process that asks for the web's databases has the project in memory too. */
const alone = `import os

with open("/proc/%d/maps" % os.getppid()) as maps:
    assert "/psycopg" not in maps.read(), "the project is in memory twice"

`

beforeAll(async () => {
  shop = await Site.make('databases')
  await shop.commit('First', { 'shop/wsgi.py': (old) => `${alone}${old}` })
  first = await shop.release({ bake: '0' })
  expect(first).toMatchObject({ report: { result: 'deployed' } })
  for (const name of ['reports', 'other']) await shop.sql(`CREATE DATABASE ${name}`)
})

afterAll(() => shop.remove())

const model = 'from django.db import models\n\n\nclass Sum(models.Model):\n    total = models.IntegerField()\n'
const router = `class Router:
    def allow_migrate(self, db, app_label, model_name=None, **hints):
        return (db == "reports") == (app_label == "sums")
`
const initial = `from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    operations = [
        migrations.CreateModel("Sum", [("id", models.BigAutoField(primary_key=True)), ("total", models.IntegerField())])
    ]
`

test("the web's module is imported when the plan is made, and the project is no longer in memory after that", () => {
  expect(first.output).toContain('Django ')
  expect(first.output).not.toContain('was not compared')
})

/** The tables of the app, by the database. */
const tablesIn = async (database: string) => {
  const psql = ['psql', '--username=shop', `--dbname=${database}`, '--tuples-only', '--no-align']
  const query = "SELECT string_agg(tablename, ' ') FROM pg_tables WHERE tablename ~ 'sums|catalog'"
  const args = ['-n', shop.namespace, 'exec', 'postgres-0', '--', ...psql, '--command', query]
  return (await kubectl(...args)).trim()
}

seldom('an app that a router keeps in another database is migrated there', async () => {
  await shop.commit('Sums', {
    'sums/__init__.py': '',
    'sums/models.py': model,
    'sums/migrations/__init__.py': '',
    'sums/migrations/0001_initial.py': initial,
    'shop/router.py': router,
    'shop/settings.py': (old) =>
      `${old.replace('INSTALLED_APPS = [', 'INSTALLED_APPS = [\n    "sums",')}
DATABASES["reports"] = {**DATABASES["default"], "NAME": "reports"}
DATABASE_ROUTERS = ["shop.router.Router"]
`,
  })
  const released = await shop.release({ bake: '0' })
  expect(released.report).toMatchObject({
    result: 'deployed',
    migrations: expect.arrayContaining(['sums.0001_initial']),
    warnings: [],
  })
  expect(released.output).toContain('reports: to apply: sums.0001_initial')
  expect(await tablesIn('reports')).toBe('sums_sum')
  expect(await tablesIn('shop')).not.toContain('sums')
})

test('a release to another database than before is refused until the user confirms it', async () => {
  await shop.commit('Another database', {
    'k8s/secret.yaml': (old) => old.replace(':5432/shop', ':5432/other'),
  })
  const options = { 'migrate-command': 'python manage.py migrate --noinput --database=default', bake: '0' }
  const refused = await shop.release(options)
  expect(refused.report).toMatchObject({
    result: 'undone',
    cause: {
      code: 'wrong-database',
      sentence: expect.stringMatching(/: PostgreSQL other at postgres:5432 .*PostgreSQL shop at/),
    },
  })
  expect(await tablesIn('other')).toBe('')

  const forget = ['annotate', 'configmap', 'django-rollout-shop', 'django-rollout/databases-']
  expect(refused.report.cause?.hint).toContain(forget.join(' '))
  await kubectl('-n', shop.namespace, ...forget)
  expect((await shop.release(options)).report).toMatchObject({ result: 'deployed' })
  expect(await tablesIn('other')).toContain('catalog_product')
})
