"""Commands about the text of migrations: no database is needed. Each one parses, calls one function, renders."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from dbmigrate.cli.call import Call
from dbmigrate.cli.options import common

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dbmigrate.model import Excerpt, Problem


class Format(StrEnum):
    """How findings are printed."""

    HUMAN = "human"
    JSON = "json"
    GITHUB = "github"
    GITLAB = "gitlab"


class FailOn(StrEnum):
    """From which severity on the exit code is 1."""

    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"


FormatOption = Annotated[Format, typer.Option("--format", help="How to print findings.")]
SummaryOption = Annotated[
    str | None, typer.Option("--summary", metavar="FILE", help="Append a summary in Markdown to FILE.")
]
SinceOption = Annotated[
    str | None, typer.Option("--since", metavar="REV", help="Only files that changed since a git revision.")
]


@common
def lint(
    call: Call,
    files: Annotated[list[str] | None, typer.Argument(metavar="[FILE...]", help="Only these.")] = None,
    since: SinceOption = None,
    format_: FormatOption = Format.HUMAN,
    summary: SummaryOption = None,
    fail_on: Annotated[FailOn, typer.Option("--fail-on", help="Exit with 1 from this severity on.")] = FailOn.WARNING,
) -> None:
    """Look for what migrations would block, break or lose; exit with 1 if there is any."""
    from dbmigrate.lint import LintConfig, selection
    from dbmigrate.lint import lint as find
    from dbmigrate.model import Severity
    from dbmigrate.output import findings

    call.add({"json": format_ is Format.JSON})
    settings = call.settings()
    config = LintConfig.from_mapping(settings.project.lint, path=f"{settings.project.path}: lint")
    chosen = selection.of(settings.migrations_dirs, settings.version_order, files=files or (), since=since)
    found = find(chosen.migrations, config=config, only=chosen.only, unapplied=chosen.unapplied)
    problems = masked(call, (*chosen.problems, *found))
    show_findings(call, "lint", problems, files=chosen.files, format_=format_)
    write_summary(summary, problems, title="Lint", files=chosen.files)
    if findings.is_bad(problems, Severity(fail_on.value)):
        raise typer.Exit(1)


@common
def explain(
    call: Call,
    code: Annotated[str | None, typer.Argument(metavar="[CODE]", help="For example L101, E301, W401.")] = None,
) -> None:
    """Explain a finding, an error or a warning by its code; without one, list all."""
    from dbmigrate import explanations

    if code is None:
        titles = dict(explanations.every_title())
        width = max(map(len, titles))
        lines = (f"{known:<{width}}  {title}" for known, title in titles.items())
        call.renderer.answer("explain", lines, {"codes": titles})
        return
    page = explanations.explain(code)
    told = (f"{page.code}: {page.title}", "", *page.body.splitlines())
    call.renderer.answer("explain", told, {"code": page.code, "title": page.title, "text": page.text})


def show_findings(call: Call, command: str, problems: Sequence[Problem], *, files: int, format_: Format) -> None:
    """Print findings on stdout in the wanted format; JSON and text are the renderer's."""
    from dbmigrate import provenance
    from dbmigrate.output import findings, reports

    if format_ is Format.GITHUB:
        placed = reports.below(provenance.prefix(), problems)
        call.script(f"{line}\n" for line in reports.github(placed, files=files))
    elif format_ is Format.GITLAB:
        call.script([f"{reports.gitlab(reports.below(provenance.prefix(), problems))}\n"])
    else:
        lines = findings.human(problems, files=files)
        call.renderer.answer(command, lines, findings.value(problems, files=files))


def masked(call: Call, problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """The problems with excerpts that show no password of the database."""
    from dataclasses import replace

    from dbmigrate import redaction

    def excerpt(problem: Problem) -> Excerpt | None:
        return problem.excerpt and redaction.masked(problem.excerpt, call.hide)

    return tuple(replace(problem, excerpt=excerpt(problem)) for problem in problems)


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
