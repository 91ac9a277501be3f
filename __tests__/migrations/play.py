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


def code_of(found):
    return [line for finding in found for line in finding.get("code", [])]


def twin_of(found):
    """What is judged of the safe way that is offered, in place of the migration; nothing where none is."""
    running = [finding for finding in found if finding["direction"] == "running"]
    code = code_of(running) or code_of(found)
    if not code:
        return None
    if "# In the next release:" in code:
        code = code[: code.index("# In the next release:")]
    own = case["migrations"]["0002_next"]
    head, _, operations = own.partition("operations = [")
    # What is left behind is mended before the migration's own operations.
    rest = operations if not code_of(running) else "]"
    text = head + "operations = [\n" + "\n".join(code) + "\n" + rest
    home = build("twin", case["new"], dict(case["initial"], **{"0002_next": text}))
    twin = inspected(home, unsafe="block", **dict(spec, migrate=None))["plan"]["judged"]["findings"]
    # The model of the new version is not changed here, as it has to be for some.
    direction = "running" if code_of(running) else "new"
    return [finding for finding in twin if finding["direction"] == direction]


blocked = plan["plan"]["judged"]["blocked"]
twin = twin_of(plan["plan"]["judged"]["findings"]) if case.get("twin") else None
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
            "twin": twin,
            "refused": refused,
            "by_state": by_state,
            "old": shell(old, "WHO = 'old'\n" + probe),
            "new": shell(new, "WHO = 'new'\n" + probe),
        }
    )
)
