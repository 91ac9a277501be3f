/** What the text of a project's own code shows of its queries. */
import { expect, test } from '@jest/globals'
import { answersTo } from '../support/inspector.js'

// Two models: `ref` and `both, ref` are unique in Order, `email` is in both.
const program = `
import os, tempfile, types
from rollout_inspector import texts

def answer(files):
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for name, text in files.items():
            os.makedirs(os.path.dirname(name), exist_ok=True)
            with open(name, "w") as file:
                file.write(text)
        order = {"q": [["id"], ["ref"], ["both_id", "ref"]], "c": {"id": {}, "ref": {}, "both_id": {}, "email": {}}}
        shop = {"q": [["id"]], "c": {"id": {}, "email": {}}}
        own = {"id": "id", "ref": "ref", "both": "both_id", "email": "email"}
        paths = [os.path.join(folder, name) for name in ("shop", "venv/site-packages/other")]
        configs = [types.SimpleNamespace(path=path) for path in paths] + [object()]
        apps = type("Apps", (), {"get_app_configs": lambda self: configs})()
        texts.note([(order, own), (shop, {"id": "id", "email": "email"})], apps)
        os.chdir("/")
        return [order.get("w", {}), {name: column["s"] for name, column in order["c"].items() if column}, "w" in shop]
`
const code = 'shop/a.py'
const rows: readonly (readonly [string, Readonly<Record<string, string>>, object, object])[] = [
  ['fields', { [code]: '\nx(unique_fields=["ref"])' }, { ref: 'shop/a.py' }, {}],
  ['several', { [code]: "unique_fields = ('ref', 'both')" }, { 'both_id,ref': 'shop/a.py' }, {}],
  [
    'SQL',
    { [code]: '"INSERT … ON CONFLICT (both_id, ref) DO"' },
    { 'both_id,ref': 'shop/a.py' },
    {},
  ],
  ['those of two models', { [code]: 'unique_fields=["id"]; x(email__contains=1)' }, {}, {}],
  ['a name that is not written', { [code]: 'unique_fields=UNIQUE' }, {}, {}],
  ['a lookup', { [code]: 'filter(order__ref__icontains=1)' }, {}, { ref: 'shop/a.py' }],
  ['a lookup by an expression', { [code]: 'filter(**{x + "__contains": 1})' }, {}, {}],
  ['another lookup', { [code]: 'filter(ref__exact=1, ref__contained_by=2)' }, {}, {}],
  ['an admin', { [code]: 'search_fields = ["=email", "order__ref"]' }, {}, { ref: 'shop/a.py' }],
  ['one that compares', { [code]: 'search_fields = ("=ref",)' }, {}, {}],
  [
    'what the web does not run',
    {
      'shop/migrations/a.py': 'unique_fields=["ref"]',
      'shop/tests/a.py': 'unique_fields=["ref"]',
      'shop/test_a.py': 'unique_fields=["ref"]',
      'venv/site-packages/other/a.py': 'unique_fields=["ref"]',
    },
    {},
    {},
  ],
]
const answered = answersTo(
  program,
  rows.map(([, files]) => files),
)

test.each(rows)('%s', (_, files, written, searched) => {
  expect(answered(files)).toEqual([written, searched, false])
})
