"""A project of a case in a folder: its versions are built, inspected, and asked what their code really does.

Run by a Python that has Django: `<script> <folder> <inspector>`. Standard input has the case and the database as JSON, standard
output gets what was seen as JSON.
"""
import json
import os
import pathlib
import shutil
import sys
import traceback
import types

import django.core.management

# What each start of a project reads: those that are forked from here have it already.
import django.core.management.commands.migrate
import django.core.management.commands.shell
import django.db.backends.postgresql.base
import django.db.models

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
# Django 6.0 wants an app for ArrayField, which it needs for forms and signals alone.
SILENCED_SYSTEM_CHECKS = ["postgres.E005"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {"default": %r}
"""
seed = """import os, django
os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from shop import models as m
doomed = m.Shop.objects.create(name="doomed"); kept = m.Shop.objects.create(name="kept")
if hasattr(m, "Order"):
    given = {"shop": doomed} if any(f.name == "shop" for f in m.Order._meta.fields) else {}
    order = m.Order.objects.create(**given)
    if hasattr(order, "tags"): order.tags.add(kept)
"""
probe = """
import json
from django.apps import apps
from django.db import transaction
from shop import models as m
failed = {}
def attempt(name, work):
    try:
        with transaction.atomic(): work()
    except Exception as error:
        failed[name] = type(error).__name__ + ": " + str(error).split(chr(10))[0][:120]
def insert(model):
    # From Django 6.0 on, a row that the database has dropped is no error.
    if model.objects.create().pk is None: raise ValueError("no row")
def save(model):
    row = model.objects.first()
    if row: row.save()
def link(model, field):
    row, shop = model.objects.first(), m.Shop.objects.last()
    if row and shop: getattr(row, field.name).add(shop); list(getattr(row, field.name).all())
def delete():
    shop = m.Shop.objects.filter(name="doomed").first()
    if shop: shop.delete()
for model in apps.get_models():
    name = model.__name__
    attempt(name + ".read", lambda: list(model.objects.all()[:3]))
    attempt(name + ".insert", lambda: [insert(model), insert(model)])
    attempt(name + ".save", lambda: save(model))
    for field in model._meta.many_to_many:
        if field.remote_field.through._meta.auto_created:
            attempt(name + "." + field.name, lambda: link(model, field))
if WHO == "new": attempt("Shop.delete", delete)
print("@@" + json.dumps(failed))
"""


def build(name, models, migrations):
    home = folder / name
    shutil.rmtree(str(home), ignore_errors=True)
    (home / "shop/migrations").mkdir(parents=True)
    (home / "manage.py").write_text(manage)
    (home / "settings.py").write_text(settings % case["database"])
    for empty in ("shop/__init__.py", "shop/migrations/__init__.py"):
        (home / empty).write_text("")
    (home / "shop/models.py").write_text("from django.db import models\n" + models)
    for file, text in migrations.items():
        (home / ("shop/migrations/%s.py" % file)).write_text(text)
    return home


def run(home, *words, **more):
    """`manage.py` with these words: how it ended, and what it printed. A child of this Python, since Django is loaded here."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        os.dup2(writer, 1)
        os.dup2(writer, 2)
        os.close(writer)
        os._exit(managed(home, words, more))
    os.close(writer)
    with os.fdopen(reader, "rb") as printed:
        out = printed.read()
    status = os.waitpid(child, 0)[1]
    return types.SimpleNamespace(returncode=os.WEXITSTATUS(status) if os.WIFEXITED(status) else 1, stdout=out)


def managed(home, words, more):
    """The child's part; its exit code."""
    os.chdir(str(home))
    os.environ.update(dict(more, DJANGO_SETTINGS_MODULE="settings", PYTHONDONTWRITEBYTECODE="1"))
    sys.path[0], sys.argv = str(home), ["manage.py"] + list(words)
    # A run may start itself once more.
    sys.orig_argv = [sys.executable] + sys.argv
    code = 0
    try:
        django.core.management.execute_from_command_line(sys.argv)
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def shell(home, code):
    # Names of its own: Django 2.2 runs the code within a function.
    out = run(home, "shell", "-c", "exec(%r, {})" % code).stdout.decode()
    told = [line[2:] for line in out.splitlines() if line.startswith("@@")]
    return json.loads(told[-1]) if told else {"error": out[-600:]}


def inspected(home, **spec):
    """The lines of the inspector, and how it ended."""
    needs = spec.pop("needs", None)
    env = {"DJANGO_ROLLOUT_SPEC": json.dumps(dict(spec, marker=marker))}
    if needs:
        env["DJANGO_ROLLOUT_NEEDS_0"] = needs
    ended = run(home, "shell", "-v", "0", "-c", inspector, **env)
    out = ended.stdout.decode()
    lines = [line.partition(marker)[2].rpartition(marker)[0] for line in out.splitlines() if marker in line]
    told = {"code": ended.returncode, "output": out if ended.returncode else ""}
    for line in lines:
        if line.startswith("{"):
            each = json.loads(line)
            told["refused"] = told.get("refused", []) + [each["tried"]] if "tried" in each else told.get("refused", [])
            told.update({"plan": each} if "databases" in each else each)
        else:
            told[line] = True
    if "plan" not in told:
        raise SystemExit(out)
    return told
