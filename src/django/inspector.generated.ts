// Generated from inspector.py by scripts/embed-inspector.mjs: change that file, not this one.
export const inspectorSource = `"""Tells django-rollout which migrations a new image brings, then becomes the migrate command.

Run in the user's image by \`python manage.py shell -v 0 -c <this text>\`; nothing is added to the image.
Its task is JSON in DJANGO_ROLLOUT_SPEC:

    marker     random text that stands before and after each line that is meant for django-rollout
    migrate    the command that migrates, for /bin/sh; null: tell the plan only
    databases  aliases in DATABASES that the command migrates (["default"] when missing)
    only       no other alias is planned, since the command names its own
    always     the command does more than \`manage.py migrate\`: it runs though nothing is pending
    volumes    folders that outlive the pod
    web        words of the command that starts the web; null: no comparison
    kept       what names each database of the release before, by alias
    wait       seconds to go on asking a database that does not answer yet (0 when missing)

It writes \`<marker>{plan}<marker>\` and, when it goes on to migrate, \`<marker>migrate<marker>\`; or, when
the command must not run, \`<marker>{"refused": ...}<marker>\`, and ends. Whatever else goes wrong is left
to Django and Python to tell: their own text, their own exit code.

The same text runs twice more. When the plan is made, the process becomes a bare Python, with all that was
found out in \`handed\`, a file that is open and has no name. That one starts a child that imports what the
web's server imports (\`child\`), with the environment of the container and not that of manage.py: which
databases it names is compared. Whatever it does at its import ends with it. So a project is in memory
once at any time: the pod has the limit of one that serves the web.

Everything is inside one function, since \`shell -c\` runs it among names that are not ours: Django 4.2
in the globals of its own module, 5.2 and later in a copy with all the models of the project.
Python 3.8 is the oldest that must be able to read it. No dollar sign may stand in here: Kubernetes
reads those in a container's command.
"""


def django_rollout_inspect():
    import atexit
    import importlib
    import importlib.util
    import json
    import os
    import platform
    import re
    import shlex
    import signal
    import subprocess
    import sys
    import time

    spec = json.loads(os.environ.pop("DJANGO_ROLLOUT_SPEC"))
    marker = spec["marker"]
    if "handed" not in spec:
        import django
        from django.apps import apps
        from django.conf import settings
        from django.core.management import CommandError, call_command, get_commands
        from django.db import Error, connections, router
        from django.db.migrations.executor import MigrationExecutor
        from django.db.migrations.loader import MigrationLoader
        from django.db.utils import OperationalError

    # In characters: a plan is one line of a container's log, which holds 10 MiB before it is rotated.
    longest_sql = 8000
    longest_sql_of_all = 400000

    # What Django asks a database while it puts together the text of a migration. Anything else would
    # be an operation of the project's own that writes past the schema editor: a plan never writes.
    reading = ("SELECT", "SHOW", "PRAGMA", "DESCRIBE", "EXPLAIN")
    transaction = ("BEGIN", "SAVEPOINT", "RELEASE SAVEPOINT", "ROLLBACK", "SET CONSTRAINTS")

    # The script that starts the web, where it has been run: what it sets is there.
    through = os.environ.pop("DJANGO_ROLLOUT_THROUGH", None)
    named = spec.get("databases") or ["default"]
    # For the web's own module; a longer one has only to be believed by its rollout.
    child_seconds = 60

    def say(text):
        sys.stdout.flush()
        sys.stderr.flush()
        # By the descriptor: a project may have replaced sys.stdout.
        line = (marker + text + marker + "\\n").encode("ascii")
        while line:
            line = line[os.write(1, line) :]

    def connect(connection):
        until = time.monotonic() + float(spec.get("wait") or 0)
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

    def words_of(command):
        """The words of a command, and of the scripts and files of settings that it names."""
        texts = [(" ".join(command), None)]
        for word in command + (["gunicorn.conf.py"] if "gunicorn" in " ".join(command) else []):
            for path in re.split(r"[\\s=;&|\\"']+", word):
                if "." not in path and "/" not in path or path.endswith("manage.py"):
                    continue
                try:
                    with open(path, "rb") as file:
                        data = file.read(65536)
                except OSError:
                    continue
                # What pip has made of a server's name is a script of Python's.
                if b"\\0" not in data and not re.match(rb"#!.*python", data):
                    texts.append((data.decode("utf-8", "replace"), path))
        return texts

    def assigned(command, texts):
        """What a command sets for the server that it starts.

        Returns what it sets in any case, what its files export (which may be what is set already, or
        under a condition), and why that may not be all.
        """
        dollar = chr(36)
        pair = r"[A-Z_][A-Z0-9_]*=(?:\\"[^\\"]*\\"|'[^']*'|[^\\s\\"';&|,\\])]*)"
        servers = "gunicorn|uvicorn|daphne|hypercorn|granian|uwsgi|waitress|runserver|[aw]sgi"

        def pairs(text):
            for each in re.findall(r"(?<![\\w-])" + pair, text):
                name, _, value = each.partition("=")
                value = value if value[:1] == "'" else os.path.expandvars(value)
                if dollar not in value and "\`" not in value:
                    yield name, value.strip("\\"'")

        def of_server(line):
            """NAME=value before a server, and its -e NAME=value."""
            start = re.match(
                r"(?:exec\\s+)?(?:env\\s+)?((?:" + pair + r"\\s+)*)(?=\\S)(.*)", line, re.DOTALL
            )
            if start and re.search(r"\\b(" + servers + ")", start.group(2)):
                yield from pairs(start.group(1))
                for each in re.findall(r"\\s(?:-e|--env)[\\s=]*[\\"']?(" + pair + ")", start.group(2)):
                    yield from pairs(each)

        always, exported, unsure = {}, {}, None
        reads = (
            r"(^|&&|;|\\bthen\\b|\\bdo\\b)\\s*"
            r"((\\.|source)\\s+(?!\\S*activate\\b)\\S|set\\s+(-\\w*a|-o\\s+allexport))"
        )
        for text, path in texts:
            if path is None or path == through:
                continue
            found = []
            for line in text.replace("\\\\\\n", " ").splitlines():
                if re.match(r"export\\s", line):
                    exported.update(pairs(line))
                elif re.match(r"(env\\s*=|environment)", line):
                    found += pairs(line.partition("=")[2])
                else:
                    found += of_server(line.strip())
            for each in re.findall(r"^raw_env\\s*=([^\\]]*)", text, re.MULTILINE):
                found += pairs(each.replace('"', " ").replace("'", " "))
            for name, value in found:
                if always.setdefault(name, value) != value:
                    unsure = "%s sets %s in more than one way" % (path, name)
            is_script = re.match(r"#!.*sh\\b", text) or path.endswith(".sh")
            if is_script and re.search(reads, text, re.MULTILINE):
                unsure = "%s reads variables from another file" % path
        shells = ("sh", "bash", "dash", "ash", "ksh", "zsh")
        names = [each.rsplit("/", 1)[-1] for each in command]
        shell = next((i for i, name in enumerate(names) if name in shells), len(names))
        behind = range(shell + 1, len(names))
        at = next((i for i in behind if re.match(r"-\\w*c\\Z", names[i])), None)
        if at is None:
            for word in command:
                # No shell is there that would read a dollar sign or quotes.
                own = re.match(r"(?:-e|--env=)?([A-Z_][A-Z0-9_]*)=([^" + dollar + r"]*)\\Z", word)
                if own:
                    always[own.group(1)] = own.group(2)
            return always, exported, unsure
        parts = re.split(r"&&|[;\\n]", "".join(command[at + 1 : at + 2]))
        torn = any(part.count(sign) % 2 for part in parts for sign in "\\"'\`") or any(
            part.count("(") != part.count(")") or part.endswith("\\\\") for part in parts
        )
        first = not torn
        for part in map(str.strip, parts):
            is_more = re.search(r"[|&<>]", re.sub(r"\\(.*\\)|\\"[^\\"]*\\"|'[^']*'", "", part))
            first = first and not is_more and bool(re.match(r"(export\\s+\\w+=|cd\\s|set\\s+-)", part))
            if re.search(reads, part):
                unsure = "its command reads variables from another file"
            elif first:
                always.update(pairs(part) if part.startswith("export") else [])
            elif re.search(r"\\bexport\\s+\\w+=", part) or re.match(pair + r"\\Z", part):
                name = re.search(r"\\w+(?==)", part).group(0)
                unsure = "its command sets %s, possibly under a condition" % name
            else:
                always.update(of_server(part))
        return always, exported, unsure

    def modules_of(texts):
        """Returns what the web's server may import, the likeliest first."""
        sure, likely = [], []
        for word in re.split(r"[\\s=\\"',;()\\[\\]]+", " ".join(text for text, _ in texts)):
            if word.endswith(".py") and "/" in word or re.search(r"\\b[aw]sgi\\.py", word):
                word = word[:-3].strip("./").replace("/", ".")
            module, colon, _ = word.partition(":")
            if not re.match(r"[A-Za-z_]\\w*(\\.[A-Za-z_]\\w*)*\\Z", module):
                continue
            if module.startswith(("django.", "gunicorn.", "uvicorn.")):
                continue
            if re.search(r"(\\A|[._])[aw]sgi[^.]*\\Z", module):
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
        """In the child: imports what the web's server imports, and tells which databases it names."""
        task = spec["child"]
        module = None
        if not task["manage"]:
            sys.path[:0] = [path for path in task["path"] if path not in sys.path]
            module = next((each for each in task["modules"] if is_there(each)), None)
            if module is None:
                return say(json.dumps({"web": None}))
            importlib.import_module(module)
        there = [alias for alias in task["databases"] if alias in connections.databases]
        told = {alias: identity_of(connections[alias]) for alias in there}
        told = {alias: each for alias, each in told.items() if each != task["databases"][alias]}
        chosen = os.environ.get("DJANGO_SETTINGS_MODULE", "")
        web = {"module": module or "manage.py", "settings": chosen, "databases": told}
        say(json.dumps({"web": web}))
        for alias in list(told):
            # By another way, or as another user: only the server knows whether it is the same.
            try:
                connections[alias].ensure_connection()
                told[alias] = asked(connections[alias])
            except Exception:
                # Then it is compared by its name and its host.
                continue
            say(json.dumps({"web": web}))

    def container_environment():
        """As the container was started with it: manage.py, and the command before it, add their own."""
        saved = os.environ.pop("DJANGO_ROLLOUT_ENV", None)
        if saved:
            try:
                words = shlex.split(saved)
                return dict(word.split("=", 1) for word in words if re.match(r"\\w+=", word))
            except ValueError:
                pass
        try:
            with open("/proc/self/environ", "rb") as file:
                pairs = [each.split(b"=", 1) for each in file.read().split(b"\\0") if b"=" in each]
            return {os.fsdecode(name): os.fsdecode(value) for name, value in pairs}
        except OSError:
            return dict(os.environ)

    def question_of(identities):
        """How the child is started that is asked for the web's databases, or why nobody is asked."""
        command = spec.get("web")
        if command is None or "django_rollout_inspect" not in sys.argv[-1]:
            return None, None
        texts = words_of(command)
        whole = " ".join(command)
        parts = whole.split()
        programs = [part.rsplit("/", 1)[-1].strip("\\"'") for part in parts]
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
        flag = r"--(?:chdir|pythonpath|app-dir)[= ](\\S+)"
        folder = env.get("PWD") or os.getcwd()
        for each in re.findall(flag, " ".join(parts)) + re.findall(r"(?:^| )cd ([^\\s;&]+)", whole):
            if os.path.isdir(os.path.join(folder, each)):
                folder = os.path.join(folder, each)
        task = {
            "manage": by_manage,
            "modules": modules,
            "path": [folder, os.getcwd()] + sys.path[:1],
            "databases": identities,
        }
        env["DJANGO_ROLLOUT_SPEC"] = json.dumps({"marker": marker, "child": task})
        for name in ("DJANGO_ROLLOUT_ENV", "DJANGO_ROLLOUT_THROUGH"):
            env.pop(name, None)
        start = [sys.executable, "-c", sys.argv[-1]]
        if by_manage:
            chosen = re.findall(r"--settings[= ](\\S+)", " ".join(parts))
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

    def hand_over(found, question):
        """Becomes a Python without Django, which asks the web; comes back only when that cannot be."""
        atexit.unregister(hand_over)
        if "failed" in found:
            # What others have to do at the end.
            try:
                atexit._run_exitfuncs()
            except Exception:
                pass
        state = json.dumps({"found": found, "question": question, "spec": spec}).encode("ascii")
        try:
            if hasattr(os, "memfd_create"):
                file = os.fdopen(os.memfd_create("django-rollout", 0), "w+b")
            else:
                import tempfile

                file = tempfile.TemporaryFile()
            file.write(state)
            file.seek(0)
            os.set_inheritable(file.fileno(), True)
            to_do = json.dumps({"marker": marker, "handed": file.fileno()})
            env = dict(os.environ, DJANGO_ROLLOUT_SPEC=to_do)
            sys.stdout.flush()
            sys.stderr.flush()
            os.execve(sys.executable, [sys.executable, "-S", "-c", sys.argv[-1]], env)
        except (OSError, ValueError):
            conclude(found, *answer_to(question))

    def conclude(found, web, silent):
        """Compares, tells the plan and becomes the migration; or refuses."""
        refuse_others(found, web)
        if "failed" in found:
            return
        migrate = spec.get("migrate")
        plans, always = found["plans"], found["always"]
        works = [plan for plan in plans if plan["pending"] or plan["squashed"]]
        runs = bool(migrate) and bool(works or always)
        for plan in plans:
            lost = plan["vendor"] == "sqlite" and not outlives(plan["identity"]["name"])
            if migrate and lost and (plan in works or (always and plan["database"] in named)):
                refuse("file", plan["database"], plan["identity"])
            if migrate and not always and plan in works and plan["database"] not in named:
                pending = ["%(app)s.%(name)s" % each for each in plan["pending"] + plan["squashed"]]
                refuse("left", plan["database"], plan["identity"], pending=pending)
        say(
            json.dumps(
                {
                    "django": found["django"],
                    "python": platform.python_version(),
                    "databases": plans,
                    "runs": runs,
                    "web": {"module": web["module"]} if web else silent and {"silent": silent},
                }
            )
        )
        if runs:
            say("migrate")
            if os.path.exists("/bin/sh"):
                os.execv("/bin/sh", ["sh", "-c", migrate])
            words = shlex.split(migrate)
            os.execvp(words[0], words)

    def refuse(why, alias, identity, **more):
        say(json.dumps(dict({"refused": why, "alias": alias, "migration": identity}, **more)))
        os._exit(3)

    def refuse_others(found, web):
        """Never another database than the web's, or than the one of the release before."""
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
            before = (spec.get("kept") or {}).get(alias)
            if before and not is_same(identity, before):
                refuse("before", alias, identity, other=before)

    def outlives(path):
        return any(
            path == folder or path.startswith(os.path.realpath(folder).rstrip("/") + "/")
            for folder in spec.get("volumes") or []
        )

    def refuse_writes(execute, sql, params, many, context):
        if not str(sql).lstrip().upper().startswith(reading + transaction):
            raise CommandError("a plan never writes: " + str(sql))
        return execute(sql, params, many, context)

    def inner(operation):
        # SeparateDatabaseAndState: what it does to the database is what can be undone or not.
        return getattr(operation, "database_operations", None) or []

    def reversible(operation):
        return bool(operation.reversible) and all(reversible(each) for each in inner(operation))

    def own_apps(alias, loader):
        """Apps of which a router keeps tables in this database and not in the default one."""

        def is_own(model):
            if router.allow_migrate_model("default", model):
                return False
            # A legacy table is nobody's to make (managed = False).
            there = router.allow_migrate_model(alias, model)
            return there and model._meta.can_migrate(connections[alias])

        with_migrations = [apps.get_app_config(app) for app in loader.migrated_apps]
        return {app.label for app in with_migrations if any(map(is_own, app.get_models()))}

    def with_sql(executor, connection, migrations):
        """Pairs of migration and the text that sqlmigrate would print; None where it cannot tell."""
        # The state is carried along: to build it again for each migration, as sqlmigrate does, takes
        # minutes in a project with hundreds of them.
        state = executor._create_project_state(with_applied_migrations=True)
        left = longest_sql_of_all
        for migration in migrations:
            sql = None
            if left > 0:
                try:
                    if state is None:
                        state = executor.loader.project_state(
                            (migration.app_label, migration.name), at_end=False
                        )
                    with connection.execute_wrapper(refuse_writes):
                        with connection.schema_editor(
                            collect_sql=True, atomic=migration.atomic
                        ) as editor:
                            state = migration.apply(state, editor, collect_sql=True)
                    sql = "\\n".join(editor.collected_sql)
                except Exception:
                    # An operation that looks up a constraint which a migration before it, unapplied
                    # too, is yet to make fails here as it does in sqlmigrate, and so does what would
                    # write. The plan is worth telling without its SQL.
                    state = None
            if sql is not None:
                if len(sql) > min(longest_sql, left):
                    sql = sql[: min(longest_sql, left)] + "\\n-- (cut)"
                left -= len(sql)
            yield migration, sql

    def leaf_of_apps(loader):
        leaf = {}
        applied = [key for key in loader.graph.nodes if key in loader.applied_migrations]
        for app, name in sorted(applied):
            children = loader.graph.node_map[(app, name)].children
            if not any(c.key[0] == app and c.key in loader.applied_migrations for c in children):
                leaf[app] = name
        return leaf

    def not_in_code(loader):
        """Migrations that the database has and this code does not.

        \`newer\` tells a version deployed later (its migrations came after all that this code knows)
        from what squashed migrations and removed apps leave behind.
        """
        known = set(loader.disk_migrations)
        for migration in loader.disk_migrations.values():
            known.update(migration.replaces)

        def at(key):
            # None for a squashed migration that counts as applied because those it replaces are.
            return getattr(loader.applied_migrations[key], "applied", None)

        unknown = [key for key in sorted(loader.applied_migrations) if key not in known]
        times = {key: at(key) for key in loader.applied_migrations if at(key) is not None}
        apps = {app for app, _ in known}
        for app, name in unknown:
            before = [
                when
                for key, when in times.items()
                if key in known and (key[0] == app or app not in apps)
            ]
            when = times.get((app, name))
            newer = when is not None and all(when >= other for other in before)
            yield {"app": app, "name": name, "newer": newer}

    def to_record(executor):
        """Squashed migrations that \`migrate\` marks as applied, since all that they replace is.

        As MigrationExecutor.check_replacements does. Without it the release that removes the replaced
        ones would end with InconsistentMigrationHistory.
        """
        recorded = executor.recorder.applied_migrations()
        for key, migration in sorted(executor.loader.replacements.items()):
            if key not in recorded and all(each in recorded for each in migration.replaces):
                yield {"app": key[0], "name": key[1]}

    def version_of(connection):
        try:
            return ".".join(str(part) for part in connection.get_database_version())
        except (AttributeError, NotImplementedError):
            return None

    def plan_of(alias, identity, own):
        """The plan of one database; of the apps in \`own\` alone where that is not None."""
        connection = connections[alias]
        executor = MigrationExecutor(connection)
        loader = executor.loader
        # As \`migrate\` does: it would refuse to begin, and it would be the reader's first news of it.
        loader.check_consistent_history(connection)
        conflicts = loader.detect_conflicts()
        if conflicts:
            raise CommandError(
                "Conflicting migrations detected; multiple leaf nodes in the migration graph: ("
                + "; ".join(
                    "%s in %s" % (", ".join(names), app) for app, names in conflicts.items()
                )
                + ").\\nTo fix them run 'python manage.py makemigrations --merge'"
            )
        pending = [each for each, _ in executor.migration_plan(loader.graph.leaf_nodes())]
        if own is not None:
            pending = [each for each in pending if each.app_label in own]
        return {
            "database": alias,
            "identity": identity,
            "vendor": connection.vendor,
            "vendorName": connection.display_name,
            "version": version_of(connection),
            "transactionalDdl": bool(connection.features.can_rollback_ddl),
            "pending": [
                {
                    "app": migration.app_label,
                    "name": migration.name,
                    "operations": [type(each).__name__ for each in migration.operations],
                    "atomic": bool(migration.atomic),
                    "reversible": all(reversible(each) for each in migration.operations),
                    "sql": sql,
                }
                for migration, sql in with_sql(executor, connection, pending)
            ],
            "squashed": [each for each in to_record(executor) if own is None or each["app"] in own],
            "applied": leaf_of_apps(loader),
            "unknown": list(not_in_code(loader)) if own is None else [],
        }

    if "child" in spec:
        web_tells()
        sys.stdout.flush()
        # Not by sys.exit: threads that the project has started would keep it.
        os._exit(0)

    if "handed" in spec:
        with os.fdopen(spec["handed"], "rb") as file:
            state = json.loads(file.read().decode("ascii"))
        found, spec = state["found"], state["spec"]
        named = spec.get("databases") or ["default"]
        conclude(found, *answer_to(state["question"]))
        os._exit(found.get("failed", 0))

    # Django reports settings that cannot be imported only when they are read; then the apps.
    settings.INSTALLED_APPS
    django.setup()

    # Apps by alias. Where no router says otherwise all is the default one's, and a mirror is a copy; what
    # a router keeps away from is not asked at all: it may be anything, and out of reach.
    planned = {alias: None for alias in named}
    if settings.DATABASE_ROUTERS and not spec.get("only"):
        on_disk = MigrationLoader(None)
        for alias in connections:
            mirror = (connections[alias].settings_dict.get("TEST") or {}).get("MIRROR")
            own = set() if mirror or alias in planned else own_apps(alias, on_disk)
            if own:
                planned[alias] = own
    identities = {alias: identity_of(connections[alias]) for alias in planned}
    found = {"stated": dict(identities), "identities": identities, "plans": []}
    question, silent = question_of(found["stated"])
    try:
        call_command("check", stdout=sys.stderr)
        for alias, own in planned.items():
            connect(connections[alias])
            identities[alias] = asked(connections[alias])
            found["plans"].append(plan_of(alias, identities[alias], own))
    except Exception as error:
        # A database that does not answer, or that is none of Django's, may be only the wrong one.
        for alias in identities:
            try:
                connections[alias].ensure_connection()
                identities[alias] = asked(connections[alias])
            except Exception:
                pass
        found["failed"] = getattr(error, "returncode", 1) or 1
        connections.close_all()
        # Told by Django and Python first, as it is.
        if question:
            atexit.register(hand_over, found, question)
        else:
            conclude(found, None, silent)
        raise

    connections.close_all()
    # A project's own \`migrate\` may do anything: django-tenants goes through all schemas.
    found["always"] = bool(spec.get("always")) or get_commands().get("migrate") != "django.core"
    found["django"] = django.get_version()
    if question:
        hand_over(found, question)
    else:
        conclude(found, None, silent)


django_rollout_inspect()
`
