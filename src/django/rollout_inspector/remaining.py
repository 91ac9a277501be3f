"""Constraints of the database on columns whose removal is held back: they judge the rows of a version that does not know them.

A check looks at the value that such a row has then; a unique constraint lets NULL pass, and a default only once.
"""
import re

from rollout_inspector import asking, reader

columns_of = """SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), pg_get_expr(d.adbin, d.adrelid) FROM pg_attribute a
 LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
 WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attrelid = to_regclass(%s)"""


def is_unique(judge, table, column):
    """Whether a row's value of it may be compared with that of another; also where that is not known."""
    if judge.connection.vendor != "postgresql":
        known = judge.catalog.before(table) or {}
        # One over an expression has its own name in the place of columns.
        return any(column in of or not set(of) <= set(known["columns"]) for of in known.get("uniques", ()))
    rows = asked(judge, asking.uniques_of, table)
    return rows is None or any(column in row[1] or column in row[4] for row in rows if not row[8])


def is_checked(judge, table, column):
    """Whether a check looks at it; also where that is not known."""
    checks = asked(judge, asking.checks_of, table) if judge.connection.vendor == "postgresql" else of_other(judge, table)[1]
    return checks is None or any(column in row[2] for row in checks)


def refusing(search, new):
    """(table, constraint, event of the removal) of what may refuse rows of the new version; None where there is nothing."""
    for table in sorted(set(search.all.catalog.changed) & set(new)):
        now, then = search.judge.catalog.get(table), search.all.catalog.get(table)
        if not now or not then or now["kind"] != "table":
            continue
        names = {
            column: now["columns"][column]["origin"]
            for column in sorted(set(now["columns"]) - set(then["columns"]) - set(new[table]["c"]))
            if now["columns"][column].get("origin")
        }
        for own in sorted({name for name, _ in names.values()}):
            gone = {origin[1]: column for column, origin in names.items() if origin[0] == own}
            found = of_table(search, table, own, gone)
            if found:
                return table, found, search.all.effects.cause_of(table, sorted(gone.values())[0])
    return None


def of_table(search, table, own, gone):
    """`gone`: by the name that a column has now, the one that it has then."""
    judge = search.judge
    dropped = [(event.name, columns) for name, columns, event in judge.effects.loosened if name == table and hasattr(event, "name")]

    def is_dropped(title, columns):
        return any(title == name or not name and sorted(columns) == columns_then for name, columns_then in dropped)

    is_postgres = judge.connection.vendor == "postgresql"
    told = [asked(judge, query, own) for query in (columns_of, asking.checks_of, asking.uniques_of)] if is_postgres else of_other(judge, own)
    if None in told:
        return "a constraint that cannot be read"
    kinds = {name: (kind, default) for name, kind, default in told[0]}
    values = {}
    for column, then in gone.items():
        bridge = search.bridges.get((table, then)) or {}
        kind, default = kinds.get(column, ("text", None))
        if bridge.get("kind") == "default-set":
            default = bridge["sql"].partition(" SET DEFAULT ")[2]
        values[column] = (default or "NULL", kind)
    cast = "CAST(%s AS %s) AS %s" if is_postgres else "%s%.0s AS %s"
    row = ", ".join(cast % (*values[column], judge.connection.ops.quote_name(column)) for column in sorted(values))

    def is_true(condition):
        """Of such a row. None: not known, because it also looks at other columns."""
        # SQLite takes a name in quotes that it does not know for a text.
        if not is_postgres and mentioned(kinds, condition) - set(gone):
            return None
        rows = judge.asked("SELECT coalesce(%s, NULL) FROM (SELECT %s) rollout_r" % (condition, row))
        return None if rows is None else rows[0][0] or False

    for title, text, columns in told[1]:
        if set(columns) & set(gone) and not is_dropped(title, columns) and is_true("NOT (%s)" % text) is not False:
            return title
    nulls = {column for column, (value, _) in values.items() if value.upper() == "NULL"}
    for title, keys, parts, condition, used, has_equal_nulls, _, _, is_primary in told[2]:
        if is_primary or not (set(keys) | set(used)) & set(gone) or is_dropped(title, keys):
            continue
        if condition and is_true("(%s)" % condition) is False:
            continue
        if has_equal_nulls or not (set(keys) & nulls or is_postgres and parts and is_true("num_nulls(%s) > 0" % parts)):
            return title
    return None


def mentioned(columns, text):
    return {column for column in columns if re.search(r"(?<!\w)%s(?!\w)" % re.escape(column), text)}


def of_other(judge, own):
    """The same as the three queries, by what Django and the other databases tell."""
    connection = judge.connection
    with connection.cursor() as cursor:
        columns = [(each.name, "", each.default) for each in connection.introspection.get_table_description(cursor, own)]
        constraints = connection.introspection.get_constraints(cursor, own)
    names = [name for name, _, _ in columns]
    texts = {}
    if connection.vendor == "sqlite":
        texts = dict(asking.rows_of(connection, "SELECT name, sql FROM sqlite_master WHERE tbl_name = %s AND sql IS NOT NULL", [own]) or ())
        # Of a name before it, nothing but the name.
        found = re.finditer(r'(?:CONSTRAINT "([^"]+)" )?\bCHECK ?\(', texts.get(own, ""), re.IGNORECASE)
        checks = [(each.group(1) or "a check", reader.in_brackets(texts[own][each.end() :])) for each in found]
    else:
        is_mariadb = getattr(connection, "mysql_is_mariadb", False)
        joined = "" if is_mariadb else "JOIN information_schema.table_constraints t USING (constraint_schema, constraint_name) "
        query = "SELECT c.constraint_name, c.check_clause FROM information_schema.check_constraints c %sWHERE c.constraint_schema = DATABASE() AND %s.table_name = %%s"
        checks = asking.rows_of(connection, query % (joined, "c" if is_mariadb else "t"), [own])
        if checks is None and not connection.features.supports_table_check_constraints:
            checks = []
    uniques = []
    for title, has in constraints.items():
        if has.get("unique") and not has.get("primary_key"):
            keys = [each for each in has.get("columns") or [] if each]
            text = texts.get(title, "")
            only = re.search(r"\bWHERE (.*)", text, re.IGNORECASE | re.DOTALL)
            # Nothing tells what an expression of MySQL uses.
            used = mentioned(names, text) if text else () if keys else names
            uniques.append((title, keys, None, only and only.group(1), used, False, True, True, False))
    return columns, None if checks is None else [(title, text, mentioned(names, text)) for title, text in checks], uniques


def asked(judge, query, table):
    return asking.rows_of(judge.connection, query, [judge.connection.ops.quote_name(table)])
