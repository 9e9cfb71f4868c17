"""Findings as SARIF 2.1.0, for code scanning (https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html). Pure.

GitHub asks for more than the standard does
(https://docs.github.com/code-security/reference/code-scanning/sarif-files/sarif-support-for-code-scanning): one result
without a location makes it refuse the whole file, and paths have to be those of the repository.
"""

from __future__ import annotations

import json
import posixpath
import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from dbmigrate.frozen import frozen
from dbmigrate.model import Place, Severity
from dbmigrate.output import text
from dbmigrate.output.reports import fingerprints
from dbmigrate.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dbmigrate.model import Problem

__all__ = ["Rule", "Run", "report"]

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_HOME = "https://github.com/dbmigrate/dbmigrate"
_SEVERITIES = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "recommendation"}
_LONGEST = 1000  # characters of a description; GitHub shows 1024
_NAME_WORDS = 6
# what a version of semver.org may be; "0.1.0.dev0" is none
_SEMANTIC = re.compile(r"\d+\.\d+\.\d+")


@frozen
class Rule:
    """What is known of a code: its page in Markdown, and how bad its findings usually are."""

    title: str
    page: str
    severity: Severity
    name: str = ""


@frozen
class Run:
    """`directory` is that of the migrations, as the repository has it: each has its own alerts, as each command has.

    A finding that is about no file is shown in line 1 of `anchor`, a path in the repository.
    """

    command: str
    directory: str
    anchor: str


def report(problems: Sequence[Problem], rules: Mapping[str, Rule], run: Run) -> str:
    """A log with one run, in ASCII; the paths of `problems` are those of the repository. No findings are a result, too:
    they close the alerts of before.
    """
    codes = sorted({problem.code for problem in problems})
    driver: dict[str, object] = {"name": "dbmigrate", "informationUri": _HOME, "version": __version__}
    if found := _SEMANTIC.match(__version__):
        driver["semanticVersion"] = found[0]
    driver["rules"] = [_rule(code, rules[code]) for code in codes]
    numbers = {code: number for number, code in enumerate(codes)}
    results = [
        _result(problem, numbers[problem.code], fingerprint, run.anchor)
        for problem, fingerprint in zip(problems, fingerprints(problems), strict=True)
    ]
    log = {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "automationDetails": {"id": posixpath.join("dbmigrate", run.command, _uri(run.directory), "")},
                "columnKind": "unicodeCodePoints",
                "results": results,
            }
        ],
    }
    return json.dumps(log, indent=2)


def _rule(code: str, rule: Rule) -> dict[str, object]:
    title = _sentence(rule.title or code)
    first = rule.page.split("\n\n")[0] if rule.page else ""
    return {
        "id": code,
        "name": _pascal(rule.name or rule.title or code),
        "shortDescription": {"text": title},
        "fullDescription": {"text": _sentence(first.replace("\n", " ")) if first else title},
        "help": {"text": rule.page or title, "markdown": f"**{title}**\n\n{rule.page}".strip()},
        "defaultConfiguration": {"level": rule.severity.value},
        "properties": {
            "tags": ["database", "migration"],
            "problem.severity": _SEVERITIES[rule.severity],
            "precision": "high",
        },
    }


def _result(problem: Problem, number: int, fingerprint: str, anchor: str) -> dict[str, object]:
    place = problem.place or Place(anchor, 1)
    path = posixpath.normpath(place.path)
    message = _sentence(problem.message)
    if path.startswith(("/", "../")):  # not in the repository: only a path in it is a location
        message, place, path = f"{text.one_line(str(place))}: {message}", Place(anchor, 1), posixpath.normpath(anchor)
    hint = f" Hint: {_sentence(problem.hint)}" if problem.hint else ""
    region = {"startLine": max(place.line, 1), "startColumn": max(place.column, 1)}
    return {
        "ruleId": problem.code,
        "ruleIndex": number,
        "level": problem.severity.value,
        "message": {"text": f"{message}{hint}"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": _uri(path), "uriBaseId": "%SRCROOT%"},
                    "region": region,
                }
            }
        ],
        "partialFingerprints": {"dbmigrate/v1": fingerprint},
    }


def _uri(path: str) -> str:
    """A relative reference of RFC 3986, from the bytes of the path."""
    return quote(path, safe="/~", errors="surrogateescape")


def _sentence(given: str) -> str:
    """One line that ends as a sentence does, without surrogates, which stand for bytes of a file name."""
    shown = text.one_line(given).encode("utf-8", "backslashreplace").decode().strip()[:_LONGEST]
    return shown if shown.endswith((".", "!", "?")) else f"{shown}."


def _pascal(given: str) -> str:
    words = re.findall(r"[A-Za-z0-9]+", given)[:_NAME_WORDS]
    return "".join(word[:1].upper() + word[1:] for word in words)
