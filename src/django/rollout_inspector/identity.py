"""What names a database, and whether two of them are one."""
import os
import re
import time

from rollout_inspector import task


def connect(connection):
    from django.db.utils import OperationalError

    until = time.monotonic() + float(task.spec.get("wait") or 0)
    while True:
        try:
            return connection.ensure_connection()
        except OperationalError:
            if time.monotonic() >= until:
                raise
            time.sleep(0.5)


def bare(address):
    """Without what a URI may have: who asks, by which password, and its options."""
    return re.sub(r"//[^/]*@", "//", str(address)).partition("?")[0]


def identity_of(connection):
    """What names a database, as far as settings tell; no password."""
    have = connection.settings_dict
    options = have.get("OPTIONS") or {}
    name = str(have.get("NAME") or options.get("dbname") or "")
    if connection.vendor == "sqlite":
        path = name if name.startswith((":", "file:")) else os.path.realpath(name)
        return {"vendor": "sqlite", "name": path, "host": "", "port": "", "user": ""}
    usual = {"postgresql": "5432", "mysql": "3306"}.get(connection.vendor, "")
    sent = str(options.get("options") or "")
    found = re.search(r"search_path(?:=|%3D)([^ &]+)", sent)
    host = have.get("HOST") or options.get("host") or options.get("service")
    return {
        "vendor": connection.vendor,
        "name": bare(name),
        "host": bare(host or options.get("read_default_file") or ""),
        "port": str(have.get("PORT") or options.get("port") or usual),
        "user": str(have.get("USER") or options.get("user") or ""),
        "schema": found.group(1) if found else "",
    }


def asked(connection):
    """The same with what the server itself tells, which a proxy between does not change."""
    from django.db import Error

    identity = identity_of(connection)
    ask = {
        "postgresql": [
            ("name", "SELECT current_database()"),
            ("schema", "SELECT current_schema()"),
            ("server", "SELECT system_identifier FROM pg_control_system()"),
            # That needs a right. Without it, at least two present connections can be distinguished.
            ("started", "SELECT extract(epoch FROM pg_postmaster_start_time())"),
        ],
        "mysql": [
            ("name", "SELECT database()"),
            ("server", "SELECT @@server_uuid"),
            ("server", "SELECT @@server_uid"),
            ("started", "SELECT CONCAT(@@hostname, ' ', @@port)"),
        ],
    }
    for key, sql in ask.get(connection.vendor, []):
        if identity.get(key) and key == "server":
            continue
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql)
                row = cursor.fetchone()
        except Error:
            continue
        if row and row[0] is not None:
            identity[key] = str(row[0])
    return identity


def is_same(one, other):
    """Whether two identities are of one database; another user, or another way to it, is none."""
    for key in ("vendor", "name"):
        if one.get(key) != other.get(key):
            return False
    if one.get("schema") and other.get("schema") and one["schema"] != other["schema"]:
        return False
    for key in ("server", "started"):
        if one.get(key) and one.get(key) == other.get(key):
            return True
    # A cluster of MySQL answers by any of its servers, and a file has none.
    told = one.get("server") and other.get("server")
    if told and one["vendor"] == "postgresql":
        return False
    return all(one.get(key) == other.get(key) for key in ("host", "port"))
