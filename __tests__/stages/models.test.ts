import { expect, test } from '@jest/globals'
import { findModelChanges, missingMigrations } from '../../src/stages/models.js'
import { testBox } from '../../src/stages/test.js'
import { notebook } from '../support/journal.js'
import { scripted, type Line } from '../support/scripted.js'
import { contextOf } from '../support/settings.js'

const built = { repository: 'ghcr.io/acme/shop', tag: 'a', id: `sha256:${'01'.repeat(32)}` }
const answer = (...lines: readonly unknown[]) =>
  lines.map((line) => `django-rollout-models ${JSON.stringify(line)}\n`).join('')
const orders = {
  app: 'orders',
  changes: ['Add field note to order'],
  migration: '/app/orders/migrations/0002_order_note.py',
  file: '/app/orders/models.py',
  line: 4,
}
const ofPackage = {
  ...orders,
  app: 'tagging',
  migration: '/venv/lib/python3.13/site-packages/tagging/migrations/0002_auto.py',
}
const message = 'orders has changes of its models without a migration: Add field note to order'
const none = 'each change of the models has its migration'
const unsure = 'the models were not compared with the migrations:'

const empty: Line = { when: /^docker (ps|network ls) /, always: true }

async function found(
  run: Partial<Line>,
  given: Readonly<Record<string, string>> = {},
  { isOver = false, ...more }: { readonly isOver?: boolean; readonly lines?: Line[] } = {},
) {
  const script = scripted(
    [...(more.lines ?? [{ when: /^docker run --rm --init /, ...run }]), empty],
    { files: { 'orders/models.py': '' } },
  )
  const warnings: string[] = []
  const warn = (sentence: string) => warnings.push(sentence)
  const log = notebook()
  const context = contextOf(script.platform, given).with({ warn, log })
  const ended = isOver ? AbortSignal.abort() : new AbortController().signal
  const changes = await findModelChanges(context, { built, box: testBox(context) }, ended)
  return { changes, lines: log.lines, warnings, ...script }
}

test.each<[string, Partial<Line>, string, readonly string[]]>([
  ['no changes', { stdout: answer('end') }, none, []],
  ['a change', { stdout: answer(orders, 'end') }, `warning: ${message}`, ['orders']],
  ['a package that lacks one', { stdout: answer(ofPackage, 'end') }, none, []],
  [
    'a project without manage.py',
    { code: 2, stderr: "python: can't open file '/app/manage.py': [Errno 2] No such file" },
    `${unsure} python: can't open file '/app/manage.py': [Errno 2] No such file`,
    [],
  ],
  [
    'settings that need more than the tests',
    {
      code: 1,
      stderr: `Traceback (most recent call last):\n  File "/app/shop/settings.py", line 9, in <module>\n    KEY = os.environ["KEY"]\nKeyError: 'KEY'`,
    },
    `${unsure} KeyError: 'KEY' (/app/shop/settings.py:9)`,
    [],
  ],
  ['a manage.py of its own', { code: 0, stdout: '' }, `${unsure} exit code 0`, []],
])('of %s a line says so', async (_, run, line, apps) => {
  const { changes, lines, warnings, ran, written } = await found(run, { 'test-env': 'A=b' })
  expect(lines).toEqual([line])
  expect(changes.map(({ app }) => app)).toEqual(apps)
  expect(warnings).toEqual([])
  expect(ran.at(-1)).toMatch(
    /--name django-rollout-test-\w+\.beside --cpu-shares 128 .* --env-file \/private\/beside --entrypoint \/bin\/sh /,
  )
  expect(written['/private/beside']).toContain('\nA=b\n')
})

test('a change has its place in the repository, and the command that mends it', async () => {
  const given = { 'test-command': 'python src/manage.py test' }
  const { changes } = await found({ stdout: answer(orders, 'end') }, given)
  expect(changes).toEqual([
    {
      app: 'orders',
      changes: orders.changes,
      message,
      fix: 'python src/manage.py makemigrations orders',
      file: 'orders/models.py',
      line: 4,
    },
  ])
  expect(missingMigrations(changes)).toMatchObject({
    code: 'tests-failed',
    sentence:
      'tests: there are changes of models without a migration (orders), and "missing-migrations" is block',
    hint: 'python src/manage.py makemigrations orders',
  })
})

test('whoever wants to be sure gets a warning where Django does not answer', async () => {
  const { warnings } = await found({ code: 2 }, { 'missing-migrations': 'block' })
  expect(warnings).toEqual([`${unsure} exit code 2`])
})

test('it ends some time after the tests', async () => {
  const { lines, slept } = await found({ hangs: true }, {}, { isOver: true })
  expect(lines).toEqual([`${unsure} not finished within 30000 ms of the end`])
  expect(slept).toEqual([30_000])
})

test('a server that does not start is a matter of the tests', async () => {
  const lines: Line[] = [{ when: /^docker network create/, code: 1, stderr: 'no space' }]
  const { changes, ...log } = await found({}, { 'test-services': 'redis' }, { lines })
  expect({ changes, lines: log.lines }).toEqual({ changes: [], lines: [] })
})
