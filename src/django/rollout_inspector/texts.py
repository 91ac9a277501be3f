"""What the text of a project's own code shows of its queries, and its models do not. Other packages are not read."""
import os
import re
from functools import lru_cache

# By what is added to the needs; a pattern that begins with a word is fast. The group has names, the others come after one.
patterns = [
    (key, re.compile(pattern))
    for key, pattern in (
        ("w", r"unique_fields\s*=\s*[\[(]([^\])]*)"),
        ("w", r"ON CONFLICT\s*\(([^)]*)\)"),
        ("s", r"search_fields\s*=\s*[\[(]([^\])]*)"),
        ("s", r"__i?(?:contains|startswith|endswith)\b"),
    )
]
# What the web does not run.
others = re.compile(r"/(site-packages|dist-packages|node_modules|migrations|tests?|tests?(_\w+)?\.py)/")


def texts_of(apps):
    for folder in sorted({getattr(config, "path", "") for config in apps.get_app_configs()}):
        for path, inner, names in [] if others.search(folder + "/") else os.walk(folder):
            inner[:] = [each for each in inner if not others.search("/%s/" % each)]
            for name in names:
                if name.endswith(".py") and not others.search("/%s/" % name):
                    try:
                        with open(os.path.join(path, name), errors="replace") as opened:
                            yield opened.name, opened.read()
                    except OSError:
                        pass


def names_of(key, found):
    """Each is a list of names that are used together."""
    if key == "w":
        return [sorted(re.findall(r"\w+", found.group(1)))]
    if found.re.groups:
        # Those with "=" or "@" are not searched by LIKE.
        names = re.findall(r"[\"']\^?(\w+)", found.group(1))
    else:
        names = re.findall(r"\w+\Z", found.string[max(0, found.start() - 80) : found.start()])
    return [[name.split("__")[-1]] for name in names]


@lru_cache(1)
def places_of(apps):
    """{(key, names): place}; the same for each database."""
    places = {}
    for file, text in texts_of(apps):
        for key, pattern in patterns:
            for found in pattern.finditer(text):
                # Without the line: needs of releases that are alike are kept once.
                place = os.path.relpath(file)
                for names in names_of(key, found):
                    places.setdefault((key, tuple(names)), place)
    return places


def note(tables, apps):
    """Adds to the needs of models what is certain: where one model alone has these names.

    tables  (needs, {name of a field: column}) of each
    """
    by_name = {}
    for each in tables:
        for name in {name for pair in each[1].items() for name in pair}:
            by_name.setdefault(name, []).append(each)
    for (key, names), place in places_of(apps).items():
        hits = []
        for need, own in by_name.get(names[0], ()) if names else ():
            columns = sorted(own.get(name, name) for name in names)
            if key == "w" and columns in need["q"]:
                hits.append((need, dict(need.get("w", {}), **{",".join(columns): place})))
            elif key == "s" and columns[0] in need["c"]:
                hits.append((need["c"][columns[0]], place))
        if len(hits) == 1:
            hits[0][0][key] = hits[0][1]
