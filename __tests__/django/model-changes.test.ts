import { expect, test } from '@jest/globals'
import { compareCommand, managementOf, readModelChanges } from '../../src/django/model-changes.js'

test.each<[string, string, string, readonly string[]]>([
  ['python manage.py test', '', 'python manage.py', []],
  [
    'coverage run manage.py test --settings=shop.tests && coverage xml',
    'python manage.py migrate',
    'coverage run manage.py',
    ['--settings=shop.tests'],
  ],
  [
    'cd src; poetry run python manage.py test -v 2',
    '',
    'cd src && poetry run python manage.py',
    [],
  ],
  // Another runner's command says nothing of the project: that of the migrations does.
  ['pytest -q', 'python backend/manage.py migrate', 'python backend/manage.py', []],
  ['pytest -q', './migrate.sh', 'python manage.py', []],
  ['python manage.py test_all', '', 'python manage.py', []],
])('the tests by %j, the migrations by %j: %s', (tests, migrations, manage, settings) => {
  expect(compareCommand(managementOf(tests, migrations))).toEqual([
    '/bin/sh',
    '-c',
    `${manage} "$@"`,
    'sh',
    'shell',
    '-v',
    '0',
    ...settings,
    '-c',
    expect.stringContaining('MigrationLoader'),
  ])
})

const orders = {
  app: 'orders',
  changes: ['Add field note to order'],
  migration: '/app/orders/migrations/0002_order_note.py',
}
const place = { file: '/app/orders/models.py', line: 4 }
const line = (json: unknown) => `django-rollout-models ${JSON.stringify(json)}`

test.each<[string, readonly string[], unknown]>([
  ['nothing', [], undefined],
  ['no changes', ['loading', line('end')], []],
  ['a change', [line({ ...orders, ...place }), line('end')], [{ ...orders, ...place }]],
  ['a model that is gone', [line(orders), line('end')], [orders]],
  ['no end', [line(orders)], undefined],
  ['what is no answer', [line({ ...orders, changes: 1 }), line('end')], undefined],
  ['what is no JSON', ['django-rollout-models {', line('end')], undefined],
])('of %s is read', (_, lines, expected) => {
  expect(readModelChanges(lines)).toEqual(expected)
})
