"""The target's schema on a scratch database: dumped and loaded, or made again by the applied migrations."""

from __future__ import annotations

from dataclasses import field, replace
from functools import partial
from typing import TYPE_CHECKING

from psycopg import sql

from dbmigrate.connection import database, programs
from dbmigrate.errors import DatabaseError, Error, PlanError, Refused, ToolMissing
from dbmigrate.frozen import frozen
from dbmigrate.migrations import parser, variables
from dbmigrate.model import Direction, Problem, Severity
from dbmigrate.schema import dump, load, normalise, pgdump, sending
from dbmigrate.scratch import choose, outside_effects, running
from dbmigrate.tracking.tables import creation
from dbmigrate.variables import Variables

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.events import Event
    from dbmigrate.execution.session import Session
    from dbmigrate.model import Migration, MigrationFile
    from dbmigrate.scratch.choose import Choice, ScratchServer

# what decides on the meaning of a migration's text, wherever it was set: for the role, the database or the server.
# timestamp to timestamptz, for one, rewrites the table unless the time zone is UTC
_SETTINGS = ("search_path", "TimeZone", "DateStyle", "IntervalStyle")


_TEXT = "the schema of the target"  # where a path stands for a file


@frozen
class Origin:
    """What a copy is made from: the target's session, the migration files, the environment of pg_dump.

    `variables` are the values for migrations that run again.
    """

    session: Session
    files: Sequence[MigrationFile] = ()
    environ: Mapping[str, str] = field(default_factory=dict)
    variables: Variables = field(default_factory=Variables)


def with_settings_of(session: Session, copy: Dsn) -> Dsn:
    """The scratch database `copy` with the settings that a session of the target has."""
    wanted = ", ".join(f"pg_catalog.current_setting('{name}')" for name in _SETTINGS)
    with database.translated(session.dsn):
        values = map(str, database.query(session.conn, f"select {wanted}")[0])
        role = sql.Identifier(session.facts.role).as_string(session.conn)
    settings = {name.lower(): value for name, value in zip(_SETTINGS, values, strict=True)}
    settings["search_path"] = settings["search_path"].replace('"$user"', role)  # the scratch server's user is another
    return replace(copy, settings={**copy.settings, **settings})


def choice_for(choice: Choice, session: Session, migrations: Sequence[Migration]) -> Choice:
    """The choice for running `migrations` on a copy of the database of `session`, whose server must be spared."""

    def function_effects() -> outside_effects.Effects:
        with database.translated(session.dsn):
            return outside_effects.of_functions(session.conn)

    return replace(
        choice, effects=outside_effects.of_all(migrations), function_effects=function_effects, spared=session.dsn
    )


def fill(origin: Origin, server: ScratchServer, copy: Dsn) -> tuple[Problem, ...]:
    """Give the empty database `copy` the schema of the target, without its rows; and problems to report.

    The target is read by pg_dump; where that cannot be, the applied migrations are run on the copy. The tracking tables
    are there in any case, empty: a run makes them before its first migration.
    Raises PlanError E264: neither was possible.
    """
    try:
        text = _dumped(origin)
    except (ToolMissing, DatabaseError, Refused) as exc:  # refused through a pooler
        _replay(origin, server, copy, because=exc)
        message = f"the schema was not dumped, its copy was made by running the applied migrations: {exc.message}"
        return (Problem("W664", message, Severity.NOTE, hint=exc.hint),)
    try:
        with server.unconfined():
            server.retrying(partial(_load, copy, text))
        _make_tables(origin, copy)
    except Error as exc:
        raise _impossible(exc, choose.hint_for(exc, server)) from exc
    return ()


def _dumped(origin: Origin) -> str:
    session = origin.session
    database.refuse_shared_session(session.facts, "pg_dump changes the settings of its session")
    raw = pgdump.dump(
        {**origin.environ, **dump.environment(session)},
        server_version=session.facts.server_version,
        search=programs.Search.from_environ(origin.environ),
    )
    return load.prepare(normalise.normalise(raw), path=_TEXT)


def _load(copy: Dsn, text: str) -> None:
    """As one query: whole or not at all. The session is another one afterwards, so it is closed."""
    with database.connect(copy, command="scratch", on_event=_ignore) as conn:
        sending.send(conn, text, path=_TEXT, dsn=copy)


def _make_tables(origin: Origin, copy: Dsn) -> None:
    tables = replace(origin.session.tables, schema_exists=False, exists=False, log_exists=False)  # "if not exists"
    with database.connect(copy, command="scratch", on_event=_ignore) as conn, database.translated(copy):
        database.run(conn, creation(conn, tables))


def _replay(origin: Origin, server: ScratchServer, copy: Dsn, *, because: Error) -> None:
    applied = _applied(origin, because)
    try:
        _make_tables(origin, copy)
        running.run_all(server, copy, applied)
    except Error as exc:
        raise _impossible(exc, choose.hint_for(exc, server)) from exc


def _applied(origin: Origin, because: Error) -> Iterator[Migration]:
    versions = {item.version for item in origin.session.read_history().applied}
    if versions - {file.version for file in origin.files}:
        raise because.recast(PlanError, f"{because.message}; and files of applied migrations are gone", code="E264")
    values = origin.variables.for_scratch()
    files = (file for file in origin.files if file.version in versions)
    return (variables.bound(parser.read(file, (Direction.UP,)), values) for file in files)


def _impossible(exc: Error, hint: str | None) -> PlanError:
    message = f"the schema cannot be copied to a scratch database: {exc.message}"
    return exc.recast(PlanError, message, code="E264", hint=hint)


def _ignore(event: Event) -> None:
    """The listener of sessions that nobody listens to."""
