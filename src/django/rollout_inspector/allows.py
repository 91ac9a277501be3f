"""Comments in the files of pending migrations that accept one finding each.

    # django-rollout: allow <rule> <table>.<column>: <why>

Rule, object and reason are required, so that a copied comment accepts nothing else.
"""
import re
import sys
import tokenize

from rollout_inspector.judge import RULES

pattern = re.compile(r"#\s*django-rollout:\s*allow\b\s*([\w-]*)\s*([^\s:]*)\s*:?\s*(.*)")


def comments_of(migrations):
    """Returns {(rule, object): {"why", "file", "line"}}, and what is wrong with others."""
    found, wrong = {}, []
    for migration in migrations:
        file = file_of(migration)
        for line, text in comments_in(file):
            match = pattern.match(text)
            if match is None:
                continue
            rule, of, why = match.groups()
            fault = fault_of(rule, of, why)
            if fault:
                wrong.append({"file": file, "line": line, "message": fault})
            else:
                found[(rule, of)] = {"why": why[:200], "file": file, "line": line}
    return found, wrong


def file_of(migration):
    return getattr(sys.modules.get(migration.__module__), "__file__", None) or ""


def fault_of(rule, of, why):
    if rule not in RULES or rule == "unjudged":
        return 'there is no rule "%s"' % rule
    if not of:
        return "it names no object: %s <table>.<column>: <why>" % rule
    if not why.strip():
        return "it gives no reason: %s %s: <why>" % (rule, of)
    return None


def comments_in(file):
    """A text that looks like a comment and is inside of a string is none."""
    try:
        with open(file, "rb") as source:
            tokens = list(tokenize.tokenize(source.readline))
    except (OSError, SyntaxError, tokenize.TokenError):
        return []
    return [(each.start[0], each.string) for each in tokens if each.type == tokenize.COMMENT]
