"""Findings on stdout in the format of ``--format``, and in a summary of CI."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dbmigrate.cli.call import Call
    from dbmigrate.model import Excerpt, Problem


class Format(StrEnum):
    """How findings are printed."""

    HUMAN = "human"
    JSON = "json"
    GITHUB = "github"
    GITLAB = "gitlab"
    SARIF = "sarif"


# what a CI system reads in the place of the answer
FOR_CI = (Format.GITHUB, Format.GITLAB, Format.SARIF)

FormatOption = Annotated[Format, typer.Option("--format", help="How to print findings.")]
SummaryOption = Annotated[
    str | None, typer.Option("--summary", metavar="FILE", help="Append a summary in Markdown to FILE.")
]
SinceOption = Annotated[
    str | None, typer.Option("--since", metavar="REV", help="Only files that changed since a git revision.")
]


def show_findings(
    call: Call,
    command: str,
    problems: Sequence[Problem],
    *,
    files: int,
    format_: Format,
    history: Sequence[Problem] | None = None,
) -> None:
    """Print findings on stdout in the given format; the renderer prints JSON and text. `history` is only counted."""
    from dbmigrate.output import findings, reports
    from dbmigrate.tracking import provenance

    if format_ is Format.GITHUB:
        placed = reports.below(provenance.prefix(), problems)
        call.script(f"{line}\n" for line in reports.github(placed, files=files))
    elif format_ is Format.GITLAB:
        call.script([f"{reports.gitlab(reports.below(provenance.prefix(), problems))}\n"])
    elif format_ is Format.SARIF:
        from dbmigrate.cli import scanning

        call.script([f"{scanning.sarif(call, command, problems)}\n"])
    else:
        lines = [*findings.human(problems, files=files), *map(call.completed, findings.of_history(history or ()))]
        value = findings.value(problems, files=files)
        call.renderer.answer(
            command, lines, value | ({} if history is None else {"history": findings.numbers(history)})
        )


def write_summary(path: str | None, problems: Sequence[Problem], *, title: str, files: int) -> None:
    """Append the summary to a file, as GitHub's $GITHUB_STEP_SUMMARY wants it. Raises ConfigError E207."""
    from dbmigrate.errors import ConfigError
    from dbmigrate.output import reports

    if path is None:
        return
    try:
        with open(path, "a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(reports.summary(problems, title=title, files=files))
    except OSError as exc:
        raise ConfigError(f"cannot write {path}: {exc.strerror}", code="E207") from exc


def masked(call: Call, problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """The problems with excerpts that show no password of the database."""
    from dataclasses import replace

    from dbmigrate.connection import redaction

    def excerpt(problem: Problem) -> Excerpt | None:
        return problem.excerpt and redaction.masked(problem.excerpt, call.hide)

    return tuple(replace(problem, excerpt=excerpt(problem)) for problem in problems)
