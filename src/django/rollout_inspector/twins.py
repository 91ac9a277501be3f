"""The safe way, as code of a migration for the model in question: ready to be copied."""


# What the fields of the code need, besides `migrations` and `models`.
imports = set()


def code_of(rule, event, state):
    """Returns lines of operations, or none where only the rule's advice is known.

    event  what made the finding; none for what the new version leaves behind
    state  the models as the applied migrations leave them: a field found in them by (table, column)
    """
    imports.clear()
    try:
        lines = lines_of(rule, event, state)
    except Exception:
        # A field of others that cannot be written: then there is the advice.
        return None
    known = ("from django.db import models", "from django.db import migrations, models")
    return lines and ["# " + each for each in sorted(imports) if each not in known] + lines


def lines_of(rule, event, state):
    if event is None:
        left_behind_rules = ("insert-refused", "delete-refused")
        return left_behind(*state) if rule in left_behind_rules and state is not None else None
    if event.model is None:
        return None
    if rule == "insert-refused" and event.kind == "add":
        return with_default(event)
    if rule == "column-gone" and event.kind == "remove":
        return without_column(event.model, event.field)
    if rule == "column-gone" and event.kind == "alter":
        return renamed(event)
    if rule == "table-gone" and event.kind == "delete":
        return without_table(event)
    if rule == "table-gone" and event.kind == "rename":
        return same_table(event)
    return None


def written(field):
    from django.db.migrations.writer import MigrationWriter

    text, needed = MigrationWriter.serialize(field)
    imports.update(needed)
    return text


def quoted(text):
    return '"%s"' % text


def operation(kind, **arguments):
    return "migrations.%s(%s)" % (kind, ", ".join("%s=%s" % each for each in arguments.items()))


def of_field(kind, model, field_name, field):
    arguments = {"model_name": quoted(model._meta.model_name), "name": quoted(field_name), "field": written(field)}
    return operation(kind, **arguments) + ","


def in_model(name, field):
    return "# In the model: %s = %s" % (name, written(field))


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


def with_default(event):
    import django

    field = event.field.clone()
    default = constant_default(event.field)
    if django.VERSION >= (5, 0) and default:
        field.db_default = default[0]
    else:
        field.null = True
    name = event.field.name
    return [of_field("AddField", event.model, name, field), in_model(name, field)]


def relaxed(model, field):
    """The column may stay: no INSERT has to name it, and it holds no row of others."""
    from rollout_inspector.needs import is_filled, reference_of

    looser = field.clone()
    reference = reference_of(field)
    if not field.null and not is_filled(field):
        looser.null = True
    if reference and reference[1]:
        looser.db_constraint = False
    same = looser.null == field.null and not (reference and reference[1])
    return [] if same else [of_field("AlterField", model, field.name, looser)]


def without_column(model, field):
    if field.primary_key:
        return None
    removal = operation("RemoveField", model_name=quoted(model._meta.model_name), name=quoted(field.name))
    drop = 'ALTER TABLE "%s" DROP COLUMN "%s"' % (model._meta.db_table, field.column)
    return relaxed(model, field) + in_state(removal) + in_next_release(drop)


def renamed(event):
    if event.model._meta.auto_created or event.old.name == event.new.name:
        return None
    field = event.old.clone()
    field.db_column = event.old.column
    rename = operation(
        "RenameField",
        model_name=quoted(event.model._meta.model_name),
        old_name=quoted(event.old.name),
        new_name=quoted(event.new.name),
    )
    own = event.new.clone()
    own.db_column = event.old.column
    lines = [of_field("AlterField", event.model, event.old.name, field), rename + ","]
    return lines + [in_model(event.new.name, own)]


def without_constraints(model, field):
    """The same for the table of a many-to-many field: it holds on to rows of both sides."""
    looser = field.clone()
    looser.remote_field.db_constraint = False
    return of_field("AlterField", model, field.name, looser)


def own_tables(model):
    """The many-to-many fields that have a table of Django's."""
    return [field for field in model._meta.local_many_to_many if field.remote_field.through._meta.auto_created]


def without_table(event):
    model = event.model
    tables = [field.remote_field.through._meta.db_table for field in own_tables(model)]
    drop = in_next_release(*('DROP TABLE "%s"' % each for each in tables + [model._meta.db_table]))
    if model._meta.auto_created:
        if event.old is None or type(event.operation).__name__ == "DeleteModel":
            return None
        owner, name = event.old.model, event.old.name
        removal = operation("RemoveField", model_name=quoted(owner._meta.model_name), name=quoted(name))
        return [without_constraints(owner, event.old)] + in_state(removal) + drop
    looser = [line for field in model._meta.local_concrete_fields if field.is_relation for line in relaxed(model, field)]
    looser += [without_constraints(model, field) for field in own_tables(model)]
    return looser + in_state(operation("DeleteModel", name=quoted(model.__name__))) + drop


def same_table(event):
    name = type(event.operation).__name__
    # Django names the columns of many-to-many tables after the model, on both sides.
    pointed_at = [each for each in event.model._meta.get_fields(include_hidden=True) if each.many_to_many]
    if name == "RenameModel" and not event.model._meta.auto_created and not pointed_at:
        old, new = event.operation.old_name, event.operation.new_name
        return [
            operation("AlterModelTable", name=quoted(old.lower()), table=quoted(event.old)) + ",",
            operation("RenameModel", old_name=quoted(old), new_name=quoted(new)) + ",",
        ]
    return None


def left_behind(model, field):
    lines = relaxed(model, field)
    return ["# Before the removal from the state, in the same file:"] + lines if lines else None
