"""What a program asks of a server: round trips, in what a proxy saw, and syncs of the WAL, as the server tells."""

from __future__ import annotations

import time
from collections.abc import Sequence

from tests.support.proxy import TO_CLIENT, TO_SERVER, Message
from tests.support.servers import DatabaseServer

_READY = b"Z"
_PATIENCE_SECONDS = 10.0
_OTHERS = "select count(*) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()"
# 18 has them by kind of process; before, it is the whole server's count; 13 does not count
_SYNCS = {
    18: "select sum(fsyncs)::int8 from pg_stat_io where object = 'wal' and backend_type = 'client backend'",
    14: "select wal_sync from pg_stat_wal",
}


def round_trips(messages: Sequence[Message]) -> int:
    """A server says that it is ready once after the login, and once after each message that it has answered."""
    return sum(message.direction is TO_CLIENT and message.kind == _READY for message in messages)


def connections(messages: Sequence[Message]) -> int:
    """Without those that look at another session: a busy machine makes statements slow, and slow ones are watched."""
    watching = {message.connection for message in messages if b"pg_stat_activity" in message.body}
    return len({message.connection for message in messages} - watching)


def sent(messages: Sequence[Message]) -> list[str]:
    """The SQL texts of a run, of simple and of prepared statements."""
    bodies = (message.body for message in messages if message.direction is TO_SERVER and message.kind in (b"Q", b"P"))
    return [body.strip(b"\0").decode() for body in bodies]


def counts_syncs(server: DatabaseServer) -> bool:
    """Whether `wal_syncs` has an answer. A server without fsync does none."""
    return server.major >= min(_SYNCS)


def wal_syncs(server: DatabaseServer) -> int:
    """How often the sessions of the server waited for the WAL to be on disk until now, once all of them have ended.

    A session reports its counts at its end. Raises TimeoutError when there still is one after some seconds.
    """
    began = time.monotonic()
    while server.admin.execute(_OTHERS).fetchone() != (0,):
        if time.monotonic() - began > _PATIENCE_SECONDS:
            raise TimeoutError("a session is still there")
        time.sleep(0.005)
    if server.major >= 15:
        server.admin.execute("select pg_stat_force_next_flush()")  # what was done by this very session
    else:
        time.sleep(1.0)  # the counts come to the statistics collector by a datagram, and are written by and by
    counts = next(text for major, text in _SYNCS.items() if server.major >= major)
    row = server.admin.execute(counts).fetchone()
    return int(str(row[0])) if row else 0
