/** The Celery tasks of versions: what the inspector reads of them, and what one version cannot run of another. */
import { deflateSync } from 'node:zlib'
import { describe, expect, test } from '@jest/globals'
import { mismatch, tasksOf } from '../../src/django/tasks.js'
import { answersTo } from '../support/inspector.js'

describe('what a task may be called with is read:', () => {
  const rows: readonly [string, string, unknown][] = [
    ['nothing', 'lambda: 0', {}],
    [
      'required and optional parameters',
      'lambda order, retries=3: 0',
      { r: ['order'], o: ['retries'] },
    ],
    ['any by position', 'lambda *orders: 0', { a: 1 }],
    ['any by name', 'lambda order, **more: 0', { r: ['order'], a: 1 }],
    ['one by name alone', '(lambda order, *, to: 0)', { r: ['order', 'to'] }],
    [
      'nothing where Python does not tell',
      'int.__new__(type("T", (int,), {"__call__": len}))',
      { a: 1 },
    ],
  ]
  const read = answersTo(
    `from rollout_inspector.tasks import parameters_of
def answer(text): return parameters_of(eval(text))`,
    rows.map(([, text]) => text),
  )
  test.each(rows)('%s', (_, text, parameters) => {
    expect(read(text)).toEqual(parameters)
  })
})

describe('modules with tasks that do not come to an end are left out:', () => {
  const rows: readonly (readonly [string, string, unknown])[] = [
    ['none', 'pass', { 'shop.mail': { r: ['order'] } }],
    ['one that fails', 'raise ImportError', {}],
    ['one that ends the process', 'sys.exit("no broker")', {}],
    ['one that waits', 'time.sleep(9)', {}],
    [
      'one that tries again for ever',
      `while True:
  try: time.sleep(9)
  except Exception: pass`,
      {},
    ],
  ]
  const read = answersTo(
    `import time, types
from rollout_inspector import tasks
tasks.patience = 0.2
def answer(code):
    def load(): exec(code)
    task = types.SimpleNamespace(run=lambda order: 0)
    app = types.SimpleNamespace(finalize=lambda auto: 0, tasks={"shop.mail": task, "celery.chord": task},
        loader=types.SimpleNamespace(import_default_modules=load))
    sys.modules["celery"] = types.SimpleNamespace(current_app=app)
    return tasks.tasks()`,
    rows.map(([, code]) => code),
  )
  test.each(rows)('%s', (_, code, found) => {
    expect(read(code)).toEqual(found)
  })
})

test.each([
  ['no Celery', {}, null],
  ['a task', { 'shop.mail': { r: ['order'] } }, 'kept'],
])('a project with %s', (_, found, kept) => {
  const packed = answersTo(
    `from rollout_inspector.tasks import packed
def answer(found): return packed(found)`,
    [found],
  )(found)
  expect(kept ? [...(tasksOf(packed as string) ?? [])] : packed).toEqual(
    kept ? [['shop.mail', { required: ['order'], optional: [], takesAny: false }]] : null,
  )
})

const body = (json: unknown) => deflateSync(JSON.stringify(json)).toString('base64')

test.each([
  ['no base64', '!'],
  ['no map', body([])],
  ['the needs of a version', body({ default: { shop_order: { m: 'shop.Order', c: {} } } })],
  ['a parameter without a name', body({ a: { r: [1] } })],
  ['too much', body({ a: { r: ['a'.repeat(2 ** 20)] } })],
])('what others have written is not read: %s', (_, text) => {
  expect(tasksOf(text)).toBeUndefined()
})

describe('of two versions', () => {
  const fresh = 'task with its new parameters'
  const former = 'task with its old parameters'
  const rows: readonly [string, unknown, unknown, string, string][] = [
    ['the same', { r: ['a'] }, { r: ['a'] }, '', ''],
    ['a new task', undefined, {}, 'task', ''],
    ['a task that is gone', {}, undefined, '', 'task'],
    ['a new optional parameter', { r: ['a'] }, { r: ['a'], o: ['b'] }, fresh, ''],
    ['a new required parameter', { r: ['a'] }, { r: ['a', 'b'] }, fresh, former],
    ['a parameter that becomes required', { o: ['a'] }, { r: ['a'] }, '', former],
    ['a parameter that becomes optional', { r: ['a'] }, { o: ['a'] }, fresh, ''],
    ['an optional parameter that is gone', { o: ['a'] }, {}, '', former],
    ['a required parameter that is gone', { r: ['a'] }, {}, fresh, former],
    ['a new parameter where any is taken', { a: 1 }, { r: ['a'], a: 1 }, '', ''],
  ]
  test.each(rows)('%s', (_, before, after, added, removed) => {
    const tasks = (one: unknown) =>
      tasksOf(body(one === undefined ? {} : { task: one })) ?? new Map()
    const found = mismatch(tasks(before), tasks(after))
    expect([found.added.join(), found.removed.join()]).toEqual([added, removed])
  })
})
