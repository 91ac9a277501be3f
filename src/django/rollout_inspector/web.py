"""Which databases the web uses, asked of a child that imports what the web's server imports.

When the plan is made, the process becomes a bare Python. That one starts a child that imports what the web's server
imports, with the environment of the container and not that of manage.py: the databases that it names are compared.
Whatever it does at its import ends with it. So the project is in memory once at any time: the pod has the limit of
one that serves the web.
"""
import importlib
import importlib.util
import json
import os
import re
import shlex
import signal
import subprocess
import sys

from rollout_inspector import task
from rollout_inspector.identity import asked, identity_of

# For the web's own module; one that takes longer is judged by its rollout.
child_seconds = 60


def words_of(command):
    """The words of a command, and of the scripts and files of settings that it names."""
    texts = [(" ".join(command), None)]
    for word in command + (["gunicorn.conf.py"] if "gunicorn" in " ".join(command) else []):
        for path in re.split(r"[\s=;&|\"']+", word):
            if "." not in path and "/" not in path or path.endswith("manage.py"):
                continue
            try:
                with open(path, "rb") as file:
                    data = file.read(65536)
            except OSError:
                continue
            # What pip has made of a server's name is a script of Python's.
            if b"\0" not in data and not re.match(rb"#!.*python", data):
                texts.append((data.decode("utf-8", "replace"), path))
    return texts


def assigned(command, texts):
    """What a command sets for the server that it starts.

    Returns what it sets in any case, what its files export (which may be what is set already, or
    under a condition), and why that may not be all.
    """
    dollar = chr(36)
    pair = r"[A-Z_][A-Z0-9_]*=(?:\"[^\"]*\"|'[^']*'|[^\s\"';&|,\])]*)"
    servers = "gunicorn|uvicorn|daphne|hypercorn|granian|uwsgi|waitress|runserver|[aw]sgi"

    def pairs(text):
        for each in re.findall(r"(?<![\w-])" + pair, text):
            name, _, value = each.partition("=")
            value = value if value[:1] == "'" else os.path.expandvars(value)
            if dollar not in value and "`" not in value:
                yield name, value.strip("\"'")

    def of_server(line):
        """NAME=value before a server, and its -e NAME=value."""
        start = re.match(
            r"(?:exec\s+)?(?:env\s+)?((?:" + pair + r"\s+)*)(?=\S)(.*)", line, re.DOTALL
        )
        if start and re.search(r"\b(" + servers + ")", start.group(2)):
            yield from pairs(start.group(1))
            for each in re.findall(r"\s(?:-e|--env)[\s=]*[\"']?(" + pair + ")", start.group(2)):
                yield from pairs(each)

    always, exported, unsure = {}, {}, None
    reads = (
        r"(^|&&|;|\bthen\b|\bdo\b)\s*"
        r"((\.|source)\s+(?!\S*activate\b)\S|set\s+(-\w*a|-o\s+allexport))"
    )
    for text, path in texts:
        if path is None or path == task.through:
            continue
        found = []
        for line in text.replace("\\\n", " ").splitlines():
            if re.match(r"export\s", line):
                exported.update(pairs(line))
            elif re.match(r"(env\s*=|environment)", line):
                found += pairs(line.partition("=")[2])
            else:
                found += of_server(line.strip())
        for each in re.findall(r"^raw_env\s*=([^\]]*)", text, re.MULTILINE):
            found += pairs(each.replace('"', " ").replace("'", " "))
        for name, value in found:
            if always.setdefault(name, value) != value:
                unsure = "%s sets %s in more than one way" % (path, name)
        is_script = re.match(r"#!.*sh\b", text) or path.endswith(".sh")
        if is_script and re.search(reads, text, re.MULTILINE):
            unsure = "%s reads variables from another file" % path
    shells = ("sh", "bash", "dash", "ash", "ksh", "zsh")
    names = [each.rsplit("/", 1)[-1] for each in command]
    shell = next((i for i, name in enumerate(names) if name in shells), len(names))
    behind = range(shell + 1, len(names))
    at = next((i for i in behind if re.match(r"-\w*c\Z", names[i])), None)
    if at is None:
        for word in command:
            # No shell is there that would read a dollar sign or quotes.
            own = re.match(r"(?:-e|--env=)?([A-Z_][A-Z0-9_]*)=([^" + dollar + r"]*)\Z", word)
            if own:
                always[own.group(1)] = own.group(2)
        return always, exported, unsure
    parts = re.split(r"&&|[;\n]", "".join(command[at + 1 : at + 2]))
    torn = any(part.count(sign) % 2 for part in parts for sign in "\"'`") or any(
        part.count("(") != part.count(")") or part.endswith("\\") for part in parts
    )
    first = not torn
    for part in map(str.strip, parts):
        is_more = re.search(r"[|&<>]", re.sub(r"\(.*\)|\"[^\"]*\"|'[^']*'", "", part))
        first = first and not is_more and bool(re.match(r"(export\s+\w+=|cd\s|set\s+-)", part))
        if re.search(reads, part):
            unsure = "its command reads variables from another file"
        elif first:
            always.update(pairs(part) if part.startswith("export") else [])
        elif re.search(r"\bexport\s+\w+=", part) or re.match(pair + r"\Z", part):
            name = re.search(r"\w+(?==)", part).group(0)
            unsure = "its command sets %s, possibly under a condition" % name
        else:
            always.update(of_server(part))
    return always, exported, unsure


def modules_of(texts):
    """Returns what the web's server may import, the likeliest first."""
    sure, likely = [], []
    for word in re.split(r"[\s=\"',;()\[\]]+", " ".join(text for text, _ in texts)):
        if word.endswith(".py") and "/" in word or re.search(r"\b[aw]sgi\.py", word):
            word = word[:-3].strip("./").replace("/", ".")
        module, colon, _ = word.partition(":")
        if not re.match(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*\Z", module):
            continue
        if module.startswith(("django.", "gunicorn.", "uvicorn.")):
            continue
        if re.search(r"(\A|[._])[aw]sgi[^.]*\Z", module):
            sure.append(module)
        elif colon:
            likely.append(module)
    return sure + likely


def is_there(module):
    try:
        return importlib.util.find_spec(module) is not None
    except Exception:
        return False


def web_tells():
    """In the child: imports what the web's server imports, and reports which databases it names."""
    from django.db import connections

    question = task.spec["child"]
    module = None
    if not question["manage"]:
        sys.path[:0] = [path for path in question["path"] if path not in sys.path]
        module = next((each for each in question["modules"] if is_there(each)), None)
        if module is None:
            return task.say(json.dumps({"web": None}))
        importlib.import_module(module)
    there = [alias for alias in question["databases"] if alias in connections.databases]
    told = {alias: identity_of(connections[alias]) for alias in there}
    told = {alias: each for alias, each in told.items() if each != question["databases"][alias]}
    chosen = os.environ.get("DJANGO_SETTINGS_MODULE", "")
    web = {"module": module or "manage.py", "settings": chosen, "databases": told}
    task.say(json.dumps({"web": web}))
    for alias in list(told):
        # By another way, or as another user: only the server knows whether it is the same.
        try:
            connections[alias].ensure_connection()
            told[alias] = asked(connections[alias])
        except Exception:
            # Then it is compared by its name and its host.
            continue
        task.say(json.dumps({"web": web}))


def container_environment():
    """As the container was started with it: manage.py, and the command before it, add their own."""
    saved = os.environ.pop("DJANGO_ROLLOUT_ENV", None)
    if saved:
        try:
            words = shlex.split(saved)
            return dict(word.split("=", 1) for word in words if re.match(r"\w+=", word))
        except ValueError:
            pass
    try:
        with open("/proc/self/environ", "rb") as file:
            pairs = [each.split(b"=", 1) for each in file.read().split(b"\0") if b"=" in each]
        return {os.fsdecode(name): os.fsdecode(value) for name, value in pairs}
    except OSError:
        return dict(os.environ)


def question_of(identities):
    """How the child is started that is asked for the web's databases, or why nobody is asked."""
    from django.conf import settings

    command = task.spec.get("web")
    if command is None or "django_rollout_inspect" not in sys.argv[-1]:
        return None, None
    texts = words_of(command)
    whole = " ".join(command)
    parts = whole.split()
    programs = [part.rsplit("/", 1)[-1].strip("\"'") for part in parts]
    serving = ("runserver", "runserver_plus", "testserver", "runuwsgi")
    manage = next((part for part in parts if part.endswith("manage.py")), None)
    by_manage = manage is not None and any(each in serving for each in programs)
    modules = modules_of(texts)
    home = os.environ.get("DJANGO_SETTINGS_MODULE", "").split(".")
    guesses = [settings.WSGI_APPLICATION, getattr(settings, "ASGI_APPLICATION", None)]
    modules += [each.rsplit(".", 1)[0] for each in guesses if each and "." in each]
    for at in list(range(1, len(home))) + [0]:
        modules += [".".join(home[:at] + [each]) for each in ("wsgi", "asgi")]
    env = container_environment()
    always, exported, unsure = assigned(command, texts)
    if unsure:
        return None, unsure
    env = dict(exported, **dict(env, **always))
    flag = r"--(?:chdir|pythonpath|app-dir)[= ](\S+)"
    folder = env.get("PWD") or os.getcwd()
    for each in re.findall(flag, " ".join(parts)) + re.findall(r"(?:^| )cd ([^\s;&]+)", whole):
        if os.path.isdir(os.path.join(folder, each)):
            folder = os.path.join(folder, each)
    child = {
        "manage": by_manage,
        "modules": modules,
        "path": [folder, os.getcwd()] + sys.path[:1],
        "databases": identities,
    }
    env = {name: value for name, value in env.items() if not name.startswith("DJANGO_ROLLOUT_")}
    env["DJANGO_ROLLOUT_SPEC"] = json.dumps({"marker": task.spec["marker"], "child": child})
    start = [sys.executable, "-c", sys.argv[-1]]
    if by_manage:
        chosen = re.findall(r"--settings[= ](\S+)", " ".join(parts))
        flags = ["--settings=" + each for each in chosen[:1]]
        start = [sys.executable, manage, "shell", "-v", "0"] + flags + ["-c", sys.argv[-1]]
    given = "DJANGO_SETTINGS_MODULE" in env or "--settings" in whole
    cwd = folder if os.path.isdir(folder) else None
    return {"start": start, "env": env, "cwd": cwd, "given": given}, None


def answer_to(question):
    """What the child tells, and why it tells nothing."""
    late = None
    try:
        child = subprocess.Popen(
            question["start"],
            env=question["env"],
            cwd=question["cwd"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        return None, str(error)
    try:
        out = child.communicate(timeout=child_seconds)[0]
    except subprocess.TimeoutExpired as expired:
        # What settings tell it has said before it asked a database that does not answer.
        out = expired.output or b""
        late = "its import did not end within %d s" % child_seconds
    finally:
        # What it has started must not outlive it.
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except OSError:
            pass
    marker = task.spec["marker"]
    lines = out.decode("utf-8", "replace").splitlines()
    for line in reversed(lines):
        text = line.partition(marker)[2].rpartition(marker)[0]
        if text.startswith("{"):
            web = json.loads(text)["web"]
            if web is None:
                return None, "its command names no known module"
            return dict(web, given=question["given"]), None
    words = [line for line in lines if line.strip()]
    return None, late or (words[-1] if words else "it printed nothing")
