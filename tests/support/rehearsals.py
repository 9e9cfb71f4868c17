"""One run in this process through the Python API: what it said, to be held against what the database holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from dbmigrate.api.migrator import Migrator, Options
from dbmigrate.connection.dsn import Dsn
from dbmigrate.errors import Error
from dbmigrate.events import Event, StepDone
from dbmigrate.reports import Report
from tests.support.databases import query
from tests.support.projects import Project

VERSIONS = "select version from public.schema_migrations order by version"


@dataclass(slots=True)
class Told:
    """What a run told: the steps that it called done, and how it ended (0 and None: well)."""

    done: list[str] = field(default_factory=list)
    error: Error | None = None

    @property
    def exit_code(self) -> int:
        return self.error.exit_code if self.error else 0

    def listen(self, event: Event) -> None:
        if isinstance(event, StepDone):
            self.done.append(event.outcome.step.version)


def tell(url: str | Dsn, project: Project, command: Callable[[Migrator], Report], *, lock_wait: float = 10) -> Told:
    """Run `command` without a schema file; its error is part of the answer."""
    told = Told()
    options = Options(directories=(str(project.migrations),), lock_wait=lock_wait)
    try:
        command(Migrator(url, options, on_event=told.listen))
    except Error as exc:
        told.error = exc
    return told


def versions(url: str) -> list[str]:
    """The applied versions; none where the table is not there yet."""
    if query(url, "select to_regclass('public.schema_migrations')") == [(None,)]:
        return []
    return [row[0] for row in query(url, VERSIONS)]
