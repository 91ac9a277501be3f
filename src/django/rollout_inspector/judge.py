"""What does not fit between code and a database, by the rules of rules.json. Pure.

`misfits` is a set difference's half: only what fitted before and does not fit after is a finding. What was amiss
before is not this release's doing: legacy tables, other databases, dead apps.
"""
import json
import os
import re

RULES = json.loads(
    __loader__.get_data(os.path.join(os.path.dirname(__file__), "rules.json")).decode("utf-8")
)

# From, to: what holds all values of the former.
wider = {
    ("smallint", "integer"),
    ("smallint", "bigint"),
    ("integer", "bigint"),
    ("real", "double precision"),
    ("varchar", "text"),
    ("varchar", "longtext"),
    ("char", "varchar"),
    ("char", "text"),
    ("json", "jsonb"),
    ("bool", "boolean"),
}
bytes_of = {"smallint": 2, "integer": 4, "bigint": 8}
texts = ("varchar", "char", "text", "longtext", "citext")
# Between these, queries certainly fail. The bool of MySQL is a number.
families = (
    ("smallint", "integer", "bigint", "numeric", "decimal", "real", "double precision", "bool"),
    ("boolean",),
    texts,
    ("json", "jsonb"),
    ("uuid",),
    ("interval",),
    ("bytea",),
    ("date", "time", "timestamp", "timestamp with time zone", "timestamp without time zone"),
)


def parts_of(text):
    """`numeric(10, 2)` is ("numeric", [10, 2]), and `varchar(9)[]` is ("varchar[]", [9])."""
    found = re.match(r"([^(\[]*)(?:\(([\d, ]+)\))?", text)
    sizes = [int(each) for each in re.findall(r"\d+", found.group(2) or "")]
    return found.group(1).strip().lower() + "[]" * text.count("["), sizes


def family_of(kind):
    return next((family for family in families if kind in family), None)


def of_types(old, new):
    """Returns the rule that a change of a column's type meets, and whether queries certainly fail."""
    if not old or not new or old == new:
        return None, False
    (kind, sizes), (other, others) = parts_of(old), parts_of(new)
    # The elements of arrays are as the values of columns.
    depth, other_depth = kind.count("[]"), other.count("[]")
    if depth != other_depth:
        return "retyped", True
    kind, other = kind.replace("[]", ""), other.replace("[]", "")
    if kind == other:
        if kind in ("numeric", "decimal") and len(sizes) == len(others) == 2:
            whole, others_whole = sizes[0] - sizes[1], others[0] - others[1]
            return ("narrowed" if others_whole < whole or others[1] < sizes[1] else None), False
        if not others:
            return None, False
        return ("narrowed" if not sizes or others[0] < sizes[0] else None), False
    if kind in ("text", "longtext") and other in ("varchar", "char") and others:
        return "narrowed", False
    if (kind, other) in wider:
        # char(32) fits into varchar(32), and not into varchar(5).
        return ("narrowed" if sizes and others and others[0] < sizes[0] else None), False
    families_of = [family_of(kind), family_of(other)]
    # JSON is written into a text, and read from it, as it is.
    crossed = None not in families_of and families_of[0] is not families_of[1]
    return "retyped", crossed and not ("json" in families_of[0] and families_of[1] is texts)


def limit_of(kind, sizes):
    """The first number that is too large for a type of numbers; None for another type, and where it has no limit."""
    if kind in bytes_of:
        return 2 ** (8 * bytes_of[kind] - 1)
    return 10 ** (sizes[0] - sizes[1]) if kind in ("numeric", "decimal") and len(sizes) == 2 else None


def holds_less(old, new):
    """Whether values of one type may be too large for another one."""
    (kind, sizes), (other, others) = parts_of(old), parts_of(new)
    if kind in texts and other in ("varchar", "char"):
        return bool(others) and (not sizes or others[0] < sizes[0])
    held, most = limit_of(kind, sizes), limit_of(other, others)
    return bool(held and most and most < held)


def misfits(needs, table_of, tables, is_new):
    """Returns what does not fit: {(rule, table, column): more about it}.

    needs     of one version, by table
    table_of  returns a table of the catalog, by its name
    tables    those to look at
    is_new    it is the version of this release, which knows what its migrations make
    """
    found = {}

    def add(rule, table, column="", **more):
        found[(rule, table, column)] = more

    for name in sorted(tables):
        need = needs.get(name)
        have = table_of(name)
        if need is None:
            # A table that is left behind holds on to rows of others.
            for column, parent in have["fks"] if have and is_new else ():
                if parent in needs:
                    add("delete-refused", name, column, parent=parent)
            continue
        if have is None:
            add("table-gone", name)
            continue
        is_view = have["kind"] == "view"
        columns = have["columns"]
        if have["kind"] == "unknown":
            # The new version may be made for it.
            if not is_new:
                add("unread", name, detail="the columns of the table %s" % name)
            continue
        if is_view and not columns:
            # The new version may be made for it.
            if not (is_new and need.get("u")):
                add("view", name)
            continue
        for column, wanted in need["c"].items():
            has = columns.get(column)
            if has is None:
                add("column-gone", name, column)
                continue
            if is_view:
                continue
            if wanted.get("n") and not has["null"]:
                add("null-refused", name, column)
            if has.get("generated") and not wanted.get("g"):
                add("generated", name, column)
            # The default of the code is used before that of the database.
            relies = wanted.get("g") or wanted.get("l") or wanted.get("d") and not wanted.get("p")
            if relies and not has["filled"] and not has["null"]:
                add("default-gone", name, column)
            rule, sure = of_types(wanted["t"], has["type"])
            if rule:
                add(rule, name, column, sure=sure, to=has["type"], **{"from": wanted["t"]})
            where = has.get("collation") and has["refuses_like"] and wanted.get("s")
            # By a collation that refuses LIKE the code certainly fails.
            if has.get("collation") and not is_new and (where or not rule):
                kind = "%s COLLATE %s" % (has["type"] or wanted["t"], has["collation"])
                add("retyped", name, column, to=kind, where=where, **{"from": wanted["t"]})
        if is_view:
            continue
        for column, has in columns.items():
            if column not in need["c"] and not has["null"] and not has["filled"]:
                add("insert-refused", name, column)
        for column, kind, by in () if is_new else have.get("computed", ()):
            known = need["c"].get(column, {}).get("t", "")
            if holds_less(known, kind):
                add("narrowed", name, column, to="%s by the generated column %s" % (kind, by), **{"from": known})
        for column, parent in have["fks"]:
            known = need["c"].get(column)
            if known is None:
                # Rows of the running version do not have the new column yet.
                if is_new and parent in needs:
                    add("delete-refused", name, column, parent=parent)
            elif not is_new and is_other(known.get("r"), parent, have.get("targets", {}).get(column), table_of):
                add("fk-added", name, column, parent=parent)
        if not is_new:
            for unique in need.get("q", ()):
                if unique not in have["arbiters"].values() and all(each in columns for each in unique):
                    by = ",".join(unique)
                    add("unique-gone", name, by, where=need.get("w", {}).get(by))
            anew = have.get("anew", ())
            for unique in have["uniques"]:
                # The old code leaves NULL in a column that it does not know, and NULL is equal to nothing.
                new_columns = [columns[each] for each in unique if each in columns and each not in need["c"]]
                if unique not in have.get("nulls", ()) and any(each["null"] and not each["filled"] for each in new_columns):
                    continue
                add("unique", name, ",".join(unique), anew=["unique", unique] in anew)
            for check in have["checks"]:
                # That of a column that the old code does not know judges its default, or NULL.
                if check in columns and check not in need["c"]:
                    continue
                add("check", name, check, anew=["check", check] in anew)
    return found


def is_other(reference, parent, target, table_of):
    """Whether a foreign key is not the one that the code knows, and not that one to a table with a new name."""
    if not (reference and reference[1]):
        return True
    if reference[0] == parent:
        known = table_of(parent)
        # Under a new name it is that one.
        return bool(target and reference[2:]) and target != reference[2] and bool(known) and reference[2] in known["columns"]
    known = table_of(reference[0])
    return known is not None and known["kind"] == "table"


def regressions(found, before):
    """What was not amiss before. Of a table or column that was not there, nothing worked before.

    A constraint may have become another one under the same key."""

    def was_there(table, column):
        return ("table-gone", table, "") not in before and ("column-gone", table, column) not in before

    return [key for key, more in found.items() if (key not in before or more.get("anew")) and was_there(*key[1:])]


def severity_of(rule, more, need, is_new):
    """breaks, may or unknown, by the rule and by what is known of this case."""
    severity = RULES[rule]["severity"]
    if rule == "retyped" and more.get("sure"):
        severity = "breaks"
    if rule == "null-refused" and more.get("nulls") and not more.get("filled"):
        severity = "breaks"
    # The latest rows or the code show that it is written, or rows refer to what the new version may delete.
    if more.get("lately") or more.get("where") or more.get("referred"):
        severity = "breaks"
    # What no operation makes may come by another way: a step in Python, a table of another program.
    if severity == "breaks" and is_new and rule != "insert-refused" and not more.get("referred"):
        if more.get("opaque"):
            severity = "unknown"
        elif need.get("u") or need.get("o"):
            severity = "may"
    return severity
