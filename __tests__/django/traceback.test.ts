import { describe, expect, test } from '@jest/globals'
import {
  faultOfInspector,
  lastError,
  lastTraceback,
  ownFrame,
  repoFile,
  describeTraceback,
} from '../../src/django/traceback.js'

// Logs of real runs (Django 4.2 to 6.1, gunicorn 27, Python 3.11 and 3.12), shortened.

const gunicorn = `[2026-11-21 11:57:05 +0000] [7] [INFO] Booting worker with pid: 8
[2026-11-21 11:57:06 +0000] [8] [ERROR] Exception in worker process
Traceback (most recent call last):
  File "/venv/lib/python3.12/site-packages/gunicorn/arbiter.py", line 752, in spawn_worker
    worker.init_process()
  File "/venv/lib/python3.12/site-packages/gunicorn/app/base.py", line 67, in wsgi
    self.callable = self.load()
                    ^^^^^^^^^^^
  File "/usr/local/lib/python3.12/importlib/__init__.py", line 90, in import_module
    return _bootstrap._gcd_import(name[level:], package, level)
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "<frozen importlib._bootstrap>", line 1387, in _gcd_import
  File "/app/shop/wsgi.py", line 16, in <module>
    import shop.celery
  File "/app/shop/celery.py", line 3, in <module>
    import shop.task
ModuleNotFoundError: No module named 'shop.task'
No module named 'shop.task'
[2026-11-21 11:57:06 +0000] [8] [INFO] Worker exiting (pid: 8)
[2026-11-21 11:57:06 +0000] [7] [ERROR] Worker (pid:8) exited with code 3.
[2026-11-21 11:57:06 +0000] [7] [ERROR] Reason: Worker failed to boot.`

const haltServer = `${gunicorn}
Traceback (most recent call last):
  File "/usr/local/lib/python3.8/site-packages/gunicorn/arbiter.py", line 209, in run
    self.sleep()
gunicorn.errors.HaltServer: <HaltServer 'Worker failed to boot.' 3>`

const chained = `Traceback (most recent call last):
  File "/app/chain.py", line 2, in inner
    return {}['a']
           ~~^^^^^
KeyError: 'a'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/app/chain.py", line 7, in outer
    raise RuntimeError("first\\nsecond") from e
RuntimeError: first
second

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/app/chain.py", line 14, in <module>
    again()
  File "/app/chain.py", line 13, in again
    raise Odd()
again.<locals>.Odd`

const migration = `Running migrations:
  Applying orders.0002_note... OK
  Applying orders.0003_fill...Traceback (most recent call last):
  File "/app/manage.py", line 22, in <module>
    main()
  File "/usr/local/lib/python3.11/site-packages/django/core/management/__init__.py", line 442, in execute_from_command_line
    utility.execute()
  File "/app/orders/migrations/0003_fill.py", line 5, in fill
    apps.get_model('orders', 'Order').objects.create(nope=1)
  File "/usr/local/lib/python3.11/site-packages/django/db/models/base.py", line 567, in __init__
    raise TypeError(
TypeError: Order() got unexpected keyword arguments: 'nope'`

const noDatabase = `Traceback (most recent call last):
  File "/app/manage.py", line 22, in <module>
    main()
  File "<string>", line 192, in django_rollout_inspect
  File "/usr/local/lib/python3.11/site-packages/psycopg/connection.py", line 126, in connect
    raise last_ex.with_traceback(None)
django.db.utils.OperationalError: connection failed: connection to server at "127.0.0.1", port 1 failed: Connection refused
	Is the server running on that host and accepting TCP/IP connections?`

const syntaxError = `Traceback (most recent call last):
  File "<frozen importlib._bootstrap>", line 241, in _call_with_frames_removed
  File "/app/orders/models.py", line 8
    def (
        ^
SyntaxError: invalid syntax`

const group = `  + Exception Group Traceback (most recent call last):
  |   File "/app/group.py", line 6, in <module>
  |     raise ExceptionGroup("many", [x, TypeError("two")])
  | ExceptionGroup: many (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "/app/group.py", line 3, in <module>
    |     bad()
    | ValueError: one
    +---------------- 2 ----------------
    | TypeError: two
    +------------------------------------`

const checks = `hello from settings
SystemCheckError: System check identified some issues:

WARNINGS:
orders.Bad: (models.W042) Auto-created primary key used when not defining a primary key type.

ERRORS:
orders.Bad.g: (fields.E300) Field defines a relation with model 'nope.Nope', which is either not installed, or is abstract.
	HINT: install it.
orders.Bad.g: (fields.E307) The field orders.Bad.g was declared with a lazy reference to 'nope.nope', but app 'nope' isn't installed.

System check identified 3 issues (0 silenced).`

const celery = `Usage: celery [OPTIONS] [COMMAND] [ARGS]...
Try 'celery --help' for help.

Error: 
Unable to load celery application.
Module 'shop' has no attribute 'celery'`

const each = (lines: string, change: (line: string) => string): string =>
  lines.split('\n').map(change).join('\n')

describe('the last traceback of a log', () => {
  test.each([
    ['gunicorn', gunicorn, "ModuleNotFoundError: No module named 'shop.task' (shop/celery.py:3)"],
    [
      "gunicorn's arbiter passing it on",
      haltServer,
      "ModuleNotFoundError: No module named 'shop.task' (shop/celery.py:3)",
    ],
    ['a chain', chained, 'Odd (chain.py:13)'],
    [
      'a header at the end of a line',
      migration,
      "TypeError: Order() got unexpected keyword arguments: 'nope' (orders/migrations/0003_fill.py:5)",
    ],
    [
      'no own file but manage.py',
      noDatabase,
      'OperationalError: connection failed: connection to server at "127.0.0.1", port 1 failed: Connection refused',
    ],
    ['a SyntaxError', syntaxError, 'SyntaxError: invalid syntax (orders/models.py:8)'],
    [
      'a SyntaxError without a header',
      syntaxError.split('\n').slice(2).join('\n'),
      'SyntaxError: invalid syntax (orders/models.py:8)',
    ],
    [
      'only its first message line',
      chained.split('\n').slice(0, 12).join('\n'),
      'RuntimeError: first (chain.py:7)',
    ],
    [
      'a log that begins in the middle',
      migration.split('\n').slice(6).join('\n'),
      "TypeError: Order() got unexpected keyword arguments: 'nope' (orders/migrations/0003_fill.py:5)",
    ],
    [
      'a time before each line',
      each(gunicorn, (line) => `2026-11-21T11:57:06.123456789Z ${line}`),
      "ModuleNotFoundError: No module named 'shop.task' (shop/celery.py:3)",
    ],
    [
      'a name before each line',
      each(syntaxError, (line) => `web-1  | ${line}`),
      'SyntaxError: invalid syntax (orders/models.py:8)',
    ],
    [
      'colours',
      each(syntaxError, (line) => `\u001b[35m${line}\u001b[0m`),
      'SyntaxError: invalid syntax (orders/models.py:8)',
    ],
    ['an exception group', group, 'ValueError: one (group.py:3)'],
    [
      'a line of a log in between',
      noDatabase.replace('  File "<string>"', 'INFO: still here\n  File "<string>"'),
      'OperationalError: connection failed: connection to server at "127.0.0.1", port 1 failed: Connection refused',
    ],
    [
      'only what ended it from outside',
      'Traceback (most recent call last):\n  File "/app/x.py", line 3, in <module>\nKeyboardInterrupt',
      'KeyboardInterrupt (x.py:3)',
    ],
  ])('is summed up in one line: %s', (_name, log, told) => {
    const traceback = lastTraceback(log.split('\n'))
    expect(traceback && describeTraceback(traceback, '/app')).toBe(told)
  })

  test.each([
    ['an empty log', ''],
    ['a log without one', 'INFO: Application startup complete.\nError: nothing'],
    ['one whose end is missing', migration.split('\n').slice(0, -1).join('\n')],
    [
      'a stack that was only logged',
      'Stack (most recent call last):\n  File "/app/x.py", line 3, in f\nall is well: yes\nsaid: no',
    ],
  ])('is missing: %s', (_name, log) => {
    expect(lastTraceback(log.split('\n'))).toBeUndefined()
  })

  test('keeps the module of the exception and all frames', () => {
    expect(lastTraceback(noDatabase.split('\n'))).toEqual({
      exception: 'django.db.utils.OperationalError',
      message:
        'connection failed: connection to server at "127.0.0.1", port 1 failed: Connection refused',
      frames: [
        { file: '/app/manage.py', line: 22, function: '<module>' },
        { file: '<string>', line: 192, function: 'django_rollout_inspect' },
        {
          file: '/usr/local/lib/python3.11/site-packages/psycopg/connection.py',
          line: 126,
          function: 'connect',
        },
      ],
    })
  })
})

describe('the cause in a log without a traceback', () => {
  test.each([
    [
      checks,
      "SystemCheckError: orders.Bad.g: (fields.E300) Field defines a relation with model 'nope.Nope', which is either not installed, or is abstract. (and 1 more)",
    ],
    [
      "CommandError: No installed app with label 'nope'.",
      "CommandError: No installed app with label 'nope'.",
    ],
    [
      "Unknown command: 'nope'\nType 'manage.py help' for usage.",
      "CommandError: Unknown command: 'nope'",
    ],
    [celery, "Error: Unable to load celery application. Module 'shop' has no attribute 'celery'"],
  ])('is found (case %#)', (log, told) => {
    const error = lastError(log.split('\n'))
    expect(error && describeTraceback(error)).toBe(told)
  })

  test('is the last one of several errors', () => {
    const command = 'CommandError: it is over'
    expect(lastError([...gunicorn.split('\n'), command])?.exception).toBe('CommandError')
    expect(lastError([command, ...gunicorn.split('\n')])?.exception).toBe('ModuleNotFoundError')
    expect(lastError(['all is well'])).toBeUndefined()
  })
})

describe("the deepest frame in the user's code", () => {
  test.each([
    ['/app/shop/views.py', true],
    ['shop/views.py', true],
    ['/usr/src/app/shop/views.py', true],
    ['/app/library/python/models.py', true],
    ['/usr/local/lib/python3.13/json/decoder.py', false],
    ['/usr/lib/python3/dist-packages/django/apps.py', false],
    ['/opt/conda/lib/python3.12/os.py', false],
    ['/app/.venv/lib/python3.12/site-packages/celery/app/base.py', false],
    ['/venv/bin/celery', false],
    ['/app/bin/import.py', true],
    ['/app/lib/python/x.py', true],
    ['<frozen os>', false],
    ['<string>', false],
    ['rollout_inspector/plan.py', false],
  ])('may be in %s: %s', (file, own) => {
    const traceback = { exception: 'E', message: '', frames: [{ file, line: 1 }] }
    expect(ownFrame(traceback) !== undefined).toBe(own)
  })

  test('may be in manage.py where that raised the exception itself', () => {
    const frames = [{ file: '/app/manage.py', line: 13, function: 'main' }]
    expect(ownFrame({ exception: 'ImportError', message: '', frames })?.line).toBe(13)
  })
})

// Frames of real runs, the deepest last: each begins in Django's `shell`, which runs the inspector.
const ours = (at: string) => `rollout_inspector/${at}`
const django = (at: string) => `/venv/lib/python3.12/site-packages/django/${at}`
const python = (at: string) => `/usr/local/lib/python3.12/${at}`
const db = 'django.db.utils'
const asked = [
  django('db/backends/utils.py _execute_with_wrappers'),
  django('db/backends/sqlite3/base.py execute'),
]

test.each<[string, string, readonly string[], boolean]>([
  ['its own code', 'TypeError: x', [ours('plan.py at')], true],
  [
    'a text that it cannot read',
    'json.JSONDecodeError: x',
    [ours('run.py handed'), python('json/decoder.py decode')],
    true,
  ],
  ['a name that Django does not have', 'ImportError: x', [ours('plan.py <module>')], true],
  [
    'its wrapper of a query',
    'TypeError: x',
    [
      ours('main.py plan'),
      '/app/shop/checks.py stock',
      django('db/backends/utils.py execute'),
      ours('plan.py refuse_writes'),
    ],
    true,
  ],
  [
    'what Django does with its arguments',
    'AttributeError: x',
    [ours('plan.py plan_of'), django('db/backends/sqlite3/introspection.py get_table_list')],
    true,
  ],
  [
    'a field of Django that it calls',
    'TypeError: x',
    [ours('needs.py needs_of_field'), django('db/models/fields/__init__.py db_type')],
    true,
  ],
  [
    'a field of a package that it calls',
    'TypeError: x',
    [ours('needs.py needs_of_field'), '/venv/lib/python3.12/site-packages/money/fields.py db_type'],
    true,
  ],
  [
    'an app that it names',
    'LookupError: x',
    [ours('plan.py plan_of'), django('apps/registry.py get_model')],
    true,
  ],
  [
    'a query of its own',
    `${db}.ProgrammingError: syntax error at or near "x"`,
    [ours('catalog.py read'), ...asked],
    true,
  ],
  [
    'a query of its own on SQLite',
    `${db}.OperationalError: no such column: x`,
    [ours('catalog.py read'), ...asked],
    true,
  ],
  [
    'a query of its own on MySQL',
    `${db}.OperationalError: (1054, "Unknown column 'x' in 'field list'")`,
    [ours('catalog.py read'), ...asked],
    true,
  ],
  [
    'a query of its own through its wrapper',
    `${db}.ProgrammingError: x`,
    [ours('catalog.py read'), ...asked.slice(0, 1), ours('plan.py refuse_writes'), ...asked],
    true,
  ],
  [
    'a model that it gives to a router',
    'AttributeError: x',
    [ours('needs.py needs_of'), django('db/utils.py allow_migrate_model')],
    true,
  ],
  [
    'settings that are missing',
    "ModuleNotFoundError: No module named 'nope'",
    [
      ours('main.py plan'),
      django('conf/__init__.py __getattr__'),
      python('importlib/__init__.py import_module'),
    ],
    false,
  ],
  [
    'an app that is missing',
    "ModuleNotFoundError: No module named 'nope'",
    [ours('main.py plan'), django('__init__.py setup'), django('apps/config.py create')],
    false,
  ],
  [
    'a package that is too old',
    'AttributeError: x',
    [
      ours('main.py plan'),
      django('__init__.py setup'),
      '/venv/lib/python3.12/site-packages/money/models.py <module>',
    ],
    false,
  ],
  [
    'a package that is too old, in a folder named django',
    'AttributeError: x',
    [
      ours('main.py plan'),
      '/django/.venv/lib/python3.12/site-packages/django/__init__.py setup',
      '/django/.venv/lib/python3.12/site-packages/money/models.py <module>',
    ],
    false,
  ],
  [
    'the models',
    'TypeError: x',
    [
      ours('main.py plan'),
      django('__init__.py setup'),
      '/app/shop/models.py <module>',
      django('db/models/fields/__init__.py __init__'),
    ],
    false,
  ],
  [
    'a system check',
    'KeyError: x',
    [
      ours('main.py plan'),
      django('core/management/__init__.py call_command'),
      django('core/checks/registry.py run_checks'),
    ],
    false,
  ],
  [
    'a query of a system check',
    `${db}.OperationalError: no such table: x`,
    [
      ours('main.py plan'),
      django('core/management/__init__.py call_command'),
      '/app/shop/checks.py stock',
      ...asked,
    ],
    false,
  ],
  [
    'a field of the project',
    'TypeError: x',
    [
      ours('needs.py needs_of_field'),
      '/app/shop/fields.py db_type',
      django('db/models/fields/__init__.py db_type'),
    ],
    false,
  ],
  [
    'a migration that is no file of one',
    'django.db.migrations.exceptions.BadMigrationError: x',
    [
      ours('main.py plan'),
      python('contextlib.py inner'),
      ours('plan.py plan_of'),
      django('db/migrations/executor.py __init__'),
      django('db/migrations/loader.py load_disk'),
    ],
    false,
  ],
  [
    'a router without hints',
    'TypeError: x',
    [
      ours('needs.py needs_of'),
      django('db/utils.py allow_migrate_model'),
      django('db/utils.py allow_migrate'),
    ],
    false,
  ],
  [
    'a database that is not in the settings',
    'django.utils.connection.ConnectionDoesNotExist: x',
    [ours('main.py plan'), django('utils/connection.py __getitem__')],
    false,
  ],
  [
    'a database without an engine',
    'django.core.exceptions.ImproperlyConfigured: x',
    [ours('identity.py connect'), django('db/backends/dummy/base.py complain')],
    false,
  ],
  [
    'a database that does not answer',
    `${db}.OperationalError: connection refused`,
    [
      ours('identity.py connect'),
      django('utils/asyncio.py inner'),
      django('db/backends/base/base.py ensure_connection'),
    ],
    false,
  ],
  [
    'a database that goes away',
    `${db}.OperationalError: server closed the connection`,
    [ours('catalog.py read'), ...asked],
    false,
  ],
  [
    'a right that is missing',
    `${db}.ProgrammingError: permission denied for table x`,
    [ours('catalog.py read'), ...asked],
    false,
  ],
  [
    'a migration that the inspector looks into',
    'TypeError: x',
    [
      ours('main.py plan'),
      ours('effects.py run'),
      django('db/migrations/operations/models.py state_forwards'),
      ours('rendering.py add_alone'),
      django('db/migrations/state.py add_model'),
      '/app/shop/fields.py clone',
    ],
    false,
  ],
  [
    'a refusal on purpose',
    'django.core.management.base.CommandError: x',
    [ours('plan.py plan_of')],
    false,
  ],
  ['the project before the inspector begins', 'TypeError: x', [django('__init__.py setup')], false],
])('who has failed: %s (%s)', (_, error, places, is) => {
  const [exception = '', message = ''] = error.split(/: (.*)/)
  const begins = ['/app/manage.py main', django('core/management/commands/shell.py handle')]
  const frames = [...begins, '<string> django_rollout_inspect', ...places].map((place) => {
    const [file = '', name = ''] = place.split(' ')
    return { file, line: 1, function: name }
  })
  const fault = faultOfInspector({ exception, message, frames })
  expect(fault?.file.startsWith('rollout_inspector/') ?? false).toBe(is)
})

test('the place of a fault is that of the inspector, not what it has called', () => {
  const frames = [
    { file: 'rollout_inspector/main.py', line: 44 },
    { file: 'rollout_inspector/needs.py', line: 89 },
    { file: '/venv/lib/python3.12/site-packages/django/db/models/fields/__init__.py', line: 7 },
  ]
  expect(faultOfInspector({ exception: 'TypeError', message: '', frames })).toBe(frames[1])
})

describe('the file of the repository', () => {
  const files = [
    'examples/shop/shop/wsgi.py',
    'examples/shop/manage.py',
    'manage.py',
    'web/app/x.py',
  ]
  const exists = (path: string): boolean => files.includes(path)
  test.each([
    ['/app/shop/wsgi.py', 'examples/shop', 'examples/shop/shop/wsgi.py'],
    ['/app/shop/wsgi.py', './examples/shop/', 'examples/shop/shop/wsgi.py'],
    ['/app/manage.py', '.', 'manage.py'],
    ['./manage.py', '', 'manage.py'],
    ['/srv/web/app/x.py', '.', 'web/app/x.py'],
    ['/app/shop/urls.py', 'examples/shop', undefined],
    ['/app/../manage.py', '.', undefined],
  ])('for %s in %s is %s', (file, context, path) => {
    expect(repoFile(file, exists, context)).toBe(path)
  })
})

test('the place may be a mapping, and long messages are cut', () => {
  const frames = [{ file: '/app/a.py', line: 2 }]
  const traceback = { exception: 'x.Bad', message: 'm'.repeat(400), frames }
  expect(describeTraceback(traceback, (file) => file.replace('/app', 'src'))).toBe(
    `Bad: ${'m'.repeat(299)}… (src/a.py:2)`,
  )
})
