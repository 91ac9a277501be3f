import { describe, expect, test } from '@jest/globals'
import { newBox, startServices } from '../../src/docker/test-services.js'
import { Failure } from '../../src/failure/failure.js'
import { Problem, testServices } from '../../src/options/readers.js'
import { notebook } from '../support/journal.js'
import { scripted, type Line, type Script } from '../support/scripted.js'

const password = 'pw'

interface Started extends Script {
  readonly log: readonly string[]
  readonly found: Readonly<Record<string, string>> | undefined
  readonly failure: Failure | undefined
}

/** Starts what the option says. */
async function start(option: string, lines: readonly Line[]): Promise<Started> {
  const services = testServices(option)
  if (services instanceof Problem) throw new Error(services.text)
  const script = scripted([{ when: /^docker network create .* box$/ }, ...lines])
  const { platform } = script
  const log = notebook()
  const context = { platform, log, signal: new AbortController().signal }
  const inputs = { folder: '/private', password, env: { A: '1', 'discovery.type': 'single-node' } }
  const box = newBox(platform, 'box', { run: 'run', timeout: 0 })
  try {
    const found = await startServices(context, box, services, inputs)
    return { ...script, log: log.lines, found, failure: undefined }
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    return { ...script, log: log.lines, found: undefined, failure: error }
  }
}

const run: Line = { when: /^docker run --detach / }
const asks = (more: Partial<Line> = {}): Line => ({ when: /^docker exec /, ...more })
const running: Line = {
  when: /^docker container inspect --format \{\{\.State\.Running\}\} /,
  stdout: 'true\n',
  always: true,
}
const healthcheck = (of: object | null): Line => ({
  when: /^docker container inspect --format \{\{json \.Config\.Healthcheck\}\} box-\w+$/,
  stdout: `${JSON.stringify(of)}\n`,
})
const logs = (stderr: string): Line => ({ when: /^docker logs --tail 30 box-\w+$/, stderr })

describe('a server', () => {
  const mysql = `/bin/sh -c exec "$(command -v mariadb-admin || echo mysqladmin)" ping --host=127.0.0.1 --protocol=tcp`

  test.each<[option: string, run: string, env: string, health: string, ...Line[]]>([
    [
      'postgres:18',
      'postgres --tmpfs /var/lib/postgresql/data --env-file /private/postgres.env postgres:18 postgres -c fsync=off -c synchronous_commit=off -c full_page_writes=off',
      'POSTGRES_USER=test\nPOSTGRES_PASSWORD=pw\nPOSTGRES_DB=test\nPGDATA=/var/lib/postgresql/data/test\n',
      'pg_isready --host=127.0.0.1 --username=test --dbname=test',
    ],
    [
      'mysql',
      'mysql --tmpfs /var/lib/mysql --env-file /private/mysql.env mysql:8.4 --skip-log-bin',
      'MYSQL_ROOT_PASSWORD=pw\nMYSQL_DATABASE=test\n',
      mysql,
    ],
    [
      'db=mariadb:10.6',
      'db --tmpfs /var/lib/mysql --env-file /private/db.env mariadb:10.6 --skip-log-bin',
      'MYSQL_ROOT_PASSWORD=pw\nMYSQL_DATABASE=test\n',
      mysql,
    ],
    [
      'redis=valkey/valkey:8 -- valkey-cli ping | grep PONG',
      'redis --tmpfs /data --env-file /private/redis.env valkey/valkey:8 --save  --appendonly no',
      '',
      '/bin/sh -c valkey-cli ping | grep PONG',
    ],
    [
      'search=opensearch:2 -- curl -fs localhost:9200',
      'search --env-file /private/search.env opensearch:2',
      'A=1\ndiscovery.type=single-node\n',
      '/bin/sh -c curl -fs localhost:9200',
    ],
    [
      'mail=axllent/mailpit:v1',
      'mail --env-file /private/mail.env axllent/mailpit:v1',
      'A=1\ndiscovery.type=single-node\n',
      '/mailpit readyz',
      healthcheck({ Test: ['CMD', '/mailpit', 'readyz'], Interval: 30e9 }),
    ],
    [
      'web=acme/web:1',
      'web --env-file /private/web.env acme/web:1',
      'A=1\ndiscovery.type=single-node\n',
      '/bin/sh -c curl -f localhost || exit 1',
      healthcheck({ Test: ['CMD-SHELL', 'curl -f localhost || exit 1'] }),
    ],
  ])('%s is started and asked', async (option, command, env, health, ...looked) => {
    const { ran, written, log } = await start(option, [run, ...looked, asks()])
    const [name = ''] = command.split(' ')
    expect(ran.find((line) => line.startsWith('docker run'))).toMatch(
      new RegExp(
        `^docker run --detach --name box-${name} --label .* --network box --network-alias `,
      ),
    )
    expect(ran.find((line) => line.startsWith('docker run'))?.split('--network-alias ')[1]).toBe(
      command,
    )
    expect(written[`/private/${name}.env`]).toBe(env)
    const asked = ran.at(-1) ?? ''
    expect(asked).toMatch(new RegExp(`^docker exec box-${name} /bin/sh -c .* until .*; done sh `))
    expect(asked.split('; done sh ')[1]).toBe(health)
    expect(log.at(-1)).toMatch(new RegExp(`^${name} \\(\\S+\\) answers after 0 s$`))
  })

  const at = (prefix: string, [host, port, user, database]: readonly string[]) => ({
    [`${prefix}HOST`]: host,
    [`${prefix}PORT`]: port,
    [`${prefix}USER`]: user,
    [`${prefix}PASSWORD`]: password,
    [`${prefix}DATABASE`]: database,
    [`${prefix}DB`]: database,
  })
  const postgres = ['postgres', '5432', 'test', 'test']
  const maria = ['db', '3306', 'root', 'test']
  const redis = {
    REDIS_URL: 'redis://redis:6379/0',
    REDIS_HOST: 'redis',
    REDIS_PORT: '6379',
    REDIS_DATABASE: '0',
    REDIS_DB: '0',
  }

  test.each<[option: string, found: object]>([
    [
      'postgres',
      {
        DATABASE_URL: 'postgres://test:pw@postgres:5432/test',
        ...at('PG', postgres),
        ...at('POSTGRES_', postgres),
      },
    ],
    [
      'mysql',
      {
        DATABASE_URL: 'mysql://root:pw@mysql:3306/test',
        ...at('MYSQL_', ['mysql', ...maria.slice(1)]),
      },
    ],
    [
      'db=mariadb:10.6',
      {
        DATABASE_URL: 'mysql://root:pw@db:3306/test',
        ...at('MYSQL_', maria),
        ...at('MARIADB_', maria),
      },
    ],
    ['redis', redis],
    ['queue=rabbitmq:4 -- rabbitmq-diagnostics ping', {}],
    // The first has DATABASE_URL.
    [
      'redis db=mariadb postgres cache=redis:7',
      {
        ...redis,
        DATABASE_URL: 'mysql://root:pw@db:3306/test',
        ...at('MYSQL_', maria),
        ...at('MARIADB_', maria),
        ...at('PG', postgres),
        ...at('POSTGRES_', postgres),
      },
    ],
  ])('%s is found by the tests', async (option, found) => {
    const lines = [run, asks()].map((line) => ({ ...line, always: true as const }))
    expect((await start(option, lines)).found).toEqual(found)
  })
})

test('a server without a shell is asked by its program alone', async () => {
  const { ran, log } = await start('redis=acme/redis:1', [
    run,
    asks({ code: 127, stderr: 'exec: "/bin/sh": stat /bin/sh: no such file or directory' }),
    asks(),
  ])
  expect(ran.at(-1)).toBe('docker exec box-redis redis-cli ping')
  expect(log.at(-1)).toMatch(/^redis .* answers after /)
})

describe('a server that does not answer', () => {
  const search = 'search=opensearch:2 -- curl -fs localhost:9200'
  const hint =
    'Set search=opensearch:2 -- COMMAND, with a command of that image that succeeds once search answers'

  test.each<[what: string, option: string, lines: readonly Line[], cause: object]>([
    [
      'has no image',
      'postgres:99',
      [
        {
          ...run,
          code: 125,
          stderr:
            "Unable to find image 'postgres:99' locally\ndocker: Error response from daemon: manifest for postgres:99 not found: manifest unknown\n\nRun 'docker run --help' for more information",
        },
      ],
      {
        code: 'registry',
        sentence:
          'tests: postgres could not be started from the image postgres:99: manifest for postgres:99 not found: manifest unknown',
      },
    ],
    [
      'has an image without its program',
      'postgres=acme/web:1',
      [
        {
          ...run,
          code: 127,
          stderr:
            'docker: Error response from daemon: failed to create task for container: exec: "postgres": executable file not found in $PATH',
        },
      ],
      {
        code: 'tests-failed',
        sentence: expect.stringContaining('exec: "postgres": executable file'),
      },
    ],
    ...[null, { Test: ['NONE'] }, { Interval: 1 }].map(
      (image) =>
        [
          `has no health command: ${JSON.stringify(image)}`,
          'search=opensearch:2',
          [run, healthcheck(image)],
          {
            code: 'tests-failed',
            sentence:
              'tests: search has no health command: its image opensearch:2 has no HEALTHCHECK',
            hint,
          },
        ] as [string, string, readonly Line[], object],
    ),
    [
      'has a health command that its image does not have',
      search,
      [
        run,
        asks({ code: 127, stderr: '/bin/sh: 1: curl: not found', always: true }),
        logs('started'),
      ],
      {
        code: 'tests-failed',
        sentence: 'tests: the health command of search cannot run: /bin/sh: 1: curl: not found',
        hint,
        logs: [{ lines: ['started'] }],
      },
    ],
    [
      'has ended',
      search,
      [
        run,
        asks({ code: 1, stderr: 'container 1f is not running' }),
        { ...running, stdout: 'false\n' },
        logs('starting\nERROR: [1] bootstrap checks failed'),
      ],
      {
        code: 'tests-failed',
        sentence: 'tests: search exited before its first answer: [1] bootstrap checks failed',
        logs: [{ lines: ['starting', 'ERROR: [1] bootstrap checks failed'] }],
      },
    ],
    [
      'has a health command that never passes',
      search,
      [
        run,
        asks({
          code: 7,
          stderr: 'curl: (7) Failed to connect to localhost port 9200',
          always: true,
        }),
        running,
        logs('starting'),
      ],
      {
        code: 'tests-failed',
        sentence:
          'tests: search did not answer within 60 s: curl: (7) Failed to connect to localhost port 9200',
        logs: [{ lines: ['starting'] }],
      },
    ],
    [
      'has a health command that hangs',
      search,
      [run, asks({ hangs: true }), logs('starting')],
      {
        code: 'tests-failed',
        sentence: 'tests: search did not answer within 60 s: its health command does not end',
        logs: [{ lines: ['starting'] }],
      },
    ],
  ])('%s', async (_, option, lines, cause) => {
    const { failure, platform } = await start(option, lines)
    expect(failure?.cause).toMatchObject(cause)
    expect(platform.clock.now()).toBeLessThanOrEqual(60_000)
  })

  test('ends the wait for the others', async () => {
    const pull = { when: /^docker run .* postgres:99 /, code: 125, stderr: 'manifest unknown' }
    const { failure, platform } = await start('redis postgres:99', [
      pull,
      run,
      asks({ hangs: true }),
    ])
    expect(failure?.cause.sentence).toMatch(/^tests: postgres could not be started/)
    expect(platform.clock.now()).toBe(0)
  })
})
