"""A project of a case in a folder: its versions are built, inspected, and asked what their code really does.

Run by a Python that has Django: `<script> <folder> <inspector>`. Standard input has the case and the database as JSON, standard
output gets what was seen as JSON.
"""
import json
import os
import pathlib
import shutil
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
    attempt(name + ".insert", lambda: [model.objects.create(), model.objects.create()])
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
    env = dict(os.environ, PYTHONDONTWRITEBYTECODE="1", **more)
    return subprocess.run(
        [sys.executable, "manage.py"] + list(words), cwd=str(home), env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def shell(home, code):
    out = run(home, "shell", "-c", code).stdout.decode()
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
            told.update({"plan": each} if "databases" in each else each)
        else:
            told[line] = True
    if "plan" not in told:
        raise SystemExit(out)
    return told
