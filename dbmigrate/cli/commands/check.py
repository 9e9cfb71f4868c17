"""``dbmigrate check``. Runs migrations on a scratch database; the target is only read."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Annotated

import typer

from dbmigrate.cli import catalogue, loaded, scratch
from dbmigrate.cli.call import Call, dumping
from dbmigrate.cli.findings import (
    Format,
    FormatOption,
    SinceOption,
    SummaryOption,
    masked,
    show_findings,
    write_summary,
)
from dbmigrate.cli.loaded import LoadOptions
from dbmigrate.cli.options import ScratchUrl, common
from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from dbmigrate.api.rehearsal import Rehearsed
    from dbmigrate.check import Linter, Options, Report
    from dbmigrate.check.queries import Collection
    from dbmigrate.connection.database import Connection
    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.impact import Priced
    from dbmigrate.model import Migration, Problem
    from dbmigrate.settings.load import Settings


@common
def check(
    call: Call,
    since: SinceOption = None,
    max_duration: Annotated[
        str | None, typer.Option("--max-duration", metavar="DURATION", help="Fail if one migration takes longer.")
    ] = None,
    locks: Annotated[
        bool | None,
        typer.Option("--locks/--no-locks", help="List locks statement by statement. [on with --since, -e]"),
    ] = None,
    queries: Annotated[
        list[str] | None,
        typer.Option("--queries", metavar="GLOB", help="Files of queries that must keep working, repeatable."),
    ] = None,
    from_statistics: Annotated[
        bool, typer.Option("--from-pg-stat-statements", help="The same for queries in pg_stat_statements.")
    ] = False,
    no_lint: Annotated[bool, typer.Option("--no-lint", help="Skip the rules of `lint`.")] = False,
    format_: FormatOption = Format.HUMAN,
    summary: SummaryOption = None,
    scratch_url: ScratchUrl = None,
    *,
    load: LoadOptions,
) -> None:
    """Run all migrations on a scratch database: up, down, up again; exit with 1 if anything is wrong."""
    from dbmigrate import check as module

    call.add({"scratch_url": scratch_url, "json": format_ is Format.JSON})
    settings = call.settings()
    target = settings.target_if_configured()
    options = _options(call, since=since, longest=_seconds(max_duration), wants_lint=not no_lint)
    with _live(call, target, is_needed=from_statistics) as live:
        collected = _queries(queries or (), live if from_statistics else None)
        options = replace(options, queries=collected, applied=_applied(call, live))
        choice = scratch.for_check(call, target, live.conn if live else None)
        report = module.run(options, choice)
        priced = _priced(live, report)
    report, rehearsed = loaded.rehearse(call, load, report, choice)
    report = replace(report, problems=masked(call, (*report.problems, *catalogue.stale(settings))))
    scratch.show_notes(call, report.notes)
    is_detailed = bool(since or call.environments) if locks is None else locks
    shown = _Shown(report, priced, rehearsed)
    _show(call, shown, detailed=priced if is_detailed else (), format_=format_)
    _write_summary(call, summary, shown)
    if not report.is_clean:
        raise typer.Exit(1)


def _seconds(text: str | None) -> float | None:
    from dbmigrate.settings import durations

    return None if text is None else durations.duration(text, "--max-duration")


def _options(call: Call, *, since: str | None, longest: float | None, wants_lint: bool) -> Options:
    from dbmigrate.check import Options

    settings = call.settings()
    return Options(
        directories=settings.migrations_dirs,
        order=settings.version_order,
        table=settings.migrations_table,
        dumping=dumping(settings) if settings.dump_schema else None,
        since=since,
        longest=longest,
        lint=_linter(settings, since) if wants_lint else None,
        variables=settings.variables,
    )


def _linter(settings: Settings, since: str | None) -> Linter:
    """What `lint` finds in the migrations, by the project's configuration. Files changed `since` are applied nowhere.

    Without it, files changed since the branch began count, as for `lint`: the others are run, not reviewed.
    """
    from dbmigrate.lint import UNREAD, LintConfig, baseline, lint, selection

    config = LintConfig.from_mapping(settings.project.lint, path=f"{settings.project.path}: lint")
    known = baseline.read()

    def find(migrations: Sequence[Migration], meant: frozenset[str]) -> Iterable[Problem]:
        new = meant if since else selection.changed_here(settings.migrations_dirs).only
        only = meant if new is None else meant & new
        found = lint(migrations, config=config, only=only, unapplied=new or ())
        read = [each for each in found if each.code != UNREAD]  # here the server itself reads every statement
        return read if known is None else known.new(read)

    return find


@frozen
class _Live:
    """The target database, open for questions."""

    dsn: Dsn
    conn: Connection


@contextmanager
def _live(call: Call, target: Dsn | None, *, is_needed: bool) -> Iterator[_Live | None]:
    """The target database of ``-e``, for sizes and for its version; None without ``-e``, unless it `is_needed`.

    Raises ConfigError E201.
    """
    from dbmigrate.connection import database

    if is_needed:
        target = call.settings().target()
    if target is None or not (call.environments or is_needed):
        yield None
        return
    on_event = call.renderer.on_event
    with call.served(target) as served, database.connect(served, command="check", on_event=on_event) as conn:
        yield _Live(served, conn)


def _queries(patterns: Sequence[str], live: _Live | None) -> Collection:
    from dbmigrate.check import queries

    given = queries.from_files(patterns)
    if live is None:
        return given
    seen = queries.from_statistics(live.conn)
    return queries.Collection((*given.queries, *seen.queries), (*given.problems, *seen.problems))


def _applied(call: Call, live: _Live | None) -> frozenset[str]:
    """The applied versions of the target: queries have to work from there on."""
    if live is None:
        return frozenset()
    from dbmigrate.api.migrator import Migrator, Options

    settings = call.settings()
    options = Options(directories=settings.migrations_dirs, table=settings.migrations_table)
    return frozenset(item.version for item in Migrator(live.dsn, options).recorded().applied)


def _priced(live: _Live | None, report: Report) -> tuple[Priced, ...]:
    from dbmigrate import impact
    from dbmigrate.connection import database

    if live is None:
        return impact.unpriced(report.impacts)
    with database.translated(live.dsn):
        return impact.price(live.conn, report.impacts)


@frozen
class _Shown:
    """What there is to show."""

    report: Report
    locks: Sequence[Priced]
    rehearsed: Rehearsed | None


def _show(call: Call, shown: _Shown, *, detailed: Sequence[Priced], format_: Format) -> None:
    from dbmigrate.output import checking, rehearsal

    report, locks, rehearsed = shown.report, shown.locks, shown.rehearsed
    if format_ in (Format.GITHUB, Format.GITLAB):
        show_findings(call, "check", report.problems, files=report.selected, format_=format_)
        return
    lines = checking.lines(report, locks, detailed=detailed)
    value = checking.value(report, locks)
    if rehearsed is not None:
        lines = chain(map(call.hide, rehearsal.lines(rehearsed)), lines)
        value = {**value, "rehearsal": rehearsal.value(rehearsed, hide=call.hide)}
    call.renderer.answer("check", lines, value)


def _write_summary(call: Call, path: str | None, shown: _Shown) -> None:
    """The findings; below them durations and locks, and what was measured with rows."""
    from dbmigrate.output import checking, rehearsal

    write_summary(path, shown.report.problems, title="Check", files=shown.report.selected)
    if path is not None:
        with open(path, "a", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(f"{line}\n" for line in checking.markdown(shown.report, shown.locks))
            if shown.rehearsed is not None:
                file.writelines(f"{call.hide(line)}\n" for line in ("", *rehearsal.markdown(shown.rehearsed)))
