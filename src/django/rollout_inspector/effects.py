"""What pending migrations make of a database's tables, without a write.

All operations that reach the database call a schema editor. Here they call one that only takes notes, with the states
that Django itself would give them: so operations of Django, their subclasses and those of others are followed alike, in
the way of the installed version. Of SeparateDatabaseAndState only the operations for the database count.
"""
from rollout_inspector import needs as fingerprint
from rollout_inspector import collations, computed, covers, reader, task, ways
from rollout_inspector.catalog import copy_of, empty


class Event:
    """One change of the schema, and what made it."""

    def __init__(self, kind, **more):
        self.kind = kind
        self.migration = None
        self.operation = None
        self.model = self.field = self.old = self.new = None
        # [the default that each row can have], of a field while the operation runs: it may be for that time alone.
        self.constant = []
        self.__dict__.update(more)


def recorder_of(connection, note):
    """A schema editor of this vendor that changes nothing: it passes each call to `note`."""
    base = connection.SchemaEditorClass

    class Recorder(base):
        def execute(self, sql, params=()):
            note(Event("sql", sql=str(sql)))

        def create_model(self, model):
            note(Event("create", model=model))
            for field in model._meta.local_many_to_many:
                if field.remote_field.through._meta.auto_created:
                    note(Event("create", model=field.remote_field.through))

        def delete_model(self, model, **more):
            for field in model._meta.local_many_to_many:
                if field.remote_field.through._meta.auto_created:
                    note(Event("delete", model=field.remote_field.through, old=field))
            note(Event("delete", model=model))

        def add_field(self, model, field):
            if field.many_to_many:
                if field.remote_field.through._meta.auto_created:
                    note(Event("create", model=field.remote_field.through))
            elif field.column is not None:
                note(Event("add", model=model, field=field, constant=ways.constant_default(field)))

        def remove_field(self, model, field):
            if field.many_to_many:
                if field.remote_field.through._meta.auto_created:
                    note(Event("delete", model=field.remote_field.through, old=field))
            elif field.column is not None:
                note(Event("remove", model=model, field=field, constant=ways.constant_default(field)))

        def alter_field(self, model, old_field, new_field, strict=False):
            if old_field.many_to_many and new_field.many_to_many:
                old, new = old_field.remote_field.through, new_field.remote_field.through
                if not (old._meta.auto_created and new._meta.auto_created):
                    return
                self.alter_db_table(new, old._meta.db_table, new._meta.db_table)
                for name in ("m2m_reverse_field_name", "m2m_field_name"):
                    fields = [
                        each.remote_field.through._meta.get_field(getattr(each, name)())
                        for each in (old_field, new_field)
                    ]
                    note(Event("alter", model=new, old=fields[0], new=fields[1]))
            elif old_field.column is not None and new_field.column is not None:
                note(Event("alter", model=model, old=old_field, new=new_field))

        def alter_db_table(self, model, old_db_table, new_db_table):
            if old_db_table != new_db_table:
                note(Event("rename", model=model, old=old_db_table, new=new_db_table))

        def alter_unique_together(self, model, old_unique_together, new_unique_together):
            old, new = [{tuple(each) for each in of} for of in (old_unique_together, new_unique_together)]
            for names in new - old:
                note(Event("unique", model=model, columns=columns_of(model, names), old=old, new=new))
            for names in old - new:
                columns = columns_of(model, names)
                note(Event("drop-check", model=model, name="", columns=columns, arbiter=columns))

        def add_constraint(self, model, constraint):
            kind = type(constraint).__name__
            names = getattr(constraint, "fields", ())
            if kind == "UniqueConstraint":
                columns = columns_of(model, names) or [constraint.name]
                note(Event("unique", model=model, columns=columns, constraint=constraint))
            else:
                # CheckConstraint, ExclusionConstraint, and what others make.
                note(Event("check", model=model, name=constraint.name, constraint=constraint))

        def remove_constraint(self, model, constraint):
            is_arbiter = type(constraint).__name__ == "UniqueConstraint" and fingerprint.is_arbiter(constraint)
            arbiter = columns_of(model, constraint.fields) if is_arbiter else None
            columns = columns_of_constraint(model, constraint)
            note(Event("drop-check", model=model, name=constraint.name, columns=columns, arbiter=arbiter, constraint=constraint))

        def _constraint_names(self, *args, **options):
            # Some ask for one by its columns: a migration that is still pending may make it.
            return ["unknown"]

        def nothing(self, *args, **options):
            # Indexes, tablespaces and comments: queries of the running version go on.
            return None

        add_index = remove_index = rename_index = alter_index_together = nothing
        alter_db_tablespace = alter_db_table_comment = nothing

    editor = Recorder(connection, collect_sql=True)
    editor.deferred_sql = []
    return editor


def columns_of(model, names):
    return sorted(model._meta.get_field(name).column for name in names)


def columns_of_constraint(model, constraint):
    """All that it looks at; None where that is not known."""
    from django.db.models import F, Q

    names, open_ends = set(getattr(constraint, "fields", ())), []
    for part in ("check", "condition", "expressions"):
        value = constraint.__dict__.get(part)
        open_ends += value if isinstance(value, (list, tuple)) else [value] if value is not None else []
    while open_ends:
        each = open_ends.pop()
        if isinstance(each, Q):
            open_ends += each.children
        elif isinstance(each, tuple):
            names.add(each[0].split("__")[0])
            open_ends += [each[1]] if hasattr(each[1], "get_source_expressions") else []
        elif isinstance(each, F):
            names.add(each.name.split("__")[0])
        elif hasattr(each, "get_source_expressions"):
            open_ends += each.get_source_expressions()
    try:
        return columns_of(model, names) or None
    except Exception:
        return None


def flattened(operations, state, app):
    """Yields (operation, state before, state after) of all that reaches the database, as Django walks them."""
    for operation in operations:
        after = state.clone()
        operation.state_forwards(app, after)
        inner = getattr(operation, "database_operations", None)
        if inner is None:
            yield operation, state, after
        else:
            for each in flattened(inner, state, app):
                yield each
        state = after


def is_code(operation):
    """RunPython, and others that do not consist of SQL: they are not run for a plan."""
    return not getattr(operation, "reduces_to_sql", True)


def steps_of(operations):
    """All that reaches the database, without the states."""
    for operation in operations:
        inner = getattr(operation, "database_operations", None)
        for each in [operation] if inner is None else steps_of(inner):
            yield each


def texts_of(operation, of="sql"):
    """The statements of RunSQL, or of its `reverse_sql`."""
    sql = getattr(operation, of, None) or ()
    return [sql] if isinstance(sql, str) else [each if isinstance(each, str) else each[0] for each in sql]


def applied_state(executor, is_rendered):
    """Returns a state of what is applied. To render all models takes most of a plan's time: clones share it."""
    kept = getattr(executor, "rollout_state", None)
    if kept is None:
        kept = executor.rollout_state = executor._create_project_state(with_applied_migrations=True)
    if is_rendered:
        kept.apps
    return kept.clone()


def may_fill(operation):
    """Whether it may give rows a value: code, and SQL that does."""
    return is_code(operation) or any(map(reader.fills_rows, texts_of(operation)))


def only_runs_code(operation):
    """Whether the state after it is the one before it, too."""
    from django.db.migrations import RunPython

    return is_code(operation) and type(operation).state_forwards is RunPython.state_forwards


class Effects:
    """Lays the changes of migrations over a catalog, and keeps what made them."""

    def __init__(self, connection, catalog, guard):
        self.connection = connection
        self.catalog = catalog
        # What makes sure that no operation writes.
        self.guard = guard
        # By (table, column): the last event that changed it; the column "" is the table.
        self.causes = {}
        self.touched = set()
        # Steps whose effect is not known before they have run.
        self.opaque = []
        # Migration, what it is, and the table that it concerns where that is known.
        self.unread = []
        # (migration, statement) of SQL that does what no table or column shows.
        self.more = []
        # (table, columns or None, event) of constraints that are taken away from columns that stay.
        self.loosened = []
        # By table, as covers.py has them: constraints that were there and are taken away, and (key, constraint) of those made.
        self.dropped, self.made = {}, {}
        # What is taken away, where a backup may be made (backup.py).
        self.losses = []
        # (table, column) of new columns that keep the default of their rows.
        self.kept = set()
        # What the rows of today have to be asked, and what views may read (checks.py).
        self.checks = []
        self.remade = []
        # Collations that pending SQL makes, by which different texts are equal.
        self.loose = set()
        self.under_views = []
        # Those that names without a schema mean; the first one gets what is made.
        self.schemas = None
        self.migration = None
        self.operation = None
        # What is there between two commits: the migration, the tables that it has left changed, and their causes.
        self.between = []
        self.recorder = recorder_of(connection, self.note)

    def run(self, migration, operation, before, after):
        if self.migration is not None and self.is_committed(migration):
            self.keep()
        self.migration, self.operation = migration, operation
        if is_code(operation):
            self.opaque.append(migration)
            return
        try:
            with self.connection.execute_wrapper(self.guard):
                operation.database_forwards(migration.app_label, self.recorder, before, after)
        except Exception as error:
            self.cannot_read("%s: %s" % (type(operation).__name__, error))

    def is_committed(self, migration):
        """Whether others see what the operations before this one have done."""
        in_one = migration.atomic and self.connection.features.can_rollback_ddl
        return migration is not self.migration or not in_one

    def keep(self):
        last = {}
        for _, tables, _ in self.between:
            last.update(tables)
        now = self.catalog.changed
        tables = {name: table and copy_of(table) for name, table in now.items() if last.get(name, 0) != table}
        causes = {key: event for key, event in self.causes.items() if key[0] in tables}
        self.between.append((self.migration, tables, causes))

    def cannot_read(self, what, table=None):
        if task.spec.get("backup"):
            from rollout_inspector import backup

            self.losses.append(backup.reason(self.migration, "unread", what))
        self.opaque.append(self.migration)
        self.unread.append((self.migration, " ".join(what.split())[:200], table))

    def is_elsewhere(self, schema, what):
        """Whether it is none of this connection's schemas."""
        if self.schemas is None:
            vendor = self.connection.vendor
            self.schemas = ["main"] if vendor == "sqlite" else [str(self.connection.settings_dict["NAME"])]
            if vendor == "postgresql":
                with self.connection.cursor() as cursor:
                    cursor.execute("SELECT unnest(current_schemas(false))::text")
                    self.schemas = [each for each, in cursor.fetchall()]
        if schema in self.schemas[1:]:
            # Whether a table before it has the same name is not known.
            self.cannot_read(what)
            return True
        return schema not in self.schemas

    def note(self, event):
        event.migration, event.operation = self.migration, self.operation
        if event.kind == "sql":
            self.loose.update(reader.loose_collations(event.sql, self.connection.vendor))
            self.more += [(self.migration, each) for each in reader.beyond(event.sql, self.connection.vendor)]
            for change in reader.changes_of(event.sql, self.connection.vendor):
                schema = change.pop("schema", None)
                if schema is None or not self.is_elsewhere(schema, event.sql):
                    self.apply(Event(migration=event.migration, operation=event.operation, **change))
        else:
            if event.model is not None and not event.model._meta.managed:
                return
            self.apply(event)

    def apply(self, event):
        if task.spec.get("backup"):
            from rollout_inspector import backup

            self.losses += backup.losses(event, self)
        self.look_at_rows(event)
        handler = getattr(self, "on_" + event.kind.replace("-", "_"))
        handler(event)

    def bridge(self, bridges):
        """Lays what bridges do to columns that are there over the catalog, too."""
        done = {"default-set": {"filled": True}, "null-allowed": {"null": True}}
        for each in bridges:
            if each["kind"] in done:
                self.migration = self.operation = None
                self.apply(Event("set", table=each["table"], column=each["column"], **done[each["kind"]]))

    def look_at_rows(self, event):
        from rollout_inspector import checks

        try:
            found = list(checks.of(event, self)), list(checks.under_view(event, self)), list(checks.remade(event, self))
        except Exception:
            # A constraint of another package, or of a later Django: what is not asked stops nothing.
            return
        self.checks += found[0]
        self.under_views += found[1]
        self.remade += found[2]

    # Tables

    def table_of(self, event):
        """The table to change; a note where it is not there."""
        name = event.table if event.model is None else event.model._meta.db_table
        self.touched.add(name)
        table = self.catalog.edit(name)
        if table is None:
            self.cannot_read("the table %s is not visible" % name)
        elif table["kind"] == "unknown":
            if "why" in table:
                self.cannot_read("the table %s: %s" % (name, table["why"]))
            table = None
        return name, table

    def on_create(self, event):
        name = event.table if event.model is None else event.model._meta.db_table
        self.touched.add(name)
        # Else `migrate --fake-initial`, or it fails.
        if self.catalog.get(name) is not None:
            return
        # What SQL creates may have any columns.
        table = empty("table" if event.model else "unknown")
        for field in event.model._meta.local_concrete_fields if event.model else ():
            self.put_column(table, field)
        for columns in fingerprint.uniques_of(event.model) if event.model else ():
            gain(table, columns)
        self.catalog.put(name, table)
        self.causes[(name, "")] = event

    def on_view(self, event):
        self.touched.add(event.table)
        self.catalog.put(event.table, empty("view"))
        self.causes[(event.table, "")] = event

    def on_delete(self, event):
        name = event.table if event.model is None else event.model._meta.db_table
        self.touched.add(name)
        self.catalog.put(name, None)
        self.causes[(name, "")] = event

    def on_rename(self, event):
        old, new = event.old, event.new
        self.touched.update((old, new))
        table = self.catalog.edit(old)
        if table is None:
            return self.cannot_read("the table %s is not visible" % old)
        self.catalog.put(new, table)
        self.catalog.put(old, None)
        for each in (self.dropped, self.made):
            each[new] = each.pop(old, [])
        for (name, column), cause in list(self.causes.items()):
            if name == old:
                self.causes[(new, column)] = cause
        self.causes[(old, "")] = self.causes[(new, "")] = event

    # Columns

    def put_column(self, table, field):
        reference = fingerprint.reference_of(field)
        table["columns"][field.column] = {
            "null": bool(field.null),
            "filled": fingerprint.is_filled(field),
            "type": fingerprint.type_of(field, self.connection),
            "generated": bool(getattr(field, "generated", False)),
        }
        if reference and reference[1]:
            refer(table, field.column, *reference)
        if field.unique:
            gain(table, [field.column])
        if field.unique and not field.primary_key:
            table["uniques"].append([field.column])
        if self.check_of(field):
            table["checks"].append(field.column)

    def check_of(self, field):
        try:
            return field.db_check(self.connection)
        except Exception:
            return None

    def on_add(self, event):
        name, table = self.table_of(event)
        if table is None:
            return
        if event.field is None:
            column = event.column
            has = {key: getattr(event, key) for key in ("null", "filled", "type", "generated")}
            table["columns"].setdefault(column, has)
            if event.parent:
                refer(table, column, event.parent)
        else:
            column = event.field.column
            if column not in table["columns"]:
                self.put_column(table, event.field)
            if (name, column) in self.kept:
                table["columns"][column]["filled"] = True
        self.causes[(name, column)] = event
        for each in computed.sources(event, self.connection):
            table.setdefault("computed", []).append(each)
            self.causes.setdefault((name, each[0]), event)

    def on_remove(self, event):
        name, table = self.table_of(event)
        if table is None:
            return
        column = event.column if event.field is None else event.field.column
        drop(table, column)
        self.causes[(name, column)] = event

    def on_alter(self, event):
        name, table = self.table_of(event)
        if table is None:
            return
        old, new = event.old, event.new
        if old.column != new.column:
            self.rename_column(table, old.column, new.column)
            self.causes[(name, old.column)] = event
        self.causes[(name, new.column)] = event
        has = table["columns"].get(new.column)
        if has is None:
            return self.cannot_read("the column %s.%s is not visible" % (name, old.column))
        if bool(old.null) != bool(new.null):
            has["null"] = bool(new.null)
        if fingerprint.is_filled(old) != fingerprint.is_filled(new):
            has["filled"] = fingerprint.is_filled(new)
        types = [fingerprint.type_of(each, self.connection) for each in (old, new)]
        if self.connection.vendor == "mysql" and (types[0] != types[1] or old.column != new.column or bool(old.null) != bool(new.null)):
            # MODIFY and CHANGE take a default away that they do not name.
            has["filled"] = fingerprint.is_filled(new)
        if types[0] != types[1] and self.connection.vendor != "sqlite":
            has["type"] = types[1]
            has.setdefault("was", types[0])
        self.collate(event, has, new.column)
        if old.unique and not new.unique or self.check_of(old) and not self.check_of(new):
            self.loosened.append((name, [new.column], event))
        if old.unique and not new.unique:
            self.drop_constraint(name, table, covers.unique([new.column]))
            lose(table, [new.column])
        elif new.unique and not old.unique:
            gain(table, [new.column])
        self.alter_reference(table, old, new)
        if new.unique and not old.unique and not new.primary_key:
            self.make_constraint(name, table, [new.column], covers.unique([new.column]))
        if self.check_of(new) and not self.check_of(old):
            table["checks"].append(new.column)

    def collate(self, event, has, column):
        """Elsewhere than on PostgreSQL only a unique constraint makes queries fail."""
        name = collations.becomes(event, self)
        if name and (self.connection.vendor == "postgresql" or collations.uniques_of(event, column, self)):
            has["collation"] = name
            has["refuses_like"] = getattr(self.connection, "pg_version", 180000) < 180000

    def alter_reference(self, table, old, new):
        before, after = fingerprint.reference_of(old), fingerprint.reference_of(new)
        if before and before[1]:
            table["fks"] = [each for each in table["fks"] if each[0] != new.column]
        if after and after[1]:
            refer(table, new.column, *after)

    def rename_column(self, table, old, new):
        has = table["columns"].pop(old, None)
        if has is not None:
            table["columns"][new] = has
        for reference in table["fks"]:
            if reference[0] == old:
                reference[0] = new
                table["targets"][new] = table["targets"].pop(old, None)
        for key, columns in table["arbiters"].items():
            table["arbiters"][key] = sorted(new if each == old else each for each in columns)

    def on_rename_column(self, event):
        name, table = self.table_of(event)
        if table is not None:
            self.rename_column(table, event.column, event.to)
            self.causes[(name, event.column)] = self.causes[(name, event.to)] = event

    def on_set(self, event):
        """SET and DROP of NOT NULL and DEFAULT, and TYPE, by SQL."""
        name, table = self.table_of(event)
        if table is None:
            return
        has = table["columns"].get(event.column)
        if has is None:
            return self.cannot_read("the column %s.%s is not visible" % (name, event.column))
        for key in ("null", "filled", "type", "generated"):
            if key in event.__dict__:
                has[key] = event.__dict__[key]
        self.collate(event, has, event.column)
        self.causes[(name, event.column)] = event

    # Constraints

    def on_unique(self, event):
        name, table = self.table_of(event)
        if table is not None:
            self.make_constraint(name, table, event.columns, self.constraint_of(event))
            # Of SQL: only one without a condition.
            if fingerprint.is_arbiter(getattr(event, "constraint", None)) and getattr(event, "condition", "") == "":
                gain(table, event.columns)
            self.causes[(name, ",".join(event.columns))] = event

    def on_check(self, event):
        name, table = self.table_of(event)
        if table is not None:
            self.make_constraint(name, table, event.name, self.constraint_of(event))
            self.causes[(name, event.name)] = event

    def on_drop_check(self, event):
        """Of any kind: no row is refused by that, and only who writes by it misses it."""
        name, table = self.table_of(event)
        self.loosened.append((name, getattr(event, "columns", None), event))
        if table is not None and event.name in table["checks"]:
            table["checks"].remove(event.name)
        if table is not None:
            self.drop_constraint(name, table, self.constraint_of(event))
            self.lose(event, name, table)

    def constraint_of(self, event):
        """As covers.py has it."""
        constraint = getattr(event, "constraint", None)
        if constraint is None:
            text, columns = getattr(event, "condition", ""), getattr(event, "columns", None)
            if event.kind == "check":
                return dict(kind="check", name=event.name, condition=None, text=covers.plain(text), own=None)
            if columns is None:
                # Dropped by SQL: what it is, the database tells.
                return {"kind": None, "name": event.name}
            return covers.unique(columns, getattr(event, "name", None) or None, text, getattr(event, "nulls", False))
        text = ""
        try:
            is_unique = type(constraint).__name__ == "UniqueConstraint"
            make = constraint._get_condition_sql if is_unique else constraint._get_check_sql
            text = make(event.model, self.recorder) or ""
        except Exception:
            # Of another class.
            text = None
        return covers.of_constraint(constraint, columns_of(event.model, getattr(constraint, "fields", ())), text)

    def make_constraint(self, name, table, key, made):
        """Nobody notices one that refuses no more than one that was there."""
        known = self.dropped.get(name, []) + covers.of_today(self.connection, name, made["kind"])
        if any(covers.is_covered(made, each) for each in known):
            return
        self.made.setdefault(name, []).append((key, made))
        table[made["kind"] + "s"].append(key)
        if made.get("nulls"):
            table["nulls"] = table.get("nulls", ()) + (key,)
        table["anew"].append([made["kind"], key])

    def drop_constraint(self, name, table, dropped):
        own = self.made.setdefault(name, [])
        for key, made in list(own):
            is_it = all(dropped.get(each) == made.get(each) for each in (("kind", "name", "columns") if dropped["kind"] else ("name",)))
            # It may have been made before the other one was dropped.
            if is_it or covers.is_covered(made, dropped):
                own.remove((key, made))
                table["anew"].remove([made["kind"], key])
                if not is_it and key in table[made["kind"] + "s"]:
                    table[made["kind"] + "s"].remove(key)
            if is_it:
                return
        if dropped["kind"]:
            self.dropped.setdefault(name, []).append(dropped)

    def lose(self, event, name, table):
        """What code may write by, under its name or by its columns."""
        columns = table["arbiters"].get(event.name) or getattr(event, "arbiter", None)
        if columns:
            lose(table, columns, event.name)
            self.causes.setdefault((name, ",".join(columns)), event)

    def on_drop_index(self, event):
        if event.table is None:
            event.table = self.catalog.table_of_index(event.name)
        # One that is in no table of today has no version that knows it.
        table = event.table and self.catalog.get(event.table)
        if table and event.name in table["arbiters"]:
            name, table = self.table_of(event)
            self.loosened.append((name, table["arbiters"][event.name], event))
            self.lose(event, name, table)

    def on_reference(self, event):
        name, table = self.table_of(event)
        if table is not None:
            refer(table, event.column, event.parent, 1, event.target or self.catalog.key_of(event.parent))
            self.causes[(name, event.column)] = event

    def on_unread(self, event):
        self.cannot_read(event.statement, getattr(event, "table", None))

    def cause_of(self, table, column):
        return self.causes.get((table, column)) or self.causes.get((table, ""))


def refer(table, column, parent, _=1, target=None):
    """`target`: the parent's column; None where that is not known."""
    table["fks"].append([column, parent])
    table["targets"][column] = target


def gain(table, columns):
    table["arbiters"][",".join(columns)] = columns


def lose(table, columns, name=None):
    """One of those that are alike."""
    alike = [key for key, of in table["arbiters"].items() if of == columns]
    for key in [name] if name in alike else alike[:1]:
        del table["arbiters"][key]


def drop(table, column):
    table["arbiters"] = {key: of for key, of in table["arbiters"].items() if column not in of}
    table["columns"].pop(column, None)
    table["fks"] = [each for each in table["fks"] if each[0] != column]
    table["uniques"] = [each for each in table["uniques"] if column not in each]
    table["computed"] = [each for each in table.get("computed", ()) if column not in (each[0], each[2])]
