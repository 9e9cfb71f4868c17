"""Which step of a login failed, by what the server or libpq says: TLS, password, database, version, a pooler."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from dbmigrate.diagnostics.values import of_error, ok, warning
from dbmigrate.errors import ConnectionFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbmigrate.connection.database import Connection
    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.diagnostics.values import Diagnosis
    from dbmigrate.errors import Error

__all__ = ["encryption", "failure"]

# libpq has no codes for these; the first that fits
_SUBJECTS = (
    ("login", r"no pg_hba\.conf entry"),
    ("TLS", r"SSL|TLS|certificate"),
    ("pooler", r"unsupported startup parameter"),
    ("rights", r"permission denied for database"),
    ("connections", r"remaining connection slots|too many clients|too many connections for"),
    ("server", r"database system is (?:starting up|shutting down|in recovery|not accepting)"),
)
_OF_CODES = {"E303": "database", "E304": "version", "E224": "password command", "E225": "password command"}
_HINTS = {
    "TLS": "sslmode=verify-full needs sslrootcert=FILE (or system) with the authority that signed the certificate;"
    " sslmode=require encrypts without checking it",
    "rights": "as its owner: GRANT CONNECT ON DATABASE ... TO this role",
    "connections": "end idle sessions (pg_stat_activity), or raise max_connections or the CONNECTION LIMIT of the role",
    "server": "`dbmigrate wait` waits until it is ready",
    "login": "check user and password in the URL, PGPASSWORD or ~/.pgpass, and the server's pg_hba.conf",
}


def failure(error: Error) -> Iterator[Diagnosis]:
    """The line about a failed login, behind one for what worked before it."""
    subject = _subject(error)
    if subject in ("database", "version"):
        yield ok("login", "the server accepts it")
    found = of_error(subject, error)
    yield replace(found, message=_first_line(found.message), hint=found.hint or _HINTS.get(subject))


def _subject(error: Error) -> str:
    if error.code in _OF_CODES:
        return _OF_CODES[error.code]
    if not isinstance(error, ConnectionFailed):
        return "login"
    return next((subject for subject, pattern in _SUBJECTS if re.search(pattern, error.message)), "login")


def _first_line(message: str) -> str:
    """libpq reports each address that it tried in a line of its own, and the same again for a try without TLS."""
    line = message.strip().partition("\n")[0]
    return " ".join(re.sub(r"^connection (?:failed: |is bad: )?(?:connection )?to .*? failed: ", "", line).split())


def encryption(conn: Connection, dsn: Dsn) -> Diagnosis:
    """Whether the session is encrypted, and whether that is enough for where the server is."""
    mode = dsn.conninfo.get("sslmode") or "prefer"
    if conn.pgconn.ssl_in_use:
        if mode.startswith("verify"):
            return ok("TLS", f"encrypted, and the certificate is checked (sslmode={mode})")
        return ok("TLS", f"encrypted; the certificate is not checked (sslmode={mode}; verify-full would)")
    if is_local(conn):
        return ok("TLS", "not encrypted: the connection does not leave this machine")
    hint = "write ?sslmode=verify-full&sslrootcert=system, or sslmode=require where the certificate cannot be checked"
    return warning("TLS", f"the connection is not encrypted (sslmode={mode})", hint)


def is_local(conn: Connection) -> bool:
    """Whether the server is on this machine."""
    address = conn.info.hostaddr
    return conn.info.host.startswith(("/", "@")) or address.startswith("127.") or address == "::1"
