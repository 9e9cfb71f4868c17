"""One of several services that share a database: its migrations, its tracking table, its schema file, its owner."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["NAME", "Service", "choice", "default_table"]

NAME = r"[a-z][a-z0-9_-]*"  # what may stand before the colon of `-- migrate:depends ai:003`


@frozen
class Service:
    """A service. `table` is its tracking table, as ``--migrations-table`` takes it; the log table stands beside it.

    The empty name is that of the project itself: the migrations that belong to no service. `owner` and `notes` are for
    people.
    """

    name: str
    directories: tuple[str, ...]
    table: str
    schema_file: str = ""
    owner: str = ""
    notes: str = ""

    @property
    def title(self) -> str:
        """How a sentence calls it."""
        return f"service {self.name}" if self.name else "the project itself"


def choice(names: Iterable[str]) -> str:
    """The hint where one of several services has to be chosen."""
    return f"name one: {', '.join(f'--service {name}' for name in names)}"


def default_table(name: str) -> str:
    """``discovery-svc`` -> ``discovery_svc_schema_migrations``, which needs no quotes in SQL."""
    return f"{re.sub('[^a-z0-9]', '_', name)}_schema_migrations"
