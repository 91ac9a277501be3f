/** Whether what an operation of a failed migration changes is in the database. */
import { expect, test } from '@jest/globals'
import { answersTo } from '../support/inspector.js'

const program = `import types
from rollout_inspector import half
class Field(types.SimpleNamespace):
    def __getattr__(self, name):
        return dict(null=False, unique=False, is_relation=False, type="text").get(name)
def table(columns, uniques=(), fks=()):
    return {"columns": {name: {"null": False, "read": read} for name, read in columns.items()}, "uniques": [list(each) for each in uniques], "fks": [list(each) for each in fks]}
def fk(to):
    model = types.SimpleNamespace(_meta=types.SimpleNamespace(db_table=to))
    return dict(is_relation=True, remote_field=types.SimpleNamespace(model=model), db_constraint=True, target_field=Field(column="id"))
now = {"a": table({"id": "8", "note": "50", "ref": "9"}, [["note"]], [["ref", "b"]]), "new": table({})}
was = {"a": table({"id": "8", "note": "20", "ref": "9"})}
names = {"a": ["by_note", "one_note"]}
def answer(given):
    kind, more = given
    more = dict({"model": "a"}, **more)
    model = types.SimpleNamespace(_meta=types.SimpleNamespace(db_table=more.pop("model")))
    for name in ("old", "new", "field"):
        if isinstance(more.get(name), dict):
            own = more[name]
            more[name] = Field(**dict(own, **fk(own.pop("to")) if "to" in own else {}))
    if "constraint" in more:
        more["constraint"] = types.SimpleNamespace(name=more["constraint"])
    event = types.SimpleNamespace(kind=kind, model=model, **more)
    return [half.facts(event, now.get, was.get, names.get, lambda field: field.type), half.loses(event, lambda field: field.type)]`

type Row = readonly [
  what: string,
  kind: string,
  more: Readonly<Record<string, unknown>>,
  facts: readonly (boolean | null)[],
  loses: boolean,
]
const note = { column: 'note' }
const alter = (old: object, next: object = old) => ({
  old: { ...note, ...old },
  new: { ...note, ...next },
})
const rows: readonly Row[] = [
  ['a table that is there', 'create', {}, [true], false],
  ['a table that is not', 'create', { model: 'b' }, [false], false],
  ['a table that went', 'delete', { model: 'b' }, [true], true],
  ['a table that is still there', 'delete', {}, [false], true],
  ['a table under its new name', 'rename', { old: 'b', new: 'new' }, [true], false],
  ['a table under both names', 'rename', { old: 'a', new: 'new' }, [false], false],
  ['a column that is there', 'add', { field: note }, [true], false],
  ['a column that is not', 'add', { field: { column: 'x' } }, [false], false],
  ['a column of no table', 'add', { model: 'b', field: note }, [false], false],
  ['a column that went', 'remove', { field: { column: 'x' } }, [true], true],
  ['a column that is still there', 'remove', { field: note }, [false], true],
  ['a constraint by its name', 'unique', { constraint: 'one_note' }, [true], false],
  ['one that is not there', 'check', { constraint: 'two' }, [false], false],
  ['unique_together by its columns', 'unique', { columns: ['note'] }, [true], false],
  ['unique_together that went', 'drop-check', { columns: ['id', 'note'] }, [true], true],
  ['an index', 'index', { constraint: 'by_note' }, [true], false],
  ['an index that went', 'drop-index', { constraint: 'gone' }, [true], false],
  ['SQL', 'sql', { model: 'a' }, [null], false],
  ['nothing of a field that the database has', 'alter', alter({}), [], false],
  ['a new name', 'alter', alter({ column: 'old' }, note), [true], false],
  ['the old name', 'alter', alter({}, { column: 'x' }), [false], false],
  ['NULL that is not yet allowed', 'alter', alter({}, { null: true }), [false], true],
  ['NOT NULL', 'alter', alter({ null: true }, {}), [true], false],
  ['unique', 'alter', alter({}, { unique: true }), [true], false],
  ['another type', 'alter', alter({}, { type: 'varchar' }), [true], true],
  [
    'another type that is told alike, or was made earlier',
    'alter',
    alter({ column: 'ref' }, { column: 'ref', type: 'varchar' }),
    [null],
    true,
  ],
  ['an index of a field', 'alter', alter({}, { db_index: true }), [null], false],
  [
    'another parent',
    'alter',
    alter({ column: 'ref', to: 'a' }, { column: 'ref', to: 'b' }),
    [true],
    false,
  ],
]
const answer = answersTo(
  program,
  rows.map(([, kind, more]) => [kind, more]),
)

test.each(rows)('%s', (_, kind, more, facts, loses) => {
  expect(answer([kind, more])).toEqual([facts, loses])
})
