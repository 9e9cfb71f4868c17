"""A plan as a psql script that leaves exactly what running the plan would leave, the records included.

The text of every statement of ours comes from the same functions that a run uses. Nothing is executed here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql

from dbmigrate import database, history, parser, stepwise
from dbmigrate.executor import closing
from dbmigrate.planhash import PREFIX
from dbmigrate.units import Unit, as_one, units

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dbmigrate.database import Connection
    from dbmigrate.model import Plan, Statement, Step
    from dbmigrate.pacing import Pacing
    from dbmigrate.session import Session

_RULE = "-- " + "=" * 100
_HEAD = """\
-- Run it with psql: it stops at the first error, and a migration that failed in a transaction leaves nothing.
\\set ON_ERROR_STOP on
\\set QUIET on
\\set AUTOCOMMIT on
\\set ON_ERROR_ROLLBACK off
"""
_LOCK = """
-- one runner at a time, as `dbmigrate` itself does it
SELECT pg_catalog.pg_try_advisory_lock({key}) AS dbmigrate_locked \\gset
\\if :dbmigrate_locked
\\else
DO $$ BEGIN RAISE EXCEPTION 'another run holds the migration lock'; END $$;
\\endif
"""


def script(plan: Plan, session: Session, pacing: Pacing, *, title: str, prologue: str = "") -> Iterator[str]:
    """The script, in pieces, so that a large file is never held as a whole. Reads the files; writes nothing."""
    yield f"-- dbmigrate {_one_line(title)} · {_count(len(plan.steps))}\n-- plan {PREFIX}{plan.digest}\n"
    if not plan.steps and not prologue:
        return
    yield _HEAD
    yield prologue
    yield _settings(session)
    yield _LOCK.format(key=session.key.sql)
    if ddl := history.creation(session.conn, session.tables):
        yield f"\n-- the tracking tables\n{ddl}"
    for step in plan.steps:
        yield f"\n{_RULE}\n-- {_one_line(step.name)} ({step.direction})\n{_RULE}\n"
        yield from _step(step, session, pacing)
    yield f"\nSELECT pg_catalog.pg_advisory_unlock({session.key.sql});\n"


def creation(conn: Connection, name: str) -> str:
    """The prologue for a database that does not exist yet: make it, and go on in it."""
    quoted = sql.Identifier(name).as_string(conn)
    return f"\n-- the database\nCREATE DATABASE {quoted};\n\\connect {quoted}\n"


def _count(number: int) -> str:
    return f"{number} migration{'' if number == 1 else 's'}"


def _one_line(text: str) -> str:
    """For a comment: names of files and databases may hold line breaks, which would end it."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _settings(session: Session) -> str:
    """What a run's connection brings with it: psql has an encoding of its own, and none of the URL's settings."""
    given = (
        f"SELECT pg_catalog.set_config({_literal(name)}, {_literal(value)}, false);\n"
        for name, value in session.dsn.settings.items()
    )
    ours = database.session_settings(session.conn, session.dsn)
    return f"SET client_encoding = 'UTF8';\nSET standard_conforming_strings = on;\n{''.join(given)}{ours}"


def _as_login(session: Session) -> str:
    """RESET ROLE means the URL's role in a run, but psql's own in the script."""
    return _local(session, "role")


def _limits_of_the_url(session: Session) -> str:
    """For a unit in a transaction: outside of transactions no lock timeout is wanted, not even the URL's."""
    return _local(session, "lock_timeout") + _local(session, "statement_timeout")


def _local(session: Session, name: str) -> str:
    value = session.dsn.settings.get(name)
    return "" if value is None else f"SET LOCAL {name} = {_literal(value)};\n"


def _literal(text: str) -> str:
    """Good while standard_conforming_strings is on, as `_settings` begins by setting it."""
    return "'" + text.replace("'", "''") + "'"


def _step(step: Step, session: Session, pacing: Pacing) -> Iterator[str]:
    yield database.session_reset() + _settings(session)
    pacing = pacing.of(step)
    if step.runs_sql and step.migration and not step.migration.is_transactional(step.direction):
        yield from _stepwise(step, session, pacing)
    else:
        yield from _transaction(step, session, pacing)


def _transaction(step: Step, session: Session, pacing: Pacing) -> Iterator[str]:
    writer = session.writer
    yield f"BEGIN;\n{pacing.settings(session.dsn, pacing.lock_timeout)}"
    yield "SELECT pg_catalog.pg_current_xact_id()::text AS dbmigrate_xid \\gset\n"
    if step.migration is not None and step.runs_sql:
        for section in step.migration.run_order(step.direction):
            yield from _verbatim(parser.statements(step.migration, section))
    yield "\n" + closing(":'dbmigrate_xid'") + _as_login(session)
    yield f"{writer.record(step)}{writer.finished(step)}COMMIT;\n"


def _stepwise(step: Step, session: Session, pacing: Pacing) -> Iterator[str]:
    assert step.migration is not None
    writer = session.writer
    yield stepwise.session_limits(pacing)
    yield writer.precondition(step)
    yield writer.started(step)
    for unit in units(step.migration, step.direction):
        pieces = _atomic(unit, step, session, pacing) if unit.is_atomic else _outside(unit, step, session)
        yield from pieces
    yield f"\n{database.session_reset()}{_settings(session)}BEGIN;\n{writer.record(step)}{writer.closed(step)}COMMIT;\n"


def _atomic(unit: Unit, step: Step, session: Session, pacing: Pacing) -> Iterator[str]:
    if unit.opening:
        limits = pacing.settings(session.dsn, pacing.lock_timeout) + _limits_of_the_url(session)
        yield f"\n{unit.opening}\n{limits}"
    yield from _verbatim(unit.statements if unit.opening else unit.statements[:-1])
    row = session.writer.step_done(step, unit.number, as_one(unit))
    yield f"\n{stepwise.as_ourselves(_as_login(session) + row)}COMMIT;\n"


def _outside(unit: Unit, step: Step, session: Session) -> Iterator[str]:
    started = session.writer.step_started(step, unit.number, unit.first)
    yield f"\n{stepwise.journalled(_as_login(session) + started)}"
    yield from _verbatim(unit.statements)
    yield f"\n{stepwise.journalled(_as_login(session) + session.writer.step_closed(step, unit.number))}"


def _verbatim(statements: Iterable[Statement]) -> Iterator[str]:
    """Statements as the file has them, each ended, with the data that belongs to it."""
    for statement in statements:
        yield statement.lead if "\n" in statement.lead else f"{statement.lead}\n"
        yield statement.sql if statement.sql.endswith(";") else f"{statement.sql}\n;"
        if statement.copy_data is not None:
            yield from _copy_data(statement.copy_data)
    yield "\n"


def _copy_data(pieces: Iterable[str]) -> Iterator[str]:
    """The data and its end marker, which must end like the lines before it: older psqls hand it on to the server."""
    yield "\n"
    end = "\n"
    for piece in pieces:
        yield piece
        end = (end + piece)[-2:]
    if not end.endswith("\n"):
        yield "\n"
    yield "\\.\r\n" if end == "\r\n" else "\\.\n"
