"""``check --branch REV``: can the migrations of two branches be merged?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from dbmigrate.cli import scratch
from dbmigrate.cli.findings import FOR_CI, Format, masked, show_findings, write_summary
from dbmigrate.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbmigrate.check.branches import BranchReport
    from dbmigrate.cli.call import Call


BranchOption = Annotated[
    str | None,
    typer.Option("--branch", metavar="REV", help="Only this: can the migrations of REV and of this branch be merged?"),
]
# options that say nothing about branches
_OTHERS = ("--since", "--max-duration", "--queries", "--from-pg-stat-statements", "--traffic", "--comment")


class Shown(NamedTuple):
    """How the answer is shown."""

    format: Format
    summary: str | None


def check(call: Call, revision: str, dump: str | None, shown: Shown, *, others: Sequence[object]) -> None:
    """Compare the branches and show what was found; `others` are the values of `_OTHERS`.

    Raises ConfigError E200 if one of them is given, typer.Exit(1) if there are findings.
    """
    from dbmigrate.check import branches

    if wrong := next((option for option, given in zip(_OTHERS, others, strict=True) if given), None):
        hint = f"run `dbmigrate check {wrong} ...` beside it"
        raise ConfigError(f"--branch and {wrong} are two checks", code="E200", hint=hint)
    settings = call.settings()
    options = branches.BranchOptions(
        revision,
        settings.migrations_dirs,
        settings.version_order,
        settings.migrations_table,
        settings.seeds_dir,
        settings.target_environment,
        dump,
        settings.variables,
    )
    choice = scratch.for_check(call, settings.target_if_configured(), None)
    report = branches.run(options, choice)
    report = replace(report, problems=masked(call, report.problems))
    scratch.show_notes(call, report.notes)
    _show(call, report, shown.format)
    _write_summary(shown.summary, report)
    if not report.is_clean:
        raise typer.Exit(1)


def _show(call: Call, report: BranchReport, format_: Format) -> None:
    from dbmigrate.output import branches as output

    if format_ in FOR_CI:
        files = len(report.ours) + len(report.theirs)
        show_findings(call, "check", report.problems, files=files, format_=format_)
        return
    call.renderer.answer("check", output.lines(report), output.value(report))


def _write_summary(path: str | None, report: BranchReport) -> None:
    from dbmigrate.output import branches as output
    from dbmigrate.output import checklist, reports

    files = len(report.ours) + len(report.theirs)
    write_summary(path, report.problems, title=f"Merge with {reports.inline(report.revision)}", files=files)
    if path is not None:
        with open(path, "a", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(f"{line}\n" for line in output.markdown(report))
            file.writelines(f"{line}\n" for line in checklist.markdown(_proved(report)))


def _proved(report: BranchReport) -> dict[str, str]:
    """That two branches commute is proved where all migrations of both ran in every order, and nothing differed."""
    from dbmigrate.output import checklist, reports

    is_other = any(problem.code in ("C114", "C132") for problem in report.problems)
    if not report.is_clean or is_other or report.server is None:
        return {}
    rows = "rows compared" if report.rows_compared else "rows not compared"
    return {checklist.MERGES: f"{report.runs} runs with {reports.inline(report.revision)}, {rows}"}
