"""Whether a new constraint refuses no more than those of today: then no version notices it, whatever its name is.

A constraint is a dict: `name`; of a unique one `columns` and `parts` (expressions), `nulls` (NULL is equal to NULL), `rank` (how
late it is looked at); `condition` as Django has it, and `text` as SQL, None where it cannot be read.
"""
import re

from rollout_inspector import asking

# The later, the looser.
ranks = {None: 0, "immediate": 1, "deferred": 2}


def unique(columns, name=None, text="", nulls=False, rank=0, condition=None, parts=(), opclasses=()):
    return dict(kind="unique", name=name, columns=columns, text=plain(text), nulls=nulls, rank=rank, condition=condition, parts=parts, opclasses=opclasses)


def of_constraint(constraint, columns, text):
    """`columns`: of its fields."""
    if type(constraint).__name__ != "UniqueConstraint":
        condition = None
        if type(constraint).__name__ == "CheckConstraint":
            condition = constraint.__dict__.get("condition", constraint.__dict__.get("check"))
        return dict(kind="check", name=constraint.name, condition=condition, text=plain(text), own=constraint)
    more = {key: getattr(constraint, of, None) or () for key, of in (("parts", "expressions"), ("opclasses", "opclasses"))}
    nulls = getattr(constraint, "nulls_distinct", None) is False
    rank = ranks.get(getattr(getattr(constraint, "deferrable", None), "value", None), 2)
    return unique(columns, constraint.name, text, nulls, rank, constraint.condition, **more)


def of_today(connection, table, kind):
    """Those that the database has."""
    if connection.vendor != "postgresql":
        return []
    query = asking.uniques_of if kind == "unique" else asking.checks_of
    # A limit would be one of the transaction that somebody is in.
    rows = asking.rows_of(connection, query, [connection.ops.quote_name(table)], limit=None) or []
    if kind == "check":
        return [dict(kind="check", name=name, condition=None, text=plain(text), own=None) for name, text, _ in rows]
    return [
        unique(columns, None, text or "", nulls, 0 if at_once else 2)
        for _, columns, parts, text, _, nulls, at_once, is_index, _ in rows
        if is_index and parts is None
    ]


def is_covered(new, old):
    """Whether what `new` refuses is refused by `old`."""
    if new["kind"] != old["kind"]:
        return False
    is_same = bool(new["text"]) and new["text"] == old["text"]
    if new["kind"] == "check":
        return is_same or is_alike(new["own"], old["own"]) or implies(old["condition"], new["condition"])
    if not set(old["columns"]) <= set(new["columns"]) or any(each not in new["parts"] for each in old["parts"]):
        return False
    if new["nulls"] and not old["nulls"] or old["rank"] > new["rank"] or list(old["opclasses"]) != list(new["opclasses"]):
        return False
    # Of all rows, or at least of these.
    return old["text"] == "" and old["condition"] is None or is_same or implies(new["condition"], old["condition"])


def is_alike(new, old):
    """Of one class that is not known here, such as ExclusionConstraint."""
    told = [each and {key: value for key, value in each.deconstruct()[2].items() if key != "name" and "violation" not in key} for each in (new, old)]
    return bool(new and old) and type(new) is type(old) and told[0] == told[1]


def implies(one, other):
    """Whether each row that meets `one` certainly meets `other`, too: conditions of Django."""
    from django.db.models import Q

    if one is None or other is None:
        return False
    if one == other:
        return True
    if isinstance(one, tuple) and isinstance(other, tuple):
        return is_within(one, other)
    if isinstance(one, Q) and isinstance(other, Q) and one.negated and other.negated:
        one, other = [Q(*each.children, _connector=each.connector) for each in (other, one)]
        return implies(one, other)
    if isinstance(other, Q) and not other.negated and other.children and other.connector != "XOR":
        found = [implies(one, each) for each in other.children]
        if all(found) or other.connector == Q.OR and any(found):
            return True
    if isinstance(one, Q) and not one.negated and one.children:
        found = [implies(each, other) for each in one.children]
        return all(found) or one.connector == Q.AND and any(found)
    return False


def is_within(one, other):
    """Of two comparisons of one column with values: numbers, texts and times."""
    (column, kind), (of, other_kind) = [tuple((each[0] + "__exact").split("__")[:2]) for each in (one, other)]
    if column != of or any(each[0].count("__") > 1 for each in (one, other)):
        return False
    try:
        if kind in ("in", "exact"):
            values = list(one[1]) if kind == "in" else [one[1]]
            return all(meets(each, other_kind, other[1]) for each in values)
        if kind in ("gt", "gte") and other_kind in ("gt", "gte") or kind in ("lt", "lte") and other_kind in ("lt", "lte"):
            # x > 5 says more than x >= 5.
            return meets(one[1], other_kind[:2] + ("e" if kind == other_kind or kind in ("gt", "lt") else ""), other[1])
    except TypeError:
        pass
    return False


def meets(value, kind, limit):
    if kind == "in":
        return value in list(limit)
    if kind != "exact" and isinstance(value, str):
        # The order of texts is that of the database.
        return False
    tests = {"exact": "__eq__", "gt": "__gt__", "gte": "__ge__", "lt": "__lt__", "lte": "__le__"}
    return kind in tests and getattr(value, tests[kind])(limit) is True


def plain(text):
    """The same of what PostgreSQL has made of a condition and of how people write it; what differs in more is another one."""
    if not text or re.search(r"'[^']*[:()\"!][^']*'", text):
        return text
    text = re.sub(r"::(character varying|double precision|timestamp with(out)? time zone|\w+)(\(\d+\))?(\[\])?", "", text)
    text = re.sub(r'"(\w+)"', r"\1", text).replace("!=", "<>")
    before = None
    while before != text:
        before = text = text.strip()
        # Around a name, a value or a comparison.
        text = re.sub(r"(?<!\w)(?<!\w )\(([\w.']+)\)", r"\1", text)
        text = re.sub(r"(?:(?<=^)|(?<=\()|(?<=AND )|(?<=OR ))\(((?:(?! AND | OR |NOT )[^()])*)\)(?=$|\)| AND | OR )", r"\1", text)
        if text[:1] == "(" and text[-1:] == ")" and depth_of(text[1:-1]):
            text = text[1:-1]
    return text


def depth_of(text):
    """Whether its brackets are in pairs."""
    from rollout_inspector.reader import signs_of

    return all(depth >= 0 for _, _, depth in signs_of(text))
