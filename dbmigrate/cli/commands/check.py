"""``dbmigrate check``. Runs migrations on a scratch database; the target is only read."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from dbmigrate.cli import branch_check, catalogue, commenting, loaded, scratch
from dbmigrate.cli.branch_check import BranchOption
from dbmigrate.cli.call import Call, dumping
from dbmigrate.cli.commenting import CommentOption
from dbmigrate.cli.findings import (
    FOR_CI,
    Format,
    FormatOption,
    SinceOption,
    SummaryOption,
    masked,
    show_findings,
    write_summary,
)
from dbmigrate.cli.linting import Linting
from dbmigrate.cli.loaded import LoadOptions
from dbmigrate.cli.options import ScratchUrl, common
from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dbmigrate.api.rehearsal import Rehearsed
    from dbmigrate.check import Options, Report
    from dbmigrate.check.queries import Collection
    from dbmigrate.connection.database import Connection
    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.impact import Priced
    from dbmigrate.output.checklist import Asked
    from dbmigrate.scratch.choose import Choice

MaxDuration = Annotated[
    str | None, typer.Option("--max-duration", metavar="DURATION", help="Fail if one migration takes longer.")
]
Locks = Annotated[
    bool | None, typer.Option("--locks/--no-locks", help="List locks statement by statement. [on with --since, -e]")
]
Queries = Annotated[
    list[str] | None,
    typer.Option("--queries", metavar="GLOB", help="Files of queries that must keep working, repeatable."),
]
FromStatistics = Annotated[
    bool, typer.Option("--from-pg-stat-statements", help="The same for queries in pg_stat_statements.")
]
Twice = Annotated[bool, typer.Option("--twice", help="Run each up twice, and name the files that need care.")]


@frozen
class ShowOptions:
    """Where the answer goes, and in which form."""

    format: FormatOption = Format.HUMAN
    summary: SummaryOption = None
    comment: CommentOption = False


@common
def check(
    call: Call,
    since: SinceOption = None,
    max_duration: MaxDuration = None,
    locks: Locks = None,
    queries: Queries = None,
    from_statistics: FromStatistics = False,
    twice: Twice = False,
    no_lint: Annotated[bool, typer.Option("--no-lint", help="Skip the rules of `lint`.")] = False,
    scratch_url: ScratchUrl = None,
    branch: BranchOption = None,
    *,
    show: ShowOptions,
    load: LoadOptions,
) -> None:
    """Run all migrations on a scratch database: up, down, up again; exit with 1 if anything is wrong."""
    call.add({"scratch_url": scratch_url, "json": show.format is Format.JSON})
    if branch is not None:
        others = (since, max_duration, queries, from_statistics, load.traffic, show.comment)
        branch_check.check(call, branch, load.load, branch_check.Shown(show.format, show.summary), others=others)
        return
    comments = commenting.begin(call) if show.comment else None
    linting = None if no_lint else Linting(call.settings(), since)
    changed = comments.changed if comments else None
    options = replace(
        _options(call), changed=changed, since=since, longest=_seconds(max_duration), lint=linting, twice=twice
    )
    ran = _run(call, options, queries or (), is_needed=from_statistics)
    report, rehearsed = loaded.rehearse(call, load, ran.report, ran.choice)
    report = replace(report, problems=masked(call, (*report.problems, *catalogue.stale(call.settings()))))
    scratch.show_notes(call, report.notes)
    is_detailed = bool(since or call.environments) if locks is None else locks
    shown = _Shown(report, ran.priced, rehearsed)
    _show(call, shown, detailed=ran.priced if is_detailed else (), format_=show.format)
    _write_summary(call, show.summary, shown, _asked(ran.options, linting, shown))
    if comments is not None:
        comments.publish(report, ran.priced, show.summary)
    if not report.is_clean:
        raise typer.Exit(1)


class _Ran(NamedTuple):
    """What was run: with which options, where, what came of it, and what that costs at the target's sizes."""

    options: Options
    choice: Choice
    report: Report
    priced: Sequence[Priced]


def _run(call: Call, options: Options, queries: Sequence[str], *, is_needed: bool) -> _Ran:
    """Check the migrations; with ``-e`` or where its statistics are needed, the target is open meanwhile."""
    from dbmigrate import check as module

    target = call.settings().target_if_configured()
    with _live(call, target, is_needed=is_needed) as live:
        collected = _queries(queries, live if is_needed else None)
        options = replace(options, queries=collected, applied=_applied(call, live))
        choice = scratch.for_check(call, target, live.conn if live else None)
        report = module.run(options, choice)
        return _Ran(options, choice, report, _priced(live, report))


def _seconds(text: str | None) -> float | None:
    from dbmigrate.settings import durations

    return None if text is None else durations.duration(text, "--max-duration")


def _options(call: Call) -> Options:
    from dbmigrate.check import Options, Project

    settings = call.settings()
    own = settings.service.name if settings.service else ""
    return Options(
        directories=settings.migrations_dirs,
        order=settings.version_order,
        table=settings.migrations_table,
        dumping=dumping(settings) if settings.dump_schema else None,
        variables=settings.variables,
        project=Project(own, tuple(each for each in settings.services if each.name != own)),
    )


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
    if format_ in FOR_CI:
        show_findings(call, "check", report.problems, files=report.selected, format_=format_)
        return
    lines = checking.lines(report, locks, detailed=detailed)
    value = checking.value(report, locks)
    if rehearsed is not None:
        lines = chain(map(call.hide, rehearsal.lines(rehearsed)), lines)
        value = {**value, "rehearsal": rehearsal.value(rehearsed, hide=call.hide)}
    call.renderer.answer("check", lines, value)


def _asked(options: Options, linting: Linting | None, shown: _Shown) -> Asked:
    from dbmigrate.output.checklist import Asked

    return Asked(
        frozenset() if linting is None else linting.clean,
        options.dumping is not None,
        len(options.queries.queries),
        options.longest,
        _measured(shown),
    )


def _measured(shown: _Shown) -> str | None:
    """Where the migrations ran with rows; None if some of those that were checked are applied there already."""
    if shown.rehearsed is None:
        return None
    ran = {each.step.version for each in shown.rehearsed.done}
    return shown.rehearsed.where if ran.issuperset(each.migration.version for each in shown.report.results) else None


def _write_summary(call: Call, path: str | None, shown: _Shown, asked: Asked) -> None:
    """The findings; below them durations and locks, what was measured with rows, and the checklist."""
    from dbmigrate.output import checking, checklist, rehearsal

    write_summary(path, shown.report.problems, title="Check", files=shown.report.selected)
    if path is not None:
        with open(path, "a", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(f"{line}\n" for line in checking.markdown(shown.report, shown.locks))
            if shown.rehearsed is not None:
                file.writelines(f"{call.hide(line)}\n" for line in ("", *rehearsal.markdown(shown.rehearsed)))
            proved = checklist.proved(shown.report, asked)
            file.writelines(f"{call.hide(line)}\n" for line in checklist.markdown(proved))
