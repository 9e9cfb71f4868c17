"""One working session: the connection, the lock on it, the tracking tables, and what becomes of them on failure."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, TypeVar

import psycopg
from psycopg import pq

from dbmigrate.connection import database, silence
from dbmigrate.errors import ConnectionFailed, DatabaseError, Error, LockNotAcquired, Overtaken
from dbmigrate.events import Created, Warned
from dbmigrate.execution import batches, commit_outcome, own_statements, run_lock
from dbmigrate.execution.monitor import Monitor
from dbmigrate.frozen import frozen
from dbmigrate.model import Direction, Problem
from dbmigrate.tracking import read_history as history
from dbmigrate.tracking import tables, write_log

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dbmigrate.connection.database import Connection, Facts
    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.events import Event
    from dbmigrate.model import History, MigrationFile, Plan, Step
    from dbmigrate.tracking.surroundings import Surroundings
    from dbmigrate.tracking.tables import Tables
    from dbmigrate.tracking.write_log import Run, Writer

    Result = TypeVar("Result")

_RECONNECT_PAUSE = 0.25
_RETURN_SECONDS = 5.0
_CONNECT_TIMEOUT = "5"  # of one try, in seconds; the URL may say otherwise
_FAREWELL_SECONDS = 15.0  # how long the server may take to notice that our lost session is lost

# the text by which a lost lock is told apart from other errors of the fence
LOCK_LOST = "the migration lock was lost to another run"


# a note about a failure must not hold up the end of a run
_NOTE = "BEGIN READ WRITE;\nSET LOCAL lock_timeout = '2s';\nSET LOCAL statement_timeout = '5s';\n{}COMMIT;\n"
_NOTE_SECONDS = 8.0

_writer = lru_cache(maxsize=1)(write_log.Writer)


@frozen
class Access:
    """How a session is opened: to which server, as which command, for which table, by whom.

    `files` lists the migrations of this project, by which its history is known; None where the database is none of it.
    """

    dsn: Dsn
    command: str
    table: str
    lock_wait: float
    on_event: Callable[[Event], None]
    describe_run: Callable[[], Run]
    files: Callable[[], Sequence[MigrationFile]] | None = None


class Session:
    """Everything that a run needs of the server. Use as a context manager: leaving it closes all connections."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self.conn: Connection = database.connect(access.dsn, command=access.command, on_event=access.on_event)
        silence.limit(self.conn)
        try:
            with database.translated(access.dsn):
                self.facts: Facts = database.facts(self.conn)
                self.tables: Tables = tables.locate(
                    self.conn, access.table, facts=self.facts, search_path=access.dsn.search_path
                )
                self._refuse_elsewhere()
        except Error:
            database.close(self.conn)
            raise
        self._pid = self.conn.info.backend_pid
        self.monitor = Monitor(access.dsn, self._pid)
        self.committing: str | None = None  # the id of the transaction of a step's record, when its COMMIT is sent
        self._is_used = False  # whether a migration ran in it, which may have left something behind

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.monitor.close()
        database.close(self.conn)

    def _refuse_elsewhere(self) -> None:
        """Raise Refused E717 if the history is in another schema than the one that the search_path leads to."""
        if self.access.files is None or self._is_chosen or self.tables.exists or self.tables.log_exists:
            return
        from dbmigrate.tracking import whereabouts  # rarely needed: a table is missing once

        whereabouts.refuse_elsewhere(self.conn, self.tables, self.access.files())

    @property
    def _is_chosen(self) -> bool:
        """Whether the user has named the schema of the tracking table."""
        return "." in self.access.table or bool(self.dsn.search_path)

    def surroundings(self, recorded: History) -> Surroundings | None:
        """What is there instead of a history of ours; None where that has begun, and nothing is asked any more."""
        if recorded.applied or recorded.unfinished or self.access.files is None:
            return None
        from dbmigrate.tracking import surroundings

        with database.translated(self.dsn):
            if history.has_begun(self.conn, self.tables):
                return None
            return surroundings.look(self.conn, self.tables, self.access.files(), is_chosen=self._is_chosen)

    @property
    def dsn(self) -> Dsn:
        return self.access.dsn

    @property
    def key(self) -> run_lock.Key:
        return run_lock.key_for(self.tables.qualified)

    @cached_property
    def _run(self) -> Run:
        """Asked for on the first write: reading commands do without git."""
        return self.access.describe_run()

    @property
    def run_id(self) -> str:
        """What the events of this run have in common in the log."""
        return self._run.run_id

    @property
    def writer(self) -> Writer:
        return _writer(self.tables, self._run)

    @property
    def run(self) -> Run:
        """What all events of this run have in common."""
        return self._run

    def emit(self, event: Event) -> None:
        self.access.on_event(event)

    def read_history(self) -> History:
        def read() -> History:
            with database.translated(self.dsn):
                return history.read(self.conn, self.tables)

        return own_statements.retried(self, read)

    def lock(self) -> None:
        """Become the one runner; look at the history after this.

        Raises LockNotAcquired E601, Refused E703 to E705, E714.
        """
        database.refuse_unwritable(self.facts, self.dsn)
        database.refuse_pooler(self.facts, self.dsn)
        tables.refuse_unwritable(self.tables)
        if self.facts.is_pooled:
            return  # there every transaction takes the lock for itself
        with database.translated(self.dsn):
            run_lock.acquire(self.conn, self.key, wait=self.access.lock_wait, on_event=self.access.on_event)
            self._locate()

    def unlock(self) -> None:
        """Let other runs go on, as while a person is asked; what was read under the lock may change from here on."""
        if not self.facts.is_pooled:
            with database.translated(self.dsn):
                run_lock.release(self.conn, self.key)

    def _locate(self) -> None:
        self.tables = tables.locate(self.conn, self.access.table, facts=self.facts, search_path=self.dsn.search_path)
        tables.refuse_unwritable(self.tables)

    def ensure_tables(self) -> None:
        """Make the tracking tables that are missing. Harmless when another tool makes them at the same moment."""
        with database.translated(self.dsn):
            for _ in range(3):
                ddl = tables.creation(self.conn, self.tables)
                if not ddl:
                    return
                if not self.tables.schema_exists:
                    self.emit(Created("schema", self.tables.schema))
                # "if not exists" is no protection against two sessions that create at once (23505 on a catalog index)
                with suppress(psycopg.errors.UniqueViolation, psycopg.errors.DuplicateTable):
                    self._make_tables(ddl)
                self._locate()

    def _make_tables(self, ddl: str) -> None:
        try:
            database.run(self.conn, ddl)
        except psycopg.errors.InsufficientPrivilege as exc:
            raise DatabaseError(
                f"the tracking tables cannot be made: {exc.diag.message_primary}",
                code="E402",
                details=(("missing", " ".join(ddl.split())),),
                hint=f"let a role that may create them in schema {self.tables.schema} run the first `dbmigrate up`,"
                " or make them by hand and grant select, insert, update and delete",
                sqlstate=exc.sqlstate,
            ) from exc

    # -- transactions

    def begin(self, step: Step, limits: str) -> str:
        """Open the transaction of `step`, under the lock and with fresh settings; return the transaction's id.

        `limits` are SET LOCAL commands, a line each. Raises psycopg.Error as `opening` says. Behind a pooler raises
        LockNotAcquired E601 if the lock was not to be had, Overtaken when another run did the step meanwhile.
        """
        opening = self.opening(limits)
        if opening is None:
            return self._begin_pooled(step, limits)
        answer = batches.ask(self.conn, opening.text, pulse=self.monitor.watch(self.conn))
        if answer.error is not None:
            raise answer.error
        return answer.row[0]

    def opening(self, limits: str) -> batches.Opening | None:
        """What opens a transaction in the message of its first statements; its row holds the transaction's id.

        It fails (22P02, `LOCK_LOST`) without the lock. None behind a pooler, where the lock may have to be waited for.
        """
        if self.facts.is_pooled:
            return None
        if self._is_used:
            # in a message of its own: several statements in one are one transaction, which began under the isolation
            # level and the read-only mode that the last migration may have made the default
            self.reset()
        self._is_used = True
        fence = (
            "SELECT pg_catalog.pg_current_xact_id(),"
            f" CASE WHEN pg_catalog.pg_try_advisory_xact_lock({self.key.sql}) THEN '1' ELSE '{LOCK_LOST}' END::int;\n"
        )
        return batches.Opening(f"BEGIN;\n{limits}{fence}", limits.count(";\n") + 2)

    def commit(self, script: str) -> tuple[str, ...] | None:
        """Send the last words of a transaction, COMMIT, and in the same message what makes the session new again.

        Returns the row of the last query among them, None if the server rolled back instead. Raises psycopg.Error for
        what failed before or at COMMIT. What fails after it costs nothing but another reset.
        """
        renewal = "" if self.facts.is_pooled else self._renewal
        answer = batches.ask(self.conn, f"{script}COMMIT;\n{renewal}", pulse=self.monitor.watch(self.conn))
        is_committed = b"COMMIT" in answer.tags
        if answer.error is not None and not is_committed:
            raise answer.error
        self._is_used = answer.error is not None
        return answer.row if is_committed else None

    def _fenced(self, prologue: str) -> tuple[bool, str, int]:
        """Begin; return whether the lock is ours inside the transaction, its id, and the server's process."""
        fence = (
            f"SELECT pg_catalog.pg_try_advisory_xact_lock({self.key.sql}), pg_catalog.pg_current_xact_id()::text,"
            " pg_catalog.pg_backend_pid();"
        )
        has_lock, xid, pid = database.last_row(database.run(self.conn, prologue + fence))
        return bool(has_lock), str(xid), int(str(pid))

    def _begin_pooled(self, step: Step, limits: str) -> str:
        found: list[tuple[str, int]] = []

        def attempt() -> bool:
            settings = database.local_settings(self.conn, self.dsn)
            has_lock, xid, pid = self._fenced("BEGIN;\n" + settings + limits)
            if has_lock:
                found.append((xid, pid))
            else:
                database.run(self.conn, "ROLLBACK")
            return has_lock

        def held_by() -> str:
            return run_lock.holder(self.conn, self.key)

        run_lock.poll(attempt, held_by, wait=self.access.lock_wait, on_event=self.emit)
        xid, self._pid = found[0]
        self.monitor.follow(self._pid)
        is_there = step.version in history.versions(self.conn, self.tables)
        if self.writer.record(step) and is_there is (step.direction is Direction.UP):
            database.run(self.conn, "ROLLBACK")
            raise Overtaken(f"another run has dealt with {step.name} meanwhile", code="E601")
        return xid

    def leaving(self) -> str:
        """What to say before the record and COMMIT: behind a pooler the session goes to somebody else then."""
        return database.local_reset() if self.facts.is_pooled else ""

    def refuse_unpoolable(self, plan: Plan) -> None:
        """Raise Refused E703 if a step of `plan` needs a session that lasts, and a pooler gives none."""
        for step in plan.steps:
            if step.runs_sql and step.migration and not step.migration.is_transactional(step.direction):
                database.refuse_shared_session(self.facts, f"{step.name} runs without a transaction")

    # -- after a failure

    def abort(self) -> bool:
        """Leave no statement running and no transaction open; a session that is beyond that is closed.

        Returns whether the statement that was running ended well before it could be cancelled.
        """
        ended_well = False
        with suppress(psycopg.Error):
            if self.conn.info.transaction_status == pq.TransactionStatus.ACTIVE:
                self.conn.cancel_safe(timeout=5)
                ended_well = batches.drain(self.conn, pulse=silence.Deadline(self.conn, 10.0))
            if self.conn.info.transaction_status != pq.TransactionStatus.IDLE:
                database.run(self.conn, "ROLLBACK")
            return ended_well
        database.close(self.conn)
        return False

    def reset(self) -> None:
        """Forget what a migration did to the session, and set it up again; not for a closed or a shared one."""
        if not self.conn.closed and not self.facts.is_pooled:
            database.run(self.conn, self._renewal)

    @cached_property
    def _renewal(self) -> str:
        return database.session_reset() + database.session_settings(self.conn, self.dsn)

    def note(self, text: str) -> None:
        """Write a failure to the log, if that can be done within seconds: it must not hide what it tells of.

        `text` is without BEGIN and COMMIT.
        """
        try:
            if self.conn.closed or self.conn.broken:
                self.reconnect()
            with database.translated(self.dsn):
                answer = batches.ask(self.conn, _NOTE.format(text), pulse=silence.Deadline(self.conn, _NOTE_SECONDS))
                if answer.error is not None:
                    raise answer.error
        except (Error, psycopg.Error) as exc:
            self.abort()
            if getattr(exc, "sqlstate", None) == "55P03":
                held = "; ".join(self.monitor.holders(self.tables)) or "somebody"
                self.emit(Warned(Problem("W681", f"the failure is not in the log, whose table is held by {held}")))

    def revive(self) -> None:
        """A connection for what is left to be read after a run that lost its own; without the lock."""
        with suppress(Error):
            if self.conn.closed:
                self.reconnect()

    def stepping_aside(self, work: Callable[[], Result]) -> Result:
        """Close all connections while `work` needs one that the server would not give beside them; then come back.

        Raises LockNotAcquired E601 if another run has taken the lock meanwhile: it writes what is left to be written.
        """
        had_lock = not self.facts.is_pooled and run_lock.is_held(self.conn, self.key)
        self.monitor.close()
        database.close(self.conn)
        try:
            return work()
        finally:
            self._come_back()
            if had_lock:
                self.regain_lock()

    def _come_back(self) -> None:
        """The server takes a moment to count a session that has ended out."""
        deadline = time.monotonic() + _RETURN_SECONDS
        while True:
            try:
                self.reconnect()
            except ConnectionFailed:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_RECONNECT_PAUSE)
            else:
                return

    def has_lock(self) -> bool:
        """Whether this run is still the only one, or is so again: the lock is taken over from its own lost session.

        Behind a pooler there is no lock between two transactions.
        """
        if self.facts.is_pooled:
            return True
        for _ in range(2):  # the first question may be what shows that the connection is lost
            with suppress(Error, psycopg.Error):
                if self.conn.closed or self.conn.broken:
                    self.reconnect()
                if not run_lock.is_held(self.conn, self.key):
                    self.regain_lock()
                return True
        return False

    def reconnect(self) -> None:
        """A new connection, which has no lock; the monitor still looks at the lost session."""
        conninfo = {"connect_timeout": _CONNECT_TIMEOUT, **self.dsn.conninfo}
        self.conn = database.connect(
            replace(self.dsn, conninfo=conninfo), command=self.access.command, on_event=self.access.on_event
        )
        silence.limit(self.conn)

    # -- a lost connection

    @property
    def backend_pid(self) -> int:
        """The process of the working session on the server; the old one until the lock is regained."""
        return self._pid

    def commit_outcome(self, xid: str) -> bool | None:
        """Whether transaction `xid` took effect, whose COMMIT got no answer; None if that cannot be learned."""
        return commit_outcome.ask(self, xid)

    def regain_lock(self) -> None:
        """Take the lock again after a reconnection.

        Waits for our own lost session to let go of it, but not for another run that may have got it meanwhile.
        """
        if self.facts.is_pooled:
            return
        lost, self._pid = self._pid, self.conn.info.backend_pid
        self.monitor.close()
        self.monitor = Monitor(self.dsn, self._pid)
        with database.translated(self.dsn):
            if not self._succeed(lost):
                holder = run_lock.holder(self.conn, self.key)
                raise LockNotAcquired(
                    f"the connection was lost, and another run has the lock now: {holder}",
                    code="E601",
                    hint="run the command again",
                )

    def _succeed(self, lost: int) -> bool:
        """Take over the lock from our own lost session."""
        deadline = time.monotonic() + _FAREWELL_SECONDS
        while not run_lock.try_acquire(self.conn, self.key):
            if time.monotonic() > deadline or not run_lock.is_held_by(self.conn, self.key, lost):
                return run_lock.try_acquire(self.conn, self.key)  # it may have ended between the two questions
            time.sleep(_RECONNECT_PAUSE)
        return True
