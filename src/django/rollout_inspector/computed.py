"""Columns that the database computes: what the code writes into others has to fit into them."""
import re

from rollout_inspector import reader
from rollout_inspector.needs import type_of

# What gives a text that may be as long as the one it is given.
same_length = ("Lower", "Upper", "Trim", "LTrim", "RTrim")


def sources(event, connection):
    """[[the column whose values it takes as they are, its own type, its name]] of a new column."""
    if connection.vendor == "sqlite":
        # It stores any value in any column.
        return []
    if event.field is None:
        text = (getattr(event, "computed", None) or "").strip()
        is_name = re.match(reader.part + r"\Z", text)
        return [[reader.plain(text, connection.vendor), event.type, event.column]] if is_name else []
    expression = getattr(event.field, "expression", None)
    while type(expression).__name__ in same_length:
        (expression,) = expression.get_source_expressions()
    if not getattr(event.field, "generated", False) or type(expression).__name__ != "F":
        return []
    field = event.model._meta.get_field(expression.name)
    return [[field.column, type_of(event.field, connection), event.field.column]]


def is_of(event, column):
    """Whether a column only gives its values to the one that this adds."""
    return event.kind == "add" and column not in ("", event.column if event.field is None else event.field.column)


def sql_of(event, effects):
    """The expression as the database gets it."""
    if event.field is None:
        return getattr(event, "computed", None)
    sql, params = event.field.generated_sql(effects.connection)
    return sql % tuple(map(effects.recorder.quote_value, params)) if params else sql
