/** What a log says about the end of its container. */
import { describe, expect, test } from '@jest/globals'
import { diagnose } from '../../src/judge/diagnose.js'
import type { Diagnosis } from '../../src/judge/types.js'

const own = '  File "/app/shop/celery.py", line 3, in <module>\n    import x'
const inFunction = '  File "/app/shop/views.py", line 9, in total\n    return 1'
const importing = '  File "<frozen importlib._bootstrap>", line 1387, in _gcd_import'

const traceback = (frames: string, error: string) =>
  `starting\nTraceback (most recent call last):\n${frames}\n${error}`

describe('an exit with a traceback', () => {
  test.each<[Diagnosis['kind'], string, string]>([
    ['permanent', own, "ModuleNotFoundError: No module named 'shop.task'"],
    ['permanent', own, "ImportError: cannot import name 'a' from 'b'"],
    ['permanent', '  File "/app/shop/a.py", line 2\n    def (', 'SyntaxError: invalid syntax'],
    [
      'permanent',
      inFunction,
      'django.core.exceptions.ImproperlyConfigured: The SECRET_KEY setting must not be empty',
    ],
    ['permanent', inFunction, "NameError: name 'x' is not defined"],
    ['permanent', own, "AttributeError: module 'a' has no attribute 'b'"],
    ['permanent', `${importing}\n${inFunction}`, 'TypeError: f() takes 1 positional argument'],
    ['unknown', inFunction, "AttributeError: 'NoneType' object has no attribute 'b'"],
    [
      'permanent',
      `${own}\n  File "<frozen os>", line 709, in __getitem__`,
      "KeyError: 'DATABASE_URL'",
    ],
    [
      'permanent',
      `${own}\n  File "/usr/lib/python3.11/os.py", line 679, in __getitem__`,
      "KeyError: 'X'",
    ],
    ['unknown', own, "KeyError: 'x'"],
    ['transient', own, 'ConnectionRefusedError: [Errno 111] Connection refused'],
    [
      'transient',
      inFunction,
      'django.db.utils.OperationalError: connection to server at "db", port 5432 failed: Connection refused',
    ],
    [
      'transient',
      inFunction,
      'django.db.utils.OperationalError: could not translate host name "db" to address: Name or service not known',
    ],
    [
      'transient',
      inFunction,
      'redis.exceptions.ConnectionError: Error -2 connecting to redis:6379.',
    ],
    ['transient', inFunction, 'socket.gaierror: [Errno -3] Temporary failure in name resolution'],
    [
      'transient',
      inFunction,
      'psycopg.OperationalError: FATAL:  the database system is starting up',
    ],
    [
      'unknown',
      inFunction,
      'django.db.utils.OperationalError: could not connect to server: FATAL:  password authentication failed for user "shop"',
    ],
    ['unknown', inFunction, 'django.db.utils.ProgrammingError: relation "a" does not exist'],
  ])('is %s: %s %s', (kind, frames, error) => {
    expect(diagnose(traceback(frames, error).split('\n')).kind).toBe(kind)
  })

  test('is explained by the deepest line of the user’s own code, below the WORKDIR', () => {
    const log = traceback(
      `${own}\n  File "/usr/local/lib/python3.13/site-packages/celery/app.py", line 1, in f\n${importing}`,
      "ModuleNotFoundError: No module named 'shop.task'",
    )
    const said = "ModuleNotFoundError: No module named 'shop.task'"
    expect(diagnose(log.split('\n'), (file) => file.replace(/^\/app\//, ''))).toEqual({
      lines: log.split('\n'),
      kind: 'permanent',
      summary: `${said} (shop/celery.py:3)`,
      at: { file: 'shop/celery.py', line: 3 },
    })
    const unknown = diagnose(log.split('\n'))
    expect(unknown.summary).toBe(`${said} (/app/shop/celery.py:3)`)
    expect(unknown.at).toBeUndefined()
  })
})

describe('an exit without a traceback', () => {
  test.each<[Diagnosis['kind'], string | undefined, string]>([
    ['unknown', undefined, ''],
    ['unknown', undefined, '\n---\n'],
    ['unknown', 'bye now', 'hello\nbye now\n'],
    ['unknown', 'FATAL: no licence', 'FATAL: no licence\nshutting down'],
    [
      'permanent',
      'exec /entrypoint.sh: exec format error',
      'exec /entrypoint.sh: exec format error',
    ],
    [
      'permanent',
      "python: can't open file '/app/manag.py': [Errno 2] No such file or directory",
      "python: can't open file '/app/manag.py': [Errno 2] No such file or directory",
    ],
    [
      'permanent',
      '/usr/bin/python: No module named shopp',
      '/usr/bin/python: No module named shopp',
    ],
    [
      'transient',
      'dial tcp 10.0.0.1:5432: connect: connection refused',
      'dial tcp 10.0.0.1:5432: connect: connection refused',
    ],
    [
      'unknown',
      'FATAL: role "shop" does not exist',
      'connection refused\nFATAL: role "shop" does not exist',
    ],
  ])('is %s: %s', (kind, summary, log) => {
    const diagnosis = diagnose(log.split('\n'))
    expect(diagnosis.kind).toBe(kind)
    expect(diagnosis.summary).toBe(summary)
  })
})
