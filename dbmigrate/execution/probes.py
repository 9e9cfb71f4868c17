"""The statements outside a transaction whose outcome can be looked up, and the probe for those that name an object."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.connection import database
from dbmigrate.execution import leftover_indexes, leftover_partitions
from dbmigrate.execution.step_outcome import Outcome
from dbmigrate.frozen import frozen
from dbmigrate.sql import statements, words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbmigrate.connection.database import Connection
    from dbmigrate.execution.step_outcome import Before, Leftover, Probe

# by the kind of object: a query for the identity of the object named %s. Subscriptions belong to one database; names
# are folded and cut as the server does it
_NAME = "(pg_catalog.parse_ident(%s::text))[1]::pg_catalog.name"
_IDENTITIES = {
    "DATABASE": f"select oid::text from pg_catalog.pg_database where datname = {_NAME}",
    "TABLESPACE": f"select oid::text from pg_catalog.pg_tablespace where spcname = {_NAME}",
    "SUBSCRIPTION": f"select oid::text from pg_catalog.pg_subscription where subname = {_NAME} and subdbid ="
    " (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())",
    "PREPARED": "select gid from pg_catalog.pg_prepared_xacts where gid = %s::text"
    " and database = pg_catalog.current_database()",
}


def probe(conn: Connection, sql: str) -> Probe | None:
    """The probe for the outcome of `sql`; None if the database does not show it."""
    operation = statements.index_operation(sql)
    if operation is not None:
        return leftover_indexes.IndexProbe(leftover_indexes.resolve(conn, operation), sql)
    detachment = leftover_partitions.detachment(conn, sql)
    if detachment is not None:
        return leftover_partitions.DetachmentProbe(detachment)
    return _named(tuple(word for word in words(sql) if word != ";"))


def _named(found: Sequence[str]) -> Probe | None:
    """CREATE and DROP of a database, tablespace or subscription; COMMIT and ROLLBACK PREPARED."""
    action, kind, *rest = found if len(found) > 1 else ("", "")
    if kind not in _IDENTITIES or action not in ("CREATE", "DROP", "COMMIT", "ROLLBACK"):
        return None
    rest = rest[2:] if rest[:2] == ["IF", "EXISTS"] else rest
    written = rest[0] if rest else "U&"
    if kind == "PREPARED":
        written = written[1:-1].replace("''", "'") if written.startswith("'") else "U&"
    # a name with Unicode escapes cannot be compared here
    return None if written.upper().startswith("U&") else NamedProbe(kind, written, is_made=action == "CREATE")


@frozen
class NamedProbe:
    """An object that exists or not, and is never half made: the server removes what it could not complete."""

    kind: str
    name: str
    is_made: bool

    def before(self, conn: Connection) -> Before:
        return frozenset(str(row[0]) for row in database.query(conn, _IDENTITIES[self.kind], self.name))

    def leftovers(self, conn: Connection, before: Before | None) -> tuple[Leftover, ...]:
        return ()

    def outcome(self, conn: Connection, before: Before | None) -> Outcome:
        present = self.before(conn)
        if not self.is_made:
            return Outcome.UNDONE if present or before == frozenset() else _gone(before)
        if not present:
            return Outcome.UNDONE
        return Outcome.DONE if before == frozenset() else Outcome.UNKNOWN


def _gone(before: Before | None) -> Outcome:
    return Outcome.UNKNOWN if before is None else Outcome.DONE
