"""Plays cases while clients of the old and the new code read and write: before the migration, during it, side by side, and after it.

Run by a Python that has Django: `load.py <folder> <inspector> <file>`. The file has the database and the cases as JSON, standard output
gets what was seen, a line of JSON for each case. Each migration is planned, judged and applied by the whole inspector, as in the pod.
"""
import contextlib
import hashlib
import json
import multiprocessing
import os
import pathlib
import random
import shutil
import signal
import string
import subprocess
import sys
import time

# Clients are forked: they begin with Django in memory.
import django
import django.core.management.commands.migrate  # noqa: F401
import django.db.models  # noqa: F401

marker = "PLAY42"
# For each client in each phase.
rounds = 4
patience = 120
phases = ("before", "during", "after", "both", "new")
unsafe_phases = {name: "applied all the same: " + name for name in phases}

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
if DATABASES["default"]["ENGINE"].endswith("mysql"):
    import pymysql
    pymysql.version_info = (2, 2, 7, "final", 0)
    pymysql.install_as_MySQLdb()
"""
# Rows that the new code finds, and deletes.
seed = """import os, django
os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from shop import models as m
kept = m.Shop.objects.create(name="kept")
for _ in range(12):
    left = m.Shop.objects.create(name="left")
    if hasattr(m, "Order"):
        given = {"shop": left} if any(f.name == "shop" for f in m.Order._meta.fields) else {}
        order = m.Order.objects.create(**given)
        if hasattr(order, "tags"): order.tags.add(left)
"""


# InnoDB ends one of two transactions that wait for each other, and expects that it is tried again: a client does, and so
# do people with a release. Where one waits for a row and the other for a table, it sees that only after 50 s (1205).
# https://mariadb.com/kb/en/innodb-lock-modes/, https://mariadb.com/kb/en/innodb-system-variables/#innodb_lock_wait_timeout
deadlocks = ("(1213,", "(1205,")


def is_deadlock(text):
    return any(each in text for each in deadlocks)


class Database:
    """The server; each case gets a database."""

    def __init__(self, given):
        self.given = given

    def ask(self, *queries, within=None):
        words = {"host": self.given["HOST"], "port": int(self.given["PORT"]), "user": self.given["USER"], "password": self.given["PASSWORD"]}
        if self.is_postgres():
            import psycopg

            connection = psycopg.connect(dbname=within or "postgres", autocommit=True, **words)
        else:
            import pymysql

            connection = pymysql.connect(autocommit=True, database=within, **words)
        with contextlib.closing(connection):
            for query in queries:
                connection.cursor().execute(query)

    def is_postgres(self):
        return self.given["ENGINE"].endswith("postgresql")

    def settings_of(self, name):
        if self.given["ENGINE"].endswith("sqlite3"):
            return dict(self.given, NAME="%s/%s.sqlite3" % (sys.argv[1], name))
        return dict(self.given, NAME=name)

    def make(self, name):
        if not self.given["ENGINE"].endswith("sqlite3"):
            self.ask("CREATE DATABASE %s" % name)

    def copy(self, source, name):
        """Returns whether the database could be made of another one."""
        if self.is_postgres():
            self.ask("CREATE DATABASE %s TEMPLATE %s" % (name, source))
            return True
        if self.given["ENGINE"].endswith("sqlite3"):
            shutil.copy(self.settings_of(source)["NAME"], self.settings_of(name)["NAME"])
            return True
        self.ask("CREATE DATABASE %s" % name)
        return False

    def drop(self, name):
        if self.is_postgres():
            self.ask("DROP DATABASE %s WITH (FORCE)" % name)
        elif not self.given["ENGINE"].endswith("sqlite3"):
            self.ask("DROP DATABASE %s" % name)

    def until_ready(self):
        until = time.monotonic() + patience
        while not self.given["ENGINE"].endswith("sqlite3"):
            try:
                return self.ask("SELECT 1")
            except Exception:
                if time.monotonic() > until:
                    raise
                time.sleep(0.2)


class Client:
    """Works as the models of its version do, in a process of its own."""

    def __init__(self, home, who, slot, shared, longest, path):
        self.who, self.slot, self.shared, self.longest = who, slot, shared, longest
        self.file = open(str(path), "a", buffering=1)
        os.chdir(str(home))
        sys.path.insert(0, str(home))
        os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
        self.made, self.number = {}, 0
        self.attempt("start", django.setup)

    def run(self):
        from django.apps import apps

        self.models = list(apps.get_models())
        while not self.shared[stop_of(self.slot)]:
            self.number += 1
            self.round()
            self.shared[rounds_of(self.slot)] += 1
            # The migration needs a processor, too.
            time.sleep(0.08)

    def attempt(self, request, work, again=3):
        phase, began = self.shared[0], time.monotonic()
        self.shared[requests_of(self.slot)] += 1
        try:
            if self.number % 2 and request != "start":
                from django.db import transaction

                # As with ATOMIC_REQUESTS.
                with transaction.atomic():
                    return work()
            return work()
        except Exception as error:
            text = type(error).__name__ + ": " + str(error).split("\n")[0][:160]
            tries_again = is_deadlock(text) and again > 0
            if not tries_again:
                self.file.write(json.dumps([max(phase, self.shared[0]), self.who, request, text]) + "\n")
            if request == "start":
                raise
            from django.db import connection

            connection.close_if_unusable_or_obsolete()
            return self.attempt(request, work, again - 1) if tries_again else None
        finally:
            self.longest[self.slot] = max(self.longest[self.slot], time.monotonic() - began)

    def round(self):
        self.made = {}
        for model in self.models:
            name = model.__name__
            self.attempt(name + ".read", lambda: list(model.objects.order_by("-pk")[:5]))
            if model._meta.managed:
                self.own(model)
        for model, row in self.made.items():
            name = model.__name__
            if row is None:
                continue
            self.attempt(name + ".save", row.save)
            for field in model._meta.many_to_many:
                if field.remote_field.through._meta.auto_created:
                    self.attempt("%s.%s" % (name, field.name), lambda: self.link(row, field))
        leaves = self.who == "old" and self.number % 3 == 0
        for model, row in reversed(list(self.made.items())):
            if row is not None and not leaves:
                self.attempt(model.__name__ + ".delete", row.delete)
        shop = [model for model in self.models if model.__name__ == "Shop"]
        if shop and self.who == "new":
            self.attempt("Shop.delete", lambda: self.delete_left(shop[0]))

    def own(self, model):
        """The row of this round, with what it refers to."""
        if model not in self.made:
            values = {field.name: self.value_of(field) for field in model._meta.concrete_fields if self.is_given(field)}
            self.made[model] = self.attempt(model.__name__ + ".insert", lambda: model.objects.create(**values))
        return self.made[model]

    def is_given(self, field):
        from django.db import models

        if field.is_relation:
            return field.related_model is not field.model
        if getattr(field, "generated", False) or isinstance(field, models.AutoField):
            return False
        # Code that declares it keeps to it.
        return field.unique or field.name == "name" and self.who == "old"

    def value_of(self, field):
        if field.is_relation:
            return self.own(field.related_model)
        if field.name == "name" and not field.unique:
            return "left" if self.number % 3 == 0 else "s"
        if "Integer" in field.get_internal_type():
            return random.randrange(10**6, 2 * 10**9)
        return "".join(random.choice(string.ascii_lowercase) for _ in range(min(field.max_length or 20, 20)))

    def link(self, row, field):
        shop = self.own(field.related_model)
        getattr(row, field.name).add(shop)
        return list(getattr(row, field.name).all())

    def delete_left(self, shop):
        """What the other version has left behind."""
        found = [row for row in shop.objects.filter(name="left").order_by("pk")[:8] if row.pk % 2 == self.slot % 2]
        if found:
            found[0].delete()


def stop_of(slot):
    return 1 + slot * 3


def rounds_of(slot):
    return 2 + slot * 3


def requests_of(slot):
    return 3 + slot * 3


class Clients:
    """Those of one case."""

    def __init__(self, path):
        self.path, self.running, self.count = path, {}, 0
        self.shared = multiprocessing.RawArray("i", 64)
        self.longest = multiprocessing.RawArray("d", 20)

    def start(self, home, who, number):
        for _ in range(number):
            slot = self.count
            self.count += 1
            sys.stdout.flush()
            child = os.fork()
            if not child:
                try:
                    Client(home, who, slot, self.shared, self.longest, self.path).run()
                finally:
                    os._exit(0)
            self.running[slot] = (child, who)

    def phase(self, name, applied_all_the_same=False):
        self.shared[0] = phases.index(name) + (len(phases) if applied_all_the_same else 0)

    def work(self):
        """Waits until each has gone through some rounds."""
        wanted = {slot: self.shared[rounds_of(slot)] + rounds for slot in self.running}
        until = time.monotonic() + patience
        while any(self.shared[rounds_of(slot)] < number for slot, number in wanted.items()):
            ended = [who for child, who in self.running.values() if os.waitpid(child, os.WNOHANG)[0]]
            if ended or time.monotonic() > until:
                raise RuntimeError("clients of %s" % (ended or "a version do not get on"))
            time.sleep(0.01)

    def stop(self, who=None):
        for slot, (child, version) in list(self.running.items()):
            if who in (None, version):
                self.shared[stop_of(slot)] = 1
        for slot, (child, version) in list(self.running.items()):
            if who in (None, version):
                del self.running[slot]
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(child, 0)

    def kill(self):
        for child, _ in self.running.values():
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)

    def requests(self):
        return sum(self.shared[requests_of(slot)] for slot in range(self.count))

    def failures(self):
        """How often a request failed, by phase, version, request and error."""
        found = {}
        names = list(phases) + [unsafe_phases[name] for name in phases]
        for line in pathlib.Path(self.path).read_text().splitlines():
            phase, who, request, error = json.loads(line)
            key = (names[phase], who, request)
            found.setdefault(key, [0, error])[0] += 1
        return [
            {"phase": phase, "version": who, "request": request, "error": error, "times": times}
            for (phase, who, request), (times, error) in found.items()
        ]


class Worker:
    """Plays one case after the other."""

    def __init__(self, number, folder, inspector, database, more):
        self.number, self.folder, self.inspector, self.database, self.more = number, folder, inspector, database, more
        # What the old version needs, and the database that it has made, by its content.
        self.prepared = {}

    def build(self, name, models, migrations, database):
        home = self.folder / name
        (home / "shop/migrations").mkdir(parents=True)
        (home / "manage.py").write_text(manage)
        (home / "settings.py").write_text(settings % self.database.settings_of(database))
        (home / "seed.py").write_text(seed)
        for empty in ("shop/__init__.py", "shop/migrations/__init__.py"):
            (home / empty).write_text("")
        (home / "shop/models.py").write_text("from django.db import models\n" + models)
        for file, text in migrations.items():
            (home / ("shop/migrations/%s.py" % file)).write_text(text)
        return home

    def inspected(self, home, needs=None, **spec):
        """The lines of the inspector, and how it ended."""
        env = dict(os.environ, DJANGO_ROLLOUT_SPEC=json.dumps(dict(spec, marker=marker, volumes=[sys.argv[1]])))
        if needs:
            env["DJANGO_ROLLOUT_NEEDS_0"] = needs
        words = [sys.executable, "manage.py", "shell", "-v", "0", "-c", self.inspector]
        ended = subprocess.run(words, cwd=str(home), env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        out = ended.stdout.decode()
        told = {"code": ended.returncode, "output": out[-1500:] if ended.returncode else ""}
        for line in out.splitlines():
            text = line.partition(marker)[2].rpartition(marker)[0]
            if text.startswith("{"):
                each = json.loads(text)
                told.setdefault("refused", []).extend([each["tried"]] if "tried" in each else [])
                told.update({"plan": each} if "databases" in each else each)
        return told

    def prepare(self, case, name):
        """The database of a case, with the old version's tables and rows; returns what it needs."""
        migrations = dict(case["initial"], **case["base"])
        key = hashlib.sha1(json.dumps([case["old"], migrations], sort_keys=True).encode()).hexdigest()[:10]
        known = self.prepared.get(key)
        if known is None:
            source = "t%d%s" % (self.number, key)
            self.database.make(source)
            known = self.prepared[key] = self.migrated(case, migrations, source)
        if not self.database.copy("t%d%s" % (self.number, key), name):
            self.migrated(case, migrations, name)
        return known

    def migrated(self, case, migrations, database):
        home = self.build(database + "-first", case["old"], migrations, database)
        # A command of its own: it does more than to migrate.
        told = self.inspected(home, migrate="%s seed.py" % sys.executable, always=True)
        if told["code"]:
            raise RuntimeError(told["output"])
        return told["needs"]

    def play(self, index, case):
        began = time.monotonic()
        name = "c%d%d" % (self.number, index)
        needs = self.prepare(case, name)
        migrations = dict(case["initial"], **case["base"])
        old = self.build(name + "-old", case["old"], migrations, name)
        new = self.build(name + "-new", case["new"], dict(migrations, **case["migrations"]), name)
        spec = {"migrate": "%s manage.py migrate -v0" % sys.executable, "locks": 60, "needs": needs}
        spec["running"] = [{"names": ["deployment/web"], "tag": "old", "needs": 0}]
        spec.update(self.more.get("spec", {}))
        clients = Clients(self.folder / (name + ".failures"))
        pathlib.Path(clients.path).write_text("")
        try:
            clients.start(old, "old", 2)
            clients.work()
            clients.phase("during")
            told = self.inspected(new, unsafe="block", **spec)
            for _ in range(3):
                if is_deadlock(told["output"]):
                    told = self.inspected(new, unsafe="block", **spec)
            seen = self.told_of(case, told)
            if not seen["blocked"] and not seen["refused"]:
                self.roll(clients, new)
            else:
                clients.phase("after")
                clients.work()
                if self.more.get("control"):
                    # It has written nothing: what it would have done is seen now.
                    clients.phase("during", True)
                    forced = self.inspected(new, unsafe="allow", **dict(spec, contract=None))
                    seen["forced"] = forced["code"]
                    self.roll(clients, new, True)
            clients.stop()
            seen["requests"], seen["failed"] = clients.requests(), clients.failures()
            seen["longest"] = round(max(clients.longest), 3)
        finally:
            clients.kill()
        self.database.drop(name)
        seen["seconds"] = round(time.monotonic() - began, 1)
        return seen

    def halve(self, index, case):
        """Plays a migration that fails halfway, fails again, is taken back, ends, is forgotten, and is recorded."""
        name = "h%d%d" % (self.number, index)
        needs = self.prepare(case, name)
        migrations = dict(case["initial"], **case["base"])
        new = self.build(name + "-new", case["new"], dict(migrations, **case["migrations"]), name)
        spec = {"migrate": "%s manage.py migrate -v0" % sys.executable, "locks": 60, "needs": needs, "unsafe": "allow"}
        spec["running"] = [{"names": ["deployment/web"], "tag": "old", "needs": 0}]
        seen = {"name": case["name"], "codes": [], "told": []}

        def release():
            told = self.inspected(new, **spec)
            seen["codes"].append(told["code"])
            seen["told"].append(told.get("verified"))
            return [step for each in told.get("verified") or [] if each.get("half") for step in each["half"]["steps"]]

        steps = release()
        release()
        seen["back"] = [sql for step in reversed(steps) if step["seen"] for sql in step["sql"] if not sql.startswith("--")]
        self.database.ask(*(seen["back"] + [case["mends"]]), within=name)
        release()
        self.database.ask("DELETE FROM django_migrations WHERE app = 'shop' AND name = '0002_next'", within=name)
        release()
        words = [sys.executable, "manage.py", "migrate", "--fake", "shop", "0002_next"]
        subprocess.run(words, cwd=str(new), check=True, stdout=subprocess.DEVNULL)
        release()
        self.database.drop(name)
        return seen

    def roll(self, clients, new, all_the_same=False):
        clients.phase("after", all_the_same)
        clients.work()
        clients.phase("both", all_the_same)
        clients.start(new, "new", 2)
        clients.work()
        clients.stop("old")
        clients.phase("new", all_the_same)
        clients.work()
        clients.stop()

    def told_of(self, case, told):
        if "plan" not in told:
            raise RuntimeError(told["output"])
        judged, databases = told["plan"]["judged"], told["plan"]["databases"]
        return {
            "name": case["name"],
            "code": told["code"],
            "output": told["output"],
            "blocked": judged["blocked"],
            "refused": ["%(rule)s %(object)s: %(detail)s" % each for each in told["refused"]],
            "findings": sorted({"%(severity)s %(rule)s %(object)s" % each for each in judged["findings"]}),
            "held": [each["name"] for one in databases for each in one.get("held") or []],
            "bridges": ["%(kind)s %(table)s.%(column)s" % each for one in databases for each in one.get("bridges") or []],
        }

    def run(self, cases, taken, write):
        while True:
            with taken.get_lock():
                index = taken.value
                taken.value += 1
            if index >= len(cases):
                return
            try:
                seen = (self.halve if "mends" in cases[index] else self.play)(index, cases[index])
            except Exception as error:
                seen = {"name": cases[index]["name"], "error": "%s: %s" % (type(error).__name__, str(error)[-1500:])}
            os.write(write, (json.dumps(seen) + "\n").encode())


def main():
    folder, inspector = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]).read_text()
    given = json.loads(pathlib.Path(sys.argv[3]).read_text())
    database = Database(given["database"])
    database.until_ready()
    taken = multiprocessing.Value("i", 0)
    children = []
    for number in range(given.get("workers", 2)):
        child = os.fork()
        if not child:
            try:
                own = folder / str(number)
                shutil.rmtree(str(own), ignore_errors=True)
                own.mkdir(parents=True)
                Worker(number, own, inspector, database, given).run(given["cases"], taken, 1)
            except BaseException:
                import traceback

                traceback.print_exc()
            finally:
                os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)


main()
