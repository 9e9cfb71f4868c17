"""A query that somebody gives, for texts that it selects: read-only, one column."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.connection import database
from dbmigrate.errors import ConfigError

if TYPE_CHECKING:
    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.events import Event


def column(dsn: Dsn, query: str) -> list[str]:
    """The texts of the only column. Raises ConfigError E273, DatabaseError E402, ConnectionFailed."""
    with database.connect(dsn, command="targets", on_event=_ignore) as conn, database.translated(dsn):
        database.run(conn, "BEGIN READ ONLY")
        cursor = database.run(conn, query)
        if cursor.description is None or len(cursor.description) != 1:
            raise _wrong("it selects not one column")
        rows = [row[0] for row in cursor.fetchall()]
        database.run(conn, "ROLLBACK")
    texts = [value for value in rows if isinstance(value, str)]
    if len(texts) < len(rows):
        raise _wrong("it selects a null, or something that is not a text")
    return texts


def _wrong(what: str) -> ConfigError:
    hint = "for example: select 'schema:' || nspname from pg_namespace where nspname like 'tenant_%'"
    return ConfigError(f"--targets-query: {what}", code="E273", hint=hint)


def _ignore(event: Event) -> None:
    """Notices of the query concern nobody."""
