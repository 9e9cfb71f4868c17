"""Whether the role has the rights that migrations need, with the GRANT that it lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.connection import database
from dbmigrate.diagnostics.values import Diagnosis, Result, failed, of_error, ok, warning
from dbmigrate.errors import Error
from dbmigrate.tracking import tables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbmigrate.connection.database import Connection, Facts
    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.tracking.tables import Tables

__all__ = ["look"]

_ON_DATABASE = "pg_catalog.has_database_privilege(pg_catalog.current_database(), %s::pg_catalog.text)"
_ON_SCHEMA = "pg_catalog.has_schema_privilege(%s::pg_catalog.text, %s::pg_catalog.text)"
_ON_TABLE = "pg_catalog.has_table_privilege(%s::pg_catalog.text, %s::pg_catalog.text)"
_QUOTED = "select pg_catalog.quote_ident(%s::pg_catalog.text)"


def look(conn: Connection, facts: Facts, dsn: Dsn, table: str) -> Iterator[Diagnosis]:
    """Lines about the rights to record what is applied, and to make objects."""
    try:
        found = tables.locate(conn, table, facts=facts, search_path=dsn.search_path)
    except Error as exc:
        yield of_error("tracking table", exc, exit_code=1)
        return
    if found.distrust:
        hint = "`dbmigrate explain E705` says whom it trusts"
        message = f"{found.qualified} cannot be trusted: {found.distrust}"
        yield Diagnosis("tracking table", Result.FAILED, message, hint, "E705", 1)
    missing = list(_missing(conn, found))
    role = _quoted(conn, facts.role)
    for what, grant in missing:
        yield failed("rights", f"role {facts.role} may not {what}", f"as its owner: {grant} TO {role}")
    if facts.schema is None:
        hint = "create the schema, or correct search_path"
        yield failed("rights", "the search_path names no schema that exists: new tables have no place", hint)
    elif facts.schema != found.schema and not _may(conn, _ON_SCHEMA, _quoted(conn, facts.schema), "CREATE"):
        message = f"role {facts.role} may not make objects in schema {facts.schema}, where unqualified names go"
        yield warning("rights", message, f"GRANT CREATE ON SCHEMA {_quoted(conn, facts.schema)} TO {role}")
    elif not missing:
        yield ok("rights", f"role {facts.role} may record what is applied in {found.qualified}")


def _missing(conn: Connection, found: Tables) -> Iterator[tuple[str, str]]:
    """What the role may not do, and the GRANT that allows it."""
    schema = _quoted(conn, found.schema)
    if not found.schema_exists:
        if not _may(conn, _ON_DATABASE, "CREATE"):
            name = _quoted(conn, str(database.query(conn, "select pg_catalog.current_database()::text")[0][0]))
            yield f"create the schema {found.schema}", f"GRANT CREATE ON DATABASE {name}"
        return
    if not _may(conn, _ON_SCHEMA, schema, "USAGE"):
        yield f"use the schema {found.schema}", f"GRANT USAGE ON SCHEMA {schema}"
        return
    if not (found.exists and found.log_exists) and not _may(conn, _ON_SCHEMA, schema, "CREATE"):
        yield f"make the tracking table in schema {found.schema}", f"GRANT CREATE ON SCHEMA {schema}"
    rights = {
        found.name: ("SELECT", "INSERT", "DELETE") if found.exists else (),
        found.log_name: ("SELECT", "INSERT", "UPDATE") if found.log_exists else (),
    }
    for name, needed in rights.items():
        qualified = f"{schema}.{_quoted(conn, name)}"
        lacking = ", ".join(right for right in needed if not _may(conn, _ON_TABLE, qualified, right))
        if lacking:
            yield f"{lacking.lower()} in {found.schema}.{name}", f"GRANT {lacking} ON {qualified}"


def _may(conn: Connection, question: str, *given: str) -> bool:
    return bool(database.query(conn, f"select {question}", *given)[0][0])


def _quoted(conn: Connection, name: str) -> str:
    return str(database.query(conn, _QUOTED, name)[0][0])
