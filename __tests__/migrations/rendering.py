"""Renders models of all fields as Django does it, and as a plan does: what either makes of each field and table.

Run by a Python that has Django: `<script> <folder> <inspector>`. Standard input has the database as JSON, standard output gets
both descriptions as JSON.
"""
import base64
import json
import pathlib
import re
import sys
import zlib

import django
from django.conf import settings
from django.db import connection, migrations, models

folder, inspector = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]).read_text()
packed = re.search(r'b64decode\("([^"]*)"', inspector).group(1)
for text in zlib.decompress(base64.b64decode(packed)).decode().split("\0"):
    name, _, rest = text.partition("\n")
    path = folder / "rollout_inspector" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(rest)
sys.path.insert(0, str(folder))
settings.configure(
    INSTALLED_APPS=[],
    DATABASES={"default": json.load(sys.stdin)["database"]},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
)
django.setup()
from rollout_inspector import rendering


class Upper(models.CharField):
    """A project's own field, which takes another argument than Django's."""

    def __init__(self, *args, upper=True, **kwargs):
        self.upper = upper
        super().__init__(*args, **kwargs)

    def deconstruct(self):
        name, path, args, kwargs = super().deconstruct()
        return name, path, args, dict(kwargs, upper=self.upper)


def fields():
    """One of each class of this Django, and what the arguments of all can be."""
    special = {"AutoField", "BigAutoField", "SmallAutoField", "CompositePrimaryKey", "Field", "GeneratedField", "OrderWrt"}
    special.update(["ForeignKey", "ForeignObject", "ManyToManyField", "OneToOneField"])
    given = {"DecimalField": {"max_digits": 5, "decimal_places": 2}, "CharField": {"max_length": 7}}
    for name, one in sorted(vars(models).items()):
        if isinstance(one, type) and issubclass(one, models.Field) and name not in special:
            yield name.lower(), one(null=True, **given.get(name, {}))
    if hasattr(models, "GeneratedField"):
        yield "generated", models.GeneratedField(expression=models.F("integerfield") + 1, output_field=models.IntegerField(), db_persist=True)
    yield "named", models.CharField("Name", max_length=9, db_column="other name", unique=True, default="n", choices=[("n", "N")])
    yield "indexed", models.SlugField(max_length=9, db_index=False, db_tablespace="", help_text="h", editable=False)
    yield "upper", Upper(max_length=3, upper=False)
    yield "parent", models.ForeignKey("self", models.SET_NULL, null=True, related_name="children")
    yield "owner", models.ForeignKey("shop.Owner", models.CASCADE, to_field="code", db_constraint=False, related_query_name="all")
    yield "only", models.OneToOneField("shop.Owner", models.PROTECT, db_column="o", related_name="+")
    yield "others", models.ManyToManyField("shop.Owner", db_table="links", related_name="many")
    yield "selves", models.ManyToManyField("self", symmetrical=False)


operations = [
    migrations.CreateModel("Owner", [("code", models.CharField(max_length=5, unique=True)), ("id", models.AutoField(primary_key=True))]),
    migrations.CreateModel("Wide", [("id", models.BigAutoField(primary_key=True))] + list(fields())),
    migrations.CreateModel(
        "Link", [("wide", models.ForeignKey("shop.Wide", models.CASCADE)), ("owner", models.ForeignKey("shop.Owner", models.CASCADE))]
    ),
    migrations.AddField("wide", "through", models.ManyToManyField("shop.Owner", through="shop.Link", related_name="+")),
    migrations.CreateModel("Child", [("extra", models.IntegerField(default=3))], bases=("shop.Wide",)),
    migrations.AddField("owner", "later", models.CharField(max_length=5, default="x"), preserve_default=False),
    migrations.RenameField("wide", "named", "renamed"),
    migrations.AlterField("wide", "indexed", models.SlugField(max_length=19, unique=True)),
    migrations.AlterField("owner", "code", models.CharField(max_length=15, unique=True)),
    migrations.RemoveField("wide", "textfield"),
    migrations.AlterUniqueTogether("wide", {("renamed", "indexed")}),
    migrations.RenameModel("Owner", "Keeper"),
]


def plain(value):
    """Without the names that Django makes of objects in memory."""
    return re.sub(r" at 0x\w+", "", repr(value))


def described():
    """By a state of the same operations: all statements, and all that is known of each field at the end."""
    state, statements = migrations.state.ProjectState(), []
    state.apps
    for operation in operations:
        after = state.clone()
        operation.state_forwards("shop", after)
        with connection.schema_editor(collect_sql=True) as editor:
            operation.database_forwards("shop", editor, state, after)
        statements += editor.collected_sql
        state = after
    seen = {}
    for model in state.apps.get_models(include_auto_created=True):
        for at, field in enumerate(model._meta.get_fields(include_hidden=True)):
            own = [type(field).__name__, field.name, field.related_model and field.related_model._meta.label, field.model._meta.label]
            if isinstance(field, models.Field):
                own += [field.column, field.attname, plain(field.deconstruct()[1:]), plain(field.db_parameters(connection))]
                own += [field.remote_field and field.remote_field.field is field, plain(field.choices), plain(field.validators)]
            seen["%s %d" % (model._meta.label, at)] = own
    return {"statements": statements, "fields": seen}


by_django = described()
with rendering.sparingly():
    by_plan = described()
print(json.dumps({"byDjango": by_django, "byPlan": by_plan}))
