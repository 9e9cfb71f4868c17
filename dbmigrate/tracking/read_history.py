"""Reads the tracking table and the log table: what is applied, what is unfinished, the log entries.

`tables` finds and makes the tables; `write_log` renders what is written to them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from psycopg import sql

from dbmigrate.model import Applied, Direction, History, LogState, StepRecord, Unfinished
from dbmigrate.reports import LogEntry
from dbmigrate.tracking.tables import _DETAILS, Tables

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from dbmigrate.connection.database import Connection

# The newest log entry of each version that changed whether it is applied. If that entry undid the version, and the
# version is in the tracking table all the same, another tool applied it since: what the log says of the file does not
# hold. Marks, repairs and replacements that undo keep no up SQL; for a file too large to be kept they look like those
# that apply.
_NEWEST = """
select distinct on (version) version, event_id, file, checksum, token_checksum, down_sql, finished_at, os_user,
       git_commit, {reason} as reason, direction::text = 'down' as is_rollback,
       direction::text = 'down' or (direction::text in ('mark', 'repair', 'replace') and up_sql is null
                                    and (down_sql is not null or checksum is null)) as is_undone
from {log} where step is null and state::text = 'done' order by version, event_id desc
"""


def read(conn: Connection, tables: Tables) -> History:
    """The applied versions and the unfinished migrations. Works without the log table, and without both tables."""
    if not (tables.exists and tables.log_exists):
        return read_states(conn, tables)
    statement = sql.SQL(
        "select v.version::text, l.version::text, l.file, l.checksum, l.token_checksum, l.finished_at, l.os_user,"
        " l.git_commit, l.reason, l.is_undone, l.is_rollback, l.event_id, exists (select 1 from {log}"
        " where step is null and not in_transaction and state::text <> 'done')"
        " from {versions} v full join (" + _NEWEST + ") l on l.version::text = v.version::text order by v.version"
    ).format(versions=tables.versions, reason=_reason(tables), log=tables.log)
    rows = conn.execute(statement, binary=True).fetchall()
    applied = tuple(_applied(row[:10]) for row in rows if row[0] is not None)
    undone = tuple(Applied(*_rollback(row[:10])) for row in rows if row[0] is None and row[10])
    # few histories have unsuccessful runs: without a row it is not known
    found = _with_runs(applied, _unsuccessful(conn, tables) if not rows or rows[0][12] else (), conn, tables)
    logged = [row for row in cast("list[tuple[Any, ...]]", rows) if row[11] is not None]
    newest = max(logged, key=lambda row: row[11], default=None)  # the newest entry of all is that of its version
    return replace(found, undone=undone, updated_at=newest[5] if newest else None)


def read_states(conn: Connection, tables: Tables) -> History:
    """The same without what the log knows of applied files: their versions alone."""
    runs = _unsuccessful(conn, tables) if tables.log_exists else ()
    if not tables.exists:
        return _with_runs((), runs, conn, tables)
    statement = sql.SQL("select version from {} where version is not null order by version").format(tables.versions)
    return _with_runs(tuple(Applied(str(row[0])) for row in conn.execute(statement)), runs, conn, tables)


def _with_runs(
    applied: tuple[Applied, ...], unsuccessful: Sequence[_OpenRun], conn: Connection, tables: Tables
) -> History:
    """The history, with what became of the runs of non-transactional migrations that did not succeed."""
    runs: dict[str, list[_OpenRun]] = {}
    for run in unsuccessful:
        runs.setdefault(run.version, []).append(run)
    unfinished: list[Unfinished] = []
    deferred: list[Unfinished] = []
    stale: list[int] = []
    for of_version in runs.values():
        found = _newest_unfinished(conn, tables, [run for run in of_version if not run.is_over])
        if found is not None:
            (deferred if found.is_deferred else unfinished).append(found)
        goes_on = found is not None and not found.is_deferred  # `resume` closes the entries of its earlier runs
        stale += (run.event_id for run in of_version if run.is_open and (run.is_over or not goes_on))
    return History(applied, tuple(unfinished), tuple(deferred), stale=tuple(stale))


def _applied(row: Sequence[object]) -> Applied:
    """Where the log says last that it was undone, another tool has applied it since."""
    if row[9] or row[1] is None:
        return Applied(str(row[0]))
    _, version, file, checksum, tokens, at, by, commit, *_ = cast("tuple[Any, ...]", row)
    return Applied(version, file, checksum, tokens, None, at, by, commit)


def _rollback(row: Sequence[object]) -> tuple[Any, ...]:
    _, version, file, checksum, tokens, at, by, commit, reason, _ = cast("tuple[Any, ...]", row)
    return version, file, checksum, tokens, None, at, by, commit, reason


def _unsuccessful(conn: Connection, tables: Tables) -> tuple[_OpenRun, ...]:
    """Runs of non-transactional migrations after which no other one succeeded, or whose entry is open."""
    statement = sql.SQL(
        "select l.version, l.event_id, l.file, l.direction, l.started_at, l.error, l.run_id,"
        " l.state::text = 'started', coalesce(n.event_id > l.event_id, false), {details} from {log} l"
        " left join (select version::text, max(event_id) as event_id from {log}"
        " where step is null and state::text = 'done' group by 1) n on n.version = l.version::text"
        " where l.step is null and not l.in_transaction and l.state::text <> 'done'"
        " and (l.state::text = 'started' or n.event_id is null or n.event_id < l.event_id) order by l.event_id"
    ).format(log=tables.log, details=_details(tables))
    return tuple(_OpenRun(*cast("tuple[Any, ...]", row)) for row in conn.execute(statement, binary=True))


class _OpenRun(NamedTuple):
    """A run of a non-transactional migration that failed or is going on; `is_over`: another one succeeded since."""

    version: str
    event_id: int
    file: str | None
    direction: str
    started_at: datetime
    error: str | None
    run_id: object
    is_open: bool
    is_over: bool
    details: object

    @property
    def is_deferred(self) -> bool:
        return isinstance(self.details, dict) and bool(self.details.get("deferred"))


def _newest_unfinished(conn: Connection, tables: Tables, runs: Sequence[_OpenRun]) -> Unfinished | None:
    """The steps of all those runs of one version; an interrupted undo has to be finished first."""
    for direction in (Direction.DOWN, Direction.UP):
        of_direction = [run for run in runs if run.direction == direction]
        steps = _steps(conn, tables, of_direction) if of_direction else ()
        is_deferred = bool(of_direction) and of_direction[-1].is_deferred
        if is_deferred or any(step.state is not LogState.FAILED for step in steps):
            last = of_direction[-1]
            name = last.file or last.version
            return Unfinished(last.version, name, direction, last.started_at, steps, last.error, is_deferred)
    return None


def _steps(conn: Connection, tables: Tables, runs: Sequence[_OpenRun]) -> tuple[StepRecord, ...]:
    """The newest log entry of each step in runs of one version and direction."""
    statement = sql.SQL(
        "select distinct on (step) step, state, checksum, coalesce(up_sql, down_sql), error, {details} from {log}"
        " where version::text = %s and direction::text = %s and run_id = any(%s) and step is not null"
        " order by step, event_id desc"
    ).format(log=tables.log, details=_details(tables))
    rows = conn.execute(statement, (runs[0].version, runs[0].direction, [run.run_id for run in runs])).fetchall()
    return tuple(
        StepRecord(
            cast("int", row[0]),
            LogState(str(row[1])),
            str(row[2]),
            cast("str | None", row[3]),
            cast("str | None", row[4]),
            _before(row[5]),
            row[5] if isinstance(row[5], dict) and "pages" in row[5] else None,
        )
        for row in rows
    )


def _details(tables: Tables) -> sql.SQL:
    """The column `details`; dbmigrate 0.1 made logs without it."""
    return sql.SQL("null::jsonb" if _DETAILS in tables.missing else "details")


def _reason(tables: Tables) -> sql.SQL:
    """The column `reason`, which an older log may lack."""
    return sql.SQL("null::text" if any(column.startswith("reason ") for column in tables.missing) else "reason")


def has_open_entries(conn: Connection, tables: Tables, version: str) -> bool:
    """Whether this version has open log entries. Under the lock: entries of a run that died."""
    statement = sql.SQL("select exists (select 1 from {} where version::text = %s and state::text = 'started')")
    rows = conn.execute(statement.format(tables.log), (version,)).fetchall()
    return bool(rows[0][0])


def has_begun(conn: Connection, tables: Tables) -> bool:
    """Whether anything was ever recorded here, though all of it may be undone."""
    if not tables.log_exists:
        return False
    statement = sql.SQL("select exists (select 1 from {} where step is null and state::text = 'done')")
    return bool(conn.execute(statement.format(tables.log)).fetchall()[0][0])


def adopted(conn: Connection, tables: Tables) -> frozenset[str]:
    """The versions that were taken over from another tool, whatever became of them since."""
    if not tables.log_exists:
        return frozenset()
    statement = sql.SQL(
        "select distinct version::text from {} where direction::text = 'adopt' and state::text = 'done'"
    )
    return frozenset(str(row[0]) for row in conn.execute(statement.format(tables.log)).fetchall())


def _before(details: object) -> frozenset[str] | None:
    found = details.get("before") if isinstance(details, dict) else None
    return frozenset(map(str, found)) if isinstance(found, list) else None


def events(conn: Connection, tables: Tables, *, limit: int | None, failed: bool) -> tuple[LogEntry, ...]:
    """The log entries, the newest first; with `failed` only those of failures."""
    if not tables.log_exists:
        return ()
    statement = _of_events(tables, limit, failed=failed)
    return tuple(LogEntry(*_typed(row)) for row in conn.execute(statement, binary=True))


def events_sql(conn: Connection, tables: Tables, *, limit: int | None, failed: bool) -> str | None:
    """The query of `events`, for psql; None without a log table."""
    if not tables.log_exists:
        return None
    return f"{_of_events(tables, limit, failed=failed).as_string(conn)};\n"


def _of_events(tables: Tables, limit: int | None, *, failed: bool) -> sql.Composed:
    return sql.SQL(
        "select event_id, run_id::text, version, file, direction, step, state, started_at, duration_ms, error,\n"
        "       sqlstate, db_role, os_user, tool_version, git_commit, git_dirty, reason, {details}\n"
        "  from {log}{condition}\n order by event_id desc{limit}"
    ).format(
        details=_details(tables),
        log=tables.log,
        condition=sql.SQL("\n where state::text = 'failed' or error is not null" if failed else ""),
        limit=sql.SQL("" if limit is None else "\n limit {}").format(limit),
    )


def _typed(row: Sequence[Any]) -> tuple[Any, ...]:
    return (*row[:6], LogState(str(row[6])), row[7], None if row[8] is None else row[8] / 1000, *row[9:])


def kept_down(conn: Connection, tables: Tables, version: str) -> tuple[str, str] | None:
    """The file name and the down SQL (headers included) that the log keeps of an applied version; None without them."""
    if not tables.log_exists:
        return None
    statement = sql.SQL(
        "select file, down_sql from (" + _NEWEST + ") l where version::text = %s and not is_undone"
    ).format(reason=_reason(tables), log=tables.log)
    row = conn.execute(statement, (version,)).fetchone()
    if row is None or row[1] is None:
        return None
    return str(row[0] or version), str(row[1])


def versions(conn: Connection, tables: Tables) -> list[str]:
    """The applied versions in the order of the database's collation, as dbmate's schema file lists them."""
    if not tables.exists:
        return []
    statement = sql.SQL("select version from {} where version is not null order by version asc").format(tables.versions)
    return [str(row[0]) for row in conn.execute(statement)]
