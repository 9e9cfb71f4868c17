"""Looks at a set-up from the outside inwards: name, port, TLS, login, database, server, rights, then this machine.

What cannot be looked at because something before it fails is left out.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg

from dbmigrate.connection import database
from dbmigrate.diagnostics import login, machine, network, rights, server
from dbmigrate.diagnostics.values import Result, of_error, ok
from dbmigrate.errors import Error

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbmigrate.connection.database import Connection
    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.diagnostics.values import Diagnosis, Setup
    from dbmigrate.events import Event

__all__ = ["examine"]

_CONNECT_SECONDS = 10


def examine(setup: Setup) -> Iterator[Diagnosis]:
    """Every line, in the order in which a connection is made; nothing is changed. Nothing is raised."""
    conn = None
    if setup.dsn is not None:
        reached = list(network.look(network.places(setup.dsn)))
        yield from reached
        if not any(each.result is Result.FAILED for each in reached):
            conn, failures = _logged_in(setup.dsn)
            yield from failures
    major, is_encrypted = None, False
    if conn is not None and setup.dsn is not None:
        major, is_encrypted = conn.info.server_version // 10000, bool(conn.pgconn.ssl_in_use)
        yield from _session(conn, setup.dsn, setup)
    yield machine.dumper(setup, major, is_encrypted=is_encrypted)
    yield from machine.files(setup)


def _logged_in(dsn: Dsn) -> tuple[Connection | None, list[Diagnosis]]:
    try:
        return database.connect(dsn.patient(_CONNECT_SECONDS), command="doctor", on_event=_ignore), []
    except Error as exc:
        return None, list(login.failure(exc))


def _session(conn: Connection, dsn: Dsn, setup: Setup) -> Iterator[Diagnosis]:
    """What a session shows; a lost connection ends it."""
    try:
        with database.translated(dsn):
            yield login.encryption(conn, dsn)
            yield from _asked(conn, dsn, setup)
    except Error as exc:
        found = of_error("connection", exc)
        yield replace(found, hint=found.hint or "run it again")
    finally:
        with suppress(psycopg.Error):
            conn.close()


def _asked(conn: Connection, dsn: Dsn, setup: Setup) -> Iterator[Diagnosis]:
    facts = database.facts(conn)
    yield ok("login", f"role {facts.role}")
    yield ok("database", facts.database)
    yield server.version(facts)
    yield server.pooler(facts, dsn)
    yield server.writable(facts, dsn)
    yield from rights.look(conn, facts, dsn, setup.table)
    yield from server.settings(conn, dsn, setup.own_settings)
    yield server.clock(conn)
    if not (facts.is_read_only or facts.is_standby):
        yield server.room(conn, dsn)


def _ignore(event: Event) -> None:
    """Notices concern nobody here."""
