"""Sends a file's SQL: verbatim batches of whole statements as simple queries; finds the place of an error.

psycopg's ``execute`` hides how many statements of a batch succeeded before the error, and is lost in a COPY; the
documented `psycopg.pq` interface shows both. Counting the results gives the failing statement (`batch_errors`).
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import psycopg
from psycopg import pq

from dbmigrate.frozen import frozen
from dbmigrate.model import Batch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from dbmigrate.connection.database import Connection
    from dbmigrate.model import Statement

BATCH_CHARACTERS = 256 * 1024
_COPY_CHUNK = 64 * 1024
_PULSE_SECONDS = 0.1
_DONE = (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK)


class StatementError(Exception):
    """The server refused statement number `index` of a batch; `offset` is the error's place in its text, if known."""

    def __init__(self, cause: psycopg.Error, statement: Statement, offset: int | None) -> None:
        super().__init__(cause.diag.message_primary or "")  # libpq's text quotes a line of what was sent
        self.cause = cause
        self.statement = statement
        self.offset = offset


class EndingError(Exception):
    """What ends a whole transaction failed, not its batch, whose command tags are `tags`."""

    def __init__(self, cause: psycopg.Error, tags: list[bytes]) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.tags = tags


class Tally:
    """The statements that are done so far, and the command tag of the last one."""

    __slots__ = ("statements", "tag")

    def __init__(self, statements: int = 0, tag: bytes = b"") -> None:
        self.statements = statements
        self.tag = tag

    def add(self, tags: list[bytes]) -> None:
        self.statements += len(tags)
        self.tag = tags[-1] if tags else self.tag

    @property
    def rows(self) -> int | None:
        last = self.tag.rsplit(b" ", 1)[-1]
        return int(last) if last.isdigit() else None


@frozen
class Opening:
    """`count` statements of dbmigrate that are sent before a batch, in its message; the last one returns a row."""

    text: str
    count: int


@frozen
class Whole:
    """A message that is a whole transaction: what opens it, one batch, and SQL of dbmigrate that ends it."""

    opening: Opening
    batch: Batch
    ending: str

    @property
    def text(self) -> bytes:
        return self.opening.text.encode() + ended(self.batch.sql) + b"\n" + self.ending.encode()


_NOTHING = Opening("", 0)


@frozen
class Sent:
    """A batch that is done: the command tags of its statements, and the row of the opening before it."""

    batch: Batch
    tags: list[bytes]
    row: tuple[str, ...] = ()


@frozen
class Ended:
    """A whole transaction that is done: the tags of its batch, and the answer to what ended it.

    `ending` has an error where something behind COMMIT failed.
    """

    tags: list[bytes]
    ending: Answer


@frozen
class Answer:
    """The answer to a script of dbmigrate.

    The command tags of its statements, the first row of the last one that returned rows, as text, and the error that
    ended it, if there is one. Behind COMMIT no rows are looked at.
    """

    tags: list[bytes]
    row: tuple[str, ...]
    error: psycopg.Error | None


@frozen
class Answers:
    """The answer to several statements: their command tags, and for each its first row as text, () where it has none.

    `error` is what ended them, if there is one; a row of the statement that failed is the last one then.
    """

    tags: list[bytes]
    rows: list[tuple[str, ...]]
    error: psycopg.Error | None


Pulse = Callable[[Batch], None]


def text_of(statements: Sequence[Statement]) -> str:
    """The SQL of consecutive statements and what stands between them."""
    first, *rest = statements
    return "".join((first.sql, *(part for statement in rest for part in (statement.lead, statement.sql))))


def ended(text: bytes) -> bytes:
    """A last statement without a semicolon may end in a comment, which must not swallow what follows."""
    return text if text.endswith(b";") else text + b"\n;"


def _batch(statements: Sequence[Statement]) -> Batch:
    data = statements[-1].copy_data
    texts = [part for statement in statements for part in (statement.lead, statement.sent)]
    sql = "".join(texts[1:]).encode()
    shown = b"" if statements[0].filled is None else statements[0].sql.encode()
    return Batch(sql, len(statements), lambda: statements, None if data is None else _encoded(data), shown)


def _encoded(data: Iterable[str]) -> Iterator[bytes]:
    for piece in data:
        for begin in range(0, len(piece), _COPY_CHUNK):
            yield piece[begin : begin + _COPY_CHUNK].encode()


def group(statements: Iterable[Statement]) -> Iterator[Batch]:
    """Group statements up to about 256 KiB; a COPY with data ends its batch, because its data has to follow it."""
    gathered: list[Statement] = []
    size = 0
    for statement in statements:
        length = len(statement.lead) + len(statement.sent)
        if gathered and size + length > BATCH_CHARACTERS:
            yield _batch(gathered)
            gathered, size = [], 0
        gathered.append(statement)
        size += length
        if statement.copy_data is not None:
            yield _batch(gathered)
            gathered, size = [], 0
    if gathered:
        yield _batch(gathered)


def send_all(conn: Connection, statements: Iterable[Statement], *, pulse: Pulse) -> Iterator[tuple[Batch, list[bytes]]]:
    """Run statements batch by batch; yield each batch with the command tags of its statements when it is done.

    See `send`.
    """
    for sent in send(conn, group(statements), pulse=pulse):
        yield sent.batch, sent.tags


def send(conn: Connection, source: Iterator[Batch], *, pulse: Pulse, opening: Opening | None = None) -> Iterator[Sent]:
    """Run batches, the first one behind `opening`; yield each when it is done.

    While the server works on a batch the next one is read from the file, and `pulse` is called some times a second
    with the batch. Raises StatementError, and psycopg.Error for the opening; a failure leaves the transaction, if there
    is one, aborted.
    """
    before = opening or _NOTHING
    batch = next(source, None)
    while batch is not None:
        _send(conn.pgconn, before.text.encode() + ended(batch.sql))
        upcoming = None if batch.copies else next(source, None)
        yield _finish(conn, batch, before, pulse=pulse)
        batch, before = next(source, None) if batch.copies else upcoming, _NOTHING


def send_whole(conn: Connection, whole: Whole, *, pulse: Pulse, meanwhile: Callable[[], None]) -> Ended:
    """Run a transaction in one message; `meanwhile` is called once while the server works on it.

    Raises StatementError, EndingError, and psycopg.Error for the opening or a lost session.
    """
    _send(conn.pgconn, whole.text)
    meanwhile()
    results = _collect(conn, whole.batch, whole.opening, pulse=pulse)
    begin, end = whole.opening.count, whole.opening.count + whole.batch.count
    answer = Answer(results.tags[end:], results.last, None)
    if results.failed is None:
        return Ended(results.tags[begin:end], answer)
    cause = psycopg.errors.error_from_result(results.failed, encoding="utf-8")
    if b"COMMIT" in answer.tags:
        return Ended(results.tags[begin:end], replace(answer, error=cause))
    if len(results.tags) < end:
        from dbmigrate.execution.batch_errors import place_in_whole

        found = place_in_whole(
            whole.batch, cause, len(results.tags), before=whole.opening.text, count=whole.opening.count
        )
        raise StatementError(cause, *found) if found else cause
    raise EndingError(cause, results.tags[begin:end])


def ask(conn: Connection, script: str, *, pulse: Callable[[], None] | None = None) -> Answer:
    """Run SQL of dbmigrate, one or several statements; `pulse` is called some times a second until it is done.

    Raises psycopg.OperationalError if the session is lost.
    """
    ask_later(conn, script.encode())
    found = answers(conn, pulse=pulse)
    committed = found.tags.index(b"COMMIT") if b"COMMIT" in found.tags else None
    row = next((row for row in reversed(found.rows[:committed]) if row), ())
    return Answer(found.tags, row, found.error)


def ask_later(conn: Connection, script: bytes) -> None:
    """Send several statements. Nothing else can be done with the session before `answers` has returned."""
    _send(conn.pgconn, script)


def answers(conn: Connection, *, pulse: Callable[[], None] | None = None) -> Answers:
    """Wait for the answers to what `ask_later` has sent. Raises psycopg.OperationalError if the session is lost."""
    tags: list[bytes] = []
    rows: list[tuple[str, ...]] = []
    failed: pq.abc.PGresult | None = None
    for result in _results(conn.pgconn, pulse=pulse):
        if result.status == pq.ExecStatus.SINGLE_TUPLE:
            if len(rows) == len(tags):  # it is the first one
                rows.append(_row(result))
        elif result.status in _DONE:
            tags.append(result.command_status or b"")
            rows += [()] * (len(tags) - len(rows))
        else:
            failed = failed or result  # a session that ends with its error reports the loss after it
    error = psycopg.errors.error_from_result(failed, encoding="utf-8") if failed else None
    return Answers(tags, rows, error)


def query(conn: Connection, text: str, *, pulse: Callable[[], None]) -> tuple[tuple[int, ...], list[bytes | None]]:
    """Run one query, and no second one: the extended protocol does not accept any.

    The types of its columns (object ids), and the first column of its rows as text. Raises psycopg.Error.
    """
    conn.pgconn.send_query_params(text.encode(), None)
    while conn.pgconn.flush():
        _wait(conn.pgconn, writing=(conn.pgconn.socket,))
        conn.pgconn.consume_input()
    found: list[pq.abc.PGresult] = []
    while (result := _result(conn.pgconn, pulse=pulse)) is not None:
        found.append(result)
    if found[0].status != pq.ExecStatus.TUPLES_OK:
        raise psycopg.errors.error_from_result(found[0], encoding="utf-8")
    types = tuple(found[0].ftype(column) for column in range(found[0].nfields))
    return types, [found[0].get_value(row, 0) if types else None for row in range(found[0].ntuples)]


def _send(pgconn: pq.abc.PGconn, text: bytes) -> None:
    pgconn.send_query(text)
    # nobody reads the rows of a migration: they arrive one by one and are dropped, so that they never fill the memory
    # https://www.postgresql.org/docs/current/libpq-single-row-mode.html
    pgconn.set_single_row_mode()
    while pgconn.flush():
        _wait(pgconn, writing=(pgconn.socket,))
        pgconn.consume_input()


def _finish(conn: Connection, batch: Batch, before: Opening, *, pulse: Pulse) -> Sent:
    """Collect the results of a message. Raises StatementError, psycopg.Error."""
    results = _collect(conn, batch, before, pulse=pulse)
    if results.failed is not None:
        from dbmigrate.execution.batch_errors import place  # only a failure needs it

        cause = psycopg.errors.error_from_result(results.failed, encoding="utf-8")
        found = place(batch, cause, len(results.tags), before=before.text, count=before.count)
        raise StatementError(cause, *found) if found else cause
    return Sent(batch, results.tags[before.count :], results.row)


@frozen
class _Collected:
    """The results of a message: one command tag per statement, the row of the opening, and the last row behind the
    batch; `failed` is the error that ended it."""

    tags: list[bytes]
    row: tuple[str, ...]
    last: tuple[str, ...]
    failed: pq.abc.PGresult | None


def _collect(conn: Connection, batch: Batch, before: Opening, *, pulse: Pulse) -> _Collected:
    tags: list[bytes] = []
    row: tuple[str, ...] = ()
    last: tuple[str, ...] = ()
    failed: pq.abc.PGresult | None = None
    look = _Regular(partial(pulse, batch))
    for result in _results(conn.pgconn, pulse=look):
        look.if_due()
        if result.status == pq.ExecStatus.SINGLE_TUPLE:
            row = _row(result) if len(tags) == before.count - 1 else row
            last = _row(result) if len(tags) >= before.count + batch.count and b"COMMIT" not in tags else last
        elif result.status in _DONE:
            tags.append(result.command_status or b"")
        elif result.status == pq.ExecStatus.COPY_IN:
            is_data = len(tags) - before.count >= batch.count - 1
            _copy_in(conn.pgconn, batch.copy_data if is_data else None, pulse=look.if_due)
        elif result.status == pq.ExecStatus.COPY_OUT:
            _discard_copy(conn.pgconn)
        elif result.status == pq.ExecStatus.FATAL_ERROR:
            failed = failed or result  # a session that ends with its error reports the loss after it
    return _Collected(tags, row, last, failed)


class _Regular:
    """A pulse that is also called between the answers of a message with many quick statements."""

    __slots__ = ("_called", "_pulse")

    def __init__(self, pulse: Callable[[], None]) -> None:
        self._pulse = pulse
        self._called = time.monotonic()

    def __call__(self) -> None:
        self._pulse()
        self._called = time.monotonic()

    def if_due(self) -> None:
        if time.monotonic() - self._called >= _PULSE_SECONDS:
            self()


def _row(result: pq.abc.PGresult) -> tuple[str, ...]:
    if not result.ntuples:
        return ()
    return tuple((result.get_value(0, column) or b"").decode() for column in range(result.nfields))


def _results(pgconn: pq.abc.PGconn, *, pulse: Callable[[], None] | None) -> Iterator[pq.abc.PGresult]:
    """The results of a message. After an error with which the server ends the session nothing else comes."""
    has_failed = False
    while True:
        try:
            result = _result(pgconn, pulse=pulse)
        except psycopg.OperationalError:
            if not has_failed:
                raise
            return
        if result is None:
            return
        has_failed = has_failed or result.status == pq.ExecStatus.FATAL_ERROR
        yield result


def _result(pgconn: pq.abc.PGconn, *, pulse: Callable[[], None] | None = None) -> pq.abc.PGresult | None:
    while pgconn.is_busy():
        if not _wait(pgconn, seconds=_PULSE_SECONDS if pulse else None) and pulse:
            pulse()
            continue
        pgconn.consume_input()
    return pgconn.get_result()


def _wait(pgconn: pq.abc.PGconn, *, writing: Sequence[int] = (), seconds: float | None = None) -> bool:
    """Wait until the socket can be read (or written, where asked for); False when `seconds` passed first."""
    readable, writable, _ = select.select([pgconn.socket], writing, [], seconds)
    return bool(readable or writable)


def _copy_in(pgconn: pq.abc.PGconn, data: Iterable[bytes] | None, *, pulse: Callable[[], None]) -> None:
    if data is None:
        pgconn.put_copy_end(b"COPY FROM STDIN without inline data")
        return
    for piece in data:
        for begin in range(0, len(piece), _COPY_CHUNK):
            _put(pgconn, piece[begin : begin + _COPY_CHUNK])
            pulse()
    pgconn.put_copy_end()
    while pgconn.flush():
        _wait(pgconn, writing=(pgconn.socket,))
        pgconn.consume_input()


def _put(pgconn: pq.abc.PGconn, data: bytes) -> None:
    pgconn.put_copy_data(data)
    while pgconn.flush():
        _wait(pgconn, writing=(pgconn.socket,))
        pgconn.consume_input()


def _discard_copy(pgconn: pq.abc.PGconn) -> None:
    """COPY ... TO STDOUT in a migration: its rows are dropped."""
    while True:
        length, _ = pgconn.get_copy_data(1)
        if length == -1:
            return
        if length == 0:
            _wait(pgconn)
            pgconn.consume_input()


def drain(conn: Connection, *, pulse: Callable[[], None] | None = None) -> bool:
    """Read and drop the remaining results of a query that was cancelled.

    Returns whether the query succeeded all the same: the cancel request can arrive too late.
    """
    pgconn = conn.pgconn
    ended: list[pq.ExecStatus] = []
    while pgconn.status == pq.ConnStatus.OK and (result := _result(pgconn, pulse=pulse)) is not None:
        if result.status == pq.ExecStatus.COPY_IN:
            pgconn.put_copy_end(b"cancelled")
        elif result.status == pq.ExecStatus.COPY_OUT:
            _discard_copy(pgconn)
        else:
            ended.append(pq.ExecStatus(result.status))
    return bool(ended) and all(status in _DONE for status in ended)
