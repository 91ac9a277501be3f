"""For how long a migration of PostgreSQL keeps what it locks: estimated by the bytes that its statements work on.

The lock is not over with its statement but with the transaction: what comes after it counts. Pure.
"""
import re

from rollout_inspector import locks, reader

# Bytes a second, on a small machine: an order of magnitude.
rates = {"scan": 200000000, "index": 30000000, "rewrite": 30000000}
# By an action of ALTER TABLE, what it does with all rows.
works = (
    (r"ADD (?:CONSTRAINT " + locks.part + r" )?(?:UNIQUE|PRIMARY KEY|EXCLUDE)(?! USING INDEX)", "index"),
    (r"ADD (?:CONSTRAINT " + locks.part + r" )?(?:CHECK|FOREIGN KEY)(?!.* NOT VALID\Z)", "scan"),
    (r"ALTER (?:COLUMN )?" + locks.part + " SET NOT NULL", "scan"),
    (r"VALIDATE CONSTRAINT", "scan"),
    # To longer text no row is written again.
    (r"ALTER (?:COLUMN )?" + locks.part + r" (?:SET DATA )?TYPE (?!(?:text|varchar|character varying)\b)", "rewrite"),
    (r"ADD (?!CONSTRAINT )(?:COLUMN )?.*\b(?:GENERATED|(?:BIG|SMALL)?SERIAL\d?)\b", "rewrite"),
    (r"ADD (?!CONSTRAINT )(?:COLUMN )?.*\bDEFAULT (?!\(?(?:now|statement_timestamp|transaction_timestamp)\(\)).*\(", "rewrite"),
    (r"ADD (?!CONSTRAINT )(?:COLUMN )?.*\b(?:UNIQUE|PRIMARY KEY)\b", "index"),
    (r"ADD (?!CONSTRAINT )(?:COLUMN )?.*\bCHECK\b", "scan"),
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
            made = locks.find(r"CREATE (?:\w+ )*?TABLE " + locks.exists + locks.name, statement)
            if made:
                fresh.add(locks.plain(made.group(1)))
            is_closed = is_closed or any(what != "unread" for what, _, _ in locks.of_statement(statement))
            # Django's own UPDATE of the rows without a value is of the column that it has just added.
            if is_closed and re.match(r"(UPDATE|INSERT|DELETE|MERGE|WITH|DO|CALL)\b", statement, re.IGNORECASE):
                is_open_end = True
            steps += [(table, work) for table, work in work_of(statement) if locks.plain(table) not in fresh]
    return steps, is_open_end


def seconds_of(steps, sizes, is_atomic):
    """sizes: bytes by the table as it is written. Without a transaction each statement has a lock of its own."""
    each = [sizes.get(table, 0) / float(rates[work]) for table, work in steps]
    return (sum(each) if is_atomic else max(each)) if each else 0.0


def queued_of(statements):
    """Tables, as they are written, that change in a transaction which may have added or removed rows before. PostgreSQL
    refuses that while a deferred foreign key of these rows is unchecked. An UPDATE seldom changes a key."""
    found, has_rows, is_late = set(), False, True
    for each in statements:
        has_rows = has_rows or is_late and each.startswith("--") and "CANNOT BE WRITTEN AS SQL" in each
        for statement in reader.statements_of(each, False):
            if locks.find("SET CONSTRAINTS ALL IMMEDIATE", statement):
                is_late = has_rows = False
            changed = locks.find("(?:ALTER TABLE|CREATE .*INDEX .*? ON) " + locks.exists + "(?:ONLY )?" + locks.name, statement)
            if changed and has_rows:
                found.add(changed.group(1))
            has_rows = has_rows or is_late and bool(locks.find("(INSERT|DELETE|MERGE|WITH|DO|CALL)", statement))
    return found
