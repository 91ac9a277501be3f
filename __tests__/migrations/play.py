"""Plays one case: two versions of a project, the migrations between them, and what the code of each really does.

Run by a Python that has Django: `play.py <folder> <inspector>`. Standard input has the case and the database as JSON, standard
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
            told.update(each if "needs" in each or "verified" in each else {"plan": each})
        else:
            told[line] = True
    if "plan" not in told:
        raise SystemExit(out)
    return told


old = build("old", case["old"], dict(case["initial"], **case["base"]))
new = build("new", case["new"], dict(case["initial"], **dict(case["base"], **case["migrations"])))
migrate = "%s manage.py migrate -v0" % sys.executable
(old / "seed.py").write_text(seed)
# A command of its own: it does more than to migrate.
first = inspected(old, migrate="%s seed.py" % sys.executable, always=True, volumes=[str(folder)])
if first["code"]:
    raise SystemExit(first["output"])
versions = [{"names": ["deployment/web"], "tag": "old", "needs": 0}]
by_state = None
if case.get("thorough") or "byState" in case:
    by_state = inspected(new, migrate=None, running=[{"names": ["deployment/web"], "tag": "old"}])
spec = {"migrate": migrate, "running": versions, "needs": first["needs"], "volumes": [str(folder)]}
spec["earlier"] = [{"hash": "old", "needs": 0}]
plan = inspected(new, unsafe="block", **spec)


def code_of(found):
    return [line for finding in found for line in finding.get("code", [])]


def twin_of(found):
    """What is judged of the safe way that is offered, in place of the migration; nothing where none is."""
    running = [finding for finding in found if finding["direction"] == "running"]
    code = code_of(running) or code_of(found)
    if not code:
        return None
    if "# In the next release:" in code:
        code = code[: code.index("# In the next release:")]
    own = case["migrations"]["0002_next"]
    head, _, operations = own.partition("operations = [")
    # What is left behind is mended before the migration's own operations.
    rest = operations if not code_of(running) else "]"
    text = head + "operations = [\n" + "\n".join(code) + "\n" + rest
    home = build("twin", case["new"], dict(case["initial"], **{"0002_next": text}))
    twin = inspected(home, unsafe="block", **dict(spec, migrate=None))["plan"]["judged"]["findings"]
    # The model of the new version is not changed here, as it has to be for some.
    direction = "running" if code_of(running) else "new"
    return [finding for finding in twin if finding["direction"] == direction]


blocked = plan["plan"]["judged"]["blocked"]
twin = twin_of(plan["plan"]["judged"]["findings"]) if case.get("twin") else None
# One that is blocked has written nothing: what it would have done is seen now.
applied = inspected(new, unsafe="allow", **spec) if blocked else plan
# What a rollback asks the old image.
proof = inspected(old, migrate=None, prove=True, running=[{"names": ["release 1"], "tag": "old", "own": True}])
print(
    json.dumps(
        {
            "plan": plan,
            "applied": applied,
            "proof": proof,
            "twin": twin,
            "by_state": by_state,
            "old": shell(old, "WHO = 'old'\n" + probe),
            "new": shell(new, "WHO = 'new'\n" + probe),
        }
    )
)
