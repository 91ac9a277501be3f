"""Makes Django render models sparingly while a plan is made: that takes most of a plan's time."""
import contextlib
import copy

# Modules of fields that nothing but their own attributes makes. Those of others, and those that wrap another field or an
# expression, are cloned as ever.
plain = ("django.db.models.fields", "django.db.models.fields.related")
# By class.
computed = {}


@contextlib.contextmanager
def sparingly():
    """Meanwhile fields are copied and new models rendered alone."""
    with plain_fields_copied(), new_models_alone():
        yield


def computed_of(kind):
    """The properties that Django computes once: of a relation in a state they know no more than names of models."""
    from django.utils.functional import cached_property

    if kind not in computed:
        every = [pair for base in kind.__mro__ for pair in vars(base).items()]
        computed[kind] = [name for name, value in every if isinstance(value, cached_property)]
    return computed[kind]


@contextlib.contextmanager
def plain_fields_copied():
    """Meanwhile the field of a state becomes that of a model by a copy. Django takes it apart and makes it again, for
    states of migrations have no field that belongs to a model; Django copies those of abstract models in this way."""
    from django.db.models import Field

    clone = Field.clone

    def copied(field):
        # Of fields that make a table, Django's clone is not quite the same.
        if type(field).__module__ not in plain or field.many_to_many or hasattr(field, "model"):
            return clone(field)
        made = copy.deepcopy(field)
        for each in [made, made.remote_field] if made.remote_field else []:
            for name in computed_of(type(each)):
                each.__dict__.pop(name, None)
        # As each new one has: by it a model orders its fields.
        if field.auto_created:
            made.creation_counter = Field.auto_creation_counter
            Field.auto_creation_counter -= 1
        else:
            made.creation_counter = Field.creation_counter
            Field.creation_counter += 1
        return made

    Field.clone = copied
    try:
        yield
    finally:
        Field.clone = clone


@contextlib.contextmanager
def new_models_alone():
    """Meanwhile a new model is rendered with those that it refers to. Django renders all again that are related to these,
    in turn, for code that compares their classes: RunPython, which does not run for a plan."""
    import django
    from django.db.migrations.state import ProjectState

    # Before 3.1, of models that were not rendered together Django does not find who refers to them.
    if django.VERSION < (3, 1):
        yield
        return
    add_model = ProjectState.add_model

    def add_alone(state, model_state):
        reload_model = state.reload_model
        state.reload_model = lambda app, name, delay=False: reload_model(app, name, delay=True)
        try:
            add_model(state, model_state)
        finally:
            del state.reload_model

    ProjectState.add_model = add_alone
    try:
        yield
    finally:
        ProjectState.add_model = add_model
