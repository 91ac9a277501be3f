"""Refuses, or runs the migration."""
import atexit
import io
import json
import os
import platform
import shlex
import subprocess
import sys
import zipfile

from rollout_inspector import task
from rollout_inspector.identity import is_same
from rollout_inspector.web import answer_to

# How long the database may take to tell its tables after the migration.
verify_seconds = 120


def hand_over(found, question, silent):
    """Becomes a Python without Django, which asks the web and runs the rest; returns only when that cannot be."""
    atexit.unregister(hand_over)
    if "failed" in found:
        # What others have to do at the end.
        try:
            atexit._run_exitfuncs()
        except Exception:
            pass
    state = {"found": found, "question": question, "silent": silent, "spec": task.spec, "text": sys.argv[-1]}
    if task.spec.get("only-plan") and not question:
        # Nothing runs afterwards that would need the memory.
        return after_plan(state)
    try:
        to_do = {"marker": task.spec["marker"], "handed": in_memory(json.dumps(state).encode("ascii"))}
        env = dict(os.environ, DJANGO_ROLLOUT_SPEC=json.dumps(to_do))
        sys.stdout.flush()
        sys.stderr.flush()
        os.execve(sys.executable, [sys.executable, "-S", "-c", sys.argv[-1]], env)
    except (OSError, ValueError):
        after_plan(state)


def in_memory(data):
    """Returns the descriptor of a file that has no name, for a program that this one starts or becomes."""
    if hasattr(os, "memfd_create"):
        file = os.memfd_create("django-rollout", 0)
    else:
        import tempfile

        with tempfile.TemporaryFile() as temporary:
            file = os.dup(temporary.fileno())
    while data:
        data = data[os.write(file, data) :]
    os.lseek(file, 0, os.SEEK_SET)
    os.set_inheritable(file, True)
    return file


def handed():
    with os.fdopen(task.spec["handed"], "rb") as file:
        return json.loads(file.read().decode("ascii"))


def after_plan(state):
    """Compares, reports the plan and runs the migration; or refuses."""
    task.spec.update(state["spec"])
    found, web, silent = state["found"], None, state["silent"]
    if state["question"]:
        web, silent = answer_to(state["question"])
    refuse_others(found, web)
    if "failed" in found:
        return
    migrate = task.spec.get("migrate")
    plans, always, judged = found["plans"], found["always"], found["judged"]
    works = [plan for plan in plans if plan["pending"] or plan["squashed"]]
    to_build = [bridge for plan in plans for bridge in plan["bridges"] + plan["ended"] if "sql" in bridge]
    reversal = found.get("reversal")
    runs = bool(migrate) and bool(works or always or to_build)
    if reversal:
        runs = reversal["do"] == "reverse"
    for plan in plans:
        if reversal:
            continue
        lost = plan["vendor"] == "sqlite" and not outlives(plan["identity"]["name"])
        if migrate and lost and (plan in works or (always and plan["database"] in task.named())):
            refuse("file", plan["database"], plan["identity"])
    # null: none is needed.
    backup = None
    if runs and (task.spec.get("backup") == "always" or task.spec.get("backup") and found["backup"]):
        backup = found["backup"]
    for needs in found["needs"]:
        task.say(json.dumps({"needs": needs}))
    if found["tasks"]:
        task.say(json.dumps({"tasks": found["tasks"]}))
    task.say(
        json.dumps(
            {
                "django": found["django"],
                "python": platform.python_version(),
                "databases": plans,
                "runs": runs,
                "web": {"module": web["module"]} if web else silent and {"silent": silent},
                "judged": judged,
                "reversal": reversal,
                "backup": backup,
            }
        )
    )
    if task.spec.get("only-plan"):
        os._exit(0)
    if reversal:
        if runs:
            task.say("migrate")
            os._exit(reversed_by(found["back"]))
        os._exit(0)
    if judged and judged["blocked"]:
        os._exit(3)
    if backup is not None:
        # The migration needs a pod of its own after it.
        os._exit(0)
    if runs:
        task.say("migrate")
        held = [[plan["database"], each["app"], each["name"]] for plan in plans for each in plan["held"]]
        kept = [
            [each["database"], each["migration"], each["table"], each["column"]]
            for plan in plans
            for each in plan["bridges"]
            if each["kind"] == "default-kept"
        ]
        commands = [migrate] if always else commands_for(migrate, [plan["database"] for plan in works])
        env = guarded(found["leading"], state["text"], held, kept, found["tries"])
        # What it prints is seen at once.
        env.setdefault("PYTHONUNBUFFERED", "1")
        if (held or kept) and commands:
            prove_guard(migrate, env)
        code = build(found["again"], to_build) if to_build else 0
        code = code or supervised(commands, env)
        if found["verify"]:
            compare(found["verify"])
        if code == 0:
            # The node shows the end of a container up to a second later.
            task.say("ended")
        os._exit(code if code >= 0 else 128 - code)


def commands_for(migrate, aliases):
    """One for each database where something is pending: it names another one than the default only where it has to."""
    named = [each for each in task.named() if each in aliases]
    others = [each for each in aliases if each not in named]
    return [migrate for _ in named[:1]] + ["%s --database=%s" % (migrate, shlex.quote(each)) for each in others]


def shell_words(command):
    return ["/bin/sh", "-c", command] if os.path.exists("/bin/sh") else shlex.split(command)


def guarded(leading, text, held=(), kept=(), tries=()):
    """Returns the environment of a command whose Pythons begin with guard.py: as this text, under the name
    sitecustomize, in an archive that has no name on the disk."""
    env = dict(os.environ)
    task_of_guard = {"marker": task.spec["marker"], "wait": task.spec.get("locks"), "leading": leading}
    task_of_guard.update(held=held, kept=kept, tries=dict(tries), unsafe=task.spec.get("unsafe"))
    archive = io.BytesIO()
    try:
        with zipfile.ZipFile(archive, "w") as files:
            files.writestr("sitecustomize.py", text)
            files.writestr("task.json", json.dumps(task_of_guard))
        path = "/proc/%d/fd/%d" % (os.getpid(), in_memory(archive.getvalue()))
        others = [each for each in [env.get("PYTHONPATH")] if each]
        env.update(DJANGO_ROLLOUT_LOCKS=path, PYTHONPATH=os.pathsep.join([path] + others))
    except OSError:
        # Said by what the command then does not say.
        pass
    return env


def supervised(commands, env):
    """Runs the commands as children. Returns the exit code of the last one."""
    sys.stdout.flush()
    code = 0
    for command in commands:
        # In one stream: nothing is read after the word that it has ended.
        code = code or subprocess.call(shell_words(command), env=env, stderr=subprocess.STDOUT)
    return code


def prove_guard(command, env):
    """Ends this where a Python of the command would not have the guard: what is held back would be applied."""
    words = command.split()
    at = words.index("migrate")
    options = [each for each in words[at + 1 :] if each.startswith(("--settings=", "--pythonpath="))]
    for name in ("--settings", "--pythonpath"):
        if name in words[at + 1 :]:
            options += [name, words[words.index(name, at) + 1]]
    probe = " ".join(words[:at] + ["shell"] + options + ["-c", "'import django.db.migrations.executor'"])
    ended = subprocess.run(shell_words(probe), env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    out = ended.stdout.decode("utf-8", "replace")
    if ended.returncode or task.spec["marker"] + '{"locking": {"ready": true}}' not in out:
        print("The migrations that are held back cannot be left out: %s starts no Python that reads PYTHONPATH" % " ".join(words[:at]))
        print(out[-2000:])
        sys.stdout.flush()
        os._exit(3)


def build(again, to_build):
    """Makes bridges in a process of the project. Returns its exit code."""
    sys.stdout.flush()
    file = in_memory(json.dumps(to_build).encode("ascii"))
    to_do = {"marker": task.spec["marker"], "build": file, "wait": task.spec.get("locks")}
    env = dict(again["env"], DJANGO_ROLLOUT_SPEC=json.dumps(to_do))
    return subprocess.call(again["start"], env=env, pass_fds=[file])


def reversed_by(back):
    """Reverses in a process of the project. Returns its exit code."""
    file = in_memory(json.dumps(back["task"]).encode("ascii"))
    env = dict(back["env"])
    env["DJANGO_ROLLOUT_SPEC"] = json.dumps({"marker": task.spec["marker"], "unapply": file})
    sys.stdout.flush()
    code = subprocess.call(back["start"], env=env, pass_fds=[file])
    return code if code >= 0 else 128 - code


def compare(question):
    # Also when it failed: what it applied before stays, but on a database that takes it back.
    try:
        file = in_memory(json.dumps(question["tables"]).encode("ascii"))
        env = dict(question["env"])
        env["DJANGO_ROLLOUT_SPEC"] = json.dumps({"marker": task.spec["marker"], "verify": file})
        ended = subprocess.run(
            question["start"],
            env=env,
            pass_fds=[file],
            timeout=verify_seconds,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        # What the project prints at its start is in the log already.
        lines = ended.stdout.decode("utf-8", "replace").splitlines() or ["it printed nothing"]
        told = [line.partition(task.spec["marker"])[2].rpartition(task.spec["marker"])[0] for line in lines]
        answer = [text for text in told if text.startswith('{"verified"')]
        task.say(answer[-1] if answer else json.dumps({"verified": None, "why": lines[-1][:300]}))
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        task.say(json.dumps({"verified": None, "why": str(error)[:300]}))


def command_again():
    """Returns the command line that this process was started with."""
    words = list(getattr(sys, "orig_argv", []))
    if not words:
        first = ["-m", "django"] if os.path.basename(sys.argv[0]) == "__main__.py" else [sys.argv[0]]
        words = [sys.executable] + first + sys.argv[1:]
    return [sys.executable] + words[1:]


def refuse(why, alias, identity, **more):
    task.say(json.dumps(dict({"refused": why, "alias": alias, "migration": identity}, **more)))
    os._exit(3)


def refuse_others(found, web):
    """Never another database than the web's, or than that of the previous release."""
    identities, stated = found["identities"], found["stated"]
    for alias, identity in identities.items():
        theirs = web["databases"].get(alias) if web else None
        # Like with like: a proxy may know a database by another name than its server does.
        is_asked = theirs and (theirs.get("server") or theirs.get("started"))
        if theirs and not is_same(identity if is_asked else stated[alias], theirs):
            chosen = os.environ.get("DJANGO_SETTINGS_MODULE", "")
            refuse(
                "web",
                alias,
                identity,
                other=theirs,
                module=web["module"],
                settings=[chosen, web["settings"]],
                given=web["given"],
            )
    for alias, identity in identities.items():
        before = (task.spec.get("kept") or {}).get(alias)
        if before and not is_same(identity, before):
            refuse("before", alias, identity, other=before)


def outlives(path):
    return any(
        path == folder or path.startswith(os.path.realpath(folder).rstrip("/") + "/")
        for folder in task.spec.get("volumes") or []
    )
