"""Which limit has ended a statement: its value, and where it was set.

A migration runs with limits of dbmigrate, of the URL, and of its own SET commands; those of the role, the database and
the server hold only where none of these says anything else.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import psycopg

from dbmigrate.connection import database
from dbmigrate.frozen import frozen
from dbmigrate.model import StatementKind
from dbmigrate.settings import durations
from dbmigrate.sql import LexerError, words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dbmigrate.connection.database import Connection
    from dbmigrate.execution.lock_retries import Pacing
    from dbmigrate.execution.session import Session
    from dbmigrate.model import Section, Statement, Step

__all__ = ["OF_SQLSTATE", "Limit", "described"]

# what ends a statement, or the session: https://www.postgresql.org/docs/current/runtime-config-client.html
OF_SQLSTATE = {
    "57014": "statement_timeout",
    "55P03": "lock_timeout",
    "25P03": "idle_in_transaction_session_timeout",
    "25P04": "transaction_timeout",
}
# what the role, the database or the server say holds only after a RESET in the file
_OVERRIDDEN = ("statement_timeout", "lock_timeout")
_OURS = "idle_in_transaction_session_timeout"
# the first one wins: https://www.postgresql.org/docs/current/sql-alterrole.html
_OF_ROLE_OR_DATABASE = """
select pg_catalog.split_part(entry, '='::text, 2),
  case when s.setrole <> 0::oid and s.setdatabase <> 0::oid then pg_catalog.format('ALTER ROLE %%I IN DATABASE %%I',
         session_user, pg_catalog.current_database())
       when s.setrole <> 0::oid then pg_catalog.format('ALTER ROLE %%I', session_user)
       when s.setdatabase <> 0::oid then pg_catalog.format('ALTER DATABASE %%I', pg_catalog.current_database())
       else 'ALTER ROLE ALL' end
from pg_catalog.pg_db_role_setting s, pg_catalog.unnest(s.setconfig) as entry
where pg_catalog.split_part(entry, '='::text, 1) = %s::text
  and (s.setrole = 0::oid or s.setrole = (select oid from pg_catalog.pg_roles where rolname = session_user))
  and (s.setdatabase = 0::oid
       or s.setdatabase = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database()))
order by (s.setrole <> 0::oid)::int4 * 2 + (s.setdatabase <> 0::oid)::int4 desc limit 1
"""
_OF_SERVER = """
select case when setting = '0'::text then setting else pg_catalog.concat(setting, unit) end
from (select reset_val as setting, unit from pg_catalog.pg_settings where name = %s::text) as found
"""
_DEFAULT = "DEFAULT"


@frozen
class Limit:
    """A setting of the server, its value as people write it, and where it was set."""

    name: str
    value: str
    origin: str

    def __str__(self) -> str:
        return f"{self.name} = {self.value}, set by {self.origin}"


@frozen
class _Set:
    value: str
    line: int


def described(session: Session, limits: Pacing, step: Step, failed: Statement | None, name: str) -> Limit | None:
    """The limit `name` as it was in force for the statement that failed; None if it is not known."""
    own = _set_by_file(step, failed, name)
    if own is not None and own.value != _DEFAULT:
        return Limit(name, own.value, f"the file in line {own.line}")
    if own is None:
        if name in session.dsn.settings:
            return Limit(name, session.dsn.settings[name], "the database URL or PGOPTIONS")
        if (limit := limits.limit(name)) is not None:
            return Limit(name, durations.shown(limit[0]), limit[1])
        if name == _OURS:
            return Limit(name, "60s", "dbmigrate")
        if name in _OVERRIDDEN:
            return None
    with suppress(psycopg.Error):  # an addition to the error: it must not hide it
        return _of_server(session.conn, name)
    return None


def _of_server(conn: Connection, name: str) -> Limit | None:
    if rows := database.query(conn, _OF_ROLE_OR_DATABASE, name):
        return Limit(name, str(rows[0][0]), str(rows[0][1]))
    rows = database.query(conn, _OF_SERVER, name)
    return Limit(name, str(rows[0][0]), "the server's configuration") if rows and rows[0][0] != "0" else None


# ------------------------------------------------------------------------------------------------- SET in the file


def _set_by_file(step: Step, failed: Statement | None, name: str) -> _Set | None:
    """What the file's last SET before the failed statement says. A file whose statements are not kept is not read."""
    if step.migration is None or failed is None:
        return None
    session: _Set | None = None
    local: _Set | None = None
    for section in step.migration.run_order(step.direction):
        for statement, in_block in _before(section, failed):
            if statement is failed or statement == failed:
                return local or session
            if statement.kind is StatementKind.COMMIT:
                local = None
            elif (found := _read(statement, name)) is not None:
                value, is_local = found
                if is_local and not (section.transaction or in_block):
                    continue
                session, local = (session, value) if is_local else (value, None)
    return None


def _before(section: Section, failed: Statement) -> Iterator[tuple[Statement, bool]]:
    """The statements of a section, and whether they are in a BEGIN block of the file."""
    in_block = False
    for statement in section.statements or ():
        in_block = (in_block or statement.kind is StatementKind.BEGIN) and statement.kind is not StatementKind.COMMIT
        yield statement, in_block


def _read(statement: Statement, name: str) -> tuple[_Set, bool] | None:
    """What SET, RESET or ``SELECT set_config(..)`` makes of the setting, and whether for the transaction alone."""
    if statement.sql[:1].upper() not in ("S", "R"):
        return None
    try:
        tokens = [word for word in words(statement.sql) if word != ";"]
    except LexerError:
        return None
    found = _of_set(tokens, name) if tokens[:1] in (["SET"], ["RESET"]) else _of_function(tokens, name)
    return None if found is None else (_Set(found[0], statement.line), found[1])


def _of_set(tokens: Sequence[str], name: str) -> tuple[str, bool] | None:
    if tokens[0] == "RESET":
        return (_DEFAULT, False) if "".join(tokens[1:]).strip('"').lower() in (name, "all") else None
    rest = tokens[2:] if tokens[1:2] in (["LOCAL"], ["SESSION"]) else tokens[1:]
    if not rest or rest[0].strip('"').lower() != name or rest[1:2] not in (["TO"], ["="]):
        return None
    value = " ".join(rest[2:]).strip("'")
    return f"{value}ms" if value.isdecimal() and value != "0" else value, tokens[1:2] == ["LOCAL"]


def _of_function(tokens: Sequence[str], name: str) -> tuple[str, bool] | None:
    rest = tokens[3:] if tokens[1:3] == ["PG_CATALOG", "."] else tokens[1:]
    if rest[:2] != ["SET_CONFIG", "("] or len(rest) < 8 or rest[2].strip("'").lower() != name:
        return None
    return rest[4].strip("'"), rest[6] == "TRUE"
