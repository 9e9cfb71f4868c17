"""squawk beside dbmigrate's own rules: run once for all files, on the up sections only, with their line numbers.

squawk (https://squawkhq.com) is a linter with PostgreSQL's whole grammar. It comes with ``dbmigrate[lint]``. It reads
each file alone and knows neither the other migrations nor what `up` does; what it gets wrong for that reason is left
out (`squawk_rules`). Its rules are not excluded on its command line, because it refuses names that its version
does not have; its ``squawk-ignore`` comments and its configuration file keep their meaning.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

from dbmigrate.backfill import placement
from dbmigrate.frozen import frozen
from dbmigrate.lint.squawk_rules import SQUAWK_RULES, Treatment
from dbmigrate.model import Place, Problem, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dbmigrate.lint.document import Document
    from dbmigrate.model import Statement

__all__ = ["UNREAD", "Part", "find_program", "run"]

UNREAD = "squawk:syntax-error"  # its parser does not know all of PostgreSQL, so the statement may be right

_SECONDS = 120
_FINDINGS = (0, 1)  # its exit codes: nothing found, something found
_SEVERITIES = {
    Treatment.WARNING: Severity.WARNING,
    Treatment.NOTE: Severity.NOTE,
    Treatment.OPTIONAL: Severity.NOTE,
    Treatment.OPT_IN: Severity.WARNING,
}
_IGNORE = "squawk-ignore"


@frozen
class Part:
    """The statements of a file that run in dbmigrate's transaction, or those that do not."""

    document: Document
    statements: Sequence[Statement]
    in_transaction: bool


def find_program() -> str | None:
    """The squawk beside this Python, else the first one on the PATH."""
    return shutil.which("squawk", path=os.path.dirname(sys.executable)) or shutil.which("squawk")


def run(program: str, parts: Sequence[Part], *, server: int) -> tuple[Problem, ...]:
    """squawk's findings about all `parts`, in two calls at most: its rules differ in and outside a transaction.

    If squawk fails, that is W651, and the other findings remain.
    """
    found: list[Problem] = []
    with tempfile.TemporaryDirectory(prefix="dbmigrate-lint-") as directory:
        for in_transaction in (True, False):
            chosen = [part for part in parts if part.in_transaction is in_transaction and part.statements]
            if chosen:
                flag = "--assume-in-transaction" if in_transaction else "--no-assume-in-transaction"
                arguments = [program, "--reporter", "json", f"--pg-version={server}", flag]
                found += _call(arguments, chosen, directory)
    return tuple(found)


def _call(arguments: Sequence[str], parts: Sequence[Part], directory: str) -> Iterator[Problem]:
    shown = {os.path.join(directory, f"{number}.sql"): (part, _shown(part)) for number, part in enumerate(parts)}
    for path, (_, text) in shown.items():
        with open(path, "w", encoding="utf-8", newline="") as file:
            file.write(text)
    try:
        done = subprocess.run([*arguments, *shown], capture_output=True, timeout=_SECONDS, check=False)
        report = json.loads(done.stdout or b"null")
    except (OSError, subprocess.SubprocessError, ValueError) as exc:
        yield _failed(str(exc))
        return
    if done.returncode not in _FINDINGS or not isinstance(report, list):
        yield _failed(done.stderr.decode(errors="replace").strip().partition("\n")[0])
        return
    for finding in report:
        if isinstance(finding, dict) and (known := shown.get(str(finding.get("file")))):
            part, text = known
            yield from _problem(finding, part.document.path, text.split("\n"))


def _failed(reason: str) -> Problem:
    return Problem("W651", f"squawk failed: {reason or 'no output'}", hint="only dbmigrate's own rules were run")


def _shown(part: Part) -> str:
    """The file with blanks for all that is not a statement of the part; squawk's own comments stay."""
    text = part.document.text
    shown = list(re.sub(r"[^\n]", " ", text))
    for statement in part.statements:
        start = part.document.offset(statement.line, statement.column)
        # as long as in the file
        sql = placement.plain(statement.sql if statement.filled is None else statement.filled.neutral)
        shown[start : start + len(sql)] = sql
    for comment in part.document.comments:
        if comment.text.startswith(_IGNORE):
            start = part.document.offset(comment.line, comment.column)
            shown[start : start + len(comment.verbatim)] = comment.verbatim
    return "".join(shown)


def _problem(finding: dict[str, object], path: str, lines: Sequence[str]) -> Iterator[Problem]:
    """One entry of its report. Lines and columns count from 0, columns in bytes of UTF-8."""
    name = str(finding.get("rule_name"))
    rule = SQUAWK_RULES.get(name)
    severity = _SEVERITIES.get(rule.treatment if rule else Treatment.WARNING)
    if severity is not None:
        line = min(_number(finding.get("line")), len(lines) - 1)
        before = lines[line].encode()[: _number(finding.get("column"))].decode(errors="ignore")
        hint = finding.get("help")
        place = Place(path, line + 1, len(before) + 1)
        yield Problem(f"squawk:{name}", str(finding.get("message")), severity, place, str(hint) if hint else None)


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
