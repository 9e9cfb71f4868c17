"""What a session can be asked: version, pooler, read-only, settings that hurt, connections, clock, room on the disk."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, cast

import psycopg

from dbmigrate.connection import database
from dbmigrate.diagnostics.values import failed, of_error, ok, warning
from dbmigrate.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from dbmigrate.connection.database import Connection, Facts
    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.diagnostics.values import Diagnosis

__all__ = ["clock", "pooler", "room", "settings", "version", "writable"]

_NEWEST_TRIED = 18
_LATE = 30.0  # seconds between two clocks
_FEW = 3  # connections: a run, its monitor, pg_dump
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_ROOM = 1024  # pages of 8 kB: PostgreSQL asks the file system for each of them
_DISK_FULL = "53100"

_CLOCK = "select (extract(epoch from pg_catalog.clock_timestamp()) * 1000000)::pg_catalog.int8"
_SETTINGS = "select name, setting, source from pg_catalog.pg_settings where name = any(%s::pg_catalog.text[])"
_CONNECTIONS = """
select pg_catalog.current_setting('max_connections')::int4
         - pg_catalog.current_setting('superuser_reserved_connections')::int4
         - (select count(*)::int4 from pg_catalog.pg_stat_activity where backend_type = 'client backend'),
       (select rolconnlimit from pg_catalog.pg_roles where rolname = session_user)
"""
# one row for each page, which is neither compressed nor moved out of the table
_FILL = (
    "create temporary table dbmigrate_room (filler pg_catalog.text) on commit drop;"
    "alter table pg_temp.dbmigrate_room alter column filler set storage plain;"
    "insert into pg_temp.dbmigrate_room select pg_catalog.repeat('x', 8000)"
    f" from pg_catalog.generate_series(1, {_ROOM})"
)

# what hurts: whether a value does, what it does, and what to do
_HURTS: Mapping[str, tuple[Callable[[str], bool], str, str]] = {
    "fsync": (lambda value: value == "off", "a crash can destroy the database", "set fsync = on"),
    "full_page_writes": (lambda value: value == "off", "a crash can destroy pages", "set full_page_writes = on"),
    "synchronous_commit": (
        lambda value: value == "off",
        "a crash can lose a migration that was reported as applied",
        "set synchronous_commit = on for the role that migrates",
    ),
    "session_replication_role": (
        lambda value: value == "replica",
        "triggers and foreign keys do not act on what migrations write",
        "set session_replication_role = origin",
    ),
    "default_transaction_isolation": (
        lambda value: value not in ("read committed", "read uncommitted"),
        "migrations that run beside others can fail with serialization errors",
        "set default_transaction_isolation = 'read committed' for the role that migrates",
    ),
    "transaction_timeout": (
        lambda value: value not in ("0", ""),
        "it ends a migration, and a dump, that takes longer",
        "ALTER ROLE ... SET transaction_timeout = 0 for the role that migrates",
    ),
}
_LIMITS = ("statement_timeout", "idle_in_transaction_session_timeout", "idle_session_timeout")


def version(facts: Facts) -> Diagnosis:
    """The server's version. `database.connect` refuses one that is too old."""
    major = facts.server_version // 10000
    shown = f"PostgreSQL {major}.{facts.server_version % 10000}"
    if major > _NEWEST_TRIED:
        hint = "update dbmigrate; look at a dry run before the first change"
        return warning("version", f"{shown} is newer than {_NEWEST_TRIED}, the newest that was tried", hint)
    return ok("version", shown)


def pooler(facts: Facts, dsn: Dsn) -> Diagnosis:
    """Whether a pooler that shares sessions is in between."""
    try:
        database.refuse_pooler(facts, dsn)
    except Refused as exc:
        return of_error("pooler", exc, exit_code=1)
    if facts.is_pooled:
        return ok("pooler", "through a pooler, which --allow-pooler allows: non-transactional migrations are refused")
    return ok("pooler", "none")


def writable(facts: Facts, dsn: Dsn) -> Diagnosis:
    """Whether it is a primary, and transactions may write."""
    try:
        database.refuse_unwritable(facts, dsn)
    except Refused as exc:
        return of_error("read-only", exc, exit_code=1)
    return ok("read-only", "no: the server is a primary, and transactions may write")


def settings(conn: Connection, dsn: Dsn, own: Mapping[str, str]) -> Iterator[Diagnosis]:
    """Settings of the server, the role and the URL that hurt migrations, and how many connections are left.

    `own` are settings that dbmigrate chose for its own server: only somebody else's choice is a warning.
    """
    asked = ((str(name), str(value), str(source)) for name, value, source in _asked(conn))
    found = {
        name: (value, source)
        for name, value, source in asked
        if not (source == "command line" and own.get(name) == value)
    }
    hurting = [
        warning("settings", f"{name} = {found[name][0]} ({found[name][1]}): {effect}", hint)
        for name, (is_bad, effect, hint) in _HURTS.items()
        if name in found and is_bad(found[name][0])
    ]
    for name in _LIMITS:
        if dsn.settings.get(name, "0") not in ("0", ""):
            message = f"{name} = {dsn.settings[name]} is in the URL: it ends migrations that take longer"
            hurting.append(warning("settings", message, "take it out of the URL that migrates, or use --timeout"))
    yield from hurting
    if not hurting:
        yield ok("settings", "none that hurts")
    left, limit = cast("tuple[int, int]", database.query(conn, _CONNECTIONS)[0])
    if left < _FEW or 0 <= limit < _FEW:
        message = f"{max(left, 0)} are left on the server" if left < _FEW else f"the role may open {limit} at once"
        hint = "a run opens two, and pg_dump a third: end idle sessions, or raise the limit"
        yield warning("connections", message, hint)


def _asked(conn: Connection) -> list[tuple[object, ...]]:
    return database.query(conn, _SETTINGS, list(_HURTS))


def clock(conn: Connection) -> Diagnosis:
    """How far the server's clock is from that of this machine; the way there and back does not count."""
    begin = time.time()
    server = cast("int", database.query(conn, _CLOCK)[0][0]) / 1_000_000
    end = time.time()
    difference = server - (begin + end) / 2
    if abs(difference) - (end - begin) / 2 < _LATE:
        return ok("clock", "that of the server and that of this machine agree")
    which = "ahead of" if difference > 0 else "behind"
    return warning(
        "clock",
        f"the server's clock is {_span(abs(difference))} {which} that of this machine",
        "synchronise both with NTP: the versions of new migrations, the times of the log, certificates and tokens"
        " depend on them",
    )


def _span(seconds: float) -> str:
    for size, unit, smaller, part in ((_DAY, "d", _HOUR, "h"), (_HOUR, "h", _MINUTE, "min"), (_MINUTE, "min", 1, "s")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit} {int(seconds % size // smaller)} {part}"
    return f"{seconds:.0f} s"


def room(conn: Connection, dsn: Dsn) -> Diagnosis:
    """Whether the server can write 8 MB: to a temporary table, in a transaction that is rolled back."""
    try:
        with conn.transaction(force_rollback=True):
            database.run(conn, f"set local statement_timeout = '30s'; {_FILL}")
    except psycopg.Error as exc:
        if database.is_loss(exc):
            raise
        if exc.sqlstate == "42501":  # insufficient_privilege
            hint = "GRANT TEMPORARY ON DATABASE ... TO this role, to have it looked at"
            return warning("disk", "not known: the role may make no temporary table, with which it is tried", hint)
        reason = dsn.quoted(exc.diag.message_primary or str(exc))
        if exc.sqlstate != _DISK_FULL:
            return warning("disk", f"8 MB could not be written: {reason}", "look into the server's log")
        hint = "free or add space on the server, in the data directory and the tablespace that the message names"
        return failed("disk", f"the server's disk is full: {reason}", hint)
    return ok("disk", "the server has room")
