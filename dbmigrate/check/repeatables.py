"""Repeatable migrations on the scratch database: they run after the others, and again, which changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate import catalog
from dbmigrate.catalog import Kind, Scope
from dbmigrate.check.values import failed, found
from dbmigrate.errors import DatabaseError, Refused
from dbmigrate.model import Direction, Place, Severity
from dbmigrate.scratch import choose

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dbmigrate.check.scratch_session import ScratchSession
    from dbmigrate.model import Migration, Problem

_TWICE = "write CREATE OR REPLACE, IF NOT EXISTS, or DROP ... IF EXISTS before it"


def run_twice(scratch: ScratchSession, migrations: Sequence[Migration]) -> Iterator[Problem]:
    """The findings; `scratch` is as the second run left it, and the migrations are in the order in which they run."""
    for migration in migrations:
        if problem := _run(scratch, migration, "C118", "{} fails on an empty database", None):
            yield problem
            return
    before = scratch.read_catalog() if migrations else None
    for migration in migrations:
        if problem := _run(scratch, migration, "C119", "{} cannot run twice", _TWICE):
            yield problem
            return
    if before is not None:
        for difference in catalog.compare(before, scratch.read_catalog(), scope=Scope.ALL):
            if difference.kind is not Kind.COLUMN_ORDER:
                message = f"after the repeatable migrations ran a second time {difference.sentence}"
                yield found("C119", message, _place(migrations[0]))


def _run(scratch: ScratchSession, migration: Migration, code: str, what: str, hint: str | None) -> Problem | None:
    try:
        scratch.run(migration)
    except Refused as exc:
        return found("C114", exc.message, exc.place, severity=Severity.WARNING, hint=exc.hint)
    except DatabaseError as exc:
        hint = choose.hint_for(exc, scratch.server) or hint
        return failed(code, what.format(migration.name), exc, place=_place(migration), hint=hint)
    return None


def _place(migration: Migration) -> Place:
    return Place(migration.file.path, migration.run_order(Direction.UP)[0].line)
