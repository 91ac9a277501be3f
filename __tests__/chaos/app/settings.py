"""A Django of one app. Its database is made anew by each Job (manage.py), which so has something to migrate."""

import os

if os.environ["FAULT"] == "import":
    import a_package_that_nobody_installed  # noqa: F401

SECRET_KEY = "of no worth"
INSTALLED_APPS = ["shop"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        # On a volume: what goes with the pod is not migrated.
        "NAME": f"/data/chaos-{os.environ['NAMESPACE']}.sqlite3",
    }
}
USE_TZ = True
