"""What the rows of today say of the pending migrations, asked before anything is written: whether they let them end, and
whether the latest ones show that a version writes what is refused then.

Where a step before it writes rows, by code or SQL, it may mend them: then only the latest ones count, because who wrote
them goes on. A query that takes too long says nothing.
Only tables and columns that keep their names until then are asked for.
"""
import re
import time
import tokenize

from rollout_inspector import allows, bridges, collations, computed, needs as fingerprint, reader, ways
from rollout_inspector.judge import bytes_of, limit_of, of_types, parts_of, texts

# In all, in seconds; each query has its own limit (asking.py).
longest = 10
spent = [0.0]
# By alias, schema and query: what is held back is judged again without it.
answers = {}
# More rows are not counted.
most_rows = 1000
# The latest ones, and of a small table the newer half: who wrote the others may not run any more.
most_latest = 100


class Check:
    """`rule`, `of`: the finding that it is evidence for. `where`: what a row is that is in the way; `latest`: the same of one
    of the latest rows. `query` gives all of them, and is empty where no old row is in the way; `words` say what they are.
    """

    def __init__(self, rule, of, columns, where, words, query=None, latest=None):
        self.rule, self.of, self.columns, self.where, self.words = rule, of, columns, where, words
        self.query = "SELECT 1 FROM <table> WHERE " + where if query is None else query
        self.latest = where if latest is None else latest
        self.event = self.table = None
        # The change cuts these values, and is not refused.
        self.cuts = False
        # Values of new columns, as SQL for a list of columns: what the running versions give a row.
        self.values = ""

    def laid(self, event, table, name, columns):
        """`columns`: the values of new ones, in rows of today, and in those that the running versions write."""
        self.event, self.table = event, table
        now, self.values = ["".join(", " + each for each in values) for values in columns]
        self.query = of_table(self.query, name, "(SELECT *%s FROM %s)" % (now, name) if now else name)
        self.latest = of_table(self.latest, name, "(SELECT *%s FROM %s)" % (self.values, name) if self.values else name)
        self.words = self.words.replace("<table>", table)
        return self

    def reads(self, table, column):
        return all(re.search(r"(?<!\w)%s(?!\w)" % re.escape(each), self.query, re.IGNORECASE) for each in (table, column))

    def leave_out(self, column, how, quote):
        """Asks no row whose value in this column is another one by then (`remade`)."""
        if how == "filled" and self.where:
            self.query += " AND %s IS NOT NULL" % quote(column)
        elif how == "filled" and column in self.columns or how == "cast" and self.rule == "null-refused":
            # What is equal stays equal.
            return
        else:
            self.query = ""


def of_table(text, name, source):
    text = text.replace("FROM <table> rollout_o", "FROM %s rollout_o" % source)
    return text.replace("FROM <table>", "FROM %s%s" % (source, "" if source == name else " " + name)).replace("<table>", name)


def new_values(effects, table):
    """{column: value as SQL} of the columns that pending migrations add: in rows of today, and in those that the running versions
    write. One that is not known is in neither."""
    now, then = {}, {}
    for (of, column), event in effects.causes.items():
        if of != table or not column or event.kind != "add" or column in effects.catalog.before(table)["columns"]:
            continue
        if event.field is None:
            if not event.filled and not event.generated:
                now[column] = then[column] = cast("NULL", event.type, effects)
            continue
        if getattr(event.field, "generated", False) or event.field.primary_key:
            continue
        kind, constant = fingerprint.type_of(event.field, effects.connection), "NULL"
        if is_filled(event.field):
            constant = default_of(event.field, effects)
            if constant is not None:
                now[column] = then[column] = cast(constant, kind, effects)
            continue
        if event.constant:
            constant = bridges.literal_of(effects.recorder, event.field, event.constant[0])
        if constant is not None and (event.constant or not event.field.has_default()):
            now[column] = cast(constant, kind, effects)
        then[column] = now.get(column) if (table, column) in effects.kept else cast("NULL", kind, effects)
    quote = effects.connection.ops.quote_name
    return [{column: "%s AS %s" % (value, quote(column)) for column, value in each.items() if value} for each in (now, then)]


def default_of(field, effects):
    """The database default; None where it is not the same for each row."""
    value = field.db_default
    if hasattr(value, "resolve_expression") and type(value).__name__ != "Value":
        return None
    return bridges.literal_of(effects.recorder, field, getattr(value, "value", value))


def cast(value, kind, effects):
    return "CAST(%s AS %s)" % (value, kind) if effects.connection.vendor == "postgresql" and kind else value


def of(event, effects):
    """Yields what a change asks of the rows, before it is laid over the catalog."""
    table = event.model._meta.db_table if event.model is not None else getattr(event, "table", "")
    if not table or not is_as_now(effects, table):
        return
    handlers = {"alter": altered, "add": added, "unique": unique, "check": check, "set": changed, "reference": referenced}
    handler, quote = handlers.get(event.kind), effects.connection.ops.quote_name
    for each in handler(event, effects, quote) if handler else ():
        values = new_values(effects, table) if event.kind in ("unique", "check") else [{}, {}]
        if all(is_as_now(effects, table, column) or column in values[1] for column in each.columns):
            each.laid(event, table, quote(table), [sorted(of.values()) for of in values])
            for of, column, how, _ in effects.remade:
                if each.reads(of, column):
                    each.leave_out(column, how, quote)
            yield each


def remade(event, effects):
    """Yields (table, column, how, operation) where rows get other values by the change itself: `filled`, those without one;
    `cast`, those with one; `using`, any."""
    if event.kind == "alter" and event.model._meta.managed:
        of = (event.model._meta.db_table, event.old.column)
        if event.old.null and not event.new.null and (event.new.has_default() or is_filled(event.new)):
            yield of + ("filled", event.operation)
        types = [fingerprint.type_of(each, effects.connection) for each in (event.old, event.new)]
        kinds = {parts_of(each)[0] for each in types}
        if of_types(*types)[0] and (len(kinds) > 1 or not kinds.intersection(texts)):
            yield of + ("cast", event.operation)
    elif event.kind == "set" and event.__dict__.get("using"):
        yield event.table, event.column, "using", event.operation


def is_as_now(effects, table, column=""):
    """Whether it is there, under this name, and no pending migration makes it or gives it another name."""
    cause = effects.causes.get((table, column))
    if cause is not None and (cause.kind != "alter" or cause.old.column != cause.new.column) and cause.kind != "set":
        # A constraint is not the column.
        if cause.kind not in ("unique", "check", "reference", "drop-check", "drop-index"):
            return False
    has = effects.catalog.before(table)
    return has is not None and has["kind"] == "table" and (not column or column in has["columns"])


def nulls(column, quote):
    words = "<n> of <table> without a value in %s: it cannot become NOT NULL" % column
    return Check("null-refused", column, [column], quote(column) + " IS NULL", words)


def duplicates(columns, quote, only="", nulls_too=False):
    quoted = [quote(each) for each in columns]
    where = [] if nulls_too else ["%s IS NOT NULL" % each for each in quoted]
    where += ["(%s)" % only] if only else []
    query = "SELECT %s, count(*) FROM <table>" % ", ".join(quoted)
    query += " WHERE " + " AND ".join(where) if where else ""
    query += " GROUP BY %s HAVING count(*) > 1" % ", ".join(quoted)
    same = "IS NOT DISTINCT FROM" if nulls_too else "="
    pair = ["rollout_o.%s %s <table>.%s" % (each, same, each) for each in quoted] + ["rollout_o.<key> <> <table>.<key>"]
    # In it, names without a table are those of the other row.
    pair += ["(%s)" % only] if only else []
    latest = " AND ".join(where + ["EXISTS (SELECT 1 FROM <table> rollout_o WHERE %s)" % " AND ".join(pair)])
    words = "<n> of <table> shared by several rows (%s): the unique constraint cannot be created" % ", ".join(columns)
    return Check("unique", ",".join(columns), columns, "", words, query, latest)


def broken(name, columns, condition, words, query=None):
    return Check("check", name, columns, "NOT (%s)" % condition, "<n> of <table> that break " + words, query)


def altered(event, effects, quote):
    old, new = event.old, event.new
    column = old.column
    if old.null and not new.null and not new.has_default() and not is_filled(new):
        yield nulls(column, quote)
    elif old.null and not new.null:
        # Django fills the rows of today.
        yield Check("null-refused", column, [column], quote(column) + " IS NULL", "", "")
    if new.unique and not old.unique and not new.primary_key:
        yield duplicates([column], quote)
    check_now, check_then = effects.check_of(old), effects.check_of(new)
    if check_then and not check_now and old.column == new.column:
        yield broken(column, [column], check_then, "the check of %s" % column)
    for each in orphans(event, effects, quote):
        yield each
    for each in alike(event, column, effects, quote):
        yield each
    for each in shortened(old, new, effects, quote):
        yield each


def alike(event, column, effects, quote):
    """Texts that a new collation makes equal."""
    name = collations.becomes(event, effects)
    for columns in collations.uniques_of(event, column, effects) if name else ():
        texts_of = ["%s COLLATE %s" % (quote(each), quote(name)) if each == column else quote(each) for each in columns]
        where = " AND ".join(quote(each) + " IS NOT NULL" for each in columns)
        query = "SELECT count(*) FROM <table> WHERE %s GROUP BY %s HAVING count(*) > 1" % (where, ", ".join(texts_of))
        words = "<n> of <table> shared by several rows (%s) by the collation %s: the unique constraint does not allow it"
        yield Check("retyped", column, columns, "", words % (", ".join(columns), name), query, "1 = 0")


def is_filled(field):
    from django.db.models import NOT_PROVIDED

    return getattr(field, "db_default", NOT_PROVIDED) is not NOT_PROVIDED


def orphans(event, effects, quote):
    before, after = fingerprint.reference_of(event.old), fingerprint.reference_of(event.new)
    if not (after and after[1]) or (before and before[1] and [before[0], before[2:]] == [after[0], after[2:]]):
        return
    if is_as_now(effects, after[0]):
        yield lost(event.old.column, after[0], event.new.target_field.column, quote)
    elif before and before[1]:
        # Rows of the table that it knows are not in a new one.
        yield Check("fk-added", event.old.column, [event.old.column], quote(event.old.column) + " IS NOT NULL", "", "")


def lost(column, parent, target, quote, query=None):
    where = "%s IS NOT NULL AND NOT EXISTS (SELECT 1 FROM %s rollout_p WHERE rollout_p.%s = <table>.%s)"
    words = "<n> of <table> whose %s is in no row of %s: the foreign key cannot be created" % (column, parent)
    where = where % (quote(column), quote(parent), quote(target), quote(column))
    return Check("fk-added", column, [column], where, words, query)


def referenced(event, effects, quote):
    """A foreign key by SQL."""
    if is_as_now(effects, event.parent):
        target = event.target or key_of(effects.connection, event.parent)
        yield lost(event.column, event.parent, target, quote, "" if event.later else None)


def shortened(old, new, effects, quote):
    (kind, sizes), (other, others) = [parts_of(fingerprint.type_of(each, effects.connection) or "") for each in (old, new)]
    vendor = effects.connection.vendor
    if vendor == "sqlite":
        # It stores any value in any column.
        return
    if kind in texts and other in ("varchar", "char") and others and (not sizes or others[0] < sizes[0]):
        each = longer(old.column, others[0], effects, quote)
        if vendor == "postgresql" and kind != other:
            # Django casts, by which the server cuts.
            each.words, each.cuts = each.words + ", which would be cut", True
        yield each
    held, most = limit_of(kind, sizes), limit_of(other, others)
    if held and most and most < held and (kind == other or kind in bytes_of):
        rule = "narrowed" if kind == other else "retyped"
        words = "<n> of <table> with larger numbers in %s than %s holds" % (old.column, other)
        yield Check(rule, old.column, [old.column], "abs(%s) >= %d" % (quote(old.column), most), words)


def longer(column, most, effects, quote, query=None):
    words = "<n> of <table> with more than %d characters in %s" % (most, column)
    return Check("narrowed", column, [column], "char_length(%s) > %d" % (quote(column), most), words, query)


def too_large(event, effects):
    """For a column that the database computes: the values that it gets have to fit into it."""
    field = event.field
    if effects.connection.vendor == "sqlite" or not (event.generated if field is None else getattr(field, "generated", False)):
        return
    name_of, text = (event.column, event.type) if field is None else (field.column, fingerprint.type_of(field, effects.connection))
    kind, sizes = parts_of(text)
    sql, of = computed.sql_of(event, effects), [each for each, _, _ in computed.sources(event, effects.connection)]
    most = limit_of(kind, sizes)
    where = "char_length(%s) > %d" % (sql, sizes[0]) if kind in ("varchar", "char") and sizes else ""
    where = "abs(%s) >= %d" % (sql, most) if most else where
    if sql and where:
        words = "<n> of <table> by which the generated column %s gets a value that does not fit into %s" % (name_of, text)
        yield Check("narrowed", (of or [""])[0], of, where, words)


def added(event, effects, quote):
    """A unique column with one value for all rows, and one that has none."""
    for each in too_large(event, effects):
        yield each
    field = event.field
    if field is None or field.primary_key or getattr(field, "generated", False):
        return
    if is_filled(field):
        # What the database computes may differ for each row.
        if hasattr(field.db_default, "resolve_expression") and type(field.db_default).__name__ != "Value":
            return
    elif effects.recorder.effective_default(field) is None:
        if not field.null and effects.connection.vendor == "postgresql":
            yield Check(None, "", [], "true", "<n> of <table> without a value in the new column " + field.column)
        return
    if not field.unique:
        return
    words = "<n> of <table> that would get the same value in the new column %s: it cannot be unique" % field.column
    yield Check(None, "", [], "2 <= (SELECT count(*) FROM (SELECT 1 FROM <table> LIMIT 2) rollout_t)", words)


def unique(event, effects, quote):
    constraint = getattr(event, "constraint", None)
    if getattr(constraint, "expressions", ()):
        return
    only, nulls_too = getattr(event, "condition", ""), getattr(event, "nulls", getattr(constraint, "nulls_distinct", None) is False)
    if only is None:
        # Of SQL that cannot be read.
        return
    if getattr(constraint, "condition", None) is not None:
        only = as_sent(constraint._get_condition_sql(event.model, effects.recorder) or "", effects)
    yield duplicates(event.columns, quote, only, nulls_too)


def check(event, effects, quote):
    constraint = getattr(event, "constraint", None)
    if event.model is None and event.condition:
        yield broken(event.name, [], event.condition, "the check %s" % event.name, "" if event.later else None)
    if type(constraint).__name__ == "CheckConstraint":
        # As the database will have it: what is NULL passes.
        sql = as_sent(constraint._get_check_sql(event.model, effects.recorder), effects)
        yield broken(constraint.name, [], sql, "the check %s" % constraint.name)


def as_sent(sql, effects):
    """Older versions of Django double the percent signs of values, for a driver that takes them out again; from 3.2 to 4.2 it
    is told not to, and the constraint is another one than the code says."""
    import django

    doubles = effects.recorder.quote_value("%").count("%") == 2
    return sql.replace("%%", "%") if doubles and django.VERSION < (3, 2) else sql


def changed(event, effects, quote):
    """SET NOT NULL, and another type, by SQL."""
    if event.__dict__.get("null") is False:
        yield nulls(event.column, quote)
    for each in alike(event, event.column, effects, quote):
        yield each
    kind, sizes = parts_of(event.__dict__.get("type") or "")
    if kind in ("varchar", "char", "character") and sizes:
        # MySQL cuts, if it is set to.
        cuts = event.__dict__.get("using") or effects.connection.vendor != "postgresql"
        yield longer(event.column, sizes[0], effects, quote, "" if cuts else None)


def key_of(connection, table):
    with connection.cursor() as cursor:
        return connection.introspection.get_primary_key_column(cursor, table)


def ask(judge, query, most=1):
    """The first rows; None where it takes too long, or all have."""
    key = (judge.alias, getattr(judge.connection, "schema_name", ""), query)
    if key not in answers:
        if spent[0] > longest:
            return None
        began = time.monotonic()
        answers[key] = judge.asked(query, most)
        spent[0] += time.monotonic() - began
    return answers[key]


def lately(judge, finding, indices):
    """What these versions have written lately that is refused then: (how many rows of how many, a query that shows them).
    False: nothing that they write is refused."""
    for each in judge.effects.checks:
        # A trigger may give new columns another value.
        is_known = not each.values or all(of not in (each.table, None) for _, _, of in judge.effects.unread)
        if (each.rule, each.table, each.of) == finding and is_known:
            try:
                found = judge.of_any(lambda: of_each_row(judge, each))
                if found is None:
                    found = judge.of_any(lambda: among_latest(judge, each, indices))
            except Exception:
                # What is not asked stops nothing.
                continue
            if found is not None:
                return found
    return None


def of_each_row(judge, check):
    """The same of a check that only looks at new columns: no row has to be known. None: it also looks at others."""
    if check.rule != "check" or not check.values or judge.connection.vendor == "sqlite":
        return None
    query = "SELECT 1 FROM (SELECT %s) %s WHERE %s" % (check.values[2:], judge.connection.ops.quote_name(check.table), check.latest)
    rows = ask(judge, query)
    return None if rows is None else bool(rows) and ("each new row", query + ";")


def among_latest(judge, check, indices):
    """In the order of numbers that the database gives; elsewhere nobody knows which rows are the latest ones."""
    quote = judge.connection.ops.quote_name
    key = key_of(judge.connection, check.table)
    numbers = ("smallint", "integer", "bigint")
    needs = [needs[check.table]["c"].get(key) or {} for needs, _ in judge.known if check.table in needs]
    if not any(need.get("g") and need["t"] in numbers for need in needs):
        return None
    table = quote(check.table)
    rows = ask(judge, "SELECT count(*) FROM (SELECT 1 FROM %s LIMIT %d) rollout_c" % (table, 2 * most_latest))
    number = min(most_latest, (rows[0][0] + 1) // 2) if rows else 0
    since = written_since(judge) if number else None
    made = made_since(judge, check.table, indices)
    where = " AND ".join(made + [check.latest.replace("<key>", quote(key))])
    latest = "(SELECT *" + check.values + "%s FROM " + "%s ORDER BY %s DESC LIMIT %d)" % (table, quote(key), number)

    def count(where):
        query = "SELECT count(*) FROM %s %s WHERE %s" % (latest % "", table, where)
        if since is not None:
            aged = latest % ", age(xmin) AS rollout_age"
            query = "SELECT count(*) FROM %s %s WHERE rollout_age < %d AND %s" % (aged, table, since, where)
        return ask(judge, query)

    rows = count(where) if number else None
    if number and rows is None:
        # To look for equal values in all rows takes long.
        source = "(SELECT *%s FROM %s)" % (check.values, table) if check.values else table
        where = where.replace("FROM %s rollout_o" % source, "FROM %s rollout_o" % (latest % ""))
        rows = count(where)
    if not rows or not rows[0][0]:
        return None
    return "%d of the latest %d rows%s" % (rows[0][0], number, here(judge)), "SELECT * FROM %s %s WHERE %s;" % (latest % "", table, where)


def made_since(judge, table, indices):
    """The condition of rows that are no older than the first of these versions, where rows have the time of their creation."""
    from datetime import datetime

    from django.conf import settings
    from django.utils import timezone

    from rollout_inspector.verdict import versions

    times = [versions()[index].get("since") for index in indices]
    needs = [judge.known[index][0].get(table, {"c": {}})["c"] for index in indices]
    for column in sorted(judge.catalog.before(table)["columns"]) if times and all(times) else ():
        # A time that only has a default may be set by the code to any other.
        if all(need.get(column, {}).get("a") for need in needs):
            since = datetime.strptime(min(times)[:19] + "+0000", "%Y-%m-%dT%H:%M:%S%z")
            if judge.connection.vendor != "postgresql":
                zone = judge.connection.timezone if settings.USE_TZ else timezone.get_default_timezone()
                since = timezone.make_naive(since, zone)
            return ["%s >= '%s'" % (judge.connection.ops.quote_name(column), since.isoformat(" "))]
    return []


def written_since(judge):
    """How many transactions ago the last migration was applied: what is older was written by an earlier version."""
    from django.db.migrations.recorder import MigrationRecorder

    if judge.connection.vendor != "postgresql":
        return None
    table = judge.connection.ops.quote_name(MigrationRecorder.Migration._meta.db_table)
    rows = ask(judge, "SELECT age(xmin) FROM %s ORDER BY id DESC LIMIT 1" % table)
    return rows[0][0] if rows else None


def report(judge, pending):
    """Asks the database, and adds what it finds to the judge's findings."""
    for each in judge.effects.checks:
        if not each.query or may_be_mended(pending, each.event.operation) or is_remade_with(judge, each):
            continue
        found = judge.of_any(lambda: refusing(judge, each))
        if not found:
            continue
        more = {"detail": found}
        judge.report("rows-refuse", each.table, ",".join(each.columns), more, None, each.event.migration, new={})
        judge.findings[-1]["query"] = each.query + ";"
    for view, own, definition, table, column, event in views(judge, pending):
        what = "the type of %s.%s cannot be changed" % (table, column) if event.kind == "alter" else "%s is dropped" % (
            "%s.%s" % (table, column) if column else table
        )
        more = {"detail": "%s, and the view %s reads it" % (what, view)}
        judge.report("view-gone", table, column, more, None, event.migration, new={})
        if definition and event.kind == "alter":
            judge.findings[-1]["code"] = ways.same_view(own, definition)


def refusing(judge, check):
    """What rows are in the way, in words."""
    rows = ask(judge, "SELECT count(*) FROM (%s LIMIT %d) rollout_c" % (check.query, most_rows))
    count = rows[0][0] if rows else 0
    number = "%d %s" % (count, "value" if " shared by " in check.words else "row") + ("s" if count > 1 else "")
    number = "at least " + number if count >= most_rows else number
    return count and check.words.replace("<n>", number) + here(judge)


def here(judge):
    return " in the schema %s" % judge.connection.schema_name if judge.schemas else ""


def is_remade_with(judge, check):
    """Whether its own SQL gives the rows other values: within a statement the server chooses the order."""
    made = [each[:2] for each in judge.effects.remade if check.event.model is None and each[3] is check.event.operation]
    return any(check.reads(*each) for each in made)


def may_be_mended(pending, operation):
    """Whether a step before it may write rows, or remove those that are in the way."""
    from rollout_inspector.effects import is_code, steps_of, texts_of

    for step in steps_of([each for migration in pending for each in migration.operations]):
        if is_code(step) or any(map(reader.writes_rows, texts_of(step))):
            return True
        if step is operation:
            return False
    return True


# With what it takes to make the view again, where it has no rights, options, triggers and views upon it that would be lost.
depending = """SELECT DISTINCT v.relname::text, v.oid::regclass::text, CASE WHEN v.relkind = 'v' AND NOT v.relhastriggers
 AND coalesce(v.relacl::text, v.reloptions::text) IS NULL
 AND NOT EXISTS (SELECT FROM pg_depend WHERE refobjid = v.oid AND deptype = 'n' AND objid <> r.oid) THEN pg_get_viewdef(v.oid) END FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid
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
        for view, own, definition in judge.asked(query.replace("<column>", of), 20) or ():
            # A migration that knows the view drops it first, or makes it again.
            if not any(re.search(r"\b%s\b" % re.escape(view), text) for text in said):
                yield view, own, definition, table, column, event


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
