"""What a check is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import TYPE_CHECKING

from dbmigrate.check.prerequisites import Project
from dbmigrate.check.queries import Collection
from dbmigrate.frozen import frozen
from dbmigrate.model import Order, Problem
from dbmigrate.variables import Variables

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dbmigrate.check.changed_schema import ChangedSchema
    from dbmigrate.model import Migration
    from dbmigrate.schema.versions import Dumping

NO_QUERIES = Collection(())
Linter = Callable[["Sequence[Migration]", frozenset[str]], "Iterable[Problem]"]


@frozen
class Options:
    """What to check. `dumping` None leaves out the schema file; `longest` is in seconds.

    `since` is a git revision: only files that changed since then are selected; the others are only applied. `lint` gets
    all migrations and the selected versions. `queries` are prepared before the first selected migration and after
    each one; without `since`, `applied` are the versions that count as older. Of `variables` the stand-ins are used.
    `twice` runs the up section of each selected file a second time.
    `project` has the other services: what the migrations need of them runs before. `changed` sees what those that are
    new change in the schema.
    """

    directories: tuple[str, ...] = ("./db/migrations",)
    order: Order = Order.NAME
    table: str = "schema_migrations"
    dumping: Dumping | None = None
    since: str | None = None
    longest: float | None = None
    lint: Linter | None = None
    queries: Collection = NO_QUERIES
    applied: frozenset[str] = frozenset()
    variables: Variables = field(default_factory=Variables)
    twice: bool = False
    project: Project = field(default_factory=Project)
    changed: ChangedSchema | None = None
