"""The tracking tables of the other services in a database: which of them are there, and what they record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql

from dbmigrate.connection import database
from dbmigrate.frozen import frozen
from dbmigrate.tracking import read_history, tables

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dbmigrate.connection.database import Connection, Facts
    from dbmigrate.model import History
    from dbmigrate.services import Service
    from dbmigrate.tracking.tables import Tables

__all__ = ["Place", "failed", "histories", "present"]

_PRESENT = """
select n.nspname::text, c.relname::text from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and (n.nspname::text, c.relname::text) in (
  select * from rows from (pg_catalog.unnest(%s::text[]), pg_catalog.unnest(%s::text[])) as x (schema, name))
"""
# the newest log entry of a version is that of a failure, which left nothing of a transaction
_FAILED = """
select version::text from (
  select distinct on (version) version, state, direction from {} where step is null order by version, event_id desc) l
where state::text = 'failed' and direction::text = 'up' order by 1
"""


@frozen
class Place:
    """How a session finds tables whose schema is not named."""

    facts: Facts
    search_path: Sequence[str]

    def of(self, service: Service) -> tuple[str, str]:
        """The schema and the name of the tracking table of a service."""
        return tables.place(service.table, facts=self.facts, search_path=self.search_path)


def present(conn: Connection, services: Iterable[Service], place: Place) -> tuple[Service, ...]:
    """The services that have a tracking table in this database."""
    places = {service.name: (service, place.of(service)) for service in services}
    if not places:
        return ()
    schemas, names = zip(*(where for _, where in places.values()), strict=True)
    rows = database.query(conn, _PRESENT, list(schemas), list(names))
    found = {(str(row[0]), str(row[1])) for row in rows}
    return tuple(service for service, where in places.values() if where in found)


def histories(conn: Connection, services: Iterable[Service], place: Place) -> Mapping[str, tuple[Tables, History]]:
    """What the tables of these services record, by the name of the service. Raises as `tables.locate`."""
    found = {}
    for service in services:
        located = tables.locate(conn, service.table, facts=place.facts, search_path=place.search_path)
        found[service.name] = (located, read_history.read(conn, located))
    return found


def failed(conn: Connection, tables_: Tables) -> tuple[str, ...]:
    """The versions whose last run failed, and that were not applied since."""
    if not tables_.log_exists:
        return ()
    return tuple(str(row[0]) for row in conn.execute(sql.SQL(_FAILED).format(tables_.log)).fetchall())
