"""Queries that only read, and may not be answered: what they would show is not known then."""

# For a query, in ms.
patience = 2000
# Each unique index and exclusion constraint of PostgreSQL: name, keys (plain columns), expressions, condition, what these two look
# at, whether NULL is equal to NULL, whether it looks at each row at once, whether it is a unique index that counts, a primary key.
# PostgreSQL 10 has no INCLUDE.
uniques_of = """SELECT r.relname::text,
 array(SELECT a.attname::text FROM unnest(i.indkey) WITH ORDINALITY k (number, at) JOIN pg_attribute a
  ON a.attrelid = i.indrelid AND a.attnum = k.number WHERE k.at <= coalesce((to_jsonb(i)->>'indnkeyatts')::int, i.indnatts)),
 pg_get_expr(i.indexprs, i.indrelid), pg_get_expr(i.indpred, i.indrelid),
 array(SELECT DISTINCT a.attname::text FROM pg_depend d JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
  WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid AND d.refobjid = i.indrelid),
 coalesce((to_jsonb(i)->>'indnullsnotdistinct')::boolean, false), i.indimmediate, i.indisunique AND i.indisvalid, i.indisprimary
 FROM pg_index i JOIN pg_class r ON r.oid = i.indexrelid
 WHERE (i.indisunique OR i.indisexclusion) AND i.indrelid = to_regclass(%s)"""
checks_of = """SELECT c.conname::text, pg_get_expr(c.conbin, c.conrelid),
 array(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.conrelid AND a.attnum = ANY(c.conkey))
 FROM pg_constraint c WHERE c.contype = 'c' AND c.conrelid = to_regclass(%s)"""

def rows_of(connection, query, values=None, limit=patience, most=None):
    """The rows, at most so many; None where the server does not answer within the limit, or may not."""
    from django.db import transaction

    try:
        with transaction.atomic(using=connection.alias):
            with connection.cursor() as cursor:
                if limit and connection.vendor == "postgresql":
                    cursor.execute("SET LOCAL statement_timeout = %d" % limit)
                elif limit and getattr(connection, "mysql_is_mariadb", False):
                    query = "SET STATEMENT max_statement_time=%d FOR %s" % (limit // 1000, query)
                elif limit and connection.vendor == "mysql":
                    query = query.replace("SELECT", "SELECT /*+ MAX_EXECUTION_TIME(%d) */" % limit, 1)
                cursor.execute(query, values)
                return cursor.fetchall() if most is None else cursor.fetchmany(most)
    except Exception:
        return None


def answers(connection, table, column):
    """Whether a query for this succeeds: its name may be written in another way than the catalog has it."""
    quote = connection.ops.quote_name
    # SQLite takes a name in quotes that it does not know for a text.
    what = "%s.%s" % (quote(table), quote(column)) if column else "1"
    query = "SELECT %s FROM %s WHERE 1 = 0" % (what, quote(table))
    # It only waits for locks.
    return rows_of(connection, query, limit=None) is not None
