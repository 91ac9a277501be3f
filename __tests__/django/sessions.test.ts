/** Settings of a session that triggers and policies ask for, and whether any code names them. */
import { expect, test } from '@jest/globals'
import { answersTo, inspect } from '../support/inspector.js'

const asks = "SELECT current_setting('app.who', true)"
const rows: readonly (readonly [
  what: string,
  statement: string,
  files: readonly (string | null)[],
  unset: readonly string[],
])[] = [
  ['no code names it', asks, ['import os', "cursor.execute('SELECT 1')"], ['app.who']],
  ['a middleware sets it', asks, ['cursor.execute("SET app.who = %s", [user])'], []],
  ['by set_config', asks, ["SELECT set_config('app.who', %s, false)"], []],
  ['in other letters', asks, ['SET APP.WHO TO 1'], []],
  ['its name is put together', asks, ["name = 'app.' + key"], []],
  ['by a format', asks, ['f"app.{key}"'], []],
  ['code that only asks for it', asks, ['"current_setting(\'app.who\')"'], ['app.who']],
  ['a module of the same name', asks, ['from app import models', 'app.models.x'], ['app.who']],
  ['one of two', `${asks}, current_setting('app.key')`, ['SET app.key = 1'], ['app.who']],
  ['a setting of the server', "SELECT current_setting('search_path')", ['x'], []],
  ['a name that is no literal', 'SELECT current_setting(name)', ['x'], []],
  ['more files than are read', asks, ['x', null], []],
  ['nothing is asked', 'SELECT 1', ['x'], []],
]
const answer = answersTo(
  `
from rollout_inspector import sessions
def answer(each):
    sessions.texts = lambda: (text and text.encode() for text in each["files"])
    return sessions.unset_of([each["statement"]])`,
  rows.map(([, statement, files]) => ({ statement, files })),
)

test.each(rows)('%s', (_, statement, files, unset) => {
  expect(answer({ statement, files })).toEqual(unset)
})

test('a text asks for literals, and for names that are not written there', () => {
  const program = `
import json, sys
from rollout_inspector import sessions
print(json.dumps(sessions.asked_by(json.load(sys.stdin))))`
  expect(
    inspect(program, "current_setting('a.b'), CURRENT_SETTING ( 'c', true ), current_setting(x)"),
  ).toEqual(['a.b', 'c', null])
})
