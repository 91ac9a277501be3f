"""What the inspector has to do, and how it answers.

The task is JSON in DJANGO_ROLLOUT_SPEC:

    marker     random text before and after each line that is meant for django-rollout
    migrate    the command that migrates, for /bin/sh; null: only the plan
    databases  aliases in DATABASES that the command migrates (["default"] if missing)
    only       no other alias is planned, because the command names its own
    always     the command does more than `manage.py migrate`: it runs although nothing is pending
    volumes    folders that outlive the pod
    web        words of the command that starts the web; null: no comparison
    kept       what names each database of the previous release, by alias
    wait       seconds to retry while a database does not answer (0 if missing)
    running    the versions that run now (verdict.py)
    unsafe     what becomes of migrations that break one of them: block, warn or allow
    locks      seconds that a migration waits for the tables that it locks; null: in the queue, as Django does
    earlier    the versions that a rollback may restore (verdict.py)
    reverse    migrations of this image are reversed for an older version, and nothing is migrated (reverse.py)
    only-plan  nothing is migrated
    leaves     the database is empty, and is first brought to these migrations, by alias and app (leaves.py)
    backup     when a backup comes first: needed or always; missing: never, or it was made
    contract   which migrations are held back (placing.py)
    bridges    what earlier releases have left behind (bridges.py)
    report     this version runs, and nothing but what it needs is reported: no database is asked
    prove      this version is older than the database: nothing but whether it fits is asked (verdict.py)

The answers are lines between two markers: `{plan}`, `{"needs": ...}`, `{"refused": ...}`, `migrate` when the
command begins, `{"bridge": ...}` before it, `{"locking": ...}` while it runs (guard.py), and `{"verified": ...}` or `{"reversed": ...}` after it. Other errors are left to Django and Python: their own text, their
own exit code.
"""
import json
import os
import sys

# What the process was started with.
spec = {}
# The script that starts the web, if it has been run: what it sets is in the environment.
through = None
# The needs of the versions that run, by the index in their variable's name; None where they cannot be read.
bodies = {}


def read():
    """Takes the task out of the environment: what the project starts must not see it."""
    from rollout_inspector import needs

    global through
    spec.update(json.loads(os.environ.pop("DJANGO_ROLLOUT_SPEC")))
    through = os.environ.pop("DJANGO_ROLLOUT_THROUGH", None)
    for name in [each for each in os.environ if each.startswith("DJANGO_ROLLOUT_NEEDS_")]:
        bodies[int(name.rpartition("_")[2])] = needs.unpacked(os.environ.pop(name))


def named():
    return spec.get("databases") or ["default"]


def contract(name, otherwise=None):
    """A part of what says which migrations are held back."""
    return (spec.get("contract") or {}).get(name, otherwise)


def stays():
    """Names of migrations that a person holds back, or an earlier release."""
    return contract("stay") or []


def say(text):
    sys.stdout.flush()
    sys.stderr.flush()
    # By the descriptor: a project may have replaced sys.stdout.
    line = (spec["marker"] + text + spec["marker"] + "\n").encode("ascii")
    while line:
        line = line[os.write(1, line) :]
