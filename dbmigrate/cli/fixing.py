"""``lint --fix``: which files may be rewritten, and what is done with the result."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from dbmigrate.cli import scratch
from dbmigrate.errors import ConfigError, ConnectionFailed, PlanError
from dbmigrate.events import Warned
from dbmigrate.frozen import frozen
from dbmigrate.model import Place, Problem, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dbmigrate.cli.call import Call
    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.lint import LintConfig
    from dbmigrate.lint.fix.run import FileResult
    from dbmigrate.lint.selection import Selection
    from dbmigrate.model import Migration

__all__ = ["Request", "excluded", "fix", "refuse_alone", "tried_together"]


@frozen
class Request:
    """What to do with rewritten files: write them, show them, or only say whether there are any."""

    shows_diff: bool = False
    only_checks: bool = False
    allows_split: bool = False

    @property
    def writes(self) -> bool:
        """Whether files are written."""
        return not (self.shows_diff or self.only_checks)


def refuse_alone(request: Request) -> None:
    """Raise ConfigError E200: these options mean something with ``--fix`` only."""
    if request.shows_diff or request.only_checks or request.allows_split:
        raise ConfigError("--diff, --check and --allow-split need --fix", code="E200", hint="add --fix")


def excluded() -> ConfigError:
    """The error for options that are about findings."""
    message = "--fix excludes --write-baseline and --summary"
    return ConfigError(message, code="E200", hint="lint again when the files are rewritten")


def fix(call: Call, chosen: Selection, config: LintConfig, request: Request) -> None:
    """Rewrite the selected files that are applied nowhere. Raises typer.Exit(1) for ``--check`` if one would change."""
    from dbmigrate.lint import baseline
    from dbmigrate.lint.fix import run

    settings = call.settings()
    target = call.settings().target_if_configured()
    only = _unapplied(call, chosen, target)
    known = baseline.read()
    options = run.Options(
        config,
        only,
        unapplied=chosen.unapplied & only,
        table=settings.migrations_table,
        allows_split=request.allows_split,
        known=tuple if known is None else known.new,
        bind=_bound(call),
    )
    for problem in chosen.problems:
        call.renderer.on_event(Warned(problem))
    results = run.fix(tried_together(call, chosen.migrations, only), options, scratch.for_check(call, target, None))
    if request.writes:
        _write(results)
    _show(call, results, request)
    if request.only_checks and any(result.is_changed for result in results):
        raise typer.Exit(1)


def _show(call: Call, results: Sequence[FileResult], request: Request) -> None:
    from dbmigrate.output import fixing

    if request.shows_diff and not call.wants_json:
        call.script(f"{line}\n" for line in fixing.diff(results))
        for problem in fixing.problems(results):
            call.renderer.on_event(Warned(problem))
        return
    verb = "rewritten" if request.writes else "would be rewritten"
    call.renderer.answer("lint", fixing.lines(results, verb=verb), fixing.value(results, is_written=request.writes))


def _write(results: Sequence[FileResult]) -> None:
    from dbmigrate.lint.fix.run import bytes_of, text_of
    from dbmigrate.schema import file

    for result in results:
        if result.is_changed:
            if text_of(result.path) != result.text:
                raise PlanError(
                    f"{result.path} was changed while it was being rewritten",
                    code="E222",
                    place=Place(result.path, 1),
                    hint="run the command again",
                )
            file.write_atomically(Path(result.path), bytes_of(result.path, result.fixed.text).decode())


def tried_together(call: Call, migrations: Sequence[Migration], only: frozenset[str]) -> list[Migration]:
    """What runs on a scratch database, with values for variables: as in `check`, without files that another one
    replaces, and without those of some environments, unless they are meant.
    """
    from dbmigrate.planning import replaces

    kept = replaces.kept(migrations)
    return [_bound(call)(each) for each in kept if each.version in only or not each.annotated("env")]


def _bound(call: Call) -> Callable[[Migration], Migration]:
    from dbmigrate.migrations import variables

    values = call.settings().variables.for_checks()
    return lambda migration: variables.bound(migration, values)


def _unapplied(call: Call, chosen: Selection, target: Dsn | None) -> frozenset[str]:
    """The selected versions without those that the target has applied or begun. Raises ConfigError E265."""
    every = frozenset(each.version for each in chosen.migrations)
    only = every if chosen.only is None else chosen.only
    recorded = _recorded(call, target)
    if recorded is None and chosen.only is None and not chosen.is_whole:
        raise ConfigError(
            "which files are pending is not known, and an applied file must not be changed",
            code="E265",
            hint="name the files, or --since REV, or the database with -e or --url",
        )
    applied = only & (recorded or frozenset())
    for each in chosen.migrations:
        if each.version in applied and chosen.only is not None:
            message = f"{each.name} is applied: it is not rewritten"
            call.renderer.on_event(Warned(Problem("W371", message, Severity.NOTE, Place(each.file.path, 1))))
    return only - applied


def _recorded(call: Call, target: Dsn | None) -> frozenset[str] | None:
    """The versions that the target has applied or begun; None if it is not known."""
    from dbmigrate.api.migrator import Migrator, Options

    if target is None:
        return None
    settings = call.settings()
    options = Options(directories=settings.migrations_dirs, table=settings.migrations_table)
    try:
        with call.served(target) as dsn:
            history = Migrator(dsn, options, on_event=call.renderer.on_event).recorded()
    except ConnectionFailed as exc:
        if call.given.get("url") or call.given.get("environment"):
            raise
        message = f"which files are applied is not known: {exc.message}"
        call.renderer.on_event(Warned(Problem("W371", message, Severity.NOTE, hint=exc.hint)))
        return None
    applied = [each.version for each in history.applied]
    return frozenset((*applied, *(each.version for each in history.unfinished)))
