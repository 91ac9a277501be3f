import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { inflateSync } from 'node:zlib'
import { describe, expect, test } from '@jest/globals'
import { inspectorSource } from '../../src/django/inspector.generated.js'
import { inspect } from '../support/inspector.js'

function filesInPod(): Readonly<Record<string, string>> {
  const [, packed = ''] = /b64decode\("([^"]*)"\)/.exec(inspectorSource) ?? []
  const texts = inflateSync(Buffer.from(packed, 'base64')).toString().split('\0')
  return Object.fromEntries(
    texts.map((text): readonly [string, string] => {
      const end = text.indexOf('\n')
      return [text.slice(0, end), text.slice(end + 1)]
    }),
  )
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

test('the text in the pod is the files without their comments and docstrings, line by line', () => {
  const program = `import ast, json, sys
def told(text):
    tree = ast.parse(text)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
            nothing = ast.Expr(ast.Constant(0, lineno=body[0].lineno, col_offset=0), lineno=body[0].lineno, col_offset=0)
            body[:1] = [] if body[1:] else [nothing]
    return [ast.dump(tree), [node.lineno for node in ast.walk(tree) if hasattr(node, "lineno")]]
files, bare = json.load(sys.stdin)
names = [name for name in files if name.endswith(".py")]
print(json.dumps([[name for name in names if told(files[name]) != told(bare[name])], len(names) > 20, "#" in bare["run.py"]]))`
  const differs = inspect(program, [filesAsWritten(), filesInPod()])
  expect(differs).toEqual([[], true, false])
})
