"""PostgreSQL schema migrations in plain SQL.

    from dbmigrate import Migrator

    with Migrator.connect("postgres://app@localhost/app", directories=["db/migrations"]) as migrator:
        report = migrator.up()

The names below are the public API. They are imported on first use, so that ``import dbmigrate`` (and every command that
needs no database) loads neither psycopg nor sqlparse.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from dbmigrate.errors import Error
    from dbmigrate.migrator import Migrator
    from dbmigrate.model import Direction, Plan, Problem, Report, Status

_HOMES = {
    "Direction": "dbmigrate.model",
    "Error": "dbmigrate.errors",
    "Migrator": "dbmigrate.migrator",
    "Plan": "dbmigrate.model",
    "Problem": "dbmigrate.model",
    "Report": "dbmigrate.model",
    "Status": "dbmigrate.model",
}

__all__ = ["Direction", "Error", "Migrator", "Plan", "Problem", "Report", "Status", "__version__"]


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
