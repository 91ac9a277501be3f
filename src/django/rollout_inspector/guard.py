"""Takes a migration's locks on PostgreSQL without making others wait for it. Runs inside of the migrate command.

While a statement waits for a lock, all that comes after it waits behind it. So before the first statement that locks a
table strongly: look who holds it, wait outside of the queue, then try for a moment all tables that the migration begins
with. Everything is set for the transaction alone: behind a pooler the session is someone else's a moment later.
"""
import json
import os
import random
import re
import sys
import time
import zipfile
from contextlib import ExitStack
from importlib import util
from importlib.machinery import PathFinder

from rollout_inspector import locks, reader, task, trial
from rollout_inspector.progress import Progress

executor = "django.db.migrations.executor"
# How long others may wait behind one try, in ms.
try_ms = 200
# An automatic VACUUM gives way to one that waits in line for longer than deadlock_timeout, a second.
line_ms = 1500
# How long to wait where the transaction has something that others wait for, in seconds.
closed_seconds = 1
# lock_not_available, deadlock_detected
busy = ("55P03", "40P01")
# query_canceled: our own time limit of LOCK TABLE
canceled = "57014"
# "... cannot run inside a transaction block"
no_block = "25001"
# What has no lock of its own before it: no other statement may be under the limit of a try.
apart = re.compile(r"\b(VIEW|FOREIGN TABLE|DROP TABLE)\b", re.IGNORECASE)
maintenance = "ShareUpdateExclusiveLock"
conflicts = {
    "SHARE": ["RowExclusiveLock", maintenance, "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock"],
    "ACCESS EXCLUSIVE": ["AccessShareLock", "RowShareLock", "ShareLock"],
}
conflicts["SHARE ROW EXCLUSIVE"] = conflicts["SHARE"] + ["ShareLock"]
conflicts["ACCESS EXCLUSIVE"] += conflicts["SHARE"]


def begin(path):
    """As the module sitecustomize: in each Python that the migrate command starts."""
    with zipfile.ZipFile(path) as archive:
        task.spec.update(json.loads(archive.read("task.json").decode("ascii")))
    sys.path[:] = [each for each in sys.path if each != path]
    sys.path_importer_cache.pop(path, None)
    sys.meta_path.insert(0, Hook)
    # The one that this is in place of.
    spec = PathFinder.find_spec("sitecustomize")
    if spec:
        sys.modules["sitecustomize"] = module = util.module_from_spec(spec)
        spec.loader.exec_module(module)


class Hook:
    """Is there when Django's executor of migrations has been imported."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name != executor:
            return None
        sys.meta_path.remove(Hook)
        spec = util.find_spec(name)
        try:
            run = spec.loader.exec_module

            def exec_module(module):
                run(module)
                hold_back(module)
                guard(module.MigrationExecutor)

            spec.loader.exec_module = exec_module
        except AttributeError:
            # A loader of another kind: Django locks as ever.
            pass
        return spec


def guard(own):
    apply = own.apply_migration
    path = os.environ.pop("DJANGO_ROLLOUT_LOCKS", "")
    others = [each for each in os.environ.pop("PYTHONPATH", "").split(os.pathsep) if each not in ("", path)]
    if others:
        os.environ["PYTHONPATH"] = os.pathsep.join(others)

    def apply_migration(self, state, migration, *args, **options):
        with ExitStack() as stack:
            stack.enter_context(Progress(self.connection, "%s.%s" % (migration.app_label, migration.name)))
            is_postgresql = self.connection.vendor == "postgresql"
            if is_postgresql and task.spec["leading"] is not None:
                stack.enter_context(self.connection.execute_wrapper(Guard(self.connection, migration)))
            if task.spec["kept"]:
                stack.enter_context(self.connection.execute_wrapper(DefaultsKept(self.connection, migration)))
            name = "%s.%s" % (migration.app_label, migration.name)
            tries = task.spec["tries"].get("%s %s" % (self.connection.alias, name))
            if tries:
                own = migration.apply
                migration.apply = trial.Trial(self.connection, name, tries).around(own)
                stack.callback(delattr, migration, "apply")
            return apply(self, state, migration, *args, **options)

    own.apply_migration = apply_migration
    task.say(json.dumps({"locking": {"ready": True}}))


def hold_back(module):
    """Leaves out what is held back, whatever the command asks for; and stops where somebody applies it all the same."""
    held = {tuple(each) for each in task.spec["held"]}
    if not held:
        return
    from django.db.migrations.migration import Migration

    own, recorder = module.MigrationExecutor, module.MigrationRecorder
    plan, record, apply = own.migration_plan, recorder.record_applied, Migration.apply

    def refuse(alias, app, name):
        if (alias, app, name) in held:
            from django.core.management import CommandError

            raise CommandError("%s.%s is held back: nothing of it is applied" % (app, name))

    def migration_plan(self, *args, **options):
        return [
            each
            for each in plan(self, *args, **options)
            if each[1] or (self.connection.alias, each[0].app_label, each[0].name) not in held
        ]

    def record_applied(self, app, name):
        refuse(self.connection.alias, app, name)
        return record(self, app, name)

    def apply_held(self, project_state, schema_editor, *args, **options):
        refuse(schema_editor.connection.alias, self.app_label, self.name)
        return apply(self, project_state, schema_editor, *args, **options)

    own.migration_plan, recorder.record_applied, Migration.apply = migration_plan, record_applied, apply_held


class DefaultsKept:
    """Leaves out the DROP DEFAULT that Django sends after its own ADD COLUMN of a column that keeps its default."""

    def __init__(self, connection, migration):
        quote = connection.ops.quote_name
        name = "%s.%s" % (migration.app_label, migration.name)
        self.columns = [
            "ALTER TABLE %s %%s COLUMN %s " % (quote(table), quote(column))
            for alias, of, table, column in task.spec["kept"]
            if (alias, of) == (connection.alias, name)
        ]
        self.connection = connection
        self.added = None

    def __call__(self, execute, sql, params, many, context):
        text = str(sql) if self.columns else ""
        if self.added is not None and text == self.added % "ALTER" + "DROP DEFAULT":
            self.added = None
            return None
        for column in self.columns:
            if text.startswith(column % "ADD") and " DEFAULT " in text and " NOT NULL" in text:
                self.added = column
        return execute(sql, params, many, context)


def code_of(error):
    cause = error.__cause__
    return getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)


class Guard:
    """Of one migration."""

    def __init__(self, connection, migration):
        self.connection = connection
        self.atomic = migration.atomic
        self.migration = "%s.%s" % (migration.app_label, migration.name)
        key = "%s %s" % (connection.alias, self.migration)
        self.planned = task.spec["leading"].get(key, []) if self.atomic else []
        # Modes of the tables that the transaction has locked.
        self.held = {}
        # Those of them whose partitions are not locked.
        self.narrow = set()
        self.is_closed = False
        self.is_own = False

    def __call__(self, execute, sql, params, many, context):
        def run():
            return execute(sql, params, many, context)

        text = "" if self.is_own else self.text_of(sql)
        if not locks.strong.search(text):
            return run()
        statements = [each for each in reader.statements_of(text, False) if each]
        if any(locks.begins(locks.control, each) for each in statements):
            self.say(note="it begins, ends or sets a transaction itself, and locks as Django does: %s" % text[:60])
            return run()
        every, wanted = locks.of_sql(text), locks.of_sql(locks.leading([text]))
        is_later = len(every) > len(wanted)
        if is_later or every and len(statements) > 1 and apart.search(text):
            # What comes after a statement that works on rows is locked when that is done.
            parts = [] if params or many or not isinstance(sql, str) else locks.pieces(text)
            if len(parts) > 1:
                if self.connection.in_atomic_block:
                    return self.each(parts, execute, params, many, context)
                with self.transaction():
                    return self.each(parts, execute, params, many, context)
        if is_later:
            self.say(note="what comes after the first statement that works on rows or on names is locked as Django does: %s" % text[:60])
        return self.strong(text, wanted, run)

    def each(self, parts, execute, *rest):
        return [self(execute, part, *rest) for part in parts][-1]

    def text_of(self, sql):
        try:
            if hasattr(sql, "as_string"):
                return sql.as_string(self.connection.connection)
            return sql.decode() if isinstance(sql, bytes) else str(sql)
        except Exception as error:
            self.say(note="a statement could not be read: %s" % one_line(error))
            return ""

    def transaction(self):
        from django.db import transaction

        return transaction.atomic(using=self.connection.alias, savepoint=False)

    def strong(self, text, wanted, run):
        from django.db import DatabaseError

        for what, statement, _ in wanted:
            if what == "unread":
                self.say(note="what this statement locks is not known beforehand: %s" % statement)
        wanted = [each for each in wanted if each[0] != "unread"]
        is_open = self.connection.in_atomic_block
        if not is_open:
            for index, table in locks.concurrent_of(text):
                try:
                    self.repair(index, table)
                except DatabaseError as error:
                    self.say(note="the index %s was not read: %s" % (index, one_line(error)))
        if not wanted:
            return run()
        statements = [each for each in reader.statements_of(text, False) if each]
        if is_open:
            return self.locked(wanted, statements, run)
        try:
            with self.transaction():
                return self.locked(wanted, statements, run)
        except DatabaseError as error:
            if code_of(error) != no_block:
                raise
            self.say(note="it cannot be in a transaction, and locks as Django does: %s" % text[:60])
            return run()

    def sql(self, text, values=None):
        """Rows of one of our queries."""
        self.is_own = True
        try:
            with self.connection.cursor() as cursor:
                cursor.execute(text, values)
                return cursor.fetchall() if cursor.description else []
        finally:
            self.is_own = False

    def say(self, **more):
        more.update(migration=self.migration, database=self.connection.alias)
        task.say(json.dumps({"locking": more}))

    def inside(self, work):
        """In a savepoint: what fails leaves the transaction as it was."""
        self.sql("SAVEPOINT django_rollout")
        try:
            return work()
        except Exception:
            self.sql("ROLLBACK TO SAVEPOINT django_rollout")
            raise
        finally:
            self.sql("RELEASE SAVEPOINT django_rollout")

    def locked(self, wanted, statements, run):
        """Runs a statement with the locks that it needs, and those that the next ones need."""
        from django.db import DatabaseError

        planned, names = [], {each[1] for each in self.planned}
        is_quick = all(locks.is_quick(each, set()) for each in statements)
        # A constraint's name may not have been known when the SQL was collected.
        if all(each in self.planned or is_quick and each[1] in names for each in wanted):
            planned, self.planned = self.planned, []
        try:
            if self.sql("SHOW transaction_isolation")[0][0] != "read committed":
                # The first look would decide what the migration sees of the rows.
                self.say(note="its transaction is not read committed: it takes its locks without a look first")
                return run()
            self.inside(self.look_at_own)
            now = self.inside(lambda: locks.resolved(self.sql, wanted))
            is_drop = any(table["by_drop"] for table in now.values())
            if is_drop:
                # It is tried by itself: nothing else is held for as long as that takes.
                planned, self.planned = [], planned
            tables = self.inside(lambda: locks.resolved(self.sql, wanted + planned)) if planned else now
        except DatabaseError as error:
            self.say(note="what the next statements lock is not known: %s" % one_line(error))
            return run()
        order = locks.modes.index
        missing = {
            oid: table
            for oid, table in tables.items()
            if oid not in self.held
            or order(self.held[oid]) < order(table["mode"])
            or oid in self.narrow and not table["only"]
        }
        # Views and foreign tables cannot be locked by a statement of their own.
        first = {
            oid: table
            for oid, table in missing.items()
            if table["kind"] in "rp" and not is_drop and not table["by_drop"]
        }
        try:
            if first:
                self.take(first)
                self.hold(first)
        except DatabaseError as error:
            self.say(note="%s cannot be locked beforehand: %s" % (", ".join(told(first)), one_line(error)))
            first = {}
        rest = {oid: table for oid, table in missing.items() if oid in now and oid not in first}
        if not rest:
            return run()
        if len(statements) > 1:
            # The limit of a try would count for the others, too.
            self.say(note="it is not certain where its statements end, and it locks as Django does: %s" % statements[0][:60])
            return run()
        result = self.take(rest, run)
        self.hold(rest)
        return result

    def hold(self, tables):
        self.held.update((oid, table["mode"]) for oid, table in tables.items())
        self.narrow.update(oid for oid, table in tables.items() if table["only"])
        self.narrow.difference_update(oid for oid, table in tables.items() if not table["only"])

    def look_at_own(self):
        """What the transaction has locked or written is not known from what was run: it may have rolled back a part."""
        # To take a number from a sequence makes nobody wait, and the lock stays when that is rolled back.
        query = (
            "SELECT relation, mode FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'relation' AND relation >= 16384 "
            "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND NOT (mode = 'RowExclusiveLock' "
            "AND EXISTS (SELECT 1 FROM pg_class c WHERE c.oid = relation AND c.relkind = 'S'))"
        )
        own = set(self.sql(query))
        self.held = {oid: mode for oid, mode in self.held.items() if (oid, mode.title().replace(" ", "") + "Lock") in own}
        # What it has created itself is not known to others.
        self.is_closed = any(mode == "RowExclusiveLock" and (oid, "AccessExclusiveLock") not in own for oid, mode in own)

    def lock(self, tables, mode=None):
        end = time.monotonic() + (line_ms if mode else try_ms) / 1000.0
        for table in sorted(tables.values(), key=lambda each: each["name"]):
            # Who waits for the first one waits for the others, too; and lock_timeout counts again for each partition.
            left = "%dms" % max(10, (end - time.monotonic()) * 1000)
            self.limit(left, left)
            self.sql("LOCK TABLE %s%s IN %s MODE" % ("ONLY " if table["only"] else "", table["name"], mode or table["mode"]))

    def limit(self, *values):
        """For the transaction alone: of waiting for a lock, and of a statement."""
        for name, value in zip(("lock_timeout", "statement_timeout"), values):
            self.sql("SELECT set_config(%s, %s, true)", [name, value])

    def attempt(self, work, is_lock=True):
        """Whether the locks were free, and the result."""
        from django.db import DatabaseError

        def limited():
            before = self.sql("SELECT current_setting('lock_timeout'), current_setting('statement_timeout')")[0]
            if not is_lock:
                self.limit("%dms" % try_ms)
            result = work()
            if is_lock:
                self.limit(*before)
            elif self.sql("SELECT current_setting('lock_timeout')")[0][0] == "%dms" % try_ms:
                # Else it has set its own.
                self.limit(before[0])
            return result

        try:
            return True, self.inside(limited)
        except DatabaseError as error:
            if code_of(error) in busy or is_lock and code_of(error) == canceled:
                return False, None
            raise

    def take(self, tables, run=None):
        """Locks tables, by a statement of its own where there is no other."""
        from django.core.management import CommandError

        limit = task.spec["wait"]
        is_closed = bool(self.held) or self.is_closed
        if is_closed:
            limit = min(limit, closed_seconds)
        began, seen, last, looks, next_word = time.monotonic(), {}, [], 0, 1

        def say(**more):
            self.say(tables=told(tables), waited=round(waited, 1), limit=limit, closed=is_closed, **more)

        while True:
            found = self.look(tables)
            now = time.monotonic()
            waited = now - began
            last = found or last
            seen = {each["id"]: seen.get(each["id"], now) for each in found}
            # On a table that is never free for long, holders of some age are waited for in the queue, too.
            reach = min(1.5, 0.15 * 2 ** (waited // 2))
            stay = [each for each in found if now - seen[each["id"]] >= reach]
            if not found or looks and not stay:
                is_free, result = self.attempt(run, False) if run else self.attempt(lambda: self.lock(tables))
                if is_free:
                    if next_word > 1:
                        say(taken=True)
                    return result
            elif looks and all(each["mode"] == maintenance for each in stay):
                # Nobody who reads or writes waits behind this lock.
                self.attempt(lambda: self.lock(tables, "SHARE UPDATE EXCLUSIVE"))
            if looks and waited >= limit:
                say(over=True, holders=last[:5])
                so_far = "nothing was changed" if self.atomic else "what its operations did before stays"
                so_far = "what its transaction did before is rolled back" if is_closed else so_far
                used = told(tables)
                raise CommandError("%s %s in use for %d s: %s" % (", ".join(used), "were" if used[1:] else "was", limit, so_far))
            if waited >= next_word:
                say(holders=last[:5])
                next_word = waited + 10
            looks += 1
            time.sleep(random.uniform(0.15, 0.3))

    def look(self, tables):
        from django.db import DatabaseError

        try:
            return self.inside(lambda: self.holders(tables))
        except DatabaseError:
            # A server that only speaks PostgreSQL's language.
            return []

    def holders(self, tables):
        """Who has a lock that keeps ours away."""
        pairs = [(oid, mode, table.get("only", False)) for oid, table in tables.items() for mode in conflicts[table["mode"]]]
        # Else a transaction sees always the same.
        self.sql("SELECT pg_stat_clear_snapshot()")
        rows = self.sql(
            (
                "WITH RECURSIVE w(oid, mode, narrow) AS (SELECT * FROM unnest(%s::oid[], %s::text[], %s::boolean[]) UNION "
                "SELECT i.inhrelid, w.mode, false FROM pg_inherits i JOIN w ON i.inhparent = w.oid WHERE NOT w.narrow) "
                "SELECT l.pid, l.virtualtransaction, l.mode, a.usename::text, a.application_name, a.state, "
                "extract(epoch FROM clock_timestamp() - a.xact_start)::float, left(nullif(a.query, '<insufficient privilege>'), 400) "
                "FROM w JOIN pg_locks l ON l.locktype = 'relation' AND l.relation = w.oid AND l.mode = w.mode AND l.granted "
                "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND l.pid IS DISTINCT FROM pg_backend_pid() "
                "LEFT JOIN pg_stat_activity a ON a.pid = l.pid ORDER BY a.xact_start"
            ),
            [list(column) for column in zip(*pairs)],
        )
        found = {}
        for pid, transaction, mode, user, application, state, age, query in rows:
            each = {"id": "%s %s" % (pid, transaction), "pid": pid, "mode": mode, "user": user}
            each.update(application=application, state=state, age=age and round(age, 1), query=without_values(query or ""))
            known = found.setdefault(each["id"], each)
            if known["mode"] == maintenance:
                known["mode"] = mode
        return list(found.values())

    def repair(self, index, table):
        """Drops what a broken CREATE INDEX CONCURRENTLY has left under the name that is needed now."""
        rows = self.sql(
            (
                "SELECT c.relname::text, quote_ident(s.nspname) || '.' || quote_ident(c.relname), i.indrelid, i.indexrelid "
                "FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace s ON s.oid = c.relnamespace "
                "WHERE i.indrelid = to_regclass(%s) AND NOT i.indisvalid AND c.relkind = 'i'"
            ),
            [table],
        )
        for name, full, oid, own in rows:
            command = "DROP INDEX CONCURRENTLY " + full
            # One that is being built is not valid, either.
            holders = self.holders({oid: {"mode": "SHARE"}})
            builds = [each["pid"] for each in holders if each["mode"] == maintenance]
            if builds and self.connection.pg_version >= 120000:
                # Not a VACUUM. Of another user's build its process alone is visible.
                query = (
                    "SELECT pid FROM pg_stat_progress_create_index WHERE pid = ANY(%s) "
                    "AND (relid IS NULL OR relid = %s AND index_relid IN (0, %s))"
                )
                builds = [pid for pid, in self.sql(query, [builds, oid, own])]
            if name != index:
                self.say(note="the index %s is invalid, perhaps left behind: %s" % (full, command))
            elif builds:
                self.say(note="the index %s is being built already (pid %s)" % (full, builds[0]))
            else:
                self.sql(command)
                self.say(note="dropped the invalid index %s, which an interrupted release left behind" % full)


def told(tables):
    return sorted(table["table"] for table in tables.values())


def one_line(error):
    return " ".join(str(error).split())[:200]


def without_values(query):
    query = re.sub(r"'(?:[^']|'')*(?:'|\Z)", "'?'", " ".join(query.split()))
    return re.sub(r"\b\d+\b", "?", query)[:200]
