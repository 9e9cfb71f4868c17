"""A stand-in for the application: queries that run again and again beside a rehearsal, and how long each one took."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, NamedTuple

import psycopg

from dbmigrate.connection import database
from dbmigrate.errors import DatabaseError, MigrationFailed
from dbmigrate.impact.measured import Latencies, QueryFailure, Stall, TrafficMeasured

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dbmigrate.connection.database import Connection
    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.events import Event
    from dbmigrate.impact.sampler import Wait

MOST_SESSIONS = 8
_PAUSE = 0.005  # seconds between two queries of a session
_ALONE = 0.3  # seconds before the migrations, for comparison
_STALL = 0.25  # seconds: every lock on a table makes somebody wait, for a moment
_PATIENCE = 2.0  # seconds for a query to end by itself, at the end


class Answered(NamedTuple):
    """One query, by the monotonic clock."""

    query: str
    pid: int
    began: float
    seconds: float


class Traffic:
    """Sessions that run `queries`: one for each query, up to eight, each of them as a transaction of its own."""

    def __init__(self, dsn: Dsn, queries: Sequence[str]) -> None:
        """Raises ConnectionFailed, MigrationFailed E430 for a query that does not work before the migrations."""
        self._ended = threading.Event()
        self._answered: list[Answered] = []
        self._failed: dict[str, tuple[str, int]] = {}
        self._conns: list[Connection] = []
        self._threads: list[threading.Thread] = []
        self._migrating = 0.0
        number = min(len(queries), MOST_SESSIONS)
        with ExitStack() as stack:
            stack.callback(self.close)
            for first in range(number):
                conn = database.connect(dsn, command="traffic", on_event=_ignore)
                self._conns.append(conn)
                mine = queries[first::number]
                _try(conn, mine, dsn)
                self._threads.append(threading.Thread(target=self._run, args=(conn, mine), daemon=True))
            stack.pop_all()

    @property
    def pids(self) -> list[int]:
        """The processes of the sessions on the server."""
        return [conn.info.backend_pid for conn in self._conns]

    def start(self) -> None:
        """Start, and return after a while in which there was nothing else."""
        for thread in self._threads:
            thread.start()
        time.sleep(_ALONE)
        self._migrating = time.monotonic()

    def close(self) -> None:
        """Let the running queries end, cancel those that do not, and close the sessions."""
        self._ended.set()
        deadline = time.monotonic() + _PATIENCE
        for thread, conn in zip(self._threads, self._conns, strict=False):
            if thread.ident is None:
                continue
            thread.join(timeout=max(deadline - time.monotonic(), 0.0))
            if thread.is_alive():
                with suppress(psycopg.Error):
                    conn.cancel_safe(timeout=_PATIENCE)
                thread.join(timeout=_PATIENCE)
        for conn in self._conns:
            database.close(conn)

    def result(self, waits: Iterable[Wait]) -> tuple[TrafficMeasured, tuple[Stalled, ...]]:
        """What was felt, and every query that had to wait for the migrations, by `waits`; after `close`."""
        alone = [each.seconds for each in self._answered if each.began + each.seconds < self._migrating]
        during = [each for each in self._answered if each.began + each.seconds >= self._migrating]
        stalled = _stalled(during, waits)
        longest = max(stalled, key=lambda each: each.answered.seconds, default=None)
        stall = None
        if longest is not None:
            stall = Stall(longest.answered.query, longest.answered.seconds, longest.waits[-1].table)
        measured = TrafficMeasured(
            len(self._conns),
            Latencies.of(alone),
            Latencies.of([each.seconds for each in during]),
            stall,
            tuple(QueryFailure(query, message, count) for query, (message, count) in self._failed.items()),
        )
        return measured, stalled

    def _run(self, conn: Connection, queries: Sequence[str]) -> None:
        while not self._ended.is_set():
            for query in queries:
                began = time.monotonic()
                try:
                    _ask(conn, query)
                except psycopg.Error as exc:
                    if conn.closed or (self._ended.is_set() and exc.sqlstate == "57014"):
                        return
                    known = self._failed.get(query, (exc.diag.message_primary or str(exc), 0))
                    self._failed[query] = (known[0], known[1] + 1)
                self._answered.append(Answered(query, conn.info.backend_pid, began, time.monotonic() - began))
                if self._ended.wait(_PAUSE):
                    return


class Stalled(NamedTuple):
    """A query that waited for the migrations, and when that was seen."""

    answered: Answered
    waits: tuple[Wait, ...]


def _stalled(answered: Sequence[Answered], waits: Iterable[Wait]) -> tuple[Stalled, ...]:
    by_pid: dict[int, list[Wait]] = {}
    for wait in waits:
        by_pid.setdefault(wait.pid, []).append(wait)
    found = (
        Stalled(each, tuple(w for w in by_pid[each.pid] if each.began <= w.moment <= each.began + each.seconds))
        for each in answered
        if each.pid in by_pid and each.seconds >= _STALL
    )
    return tuple(each for each in found if each.waits)


def _try(conn: Connection, queries: Sequence[str], dsn: Dsn) -> None:
    for query in queries:
        try:
            _ask(conn, query)
        except psycopg.Error as exc:
            error = database.translation(exc, dsn)
            if not isinstance(error, DatabaseError):
                raise error from exc
            raise error.recast(
                MigrationFailed,
                f"a query of the traffic fails before the migrations: {error.message}: {query}",
                code="E430",
                hint="correct it: it has to work on the clone as it is",
            ) from exc


def _ask(conn: Connection, query: str) -> None:
    cursor = conn.execute(query.encode())
    if cursor.description is not None:
        cursor.fetchall()


def _ignore(event: Event) -> None:
    """Notices of these sessions concern nobody."""
