"""Reads what the log knows of repeatable migrations, which have no row in the tracking table."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from psycopg import sql

from dbmigrate.planning.repeatables import Entry

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from typing import LiteralString

    from dbmigrate.connection.database import Connection
    from dbmigrate.tracking.tables import Tables

__all__ = ["every", "newest", "runs", "text"]

_ENTRIES = """
select {distinct} version, event_id, run_id::text, checksum, token_checksum, finished_at, os_user
from {log} where direction::text = 'repeatable' and step is null and state::text = 'done' order by {order}
"""


def newest(conn: Connection, tables: Tables) -> dict[str, Entry]:
    """The newest entry of each, by the name of its file."""
    found = _entries(conn, tables, distinct="distinct on (version)", order="version, event_id desc")
    return {entry.name: entry for entry in found}


def every(conn: Connection, tables: Tables) -> tuple[Entry, ...]:
    """All entries, the oldest first."""
    return _entries(conn, tables, distinct="", order="event_id")


def _entries(conn: Connection, tables: Tables, **parts: LiteralString) -> tuple[Entry, ...]:
    if not tables.log_exists:
        return ()
    texts = {name: sql.SQL(part) for name, part in parts.items()}
    rows = conn.execute(sql.SQL(_ENTRIES).format(log=tables.log, **texts), binary=True).fetchall()
    return tuple(Entry(*cast("tuple[str, int, str, str, str, datetime, str]", row)) for row in rows)


def runs(conn: Connection, tables: Tables) -> Mapping[str, str]:
    """The run that each version was applied or recorded in last."""
    if not tables.log_exists:
        return {}
    statement = sql.SQL(
        "select distinct on (version) version, run_id::text from {} where step is null and state::text = 'done'"
        " and direction::text not in ('down', 'repeatable') order by version, event_id desc"
    ).format(tables.log)
    return {str(version): str(run) for version, run in conn.execute(statement).fetchall()}


def text(conn: Connection, tables: Tables, event_id: int) -> str | None:
    """The text that an entry keeps; None if it was too large."""
    statement = sql.SQL("select up_sql from {} where event_id = %s").format(tables.log)
    row = conn.execute(statement, (event_id,)).fetchone()
    return None if row is None or row[0] is None else str(row[0])
