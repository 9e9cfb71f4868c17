"""The status of one of several services: what its files and its tables say, whatever the others are like."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dbmigrate.api.base import ApiBase
from dbmigrate.connection import database
from dbmigrate.errors import ConnectionFailed, Error
from dbmigrate.reports import ServiceStatus
from dbmigrate.tracking import read_history, services

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbmigrate.api.options import Options
    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.reports import Status
    from dbmigrate.services import Service

__all__ = ["read"]


def read(target: Dsn, options: Options, service: Service, ask: Callable[[Options], Status]) -> ServiceStatus:
    """Ask the database. Raises ConnectionFailed: without a connection nothing is known of any service."""
    own = replace(
        options, directories=service.directories, table=service.table, service=service if service.name else None
    )
    found = ServiceStatus(service)
    try:
        found = _Reader(target, own).recorded_of(service)
        return replace(found, status=ask(own))
    except ConnectionFailed:
        raise
    except Error as exc:
        return replace(found, failure=exc.message)


class _Reader(ApiBase):
    def recorded_of(self, service: Service) -> ServiceStatus:
        with self._open("status") as session, database.translated(self._dsn):
            recorded = read_history.versions(session.conn, session.tables)
            unfinished = [item.version for item in session.read_history().unfinished]
            failed = set(services.failed(session.conn, session.tables)) - set(recorded) | set(unfinished)
        order = self._options.order
        return ServiceStatus(
            service, recorded=tuple(sorted(recorded, key=order.key)), failed=tuple(sorted(failed, key=order.key))
        )
