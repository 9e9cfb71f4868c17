"""A plan as a psql script with exactly the effects of running the plan, version rows and log entries included.

Its statements come from the functions that a run uses. Nothing is executed here. What is the same for every migration
is at the top once, in psql variables, so that the rest of the script is the migrations.

psql interprets a script before the server does, and can run programs. A statement that psql would read differently from
the server goes into the script as a string (`psql_text.statement`). How both read it depends on the session's encoding
and string syntax; a migration that may have changed these stops before its next statement that depends on them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql

from dbmigrate.connection import database
from dbmigrate.execution import condition_script, nontransactional, psql_text, text_settings
from dbmigrate.execution.step_conditions import around
from dbmigrate.execution.substeps import SubStep, as_one, substeps
from dbmigrate.execution.transaction_end import closing
from dbmigrate.migrations import parser
from dbmigrate.migrations.conditions import parts
from dbmigrate.model import Turn
from dbmigrate.planning.backfills import has_any
from dbmigrate.planning.plan_hash import PREFIX
from dbmigrate.sql import without_empty
from dbmigrate.tracking import stale_entries, tables, value_hashes, write_log

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dbmigrate.connection.database import Connection
    from dbmigrate.execution.lock_retries import Pacing
    from dbmigrate.execution.session import Session
    from dbmigrate.model import Plan, Statement, Step

_RULE = "-- " + "=" * 100
_HEAD = """\
-- Run it with psql: it stops at the first error, and a migration that fails in a transaction has no effect.
\\set ON_ERROR_STOP on
\\set QUIET on
\\set AUTOCOMMIT on
\\set ON_ERROR_ROLLBACK off
\\set SINGLELINE off
\\set SINGLESTEP off
\\unset FETCH_COUNT
\\encoding UTF8
"""
_LOCK = """
-- one run at a time, as `dbmigrate` does it
SELECT pg_catalog.pg_try_advisory_lock({key}) AS dbmigrate_locked \\gset
\\if :dbmigrate_locked
\\else
DO $$ BEGIN RAISE EXCEPTION 'another run holds the migration lock'; END $$;
\\endif
"""
_XID = "SELECT pg_catalog.pg_current_xact_id()::text AS dbmigrate_xid"


def script(plan: Plan, session: Session, pacing: Pacing, *, title: str, prologue: str = "") -> Iterator[str]:
    """The script, in pieces, so that a large file is never in memory as a whole. Reads the files; writes nothing.

    Raises MigrationFileError E270 where a migration changes how its text is read.
    """
    for step in plan.steps:
        _refuse_unreadable(step)
    yield f"-- dbmigrate {_one_line(title)} · {_count(len(plan.steps))}\n-- plan {PREFIX}{plan.digest}\n"
    if not plan.steps and not prologue:
        return
    yield _HEAD
    yield prologue
    yield from _values(plan)
    yield from _variables(plan, session, pacing)
    yield f"\n:dbmigrate_settings\n{_LOCK.format(key=session.key.sql)}"
    if ddl := tables.creation(session.conn, session.tables):
        yield f"\n-- the tracking tables\n{ddl}"
    if not prologue and (recorded := session.read_history()).stale:
        ended = psql_text.one_line(stale_entries.closing(session.tables, recorded))
        yield f"\n-- the log entries of runs that died before they did anything\n{ended}"
    for step in plan.steps:
        yield f"\n{_RULE}\n-- {_one_line(step.name)} ({step.direction})\n{_RULE}\n"
        yield from _Script(step, session, pacing).pieces()
    yield f"\nSELECT pg_catalog.pg_advisory_unlock({session.key.sql});\n"


def _refuse_unreadable(step: Step) -> None:
    """Refuse before anything is printed; the statements of a very large file are checked while they are printed."""
    migration = step.migration
    if migration is None or not step.runs_sql or migration.token_checksum is None:
        return
    for section in migration.run_order(step.direction):
        for statement in parser.statements(migration, section):
            text_settings.refuse(statement, migration)


def _values(plan: Plan) -> Iterator[str]:
    """What sets the variables of the migrations: their values are not in the script."""
    bound = [(step, step.migration.bound) for step in plan.steps if step.runs_sql and step.migration]
    names = sorted({name for step, each in bound if each for name in each.used(step.direction)})
    if names:
        yield "\n-- the variables of migrations, from the environment\n"
        yield from psql_text.values(names)


def creation(conn: Connection, name: str) -> str:
    """The prologue for a database that does not exist yet: create it, and connect to it. Raises ConfigError E271."""
    quoted = sql.Identifier(name).as_string(conn)
    return f"\n-- the database\nCREATE DATABASE {quoted};\n{psql_text.connect(name)}"


def _count(number: int) -> str:
    return f"{number} migration{'' if number == 1 else 's'}"


def _one_line(text: str) -> str:
    """Text for a comment: a line break in the name of a file or database would end it."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


# ------------------------------------------------------------------------------- what is the same for every migration


def _variables(plan: Plan, session: Session, pacing: Pacing) -> Iterator[str]:
    """What is sent around the migrations, as psql variables."""
    yield "\n-- SQL around every migration, in psql variables: psql puts it in the place of :name.\n"
    yield "-- the settings of the session\n" + psql_text.variable("dbmigrate_settings", _settings(session))
    reset = f"{database.session_reset()}:dbmigrate_settings\n"
    yield "-- a reset of the session before each migration\n" + psql_text.variable("dbmigrate_reset", reset)
    yield "-- proves that the encoding and the string syntax of this script did not change\n"
    yield psql_text.variable("dbmigrate_unchanged", text_settings.PROOF)
    if any(not _is_nontransactional(step) for step in plan.steps):
        proof = closing(":'dbmigrate_xid'") + _as_login(session)
        yield "-- the start of a migration: it keeps the id of its transaction\n"
        yield psql_text.variable("dbmigrate_begin", _begin(pacing.settings(session.dsn, pacing.lock_timeout)))
        yield "-- the end of a migration: proves that the transaction is the same, and sets the login role\n"
        yield psql_text.variable("dbmigrate_end", f":dbmigrate_unchanged\n{proof}")
    if any(_is_nontransactional(step) for step in plan.steps):
        yield "-- before a log entry in a non-transactional migration: sets the login role\n"
        yield psql_text.variable("dbmigrate_log", nontransactional.as_login_role(_as_login(session)))


def _begin(limits: str) -> str:
    return f"BEGIN;\n{limits}{_XID}"


def _is_nontransactional(step: Step) -> bool:
    return step.runs_sql and step.migration is not None and not step.migration.is_transactional(step.direction)


def _settings(session: Session) -> str:
    """The settings of a run's session: psql has its own encoding, and none of the URL's settings."""
    given = (
        f"SELECT pg_catalog.set_config({write_log.literal(name)}, {write_log.literal(value)}, false);\n"
        for name, value in session.dsn.settings.items()
    )
    ours = database.session_settings(session.conn, session.dsn)
    return f"SET client_encoding = 'UTF8';\nSET standard_conforming_strings = on;\n{''.join(given)}{ours}"


def _as_login(session: Session) -> str:
    """RESET ROLE resets to the URL's role in a run, but to psql's role in the script."""
    return _local(session, "role")


def _limits_of_the_url(session: Session) -> str:
    """For a step in a transaction: outside of transactions no lock timeout is set, not even the URL's."""
    return _local(session, "lock_timeout") + _local(session, "statement_timeout")


def _local(session: Session, name: str) -> str:
    value = session.dsn.settings.get(name)
    return "" if value is None else f"SET LOCAL {name} = {write_log.literal(value)};\n"


# ------------------------------------------------------------------------------------------------------ one migration


def _details(run_id: str, step: Step) -> str | None:
    return value_hashes.details_in_script(run_id, step, psql_text.value)


class _Script:
    """The part of one migration."""

    def __init__(self, step: Step, session: Session, pacing: Pacing) -> None:
        self._step = step
        self._session = session
        self._usual = _begin(pacing.settings(session.dsn, pacing.lock_timeout))
        self._pacing = pacing.of(step)
        self._guard = text_settings.SettingsGuard(step.migration)
        self._writer = session.writer_with(_details)

    def pieces(self) -> Iterator[str]:
        yield ":dbmigrate_reset\n"
        yield from self._nontransactional() if _is_nontransactional(self._step) else self._transaction()

    def _limits(self) -> str:
        return self._pacing.settings(self._session.dsn, self._pacing.lock_timeout)

    def _transaction(self) -> Iterator[str]:
        step, writer = self._step, self._writer
        begin = _begin(self._limits())
        yield ":dbmigrate_begin \\gset\n" if begin == self._usual else f"{begin} \\gset\n"
        if step.migration is not None and step.runs_sql:
            for part in parts(step.migration, step.direction):
                yield from condition_script.inside(part.before)
                for section in part.sections:
                    yield from self._verbatim(parser.statements(step.migration, section))
                yield from condition_script.inside(part.after)
        yield "\n:dbmigrate_end\n"
        yield psql_text.one_line(f"{writer.record(step)}{writer.finished(step)}COMMIT;\n")

    def _nontransactional(self) -> Iterator[str]:
        step, writer = self._step, self._writer
        assert step.migration is not None
        planned = parts(step.migration, step.direction)
        yield from condition_script.alone(planned[0].before, self._limits())
        yield nontransactional.session_limits(self._pacing)
        ended = writer.taken_over(step) if has_any(step.migration, step.direction) else ""
        yield psql_text.one_line(writer.precondition(step) + ended + writer.started(step))
        for part, _, _, inside in around(planned, substeps(step.migration, step.direction)):
            yield from condition_script.alone(() if part is planned[0] else part.before, self._limits())
            for substep in inside:
                if substep.backfill is not None and step.turn is Turn.LATER:
                    yield self._logged(writer.deferred(step))
                    return
                yield from self._substep(substep)
            yield from condition_script.alone(part.after, self._limits())
        yield "\n:dbmigrate_reset\n"
        yield psql_text.one_line(f"BEGIN;\n{writer.record(step)}{writer.closed(step)}COMMIT;\n")

    def _substep(self, substep: SubStep) -> Iterator[str]:
        if substep.backfill is not None:
            yield from self._backfill(substep)
        else:
            yield from self._atomic(substep) if substep.is_atomic else self._outside(substep)

    def _backfill(self, substep: SubStep) -> Iterator[str]:
        from dbmigrate.execution import backfill_script

        yield backfill_script.block(self._session, self._step, substep)
        yield "\n:dbmigrate_unchanged\n"

    def _atomic(self, substep: SubStep) -> Iterator[str]:
        if substep.opening:
            yield f"\n{substep.opening}\n{self._limits()}{_limits_of_the_url(self._session)}"
        yield from self._verbatim(substep.statements if substep.opening else substep.statements[:-1])
        row = self._writer.step_done(self._step, substep.number, as_one(substep))
        yield f"\n:dbmigrate_unchanged\n:dbmigrate_log\n{psql_text.one_line(row)}COMMIT;\n"

    def _outside(self, substep: SubStep) -> Iterator[str]:
        writer = self._writer
        yield self._logged(writer.step_started(self._step, substep.number, substep.first))
        yield from self._verbatim(substep.statements)
        yield "\n:dbmigrate_unchanged" + self._logged(writer.step_closed(self._step, substep.number))

    def _logged(self, row: str) -> str:
        """A log entry in its own transaction."""
        return f"\n{nontransactional.OPENING}\n:dbmigrate_log\n{psql_text.one_line(row)}COMMIT;\n"

    def _verbatim(self, statements: Iterable[Statement]) -> Iterator[str]:
        """Statements as in the file, each with its end and its data."""
        for statement in statements:
            if self._guard.is_due(statement):
                yield "\n:dbmigrate_unchanged"
            lead = without_empty(statement.lead)
            yield lead if "\n" in lead else f"{lead}\n"
            filled = statement.filled
            sent = psql_text.filled_statement(filled) if filled else psql_text.statement(statement.sql)
            yield sent
            if text_settings.takes_back(statement.sql):
                yield "\n\\encoding UTF8\n"  # in a run the session is opened with it
            if statement.copy_data is not None:
                yield "" if sent.endswith("\n") else "\n"
                yield from _copy_data(statement.copy_data)
        yield "\n"


def _copy_data(pieces: Iterable[str]) -> Iterator[str]:
    """The data and its end marker, with the line end of the data: older psqls pass another one on to the server."""
    end = "\n"
    for piece in pieces:
        yield piece
        end = (end + piece)[-2:]
    if not end.endswith("\n"):
        yield "\n"
    yield "\\.\r\n" if end == "\r\n" else "\\.\n"
