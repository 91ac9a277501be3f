"""Goes back by this image: which of its migrations an older version does not fit, and their reversal.

DJANGO_ROLLOUT_SPEC has `reverse`:

    wanted    indices of the needs of the versions that come back
    since     migrations that were applied since they ran (`shop.0002_note`): no other is reversed first
    how       tell: nothing is reversed; lossless: only what drops no stored value; any
    downtime  also where this version does not fit the schema after it
    only-new  what does not fit without any of these migrations either is not counted: they did not break it

Of these migrations the smallest set is reversed after which the wanted versions fit, with all that depends on it. The
operations are walked backwards through the catalog of the database, as effects.py walks them forwards.
"""
import json
import os
import re

from rollout_inspector import asking, checks, reader, task, tenants
from rollout_inspector.catalog import Catalog
from rollout_inspector.judge import bytes_of, families, misfits, of_types, parts_of, severity_of, texts

# What both sides name in their own way, or do not tell.
named_freely = ("unique", "check", "fk-added", "unread")
# For a query that counts, in ms; and how far it counts.
patience = 5000
countable = 10000


def least(order, parents, fits):
    """Returns the smallest part of `order` whose reversal makes it fit, in that order; None where there is none.

    order    migrations, the oldest first
    parents  what each depends on
    fits     whether it fits when these are reversed
    """
    if not fits(order):
        return None
    kept = []
    for each in order:
        if all(parent in kept for parent in parents[each] if parent in order):
            if fits([other for other in order if other not in kept and other != each]):
                kept.append(each)
    return [each for each in order if each not in kept]


def decided(facts, how, downtime):
    """What is done about a database. Returns fits, reverse, or why nothing is reversed.

    facts: `fits`, the versions that come back fit as it is; `possible`: they fit after the reversal, and all of it can
    be reversed, with the rows of today; `newFits`: this version fits then, too; `loses`: it drops stored values or parts of them, or may.
    """
    if facts["fits"]:
        return "fits"
    if not facts["possible"]:
        return "impossible"
    if how == "tell":
        return "told"
    if not facts["newFits"] and not downtime:
        return "downtime"
    if facts["loses"] and how != "any":
        return "loss"
    return "reverse"


def concluded(databases, how, downtime):
    """Of all databases: nothing is reversed where that leaves one that does not fit."""
    verdicts = [decided(each, how, downtime) for each in databases]
    for verdict in ("impossible", "downtime", "loss", "told", "reverse"):
        if verdict in verdicts:
            return verdict
    return "fits"


def planned(made):
    """Returns all that is told of the reversal. `made`: the plans."""
    from django.core.management import get_commands

    asked = task.spec["reverse"]
    bodies = [task.bodies.get(index) for index in asked["wanted"]]
    if not bodies or any(body is None for body in bodies):
        raise ValueError("what the version that comes back needs cannot be read")
    told = []
    for each in made:
        tenants.choose(each["executor"].connection, each["schemas"] and each["schemas"][0])
        wanted = [body.get(each["place"], {}) for body in bodies]
        told.append(Backwards(each["executor"], wanted, each["needs"], asked["since"]).told(bool(asked.get("only-new"))))
    if get_commands().get("migrate") != "django.core":
        for each in told:
            each.update(possible=False, why="the project overrides the migrate command")
    verdict = concluded(told, asked["how"], bool(asked.get("downtime")))
    return {"do": verdict, "databases": told}


def name_of(key):
    return "%s.%s" % tuple(key)


def breaks_of(needs, table_of, tables):
    """What certainly fails, by key."""
    found = misfits(needs, table_of, tables, False)
    return {
        key: more
        for key, more in found.items()
        if key[0] not in named_freely and severity_of(key[0], more, needs.get(key[1], {}), False) == "breaks"
    }


def own_tables(needs):
    """Those that its own migrations make."""
    return [table for table, need in needs.items() if not need.get("u") and not need.get("o")]


class Backwards:
    """Of one database."""

    def __init__(self, executor, wanted, new, since):
        self.executor, self.connection = executor, executor.connection
        # For checks.py.
        self.alias, self.schemas = self.connection.alias, ()
        self.wanted, self.new = wanted, new
        self.since = set(since)
        self.catalog = Catalog(self.connection)
        # By migration: the changes of its reversal, and the operations that have none.
        self.events, self.irreversible, self.code = {}, {}, set()
        self.unread = []
        self.laid = {}

    def told(self, only_new=False, excused=()):
        excused = set(excused)
        now = {}
        for needs in self.wanted:
            for key, more in breaks_of(needs, self.catalog.before, own_tables(needs)).items():
                if key[0] in ("table-gone", "column-gone") and asking.answers(self.connection, *key[1:]):
                    excused.add(key)
                elif key not in excused:
                    now.setdefault(key, (more, needs[key[1]]))
        order, parents = self.pool() if now else ([], {})
        if order:
            self.walk(order)
        # The effect of one that cannot be reversed is not known.
        if only_new and not self.irreversible:
            before = self.after(order)
            for needs in self.wanted:
                excused.update(breaks_of(needs, before.catalog.get, own_tables(needs)))
            now = {key: found for key, found in now.items() if key not in excused}
        answer = {
            "database": self.connection.alias,
            "fits": not now,
            "possible": False,
            "newFits": True,
            "loses": False,
            "misfits": [self.finding(key, *now[key]) for key in sorted(now)],
            "migrations": [],
            "irreversible": [],
            "newMisfits": [],
            "drops": [],
            "code": [],
            "excused": sorted(list(key) for key in excused),
        }
        if not now:
            return answer

        def fits(keys):
            after = self.after(keys)
            return all(
                set(breaks_of(needs, after.catalog.get, own_tables(needs))) <= excused for needs in self.wanted
            )

        found = least(order, parents, fits)
        if found is None:
            missing = [key for key in order if key in self.irreversible]
            answer["irreversible"] = self.without_reverse(missing)
            names = ", ".join(map(name_of, order))
            answer["why"] = "reversing %s does not restore it" % names if order else "which migrations to reverse is not known"
            return answer
        after = self.after(found)
        for finding, key in zip(answer["misfits"], sorted(now)):
            event = after.cause_of(key[1], key[2])
            if event is not None and event.migration is not None:
                finding["migration"] = "%s.%s" % (event.migration.app_label, event.migration.name)
        answer["migrations"] = [name_of(key) for key in reversed(found)]
        stops = [key for key in found if key in self.irreversible]
        answer["irreversible"] = self.without_reverse(stops)
        answer["code"] = [name_of(key) for key in found if key in self.code]
        # Code may mend them.
        refuse = [] if answer["code"] else list(filter(None, (checks.refusing(self, each) for each in after.checks if each.query and not each.cuts)))
        answer["possible"] = not stops and not refuse
        if stops:
            answer["why"] = "%s cannot be reversed" % ", ".join(map(name_of, stops))
        elif refuse:
            answer["why"] = "rows refuse it: " + "; ".join(refuse)
        was = breaks_of(self.new, self.catalog.before, after.touched)
        lost = breaks_of(self.new, after.catalog.get, after.touched)
        answer["newMisfits"] = [self.finding(key, lost[key], self.new[key[1]]) for key in sorted(set(lost) - set(was))]
        answer["newFits"] = not answer["newMisfits"]
        answer["drops"] = self.drops(after) + self.cuts(after)
        answer["loses"] = bool(answer["code"]) or any(each["rows"] != 0 for each in answer["drops"])
        return answer

    def without_reverse(self, keys):
        return [{"migration": name_of(key), "operations": self.irreversible[key]} for key in keys]

    def finding(self, key, more, need):
        rule, table, column = key
        finding = {
            "rule": rule,
            "severity": "breaks",
            "database": self.connection.alias,
            "object": "%s.%s" % (table, column) if column else table,
            "table": table,
            "model": need.get("m", ""),
        }
        finding.update((name, str(more[name])) for name in ("parent", "from", "to") if more.get(name))
        return finding

    def pool(self):
        """The migrations that may be reversed, the oldest first, and what each depends on."""
        loader = self.executor.loader
        applied = loader.applied_migrations
        keys = set()
        for key, migration in loader.disk_migrations.items():
            if key not in applied or key not in loader.graph.nodes:
                continue
            replaced = [name_of(each) for each in migration.replaces]
            if name_of(key) in self.since or replaced and self.since.issuperset(replaced):
                keys.update(each for each in loader.graph.backwards_plan(key) if each in applied)
        plan = self.executor.migration_plan(loader.graph.leaf_nodes(), clean_start=True)
        order = [(each.app_label, each.name) for each, _ in plan if (each.app_label, each.name) in keys]
        parents = {key: [each.key for each in loader.graph.node_map[key].parents] for key in order}
        return order, parents

    def walk(self, order):
        """Keeps what the reversal of each would change, with the states that Django would give it."""
        from rollout_inspector.effects import flattened

        loader = self.executor.loader
        state = self.executor._create_project_state()
        steps = []
        plan = self.executor.migration_plan(loader.graph.leaf_nodes(), clean_start=True)
        for migration, _ in plan:
            key = (migration.app_label, migration.name)
            if key not in loader.applied_migrations:
                continue
            if key not in order:
                state = migration.mutate_state(state, preserve=False)
                continue
            # Once: its clones have them, too.
            state.apps
            for operation in migration.operations:
                after = state.clone()
                operation.state_forwards(migration.app_label, after)
                inner = getattr(operation, "database_operations", None)
                own = [(operation, state, after)]
                if inner is not None:
                    own = list(flattened(inner, state, migration.app_label))
                if not operation.reversible:
                    self.irreversible.setdefault(key, []).append(type(operation).__name__)
                else:
                    stops = [type(each).__name__ for each, _, _ in own if not each.reversible]
                    if stops:
                        self.irreversible.setdefault(key, []).extend(stops)
                steps += [(key, migration, step) for step in own]
                state = after
        collected = collector(self.connection, self.catalog)
        for key, migration, (operation, before, after) in reversed(steps):
            if not operation.reversible:
                continue
            if may_lose(operation):
                self.code.add(key)
            collected.back(migration, operation, after, before)
        self.events = collected.events
        # A statement that cannot be read may drop anything.
        self.code.update((each.app_label, each.name) for each, _, _ in collected.unread)

    def after(self, keys):
        """The effects of the reversal of these."""
        from rollout_inspector.effects import Effects

        name = tuple(keys)
        if name not in self.laid:
            effects = Effects(self.connection, Catalog(self.connection, self.catalog.read), refuse_writes)
            for key in reversed(keys):
                for event in self.events.get(key, []):
                    effects.migration, effects.operation = event.migration, event.operation
                    effects.apply(event)
            self.catalog.read.update(effects.catalog.read)
            self.laid[name] = effects
        return self.laid[name]

    def drops(self, after):
        """The columns and tables that are gone then, and how many rows have a value there; None: not known."""
        left, tables = set(), set()
        for name in set(after.catalog.read) | set(after.catalog.changed):
            table = after.catalog.get(name)
            for has in (table["columns"] if table else {}).values():
                if has.get("origin"):
                    left.add(tuple(has["origin"]))
                    tables.add(has["origin"][0])
        dropped = []
        for name in sorted(after.touched):
            was = after.catalog.before(name)
            if was is None or was["kind"] == "view":
                continue
            if not was["columns"] or name not in tables:
                dropped.append({"object": name, "rows": self.count(name)})
                continue
            for column in sorted(was["columns"]):
                if (name, column) not in left and not was["columns"][column].get("generated"):
                    dropped.append({"object": "%s.%s" % (name, column), "rows": self.count(name, column)})
        return dropped

    def asked(self, query, most):
        return asking.rows_of(self.connection, query, None, patience, most)

    def cuts(self, after):
        """The columns that hold less then, and how many rows have a value that changes by it."""
        cut = []
        for name in sorted(after.touched):
            for has in ((after.catalog.get(name) or {}).get("columns") or {}).values():
                where = cut_of(has.get("was"), has["type"])
                if where and has.get("origin"):
                    table, column = has["origin"]
                    where = " WHERE " + where.replace("<column>", self.connection.ops.quote_name(column))
                    cut.append({"object": "%s.%s" % (table, column), "rows": self.limited(table, where, None), "cut": True})
        return cut

    def count(self, table, column=None):
        """Rows with a value that is not the default's; more than `countable`: that many or more."""
        quote = self.connection.ops.quote_name
        where, values = "", []
        if column is not None:
            where = " WHERE %s IS NOT NULL" % quote(column)
            default = self.default_of(table, column)
            if default is not None:
                counted = self.limited(table, where + " AND %s <> %%s" % quote(column), [default])
                if counted is not None:
                    return counted
        return self.limited(table, where, values)

    def limited(self, table, where, values):
        quote = self.connection.ops.quote_name
        query = "SELECT COUNT(*) FROM (SELECT 1 AS x FROM %s%s LIMIT %d) AS counted"
        query = query % (quote(table), where, countable + 1)
        found = asking.rows_of(self.connection, query, values or None, patience)
        return found[0][0] if found else None

    def default_of(self, table, column):
        from django.apps import apps

        for model in apps.get_models(include_auto_created=True):
            if model._meta.db_table != table:
                continue
            for field in model._meta.local_concrete_fields:
                if field.column == column:
                    return default_of_field(field, self.connection)
        return None


def default_of_field(field, connection):
    """A constant, as the database has it; else None."""
    try:
        value = getattr(field, "db_default", None)
        value = getattr(value, "value", None)
        if value is None and not callable(field.default):
            value = field.get_default()
        return None if value is None else field.get_db_prep_save(value, connection)
    except Exception:
        return None


def cut_of(was, then):
    """The condition of values that are not the same in another type; nothing where all are, or the server refuses them."""
    if not of_types(was, then)[0]:
        return ""
    (kind, sizes), (other, others) = parts_of(was), parts_of(then)
    if kind in texts and other in ("varchar", "char"):
        return "char_length(<column>) > %d" % others[0] if others else ""
    # They keep a whole number, or refuse it; and any text.
    if kind.split()[0] in bytes_of and other in families[0][:5] or other in texts or other.startswith("json"):
        return ""
    if kind in ("numeric", "decimal") and (other == kind or other in bytes_of):
        return "<column> <> round(<column>, %d)" % others[-1] if others else "<column> <> round(<column>)"
    return "<column> IS NOT NULL"


def may_lose(operation):
    """Whether the reversal runs code, or SQL that writes rows."""
    from django.db.migrations import RunPython

    from rollout_inspector.effects import is_code, texts_of

    if is_code(operation):
        return getattr(operation, "reverse_code", None) is not RunPython.noop
    # Another type may be given by any expression.
    sent = texts_of(operation, "reverse_sql")
    return any(reader.writes_rows(each) or re.search(r"(?i)\b(TYPE|MODIFY|CHANGE)\b", each) for each in sent)


def refuse_writes(*given):
    from rollout_inspector.plan import refuse_writes as refuse

    return refuse(*given)


def collector(connection, catalog):
    from rollout_inspector.effects import Effects, is_code

    class Collected(Effects):
        """Keeps the changes by migration, and applies none."""

        def __init__(self):
            Effects.__init__(self, connection, catalog, refuse_writes)
            self.events = {}

        def apply(self, event):
            key = (event.migration.app_label, event.migration.name)
            self.events.setdefault(key, []).append(event)

        def back(self, migration, operation, after, before):
            self.migration, self.operation = migration, operation
            if is_code(operation):
                return
            try:
                with self.connection.execute_wrapper(self.guard):
                    operation.database_backwards(migration.app_label, self.recorder, after, before)
            except Exception as error:
                self.cannot_read("%s: %s" % (type(operation).__name__, error))

    return Collected()


def to_do(reversal):
    """What the process that reverses needs, as JSON."""
    wanted = [task.bodies.get(index) or {} for index in task.spec["reverse"]["wanted"]]
    return {
        "locks": task.spec.get("locks"),
        "wanted": wanted,
        "databases": [
            {name: each[name] for name in ("database", "migrations", "excused")} for each in reversal["databases"]
        ],
    }


def unapply():
    """In a process of its own: reverses what was planned, and compares the database with what has to fit it."""
    import django

    django.setup()
    from django.db import connections

    with os.fdopen(task.spec["unapply"], "rb") as file:
        given = json.loads(file.read().decode("ascii"))
    task.spec["wait"], task.spec["leading"] = given["locks"], {}
    told = []
    for each in given["databases"]:
        connection = connections[each["database"]]
        if each["migrations"]:
            unapply_in(connection, each["migrations"])
        wanted = [needs.get(each["database"], {}) for needs in given["wanted"]]
        told.append({"database": each["database"], "misfits": left_in(connection, wanted, each["excused"])})
    task.say(json.dumps({"reversed": told}))


def left_in(connection, wanted, excused):
    """What the versions that come back do not fit now."""
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    return Backwards(executor, wanted, {}, []).told(excused=map(tuple, excused))["misfits"]


def unapply_in(connection, names):
    from django.core.management.sql import emit_pre_migrate_signal
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection, progress)
    loader = executor.loader
    loader.check_consistent_history(connection)
    keys = [tuple(name.split(".", 1)) for name in names]
    gone = [name_of(key) for key in keys if key not in loader.applied_migrations]
    if gone:
        raise SystemExit("%s: not applied any more" % ", ".join(gone))
    rest = [
        name_of(other)
        for key in keys
        for other in loader.graph.backwards_plan(key)
        if other in loader.applied_migrations and other not in keys
    ]
    if rest:
        raise SystemExit("%s: applied since, and depends on what would be reversed" % ", ".join(rest))
    if task.spec["wait"] is not None and connection.vendor == "postgresql":
        guarded(executor)
    plan = [(loader.graph.nodes[key], True) for key in keys]
    state = executor._create_project_state(with_applied_migrations=True)
    # As `migrate` does: a model that gets its old name back takes its content type along.
    emit_pre_migrate_signal(0, False, connection.alias, apps=state.apps, plan=plan)
    executor.migrate(None, plan=plan, state=state.clone())


def guarded(executor):
    """Its locks are taken without making others wait (guard.py)."""
    from rollout_inspector.guard import Guard

    own = executor.unapply_migration

    def unapply_migration(state, migration, *args, **options):
        with executor.connection.execute_wrapper(Guard(executor.connection, migration)):
            return own(state, migration, *args, **options)

    executor.unapply_migration = unapply_migration
    task.say(json.dumps({"locking": {"ready": True}}))


def progress(action, migration=None, fake=False):
    """As `migrate` prints it."""
    if action == "unapply_start":
        print("  Unapplying %s..." % migration, end="", flush=True)
    elif action == "unapply_success":
        print(" OK", flush=True)
