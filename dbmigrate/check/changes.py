"""What each migration changes in the schema, by the catalog: all run on a scratch database, one after the other."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dbmigrate import catalog
from dbmigrate.catalog import Scope
from dbmigrate.check import prerequisites, reading, scratch_session
from dbmigrate.errors import DatabaseError, Refused
from dbmigrate.execution import conditions
from dbmigrate.frozen import frozen
from dbmigrate.scratch import choose, outside_effects

if TYPE_CHECKING:
    from dbmigrate.catalog import Catalog, Difference
    from dbmigrate.check.options import Options
    from dbmigrate.check.reading import Reading
    from dbmigrate.check.scratch_session import ScratchSession
    from dbmigrate.errors import Error
    from dbmigrate.model import Migration
    from dbmigrate.scratch.choose import Choice

__all__ = ["Changes", "run"]

SCOPE = Scope.COMMENTS | Scope.GRANTS


@frozen
class Changes:
    """What was read, and what changed by the versions of the migrations that ran; `catalog` is what they make.

    `failure` is why the first one that did not run stopped it, `failed` its version.
    """

    read: Reading
    by_version: dict[str, tuple[Difference, ...]]
    catalog: Catalog | None = None
    failed: str | None = None
    failure: Error | None = None
    note: str | None = None


def run(options: Options, choice: Choice) -> Changes:
    """Run every migration that can be run, with what it needs of other services before it, then the repeatable ones.

    Raises PlanError E230, E235, ConfigError E207, and what `scratch.open_server` raises.
    """
    read = reading.read(options.directories, options.order, options.variables)
    ordered = prerequisites.ordered(read.sound, options.project, options.order, options.variables)
    migrations = (*ordered.migrations, *read.repeatables)
    if not migrations:
        return Changes(read, {})
    effects = outside_effects.of_all(migrations)
    note = conditions.Note()
    with (
        choose.open_server(replace(choice, effects=effects, spared=choice.target)) as server,
        scratch_session.prepared(server, options.table, note) as scratch,
    ):
        return replace(_followed(read, migrations, scratch), note=server.note or None)


def _followed(read: Reading, migrations: tuple[Migration, ...], scratch: ScratchSession) -> Changes:
    found: dict[str, tuple[Difference, ...]] = {}
    before = scratch.read_catalog()
    for migration in migrations:
        try:
            scratch.run(migration)
        except (DatabaseError, Refused) as exc:
            return Changes(read, found, before, migration.version, exc)
        after = scratch.read_catalog()
        if ":" not in migration.version:  # of another service
            found[migration.version] = catalog.compare(before, after, scope=SCOPE)
        before = after
    return Changes(read, found, before)
