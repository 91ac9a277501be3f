"""Tells django-rollout which migrations a new image brings, then becomes the migrate command.

Run in the user's image by `python manage.py shell -v 0 -c <this text>`; nothing is added to the image.
What it is to do comes as JSON in DJANGO_ROLLOUT_SPEC:

    marker    random text that stands before and after each line that is meant for django-rollout
    migrate   the command that migrates, for /bin/sh; null: tell the plan only
    database  alias in DATABASES ("default" when missing)
    wait      seconds to go on asking a database that does not answer yet (0 when missing)

It writes `<marker>{plan}<marker>` and, when it goes on to migrate, `<marker>migrate<marker>`. Whatever
goes wrong is left to Django and Python to tell: their own text, their own exit code.

Everything is inside one function, since `shell -c` runs it among names that are not ours: Django 4.2
in the globals of its own module, 5.2 and later in a copy with all the models of the project.
Python 3.8 is the oldest that must be able to read it. No dollar sign may stand in here: Kubernetes
reads those in a container's command.
"""


def django_rollout_inspect():
    import json
    import os
    import platform
    import shlex
    import sys
    import time

    import django
    from django.conf import settings
    from django.core.management import CommandError, call_command
    from django.db import OperationalError, connections
    from django.db.migrations.executor import MigrationExecutor

    # In characters: a plan is one line of a container's log, which holds 10 MiB before it is rotated.
    longest_sql = 8000
    longest_sql_of_all = 400000

    # What Django asks a database while it puts together the text of a migration. Anything else would
    # be an operation of the project's own that writes past the schema editor: a plan never writes.
    reading = ("SELECT", "SHOW", "PRAGMA", "DESCRIBE", "EXPLAIN")
    transaction = ("BEGIN", "SAVEPOINT", "RELEASE SAVEPOINT", "ROLLBACK", "SET CONSTRAINTS")

    spec = json.loads(os.environ.pop("DJANGO_ROLLOUT_SPEC"))
    marker = spec["marker"]
    migrate = spec.get("migrate")
    alias = spec.get("database") or "default"

    def say(text):
        sys.stdout.flush()
        sys.stderr.flush()
        # By the descriptor: a project may have replaced sys.stdout.
        line = (marker + text + marker + "\n").encode("ascii")
        while line:
            line = line[os.write(1, line) :]

    def connect(connection):
        until = time.monotonic() + float(spec.get("wait") or 0)
        while True:
            try:
                return connection.ensure_connection()
            except OperationalError:
                if time.monotonic() >= until:
                    raise
                time.sleep(0.5)

    def refuse_writes(execute, sql, params, many, context):
        if not str(sql).lstrip().upper().startswith(reading + transaction):
            raise CommandError("a plan never writes: " + str(sql))
        return execute(sql, params, many, context)

    def inner(operation):
        # SeparateDatabaseAndState: what it does to the database is what can be undone or not.
        return getattr(operation, "database_operations", None) or []

    def reversible(operation):
        return bool(operation.reversible) and all(reversible(each) for each in inner(operation))

    def with_sql(executor, connection, migrations):
        """Pairs of migration and the text that sqlmigrate would print; None where it cannot tell."""
        # The state is carried along: to build it anew for each migration, as sqlmigrate does, takes
        # minutes in a project with hundreds of them.
        state = executor._create_project_state(with_applied_migrations=True)
        left = longest_sql_of_all
        for migration in migrations:
            sql = None
            if left > 0:
                try:
                    if state is None:
                        state = executor.loader.project_state(
                            (migration.app_label, migration.name), at_end=False
                        )
                    with connection.execute_wrapper(refuse_writes):
                        with connection.schema_editor(
                            collect_sql=True, atomic=migration.atomic
                        ) as editor:
                            state = migration.apply(state, editor, collect_sql=True)
                    sql = "\n".join(editor.collected_sql)
                except Exception:
                    # An operation that looks up a constraint which a migration before it, unapplied
                    # too, is yet to make fails here as it does in sqlmigrate, and so does what would
                    # write. The plan is worth telling without its SQL.
                    state = None
            if sql is not None:
                if len(sql) > min(longest_sql, left):
                    sql = sql[: min(longest_sql, left)] + "\n-- (cut)"
                left -= len(sql)
            yield migration, sql

    def leaf_of_apps(loader):
        leaf = {}
        applied = [key for key in loader.graph.nodes if key in loader.applied_migrations]
        for app, name in sorted(applied):
            children = loader.graph.node_map[(app, name)].children
            if not any(c.key[0] == app and c.key in loader.applied_migrations for c in children):
                leaf[app] = name
        return leaf

    def not_in_code(loader):
        """Migrations that the database has and this code does not.

        `newer` tells a version deployed later (its migrations came after all that this code knows)
        from what squashed migrations and removed apps leave behind.
        """
        known = set(loader.disk_migrations)
        for migration in loader.disk_migrations.values():
            known.update(migration.replaces)

        def at(key):
            # None for a squashed migration that counts as applied because those it replaces are.
            return getattr(loader.applied_migrations[key], "applied", None)

        unknown = [key for key in sorted(loader.applied_migrations) if key not in known]
        times = {key: at(key) for key in loader.applied_migrations if at(key) is not None}
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

    def to_record(executor):
        """Squashed migrations that `migrate` marks as applied, since all that they replace is.

        As MigrationExecutor.check_replacements does. Without it the release that removes the replaced
        ones would end with InconsistentMigrationHistory.
        """
        recorded = executor.recorder.applied_migrations()
        for key, migration in sorted(executor.loader.replacements.items()):
            if key not in recorded and all(each in recorded for each in migration.replaces):
                yield {"app": key[0], "name": key[1]}

    def version_of(connection):
        try:
            return ".".join(str(part) for part in connection.get_database_version())
        except (AttributeError, NotImplementedError):
            return None

    def plan_of(connection):
        executor = MigrationExecutor(connection)
        loader = executor.loader
        # As `migrate` does: it would refuse to begin, and it would be the reader's first news of it.
        loader.check_consistent_history(connection)
        conflicts = loader.detect_conflicts()
        if conflicts:
            raise CommandError(
                "Conflicting migrations detected; multiple leaf nodes in the migration graph: ("
                + "; ".join(
                    "%s in %s" % (", ".join(names), app) for app, names in conflicts.items()
                )
                + ").\nTo fix them run 'python manage.py makemigrations --merge'"
            )
        pending = [each for each, _ in executor.migration_plan(loader.graph.leaf_nodes())]
        return {
            "django": django.get_version(),
            "python": platform.python_version(),
            "database": alias,
            "vendor": connection.vendor,
            "vendorName": connection.display_name,
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
                for migration, sql in with_sql(executor, connection, pending)
            ],
            "squashed": list(to_record(executor)),
            "applied": leaf_of_apps(loader),
            "unknown": list(not_in_code(loader)),
        }

    # Settings that cannot be imported are told by Django only when somebody reads them; then the apps.
    settings.INSTALLED_APPS
    django.setup()
    call_command("check", stdout=sys.stderr)

    connection = connections[alias]
    connect(connection)
    plan = plan_of(connection)
    connections.close_all()
    say(json.dumps(plan))

    if migrate and (plan["pending"] or plan["squashed"]):
        say("migrate")
        if os.path.exists("/bin/sh"):
            os.execv("/bin/sh", ["sh", "-c", migrate])
        words = shlex.split(migrate)
        os.execvp(words[0], words)


django_rollout_inspect()
