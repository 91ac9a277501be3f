"""What a database has, by Django's own introspection: the same for each vendor.

A table is {"kind": "table", "view" or "unknown", "columns": {name: {...}}, "fks": [[column, table]], "targets": {column: column of that table}, "uniques": [[column]],
"checks": [name], "arbiters": {name: [column]} (what ON CONFLICT can name), "anew": [[kind, unique or check]] (made stricter
under the same key)}; a column {"null": ..., "filled": ..., "type": ..., "generated": ...}. `filled`: the database sets a value that an
INSERT leaves out. `origin`: which one it is in the database, whatever its name becomes. `type`: only of a column that a migration has made or changed. A view has no columns before its
database has told them; "unknown": nobody knows its columns, and "why" where it may not be read.
"""
import re

from rollout_inspector import asking


class Catalog:
    """Reads a table when somebody asks for it. Changes are laid over what the database has."""

    def __init__(self, connection, tables=None):
        self.connection = connection
        self.names = None
        # By name; None: there is no such table.
        self.read = dict(tables or {})
        self.changed = {}

    def get(self, name):
        if name in self.changed:
            return self.changed[name]
        if name not in self.read:
            self.read[name] = self.ask(name)
        return self.read[name]

    def before(self, name):
        """As the database has it."""
        if name not in self.read:
            self.read[name] = self.ask(name)
        return self.read[name]

    def edit(self, name):
        """Returns the table to be changed; None where there is none."""
        table = self.get(name)
        if table is None or name in self.changed:
            return table
        self.changed[name] = copy_of(table)
        return self.changed[name]

    def put(self, name, table):
        self.changed[name] = table

    def ask(self, name):
        if self.connection is None:
            return None
        from django.db import transaction

        if self.names is None:
            with self.connection.cursor() as cursor:
                listed = self.connection.introspection.get_table_list(cursor)
            self.names = {each.name: each.type for each in listed}
        if name not in self.names:
            return None
        try:
            # What fails must not end a transaction that others are in.
            with transaction.atomic(using=self.connection.alias):
                return self.described(name)
        except Exception as error:
            # No right to read it, or a server of its own that does not answer.
            return dict(empty("unknown"), why=" ".join(str(error).split()))

    def described(self, name):
        introspection = self.connection.introspection
        with self.connection.cursor() as cursor:
            table = empty("table")
            if self.names[name] == "v":
                # Django would ask for a row, which may take a view long.
                cursor.execute("SELECT * FROM %s WHERE 1 = 0" % self.connection.ops.quote_name(name))
                columns = {each[0]: {"null": True, "filled": True, "type": None} for each in cursor.description}
                return dict(table, kind="view", columns=columns)
            columns = introspection.get_table_description(cursor, name)
            generated = self.generated_of(cursor, name, columns)
            table["columns"] = {
                each.name: {
                    "null": bool(each.null_ok),
                    "filled": is_filled(each),
                    "type": None,
                    "read": signature(each),
                    "generated": each.name in generated,
                    "origin": [name, each.name],
                }
                for each in columns
            }
            for constraint, has in introspection.get_constraints(cursor, name).items():
                of = [column for column in has.get("columns") or [] if column]
                if has.get("foreign_key") and of:
                    table["fks"].append([of[0], has["foreign_key"][0]])
                    table["targets"][of[0]] = has["foreign_key"][1]
                elif has.get("unique") and not has.get("primary_key"):
                    table["uniques"].append(sorted(of) or [constraint])
                elif has.get("check"):
                    table["checks"].append(constraint)
                if (has.get("unique") or has.get("primary_key")) and of and self.connection.vendor != "postgresql":
                    table["arbiters"][constraint] = sorted(of)
            if self.connection.vendor == "postgresql":
                # Django does not tell whether an index has a condition.
                cursor.execute(asking.uniques_of, [self.connection.ops.quote_name(name)])
                for index, keys, parts, condition, _, _, at_once, is_index, _ in cursor.fetchall():
                    if is_index and at_once and parts is None and condition is None:
                        table["arbiters"][index] = sorted(keys)
            return table

    def key_of(self, name):
        """The primary key of a table of today; None where there is none."""
        if not self.before(name):
            return None
        with self.connection.cursor() as cursor:
            return self.connection.introspection.get_primary_key_column(cursor, name)

    def table_of_index(self, name):
        """On PostgreSQL and SQLite an index is dropped without its table's name."""
        queries = {
            "postgresql": "SELECT c.relname::text FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid WHERE i.indexrelid = to_regclass(%s)",
            "sqlite": "SELECT tbl_name FROM sqlite_master WHERE type = 'index' AND name = %s",
        }
        vendor = self.connection.vendor
        if vendor not in queries:
            return None
        with self.connection.cursor() as cursor:
            cursor.execute(queries[vendor], [self.connection.ops.quote_name(name) if vendor == "postgresql" else name])
            return next((table for table, in cursor.fetchall()), None)

    def generated_of(self, cursor, name, columns):
        """The columns that nobody may set. SQLite does not tell them."""
        if self.connection.vendor == "postgresql":
            # As JSON: PostgreSQL before 12 has no such property.
            query = "SELECT attname::text FROM pg_attribute a WHERE attrelid = to_regclass(%s) AND to_jsonb(a)->>'attgenerated' <> ''"
            cursor.execute(query, [self.connection.ops.quote_name(name)])
            return [column for column, in cursor.fetchall()]
        return [each.name for each in columns if str(getattr(each, "extra", "") or "").upper().endswith(" GENERATED")]


def is_filled(column):
    """Of a default, an identity or a generated column, as the vendors tell them."""
    extra = str(getattr(column, "extra", "") or "").upper()
    by_database = getattr(column, "is_autofield", False) or getattr(column, "pk", False)
    # `NULL::character varying` is none.
    has_default = column.default is not None and not re.match(r"NULL(::|\Z)", str(column.default).strip(), re.IGNORECASE)
    return has_default or bool(by_database) or "AUTO_INCREMENT" in extra or "GENERATED" in extra


def signature(column):
    """Differs where the type of a column was changed: drivers tell the length in one of two ways."""
    parts = (column.type_code, column.display_size, column.internal_size, column.precision, column.scale)
    return " ".join("" if part is None else str(part) for part in parts)


def empty(kind):
    return {"kind": kind, "columns": {}, "fks": [], "targets": {}, "uniques": [], "checks": [], "arbiters": {}, "anew": []}


def copy_of(table):
    return dict(
        table,
        columns={name: dict(each) for name, each in table["columns"].items()},
        fks=[list(each) for each in table["fks"]],
        targets=dict(table.get("targets", {})),
        uniques=[list(each) for each in table["uniques"]],
        checks=list(table["checks"]),
        computed=list(table.get("computed", ())),
        anew=list(table.get("anew", ())),
        arbiters=dict(table["arbiters"]),
    )
