"""A connection that does not wait for ever: a statement of dbmigrate without an answer ends with a lost connection.

TCP notices a peer that is gone (keepalives, tcp_user_timeout), but not one that receives and never answers, such as a
proxy that lost its server. `execution.batches` has no such limit: a migration may run for long.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import psycopg

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    Answer = TypeVar("Answer")

LONGEST = 30.0  # seconds; above every limit that the server has for such a statement


class PatientConnection(psycopg.Connection[tuple[object, ...]]):
    """`longest` is how long, in seconds, `execute` waits for data from the server; None: for ever.

    `ended_by` is the SQLSTATE with which the server has ended the session while nothing was asked of it.
    """

    longest: float | None = None
    ended_by: str | None = None

    def wait(self, gen: Generator[int, int, Answer], *args: float, **options: float) -> Answer:  # type: ignore[override]
        """As `psycopg.Connection.wait`. Raises psycopg.OperationalError, with the connection closed."""
        limited = gen if self.longest is None else self._limited(gen, self.longest)
        return super().wait(limited, *args, **options)  # type: ignore[arg-type]

    def _limited(self, gen: Generator[int, int, Answer], longest: float) -> Generator[int, int, Answer]:
        heard = time.monotonic()
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                now = time.monotonic()
                if ready:
                    heard = now
                elif now - heard > longest:
                    self.pgconn.finish()
                    raise psycopg.OperationalError(f"no answer from the server for {longest:g} s")
                wanted = gen.send(ready)
        except StopIteration as end:
            answer: Answer = end.value
            return answer


@contextmanager
def limited(conn: psycopg.Connection[tuple[object, ...]]) -> Iterator[None]:
    """For statements of dbmigrate on a connection that has no limit otherwise."""
    limit(conn)
    yield
    limit(conn, None)


@contextmanager
def unlimited(conn: psycopg.Connection[tuple[object, ...]]) -> Iterator[None]:
    """For a statement of dbmigrate that may take long: it loads a schema, or waits for other transactions."""
    if not isinstance(conn, PatientConnection):
        yield
        return
    longest, conn.longest = conn.longest, None
    try:
        yield
    finally:
        conn.longest = longest


def limit(conn: psycopg.Connection[tuple[object, ...]], seconds: float | None = LONGEST) -> None:
    """Let `execute` on this connection wait so long and no longer; None: for ever."""
    if isinstance(conn, PatientConnection):
        conn.longest = seconds


def ended_by(conn: psycopg.Connection[tuple[object, ...]]) -> str | None:
    """The SQLSTATE with which the server has ended the session while nothing was asked of it."""
    return conn.ended_by if isinstance(conn, PatientConnection) else None


class Deadline:
    """A pulse for `batches.ask`, for statements with limits on the server: silence means a lost connection."""

    def __init__(self, conn: psycopg.Connection[tuple[object, ...]], seconds: float = LONGEST) -> None:
        self._conn = conn
        self._seconds = seconds
        self._end = time.monotonic() + seconds

    def __call__(self) -> None:
        """Raise psycopg.OperationalError, with the connection closed, when the time is over."""
        if time.monotonic() > self._end:
            self._conn.pgconn.finish()
            raise psycopg.OperationalError(f"no answer from the server for {self._seconds:g} s")
