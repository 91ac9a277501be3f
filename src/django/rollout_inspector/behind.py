"""What the new version takes for granted of a migration that is held back, though no column or table is missing.

It would run, and fail, or read and write what is not meant: its column has the name of one that is removed, an older type,
a constraint that it does not know; or rows are not there that the migration's code makes.
"""
from rollout_inspector import remaining
from rollout_inspector.effects import is_code, steps_of
from rollout_inspector.judge import of_types


def lacks(search, new):
    """Returns why it is not possible to hold back what is held back; None where it is."""
    for migration in search.pending:
        if search.name(migration) in search.held:
            for step in steps_of(migration.operations):
                if is_code(step) and not does_nothing(step):
                    return words(search, migration, "runs %s, whose rows the new version may need" % type(step).__name__)
    for migration, what, _ in search.all.effects.unread:
        if search.name(migration) in search.held:
            return words(search, migration, "does more than can be read (%s)" % what)
    for migration, statement in search.all.effects.more:
        if search.name(migration) in search.held:
            return words(search, migration, "runs \"%s\", which the new version may need" % statement)
    for table, columns, event in search.all.effects.loosened:
        need = new.get(table, {"c": {}})["c"]
        if need and event.migration and search.name(event.migration) in search.held:
            if columns is None or all(column in need for column in columns):
                of = "%s.%s" % (table, ",".join(columns)) if columns else table
                return words(search, event.migration, "drops a constraint on %s, which the new version may violate" % of)
    found = remaining.refusing(search, new)
    if found:
        table, constraint, event = found
        return words(search, event and event.migration, "drops %s, by which %s may refuse what the new version writes" % (constraint, table))
    for table in sorted(set(search.all.catalog.changed) & set(new)):
        now, then = search.judge.catalog.get(table), search.all.catalog.get(table)
        for column, wanted in sorted(new[table]["c"].items()):
            has, will = [each["columns"].get(column) if each else None for each in (now, then)]
            why = has and will and differs(wanted, has, will, *[parents_of(each, column) for each in (now, then)])
            if why:
                event = search.all.effects.cause_of(table, column)
                return words(search, event and event.migration, "%s %s.%s" % (why, table, column))
    return None


def differs(wanted, has, will, parents, parents_then):
    if has.get("origin") != will.get("origin"):
        return "puts another column in the place of"
    if wanted.get("n") and will["null"] and not has["null"]:
        return "allows NULL in"
    if will["type"] and will["type"] != has["type"]:
        kind = has["type"] or will.get("was")
        if kind is None or of_types(wanted["t"], kind)[0]:
            return "changes the type of"
    if parents - parents_then:
        return "changes the foreign key of"
    return None


def parents_of(table, column):
    return {(parent, table.get("targets", {}).get(column)) for name, parent in table["fks"] if name == column}


def does_nothing(step):
    from django.db.migrations import RunPython

    return is_code(step) and getattr(step, "code", None) is RunPython.noop


def words(search, migration, does):
    name = search.name(migration) if migration else "what would be held back"
    after = search.held.get(name, {}).get("after")
    if after:
        return "%s depends on %s, and %s%s" % (name, after, does, way(search, name))
    return "%s also %s%s" % (name, does, way(search, name))


def way(search, name):
    after = search.held.get(name, {}).get("after")
    rule = search.held.get(after or name, {}).get("rule")
    # A new column has nothing to put elsewhere.
    if rule == "insert-refused":
        return ""
    what = {"null-refused": "NOT NULL", "narrowed": "the shorter column", "fk-added": "the foreign key"}.get(rule, "the removal")
    return (": let %s come last" if after else ": put %s into a separate migration") % what
