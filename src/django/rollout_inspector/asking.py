"""Queries that only read, and may not be answered: what they would show is not known then."""

# For a query, in ms.
patience = 2000


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
