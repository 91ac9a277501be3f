"""Settings of a database's session that triggers and policies ask for: whether the web's sessions may have them.

A middleware may set what neither the inspector nor `manage.py migrate` does, and no one sees the settings of another
session. But what no code names, no code sets.
"""
import os
import re

asks = re.compile(r"current_setting\s*\(\s*(?:'([\w.]+)'|)", re.IGNORECASE)
# Who asks for a setting does not set it.
asked_for = re.compile(rb"current_setting\W{1,6}[\w.]+", re.IGNORECASE)
# Migrations make what asks. The others are not the project's code.
apart = ("migrations", "node_modules", "__pycache__", "static")
# As much as is read, in files and bytes: a project that has more may set anything.
most_files, most_bytes = 20000, 10**8


def asked_by(text):
    """The names of the settings that a text in SQL asks for; None for one that is not written there."""
    return [found.group(1) for found in asks.finditer(text)]


def unset_of(statements):
    """Of the settings that statements ask for, those that no code of the project and its packages names."""
    names = {name for text in statements for name in asked_by(text) if name and "." in name}
    if not names:
        return []
    # Also a name that is put together from its first part.
    ways = {name: re.compile(("%s|[\"']%s\\." % (re.escape(name), name.partition(".")[0])).encode(), re.IGNORECASE) for name in names}
    for text in texts():
        if text is None:
            return []
        text = asked_for.sub(b"", text)
        ways = {name: way for name, way in ways.items() if not way.search(text)}
        if not ways:
            break
    return sorted(ways)


def texts():
    """Each file in Python of the project, its apps and its middleware; None where there are too many."""
    import importlib.util

    from django.apps import apps
    from django.conf import settings

    folders = {os.getcwd()} | {each.path for each in apps.get_app_configs()}
    for each in settings.MIDDLEWARE:
        found = importlib.util.find_spec(each.split(".")[0])
        folders |= set(found.submodule_search_locations or ()) if found else set()
    files, size, seen = 0, 0, set()
    for folder in sorted(map(os.path.realpath, folders)):
        for home, inner, names in os.walk(folder):
            inner[:] = [each for each in inner if each not in apart and not each.startswith(".")]
            if home in seen:
                inner[:] = []
                continue
            seen.add(home)
            for name in names:
                if not name.endswith(".py"):
                    continue
                try:
                    with open(os.path.join(home, name), "rb") as file:
                        text = file.read()
                except OSError:
                    continue
                files, size = files + 1, size + len(text)
                if files > most_files or size > most_bytes:
                    yield None
                    return
                yield text
