import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { inflateSync } from 'node:zlib'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from '@jest/globals'
import { inspectorSource } from '../../src/django/inspector.generated.js'
import {
  inspectorEnv,
  isMarked,
  isPlain,
  migrationBegins,
  planCommand,
  readPacked,
  readPassed,
  readPlan,
  readRefused,
  readVerified,
} from '../../src/django/inspector.js'
import { inspect } from '../support/inspector.js'

const marker = 'MARK42'

// Django 5.2.19 on PostgreSQL 15, as printed, without the migrations of Django's own apps.
const printed =
  '{"django": "5.2.19", "python": "3.11.7", "databases": [{"database": "default", "identity": {"vendor": "postgresql", "name": "shop", "host": "db", "port": "5432", "user": "ada", "schema": "public", "server": "77131"}, "vendor": "postgresql", "vendorName": "PostgreSQL", "version": "15.18", "transactionalDdl": true, "pending": [{"app": "orders", "name": "0002_note", "operations": ["AddField"], "atomic": true, "reversible": true, "sql": "--\\n-- Add field note to Order\\n--\\nALTER TABLE \\"orders_order\\" ADD COLUMN \\"note\\" text DEFAULT \'\' NOT NULL;"}, {"app": "orders", "name": "0004_evil", "operations": ["Evil", "SeparateDatabaseAndState"], "atomic": false, "reversible": false, "sql": null}], "squashed": [{"app": "catalog", "name": "0001_squashed_0002"}], "applied": {"orders": "0001_initial"}, "unknown": [{"app": "orders", "name": "0005_after", "newer": true}]}], "runs": true, "web": {"module": "shop.wsgi"}}'

const database = {
  database: 'default',
  identity: {
    vendor: 'postgresql',
    name: 'shop',
    host: 'db',
    port: '5432',
    user: 'ada',
    schema: 'public',
    server: '77131',
  },
  vendor: 'postgresql',
  vendorName: 'PostgreSQL',
  version: '15.18',
  transactionalDdl: true,
  pending: [
    {
      app: 'orders',
      name: '0002_note',
      operations: ['AddField'],
      atomic: true,
      reversible: true,
      sql: `--
-- Add field note to Order
--
ALTER TABLE "orders_order" ADD COLUMN "note" text DEFAULT '' NOT NULL;`,
    },
    {
      app: 'orders',
      name: '0004_evil',
      operations: ['Evil', 'SeparateDatabaseAndState'],
      atomic: false,
      reversible: false,
    },
  ],
  squashed: [{ app: 'catalog', name: '0001_squashed_0002' }],
  applied: { orders: '0001_initial' },
  unknown: [{ app: 'orders', name: '0005_after', newer: true }],
  held: [],
  unheld: [],
  absent: [],
  bridges: [],
  earlierBridges: [],
}
const plan = {
  django: '5.2.19',
  python: '3.11.7',
  databases: [database],
  runs: true,
  web: { module: 'shop.wsgi' },
}

describe('the plan in a log', () => {
  test('has the locked tables and the poolers', () => {
    const lock = { table: 'orders_order', mode: 'ACCESS EXCLUSIVE', rows: 12, bytes: 8192 }
    const read = (locks: string) =>
      readPlan(
        [
          marker +
            printed
              .replace('"atomic": true', `"atomic": true, "locks": ${locks}`)
              .replace('"squashed"', '"pooled": true, "squashed"') +
            marker,
        ],
        marker,
      )?.databases[0]
    const known = read(JSON.stringify([lock]))
    expect(known).toMatchObject({ isPooled: true, pending: [{ locks: [lock] }, {}] })
    for (const unknown of ['null', '[{"table": 1}]']) {
      expect(read(unknown)?.pending[0]).not.toHaveProperty('locks')
    }
  })

  test('names the parts that are missing', () => {
    const untold = [{ part: 'the locks', why: 'AttributeError: x' }]
    const read = (text: string) =>
      readPlan(
        [marker + printed.replace('"squashed"', `"untold": ${text}, "squashed"`) + marker],
        marker,
      )?.databases[0]
    expect(read(JSON.stringify(untold))?.untold).toEqual(untold)
    expect(read('[]')).not.toHaveProperty('untold')
  })

  test('says what a backup is for, where one comes first', () => {
    const reason = { migration: 'orders.0004_evil', why: 'drops', object: 'orders_order.note' }
    const read = (backup: string) =>
      readPlan(
        [marker + printed.replace('"runs": true', `"runs": true, "backup": ${backup}`) + marker],
        marker,
      )
    expect(read(JSON.stringify([reason]))?.backup).toEqual([reason])
    expect(read('[]')?.backup).toEqual([])
    // A pod that has ended for a backup, whatever its reasons are.
    expect(read('[{"why": "later"}]')?.backup).toEqual([])
    expect(read('null')).not.toHaveProperty('backup')
  })

  test.each([
    ['between other lines', ['hello', `${marker}${printed}${marker}`, `${marker}migrate${marker}`]],
    ['behind what has no end', [`hello from settings${marker}${printed}${marker}`]],
    ['when the marker was printed before', [`{"marker":"${marker}"}`, marker + printed + marker]],
  ])('is found %s', (_name, lines) => {
    expect(readPlan(lines, marker)).toEqual(plan)
  })

  test.each([
    ['nothing', []],
    ['another marker', [`MARK43${printed}MARK43`]],
    ['a plan without a marker', [printed]],
    ['one that breaks off', [`${marker}${printed.slice(0, 200)}`]],
    ['one that breaks off inside', [`${marker}${printed.slice(0, 200)}${marker}`]],
    ['something else', [`${marker}{"django": "5.2"}${marker}`]],
    ['a list', [`${marker}[]${marker}`]],
    [
      'a field of a wrong type',
      [marker + printed.replace('"atomic": true', '"atomic": 1') + marker],
    ],
    ['an item of a wrong type', [marker + printed.replace('["AddField"]', '[1]') + marker]],
    ['a leaf of a wrong type', [marker + printed.replace('"0001_initial"', 'null') + marker]],
    ['an identity without a host', [marker + printed.replace('"host": "db", ', '') + marker]],
    ['no word of what follows', [marker + printed.replace('"runs": true, ', '') + marker]],
  ])('is not found in %s', (_name, lines) => {
    expect(readPlan(lines, marker)).toBeUndefined()
  })

  test('begins the migration with a line', () => {
    expect(migrationBegins(`${marker}migrate${marker}`, marker)).toBe(true)
    expect(migrationBegins(`${marker}${printed}${marker}`, marker)).toBe(false)
    expect(migrationBegins(`Running migrations: ${marker}`, marker)).toBe(false)
    expect(isMarked(`${marker}${printed}${marker}`, marker)).toBe(true)
    expect(isMarked(`  Applying orders.0002_note... OK`, marker)).toBe(false)
  })
})

test.each([
  ['{"refused": "file", "alias": "default"}', { refused: 'file', alias: 'default' }],
  ['{"django": "5.2"}', undefined],
  ['migrate', undefined],
])('a refusal is read from %s', (text, refused) => {
  expect(readRefused(marker + text + marker, marker)).toEqual(refused)
})

describe('the verdict in a plan', () => {
  // As the pod prints it.
  const finding = {
    rule: 'insert-refused',
    severity: 'breaks',
    database: 'default',
    object: 'shop_order.colour',
    table: 'shop_order',
    column: 'colour',
    model: 'shop.Order',
    direction: 'running',
    versions: [0],
    migration: 'shop.0002_next',
    code: ['x,'],
    file: '/app/shop/migrations/0002_next.py',
    to: 'varchar(5)',
    allowed: { why: 'so', file: '/app/shop/migrations/0002_next.py', line: 3 },
  }
  const judged = {
    policy: 'block',
    blocked: true,
    findings: [finding],
    more: 0,
    comments: [{ file: '/app/x.py', line: 7, message: 'there is no rule "x"' }],
    versions: [{ names: ['deployment/web'], tag: 'v1', source: 'kept' }],
  }
  const read = (verdict: unknown) =>
    readPlan([marker + JSON.stringify({ ...plan, judged: verdict }) + marker], marker)

  test('is read', () => {
    const { column: _, ...known } = finding
    expect(read(judged)?.judged).toEqual({ ...judged, findings: [known] })
    expect(read(null)).toEqual(plan)
  })

  // Else a release would go on that has to stop.
  test.each<[string, object]>([
    ['no policy', { policy: 'ask' }],
    ['no word of the end', { blocked: 1 }],
    ['an unknown rule', { findings: [{ ...finding, rule: 'x' }] }],
    ['an unknown severity', { findings: [{ ...finding, severity: 'x' }] }],
    ['a finding of nobody', { findings: [{ ...finding, versions: ['v1'] }] }],
    ['a finding without an object', { findings: [{ ...finding, object: 1 }] }],
    ['a version without names', { versions: [{ tag: 'v1', source: 'kept' }] }],
    ['a comment without a line', { comments: [{ file: 'x', message: 'y' }] }],
  ])('makes the plan unreadable with %s', (_, more) => {
    expect(read({ ...judged, ...more })).toBeUndefined()
  })

  test('is followed by the comparison after the migration', () => {
    const { allowed: _, ...unpredicted } = finding
    const one = {
      database: 'default',
      unpredicted: [unpredicted],
      unmet: ['column-gone a.b'],
      earlier: {},
    }
    const told = (json: unknown) => readVerified(marker + JSON.stringify(json) + marker, marker)
    const { column: __, ...known } = unpredicted
    expect(told({ verified: [one] })).toEqual([{ ...one, unpredicted: [known] }])
    expect(told({ verified: null, why: 'it is away' })).toEqual({ why: 'it is away' })
    expect(told({ verified: [{}] })).toEqual({ why: 'the comparison cannot be read' })
    expect(told({ needs: 'bmVl' })).toBeUndefined()
    expect(readVerified('migrate', marker)).toBeUndefined()
  })

  test('is followed by the needs of the image, and by its tasks', () => {
    const read = (text: string) => readPacked(`${marker}${text}${marker}`, marker)
    expect(read('{"needs": "bmVl"}')).toEqual({ of: 'needs', body: 'bmVl' })
    expect(read('{"tasks": "bmVl"}')).toEqual({ of: 'tasks', body: 'bmVl' })
    expect(read('{"needs": "no"}')).toBeUndefined()
    expect(readPacked('{"needs": "bmVl"}', marker)).toBeUndefined()
  })
})

describe('the command of the plan', () => {
  const code = ['shell', '-v', '0', '-c', inspectorSource]
  const shell = (script: string): string[] => [
    '/bin/sh',
    '-c',
    expect.stringContaining(`} && ${script}`) as unknown as string,
    'sh',
    ...code,
  ]
  test.each([
    ['python manage.py migrate --noinput', ['python', 'manage.py', ...code]],
    ['', ['python', 'manage.py', ...code]],
    ['./migrate.sh', ['python', 'manage.py', ...code]],
    // It may bring an environment of its own, as pipenv does: what the container has is kept beside it.
    ['poetry run python3 src/manage.py  migrate', shell('poetry run python3 src/manage.py "$@"')],
    ['python manage.py migrate_schemas --shared', ['python', 'manage.py', ...code]],
    ['django-admin migrate', ['django-admin', ...code]],
    ['python -m django migrate', ['python', '-m', 'django', ...code]],
    ['exec python manage.py migrate', ['python', 'manage.py', ...code]],
    ['cd src && python manage.py migrate', shell('cd src && python manage.py "$@"')],
    ['DEBUG=1 python manage.py migrate', shell('DEBUG=1 python manage.py "$@"')],
    [
      'python manage.py wait_for_db && python manage.py migrate; echo done',
      ['python', 'manage.py', ...code],
    ],
    ['sh -c "python manage.py migrate"', ['python', 'manage.py', ...code]],
    [
      'python manage.py migrate --settings=shop.prod --pythonpath lib',
      [
        'python',
        'manage.py',
        'shell',
        '-v',
        '0',
        '--settings=shop.prod',
        '--pythonpath=lib',
        '-c',
        inspectorSource,
      ],
    ],
  ])('is built from %j', (command, expected) => {
    expect(planCommand(command)).toEqual(expected)
  })

  test('starts with the entrypoint of the web', () => {
    const wrapper = { words: ['doppler', 'run', '--'], isScript: false }
    const command = 'python manage.py migrate'
    const plain = ['python', 'manage.py', ...code]
    expect(planCommand(command, wrapper)).toEqual(['doppler', 'run', '--', ...plain])
    const script = { words: ['/entrypoint'], isScript: true }
    expect(planCommand(command, script, marker)).toEqual([
      '/bin/sh',
      '-c',
      expect.anything(),
      'sh',
      marker,
      '/entrypoint',
      ...plain,
    ])
    expect(planCommand(`/entrypoint ${command}`, script)).toEqual(
      planCommand(`/entrypoint ${command}`),
    )
  })
})

/** As a container's shell runs it, with a python that tells what it was given. */
describe('a script that starts the web', () => {
  const folder = mkdtempSync(join(tmpdir(), 'starter-'))
  afterAll(() => {
    rmSync(folder, { recursive: true })
  })
  const run = (script: string | Buffer): string => {
    const put = (name: string, text: string | Buffer) => {
      writeFileSync(join(folder, name), text, { mode: 0o755 })
      return join(folder, name)
    }
    put('python', '#!/bin/sh\necho "$1 of $WHO"\n')
    const starter = { words: [put('entrypoint', script)], isScript: true }
    const [program = '', ...args] = planCommand('python manage.py migrate', starter, marker)
    const { PATH = '' } = process.env
    const env = { PATH: `${folder}:${PATH}` }
    return spawnSync(program, args, { env, encoding: 'utf8' }).stdout
  }
  const past = (why: string, who = '') => `MARK42{"past":"${why}"}MARK42\nmanage.py of ${who}\n`
  const noEnd = past('it does not end with exec "$@"')

  test.each([
    ['sets and hands over', '#!/bin/sh\nexport WHO=ada\nexec "$@"\n', 'manage.py of ada\n'],
    [
      'has no line end',
      '#!/bin/bash -e\n# migrate: no\nWHO=eve "$@" &&\nexport WHO=ada\n\nexec "$@"',
      /ada\n$/,
    ],
    [
      'migrates: what it exports in plain lines is there',
      '#!/bin/sh\nexport WHO="a d"\n./x migrate\nexport WHO=$(touch ran)\nexec "$@"\n',
      past('it calls manage.py', 'a d'),
    ],
    [
      'starts the web by itself: the same',
      '#!/bin/sh\nexport A=a\nexport WHO=${A}d$A\nX=x\nexport WHO=$X\nexport WHO="\nexport WHO=eve; sleep 9\nexec gunicorn shop.wsgi\n',
      past('it does not end with exec "$@"', 'ada'),
    ],
    ['hands over under a condition', '#!/bin/sh\nif true; then\n  exec "$@"\nfi\nsleep 1\n', noEnd],
    ['starts the web', '#!/bin/sh\nexec gunicorn shop.wsgi "$@"\n', noEnd],
    ['is no script of a shell', '#!/usr/bin/env python\nexec "$@"\n', noEnd],
    ['is no text', Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0, 10]), noEnd],
  ])('is handled rightly when it %s', (_, script, said) => {
    expect(run(script)).toEqual(said instanceof RegExp ? expect.stringMatching(said) : said)
  })

  test('is skipped with a reason', () => {
    const [line = ''] = noEnd.split('\n')
    expect(readPassed(line, marker)).toBe('it does not end with exec "$@"')
    expect(readPassed('migrate', marker)).toBeUndefined()
  })
})

test.each([
  ['python manage.py migrate --noinput', true],
  ['python3.13 src/manage.py migrate --database=shop -v 2', true],
  ['DJANGO_SETTINGS_MODULE=shop.prod python manage.py migrate --settings shop.prod', true],
  ['poetry run python manage.py migrate', true],
  ['django-admin migrate', true],
  ['python -m django migrate', true],
  ['python manage.py migrate shop 0042', false],
  ['python manage.py migrate --noinput shop', false],
  ['python manage.py migrate --run-syncdb', false],
  ['python manage.py migrate && python manage.py createcachetable', false],
  ['python manage.py migrate; true', false],
  ['python manage.py migrate || true', false],
  ['python manage.py migrate_schemas --shared', false],
  ['/app/entrypoint python manage.py migrate', false],
  ['./migrate.sh', false],
  ['sh -c "python manage.py migrate"', false],
])('%s is Django’s own migrate and nothing else: %s', (command, is) => {
  expect(isPlain(command)).toBe(is)
})

describe("the inspector's variables", () => {
  const usual = {
    marker,
    migrate: null,
    databases: ['default'],
    always: false,
    only: false,
    volumes: [],
    web: null,
    kept: {},
    wait: 0,
    running: [],
    unsafe: 'block',
    locks: null,
  }
  test.each([
    [{ marker }, usual],
    [{ marker, lockWaitSeconds: 0 }, {}],
    [{ marker, lockWaitSeconds: 60 }, { locks: 60 }],
    [
      { marker, migrate: 'python manage.py migrate --database=shop', waitSeconds: 15 },
      {
        migrate: 'python manage.py migrate --database=shop',
        databases: ['shop'],
        only: true,
        wait: 15,
      },
    ],
    [
      {
        marker,
        migrate: 'python manage.py migrate && python manage.py migrate --database reports',
      },
      {
        migrate: 'python manage.py migrate && python manage.py migrate --database reports',
        databases: ['default', 'reports'],
        always: true,
      },
    ],
    [
      { marker, migrate: 'echo $(HOME) $$', web: ['gunicorn', 'shop.wsgi'], volumes: ['/data'] },
      {
        migrate: 'echo $(HOME) $$',
        always: true,
        web: ['gunicorn', 'shop.wsgi'],
        volumes: ['/data'],
      },
    ],
  ])('are right for %j', (task, spec) => {
    const [variable] = inspectorEnv(task)
    expect(variable?.value).not.toContain('$')
    expect(JSON.parse(variable?.value ?? '')).toEqual({ ...usual, ...spec })
  })

  test('hold the needs of the running versions, each of them once', () => {
    const version = (tag: string, needs?: string) => ({
      names: ['deployment/web'],
      tag,
      ...(needs !== undefined && { needs }),
    })
    const [large, larger] = ['A', 'B'].map((letter) => letter.repeat(100_000))
    const running = [
      version('v1', 'bmVl'),
      { ...version('v2'), isOwn: true as const },
      { ...version('v3'), isIdle: true as const, since: '2026-01-31T12:00:00.000Z' },
      version('v4', 'bmVl'),
      version('v5', large),
      version('v6', `${larger ?? ''}AAAA`),
      version('v7', 'no base64'),
    ]
    const [spec, ...bodies] = inspectorEnv({ marker, running, unsafe: 'warn' })
    expect(bodies).toEqual([
      { name: 'DJANGO_ROLLOUT_NEEDS_0', value: 'bmVl' },
      { name: 'DJANGO_ROLLOUT_NEEDS_1', value: large },
    ])
    const names = ['deployment/web']
    expect(JSON.parse(spec?.value ?? '')).toEqual({
      ...usual,
      unsafe: 'warn',
      running: [
        { names, tag: 'v1', needs: 0 },
        { names, tag: 'v2', own: true },
        { names, tag: 'v3', idle: true, since: '2026-01-31T12:00:00.000Z' },
        { names, tag: 'v4', needs: 0 },
        { names, tag: 'v5', needs: 1 },
        { names, tag: 'v6' },
        { names, tag: 'v7' },
      ],
    })
  })

  test('hold the needs of the versions that a rollback may restore, shared with those of the running versions', () => {
    const running = [{ names: ['deployment/web'], tag: 'v2', needs: 'bmVl' }]
    const kept = { hash: 'a', needs: 'bmVl' }
    const earlier = [kept, { hash: 'b', needs: 'b3RoZXI=' }, { hash: 'c', needs: 'no base64' }]
    const [spec, ...bodies] = inspectorEnv({ marker, running, earlier })
    expect(bodies.map(({ value }) => value)).toEqual(['bmVl', 'b3RoZXI='])
    expect(JSON.parse(spec?.value ?? '')).toMatchObject({
      running: [{ needs: 0 }],
      earlier: [
        { hash: 'a', needs: 0 },
        { hash: 'b', needs: 1 },
      ],
    })
  })

  test('hold the command of a proof, which shows how Django is called, and is not run', () => {
    const migrate = 'python manage.py migrate --database=shop'
    const [spec] = inspectorEnv({ marker, migrate, proves: true })
    expect(JSON.parse(spec?.value ?? '')).toMatchObject({
      migrate: null,
      databases: ['shop'],
      prove: true,
    })
  })
})

function filesInPod(): Readonly<Record<string, string>> {
  const [, packed = ''] = /b64decode\("([^"]*)"\)/.exec(inspectorSource) ?? []
  return JSON.parse(inflateSync(Buffer.from(packed, 'base64')).toString()) as Record<string, string>
}

function filesAsWritten(): Readonly<Record<string, string>> {
  const folder = new URL('../../src/django/rollout_inspector/', import.meta.url)
  const names = readdirSync(folder).filter((name) => /\.(py|json)$/.test(name))
  return Object.fromEntries(
    names
      .filter((name) => name !== 'loader.py')
      .map((name) => [name, readFileSync(new URL(name, folder), 'utf8')]),
  )
}

describe('the text that runs in the pod', () => {
  test('fits into one argument, and has no dollar sign, which Kubernetes would expand', () => {
    expect(inspectorSource).not.toContain('$')
    expect(inspectorSource.length).toBeLessThan(100 * 1024)
  })

  test('carries all files of the inspector, and each of them is Python', () => {
    expect(Object.keys(filesInPod()).sort()).toEqual(Object.keys(filesAsWritten()).sort())
    const python = Object.entries(filesInPod()).flatMap(([name, text]) =>
      name.endsWith('.py') ? [text] : [],
    )
    const program = 'import ast, json, sys\nfor each in json.load(sys.stdin): ast.parse(each)'
    const input = JSON.stringify([inspectorSource, ...python])
    const { stderr } = spawnSync('python3', ['-c', program], { input, encoding: 'utf8' })
    expect(stderr).toBe('')
  })
})

/** What the inspector reads of a command and its files: variables for sure, exported ones, and why that may not be all. */
describe('the variables that a command sets', () => {
  const program = `import json, sys
from rollout_inspector import task, web
command, task.through, files = json.loads(sys.stdin.read())
print(json.dumps(web.assigned(command, [(" ".join(command), None)] + files)))`
  const told = (command: readonly string[], file?: string, through?: string): unknown => {
    const files = file === undefined ? [] : [[file, command[0]]]
    return inspect(program, [command, through ?? null, files])
  }
  const elsewhere = expect.stringMatching(/reads variables from another file$/)

  test.each<[readonly string[], object, unknown]>([
    [['gunicorn', 'shop.wsgi', '-e', 'A=b c', '--env=C=d'], { A: 'b c', C: 'd' }, null],
    [['env', 'A=b', 'C=$(X)', 'gunicorn'], { A: 'b' }, null],
    [
      ['sh', '-c', 'export A="b c"; cd src && C=d exec gunicorn shop.wsgi'],
      { A: 'b c', C: 'd' },
      null,
    ],
    [['sh', '-c', 'A=b ./manage.py check && C=d gunicorn -e E=f x'], { C: 'd', E: 'f' }, null],
    [
      ['tini', '--', 'bash', '-e', '-c', '[ "$X" = y ] && export A=b; exec gunicorn'],
      {},
      'its command sets A, possibly under a condition',
    ],
    [['sh', '-c', 'export A="b;c" && exec gunicorn'], {}, expect.stringContaining('sets A')],
    [['sh', '-c', 'set -a; . /vault/env; exec gunicorn'], {}, elsewhere],
    [['sh', '-c', '. /venv/bin/activate; exec gunicorn'], {}, null],
  ])('are found in %j', (command, always, unsure) => {
    expect(told(command)).toEqual([always, {}, unsure])
  })

  test.each<[string, object, object, unknown]>([
    ['export A=b\nif x; then\n  export C=d\nfi\nexec gunicorn', {}, { A: 'b' }, null],
    ['A=b exec gunicorn \\\n  --env C=d shop.wsgi', { A: 'b', C: 'd' }, {}, null],
    ['A=b python manage.py check\nexec gunicorn', {}, {}, null],
    ['[ -f /x ] && . /x\nexec gunicorn', {}, {}, elsewhere],
    ['set -o allexport\nsource .env', {}, {}, elsewhere],
    ['set -euo pipefail\nsource /venv/bin/activate\nexec gunicorn', {}, {}, null],
    ['A=1 gunicorn x &\nA=2 gunicorn y', { A: '1' }, {}, '/start sets A in more than one way'],
  ])('are found in a script: %j', (lines, always, exported, unsure) => {
    expect(told(['/start'], `#!/bin/sh\n${lines}\n`)).toEqual([always, exported, unsure])
  })

  test('are found in the settings of a server', () => {
    const file = 'raw_env = [\n  "A=b",\n  \'C=d\',\n]\n'
    expect(told(['gunicorn.conf.py'], file)).toEqual([{ A: 'b', C: 'd' }, {}, null])
  })

  test('are not repeated for a script that has been run', () => {
    expect(told(['/start'], '#!/bin/sh\nexport A=b\n. /x\n', '/start')).toEqual([{}, {}, null])
  })
})

test('the name of a database is shown without the other parts of a URI', () => {
  const program = `import json, sys
from rollout_inspector.identity import bare
print(json.dumps([bare(each) for each in json.loads(sys.stdin.read())]))`
  const addresses = [
    'mongodb+srv://ada:p%40w@db.example/shop?authSource=admin',
    'mongodb://ada:p@w@db:27017',
    'db.example',
    '/run/postgresql',
    '',
  ]
  expect(inspect(program, addresses)).toEqual([
    'mongodb+srv://db.example/shop',
    'mongodb://db:27017',
    'db.example',
    '/run/postgresql',
    '',
  ])
})

test('the environment that is kept for the web has no needs of other versions', () => {
  const folder = mkdtempSync(join(tmpdir(), 'kept-'))
  writeFileSync(
    join(folder, 'poetry'),
    '#!/bin/sh\nprintf "%s\\n" "$DJANGO_ROLLOUT_ENV" "$DJANGO_ROLLOUT_NEEDS_0"\n',
    { mode: 0o755 },
  )
  const [program = '', ...args] = planCommand('poetry run python manage.py migrate')
  const { PATH = '' } = process.env
  const env = { PATH: `${folder}:${PATH}`, WHO: 'ada', DJANGO_ROLLOUT_NEEDS_0: 'bmVl' }
  const { stdout } = spawnSync(program, args, { env, encoding: 'utf8' })
  expect(stdout).toMatch(/WHO='?"?ada/)
  expect(stdout.match(/bmVl/g)).toHaveLength(1)
  rmSync(folder, { recursive: true })
})

test('the text in the pod is the files without their comments and docstrings, line by line', () => {
  const program = `import ast, json, sys
def told(text):
    tree = ast.parse(text)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
            body[0] = ast.Expr(ast.Constant(0, lineno=body[0].lineno, col_offset=0), lineno=body[0].lineno, col_offset=0)
    return [ast.dump(tree), [node.lineno for node in ast.walk(tree) if hasattr(node, "lineno")]]
files, bare = json.load(sys.stdin)
names = [name for name in files if name.endswith(".py")]
print(json.dumps([[name for name in names if told(files[name]) != told(bare[name])], len(names) > 20, "#" in bare["run.py"]]))`
  const differs = inspect(program, [filesAsWritten(), filesInPod()])
  expect(differs).toEqual([[], true, false])
})
