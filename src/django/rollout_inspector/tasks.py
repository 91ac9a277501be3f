"""The Celery tasks of an image: what workers of this version can run, and what it may be called with.

    {name: {"r": required parameters, "o": optional ones, "a": 1 if it takes any}}
"""
import base64
import inspect
import json
import os
import signal
import sys
import zlib

# Set while the modules are imported: Celery would run Django's system checks once more.
skip = "CELERY_SKIP_CHECKS"
# Unpacked, in characters; a project with more tasks than that is not compared.
longest = 500000
# For the import of the modules, in seconds: the plan waits for them.
patience = 30


class TooLong(BaseException):
    """Not an Exception: those a module may take for a broker that does not answer yet."""


def tasks():
    """Returns the tasks; nothing where the project has no Celery, or its tasks cannot be imported."""
    # A project that uses it has imported its app with its settings: that of its own, or that of its package.
    if "celery" not in sys.modules:
        return {}
    before = os.environ.get(skip)
    os.environ[skip] = "1"
    try:
        from celery import current_app

        ended_in_time(current_app.loader.import_default_modules)
        current_app.finalize(auto=True)
        return {name: parameters_of(task.run) for name, task in current_app.tasks.items() if not is_own(name)}
    except (Exception, SystemExit, TooLong):
        return {}
    finally:
        if before is None:
            del os.environ[skip]
        else:
            os.environ[skip] = before


def ended_in_time(load):
    def stop(*_):
        raise TooLong()

    earlier = signal.signal(signal.SIGALRM, stop)
    # Again and again: a destructor or a loop may take the first one.
    signal.setitimer(signal.ITIMER_REAL, patience, 1)
    try:
        load()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, earlier or signal.SIG_DFL)


def is_own(name):
    """Whether Celery has it by itself."""
    return name.startswith("celery.")


def parameters_of(function):
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return {"a": 1}
    found = {"r": [], "o": []}
    for each in parameters:
        if each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD):
            found["a"] = 1
        else:
            found["r" if each.default is each.empty else "o"].append(each.name)
    return {key: value for key, value in found.items() if value}


def packed(found):
    text = json.dumps(found, sort_keys=True, separators=(",", ":"))
    if not found or len(text) > longest:
        return None
    return base64.b64encode(zlib.compress(text.encode("utf-8"), 9)).decode("ascii")
