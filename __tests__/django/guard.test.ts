/** How the migrate command gets its guard: by a module of the Pythons that it starts, and by nothing else. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { inspectorSource } from '../../src/django/inspector.generated.js'
import { inspect } from '../support/inspector.js'

const folder = mkdtempSync(join(tmpdir(), 'guard-'))
const inspector = fileURLToPath(new URL('../../src/django', import.meta.url))

// What the guard touches of Django, and a module of the project's that has the guard's name.
const files = {
  'own/sitecustomize.py': 'print("own sitecustomize", flush=True)\n',
  'own/django/__init__.py': '',
  'own/django/db/__init__.py': '',
  'own/django/db/migrations/__init__.py': '',
  'own/django/db/migrations/migration.py': 'class Migration:\n    def apply(self): pass\n',
  'own/django/db/migrations/executor.py': `class MigrationRecorder:
    def record_applied(self): pass
class MigrationExecutor:
    def migration_plan(self): pass
    def __init__(self, connection):
        self.connection = connection
    def apply_migration(self, state, migration, fake=False):
        return ["applied", state, migration.name, fake]
`,
  'migrate.py': `import os, sys
print([each for each in sys.path if "/proc/" in each], os.environ["PYTHONPATH"].count("/proc/"), "DJANGO_ROLLOUT_LOCKS" in os.environ)
from django.db.migrations.executor import MigrationExecutor
print(os.environ["PYTHONPATH"] == sys.argv[1], "DJANGO_ROLLOUT_LOCKS" in os.environ, os.environ["KEPT"])
class Wrapper:
    def __enter__(self): print("wrapped")
    def __exit__(self, *error): pass
class Connection:
    alias = "default"
    def __init__(self, vendor): self.vendor = vendor
    def execute_wrapper(self, guard): print(guard.migration, guard.planned); return Wrapper()
class Migration: app_label, name, atomic = "shop", "0002_x", True
for vendor in "postgresql", "sqlite":
    print(MigrationExecutor(Connection(vendor)).apply_migration("state", Migration, fake=True))
`,
  'runs.py': `import json, os, subprocess, sys
from rollout_inspector import run, task
task.spec.update(marker="MARK42", locks=60)
env = run.guarded(json.loads(os.environ["LEADING"]), open(sys.argv[1]).read())
subprocess.check_call([sys.executable] + sys.argv[2:], env=env)
`,
  // Finds the project without PYTHONPATH, and runs what a shell of Django would.
  'manage.py': `import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "own"))
assert sys.argv[1] == "shell", sys.argv
exec(sys.argv[sys.argv.index("-c") + 1])
`,
  'proves.py': `import sys
from rollout_inspector import run, task
task.spec.update(marker="MARK42", locks=60)
held = [["default", "shop", "0002_x"]]
run.prove_guard(sys.argv[2], run.guarded(None, open(sys.argv[1]).read(), held))
print("proved")
`,
}

beforeAll(() => {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
  writeFileSync(join(folder, 'inspector.txt'), inspectorSource)
})

afterAll(() => {
  rmSync(folder, { recursive: true })
})

/** What the first migration locks. */
const leading = { 'default shop.0002_x': [['table', 't', 'ACCESS EXCLUSIVE']] }

/** What a program prints that is started with the guard. */
const printed = (...words: readonly string[]) => printedWith(leading, ...words)

/** `locks`: null where the migration locks as Django does. */
function printedWith(locks: typeof leading | null, ...words: readonly string[]): readonly string[] {
  const { stdout, stderr } = python('runs.py', words, { LEADING: JSON.stringify(locks) })
  expect(stderr).toBe('')
  // The first line is of the program that starts the other.
  return stdout.trim().split('\n').slice(1)
}

function python(script: string, words: readonly string[], more: NodeJS.ProcessEnv = {}) {
  const path = `${join(folder, 'own')}:${inspector}`
  const args = [join(folder, script), join(folder, 'inspector.txt'), ...words]
  const { PATH = '' } = process.env
  const own = { PATH, PYTHONPATH: path, KEPT: 'kept', PYTHONDONTWRITEBYTECODE: '1' }
  return spawnSync('python3', args, { encoding: 'utf8', env: { ...own, ...more } })
}

test('a migration on PostgreSQL is guarded, and nothing else is changed', () => {
  const path = `${join(folder, 'own')}:${inspector}`
  expect(printed(join(folder, 'migrate.py'), path)).toEqual([
    'own sitecustomize',
    '[] 1 True',
    'MARK42{"locking": {"ready": true}}MARK42',
    'True False kept',
    "shop.0002_x [['table', 't', 'ACCESS EXCLUSIVE']]",
    'wrapped',
    "['applied', 'state', '0002_x', True]",
    "['applied', 'state', '0002_x', True]",
  ])
})

test('where it locks as Django does, it is guarded to say how far it is, and nothing else is changed', () => {
  const path = `${join(folder, 'own')}:${inspector}`
  const lines = printedWith(null, join(folder, 'migrate.py'), path)
  expect(lines).toContain('MARK42{"locking": {"ready": true}}MARK42')
  expect(lines).not.toContain('wrapped')
  expect(lines.slice(-2)).toEqual([
    "['applied', 'state', '0002_x', True]",
    "['applied', 'state', '0002_x', True]",
  ])
})

test('a Python that starts another one passes the guard on', () => {
  const nested = 'import subprocess, sys; subprocess.check_call([sys.executable] + sys.argv[1:])'
  const path = `${join(folder, 'own')}:${inspector}`
  expect(printed('-c', nested, join(folder, 'migrate.py'), path)).toContain('wrapped')
})

describe('before anything is held back, the command proves that it has the guard', () => {
  test.each<[string, string, number, string]>([
    ['a plain one', 'python3', 0, 'proved'],
    ['a Python that ignores PYTHONPATH', 'python3 -I', 3, 'python3 -I'],
    ['a Python without the module site', 'python3 -S', 3, 'python3 -S'],
    ['a program that cannot be found', 'no-such-python', 3, 'no-such-python'],
  ])('%s', (_, start, code, words) => {
    const { status, stdout } = python('proves.py', [
      `${start} ${join(folder, 'manage.py')} migrate`,
    ])
    const isRefused = stdout.includes('The migrations that are held back cannot be left out: ')
    expect([status, isRefused]).toEqual([code, code !== 0])
    expect(stdout).toContain(words)
  })
})

test('a Python without the executor of migrations is unchanged', () => {
  expect(printed('-c', 'import sys; print("sitecustomize" in sys.modules)')).toEqual([
    'own sitecustomize',
    'True',
  ])
  expect(printed('-S', '-c', 'print(1)')).toEqual(['1'])
})

test('a migration that takes long says how far it is, by a connection of its own', () => {
  const lines = inspect(
    `import json, os, sys, time
from rollout_inspector import progress, task
json.load(sys.stdin)
task.spec["marker"] = "M"
said = []
task.say = lambda text: said.append(json.loads(text)["locking"])
progress.every = 0.01
class Cursor:
    def __enter__(self): return self
    def __exit__(self, *error): pass
    def execute(self, query): assert "pg_stat_progress_create_index" in query
    def fetchall(self): return [("shop_order", "building index: scanning table", 42, 100, 0, 0), ("shop_tag", "initializing", 0, 0, 0, 0)]
class Connection:
    closed = 0
    def __init__(self, vendor): self.vendor = vendor
    def copy(self): return self
    def cursor(self): return Cursor()
    def close(self): Connection.closed += 1
def until(count):
    while len(said) < count: time.sleep(0.001)
for vendor in "postgresql", "mysql":
    with progress.Progress(Connection(vendor), "shop.0002_x"): until(len(said) + 1)
with progress.Progress(Connection("broken"), "shop.0003_y"): pass
class Broken(Connection):
    def copy(self): raise OSError("no connection is left")
with progress.Progress(Broken("postgresql"), "shop.0004_z"): until(len(said) + 1)
names = []
for each in said:
    if each not in names: names.append(each)
print(json.dumps([names, Connection.closed > 0]))`,
    {},
  )
  expect(lines).toEqual([
    [
      {
        migration: 'shop.0002_x',
        note: 'running for 0 s, index of shop_order: building index: scanning table, 42 %, index of shop_tag: initializing',
      },
      { migration: 'shop.0002_x', note: 'running for 0 s' },
      { migration: 'shop.0004_z', note: 'running for 0 s' },
    ],
    true,
  ])
})
