/** Releases of a project whose database is MariaDB, where no transaction takes a schema change back. */
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { whileBuying } from '../e2e/client.js'
import { catalogMigration as migration, Site } from '../e2e/site.js'
import { kubectl, stack } from '../e2e/stack.js'

let shop: Site
let url: string

const server = (image: string) => `apiVersion: apps/v1
kind: StatefulSet
metadata: {name: mariadb}
spec:
  serviceName: mariadb
  selector: {matchLabels: {app: mariadb}}
  template:
    metadata: {labels: {app: mariadb}}
    spec:
      containers:
        - name: mariadb
          image: ${image}
          command: [mariadbd, --user=mysql, --bind-address=0.0.0.0, --skip-name-resolve, --init-file=/shop.sql]
          readinessProbe: {tcpSocket: {port: 3306}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: mariadb}
spec:
  selector: {app: mariadb}
  ports: [{port: 3306}]
`
const lines = `RUN apt-get update && apt-get install --yes --no-install-recommends mariadb-server && rm -rf /var/lib/apt/lists/* /var/lib/mysql/* && mkdir -p /run/mysqld && chown mysql:mysql /run/mysqld && mariadb-install-db --user=mysql --skip-test-db
RUN printf '%s\\n' 'CREATE DATABASE shop;' "CREATE USER shop@'%' IDENTIFIED BY 'demo-password';" "GRANT ALL ON *.* TO shop@'%';" >/shop.sql`

beforeAll(async () => {
  shop = await Site.make('mariadb')
  const repository = `${stack.registry}/${shop.namespace}/mariadb`
  await shop.pushImage('11', lines, [repository])
  await shop.commit('On MariaDB', {
    'k8s/postgres.yaml': server(`${repository}:11`),
    'k8s/secret.yaml': (old) =>
      old.replace(/postgres:\S+/, 'mysql://shop:demo-password@mariadb:3306/shop?connect_timeout=2'),
    'requirements.txt': (old) => old.replace(/psycopg.*/, 'PyMySQL==1.1.2'),
    'shop/__init__.py': 'import pymysql\n\npymysql.install_as_MySQLdb()\n',
  })
  const first = await shop.release({ bake: '0' })
  expect(first).toMatchObject({ report: { result: 'deployed' } })
  url = await shop.url()
})

afterAll(() => shop.remove())

/** One value from the database. */
async function sql(query: string): Promise<string> {
  const place = ['-n', shop.namespace, 'exec', 'mariadb-0', '--']
  const client = ['mariadb', '--user=root', '--skip-column-names', '--execute', query, 'shop']
  return (await kubectl(...place, ...client)).trim()
}
const columns = () =>
  sql(
    "SELECT group_concat(column_name ORDER BY column_name SEPARATOR ' ') FROM information_schema.columns WHERE table_name = 'catalog_product' AND column_name IN ('colour', 'code')",
  )

const field = 'models.CharField(max_length=20, default="red")'
test('a NOT NULL field is added and removed under clients, in three releases', async () => {
  await shop.commit('A colour', {
    'catalog/models.py': (old) => old.replace(/( +)stock = /, `$1colour = ${field}\n$&`),
    'catalog/views.py': (old) => old.replace('"weight_grams", ', '"weight_grams", "colour", '),
    ...migration(
      '0003_colour',
      '0002_product_weight_grams',
      `migrations.AddField("product", "colour", ${field})`,
    ),
  })
  const added = await whileBuying(url, () => shop.release({ bake: '0' }))
  expect(added.result).toMatchObject({
    report: { result: 'deployed', migrations: ['catalog.0003_colour'], warnings: [] },
  })
  expect(added.failures).toEqual([])

  await shop.commit('No colour', {
    'catalog/models.py': (old) => old.replace(/ +colour = .*\n/, ''),
    'catalog/views.py': (old) => old.replace('"colour", ', ''),
    ...migration('0004_no_colour', '0003_colour', 'migrations.RemoveField("product", "colour")'),
  })
  const removed = await whileBuying(url, () => shop.release({ bake: '0' }))
  expect(removed.result).toMatchObject({
    report: {
      result: 'deployed',
      migrations: [],
      plan: { held: [{ name: 'catalog.0004_no_colour' }] },
      warnings: [],
    },
  })
  expect(removed.failures).toEqual([])
  expect(await columns()).toBe('colour')

  await shop.commit('Nothing', { 'README.md': (old) => `${old}\n` })
  const applied = await whileBuying(url, () => shop.release({ bake: '0' }))
  expect(applied.result).toMatchObject({
    report: { result: 'deployed', migrations: ['catalog.0004_no_colour'], warnings: [] },
  })
  expect(applied.failures).toEqual([])
  expect(await columns()).toBe('NULL')
})

test('half a migration is told with the SQL that takes it back, and then the next release applies it', async () => {
  await sql(
    "INSERT INTO catalog_product (name, sku, price, stock, created_at) VALUES ('Cup', 'half', 1, 0, now())",
  )
  const before = await shop.state()
  await shop.commit('A code', {
    'catalog/models.py': (old) =>
      old.replace(/( +)stock = /, '$1code = models.CharField(max_length=9, null=True)\n$&'),
    ...migration(
      '0005_code',
      '0004_no_colour',
      'migrations.AddField("product", "code", models.CharField(max_length=9, null=True)), migrations.AddConstraint("product", models.CheckConstraint(name="named", condition=~models.Q(name="Cup")))',
    ),
  })
  const failed = await shop.release({ bake: '0', 'unsafe-migrations': 'warn' })
  expect(failed).toMatchObject({
    code: 1,
    report: { result: 'failed', cause: { code: 'migration-failed' } },
  })
  expect(failed.stdout).toContain('done, and kept by the database: Add field code to product')
  const back = /ALTER TABLE `catalog_product` DROP COLUMN `code`/.exec(failed.stdout)?.[0] ?? ''
  expect(await columns()).toBe('code')
  expect(await shop.state()).toEqual(before)

  await sql(back)
  await sql("UPDATE catalog_product SET name = 'Mug'")
  expect(await shop.release({ bake: '0', 'unsafe-migrations': 'warn' })).toMatchObject({
    report: { result: 'deployed', migrations: ['catalog.0005_code'] },
  })
  expect(await columns()).toBe('code')
})
