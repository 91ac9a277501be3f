"""Brings an empty database to the migrations that are applied to another one: a plan without that database."""
from django.core.management import CommandError, call_command
from django.core.management.commands.migrate import Command
from django.db.migrations.loader import MigrationLoader


def bring(connection, applied):
    """`applied` has the last applied migration of each app. Never touches a database that has tables."""
    if connection.introspection.table_names():
        raise CommandError("the database of a plan without a cluster has tables already: it must be empty")
    for app, name in sorted(applied.items()):
        loader = MigrationLoader(connection)
        key = (app, name)
        # An app that this version no longer has leaves its tables behind, and needs nothing.
        if app not in loader.migrated_apps or key in loader.applied_migrations:
            continue
        if key not in loader.graph.nodes:
            squashed = [each for each, migration in loader.replacements.items() if key in migration.replaces]
            if not squashed:
                raise CommandError("%s.%s is applied, and this version does not have it: merge the version that runs" % key)
            key = squashed[0]
        # Django's own: a project's may do more.
        call_command(Command(), key[0], key[1], database=connection.alias, interactive=False, verbosity=0)
