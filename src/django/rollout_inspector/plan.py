"""What is pending in a database."""
from django.apps import apps
from django.core.management import CommandError
from django.db import connections, router
from django.db.migrations.executor import MigrationExecutor

from rollout_inspector import bridges, cost, locks, placing, rendering, task, trial, usage, verdict
from rollout_inspector.effects import applied_state, is_code

# In characters: a plan is one line of a container's log, which holds 10 MiB before it is rotated.
longest_sql = 8000
longest_sql_of_all = 400000

# What Django asks a database while it puts together the text of a migration. Anything else would be an operation of
# the project's own that writes past the schema editor: a plan never writes.
reading = ("SELECT", "SHOW", "PRAGMA", "DESCRIBE", "EXPLAIN")
# django-tenants sets the path with each cursor.
transaction = ("BEGIN", "SAVEPOINT", "RELEASE SAVEPOINT", "ROLLBACK", "SET CONSTRAINTS", "SET SEARCH_PATH")


def refuse_writes(execute, sql, params, many, context):
    if not str(sql).lstrip().upper().startswith(reading + transaction):
        raise CommandError("a plan never writes: " + str(sql))
    return execute(sql, params, many, context)


def inner(operation):
    # SeparateDatabaseAndState: what it does to the database is what can be undone or not.
    return getattr(operation, "database_operations", None) or []


def reversible(operation):
    return bool(operation.reversible) and all(reversible(each) for each in inner(operation))


def hides_code(operations):
    """Whether code is inside of a SeparateDatabaseAndState: sqlmigrate would run it."""
    hidden = [each for operation in operations for each in inner(operation)]
    return any(is_code(each) for each in hidden) or bool(hidden) and hides_code(hidden)


def own_apps(alias, loader):
    """Apps of which a router keeps tables in this database and not in the default one."""

    def is_own(model):
        if router.allow_migrate_model("default", model):
            return False
        # A legacy table is nobody's to make (managed = False).
        there = router.allow_migrate_model(alias, model)
        return there and model._meta.can_migrate(connections[alias])

    with_migrations = [apps.get_app_config(app) for app in loader.migrated_apps]
    return {app.label for app in with_migrations if any(map(is_own, app.get_models()))}


def with_sql(executor, connection, migrations, watched):
    """Yields each migration, the text that sqlmigrate would print, and its statements; None where it cannot tell."""
    # The state is carried along: to build it again for each migration, as sqlmigrate does, takes
    # minutes in a project with hundreds of them.
    state = applied_state(executor, bool(migrations))
    left = longest_sql_of_all
    for migration in migrations:
        sql = statements = None
        if left > 0:
            try:
                if hides_code(migration.operations):
                    raise CommandError("it would run its code")
                if state is None:
                    state = executor.loader.project_state(
                        (migration.app_label, migration.name), at_end=False
                    )
                with connection.execute_wrapper(refuse_writes):
                    with connection.schema_editor(
                        collect_sql=True, atomic=migration.atomic
                    ) as editor:
                        state = watched(migration).apply(state, editor, collect_sql=True)
                statements = editor.collected_sql
                sql = "\n".join(statements)
            except Exception:
                # An operation that looks up a constraint which a migration before it, unapplied
                # too, is yet to make fails here as it does in sqlmigrate, and so does what would
                # write. The plan is worth telling without its SQL.
                state = None
        if sql is not None:
            if len(sql) > min(longest_sql, left):
                sql = sql[: min(longest_sql, left)] + "\n-- (cut)"
            left -= len(sql)
        yield migration, sql, statements


def leaf_of_apps(loader):
    leaf = {}
    applied = [key for key in loader.graph.nodes if key in loader.applied_migrations]
    for app, name in sorted(applied):
        children = loader.graph.node_map[(app, name)].children
        if not any(c.key[0] == app and c.key in loader.applied_migrations for c in children):
            leaf[app] = name
    return leaf


def not_in_code(loader, recorder):
    """Migrations that the database has and this code does not.

    `newer` tells a version deployed later (its migrations came after all that this code knows)
    from what squashed migrations and removed apps leave behind.
    """
    known = set(loader.disk_migrations)
    for migration in loader.disk_migrations.values():
        known.update(migration.replaces)

    # Django 2.2 has a set of keys here, later ones a dict. A squashed migration that counts as applied because those it
    # replaces are has no row.
    rows = recorder.migration_qs.values_list("app", "name", "applied") if recorder.has_table() else []
    times = {(app, name): at for app, name, at in rows}
    unknown = [key for key in sorted(loader.applied_migrations) if key not in known]
    apps = {app for app, _ in known}
    for app, name in unknown:
        before = [
            when
            for key, when in times.items()
            if key in known and (key[0] == app or app not in apps)
        ]
        when = times.get((app, name))
        newer = when is not None and all(when >= other for other in before)
        yield {"app": app, "name": name, "newer": newer}


def found(loader, recorder):
    """Migrations of this code that were applied since the last release has ended."""
    ended = task.spec.get("ended")
    rows = recorder.migration_qs.order_by("id").values_list("app", "name", "applied") if ended and recorder.has_table() else []
    # Without time zones it is in that of Django, which is the one of this process then.
    return [".".join(key) for *key, at in rows if at.timestamp() > ended and tuple(key) in loader.disk_migrations]


def to_record(executor):
    """Squashed migrations that `migrate` marks as applied, since all that they replace is.

    As MigrationExecutor.check_replacements does. Without it the release that removes the replaced
    ones would end with InconsistentMigrationHistory.
    """
    recorded = executor.recorder.applied_migrations()
    for key, migration in sorted(executor.loader.replacements.items()):
        if key not in recorded and all(each in recorded for each in migration.replaces):
            yield {"app": key[0], "name": key[1]}


def name_of(migration):
    return "%s.%s" % (migration.app_label, migration.name)


def locks_of(connection, with_text, rates):
    """By migration, the tables of today that it locks so that reading or writing waits, and for how long; None where it
    is not known.

    rates  by the number of a table, its reads and writes a second
    """

    def rows_of(query, values):
        with connection.cursor() as cursor:
            cursor.execute(query, values)
            return cursor.fetchall()

    found = {}
    for migration, _, statements in with_text:
        tables, held = None, None
        try:
            if statements is not None:
                wanted = [each for each in locks.of_sql("\n".join(statements)) if each[0] != "unread"]
                tables = locks.resolved(rows_of, wanted)
                for oid, table in tables.items():
                    if oid in rates:
                        table["reads"], table["writes"] = rates[oid]
                tables = sorted(tables.values(), key=lambda table: table["table"])
                held = held_for(rows_of, statements, migration)
        except Exception:
            # It is reported only.
            pass
        keys = ("table", "mode", "rows", "bytes", "reads", "writes")
        found[name_of(migration)] = {
            "locks": tables and [{key: table[key] for key in keys if key in table} for table in tables],
            "held": tables and held,
        }
    return found


def held_for(rows_of, statements, migration):
    """Seconds from its first lock to the end of its transaction, whether code or a change of rows comes on top, and which
    tables it changes after rows of which foreign keys may be unchecked."""
    steps, is_open_end = cost.steps_of(statements)
    queued = cost.queued_of(statements) if migration.atomic else set()
    query = (
        "SELECT n.name, c.relpages::bigint * current_setting('block_size')::bigint, "
        "EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tginitdeferred) "
        "FROM unnest(%s::text[]) n(name) JOIN pg_class c ON c.oid = to_regclass(n.name)"
    )
    names = queued.union(table for table, _ in steps)
    rows = rows_of(query, [sorted(names)]) if names else []
    sizes = {table: size for table, size, _ in rows}
    return {
        "seconds": round(cost.seconds_of(steps, sizes, migration.atomic), 1),
        "more": bool(migration.atomic and is_open_end),
        "queued": sorted({locks.plain(table) for table, _, is_deferred in rows if is_deferred and table in queued}),
    }


def leading_of(alias, with_text):
    return {
        "%s %s" % (alias, name_of(migration)): locks.of_sql(locks.leading(statements))
        for migration, _, statements in with_text
        if statements is not None and migration.atomic
    }


def is_pooled(connection):
    """Whether two connections at once get the same session of the server: a pooler gives it to each transaction."""
    query = "SELECT pg_backend_pid()::text || ' ' || pg_postmaster_start_time()"

    def session_of(each):
        with each.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchone()[0]

    other = connection.copy()
    try:
        return any(session_of(connection) == session_of(other) for _ in range(3))
    except Exception:
        # A server that has no second connection left.
        return False
    finally:
        other.close()


def version_of(connection):
    try:
        return ".".join(str(part) for part in connection.get_database_version())
    except (AttributeError, NotImplementedError):
        return None


class Told:
    """What a plan tells. Django and its databases change: what meets an interface that it does not know is left out, and
    that is said. A release does not fail because of what is only told."""

    def __init__(self):
        self.missing = []

    def of(self, part, work, otherwise):
        try:
            return work()
        except Exception as error:
            why = "%s: %s" % (type(error).__name__, " ".join(str(error).split())[:200])
            self.missing.append({"part": part, "why": why})
            return otherwise


def is_known(name, loader):
    key = tuple(name.split(".", 1))
    return key in loader.applied_migrations or key in loader.disk_migrations


@rendering.sparingly()
def plan_of(alias, identity, own, schemas=(), unseen=""):
    """Returns the plan of one database, its needs and its judge; of the apps in `own` alone where that is not None; of the
    first of these schemas (tenants.py)."""
    connection = connections[alias]
    executor = MigrationExecutor(connection)
    loader = executor.loader
    # As `migrate` does: it would refuse to begin.
    loader.check_consistent_history(connection)
    conflicts = loader.detect_conflicts()
    if conflicts:
        raise CommandError(
            "Conflicting migrations detected; multiple leaf nodes in the migration graph: ("
            + "; ".join("%s in %s" % (", ".join(names), app) for app, names in conflicts.items())
            + ").\nTo fix them run 'python manage.py makemigrations --merge'"
        )
    is_postgresql = verdict.is_judged() and connection.vendor == "postgresql"
    pending = [each for each, _ in executor.migration_plan(loader.graph.leaf_nodes())]
    if own is not None:
        pending = [each for each in pending if each.app_label in own]
    judge = verdict.Judge(connection, alias, executor, refuse_writes, schemas, unseen)
    told = Told()
    no_text = [(each, None, None) for each in pending]
    with_text = told.of("the SQL", lambda: list(with_sql(executor, connection, pending, judge.watched)), no_text)
    # None: not known. It stops nothing where nothing is judged.
    needs = None
    findings, question, placed = [], None, placing.all_of(judge, pending, "no version runs")
    tries = {}
    unused, witnesses = None, []
    stay, ended = task.spec.get("bridges") or [], []
    try:
        needs = judge.needs_of(apps)
        if verdict.is_judged():
            judge.judge(pending, needs)
            placed = placing.place(judge, pending, needs)
            judge = placed.judge
            # It reads tables that are compared after it.
            stay, ended = bridges.earlier_ones(judge, needs)
            findings, question = judge.findings, judge.to_verify()
            tries = trial.planned(judge, [each for each in pending if name_of(each) not in placed.names])
            dropped = judge.dropped()
            labels = [each.label for each in apps.get_app_configs()]
            unused = usage.unused(connection, [needs] + judge.others(), labels)
            unused = [each for each in unused if each not in [".".join(filter(None, pair)) for pair in dropped]]
            witnesses = usage.witnesses(connection, dropped)
    except Exception as error:
        if verdict.is_judged():
            findings = [verdict.unjudged(alias, error, pending)]
            placed = placing.all_of(judge, pending, "the comparison failed")
    with_text = [each for each in with_text if name_of(each[0]) not in placed.names]
    if question:
        question["planned"] = [[each.app_label, each.name] for each, _, _ in with_text]
    plan = {
        "database": alias,
        "identity": identity,
        "vendor": connection.vendor,
        "vendorName": told.of("the name of the database", lambda: connection.display_name, connection.vendor),
        "version": version_of(connection),
        "transactionalDdl": bool(connection.features.can_rollback_ddl),
        "pending": [
            {
                "app": migration.app_label,
                "name": migration.name,
                "operations": [type(each).__name__ for each in migration.operations],
                "atomic": bool(migration.atomic),
                "reversible": all(reversible(each) for each in migration.operations),
                "sql": sql,
            }
            for migration, sql, _ in with_text
        ],
        "held": placed.held,
        "unheld": placed.unheld,
        # Held back by a release of another branch.
        "absent": [each for each in task.stays() if not is_known(each, loader)],
        "bridges": placed.bridges,
        # Of earlier releases.
        "stay": [each for each in stay if each["database"] == alias],
        "ended": ended,
        "pooled": bool(pending) and is_postgresql and is_pooled(connection),
        "squashed": [
            each
            for each in told.of("squashed migrations", lambda: list(to_record(executor)), [])
            if own is None or each["app"] in own
        ],
        "applied": told.of("what is applied", lambda: leaf_of_apps(loader), {}),
        "found": told.of("what others have applied", lambda: found(loader, executor.recorder), []),
        "unknown": told.of("migrations of other versions", lambda: list(not_in_code(loader, executor.recorder)), [])
        if own is None
        else [],
        "untold": told.missing,
    }
    if unused is not None:
        plan.update(unused=unused, witnesses=witnesses)
    applied = [each for each in pending if name_of(each) not in placed.names]
    backup_for = []
    if task.spec.get("backup") and applied:
        from rollout_inspector import backup

        not_known = [{"migration": "", "why": "unread", "object": ""}]
        backup_for = told.of("what a backup is for", lambda: backup.reasons(judge, applied), not_known)
    if is_postgresql and applied:
        locked = told.of("the locks", lambda: locks_of(connection, with_text, usage.rates(connection)), {})
        for each in plan["pending"]:
            each.update(locked.get("%(app)s.%(name)s" % each, {}))
    return {
        "plan": plan,
        "backup": backup_for,
        "needs": needs,
        "place": judge.place,
        "schemas": list(schemas),
        "leading": told.of("what is locked first", lambda: leading_of(alias, with_text), None) if is_postgresql else None,
        "tries": tries,
        "pending": pending,
        "findings": findings,
        "question": question if with_text or placed.bridges or ended else None,
        "sources": [source for _, source in judge.known],
        "executor": executor,
    }
