"""What is proved, and sent, between the SQL of a migration and the record of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import pq

from dbmigrate.errors import MigrationFailed
from dbmigrate.execution import text_settings

if TYPE_CHECKING:
    from dbmigrate.connection.database import Connection
    from dbmigrate.model import Migration

# the text that distinguishes a failed proof from an error of the migration
LEFT = "the migration left its transaction"
LEFT_HINT = "it has a COMMIT or ROLLBACK: remove that, or use `transaction:false`"


def refuse_changes(conn: Connection, migration: Migration) -> None:
    """Raise when the file left the transaction (E403), or changed how its text is read (E406)."""
    if conn.pgconn.transaction_status != pq.TransactionStatus.INTRANS:
        raise MigrationFailed(f"{migration.name}: {LEFT}", code="E403", hint=LEFT_HINT)
    text_settings.refuse_changed(conn, migration)


def closing(xid: str, proof: str = "") -> str:
    """What is sent between a file's SQL and its version row.

    Deferred constraints fire while the file's role, search_path and statement_timeout still hold. Then, after the login
    role, one query proves that the transaction is the same, and sets dbmigrate's search_path and time-outs. `xid` is
    SQL text, `proof` that of a further column, which fails where something else is not as it was.
    """
    return (
        "SET CONSTRAINTS ALL IMMEDIATE;\nRESET SESSION AUTHORIZATION;\nRESET ROLE;\n"
        f"SELECT CASE WHEN pg_catalog.pg_current_xact_id()::pg_catalog.text OPERATOR(pg_catalog.=) {xid}"
        f" THEN '1' ELSE '{LEFT}' END::int,{proof} {_SETTINGS};\n"
    )


_LIMIT = "pg_catalog.current_setting('lock_timeout')"
_SETTINGS = (
    "pg_catalog.set_config('search_path', 'pg_catalog', true),"
    " pg_catalog.set_config('statement_timeout', '0', true), pg_catalog.set_config('lock_timeout',"
    f" CASE WHEN {_LIMIT} OPERATOR(pg_catalog.=) '0' THEN '2s' ELSE {_LIMIT} END, true)"
)
