import os
import time

from django.db import migrations, models


def take_a_while(apps, schema_editor):
    time.sleep(1)
    if os.environ["FAULT"] == "migration":
        raise ValueError("this migration is made to fail")


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel("Order", [("id", models.BigAutoField(primary_key=True))]),
        migrations.RunPython(take_a_while, migrations.RunPython.noop),
    ]
