"""What code needs of a database: the fingerprint of an image.

It is taken from the registry of apps and not from the migrations, because that is what the code's queries name: a
field that is hidden from the running model, a table named by an environment variable, and apps without migrations
are in it as they are.

    {table: {"m": model, "u": 1 if not managed, "o": 1 if its app has no migrations, "c": {column: {...}}, "q": [[column]]}}

"q" has the columns of each unique constraint that code may write by (ON CONFLICT), "w" the places in the code where it does.

A column has: "t" its type; and 1 if it may be NULL ("n"), has a database default ("d"), a Python default ("p"), or
gets its value from the database ("g"); "r": [table, 1 if a constraint, its column] for a foreign key (older needs lack the
column); "a": 1 for the time at which a row is made; "s": a place in the code that searches it by LIKE. Where several models use one table,
"l" is 1 if one of them leaves the column to the database, whatever the others do.
"""
import base64
import json
import re
import zlib

from rollout_inspector import texts

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
    text = re.sub(r"\s+(GENERATED|AUTO_INCREMENT|NOT NULL|PRIMARY KEY).*", "", str(text))
    return same_type.get(text, text)


def reference_of(field):
    """The table that a foreign key refers to, whether the database has a constraint for it, and the table's column."""
    if not field.is_relation or field.remote_field is None:
        return None
    model = field.remote_field.model
    if isinstance(model, str):
        return None
    try:
        target = [field.target_field.column]
    except Exception:
        # Of another package.
        target = []
    return [model._meta.db_table, 1 if getattr(field, "db_constraint", False) else 0] + target


def is_arbiter(constraint):
    """Whether code can write by this unique constraint."""
    return not any(getattr(constraint, name, None) for name in ("condition", "expressions", "deferrable"))


def uniques_of(model):
    """The columns of what code can write by: bulk_create(update_conflicts=True, unique_fields=...)."""
    options = model._meta
    names = [[field.name] for field in options.local_concrete_fields if field.unique] + list(options.unique_together)
    for constraint in getattr(options, "constraints", ()):
        if type(constraint).__name__ == "UniqueConstraint" and is_arbiter(constraint):
            names.append(constraint.fields)
    own = {field.name: field.column for field in options.local_concrete_fields}
    # A constraint of a parent model is in the parent's table.
    found = {tuple(sorted(own[each] for each in of)) for of in names if of and all(each in own for each in of)}
    return sorted(map(list, found))


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
    if getattr(field, "auto_now_add", False) and field.get_internal_type() == "DateTimeField":
        need["a"] = 1
    reference = reference_of(field)
    if reference:
        need["r"] = reference
    return need


def needs_of(connection, apps, migrated):
    """Returns the needs of all models of these apps that the routers allow in this database. It is not asked."""
    from django.db import router

    needs, every = {}, []
    for model in apps.get_models(include_auto_created=True, include_swapped=False):
        options = model._meta
        if options.proxy or options.abstract or options.swapped:
            continue
        table = {"m": options.label, "c": {}, "q": uniques_of(model)}
        if not options.managed:
            table["u"] = 1
        if options.app_label not in migrated:
            table["o"] = 1
        for field in options.local_concrete_fields:
            table["c"][field.column] = needs_of_field(field, connection)
        # The code may mean one of another database.
        every.append((table, {field.name: field.column for field in options.local_concrete_fields}))
        if router.allow_migrate_model(connection.alias, model):
            needs.setdefault(options.db_table, []).append(table)
    texts.note(every, apps)
    return {name: merged(tables) for name, tables in needs.items()}


def merged(tables):
    """What all models of one table need together: the one that migrations make knows the types."""
    first = sorted(tables, key=lambda table: (table.get("u", 0), table.get("o", 0)))
    names = {column for table in tables for column in table["c"]}
    columns = {name: merged_column([table["c"][name] for table in first if name in table["c"]]) for name in names}
    uniques = {tuple(each) for table in tables for each in table.get("q", [])}
    return dict(first[0], c=columns, q=sorted(map(list, uniques))) if uniques else dict(first[0], c=columns)


def merged_column(needs):
    if len(needs) == 1:
        return needs[0]
    column = {key: needs[0][key] for key in ("t", "r", "s") if key in needs[0]}
    # A default counts only where each that may write NULL has it.
    nullable = [need for need in needs if need.get("n")]
    column.update({key: 1 for key in ("d", "p") if all(need.get(key) for need in nullable or needs)})
    if nullable:
        column["n"] = 1
    if all(need.get("a") for need in needs):
        column["a"] = 1
    if all(need.get("g") for need in needs):
        column["g"] = 1
    if any(need.get("g") or need.get("d") and not need.get("p") for need in needs):
        column["l"] = 1
    return column


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

    def is_names(names):
        return isinstance(names, list) and all(isinstance(each, str) for each in names)

    try:
        return all(
            isinstance(table["m"], str) and all(map(is_column, table["c"].values())) and all(map(is_names, table.get("q", [])))
            and isinstance(table.get("w", {}), dict)
            for tables in needs.values()
            for table in tables.values()
        )
    except (AttributeError, KeyError, IndexError, TypeError):
        return False
