"""``dbmigrate lint``."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from dbmigrate.cli import fixing
from dbmigrate.cli.call import Call
from dbmigrate.cli.findings import (
    Format,
    FormatOption,
    SinceOption,
    SummaryOption,
    masked,
    show_findings,
    write_summary,
)
from dbmigrate.cli.options import ScratchUrl, common

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dbmigrate.lint import LintConfig
    from dbmigrate.lint.selection import Selection
    from dbmigrate.model import Migration, Problem
    from dbmigrate.settings.load import Settings


class FailOn(StrEnum):
    """The severity from which on the exit code is 1."""

    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"


@common
def lint(
    call: Call,
    files: Annotated[list[str] | None, typer.Argument(metavar="[FILE...]", help="Only these files.")] = None,
    since: SinceOption = None,
    all_: Annotated[bool, typer.Option("--all", help="Check every file, not only new ones.")] = False,
    write_baseline: Annotated[
        bool, typer.Option("--write-baseline", help="Accept what is found now: write it into the baseline.")
    ] = False,
    format_: FormatOption = Format.HUMAN,
    summary: SummaryOption = None,
    fail_on: Annotated[FailOn, typer.Option("--fail-on", help="Exit with 1 from this severity on.")] = FailOn.WARNING,
    fix: Annotated[
        bool, typer.Option("--fix", help="Rewrite what has a safe form, proved on a scratch database.")
    ] = False,
    diff: Annotated[bool, typer.Option("--diff", help="With --fix: print a unified diff, write nothing.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="With --fix: write nothing, exit with 1 if something would be rewritten.")
    ] = False,
    allow_split: Annotated[
        bool, typer.Option("--allow-split", help="With --fix: changes of rows may become several steps.")
    ] = False,
    scratch_url: ScratchUrl = None,
) -> None:
    """Find what migrations would block, break or lose; exit with 1 if there is any."""
    from dbmigrate.lint import LintConfig

    call.add({"json": format_ is Format.JSON, "scratch_url": scratch_url})
    if fix and (write_baseline or summary is not None):
        raise fixing.excluded()
    request = fixing.Request(shows_diff=diff, only_checks=check, allows_split=allow_split)
    settings = call.settings()
    config = LintConfig.from_mapping(settings.project.lint, path=f"{settings.project.path}: lint")
    chosen = _selected(call, files or (), since, wants_all=all_ or write_baseline)
    if fix:
        fixing.fix(call, chosen, config, request)
        return
    fixing.refuse_alone(request)
    if write_baseline:
        _accept(call, chosen, config)
        return
    problems, history = found_in(chosen, config, settings)
    problems = masked(call, problems)
    show_findings(call, "lint", problems, files=chosen.files, format_=format_, history=history)
    write_summary(summary, problems, title="Lint", files=chosen.files)
    _exit(problems, fail_on)


def found_in(chosen: Selection, config: LintConfig, settings: Settings) -> tuple[tuple[Problem, ...], ...]:
    """The findings that count, and those in older files."""
    from dbmigrate.lint import baseline

    only = None if chosen.is_whole else chosen.only
    every = _every(chosen, config, settings, only)
    known = baseline.read()
    paths = None if only is None else [each.file.path for each in chosen.migrations if each.version in only]
    return chosen.split(every if known is None else (*known.new(every), *known.stale(every, paths)))


def _every(
    chosen: Selection, config: LintConfig, settings: Settings, only: frozenset[str] | None
) -> tuple[Problem, ...]:
    """All findings about the selected files."""
    from dbmigrate.lint import lint as find
    from dbmigrate.migrations import variables
    from dbmigrate.planning import replaces

    kept = replaces.kept(chosen.migrations)
    migrations = [variables.bound(each, settings.variables.for_checks()) for each in kept]
    found = find(migrations, config=config, only=only, unapplied=chosen.unapplied)
    return (*found, *_annotation_faults(migrations, only), *_contradictions(chosen, settings))


def _exit(problems: Sequence[Problem], fail_on: FailOn) -> None:
    from dbmigrate.model import Severity
    from dbmigrate.output import findings

    if findings.is_bad(problems, Severity(fail_on.value)):
        raise typer.Exit(1)


def _contradictions(chosen: Selection, settings: Settings) -> Iterator[Problem]:
    """Dependencies that no order of the files can meet."""
    from dbmigrate.model import History, Severity
    from dbmigrate.planning import dependencies, repeatables, replaced, replaces

    if any(problem.severity is Severity.ERROR for problem in (*chosen.problems, *chosen.history)):
        return  # a file that cannot be read is there all the same
    found = replaces.of(chosen.migrations, History())
    kept = replaces.kept(chosen.migrations)
    wanted = [each for each in kept if chosen.only is None or each.version in chosen.only]
    files = [each.file for each in kept]
    yield from replaces.faults(wanted)
    yield from replaced.faults(found, {each.version: each for each in chosen.migrations})
    versioned = [each for each in wanted if not each.file.is_repeatable]
    yield from dependencies.faults(versioned, files, History(), replaces.by_version(found))
    yield from _across_services(versioned, settings)
    again = [each for each in kept if each.file.is_repeatable]
    names, needed = [each.version for each in again], repeatables.needs(again)
    versions = [*replaces.by_version(found), *(file.version for file in files)]
    yield from repeatables.faults([each for each in again if each in wanted], names, versions)
    yield from repeatables.circles(again, needed)


def _across_services(versioned: Sequence[Migration], settings: Settings) -> Iterator[Problem]:
    """Dependencies on services and versions that are not there."""
    if any(":" in each.value for migration in versioned for each in migration.annotated("depends")):
        from dbmigrate.api import other_services
        from dbmigrate.planning import service_dependencies

        own = settings.service.name if settings.service else ""
        files = {
            each.name: other_services.files_in(each.directories, settings.version_order)
            for each in settings.services
            if each.name != own
        }
        known = {name: None if found is None else [file.version for file in found] for name, found in files.items()}
        yield from service_dependencies.faults(versioned, known)


def _annotation_faults(migrations: Sequence[Migration], only: frozenset[str] | None) -> Iterator[Problem]:
    """Annotations that are wrong, contradict those of another file, or mean nothing."""
    from dbmigrate.planning import annotation_faults, target_environments, variables

    read = [each for each in migrations if only is None or each.version in only]
    for migration in read:
        yield from annotation_faults.faults(migration)
        if migration.bound is not None:
            yield from variables.unused(migration, migration.bound)
    yield from target_environments.faults(read, {each.version: each for each in migrations})


def _selected(call: Call, files: Sequence[str], since: str | None, *, wants_all: bool) -> Selection:
    """Which files count: the named ones; else what is pending in the named database; else what changed."""
    from dbmigrate.errors import ConfigError
    from dbmigrate.lint import selection

    if (bool(files), since is not None, wants_all).count(True) > 1:
        message = "FILE, --since, --all and --write-baseline exclude each other"
        raise ConfigError(message, code="E200", hint="give one of them")
    directories, order = call.settings().migrations_dirs, call.settings().version_order
    if files:
        return selection.named(files, order)
    if since is not None:
        chosen = selection.changed(directories, since, order)
    elif wants_all:
        chosen = selection.everything(directories, order)
    elif call.given.get("url") or call.given.get("environment"):
        with call.migrator() as migrator:
            versions = [row.version for row in migrator.status().pending]
            chosen = selection.pending(directories, versions, order)
            proposals = migrator.proposals(each for each in chosen.migrations if each.version in versions)
            chosen = replace(chosen, problems=(*chosen.problems, *proposals))
    else:
        chosen = selection.changed_here(directories, order)
    return selection.noted(chosen, directories, order)


def _accept(call: Call, chosen: Selection, config: LintConfig) -> None:
    from dbmigrate.lint import baseline

    count = baseline.write((*chosen.problems, *_every(chosen, config, call.settings(), chosen.only)))
    noun = "finding" if count == 1 else "findings"
    call.renderer.answer(
        "lint", [f"{count} {noun} written to {baseline.FILE}"], {"baseline": baseline.FILE, "findings": count}
    )
