"""Which pending migrations are applied now, and which are held back.

One that breaks a running version is held back where the new version works without it, too: it stays pending, and the
next release applies it, because by then the running version no longer needs what it removes. Only whole migrations are
held back, so that Django's own table says the truth. One that refuses what a running version may still write waits as
well where nothing speaks against it, and is applied with a warning elsewhere.

DJANGO_ROLLOUT_SPEC has `contract`: {"policy": off, next, after, manual, or stay (what stays held back, and no more);
"bridge": on or off; "refused": why nothing may be held back, if so; "starts": programs that the pods start; "stay": names
that stay held back}. Each of those that cannot is told with the reason.
"""
import os
import re
import shutil
import sys

from rollout_inspector import allows, behind, bridges, task
from rollout_inspector.judge import RULES, misfits

# Of "may": no code works by a column's being so strict. A unique constraint or a check is what new code may write by (ON
# CONFLICT, an IntegrityError), and needs.py does not tell whether a running version was written for it.
tightening = ("null-refused", "narrowed", "fk-added")


def policy():
    return task.contract("policy", "off")


def is_off():
    return policy() == "off" and task.contract("bridge", "off") == "off"


class Placed:
    """`judge`: of what is applied now, with the bridges. `held`: what is not, as JSON. `bridges`: new ones. `unheld`: what
    should have stayed held back, and is applied."""

    def __init__(self, judge, held=(), built=(), unheld=()):
        self.judge, self.held, self.bridges, self.unheld = judge, list(held), list(built), list(unheld)
        self.names = {"%(app)s.%(name)s" % each for each in self.held}


def kept():
    """Names of what stays held back in any case."""
    return task.stays() if policy() in ("manual", "stay") else []


def all_of(judge, pending, why):
    """All of it is applied now; what should have stayed held back for this reason."""
    told = [{"app": each.app_label, "name": each.name, "why": why} for each in pending if Search.name(each) in kept()]
    return Placed(judge, unheld=told)


def place(judge, pending, new):
    """Returns what is applied now. `judge` has judged all of it."""
    if is_off():
        return Placed(judge)
    search = Search(judge, pending, new)
    for migration in pending:
        if search.name(migration) in kept():
            search.hold(migration, {"stay": True})
    if policy() == "stay":
        why = search.held and refusal()
        if not search.held or why:
            return all_of(judge, pending, why)
        search.judge_rest()
        return search.placed()
    stops = any(each["direction"] == "running" for each in search.stopping(judge))
    tightens = policy() != "off" and search.tightenings()
    if not search.held and not stops and not tightens:
        return Placed(judge)
    why = refusal() or search.run()
    if why is None:
        return search.placed()
    for finding in search.stopping(judge):
        if finding["direction"] == "running" and policy() != "off":
            finding["stays"] = why
    return all_of(judge, pending, why)


class Search:
    """Holds back what breaks, and what depends on it, until nothing breaks; or until the new version lacks something."""

    def __init__(self, judge, pending, new):
        # `all`: with all migrations; `judge`: without those that are held back.
        self.all = self.judge = judge
        self.pending, self.new = pending, new
        self.graph = judge.executor.loader.graph
        self.accepted, _ = allows.comments_of(pending)
        self.amiss = {(each["rule"], each["object"]) for each in judge.findings if each["direction"] == "new"}
        # By name, why.
        self.held = {}
        self.bridges = {}

    @staticmethod
    def name(migration):
        return "%s.%s" % (migration.app_label, migration.name)

    def stopping(self, judge):
        return [
            each
            for each in judge.findings
            if each["severity"] == "breaks"
            # What the rows of today do not allow is no reason to hold anything back.
            and each["rule"] not in ("rows-refuse", "view-gone")
            and (each["rule"], each["object"]) not in self.accepted
        ]

    def breaks(self):
        """What stops the release in any case has nothing to do with what is held back."""
        # A step in Python could make what is missing: not what another migration makes that is held back.
        missing = [
            each
            for each in self.judge.findings
            if each["direction"] == "new" and each["severity"] != "breaks" and RULES[each["rule"]]["severity"] == "breaks"
        ]
        found = self.stopping(self.judge) + (missing if self.held else [])
        return [
            each for each in found if each["direction"] == "running" or (each["rule"], each["object"]) not in self.amiss
        ]

    def run(self):
        """Returns why it is not possible; None where it is."""
        again = bool(self.held)
        while True:
            if again:
                self.judge_rest()
            breaks = self.breaks()
            running = [each for each in breaks if each["direction"] == "running"]
            if not breaks:
                why = behind.lacks(self, self.new) if self.held else None
                why = why or self.constrained()
                if why:
                    return why
                if policy() != "off":
                    self.tighten()
                self.bridges.update(bridges.of_deletes(self))
                return self.refused_deletes()
            for finding in running or breaks:
                why = self.solve(finding) if running else self.mend(finding)
                if why:
                    return why
            again = True

    def solve(self, finding):
        """A version that runs: by a default that is kept, or without the migration."""
        bridge = bridges.kept_default(self.judge, finding)
        key = (finding["table"], finding["column"])
        if bridge and key not in self.bridges:
            self.bridges[key] = bridge
            return None
        if policy() == "off":
            return "nothing is held back"
        why = finding["migration"] not in self.held and self.is_needed(finding)
        if why:
            return why
        if self.hold_for(finding):
            return None
        # What was held back before another finding was solved.
        return None if finding["migration"] in self.held else "which migration breaks it is not known"

    def is_needed(self, finding):
        """Why what would be refused must not wait, or nothing."""
        rule, of = finding["rule"], finding["object"]
        if rule in ("unique", "check"):
            return "the new version may write by %s (ON CONFLICT, an IntegrityError)" % of
        if rule in tightening and self.is_for_good(finding):
            return "the model of the new version does not say so of %s, and it would wait for ever" % of
        if rule == "fk-added" and not is_deleted_by_code(finding["table"], finding["column"]):
            return "the new version leaves it to the foreign key %s what is deleted" % of
        return None

    def tightenings(self):
        """What may refuse something that a running version writes, and nothing of the new one."""
        from rollout_inspector.verdict import any_runs

        return [
            each
            for each in self.judge.findings
            if each["severity"] == "may"
            and each["direction"] == "running"
            and each["rule"] in tightening
            and (each["rule"], each["object"]) not in self.accepted
            and any_runs(each["versions"])
            and not self.is_filled(each)
            and (each["rule"] != "fk-added" or is_deleted_by_code(each["table"], each["column"]))
            # Else it would wait for ever.
            and not self.is_for_good(each)
        ]

    def is_filled(self, finding):
        """Whether the code has a value of its own, where NULL is refused."""
        return finding["rule"] == "null-refused" and self.judge.fills(finding["table"], finding["column"], finding["versions"])

    def is_for_good(self, finding):
        table = finding["table"]
        return (finding["rule"], table, finding["column"]) in misfits(self.new, self.all.catalog.get, [table], False)

    def tighten(self):
        """Holds back what may refuse something, where the new version is as well off without it."""
        for finding in self.tightenings():
            held, judge = dict(self.held), self.judge
            if not self.hold_for(finding):
                continue
            self.judge_rest()
            if self.breaks() or behind.lacks(self, self.new) or self.constrains(judge):
                self.held, self.judge = held, judge

    def constrained(self):
        """The same for what waits in any case."""
        names = sorted(name for name, why in self.held.items() if "after" not in why)
        if names and self.constrains(self.all):
            return "%s also makes a constraint that the new version may write by: put it into a separate migration" % names[0]
        return None

    def refused_deletes(self):
        """Why the new version could not delete rows to which those refer that it does not know, or nothing."""
        for each in self.judge.findings:
            is_known = each["direction"] == "new" and (each["rule"], each["object"]) not in self.amiss
            if each["rule"] == "delete-refused" and is_known and self.judge.is_referred(each["table"], each["column"]):
                return "the new version could not delete rows of %(parent)s to which %(object)s refers" % each
        return None

    def constrains(self, judge):
        """Whether what is held back makes a constraint that the new version may write by."""
        for name in set(judge.catalog.changed) & set(self.new):
            now, then = self.judge.catalog.get(name), judge.catalog.get(name)
            if now and then and any(each not in now[kind] for kind in ("uniques", "checks", "anew") for each in then[kind]):
                return True
        return False

    def hold_for(self, finding):
        """Holds back the migration of a finding. Returns whether it was not held back before."""
        for migration in self.pending:
            if self.name(migration) == finding["migration"] and finding["migration"] not in self.held:
                self.hold(migration, finding)
                return True
        return False

    def hold(self, migration, finding):
        keys = ("rule", "object", "versions", "stay")
        self.held.setdefault(self.name(migration), {key: finding[key] for key in keys if key in finding})
        key = (migration.app_label, migration.name)
        for other in self.pending:
            name = self.name(other)
            if name not in self.held and key in self.graph.forwards_plan((other.app_label, other.name)):
                self.held[name] = {"after": self.name(migration)}

    def mend(self, finding):
        """The new version without what is held back."""
        table, column = finding["table"], finding["column"]
        event = self.all.effects.cause_of(table, column)
        if event is None or event.migration is None or self.name(event.migration) not in self.held:
            return "the new version does not fit, either: %s %s" % (finding["rule"], finding["object"])
        if finding["rule"] == "insert-refused":
            bridge = bridges.loosened(self.judge, event, table, column)
            if bridge and (table, column) not in self.bridges:
                self.bridges[(table, column)] = bridge
                return None
            return "the new version does not set %s, which stays NOT NULL without a database default" % finding["object"]
        name, needed = self.name(event.migration), finding["object"]
        after = self.held[name].get("after")
        if event.kind in ("rename", "rename_column") or event.kind == "alter" and event.old.column != event.new.column:
            return "the new version uses %s, which %s makes by a new name" % (needed, name)
        before = self.judge.catalog.before(table)
        does = "changes" if before and column in before["columns"] else "makes"
        does = "%s depends on %s, and " % (name, after) + does if after else "%s also %s" % (name, does)
        return "%s %s, which the new version needs%s" % (does, needed, behind.way(self, name))

    def judge_rest(self):
        rest = [each for each in self.pending if self.name(each) not in self.held]
        self.judge = self.all.again(rest, self.new, self.bridges)

    def placed(self):
        return Placed(self.judge, self.told(), self.bridges.values())

    def told(self):
        return [
            dict(
                self.held[self.name(each)],
                app=each.app_label,
                name=each.name,
                operations=[type(operation).__name__ for operation in each.operations],
            )
            for each in self.pending
            if self.name(each) in self.held
        ]


def is_deleted_by_code(table, column):
    """Whether the new version needs no constraint for what becomes of a row when the one that it refers to is deleted."""
    from django.apps import apps
    from django.db import models

    for model in apps.get_models(include_auto_created=True):
        for field in model._meta.local_concrete_fields if model._meta.db_table == table else ():
            if field.column == column and field.remote_field:
                by_code = (models.CASCADE, models.PROTECT, models.RESTRICT, models.SET_NULL, models.SET_DEFAULT)
                return field.remote_field.on_delete in by_code
    return False


def refusal():
    """Why nothing may be held back here: it would be applied all the same."""
    from django.core.management import get_commands

    if task.spec.get("always"):
        return "migrate-command is more than a plain \"manage.py migrate\""
    if get_commands().get("migrate") != "django.core":
        return "the project overrides the migrate command"
    if sys.flags.ignore_environment or sys.flags.no_site:
        return "Python is started without PYTHONPATH or without the module site"
    contract = task.spec["contract"]
    if contract.get("refused"):
        return contract["refused"]
    for program in contract.get("starts") or []:
        script = migrating(program)
        if script:
            return "%s migrates by itself" % script
    return None


def migrating(program, depth=3):
    """The script by which a program migrates: this one, or one that it starts."""
    path = shutil.which(program) or program
    if not os.path.isfile(path) or os.path.basename(path) in ("manage.py", "django-admin"):
        return None
    try:
        with open(path, "rb") as file:
            text = file.read(65536)
    except OSError:
        return None
    if not (text.startswith(b"#!") or path.endswith((".sh", ".py"))):
        return None
    lines = [line for line in text.decode("utf-8", "replace").splitlines() if not line.lstrip().startswith("#")]
    # Also migrate_all or migrate_tenants: a command of the project's may migrate.
    if any(re.search(r"\b(migrate(_\w+)?|showmigrations)\b", line) for line in lines):
        return path
    words = {word.strip("\"'") for line in lines for word in line.split()} if depth else ()
    found = [migrating(word, depth - 1) for word in sorted(words) if "/" in word or word.endswith((".sh", ".py"))]
    return next((each for each in found if each), None)
