"""Plays a release of a project with django-tenants: the schema `public`, and one for each tenant."""
import json
import shutil
import sys

from project import build, case, folder, inspected, run, shell

settings = """SECRET_KEY = "x"
USE_TZ = True
SHARED_APPS = ["django_tenants", "customers", "django.contrib.contenttypes"]
TENANT_APPS = ["shop", "django.contrib.contenttypes"]
INSTALLED_APPS = SHARED_APPS + ["shop"]
TENANT_MODEL, TENANT_DOMAIN_MODEL = "customers.Client", "customers.Domain"
DATABASE_ROUTERS = ["django_tenants.routers.TenantSyncRouter"]
MIDDLEWARE = ["django_tenants.middleware.main.TenantMainMiddleware"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {"default": %r}
"""
customers = """from django.db import models
from django_tenants.models import DomainMixin, TenantMixin
class Client(TenantMixin):
    name = models.CharField(max_length=20, default="n")
%s
class Domain(DomainMixin):
    pass
"""
seed = """
from customers.models import Client
from django.db import connection
from shop.models import Order
for name in %r:
    connection.set_schema_to_public()
    client = Client(schema_name=name)
    client.save(verbosity=0)
    connection.set_tenant(client)
    Order.objects.create()
"""
sql_in = """
from django.db import connection
connection.set_schema(%r)
connection.cursor().execute(%r)
"""
works = """
import json, time
from customers.models import Client
from django.db import connection, transaction
from shop.models import Order
failed = []
def attempt(name, work):
    try:
        with transaction.atomic(): work()
    except Exception:
        failed.append(name)
attempt("public read", lambda: list(Client.objects.all()))
attempt("public insert", lambda: Client.objects.bulk_create([Client(schema_name=str(time.time()))]))
for name in %r:
    connection.set_schema(name)
    attempt(name + " read", lambda: list(Order.objects.all()))
    attempt(name + " insert", lambda: Order.objects.create())
print("@@" + json.dumps(failed))
"""


def made(name, models, migrations, shared=""):
    home = build(name, models, migrations)
    (home / "settings.py").write_text(settings % dict(case["database"], ENGINE="django_tenants.postgresql_backend"))
    (home / "customers/migrations").mkdir(parents=True)
    for empty in ("customers/__init__.py", "customers/migrations/__init__.py"):
        (home / empty).write_text("")
    (home / "customers/models.py").write_text(customers % shared)
    return home


def must(home, *words):
    ended = run(home, *words)
    if ended.returncode:
        raise SystemExit(ended.stdout.decode())


tenants = case.get("tenants", ["acme", "beta"])
old = made("old", case["old"], case["initial"])
must(old, "makemigrations", "customers", "-v0")
new = made("new", case.get("new", case["old"]), dict(case["initial"], **case["migrations"]), case.get("shared", ""))
shutil.copy(str(old / "customers/migrations/0001_initial.py"), str(new / "customers/migrations"))
if "shared" in case:
    must(new, "makemigrations", "customers", "-v0")
# Without a tenant, as a first deploy is.
first = inspected(old, migrate="%s manage.py migrate" % sys.executable)
if first["code"]:
    raise SystemExit(first["output"])
must(old, "shell", "-v0", "-c", seed % tenants)
# Of a release before there was a tenant; or as an image that no release has written reports them.
needs = inspected(old, migrate=None, report=True)["needs"] if case.get("reported") else first["needs"]
for schema, sql in case.get("sql", []):
    must(old, "shell", "-v0", "-c", sql_in % (schema, sql))
for schema in case.get("ahead", []):
    must(new, "migrate_schemas", "-v0", "--schema", schema)
released = inspected(
    new,
    migrate="%s manage.py migrate" % sys.executable,
    running=[{"names": ["deployment/web"], "tag": "old", "needs": 0}],
    earlier=[{"hash": "old", "needs": 0}],
    needs=needs,
    unsafe=case.get("unsafe", "block"),
    backup=case.get("backup"),
    contract={"policy": "next", "bridge": "on"},
    locks=5,
)
# What a rollback asks the old image, and an undo the new one.
proof = inspected(old, migrate=None, prove=True, running=[{"names": ["release 1"], "tag": "old", "own": True}])
reverse = {"wanted": [0], "since": ["shop.0002_next"], "how": "lossless", "downtime": False}
back = inspected(new, migrate=None, locks=5, reverse=reverse, needs=needs)
fails = [shell(home, works % tenants) for home in (old, new)]
print(json.dumps({"released": released, "proof": proof, "back": back, "old": fails[0], "new": fails[1]}))
