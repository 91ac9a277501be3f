"""Small changes of the schema by which both versions work until a migration is applied.

    default-kept   a new NOT NULL column keeps the default that Django takes away again after it has filled the rows
    default-set    a column whose removal is held back gets the default that its field had, or what code takes for no value
    null-allowed   the same without such a value: the running version may not expect NULL
    on-delete      a foreign key whose removal is held back lets go of rows that the new version deletes

Each is {"kind", "database", "table", "column", "migration", "sql": ...}; one without `sql` is made by the migrate command
itself (guard.py).
"""
import json
import os
from contextlib import ExitStack
from types import SimpleNamespace

from rollout_inspector import task


def is_on(connection):
    return task.contract("bridge") == "on" and connection.vendor in ("postgresql", "mysql")


def bridge(judge, kind, table, column, migration, **more):
    told = {"kind": kind, "database": judge.alias, "table": table, "column": column}
    return dict(told, migration="%s.%s" % (migration.app_label, migration.name), **more)


def kept_default(judge, finding):
    """For versions that do not set a new column."""
    connection = judge.connection
    if finding["rule"] != "insert-refused" or not is_on(connection):
        return None
    event = judge.effects.cause_of(finding["table"], finding["column"])
    # One constant in all rows would not be unique, and what a function returns is no constant.
    if event is None or event.kind != "add" or event.field is None or not event.constant:
        return None
    # MySQL gives none to a text, or cannot take it away later.
    editor = connection.SchemaEditorClass(connection)
    if editor.skip_default(event.field) or getattr(editor, "skip_default_on_alter", editor.skip_default)(event.field):
        return None
    return bridge(judge, "default-kept", finding["table"], finding["column"], event.migration)


def loosened(judge, event, table, column):
    """For a new version that does not set a column whose removal is held back."""
    connection = judge.connection
    if not is_on(connection) or event.kind != "remove" or event.field is None or event.field.primary_key:
        return None
    quote = connection.ops.quote_name
    editor = connection.SchemaEditorClass(connection, collect_sql=True)
    alter = "ALTER TABLE %s %s"
    from rollout_inspector import remaining

    known = (judge.catalog.get(table) or {"columns": {}})["columns"].get(column, {})
    place = known.get("origin") or (table, column)
    # A row of others that is the default may be gone.
    if not event.field.is_relation and not editor.skip_default(event.field) and not remaining.is_unique(judge, *place):
        literal = default_of(judge, editor, event, place)
        if literal is not None:
            sql = alter % (quote(table), "ALTER COLUMN %s SET DEFAULT %s" % (quote(column), literal))
            return bridge(judge, "default-set", table, column, event.migration, sql=sql)
    kind = event.field.db_type(connection)
    sql = alter % (quote(table), editor.sql_alter_column_null % {"column": quote(column), "type": kind})
    return bridge(judge, "null-allowed", table, column, event.migration, sql=sql)


def default_of(judge, editor, event, place):
    """SQL of a value for rows that do not name the column; None where NULL is as good."""
    from django.db import models

    from rollout_inspector import remaining

    field = event.field
    if event.constant:
        return literal_of(editor, field, event.constant[0])
    # Fields of others may read it as something else, and a check may refuse it.
    if not type(field).__module__.startswith("django.") or remaining.is_checked(judge, *place):
        return None
    if getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False):
        # Django sets the time zone of its sessions on PostgreSQL alone.
        return "CURRENT_TIMESTAMP" if judge.connection.vendor == "postgresql" else None
    if field.default in (dict, list):
        return literal_of(editor, field, field.default())
    if isinstance(field, (models.CharField, models.TextField, models.FileField)):
        return literal_of(editor, field, "")
    return None


def literal_of(editor, field, value):
    try:
        literal = str(editor.quote_value(field.get_db_prep_save(value, editor.connection)))
    except Exception:
        return None
    # A driver would take it for a place of a parameter.
    return None if "%" in literal else literal


def of_deletes(search):
    """For a new version that deletes rows to which those refer that it does not know any more: {(table, "column fk"): bridge}.

    On PostgreSQL the constraint does what Django did for the old version. A row of a table that both versions use is
    kept in any case: for the new one it has nothing to do with the other.
    """
    judge, found, objects = search.judge, {}, set()
    if not is_on(judge.connection) or judge.connection.vendor != "postgresql":
        return found
    from django.db import models

    gone = {name for name, table in search.all.catalog.changed.items() if table is None}
    for name in sorted(set(search.all.catalog.changed) | gone):
        before, after = judge.catalog.get(name), search.all.catalog.get(name)
        for column, parent in before["fks"] if before else ():
            event = search.all.effects.cause_of(name, column)
            if after is not None and column in after["columns"] or event is None or event.migration is None:
                continue
            if search.name(event.migration) not in search.held:
                continue
            field = event.field if event.kind == "remove" else field_of(event.model, column)
            if field is None:
                continue
            on_delete = field.remote_field.on_delete
            nullable = before["columns"][column]["null"] and "SET NULL"
            action = nullable if after is not None else {models.CASCADE: "CASCADE", models.SET_NULL: nullable}.get(on_delete)
            sql, is_there = constraint_sql(judge, name, column, action) if action else (None, False)
            if is_there:
                # Of a release that was undone.
                objects.add("%s.%s" % (name, column))
            if sql:
                found[(name, column + " fk")] = bridge(judge, "on-delete", name, column, event.migration, sql=sql, action=action, parent=parent)
    objects.update("%s.%s" % (each["table"], each["column"]) for each in found.values())
    judge.findings = [each for each in judge.findings if each["rule"] != "delete-refused" or each["object"] not in objects]
    return found


def field_of(model, column):
    fields = [each for each in model._meta.local_concrete_fields if each.column == column] if model else []
    return fields[0] if fields and fields[0].remote_field else None


def constraint_sql(judge, table, column, action):
    """Returns what replaces the constraint, under its name, and whether there is nothing to replace.

    NOT VALID looks at no row, and those that are there were looked at.
    """
    quote = judge.connection.ops.quote_name
    query = (
        "SELECT c.conname::text, pg_get_constraintdef(c.oid), c.confdeltype::text FROM pg_constraint c "
        "JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = ANY(c.conkey) "
        "WHERE c.contype = 'f' AND cardinality(c.conkey) = 1 AND c.conrelid = to_regclass(%s) AND a.attname = %s"
    )
    with judge.connection.cursor() as cursor:
        cursor.execute(query, [quote(table), column])
        rows = cursor.fetchall()
    if len(rows) != 1 or rows[0][2] != "a":
        return None, bool(rows) and all(kind in "cnd" for _, _, kind in rows)
    name, text, _ = rows[0]
    # FOREIGN KEY (shop_id) REFERENCES shop_shop(id) DEFERRABLE INITIALLY DEFERRED
    head, deferrable, rest = text.replace(" NOT VALID", "").partition(" DEFERRABLE")
    text = "%s ON DELETE %s%s%s NOT VALID" % (head, action, deferrable, rest)
    return "ALTER TABLE %s DROP CONSTRAINT %s, ADD CONSTRAINT %s %s" % (quote(table), quote(name), quote(name), text), False


def earlier_ones(judge, new):
    """What becomes of the bridges of earlier releases: those that stay, and those that end, by SQL."""
    stay, ended = [], []
    for each in task.spec.get("bridges") or []:
        if each["database"] != judge.alias:
            continue
        name, column = each["table"], each["column"]
        table = judge.catalog.get(name)
        has = table["columns"].get(column) if table else None
        needs = [needs[name]["c"] for needs, _ in judge.known if name in needs]
        wanted = new.get(name, {"c": {}})["c"].get(column)
        if each["kind"] == "on-delete":
            # It goes with its column, and harms nobody who keeps it.
            stay += [each] if has is not None else []
            continue
        if has is None or wanted and wanted.get("d") or (has["null"] if each["kind"] != "null-allowed" else not has["null"]):
            # Its column is gone, or somebody has ended it.
            continue
        if each["kind"] != "null-allowed" and not has["filled"]:
            continue
        # The state of the migrations does not say what a version itself fills in.
        by_state = any(source == "state" for _, source in judge.known)
        if each["kind"] == "null-allowed" or not wanted or by_state or not all(column in need for need in needs):
            stay.append(each)
        else:
            quote = judge.connection.ops.quote_name
            sql = "ALTER TABLE %s ALTER COLUMN %s DROP DEFAULT" % (quote(name), quote(column))
            ended.append(dict(each, sql=sql, end=True))
    return stay, ended


def build():
    """Makes the bridges, each in a separate transaction. Returns the exit code."""
    import django
    from django.db import connections, transaction

    from rollout_inspector.guard import Guard

    with os.fdopen(task.spec["build"], "rb") as file:
        bridges = json.loads(file.read().decode("ascii"))
    django.setup()
    task.spec["leading"] = {}
    wait = task.spec["wait"]
    for each in bridges:
        connection = connections[each["database"]]
        app, _, name = each["migration"].partition(".")
        named = SimpleNamespace(app_label=app, name=name, atomic=True)
        told = {key: each[key] for key in ("kind", "database", "table", "column")}
        # To tidy up is worth no long wait.
        task.spec["wait"] = min(wait or 0, 5) if each.get("end") else wait
        try:
            with ExitStack() as stack:
                if wait is not None and connection.vendor == "postgresql":
                    stack.enter_context(connection.execute_wrapper(Guard(connection, named)))
                stack.enter_context(transaction.atomic(using=each["database"]))
                with connection.cursor() as cursor:
                    if each.get("end") and connection.vendor == "mysql":
                        # In seconds; all others wait behind it.
                        cursor.execute("SET SESSION lock_wait_timeout = 1")
                    cursor.execute(each["sql"])
        except Exception as error:
            if not each.get("end"):
                raise
            # The next release tries it again.
            told["failed"] = " ".join(str(error).split())[:200]
        task.say(json.dumps({"bridge": dict(told, ended=bool(each.get("end")))}))
    return 0
