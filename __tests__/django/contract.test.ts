/** What is read of migrations that are held back, and which pods would apply them by themselves. */
import { expect, test } from '@jest/globals'
import type { Container } from 'kubernetes-types/core/v1'
import { bridgesOf, heldMigrationOf, madeBridgeOf, startsOf } from '../../src/django/contract.js'

const image = 'registry/shop'
const isOurs = (name: string) => name.startsWith(image)
const ours = (more: Partial<Container>): Container => ({
  name: 'web',
  image: `${image}:1`,
  ...more,
})
const other = (more: Partial<Container>): Container => ({ name: 'web', image: 'nginx', ...more })
const server = { entrypoint: ['/entrypoint.sh'], cmd: ['gunicorn', 'shop.wsgi'] }

test.each<[string, readonly Container[], readonly Container[], string | undefined]>([
  ['a server alone', [ours({ command: ['gunicorn'] })], [], undefined],
  [
    'a shell that migrates first',
    [ours({ command: ['sh', '-c', 'python manage.py migrate && gunicorn'] })],
    [],
    'deployment/web migrates when it starts (sh -c python manage.py migrate && gunicorn)',
  ],
  [
    'arguments of the image\u2019s entrypoint',
    [ours({ args: ['migrate-and-serve'] })],
    [],
    'deployment/web migrates when it starts (/entrypoint.sh migrate-and-serve)',
  ],
  [
    'an init container that waits for migrations',
    [ours({ command: ['gunicorn'] })],
    [ours({ command: ['sh', '-c', 'until python manage.py showmigrations; do sleep 1; done'] })],
    'deployment/web migrates when it starts (sh -c until python manage.py showmigrations; do sleep 1; done)',
  ],
  [
    'an init container of another image',
    [ours({ command: ['gunicorn'] })],
    [other({ command: ['python', 'manage.py', 'migrate', '--check'] })],
    'deployment/web migrates when it starts (python manage.py migrate --check)',
  ],
  [
    'an init container that migrates the schemas of tenants',
    [ours({ command: ['gunicorn'] })],
    [ours({ command: ['python', 'manage.py', 'migrate_schemas', '--shared'] })],
    'deployment/web migrates when it starts (python manage.py migrate_schemas --shared)',
  ],
  ['a word that only begins so', [ours({ command: ['gunicorn', 'migrated.wsgi'] })], [], undefined],
])('%s', (_, containers, initContainers, refused) => {
  const spec = { containers: [...containers], initContainers: [...initContainers] }
  expect(startsOf([{ name: 'deployment/web', spec }], [], isOurs, server).refused).toBe(refused)
})

test('the pod looks into the programs of our own containers', () => {
  const containers = [ours({}), ours({ command: ['sh', '-c', './start.sh; exec gunicorn'] })]
  const spec = { containers: [...containers, other({ command: ['/other.sh'] })] }
  expect(startsOf([{ name: 'deployment/web', spec }], [], isOurs, server).programs).toEqual([
    '/entrypoint.sh',
    'gunicorn',
    'shop.wsgi',
    'sh',
    './start.sh',
    'exec',
  ])
})

const beside = '"before-rollout" or "after-rollout" migrates'

test.each<[string, string | undefined, readonly string[]]>([
  ['python manage.py warm_cache', undefined, ['python', 'manage.py', 'warm_cache']],
  ['python manage.py migrate', beside, ['python', 'manage.py', 'migrate']],
  ['python manage.py migrate_schemas', beside, ['python', 'manage.py', 'migrate_schemas']],
  ['./bin/release.sh --all', undefined, ['./bin/release.sh']],
  ['cd /app && "./bin/release.sh"', undefined, ['cd', '/app', './bin/release.sh']],
  ['echo "$(./bin/release.sh)"', undefined, ['echo', './bin/release.sh']],
])(
  'the pod looks into what a command around the rollout runs: %s',
  (command, refused, programs) => {
    expect(startsOf([], [command], isOurs, undefined)).toEqual({
      ...(refused !== undefined && { refused }),
      programs,
    })
  },
)

const bridge = {
  kind: 'default-set',
  database: 'default',
  table: 'shop_order',
  column: 'note',
  migration: 'shop.0002_next',
}

test('a bridge is read, and what is none is left out', () => {
  const sql = { ...bridge, sql: 'ALTER TABLE' }
  expect(bridgesOf([sql, { ...bridge, kind: 'other' }, 1, { ...bridge, table: 1 }])).toEqual([
    bridge,
  ])
  expect(bridgesOf('none')).toEqual([])
})

test.each<[string, string, unknown]>([
  [
    'made',
    '{"bridge": {"kind": "null-allowed", "database": "default", "table": "t", "column": "c", "ended": false}}',
    { kind: 'null-allowed', database: 'default', table: 't', column: 'c', isEnded: false },
  ],
  [
    'not ended',
    '{"bridge": {"kind": "default-kept", "database": "default", "table": "t", "column": "c", "ended": true, "failed": "busy"}}',
    {
      kind: 'default-kept',
      database: 'default',
      table: 't',
      column: 'c',
      isEnded: true,
      failed: 'busy',
    },
  ],
  ['torn', '{"bridge": {"kind"', undefined],
  ['another line', '{"bridge": 1}', undefined],
])('what the pod has done is read: %s', (_, text, made) => {
  expect(madeBridgeOf(text)).toEqual(made)
})

test('a migration that is held back is read', () => {
  const own = { app: 'shop', name: '0002', operations: ['RemoveField'] }
  expect(
    heldMigrationOf('default', {
      ...own,
      rule: 'column-gone',
      object: 'shop_order.note',
      versions: [0],
    }),
  ).toEqual({
    database: 'default',
    name: 'shop.0002',
    operations: ['RemoveField'],
    rule: 'column-gone',
    object: 'shop_order.note',
    versions: [0],
  })
  expect(heldMigrationOf('default', { ...own, operations: 'none' })).toBeUndefined()
})
