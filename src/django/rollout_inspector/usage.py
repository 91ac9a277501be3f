"""What the statistics of PostgreSQL say: how busy tables are, and which statements name what models do not use.

They can only add a warning: no verdict is milder because of them.
"""
import re

from rollout_inspector import reader
from rollout_inspector.asking import rows_of

# Statistics of a shorter time say nothing, in seconds.
shortest = 60
# Of unused columns and tables, and of statements that name what is dropped.
most = 50
hidden = "<insufficient privilege>"


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
        words = set(re.findall(r"\w+", text))
        takes_all = re.search(r"(?:\bSELECT|,)\s+(?:\w+\.)?\*", text, re.IGNORECASE)
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
    code = re.sub(r"\$((?:[^\W\d]\w*)?)\$.*?\$\1\$", "'?'", code.replace("'x'", "'?'"), flags=re.DOTALL)
    return re.sub(r"(?<![\w$\"])\d[\d.]*", "?", code)
