/**
 * What a log says when a web server does not start, as the servers of 2026 print it (`fixtures/servers`): gunicorn 27.0,
 * uvicorn 0.54, daphne 4.2 (Channels), hypercorn 0.18, granian 2.8, uWSGI 2.0.31, waitress 3.0.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { diagnose } from '../../src/judge/diagnose.js'
import { ofEnd } from '../../src/judge/hints.js'
import type { SymptomDetails } from '../../src/judge/rules.js'

const folder = join(import.meta.dirname, '../fixtures/servers')
const read = (name: string) =>
  readFileSync(join(folder, `${name}.txt`), 'utf8')
    .trimEnd()
    .split('\n')
const inRepo = (file: string) => (file.startsWith('/app/') ? file.slice('/app/'.length) : undefined)

function told(name: string) {
  const diagnosis = diagnose(read(name), inRepo)
  const symptom = { message: '', exit: { code: 1 } }
  const hint = ofEnd({ symptom, diagnosis } as unknown as SymptomDetails)
  return { kind: diagnosis.kind, summary: diagnosis.summary, hint, last: diagnosis.lines.at(-1) }
}

const all = readdirSync(folder).map((file) => file.replace(/\.txt$/, ''))
const about = (end: string) => all.filter((name) => name.endsWith(end))

test.each(about('-import'))('an import that fails: %s', (name) => {
  const { kind, summary, hint } = told(name)
  expect(kind).toBe('permanent')
  expect(summary).toMatch(
    // waitress prints no traceback.
    /^ModuleNotFoundError: No module named 'stripe_x'( \(shop\/settings.py:12\))?$/,
  )
  expect(hint).toMatch(/^The module is not in the image/)
})

test.each([...about('-variable'), ...about('-setting')])(
  'a variable that is missing: %s',
  (name) => {
    const { kind, summary, hint } = told(name)
    expect(kind).toBe('permanent')
    expect(summary).toMatch(/DATABASE_URL.* \(shop\/settings.py:\d+\)$/)
    expect(hint).toMatch(/^Add the named variable to the container/)
  },
)

test.each(about('-in-use'))('an address that is in use: %s', (name) => {
  const { kind, summary, hint } = told(name)
  expect(kind).toBe('unknown')
  expect(summary).toMatch(/address already in use/i)
  expect(hint).toMatch(/^Two processes of the pod use the same port/)
})

describe('a name that leads to no application', () => {
  const argument = /^The server finds no application by that name: correct its argument/
  test.each<[string, string | RegExp, RegExp]>([
    [
      'gunicorn-no-module',
      "ModuleNotFoundError: No module named 'shop.asgx'",
      /is not in the image/,
    ],
    [
      'gunicorn-no-attribute',
      "AppImportError: Failed to find attribute 'app' in 'shop.asgi'.",
      argument,
    ],
    ['gunicorn-not-callable', 'AppImportError: Application object must be callable.', argument],
    [
      'uvicorn-no-module',
      'ERROR: Error loading ASGI app. Could not import module "shop.asgx".',
      argument,
    ],
    [
      'uvicorn-no-attribute',
      'ERROR: Error loading ASGI app. Attribute "app" not found in module "shop.asgi".',
      argument,
    ],
    ['daphne-no-module', "ModuleNotFoundError: No module named 'shop.asgx'", /is not in the image/],
    ['daphne-no-attribute', "AttributeError: module 'shop.asgi' has no attribute 'app'", argument],
    [
      'hypercorn-no-module',
      "NoAppError: Cannot load application from 'shop.asgx:application', module not found.",
      argument,
    ],
    [
      'hypercorn-no-attribute',
      "NoAppError: Cannot load application from 'shop.asgi:app', application not found.",
      argument,
    ],
    ['granian-no-module', "RuntimeError: Could not import 'shop.asgx'.", argument],
    ['granian-no-attribute', "AttributeError: module 'shop.asgi' has no attribute 'app'", argument],
    ['uwsgi-no-module', "ModuleNotFoundError: No module named 'shop.asgx'", /is not in the image/],
    ['uwsgi-no-attribute', /^unable to load app 0/, argument],
    [
      'waitress-no-module',
      "ModuleNotFoundError: No module named 'shop.asgx'",
      /is not in the image/,
    ],
    [
      'waitress-no-attribute',
      "AttributeError: module 'shop.asgi' has no attribute 'app'",
      argument,
    ],
  ])('%s', (name, summary, hint) => {
    expect(told(name)).toMatchObject({
      kind: 'permanent',
      summary: typeof summary === 'string' ? summary : expect.stringMatching(summary),
      hint: expect.stringMatching(hint),
    })
  })
})
