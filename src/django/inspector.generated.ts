// Generated from src/django/rollout_inspector by scripts/embed-inspector.mjs: change those files, not this one.
/** The rules by which migrations are judged, as rules.json has them. */
export const rules = {
  "table-gone": {
    "severity": "breaks",
    "undo": "unsafe",
    "running": [
      "the table {table} is gone",
      "uses it",
      "every query of {model} fails"
    ],
    "new": [
      "no migration creates the table {table}",
      "uses it",
      "every query of {model} fails"
    ],
    "fix": "Remove or rename the model in Django's state only, and drop the table in the next release"
  },
  "column-gone": {
    "severity": "breaks",
    "undo": "unsafe",
    "running": [
      "the column {object} is gone",
      "uses it",
      "every query of {model} fails"
    ],
    "new": [
      "no migration creates the column {object}",
      "uses it",
      "every query of {model} fails"
    ],
    "fix": "Remove the field from Django's state only, and drop the column in the next release"
  },
  "insert-refused": {
    "severity": "breaks",
    "undo": "unsafe",
    "running": [
      "the column {object} is NOT NULL without a database default",
      "does not set it",
      "every INSERT into {table} fails"
    ],
    "new": [
      "the column {object} stays NOT NULL without a database default",
      "does not set it",
      "every INSERT into {table} fails"
    ],
    "fix": "Give the column a database default, or allow NULL"
  },
  "default-gone": {
    "severity": "breaks",
    "undo": "unsafe",
    "running": [
      "the database default of {object} is gone",
      "relies on it",
      "every INSERT into {table} fails"
    ],
    "new": [
      "the column {object} has no database default",
      "relies on it",
      "every INSERT into {table} fails"
    ],
    "fix": "Remove the database default in the next release"
  },
  "generated": {
    "severity": "breaks",
    "undo": "unsafe",
    "running": [
      "the database computes the column {object} now",
      "sets it",
      "every INSERT into {table} fails"
    ],
    "new": [
      "the database computes the column {object}",
      "sets it",
      "every INSERT into {table} fails"
    ],
    "fix": "Add the generated column with another name, and remove the old one in the next release"
  },
  "delete-refused": {
    "severity": "may",
    "undo": "safe",
    "running": [
      "the foreign key {object} to {parent} is new",
      "does not know it",
      "it may fail to delete rows of {parent}"
    ],
    "new": [
      "the foreign key {object} to {parent} stays in the database",
      "does not know it",
      "it fails to delete rows of {parent} that are referenced"
    ],
    "fix": "Remove the constraint before the field"
  },
  "null-refused": {
    "severity": "may",
    "undo": "unknown",
    "running": [
      "the column {object} becomes NOT NULL",
      "allows NULL in it",
      "each write of NULL fails"
    ],
    "new": [
      "the column {object} is NOT NULL",
      "allows NULL in it",
      "each write of NULL fails"
    ],
    "fix": "Release the code that never writes NULL, and backfill, in an earlier release; set NOT NULL in the next one"
  },
  "narrowed": {
    "severity": "may",
    "undo": "unknown",
    "running": [
      "the column {object} becomes smaller: {to} instead of {from}",
      "may write larger values",
      "such a write fails"
    ],
    "new": [
      "the column {object} is smaller: {to} instead of {from}",
      "may write larger values",
      "such a write fails"
    ],
    "fix": "Release the code that writes shorter values first, and shorten the column in the next release"
  },
  "retyped": {
    "severity": "may",
    "undo": "unsafe",
    "running": [
      "the column {object} changes its type: {to} instead of {from}",
      "uses the old type",
      "its queries may fail"
    ],
    "new": [
      "the column {object} has another type: {to} instead of {from}",
      "uses its own type",
      "its queries may fail"
    ],
    "fix": "Add a second column, write both, and remove the old one in a later release"
  },
  "unique": {
    "severity": "may",
    "undo": "safe",
    "running": [
      "{object} becomes unique",
      "may write equal values",
      "the second write fails"
    ],
    "new": [
      "{object} is unique",
      "may write equal values",
      "the second write fails"
    ],
    "fix": "Release the code that never writes equal values first, and add the constraint in the next release"
  },
  "check": {
    "severity": "may",
    "undo": "safe",
    "running": [
      "{table} gets the check {column}",
      "may write rows that violate it",
      "such a write fails"
    ],
    "new": [
      "{table} has the check {column}",
      "may write rows that violate it",
      "such a write fails"
    ],
    "fix": "Release the code that keeps to it first, and add the constraint in the next release"
  },
  "fk-added": {
    "severity": "may",
    "undo": "safe",
    "running": [
      "{object} becomes a foreign key to {parent}",
      "may write other values",
      "such a write fails"
    ],
    "new": [
      "{object} is a foreign key to {parent}",
      "may write other values",
      "such a write fails"
    ],
    "fix": "Release the code that keeps to it first, and add the constraint in the next release"
  },
  "view": {
    "severity": "unknown",
    "undo": "unknown",
    "running": [
      "{table} becomes a view",
      "uses it as a table",
      "whether its queries and writes work is known after the migration"
    ],
    "new": [
      "{table} becomes a view",
      "uses it as a table",
      "whether its queries and writes work is known after the migration"
    ],
    "fix": "Check that the view has all columns and accepts writes"
  },
  "rows-refuse": {
    "severity": "breaks",
    "undo": "safe",
    "running": [
      "{detail}"
    ],
    "new": [
      "{detail}"
    ],
    "fix": "Fix the rows first, in a release before this one or by hand. These are in the way"
  },
  "view-gone": {
    "severity": "breaks",
    "undo": "unsafe",
    "running": [
      "{detail}"
    ],
    "new": [
      "{detail}"
    ],
    "fix": "Drop the view by RunSQL before, and create it again after, in the same migration"
  },
  "schemas": {
    "severity": "unknown",
    "undo": "unknown",
    "running": [
      "{detail}"
    ],
    "new": [
      "{detail}"
    ],
    "fix": "Check by hand that the running version works with what it changes"
  },
  "unread": {
    "severity": "unknown",
    "undo": "unknown",
    "running": [
      "a step cannot be read before it runs: {detail}",
      "may depend on what it changes",
      "the schema is compared after the migration"
    ],
    "new": [
      "a step cannot be read before it runs: {detail}",
      "may depend on what it changes",
      "the schema is compared after the migration"
    ],
    "fix": "Write the change as operations of Django, or as SQL statements of one ALTER TABLE each"
  },
  "unjudged": {
    "severity": "breaks",
    "undo": "unknown",
    "running": [
      "the migrations cannot be compared with the running version: {detail}",
      "may depend on what they change",
      "whether it breaks is not known"
    ],
    "new": [
      "the schema cannot be compared: {detail}",
      "may depend on it",
      "whether it breaks is not known"
    ],
    "fix": "Check the migrations, and set \"unsafe-migrations: warn\" for this release"
  }
} as const

export const inspectorLoader = `"""Reports to django-rollout which migrations this image brings, judges them, and runs the migrate command.

Its files are those of src/django/rollout_inspector of django-rollout, packed. All of it is inside of one function,
because \`shell -c\` runs it among names that are not ours: Django 4.2 in the globals of its own module, 5.2 and
later in a copy with all models of the project.
"""


def django_rollout_inspect():
    import base64
    import importlib.util
    import json
    import sys
    import zlib

    package = "rollout_inspector"
    files = json.loads(zlib.decompress(base64.b64decode("FILES")).decode("utf-8"))

    class Finder:
        """Imports the files from this text."""

        @staticmethod
        def find_spec(name, path=None, target=None):
            file = "__init__" if name == package else name[len(package) + 1 :]
            if name.partition(".")[0] != package or file + ".py" not in files:
                return None
            return importlib.util.spec_from_loader(name, Finder, is_package=name == package)

        @staticmethod
        def create_module(spec):
            return None

        @staticmethod
        def exec_module(module):
            name = module.__name__
            file = ("__init__" if name == package else name[len(package) + 1 :]) + ".py"
            module.__file__ = package + "/" + file
            exec(compile(files[file], module.__file__, "exec"), module.__dict__)

        @staticmethod
        def get_source(name):
            """For a traceback."""
            return files.get(name[len(package) + 1 :] + ".py")

        @staticmethod
        def get_data(path):
            return files[path.rpartition("/")[2]].encode("utf-8")

    sys.meta_path.insert(0, Finder)
    from rollout_inspector import main

    main.main()


django_rollout_inspect()
`

export const inspectorFiles = {
  '__init__.py': `"""Reports to django-rollout which migrations a new image brings, judges them, and runs the migrate command.

Runs in the user's image as \`python manage.py shell -v 0 -c <text>\`; nothing is added to the image. The text is
\`loader.py\`, which carries the files of this folder (scripts/embed-inspector.mjs joins them).

    task      what the inspector has to do, and how it answers
    identity  what names a database
    web       which databases the web uses
    needs     what code needs of a database: its fingerprint
    catalog   what a database has
    effects   what pending migrations make of it, without a write
    reader    the same for SQL as text
    judge     what does not fit, by the rules of rules.json
    twins     the safe way, as code of a migration
    allows    comments that accept a finding
    checks    whether the rows of today are in the way
    backup    what a backup is for
    plan      what is pending
    verdict   all of these together: before the migration and after it
    reverse   goes back by this image
    progress  says how far a long migration is
    run       refuses, or runs the migration
    main      the order

Python 3.6 (the oldest of Django 3.2) must be able to read the files. They must contain no dollar sign, because
Kubernetes reads those in a container's command, and no three single quotes in a row.
"""
`,
  'allows.py': `"""Comments in the files of pending migrations that accept one finding each.

    # django-rollout: allow <rule> <table>.<column>: <why>

Rule, object and reason are required, so that a copied comment accepts nothing else.
"""
import re
import sys
import tokenize

from rollout_inspector.judge import RULES

pattern = re.compile(r"#\\s*django-rollout:\\s*allow\\b\\s*([\\w-]*)\\s*([^\\s:]*)\\s*:?\\s*(.*)")


def comments_of(migrations):
    """Returns {(rule, object): {"why", "file", "line"}}, and what is wrong with others."""
    found, wrong = {}, []
    for migration in migrations:
        file = file_of(migration)
        for line, text in comments_in(file):
            match = pattern.match(text)
            if match is None:
                continue
            rule, of, why = match.groups()
            fault = fault_of(rule, of, why)
            if fault:
                wrong.append({"file": file, "line": line, "message": fault})
            else:
                found[(rule, of)] = {"why": why[:200], "file": file, "line": line}
    return found, wrong


def file_of(migration):
    return getattr(sys.modules.get(migration.__module__), "__file__", None) or ""


def fault_of(rule, of, why):
    if rule not in RULES or rule == "unjudged":
        return 'there is no rule "%s"' % rule
    if not of:
        return "it names no object: %s <table>.<column>: <why>" % rule
    if not why.strip():
        return "it gives no reason: %s %s: <why>" % (rule, of)
    return None


def comments_in(file):
    """A text that looks like a comment and is inside of a string is none."""
    try:
        with open(file, "rb") as source:
            tokens = list(tokenize.tokenize(source.readline))
    except (OSError, SyntaxError, tokenize.TokenError):
        return []
    return [(each.start[0], each.string) for each in tokens if each.type == tokenize.COMMENT]
`,
  'backup.py': `"""What a backup is for: what pending migrations drop, and what cannot be reversed.

Each reason is {"migration": "shop.0014_x", "why": "irreversible", "drops", "narrows" or "unread", "object": what}.
"""
import re

from rollout_inspector.effects import steps_of, texts_of
from rollout_inspector.judge import of_types

# A text or a list of SQL; None: all of it is unknown.
nothing_back = ("", [], ())


def goes_back(operation):
    """Whether its reversal does something. \`noop\` only lets Django go on: values that were written over stay lost."""
    code = getattr(operation, "code", None)
    if code is not None and hasattr(operation, "reverse_code"):
        noop = getattr(operation, "noop", None)
        return operation.reverse_code is not None and (operation.reverse_code is not noop or code is noop)
    sql = getattr(operation, "sql", None)
    if sql is not None and hasattr(operation, "reverse_sql"):
        return operation.reverse_sql is not None and (operation.reverse_sql not in nothing_back or sql in nothing_back)
    return bool(getattr(operation, "reversible", True))


def irreversible(pending):
    for migration in pending:
        steps = list(steps_of(migration.operations))
        if not all(map(goes_back, steps)):
            yield reason(migration, "irreversible")
        elif any(re.search(r"\\b(TRUNCATE|DELETE\\s+FROM)\\b", text, re.I) for step in steps for text in texts_of(step)):
            yield reason(migration, "drops", "rows by SQL")


def losses(event, effects):
    """What a change takes away of what the database has now."""
    from rollout_inspector import needs as fingerprint

    table = event.model._meta.db_table if event.model is not None else getattr(event, "table", "")
    if event.kind == "delete":
        # What a migration before it has made holds nothing that could be missed.
        if effects.catalog.get(table) is not None and not is_made(effects, table, ""):
            yield reason(event.migration, "drops", table)
    elif event.kind == "remove":
        column = event.column if event.field is None else event.field.column
        if not is_made(effects, table, "") and not is_made(effects, table, column):
            yield reason(event.migration, "drops", "%s.%s" % (table, column))
    elif event.kind == "alter":
        types = [fingerprint.type_of(each, effects.connection) for each in (event.old, event.new)]
        is_new = is_made(effects, table, "") or is_made(effects, table, event.old.column)
        if of_types(*types)[0] and not is_new:
            yield reason(event.migration, "narrows", "%s.%s" % (table, event.old.column))
    elif event.kind == "set" and "type" in event.__dict__:
        yield reason(event.migration, "narrows", "%s.%s" % (table, event.column))


def is_made(effects, table, column):
    cause = effects.causes.get((table, column))
    return cause is not None and cause.kind in ("create", "add")


def reason(migration, why, what=""):
    name = "%s.%s" % (migration.app_label, migration.name) if migration is not None else ""
    return {"migration": name, "why": why, "object": " ".join(str(what).split())[:200]}


def reasons(judge, pending):
    """Of one database."""
    found = list(irreversible(pending))
    found += [reason(each, "unread", "the schemas of tenants are not read") for each in pending if judge.is_of_tenants(each)]
    try:
        found += judge.lost(pending)
    except Exception as error:
        found.append(reason(None, "unread", "%s: %s" % (type(error).__name__, error)))
    # An operation that was watched and then looked at again, and a column of two types.
    return [each for at, each in enumerate(found) if each not in found[:at]]
`,
  'behind.py': `"""What the new version takes for granted of a migration that is held back, though no column or table is missing.

It would run, and fail, or read and write what is not meant: its column has the name of one that is removed, an older type,
a constraint that it does not know; or rows are not there that the migration's code makes.
"""
from rollout_inspector.effects import is_code, may_fill, steps_of
from rollout_inspector.judge import of_types


def lacks(search, new):
    """Returns why it is not possible to hold back what is held back; None where it is."""
    for migration in search.pending:
        if search.name(migration) in search.held:
            for step in steps_of(migration.operations):
                if may_fill(step) and not does_nothing(step):
                    return words(search, migration, "runs %s, whose rows the new version may need" % type(step).__name__)
    for migration, what, _ in search.all.effects.unread:
        if search.name(migration) in search.held:
            return words(search, migration, "does more than can be read (%s)" % what)
    for table, columns, event in search.all.effects.loosened:
        need = new.get(table, {"c": {}})["c"]
        if need and event.migration and search.name(event.migration) in search.held:
            if columns is None or all(column in need for column in columns):
                of = "%s.%s" % (table, ",".join(columns)) if columns else table
                return words(search, event.migration, "drops a constraint on %s, which the new version may violate" % of)
    for table in sorted(set(search.all.catalog.changed) & set(new)):
        now, then = search.judge.catalog.get(table), search.all.catalog.get(table)
        for column, wanted in sorted(new[table]["c"].items()):
            has, will = [each["columns"].get(column) if each else None for each in (now, then)]
            why = has and will and differs(wanted, has, will, *[parents_of(each, column) for each in (now, then)])
            if why:
                event = search.all.effects.cause_of(table, column)
                return words(search, event and event.migration, "%s %s.%s" % (why, table, column))
    return None


def differs(wanted, has, will, parents, parents_then):
    if has.get("origin") != will.get("origin"):
        return "puts another column in the place of"
    if wanted.get("n") and will["null"] and not has["null"]:
        return "allows NULL in"
    if will["type"] and will["type"] != has["type"]:
        kind = has["type"] or will.get("was")
        if kind is None or of_types(wanted["t"], kind)[0]:
            return "changes the type of"
    if parents - parents_then:
        return "changes the foreign key of"
    return None


def parents_of(table, column):
    return {parent for name, parent in table["fks"] if name == column}


def does_nothing(step):
    from django.db.migrations import RunPython

    return is_code(step) and getattr(step, "code", None) is RunPython.noop


def words(search, migration, does):
    name = search.name(migration) if migration else "what would be held back"
    after = search.held.get(name, {}).get("after")
    if after:
        return "%s depends on %s, and %s: let the removal come last" % (name, after, does)
    return "%s also %s: put the removal into a migration of its own" % (name, does)
`,
  'bridges.py': `"""Small changes of the schema by which both versions work until a migration is applied.

    default-kept   a new NOT NULL column keeps the default that Django takes away again after it has filled the rows
    default-set    a column whose removal is held back gets the default that its field had
    null-allowed   the same without a default that could be given
    on-delete      a foreign key whose removal is held back lets go of rows that the new version deletes

Each is {"kind", "database", "table", "column", "migration", "sql": ...}; one without \`sql\` is made by the migrate command
itself (guard.py).
"""
import json
import os
from contextlib import ExitStack
from types import SimpleNamespace

from rollout_inspector import task


def is_on(connection):
    return (task.spec.get("contract") or {}).get("bridge") == "on" and connection.vendor in ("postgresql", "mysql")


def bridge(judge, kind, table, column, migration, **more):
    told = {"kind": kind, "database": judge.alias, "table": table, "column": column}
    return dict(told, migration="%s.%s" % (migration.app_label, migration.name), **more)


def kept_default(judge, finding):
    """For versions that do not set a new column."""
    if finding["rule"] != "insert-refused" or not is_on(judge.connection) or judge.connection.vendor != "postgresql":
        return None
    event = judge.effects.cause_of(finding["table"], finding["column"])
    # One constant in all rows would not be unique, and what a function returns is no constant.
    if event is None or event.kind != "add" or event.field is None or not event.constant:
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
    known = judge.catalog.get(table) or {}
    is_unique = any(column in names for names in known.get("uniques", ()))
    # A row of others that is the default may be gone.
    if event.constant and not is_unique and not event.field.is_relation:
        literal = literal_of(editor, event.field, event.constant[0])
        if literal is not None:
            sql = alter % (quote(table), "ALTER COLUMN %s SET DEFAULT %s" % (quote(column), literal))
            return bridge(judge, "default-set", table, column, event.migration, sql=sql)
    kind = event.field.db_type(connection)
    sql = alter % (quote(table), editor.sql_alter_column_null % {"column": quote(column), "type": kind})
    return bridge(judge, "null-allowed", table, column, event.migration, sql=sql)


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
    judge, found = search.judge, {}
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
            sql = action and constraint_sql(judge, name, column, action)
            if sql:
                found[(name, column + " fk")] = bridge(judge, "on-delete", name, column, event.migration, sql=sql, action=action, parent=parent)
    objects = {"%s.%s" % (each["table"], each["column"]) for each in found.values()}
    judge.findings = [each for each in judge.findings if each["rule"] != "delete-refused" or each["object"] not in objects]
    return found


def field_of(model, column):
    fields = [each for each in model._meta.local_concrete_fields if each.column == column] if model else []
    return fields[0] if fields and fields[0].remote_field else None


def constraint_sql(judge, table, column, action):
    """Replaces the constraint, under its name: NOT VALID looks at no row, and those that are there were looked at."""
    quote = judge.connection.ops.quote_name
    query = (
        "SELECT c.conname::text, pg_get_constraintdef(c.oid), c.confdeltype = 'a' FROM pg_constraint c "
        "JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = ANY(c.conkey) "
        "WHERE c.contype = 'f' AND cardinality(c.conkey) = 1 AND c.conrelid = to_regclass(%s) AND a.attname = %s"
    )
    with judge.connection.cursor() as cursor:
        cursor.execute(query, [quote(table), column])
        rows = cursor.fetchall()
    if len(rows) != 1 or not rows[0][2]:
        return None
    name, text, _ = rows[0]
    # FOREIGN KEY (shop_id) REFERENCES shop_shop(id) DEFERRABLE INITIALLY DEFERRED
    head, deferrable, rest = text.replace(" NOT VALID", "").partition(" DEFERRABLE")
    text = "%s ON DELETE %s%s%s NOT VALID" % (head, action, deferrable, rest)
    return "ALTER TABLE %s DROP CONSTRAINT %s, ADD CONSTRAINT %s %s" % (quote(table), quote(name), quote(name), text)


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
        if each["kind"] == "null-allowed" or not wanted or not all(column in need for need in needs):
            stay.append(each)
        elif has["filled"] and all(source != "state" for _, source in judge.known):
            quote = judge.connection.ops.quote_name
            sql = "ALTER TABLE %s ALTER COLUMN %s DROP DEFAULT" % (quote(name), quote(column))
            ended.append(dict(each, sql=sql, end=True))
    return stay, ended


def build():
    """Makes the bridges, each in a transaction of its own. Returns the exit code."""
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
                    cursor.execute(each["sql"])
        except Exception as error:
            if not each.get("end"):
                raise
            # The next release tries it again.
            told["failed"] = " ".join(str(error).split())[:200]
        task.say(json.dumps({"bridge": dict(told, ended=bool(each.get("end")))}))
    return 0
`,
  'catalog.py': `"""What a database has, by Django's own introspection: the same for each vendor.

A table is {"kind": "table", "view" or "unknown", "columns": {name: {...}}, "fks": [[column, table]], "uniques": [[column]],
"checks": [name]}; a column {"null": ..., "filled": ..., "type": ..., "generated": ...}. \`filled\`: the database sets a value that an
INSERT leaves out. \`origin\`: which one it is in the database, whatever its name becomes. \`type\`: only of a column that a migration has made or changed. A view has no columns before its
database has told them; "unknown": nobody knows its columns, and "why" where it may not be read.
"""


class Catalog:
    """Reads a table when somebody asks for it. Changes are laid over what the database has."""

    def __init__(self, connection, tables=None):
        self.connection = connection
        self.names = None
        # By name; None: there is no such table.
        self.read = dict(tables or {})
        self.changed = {}

    def get(self, name):
        if name in self.changed:
            return self.changed[name]
        if name not in self.read:
            self.read[name] = self.ask(name)
        return self.read[name]

    def before(self, name):
        """As the database has it."""
        if name not in self.read:
            self.read[name] = self.ask(name)
        return self.read[name]

    def edit(self, name):
        """Returns the table to be changed; None where there is none."""
        table = self.get(name)
        if table is None or name in self.changed:
            return table
        self.changed[name] = copy_of(table)
        return self.changed[name]

    def put(self, name, table):
        self.changed[name] = table

    def ask(self, name):
        if self.connection is None:
            return None
        from django.db import transaction

        if self.names is None:
            with self.connection.cursor() as cursor:
                listed = self.connection.introspection.get_table_list(cursor)
            self.names = {each.name: each.type for each in listed}
        if name not in self.names:
            return None
        try:
            # What fails must not end a transaction that others are in.
            with transaction.atomic(using=self.connection.alias):
                return self.described(name)
        except Exception as error:
            # No right to read it, or a server of its own that does not answer.
            return dict(empty("unknown"), why=" ".join(str(error).split()))

    def described(self, name):
        introspection = self.connection.introspection
        with self.connection.cursor() as cursor:
            table = empty("table")
            if self.names[name] == "v":
                # Django would ask for a row, which may take a view long.
                cursor.execute("SELECT * FROM %s WHERE 1 = 0" % self.connection.ops.quote_name(name))
                columns = {each[0]: {"null": True, "filled": True, "type": None} for each in cursor.description}
                return dict(table, kind="view", columns=columns)
            columns = introspection.get_table_description(cursor, name)
            generated = self.generated_of(cursor, name, columns)
            table["columns"] = {
                each.name: {
                    "null": bool(each.null_ok),
                    "filled": is_filled(each),
                    "type": None,
                    "read": signature(each),
                    "generated": each.name in generated,
                    "origin": [name, each.name],
                }
                for each in columns
            }
            for constraint, has in introspection.get_constraints(cursor, name).items():
                of = [column for column in has.get("columns") or [] if column]
                if has.get("foreign_key") and of:
                    table["fks"].append([of[0], has["foreign_key"][0]])
                elif has.get("unique") and not has.get("primary_key"):
                    table["uniques"].append(sorted(of) or [constraint])
                elif has.get("check"):
                    table["checks"].append(constraint)
            return table


    def generated_of(self, cursor, name, columns):
        """The columns that nobody may set. SQLite does not tell them."""
        if self.connection.vendor == "postgresql":
            # As JSON: PostgreSQL before 12 has no such property.
            query = "SELECT attname::text FROM pg_attribute a WHERE attrelid = to_regclass(%s) AND to_jsonb(a)->>'attgenerated' <> ''"
            cursor.execute(query, [self.connection.ops.quote_name(name)])
            return [column for column, in cursor.fetchall()]
        return [each.name for each in columns if str(getattr(each, "extra", "") or "").upper().endswith(" GENERATED")]


def is_filled(column):
    """Of a default, an identity or a generated column, as the vendors tell them."""
    extra = str(getattr(column, "extra", "") or "").upper()
    by_database = getattr(column, "is_autofield", False) or getattr(column, "pk", False)
    return column.default is not None or bool(by_database) or "AUTO_INCREMENT" in extra or "GENERATED" in extra


def signature(column):
    """Differs where the type of a column was changed: drivers tell the length in one of two ways."""
    parts = (column.type_code, column.display_size, column.internal_size, column.precision, column.scale)
    return " ".join("" if part is None else str(part) for part in parts)


def empty(kind):
    return {"kind": kind, "columns": {}, "fks": [], "uniques": [], "checks": []}


def copy_of(table):
    return dict(
        table,
        columns={name: dict(each) for name, each in table["columns"].items()},
        fks=[list(each) for each in table["fks"]],
        uniques=[list(each) for each in table["uniques"]],
        checks=list(table["checks"]),
    )
`,
  'checks.py': `"""Whether the rows of today let the pending migrations end: asked before anything is written.

Where a step before it writes rows, by code or SQL, nothing is known: it may mend them. A query that takes too long says
nothing either.
Only tables and columns that keep their names until then are asked for.
"""
import re
import time
import tokenize

from rollout_inspector import allows, reader
from rollout_inspector.judge import parts_of, texts

# In all, in seconds; each query has its own limit (verdict.py).
longest = 10
# By alias and query: what is held back is judged again without it.
answers = {}
# More rows are not counted.
most_rows = 1000


class Check:
    def __init__(self, event, table, columns, query, words):
        # \`query\` gives the rows that are in the way; \`words\` what they are, with their number for %s.
        self.event, self.table, self.columns, self.query, self.words = event, table, columns, query, words


def of(event, effects):
    """Yields what a change asks of the rows, before it is laid over the catalog."""
    table = event.model._meta.db_table if event.model is not None else getattr(event, "table", "")
    if not table or not is_as_now(effects, table):
        return
    handler = {"alter": altered, "add": added, "unique": unique, "check": check, "set": changed}.get(event.kind)
    for columns, query, words in handler(event, effects, effects.connection.ops.quote_name) if handler else ():
        if all(is_as_now(effects, table, column) for column in columns):
            name = effects.connection.ops.quote_name(table)
            yield Check(event, table, columns, query.replace("<table>", name), words.replace("<table>", table))


def is_as_now(effects, table, column=""):
    """Whether it is there, under this name, and no pending migration makes it or gives it another name."""
    cause = effects.causes.get((table, column))
    if cause is not None and (cause.kind != "alter" or cause.old.column != cause.new.column) and cause.kind != "set":
        # A constraint is not the column.
        if cause.kind not in ("unique", "check", "reference"):
            return False
    has = effects.catalog.before(table)
    return has is not None and has["kind"] == "table" and (not column or column in has["columns"])


def nulls(quoted):
    return "SELECT 1 FROM <table> WHERE %s IS NULL" % quoted


def duplicates(quoted, only="", nulls_too=False):
    where = [] if nulls_too else ["%s IS NOT NULL" % each for each in quoted]
    where += ["(%s)" % only] if only else []
    query = "SELECT %s, count(*) FROM <table>" % ", ".join(quoted)
    query += " WHERE " + " AND ".join(where) if where else ""
    return query + " GROUP BY %s HAVING count(*) > 1" % ", ".join(quoted)


def equal(columns):
    return "<n> of <table> shared by several rows (%s): the unique constraint cannot be created" % ", ".join(columns)


def altered(event, effects, quote):
    old, new = event.old, event.new
    column = old.column
    if old.null and not new.null and not new.has_default() and not is_filled(new):
        yield [column], nulls(quote(column)), "<n> of <table> without a value in %s: it cannot become NOT NULL" % column
    if new.unique and not old.unique and not new.primary_key:
        yield [column], duplicates([quote(column)]), equal([column])
    check_now, check_then = effects.check_of(old), effects.check_of(new)
    if check_then and not check_now and old.column == new.column:
        yield [column], "SELECT 1 FROM <table> WHERE NOT (%s)" % check_then, "<n> of <table> that break the check of %s" % column
    for each in orphans(event, effects, quote):
        yield each
    for each in shortened(old, new, effects, quote):
        yield each


def is_filled(field):
    from django.db.models import NOT_PROVIDED

    return getattr(field, "db_default", NOT_PROVIDED) is not NOT_PROVIDED


def orphans(event, effects, quote):
    from rollout_inspector import needs as fingerprint

    before, after = fingerprint.reference_of(event.old), fingerprint.reference_of(event.new)
    if not (after and after[1]) or (before and before[1] and before[0] == after[0]):
        return
    column, parent = event.old.column, after[0]
    if not is_as_now(effects, parent):
        return
    target = event.new.target_field.column
    query = "SELECT 1 FROM <table> WHERE %s IS NOT NULL AND NOT EXISTS (SELECT 1 FROM %s rollout_p WHERE rollout_p.%s = <table>.%s)"
    words = "<n> of <table> whose %s is in no row of %s: the foreign key cannot be created" % (column, parent)
    yield [column], query % (quote(column), quote(parent), quote(target), quote(column)), words


def shortened(old, new, effects, quote):
    from rollout_inspector import needs as fingerprint

    (kind, sizes), (other, others) = [parts_of(fingerprint.type_of(each, effects.connection) or "") for each in (old, new)]
    if kind in texts and other in ("varchar", "char") and others and (not sizes or others[0] < sizes[0]):
        length = "length" if effects.connection.vendor == "sqlite" else "char_length"
        query = "SELECT 1 FROM <table> WHERE %s(%s) > %d" % (length, quote(old.column), others[0])
        yield [old.column], query, "<n> of <table> with more than %d characters in %s" % (others[0], old.column)


def added(event, effects, quote):
    """A unique column with one value for all rows."""
    field = event.field
    if field is None or not field.unique or field.primary_key or getattr(field, "generated", False):
        return
    if is_filled(field):
        # What the database computes may differ for each row.
        if hasattr(field.db_default, "resolve_expression") and type(field.db_default).__name__ != "Value":
            return
    elif effects.recorder.effective_default(field) is None:
        return
    words = "<n> of <table> that would get the same value in the new column %s: it cannot be unique" % field.column
    yield [], "SELECT 1 FROM <table> WHERE 2 <= (SELECT count(*) FROM (SELECT 1 FROM <table> LIMIT 2) rollout_t)", words


def unique(event, effects, quote):
    constraint = getattr(event, "constraint", None)
    if event.model is None or getattr(constraint, "expressions", ()):
        return
    only = ""
    if getattr(constraint, "condition", None) is not None:
        only = constraint._get_condition_sql(event.model, effects.recorder) or ""
    nulls_too = getattr(constraint, "nulls_distinct", None) is False
    yield event.columns, duplicates([quote(each) for each in event.columns], only, nulls_too), equal(event.columns)


def check(event, effects, quote):
    constraint = getattr(event, "constraint", None)
    if constraint is None or type(constraint).__name__ != "CheckConstraint":
        return
    # As the database will have it: what is NULL passes.
    sql = constraint._get_check_sql(event.model, effects.recorder)
    yield [], "SELECT 1 FROM <table> WHERE NOT (%s)" % sql, "<n> of <table> that break the check %s" % constraint.name


def changed(event, effects, quote):
    """SET NOT NULL by SQL."""
    if event.__dict__.get("null") is False:
        column = event.column
        yield [column], nulls(quote(column)), "<n> of <table> without a value in %s: it cannot become NOT NULL" % column


def report(judge, pending):
    """Asks the database, and adds what it finds to the judge's findings."""
    until = time.monotonic() + longest
    for each in judge.effects.checks:
        if time.monotonic() > until:
            break
        if may_be_mended(pending, each.event.operation):
            continue
        query = "SELECT count(*) FROM (%s LIMIT %d) rollout_c" % (each.query, most_rows)
        key = (judge.alias, query)
        if key not in answers:
            answers[key] = judge.asked(query)
        rows = answers[key]
        count = rows[0][0] if rows else 0
        if count == 0:
            continue
        number = "%d %s" % (count, "value" if " shared by " in each.words else "row") + ("s" if count > 1 else "")
        number = "at least " + number if count >= most_rows else number
        more = {"detail": each.words.replace("<n>", number)}
        judge.report("rows-refuse", each.table, ",".join(each.columns), more, None, each.event.migration, new={})
        judge.findings[-1]["code"] = [each.query + ";"]
    for view, table, column, event in views(judge, pending):
        what = "the type of %s.%s cannot be changed" % (table, column) if event.kind == "alter" else "%s is dropped" % (
            "%s.%s" % (table, column) if column else table
        )
        more = {"detail": "%s, and the view %s reads it" % (what, view)}
        judge.report("view-gone", table, column, more, None, event.migration, new={})


def may_be_mended(pending, operation):
    """Whether a step before it may write rows, or remove those that are in the way."""
    from rollout_inspector.effects import is_code, steps_of, texts_of

    for step in steps_of([each for migration in pending for each in migration.operations]):
        if is_code(step) or any(map(reader.writes_rows, texts_of(step))):
            return True
        if step is operation:
            return False
    return True


depending = """SELECT DISTINCT v.relname::text FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid
 JOIN pg_class v ON v.oid = r.ev_class JOIN pg_attribute a ON a.attrelid = d.refobjid
 WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = to_regclass('<table>')
 AND v.oid <> d.refobjid AND v.relkind IN ('v', 'm') AND <column>"""


def views(judge, pending):
    """Django drops a view together with its table, and up to 5.2 with its column, without a word. From 6.0 on, and where
    the column gets another type, the migration fails."""
    if judge.connection.vendor != "postgresql" or not judge.effects.under_views:
        return
    said = [text for migration in pending for text in sql_of(migration)]
    for event, table, column in judge.effects.under_views:
        query = depending.replace("<table>", judge.connection.ops.quote_name(table).replace("'", "''"))
        of = "a.attname = '%s' AND a.attnum = d.refobjsubid" % column.replace("'", "''") if column else "true"
        for (view,) in judge.asked(query.replace("<column>", of), 20) or ():
            # A migration that knows the view drops it first, or makes it again.
            if not any(re.search(r"\\b%s\\b" % re.escape(view), text) for text in said):
                yield view, table, column, event


def sql_of(migration):
    """What it says in SQL; of code, which may say anything, its whole file."""
    from rollout_inspector.effects import is_code, steps_of, texts_of

    steps = list(steps_of(migration.operations))
    texts = [text for step in steps for text in texts_of(step)]
    if any(map(is_code, steps)):
        try:
            with tokenize.open(allows.file_of(migration)) as file:
                texts.append(file.read())
        except (OSError, SyntaxError, UnicodeDecodeError):
            pass
    return texts


def under_view(event, effects):
    """Yields what a view must not read any more."""
    from rollout_inspector import needs as fingerprint

    table = event.model._meta.db_table if event.model is not None else getattr(event, "table", "")
    if not table or not is_as_now(effects, table):
        return
    if event.kind == "delete":
        yield event, table, ""
    elif event.kind == "remove":
        yield event, table, event.column if event.field is None else event.field.column
    elif event.kind == "alter":
        types = [fingerprint.type_of(each, effects.connection) for each in (event.old, event.new)]
        if types[0] != types[1]:
            yield event, table, event.old.column
`,
  'cost.py': `"""For how long a migration of PostgreSQL keeps what it locks: estimated by the bytes that its statements work on.

The lock is not over with its statement but with the transaction: what comes after it counts. Pure.
"""
import re

from rollout_inspector import locks, reader

# Bytes a second, on a small machine: an order of magnitude.
rates = {"scan": 200000000, "index": 30000000, "rewrite": 30000000}
# By an action of ALTER TABLE, what it does with all rows.
works = (
    (r"ADD (?:CONSTRAINT " + locks.part + r" )?(?:UNIQUE|PRIMARY KEY|EXCLUDE)(?! USING INDEX)", "index"),
    (r"ADD (?:CONSTRAINT " + locks.part + r" )?(?:CHECK|FOREIGN KEY)(?!.* NOT VALID\\Z)", "scan"),
    (r"ALTER (?:COLUMN )?" + locks.part + " SET NOT NULL", "scan"),
    (r"VALIDATE CONSTRAINT", "scan"),
    # To longer text no row is written again.
    (r"ALTER (?:COLUMN )?" + locks.part + r" (?:SET DATA )?TYPE (?!(?:text|varchar|character varying)\\b)", "rewrite"),
    (r"ADD (?!CONSTRAINT )(?:COLUMN )?.*\\b(?:GENERATED|(?:BIG|SMALL)?SERIAL\\d?)\\b", "rewrite"),
    (r"ADD (?!CONSTRAINT )(?:COLUMN )?.*\\bDEFAULT (?!\\(?(?:now|statement_timestamp|transaction_timestamp)\\(\\)).*\\(", "rewrite"),
    (r"ADD (?!CONSTRAINT )(?:COLUMN )?.*\\b(?:UNIQUE|PRIMARY KEY)\\b", "index"),
    (r"ADD (?!CONSTRAINT )(?:COLUMN )?.*\\bCHECK\\b", "scan"),
)


def work_of(statement):
    """Yields (table as it is written, work) of what a statement does with the rows of a table."""
    table = locks.find(r"ALTER TABLE " + locks.exists + "(?:ONLY )?" + locks.name, statement)
    if table:
        for action in reader.split(statement[table.end() :].strip(" *")):
            found = [work for pattern, work in works if locks.begins(pattern, action)]
            if found:
                yield table.group(1), found[0]
        return
    index = r"CREATE (?:UNIQUE )?INDEX (?!CONCURRENTLY)" + locks.exists + "(?:" + locks.part + " )??ON (?:ONLY )?"
    index = locks.find(index + locks.name, statement)
    if index:
        yield index.group(1), "index"


def steps_of(statements):
    """What a migration does after its first lock: [(table, work)], and whether code or a change of rows is among it."""
    steps, is_closed, is_open_end, fresh = [], False, False, set()
    for each in statements:
        if each.startswith("--") and "CANNOT BE WRITTEN AS SQL" in each:
            is_open_end = is_open_end or is_closed
        for statement in reader.statements_of(each, False):
            made = locks.find(r"CREATE (?:\\w+ )*?TABLE " + locks.exists + locks.name, statement)
            if made:
                fresh.add(locks.plain(made.group(1)))
            is_closed = is_closed or any(what != "unread" for what, _, _ in locks.of_statement(statement))
            # Django's own UPDATE of the rows without a value is of the column that it has just added.
            if is_closed and re.match(r"(UPDATE|INSERT|DELETE|MERGE|WITH|DO|CALL)\\b", statement, re.IGNORECASE):
                is_open_end = True
            steps += [(table, work) for table, work in work_of(statement) if locks.plain(table) not in fresh]
    return steps, is_open_end


def seconds_of(steps, sizes, is_atomic):
    """sizes: bytes by the table as it is written. Without a transaction each statement has a lock of its own."""
    each = [sizes.get(table, 0) / float(rates[work]) for table, work in steps]
    return (sum(each) if is_atomic else max(each)) if each else 0.0
`,
  'effects.py': `"""What pending migrations make of a database's tables, without a write.

All operations that reach the database call a schema editor. Here they call one that only takes notes, with the states
that Django itself would give them: so operations of Django, their subclasses and those of others are followed alike, in
the way of the installed version. Of SeparateDatabaseAndState only the operations for the database count.
"""
from rollout_inspector import needs as fingerprint
from rollout_inspector import reader, task, twins
from rollout_inspector.catalog import copy_of, empty


class Event:
    """One change of the schema, and what made it."""

    def __init__(self, kind, **more):
        self.kind = kind
        self.migration = None
        self.operation = None
        self.model = self.field = self.old = self.new = None
        # [the default that each row can have], of a field while the operation runs: it may be for that time alone.
        self.constant = []
        self.__dict__.update(more)


def recorder_of(connection, note):
    """A schema editor of this vendor that changes nothing: it passes each call to \`note\`."""
    base = connection.SchemaEditorClass

    class Recorder(base):
        def execute(self, sql, params=()):
            note(Event("sql", sql=str(sql)))

        def create_model(self, model):
            note(Event("create", model=model))
            for field in model._meta.local_many_to_many:
                if field.remote_field.through._meta.auto_created:
                    note(Event("create", model=field.remote_field.through))

        def delete_model(self, model, **more):
            for field in model._meta.local_many_to_many:
                if field.remote_field.through._meta.auto_created:
                    note(Event("delete", model=field.remote_field.through, old=field))
            note(Event("delete", model=model))

        def add_field(self, model, field):
            if field.many_to_many:
                if field.remote_field.through._meta.auto_created:
                    note(Event("create", model=field.remote_field.through))
            elif field.column is not None:
                note(Event("add", model=model, field=field, constant=twins.constant_default(field)))

        def remove_field(self, model, field):
            if field.many_to_many:
                if field.remote_field.through._meta.auto_created:
                    note(Event("delete", model=field.remote_field.through, old=field))
            elif field.column is not None:
                note(Event("remove", model=model, field=field, constant=twins.constant_default(field)))

        def alter_field(self, model, old_field, new_field, strict=False):
            if old_field.many_to_many and new_field.many_to_many:
                old, new = old_field.remote_field.through, new_field.remote_field.through
                if not (old._meta.auto_created and new._meta.auto_created):
                    return
                self.alter_db_table(new, old._meta.db_table, new._meta.db_table)
                for name in ("m2m_reverse_field_name", "m2m_field_name"):
                    fields = [
                        each.remote_field.through._meta.get_field(getattr(each, name)())
                        for each in (old_field, new_field)
                    ]
                    note(Event("alter", model=new, old=fields[0], new=fields[1]))
            elif old_field.column is not None and new_field.column is not None:
                note(Event("alter", model=model, old=old_field, new=new_field))

        def alter_db_table(self, model, old_db_table, new_db_table):
            if old_db_table != new_db_table:
                note(Event("rename", model=model, old=old_db_table, new=new_db_table))

        def alter_unique_together(self, model, old_unique_together, new_unique_together):
            old = {tuple(each) for each in old_unique_together}
            for names in {tuple(each) for each in new_unique_together} - old:
                note(Event("unique", model=model, columns=columns_of(model, names)))
            for names in old - {tuple(each) for each in new_unique_together}:
                note(Event("drop-check", model=model, name="", columns=columns_of(model, names)))

        def add_constraint(self, model, constraint):
            kind = type(constraint).__name__
            names = getattr(constraint, "fields", ())
            if kind == "UniqueConstraint":
                columns = columns_of(model, names) or [constraint.name]
                note(Event("unique", model=model, columns=columns, constraint=constraint))
            else:
                # CheckConstraint, ExclusionConstraint, and what others make.
                note(Event("check", model=model, name=constraint.name, constraint=constraint))

        def remove_constraint(self, model, constraint):
            note(Event("drop-check", model=model, name=constraint.name, columns=columns_of_constraint(model, constraint)))

        def _constraint_names(self, *args, **options):
            # Some ask for one by its columns: a migration that is still pending may make it.
            return ["unknown"]

        def nothing(self, *args, **options):
            # Indexes, tablespaces and comments: queries of the running version go on.
            return None

        add_index = remove_index = rename_index = alter_index_together = nothing
        alter_db_tablespace = alter_db_table_comment = nothing

    editor = Recorder(connection, collect_sql=True)
    editor.deferred_sql = []
    return editor


def columns_of(model, names):
    return sorted(model._meta.get_field(name).column for name in names)


def columns_of_constraint(model, constraint):
    """All that it looks at; None where that is not known."""
    from django.db.models import F, Q

    names, open_ends = set(getattr(constraint, "fields", ())), []
    for part in ("check", "condition", "expressions"):
        value = constraint.__dict__.get(part)
        open_ends += value if isinstance(value, (list, tuple)) else [value] if value is not None else []
    while open_ends:
        each = open_ends.pop()
        if isinstance(each, Q):
            open_ends += each.children
        elif isinstance(each, tuple):
            names.add(each[0].split("__")[0])
            open_ends += [each[1]] if hasattr(each[1], "get_source_expressions") else []
        elif isinstance(each, F):
            names.add(each.name.split("__")[0])
        elif hasattr(each, "get_source_expressions"):
            open_ends += each.get_source_expressions()
    try:
        return columns_of(model, names) or None
    except Exception:
        return None


def flattened(operations, state, app):
    """Yields (operation, state before, state after) of all that reaches the database, as Django walks them."""
    for operation in operations:
        after = state.clone()
        operation.state_forwards(app, after)
        inner = getattr(operation, "database_operations", None)
        if inner is None:
            yield operation, state, after
        else:
            for each in flattened(inner, state, app):
                yield each
        state = after


def is_code(operation):
    """RunPython, and others that do not consist of SQL: they are not run for a plan."""
    return not getattr(operation, "reduces_to_sql", True)


def steps_of(operations):
    """All that reaches the database, without the states."""
    for operation in operations:
        inner = getattr(operation, "database_operations", None)
        for each in [operation] if inner is None else steps_of(inner):
            yield each


def texts_of(operation):
    """The statements of RunSQL."""
    sql = getattr(operation, "sql", None) or ()
    return [sql] if isinstance(sql, str) else [each if isinstance(each, str) else each[0] for each in sql]


def applied_state(executor, is_rendered):
    """Returns a state of what is applied. To render all models takes most of a plan's time: clones share it."""
    kept = getattr(executor, "rollout_state", None)
    if kept is None:
        kept = executor.rollout_state = executor._create_project_state(with_applied_migrations=True)
    if is_rendered:
        kept.apps
    return kept.clone()


def may_fill(operation):
    """Whether it may give rows a value: code, and SQL that does."""
    return is_code(operation) or any(map(reader.fills_rows, texts_of(operation)))


def only_runs_code(operation):
    """Whether the state after it is the one before it, too."""
    from django.db.migrations import RunPython

    return is_code(operation) and type(operation).state_forwards is RunPython.state_forwards


class Effects:
    """Lays the changes of migrations over a catalog, and keeps what made them."""

    def __init__(self, connection, catalog, guard):
        self.connection = connection
        self.catalog = catalog
        # What makes sure that no operation writes.
        self.guard = guard
        # By (table, column): the last event that changed it; the column "" is the table.
        self.causes = {}
        self.touched = set()
        # Steps whose effect is not known before they have run.
        self.opaque = []
        # Migration, what it is, and the table that it concerns where that is known.
        self.unread = []
        # (table, columns or None, event) of constraints that are taken away from columns that stay.
        self.loosened = []
        # What is taken away, where a backup may be made (backup.py).
        self.losses = []
        # (table, column) of new columns that keep the default of their rows.
        self.kept = set()
        # What the rows of today have to be asked, and what views may read (checks.py).
        self.checks = []
        self.under_views = []
        # Those that names without a schema mean; the first one gets what is made.
        self.schemas = None
        self.migration = None
        self.operation = None
        # What is there between two commits: the migration, the tables that it has left changed, and their causes.
        self.between = []
        self.recorder = recorder_of(connection, self.note)

    def run(self, migration, operation, before, after):
        if self.migration is not None and self.is_committed(migration):
            self.keep()
        self.migration, self.operation = migration, operation
        if is_code(operation):
            self.opaque.append(migration)
            return
        try:
            with self.connection.execute_wrapper(self.guard):
                operation.database_forwards(migration.app_label, self.recorder, before, after)
        except Exception as error:
            self.cannot_read("%s: %s" % (type(operation).__name__, error))

    def is_committed(self, migration):
        """Whether others see what the operations before this one have done."""
        in_one = migration.atomic and self.connection.features.can_rollback_ddl
        return migration is not self.migration or not in_one

    def keep(self):
        last = {}
        for _, tables, _ in self.between:
            last.update(tables)
        now = self.catalog.changed
        tables = {name: table and copy_of(table) for name, table in now.items() if last.get(name, 0) != table}
        causes = {key: event for key, event in self.causes.items() if key[0] in tables}
        self.between.append((self.migration, tables, causes))

    def cannot_read(self, what, table=None):
        if task.spec.get("backup"):
            from rollout_inspector import backup

            self.losses.append(backup.reason(self.migration, "unread", what))
        self.opaque.append(self.migration)
        self.unread.append((self.migration, " ".join(what.split())[:200], table))

    def is_elsewhere(self, schema, what):
        """Whether it is none of this connection's schemas."""
        if self.schemas is None:
            vendor = self.connection.vendor
            self.schemas = ["main"] if vendor == "sqlite" else [str(self.connection.settings_dict["NAME"])]
            if vendor == "postgresql":
                with self.connection.cursor() as cursor:
                    cursor.execute("SELECT unnest(current_schemas(false))::text")
                    self.schemas = [each for each, in cursor.fetchall()]
        if schema in self.schemas[1:]:
            # Whether a table before it has the same name is not known.
            self.cannot_read(what)
            return True
        return schema not in self.schemas

    def note(self, event):
        event.migration, event.operation = self.migration, self.operation
        if event.kind == "sql":
            for change in reader.changes_of(event.sql, self.connection.vendor):
                schema = change.pop("schema", None)
                if schema is None or not self.is_elsewhere(schema, event.sql):
                    self.apply(Event(migration=event.migration, operation=event.operation, **change))
        else:
            if event.model is not None and not event.model._meta.managed:
                return
            self.apply(event)

    def apply(self, event):
        if task.spec.get("backup"):
            from rollout_inspector import backup

            self.losses += backup.losses(event, self)
        self.look_at_rows(event)
        handler = getattr(self, "on_" + event.kind.replace("-", "_"))
        handler(event)

    def bridge(self, bridges):
        """Lays what bridges do to columns that are there over the catalog, too."""
        done = {"default-set": {"filled": True}, "null-allowed": {"null": True}}
        for each in bridges:
            if each["kind"] in done:
                self.migration = self.operation = None
                self.apply(Event("set", table=each["table"], column=each["column"], **done[each["kind"]]))

    def look_at_rows(self, event):
        from rollout_inspector import checks

        try:
            found = list(checks.of(event, self)), list(checks.under_view(event, self))
        except Exception:
            # A constraint of another package, or of a later Django: what is not asked stops nothing.
            return
        self.checks += found[0]
        self.under_views += found[1]

    # Tables

    def table_of(self, event):
        """The table to change; a note where it is not there."""
        name = event.table if event.model is None else event.model._meta.db_table
        self.touched.add(name)
        table = self.catalog.edit(name)
        if table is None:
            self.cannot_read("the table %s is not visible" % name)
        elif table["kind"] == "unknown":
            if "why" in table:
                self.cannot_read("the table %s: %s" % (name, table["why"]))
            table = None
        return name, table

    def on_create(self, event):
        name = event.table if event.model is None else event.model._meta.db_table
        self.touched.add(name)
        # Else \`migrate --fake-initial\`, or it fails.
        if self.catalog.get(name) is not None:
            return
        # What SQL creates may have any columns.
        table = empty("table" if event.model else "unknown")
        for field in event.model._meta.local_concrete_fields if event.model else ():
            self.put_column(table, field)
        self.catalog.put(name, table)
        self.causes[(name, "")] = event

    def on_view(self, event):
        self.touched.add(event.table)
        self.catalog.put(event.table, empty("view"))
        self.causes[(event.table, "")] = event

    def on_delete(self, event):
        name = event.table if event.model is None else event.model._meta.db_table
        self.touched.add(name)
        self.catalog.put(name, None)
        self.causes[(name, "")] = event

    def on_rename(self, event):
        old, new = event.old, event.new
        self.touched.update((old, new))
        table = self.catalog.edit(old)
        if table is None:
            return self.cannot_read("the table %s is not visible" % old)
        self.catalog.put(new, table)
        self.catalog.put(old, None)
        for (name, column), cause in list(self.causes.items()):
            if name == old:
                self.causes[(new, column)] = cause
        self.causes[(old, "")] = self.causes[(new, "")] = event

    # Columns

    def put_column(self, table, field):
        reference = fingerprint.reference_of(field)
        table["columns"][field.column] = {
            "null": bool(field.null),
            "filled": fingerprint.is_filled(field),
            "type": fingerprint.type_of(field, self.connection),
            "generated": bool(getattr(field, "generated", False)),
        }
        if reference and reference[1]:
            table["fks"].append([field.column, reference[0]])
        if field.unique and not field.primary_key:
            table["uniques"].append([field.column])
        if self.check_of(field):
            table["checks"].append(field.column)

    def check_of(self, field):
        try:
            return field.db_check(self.connection)
        except Exception:
            return None

    def on_add(self, event):
        name, table = self.table_of(event)
        if table is None:
            return
        if event.field is None:
            column = event.column
            has = {key: getattr(event, key) for key in ("null", "filled", "type", "generated")}
            table["columns"].setdefault(column, has)
            if event.parent:
                table["fks"].append([column, event.parent])
        else:
            column = event.field.column
            if column not in table["columns"]:
                self.put_column(table, event.field)
            if (name, column) in self.kept:
                table["columns"][column]["filled"] = True
        self.causes[(name, column)] = event

    def on_remove(self, event):
        name, table = self.table_of(event)
        if table is None:
            return
        column = event.column if event.field is None else event.field.column
        drop(table, column)
        self.causes[(name, column)] = event

    def on_alter(self, event):
        name, table = self.table_of(event)
        if table is None:
            return
        old, new = event.old, event.new
        if old.column != new.column:
            self.rename_column(table, old.column, new.column)
            self.causes[(name, old.column)] = event
        self.causes[(name, new.column)] = event
        has = table["columns"].get(new.column)
        if has is None:
            return self.cannot_read("the column %s.%s is not visible" % (name, old.column))
        if bool(old.null) != bool(new.null):
            has["null"] = bool(new.null)
        if fingerprint.is_filled(old) != fingerprint.is_filled(new):
            has["filled"] = fingerprint.is_filled(new)
        types = [fingerprint.type_of(each, self.connection) for each in (old, new)]
        if types[0] != types[1] and self.connection.vendor != "sqlite":
            has["type"] = types[1]
            has.setdefault("was", types[0])
        if old.unique and not new.unique or self.check_of(old) and not self.check_of(new):
            self.loosened.append((name, [new.column], event))
        self.alter_reference(table, old, new)
        if new.unique and not old.unique and not new.primary_key:
            table["uniques"].append([new.column])
        if self.check_of(new) and not self.check_of(old):
            table["checks"].append(new.column)

    def alter_reference(self, table, old, new):
        before, after = fingerprint.reference_of(old), fingerprint.reference_of(new)
        if before and before[1]:
            table["fks"] = [each for each in table["fks"] if each[0] != new.column]
        if after and after[1]:
            table["fks"].append([new.column, after[0]])

    def rename_column(self, table, old, new):
        has = table["columns"].pop(old, None)
        if has is not None:
            table["columns"][new] = has
        for reference in table["fks"]:
            if reference[0] == old:
                reference[0] = new

    def on_rename_column(self, event):
        name, table = self.table_of(event)
        if table is not None:
            self.rename_column(table, event.column, event.to)
            self.causes[(name, event.column)] = self.causes[(name, event.to)] = event

    def on_set(self, event):
        """SET and DROP of NOT NULL and DEFAULT, and TYPE, by SQL."""
        name, table = self.table_of(event)
        if table is None:
            return
        has = table["columns"].get(event.column)
        if has is None:
            return self.cannot_read("the column %s.%s is not visible" % (name, event.column))
        for key in ("null", "filled", "type", "generated"):
            if key in event.__dict__:
                has[key] = event.__dict__[key]
        self.causes[(name, event.column)] = event

    # Constraints

    def on_unique(self, event):
        name, table = self.table_of(event)
        if table is not None:
            table["uniques"].append(event.columns)
            self.causes[(name, ",".join(event.columns))] = event

    def on_check(self, event):
        name, table = self.table_of(event)
        if table is not None:
            table["checks"].append(event.name)
            self.causes[(name, event.name)] = event

    def on_drop_check(self, event):
        """Of any kind: it can only make more fit."""
        name, table = self.table_of(event)
        self.loosened.append((name, getattr(event, "columns", None), event))
        if table is not None and event.name in table["checks"]:
            table["checks"].remove(event.name)

    def on_reference(self, event):
        name, table = self.table_of(event)
        if table is not None:
            table["fks"].append([event.column, event.parent])
            self.causes[(name, event.column)] = event

    def on_unread(self, event):
        self.cannot_read(event.statement, getattr(event, "table", None))

    def cause_of(self, table, column):
        return self.causes.get((table, column)) or self.causes.get((table, ""))


def drop(table, column):
    table["columns"].pop(column, None)
    table["fks"] = [each for each in table["fks"] if each[0] != column]
    table["uniques"] = [each for each in table["uniques"] if column not in each]
`,
  'guard.py': `"""Takes a migration's locks on PostgreSQL without making others wait for it. Runs inside of the migrate command.

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

from rollout_inspector import locks, reader, task
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
apart = re.compile(r"\\b(VIEW|FOREIGN TABLE|DROP TABLE)\\b", re.IGNORECASE)
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
            if is_postgresql and task.spec["kept"]:
                stack.enter_context(self.connection.execute_wrapper(DefaultsKept(self.connection, migration)))
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
                    self.say(note="the index %s could not be looked at: %s" % (index, one_line(error)))
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
        query = (
            "SELECT relation, mode FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'relation' AND relation >= 16384 "
            "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
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
                raise CommandError("%s was in use for %d s: %s" % (", ".join(told(tables)), limit, so_far))
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
    query = re.sub(r"'(?:[^']|'')*(?:'|\\Z)", "'?'", " ".join(query.split()))
    return re.sub(r"\\b\\d+\\b", "?", query)[:200]
`,
  'identity.py': `"""What names a database, and whether two of them are one."""
import os
import re
import time

from rollout_inspector import task


def connect(connection):
    from django.db.utils import OperationalError

    until = time.monotonic() + float(task.spec.get("wait") or 0)
    while True:
        try:
            return connection.ensure_connection()
        except OperationalError:
            if time.monotonic() >= until:
                raise
            time.sleep(0.5)


def bare(address):
    """Without what a URI may have: who asks, by which password, and its options."""
    return re.sub(r"//[^/]*@", "//", str(address)).partition("?")[0]


def identity_of(connection):
    """What names a database, as far as settings tell; no password."""
    have = connection.settings_dict
    options = have.get("OPTIONS") or {}
    name = str(have.get("NAME") or options.get("dbname") or "")
    if connection.vendor == "sqlite":
        path = name if name.startswith((":", "file:")) else os.path.realpath(name)
        return {"vendor": "sqlite", "name": path, "host": "", "port": "", "user": ""}
    usual = {"postgresql": "5432", "mysql": "3306"}.get(connection.vendor, "")
    sent = str(options.get("options") or "")
    found = re.search(r"search_path(?:=|%3D)([^ &]+)", sent)
    host = have.get("HOST") or options.get("host") or options.get("service")
    return {
        "vendor": connection.vendor,
        "name": bare(name),
        "host": bare(host or options.get("read_default_file") or ""),
        "port": str(have.get("PORT") or options.get("port") or usual),
        "user": str(have.get("USER") or options.get("user") or ""),
        "schema": found.group(1) if found else "",
    }


def asked(connection):
    """The same with what the server itself tells, which a proxy between does not change."""
    from django.db import Error

    identity = identity_of(connection)
    ask = {
        "postgresql": [
            ("name", "SELECT current_database()"),
            ("schema", "SELECT current_schema()"),
            ("server", "SELECT system_identifier FROM pg_control_system()"),
            # That needs a right. Without it, at least two present connections can be distinguished.
            ("started", "SELECT extract(epoch FROM pg_postmaster_start_time())"),
        ],
        "mysql": [
            ("name", "SELECT database()"),
            ("server", "SELECT @@server_uuid"),
            ("server", "SELECT @@server_uid"),
            ("started", "SELECT CONCAT(@@hostname, ' ', @@port)"),
        ],
    }
    for key, sql in ask.get(connection.vendor, []):
        if identity.get(key) and key == "server":
            continue
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql)
                row = cursor.fetchone()
        except Error:
            continue
        if row and row[0] is not None:
            identity[key] = str(row[0])
    return identity


def is_same(one, other):
    """Whether two identities are of one database; another user, or another way to it, is none."""
    for key in ("vendor", "name"):
        if one.get(key) != other.get(key):
            return False
    if one.get("schema") and other.get("schema") and one["schema"] != other["schema"]:
        return False
    for key in ("server", "started"):
        if one.get(key) and one.get(key) == other.get(key):
            return True
    # A cluster of MySQL answers by any of its servers, and a file has none.
    told = one.get("server") and other.get("server")
    if told and one["vendor"] == "postgresql":
        return False
    return all(one.get(key) == other.get(key) for key in ("host", "port"))
`,
  'judge.py': `"""What does not fit between code and a database, by the rules of rules.json. Pure.

\`misfits\` is a set difference's half: only what fitted before and does not fit after is a finding. What was amiss
before is not this release's doing: legacy tables, other databases, dead apps.
"""
import json
import os
import re

RULES = json.loads(
    __loader__.get_data(os.path.join(os.path.dirname(__file__), "rules.json")).decode("utf-8")
)

# From, to: what holds all values of the former.
wider = {
    ("smallint", "integer"),
    ("smallint", "bigint"),
    ("integer", "bigint"),
    ("real", "double precision"),
    ("varchar", "text"),
    ("varchar", "longtext"),
    ("char", "varchar"),
    ("char", "text"),
    ("json", "jsonb"),
    ("date", "timestamp with time zone"),
    ("bool", "boolean"),
}
numbers = ("smallint", "integer", "bigint", "numeric", "decimal", "real", "double precision", "bool", "boolean")
texts = ("varchar", "char", "text", "longtext", "citext")


def parts_of(text):
    """\`numeric(10, 2)\` is ("numeric", [10, 2])."""
    found = re.match(r"([^(]*)(?:\\(([\\d, ]+)\\))?", text)
    sizes = [int(each) for each in re.findall(r"\\d+", found.group(2) or "")]
    return found.group(1).strip().lower(), sizes


def of_types(old, new):
    """Returns the rule that a change of a column's type meets, and whether queries certainly fail."""
    if not old or not new or old == new:
        return None, False
    (kind, sizes), (other, others) = parts_of(old), parts_of(new)
    if kind == other:
        if kind in ("numeric", "decimal") and len(sizes) == len(others) == 2:
            whole, others_whole = sizes[0] - sizes[1], others[0] - others[1]
            return ("narrowed" if others_whole < whole or others[1] < sizes[1] else None), False
        if not others:
            return None, False
        return ("narrowed" if not sizes or others[0] < sizes[0] else None), False
    if (kind, other) in wider:
        # char(32) fits into varchar(32), and not into varchar(5).
        return ("narrowed" if sizes and others and others[0] < sizes[0] else None), False
    crossed = (kind in numbers and other in texts) or (kind in texts and other in numbers)
    return "retyped", crossed


def misfits(needs, table_of, tables, is_new):
    """Returns what does not fit: {(rule, table, column): more about it}.

    needs     of one version, by table
    table_of  returns a table of the catalog, by its name
    tables    those to look at
    is_new    it is the version of this release, which knows what its migrations make
    """
    found = {}

    def add(rule, table, column="", **more):
        found[(rule, table, column)] = more

    for name in sorted(tables):
        need = needs.get(name)
        have = table_of(name)
        if need is None:
            # A table that is left behind holds on to rows of others.
            for column, parent in have["fks"] if have and is_new else ():
                if parent in needs:
                    add("delete-refused", name, column, parent=parent)
            continue
        if have is None:
            add("table-gone", name)
            continue
        is_view = have["kind"] == "view"
        columns = have["columns"]
        if have["kind"] == "unknown":
            # The new version may be made for it.
            if not is_new:
                add("unread", name, detail="the columns of the table %s" % name)
            continue
        if is_view and not columns:
            # The new version may be made for it.
            if not (is_new and need.get("u")):
                add("view", name)
            continue
        for column, wanted in need["c"].items():
            has = columns.get(column)
            if has is None:
                add("column-gone", name, column)
                continue
            if is_view:
                continue
            if wanted.get("n") and not has["null"]:
                add("null-refused", name, column)
            if has.get("generated") and not wanted.get("g"):
                add("generated", name, column)
            # The default of the code is used before that of the database.
            relies = wanted.get("g") or wanted.get("d") and not wanted.get("p")
            if relies and not has["filled"] and not has["null"]:
                add("default-gone", name, column)
            rule, sure = of_types(wanted["t"], has["type"])
            if rule:
                add(rule, name, column, sure=sure, to=has["type"], **{"from": wanted["t"]})
        if is_view:
            continue
        for column, has in columns.items():
            if column not in need["c"] and not has["null"] and not has["filled"]:
                add("insert-refused", name, column)
        for column, parent in have["fks"]:
            known = need["c"].get(column)
            if known is None:
                # Rows of the running version do not have the new column yet.
                if is_new and parent in needs:
                    add("delete-refused", name, column, parent=parent)
            elif not is_new and is_other(known.get("r"), parent, table_of):
                add("fk-added", name, column, parent=parent)
        if not is_new:
            for unique in have["uniques"]:
                add("unique", name, ",".join(unique))
            for check in have["checks"]:
                add("check", name, check)
    return found


def is_other(reference, parent, table_of):
    """Whether a foreign key is not the one that the code knows, and not that one to a table with a new name."""
    if not (reference and reference[1]):
        return True
    known = table_of(reference[0]) if reference[0] != parent else None
    return known is not None and known["kind"] == "table"


def severity_of(rule, more, need, is_new):
    """breaks, may or unknown, by the rule and by what is known of this case."""
    severity = RULES[rule]["severity"]
    if rule == "retyped" and more.get("sure"):
        severity = "breaks"
    if rule == "null-refused" and more.get("nulls") and not more.get("filled"):
        severity = "breaks"
    # What no operation makes may come by another way: a step in Python, a table of another program.
    if severity == "breaks" and is_new and rule != "insert-refused":
        if more.get("opaque"):
            severity = "unknown"
        elif need.get("u") or need.get("o"):
            severity = "may"
    return severity
`,
  'leaves.py': `"""Brings an empty database to the migrations that are applied to another one: a plan without that database."""
from django.core.management import CommandError, call_command
from django.core.management.commands.migrate import Command
from django.db.migrations.loader import MigrationLoader


def bring(connection, applied):
    """\`applied\` has the last applied migration of each app. Never touches a database that has tables."""
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
`,
  'locks.py': `"""Which tables a statement of PostgreSQL locks, and how strongly. Pure, but for \`resolved\`.

What locks is written as [what, name, more]: ["table", name, mode], ["index", name, ""] (its table), and
["only", name, mode] (without its partitions),
["constraint", table, name], ["column", table, name], ["others", table, ""] (tables on the other side of foreign keys),
["drop", table, ""] (those, and the table that it is a partition of).
Reading and writing go on under weaker locks than these; what only takes such a lock is not listed.
"""
import re
from functools import partial

from rollout_inspector import reader

closed, writes, rows_only = "ACCESS EXCLUSIVE", "SHARE ROW EXCLUSIVE", "SHARE"
plain = partial(reader.plain, vendor="postgresql")
# The strongest last.
modes = (rows_only, writes, closed)

part = r'(?:"(?:[^"]|"")+"|\\w+)'
name = "(" + part + r"(?:\\." + part + ")?)"
exists = r"(?:IF (?:NOT )?EXISTS )?"
# Nothing else can lock: a quick look, since data steps send many statements.
strong = re.compile(r"\\b(ALTER|CREATE|DROP|TRUNCATE|CLUSTER|REINDEX|REFRESH|DO|CALL)\\b", re.IGNORECASE)
# Actions of ALTER TABLE beside which reading and writing go on.
weak = (
    r"(VALIDATE CONSTRAINT|CLUSTER ON|SET WITHOUT CLUSTER|SET \\(|RESET \\(|ATTACH PARTITION|DETACH PARTITION|"
    r"ALTER (COLUMN )?" + part + r" (SET STATISTICS|SET \\(|RESET \\())"
)
reindex = r"REINDEX ?(?:\\((?:(?!CONCURRENTLY(?! (?:FALSE|OFF|0)))[^)])*\\) ?)?"
# By the start of the statement, what names the table, and the mode.
others = (
    (r"DROP (?:MATERIALIZED VIEW|VIEW|FOREIGN TABLE) " + exists + name, closed),
    (r"CREATE (?:OR REPLACE )(?:TEMP\\w* |RECURSIVE )*VIEW " + name, closed),
    (r"ALTER (?:MATERIALIZED VIEW|VIEW|FOREIGN TABLE) " + exists + name, closed),
    (r"CREATE (?:OR REPLACE )?(?:CONSTRAINT )?TRIGGER .*? ON " + name, writes),
    (r"DROP TRIGGER .*? ON " + name, closed),
    (r"(?:CREATE|ALTER|DROP) POLICY .*? ON " + name, closed),
    (r"CREATE (?:OR REPLACE )?RULE .*? TO " + name, closed),
    (r"(?:ALTER|DROP) RULE .*? ON " + name, closed),
    (r"REFRESH MATERIALIZED VIEW (?!CONCURRENTLY)" + name, closed),
    (r"CLUSTER (?:VERBOSE )?" + name, closed),
    (reindex + "TABLE (?!CONCURRENTLY)" + name, closed),
)
# What begins, ends or leaves a transaction.
control = r"(BEGIN|START|COMMIT|END|ABORT|ROLLBACK|SAVEPOINT|RELEASE|PREPARE|SET (?:LOCAL |SESSION )?TRANSACTION)\\b"
# What changes which tables names mean.
renames = r"(?:SET|RESET) (?:LOCAL |SESSION )?(?:\\"?search_path\\"?|SCHEMA|ROLE|AUTHORIZATION|SESSION AUTHORIZATION|ALL)(?=\\W|\\Z)"
# What works on the catalog alone, however many rows there are: statements, and actions of ALTER TABLE.
quick = (
    r"(SET|RESET|COMMENT|GRANT|REVOKE|LOCK|TRUNCATE|DROP|ALTER (?!TABLE|DOMAIN)|"
    r"CREATE (?!UNIQUE INDEX|INDEX|MATERIALIZED|(?:\\w+ )*TABLE .*\\bAS [( ]*(?:SELECT|WITH|TABLE|VALUES|EXECUTE)\\b))"
)
quick_action = (
    r"(RENAME|OWNER|ENABLE|DISABLE|FORCE|NO|INHERIT|REPLICA|DROP|DETACH|CLUSTER|RESET|SET (?:SCHEMA|WITHOUT|\\()|"
    r"ADD .*\\bNOT VALID\\Z|ADD (?:CONSTRAINT " + part + r" )?UNIQUE USING INDEX|"
    r"ALTER (?:COLUMN )?" + part + r" (?:DROP|RESET|SET (?:DEFAULT|STATISTICS|STORAGE|\\()))"
)
# What makes a new column work on rows: a check, an index, or a value of its own for each row.
works = (
    r"\\b(UNIQUE|PRIMARY|CHECK|GENERATED|(?:BIG|SMALL)?SERIAL\\d?|FOREIGN|EXCLUDE|ADD CONSTRAINT|DEFAULT .*\\bREFERENCES)\\b|"
    r"\\bDEFAULT (?!\\(?(?:now|statement_timestamp|transaction_timestamp)\\(\\)).*\\("
)


def begins(pattern, text):
    return re.match(pattern, text, re.IGNORECASE)


def find(pattern, text):
    return begins(pattern + r"(?=\\W|\\Z)", text)


def of_sql(sql):
    """What the statements of a text lock, without repetition."""
    found = {}
    for statement in reader.statements_of(sql, False):
        found.update((tuple(each), each) for each in of_statement(statement))
    return list(found.values())


def of_statement(text):
    found = find(r"ALTER TABLE " + exists + "(ONLY )?" + name, text)
    if found:
        for action in reader.split(text[found.end() :].strip(" *")):
            for each in of_action(found.group(2), action):
                is_only = found.group(1) and each[:2] == ["table", found.group(2)]
                yield ["only"] + each[1:] if is_only else each
        return
    found = find(r"CREATE (?:UNIQUE )?INDEX (?!CONCURRENTLY)" + exists + "(?:" + part + " )??ON (ONLY )?" + name, text)
    if found:
        yield ["only" if found.group(1) else "table", found.group(2), rows_only]
        return
    found = begins("(?:DROP INDEX|" + reindex + "INDEX) (?!CONCURRENTLY)" + exists, text)
    if found:
        for each in names(text[found.end() :]):
            yield ["index", each, ""]
        return
    if find(r"CREATE (?:\\w+ )*?TABLE", text):
        for each in re.findall(r"\\bREFERENCES " + name, text, re.IGNORECASE):
            yield ["table", each, writes]
        for each in re.findall(r"\\bPARTITION OF " + name, text, re.IGNORECASE):
            yield ["only", each, closed]
        return
    found = begins(r"(DROP TABLE|TRUNCATE(?: TABLE)?) " + exists + "(?:ONLY )?", text)
    if found:
        for each in names(text[found.end() :]):
            yield ["table", each, closed]
            if found.group(1).upper() == "DROP TABLE":
                yield ["drop", each, ""]
            elif re.search(r" CASCADE\\Z", text, re.IGNORECASE):
                yield ["others", each, ""]
        return
    for pattern, mode in others:
        found = find(pattern, text)
        if found:
            yield ["table", found.group(1), mode]
            return
    if find("(DO|CALL)", text):
        yield ["unread", text[:60], ""]


# What gives no rows, and can be sent by itself.
alone = r"(ALTER|CREATE|DROP|TRUNCATE|COMMENT|GRANT|REVOKE|SET|RESET|UPDATE|INSERT|DELETE|ANALYZE|LOCK|REFRESH|REINDEX|CLUSTER|DO)\\b"


def pieces(sql):
    """The statements of a text as they are written; none where it is not certain where one ends."""
    found, start, at, depth = [], 0, 0, 0
    while True:
        mark = reader.begins.search(sql, at)
        code = sql[at : mark.start() if mark else len(sql)]
        depth += code.count("(") - code.count(")")
        if not mark:
            break
        at = reader.end_of(sql, mark.group(0), mark.end(), False)
        if mark.group(0) == ";":
            if depth:
                return []
            found.append(sql[start : mark.start()])
            start = at
        elif mark.group(0) == "'" and "\\\\" in sql[mark.start() : at]:
            # A server may be set to take it as an escape.
            return []
    found.append(sql[start:])
    read = [" ".join(reader.statements_of(each, False)) for each in found]
    if any("*/" in each or re.search(r"\\b(RETURNING|CONCURRENTLY)\\b", each, re.IGNORECASE) for each in read):
        return []
    if not all(begins(alone, each) for each in read if each):
        return []
    return [each for each, known in zip(found, read) if known]


def names(text):
    text = re.sub(r"(?i) (CASCADE|RESTRICT|RESTART IDENTITY|CONTINUE IDENTITY)(?=\\Z| )", "", text)
    return [found.group(1) for found in (find(name, each) for each in reader.split(text)) if found]


def of_action(table, action):
    if begins(weak, action):
        return
    parents = re.findall(r"\\bREFERENCES " + name, action, re.IGNORECASE)
    found = find(r"ADD (?:CONSTRAINT " + part + " )?FOREIGN KEY", action)
    found = found or find(r"(ENABLE|DISABLE) (\\w+ )?TRIGGER", action)
    yield ["table", table, writes if found else closed]
    for each in parents:
        yield ["table", each, writes]
    found = find(r"DROP CONSTRAINT " + exists + "(" + part + ")", action)
    if found:
        yield ["constraint", table, found.group(1)]
        return
    found = find(r"DROP (?:COLUMN )?" + exists + "(" + part + ")", action)
    found = found or find(r"ALTER (?:COLUMN )?(" + part + ") (?:SET DATA )?TYPE", action)
    if found:
        yield ["column", table, found.group(1)]


def concurrent_of(sql):
    """Pairs of index and table that a text builds while reading and writing go on."""
    pattern = r"CREATE (?:UNIQUE )?INDEX CONCURRENTLY " + exists + "(" + part + ") ON (?:ONLY )?" + name
    found = [find(pattern, each) for each in reader.statements_of(sql, False)]
    return [(plain(each.group(1)), each.group(2)) for each in found if each]


def is_quick(text, fresh):
    """Whether a statement takes a moment only; fresh: tables that were created before it, which are empty."""
    found = find(r"CREATE (?:\\w+ )*?TABLE " + exists + name, text)
    if found:
        fresh.add(plain(found.group(1)))
    table = find(r"ALTER TABLE " + exists + "(?:ONLY )?" + name, text)
    index = find(r"CREATE (?:UNIQUE )?INDEX " + exists + "(?:" + part + " )??ON (?:ONLY )?" + name, text)
    if table or index:
        actions = reader.split(text[table.end() :].strip(" *")) if table else []
        return plain((table or index).group(1)) in fresh or bool(table) and all(is_quick_action(each) for each in actions)
    return bool(begins(quick, text) or begins(control, text)) and not begins(renames, text)


def is_quick_action(action):
    action = re.sub(r'"(?:[^"]|"")*"', "q", action)
    return bool(begins(quick_action, action) or begins("ADD ", action) and not re.search(works, action, re.IGNORECASE))


def leading(statements):
    """The statements that come before the first step of code, or after it where it is the first; joined.

    They end with the first one that works on rows: what others wait for is not locked for as long as that takes. And
    with one that changes which tables the next names mean.
    """
    found, fresh = [], set()
    for each in statements:
        if each.startswith("--") and "CANNOT BE WRITTEN AS SQL" in each and found:
            break
        for statement in reader.statements_of(each, False):
            if statement:
                found.append(statement)
                if not is_quick(statement, fresh):
                    return ";\\n".join(found)
    return ";\\n".join(found)


def resolved(rows_of, wanted):
    """Tables by their number in the catalog, as it is now; what is not there yet is left out."""
    if not wanted:
        return {}
    query = (
        "SELECT n.at, c.oid, i.indrelid, p.oid FROM unnest(%s::text[]) WITH ORDINALITY n(name, at) "
        "JOIN pg_class c ON c.oid = to_regclass(n.name) LEFT JOIN pg_index i ON i.indexrelid = c.oid "
        "LEFT JOIN pg_inherits h ON h.inhrelid = c.oid LEFT JOIN pg_class p ON p.oid = h.inhparent AND p.relkind = 'p'"
    )
    found = {at: each for at, *each in rows_of(query, [[each[1] for each in wanted]])}
    strength, sides, whole, by_drop = {}, [], set(), set()

    def lock(oid, mode, is_whole=True):
        strength[oid] = max(strength.get(oid, 0), modes.index(mode))
        if is_whole:
            whole.add(oid)

    for at, (what, _, more) in enumerate(wanted, 1):
        oid, table, parent = found.get(at, (None, None, None))
        if what == "drop" and parent:
            # The server locks the parent first, as everybody does who reads it: the other way round is a deadlock.
            lock(parent, closed, False)
            by_drop.update((oid, parent))
        if what == "index" and table:
            lock(table, closed)
        elif oid and what in ("table", "only"):
            lock(oid, more, what == "table")
        elif oid and what != "index":
            sides.append((what, oid, plain(more)))
    if sides:
        column = "ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = %s AND attnum = ANY(%s))"
        columns = ", ".join(column % each for each in (("conrelid", "conkey"), ("confrelid", "confkey")))
        query = "SELECT conrelid, confrelid, conname::text, %s FROM pg_constraint WHERE contype = 'f'" % columns
        tables = [oid for _, oid, _ in sides]
        query += " AND (conrelid = ANY(%s::oid[]) OR confrelid = ANY(%s::oid[]))"
        for child, parent, title, own, theirs in rows_of(query, [tables, tables]):
            for what, oid, more in sides:
                here = (own if oid == child else []) + (theirs if oid == parent else [])
                # A primary key that others refer to has its own name.
                is_it = title == more or oid == parent if what == "constraint" else what in ("others", "drop") or more in here
                if oid in (child, parent) and is_it:
                    lock(child, closed)
                    lock(parent, closed)
    query = (
        "SELECT c.oid, c.relkind::text, quote_ident(s.nspname) || '.' || quote_ident(c.relname), "
        "CASE WHEN s.nspname = current_schema() THEN '' ELSE s.nspname || '.' END || c.relname, "
        "CASE WHEN c.relpages > 0 OR c.reltuples > 0 THEN c.reltuples ELSE pg_stat_get_live_tuples(c.oid) END, "
        "c.relpages::bigint * current_setting('block_size')::bigint "
        "FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace WHERE c.oid = ANY(%s::oid[])"
    )
    return {
        oid: {
            "name": full,
            "table": shown,
            "mode": modes[strength[oid]],
            "kind": kind,
            "only": oid not in whole,
            "by_drop": oid in by_drop,
            "rows": int(rows),
            "bytes": size,
        }
        for oid, kind, full, shown, rows, size in rows_of(query, [list(strength)])
    }
`,
  'main.py': `"""The order: a plan in the project's own process; then, without the project in memory, the web's answer, the
migration and the comparison after it.

The same text runs in each of these processes. DJANGO_ROLLOUT_SPEC says which one it is.
"""
import atexit
import json
import os
import sys

from rollout_inspector import run, task


def main():
    locks = os.environ.get("DJANGO_ROLLOUT_LOCKS")
    if locks and "DJANGO_ROLLOUT_SPEC" not in os.environ:
        from rollout_inspector import guard

        return guard.begin(locks)
    task.read()
    if "child" in task.spec:
        from rollout_inspector import web

        web.web_tells()
        finish()
    elif "build" in task.spec:
        from rollout_inspector import bridges

        finish(bridges.build())
    elif "verify" in task.spec:
        verify()
        finish()
    elif "unapply" in task.spec:
        from rollout_inspector import reverse

        reverse.unapply()
        finish()
    elif "handed" in task.spec:
        state = run.handed()
        run.after_plan(state)
        finish(state["found"].get("failed", 0))
    else:
        plan()


def finish(code=0):
    sys.stdout.flush()
    # Not by sys.exit: threads that the project has started would keep it.
    os._exit(code)


def plan():
    import django
    from django.conf import settings
    from django.core.management import call_command, get_commands
    from django.db import connections

    # Django reports settings that cannot be imported only when they are read; then the apps.
    settings.INSTALLED_APPS
    django.setup()

    from rollout_inspector import tasks, verdict, web
    from rollout_inspector.identity import asked, connect, identity_of
    from rollout_inspector.needs import packed
    from rollout_inspector.plan import plan_of

    # As it is now: the project may change it when it connects.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DJANGO_ROLLOUT_")}
    planned = planned_databases()
    identities = {alias: identity_of(connections[alias]) for alias in planned}
    found = {"stated": dict(identities), "identities": identities}
    question, silent = web.question_of(found["stated"])
    made = {}
    try:
        call_command("check", stdout=sys.stderr)
        for alias, own in planned.items():
            connect(connections[alias])
            identities[alias] = asked(connections[alias])
            if "leaves" in task.spec:
                from rollout_inspector import leaves

                leaves.bring(connections[alias], task.spec["leaves"].get(alias, {}))
            made[alias] = plan_of(alias, identities[alias], own)
    except Exception as error:
        # A database that does not answer, or that is none of Django's, may be only the wrong one.
        for alias in identities:
            try:
                connections[alias].ensure_connection()
                identities[alias] = asked(connections[alias])
            except Exception:
                pass
        found["failed"] = getattr(error, "returncode", 1) or 1
        connections.close_all()
        # Told by Django and Python first, as it is.
        if question:
            atexit.register(run.hand_over, found, question, silent)
        else:
            run.after_plan({"found": found, "question": None, "silent": silent, "spec": task.spec})
        raise

    if task.spec.get("reverse"):
        from rollout_inspector import reverse

        planned_back = reverse.planned({alias: (each["executor"], each["needs"]) for alias, each in made.items()})
        found["reversal"] = planned_back
        found["back"] = {"start": run.command_again(), "env": environment, "task": reverse.to_do(planned_back)}
    connections.close_all()
    found["plans"] = [each["plan"] for each in made.values()]
    found["needs"] = [packed({alias: each["needs"] for alias, each in made.items() if each["needs"] is not None})]
    found["tasks"] = tasks.packed(tasks.tasks())
    found["judged"] = None
    if verdict.is_judged():
        pending = [migration for each in made.values() for migration in each["pending"]]
        findings = [finding for each in made.values() for finding in each["findings"]]
        judged = verdict.concluded(findings, pending)
        judged["versions"] = versions_told([each["sources"] for each in made.values()])
        found["judged"] = judged
    questions = [each["question"] for each in made.values() if each["question"]]
    # A command that may do more than the plan shows cannot be compared with it.
    found["verify"] = questions and {
        "start": run.command_again(),
        "env": environment,
        "tables": questions,
    }
    found["again"] = {"start": run.command_again(), "env": environment}
    # By alias and migration, what it begins to lock; none where nothing runs that could wait.
    found["leading"] = None
    if verdict.is_judged() and task.spec.get("locks") is not None:
        databases = [each["leading"] for each in made.values() if each["leading"] is not None]
        found["leading"] = {name: each for own in databases for name, each in own.items()} if databases else None
    # A project's own \`migrate\` may do anything: django-tenants goes through all schemas.
    found["always"] = bool(task.spec.get("always")) or get_commands().get("migrate") != "django.core"
    found["backup"] = [reason for each in made.values() for reason in each["backup"]]
    found["django"] = django.get_version()
    run.hand_over(found, question, silent)


def planned_databases():
    """Returns apps by alias; None: all of them.

    Where no router says otherwise all is the default one's, and a mirror is a copy; what a router keeps away from is
    not asked at all: it may be anything, and out of reach.
    """
    from django.conf import settings
    from django.db import connections
    from django.db.migrations.loader import MigrationLoader

    from rollout_inspector.plan import own_apps

    planned = {alias: None for alias in task.named()}
    if settings.DATABASE_ROUTERS and not task.spec.get("only"):
        on_disk = MigrationLoader(None)
        for alias in connections:
            mirror = (connections[alias].settings_dict.get("TEST") or {}).get("MIRROR")
            own = set() if mirror or alias in planned else own_apps(alias, on_disk)
            if own:
                planned[alias] = own
    return planned


def versions_told(sources):
    """The versions that run, and where the needs of each come from: the least trusted of all databases."""
    told = []
    for index, version in enumerate(task.spec["running"]):
        of = [each[index] for each in sources if index < len(each)]
        source = "state" if "state" in of or not of else of[0]
        told.append({"names": version["names"], "tag": version.get("tag", ""), "source": source})
    return told


def verify():
    """In a process of its own, after the migration."""
    import django
    from django.db import connections

    django.setup()
    from rollout_inspector import verdict

    with os.fdopen(task.spec["verify"], "rb") as file:
        questions = json.loads(file.read().decode("ascii"))
    try:
        told = [verdict.verified(each, connections[each["alias"]]) for each in questions]
        task.say(json.dumps({"verified": told}))
    except Exception as error:
        task.say(json.dumps({"verified": None, "why": str(error)[:300]}))
`,
  'needs.py': `"""What code needs of a database: the fingerprint of an image.

It is taken from the registry of apps and not from the migrations, because that is what the code's queries name: a
field that is hidden from the running model, a table named by an environment variable, and apps without migrations
are in it as they are.

    {table: {"m": model, "u": 1 if not managed, "o": 1 if its app has no migrations, "c": {column: {...}}}}

A column has: "t" its type; and 1 if it may be NULL ("n"), has a database default ("d"), a Python default ("p"), or
gets its value from the database ("g"); "r": [table, 1 if a constraint] for a foreign key.
"""
import base64
import json
import re
import zlib

# Of one database, unpacked; far above what a project of 400 models needs.
longest = 4 * 1024 * 1024
# Some names of one type: the same column in other versions of Django.
same_type = {"serial": "integer", "bigserial": "bigint", "smallserial": "smallint"}


def has_db_default(field):
    """Django 5.0 and later."""
    has = getattr(field, "has_db_default", None)
    return bool(has()) if has else False


def is_filled(field):
    """Whether the database sets a value that an INSERT leaves out."""
    by_database = getattr(field, "generated", False) or str(field.get_internal_type()).endswith("AutoField")
    return bool(has_db_default(field) or by_database)


def type_of(field, connection):
    try:
        text = field.db_type(connection) or ""
    except Exception:
        return ""
    text = re.sub(r"\\s+(GENERATED|AUTO_INCREMENT|NOT NULL|PRIMARY KEY).*", "", str(text))
    return same_type.get(text, text)


def reference_of(field):
    """The table that a foreign key refers to, and whether the database has a constraint for it."""
    if not field.is_relation or field.remote_field is None:
        return None
    model = field.remote_field.model
    if isinstance(model, str):
        return None
    return [model._meta.db_table, 1 if getattr(field, "db_constraint", False) else 0]


def needs_of_field(field, connection):
    need = {"t": type_of(field, connection)}
    if field.null:
        need["n"] = 1
    if has_db_default(field):
        need["d"] = 1
    if field.has_default():
        need["p"] = 1
    if is_filled(field) and not need.get("d"):
        need["g"] = 1
    reference = reference_of(field)
    if reference:
        need["r"] = reference
    return need


def needs_of(connection, apps, is_here, migrated):
    """Returns the needs of all models of these apps that \`is_here\` finds in this database."""
    needs = {}
    for model in apps.get_models(include_auto_created=True, include_swapped=False):
        options = model._meta
        if options.proxy or options.abstract or options.swapped or not is_here(model):
            continue
        table = needs.setdefault(options.db_table, {"m": options.label, "c": {}})
        if not options.managed:
            table["u"] = 1
        if options.app_label not in migrated:
            table["o"] = 1
        for field in options.local_concrete_fields:
            table["c"][field.column] = needs_of_field(field, connection)
    return needs


def packed(needs):
    text = json.dumps(needs, sort_keys=True, separators=(",", ":"))
    return base64.b64encode(zlib.compress(text.encode("utf-8"), 9)).decode("ascii")


def unpacked(text):
    """Returns nothing for what cannot be read: others may have written it."""
    try:
        inflate = zlib.decompressobj()
        data = inflate.decompress(base64.b64decode(text), longest)
        if inflate.unconsumed_tail:
            return None
        needs = json.loads(data.decode("utf-8"))
        return needs if is_needs(needs) else None
    except (ValueError, TypeError, zlib.error):
        return None


def is_needs(needs):
    """{alias: needs}"""

    def is_column(column):
        reference = column.get("r", ["", 0])
        return isinstance(column.get("t"), str) and isinstance(reference[0], str)

    try:
        return all(
            isinstance(table["m"], str) and all(map(is_column, table["c"].values()))
            for tables in needs.values()
            for table in tables.values()
        )
    except (AttributeError, KeyError, IndexError, TypeError):
        return False
`,
  'placing.py': `"""Which pending migrations are applied now, and which are held back.

One that breaks a running version is held back where the new version works without it, too: it stays pending, and the
next release applies it, because by then the running version no longer needs what it removes. Only whole migrations are
held back, so that Django's own table says the truth.

DJANGO_ROLLOUT_SPEC has \`contract\`: {"policy": off, next, after or manual; "bridge": on or off; "refused": why nothing may
be held back, if so; "starts": programs that the pods start; "stay": names that stay held back}.
"""
import os
import re
import shutil
import sys

from rollout_inspector import allows, behind, bridges, task


def policy():
    return (task.spec.get("contract") or {}).get("policy", "off")


def is_off():
    return policy() == "off" and (task.spec.get("contract") or {}).get("bridge", "off") == "off"


class Placed:
    """\`judge\`: of what is applied now, with the bridges. \`held\`: what is not, as JSON. \`bridges\`: new ones."""

    def __init__(self, judge, held=(), built=()):
        self.judge, self.held, self.bridges = judge, list(held), list(built)
        self.names = {"%(app)s.%(name)s" % each for each in self.held}


def place(judge, pending, new):
    """Returns what is applied now. \`judge\` has judged all of it."""
    if is_off():
        return Placed(judge)
    search = Search(judge, pending, new)
    stay = (task.spec["contract"].get("stay") or []) if policy() == "manual" else []
    for migration in pending:
        if search.name(migration) in stay:
            search.hold(migration, {"stay": True})
    if not search.held and not any(each["direction"] == "running" for each in search.stopping(judge)):
        return Placed(judge)
    why = refusal() or search.run()
    if why is None:
        return Placed(search.judge, search.told(), search.bridges.values())
    for finding in search.stopping(judge):
        if finding["direction"] == "running" and policy() != "off":
            finding["stays"] = why
    return Placed(judge)


class Search:
    """Holds back what breaks, and what depends on it, until nothing breaks; or until the new version lacks something."""

    def __init__(self, judge, pending, new):
        # \`all\`: with all migrations; \`judge\`: without those that are held back.
        self.all = self.judge = judge
        self.pending, self.new = pending, new
        self.graph = judge.executor.loader.graph
        self.accepted, _ = allows.comments_of(pending)
        self.amiss = {(each["rule"], each["object"]) for each in self.stopping(judge) if each["direction"] == "new"}
        # By name, why.
        self.held = {}
        self.bridges = {}

    @staticmethod
    def name(migration):
        return "%s.%s" % (migration.app_label, migration.name)

    def stopping(self, judge):
        return [
            each
            for each in judge.findings
            if each["severity"] == "breaks"
            # What the rows of today do not allow is no reason to hold anything back.
            and each["rule"] not in ("rows-refuse", "view-gone")
            and (each["rule"], each["object"]) not in self.accepted
        ]

    def run(self):
        """Returns why it is not possible; None where it is."""
        again = bool(self.held)
        while True:
            if again:
                rest = [each for each in self.pending if self.name(each) not in self.held]
                self.judge = self.all.again(rest, self.new, self.bridges)
            # What stops the release in any case has nothing to do with what is held back.
            breaks = [each for each in self.stopping(self.judge) if (each["rule"], each["object"]) not in self.amiss]
            running = [each for each in breaks if each["direction"] == "running"]
            if not breaks:
                why = behind.lacks(self, self.new) if self.held else None
                if why:
                    return why
                self.bridges.update(bridges.of_deletes(self))
                return None
            for finding in running or breaks:
                why = self.solve(finding) if running else self.mend(finding)
                if why:
                    return why
            again = True

    def solve(self, finding):
        """A version that runs: by a default that is kept, or without the migration."""
        bridge = bridges.kept_default(self.judge, finding)
        key = (finding["table"], finding["column"])
        if bridge and key not in self.bridges:
            self.bridges[key] = bridge
            return None
        if policy() == "off":
            return "nothing is held back"
        for migration in self.pending:
            if self.name(migration) == finding["migration"] and finding["migration"] not in self.held:
                self.hold(migration, finding)
                return None
        # What was held back before another finding was solved.
        return None if finding["migration"] in self.held else "which migration breaks it is not known"

    def hold(self, migration, finding):
        keys = ("rule", "object", "versions", "stay")
        self.held.setdefault(self.name(migration), {key: finding[key] for key in keys if key in finding})
        key = (migration.app_label, migration.name)
        for other in self.pending:
            name = self.name(other)
            if name not in self.held and key in self.graph.forwards_plan((other.app_label, other.name)):
                self.held[name] = {"after": self.name(migration)}

    def mend(self, finding):
        """The new version without what is held back."""
        table, column = finding["table"], finding["column"]
        event = self.all.effects.cause_of(table, column)
        if event is None or event.migration is None or self.name(event.migration) not in self.held:
            return "the new version does not fit, either: %s %s" % (finding["rule"], finding["object"])
        if finding["rule"] == "insert-refused":
            bridge = bridges.loosened(self.judge, event, table, column)
            if bridge and (table, column) not in self.bridges:
                self.bridges[(table, column)] = bridge
                return None
            return "the new version does not set %s, which stays NOT NULL without a database default" % finding["object"]
        name, needed = self.name(event.migration), finding["object"]
        after = self.held[name].get("after")
        if event.kind in ("alter", "rename", "rename_column"):
            return "the new version uses %s, which %s makes by a new name" % (needed, name)
        if after:
            return "%s depends on %s, and makes %s, which the new version needs: let the removal come last" % (name, after, needed)
        return "%s also makes %s, which the new version needs: put the removal into a migration of its own" % (name, needed)

    def told(self):
        return [
            dict(
                self.held[self.name(each)],
                app=each.app_label,
                name=each.name,
                operations=[type(operation).__name__ for operation in each.operations],
            )
            for each in self.pending
            if self.name(each) in self.held
        ]


def refusal():
    """Why nothing may be held back here: it would be applied all the same."""
    from django.core.management import get_commands

    if task.spec.get("always"):
        return "migrate-command is more than a plain \\"manage.py migrate\\""
    if get_commands().get("migrate") != "django.core":
        return "the project has a migrate command of its own"
    if sys.flags.ignore_environment or sys.flags.no_site:
        return "Python is started without PYTHONPATH or without the module site"
    contract = task.spec["contract"]
    if contract.get("refused"):
        return contract["refused"]
    for program in contract.get("starts") or []:
        script = migrating(program)
        if script:
            return "the pods migrate by themselves: %s" % script
    return None


def migrating(program, depth=3):
    """The script by which a program migrates: this one, or one that it starts."""
    path = shutil.which(program) or program
    if not os.path.isfile(path) or os.path.basename(path) in ("manage.py", "django-admin"):
        return None
    try:
        with open(path, "rb") as file:
            text = file.read(65536)
    except OSError:
        return None
    if not (text.startswith(b"#!") or path.endswith((".sh", ".py"))):
        return None
    lines = [line for line in text.decode("utf-8", "replace").splitlines() if not line.lstrip().startswith("#")]
    if any(re.search(r"\\b(migrate|showmigrations)", line) for line in lines):
        return path
    words = {word.strip("\\"'") for line in lines for word in line.split()} if depth else ()
    found = [migrating(word, depth - 1) for word in sorted(words) if "/" in word or word.endswith((".sh", ".py"))]
    return next((each for each in found if each), None)
`,
  'plan.py': `"""What is pending in a database."""
from django.apps import apps
from django.core.management import CommandError
from django.db import connections, router
from django.db.migrations.executor import MigrationExecutor

from rollout_inspector import bridges, cost, locks, placing, task, usage, verdict
from rollout_inspector.effects import applied_state, is_code

# In characters: a plan is one line of a container's log, which holds 10 MiB before it is rotated.
longest_sql = 8000
longest_sql_of_all = 400000

# What Django asks a database while it puts together the text of a migration. Anything else would be an operation of
# the project's own that writes past the schema editor: a plan never writes.
reading = ("SELECT", "SHOW", "PRAGMA", "DESCRIBE", "EXPLAIN")
transaction = ("BEGIN", "SAVEPOINT", "RELEASE SAVEPOINT", "ROLLBACK", "SET CONSTRAINTS")


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
                sql = "\\n".join(statements)
            except Exception:
                # An operation that looks up a constraint which a migration before it, unapplied
                # too, is yet to make fails here as it does in sqlmigrate, and so does what would
                # write. The plan is worth telling without its SQL.
                state = None
        if sql is not None:
            if len(sql) > min(longest_sql, left):
                sql = sql[: min(longest_sql, left)] + "\\n-- (cut)"
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


def not_in_code(loader):
    """Migrations that the database has and this code does not.

    \`newer\` tells a version deployed later (its migrations came after all that this code knows)
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
    """Squashed migrations that \`migrate\` marks as applied, since all that they replace is.

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
                wanted = [each for each in locks.of_sql("\\n".join(statements)) if each[0] != "unread"]
                tables = locks.resolved(rows_of, wanted)
                for oid, table in tables.items():
                    if oid in rates:
                        table["reads"], table["writes"] = rates[oid]
                tables = sorted(tables.values(), key=lambda table: table["table"])
                held = held_for(rows_of, statements, migration.atomic)
        except Exception:
            # It is reported only.
            pass
        keys = ("table", "mode", "rows", "bytes", "reads", "writes")
        found[name_of(migration)] = {
            "locks": tables and [{key: table[key] for key in keys if key in table} for table in tables],
            "held": tables and held,
        }
    return found


def held_for(rows_of, statements, is_atomic):
    """Seconds from its first lock to the end of its transaction, and whether code or a change of rows comes on top."""
    steps, is_open_end = cost.steps_of(statements)
    query = (
        "SELECT n.name, c.relpages::bigint * current_setting('block_size')::bigint FROM unnest(%s::text[]) n(name) "
        "JOIN pg_class c ON c.oid = to_regclass(n.name)"
    )
    sizes = dict(rows_of(query, [[table for table, _ in steps]])) if steps else {}
    return {"seconds": round(cost.seconds_of(steps, sizes, is_atomic), 1), "more": bool(is_atomic and is_open_end)}


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


def plan_of(alias, identity, own):
    """Returns the plan of one database, its needs and its judge; of the apps in \`own\` alone where that is not None."""
    connection = connections[alias]
    executor = MigrationExecutor(connection)
    loader = executor.loader
    # As \`migrate\` does: it would refuse to begin.
    loader.check_consistent_history(connection)
    conflicts = loader.detect_conflicts()
    if conflicts:
        raise CommandError(
            "Conflicting migrations detected; multiple leaf nodes in the migration graph: ("
            + "; ".join("%s in %s" % (", ".join(names), app) for app, names in conflicts.items())
            + ").\\nTo fix them run 'python manage.py makemigrations --merge'"
        )
    is_postgresql = verdict.is_judged() and connection.vendor == "postgresql"
    pending = [each for each, _ in executor.migration_plan(loader.graph.leaf_nodes())]
    if own is not None:
        pending = [each for each in pending if each.app_label in own]
    judge = verdict.Judge(connection, alias, executor, refuse_writes)
    with_text = list(with_sql(executor, connection, pending, judge.watched))
    # None: not known. It stops nothing where nothing is judged.
    needs = None
    findings, question, placed = [], None, placing.Placed(judge)
    unused, witnesses = None, []
    stay, ended = task.spec.get("bridges") or [], []
    try:
        needs = judge.needs_of(apps)
        if verdict.is_judged():
            judge.judge(pending, needs)
            placed = placing.place(judge, pending, needs)
            judge = placed.judge
            findings, question = judge.findings, judge.to_verify()
            stay, ended = bridges.earlier_ones(judge, needs)
            dropped = judge.dropped()
            labels = [each.label for each in apps.get_app_configs()]
            unused = usage.unused(connection, [needs] + judge.others(), labels)
            unused = [each for each in unused if each not in [".".join(filter(None, pair)) for pair in dropped]]
            witnesses = usage.witnesses(connection, dropped)
    except Exception as error:
        if verdict.is_judged():
            findings = [verdict.unjudged(alias, error, pending)]
            placed = placing.Placed(judge)
    with_text = [each for each in with_text if name_of(each[0]) not in placed.names]
    plan = {
        "database": alias,
        "identity": identity,
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
            for migration, sql, _ in with_text
        ],
        "held": placed.held,
        "bridges": placed.bridges,
        # Of earlier releases.
        "stay": [each for each in stay if each["database"] == alias],
        "ended": ended,
        "pooled": bool(pending) and is_postgresql and is_pooled(connection),
        "squashed": [each for each in to_record(executor) if own is None or each["app"] in own],
        "applied": leaf_of_apps(loader),
        "unknown": list(not_in_code(loader)) if own is None else [],
    }
    if unused is not None:
        plan.update(unused=unused, witnesses=witnesses)
    applied = [each for each in pending if name_of(each) not in placed.names]
    backup_for = []
    if task.spec.get("backup") and applied:
        from rollout_inspector import backup

        backup_for = backup.reasons(judge, applied)
    if is_postgresql and applied:
        locked = locks_of(connection, with_text, usage.rates(connection))
        for each in plan["pending"]:
            each.update(locked["%(app)s.%(name)s" % each])
    return {
        "plan": plan,
        "backup": backup_for,
        "needs": needs,
        "leading": leading_of(alias, with_text) if is_postgresql else None,
        "pending": pending,
        "findings": findings,
        "question": question if with_text or placed.bridges or ended else None,
        "sources": [source for _, source in judge.known],
        "executor": executor,
    }
`,
  'progress.py': `"""Says every 10 s how far a migration is that takes long. Runs inside of the migrate command, beside it.

The migration's own connection is left alone: a second one, which is opened for the question, reads PostgreSQL's view of
index builds. What cannot be read is not said.
"""
import json
import threading
import time

from rollout_inspector import task

every = 10
# Those of other users have no table here.
builds = """SELECT c.relname::text, p.phase, p.blocks_done, p.blocks_total, p.tuples_done, p.tuples_total
 FROM pg_stat_progress_create_index p JOIN pg_class c ON c.oid = p.relid WHERE p.datname = current_database()"""


class Progress:
    """Of one migration, as a context."""

    def __init__(self, connection, name):
        self.connection, self.name = connection, name
        self.over = threading.Event()

    def __enter__(self):
        # A thread of a project that ends must not keep it.
        threading.Thread(target=self.run, daemon=True).start()

    def __exit__(self, *error):
        self.over.set()

    def run(self):
        began = time.monotonic()
        while not self.over.wait(every):
            built = self.built()
            # The migration may have ended meanwhile.
            if self.over.is_set():
                return
            seconds = "running for %d s" % round(time.monotonic() - began)
            task.say(json.dumps({"locking": {"migration": self.name, "note": ", ".join([seconds] + built)}}))

    def built(self):
        if self.connection.vendor != "postgresql":
            return []
        try:
            other = self.connection.copy()
            try:
                with other.cursor() as cursor:
                    cursor.execute(builds)
                    return [words(*row) for row in cursor.fetchall()]
            finally:
                other.close()
        except Exception:
            # Older than PostgreSQL 12, or no connection is left.
            return []


def words(table, phase, blocks, all_blocks, rows, all_rows):
    done, of = (blocks, all_blocks) if all_blocks else (rows, all_rows)
    part = ", %d %%" % (100 * done // of) if of else ""
    return "index of %s: %s%s" % (table, phase, part)
`,
  'reader.py': `"""Reads what SQL statements change of a schema; what it cannot read it says. Pure.

A change is a dict for effects.Event. Statements that change no table (SELECT, UPDATE, indexes that are not unique,
functions, rights) give none.
"""
import re

part = r'(?:"(?:[^"]|"")+"|\`(?:[^\`]|\`\`)+\`|\\w+)'
# A name, perhaps quoted, and perhaps with its schema.
name = "(" + part + r"(?:\\." + part + ")?)"
column = "(" + part + ")"
harmless = (
    r"(SELECT|INSERT|UPDATE|DELETE|WITH|MERGE|SET|RESET|SHOW|ANALYZE|ANALYSE|VACUUM|GRANT|REVOKE|COMMENT|LOCK|BEGIN|"
    r"START|COMMIT|END|ROLLBACK|SAVEPOINT|RELEASE|REFRESH|REINDEX|COPY|TRUNCATE|VALUES|PRAGMA|OPTIMIZE|CALL|"
    r"CREATE\\s+(OR\\s+REPLACE\\s+)?(EXTENSION|FUNCTION|PROCEDURE|AGGREGATE|SEQUENCE|SCHEMA|TYPE|DOMAIN|COLLATION|ROLE|USER|"
    r"POLICY|PUBLICATION|STATISTICS|OPERATOR|CAST|TEXT|EVENT)|"
    r"CREATE\\s+(FULLTEXT\\s+|SPATIAL\\s+)?INDEX|"
    r"ALTER\\s+(EXTENSION|SEQUENCE|INDEX|FUNCTION|PROCEDURE|TYPE|ROLE|USER|DEFAULT|PUBLICATION|COLLATION|STATISTICS)|"
    r"DROP\\s+(INDEX|FUNCTION|PROCEDURE|TRIGGER|SEQUENCE|POLICY|RULE|PUBLICATION|STATISTICS|ROLE|USER|AGGREGATE|EVENT))\\b"
)
changing = r"\\b(ALTER|DROP|RENAME|EXECUTE)\\b"
# By what a string, a name or a comment begins with: what ends it, and what is like that and does not.
ends = {"'": "''|'", "e'": r"\\\\.|''|'", '"': '""|"', "\`": "\`\`|\`"}
begins = re.compile(r"--|/\\*|\\b[eE]'|'|\\"|\`|;|(?<![\\w\\x24])\\x24(?:[^\\W\\d]\\w*)?\\x24")


def end_of(sql, kind, at, escapes):
    """Where something ends that begins with \`kind\` before this place; the end of the text where it does not."""
    if kind == ";":
        return at
    if kind == "--":
        found = sql.find("\\n", at)
    elif kind == "/*":
        found, depth = -1, 1
        for each in re.compile(r"/\\*|\\*/").finditer(sql, at):
            # MySQL has none inside of another.
            depth += -1 if each.group(0) == "*/" else 0 if escapes else 1
            if depth == 0:
                return each.end()
    elif kind in ends or kind == "E'":
        like = ends["e'" if kind == "'" and escapes else kind.lower()]
        for each in re.compile(like, re.DOTALL).finditer(sql, at):
            if len(each.group(0)) == 1:
                return each.end()
        found = -1
    else:
        found = sql.find(kind, at)
        found = found + len(kind) if found >= 0 else -1
    return len(sql) if found < 0 else found


def statements_of(sql, escapes):
    """Splits at semicolons that are not inside of a string, a comment or a dollar-quoted body.

    escapes  a backslash in a string escapes the next letter, as in MySQL; in PostgreSQL only in E'...'
    """
    statement, at = [], 0

    def add(code):
        code = re.sub(r"\\s+", " ", code)
        is_doubled = not statement or statement[-1][-1] == " "
        code = code[1:] if is_doubled and code[:1] == " " else code
        if code:
            statement.append(code)

    while at < len(sql):
        found = begins.search(sql, at)
        if found is None:
            break
        add(sql[at : found.start()])
        kind = found.group(0)
        at = end_of(sql, kind, found.end(), escapes)
        if kind == ";":
            yield "".join(statement).strip()
            statement = []
        elif kind in ("--", "/*"):
            add(" ")
        else:
            # A string is kept as a whole word; what it says does not matter, but in a body of code.
            statement.append("'x'" if kind[-1] == "'" else sql[found.start() : at])
    add(sql[at:])
    yield "".join(statement).strip()


def plain(identifier, vendor):
    """A name as the catalog has it."""
    quote = identifier[:1]
    if quote in ('"', "\`"):
        return identifier[1:-1].replace(quote * 2, quote)
    return identifier.lower() if vendor == "postgresql" else identifier


def named(change, vendor):
    """The same with names as the catalog has them, and the schema of the table in a place of its own."""
    for key in ("table", "old", "new", "parent", "column", "to", "name"):
        if change.get(key):
            parts = [plain(each, vendor) for each in re.findall(part, change[key])]
            change[key] = parts[-1] if parts else change[key]
            if parts[1:] and key in ("table", "old"):
                change["schema"] = parts[0]
    if "columns" in change:
        change["columns"] = sorted(plain(each, vendor) for each in change["columns"])
    return change


def changes_of(sql, vendor="postgresql"):
    for statement in statements_of(sql, vendor == "mysql"):
        if statement:
            for change in of_statement(statement):
                yield named(change, vendor)


def fills_rows(sql):
    """Whether it may give rows that are there a value."""
    return begins_with(r"UPDATE|MERGE|WITH|DO|CALL", sql)


def writes_rows(sql):
    """Whether it may add, change or remove rows: so may a function that is called."""
    return begins_with(r"UPDATE|MERGE|WITH|DO|CALL|INSERT|REPLACE|DELETE|TRUNCATE|COPY|LOAD|SELECT|EXECUTE", sql)


def begins_with(words, sql):
    return any(re.match(r"(%s)\\b" % words, each, re.IGNORECASE) for each in statements_of(sql, False))


def unread(statement, **more):
    return dict(more, kind="unread", statement=statement)


def match(pattern, text):
    return re.match(pattern + r"(?=\\W|\\Z)", text, re.IGNORECASE)


def of_statement(statement):
    found = match(r"ALTER TABLE (?:IF EXISTS )?(?:ONLY )?" + name, statement)
    if found:
        table = found.group(1)
        for action in split(statement[found.end() :].strip(" *")):
            for change in of_action(table, action, statement):
                yield change
        return
    if re.match(r"DROP (TABLE|(MATERIALIZED )?VIEW) ", statement, re.IGNORECASE):
        rest = re.sub(r"(?i)^DROP (TABLE|(MATERIALIZED )?VIEW) (IF EXISTS )?|\\s+(CASCADE|RESTRICT)\\Z", "", statement)
        for each in split(rest):
            dropped = match(name, each)
            yield {"kind": "delete", "table": dropped.group(1)} if dropped else unread(statement)
        return
    found = match(r"CREATE (?:OR REPLACE )?(?:TEMP\\w* |RECURSIVE |MATERIALIZED )*VIEW (?:IF NOT EXISTS )?" + name, statement)
    if found:
        yield {"kind": "view", "table": found.group(1)}
        return
    found = match(r"CREATE (?:GLOBAL |LOCAL |TEMP |TEMPORARY |UNLOGGED |FOREIGN )*TABLE (?:IF NOT EXISTS )?" + name, statement)
    if found:
        yield {"kind": "create", "table": found.group(1)}
        return
    found = match(r"CREATE UNIQUE INDEX (?:CONCURRENTLY )?(?:IF NOT EXISTS )?(?:" + name + r" )?ON (?:ONLY )?" + name, statement)
    if found:
        columns = re.match(r"[^(]*\\(([^)]*)\\)", statement[found.end() :])
        words = split(columns.group(1)) if columns else []
        known = bool(words) and all(re.match(part + r"\\Z", each) for each in words)
        yield {"kind": "unique", "table": found.group(2), "columns": words if known else [found.group(1) or "?"]}
        return
    found = match(r"RENAME TABLE " + name + " TO " + name, statement)
    if found and "," not in statement:
        yield {"kind": "rename", "old": found.group(1), "new": found.group(2)}
        return
    found = match(r"CREATE (?:OR REPLACE )?(?:CONSTRAINT )?(?:TRIGGER .*? ON|RULE .*? TO) " + name, statement)
    if found:
        # It may refuse rows.
        yield unread(statement, table=found.group(1))
        return
    makes_code = re.match(r"CREATE (OR REPLACE )?(FUNCTION|PROCEDURE)\\b", statement, re.IGNORECASE)
    if re.match(r"DO\\b", statement, re.IGNORECASE):
        yield unread(statement)
    elif makes_code and re.search(changing, statement, re.IGNORECASE):
        # That of a trigger is not called before there is the trigger.
        if not re.search(r"\\bRETURNS (EVENT_)?TRIGGER\\b", statement, re.IGNORECASE):
            yield unread(statement)
    elif not re.match(harmless, statement, re.IGNORECASE) and re.search(changing, statement, re.IGNORECASE):
        yield unread(statement)
    elif re.match(r"DROP .* CASCADE\\Z", statement, re.IGNORECASE):
        yield unread(statement)


def split(text):
    """At commas that are not inside of brackets or quotes."""
    parts, depth, quote, start = [], 0, None, 0
    for at, sign in enumerate(text):
        if quote:
            quote = None if sign == quote else quote
        elif sign in "'\\"\`":
            quote = sign
        elif sign in "()":
            depth += 1 if sign == "(" else -1
        elif sign == "," and depth == 0:
            parts.append(text[start:at].strip())
            start = at + 1
    return [each for each in parts + [text[start:].strip()] if each]


def of_action(table, action, statement):
    """One action of ALTER TABLE."""

    def here(kind, **more):
        return dict(more, kind=kind, table=table)

    found = match(r"RENAME TO " + name, action) or match(r"RENAME AS " + name, action)
    if found:
        yield {"kind": "rename", "old": table, "new": found.group(1)}
        return
    found = match(r"RENAME (?:COLUMN )?" + column + " TO " + column, action)
    if found and not match(r"RENAME (?:CONSTRAINT|INDEX|KEY)", action):
        yield here("rename-column", column=found.group(1), to=found.group(2))
        return
    if match(r"DROP (?:CONSTRAINT|FOREIGN KEY|INDEX|KEY|PRIMARY KEY|CHECK)", action):
        found = match(r"DROP (?:CONSTRAINT|CHECK) (?:IF EXISTS )?" + column, action)
        if found:
            yield here("drop-check", name=found.group(1))
        return
    found = match(r"DROP (?:COLUMN )?(?:IF EXISTS )?" + column, action)
    if found:
        yield here("remove", column=found.group(1))
        return
    found = match(r"ALTER (?:COLUMN )?" + column + r" (SET NOT NULL|DROP NOT NULL|SET DEFAULT|DROP DEFAULT)", action)
    if found:
        word = found.group(2).upper()
        yield here("set", column=found.group(1), **({"null": word[0] == "D"} if "NULL" in word else {"filled": word[0] == "S"}))
        return
    found = match(r"ALTER (?:COLUMN )?" + column + r" (?:SET DATA )?TYPE (.+?)(?: USING .*| COLLATE .*)?\\Z", action)
    if found:
        yield here("set", column=found.group(1), type=known_type(found.group(2)))
        return
    found = match(r"ALTER (?:COLUMN )?" + column + r" (ADD GENERATED|SET GENERATED|DROP IDENTITY)", action)
    if found:
        yield here("set", column=found.group(1), filled=found.group(2).upper() != "DROP IDENTITY")
        return
    if match(r"ALTER (?:COLUMN )?" + column + r" (?:SET|RESET) (?:STATISTICS|STORAGE|COMPRESSION|\\()", action + " "):
        return
    found = match(r"(?:MODIFY|CHANGE) (?:COLUMN )?(?:IF EXISTS )?" + column + " (.+)", action)
    if found:
        old, rest = found.group(1), found.group(2)
        if match("CHANGE", action):
            words = match(column + " (.+)", rest)
            if words is None:
                yield unread(statement)
                return
            rest = words.group(2)
            if words.group(1) != old:
                yield here("rename-column", column=old, to=words.group(1))
            old = words.group(1)
        yield here("set", column=old, **dict(described(rest), parent=None))
        return
    if match(r"ADD (?:CONSTRAINT|UNIQUE|CHECK|FOREIGN KEY|PRIMARY KEY|EXCLUDE|INDEX|KEY|FULLTEXT|SPATIAL)", action):
        for change in of_constraint(action, here):
            yield change
        return
    if match(r"(?:ENABLE|FORCE) ROW LEVEL SECURITY", action):
        yield here("unread", statement=statement)
        return
    found = match(r"ADD (?:COLUMN )?(?:IF NOT EXISTS )?" + column + " (.+)", action)
    if found:
        yield here("add", column=found.group(1), **described(found.group(2)))
        return
    if match("SET SCHEMA", action):
        yield unread(statement)
        return
    if re.match(
        r"(VALIDATE|OWNER|SET|RESET|ENABLE|DISABLE|CLUSTER|REPLICA|ENGINE|ALGORITHM|LOCK|AUTO_INCREMENT|COMMENT|"
        r"RENAME (CONSTRAINT|INDEX|KEY)|ROW_FORMAT|FORCE)\\b",
        action,
        re.IGNORECASE,
    ):
        return
    yield unread(statement)


def of_constraint(action, here):
    found = match(r"ADD (?:CONSTRAINT )?" + column, action)
    title = found.group(1) if found and match("ADD CONSTRAINT", action) else "?"
    unique = re.search(r"\\bUNIQUE (?:KEY |INDEX )?(?:\\w+ )?\\(([^)]*)\\)", action, re.IGNORECASE)
    parent = re.search(r"\\bFOREIGN KEY ?(?:\\w+ )?\\(" + column + r"\\) ?REFERENCES " + name, action, re.IGNORECASE)
    if parent:
        yield here("reference", column=parent.group(1), parent=parent.group(2))
    elif unique:
        yield here("unique", columns=split(unique.group(1)))
    elif re.search(r"\\bUNIQUE\\b", action, re.IGNORECASE):
        yield here("unique", columns=[title])
    elif re.search(r"\\b(CHECK|EXCLUDE)\\b", action, re.IGNORECASE):
        yield here("check", name=title)


def known_type(text):
    text = re.sub(r"\\s+", " ", text.strip().lower()).replace("character varying", "varchar")
    same = {"int": "integer", "int4": "integer", "int8": "bigint", "int2": "smallint", "timestamptz": "timestamp with time zone"}
    return same.get(text, text)


def described(text):
    """The words behind a new column's name: type, NULL, DEFAULT and so on."""
    has = re.compile(r"\\b(NOT NULL|NULL|DEFAULT|GENERATED|AUTO_INCREMENT|REFERENCES|PRIMARY KEY|UNIQUE|CHECK|COLLATE|CONSTRAINT|FIRST|AFTER)\\b", re.IGNORECASE)
    first = has.search(text)
    parent = re.search(r"\\bREFERENCES " + name, text, re.IGNORECASE)
    kind = known_type(text[: first.start()] if first else text)
    return {
        "null": not re.search(r"\\b(NOT NULL|PRIMARY KEY)\\b", text, re.IGNORECASE),
        "filled": bool(re.search(r"\\bDEFAULT (?!NULL\\b)|\\b(GENERATED|AUTO_INCREMENT)\\b", text, re.IGNORECASE)) or "serial" in kind,
        "type": kind,
        "generated": bool(re.search(r"\\bAS ?\\(", text, re.IGNORECASE)),
        "parent": parent.group(1) if parent else None,
    }
`,
  'reverse.py': `"""Goes back by this image: which of its migrations an older version does not fit, and their reversal.

DJANGO_ROLLOUT_SPEC has \`reverse\`:

    wanted    indices of the needs of the versions that come back
    since     migrations that were applied since they ran (\`shop.0002_note\`): no other is reversed first
    how       tell: nothing is reversed; lossless: only what drops no stored value; any
    downtime  also where this version does not fit the schema after it
    only-new  what does not fit without any of these migrations either is not counted: they did not break it

Of these migrations the smallest set is reversed after which the wanted versions fit, with all that depends on it. The
operations are walked backwards through the catalog of the database, as effects.py walks them forwards.
"""
import json
import os

from rollout_inspector import reader, task
from rollout_inspector.catalog import Catalog
from rollout_inspector.judge import misfits, severity_of

# What both sides name in their own way, or do not tell.
named_freely = ("unique", "check", "fk-added", "unread")
# For a query that counts, in ms; and how far it counts.
patience = 5000
countable = 10000


def least(order, parents, fits):
    """Returns the smallest part of \`order\` whose reversal makes it fit, in that order; None where there is none.

    order    migrations, the oldest first
    parents  what each depends on
    fits     whether it fits when these are reversed
    """
    if not fits(order):
        return None
    kept = []
    for each in order:
        if all(parent in kept for parent in parents[each] if parent in order):
            if fits([other for other in order if other not in kept and other != each]):
                kept.append(each)
    return [each for each in order if each not in kept]


def decided(facts, how, downtime):
    """What is done about a database. Returns fits, reverse, or why nothing is reversed.

    facts: \`fits\`, the versions that come back fit as it is; \`possible\`: they fit after the reversal, and all of it can
    be reversed; \`newFits\`: this version fits then, too; \`loses\`: it drops stored values, or may.
    """
    if facts["fits"]:
        return "fits"
    if not facts["possible"]:
        return "impossible"
    if how == "tell":
        return "told"
    if not facts["newFits"] and not downtime:
        return "downtime"
    if facts["loses"] and how != "any":
        return "loss"
    return "reverse"


def concluded(databases, how, downtime):
    """Of all databases: nothing is reversed where that leaves one that does not fit."""
    verdicts = [decided(each, how, downtime) for each in databases]
    for verdict in ("impossible", "downtime", "loss", "told", "reverse"):
        if verdict in verdicts:
            return verdict
    return "fits"


def planned(made):
    """Returns all that is told of the reversal. \`made\`: the executor and the needs of this version, by alias."""
    from django.core.management import get_commands

    asked = task.spec["reverse"]
    bodies = [task.bodies.get(index) for index in asked["wanted"]]
    if not bodies or any(body is None for body in bodies):
        raise ValueError("what the version that comes back needs cannot be read")
    told = []
    for alias, (executor, new) in made.items():
        told.append(Backwards(executor, [body.get(alias, {}) for body in bodies], new, asked["since"]).told(bool(asked.get("only-new"))))
    if get_commands().get("migrate") != "django.core":
        for each in told:
            each.update(possible=False, why="the project has a migrate command of its own")
    verdict = concluded(told, asked["how"], bool(asked.get("downtime")))
    return {"do": verdict, "databases": told}


def name_of(key):
    return "%s.%s" % tuple(key)


def breaks_of(needs, table_of, tables):
    """What certainly fails, by key."""
    found = misfits(needs, table_of, tables, False)
    return {
        key: more
        for key, more in found.items()
        if key[0] not in named_freely and severity_of(key[0], more, needs.get(key[1], {}), False) == "breaks"
    }


def own_tables(needs):
    """Those that its own migrations make."""
    return [table for table, need in needs.items() if not need.get("u") and not need.get("o")]


class Backwards:
    """Of one database."""

    def __init__(self, executor, wanted, new, since):
        self.executor, self.connection = executor, executor.connection
        self.wanted, self.new = wanted, new
        self.since = set(since)
        self.catalog = Catalog(self.connection)
        # By migration: the changes of its reversal, and the operations that have none.
        self.events, self.irreversible, self.code = {}, {}, set()
        self.unread = []
        self.laid = {}

    def answers(self, table, column):
        """Whether a query for this succeeds: its name may be written in another way than the catalog has it."""
        quote = self.connection.ops.quote_name
        what = "%s.%s" % (quote(table), quote(column)) if column else "1"
        query = "SELECT %s FROM %s WHERE 1 = 0" % (what, quote(table))
        return self.rows(query) is not None

    def rows(self, query, values=None, limit=None):
        from django.db import transaction

        try:
            with transaction.atomic(using=self.connection.alias):
                with self.connection.cursor() as cursor:
                    if limit and self.connection.vendor == "postgresql":
                        cursor.execute("SET LOCAL statement_timeout = %d" % limit)
                    cursor.execute(query, values)
                    return cursor.fetchall()
        except Exception:
            return None

    def told(self, only_new=False, excused=()):
        excused = set(excused)
        now = {}
        for needs in self.wanted:
            for key, more in breaks_of(needs, self.catalog.before, own_tables(needs)).items():
                if key[0] in ("table-gone", "column-gone") and self.answers(*key[1:]):
                    excused.add(key)
                elif key not in excused:
                    now.setdefault(key, (more, needs[key[1]]))
        order, parents = self.pool() if now else ([], {})
        if order:
            self.walk(order)
        # The effect of one that cannot be reversed is not known.
        if only_new and not self.irreversible:
            before = self.after(order)
            for needs in self.wanted:
                excused.update(breaks_of(needs, before.catalog.get, own_tables(needs)))
            now = {key: found for key, found in now.items() if key not in excused}
        answer = {
            "database": self.connection.alias,
            "fits": not now,
            "possible": False,
            "newFits": True,
            "loses": False,
            "misfits": [self.finding(key, *now[key]) for key in sorted(now)],
            "migrations": [],
            "irreversible": [],
            "newMisfits": [],
            "drops": [],
            "code": [],
            "excused": sorted(list(key) for key in excused),
        }
        if not now:
            return answer

        def fits(keys):
            after = self.after(keys)
            return all(
                set(breaks_of(needs, after.catalog.get, own_tables(needs))) <= excused for needs in self.wanted
            )

        found = least(order, parents, fits)
        if found is None:
            missing = [key for key in order if key in self.irreversible]
            answer["irreversible"] = self.without_reverse(missing)
            names = ", ".join(map(name_of, order))
            answer["why"] = "reversing %s does not bring it back" % names if order else "which migrations to reverse is not known"
            return answer
        after = self.after(found)
        for finding, key in zip(answer["misfits"], sorted(now)):
            event = after.cause_of(key[1], key[2])
            if event is not None and event.migration is not None:
                finding["migration"] = "%s.%s" % (event.migration.app_label, event.migration.name)
        answer["migrations"] = [name_of(key) for key in reversed(found)]
        stops = [key for key in found if key in self.irreversible]
        answer["irreversible"] = self.without_reverse(stops)
        answer["possible"] = not stops
        if stops:
            answer["why"] = "%s cannot be reversed" % ", ".join(map(name_of, stops))
        was = breaks_of(self.new, self.catalog.before, after.touched)
        lost = breaks_of(self.new, after.catalog.get, after.touched)
        answer["newMisfits"] = [self.finding(key, lost[key], self.new[key[1]]) for key in sorted(set(lost) - set(was))]
        answer["newFits"] = not answer["newMisfits"]
        answer["drops"] = self.drops(after)
        answer["code"] = [name_of(key) for key in found if key in self.code]
        answer["loses"] = bool(answer["code"]) or any(each["rows"] != 0 for each in answer["drops"])
        return answer

    def without_reverse(self, keys):
        return [{"migration": name_of(key), "operations": self.irreversible[key]} for key in keys]

    def finding(self, key, more, need):
        rule, table, column = key
        finding = {
            "rule": rule,
            "severity": "breaks",
            "database": self.connection.alias,
            "object": "%s.%s" % (table, column) if column else table,
            "table": table,
            "model": need.get("m", ""),
        }
        finding.update((name, str(more[name])) for name in ("parent", "from", "to") if more.get(name))
        return finding

    def pool(self):
        """The migrations that may be reversed, the oldest first, and what each depends on."""
        loader = self.executor.loader
        applied = loader.applied_migrations
        keys = set()
        for key, migration in loader.disk_migrations.items():
            if key not in applied or key not in loader.graph.nodes:
                continue
            replaced = [name_of(each) for each in migration.replaces]
            if name_of(key) in self.since or replaced and self.since.issuperset(replaced):
                keys.update(each for each in loader.graph.backwards_plan(key) if each in applied)
        plan = self.executor.migration_plan(loader.graph.leaf_nodes(), clean_start=True)
        order = [(each.app_label, each.name) for each, _ in plan if (each.app_label, each.name) in keys]
        parents = {key: [each.key for each in loader.graph.node_map[key].parents] for key in order}
        return order, parents

    def walk(self, order):
        """Keeps what the reversal of each would change, with the states that Django would give it."""
        from rollout_inspector.effects import flattened

        loader = self.executor.loader
        state = self.executor._create_project_state()
        steps = []
        plan = self.executor.migration_plan(loader.graph.leaf_nodes(), clean_start=True)
        for migration, _ in plan:
            key = (migration.app_label, migration.name)
            if key not in loader.applied_migrations:
                continue
            if key not in order:
                state = migration.mutate_state(state, preserve=False)
                continue
            # Once: its clones have them, too.
            state.apps
            for operation in migration.operations:
                after = state.clone()
                operation.state_forwards(migration.app_label, after)
                inner = getattr(operation, "database_operations", None)
                own = [(operation, state, after)]
                if inner is not None:
                    own = list(flattened(inner, state, migration.app_label))
                if not operation.reversible:
                    self.irreversible.setdefault(key, []).append(type(operation).__name__)
                else:
                    stops = [type(each).__name__ for each, _, _ in own if not each.reversible]
                    if stops:
                        self.irreversible.setdefault(key, []).extend(stops)
                steps += [(key, migration, step) for step in own]
                state = after
        collected = collector(self.connection, self.catalog)
        for key, migration, (operation, before, after) in reversed(steps):
            if not operation.reversible:
                continue
            if may_lose(operation):
                self.code.add(key)
            collected.back(migration, operation, after, before)
        self.events = collected.events
        # A statement that cannot be read may drop anything.
        self.code.update((each.app_label, each.name) for each, _, _ in collected.unread)

    def after(self, keys):
        """The effects of the reversal of these."""
        from rollout_inspector.effects import Effects

        name = tuple(keys)
        if name not in self.laid:
            effects = Effects(self.connection, Catalog(self.connection, self.catalog.read), refuse_writes)
            for key in reversed(keys):
                for event in self.events.get(key, []):
                    effects.migration, effects.operation = event.migration, event.operation
                    effects.apply(event)
            self.catalog.read.update(effects.catalog.read)
            self.laid[name] = effects
        return self.laid[name]

    def drops(self, after):
        """The columns and tables that are gone then, and how many rows have a value there; None: not known."""
        left, tables = set(), set()
        for name in set(after.catalog.read) | set(after.catalog.changed):
            table = after.catalog.get(name)
            for has in (table["columns"] if table else {}).values():
                if has.get("origin"):
                    left.add(tuple(has["origin"]))
                    tables.add(has["origin"][0])
        dropped = []
        for name in sorted(after.touched):
            was = after.catalog.before(name)
            if was is None or was["kind"] == "view":
                continue
            if not was["columns"] or name not in tables:
                dropped.append({"object": name, "rows": self.count(name)})
                continue
            for column in sorted(was["columns"]):
                if (name, column) not in left and not was["columns"][column].get("generated"):
                    dropped.append({"object": "%s.%s" % (name, column), "rows": self.count(name, column)})
        return dropped

    def count(self, table, column=None):
        """Rows with a value that is not the default's; more than \`countable\`: that many or more."""
        quote = self.connection.ops.quote_name
        where, values = "", []
        if column is not None:
            where = " WHERE %s IS NOT NULL" % quote(column)
            default = self.default_of(table, column)
            if default is not None:
                counted = self.limited(table, where + " AND %s <> %%s" % quote(column), [default])
                if counted is not None:
                    return counted
        return self.limited(table, where, values)

    def limited(self, table, where, values):
        quote = self.connection.ops.quote_name
        query = "SELECT COUNT(*) FROM (SELECT 1 AS x FROM %s%s LIMIT %d) AS counted"
        found = self.rows(query % (quote(table), where, countable + 1), values or None, patience)
        return found[0][0] if found else None

    def default_of(self, table, column):
        from django.apps import apps

        for model in apps.get_models(include_auto_created=True):
            if model._meta.db_table != table:
                continue
            for field in model._meta.local_concrete_fields:
                if field.column == column:
                    return default_of_field(field, self.connection)
        return None


def default_of_field(field, connection):
    """A constant, as the database has it; else None."""
    try:
        value = getattr(field, "db_default", None)
        value = getattr(value, "value", None)
        if value is None and not callable(field.default):
            value = field.get_default()
        return None if value is None else field.get_db_prep_save(value, connection)
    except Exception:
        return None


def may_lose(operation):
    """Whether the reversal runs code, or SQL that writes rows."""
    from django.db.migrations import RunPython

    from rollout_inspector.effects import is_code

    if is_code(operation):
        return getattr(operation, "reverse_code", None) is not RunPython.noop
    sql = getattr(operation, "reverse_sql", None) or ()
    texts = [sql] if isinstance(sql, str) else [each if isinstance(each, str) else each[0] for each in sql]
    return any(map(reader.writes_rows, texts))


def refuse_writes(*given):
    from rollout_inspector.plan import refuse_writes as refuse

    return refuse(*given)


def collector(connection, catalog):
    from rollout_inspector.effects import Effects, is_code

    class Collected(Effects):
        """Keeps the changes by migration, and applies none."""

        def __init__(self):
            Effects.__init__(self, connection, catalog, refuse_writes)
            self.events = {}

        def apply(self, event):
            key = (event.migration.app_label, event.migration.name)
            self.events.setdefault(key, []).append(event)

        def back(self, migration, operation, after, before):
            self.migration, self.operation = migration, operation
            if is_code(operation):
                return
            try:
                with self.connection.execute_wrapper(self.guard):
                    operation.database_backwards(migration.app_label, self.recorder, after, before)
            except Exception as error:
                self.cannot_read("%s: %s" % (type(operation).__name__, error))

    return Collected()


def to_do(reversal):
    """What the process that reverses needs, as JSON."""
    wanted = [task.bodies.get(index) or {} for index in task.spec["reverse"]["wanted"]]
    return {
        "locks": task.spec.get("locks"),
        "wanted": wanted,
        "databases": [
            {name: each[name] for name in ("database", "migrations", "excused")} for each in reversal["databases"]
        ],
    }


def unapply():
    """In a process of its own: reverses what was planned, and compares the database with what has to fit it."""
    import django

    django.setup()
    from django.db import connections

    with os.fdopen(task.spec["unapply"], "rb") as file:
        given = json.loads(file.read().decode("ascii"))
    task.spec["wait"], task.spec["leading"] = given["locks"], {}
    told = []
    for each in given["databases"]:
        connection = connections[each["database"]]
        if each["migrations"]:
            unapply_in(connection, each["migrations"])
        wanted = [needs.get(each["database"], {}) for needs in given["wanted"]]
        told.append({"database": each["database"], "misfits": left_in(connection, wanted, each["excused"])})
    task.say(json.dumps({"reversed": told}))


def left_in(connection, wanted, excused):
    """What the versions that come back do not fit now."""
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    return Backwards(executor, wanted, {}, []).told(excused=map(tuple, excused))["misfits"]


def unapply_in(connection, names):
    from django.core.management.sql import emit_pre_migrate_signal
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection, progress)
    loader = executor.loader
    loader.check_consistent_history(connection)
    keys = [tuple(name.split(".", 1)) for name in names]
    gone = [name_of(key) for key in keys if key not in loader.applied_migrations]
    if gone:
        raise SystemExit("%s: not applied any more" % ", ".join(gone))
    rest = [
        name_of(other)
        for key in keys
        for other in loader.graph.backwards_plan(key)
        if other in loader.applied_migrations and other not in keys
    ]
    if rest:
        raise SystemExit("%s: applied since, and depends on what would be reversed" % ", ".join(rest))
    if task.spec["wait"] is not None and connection.vendor == "postgresql":
        guarded(executor)
    plan = [(loader.graph.nodes[key], True) for key in keys]
    state = executor._create_project_state(with_applied_migrations=True)
    # As \`migrate\` does: a model that gets its old name back takes its content type along.
    emit_pre_migrate_signal(0, False, connection.alias, apps=state.apps, plan=plan)
    executor.migrate(None, plan=plan, state=state.clone())


def guarded(executor):
    """Its locks are taken without making others wait (guard.py)."""
    from rollout_inspector.guard import Guard

    own = executor.unapply_migration

    def unapply_migration(state, migration, *args, **options):
        with executor.connection.execute_wrapper(Guard(executor.connection, migration)):
            return own(state, migration, *args, **options)

    executor.unapply_migration = unapply_migration
    task.say(json.dumps({"locking": {"ready": True}}))


def progress(action, migration=None, fake=False):
    """As \`migrate\` prints it."""
    if action == "unapply_start":
        print("  Unapplying %s..." % migration, end="", flush=True)
    elif action == "unapply_success":
        print(" OK", flush=True)
`,
  'rules.json': JSON.stringify(rules),
  'run.py': `"""Refuses, or runs the migration."""
import atexit
import io
import json
import os
import platform
import shlex
import subprocess
import sys
import zipfile

from rollout_inspector import task
from rollout_inspector.identity import is_same
from rollout_inspector.web import answer_to

# How long the database may take to tell its tables after the migration.
verify_seconds = 120


def hand_over(found, question, silent):
    """Becomes a Python without Django, which asks the web and runs the rest; returns only when that cannot be."""
    atexit.unregister(hand_over)
    if "failed" in found:
        # What others have to do at the end.
        try:
            atexit._run_exitfuncs()
        except Exception:
            pass
    state = {"found": found, "question": question, "silent": silent, "spec": task.spec, "text": sys.argv[-1]}
    try:
        to_do = {"marker": task.spec["marker"], "handed": in_memory(json.dumps(state).encode("ascii"))}
        env = dict(os.environ, DJANGO_ROLLOUT_SPEC=json.dumps(to_do))
        sys.stdout.flush()
        sys.stderr.flush()
        os.execve(sys.executable, [sys.executable, "-S", "-c", sys.argv[-1]], env)
    except (OSError, ValueError):
        after_plan(state)


def in_memory(data):
    """Returns the descriptor of a file that has no name, for a program that this one starts or becomes."""
    if hasattr(os, "memfd_create"):
        file = os.memfd_create("django-rollout", 0)
    else:
        import tempfile

        with tempfile.TemporaryFile() as temporary:
            file = os.dup(temporary.fileno())
    while data:
        data = data[os.write(file, data) :]
    os.lseek(file, 0, os.SEEK_SET)
    os.set_inheritable(file, True)
    return file


def handed():
    with os.fdopen(task.spec["handed"], "rb") as file:
        return json.loads(file.read().decode("ascii"))


def after_plan(state):
    """Compares, reports the plan and runs the migration; or refuses."""
    task.spec.update(state["spec"])
    found, web, silent = state["found"], None, state["silent"]
    if state["question"]:
        web, silent = answer_to(state["question"])
    refuse_others(found, web)
    if "failed" in found:
        return
    migrate = task.spec.get("migrate")
    plans, always, judged = found["plans"], found["always"], found["judged"]
    works = [plan for plan in plans if plan["pending"] or plan["squashed"]]
    to_build = [bridge for plan in plans for bridge in plan["bridges"] + plan["ended"] if "sql" in bridge]
    reversal = found.get("reversal")
    runs = bool(migrate) and bool(works or always or to_build)
    if reversal:
        runs = reversal["do"] == "reverse"
    for plan in plans:
        if reversal:
            continue
        lost = plan["vendor"] == "sqlite" and not outlives(plan["identity"]["name"])
        if migrate and lost and (plan in works or (always and plan["database"] in task.named())):
            refuse("file", plan["database"], plan["identity"])
    # null: none is needed.
    backup = None
    if runs and (task.spec.get("backup") == "always" or task.spec.get("backup") and found["backup"]):
        backup = found["backup"]
    for needs in found["needs"]:
        task.say(json.dumps({"needs": needs}))
    if found["tasks"]:
        task.say(json.dumps({"tasks": found["tasks"]}))
    task.say(
        json.dumps(
            {
                "django": found["django"],
                "python": platform.python_version(),
                "databases": plans,
                "runs": runs,
                "web": {"module": web["module"]} if web else silent and {"silent": silent},
                "judged": judged,
                "reversal": reversal,
                "backup": backup,
            }
        )
    )
    if task.spec.get("only-plan"):
        os._exit(0)
    if reversal:
        if runs:
            task.say("migrate")
            os._exit(reversed_by(found["back"]))
        os._exit(0)
    if judged and judged["blocked"]:
        os._exit(3)
    if backup is not None:
        # The migration needs a pod of its own after it.
        os._exit(0)
    if runs:
        task.say("migrate")
        held = [[plan["database"], each["app"], each["name"]] for plan in plans for each in plan["held"]]
        kept = [
            [each["database"], each["migration"], each["table"], each["column"]]
            for plan in plans
            for each in plan["bridges"]
            if each["kind"] == "default-kept"
        ]
        commands = [migrate] if always else commands_for(migrate, [plan["database"] for plan in works])
        env = guarded(found["leading"], state["text"], held, kept)
        # What it prints is seen at once.
        env.setdefault("PYTHONUNBUFFERED", "1")
        is_alone = len(commands) == 1 and not (held or kept or to_build)
        if is_alone and not found["verify"] and found["leading"] is None:
            become(commands[0], env)
        if (held or kept) and commands:
            prove_guard(migrate, env)
        code = build(found["again"], to_build) if to_build else 0
        code = code or supervised(commands, env)
        if found["verify"]:
            compare(found["verify"])
        os._exit(code if code >= 0 else 128 - code)


def commands_for(migrate, aliases):
    """One for each database where something is pending: it names another one than the default only where it has to."""
    named = [each for each in task.named() if each in aliases]
    others = [each for each in aliases if each not in named]
    return [migrate for _ in named[:1]] + ["%s --database=%s" % (migrate, shlex.quote(each)) for each in others]


def shell_words(command):
    return ["/bin/sh", "-c", command] if os.path.exists("/bin/sh") else shlex.split(command)


def become(command, env):
    words = shell_words(command)
    os.execvpe(words[0], words, env)


def guarded(leading, text, held=(), kept=()):
    """Returns the environment of a command whose Pythons begin with guard.py: as this text, under the name
    sitecustomize, in an archive that has no name on the disk."""
    env = dict(os.environ)
    if leading is not None or held or kept:
        task_of_guard = {"marker": task.spec["marker"], "wait": task.spec.get("locks"), "leading": leading}
        task_of_guard.update(held=held, kept=kept)
        archive = io.BytesIO()
        try:
            with zipfile.ZipFile(archive, "w") as files:
                files.writestr("sitecustomize.py", text)
                files.writestr("task.json", json.dumps(task_of_guard))
            path = "/proc/%d/fd/%d" % (os.getpid(), in_memory(archive.getvalue()))
            others = [each for each in [env.get("PYTHONPATH")] if each]
            env.update(DJANGO_ROLLOUT_LOCKS=path, PYTHONPATH=os.pathsep.join([path] + others))
        except OSError:
            # Said by what the command then does not say.
            pass
    return env


def supervised(commands, env):
    """Runs the commands as children. Returns the exit code of the last one."""
    sys.stdout.flush()
    code = 0
    for command in commands:
        code = code or subprocess.call(shell_words(command), env=env)
    return code


def prove_guard(command, env):
    """Ends this where a Python of the command would not have the guard: what is held back would be applied."""
    words = command.split()
    at = words.index("migrate")
    options = [each for each in words[at + 1 :] if each.startswith(("--settings=", "--pythonpath="))]
    for name in ("--settings", "--pythonpath"):
        if name in words[at + 1 :]:
            options += [name, words[words.index(name, at) + 1]]
    probe = " ".join(words[:at] + ["shell"] + options + ["-c", "'import django.db.migrations.executor'"])
    ended = subprocess.run(shell_words(probe), env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    out = ended.stdout.decode("utf-8", "replace")
    if ended.returncode or task.spec["marker"] + '{"locking": {"ready": true}}' not in out:
        print("The migrations that are held back cannot be left out: %s starts no Python that reads PYTHONPATH" % " ".join(words[:at]))
        print(out[-2000:])
        sys.stdout.flush()
        os._exit(3)


def build(again, to_build):
    """Makes bridges in a process of the project. Returns its exit code."""
    sys.stdout.flush()
    file = in_memory(json.dumps(to_build).encode("ascii"))
    to_do = {"marker": task.spec["marker"], "build": file, "wait": task.spec.get("locks")}
    env = dict(again["env"], DJANGO_ROLLOUT_SPEC=json.dumps(to_do))
    return subprocess.call(again["start"], env=env, pass_fds=[file])


def reversed_by(back):
    """Reverses in a process of the project. Returns its exit code."""
    file = in_memory(json.dumps(back["task"]).encode("ascii"))
    env = dict(back["env"])
    env["DJANGO_ROLLOUT_SPEC"] = json.dumps({"marker": task.spec["marker"], "unapply": file})
    sys.stdout.flush()
    code = subprocess.call(back["start"], env=env, pass_fds=[file])
    return code if code >= 0 else 128 - code


def compare(question):
    # Also when it failed: what it applied before stays, but on a database that takes it back.
    try:
        file = in_memory(json.dumps(question["tables"]).encode("ascii"))
        env = dict(question["env"])
        env["DJANGO_ROLLOUT_SPEC"] = json.dumps({"marker": task.spec["marker"], "verify": file})
        ended = subprocess.run(
            question["start"],
            env=env,
            pass_fds=[file],
            timeout=verify_seconds,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        # What the project prints at its start is in the log already.
        lines = ended.stdout.decode("utf-8", "replace").splitlines() or ["it printed nothing"]
        told = [line.partition(task.spec["marker"])[2].rpartition(task.spec["marker"])[0] for line in lines]
        answer = [text for text in told if text.startswith('{"verified"')]
        task.say(answer[-1] if answer else json.dumps({"verified": None, "why": lines[-1][:300]}))
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        task.say(json.dumps({"verified": None, "why": str(error)[:300]}))


def command_again():
    """Returns the command line that this process was started with."""
    words = list(getattr(sys, "orig_argv", []))
    if not words:
        first = ["-m", "django"] if os.path.basename(sys.argv[0]) == "__main__.py" else [sys.argv[0]]
        words = [sys.executable] + first + sys.argv[1:]
    return [sys.executable] + words[1:]


def refuse(why, alias, identity, **more):
    task.say(json.dumps(dict({"refused": why, "alias": alias, "migration": identity}, **more)))
    os._exit(3)


def refuse_others(found, web):
    """Never another database than the web's, or than that of the previous release."""
    identities, stated = found["identities"], found["stated"]
    for alias, identity in identities.items():
        theirs = web["databases"].get(alias) if web else None
        # Like with like: a proxy may know a database by another name than its server does.
        is_asked = theirs and (theirs.get("server") or theirs.get("started"))
        if theirs and not is_same(identity if is_asked else stated[alias], theirs):
            chosen = os.environ.get("DJANGO_SETTINGS_MODULE", "")
            refuse(
                "web",
                alias,
                identity,
                other=theirs,
                module=web["module"],
                settings=[chosen, web["settings"]],
                given=web["given"],
            )
    for alias, identity in identities.items():
        before = (task.spec.get("kept") or {}).get(alias)
        if before and not is_same(identity, before):
            refuse("before", alias, identity, other=before)


def outlives(path):
    return any(
        path == folder or path.startswith(os.path.realpath(folder).rstrip("/") + "/")
        for folder in task.spec.get("volumes") or []
    )
`,
  'task.py': `"""What the inspector has to do, and how it answers.

The task is JSON in DJANGO_ROLLOUT_SPEC:

    marker     random text before and after each line that is meant for django-rollout
    migrate    the command that migrates, for /bin/sh; null: only the plan
    databases  aliases in DATABASES that the command migrates (["default"] if missing)
    only       no other alias is planned, because the command names its own
    always     the command does more than \`manage.py migrate\`: it runs although nothing is pending
    volumes    folders that outlive the pod
    web        words of the command that starts the web; null: no comparison
    kept       what names each database of the previous release, by alias
    wait       seconds to retry while a database does not answer (0 if missing)
    running    the versions that run now (verdict.py)
    unsafe     what becomes of migrations that break one of them: block, warn or allow
    locks      seconds that a migration waits for the tables that it locks; null: in the queue, as Django does
    earlier    the versions that a rollback may restore (verdict.py)
    reverse    migrations of this image are reversed for an older version, and nothing is migrated (reverse.py)
    only-plan  nothing is migrated
    leaves     the database is empty, and is first brought to these migrations, by alias and app (leaves.py)
    backup     when a backup comes first: needed or always; missing: never, or it was made
    contract   which migrations are held back (placing.py)
    bridges    what earlier releases have left behind (bridges.py)
    prove      this version is older than the database: nothing but whether it fits is asked (verdict.py)

The answers are lines between two markers: \`{plan}\`, \`{"needs": ...}\`, \`{"refused": ...}\`, \`migrate\` when the
command begins, \`{"bridge": ...}\` before it, \`{"locking": ...}\` while it runs (guard.py), and \`{"verified": ...}\` or \`{"reversed": ...}\` after it. Other errors are left to Django and Python: their own text, their
own exit code.
"""
import json
import os
import sys

# What the process was started with.
spec = {}
# The script that starts the web, if it has been run: what it sets is in the environment.
through = None
# The needs of the versions that run, by the index in their variable's name; None where they cannot be read.
bodies = {}


def read():
    """Takes the task out of the environment: what the project starts must not see it."""
    from rollout_inspector import needs

    global through
    spec.update(json.loads(os.environ.pop("DJANGO_ROLLOUT_SPEC")))
    through = os.environ.pop("DJANGO_ROLLOUT_THROUGH", None)
    for name in [each for each in os.environ if each.startswith("DJANGO_ROLLOUT_NEEDS_")]:
        bodies[int(name.rpartition("_")[2])] = needs.unpacked(os.environ.pop(name))


def named():
    return spec.get("databases") or ["default"]


def say(text):
    sys.stdout.flush()
    sys.stderr.flush()
    # By the descriptor: a project may have replaced sys.stdout.
    line = (spec["marker"] + text + spec["marker"] + "\\n").encode("ascii")
    while line:
        line = line[os.write(1, line) :]
`,
  'tasks.py': `"""The Celery tasks of an image: what workers of this version can run, and what it may be called with.

    {name: {"r": required parameters, "o": optional ones, "a": 1 if it takes any}}
"""
import base64
import inspect
import json
import os
import signal
import sys
import zlib

# Set while the modules are imported: Celery would run Django's system checks once more.
skip = "CELERY_SKIP_CHECKS"
# Unpacked, in characters; a project with more tasks than that is not compared.
longest = 500000
# For the import of the modules, in seconds: the plan waits for them.
patience = 30


class TooLong(BaseException):
    """Not an Exception: those a module may take for a broker that does not answer yet."""


def tasks():
    """Returns the tasks; nothing where the project has no Celery, or its tasks cannot be imported."""
    # A project that uses it has imported its app with its settings: that of its own, or that of its package.
    if "celery" not in sys.modules:
        return {}
    before = os.environ.get(skip)
    os.environ[skip] = "1"
    try:
        from celery import current_app

        ended_in_time(current_app.loader.import_default_modules)
        current_app.finalize(auto=True)
        return {name: parameters_of(task.run) for name, task in current_app.tasks.items() if not is_own(name)}
    except (Exception, SystemExit, TooLong):
        return {}
    finally:
        if before is None:
            del os.environ[skip]
        else:
            os.environ[skip] = before


def ended_in_time(load):
    def stop(*_):
        raise TooLong()

    earlier = signal.signal(signal.SIGALRM, stop)
    # Again and again: a destructor or a loop may take the first one.
    signal.setitimer(signal.ITIMER_REAL, patience, 1)
    try:
        load()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, earlier or signal.SIG_DFL)


def is_own(name):
    """Whether Celery has it by itself."""
    return name.startswith("celery.")


def parameters_of(function):
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return {"a": 1}
    found = {"r": [], "o": []}
    for each in parameters:
        if each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD):
            found["a"] = 1
        else:
            found["r" if each.default is each.empty else "o"].append(each.name)
    return {key: value for key, value in found.items() if value}


def packed(found):
    text = json.dumps(found, sort_keys=True, separators=(",", ":"))
    if not found or len(text) > longest:
        return None
    return base64.b64encode(zlib.compress(text.encode("utf-8"), 9)).decode("ascii")
`,
  'twins.py': `"""The safe way, as code of a migration for the model in question: ready to be copied."""


# What the fields of the code need, besides \`migrations\` and \`models\`.
imports = set()


def code_of(rule, event, state):
    """Returns lines of operations, or none where only the rule's advice is known.

    event  what made the finding; none for what the new version leaves behind
    state  the models as the applied migrations leave them: a field found in them by (table, column)
    """
    imports.clear()
    try:
        lines = lines_of(rule, event, state)
    except Exception:
        # A field of others that cannot be written: then there is the advice.
        return None
    known = ("from django.db import models", "from django.db import migrations, models")
    return lines and ["# " + each for each in sorted(imports) if each not in known] + lines


def lines_of(rule, event, state):
    if event is None:
        left_behind_rules = ("insert-refused", "delete-refused")
        return left_behind(*state) if rule in left_behind_rules and state is not None else None
    if event.model is None:
        return None
    if rule == "insert-refused" and event.kind == "add":
        return with_default(event)
    if rule == "column-gone" and event.kind == "remove":
        return without_column(event.model, event.field)
    if rule == "column-gone" and event.kind == "alter":
        return renamed(event)
    if rule == "table-gone" and event.kind == "delete":
        return without_table(event)
    if rule == "table-gone" and event.kind == "rename":
        return same_table(event)
    return None


def written(field):
    from django.db.migrations.writer import MigrationWriter

    text, needed = MigrationWriter.serialize(field)
    imports.update(needed)
    return text


def quoted(text):
    return '"%s"' % text


def operation(kind, **arguments):
    return "migrations.%s(%s)" % (kind, ", ".join("%s=%s" % each for each in arguments.items()))


def of_field(kind, model, field_name, field):
    arguments = {"model_name": quoted(model._meta.model_name), "name": quoted(field_name), "field": written(field)}
    return operation(kind, **arguments) + ","


def in_model(name, field):
    return "# In the model: %s = %s" % (name, written(field))


def in_state(line):
    return ["migrations.SeparateDatabaseAndState(", "    state_operations=[" + line + "],", "),"]


def in_next_release(*statements):
    sql = ["migrations.RunSQL(%r, migrations.RunSQL.noop)," % each for each in statements]
    return ["# In the next release:"] + sql


def constant_default(field):
    """Returns [value] that each row can have; nothing where there is none."""
    from django.db.models import NOT_PROVIDED

    default = getattr(field, "default", NOT_PROVIDED)
    if default is NOT_PROVIDED:
        return [""] if field.empty_strings_allowed and field.blank else []
    return [] if callable(default) or default is None or field.unique else [default]


def with_default(event):
    import django

    field = event.field.clone()
    default = constant_default(event.field)
    if django.VERSION >= (5, 0) and default:
        field.db_default = default[0]
    else:
        field.null = True
    name = event.field.name
    return [of_field("AddField", event.model, name, field), in_model(name, field)]


def relaxed(model, field):
    """The column may stay: no INSERT has to name it, and it holds no row of others."""
    from rollout_inspector.needs import is_filled, reference_of

    looser = field.clone()
    reference = reference_of(field)
    if not field.null and not is_filled(field):
        looser.null = True
    if reference and reference[1]:
        looser.db_constraint = False
    same = looser.null == field.null and not (reference and reference[1])
    return [] if same else [of_field("AlterField", model, field.name, looser)]


def without_column(model, field):
    if field.primary_key:
        return None
    removal = operation("RemoveField", model_name=quoted(model._meta.model_name), name=quoted(field.name))
    drop = 'ALTER TABLE "%s" DROP COLUMN "%s"' % (model._meta.db_table, field.column)
    return relaxed(model, field) + in_state(removal) + in_next_release(drop)


def renamed(event):
    if event.model._meta.auto_created or event.old.name == event.new.name:
        return None
    field = event.old.clone()
    field.db_column = event.old.column
    rename = operation(
        "RenameField",
        model_name=quoted(event.model._meta.model_name),
        old_name=quoted(event.old.name),
        new_name=quoted(event.new.name),
    )
    own = event.new.clone()
    own.db_column = event.old.column
    lines = [of_field("AlterField", event.model, event.old.name, field), rename + ","]
    return lines + [in_model(event.new.name, own)]


def without_constraints(model, field):
    """The same for the table of a many-to-many field: it holds on to rows of both sides."""
    looser = field.clone()
    looser.remote_field.db_constraint = False
    return of_field("AlterField", model, field.name, looser)


def own_tables(model):
    """The many-to-many fields that have a table of Django's."""
    return [field for field in model._meta.local_many_to_many if field.remote_field.through._meta.auto_created]


def without_table(event):
    model = event.model
    tables = [field.remote_field.through._meta.db_table for field in own_tables(model)]
    drop = in_next_release(*('DROP TABLE "%s"' % each for each in tables + [model._meta.db_table]))
    if model._meta.auto_created:
        if event.old is None or type(event.operation).__name__ == "DeleteModel":
            return None
        owner, name = event.old.model, event.old.name
        removal = operation("RemoveField", model_name=quoted(owner._meta.model_name), name=quoted(name))
        return [without_constraints(owner, event.old)] + in_state(removal) + drop
    looser = [line for field in model._meta.local_concrete_fields if field.is_relation for line in relaxed(model, field)]
    looser += [without_constraints(model, field) for field in own_tables(model)]
    return looser + in_state(operation("DeleteModel", name=quoted(model.__name__))) + drop


def same_table(event):
    name = type(event.operation).__name__
    # Django names the columns of many-to-many tables after the model, on both sides.
    pointed_at = [each for each in event.model._meta.get_fields(include_hidden=True) if each.many_to_many]
    if name == "RenameModel" and not event.model._meta.auto_created and not pointed_at:
        old, new = event.operation.old_name, event.operation.new_name
        return [
            operation("AlterModelTable", name=quoted(old.lower()), table=quoted(event.old)) + ",",
            operation("RenameModel", old_name=quoted(old), new_name=quoted(new)) + ",",
        ]
    return None


def left_behind(model, field):
    lines = relaxed(model, field)
    return ["# Before the removal from the state, in the same file:"] + lines if lines else None
`,
  'usage.py': `"""What the statistics of PostgreSQL say: how busy tables are, and which statements name what models do not use.

They can only add a warning: no verdict is milder because of them.
"""
import re

from rollout_inspector import reader

# Statistics of a shorter time say nothing, in seconds.
shortest = 60
# Of unused columns and tables, and of statements that name what is dropped.
most = 50
# For a query, in ms.
patience = 2000
hidden = "<insufficient privilege>"


def rows_of(connection, query, values=()):
    """None where the server does not answer it in time, or may not."""
    from django.db import transaction

    try:
        with transaction.atomic(using=connection.alias):
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL statement_timeout = %d" % patience)
                cursor.execute(query, list(values))
                return cursor.fetchall()
    except Exception:
        return None


def rates(connection):
    """Reads and writes a second of each table, by its number, on average since the statistics were reset.

    Two looks while the plan works would be too close to each other: a client reports what it did once a second.
    """
    query = (
        "SELECT relid, (coalesce(seq_scan, 0) + coalesce(idx_scan, 0)) / age, (n_tup_ins + n_tup_upd + n_tup_del) / age "
        "FROM pg_stat_user_tables, (SELECT extract(epoch FROM clock_timestamp() - greatest("
        "(SELECT stats_reset FROM pg_stat_database WHERE datname = current_database()), "
        "(SELECT stats_reset FROM pg_stat_bgwriter)))::float8 AS age) since WHERE age >= %d" % shortest
    )
    return {oid: (reads, writes) for oid, reads, writes in rows_of(connection, query) or []}


def unused(connection, needs, labels):
    """Columns and tables that none of these versions needs. Only tables that have a name as those of the apps have."""
    if connection.vendor != "postgresql":
        return []
    query = (
        "SELECT c.relname::text, a.attname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid "
        "WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relnamespace = current_schema()::regnamespace "
        "AND a.attnum > 0 AND NOT a.attisdropped AND NOT EXISTS (SELECT FROM pg_depend d "
        "WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') ORDER BY 1, a.attnum"
    )
    found = {}
    for table, column in rows_of(connection, query) or []:
        found.setdefault(table, []).append(column)
    known = {}
    for each in needs:
        for table, need in each.items():
            known.setdefault(table, set()).update(need["c"])
    names = []
    for table in sorted(found):
        if table in known:
            names += ["%s.%s" % (table, column) for column in found[table] if column not in known[table]]
        elif any(table.startswith(label + "_") for label in labels) and table != "django_migrations":
            names.append(table)
    return names[:most]


def witnesses(connection, dropped):
    """Statements of other roles that name what the migrations drop: [(table, column)].

    Those of the own role are the versions' own. Whether they are still sent is not known: the server counts them since
    its statistics were reset. None: it does not show them.
    """
    if connection.vendor != "postgresql" or not dropped:
        return []
    is_there = rows_of(connection, "SELECT n.nspname::text FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE extname = 'pg_stat_statements'")
    if not is_there:
        return []
    schema = connection.ops.quote_name(is_there[0][0])
    query = (
        "SELECT r.rolname::text, s.query, s.calls FROM %s.pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid "
        "WHERE s.dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND r.rolname <> current_user "
        "AND r.rolname <> session_user ORDER BY s.calls DESC LIMIT 5000" % schema
    )
    statements = rows_of(connection, query)
    if statements is None:
        return None
    return named_in(statements, dropped)


def named_in(statements, dropped):
    """The most frequent statement of each role that names it. Pure."""
    found, is_hidden = {}, False
    for role, text, calls in statements:
        if text == hidden:
            is_hidden = True
            continue
        text = without_values(text)
        words = set(re.findall(r"\\w+", text))
        takes_all = re.search(r"(?:\\bSELECT|,)\\s+(?:\\w+\\.)?\\*", text, re.IGNORECASE)
        for table, column in dropped:
            if table in words and (not column or column in words or takes_all):
                key = (table, column, role)
                before = found.get(key, {"calls": 0, "query": text[:200]})
                found[key] = dict(before, calls=before["calls"] + calls)
    if is_hidden and not found:
        return None
    told = [
        dict(each, object=".".join(part for part in (table, column) if part), role=role)
        for (table, column, role), each in sorted(found.items())
    ]
    return told[:most]


def without_values(text):
    """The server shows the values of statements such as COPY and DECLARE, and reports are read by others."""
    code = "; ".join(each for each in reader.statements_of(text, False) if each)
    code = re.sub(r"\\$((?:[^\\W\\d]\\w*)?)\\$.*?\\$\\1\\$", "'?'", code.replace("'x'", "'?'"), flags=re.DOTALL)
    return re.sub(r"(?<![\\w$\\"])\\d[\\d.]*", "?", code)
`,
  'verdict.py': `"""Whether pending migrations break a version: predicted before they run, and read from the database after them.

DJANGO_ROLLOUT_SPEC has \`running\`: [{"names": workloads, "tag", "digest", "needs": index, "own": true,
"idle": true}]; one that is idle is started by a person only. The needs are in
DJANGO_ROLLOUT_NEEDS_<index>, as \`packed\` of needs.py. A version without them is judged by the state of the migrations
that are applied, which does not know what really runs; \`own\` is the image that this is.

\`earlier\`: [{"hash", "needs": index}], the versions that a rollback may restore. They stop nothing: the comparison after
the migration reports what they lack since. \`prove\`: the own version, which is older than the database, is compared
with the database as it is.
"""
import copy
import operator

from rollout_inspector import allows, checks, needs as fingerprint, task, twins
from rollout_inspector.catalog import Catalog
from rollout_inspector.effects import applied_state
from rollout_inspector.judge import RULES, misfits, severity_of

# Findings that are reported; a project that is all wrong needs no longer list.
most = 100
# What both sides name in their own way, or do not tell: not compared after the migration.
named_freely = ("unique", "check", "fk-added", "unread")
# For a query that looks for evidence, in ms.
patience = 2000


def versions():
    return task.spec.get("running") or []


def is_judged():
    """A first deploy breaks nothing that runs."""
    return bool(versions())


def any_runs(indices):
    """Whether a pod of these versions runs, or may start at any time."""
    return any(not versions()[index].get("idle") for index in indices)


class Judge:
    """Judges one database."""

    def __init__(self, connection, alias, executor, guard):
        # \`guard\` makes sure that no operation writes.
        self.connection, self.alias, self.executor, self.guard = connection, alias, executor, guard
        self.catalog = None
        self.effects = None
        # The operations whose effects were noted while somebody else applied them to a state.
        self.seen = []
        self.state = None
        self.findings = []
        # Of each version, in their order: needs, and where they come from.
        self.known = []
        self.predicted = {}
        # What the new version needs of the tables in question, and what was found of it.
        self.coming = None
        # Of each version that a rollback may restore, by its hash.
        self.earlier = {}
        # By (table, column): bridges.py.
        self.bridges = {}
        self.read = None

    def needs_of(self, apps):
        from django.db import router

        def is_here(model):
            return router.allow_migrate_model(self.alias, model)

        return fingerprint.needs_of(self.connection, apps, is_here, self.executor.loader.migrated_apps)

    def begin(self):
        from rollout_inspector.effects import Effects

        self.catalog = Catalog(self.connection, self.read)
        self.effects = Effects(self.connection, self.catalog, self.guard)
        self.effects.kept.update(key for key, each in self.bridges.items() if each["kind"] == "default-kept")

    def again(self, pending, new, bridges):
        """Returns the same of fewer migrations, with bridges."""
        other = Judge(self.connection, self.alias, self.executor, self.guard)
        other.state, other.read, other.bridges = self.state, self.catalog.read, dict(bridges)
        other.judge(pending, new)
        return other

    def watched(self, migration):
        """Returns the same migration; the effects of its operations are noted when it is applied to a state."""
        if not is_judged() and not task.spec.get("backup"):
            return migration
        twin = copy.copy(migration)
        twin.operations = [Watched(self, migration, each) for each in migration.operations]
        return twin

    def judge(self, pending, new):
        if task.spec.get("prove"):
            self.prove(new)
            return
        self.state = self.state or applied_state(self.executor, bool(pending))
        self.known = [self.needs_of_version(each, new) for each in versions()]
        self.predict(pending)
        self.effects.bridge(self.bridges.values())
        touched = self.effects.touched
        before = [misfits(needs, self.catalog.before, touched, False) for needs, _ in self.known]
        self.judge_running(pending, touched, before)
        self.judge_new(touched, new)
        checks.report(self, pending)
        for migration in pending:
            if self.is_of_tenants(migration):
                detail = "its tables are in the schemas of tenants, which are not compared"
                self.report("schemas", "", "", {"detail": detail}, range(len(self.known)), migration, "%s.%s")
        for migration, detail, table in self.effects.unread:
            of = [index for index, (needs, _) in enumerate(self.known) if table is None or table in needs]
            if of:
                self.report("unread", "", "", {"detail": detail}, of, migration, "%s.%s")
        for each in task.spec.get("earlier") or []:
            kept = task.bodies.get(each["needs"])
            if kept is not None:
                # A database that it did not use: nothing is missing then.
                self.earlier[each["hash"]] = kept.get(self.alias, {})
        if self.effects.opaque:
            for needs in self.others():
                for table in needs:
                    self.catalog.before(table)

    def is_of_tenants(self, migration):
        """Whether its app is kept out of the schema of this connection (django-tenants)."""
        from django.db import router

        return hasattr(self.connection, "set_schema") and not router.allow_migrate(self.alias, migration.app_label)

    def lost(self, pending):
        """What the pending migrations take away."""
        if self.state is None:
            self.state = applied_state(self.executor, False)
            self.predict(pending)
        return self.effects.losses

    def prove(self, needs):
        """Compares what the version needs with the database as it is: only the tables that its own migrations make."""
        self.begin()
        self.known = [(needs, "own")]
        tables = [table for table, need in needs.items() if not need.get("u") and not need.get("o")]
        found = misfits(needs, self.catalog.before, tables, False)
        for key in sorted(found):
            rule, table, column = key
            # Its name may be written in another way than the catalog has it.
            is_there = rule in ("table-gone", "column-gone") and self.answers(table, column)
            if rule not in named_freely and not is_there:
                self.report(rule, table, column, found[key], [0])

    def answers(self, table, column):
        """Whether a query for this succeeds."""
        quote = self.connection.ops.quote_name
        # SQLite takes a name in quotes that it does not know for a text.
        what = "%s.%s" % (quote(table), quote(column)) if column else "1"
        return self.rows("SELECT %s FROM %s WHERE 1 = 0" % (what, quote(table))) is not None

    def rows(self, *queries, most=1):
        """The first ones of the last query, if it has any; None where a query fails."""
        from django.db import transaction

        try:
            with transaction.atomic(using=self.alias):
                with self.connection.cursor() as cursor:
                    for query in queries:
                        cursor.execute(query)
                    return cursor.fetchmany(most)
        except Exception:
            return None

    def others(self):
        """The needs of all versions but the new one: those that run, and those that a rollback may restore."""
        return [needs for needs, _ in self.known] + list(self.earlier.values())

    def dropped(self):
        """(table, column) of what the migrations drop or rename; without a column the table itself."""
        found = []
        for name, after in sorted(self.catalog.changed.items()):
            was = self.catalog.read.get(name)
            if was and after is None:
                found.append((name, ""))
            elif was and after:
                found += [(name, column) for column in was["columns"] if column not in after["columns"]]
        return found

    def needs_of_version(self, version, new):
        if version.get("own"):
            return new, "own"
        index = version.get("needs")
        kept = task.bodies.get(index) if index is not None else None
        if kept is not None and self.alias in kept:
            return kept[self.alias], "kept"
        needs = self.needs_of(self.state.apps)
        # A database that it did not use: nothing is missing then.
        return needs, "state" if needs or kept is None else "kept"

    def predict(self, pending):
        """States are dear in a project of many models: they are made anew only where not all operations were seen."""
        from rollout_inspector.effects import only_runs_code

        all_of = [(migration, operation) for migration in pending for operation in migration.operations]
        to_see = [operation for _, operation in all_of if not only_runs_code(operation)]
        is_seen = len(to_see) == len(self.seen) and all(map(operator.is_, to_see, self.seen))
        # What could not be read may be due to the transaction that the operations were seen in.
        if self.effects and is_seen and not self.effects.unread:
            self.effects.opaque += [migration for migration, operation in all_of if only_runs_code(operation)]
            return
        self.begin()
        state = self.state
        for migration, operation in all_of:
            after = state.clone()
            operation.state_forwards(migration.app_label, after)
            self.note(migration, operation, state, after)
            state = after

    def note(self, migration, operation, before, after):
        from rollout_inspector.effects import flattened

        inner = getattr(operation, "database_operations", None)
        steps = [(operation, before, after)]
        if inner is not None:
            steps = flattened(inner, before, migration.app_label)
        for step in steps:
            self.effects.run(migration, *step)

    def judge_running(self, pending, touched, before):
        found = {}
        for index, (needs, _) in enumerate(self.known):
            after = misfits(needs, self.catalog.get, touched, False)
            for key in sorted(set(after) - set(before[index])):
                found.setdefault(key, (after[key], []))[1].append(index)
        self.predicted = {key: indices for key, (_, indices) in found.items()}
        self.judge_between(found, before)
        for key, (more, indices) in sorted(found.items()):
            rule, table, column = key
            if rule == "insert-refused" and ("column-gone", table, self.renamed_from(table, column)) in found:
                # One change, one finding.
                continue
            if rule == "null-refused":
                more["nulls"] = not self.is_filled_first(pending, table, column) and self.has_nulls(table, column)
                needs = [self.known[index][0][table]["c"][column] for index in indices]
                more["filled"] = all(need.get("p") or need.get("d") for need in needs)
            self.report(rule, table, column, more, indices)

    def judge_between(self, found, before):
        """What breaks from one commit to a later one, and not in the end."""
        at, kept = {}, self.effects.causes

        def get(name):
            return at[name] if name in at else self.catalog.before(name)

        seen = set(found)
        for migration, tables, causes in self.effects.between:
            at.update(tables)
            broken = {}
            for index, (needs, _) in enumerate(self.known):
                then = misfits(needs, get, tables, False)
                for key in set(then) - set(before[index]) - seen:
                    if severity_of(key[0], then[key], {}, False) == "breaks":
                        broken.setdefault(key, (then[key], []))[1].append(index)
            seen.update(broken)
            self.effects.causes = causes
            for (rule, table, column), (more, indices) in sorted(broken.items()):
                if rule == "insert-refused" and ("column-gone", table, self.renamed_from(table, column)) in broken:
                    continue
                until = kept.get((table, column)) or kept.get((table, ""))
                own = dict(more, until=until and until.migration and name_of(until.migration))
                self.report(rule, table, column, own, indices, migration)
            self.effects.causes = kept

    def is_filled_first(self, pending, table, column):
        """Whether rows without a value may be old ones, which a step before fills: who wrote them may not go on."""
        from rollout_inspector.effects import may_fill, steps_of

        event = self.effects.cause_of(table, column)
        for step in steps_of([operation for migration in pending for operation in migration.operations]):
            if may_fill(step):
                return True
            if event is None or step is event.operation:
                return False
        return False

    def renamed_from(self, table, column):
        """The name that a column had before the last change of it."""
        event = self.effects.cause_of(table, column)
        if event is None:
            return None
        return event.old.column if event.kind == "alter" else getattr(event, "column", None)

    def judge_new(self, touched, new):
        """What the new version misses, and what those that run do not miss."""
        tables = set(touched)
        for needs, _ in self.known:
            tables.update(table for table in new if needs.get(table) != new[table])
            tables.update(table for table in needs if table not in new)
        amiss = set()
        for needs, _ in self.known:
            known = [table for table in tables if table in needs]
            amiss.update(misfits(needs, self.catalog.before, known, True))
        after = misfits(new, self.catalog.get, tables, True)
        self.coming = {"needs": {table: new[table] for table in tables if table in new}}
        self.coming["known"] = sorted([list(key) for key in amiss.union(after)])
        for key in sorted(set(after) - amiss):
            rule, table, column = key
            if rule != "insert-refused" or ("insert-refused", table, column) not in self.predicted:
                more = dict(after[key], opaque=bool(self.effects.opaque))
                self.report(rule, table, column, more, None, new=new)

    def report(self, rule, table, column, more, indices, migration=None, of=None, new=None):
        is_new = new is not None
        event = self.effects.cause_of(table, column) if table else None
        if event is not None and migration is None:
            migration = event.migration
        name = name_of(migration) if migration else None
        source = new if is_new else self.known[indices[0]][0] if len(indices or ()) else {}
        need = source.get(table, {})
        if rule in ("column-gone", "table-gone") and is_new:
            # A table of the state that another migration renames is named by it.
            event = None
        severity = severity_of(rule, more, need, is_new)
        if severity == "breaks" and not is_new and not any_runs(indices):
            severity = "may"
        finding = {
            "rule": rule,
            "severity": severity,
            "database": self.alias,
            "object": name if of else ("%s.%s" % (table, column) if column else table),
            "table": table,
            "column": column,
            "model": need.get("m", ""),
            "direction": "new" if is_new else "running",
            "versions": [] if is_new else list(indices),
            "migration": name,
        }
        for key in ("detail", "parent", "from", "to", "until"):
            if more.get(key):
                finding[key] = str(more[key])
        file = allows.file_of(migration) if migration else None
        if file:
            finding["file"] = file
        code = twins.code_of(rule, None if is_new else event, self.field_of(table, column) if is_new else None)
        if code:
            finding["code"] = code
        self.findings.append(finding)

    def field_of(self, table, column):
        """The field of the applied migrations' state that has this column."""
        for model in self.state.apps.get_models(include_auto_created=True):
            if model._meta.db_table == table:
                for field in model._meta.local_concrete_fields:
                    if field.column == column:
                        return model, field
        return None

    def has_nulls(self, table, column):
        """Whether there are rows without a value: who writes them goes on. None: not known in time."""
        quote = self.connection.ops.quote_name
        rows = self.asked("SELECT 1 FROM %s WHERE %s IS NULL LIMIT 1" % (quote(table), quote(column)))
        return None if rows is None else bool(rows)

    def asked(self, query, most=1):
        """The first rows of a query that may take long; None where it did."""
        limit = []
        if self.connection.vendor == "postgresql":
            limit = ["SET LOCAL statement_timeout = %d" % patience]
        elif getattr(self.connection, "mysql_is_mariadb", False):
            query = "SET STATEMENT max_statement_time=%d FOR %s" % (patience // 1000, query)
        elif self.connection.vendor == "mysql":
            query = query.replace("SELECT", "SELECT /*+ MAX_EXECUTION_TIME(%d) */" % patience, 1)
        return self.rows(*limit, query, most=most)

    def to_verify(self):
        """All that the comparison after the migration needs, as JSON."""
        tables = sorted(name for name, table in self.catalog.read.items() if not table or table["kind"] != "unknown")
        changed = {
            name: {column: has["type"] for column, has in table["columns"].items() if has["type"]}
            for name, table in self.catalog.changed.items()
            if table is not None
        }

        def of_read(needs):
            return {table: need for table, need in needs.items() if table in tables}

        return {
            "alias": self.alias,
            "tables": {name: self.catalog.read[name] for name in tables},
            "types": changed,
            "needs": [of_read(needs) for needs, _ in self.known],
            "predicted": sorted([list(key) for key in self.predicted]),
            "new": self.coming,
            "earlier": {version: of_read(needs) for version, needs in self.earlier.items()},
            "causes": {"%s %s" % key: name_of(each.migration) for key, each in self.effects.causes.items() if each.migration},
        }


def name_of(migration):
    return "%s.%s" % (migration.app_label, migration.name)


class Watched:
    """An operation that also has its effects noted."""

    def __init__(self, judge, migration, operation):
        self.judge, self.migration, self.operation = judge, migration, operation

    def __getattr__(self, name):
        return getattr(self.operation, name)

    def database_forwards(self, app, editor, before, after):
        self.operation.database_forwards(app, editor, before, after)
        try:
            if self.judge.effects is None:
                self.judge.begin()
            self.judge.note(self.migration, self.operation, before, after)
        except Exception:
            # Told when all are seen again.
            return
        self.judge.seen.append(self.operation)


def unjudged(alias, error, pending):
    detail = "%s: %s" % (type(error).__name__, " ".join(str(error).split())[:300])
    return {
        "rule": "unjudged",
        "severity": "unknown" if not pending else "breaks" if any_runs(range(len(versions()))) else "may",
        "database": alias,
        "object": alias,
        "table": "",
        "column": "",
        "model": "",
        "direction": "running",
        "versions": list(range(len(versions()))),
        "migration": None,
        "detail": detail,
    }


def concluded(found, pending):
    """Returns what is told of all databases: the findings, what accepts them, and whether they stop the release."""
    accepted, wrong = allows.comments_of(pending)
    for finding in found:
        comment = accepted.get((finding["rule"], finding["object"]))
        if comment:
            finding["allowed"] = comment
    policy = task.spec.get("unsafe") or "block"
    order = ["breaks", "may", "unknown"]
    found.sort(key=lambda each: (bool(each.get("allowed")), order.index(each["severity"])))
    stops = [each for each in found if each["severity"] == "breaks" and not each.get("allowed")]
    return {
        "policy": policy,
        "blocked": policy == "block" and bool(stops),
        "findings": found[:most],
        "more": max(0, len(found) - most),
        "comments": wrong,
    }


def verified(question, connection):
    """Returns what really came out of the migration: findings that were not predicted, and the other way round."""
    before = question["tables"]
    real = Catalog(connection)
    # Columns whose type is another one now.
    changed = set()

    def table_now(name):
        table = real.get(name)
        was = before.get(name)
        for column, has in (table["columns"] if table and was else {}).items():
            old = was["columns"].get(column)
            if old and old.get("read") != has.get("read"):
                changed.add((name, column))
                has["type"] = question["types"].get(name, {}).get(column, "another type")
        return table

    predicted = {tuple(key) for key in question["predicted"]}
    found = {}
    for index, needs in enumerate(question["needs"]):
        was = misfits(needs, before.get, before, False)
        now = misfits(needs, table_now, before, False)
        for key in set(now) - set(was):
            found.setdefault(key, (now[key], needs[key[1]], []))[2].append(index)

    def told(key, more, need, indices, is_new=False):
        rule, table, column = key
        finding = {
            "rule": rule,
            "severity": severity_of(rule, more, need, is_new),
            "database": question["alias"],
            "object": "%s.%s" % (table, column) if column else table,
            "table": table,
            "column": column,
            "model": need.get("m", ""),
            "direction": "new" if is_new else "running",
            "versions": indices,
            "migration": None,
        }
        finding.update((name, str(more[name])) for name in ("parent", "from", "to") if more.get(name))
        return finding

    unpredicted = [
        told(key, *found[key]) for key in sorted(found) if key not in predicted and key[0] not in named_freely
    ]
    new = question["new"]["needs"]
    known = {tuple(key) for key in question["new"]["known"]}
    missed = misfits(new, table_now, new, True)
    unpredicted += [
        told(key, missed[key], new[key[1]], [], True)
        for key in sorted(set(missed) - known)
        if key[0] not in named_freely
    ]
    unmet = [
        "%s %s" % (rule, ".".join(part for part in (table, column) if part))
        for rule, table, column in sorted(predicted - set(found))
        if rule not in named_freely and RULES[rule]["severity"] == "breaks"
    ]
    def since(needs):
        """What a version that may be restored lacks since this migration, and what it no longer lacks."""
        was = set(misfits(needs, before.get, before, False))
        now = misfits(needs, table_now, before, False)
        added = []
        for key in sorted(set(now) - was):
            of = [question["causes"].get("%s %s" % (key[1], column)) for column in (key[2], "")]
            added.append(dict(told(key, now[key], needs[key[1]], []), migration=of[0] or of[1]))
        added.sort(key=lambda each: each["severity"] != "breaks")
        # A type of before is not known by its name.
        was.update((rule, table, column) for rule in ("narrowed", "retyped") for table, column in changed)
        gone = [rule + " " + ".".join(filter(None, names)) for rule, *names in sorted(was - set(now))]
        return {"added": added[:most], "gone": gone}

    return {
        "database": question["alias"],
        "unpredicted": unpredicted[:most],
        "unmet": unmet[:most],
        "earlier": {version: since(needs) for version, needs in question["earlier"].items()},
    }
`,
  'web.py': `"""Which databases the web uses, asked of a child that imports what the web's server imports.

When the plan is made, the process becomes a bare Python. That one starts a child that imports what the web's server
imports, with the environment of the container and not that of manage.py: the databases that it names are compared.
Whatever it does at its import ends with it. So the project is in memory once at any time: the pod has the limit of
one that serves the web.
"""
import importlib
import importlib.util
import json
import os
import re
import shlex
import signal
import subprocess
import sys

from rollout_inspector import task
from rollout_inspector.identity import asked, identity_of

# For the web's own module; one that takes longer is judged by its rollout.
child_seconds = 60


def words_of(command):
    """The words of a command, and of the scripts and files of settings that it names."""
    texts = [(" ".join(command), None)]
    for word in command + (["gunicorn.conf.py"] if "gunicorn" in " ".join(command) else []):
        for path in re.split(r"[\\s=;&|\\"']+", word):
            if "." not in path and "/" not in path or path.endswith("manage.py"):
                continue
            try:
                with open(path, "rb") as file:
                    data = file.read(65536)
            except OSError:
                continue
            # What pip has made of a server's name is a script of Python's.
            if b"\\0" not in data and not re.match(rb"#!.*python", data):
                texts.append((data.decode("utf-8", "replace"), path))
    return texts


def assigned(command, texts):
    """What a command sets for the server that it starts.

    Returns what it sets in any case, what its files export (which may be what is set already, or
    under a condition), and why that may not be all.
    """
    dollar = chr(36)
    pair = r"[A-Z_][A-Z0-9_]*=(?:\\"[^\\"]*\\"|'[^']*'|[^\\s\\"';&|,\\])]*)"
    servers = "gunicorn|uvicorn|daphne|hypercorn|granian|uwsgi|waitress|runserver|[aw]sgi"

    def pairs(text):
        for each in re.findall(r"(?<![\\w-])" + pair, text):
            name, _, value = each.partition("=")
            value = value if value[:1] == "'" else os.path.expandvars(value)
            if dollar not in value and "\`" not in value:
                yield name, value.strip("\\"'")

    def of_server(line):
        """NAME=value before a server, and its -e NAME=value."""
        start = re.match(
            r"(?:exec\\s+)?(?:env\\s+)?((?:" + pair + r"\\s+)*)(?=\\S)(.*)", line, re.DOTALL
        )
        if start and re.search(r"\\b(" + servers + ")", start.group(2)):
            yield from pairs(start.group(1))
            for each in re.findall(r"\\s(?:-e|--env)[\\s=]*[\\"']?(" + pair + ")", start.group(2)):
                yield from pairs(each)

    always, exported, unsure = {}, {}, None
    reads = (
        r"(^|&&|;|\\bthen\\b|\\bdo\\b)\\s*"
        r"((\\.|source)\\s+(?!\\S*activate\\b)\\S|set\\s+(-\\w*a|-o\\s+allexport))"
    )
    for text, path in texts:
        if path is None or path == task.through:
            continue
        found = []
        for line in text.replace("\\\\\\n", " ").splitlines():
            if re.match(r"export\\s", line):
                exported.update(pairs(line))
            elif re.match(r"(env\\s*=|environment)", line):
                found += pairs(line.partition("=")[2])
            else:
                found += of_server(line.strip())
        for each in re.findall(r"^raw_env\\s*=([^\\]]*)", text, re.MULTILINE):
            found += pairs(each.replace('"', " ").replace("'", " "))
        for name, value in found:
            if always.setdefault(name, value) != value:
                unsure = "%s sets %s in more than one way" % (path, name)
        is_script = re.match(r"#!.*sh\\b", text) or path.endswith(".sh")
        if is_script and re.search(reads, text, re.MULTILINE):
            unsure = "%s reads variables from another file" % path
    shells = ("sh", "bash", "dash", "ash", "ksh", "zsh")
    names = [each.rsplit("/", 1)[-1] for each in command]
    shell = next((i for i, name in enumerate(names) if name in shells), len(names))
    behind = range(shell + 1, len(names))
    at = next((i for i in behind if re.match(r"-\\w*c\\Z", names[i])), None)
    if at is None:
        for word in command:
            # No shell is there that would read a dollar sign or quotes.
            own = re.match(r"(?:-e|--env=)?([A-Z_][A-Z0-9_]*)=([^" + dollar + r"]*)\\Z", word)
            if own:
                always[own.group(1)] = own.group(2)
        return always, exported, unsure
    parts = re.split(r"&&|[;\\n]", "".join(command[at + 1 : at + 2]))
    torn = any(part.count(sign) % 2 for part in parts for sign in "\\"'\`") or any(
        part.count("(") != part.count(")") or part.endswith("\\\\") for part in parts
    )
    first = not torn
    for part in map(str.strip, parts):
        is_more = re.search(r"[|&<>]", re.sub(r"\\(.*\\)|\\"[^\\"]*\\"|'[^']*'", "", part))
        first = first and not is_more and bool(re.match(r"(export\\s+\\w+=|cd\\s|set\\s+-)", part))
        if re.search(reads, part):
            unsure = "its command reads variables from another file"
        elif first:
            always.update(pairs(part) if part.startswith("export") else [])
        elif re.search(r"\\bexport\\s+\\w+=", part) or re.match(pair + r"\\Z", part):
            name = re.search(r"\\w+(?==)", part).group(0)
            unsure = "its command sets %s, possibly under a condition" % name
        else:
            always.update(of_server(part))
    return always, exported, unsure


def modules_of(texts):
    """Returns what the web's server may import, the likeliest first."""
    sure, likely = [], []
    for word in re.split(r"[\\s=\\"',;()\\[\\]]+", " ".join(text for text, _ in texts)):
        if word.endswith(".py") and "/" in word or re.search(r"\\b[aw]sgi\\.py", word):
            word = word[:-3].strip("./").replace("/", ".")
        module, colon, _ = word.partition(":")
        if not re.match(r"[A-Za-z_]\\w*(\\.[A-Za-z_]\\w*)*\\Z", module):
            continue
        if module.startswith(("django.", "gunicorn.", "uvicorn.")):
            continue
        if re.search(r"(\\A|[._])[aw]sgi[^.]*\\Z", module):
            sure.append(module)
        elif colon:
            likely.append(module)
    return sure + likely


def is_there(module):
    try:
        return importlib.util.find_spec(module) is not None
    except Exception:
        return False


def web_tells():
    """In the child: imports what the web's server imports, and reports which databases it names."""
    from django.db import connections

    question = task.spec["child"]
    module = None
    if not question["manage"]:
        sys.path[:0] = [path for path in question["path"] if path not in sys.path]
        module = next((each for each in question["modules"] if is_there(each)), None)
        if module is None:
            return task.say(json.dumps({"web": None}))
        importlib.import_module(module)
    there = [alias for alias in question["databases"] if alias in connections.databases]
    told = {alias: identity_of(connections[alias]) for alias in there}
    told = {alias: each for alias, each in told.items() if each != question["databases"][alias]}
    chosen = os.environ.get("DJANGO_SETTINGS_MODULE", "")
    web = {"module": module or "manage.py", "settings": chosen, "databases": told}
    task.say(json.dumps({"web": web}))
    for alias in list(told):
        # By another way, or as another user: only the server knows whether it is the same.
        try:
            connections[alias].ensure_connection()
            told[alias] = asked(connections[alias])
        except Exception:
            # Then it is compared by its name and its host.
            continue
        task.say(json.dumps({"web": web}))


def container_environment():
    """As the container was started with it: manage.py, and the command before it, add their own."""
    saved = os.environ.pop("DJANGO_ROLLOUT_ENV", None)
    if saved:
        try:
            words = shlex.split(saved)
            return dict(word.split("=", 1) for word in words if re.match(r"\\w+=", word))
        except ValueError:
            pass
    try:
        with open("/proc/self/environ", "rb") as file:
            pairs = [each.split(b"=", 1) for each in file.read().split(b"\\0") if b"=" in each]
        return {os.fsdecode(name): os.fsdecode(value) for name, value in pairs}
    except OSError:
        return dict(os.environ)


def question_of(identities):
    """How the child is started that is asked for the web's databases, or why nobody is asked."""
    from django.conf import settings

    command = task.spec.get("web")
    if command is None or "django_rollout_inspect" not in sys.argv[-1]:
        return None, None
    texts = words_of(command)
    whole = " ".join(command)
    parts = whole.split()
    programs = [part.rsplit("/", 1)[-1].strip("\\"'") for part in parts]
    serving = ("runserver", "runserver_plus", "testserver", "runuwsgi")
    manage = next((part for part in parts if part.endswith("manage.py")), None)
    by_manage = manage is not None and any(each in serving for each in programs)
    modules = modules_of(texts)
    home = os.environ.get("DJANGO_SETTINGS_MODULE", "").split(".")
    guesses = [settings.WSGI_APPLICATION, getattr(settings, "ASGI_APPLICATION", None)]
    modules += [each.rsplit(".", 1)[0] for each in guesses if each and "." in each]
    for at in list(range(1, len(home))) + [0]:
        modules += [".".join(home[:at] + [each]) for each in ("wsgi", "asgi")]
    env = container_environment()
    always, exported, unsure = assigned(command, texts)
    if unsure:
        return None, unsure
    env = dict(exported, **dict(env, **always))
    flag = r"--(?:chdir|pythonpath|app-dir)[= ](\\S+)"
    folder = env.get("PWD") or os.getcwd()
    for each in re.findall(flag, " ".join(parts)) + re.findall(r"(?:^| )cd ([^\\s;&]+)", whole):
        if os.path.isdir(os.path.join(folder, each)):
            folder = os.path.join(folder, each)
    child = {
        "manage": by_manage,
        "modules": modules,
        "path": [folder, os.getcwd()] + sys.path[:1],
        "databases": identities,
    }
    env = {name: value for name, value in env.items() if not name.startswith("DJANGO_ROLLOUT_")}
    env["DJANGO_ROLLOUT_SPEC"] = json.dumps({"marker": task.spec["marker"], "child": child})
    start = [sys.executable, "-c", sys.argv[-1]]
    if by_manage:
        chosen = re.findall(r"--settings[= ](\\S+)", " ".join(parts))
        flags = ["--settings=" + each for each in chosen[:1]]
        start = [sys.executable, manage, "shell", "-v", "0"] + flags + ["-c", sys.argv[-1]]
    given = "DJANGO_SETTINGS_MODULE" in env or "--settings" in whole
    cwd = folder if os.path.isdir(folder) else None
    return {"start": start, "env": env, "cwd": cwd, "given": given}, None


def answer_to(question):
    """What the child tells, and why it tells nothing."""
    late = None
    try:
        child = subprocess.Popen(
            question["start"],
            env=question["env"],
            cwd=question["cwd"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        return None, str(error)
    try:
        out = child.communicate(timeout=child_seconds)[0]
    except subprocess.TimeoutExpired as expired:
        # What settings tell it has said before it asked a database that does not answer.
        out = expired.output or b""
        late = "its import did not end within %d s" % child_seconds
    finally:
        # What it has started must not outlive it.
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except OSError:
            pass
    marker = task.spec["marker"]
    lines = out.decode("utf-8", "replace").splitlines()
    for line in reversed(lines):
        text = line.partition(marker)[2].rpartition(marker)[0]
        if text.startswith("{"):
            web = json.loads(text)["web"]
            if web is None:
                return None, "its command names no known module"
            return dict(web, given=question["given"]), None
    words = [line for line in lines if line.strip()]
    return None, late or (words[-1] if words else "it printed nothing")
`,
}
