"""Tries what a running version sends, after a migration's operations and before its commit. Runs inside of the migrate command.

A trigger, a view or SQL that cannot be read decides by itself whether a row is taken. So its table is asked: a query of each kind,
with a row of today, before the operations and after them. What fitted before and is refused after makes the migration fail, and
its transaction is rolled back. All of it is in a savepoint that is always rolled back, and waits for nobody: what is not
answered at once is not known. A step in Python may change any table: the catalog is asked for the columns of all.
"""
import contextlib
import json
import re
import time

from rollout_inspector import allows, sessions, task

# For a lock and for a statement, in ms; for all tables, in seconds.
lock_ms, statement_ms, longest = 100, 1000, 2
# Less than this is not worth a try, in ms.
least_ms = 50
# Of an unread statement that names no table.
most_tables = 200
# A newer one may be in use, and gone a moment later.
place = 8
# unique_violation, exclusion_violation: the same row is there already
taken = ("23505", "23P01")
# The same by the number that the database gives to a new row.
number_taken = "number taken"
# not_null_violation, object_not_in_prerequisite_state, and classes: raised by code, syntax error or access rule (but not a
# setting that this session does not have), not supported, an error in a trigger, WITH CHECK OPTION
refusing = re.compile(r"23502|55000|27|P0|42(?!704)|0A|09|2F|38|39|44|number taken")
# What no setting of a session decides: a column, a table or a function that is not there, a view that takes no rows.
by_schema = re.compile(r"42703|42P01|42883|55000|0A")
# data exception, foreign_key_violation, check_violation: by what the row has
by_values = re.compile(r"22|23503|23514")
# What a rollback does not take back; a lock of the session stays, too.
calls_out = (
    r"\ydblink|\y(https?\w*|curl\w*|pg_background\w*|aws_\w+\.\w+|lo_export|pg_file_\w+|pg_logical_emit_message"
    r"|pg_(try_)?advisory_lock\w*)\s*\(|\y(to|from)\s+program\y"
)
# A row of a few of these would fill the memory of the pod.
largest = 10**6
fits, unknown, kinds = "fits", "not known", ("SELECT", "INSERT", "UPDATE", "DELETE")


def planned(judge, pending):
    """By migration, the tables to try: [{"table", "model", "needs", "versions", "file", "how", "unset"}]; how: by a "row" of today, as
    "anew" where SQL makes the table again, or by the "catalog" alone; unset: settings of a session that no code names."""
    from rollout_inspector.effects import is_code, steps_of
    from rollout_inspector.verdict import any_runs

    found = {}
    if judge.connection.vendor != "postgresql" or task.spec.get("unsafe") == "allow":
        return found
    accepted, _ = allows.comments_of(pending)
    # Its refusal is known, and somebody wants it.
    wanted = {each["table"] for each in judge.findings if (each["rule"], each["object"]) in accepted and each["severity"] == "breaks"}
    by_name = {"%s.%s" % (each.app_label, each.name): each for each in pending if each.atomic}

    def add(name, table, versions, how="row"):
        for index in versions:
            need = judge.known[index][0].get(table)
            if need and any_runs([index]) and table not in wanted and ("write-refused", table) not in accepted:
                tries = found.setdefault("%s %s" % (judge.alias, name), [])
                same = [each for each in tries if each["table"] == table and each["needs"] == need["c"] and each["how"] == how]
                if not same:
                    same = [{"table": table, "model": need["m"], "needs": need["c"], "versions": []}]
                    same[0].update(file=allows.file_of(by_name[name]), how=how)
                    tries += same
                if index not in same[0]["versions"]:
                    same[0]["versions"].append(index)

    every = range(len(judge.known))
    for each in judge.findings:
        if each["rule"] in ("unread", "view") and each["table"] and each["migration"] in by_name:
            add(each["migration"], each["table"], each["versions"], "anew" if each["rule"] == "unread" else "row")
    needed = sorted({each for needs, _ in judge.known for each in needs})
    for migration, statement, table in judge.effects.unread if judge.effects else ():
        name = "%s.%s" % (migration.app_label, migration.name)
        names = needed if table is None else [table]
        # What it names first.
        for each in sorted(names, key=lambda each: each not in statement)[:most_tables] if name in by_name else ():
            add(name, each, every)
    unset = unset_in(pending)
    for each in [each for tries in found.values() for each in tries]:
        each["unset"] = unset
    predicted = {(each["migration"], each["table"]) for each in judge.findings if each["severity"] == "breaks"}
    for name, migration in by_name.items():
        # SQL may call a function that does anything.
        calls = judge.effects and any(each is migration for each, _ in judge.effects.more)
        if calls or any(map(is_code, steps_of(migration.operations))):
            for each in needed:
                if (name, each) not in predicted:
                    add(name, each, every, "catalog")
    return found


def unset_in(pending):
    from rollout_inspector.effects import steps_of, texts_of

    try:
        return sessions.unset_of([text for each in pending for step in steps_of(each.operations) for text in texts_of(step)])
    except Exception:
        # A package that cannot be found: then it is not known.
        return []


class Last:
    """In place of the transaction of a schema editor: what is left to do before its commit."""

    def __init__(self, transaction, work):
        self.transaction, self.work = transaction, work

    def __exit__(self, *error):
        if error[0] is None:
            try:
                self.work()
            except BaseException as raised:
                self.transaction.__exit__(type(raised), raised, raised.__traceback__)
                raise
        return self.transaction.__exit__(*error)


class Trial:
    """Of one migration."""

    def __init__(self, connection, name, tries):
        self.connection, self.name, self.tries = connection, name, tries
        self.quote = connection.ops.quote_name
        self.end = 0

    def around(self, apply):
        """Migration.apply with a trial."""

        def tried(state, editor, *args, **options):
            before = self.asked([{} for _ in self.tries]) if editor.atomic_migration else None
            after = apply(state, editor, *args, **options)
            if before:
                editor.atomic = Last(editor.atomic, lambda: self.judge(before))
            return after

        return tried

    def judge(self, before):
        from django.core.management import CommandError

        found = []
        # A table may be tried in two ways.
        refused = set()
        for each, was, now in zip(self.tries, before, self.asked(before)):
            detail = refusal(was, now, each["how"] == "anew")
            version = (each["table"], tuple(each["versions"]))
            if detail and version not in refused:
                refused.add(version)
                found.append("%s refuses %s" % (each["table"], detail))
                finding = {
                    "rule": "write-refused",
                    "severity": "breaks",
                    "database": self.connection.alias,
                    "object": each["table"],
                    "column": "",
                    "direction": "running",
                    "migration": self.name,
                    "detail": detail,
                }
                finding.update((key, each[key]) for key in ("table", "model", "versions", "file"))
                task.say(json.dumps({"tried": finding}))
        if found and task.spec["unsafe"] != "warn":
            raise CommandError("%s: %s. Its transaction is rolled back" % (self.name, "; ".join(found)))

    def asked(self, before):
        """What becomes of each kind of query, by table; None where it is not tried."""
        found = [None] * len(self.tries)
        if self.run("SHOW transaction_isolation")[0][0] != "read committed":
            # The first look would decide what the migration sees of the rows.
            return found
        for ask, ways in ((self.by_catalog, ["catalog"]), (self.by_row, ["row", "anew"])):
            chosen = [at for at, each in enumerate(self.tries) if each["how"] in ways]
            with self.undone():
                try:
                    for at, outcome in zip(chosen, ask([self.tries[at] for at in chosen], [before[at] for at in chosen])):
                        found[at] = outcome
                except Exception:
                    # A migration is never stopped by what the trial cannot do.
                    pass
        return found

    def by_row(self, tries, before):
        if not tries or self.calls_out():
            return []
        self.end = time.monotonic() + longest
        limits = "SELECT set_config('lock_timeout', %s, true), set_config('statement_timeout', %s, true)"
        self.run(limits, [str(lock_ms), str(statement_ms)])
        # What is left for the commit is asked at once.
        self.run("SET CONSTRAINTS ALL IMMEDIATE")
        return [
            self.outcomes(each, was) if time.monotonic() < self.end and was is not None else None
            for each, was in zip(tries, before)
        ]

    def by_catalog(self, tries, before):
        query = (
            "SELECT n.name, a.attname::text, a.attnotnull AND NOT a.atthasdef AND a.attidentity = '' AND t.typdefault IS NULL "
            # One for each row before an INSERT may fill it.
            "AND NOT EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = a.attrelid AND g.tgtype & 7 = 7 AND NOT g.tgisinternal) "
            "FROM unnest(%s::text[]) n(name) JOIN pg_attribute a ON a.attrelid = to_regclass(n.name) AND a.attnum > 0 "
            "AND NOT a.attisdropped JOIN pg_type t ON t.oid = a.atttypid"
        )
        columns = {}
        for name, column, is_wanted in self.run(query, [[self.quote(each["table"]) for each in tries]]) if tries else ():
            columns.setdefault(name, {})[column] = is_wanted
        return [by_columns(each["needs"], columns.get(self.quote(each["table"]))) for each in tries]

    def outcomes(self, each, was):
        """{kind: (fits, unknown or a code, words)}, and the row that it was asked with."""
        try:
            with self.undone():
                found = self.outcomes_of(each, was)
            depends = any(found.get(kind, (fits,))[0] != fits for kind in kinds) and self.depends(self.quote(each["table"]), each.get("unset", ()))
        except Exception:
            return None
        for kind in kinds if depends else ():
            if kind in found and found[kind][0] != fits and not by_schema.match(found[kind][0]):
                # The web may have set what this session has not.
                found[kind] = (unknown, "")
        return found

    def outcomes_of(self, each, was):
        table, columns = self.quote(each["table"]), sorted(each["needs"])
        named = ", ".join(map(self.quote, columns))
        # Of a view, to read a row may take long.
        found = {"SELECT": self.attempt("SELECT %s FROM %s LIMIT 0" % (named, table), is_row=False)}
        if found["SELECT"][0] != fits or self.is_apart(table):
            return found
        index, own_key = self.key_of(table)
        key = was.get("key") or own_key
        if not key or any(part not in columns for part in key):
            return found
        row, found["key"] = self.row_of(table, columns, key, was.get("row")), key
        # Of a row that it was not asked with before, its values say nothing.
        found["is_same"] = row is not None and row == was.get("row") or not was
        found["is_there"] = row is not None
        row = found["row"] = row or was.get("row")
        if row is None:
            return found
        where = " AND ".join("%s = %%s" % self.quote(part) for part in key)
        at = [row[part] for part in key]
        delete = ("DELETE FROM %s WHERE %s" % (table, where), at)
        sent = [name for name in columns if is_sent(each["needs"][name])]
        values = [row[name] for name in sent]
        insert = "INSERT INTO %s (%s) VALUES (%s)" % (table, ", ".join(map(self.quote, sent)), ", ".join(["%s"] * len(sent)))
        if not sent:
            insert = "INSERT INTO %s DEFAULT VALUES" % table
        if any(each["needs"][part].get("g") for part in key):
            # Django asks for the number of a new row.
            insert += " RETURNING " + ", ".join(map(self.quote, key))
        found["INSERT"] = self.attempt(insert, values, index)
        if found["INSERT"][0] in taken and found["is_there"]:
            found["INSERT"] = self.attempt(insert, values, index, first=delete)
        if found["is_there"]:
            written = [name for name in columns if name not in key and not each["needs"][name].get("g")]
            set_to = ", ".join("%s = %%s" % self.quote(name) for name in written)
            if written:
                update = "UPDATE %s SET %s WHERE %s" % (table, set_to, where)
                found["UPDATE"] = self.attempt(update, [row[name] for name in written] + at)
            # One that keeps the row, as a deletion that is only noted, fails in no request.
            found["DELETE"] = self.attempt(*delete, is_row=False)
        return found

    def is_apart(self, table):
        """Whether it is a table of others: its rows are elsewhere."""
        rows = self.run("SELECT relkind = ANY('{r,p,v}') FROM pg_class WHERE oid = to_regclass(%s)", [table])
        return not rows or not rows[0][0]

    def calls_out(self):
        """Whether any function reaches what no rollback takes back. One calls another, and a row leads to other tables."""
        query = (
            "SELECT EXISTS (SELECT 1 FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang WHERE p.oid >= 16384 "
            "AND p.prorettype <> 'event_trigger'::regtype AND (p.prosrc ~* %s OR NOT l.lanpltrusted AND l.lanname <> 'c') "
            "AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'))"
        )
        return self.run(query, [calls_out])[0][0]

    def depends(self, table, unset):
        """Whether a setting that the web may have decides what becomes of a row: in a trigger, a policy or a default, or what
        they name."""
        query = (
            "WITH RECURSIVE t(src) AS ((SELECT p.prosrc FROM pg_trigger g JOIN pg_proc p ON p.oid = g.tgfoid WHERE NOT g.tgisinternal "
            "AND (g.tgrelid = r OR g.tgrelid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = r)) "
            "UNION SELECT concat(pg_get_expr(polqual, r), pg_get_expr(polwithcheck, r)) FROM pg_policy WHERE polrelid = r "
            "UNION SELECT pg_get_expr(adbin, r) FROM pg_attrdef WHERE adrelid = r "
            "UNION SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = r AND contype = 'c' "
            "UNION SELECT pg_get_viewdef(oid) FROM pg_class WHERE oid = r AND relkind = 'v') "
            "UNION SELECT p.prosrc FROM t JOIN pg_proc p ON p.oid >= 16384 AND (strpos(lower(t.src), lower(p.proname::text)) > 0 "
            "OR EXISTS (SELECT 1 FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid WHERE g.tgfoid = p.oid "
            "AND NOT g.tgisinternal AND strpos(lower(t.src), lower(c.relname::text)) > 0))) "
            "SELECT src FROM t WHERE src ~* 'current_setting'"
        )
        oid = self.run("SELECT to_regclass(%s)::oid", [table])[0][0]
        texts = self.run(re.sub(r"\br\b", str(oid), query)) if oid is not None else ()
        return any(name not in unset for (text,) in texts for name in sessions.asked_by(text))

    def key_of(self, table):
        """The primary key's name and columns."""
        query = (
            "SELECT c.relname::text, a.attname::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
            "JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey) "
            "WHERE i.indisprimary AND i.indrelid = to_regclass(%s)"
        )
        rows = self.run(query, [table])
        return rows[0][0] if rows else None, [column for _, column in rows]

    def row_of(self, table, columns, key, last):
        """The row of before, or else one of the latest ones, as texts: a column takes those whatever its type is."""
        from django.db import Error

        try:
            with self.undone():
                return self.found(table, columns, key, last)
        except Error:
            # It takes long, or its values are others now.
            return None

    def found(self, table, columns, key, last):
        names, keys = [", ".join("%s::text" % self.quote(each) for each in of) for of in (columns, key)]
        order = ", ".join("%s DESC" % self.quote(each) for each in key)
        where = " AND ".join("%s = %%s" % self.quote(each) for each in key)
        size = " + ".join("coalesce(octet_length(%s::text), 0)" % self.quote(each) for each in columns)
        at = [[last[each] for each in key]] if last else []
        for values in at + self.run("SELECT %s FROM %s ORDER BY %s LIMIT %d" % (keys, table, order, place))[::-1]:
            rows = self.run("SELECT %s FROM %s WHERE %s AND %s < %d" % (names, table, where, size, largest), list(values))
            if rows:
                return dict(zip(columns, rows[0]))
        return None

    def attempt(self, query, values=None, index=None, first=None, is_row=True):
        """What becomes of a query: it is as if it had never been sent."""
        from django.db import Error

        left = int((self.end - time.monotonic()) * 1000)
        if left < least_ms:
            return unknown, ""
        with self.undone():
            try:
                self.run("SELECT set_config('statement_timeout', %s, true)", [str(min(left, statement_ms))])
                with self.connection.cursor() as cursor:
                    if first:
                        cursor.execute(*first)
                    cursor.execute(query, values)
                    is_done = cursor.rowcount > 0 or not is_row
                return (fits, "") if is_done else ("P0", "it does nothing")
            except Error as error:
                diagnosis = getattr(error.__cause__, "diag", None)
                is_number = index and " RETURNING " in query and getattr(diagnosis, "constraint_name", None) == index
                return number_taken if is_number else code_of(error) or unknown, words_of(error, diagnosis)

    @contextlib.contextmanager
    def undone(self):
        """What is sent within is as if it had never been sent."""
        self.run("SAVEPOINT rollout_trial")
        try:
            yield
        finally:
            self.run("ROLLBACK TO SAVEPOINT rollout_trial")
            self.run("RELEASE SAVEPOINT rollout_trial")

    def run(self, query, values=None):
        with self.connection.cursor() as cursor:
            cursor.execute(query, values)
            return cursor.fetchall() if cursor.description else []


def is_sent(need):
    """Whether Django's INSERT has a value for it."""
    return not need.get("g") and not need.get("l") and (bool(need.get("p")) or not need.get("d"))


def by_columns(needs, columns):
    """What becomes of a query by the columns alone: {name: whether each row has to give it}. Pure."""
    gone = sorted(set(needs) - set(columns or ()))
    wanted = sorted(name for name, is_wanted in (columns or {}).items() if is_wanted and not is_sent(needs.get(name, {"g": 1})))
    select = ("42703", 'column "%s" does not exist' % gone[0]) if gone else (fits, "")
    return {
        "SELECT": select if columns else ("42P01", "the table does not exist"),
        "INSERT": ("23502", 'column "%s" is NOT NULL without a default' % wanted[0]) if wanted else (fits, ""),
    }


def refusal(before, after, is_anew=False):
    """The first kind of query that fitted before and is refused now, with the words of the database. Pure."""
    if is_anew and before and before.get("is_there") and after and after.get("is_there") is False:
        return "SELECT: its rows are gone"
    for kind in kinds:
        was, now = [(each or {}).get(kind) or (unknown, "") for each in (before, after)]
        if was[0] == fits and is_refused(now[0], bool(after and after.get("is_same"))):
            return "%s: %s" % (kind, now[1])
    return None


def is_refused(code, is_same):
    return bool(refusing.match(code) or is_same and by_values.match(code)) and code not in (fits, unknown)


def code_of(error):
    cause = error.__cause__
    return getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)


def words_of(error, diagnosis):
    """Its first sentence. What is between quotes after a colon may be a value."""
    text = getattr(diagnosis, "message_primary", None) or str(error)
    return " ".join(re.sub(r': ".*', "", text.split("\n")[0]).split())[:200]
