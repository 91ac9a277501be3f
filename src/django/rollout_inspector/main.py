"""The order: a plan in the project's own process; then, without the project in memory, the web's answer, the
migration and the comparison after it.

The same text runs in each of these processes. DJANGO_ROLLOUT_SPEC says which one it is.
"""
import atexit
import gc
import json
import os
import sys

from rollout_inspector import run, task


def main():
    locks = os.environ.get("DJANGO_ROLLOUT_LOCKS")
    if locks and "DJANGO_ROLLOUT_SPEC" not in os.environ:
        from rollout_inspector import guard

        return guard.begin(locks)
    task.read()
    if "child" in task.spec:
        from rollout_inspector import web

        web.web_tells()
        finish()
    elif "build" in task.spec:
        from rollout_inspector import bridges

        finish(bridges.build())
    elif "verify" in task.spec:
        verify()
        finish()
    elif "unapply" in task.spec:
        from rollout_inspector import reverse

        reverse.unapply()
        finish()
    elif "handed" in task.spec:
        state = run.handed()
        run.after_plan(state)
        finish(state["found"].get("failed", 0))
    else:
        plan()


def finish(code=0):
    sys.stdout.flush()
    # Not by sys.exit: threads that the project has started would keep it.
    os._exit(code)


def plan():
    # To look for what is no longer used takes a tenth of a plan, frees next to nothing, and this process ends soon.
    gc.disable()
    import django
    from django.conf import settings
    from django.apps import apps
    from django.core.management import call_command, get_commands
    from django.db import connections
    from django.db.migrations.loader import MigrationLoader

    # Django reports settings that cannot be imported only when they are read; then the apps.
    settings.INSTALLED_APPS
    django.setup()

    from rollout_inspector import tasks, tenants, verdict, web
    from rollout_inspector.identity import asked, connect, identity_of
    from rollout_inspector.needs import needs_of, packed
    from rollout_inspector.plan import plan_of

    # As it is now: the project may change it when it connects.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DJANGO_ROLLOUT_")}
    planned = planned_databases()
    identities = {alias: identity_of(connections[alias]) for alias in planned}
    found = {"stated": dict(identities), "identities": identities}
    if task.spec.get("report"):
        for alias in planned:
            # Its types depend on the server's version.
            if connections[alias].vendor == "mysql":
                connect(connections[alias])
        migrated = MigrationLoader(None).migrated_apps
        needs = {}
        for alias in planned:
            needs[alias] = needs_of(connections[alias], apps, migrated)
            needs.update(tenants.needs_of(connections[alias], apps, migrated))
        found.update(identities={}, plans=[], needs=[packed(needs)], tasks=tasks.packed(tasks.tasks()), judged=None)
        found.update(always=False, backup=[], django=django.get_version())
        return run.hand_over(found, None, None)
    question, silent = web.question_of(found["stated"])
    made = {}
    try:
        call_command("check", stdout=sys.stderr)
        for alias, own in planned.items():
            connect(connections[alias])
            identities[alias] = asked(connections[alias])
            if "leaves" in task.spec:
                from rollout_inspector import leaves

                leaves.bring(connections[alias], task.spec["leaves"].get(alias, {}))
            groups, unseen = tenants.of(connections[alias])
            made[alias] = [plan_of(alias, identities[alias], own, unseen=unseen)]
            for schemas in groups:
                tenants.choose(connections[alias], schemas[0])
                made[alias].append(plan_of(alias, identities[alias], own, schemas))
            tenants.choose(connections[alias])
    except Exception as error:
        # A database that does not answer, or that is none of Django's, may be only the wrong one.
        for alias in identities:
            try:
                connections[alias].ensure_connection()
                identities[alias] = asked(connections[alias])
            except Exception:
                pass
        found["failed"] = getattr(error, "returncode", 1) or 1
        connections.close_all()
        # Told by Django and Python first, as it is.
        if question:
            atexit.register(run.hand_over, found, question, silent)
        else:
            run.after_plan({"found": found, "question": None, "silent": silent, "spec": task.spec})
        raise

    every = [each for plans in made.values() for each in plans]
    if task.spec.get("reverse"):
        from rollout_inspector import reverse

        planned_back = reverse.planned(every)
        found["reversal"] = planned_back
        found["back"] = {"start": run.command_again(), "env": environment, "task": reverse.to_do(planned_back)}
    connections.close_all()
    found["plans"] = [tenants.merged(plans) for plans in made.values()]
    # Also before there is a tenant.
    needs = {}
    for alias, plans in made.items():
        needs.update(tenants.needs_of(connections[alias], apps, plans[0]["executor"].loader.migrated_apps))
    needs.update((each["place"], each["needs"]) for each in every if each["needs"] is not None)
    found["needs"] = [packed(needs)]
    # A version that is only compared rolls out nothing here: a rollback does not wait for the import.
    is_compared = task.spec.get("prove") or task.spec.get("reverse")
    found["tasks"] = None if is_compared else tasks.packed(tasks.tasks())
    found["judged"] = None
    if verdict.is_judged():
        # Of several schemas the same ones.
        pending = list({verdict.name_of(each): each for own in every for each in own["pending"]}.values())
        findings = [finding for each in every for finding in each["findings"]]
        judged = verdict.concluded(findings, pending)
        judged["versions"] = versions_told([each["sources"] for each in every])
        found["judged"] = judged
    questions = [each["question"] for each in every if each["question"]]
    # A command that may do more than the plan shows cannot be compared with it.
    found["verify"] = questions and {
        "start": run.command_again(),
        "env": environment,
        "tables": questions,
    }
    found["again"] = {"start": run.command_again(), "env": environment}
    # By alias and migration, what it begins to lock; none where nothing runs that could wait.
    found["leading"] = None
    if verdict.is_judged() and task.spec.get("locks") is not None:
        databases = [each["leading"] for each in every if each["leading"] is not None]
        found["leading"] = joined(databases) if databases else None
    found["tries"] = joined([each["tries"] for each in every])
    # A project's own `migrate` may do anything: django-tenants goes through all schemas.
    found["always"] = bool(task.spec.get("always")) or get_commands().get("migrate") != "django.core"
    reasons = [reason for each in every for reason in each["backup"]]
    found["backup"] = [each for at, each in enumerate(reasons) if each not in reasons[:at]]
    found["django"] = django.get_version()
    run.hand_over(found, question, silent)


def planned_databases():
    """Returns apps by alias; None: all of them.

    Where no router says otherwise all is the default one's, and a mirror is a copy; what a router keeps away from is
    not asked at all: it may be anything, and out of reach.
    """
    from django.conf import settings
    from django.db import connections
    from django.db.migrations.loader import MigrationLoader

    from rollout_inspector.plan import own_apps

    planned = {alias: None for alias in task.named()}
    if settings.DATABASE_ROUTERS and not task.spec.get("only"):
        on_disk = MigrationLoader(None)
        for alias in connections:
            mirror = (connections[alias].settings_dict.get("TEST") or {}).get("MIRROR")
            own = set() if mirror or alias in planned else own_apps(alias, on_disk)
            if own:
                planned[alias] = own
    return planned


def joined(lists):
    """By name, what is in any of the lists: a migration may be for several schemas."""
    found = {}
    for name, each in [pair for own in lists for pair in own.items()]:
        there = found.setdefault(name, [])
        there += [one for one in each if one not in there]
    return found


def versions_told(sources):
    """The versions that run, and where the needs of each come from: the least trusted of all databases."""
    told = []
    for index, version in enumerate(task.spec["running"]):
        of = [each[index] for each in sources if index < len(each)]
        source = "state" if "state" in of or not of else of[0]
        told.append({"names": version["names"], "tag": version.get("tag", ""), "source": source})
    return told


def verify():
    """In a process of its own, after the migration."""
    import django
    from django.db import connections

    django.setup()
    from rollout_inspector import half, tenants, verdict

    with os.fdopen(task.spec["verify"], "rb") as file:
        questions = json.loads(file.read().decode("ascii"))
    try:
        told = []
        for each in questions:
            connection = connections[each["alias"]]
            tenants.choose(connection, tenants.foremost(connection, each["schemas"]))
            told.append(verdict.verified(each, connection))
            try:
                told[-1]["half"] = half.left(connection, each["tables"], each["planned"])
            except Exception:
                # An operation of another package: then nothing is told of what it has left behind.
                pass
        # One schema is as it was, where another one is migrated.
        met = {(each["database"], name) for each in told for name in each.pop("met")}
        for each in told:
            each["unmet"] = [name for name in each["unmet"] if (each["database"], name) not in met]
        task.say(json.dumps({"verified": told}))
    except Exception as error:
        task.say(json.dumps({"verified": None, "why": str(error)[:300]}))
