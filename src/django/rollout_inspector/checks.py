"""Whether the rows of today let the pending migrations end: asked before anything is written.

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
        # `query` gives the rows that are in the way; `words` what they are, with their number for %s.
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
        only = as_sent(constraint._get_condition_sql(event.model, effects.recorder) or "", effects)
    nulls_too = getattr(constraint, "nulls_distinct", None) is False
    yield event.columns, duplicates([quote(each) for each in event.columns], only, nulls_too), equal(event.columns)


def check(event, effects, quote):
    constraint = getattr(event, "constraint", None)
    if constraint is None or type(constraint).__name__ != "CheckConstraint":
        return
    # As the database will have it: what is NULL passes.
    sql = as_sent(constraint._get_check_sql(event.model, effects.recorder), effects)
    yield [], "SELECT 1 FROM <table> WHERE NOT (%s)" % sql, "<n> of <table> that break the check %s" % constraint.name


def as_sent(sql, effects):
    """Older versions of Django double the percent signs of values, for a driver that takes them out again."""
    return sql.replace("%%", "%") if effects.recorder.quote_value("%").count("%") == 2 else sql


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
            if not any(re.search(r"\b%s\b" % re.escape(view), text) for text in said):
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
