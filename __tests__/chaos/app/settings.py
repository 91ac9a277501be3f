"""A Django of one app. Each container has a database of its own, so each Job has something to migrate."""

import os

if os.environ["FAULT"] == "import":
    import a_package_that_nobody_installed  # noqa: F401

SECRET_KEY = "of no worth"
INSTALLED_APPS = ["shop"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "/tmp/db.sqlite3"}}
USE_TZ = True
