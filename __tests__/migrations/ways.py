"""Plays the releases of the safe way that is offered for a case, in place of its migration: what is judged of each, and what the
code of the versions around it really does. In a second database, the migration itself: the same has to be there in the end.
"""
import json
import re
import sys

from project import build, case, folder, inspected, probe, run, seed, shell

next_release, here = "# In the next release:", "# Here the operations of the migration."
schema = """
import json
from django.db import connection
def rows(query):
    with connection.cursor() as cursor:
        cursor.execute(query)
        return [list(map(str, row)) for row in cursor.fetchall()]
print("@@" + json.dumps({
    "columns": rows("SELECT table_name, column_name, data_type, is_nullable, column_default, character_maximum_length FROM information_schema.columns WHERE table_schema = 'public' AND table_name LIKE 'shop%%' ORDER BY 1, 2"),
    "constraints": rows("SELECT conrelid::regclass, conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid::regclass::text LIKE 'shop%%' AND contype <> 'n' ORDER BY 1, 2"),
    "indexes": rows("SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename LIKE 'shop%%' ORDER BY 1"),
    "views": rows("SELECT viewname, definition FROM pg_views WHERE schemaname = 'public' ORDER BY 1"),
}))
"""
migrate = "%s manage.py migrate -v0" % sys.executable
initial = dict(case["initial"], **case["base"])
file, own = max(case["migrations"].items())
head, _, rest = own.partition("operations = [")
operations = rest.rstrip().rstrip("]").rstrip().rstrip(",") + ","


def begin():
    old = build("old", case["old"], initial)
    (old / "seed.py").write_text(seed)
    first = inspected(old, migrate="%s seed.py" % sys.executable, always=True, volumes=[str(folder)])
    if first["code"]:
        raise SystemExit(first["output"])
    return old, first["needs"]


def released(home, needs, unsafe):
    versions = [{"names": ["deployment/web"], "tag": "old", "needs": 0}]
    return inspected(home, unsafe=unsafe, migrate=migrate, running=versions, needs=needs, volumes=[str(folder)])


def changes_of(home):
    """What `makemigrations` would make of it."""
    lines = run(home, "makemigrations", "--dry-run").stdout.decode().splitlines()
    return {line.strip() for line in lines if line.startswith("    ")}


def code_of(found):
    return [line for finding in found for line in finding.get("code", [])]


def with_fields(models, lines):
    """The models of a release: what its code says of fields, and without those that it removes."""
    model = re.search(r'(?:model_|new_)name="(\w+)"', "\n".join(lines))
    for line in lines:
        meta = re.match("# In the Meta of the model: (.*)", line)
        if meta:
            text = "    class Meta:\n        %s\n" % meta.group(1)
            models = re.sub(r"(?m)^class %s\(.*\n" % model.group(1), lambda found: found.group() + text, models)
        removed = re.search(r'RemoveField\(model_name="\w+", name="(\w+)"\)', line)
        told = re.match(r"# In the model: (\w+) = (.*)", line)
        for name in [each.group(1) for each in (removed, told) if each]:
            models = re.sub(r"(?m)^    %s = .*\n" % name, "", models)
        if told:
            text = "    %s = %s\n" % told.groups()
            models = re.sub(r"(?mi)^class %s\(.*\n" % model.group(1), lambda found: found.group() + text, models)
    return models


def releases_of(code):
    releases = [[]]
    for line in code:
        if line == next_release:
            releases.append([])
        elif line == here:
            releases[-1].append(operations)
        else:
            releases[-1].append(line)
    return releases


def played(code, found):
    """A sentence for all that breaks."""
    imports = "\n".join(line[2:] for line in code if re.match("# (import|from) ", line))
    releases = releases_of(code)
    if not code_of([each for each in found if each["direction"] == "running"]) and here not in code:
        # What is left behind is mended before the migration's own operations.
        releases[0].append(operations)
    wrong, models, name = [], case["new"], file
    migrations = dict(initial, **case["migrations"])
    before, needs = begin()
    for number, lines in enumerate(releases):
        own_head = imports + "\n" + head
        if number:
            own_head = imports + "\n" + re.sub(r'\("shop", "\w+"\)', '("shop", "%s")' % name, head)
            name = "%04d_later" % (int(file[:4]) + number)
        migrations[name] = own_head + "operations = [\n" + "\n".join(lines) + "\n]\n"
        models = with_fields(models, lines)
        home = build("way%d" % number, imports + "\n" + models, migrations)
        release = released(home, needs, "block")
        judged = release["plan"]["judged"]
        where = "release %d: " % (number + 1)
        wrong += [where + each["rule"] + " " + each["object"] for each in judged["findings"] if each["severity"] == "breaks"]
        wrong += [where + str(each) for each in release.get("refused", [])]
        if release["code"] or judged["blocked"]:
            return wrong + [where + (release["output"] or "it was not migrated")], {}
        wrong += [where + "unpredicted " + each["rule"] for one in release["verified"] for each in one["unpredicted"]]
        for who, version in (("old", before), ("new", home)):
            failed = shell(version, "WHO = %r\n" % (who if number == len(releases) - 1 else "old") + probe)
            wrong += ["%sthe %s code fails: %s: %s" % ((where, who) + each) for each in failed.items()]
        wrong += [where + "a migration is missing: " + each for each in changes_of(home) - known]
        before, needs = home, release["needs"]
    return wrong, shell(before, schema)


_, needs = begin()
new = build("new", case["new"], dict(initial, **case["migrations"]))
running = [{"names": ["deployment/web"], "tag": "old", "needs": 0}]
plan = inspected(new, unsafe="block", migrate=None, running=running, needs=needs)
found = plan["plan"]["judged"]["findings"]
code = code_of([each for each in found if each["direction"] == "running"]) or code_of(found)
released(new, needs, "allow")
wanted, known = shell(new, schema), changes_of(new)
case["database"] = case["other"]
wrong, made = played(code, found) if code else ([], {})
differs = {kind: [each for each in wanted[kind] + made.get(kind, []) if (each in wanted[kind]) != (each in made.get(kind, []))] for kind in wanted}
print(json.dumps({"code": code, "wrong": wrong, "differs": {kind: rows for kind, rows in differs.items() if rows}}))
