"""Plays one way back: a project whose newer version has migrated, what it tells of the reversal, and the reversal itself."""
import json

from project import build, case, folder, inspected, run

migration = """from django.db import migrations, models
import django.db.models.deletion
class Migration(migrations.Migration):
    initial = %r
    dependencies = %r
    operations = [%s]
"""
works = """import json
from shop import models as m
failed = []
for name, work in [("read", lambda: list(m.Order.objects.all())), ("insert", lambda: m.Order.objects.create())]:
    try: work()
    except Exception as error: failed.append(name)
print("@@" + json.dumps(failed))
"""


def chained(migrations):
    """Files by name, each of which depends on the one before."""
    before, files = None, {}
    for file, operations in migrations:
        files[file] = migration % (before is None, [("shop", before)] if before else [], operations)
        before = file
    return files


def must(home, *words):
    ended = run(home, *words)
    out = ended.stdout.decode()
    if ended.returncode:
        raise SystemExit(out)
    return out


def fails(home):
    out = must(home, "shell", "-c", works)
    return json.loads(out.rpartition("@@")[2])


old = build("old", case["old"], chained(case["initial"]))
new = build("new", case["new"], chained(case["initial"] + case["migrations"]))
must(old, "migrate", "-v0")
needs = inspected(old, migrate=None, volumes=[str(folder)])["needs"]
must(new, "migrate", "-v0")
if case.get("rows"):
    must(new, "shell", "-c", "from shop.models import *\n" + case["rows"])
if case.get("sql"):
    must(new, "shell", "-c", "from django.db import connection\nconnection.cursor().execute(%r)" % case["sql"])
since = ["shop.%s" % file for file, _ in case["migrations"]]
reverse = {"wanted": [0], "since": case.get("since", since), "how": case["how"], "downtime": case.get("downtime", False)}
reverse["only-new"] = case.get("onlyNew", False)
seen = inspected(new, migrate=None, locks=5, reverse=reverse, needs=needs, volumes=[str(folder)])
applied = [line[4:].strip() for line in must(new, "showmigrations", "shop").splitlines() if line.startswith(" [X]")]
print(json.dumps({"seen": seen, "applied": applied, "old": fails(old), "new": fails(new)}))
