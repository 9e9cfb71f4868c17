"""What migrations do on a scratch database: the facts before and after each, its catalog, its locks, its rollback."""

from __future__ import annotations

from dataclasses import field, replace
from typing import TYPE_CHECKING

from dbmigrate import catalog
from dbmigrate.catalog import Kind, Scope
from dbmigrate.check.apply_all import Applier
from dbmigrate.connection import database
from dbmigrate.frozen import frozen
from dbmigrate.lint.fix import facts
from dbmigrate.lint.fix.facts import Facts
from dbmigrate.model import Severity

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from dbmigrate.catalog import Catalog
    from dbmigrate.check.scratch_session import ScratchSession
    from dbmigrate.impact import Impact
    from dbmigrate.model import Migration, Problem
    from dbmigrate.scratch.choose import ScratchServer

__all__ = ["Tried", "differences", "tried"]


@frozen
class Tried:
    """One migration on the scratch database. `problems` are those of `check`, without notes."""

    before: Facts
    after: Facts
    catalog: Catalog
    impacts: tuple[Impact, ...] = ()
    problems: tuple[Problem, ...] = ()


@frozen
class _Moment:
    facts: Facts = field(default_factory=Facts)
    catalog: Catalog | None = None


def tried(
    server: ScratchServer, table: str, migrations: Sequence[Migration], wanted: Collection[str]
) -> Mapping[str, Tried | tuple[Problem, ...]]:
    """Apply all of them from an empty database; those that are wanted also down and up again.

    By version: what it did, or the problems that it has; one that was not reached because an earlier one fails is left
    out.
    """
    moments: dict[str, _Moment] = {}
    following = [*(migration.version for migration in migrations[1:]), ""]
    nexts = dict(zip((migration.version for migration in migrations), following, strict=True))

    def look(scratch: ScratchSession, migration: Migration) -> None:
        if migration.version in wanted:
            moments[migration.version] = _Moment(_read(scratch), scratch.read_catalog())
        elif nexts[migration.version] in wanted:
            moments[migration.version] = _Moment(_read(scratch))

    found: dict[str, Tried | tuple[Problem, ...]] = {}
    with Applier(server, table) as applier:
        before = _read(applier.scratch)
        for result in applier.apply(migrations, selected=wanted, each=look):
            version = result.migration.version
            serious = tuple(each for each in result.problems if each.severity is not Severity.NOTE)
            moment = moments.get(version, _Moment())
            if version in wanted and moment.catalog is not None:
                found[version] = Tried(before, moment.facts, moment.catalog, result.impacts, serious)
            elif version in wanted:
                found[version] = serious or tuple(result.problems)
            before = moment.facts
    return found


def _read(scratch: ScratchSession) -> Facts:
    with database.translated(scratch.dsn):
        return facts.read(scratch.rehearsal)


def differences(before: Catalog, after: Catalog) -> list[str]:
    """How the schema that the original leaves differs from that of the rewritten file, column order apart."""
    found = catalog.compare(before, after, scope=Scope.ALL)
    return [each.sentence for each in found if each.kind is not Kind.COLUMN_ORDER]


def in_place(impacts: Sequence[Impact], path: str) -> tuple[Impact, ...]:
    """Impacts of a file that was tried from another place, with its own path."""
    return tuple(replace(each, place=replace(each.place, path=path)) for each in impacts)
