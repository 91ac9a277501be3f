"""Reads what SQL statements change of a schema; what it cannot read it says. Pure.

A change is a dict for effects.Event. Statements that change no table (SELECT, UPDATE, indexes that are not unique,
functions, rights) give none.
"""
import re

part = r'(?:"(?:[^"]|"")+"|`(?:[^`]|``)+`|\w+)'
# A name, perhaps quoted, and perhaps with its schema.
name = "(" + part + r"(?:\." + part + ")?)"
column = "(" + part + ")"
harmless = (
    r"(SELECT|INSERT|UPDATE|DELETE|WITH|MERGE|SET|RESET|SHOW|ANALYZE|ANALYSE|VACUUM|GRANT|REVOKE|COMMENT|LOCK|BEGIN|"
    r"START|COMMIT|END|ROLLBACK|SAVEPOINT|RELEASE|REFRESH|REINDEX|COPY|TRUNCATE|VALUES|PRAGMA|OPTIMIZE|CALL|"
    r"CREATE\s+(OR\s+REPLACE\s+)?(EXTENSION|FUNCTION|PROCEDURE|AGGREGATE|SEQUENCE|SCHEMA|TYPE|DOMAIN|COLLATION|ROLE|USER|"
    r"POLICY|PUBLICATION|STATISTICS|OPERATOR|CAST|TEXT|EVENT)|"
    r"CREATE\s+(FULLTEXT\s+|SPATIAL\s+)?INDEX|"
    r"ALTER\s+(EXTENSION|SEQUENCE|INDEX|FUNCTION|PROCEDURE|TYPE|DEFAULT|PUBLICATION|COLLATION|STATISTICS)|"
    r"DROP\s+(INDEX|FUNCTION|PROCEDURE|TRIGGER|SEQUENCE|POLICY|RULE|PUBLICATION|STATISTICS|ROLE|USER|AGGREGATE|EVENT))\b"
)
# What no version needs.
needless = (
    r"(SET|RESET|SHOW|ANALYZE|ANALYSE|VACUUM|COMMENT|LOCK|BEGIN|START|COMMIT|END|ROLLBACK|SAVEPOINT|RELEASE|REINDEX|PRAGMA|"
    r"OPTIMIZE|REVOKE|SELECT [^(]*\Z|CREATE (FULLTEXT |SPATIAL )?INDEX|ALTER INDEX|(CREATE|ALTER|DROP) STATISTICS|"
    r"DROP (INDEX|FUNCTION|PROCEDURE|AGGREGATE|SEQUENCE|PUBLICATION|ROLE|USER|EVENT))\b"
)
needless_actions = (
    r"(VALIDATE|CLUSTER|SET (LOGGED|UNLOGGED|STATISTICS|TABLESPACE)|(SET|RESET) ?\(|REPLICA|ENGINE|ALGORITHM|LOCK|COMMENT|"
    r"ROW_FORMAT|RENAME (INDEX|KEY)|ADD (FULLTEXT|SPATIAL|INDEX|KEY)|DROP (INDEX|KEY|FOREIGN KEY)|"
    r"ALTER (COLUMN )?\S+ (SET|RESET) (STATISTICS|STORAGE|COMPRESSION|\())"
)
changing = r"\b(ALTER|DROP|RENAME|EXECUTE)\b"
# By what a string, a name or a comment begins with: what ends it, and what is like that and does not.
ends = {"'": "''|'", "e'": r"\\.|''|'", '"': '""|"', "`": "``|`"}
begins = re.compile(r"--|/\*|\b[eE]'|'|\"|`|;|(?<![\w\x24])\x24(?:[^\W\d]\w*)?\x24")
# In PostgreSQL it is an operator.
begins_in_mysql = re.compile(begins.pattern + "|#")


def end_of(sql, kind, at, escapes):
    """Where something ends that begins with `kind` before this place; the end of the text where it does not."""
    if kind == ";":
        return at
    if kind in ("--", "#"):
        found = sql.find("\n", at)
    elif kind == "/*":
        found, depth = -1, 1
        for each in re.compile(r"/\*|\*/").finditer(sql, at):
            # MySQL has none inside of another.
            depth += -1 if each.group(0) == "*/" else 0 if escapes else 1
            if depth == 0:
                return each.end()
    elif kind in ends or kind == "E'":
        like = ends["e'" if kind == "'" and escapes else kind.lower()]
        for each in re.compile(like, re.DOTALL).finditer(sql, at):
            if len(each.group(0)) == 1:
                return each.end()
        found = -1
    else:
        found = sql.find(kind, at)
        found = found + len(kind) if found >= 0 else -1
    return len(sql) if found < 0 else found


def statements_of(sql, escapes, literals=None):
    """Splits at semicolons that are not inside of a string, a comment or a dollar-quoted body.

    escapes   a backslash in a string escapes the next letter, as in MySQL; in PostgreSQL only in E'...'
    literals  gets the strings, which are numbered then
    """
    statement, at = [], 0
    special = begins_in_mysql if escapes else begins

    def add(code):
        code = re.sub(r"\s+", " ", code)
        is_doubled = not statement or statement[-1][-1] == " "
        code = code[1:] if is_doubled and code[:1] == " " else code
        if code:
            statement.append(code)

    while at < len(sql):
        found = special.search(sql, at)
        if found is None:
            break
        add(sql[at : found.start()])
        kind = found.group(0)
        at = end_of(sql, kind, found.end(), escapes)
        if kind == ";":
            yield "".join(statement).strip()
            statement = []
        elif kind in ("--", "/*", "#"):
            add(" ")
        else:
            # A string is kept as a whole word; what it says matters only in a condition, and in a body of code.
            word = sql[found.start() : at]
            if kind[-1] == "'":
                word = literal(word, literals)
            statement.append(word)
    add(sql[at:])
    yield "".join(statement).strip()


def literal(word, literals):
    if literals is None:
        return "'x'"
    literals.append(word)
    return "'x%d'" % (len(literals) - 1)


def plain(identifier, vendor):
    """A name as the catalog has it."""
    quote = identifier[:1]
    if quote in ('"', "`"):
        return identifier[1:-1].replace(quote * 2, quote)
    return identifier.lower() if vendor == "postgresql" else identifier


def named(change, vendor):
    """The same with names as the catalog has them, and the schema of the table in a place of its own."""
    for key in ("table", "old", "new", "parent", "target", "column", "to", "name", "collation"):
        if change.get(key):
            parts = [plain(each, vendor) for each in re.findall(part, change[key])]
            change[key] = parts[-1] if parts else change[key]
            if parts[1:] and key in ("table", "old"):
                change["schema"] = parts[0]
    if "columns" in change:
        change["columns"] = sorted(plain(each, vendor) for each in change["columns"])
    return change


def changes_of(sql, vendor="postgresql"):
    literals = []
    if vendor == "mysql" and "/*!" in sql:
        # It is no comment there.
        yield unread(sql)
    for statement in statements_of(sql, vendor == "mysql", literals):
        if statement:
            for change in of_statement(statement):
                if change.get("condition"):
                    change["condition"] = re.sub(r"'x(\d+)'", lambda found: literals[int(found.group(1))], change["condition"])
                if "statement" in change:
                    change["statement"] = re.sub(r"'x\d+'", "'x'", change["statement"])
                yield named(change, vendor)


def beyond(sql, vendor="postgresql"):
    """The statements that may do more than `changes_of` tells and than to make queries faster: rows, rights, sequences,
    functions, types, and all that is not known here."""
    for statement in statements_of(sql, vendor == "mysql", []):
        if statement and not is_all_told(statement):
            yield re.sub(r"'x\d+'", "'x'", statement)[:80]


def is_all_told(statement):
    if re.match(needless, statement, re.IGNORECASE):
        return True
    found = match(r"ALTER TABLE (?:IF EXISTS )?(?:ONLY )?" + name, statement)
    if found:
        actions = split(statement[found.end() :].strip(" *"))
        return all(re.match(needless_actions, each, re.IGNORECASE) or list(of_action("t", each, "")) for each in actions)
    return bool(re.match(r"(DROP (TABLE|(MATERIALIZED )?VIEW)|CREATE UNIQUE INDEX|RENAME TABLE)\b", statement, re.IGNORECASE))


def loose_collations(sql, vendor="postgresql"):
    """Collations that it makes, by which different texts are equal."""
    for statement in statements_of(sql, vendor == "mysql", []):
        found = match(r"CREATE COLLATION (?:IF NOT EXISTS )?" + name, statement)
        if found and re.search(r"\bDETERMINISTIC ?= ?'?(FALSE|OFF|0|NO)\b", statement, re.IGNORECASE):
            yield plain(re.findall(part, found.group(1))[-1], vendor)


def fills_rows(sql):
    """Whether it may give rows that are there a value."""
    return begins_with(r"UPDATE|MERGE|WITH|DO|CALL", sql)


def writes_rows(sql):
    """Whether it may add, change or remove rows: so may a function that is called."""
    return begins_with(r"UPDATE|MERGE|WITH|DO|CALL|INSERT|REPLACE|DELETE|TRUNCATE|COPY|LOAD|SELECT|EXECUTE", sql)


def begins_with(words, sql):
    return any(re.match(r"(%s)\b" % words, each, re.IGNORECASE) for each in statements_of(sql, False))


def unread(statement, **more):
    return dict(more, kind="unread", statement=statement)


def match(pattern, text):
    return re.match(pattern + r"(?=\W|\Z)", text, re.IGNORECASE)


def of_statement(statement):
    found = match(r"ALTER TABLE (?:IF EXISTS )?(?:ONLY )?" + name, statement)
    if found:
        table = found.group(1)
        for action in split(statement[found.end() :].strip(" *")):
            for change in of_action(table, action, statement):
                yield change
        return
    if re.match(r"DROP (TABLE|(MATERIALIZED )?VIEW) ", statement, re.IGNORECASE):
        rest = re.sub(r"(?i)^DROP (TABLE|(MATERIALIZED )?VIEW) (IF EXISTS )?|\s+(CASCADE|RESTRICT)\Z", "", statement)
        for each in split(rest):
            dropped = match(name, each)
            yield {"kind": "delete", "table": dropped.group(1)} if dropped else unread(statement)
        return
    found = match(r"CREATE (?:OR REPLACE )?(?:TEMP\w* |RECURSIVE |MATERIALIZED )*VIEW (?:IF NOT EXISTS )?" + name, statement)
    if found:
        yield {"kind": "view", "table": found.group(1)}
        return
    found = match(r"CREATE (?:GLOBAL |LOCAL |TEMP |TEMPORARY |UNLOGGED |FOREIGN )*TABLE (?:IF NOT EXISTS )?" + name, statement)
    if found:
        yield {"kind": "create", "table": found.group(1)}
        return
    found = match(r"CREATE UNIQUE INDEX (?:CONCURRENTLY )?(?:IF NOT EXISTS )?(?:" + name + r" )?ON (?:ONLY )?" + name, statement)
    if found:
        columns = re.match(r"[^(]*\(([^)]*)\)", statement[found.end() :])
        words = split(columns.group(1)) if columns else []
        known = bool(words) and all(re.match(part + r"\Z", each) for each in words)
        only = re.search(r"\bWHERE (.*)", statement[found.end() :], re.IGNORECASE)
        condition = only.group(1) if only else ""
        columns = words if known else [found.group(1) or "?"]
        # NULL is equal to NULL.
        nulls = bool(re.search(r"\bNULLS NOT DISTINCT\b", statement[found.end() :], re.IGNORECASE))
        yield {"kind": "unique", "table": found.group(2), "columns": columns, "condition": condition if known else None, "nulls": nulls}
        return
    found = re.match(r"DROP INDEX (?:CONCURRENTLY )?(?:IF EXISTS )?", statement, re.IGNORECASE)
    if found:
        for each in split(re.sub(r"(?i) (CASCADE|RESTRICT)\Z", "", statement[found.end() :])):
            index = match(name + "(?: ON " + name + ")?", each)
            if index:
                yield {"kind": "drop-index", "name": index.group(1), "table": index.group(2)}
    found = match(r"RENAME TABLE " + name + " TO " + name, statement)
    if found and "," not in statement:
        yield {"kind": "rename", "old": found.group(1), "new": found.group(2)}
        return
    found = match(
        r"(?:CREATE (?:OR REPLACE )?(?:CONSTRAINT )?(?:TRIGGER .*? ON|RULE .*? TO)|DROP (?:TRIGGER|RULE) .*? ON|\w+ POLICY .*? ON) " + name,
        statement,
    )
    if found:
        # It may refuse rows, or have filled them.
        yield unread(statement, table=found.group(1))
        return
    makes_code = re.match(r"CREATE (OR REPLACE )?(FUNCTION|PROCEDURE)\b", statement, re.IGNORECASE)
    replaced = re.match(r"CREATE OR REPLACE FUNCTION .*\bRETURNS TRIGGER\b", statement, re.IGNORECASE)
    # The triggers of MySQL have names without a table.
    refuses = r"REVOKE\b|DROP TRIGGER\b|ALTER TYPE .* RENAME (VALUE|ATTRIBUTE)\b|ALTER DOMAIN .* (ADD|SET NOT NULL)\b"
    if replaced or re.match(r"DO\b|" + refuses, statement, re.IGNORECASE):
        # A trigger that is there may call it.
        yield unread(statement)
    elif makes_code and re.search(changing, statement, re.IGNORECASE):
        # That of a trigger is not called before there is the trigger.
        if not re.search(r"\bRETURNS (EVENT_)?TRIGGER\b", statement, re.IGNORECASE):
            yield unread(statement)
    elif not re.match(harmless, statement, re.IGNORECASE) and re.search(changing, statement, re.IGNORECASE):
        yield unread(statement)
    elif re.match(r"DROP .* CASCADE\Z", statement, re.IGNORECASE):
        yield unread(statement)


def signs_of(text):
    """The signs that are not inside of quotes: (place, sign, how many brackets are open behind it)."""
    depth, quote = 0, None
    for at, sign in enumerate(text):
        if quote:
            quote = None if sign == quote else quote
        elif sign in "'\"`":
            quote = sign
        else:
            depth += {"(": 1, ")": -1}.get(sign, 0)
            yield at, sign, depth


def split(text):
    """At commas that are not inside of brackets or quotes."""
    parts, start = [], 0
    for at, sign, depth in signs_of(text):
        if sign == "," and depth == 0:
            parts.append(text[start:at].strip())
            start = at + 1
    return [each for each in parts + [text[start:].strip()] if each]


def of_action(table, action, statement):
    """One action of ALTER TABLE."""

    def here(kind, **more):
        return dict(more, kind=kind, table=table)

    found = match(r"RENAME TO " + name, action) or match(r"RENAME AS " + name, action)
    if found:
        yield {"kind": "rename", "old": table, "new": found.group(1)}
        return
    found = match(r"RENAME (?:COLUMN )?" + column + " TO " + column, action)
    if found and not match(r"RENAME (?:CONSTRAINT|INDEX|KEY)", action):
        yield here("rename-column", column=found.group(1), to=found.group(2))
        return
    if match(r"DROP (?:CONSTRAINT|FOREIGN KEY|INDEX|KEY|PRIMARY KEY|CHECK)", action):
        found = match(r"DROP (?:CONSTRAINT|CHECK) (?:IF EXISTS )?" + column, action)
        if found:
            yield here("drop-check", name=found.group(1))
        found = match(r"DROP (?:INDEX|KEY) (?:IF EXISTS )?" + column, action)
        if found:
            yield here("drop-index", name=found.group(1))
        return
    found = match(r"DROP (?:COLUMN )?(?:IF EXISTS )?" + column, action)
    if found:
        yield here("remove", column=found.group(1))
        return
    found = match(r"ALTER (?:COLUMN )?" + column + r" (SET NOT NULL|DROP NOT NULL|SET DEFAULT NULL|SET DEFAULT|DROP DEFAULT)", action)
    if found:
        # A default of NULL is none.
        word = found.group(2).upper().replace("SET DEFAULT NULL", "DROP DEFAULT")
        yield here("set", column=found.group(1), **({"null": word[0] == "D"} if "NULL" in word else {"filled": word[0] == "S"}))
        return
    found = match(r"ALTER (?:COLUMN )?" + column + r" (?:SET DATA )?TYPE (.+?)( COLLATE .*?)?( USING .*)?\Z", action)
    if found:
        yield here("set", column=found.group(1), type=known_type(found.group(2)), using=bool(found.group(4)), collation=(found.group(3) or "")[9:])
        return
    found = match(r"ALTER (?:COLUMN )?" + column + r" (ADD GENERATED|SET GENERATED|DROP IDENTITY)", action)
    if found:
        yield here("set", column=found.group(1), filled=found.group(2).upper() != "DROP IDENTITY")
        return
    if match(r"ALTER (?:COLUMN )?" + column + r" (?:SET|RESET) (?:STATISTICS|STORAGE|COMPRESSION|\()", action + " "):
        return
    found = match(r"(?:MODIFY|CHANGE) (?:COLUMN )?(?:IF EXISTS )?" + column + " (.+)", action)
    if found:
        old, rest = found.group(1), found.group(2)
        if match("CHANGE", action):
            words = match(column + " (.+)", rest)
            if words is None:
                yield unread(statement)
                return
            rest = words.group(2)
            if words.group(1) != old:
                yield here("rename-column", column=old, to=words.group(1))
            old = words.group(1)
        yield here("set", column=old, **dict(described(rest), parent=None))
        return
    if match(r"ADD (?:CONSTRAINT|NOT NULL|UNIQUE|CHECK|FOREIGN KEY|PRIMARY KEY|EXCLUDE|INDEX|KEY|FULLTEXT|SPATIAL)", action):
        for change in of_constraint(action, here):
            yield change
        return
    if match(r"(?:ENABLE|FORCE) ROW LEVEL SECURITY", action):
        yield here("unread", statement=statement)
        return
    if match(r"(?:ENABLE (?:ALWAYS|REPLICA)|DISABLE) (?:TRIGGER|RULE)", action):
        # One that was disabled, or ran only elsewhere, may refuse rows; one that ran may have filled them.
        yield here("unread", statement=statement)
        return
    if re.match(r"ADD (COLUMN )?\(", action, re.IGNORECASE):
        # Several, in MySQL.
        yield here("unread", statement=statement)
        return
    found = match(r"ADD (?:COLUMN )?(?:IF NOT EXISTS )?" + column + " (.+)", action)
    if found:
        # Its own constraints first: the last change of a column is what made it.
        for change in of_column(found.group(1), found.group(2), here):
            yield change
        yield here("add", column=found.group(1), **described(found.group(2)))
        return
    if match("SET SCHEMA", action):
        yield unread(statement)
        return
    if re.match(
        r"(VALIDATE|OWNER|SET|RESET|ENABLE|DISABLE|CLUSTER|REPLICA|ENGINE|ALGORITHM|LOCK|AUTO_INCREMENT|COMMENT|"
        r"RENAME (CONSTRAINT|INDEX|KEY)|ROW_FORMAT|FORCE)\b",
        action,
        re.IGNORECASE,
    ):
        return
    yield unread(statement)


def of_constraint(action, here):
    found = match(r"ADD (?:CONSTRAINT )?" + column, action)
    title = found.group(1) if found and match("ADD CONSTRAINT", action) else "?"
    unique = re.search(r"\bUNIQUE (?:KEY |INDEX )?(?:\w+ )?\(([^)]*)\)", action, re.IGNORECASE)
    key = r"\bFOREIGN KEY ?(?:\w+ )?\(" + column + r"\) ?REFERENCES " + name + r"(?: ?\(" + column + r"\))?"
    parent = re.search(key, action, re.IGNORECASE)
    primary = re.search(r"\bPRIMARY KEY ?(?:\(([^)]*)\))?", action, re.IGNORECASE)
    # Old rows are not looked at.
    later = bool(re.search(r"\bNOT VALID\b", action, re.IGNORECASE))
    if re.search(r"\bNOT ENFORCED\b", action, re.IGNORECASE):
        return
    not_null = match(r"ADD (?:CONSTRAINT " + column + " )?NOT NULL " + column, action)
    if not_null:
        yield here("set", column=not_null.group(2), null=False)
    elif parent:
        yield here("reference", column=parent.group(1), parent=parent.group(2), target=parent.group(3), later=later)
    elif primary and primary.group(1):
        for each in split(primary.group(1)):
            yield here("set", column=each, null=False)
        yield here("unique", columns=split(primary.group(1)), condition="")
    elif primary or re.search(r"\bFOREIGN KEY\b", action, re.IGNORECASE):
        yield here("unread", statement=action)
    elif unique:
        yield here("unique", columns=split(unique.group(1)), condition="")
    elif re.search(r"\bUNIQUE\b", action, re.IGNORECASE):
        yield here("unique", columns=[title], condition=None)
    elif re.search(r"\b(CHECK|EXCLUDE)\b", action, re.IGNORECASE):
        found = re.search(r"\bCHECK ?\(", action, re.IGNORECASE)
        yield here("check", name=title, condition=in_brackets(action[found.end() :]) if found else None, later=later)


def of_column(name_of, text, here):
    """The constraints that a new column has of its own."""
    if re.search(r"\bUNIQUE\b", without_brackets(text), re.IGNORECASE):
        yield here("unique", columns=[name_of], condition="")
    for found in re.finditer(r"\bCHECK ?\(", text, re.IGNORECASE):
        title = re.search(r"\bCONSTRAINT " + column + r" \Z", text[: found.start()], re.IGNORECASE)
        condition = in_brackets(text[found.end() :])
        yield here("check", name=title.group(1) if title else name_of.strip("\"`") + "_check", condition=condition, later=False)


def without_brackets(text):
    """What is outside of them: an expression says nothing of the column."""
    while True:
        shorter = re.sub(r"\([^()]*\)", "", text)
        if shorter == text:
            return text
        text = shorter


def in_brackets(text):
    """Up to the bracket that ends it."""
    return next((text[:at] for at, _, depth in signs_of(text) if depth < 0), None)


def known_type(text):
    text = re.sub(r"\s+", " ", text.strip().lower()).replace("character varying", "varchar")
    same = {"int": "integer", "int4": "integer", "int8": "bigint", "int2": "smallint", "timestamptz": "timestamp with time zone"}
    return same.get(text, text)


def described(text):
    """The words behind a new column's name: type, NULL, DEFAULT and so on."""
    has = re.compile(r"\b(NOT NULL|NULL|DEFAULT|GENERATED|AUTO_INCREMENT|REFERENCES|PRIMARY KEY|UNIQUE|CHECK|COLLATE|CONSTRAINT|FIRST|AFTER)\b", re.IGNORECASE)
    first = has.search(text)
    parent = re.search(r"\bREFERENCES " + name, text, re.IGNORECASE)
    kind = known_type(text[: first.start()] if first else text)
    by = re.search(r"\bAS ?\(", text, re.IGNORECASE)
    return {
        "null": not re.search(r"\b(NOT NULL|PRIMARY KEY)\b", without_brackets(text), re.IGNORECASE),
        "filled": bool(re.search(r"\bDEFAULT\b(?! ?\(?NULL\b)|\b(GENERATED|AUTO_INCREMENT)\b", text, re.IGNORECASE)) or "serial" in kind,
        "type": kind,
        "generated": bool(by),
        "computed": by and in_brackets(text[by.end() :]),
        "parent": parent.group(1) if parent else None,
    }
