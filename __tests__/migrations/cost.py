"""Measures what a plan costs in a project of 200 models and 300 migrations, beyond the start of the project.

Run by a Python that has Django: `cost.py <folder> <inspector> <file>`. The file has the database as JSON, standard output gets seconds
as JSON: by the clock, and of the processor.
"""
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import time

folder, inspector = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]).read_text()
given = json.loads(pathlib.Path(sys.argv[3]).read_text())
marker = "PLAY42"
apps, models_each, times = 10, 20, 9

manage = """import os, sys
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
"""
settings = """SECRET_KEY = "x"
USE_TZ = True
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth"] + ["app%%d" %% n for n in range(%d)]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {"default": %r}
"""
head = """from django.db import migrations, models
class Migration(migrations.Migration):
    dependencies = [%s]
    operations = [%s]
"""
fields = [
    ("name", 'models.CharField(max_length=50, default="n")'),
    ("text", "models.TextField(blank=True)"),
    ("amount", "models.DecimalField(max_digits=10, decimal_places=2, default=0)"),
    ("made", "models.DateTimeField(null=True, db_index=True)"),
    ("flag", "models.BooleanField(default=False)"),
    ("number", "models.IntegerField(null=True)"),
]


def write(name, text):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def make():
    """Each model refers to the one before it, also across apps, so that all are related. The last five migrations of an app add
    a field to four models, and create one."""
    write("manage.py", manage)
    write("settings.py", settings % (apps, given["database"]))
    for app in range(apps):
        label, classes = "app%d" % app, []
        write(label + "/__init__.py", "")
        write(label + "/migrations/__init__.py", "")
        creates, adds = [], []
        for index in range(models_each):
            before = ("app%d" % app, index - 1) if index else ("app%d" % (app - 1), models_each - 1) if app else None
            own = list(fields)
            if before:
                own.append(("parent", 'models.ForeignKey("%s.Model%d", models.CASCADE, null=True, related_name="+")' % before))
            later = [("later", "models.CharField(max_length=9, null=True)")] if index % 2 == 0 else []
            lines = ["    %s = %s" % each for each in own + later]
            classes.append("class Model%d(models.Model):\n%s\n" % (index, "\n".join(lines)))
            columns = [("id", "models.BigAutoField(primary_key=True)")] + own
            creates.append('migrations.CreateModel("Model%d", [%s])' % (index, ", ".join('("%s", %s)' % each for each in columns)))
            adds += ['migrations.AddField("model%d", "%s", %s)' % ((index,) + each) for each in later]
        for number, operation in enumerate(creates[:-1] + adds + creates[-1:], 1):
            needs = ['("%s", "%04d_next")' % (label, number - 1)] if number > 1 else []
            if app and number == 1:
                needs.append('("app%d", "%04d_next")' % (app - 1, models_each + models_each // 2))
            write("%s/migrations/%04d_next.py" % (label, number), head % (", ".join(needs), operation))
        write(label + "/models.py", "from django.db import models\n" + "\n".join(classes))


def run(*words, **more):
    """Returns what it printed, and what it took."""
    env = dict(os.environ, PYTHONPATH="", **more)
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    ended = subprocess.run(
        [sys.executable, "manage.py"] + list(words), cwd=str(folder), env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if ended.returncode:
        raise SystemExit(ended.stdout.decode())
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return ended.stdout.decode(), (time.monotonic() - began, cpu)


def told(out, key):
    lines = [line.partition(marker)[2].rpartition(marker)[0] for line in out.splitlines() if marker in line]
    return [each[key] for each in map(json.loads, filter(lambda line: line.startswith("{"), lines)) if key in each][-1]


def measured(*commands):
    """The medians of each command: what it printed last, and what it took. They take turns, as the machine is not always as fast."""
    taken = [[run("shell", "-v", "0", "-c", text, **env) for text, env in commands] for _ in range(times)]
    for each in zip(*taken):
        clock, processor = zip(*[numbers for _, numbers in each])
        yield each[-1][0], {"clock": statistics.median(clock), "processor": statistics.median(processor)}


def until_ready():
    while subprocess.call([sys.executable, "manage.py", "migrate", "auth", "-v0"], cwd=str(folder), stderr=subprocess.DEVNULL):
        time.sleep(0.5)


make()
until_ready()
spec = {"marker": marker, "migrate": None, "unsafe": "block", "only-plan": True, "locks": 60}
first, _ = run("shell", "-v", "0", "-c", inspector, DJANGO_ROLLOUT_SPEC=json.dumps(dict(spec, running=[])))
needs = told(first, "needs")
spec["running"] = [{"names": ["deployment/web"], "tag": "old", "needs": 0}]
env = {"DJANGO_ROLLOUT_SPEC": json.dumps(spec), "DJANGO_ROLLOUT_NEEDS_0": needs}
run("migrate", "app%d" % (apps - 1), "%04d" % (models_each + models_each // 2 - 5), "-v0")
seen = {"inspector": len(inspector)}
for name in ("five", "nothing"):
    if name == "nothing":
        run("migrate", "-v0")
    (_, seen["start"]), (out, seen[name]) = measured(("pass", {}), (inspector, env))
    seen[name]["pending"] = len(told(out, "databases")[0]["pending"])
    seen[name]["judged"] = len(told(out, "judged")["versions"])
print(json.dumps(seen))
