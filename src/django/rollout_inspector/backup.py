"""What a backup is for: what pending migrations drop, and what cannot be reversed.

Each reason is {"migration": "shop.0014_x", "why": "irreversible", "drops", "narrows" or "unread", "object": what}.
"""
import re

from rollout_inspector.effects import steps_of, texts_of
from rollout_inspector.judge import of_types

# A text or a list of SQL; None: all of it is unknown.
nothing_back = ("", [], ())


def goes_back(operation):
    """Whether its reversal does something. `noop` only lets Django go on: values that were written over stay lost."""
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
        elif any(re.search(r"\b(TRUNCATE|DELETE\s+FROM)\b", text, re.I) for step in steps for text in texts_of(step)):
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
    found += [reason(each, "unread", judge.unseen) for each in pending if judge.is_of_tenants(each)]
    try:
        found += judge.lost(pending)
    except Exception as error:
        found.append(reason(None, "unread", "%s: %s" % (type(error).__name__, error)))
    # An operation that was watched and then looked at again, and a column of two types.
    return [each for at, each in enumerate(found) if each not in found[:at]]
