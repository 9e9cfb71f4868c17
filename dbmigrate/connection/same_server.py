"""Whether two connections reach the same server. Names and ports do not show it: aliases, tunnels and poolers.

The system identifier distinguishes two clusters. A copy of a cluster's files and a standby have the same one, and count
as the same server: to miss the target is worse than to suspect it. Where a role may not ask for it,
one of the connections takes an advisory lock with a key drawn at random, and the other one looks for it in pg_locks,
which shows the locks of all databases of a server to everybody.
https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-CONTROLDATA
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import psycopg

from dbmigrate.connection import database

if TYPE_CHECKING:
    from dbmigrate.connection.database import Connection

_IDENTIFIER = "select system_identifier from pg_catalog.pg_control_system()"
_STARTED = "select pg_catalog.pg_postmaster_start_time()"
_MARKED = """
select exists (select from pg_catalog.pg_locks where locktype = 'advisory' and granted and objsubid = 2
  and classid::int8 = %s::int8 and objid::int8 = %s::int8)
"""


def are_same(scratch: Connection, target: Connection) -> bool:
    """Whether both are sessions of one server; True where that is unknown. `target` is only read."""
    identifiers = [_answer(conn, _IDENTIFIER) for conn in (scratch, target)]
    if None not in identifiers:
        return identifiers[0] == identifiers[1]
    started = [_answer(conn, _STARTED) for conn in (scratch, target)]
    if None not in started and started[0] == started[1]:
        return True  # to the microsecond
    return _sees_lock(scratch, target)


def are_same_database(one: Connection, other: Connection) -> bool:
    """Whether both are sessions of one database; True where that is unknown. `other` is only read.

    A restored snapshot has the system identifier of its origin, and was started at another time; one of a running
    machine even has that in common. So a lock has the last word, which only the same server shows.
    """
    names = [_answer(conn, "select pg_catalog.current_database()::text") for conn in (one, other)]
    identifiers = [_answer(conn, _IDENTIFIER) for conn in (one, other)]
    started = [_answer(conn, _STARTED) for conn in (one, other)]
    if any(None not in pair and pair[0] != pair[1] for pair in (names, identifiers, started)):
        return False
    return _sees_lock(one, other)


def identity(conn: Connection) -> tuple[str | None, ...]:
    """What a session says of its database: the same for two names of one, another for two databases.

    Two servers that run from copies of one cluster were started at different moments.
    """
    questions = (_IDENTIFIER, _STARTED, "select pg_catalog.current_database()::text")
    answers = [_answer(conn, question) for question in questions]
    return tuple(None if answer is None else str(answer) for answer in answers)


def _answer(conn: Connection, question: str) -> object | None:
    """None where the role may not ask."""
    try:
        return database.query(conn, question)[0][0]
    except psycopg.Error:
        return None


def _sees_lock(scratch: Connection, target: Connection) -> bool:
    first, second = secrets.randbelow(2**31), secrets.randbelow(2**31)
    try:
        with scratch.transaction():  # a pooler gives one session for as long as a transaction lasts
            key = f"{first}::pg_catalog.int4, {second}::pg_catalog.int4"
            database.query(scratch, f"select pg_catalog.pg_try_advisory_xact_lock({key})")
            return database.query(target, _MARKED, first, second) == [(True,)]
    except psycopg.Error:
        return True
