"""The checklist of a change, in Markdown. What a check has proved is ticked; the rest is for people. Pure.

A text says what is proved and no more: "`lint` finds nothing that ...", not "nothing is ...".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen
from dbmigrate.model import Severity
from dbmigrate.output import text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dbmigrate.check import Report

__all__ = ["GROUPS", "MERGES", "Asked", "lines", "markdown", "proved", "proved_by_rules"]

UP = "All migrations apply to an empty database"
DOWN = "Each down section undoes its up section, and up works again after it"
SCHEMA = "The schema file is what the migrations make"
QUERIES = "The application's queries work before and after it (`--queries`)"
DURATION = "No migration takes longer than allowed (`--max-duration`)"
ROWS = "It runs on rows like those of production (`--load`)"
MERGES = "The schema is the same, whichever of this and the main branch comes first (`--branch`)"
# what `lint` says about the files, and the rules that say it
RULES: dict[str, str] = {
    "`lint`: the name says what it changes, and it is one change": "L115 L143 L144",
    "`lint`: no password, key or personal data in the file": "L161 L162",
    "`lint`: nothing destroys data": "L121 L122 L127 L131 L132 L133 L134 L135",
    "`lint`: nothing breaks the application that runs": "L121 L122 L123 L124 L125 L126 L127 L128 L129",
    "`lint`: nothing blocks or rewrites a table in use": (
        "L100 L101 L102 L103 L104 L105 L106 L107 L108 L109 L111 L112 L113 L114 L116 L181 L182 L183"
    ),
    "`lint`: foreign keys have an index": "L173",
    "`lint`: no more rights than needed": "L163",
}
# in the order in which they are done; what is in no other list is for people
GROUPS: dict[str, tuple[str, ...]] = {
    "Before": (
        "We know which code and which queries use what it changes",
        "There is a plan for the rollback, or a reason why there is none",
    ),
    "The file": tuple(RULES),
    "Tried": (UP, DOWN, SCHEMA, QUERIES, DURATION, ROWS, MERGES),
    "Reviewed": (
        "A second developer has read the SQL",
        "The application works with the schema before it and after it",
    ),
    "Deployed": (
        "It is applied in staging, and staging works",
        "There is a backup, and somebody who knows how to restore it",
        "The team knows, and the time is one of little traffic",
        "Somebody watches while it runs",
    ),
    "After": (
        "The application is healthy",
        "Documentation and monitoring follow",
    ),
}


@frozen
class Asked:
    """What a check was asked for beside its usual work, and which rules of `lint` found nothing in any new file."""

    clean_rules: frozenset[str] = frozenset()
    compares_schema: bool = False
    queries: int = 0
    longest: float | None = None
    measured: str | None = None  # where the migrations ran with rows


def proved(report: Report, asked: Asked) -> dict[str, str]:
    """The boxes that a check has proved, with what proves them. Nothing is proved of what was not run to the end."""
    codes = {problem.code for problem in report.problems}
    is_whole, server = _is_whole(report), f"PostgreSQL {report.server}"
    tries = (
        (UP, True, "", f"{text.count(report.applied, 'migration')} on {server}"),
        (DOWN, True, "C102 C103 C104 C107 C108", f"{report.selected} tried"),
        (SCHEMA, asked.compares_schema, "C105 C113", "compared"),
        (QUERIES, asked.queries > 0, "C110 C111 C112", f"{asked.queries} prepared"),
        (DURATION, asked.longest is not None, "C109", f"at most {text.duration(asked.longest or 0)}"),
        (ROWS, asked.measured is not None, "C115", asked.measured or ""),
    )
    found = {
        box: evidence
        for box, was_asked, against, evidence in tries
        if is_whole and was_asked and codes.isdisjoint(against.split())
    }
    return found | proved_by_rules(asked.clean_rules)


def proved_by_rules(clean: frozenset[str]) -> dict[str, str]:
    """The boxes of `lint` whose rules are all on and found nothing."""
    return {box: "no finding" for box, rules in RULES.items() if clean.issuperset(rules.split())}


def _is_whole(report: Report) -> bool:
    """Whether something was selected, and everything ran."""
    is_tried = report.server is not None and 0 < report.selected == len(report.results)
    faults = {"C101", "C114", "C118", "C119"}
    is_faulty = any(
        problem.code in faults or (problem.code.startswith("E") and problem.severity is Severity.ERROR)
        for problem in report.problems
    )
    is_stopped = any(result.has_failed or result.is_stuck for result in report.results)
    return is_tried and not is_faulty and not is_stopped


def lines(found: Mapping[str, str]) -> Iterator[str]:
    """The same for a terminal."""
    yield "Checklist: ticked is what this dry run has proved; the rest is for `check` and for people"
    for title, boxes in GROUPS.items():
        yield f"  {title}"
        for box in boxes:
            evidence = found.get(box)
            yield f"    [ ] {box}" if evidence is None else f"    [x] {box}: {evidence}"


def markdown(found: Mapping[str, str]) -> Iterator[str]:
    """The list, with a tick at what is proved."""
    yield from ("", "### Checklist", "", "Ticked is what this check has proved. The rest is for people.")
    for title, boxes in GROUPS.items():
        yield from ("", f"**{title}**", "")
        for box in boxes:
            evidence = found.get(box)
            yield f"- [ ] {box}" if evidence is None else f"- [x] {box}: {evidence}"
