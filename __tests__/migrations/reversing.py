"""Plays one way back: a project whose newer version has migrated, what it tells of the reversal, and the reversal itself.

Run by a Python that has Django: `reversing.py <folder> <inspector>`. Standard input has the case and the database as
JSON, standard output gets what was seen as JSON.
"""
import json
import os
import pathlib
import subprocess
import sys

folder, inspector = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]).read_text()
case = json.load(sys.stdin)
marker = "PLAY42"

manage = """import os, sys
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
"""
settings = """SECRET_KEY = "x"
USE_TZ = True
INSTALLED_APPS = ["shop"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {"default": %r}
"""
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


def build(name, models, migrations):
    home = folder / name
    (home / "shop/migrations").mkdir(parents=True)
    (home / "manage.py").write_text(manage)
    (home / "settings.py").write_text(settings % case["database"])
    for empty in ("shop/__init__.py", "shop/migrations/__init__.py"):
        (home / empty).write_text("")
    (home / "shop/models.py").write_text("from django.db import models\n" + models)
    before = None
    for file, operations in migrations:
        text = migration % (before is None, [("shop", before)] if before else [], operations)
        (home / ("shop/migrations/%s.py" % file)).write_text(text)
        before = file
    return home


def run(home, *words, **more):
    env = dict(os.environ, PYTHONDONTWRITEBYTECODE="1", **more)
    ended = subprocess.run(
        [sys.executable, "manage.py"] + list(words), cwd=str(home), env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    return ended.returncode, ended.stdout.decode()


def must(home, *words):
    code, out = run(home, *words)
    if code:
        raise SystemExit(out)
    return out


def fails(home):
    out = must(home, "shell", "-c", works)
    return json.loads(out.rpartition("@@")[2])


def inspected(home, spec, needs=None):
    env = {"DJANGO_ROLLOUT_SPEC": json.dumps(dict(spec, marker=marker, volumes=[str(folder)]))}
    if needs:
        env["DJANGO_ROLLOUT_NEEDS_0"] = needs
    code, out = run(home, "shell", "-v", "0", "-c", inspector, **env)
    told = {"code": code, "output": out}
    for line in out.splitlines():
        text = line.partition(marker)[2].rpartition(marker)[0]
        if text.startswith("{"):
            each = json.loads(text)
            told.update(each if "databases" not in each else {"plan": each})
    return told


old = build("old", case["old"], case["initial"])
new = build("new", case["new"], case["initial"] + case["migrations"])
must(old, "migrate", "-v0")
needs = inspected(old, {"migrate": None})["needs"]
must(new, "migrate", "-v0")
if case.get("rows"):
    must(new, "shell", "-c", "from shop.models import *\n" + case["rows"])
if case.get("sql"):
    must(new, "shell", "-c", "from django.db import connection\nconnection.cursor().execute(%r)" % case["sql"])
since = ["shop.%s" % file for file, _ in case["migrations"]]
reverse = {"wanted": [0], "since": case.get("since", since), "how": case["how"], "downtime": case.get("downtime", False)}
reverse["only-new"] = case.get("onlyNew", False)
seen = inspected(new, {"migrate": None, "locks": 5, "reverse": reverse}, needs)
applied = [line[4:].strip() for line in must(new, "showmigrations", "shop").splitlines() if line.startswith(" [X]")]
print(json.dumps({"seen": seen, "applied": applied, "old": fails(old), "new": fails(new)}))
