"""Whether pending migrations break a version: predicted before they run, and read from the database after them.

DJANGO_ROLLOUT_SPEC has `running`: [{"names": workloads, "tag", "digest", "needs": index, "own": true,
"idle": true, "since"}]; one that is idle is started by a person only; `since`, when it was the only one. The needs are in
DJANGO_ROLLOUT_NEEDS_<index>, as `packed` of needs.py. A version without them is judged by the state of the migrations
that are applied, which does not know what really runs; `own` is the image that this is.

`earlier`: [{"hash", "needs": index}], the versions that a rollback may restore. They stop nothing: the comparison after
the migration reports what they lack since. `prove`: the own version, which is older than the database, is compared
with the database as it is.
"""
import copy
import operator
import sys
import time

from rollout_inspector import allows, asking, checks, needs as fingerprint, task, tenants, ways
from rollout_inspector.catalog import Catalog
from rollout_inspector.effects import applied_state
from rollout_inspector.judge import RULES, misfits, regressions, severity_of

# Findings that are reported; a project that is all wrong needs no longer list.
most = 100
# What both sides name in their own way, or do not tell: not compared after the migration.
named_freely = ("unique", "check", "fk-added", "unread")
# Of Django: what a later one changes is not known.
newest = (6, 0)


def versions():
    return task.spec.get("running") or []


def is_judged():
    """A first deploy breaks nothing that runs."""
    return bool(versions())


def any_runs(indices):
    """Whether a pod of these versions runs, or may start at any time."""
    return any(not versions()[index].get("idle") for index in indices)


class Judge:
    """Judges one database."""

    def __init__(self, connection, alias, executor, guard, schemas=(), unseen=""):
        # `guard` makes sure that no operation writes.
        self.connection, self.alias, self.executor, self.guard = connection, alias, executor, guard
        # Those of tenants that it stands for, and why others are not compared (tenants.py).
        self.schemas, self.unseen = schemas, unseen
        # What the needs of this database, or of these schemas, are kept as.
        self.place = tenants.place_of(alias, *schemas[:1])
        self.catalog = None
        self.effects = None
        # The operations whose effects were noted while somebody else applied them to a state.
        self.seen = []
        self.state = None
        self.findings = []
        # Of each version, in their order: needs, and where they come from.
        self.known = []
        self.predicted = {}
        # What the new version needs; of the tables in question with what was found of it.
        self.new, self.coming = {}, None
        # Of each version that a rollback may restore, by its hash.
        self.earlier = {}
        # By (table, column): bridges.py.
        self.bridges = {}
        self.read = None
        # Foreign keys that all of the migrations leave behind: those that are held back get a bridge.
        self.left = None

    def needs_of(self, apps):
        return fingerprint.needs_of(self.connection, apps, self.executor.loader.migrated_apps)

    def begin(self):
        from rollout_inspector.effects import Effects

        self.catalog = Catalog(self.connection, self.read)
        self.effects = Effects(self.connection, self.catalog, self.guard)
        self.effects.kept.update(key for key, each in self.bridges.items() if each["kind"] == "default-kept")

    def again(self, pending, new, bridges):
        """Returns the same of fewer migrations, with bridges."""
        other = Judge(self.connection, self.alias, self.executor, self.guard, self.schemas, self.unseen)
        other.state, other.read, other.bridges = self.state, self.catalog.read, dict(bridges)
        other.left = self.left
        other.judge(pending, new)
        return other

    def watched(self, migration):
        """Returns the same migration; the effects of its operations are noted when it is applied to a state."""
        if not is_judged() and not task.spec.get("backup"):
            return migration
        twin = copy.copy(migration)
        twin.operations = [Watched(self, migration, each) for each in migration.operations]
        return twin

    def judge(self, pending, new):
        self.new = new
        if task.spec.get("prove"):
            self.prove(new)
            return
        self.state = self.state or applied_state(self.executor, bool(pending))
        self.known = [self.needs_of_version(each, new) for each in versions()]
        self.predict(pending)
        self.effects.bridge(self.bridges.values())
        touched = self.effects.touched
        before = [misfits(needs, self.catalog.before, touched, False) for needs, _ in self.known]
        self.judge_running(pending, touched, before)
        self.judge_new(touched, new)
        checks.report(self, pending)
        for migration in pending:
            if self.is_of_tenants(migration):
                self.report("schemas", "", "", {"detail": self.unseen}, range(len(self.known)), migration, "%s.%s")
        for migration, detail, table in self.effects.unread:
            of = [index for index, (needs, _) in enumerate(self.known) if table is None or table in needs]
            if of:
                self.report("unread", "", "", {"detail": detail}, of, migration, "%s.%s")
        for each in task.spec.get("earlier") or []:
            kept = task.bodies.get(each["needs"])
            if kept is not None:
                # A database that it did not use: nothing is missing then.
                self.earlier[each["hash"]] = kept.get(self.place, {})
        if self.effects.opaque or self.effects.more:
            for needs in self.others():
                for table in needs:
                    self.catalog.before(table)

    def is_of_tenants(self, migration):
        """Whether its app is in schemas that are not compared."""
        from django.db import router

        return bool(self.unseen) and not router.allow_migrate(self.alias, migration.app_label)

    def lost(self, pending):
        """What the pending migrations take away."""
        if self.state is None:
            self.state = applied_state(self.executor, False)
            self.predict(pending)
        return self.effects.losses

    def prove(self, needs):
        """Compares what the version needs with the database as it is: only the tables that its own migrations make."""
        self.begin()
        self.known = [(needs, "own")]
        tables = [table for table, need in needs.items() if not need.get("u") and not need.get("o")]
        found = misfits(needs, self.catalog.before, tables, False)
        for key in sorted(found):
            rule, table, column = key
            # Its name may be written in another way than the catalog has it.
            is_there = rule in ("table-gone", "column-gone") and asking.answers(self.connection, table, column)
            if rule not in named_freely and not is_there:
                self.report(rule, table, column, found[key], [0])

    def others(self):
        """The needs of all versions but the new one: those that run, and those that a rollback may restore."""
        return [needs for needs, _ in self.known] + list(self.earlier.values())

    def dropped(self):
        """(table, column) of what the migrations drop or rename; without a column the table itself."""
        found = []
        for name, after in sorted(self.catalog.changed.items()):
            was = self.catalog.read.get(name)
            if was and after is None:
                found.append((name, ""))
            elif was and after:
                found += [(name, column) for column in was["columns"] if column not in after["columns"]]
        return found

    def needs_of_version(self, version, new):
        if version.get("own"):
            return new, "own"
        index = version.get("needs")
        kept = task.bodies.get(index) if index is not None else None
        if kept is not None and self.place in kept:
            return kept[self.place], "kept"
        needs = self.needs_of(self.state.apps)
        # A database that it did not use: nothing is missing then.
        return needs, "state" if needs or kept is None else "kept"

    def predict(self, pending):
        """States are dear in a project of many models: they are made anew only where not all operations were seen."""
        from rollout_inspector.effects import only_runs_code

        all_of = [(migration, operation) for migration in pending for operation in migration.operations]
        to_see = [operation for _, operation in all_of if not only_runs_code(operation)]
        is_seen = len(to_see) == len(self.seen) and all(map(operator.is_, to_see, self.seen))
        # What could not be read may be due to the transaction that the operations were seen in.
        if self.effects and is_seen and not self.effects.unread:
            self.effects.opaque += [migration for migration, operation in all_of if only_runs_code(operation)]
            return
        self.begin()
        state = self.state
        for migration, operation in all_of:
            after = state.clone()
            operation.state_forwards(migration.app_label, after)
            self.note(migration, operation, state, after)
            state = after

    def note(self, migration, operation, before, after):
        from rollout_inspector.effects import flattened

        inner = getattr(operation, "database_operations", None)
        steps = [(operation, before, after)]
        if inner is not None:
            steps = flattened(inner, before, migration.app_label)
        for step in steps:
            self.effects.run(migration, *step)

    def judge_running(self, pending, touched, before):
        found = {}
        for index, (needs, _) in enumerate(self.known):
            after = misfits(needs, self.catalog.get, touched, False)
            for key in sorted(regressions(after, before[index])):
                found.setdefault(key, (after[key], []))[1].append(index)
        self.predicted = {key: indices for key, (_, indices) in found.items()}
        self.judge_between(found, before)
        for key, (more, indices) in sorted(found.items()):
            rule, table, column = key
            if rule == "insert-refused" and ("column-gone", table, self.renamed_from(table, column)) in found:
                # One change, one finding.
                continue
            if rule == "null-refused":
                more["nulls"] = not self.is_filled_first(pending, table, column) and self.has_nulls(table, column)
                more["filled"] = self.fills(table, column, indices)
            if severity_of(rule, more, {}, False) == "may":
                more["lately"] = checks.lately(self, (rule, table, column), indices)
                if more["lately"] is False:
                    continue
            self.report(rule, table, column, more, indices)

    def fills(self, table, column, indices):
        """Whether the code of these versions, or the database for it, has a value where none is given."""
        needs = [self.known[index][0][table]["c"][column] for index in indices]
        return all(need.get("p") or need.get("d") for need in needs)

    def judge_between(self, found, before):
        """What breaks from one commit to a later one, and not in the end."""
        at, kept = {}, self.effects.causes

        def get(name):
            return at[name] if name in at else self.catalog.before(name)

        seen = set(found)
        for migration, tables, causes in self.effects.between:
            at.update(tables)
            broken = {}
            for index, (needs, _) in enumerate(self.known):
                then = misfits(needs, get, tables, False)
                for key in regressions(then, before[index]):
                    if key not in seen and severity_of(key[0], then[key], {}, False) == "breaks":
                        broken.setdefault(key, (then[key], []))[1].append(index)
            seen.update(broken)
            self.effects.causes = causes
            for (rule, table, column), (more, indices) in sorted(broken.items()):
                if rule == "insert-refused" and ("column-gone", table, self.renamed_from(table, column)) in broken:
                    continue
                until = kept.get((table, column)) or kept.get((table, ""))
                own = dict(more, until=until and until.migration and name_of(until.migration))
                self.report(rule, table, column, own, indices, migration)
            self.effects.causes = kept

    def is_filled_first(self, pending, table, column):
        """Whether rows without a value may be old ones, which a step before fills: who wrote them may not go on."""
        from rollout_inspector.effects import may_fill, steps_of

        if any(each[:2] == (table, column) and each[2] != "cast" for each in self.effects.remade):
            return True
        event = self.effects.cause_of(table, column)
        for step in steps_of([operation for migration in pending for operation in migration.operations]):
            if may_fill(step):
                return True
            if event is None or step is event.operation:
                return False
        return False

    def renamed_from(self, table, column):
        """The name that a column had before the last change of it."""
        event = self.effects.cause_of(table, column)
        if event is None:
            return None
        return event.old.column if event.kind == "alter" else getattr(event, "column", None)

    def judge_new(self, touched, new):
        """What the new version misses, and what those that run do not miss."""
        tables = set(touched)
        for needs, _ in self.known:
            tables.update(table for table in new if needs.get(table) != new[table])
            tables.update(table for table in needs if table not in new)
        amiss = set()
        for needs, _ in self.known:
            known = [table for table in tables if table in needs]
            amiss.update(misfits(needs, self.catalog.before, known, True))
        after = misfits(new, self.catalog.get, tables, True)
        self.coming = {"needs": {table: new[table] for table in tables if table in new}}
        found = sorted(set(after) - amiss)
        if self.left is None:
            self.left = {key for key in found if key[0] == "delete-refused"}
        for key in found:
            rule, table, column = key
            if key in self.left:
                after[key]["referred"] = self.is_referred(table, column)
            if rule != "insert-refused" or ("insert-refused", table, column) not in self.predicted:
                more = dict(after[key], opaque=bool(self.effects.opaque))
                self.report(rule, table, column, more, None, new=new)
                # What a step in Python may make is looked for after it.
                hoped = severity_of(rule, dict(more, opaque=False), new.get(table, {}), True)
                if self.findings[-1]["severity"] != hoped:
                    after.pop(key)
        self.coming["known"] = sorted([list(key) for key in amiss.union(after)])

    def report(self, rule, table, column, more, indices, migration=None, of=None, new=None):
        is_new = new is not None
        event = self.effects.cause_of(table, column) if table else None
        if event is not None and migration is None:
            migration = event.migration
        name = name_of(migration) if migration else None
        source = new if is_new else self.known[indices[0]][0] if len(indices or ()) else {}
        need = source.get(table, {})
        if rule in ("column-gone", "table-gone") and is_new:
            # A table of the state that another migration renames is named by it.
            event = None
        severity = severity_of(rule, more, need, is_new)
        if severity == "breaks" and not is_new and not any_runs(indices):
            severity = "may"
        finding = {
            "rule": rule,
            "severity": severity,
            "database": self.alias,
            "object": name if of else ("%s.%s" % (table, column) if column else table),
            "table": table,
            "column": column,
            "model": need.get("m", ""),
            "direction": "new" if is_new else "running",
            "versions": [] if is_new else list(indices),
            "migration": name,
        }
        for key in ("detail", "parent", "from", "to", "until", "where"):
            if more.get(key):
                finding[key] = str(more[key])
        file = allows.file_of(migration) if migration else None
        if file:
            finding["file"] = file
        if more.get("lately"):
            finding["lately"], finding["query"] = more["lately"]
        code = ways.code_of(self, rule, event, table, column, is_new)
        if code:
            finding["code"] = code
        if event is not None and event.kind in ("rename", "rename_column"):
            finding["by"] = "rename"
        self.findings.append(finding)

    def field_of(self, table, column):
        """The field of the applied migrations' state that has this column."""
        for model in self.state.apps.get_models(include_auto_created=True):
            if model._meta.db_table == table:
                for field in model._meta.local_concrete_fields:
                    if field.column == column:
                        return model, field
        return None

    def of_any(self, ask):
        """What is found in the first of the schemas where something is; None: not known in time."""
        end, is_known = time.monotonic() + checks.longest, True
        try:
            for schema in self.schemas or [None]:
                tenants.choose(self.connection, schema)
                found = ask()
                if found or time.monotonic() > end:
                    return found or None
                is_known = is_known and found is not None
            return found if is_known else None
        finally:
            tenants.choose(self.connection, self.schemas and self.schemas[0])

    def has_nulls(self, table, column):
        """Whether there are rows without a value: who writes them goes on. None: not known in time."""
        quote = self.connection.ops.quote_name
        query = "SELECT 1 FROM %s WHERE %s IS NULL LIMIT 1" % (quote(table), quote(column))
        rows = self.of_any(lambda: self.asked(query))
        return None if rows is None else bool(rows)

    def is_referred(self, table, column):
        """Whether there are rows that refer to others, which the database then does not let go."""
        quote = self.connection.ops.quote_name
        query = "SELECT 1 FROM %s WHERE %s IS NOT NULL LIMIT 1" % (quote(table), quote(column))
        rows = self.of_any(lambda: self.asked(query))
        if rows and self.connection.vendor == "postgresql":
            # One with an action of its own lets them go.
            query = (
                "SELECT 1 FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = ANY(c.conkey) WHERE "
                "c.contype = 'f' AND c.confdeltype IN ('a', 'r') AND c.conrelid = to_regclass(%s) AND a.attname = %s"
            )
            rows = asking.rows_of(self.connection, query, [quote(table), column], most=1)
        return bool(rows)

    def asked(self, query, most=1):
        return asking.rows_of(self.connection, query, most=most)

    def to_verify(self):
        """All that the comparison after the migration needs, as JSON."""
        tables = sorted(name for name, table in self.catalog.read.items() if not table or table["kind"] != "unknown")
        changed = {
            name: {column: has["type"] for column, has in table["columns"].items() if has["type"]}
            for name, table in self.catalog.changed.items()
            if table is not None
        }

        def of_read(needs):
            return {table: need for table, need in needs.items() if table in tables}

        return {
            "alias": self.alias,
            "schemas": list(self.schemas),
            "tables": {name: self.catalog.read[name] for name in tables},
            "types": changed,
            "needs": [of_read(needs) for needs, _ in self.known],
            "predicted": sorted([list(key) for key in self.predicted]),
            "new": self.coming,
            "earlier": {version: of_read(needs) for version, needs in self.earlier.items()},
            "causes": {"%s %s" % key: name_of(each.migration) for key, each in self.effects.causes.items() if each.migration},
        }


def name_of(migration):
    return "%s.%s" % (migration.app_label, migration.name)


class Watched:
    """An operation that also has its effects noted."""

    def __init__(self, judge, migration, operation):
        self.judge, self.migration, self.operation = judge, migration, operation

    def __getattr__(self, name):
        return getattr(self.operation, name)

    def database_forwards(self, app, editor, before, after):
        self.operation.database_forwards(app, editor, before, after)
        try:
            if self.judge.effects is None:
                self.judge.begin()
            self.judge.note(self.migration, self.operation, before, after)
        except Exception:
            # Told when all are seen again.
            return
        self.judge.seen.append(self.operation)


def unjudged(alias, error, pending):
    """What is told where the comparison fails. On a Django whose interfaces are not known it stops nothing, but what a
    person holds back."""
    django = getattr(sys.modules.get("django"), "VERSION", newest)
    is_known = django[:2] <= newest or any(name_of(each) in task.stays() for each in pending)
    stops = "breaks" if is_known and any_runs(range(len(versions()))) else "may"
    detail = "%s: %s" % (type(error).__name__, " ".join(str(error).split())[:300])
    return {
        "rule": "unjudged",
        "severity": stops if pending else "unknown",
        "database": alias,
        "object": alias,
        "table": "",
        "column": "",
        "model": "",
        "direction": "running",
        "versions": list(range(len(versions()))),
        "migration": None,
        "detail": detail,
    }


def concluded(found, pending):
    """Returns what is told of all databases: the findings, what accepts them, and whether they stop the release."""
    accepted, wrong = allows.comments_of(pending)
    for finding in found:
        comment = accepted.get((finding["rule"], finding["object"]))
        if comment:
            finding["allowed"] = comment
    policy = task.spec.get("unsafe") or "block"
    order = ["breaks", "may", "unknown"]
    found.sort(key=lambda each: (bool(each.get("allowed")), order.index(each["severity"])))
    # The same of several schemas.
    keys = [[each.get(key) for key in ("database", "rule", "object", "direction", "migration", "detail")] for each in found]
    found = [each for at, each in enumerate(found) if keys[at] not in keys[:at]]
    stops = [each for each in found if each["severity"] == "breaks" and not each.get("allowed")]
    return {
        "policy": policy,
        "blocked": policy == "block" and bool(stops),
        "findings": found[:most],
        "more": max(0, len(found) - most),
        "comments": wrong,
    }


def verified(question, connection):
    """Returns what really came out of the migration: findings that were not predicted, and the other way round."""
    before = question["tables"]
    real = Catalog(connection)
    # Columns whose type is another one now.
    changed = set()

    def table_now(name):
        table = real.get(name)
        was = before.get(name)
        for column, has in (table["columns"] if table and was else {}).items():
            old = was["columns"].get(column)
            if old and old.get("read") != has.get("read"):
                changed.add((name, column))
                has["type"] = type_of(name, column, was) or "another type"
        return table

    def type_of(name, column, was):
        own = question["types"].get(name, {}).get(column)
        parent = dict(map(tuple, was["fks"])).get(column)
        # A foreign key gets the type of what it refers to.
        return own or question["types"].get(parent, {}).get(was["targets"].get(column))

    predicted = {tuple(key) for key in question["predicted"]}
    found = {}
    for index, needs in enumerate(question["needs"]):
        was = misfits(needs, before.get, before, False)
        now = misfits(needs, table_now, before, False)
        for key in regressions(now, was):
            found.setdefault(key, (now[key], needs[key[1]], []))[2].append(index)

    def told(key, more, need, indices, is_new=False):
        rule, table, column = key
        finding = {
            "rule": rule,
            "severity": severity_of(rule, more, need, is_new),
            "database": question["alias"],
            "object": "%s.%s" % (table, column) if column else table,
            "table": table,
            "column": column,
            "model": need.get("m", ""),
            "direction": "new" if is_new else "running",
            "versions": indices,
            "migration": None,
        }
        finding.update((name, str(more[name])) for name in ("parent", "from", "to") if more.get(name))
        return finding

    unpredicted = [
        told(key, *found[key]) for key in sorted(found) if key not in predicted and key[0] not in named_freely
    ]
    new = question["new"]["needs"]
    known = {tuple(key) for key in question["new"]["known"]}
    missed = misfits(new, table_now, new, True)
    unpredicted += [
        told(key, missed[key], new[key[1]], [], True)
        for key in sorted(set(missed) - known)
        if key[0] not in named_freely
    ]
    def named(keys):
        own = [key for key in sorted(keys) if key[0] not in named_freely and RULES[key[0]]["severity"] == "breaks"]
        return ["%s %s" % (rule, ".".join(filter(None, names))) for rule, *names in own]

    def since(needs):
        """What a version that may be restored lacks since this migration, and what it no longer lacks."""
        was = set(misfits(needs, before.get, before, False))
        now = misfits(needs, table_now, before, False)
        added = []
        for key in sorted(set(now) - was):
            of = [question["causes"].get("%s %s" % (key[1], column)) for column in (key[2], "")]
            added.append(dict(told(key, now[key], needs[key[1]], []), migration=of[0] or of[1]))
        added.sort(key=lambda each: each["severity"] != "breaks")
        # A type of before is not known by its name.
        was.update((rule, table, column) for rule in ("narrowed", "retyped") for table, column in changed)
        gone = [rule + " " + ".".join(filter(None, names)) for rule, *names in sorted(was - set(now))]
        return {"added": added[:most], "gone": gone}

    return {
        "database": question["alias"],
        "unpredicted": unpredicted[:most],
        "unmet": named(predicted - set(found))[:most],
        "met": named(predicted & set(found)),
        "earlier": {version: since(needs) for version, needs in question["earlier"].items()},
    }
