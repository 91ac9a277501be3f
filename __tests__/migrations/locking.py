"""Runs one migration by the inspector while its table is in use, and measures how long clients wait.

Run by a Python that has Django: `locking.py <folder> <inspector>`. Standard input has the case as JSON, standard output gets what was
seen as JSON.
"""
import json
import pathlib
import subprocess
import sys
import threading
import time

import psycopg

folder, inspector = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]).read_text()
case = json.load(sys.stdin)
marker = "PLAY42"
manage = """import os, sys
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
"""
settings = """SECRET_KEY = "x"
INSTALLED_APPS = ["shop"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {"default": %r}
"""
models = """from django.db import models
class Shop(models.Model):
    name = models.CharField(max_length=20)
class Order(models.Model):
    shop = models.ForeignKey(Shop, models.CASCADE, null=True)
    n = models.IntegerField(default=0)
"""
migration = """import django.db.models.deletion
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from psycopg import sql
class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    atomic = %r
    operations = [%s]
"""


def write(name, text):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def connect(**more):
    given = case["database"]
    words = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD", "dbname": "NAME"}
    own = dict({word: given[name] for word, name in words.items()}, **given.get("OPTIONS", {}))
    # The server itself, but for what the web sees.
    return psycopg.connect(autocommit=True, **dict(dict(own, **case["direct"]), **more))


def run(*words, **more):
    words = [sys.executable, "manage.py"] + list(words)
    return subprocess.Popen(words, cwd=str(folder), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more)


def rows(query, **more):
    with connect(**more) as connection:
        return [list(row) for row in connection.execute(query).fetchall()]


with connect() as connection:
    for query in case.get("first", []):
        connection.execute(query)
write("manage.py", manage)
write("settings.py", settings % case["database"])
for empty in ("shop/__init__.py", "shop/migrations/__init__.py"):
    write(empty, "")
write("shop/models.py", models)
for words in (["makemigrations", "shop"], ["migrate"]):
    if run(*words).wait():
        raise SystemExit("the first migration failed")
with connect() as connection:
    connection.execute("INSERT INTO shop_order (n) SELECT 1 FROM generate_series(1, 1000)")
    for query in case.get("before", []):
        connection.execute(query)
write("shop/migrations/0002_next.py", migration % (not case.get("concurrent"), case["operations"]))

# Who uses the table, until the migration waits for it.
held, is_free = threading.Event(), threading.Event()


def hold():
    with connect(application_name=case.get("application", "report")) as connection, connection.transaction():
        connection.execute(case["holds"])
        held.set()
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'shop_order'::regclass"
        while case.get("frees") == "waited" and not is_free.is_set():
            if connection.execute(waiting).fetchone()[0]:
                return
        is_free.wait(120)


holder = threading.Thread(target=hold)
if "holds" in case:
    holder.start()
    held.wait(60)

# Who only comes and goes.
over, longest = threading.Event(), [0.0]


def ask():
    with connect(application_name="client") as connection:
        while not over.is_set():
            began = time.monotonic()
            connection.execute("SELECT id FROM shop_order LIMIT 1")
            if not case.get("reads"):
                connection.execute("UPDATE shop_order SET n = n + 1 WHERE id = 5")
            longest[0] = max(longest[0], time.monotonic() - began)
            time.sleep(0.01)


client = threading.Thread(target=ask)
client.start()
spec = {
    "marker": marker,
    "migrate": "%s manage.py migrate" % sys.executable,
    "running": [{"names": ["deployment/web"], "tag": "old", "own": True}],
    "unsafe": "allow",
    "locks": case["wait"],
}
env = {"DJANGO_ROLLOUT_SPEC": json.dumps(spec), "PYTHONDONTWRITEBYTECODE": "1"}
ended = run("shell", "-v", "0", "-c", inspector, env=env)
seen = {"locking": [], "output": ""}
for line in ended.stdout:
    text = line.decode()
    told = text.partition(marker)[2].rpartition(marker)[0]
    if told.startswith('{"locking"'):
        seen["locking"].append(json.loads(told)["locking"])
        if case.get("frees", "waited") != "waited" and "holders" in seen["locking"][-1]:
            # While the migration waits, others have time to be kept waiting.
            threading.Timer(case["frees"], is_free.set).start()
    elif told == "migrate" and case["wait"] is None:
        threading.Timer(case["frees"], is_free.set).start()
    elif told.startswith('{"django"'):
        seen["database"] = json.loads(told)["databases"][0]
    elif not told:
        seen["output"] += text
seen["code"] = ended.wait()
is_free.set()
over.set()
client.join()
if "holds" in case:
    holder.join()
seen["longest"] = longest[0]
seen["applied"] = rows("SELECT count(*) FROM django_migrations WHERE name = '0002_next'")[0][0]
seen["indexes"] = rows("SELECT indexrelid::regclass::text, indisvalid FROM pg_index WHERE indrelid = 'shop_order'::regclass ORDER BY 1")
# As a client of the web sees it, perhaps through the pooler.
given = case["database"]
seen["limits"] = rows("SELECT current_setting('lock_timeout'), current_setting('statement_timeout')", host=given["HOST"], port=given["PORT"])[0]
if "notes" in case:
    seen["notes"] = rows("SELECT * FROM notes")
print(json.dumps(seen))
