"""PostgreSQL schema migrations in plain SQL.

    from dbmigrate import Migrator, Options

    report = Migrator("postgres://app@localhost/app", Options(directories=("db/migrations",))).up()

The names below are the public API. They are imported on first use, so that ``import dbmigrate`` (and every command that
needs no database) loads neither psycopg nor sqlparse.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from dbmigrate.version import __version__

if TYPE_CHECKING:
    from dbmigrate.api.migrator import Migrator, Options
    from dbmigrate.api.records import Upkeep
    from dbmigrate.errors import Error
    from dbmigrate.events import Event
    from dbmigrate.model import ALL, Direction, Goal, Plan, Problem
    from dbmigrate.output.logger import log_events
    from dbmigrate.reports import Report, Status

_HOMES = {
    "ALL": "dbmigrate.model",
    "Direction": "dbmigrate.model",
    "Error": "dbmigrate.errors",
    "Event": "dbmigrate.events",
    "Goal": "dbmigrate.model",
    "Migrator": "dbmigrate.api.migrator",
    "Options": "dbmigrate.api.migrator",
    "Plan": "dbmigrate.model",
    "Problem": "dbmigrate.model",
    "Report": "dbmigrate.reports",
    "Status": "dbmigrate.reports",
    "Upkeep": "dbmigrate.api.records",
    "log_events": "dbmigrate.output.logger",
}

__all__ = [
    "ALL",
    "Direction",
    "Error",
    "Event",
    "Goal",
    "Migrator",
    "Options",
    "Plan",
    "Problem",
    "Report",
    "Status",
    "Upkeep",
    "__version__",
    "log_events",
]


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
