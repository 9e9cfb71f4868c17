"""Connections: open one, set it up, ask what the server is, create and drop databases, translate psycopg's errors."""

from __future__ import annotations

import getpass
import logging
import os
import socket
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from dbmigrate.connection import silence
from dbmigrate.errors import ConnectionFailed, DatabaseError, Error, Refused
from dbmigrate.events import Created, Dropped, ServerNotice
from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.events import Event

Connection = psycopg.Connection[tuple[object, ...]]

# psycopg also logs what fails while it closes a connection; without a handler Python prints that to stderr
logging.getLogger("psycopg").addHandler(logging.NullHandler())

OLDEST_SERVER = 130000
# PostgreSQL cuts application_name at NAMEDATALEN - 1 bytes
_NAME_LIMIT = 63
# notices within a minute that a server is gone; the URL may set other values
_KEEPALIVES = {
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "connect_timeout": "30",
    "tcp_user_timeout": "60000",  # keepalives are not sent while sent data is not acknowledged
}
OWN_LOCK_TIMEOUT = "5s"  # of dbmigrate's statements; those of files have other limits
MAINTENANCE = "postgres"
_MAINTENANCE_DATABASES = (MAINTENANCE, "template1")
# an administrator, a shutdown, a crash; the network; a limit on idle or long transactions
_SESSION_ENDS = ("57P", "08", "25P03", "25P04")
_LOCKED = "another session holds a lock that is needed: end it, or try again later"
_POOLER_HINT = (
    "use the server's direct URL, or pass --allow-pooler: then every migration takes the lock in its "
    "transaction, and non-transactional migrations are refused"
)


_FACTS = (
    "pg_catalog.current_database()::text, current_user::text, pg_catalog.current_schema()::text,"
    " pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('transaction_read_only') = 'on',"
    " pg_catalog.pg_backend_pid()"
)


@frozen
class Facts:
    """Facts about a session: asked once, after connecting."""

    database: str
    role: str
    schema: str | None  # current_schema(), None when the search_path names no schema that exists
    server_version: int
    is_standby: bool
    is_read_only: bool
    is_pooled: bool


def whoami() -> str:
    """``user@host`` of this process, as the log and ``application_name`` show it."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container user without an entry in /etc/passwd
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def application_name(command: str) -> str:
    name = f"dbmigrate {command} {whoami()}:{os.getpid()}"
    return name.encode()[:_NAME_LIMIT].decode(errors="ignore")


def connect(dsn: Dsn, *, command: str, on_event: Callable[[Event], None]) -> Connection:
    """Open a session in autocommit mode, set up for migrations; notices go to `on_event`.

    Behind a transaction pooler the session is not changed, because other clients share it.

    Raises ConnectionFailed E301 (unreachable, login refused), E303 (no such database), E304 (older than PostgreSQL
    13). Messages are free of secrets.
    """
    return opened(dsn, command=command, on_event=on_event)[0]


def opened(dsn: Dsn, *, command: str, on_event: Callable[[Event], None]) -> tuple[Connection, Facts]:
    """As `connect`, with the facts of the session, which are asked for in the same round trip as it is set up."""
    conn = _login_bare(dsn, command) if dsn.allows_pooler else _login(dsn, command)
    if conn.info.server_version < OLDEST_SERVER:
        version = conn.info.parameter_status("server_version")
        conn.close()
        raise ConnectionFailed(
            f"{dsn.display} is PostgreSQL {version}; dbmigrate needs 13 or newer",
            code="E304",
            hint="upgrade the server",
        )
    conn.add_notice_handler(lambda diagnostic: on_event(_noticed(conn, diagnostic, dsn)))
    with translated(dsn), silence.limited(conn):
        row = run(conn, f"SELECT {_FACTS}, ({_login_settings(conn, dsn)})").fetchone()
    assert row is not None
    return conn, _facts(conn, row)


def _login(dsn: Dsn, command: str) -> Connection:
    try:
        return _logged_in(dsn, command)
    except psycopg.Error as exc:
        if dsn.password_command is None or not dsn.password_command.is_renewed(str(exc)):
            raise _login_failure(exc, dsn) from exc
    try:
        return _logged_in(dsn, command)
    except psycopg.Error as exc:
        raise _login_failure(exc, dsn) from exc


def _logged_in(dsn: Dsn, command: str) -> Connection:
    login = _KEEPALIVES | dsn.conninfo_for_connect(application_name(command))
    return silence.PatientConnection.connect(autocommit=True, prepare_threshold=None, **login)  # type: ignore[arg-type]


def _login_bare(dsn: Dsn, command: str) -> Connection:
    """Log in without server settings, which poolers refuse; without a pooler, log in again with them."""
    conn = _login(replace(dsn, settings={}), command)
    with translated(dsn), silence.limited(conn):
        pid = query(conn, "select pg_catalog.pg_backend_pid()")[0][0]
    if pid != conn.info.backend_pid:
        return conn
    conn.close()
    return _login(dsn, command)


def _noticed(conn: Connection, diagnostic: psycopg.errors.Diagnostic, dsn: Dsn) -> ServerNotice:
    if isinstance(conn, silence.PatientConnection) and diagnostic.severity_nonlocalized == "FATAL":
        conn.ended_by = diagnostic.sqlstate
    texts = (diagnostic.message_primary or "", diagnostic.message_detail, diagnostic.message_hint)
    message, detail, hint = (text and dsn.quoted(text) for text in texts)
    return ServerNotice(diagnostic.severity or "NOTICE", message or "", detail, hint)


def session_settings(conn: Connection, dsn: Dsn) -> str:
    """What sets up a migration session, as one statement, which takes less time; settings of the URL win.

    A client that is gone must not keep its locks (client_connection_check_interval, PostgreSQL 14; keepalives for
    network partitions), no time-out of the role may end an index build, and backslashes in strings are literal.
    """
    calls = (f"pg_catalog.set_config('{name}', '{value}', false)" for name, value in _wanted(conn, dsn).items())
    return f"SELECT {', '.join(calls)};\n"


def local_settings(conn: Connection, dsn: Dsn) -> str:
    """The same with the URL's settings, for one transaction: behind a pooler nothing else is possible."""
    wanted = {**_wanted(conn, dsn), **dsn.settings}
    call = sql.SQL("SELECT pg_catalog.set_config({}, {}, true);\n")
    return "".join(call.format(name, value).as_string(conn) for name, value in wanted.items())


def local_reset() -> str:
    """Reset, inside a transaction, what it set for the session, which the pooler gives to another client next.

    Not five settings that poolers keep for each client.
    """
    return (
        "SELECT pg_catalog.set_config(name, reset_val, false) FROM pg_catalog.pg_settings WHERE source = 'session'"
        " AND name NOT IN ('application_name', 'client_encoding', 'DateStyle', 'TimeZone',"
        " 'standard_conforming_strings');\nDISCARD TEMP;\nSET LOCAL search_path = pg_catalog;\n"
    )


def _login_settings(conn: Connection, dsn: Dsn) -> str:
    """`session_settings` as a query for one value, which changes nothing if a pooler sends it to another process."""
    values = ", ".join(f"('{name}', '{value}')" for name, value in _wanted(conn, dsn).items())
    is_another = f"pg_catalog.pg_backend_pid() <> {conn.info.backend_pid}"
    return (
        f"SELECT pg_catalog.count(pg_catalog.set_config(name, value, {is_another}))"
        f" FROM (VALUES {values}) AS wanted (name, value)"
    )


def _wanted(conn: Connection, dsn: Dsn) -> dict[str, str]:
    wanted = {
        "statement_timeout": "0",
        "lock_timeout": OWN_LOCK_TIMEOUT,
        "idle_in_transaction_session_timeout": "0",
        "standard_conforming_strings": "on",
        "tcp_keepalives_idle": "30",
        "tcp_keepalives_interval": "10",
        "tcp_keepalives_count": "3",
    }
    if conn.info.server_version >= 140000:
        wanted |= {"client_connection_check_interval": "2s", "idle_session_timeout": "0"}
    return {name: value for name, value in wanted.items() if name not in dsn.settings}


def session_reset() -> str:
    """Undo whatever a migration did to the session, except its locks: DISCARD ALL's list without the unlock.

    https://www.postgresql.org/docs/current/sql-discard.html
    """
    return (
        "RESET SESSION AUTHORIZATION;\nRESET ALL;\nDEALLOCATE ALL;\nCLOSE ALL;\nUNLISTEN *;\n"
        "DISCARD PLANS;\nDISCARD TEMP;\nDISCARD SEQUENCES;\n"
    )


def run(conn: Connection, script: str) -> psycopg.Cursor[tuple[object, ...]]:
    """Send SQL of dbmigrate, one or several statements, without parameters."""
    return conn.execute(script.encode())


def last_row(cursor: psycopg.Cursor[tuple[object, ...]]) -> tuple[object, ...]:
    """The row of the last result of a script."""
    while cursor.nextset():
        pass
    row = cursor.fetchone()
    assert row is not None
    return row


def query(conn: Connection, statement: str, *parameters: object) -> list[tuple[object, ...]]:
    """Run one statement of dbmigrate with parameters; return all rows.

    In the binary format, which no setting changes: under DateStyle German psycopg could not read a time as text.
    """
    return conn.execute(statement, parameters, binary=True).fetchall()


def facts(conn: Connection) -> Facts:
    """Ask the session. Behind a pooler the process id differs from that of the login."""
    return _facts(conn, query(conn, f"select {_FACTS}")[0])


def _facts(conn: Connection, row: Sequence[object]) -> Facts:
    return Facts(
        database=str(row[0]),
        role=str(row[1]),
        schema=None if row[2] is None else str(row[2]),
        server_version=conn.info.server_version,
        is_standby=bool(row[3]),
        is_read_only=bool(row[4]),
        is_pooled=row[5] != conn.info.backend_pid,
    )


def refuse_unwritable(known: Facts, dsn: Dsn) -> None:
    """Raise Refused E704 for a standby or a read-only session, where the lock works, but writes do not."""
    if known.is_standby or known.is_read_only:
        kind = "a standby" if known.is_standby else "read-only (default_transaction_read_only is on)"
        raise Refused(
            f"{dsn.display} is {kind}",
            code="E704",
            hint="use the primary's URL; with several hosts add target_session_attrs=read-write",
        )


def refuse_pooler(known: Facts, dsn: Dsn) -> None:
    """Raise Refused E703 behind a pooler, where session locks and settings do not hold."""
    if known.is_pooled and not dsn.allows_pooler:
        raise Refused(f"connected through a connection pooler at {dsn.display}", code="E703", hint=_POOLER_HINT)


def refuse_shared_session(known: Facts, what: str) -> None:
    """Raise Refused E703 behind a pooler, allowed or not, because `what` needs a session that is not shared."""
    if known.is_pooled:
        raise Refused(
            f"{what}: it needs a session that a pooler does not share",
            code="E703",
            hint="use the server's direct URL",
        )


# ------------------------------------------------------------------------------------------------- databases as a whole


def exists(dsn: Dsn) -> bool:
    """Whether the database of `dsn` exists. Raises ConnectionFailed if that is unknown."""
    try:
        connect(dsn, command="exists", on_event=_ignore).close()
    except ConnectionFailed as exc:
        if exc.code != "E303":
            raise
        return False
    return True


def create(dsn: Dsn, *, on_event: Callable[[Event], None]) -> None:
    """Create the database of `dsn`, from a session in a maintenance database.

    Raises DatabaseError E402 (it exists already, no right to create), ConnectionFailed.
    """
    on_event(Created("database", dsn.database))
    with maintenance(dsn, "create", on_event) as conn, translated(dsn):
        try:
            conn.execute(sql.SQL("create database {}").format(sql.Identifier(dsn.database)))
        except psycopg.errors.DuplicateDatabase as exc:
            raise _there_already(exc, dsn) from exc


def _there_already(exc: psycopg.Error, dsn: Dsn) -> Error:
    error = translation(exc, dsn)
    error.hint = "`dbmigrate up` applies what is pending to it"
    return error


def create_if_missing(dsn: Dsn, *, on_event: Callable[[Event], None]) -> None:
    """As `create`, but succeed if another process creates the same database at the same moment."""
    try:
        create(dsn, on_event=on_event)
    except DatabaseError as exc:
        # 42P04 duplicate_database; 23505 on pg_database_datname_index is the same within a closer race
        if exc.sqlstate not in ("42P04", "23505"):
            raise


def drop(dsn: Dsn, *, on_event: Callable[[Event], None]) -> None:
    """Drop the database of `dsn` if it exists. Raises DatabaseError E402 (in use, not the owner), ConnectionFailed."""
    on_event(Dropped(dsn.database))
    with maintenance(dsn, "drop", on_event) as conn, translated(dsn):
        conn.execute(sql.SQL("drop database if exists {}").format(sql.Identifier(dsn.database)))


@contextmanager
def maintenance(dsn: Dsn, command: str, on_event: Callable[[Event], None]) -> Iterator[Connection]:
    """A session in ``postgres``, or in ``template1`` where that does not exist. Raises ConnectionFailed."""
    for name in _MAINTENANCE_DATABASES:
        try:
            conn = connect(dsn.with_database(name), command=command, on_event=on_event)
        except ConnectionFailed as exc:
            if exc.code == "E303" and name != _MAINTENANCE_DATABASES[-1]:
                continue
            raise
        with conn:
            yield conn
        return


def _ignore(event: Event) -> None:
    """For a connection whose events concern nobody."""


# --------------------------------------------------------------------------------------------------- error translation


@contextmanager
def translated(dsn: Dsn) -> Iterator[None]:
    """Turn psycopg's errors into dbmigrate's, without secrets; see `translation`."""
    try:
        yield
    except psycopg.Error as exc:
        raise translation(exc, dsn) from exc


def translation(exc: psycopg.Error, dsn: Dsn) -> Error:
    """The Error for an error in a session: ConnectionFailed E305 if the session was lost, otherwise DatabaseError E402.

    A DatabaseError carries the server's DETAIL and HINT.
    """
    message = dsn.quoted(exc.diag.message_primary or str(exc).strip() or type(exc).__name__)
    if is_session_end(exc):
        return ConnectionFailed(f"the server ended the connection: {message}", code="E305", sqlstate=exc.sqlstate)
    if is_loss(exc):
        return ConnectionFailed(f"the connection was lost: {_reason(message)}", code="E305")
    code, hint = ("E405", _LOCKED) if exc.sqlstate == "55P03" else ("E402", None)
    return DatabaseError(message, code=code, hint=hint, details=details(exc, dsn), sqlstate=exc.sqlstate)


def is_session_end(exc: psycopg.Error) -> bool:
    """Whether the server reports that it ends the session. It may have committed before: ask for the outcome."""
    return (exc.sqlstate or "").startswith(_SESSION_ENDS)


def is_loss(exc: psycopg.Error) -> bool:
    """Whether the session ended: the server reports it, or libpq, which has no SQLSTATE for it.

    psycopg raises OperationalError for a loss while it reads, but a bare DatabaseError for one that libpq returns as a
    result.
    """
    is_ours = isinstance(exc, psycopg.OperationalError) or type(exc) is psycopg.DatabaseError
    return is_session_end(exc) or (exc.sqlstate is None and is_ours)


def _reason(message: str) -> str:
    """The first line of libpq's text about a lost connection; the rest guesses at reasons."""
    return message.removeprefix("consuming input failed: ").partition("\n")[0]


def _login_failure(exc: psycopg.Error, dsn: Dsn) -> Error:
    """libpq reports a failed login as text only; the server's sentence identifies a missing database."""
    message = dsn.quoted(str(exc).strip() or type(exc).__name__)
    if not isinstance(exc, psycopg.OperationalError):
        return DatabaseError(message, code="E402")
    if _is_missing_database(str(exc), dsn.database):
        hint = "`dbmigrate up` creates it and applies the migrations; `dbmigrate create` only creates it"
        return ConnectionFailed(f'database "{dsn.database}" does not exist', code="E303", hint=hint)
    from dbmigrate.connection import login_hints

    command = dsn.password_command.origin if dsn.password_command else None
    return ConnectionFailed(message, code="E301", hint=login_hints.hint(message, dsn.settings, command))


def _is_missing_database(message: str, database: str) -> bool:
    return f'database "{database}" does not exist' in message


def details(exc: psycopg.Error, dsn: Dsn) -> tuple[tuple[str, str], ...]:
    """The server's further lines about an error, labelled and ordered as psql shows them."""
    found = (
        ("DETAIL", exc.diag.message_detail),
        ("HINT", exc.diag.message_hint),
        ("CONTEXT", exc.diag.context),
    )
    return tuple((label, dsn.quoted(text)) for label, text in found if text)


def close(conn: Connection) -> None:
    """Close, ignoring errors of a broken connection."""
    with suppress(psycopg.Error):
        conn.close()
