"""The schemas of tenants (django-tenants). Those that are at the same migrations have the same tables, so one of them is
compared for all; the rows of each are looked at.

A schema is [name, type of tenant], the type "" where there is one type only.
"""
# States of schemas that are compared, those of the most schemas first.
most = 5
together = 100
not_compared = "its tables are in the schemas of tenants, which are not compared"


def choose(connection, schema=None):
    """From here on, names mean the tables of this schema; of none: of the one that all share."""
    if schema:
        connection.set_schema(schema[0], **({"tenant_type": schema[1]} if schema[1] else {}))
    elif hasattr(connection, "set_schema_to_public"):
        connection.set_schema_to_public()


def of(connection):
    """Returns lists of schemas, each at its own migrations; and why others are not compared, or nothing."""
    if not hasattr(connection, "set_schema"):
        return [], ""
    try:
        states = {}
        for schema, _, state in states_of(connection, schemas_of(connection)):
            states.setdefault((schema[1], state), []).append(schema)
    except Exception:
        # Of another package.
        return [], not_compared
    groups = sorted(states.values(), key=len, reverse=True)
    left = [name for group in groups[most:] for name, _ in group]
    named = ", ".join(left[:3]) + (" and %d more" % (len(left) - 3) if len(left) > 3 else "")
    why = "its tables in the schemas %s are not compared, which are at other migrations" % named
    return groups[:most], why if left else "" if groups else not_compared


def schemas_of(connection):
    from django.apps import apps
    from django.conf import settings

    model = apps.get_model(settings.TENANT_MODEL)
    if getattr(settings, "TENANT_DB_ALIAS", "default") != connection.alias:
        return []
    if model._meta.db_table not in connection.introspection.table_names():
        return []
    kinds = [settings.MULTI_TYPE_DATABASE_FIELD] if getattr(settings, "HAS_MULTI_TYPE_TENANTS", False) else []
    # No other column: this version may have more than the database has yet.
    rows = model.objects.using(connection.alias).order_by("schema_name").values_list("schema_name", *kinds)
    public = getattr(settings, "PUBLIC_SCHEMA_NAME", "public")
    return [[name, *kind] if kind else [name, ""] for name, *kind in rows if name != public]


def place_of(alias, schema=None):
    """What the needs of a database, or of the schemas of tenants in it, are kept as."""
    return "%s/%s" % (alias, schema[1] or "tenants") if schema else alias


def needs_of(connection, apps, migrated):
    """The needs of the schemas of each type of tenant, by their place. None of them has to be there, and the database is not asked."""
    from django.conf import settings

    from rollout_inspector import needs

    found = {}
    if hasattr(connection, "set_schema"):
        has_types = getattr(settings, "HAS_MULTI_TYPE_TENANTS", False)
        public = getattr(settings, "PUBLIC_SCHEMA_NAME", "public")
        try:
            for kind in set(settings.TENANT_TYPES) - {public} if has_types else [""]:
                choose(connection, ["tenants", kind])
                found[place_of(connection.alias, ["", kind])] = needs.needs_of(connection, apps, migrated)
        except Exception:
            # Of another package.
            pass
        choose(connection)
    return found


def states_of(connection, schemas):
    """Yields each schema that was migrated, how many migrations it has, and which."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT schemaname::text FROM pg_tables WHERE tablename = 'django_migrations'")
        there = {name for name, in cursor.fetchall()}
        own = [each for each in schemas if each[0] in there]
        one = "SELECT %%s::int, count(*), md5(string_agg(app || '.' || name, ' ' ORDER BY app, name)) FROM %s.django_migrations"
        for at in range(0, len(own), together):
            part = own[at : at + together]
            query = " UNION ALL ".join(one % connection.ops.quote_name(name) for name, _ in part)
            cursor.execute(query, list(range(len(part))))
            for index, number, state in sorted(cursor.fetchall()):
                yield part[index], number, state


def foremost(connection, schemas):
    """The one that has the most migrations: where some of them have failed, it is the furthest from what it was."""
    return max(states_of(connection, schemas), key=lambda each: each[1])[0] if schemas else None


def merged(made):
    """The plan of a database, of those of its schemas: what a migration does is in one of them."""
    plans = [each["plan"] for each in made]
    plan, pending = dict(plans[0]), {}
    plan["schemas"] = [[each["schemas"][0][0], len(each["schemas"])] for each in made if each["schemas"]]
    for each in [each for other in plans for each in other["pending"]]:
        name = (each["app"], each["name"])
        if name not in pending or len(each["sql"] or "") > len(pending[name]["sql"] or ""):
            pending[name] = each
    plan["pending"] = list(pending.values())
    for key in ("untold", "unused", "witnesses"):
        lists = [other[key] for other in plans if other.get(key) is not None]
        if lists:
            plan[key] = [each for at, found in enumerate(lists) for each in found if not any(each in other for other in lists[:at])]
    return plan
