"""Plays two releases: what the first one holds back, what the code of both versions does meanwhile, and what the second one applies."""
import json
import sys

from project import build, case, folder, inspected, marker, probe, run, seed, shell

columns = """
from django.db import connection
with connection.cursor() as cursor:
    cursor.execute("SELECT table_name || '.' || column_name, is_nullable, column_default FROM information_schema.columns WHERE table_name LIKE 'shop_%' AND column_name NOT LIKE '%id'")
    print("@@" + __import__("json").dumps({name: ("NULL" if null == "YES" else "NOT NULL") + (" DEFAULT" if default else "") for name, null, default in cursor.fetchall()}))
"""


def release(home, version, needs, **more):
    spec = {"migrate": migrate, "volumes": [str(folder)], "unsafe": case.get("unsafe", "block")}
    spec["locks"] = case.get("locks", 30)
    spec["running"] = [{"names": ["deployment/web"], "tag": version, "needs": 0}]
    spec["contract"] = dict({"policy": "next", "bridge": "on"}, **case.get("contract", {}))
    return inspected(home, needs=needs, **dict(spec, **more))


old = build("old", case["old"], case["initial"])
new = build("new", case["new"], dict(case["initial"], **case["migrations"]))
for name, text in case.get("files", {}).items():
    (new / name).parent.mkdir(parents=True, exist_ok=True)
    (new / name).write_text(text)
migrate = "%s manage.py migrate -v1" % sys.executable
(old / "seed.py").write_text(seed)
first = inspected(old, migrate="%s seed.py" % sys.executable, always=True, volumes=[str(folder)])
if first["code"]:
    raise SystemExit(first["output"])
seen = {"first": release(new, "old", first["needs"])}
seen["columns"] = shell(new, columns)
if seen["first"]["code"] == 0:
    seen["old"] = shell(old, "WHO = 'old'\n" + probe)
    seen["new"] = shell(new, "WHO = 'new'\n" + probe)
    # Both run side by side.
    seen["again"] = shell(old, "WHO = 'old'\n" + probe)
    database = seen["first"]["plan"]["databases"][0]
    # An undone release: the old version runs on.
    seen["undone"] = release(new, "old", first["needs"], bridges=database["bridges"])
    # A version that is known by its migrations alone.
    seen["unknown"] = release(new, "new", None, bridges=database["bridges"], **{"only-plan": True})
    if case.get("again"):
        # What an undone rollback applies again is less than what is pending.
        names = ["%(app)s.%(name)s" % each for each in database["held"]]
        seen["back"] = release(new, "new", seen["first"]["needs"], unsafe="allow", contract={"policy": "stay", "stay": names})
    seen["second"] = release(new, "new", seen["first"]["needs"], bridges=database["bridges"])
    seen["later"] = shell(new, columns)
    seen["last"] = shell(new, "WHO = 'new'\n" + probe)
print(json.dumps(seen))
