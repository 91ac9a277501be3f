"""Columns that get a collation by which different texts are equal: on PostgreSQL, LIKE fails then."""
import re

from rollout_inspector import asking


def becomes(event, effects):
    """The collation that makes texts equal which were not; None for any other change."""
    if event.kind == "set":
        name, old = event.__dict__.get("collation"), None
    elif event.kind == "alter":
        old, name = [of_field(each, effects.connection) for each in (event.old, event.new)]
    else:
        return None
    is_looser = name and name != old and is_loose(name, effects) and not (old and is_loose(old, effects))
    return name if is_looser else None


def of_field(field, connection):
    # Before Django 4.1 the field alone knows it.
    return field.db_parameters(connection).get("collation") or getattr(field, "db_collation", None)


def is_loose(name, effects):
    vendor = effects.connection.vendor
    if vendor == "postgresql":
        if name in effects.loose:
            return True
        # As JSON: PostgreSQL before 12 has no such property.
        query = "SELECT 1 FROM pg_collation c WHERE collname = %s AND to_jsonb(c)->>'collisdeterministic' = 'false'"
        # Without a limit: to set one counts as a write here.
        return bool(asking.rows_of(effects.connection, query, [name], limit=None))
    return bool(re.search(r"(_ci|_ai)(_|\Z)" if vendor == "mysql" else r"\ANOCASE\Z", name, re.IGNORECASE))


def uniques_of(event, column, effects):
    """Those that hold for today's rows then."""
    table = event.table if event.model is None else event.model._meta.db_table
    has = effects.catalog.before(table) or {"uniques": ()}
    found = [each for each in has["uniques"] if column in each]
    is_added = event.kind == "alter" and event.new.unique and not event.old.unique
    return found + [[column]] * is_added
