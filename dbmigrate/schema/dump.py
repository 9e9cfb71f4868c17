"""The schema file of a database that a session is connected to: made, compared, replaced, loaded."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from dbmigrate.connection import database, programs, silence
from dbmigrate.errors import DatabaseError, Error, LockNotAcquired
from dbmigrate.events import Warned
from dbmigrate.model import Problem, Severity
from dbmigrate.reports import SchemaFile
from dbmigrate.schema import file, load, normalise, pgdump, sending, versions
from dbmigrate.tracking import old_history, read_history, tables

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dbmigrate.connection.database import Connection
    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.execution.session import Session
    from dbmigrate.schema.versions import Dumping

# pg_dump sets these itself; a limit that is meant for migrations must not end a dump
_NOT_FOR_PG_DUMP = frozenset(
    {
        "idle_in_transaction_session_timeout",
        "idle_session_timeout",
        "lock_timeout",
        "search_path",
        "statement_timeout",
        "transaction_timeout",
    }
)
_TOO_MANY = re.compile("too many connections for|too many clients already|remaining connection slots")
_PAUSE = 0.3  # seconds
_TRIES = 5  # of a dump that nobody interferes with
_LONG_FILE = 20_000  # lines, from the first change to the last, above which counting would take longer than the dump


def text(session: Session, dumping: Dumping, *, arguments: Sequence[str] = ()) -> str:
    """The normalised schema and the versions. Raises ToolMissing E206, DatabaseError E404.

    Another session may migrate meanwhile: the versions are asked for before and after, and if they differ, all is done
    once more.
    """
    for _ in range(_TRIES):
        applied = _applied(session)
        raw = _dumped_in_turn(session, dumping, arguments)
        if _applied(session) == applied:
            break
    for problem in normalise.problems(raw):
        session.emit(Warned(problem))
    return normalise.normalise(raw) + _rendered(session, applied, dumping.layout)


def schema(session: Session, dumping: Dumping, *, arguments: Sequence[str] = ()) -> str:
    """The normalised schema alone. Raises as `text`."""
    raw = _dumped_in_turn(session, dumping, arguments)
    for problem in normalise.problems(raw):
        session.emit(Warned(problem))
    return normalise.normalise(raw)


def refuse_without_lock(session: Session) -> None:
    """A run that lost its lock must not write the schema file: another one may have, of a newer schema."""
    if not session.has_lock():
        raise LockNotAcquired(
            "this run lost its connection, and the migration lock with it",
            code="E601",
            hint="the run that has the lock now writes it; otherwise `dbmigrate dump` does",
        )


class _Wanted(NamedTuple):
    """What pg_dump is asked for; known before the session may have to step aside for it."""

    dumping: Dumping
    arguments: Sequence[str]
    environ: Mapping[str, str]
    without: Sequence[str]


def _dumped_in_turn(session: Session, dumping: Dumping, arguments: Sequence[str]) -> str:
    """Where the role may have no second session beside ours, pg_dump gets ours."""
    tables_ = [(session.tables.schema, session.tables.log_name), *_others(session)]
    without = [f'"{_escaped(schema)}"."{_escaped(name)}"' for schema, name in tables_]
    wanted = _Wanted(dumping, arguments, environment(session), without)
    try:
        return _dumped(session, wanted)
    except DatabaseError as exc:
        if not _TOO_MANY.search(exc.message):
            raise
        message = "the session, and with it the migration lock, was let go of for pg_dump: there was none left for it"
        session.emit(Warned(Problem("W682", message, Severity.NOTE)))
    return session.with_connections_closed(lambda: _dumped_patiently(session, wanted))


def _dumped_patiently(session: Session, wanted: _Wanted) -> str:
    """The server takes a moment to count a session that has ended out."""
    for _ in range(_TRIES):
        with suppress(DatabaseError):
            return _dumped(session, wanted)
        time.sleep(_PAUSE)
    return _dumped(session, wanted)


def _dumped(session: Session, wanted: _Wanted) -> str:
    return pgdump.dump(
        {**wanted.dumping.environ, **wanted.environ},
        server_version=session.facts.server_version,
        exclude_tables=wanted.without,
        extra_arguments=wanted.arguments,
        search=programs.Search.from_environ(wanted.dumping.environ),
    )


def _others(session: Session) -> Sequence[tuple[str, str]]:
    """The tables of a tool whose history was taken over: no migration makes them."""
    with database.translated(session.dsn):
        taken = old_history.taken_over(session.conn, session.tables)
        return [*sorted(taken.tables), *old_history.sequences(session.conn, taken)]


def environment(session: Session) -> Mapping[str, str]:
    """The variables by which pg_dump reaches the database of `session`: without its search_path and time-outs.

    pg_dump must not connect in the clear where the session uses TLS: libpq's ``prefer`` would let it.
    """
    return environment_of(session.dsn, session.conn)


def environment_of(dsn: Dsn, conn: Connection) -> Mapping[str, str]:
    """The same for the database of `dsn`, where `conn` is a connection to its server."""
    environ = dsn.without_settings(_NOT_FOR_PG_DUMP).environment()
    if conn.pgconn.ssl_in_use and environ.get("PGSSLMODE", "prefer") in ("allow", "prefer"):
        return {**environ, "PGSSLMODE": "require"}
    return environ


def _escaped(name: str) -> str:
    return name.replace('"', '""')


def _applied(session: Session) -> list[str]:
    with database.translated(session.dsn):
        return read_history.versions(session.conn, session.tables)


def _rendered(session: Session, applied: Sequence[str], layout: versions.Layout) -> str:
    with database.translated(session.dsn):
        quoted = database.query(
            session.conn,
            "select pg_catalog.format('%%I.%%I', %s::text, %s::text)",
            session.tables.schema,
            session.tables.name,
        )[0][0]
    return versions.render(applied, table=str(quoted), layout=layout)


def refresh(session: Session, dumping: Dumping, *, arguments: Sequence[str] = ()) -> SchemaFile:
    """Write the schema file; an identical one is left alone. Raises as `text`, and ConfigError E207."""
    return store(text(session, dumping, arguments=arguments), dumping)


def store(new: str, dumping: Dumping) -> SchemaFile:
    """Make `new` the schema file; an identical one is left alone. Raises ConfigError E207."""
    path = Path(dumping.path)
    old = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    file.write_atomically(path, new)
    added, removed = _difference(old, new)
    return SchemaFile(dumping.path, added, removed)


def _difference(old: str, new: str) -> tuple[int, int]:
    """How many lines came and went."""
    if old == new:
        return 0, 0
    before, after = _apart(old.splitlines(), new.splitlines())
    before, after = _apart(before[::-1], after[::-1])
    if len(before) + len(after) > _LONG_FILE:
        return max(len(after) - len(before), 0), max(len(before) - len(after), 0)
    import difflib

    changes = [line[:1] for line in difflib.unified_diff(before, after, n=0, lineterm="")][2:]
    return changes.count("+"), changes.count("-")


def _apart(one: list[str], two: list[str]) -> tuple[list[str], list[str]]:
    """The lines from the first one on that differs."""
    alike = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, two, strict=False)))
    return one[alike:], two[alike:]


def recorded(session: Session) -> int | None:
    """How many versions the tracking table holds, which a schema file may have brought; None if that cannot be read."""
    with suppress(Error), database.translated(session.dsn):
        found = tables.locate(
            session.conn, session.access.table, facts=session.facts, search_path=session.dsn.search_path
        )
        return len(read_history.versions(session.conn, found))
    return None


def apply(session: Session, path: str) -> None:
    """Send the schema file as one query: it is loaded whole or not at all.

    Raises PlanError E238 (not a file that can be sent), DatabaseError E402 with its place in the file.
    """
    content = load.prepare(file.read(Path(path)), path=path)
    with silence.unlimited(session.conn):
        sending.send(session.conn, content + versions.proof(content), path=path, dsn=session.dsn)
