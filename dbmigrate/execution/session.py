"""One working session: the connection, its lock, the tracking tables, and what happens to them after a failure."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, TypeVar

import psycopg
from psycopg import pq

from dbmigrate.connection import database, silence
from dbmigrate.errors import AlreadyDone, ConnectionFailed, Error, LockNotAcquired
from dbmigrate.events import Progress, Retrying, ServerNotice, Warned
from dbmigrate.execution import batches, commit_outcome, run_lock, tracking_retries
from dbmigrate.execution.monitor import Monitor
from dbmigrate.model import Direction, Problem
from dbmigrate.tracking import read_history as history
from dbmigrate.tracking import tables, write_log

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbmigrate.connection.database import Connection, Facts
    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.events import Event
    from dbmigrate.execution.access import Access
    from dbmigrate.execution.observer import Observer
    from dbmigrate.model import History, Migration, Plan, Step
    from dbmigrate.tracking.preexisting import Preexisting
    from dbmigrate.tracking.tables import Tables
    from dbmigrate.tracking.write_log import Run, Writer

    Result = TypeVar("Result")

_RECONNECT_PAUSE = 0.25
_RETURN_SECONDS = 5.0
_CONNECT_TIMEOUT = "5"  # of one try, in seconds; the URL may say otherwise
_LOSS_NOTICED_SECONDS = 15.0  # how long the server may take to notice that the lost session is lost

# the text that distinguishes a lost lock from other errors of the fence
LOCK_LOST = "the migration lock was lost to another run"


# logging a failure must not delay the end of a run
_LOG_FAILURE = "BEGIN READ WRITE;\nSET LOCAL lock_timeout = '2s';\nSET LOCAL statement_timeout = '5s';\n{}COMMIT;\n"
_LOG_FAILURE_SECONDS = 8.0

_writer = lru_cache(maxsize=1)(write_log.Writer)


class Session:
    """All that a run needs of the server. A context manager: leaving it closes all connections."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self.conn: Connection
        self.facts: Facts
        self.conn, self.facts = database.opened(access.dsn, command=access.command, on_event=self.emit)
        silence.limit(self.conn)
        try:
            with database.translated(access.dsn):
                self.tables: Tables = tables.locate(
                    self.conn, access.table, facts=self.facts, search_path=access.dsn.search_path
                )
                self._refuse_elsewhere()
        except Error:
            database.close(self.conn)
            raise
        self._pid = self.conn.info.backend_pid
        self.monitor = Monitor(access.dsn, self._pid)
        self.shared: tuple[run_lock.Key, ...] = ()  # locks of other services, which this run needs as they are
        # asks for the outcome of the transaction that records a step, once its COMMIT is sent
        self.committing: Callable[[], bool | None] | None = None
        self.lock_lost: Error | None = None  # the lock went to another run when the connection was lost
        self._is_used = False  # whether a migration ran in it, which may have left settings
        self.observer: Observer | None = None  # measures a rehearsal, statement by statement

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.monitor.close()
        database.close(self.conn)

    def _refuse_elsewhere(self) -> None:
        """Raise Refused E717 if the history is in another schema than the search_path names."""
        if self.access.files is None or self._is_chosen or self.tables.exists or self.tables.log_exists:
            return
        from dbmigrate.tracking import other_schema  # rarely needed: only the first run finds no table

        other_schema.refuse_elsewhere(self.conn, self.tables, self.access.files(), self.access.siblings)

    @property
    def _is_chosen(self) -> bool:
        """Whether the user has named the schema of the tracking table."""
        return "." in self.access.table or bool(self.dsn.search_path or self.access.is_of_service)

    def surroundings(self, recorded: History) -> Preexisting | None:
        """What the database holds where nothing is recorded yet; None as soon as something is."""
        if recorded.applied or recorded.unfinished or self.access.files is None:
            return None
        from dbmigrate.tracking import preexisting

        with database.translated(self.dsn):
            if history.has_begun(self.conn, self.tables):
                return None
            found = preexisting.look(self.conn, self.tables, self.access.files(), is_chosen=self._is_chosen)
            return preexisting.beside(found, self.conn, self.access.siblings)

    @property
    def dsn(self) -> Dsn:
        return self.access.dsn

    @property
    def key(self) -> run_lock.Key:
        return run_lock.key_for(self.tables.qualified)

    @cached_property
    def _run(self) -> Run:
        """Determined at the first write: reading commands do not run git."""
        return self.access.describe_run()

    @property
    def run_id(self) -> str:
        """The id that the log entries of this run share."""
        return self._run.run_id

    @property
    def writer(self) -> Writer:
        return _writer(self.tables, self._run)

    def writer_with(self, details: Callable[[str, Step], str | None]) -> Writer:
        """One that words what the log keeps of variables otherwise."""
        return write_log.Writer(self.tables, self._run, details)

    @property
    def run(self) -> Run:
        """What all events of this run have in common."""
        return self._run

    def emit(self, event: Event) -> None:
        if self.dsn.values and isinstance(event, ServerNotice | Retrying | Progress):
            event = event.hiding(self.dsn.quoted)
        self.access.on_event(event)

    def hide_values_of(self, migration: Migration | None) -> None:
        """From now on mask the values of its variables in what the server says, in place of another migration's."""
        bound = migration.bound if migration else None
        self.access = replace(self.access, dsn=self.dsn.hiding(bound.secrets if bound else ()))

    def read_history(self) -> History:
        def read() -> History:
            with database.translated(self.dsn):
                return history.read(self.conn, self.tables)

        return tracking_retries.retried(self, read)

    def lock(self) -> None:
        """Become the only runner; read the history after this.

        Raises LockNotAcquired E601, Refused E703 to E705, E714.
        """
        database.refuse_unwritable(self.facts, self.dsn)
        database.refuse_pooler(self.facts, self.dsn)
        tables.refuse_unwritable(self.tables)
        if self.facts.is_pooled:
            return  # behind a pooler every transaction takes the lock
        with database.translated(self.dsn):
            wait, on_event = self.access.lock_wait, self.access.on_event
            run_lock.acquire(self.conn, self.key, shared=self.shared, wait=wait, on_event=on_event)
            self._locate()

    def unlock(self) -> None:
        """Let other runs go on, as while a person is asked. What was read under the lock may change from now on."""
        if not self.facts.is_pooled:
            with database.translated(self.dsn):
                run_lock.release(self.conn, self.key, self.shared)

    def _locate(self) -> None:
        self.tables = tables.locate(self.conn, self.access.table, facts=self.facts, search_path=self.dsn.search_path)
        tables.refuse_unwritable(self.tables)

    def ensure_tables(self) -> None:
        """Make the missing tracking tables and columns, even if another tool makes them at the same moment."""
        from dbmigrate.execution import making_tables  # only the first run has anything to make

        with database.translated(self.dsn):
            for _ in range(3):
                ddl = tables.creation(self.conn, self.tables)
                if not ddl:
                    return
                making_tables.make(self.conn, self.tables, ddl, self.emit)
                self._locate()

    # -- transactions

    def begin(self, step: Step, limits: str) -> str:
        """Open the transaction of `step`, under the lock and with fresh settings; return the transaction's id.

        `limits` are SET LOCAL commands, a line each. Raises psycopg.Error as `opening` says. Behind a pooler raises
        LockNotAcquired E601 if the lock was not granted in time, AlreadyDone if another run did the step meanwhile.
        """
        opening = self.opening(limits)
        if opening is None:
            return self._begin_pooled(step, limits)
        answer = batches.ask(self.conn, opening.text, pulse=self.monitor.watch(self.conn))
        if answer.error is not None:
            raise answer.error
        return answer.row[0]

    def opening(self, limits: str, marking: str = "") -> batches.Opening | None:
        """What opens a transaction in the message of its first statements; its row holds the transaction's id.

        `marking` is SQL of one more column of that row.
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
            f"SELECT pg_catalog.pg_current_xact_id(),{marking}"
            f" CASE WHEN pg_catalog.pg_try_advisory_xact_lock({self.key.sql}) THEN '1' ELSE '{LOCK_LOST}' END::int;\n"
        )
        return batches.Opening(f"BEGIN;\n{limits}{fence}", limits.count(";\n") + 2)

    def commit(self, script: str) -> tuple[str, ...] | None:
        """Send the end of a transaction, COMMIT, and in the same message the reset of the session.

        Returns the row of the last query in `script`, None if the server rolled back instead. Raises psycopg.Error for
        what failed before or at COMMIT. A failure after COMMIT only means that the session is reset once more.
        """
        answer = batches.ask(self.conn, self.ending(script), pulse=self.monitor.watch(self.conn))
        if answer.error is not None and b"COMMIT" not in answer.tags:
            raise answer.error
        return self.ended(answer)

    def ending(self, script: str) -> str:
        """`script`, COMMIT, and the reset of the session."""
        return f"{script}COMMIT;\n{'' if self.facts.is_pooled else self._reset_script}"

    def ended(self, answer: batches.Answer) -> tuple[str, ...] | None:
        """What `commit` returns for the answer to `ending`."""
        self._is_used = answer.error is not None
        return answer.row if b"COMMIT" in answer.tags else None

    def _fenced(self, prologue: str) -> tuple[bool, str, int]:
        """Begin; return whether this transaction has the lock, its id, and the server's process id."""
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
            raise AlreadyDone(f"another run has {step.direction.past} {step.name} meanwhile", code="E601")
        return xid

    def pooler_reset(self) -> str:
        """What to send before the version row and COMMIT: a pooler gives the session to another client then."""
        return database.local_reset() if self.facts.is_pooled else ""

    def refuse_unpoolable(self, plan: Plan) -> None:
        """Raise Refused E703 if a step of `plan` needs a session of its own, and a pooler gives none."""
        for step in plan.steps:
            if step.runs_sql and step.migration and not step.migration.is_transactional(step.direction):
                database.refuse_shared_session(self.facts, f"{step.name} runs without a transaction")

    # -- after a failure

    def abort(self) -> bool:
        """Leave no statement running and no transaction open; otherwise close the session.

        Returns whether the running statement succeeded before it could be cancelled.
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
        """Undo what a migration did to the session, and set it up again; not for a closed or a shared one."""
        if not self.conn.closed and not self.facts.is_pooled:
            database.run(self.conn, self._reset_script)

    @cached_property
    def _reset_script(self) -> str:
        return database.session_reset() + database.session_settings(self.conn, self.dsn)

    def log_failure(self, text: str) -> None:
        """Write a failure to the log within seconds, or not at all: it must not hide that failure.

        `text` has neither BEGIN nor COMMIT.
        """
        try:
            if self.conn.closed or self.conn.broken:
                self.reconnect()
            with database.translated(self.dsn):
                answer = batches.ask(
                    self.conn, _LOG_FAILURE.format(text), pulse=silence.Deadline(self.conn, _LOG_FAILURE_SECONDS)
                )
                if answer.error is not None:
                    raise answer.error
        except (Error, psycopg.Error) as exc:
            self.abort()
            if getattr(exc, "sqlstate", None) == "55P03":
                held = "; ".join(self.monitor.holders(self.tables)) or "another session"
                self.emit(Warned(Problem("W681", f"the failure is not in the log: the log table is locked by {held}")))

    def reconnect_for_reading(self) -> None:
        """A connection for reading after a run that lost its connection; without the lock."""
        with suppress(Error):
            if self.conn.closed:
                self.reconnect()

    def with_connections_closed(self, work: Callable[[], Result]) -> Result:
        """Close all connections while `work` needs one that the server would refuse beside them; then reconnect.

        Raises LockNotAcquired E601 if another run has taken the lock meanwhile: that run writes the schema file.
        """
        had_lock = not self.facts.is_pooled and run_lock.is_held(self.conn, self.key)
        self.monitor.close()
        database.close(self.conn)
        try:
            return work()
        finally:
            self._reconnect_in_time()
            if had_lock:
                self.regain_lock()

    def _reconnect_in_time(self) -> None:
        """The server still counts a session for a moment after its end."""
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
        """Whether this run has the lock, or can take it over from its lost session.

        Behind a pooler no lock is held between two transactions.
        """
        if self.facts.is_pooled:
            return True
        for _ in range(2):  # the first query may be the one that shows that the connection is lost
            with suppress(Error, psycopg.Error):
                if self.conn.closed or self.conn.broken:
                    self.reconnect()
                if not run_lock.is_held(self.conn, self.key):
                    self.regain_lock()
                return True
        return False

    def reconnect(self) -> None:
        """A new connection, without the lock; the monitor still watches the lost session."""
        patient = replace(self.dsn, conninfo={"connect_timeout": _CONNECT_TIMEOUT, **self.dsn.conninfo})
        self.conn = database.connect(patient, command=self.access.command, on_event=self.emit)
        silence.limit(self.conn)

    # -- a lost connection

    @property
    def backend_pid(self) -> int:
        """The process of the working session on the server; the old one until the lock is regained."""
        return self._pid

    def commit_outcome(self, xid: str) -> bool | None:
        """The commit outcome of `xid`, whose COMMIT got no answer: True if it took effect; None if it is unknown."""
        return commit_outcome.ask(self, xid)

    def logged_outcome(self, entry: str) -> bool | None:
        """The same where the transaction's id is not known; `entry` is a query for the log entry that it writes."""
        return commit_outcome.ask_log(self, entry)

    def regain_lock(self) -> None:
        """Take the lock again after a reconnection.

        Waits until the server ends the lost session, but not for another run that has taken the lock meanwhile.
        """
        if self.facts.is_pooled:
            return
        lost, self._pid = self._pid, self.conn.info.backend_pid
        self.monitor.close()
        self.monitor = Monitor(self.dsn, self._pid)
        with database.translated(self.dsn):
            if not self._take_over(lost):
                holder = run_lock.holder(self.conn, self.key)
                raise LockNotAcquired(
                    f"the connection was lost, and another run holds the migration lock now: {holder}",
                    code="E601",
                    hint="run the command again",
                )

    def _take_over(self, lost: int) -> bool:
        """Take over the lock from the lost session of this run."""
        deadline = time.monotonic() + _LOSS_NOTICED_SECONDS
        while not run_lock.try_acquire(self.conn, self.key, self.shared):
            if time.monotonic() > deadline or not run_lock.is_held_by(self.conn, self.key, lost):
                # the session may have ended between the two queries
                return run_lock.try_acquire(self.conn, self.key, self.shared)
            time.sleep(_RECONNECT_PAUSE)
        return True
