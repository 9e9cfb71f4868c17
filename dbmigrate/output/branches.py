"""The answer of ``check --branch``. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.output import findings, reports, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbmigrate.check.branches import BranchReport
    from dbmigrate.output.colour import Line


def lines(report: BranchReport) -> Iterator[Line | str]:
    """The findings, what was compared."""
    yield from findings.human(report.problems, files=_files(report))
    yield headline(report)


def headline(report: BranchReport) -> str:
    """``2 migrations of this branch, 1 of main: applied in 3 orders on a scratch PostgreSQL 18.6 in 2.1 s``"""
    both = f"{text.count(len(report.ours), 'migration')} of this branch, {len(report.theirs)} of {report.revision}"
    if report.server is None:
        return f"{both}: no migration was run"
    server = f"PostgreSQL {report.server}"
    server = f"{server}, {report.where}," if report.where else f"a scratch {server}"
    rows = "rows compared" if report.rows_compared else "rows not compared"
    return f"{both}: {text.count(report.runs, 'run')} on {server} in {text.duration(report.seconds)}, {rows}"


def value(report: BranchReport) -> dict[str, object]:
    """The same for JSON."""
    return {
        **findings.value(report.problems, files=_files(report)),
        "revision": report.revision,
        "ours": list(report.ours),
        "theirs": list(report.theirs),
        "runs": report.runs,
        "rows_compared": report.rows_compared,
        "server_version": report.server,
        "duration_ms": round(report.seconds * 1000, 3),
        "remarks": list(report.notes),
    }


def markdown(report: BranchReport) -> Iterator[str]:
    """What follows the findings in a summary."""
    yield from ("", f"{reports.inline(headline(report))}.")


def _files(report: BranchReport) -> int:
    return len(report.ours) + len(report.theirs)
