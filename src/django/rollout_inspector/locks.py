"""Which tables a statement of PostgreSQL locks, and how strongly. Pure, but for `resolved`.

What locks is written as [what, name, more]: ["table", name, mode], ["index", name, ""] (its table), and
["only", name, mode] (without its partitions),
["constraint", table, name], ["column", table, name], ["others", table, ""] (tables on the other side of foreign keys),
["drop", table, ""] (those, the table that it is a partition of, and the default partition there), ["part", table, ""] (what a
new partition gets the foreign keys of: tables on their other side, more weakly, and the default partition).
Reading and writing go on under weaker locks than these; what only takes such a lock is not listed.
"""
import re
from functools import partial

from rollout_inspector import reader

closed, writes, rows_only = "ACCESS EXCLUSIVE", "SHARE ROW EXCLUSIVE", "SHARE"
plain = partial(reader.plain, vendor="postgresql")
# The strongest last.
modes = (rows_only, writes, closed)

part = r'(?:"(?:[^"]|"")+"|\w+)'
name = "(" + part + r"(?:\." + part + ")?)"
exists = r"(?:IF (?:NOT )?EXISTS )?"
# Nothing else can lock: a quick look, since data steps send many statements.
strong = re.compile(r"\b(ALTER|CREATE|DROP|TRUNCATE|CLUSTER|REINDEX|REFRESH|LOCK|DO|CALL)\b", re.IGNORECASE)
# Actions of ALTER TABLE beside which reading and writing go on.
weak = (
    r"(VALIDATE CONSTRAINT|CLUSTER ON|SET WITHOUT CLUSTER|SET \(|RESET \(|"
    r"ALTER (COLUMN )?" + part + r" (SET STATISTICS|SET \(|RESET \())"
)
reindex = r"REINDEX ?(?:\((?:(?!CONCURRENTLY(?! (?:FALSE|OFF|0)))[^)])*\) ?)?"
# By the start of the statement, what names the table, and the mode.
others = (
    (r"DROP (?:MATERIALIZED VIEW|VIEW|FOREIGN TABLE) " + exists + name, closed),
    (r"CREATE (?:OR REPLACE )(?:TEMP\w* |RECURSIVE )*VIEW " + name, closed),
    (r"ALTER (?:MATERIALIZED VIEW|VIEW|FOREIGN TABLE) " + exists + name, closed),
    (r"CREATE (?:OR REPLACE )?(?:CONSTRAINT )?TRIGGER .*? ON " + name, writes),
    (r"(?:ALTER|DROP) TRIGGER .*? ON " + name, closed),
    (r"(?:CREATE|ALTER|DROP) POLICY .*? ON " + name, closed),
    (r"CREATE (?:OR REPLACE )?RULE .*? TO " + name, closed),
    (r"(?:ALTER|DROP) RULE .*? ON " + name, closed),
    (r"REFRESH MATERIALIZED VIEW (?!CONCURRENTLY)" + name, closed),
    (r"CLUSTER (?:VERBOSE )?" + name, closed),
    (reindex + "TABLE (?!CONCURRENTLY)" + name, closed),
)
# What begins, ends or leaves a transaction.
control = r"(BEGIN|START|COMMIT|END|ABORT|ROLLBACK|SAVEPOINT|RELEASE|PREPARE|SET (?:LOCAL |SESSION )?TRANSACTION)\b"
# What changes which tables names mean.
renames = r"(?:SET|RESET) (?:LOCAL |SESSION )?(?:\"?search_path\"?|SCHEMA|ROLE|AUTHORIZATION|SESSION AUTHORIZATION|ALL)(?=\W|\Z)"
# What works on the catalog alone, however many rows there are: statements, and actions of ALTER TABLE.
quick = (
    r"(SET|RESET|COMMENT|GRANT|REVOKE|LOCK|TRUNCATE|DROP|ALTER (?!TABLE|DOMAIN)|"
    r"CREATE (?!UNIQUE INDEX|INDEX|MATERIALIZED|(?:\w+ )*TABLE .*\bAS [( ]*(?:SELECT|WITH|TABLE|VALUES|EXECUTE)\b))"
)
quick_action = (
    r"(RENAME|OWNER|ENABLE|DISABLE|FORCE|NO|INHERIT|REPLICA|DROP|DETACH|CLUSTER|RESET|SET (?:SCHEMA|WITHOUT|\()|"
    r"ADD .*\bNOT VALID\Z|ADD (?:CONSTRAINT " + part + r" )?UNIQUE USING INDEX|"
    r"ALTER (?:COLUMN )?" + part + r" (?:DROP|RESET|SET (?:DEFAULT|STATISTICS|STORAGE|\()))"
)
# What makes a new column work on rows: a check, an index, or a value of its own for each row.
works = (
    r"\b(UNIQUE|PRIMARY|CHECK|GENERATED|(?:BIG|SMALL)?SERIAL\d?|FOREIGN|EXCLUDE|ADD CONSTRAINT|DEFAULT .*\bREFERENCES)\b|"
    r"\bDEFAULT (?!\(?(?:now|statement_timestamp|transaction_timestamp)\(\)).*\("
)


def begins(pattern, text):
    return re.match(pattern, text, re.IGNORECASE)


def find(pattern, text):
    return begins(pattern + r"(?=\W|\Z)", text)


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
    if find(r"CREATE (?:\w+ )*?TABLE", text):
        for each in re.findall(r"\bREFERENCES " + name, text, re.IGNORECASE):
            yield ["table", each, writes]
        for each in re.findall(r"\bPARTITION OF " + name, text, re.IGNORECASE):
            yield ["only", each, closed]
            yield ["part", each, ""]
        return
    found = begins(r"(DROP TABLE|TRUNCATE(?: TABLE)?) " + exists, text)
    if found:
        for each in names(text[found.end() :]):
            yield ["table", each, closed]
            if found.group(1).upper() == "DROP TABLE":
                yield ["drop", each, ""]
            elif re.search(r" CASCADE\Z", text, re.IGNORECASE):
                yield ["others", each, ""]
        return
    found = begins(r"LOCK (?:TABLE )?(.*?)(?: IN ([A-Z ]+) MODE)?(?: NOWAIT)?\Z", text)
    if found:
        mode = (found.group(2) or closed).upper()
        mode = {"EXCLUSIVE": writes}.get(mode, mode)
        for each in names(found.group(1)) if mode in modes else ():
            yield ["table", each, mode]
        return
    for pattern, mode in others:
        found = find(pattern, text)
        if found:
            yield ["table", found.group(1), mode]
            return
    # What uses such an object is not in the text.
    if find(r"(DO|CALL|ALTER DOMAIN|DROP OWNED|DROP .*CASCADE)", text):
        yield ["unread", text[:60], ""]


# What gives no rows, and can be sent by itself.
alone = r"(ALTER|CREATE|DROP|TRUNCATE|COMMENT|GRANT|REVOKE|SET|RESET|UPDATE|INSERT|DELETE|ANALYZE|LOCK|REFRESH|REINDEX|CLUSTER|DO)\b"


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
        elif mark.group(0) == "'" and "\\" in sql[mark.start() : at]:
            # A server may be set to take it as an escape.
            return []
    found.append(sql[start:])
    read = [" ".join(reader.statements_of(each, False)) for each in found]
    if any("*/" in each or re.search(r"\b(RETURNING|CONCURRENTLY)\b", each, re.IGNORECASE) for each in read):
        return []
    if not all(begins(alone, each) for each in read if each):
        return []
    return [each for each, known in zip(found, read) if known]


def names(text):
    text = re.sub(r"(?i) (CASCADE|RESTRICT|RESTART IDENTITY|CONTINUE IDENTITY)(?=\Z| )", "", text)
    # Each table of TRUNCATE may have an ONLY.
    each_of = (re.sub(r"(?i)\A\s*ONLY ", "", each) for each in reader.split(text))
    return [found.group(1) for found in (find(name, each) for each in each_of) if found]


def of_action(table, action):
    if begins(weak, action):
        return
    found = find(r"(ATTACH|DETACH) PARTITION " + name, action)
    if found:
        # The parent's readers go on beside ATTACH and DETACH ... CONCURRENTLY.
        if found.group(1).upper() == "ATTACH":
            yield ["table", found.group(2), closed]
            yield ["part", table, ""]
        elif not begins(" ?(CONCURRENTLY|FINALIZE)", action[found.end() :]):
            yield ["table", found.group(2), closed]
            yield ["drop", found.group(2), ""]
        return
    parents = re.findall(r"\bREFERENCES " + name, action, re.IGNORECASE)
    found = find(r"ADD (?:CONSTRAINT " + part + " )?FOREIGN KEY", action)
    found = found or find(r"(ENABLE|DISABLE) (\w+ )?TRIGGER", action)
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
    found = find(r"CREATE (?:\w+ )*?TABLE " + exists + name, text)
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
                    return ";\n".join(found)
    return ";\n".join(found)


def resolved(rows_of, wanted):
    """Tables by their number in the catalog, as it is now; what is not there yet is left out."""
    if not wanted:
        return {}
    query = (
        "SELECT n.at, c.oid, i.indrelid, p.oid, d.partdefid, e.partdefid FROM unnest(%s::text[]) WITH ORDINALITY n(name, at) "
        "JOIN pg_class c ON c.oid = to_regclass(n.name) LEFT JOIN pg_index i ON i.indexrelid = c.oid "
        "LEFT JOIN pg_inherits h ON h.inhrelid = c.oid LEFT JOIN pg_class p ON p.oid = h.inhparent AND p.relkind = 'p' "
        "LEFT JOIN pg_partitioned_table d ON d.partrelid = c.oid LEFT JOIN pg_partitioned_table e ON e.partrelid = p.oid"
    )
    found = {at: each for at, *each in rows_of(query, [[each[1] for each in wanted]])}
    strength, sides, whole, by_drop = {}, [], set(), set()

    def lock(oid, mode, is_whole=True):
        strength[oid] = max(strength.get(oid, 0), modes.index(mode))
        if is_whole:
            whole.add(oid)

    for at, (what, _, more) in enumerate(wanted, 1):
        oid, table, parent, default, sibling = found.get(at, (None,) * 5)
        if what == "part" and default:
            lock(default, closed)
        if what == "drop" and sibling:
            lock(sibling, closed)
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
                if what == "part" and oid in (child, parent):
                    lock(parent if oid == child else child, writes)
                    continue
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
