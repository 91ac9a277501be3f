"""The safe way, as code of a migration for the model in question: ready to be copied."""


def code_of(rule, event, state):
    """Returns lines of operations, or none where only the rule's advice is known.

    event  what made the finding; none for what the new version leaves behind
    state  the models as the applied migrations leave them: a field found in them by (table, column)
    """
    try:
        if rule == "insert-refused" and event is not None and event.kind == "add" and event.field is not None:
            return with_default(event)
        if rule == "column-gone" and event is not None and event.field is not None and event.kind == "remove":
            return without_column(event.model, event.field)
        if rule == "column-gone" and event is not None and event.kind == "alter":
            return renamed(event)
        if rule == "table-gone" and event is not None and event.kind == "delete" and event.model is not None:
            return without_table(event)
        if rule == "table-gone" and event is not None and event.kind == "rename" and event.model is not None:
            return same_table(event)
        if rule in ("insert-refused", "delete-refused") and state is not None:
            return left_behind(rule, *state)
    except Exception:
        # A field of others that cannot be written: then there is the advice.
        pass
    return None


def written(field):
    from django.db.migrations.writer import MigrationWriter

    return MigrationWriter.serialize(field)[0]


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


def in_next_release(sql):
    return ["# In the next release:", "migrations.RunSQL(%r, migrations.RunSQL.noop)," % sql]


def constant_default(field):
    """Returns [value] that each row can have; nothing where there is none."""
    from django.db.models import NOT_PROVIDED

    default = getattr(field, "default", NOT_PROVIDED)
    if default is NOT_PROVIDED:
        return [""] if field.empty_strings_allowed and field.blank else []
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


def without_table(event):
    model = event.model
    drop = in_next_release('DROP TABLE "%s"' % model._meta.db_table)
    if model._meta.auto_created:
        if event.old is None or type(event.operation).__name__ == "DeleteModel":
            return None
        owner = quoted(event.old.model._meta.model_name)
        return in_state(operation("RemoveField", model_name=owner, name=quoted(event.old.name))) + drop
    looser = [line for field in model._meta.local_concrete_fields if field.is_relation for line in relaxed(model, field)]
    return looser + in_state(operation("DeleteModel", name=quoted(model.__name__))) + drop


def same_table(event):
    name = type(event.operation).__name__
    if name == "RenameModel" and not event.model._meta.auto_created:
        old, new = event.operation.old_name, event.operation.new_name
        return [
            operation("AlterModelTable", name=quoted(old.lower()), table=quoted(event.old)) + ",",
            operation("RenameModel", old_name=quoted(old), new_name=quoted(new)) + ",",
        ]
    return None


def left_behind(rule, model, field):
    lines = relaxed(model, field)
    return ["# Before the removal from the state, in the same file:"] + lines if lines else None
