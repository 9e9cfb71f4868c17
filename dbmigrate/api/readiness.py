"""Is a database where these files want it? Asked by health checks, and by programs that wait for another one's run."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from dbmigrate.api.base import ApiBase
from dbmigrate.connection import database
from dbmigrate.errors import ConnectionFailed, LockNotAcquired
from dbmigrate.events import Waiting
from dbmigrate.execution import run_lock, tracking_retries
from dbmigrate.frozen import frozen
from dbmigrate.migrations import find, peek
from dbmigrate.model import Problem, Severity
from dbmigrate.planning import plan, target_environments
from dbmigrate.reports import MigrationState
from dbmigrate.tracking import read_history

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbmigrate.events import Event
    from dbmigrate.execution.session import Session
    from dbmigrate.model import History
    from dbmigrate.reports import StatusRow

__all__ = ["Readiness"]

_LISTED = 3
_REPORT_EVERY = 10.0
_HOPELESS = ("E304",)  # no wait makes a server newer


@frozen
class _Behind:
    """What is not there yet, and what somebody could do about it; `failure` says why nobody could look."""

    what: str
    hint: str
    failure: str = ""
    verb: str = "is"

    @property
    def error(self) -> tuple[str, str]:
        """The code and the message at the end of the wait."""
        if self.failure:
            return "E603", f"{self.what} cannot be asked: {self.failure}"
        return "E602", f"{self.what} {self.verb} not applied"


class Readiness(ApiBase):
    """The questions of programs that run on a database, and leave migrating it to others."""

    def pending(self) -> tuple[StatusRow, ...]:
        """What `up` would run: pending and unfinished migrations, changed repeatable ones.

        Neither deferred backfills nor what is only for other environments, nor files that the database is ahead of.
        Applied files are not compared with what was applied. One connection; nothing is written, no lock is taken.
        """
        found = self._present()
        with self._open("pending") as session:
            return self._pending(session, _recorded(session)) if found or self._seen.repeatables else ()

    def is_current(self) -> bool:
        """Whether nothing is pending. A database that is ahead of the files is current: so are older releases on it.

        Costs what `pending` does. Raises PlanError E230 if there are no files: they would all be applied.
        """
        found = self.pending()
        find.refuse_none(self._seen, self._options.directories)
        return not found

    def wait_for(self, version: str | None = None, *, timeout: float = 60.0, interval: float = 1.0) -> None:
        """Return when `version` is applied; None: when nothing is pending. Looks every `interval` seconds.

        Deferred and paused backfills are not waited for, unfinished migrations are. Raises LockNotAcquired E602 when
        the time is over, E603 if the database could not be asked; PlanError E230, E235 for `version` None without
        files.
        """
        if version is None:
            self._present()
            find.refuse_none(self._seen, self._options.directories)
        patience = _Patience(timeout, interval, self._on_event)
        while behind := self._behind(version):
            patience.wait(behind)

    def _pending(self, session: Session, recorded: History) -> tuple[StatusRow, ...]:
        options = self._options
        view, _ = self._in_force(self._seen.files, recorded)
        status = plan.status(view.files, view.history, options.order)
        applied = {item.version for item in view.history.applied}
        waiting = [file for file in view.files if file.version not in applied]
        if waiting:
            read = tuple(peek.mentioning(waiting, target_environments.WORD))
            status = target_environments.marked(status, read, options.policy.environment)
        return (*status.pending, *self._of_repeatables(session).pending)

    def _behind(self, version: str | None) -> _Behind | None:
        """What is missing until the wait is over. Errors that time does not cure are raised."""
        try:
            with self._open("wait") as session:
                recorded = _recorded(session)
                if version is None:
                    self._present()
                    rows = self._pending(session, recorded)
                    return self._named(rows, _at_work(session)) if rows else None
                there = {*(item.version for item in recorded.applied), *(item.version for item in recorded.deferred)}
                return None if version in there else self._without(version, recorded, _at_work(session))
        except ConnectionFailed as exc:
            if exc.code in _HOPELESS:
                raise
            return _Behind(f"database {self._dsn.display}", exc.hint or _ANSWERS, exc.message)

    def _without(self, version: str, recorded: History, at_work: str | None) -> _Behind:
        unfinished = next((item for item in recorded.unfinished if item.version == version), None)
        if unfinished is not None:
            return _Behind(f"version {version}, which is unfinished", at_work or _RESUME)
        known = self._known_files()
        if known and all(file.version != version for file in known):
            where = ", ".join(self._options.directories)
            note = Problem("W721", f"no file of {where} has version {version}", Severity.NOTE, hint=_FOREIGN)
            self._warn((note,))
            return _Behind(f"version {version}", at_work or _NO_FILE)
        return _Behind(f"version {version}", at_work or _APPLY)

    def _named(self, rows: tuple[StatusRow, ...], at_work: str | None) -> _Behind:
        names = ", ".join(row.name for row in rows[:_LISTED])
        more = f" and {len(rows) - _LISTED} more" if len(rows) > _LISTED else ""
        is_unfinished = any(row.state is MigrationState.UNFINISHED for row in rows)
        verb = "is" if len(rows) == 1 else "are"
        return _Behind(f"{names}{more}", at_work or (_RESUME if is_unfinished else _APPLY), verb=verb)


_ANSWERS = "is the server running, and is the URL right?"
_FOREIGN = "a newer release may bring it; the versions are in `dbmigrate status`"
_APPLY = "no run is at work: `dbmigrate up` applies it, `dbmigrate history --failed` says whether one failed"
_NO_FILE = "no run is at work, and `dbmigrate up` has no file of that version: is it right?"
_RESUME = "no run is at work: `dbmigrate status` says where it stopped, `dbmigrate resume` continues"


def _recorded(session: Session) -> History:
    """What is applied and what is unfinished, by versions alone: a large log is not read."""

    def read() -> History:
        with database.translated(session.dsn):
            return read_history.read_states(session.conn, session.tables)

    return tracking_retries.retried(session, read)


def _at_work(session: Session) -> str | None:
    """Who migrates now, as the hint."""
    held_by = run_lock.held_by(session.conn, session.key)
    return held_by and f"a run is at work: {held_by}; wait longer with --wait-timeout"


class _Patience:
    """Pauses until the time is over. What is waited for is reported when it changes, and now and then."""

    def __init__(self, timeout: float, interval: float, on_event: Callable[[Event], None]) -> None:
        self._timeout, self._interval, self._on_event = timeout, interval, on_event
        self._started = time.monotonic()
        self._reported: tuple[str, float] = ("", 0.0)

    def wait(self, behind: _Behind) -> None:
        """Sleep. Raises LockNotAcquired E602, E603 where no time is left."""
        waited = time.monotonic() - self._started
        if waited >= self._timeout:
            code, message = behind.error
            raise LockNotAcquired(f"waited {self._timeout:g} s: {message}", code=code, hint=behind.hint)
        what = f"{behind.what}: {behind.failure.splitlines()[0]}" if behind.failure else behind.what
        if what != self._reported[0] or waited - self._reported[1] >= _REPORT_EVERY:
            self._on_event(Waiting(what, waited))
            self._reported = (what, waited)
        time.sleep(min(self._interval, max(self._timeout - waited, 0.001)))
