"""Plays one case: two versions of a project, the migrations between them, and what the code of each really does."""
import json
import sys

from project import build, case, folder, inspected, probe, seed, shell

old = build("old", case["old"], dict(case["initial"], **case["base"]))
new = build("new", case["new"], dict(case["initial"], **dict(case["base"], **case["migrations"])))
migrate = "%s manage.py migrate -v0" % sys.executable
(old / "seed.py").write_text(seed)
# A command of its own: it does more than to migrate.
first = inspected(old, migrate="%s seed.py" % sys.executable, always=True, volumes=[str(folder)])
if first["code"]:
    raise SystemExit(first["output"])
versions = [{"names": ["deployment/web"], "tag": "old", "needs": 0}]
if "live" in case:
    versions[0]["since"] = {"before": "2020-01-31T12:00:00.000Z", "after": "2199-01-31T12:00:00.000Z"}[case["live"]]
by_state = None
if case.get("thorough") or "byState" in case:
    by_state = inspected(new, migrate=None, running=[{"names": ["deployment/web"], "tag": "old"}])
spec = {"migrate": migrate, "running": versions, "needs": first["needs"], "volumes": [str(folder)]}
spec["earlier"] = [{"hash": "old", "needs": 0}]
plan = inspected(new, unsafe="block", **spec)

blocked = plan["plan"]["judged"]["blocked"]
# One that is blocked, or was rolled back, has written nothing: what it would have done is seen now.
refused = plan.get("refused", [])
applied = inspected(new, unsafe="allow", **spec) if blocked or refused else plan
# What a rollback asks the old image.
proof = inspected(old, migrate=None, prove=True, running=[{"names": ["release 1"], "tag": "old", "own": True}])
print(
    json.dumps(
        {
            "plan": plan,
            "applied": applied,
            "proof": proof,
            "refused": refused,
            "by_state": by_state,
            "old": shell(old, "WHO = 'old'\n" + probe),
            "new": shell(new, "WHO = 'new'\n" + probe),
        }
    )
)
