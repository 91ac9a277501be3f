/** Servers for the tests, from images that the engine pulls. */
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { Site } from '../e2e/site.js'
import { must, stack } from '../e2e/stack.js'

let shop: Site
/** Repository of an image that only the registry has. */
const at = (name: string) => `${stack.registry}/${shop.namespace}/${name}`
const docker = (...args: readonly string[]) => must('docker', args, { env: stack.env })

// Debian's own MariaDB behind the interface of the official image, which listens on its socket alone at first.
const entrypoint = `#!/bin/sh -e
mariadb-install-db --user=mysql --skip-test-db >/dev/null
mariadbd --user=mysql --skip-networking &
until mariadb-admin ping --silent; do sleep 0.1; done
mariadb --execute="CREATE DATABASE $MYSQL_DATABASE; GRANT ALL ON *.* TO root@'%' IDENTIFIED BY '$MYSQL_ROOT_PASSWORD' WITH GRANT OPTION"
sleep 1
mariadb-admin shutdown
wait
exec mariadbd --user=mysql --bind-address=0.0.0.0 "$@"
`
const mariadb = `RUN apt-get update && apt-get install --yes --no-install-recommends mariadb-server && rm -rf /var/lib/apt/lists/* /var/lib/mysql/* && install -d -o mysql /run/mysqld
RUN echo ${Buffer.from(entrypoint).toString('base64')} | base64 -d >/entrypoint && chmod +x /entrypoint
VOLUME /var/lib/mysql
ENTRYPOINT ["/entrypoint"]`
/** It listens where a variable of the tests says. */
const web = 'CMD exec python3 -m http.server $PORT'
const get = (host: string) =>
  `python3 -c "import urllib.request as r; r.urlopen('http://${host}:8080')"`

beforeAll(async () => {
  shop = await Site.make('services')
  await docker('tag', 'postgres:17', `${at('database')}:1`)
  await docker('push', '--quiet', `${at('database')}:1`)
  await shop.pushImage('1', mariadb, [at('mariadb')])
  await shop.pushImage('1', web, [at('web')])
  await shop.pushImage('1', `${web}\nHEALTHCHECK --interval=1h CMD ${get('localhost')}`, [
    at('checked'),
  ])
  const images = ['database', 'mariadb', 'web', 'checked'].map((name) => `${at(name)}:1`)
  await docker('image', 'rm', '--force', ...images)
  await build()
})

afterAll(() => shop.remove())

async function build() {
  expect(await shop.cli('build', { image: shop.image })).toMatchObject({ code: 0 })
}

const runTests = (services: string, options: Readonly<Record<string, string>> = {}) =>
  shop.cli('test', { image: shop.image, 'test-services': services, ...options })

/** Containers of this image. */
const left = async (name: string) => {
  const filter = ['--filter', `ancestor=${at(name)}:1`]
  return (await docker('ps', '--all', '--quiet', ...filter)).trim()
}

test('PostgreSQL is run from another image', async () => {
  const tested = await runTests(`postgres=${at('database')}:1`)
  expect(tested.report).toMatchObject({ result: 'done' })
  expect(tested.output).toMatch(/postgres \(\S+\/database:1\) answers after [\s\S]*21 tests passed/)
})

test('any image is run with a health command, or with its own', async () => {
  const services = `web=${at('web')}:1 -- ${get('localhost')}\nchecked=${at('checked')}:1`
  const tested = await runTests(services, {
    'test-env': 'PORT=8080',
    'test-command': `${get('web')} && ${get('checked')}`,
  })
  expect(tested.report).toMatchObject({ result: 'done' })
  expect(await left('web')).toBe('')
})

test.each([
  [
    () => `web=${at('web')}:1`,
    /^tests: web has no health command: its image \S+\/web:1 has no HEALTHCHECK$/,
  ],
  [
    () => `web=${at('web')}:1 -- nosuch`,
    /^tests: the health command of web cannot run: .*nosuch: not found$/,
  ],
  [
    () => 'ended=python:3.13-slim -- false',
    /^tests: ended exited before its first answer: it has written nothing$/,
  ],
  [
    () => `web=${at('web')}:none`,
    /^tests: web could not be started from the image \S+\/web:none: .*not found/,
  ],
  [
    () => `postgres=${at('web')}:1`,
    /^tests: postgres could not be started from the image .*"postgres".*not found/,
  ],
])('a server that cannot answer ends the tests: %#', async (services, sentence) => {
  const failed = await runTests(services(), { 'test-command': 'true' })
  expect(failed.report).toMatchObject({
    result: 'failed',
    cause: { sentence: expect.stringMatching(sentence) },
  })
  expect(await left('web')).toBe('')
})

// Last: the shop has another database from here on.
test('MariaDB is ready when it listens on its port, and the tests may create their database', async () => {
  await shop.commit('On MariaDB', {
    'requirements.txt': (old) => old.replace(/psycopg.*/, 'PyMySQL==1.1.2'),
    'shop/__init__.py': 'import pymysql\n\npymysql.install_as_MySQLdb()\n',
  })
  await build()
  // Of the others, one expects what PostgreSQL says of a value that is out of range.
  const tested = await runTests(`redis db=${at('mariadb')}:1`, {
    'test-command': 'python manage.py test catalog.tests.ProductApiTests',
  })
  expect(tested.report).toMatchObject({ result: 'done' })
  expect(tested.output).toMatch(/db \(\S+\/mariadb:1\) answers after [\s\S]*5 tests passed/)
  expect(await left('mariadb')).toBe('')
})
