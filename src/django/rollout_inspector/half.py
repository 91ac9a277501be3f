"""What a failed migration has left behind where no transaction takes it back: on MySQL, and with `atomic = False`.

Its operations are walked once more, without a write, and each of their changes is looked for in the database. The report
concludes from that (half.ts).
"""
from rollout_inspector import needs as fingerprint

# Of a field, and not in the catalog.
unseen = ("db_default", "db_index", "db_collation", "db_constraint")


def facts(event, now, was, names, type_of):
    """Whether each change of it is in the database; None: that is not seen. Pure.

    now, was  return a table as it is, and as it was before the release
    names     returns the names of a table's indexes and constraints
    """
    kind = event.kind
    if kind in ("sql", "more"):
        return [None]
    name = event.model._meta.db_table
    table = now(name)
    if kind == "rename":
        return [bool(now(event.new)) and not now(event.old)]
    if kind in ("create", "delete"):
        return [bool(table) == (kind == "create")]
    if not table:
        return [False]
    if kind == "alter":
        return facts_of_field(event.old, event.new, table, was(name), type_of)
    if kind in ("add", "remove"):
        return [(event.field.column in table["columns"]) == (kind == "add")]
    constraint = getattr(event, "constraint", None)
    is_there = constraint.name in names(name) if constraint else event.columns in table["uniques"]
    return [is_there != kind.startswith("drop")]


def facts_of_field(old, new, table, was, type_of):
    has, had = [each and each["columns"].get(field.column) for each, field in ((table, new), (was, old))]
    if not has:
        return [False]
    before, after = fingerprint.reference_of(old), fingerprint.reference_of(new)
    # A type may have become another one earlier, and not every other one is told.
    facts = (
        (old.column != new.column, True),
        (old.null != new.null, has["null"] == new.null),
        (old.unique != new.unique, ([new.column] in table["uniques"]) == new.unique),
        (after and before != after, after and [new.column, after[0]] in table["fks"]),
        (type_of(old) != type_of(new), had and had["read"] != has["read"] or None),
        (any(getattr(old, each, None) != getattr(new, each, None) for each in unseen), None),
    )
    return [fact for is_changed, fact in facts if is_changed]


def loses(event, type_of):
    """Whether its reversal loses what was there before it."""
    if event.kind == "alter":
        return type_of(event.old) != type_of(event.new) or event.new.null > event.old.null
    return event.kind in ("delete", "remove", "drop-check")


def left(connection, before, planned):
    """Returns what became of the first of these migrations that is not applied; None where a transaction takes it back.

    before   tables as they were before the release
    planned  [app, name] in their order
    """
    from django.db.migrations.loader import MigrationLoader
    from django.db.migrations.recorder import MigrationRecorder
    from rollout_inspector.catalog import Catalog
    from rollout_inspector.effects import Event, flattened, is_code, recorder_of, texts_of
    from rollout_inspector.plan import refuse_writes

    # As after each release that succeeds: all files of migrations are read only for one that has failed.
    if set(map(tuple, planned)).issubset(MigrationRecorder(connection).applied_migrations()):
        return None
    loader = MigrationLoader(connection)
    app, name = next((each for each in planned if tuple(each) not in loader.applied_migrations), ("", ""))
    migration = app and loader.get_migration(app, name)
    if not migration or migration.atomic and connection.features.can_rollback_ddl:
        return None
    now = Catalog(connection).get

    def names(table):
        with connection.cursor() as cursor:
            found = set(connection.introspection.get_constraints(cursor, table))
            if connection.vendor == "postgresql":
                cursor.execute("SELECT relname::text FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE NOT indisvalid")
                found -= {each for each, in cursor.fetchall()}
        return found

    def type_of(field):
        return fingerprint.type_of(field, connection)

    def sent(way, *states):
        """What Django would send, at once and at the end of a migration."""
        with connection.execute_wrapper(refuse_writes):
            with connection.schema_editor(collect_sql=True, atomic=False) as editor:
                getattr(operation, way)(app, editor, *states)
                late = list(editor.deferred_sql)
        return editor.collected_sql, late

    def noted(kind):
        return lambda model, index=None, *args, **more: events.append(Event(kind, model=model, constraint=index))

    steps = []
    state = loader.project_state((app, name), at_end=False)
    # Once: its clones have them, too.
    state.apps
    for operation, old, new in flattened(migration.operations, state, app):
        events = []
        step = {"name": operation.describe(), "code": is_code(operation), "seen": None}
        if not step["code"] and not texts_of(operation):
            recorder = recorder_of(connection, events.append)
            recorder.add_index, recorder.remove_index = noted("index"), noted("drop-index")
            recorder.rename_index = recorder.alter_index_together = noted("more")
            operation.database_forwards(app, recorder, old, new)
            found = {fact for each in events for fact in facts(each, now, before.get, names, type_of)}
            if not found:
                continue
            step["seen"] = found.pop() if len(found) == 1 else None
        if step["seen"]:
            step["loses"] = any(loses(each, type_of) for each in events)
            step["earlier"] = any(each.kind in ("create", "add") and facts(each, before.get, 0, 0, 0)[0] for each in events)
            step["sql"] = sent("database_backwards", new, old)[0]
            made = [each.parts for each in sent("database_forwards", old, new)[1]]
            plain = [[str(each[part]).strip('`"') for part in ("table", "name")] for each in made]
            step["late"] = [own for table, own in plain if own not in names(table)]
        steps.append(step)
    differ = [each for each, was in sorted(before.items()) if now(each) != was]
    return {"migration": [app, name], "steps": steps, "tables": differ}
