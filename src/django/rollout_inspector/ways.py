"""The safe way, as code of a migration for the model in question: ready to be copied.

`WAYS` has the way of each rule, by what made the finding. Of the rules that are not in it only a person knows what is meant: who
still writes by a constraint, what a step in SQL is for. There is the advice of rules.json alone.
"""
import copy
import re

from rollout_inspector.judge import of_types
from rollout_inspector.needs import is_filled, reference_of, type_of

# What the fields of the code need, besides `migrations` and `models`.
imports = set()


def code_of(judge, rule, event, table, column, is_new):
    """Returns lines of operations, or none where only the rule's advice is known. `event`: what made the finding."""
    imports.clear()
    try:
        if is_new:
            lines = left_behind(*judge.field_of(table, column)) if rule in LEFT_BEHIND else None
        else:
            way = WAYS.get(rule, {}).get(event.kind)
            # The column of order_with_respect_to is of no field in the model.
            is_written = event.model is not None and getattr(event.field, "name", "") != "_order"
            lines = way and is_written and way(judge, event)
    except Exception:
        # A field of others that cannot be written, or an event that is not known: then there is the advice.
        return None
    known = ("from django.db import models", "from django.db import migrations, models")
    return lines and ["# " + each for each in sorted(imports) if each not in known] + lines


def written(value):
    from django.db.migrations.writer import MigrationWriter

    text, needed = MigrationWriter.serialize(value)
    imports.update(needed)
    return text


def quoted(text):
    return '"%s"' % text


def operation(kind, **arguments):
    return "migrations.%s(%s)" % (kind, ", ".join("%s=%s" % each for each in arguments.items()))


def of_field(kind, model, name, field):
    return in_model_of(kind, model, name=quoted(name), field=written(field)) + ","


def in_model_of(kind, model, **arguments):
    return operation(kind, model_name=quoted(model._meta.model_name), **arguments)


def in_model(model, name, field):
    """As it stands in the model's own module, whose functions have no module before their names there."""
    from django.apps import apps
    from django.db.migrations.writer import MigrationWriter

    text, needed = MigrationWriter.serialize(field)
    try:
        own = apps.get_model(model._meta.app_label, model._meta.model_name).__module__
    except LookupError:
        # The new version has it by another name.
        own = "%s.models" % apps.get_app_config(model._meta.app_label).name
    imports.update(set(needed) - {"import " + own})
    return "# In the model: %s = %s" % (name, re.sub(r"(?<![\w.\x22\x27])%s\." % re.escape(own), "", text))


def in_state(line):
    return ["migrations.SeparateDatabaseAndState(", "    state_operations=[" + line + "],", "),"]


def in_next_release(*statements):
    sql = ["migrations.RunSQL(%r, migrations.RunSQL.noop)," % each for each in statements]
    return ["# In the next release:"] + sql


def constant_default(field):
    """Returns [value] that each row can have; nothing where there is none."""
    from django.db.models import NOT_PROVIDED

    default = getattr(field, "default", NOT_PROVIDED)
    if default is NOT_PROVIDED:
        default = "" if field.empty_strings_allowed and field.blank else None
    return [] if callable(default) or default is None or field.unique else [default]


def filled(field):
    """The same, so that an INSERT works which does not name it."""
    import django

    looser, default = field.clone(), constant_default(field)
    if field.null or is_filled(field):
        return looser
    if django.VERSION >= (5, 0) and default:
        looser.db_default = default[0]
    else:
        looser.null = True
    return looser


def with_default(judge, event):
    return added(event, filled(event.field))


def added(event, field):
    name = event.field.name
    return [of_field("AddField", event.model, name, field), in_model(event.model, name, field)]


def relaxed(model, field):
    """The column may stay: no INSERT has to name it, and it holds no row of others."""
    looser = field.clone()
    reference = reference_of(field)
    if not field.null and not is_filled(field):
        looser.null = True
    if reference and reference[1]:
        looser.db_constraint = False
    same = looser.null == field.null and not (reference and reference[1])
    return [] if same else [of_field("AlterField", model, field.name, looser)]


def without_column(judge, event):
    return without_field(judge, event.model, event.field)


def without_field(judge, model, field):
    if field.primary_key:
        return None
    removal = in_model_of("RemoveField", model, name=quoted(field.name))
    quote = judge.connection.ops.quote_name
    drop = "ALTER TABLE %s DROP COLUMN %s" % (quote(model._meta.db_table), quote(field.column))
    return relaxed(model, field) + in_state(removal) + in_next_release(drop)


def beside(judge, event):
    """In a column with another name, so that the old one can stay."""
    field = filled(event.field)
    field.db_column = event.field.column + "_new"
    removed = without_field(judge, *judge.field_of(event.model._meta.db_table, event.field.column))
    return removed[:-2] + added(event, field) + removed[-2:]


def renamed(judge, event):
    if event.model._meta.auto_created or event.old.name == event.new.name:
        return None
    field = event.old.clone()
    field.db_column = event.old.column
    names = {"old_name": quoted(event.old.name), "new_name": quoted(event.new.name)}
    rename = in_model_of("RenameField", event.model, **names)
    own = event.new.clone()
    own.db_column = event.old.column
    lines = [of_field("AlterField", event.model, event.old.name, field), rename + ","]
    return lines + [in_model(event.model, event.new.name, own)]


def later(judge, event):
    """What the column refuses from then on: the code keeps to it first, the database from the next release on."""
    from django.db import migrations

    model, own = event.model, event.operation
    name, args, arguments = own.deconstruct()
    is_known = type(own) is getattr(migrations, name, None) and own in event.migration.operations and not args
    if not is_known or model._meta.auto_created or judge.connection.vendor == "sqlite":
        return None
    if event.kind == "alter" and not takes_all(judge, event.old, event.new):
        return None
    sql = sent(judge, event)
    lines = in_state(operation(name, **{key: written(value) for key, value in arguments.items()})) + in_next_release(*sql)
    if event.kind == "alter" and event.old.null and not event.new.null and not any(each.startswith("UPDATE") for each in sql):
        lines.insert(-len(sql), "# First give the rows without a value one.")
    return lines if sql else None


def takes_all(judge, old, new):
    """Whether a column, as it is, takes all that the new code writes."""
    types = [type_of(each, judge.connection) for each in (new, old)]
    references = [reference_of(each) for each in (old, new)]
    looser = new.null and not old.null or old.unique and not new.unique or is_filled(new) and not is_filled(old)
    is_checked = judge.effects.check_of(old) not in (None, judge.effects.check_of(new))
    is_bound = references[0] and references[0][1] and references[0] != references[1]
    fits = all(types) and of_types(*types)[0] is None and old.column == new.column
    return fits and not (looser or is_checked or is_bound or new.primary_key)


def unique(judge, event):
    columns = [event.new.column] if event.kind == "alter" else event.columns
    writes_by_it = ",".join(columns) in judge.new.get(event.model._meta.db_table, {}).get("w", {})
    return None if writes_by_it or event.kind == "unique" and event.old and event.old - event.new else later(judge, event)


def sent(judge, event):
    """The SQL that Django sends for it; without the cast, by which PostgreSQL would cut what is too long."""
    with judge.connection.execute_wrapper(judge.guard):
        with judge.connection.schema_editor(collect_sql=True, atomic=False) as editor:
            if event.kind == "alter":
                new = copy.copy(event.new)
                # It may be for the time of the operation alone.
                new.default = event.operation.field.default
                new.__dict__.pop("_get_default", None)
                editor.alter_field(event.model, event.old, new)
            elif event.old is None:
                editor.add_constraint(event.model, event.constraint)
            else:
                editor.alter_unique_together(event.model, event.old, event.new)
    return [re.sub(r"( TYPE .*?) USING .*", r"\1", each.rstrip(";")) for each in editor.collected_sql if not each.startswith("--")]


def retyped(judge, event):
    old, new, quote = event.old, event.new, judge.connection.ops.quote_name
    types = [type_of(each, judge.connection) for each in (old, new)]
    if types[0] == types[1]:
        # A collation.
        return None
    if takes_all(judge, old, new):
        return later(judge, event)
    if old.is_relation or new.is_relation or old.primary_key or old.column != new.column:
        return None
    name, field = new.name + "_new", new.clone()
    field.null, field.db_column = True, None
    parts = [quote(each) for each in (event.model._meta.db_table, name, old.column)] + [types[1]]
    fill = "UPDATE {0} SET {1} = {2}"
    if judge.connection.vendor == "postgresql":
        fill = "UPDATE {0} SET {1} = CAST({2} AS {3}) WHERE {1} IS DISTINCT FROM CAST({2} AS {3})"
    return (
        ["# The code writes both, and reads %s." % new.name, of_field("AddField", event.model, name, field)]
        + [in_model(event.model, new.name, old), in_model(event.model, name, field)]
        + in_next_release(fill.format(*parts))
        + ["# The code writes both, and reads %s." % name]
        + in_next_release()
        + without_field(judge, event.model, old)
    )


def without_constraints(model, field):
    """The same for the table of a many-to-many field: it holds on to rows of both sides."""
    looser = field.clone()
    looser.remote_field.db_constraint = False
    return of_field("AlterField", model, field.name, looser)


def own_tables(model):
    """The many-to-many fields that have a table of Django's."""
    return [field for field in model._meta.local_many_to_many if field.remote_field.through._meta.auto_created]


def without_table(judge, event):
    model, quote = event.model, judge.connection.ops.quote_name
    tables = [field.remote_field.through._meta.db_table for field in own_tables(model)]
    drop = in_next_release(*("DROP TABLE %s" % quote(each) for each in tables + [model._meta.db_table]))
    if model._meta.auto_created:
        if event.old is None or type(event.operation).__name__ == "DeleteModel":
            return None
        owner = event.old.model
        removal = in_model_of("RemoveField", owner, name=quoted(event.old.name))
        return [without_constraints(owner, event.old)] + in_state(removal) + drop
    looser = [line for field in model._meta.local_concrete_fields if field.is_relation for line in relaxed(model, field)]
    looser += [without_constraints(model, field) for field in own_tables(model)]
    return looser + in_state(operation("DeleteModel", name=quoted(model.__name__))) + drop


def same_table(judge, event):
    name = type(event.operation).__name__
    # Django names the columns of many-to-many tables after the model, on both sides.
    pointed_at = [each for each in event.model._meta.get_fields(include_hidden=True) if each.many_to_many]
    if name == "RenameModel" and not event.model._meta.auto_created and not pointed_at:
        old, new = event.operation.old_name, event.operation.new_name
        return [
            operation("AlterModelTable", name=quoted(old.lower()), table=quoted(event.old)) + ",",
            operation("RenameModel", old_name=quoted(old), new_name=quoted(new)) + ",",
            "# In the Meta of the model: db_table = %r" % event.old,
        ]
    return None


def left_behind(model, field):
    lines = relaxed(model, field)
    return ["# Before the removal from the state, in the same file:"] + lines if lines else None


def same_view(view, definition):
    """Around the operations that its columns get another type by."""
    ways = ["DROP VIEW " + view, "CREATE VIEW %s AS %s" % (view, definition.strip().rstrip(";"))]
    around = ["migrations.RunSQL(%r, %r)," % tuple(each) for each in (ways, ways[::-1])]
    return [around[0], "# Here the operations of the migration.", around[1]]


# By rule, and by what made the finding (the kind of the event).
WAYS = {
    "table-gone": {"delete": without_table, "rename": same_table},
    "column-gone": {"remove": without_column, "alter": renamed},
    "insert-refused": {"add": with_default},
    "default-gone": {"alter": later},
    "generated": {"add": beside},
    "null-refused": {"alter": later},
    "narrowed": {"alter": later},
    "retyped": {"alter": retyped, "add": beside},
    "unique": {"alter": unique, "unique": unique},
    "check": {"alter": later, "check": later},
    "fk-added": {"alter": later},
}
# Of what leaves Django's state alone: the new version's findings.
LEFT_BEHIND = ("insert-refused", "delete-refused")
