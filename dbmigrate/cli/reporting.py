"""Collects what a report shows. Each part is asked for on its own; one that cannot be had is named in the report."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from dbmigrate.cli import environments, scratch
from dbmigrate.errors import Error
from dbmigrate.frozen import frozen
from dbmigrate.model import Problem, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from dbmigrate.api.migrator import Migrator
    from dbmigrate.catalog import Catalog
    from dbmigrate.cli.call import Call
    from dbmigrate.connection.database import Connection
    from dbmigrate.impact.values import LockReport, Relation
    from dbmigrate.model import Plan
    from dbmigrate.planning.environments import Table
    from dbmigrate.reporting.schema import Schema
    from dbmigrate.reporting.values import Lane, Pending, Report

ENTRIES = 400  # of each environment's log
_UNNAMED = "database"  # the target database, where no environment is chosen


@frozen
class Subject:
    """What is pending in the target database: the plan with its lock report, and the schema with what it changes.

    `secrets` are values of variables, which no text may show.
    """

    pending: tuple[Pending, ...] = ()
    digest: str = ""
    refusal: str | None = None
    notes: tuple[Problem, ...] = ()
    schema: Schema | None = None
    measured: int | None = None
    secrets: tuple[str, ...] = ()


def collect(call: Call) -> tuple[Report, Callable[[str], str]]:
    """The report, and what hides secrets in its texts. Raises ConfigError, ConnectionFailed E301 to E305."""
    from dbmigrate.connection import redaction
    from dbmigrate.reporting.values import Origin, Report
    from dbmigrate.tracking import provenance

    named = call.take_environments()
    settings = call.settings()
    settings.target()  # without one there is nothing to report
    subject = _subject(call)
    table, lanes = _everywhere(call, named)
    run = provenance.describe(settings.migrations_dirs)
    commit = f"{run.git_commit[:12]}{'+' if run.git_dirty else ''}" if run.git_commit else None
    command = " ".join(("dbmigrate", *(f"-e {name}" for name in named), "report"))
    origin = Origin(datetime.now(UTC), command, run.tool_version or "", call.target_name(settings), commit)
    report = Report(
        origin,
        table,
        lanes,
        subject.pending,
        subject.digest,
        subject.refusal,
        subject.notes,
        subject.schema,
        subject.measured,
    )
    values = sorted({*subject.secrets, *settings.values} - _schema_names(subject), key=len, reverse=True)
    return report, lambda text: redaction.without(call.hide(text), values)


def _schema_names(subject: Subject) -> set[str]:
    """The names of schemas, which are not secret: masking them would make every name unreadable."""
    return {name.partition(".")[0] for name in (subject.schema.tables if subject.schema else ())}


# -------------------------------------------------------------------------------------------------------- environments


def _everywhere(call: Call, named: Sequence[str]) -> tuple[Table, tuple[Lane, ...]]:
    """The environments side by side, and the log of each; several ``-e`` are shown alone."""
    own = None if call.settings().environment or _is_an_environment(call) else _UNNAMED
    table = environments.survey(call, named if len(named) > 1 else (), own=own)
    lanes = (_lane(call, column.name, column.failure, is_own=column.name == own) for column in table.columns)
    return table, tuple(lanes)


def _is_an_environment(call: Call) -> bool:
    """Whether an environment has the target database too: it is shown once, under that name."""
    target = call.settings().target().display
    for name in call.settings().environments():
        with suppress(Error):  # a URL that cannot be read is shown in its column
            if call.settings_of(name).target().display == target:
                return True
    return False


def _lane(call: Call, name: str, failure: str | None, *, is_own: bool) -> Lane:
    from dbmigrate.api.records import Upkeep
    from dbmigrate.reporting.values import Lane

    if failure is not None:
        first = failure.strip().partition("\n")[0]
        call.warn((Problem("W770", f"{name} could not be asked: {first}"),))
        return Lane(name, failure=f"not reachable: {failure}")
    try:
        with call.migrator() if is_own else call.other_environment(name) as migrator:
            return Lane(name, Upkeep.of(migrator).history(limit=ENTRIES))
    except Error as exc:
        call.warn((Problem("W771", f"the log of {name} could not be read: {exc.message}", hint=exc.hint),))
        return Lane(name, failure=f"its log could not be read: {exc.message}")


# ------------------------------------------------------------------------------------------------------------- pending


def _subject(call: Call) -> Subject:
    """What is pending. The schema is read behind that: the embedded server is for one migrator at a time."""
    watcher = _Watcher()
    with call.migrator() as migrator:
        planned = _plan_or_refusal(migrator)
        locks = _locks(call, migrator, watcher) if not isinstance(planned, str) and planned.steps else None
    if isinstance(planned, str):
        return replace(_idle(call), refusal=planned)
    return _idle(call) if locks is None else _planned(call, planned, locks, watcher)


def _plan_or_refusal(migrator: Migrator) -> Plan | str:
    try:
        return migrator.plan_up()
    except Error as exc:
        if exc.exit_code == 3:
            raise
        place = f" ({exc.place})" if exc.place else ""
        return f"{exc.code}: {exc.message}{place}"


def _locks(call: Call, migrator: Migrator, watcher: _Watcher) -> LockReport:
    from dbmigrate.scratch.lock_report import Means, missing

    try:
        means = Means(scratch.choice(call), call.settings().environ, call.settings().variables, watcher)
    except Error as exc:  # the scratch URL cannot be read
        return missing(exc)
    return migrator.locks_up(means)


def _planned(call: Call, planned: Plan, locks: LockReport, watcher: _Watcher) -> Subject:
    from dbmigrate.reporting import pending, schema

    bound = [step.migration.bound for step in planned.steps if step.migration and step.migration.bound]
    seen = Subject(schema=schema.of(*watcher.catalogs), measured=locks.measured) if watcher.catalogs else _idle(call)
    others = [problem for problem in planned.problems if problem.code != pending.LOSS]
    found = tuple(_findings(call, planned))
    known = pending.Known(locks, found, call.settings().ticket_pattern)
    others += [problem for problem in found if problem.place is None]
    return Subject(
        tuple(pending.listed(planned, known)),
        planned.digest,
        notes=(*others, *locks.problems, *seen.notes),
        schema=seen.schema,
        measured=seen.measured,
        secrets=tuple(value for each in bound for value in each.secrets),
    )


def _idle(call: Call) -> Subject:
    """The schema as it is; or why it cannot be read."""
    from dbmigrate.api.drift import Comparer
    from dbmigrate.reporting import schema

    try:
        with call.opened(Comparer) as comparer:
            return Subject(schema=schema.of(comparer.picture().catalog))
    except Error as exc:
        problem = Problem("W772", f"the schema could not be read: {exc.message}", Severity.WARNING, hint=exc.hint)
        return Subject(notes=(problem,))


def _findings(call: Call, planned: Plan) -> Sequence[Problem]:
    """What lint says about the files."""
    from dbmigrate.cli.commands import lint
    from dbmigrate.cli.findings import masked
    from dbmigrate.lint import LintConfig, selection

    settings = call.settings()
    config = LintConfig.from_mapping(settings.project.lint, path=f"{settings.project.path}: lint")
    versions = [step.version for step in planned.steps]
    chosen = selection.pending(settings.migrations_dirs, versions, settings.version_order)
    problems, _ = lint.found_in(chosen, config, settings)
    return masked(call, problems)


@dataclass(slots=True)
class _Watcher:
    """Reads the catalog of the scratch database, before and after."""

    catalogs: list[Catalog]

    def __init__(self) -> None:
        self.catalogs = []

    def __call__(self, conn: Connection, own: Collection[Relation]) -> None:
        from dbmigrate import catalog

        self.catalogs.append(catalog.read(conn, without=[(each.schema, each.name) for each in own]))


# ------------------------------------------------------------------------------------------------------------- writing

STDOUT = "-"


def write_page(call: Call, path: str) -> None:
    """Write the page. Raises ConfigError E207, and what `collect` raises."""
    from dbmigrate.reporting import page

    report, hide = collect(call)
    _write(call, path, page.write(report, hide=hide), _summary(report))


def write_markdown(call: Call, path: str | None) -> None:
    """Write the catalogue. Raises what `catalogue.written` raises."""
    from dbmigrate.cli import catalogue
    from dbmigrate.output import text

    chosen = path or catalogue.default_path(call.settings())
    written, entries = catalogue.written(call, chosen if chosen != STDOUT else catalogue.default_path(call.settings()))
    _write(call, chosen, written, text.count(entries, "migration"))


def _summary(report: Report) -> str:
    from dbmigrate.output import text

    tables = "no schema" if report.schema is None else text.count(len(report.schema.tables), "table")
    return f"{len(report.pending)} pending, {tables}, {text.count(len(report.environments.columns), 'environment')}"


def _write(call: Call, path: str, written: str, summary: str) -> None:
    from pathlib import Path

    from dbmigrate.output.impact import byte_size
    from dbmigrate.schema import file

    if path == STDOUT:
        call.script([written])
        return
    file.write_atomically(Path(path), written)
    size = len(written.encode())
    line = f"wrote {path} ({byte_size(size)}): {summary}"
    if call.is_quiet:
        return
    call.renderer.answer("report", [line], {"path": path, "bytes": size})
