"""The answer of ``check``: what was run, what it locks, what was found. Pure."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from dbmigrate.output import findings, impact, reports, text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dbmigrate.check import Report
    from dbmigrate.impact import Priced
    from dbmigrate.output.colour import Line


def lines(report: Report, locks: Sequence[Priced], *, detailed: Sequence[Priced]) -> Iterator[Line | str]:
    """The locks (`detailed` statement by statement, of the others their number), the findings, what was done."""
    if _matter(detailed):
        yield "Locks, as measured on the scratch database:"
        yield from islice(impact.lines(detailed), 1, None)
        yield ""
    yield from findings.human(report.problems, files=report.selected)
    dangerous = sum(priced.verdict.is_dangerous for priced in locks)
    if dangerous and not detailed:
        yield f"{text.count(dangerous, 'statement')} would block others for long on large tables (--locks lists them)"
    yield headline(report)


def _matter(locks: Sequence[Priced]) -> bool:
    return any(table.impact.matters for priced in locks for table in priced.tables)


def headline(report: Report) -> str:
    """``18 migrations applied, 18 rolled back and applied again, on a scratch PostgreSQL 18.6 in 2.1 s``"""
    if report.server is None:
        return f"no migration was run; {text.count(report.selected, 'file')} read"
    server = f"PostgreSQL {report.server}"
    server = f"{server}, {report.where}," if report.where else f"a scratch {server}"
    return (
        f"{text.count(report.applied, 'migration')} applied, {report.tried} rolled back and applied again,"
        f" on {server} in {text.duration(report.seconds)}"
    )


def value(report: Report, locks: Sequence[Priced]) -> dict[str, object]:
    """The same for JSON: findings, durations in milliseconds, locks. `remarks` are about the scratch database."""
    return {
        **findings.value(report.problems, files=report.selected),
        "server_version": report.server,
        "duration_ms": round(report.seconds * 1000, 3),
        "applied": report.applied,
        "migrations": [
            {
                "version": result.migration.version,
                "file": result.migration.name,
                "duration_ms": round(result.seconds * 1000, 3),
            }
            for result in report.results
        ],
        "remarks": list(report.notes),
        "locks": impact.values(locks),
    }


def markdown(report: Report, locks: Sequence[Priced]) -> Iterator[str]:
    """What follows the findings in a summary: what was run, how long each migration took, what is locked."""
    yield ""
    yield f"{headline(report)}."
    if report.results:
        yield from ("", "| migration | up took |", "|---|---|")
        for result in report.results:
            yield f"| {reports.inline(result.migration.name)} | {text.duration(result.seconds)} |"
    if _matter(locks):
        yield from ("", "### Locks", "", *impact.markdown(locks))
