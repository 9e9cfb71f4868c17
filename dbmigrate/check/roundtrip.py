"""Down and up again, with the catalog compared: what a down section forgot is named object by object.

Both run in one transaction that is rolled back, so that nothing of a bad down stays to spoil the next migration's
trial. A direction that says ``transaction:false`` cannot do that: it runs for good, and after a difference the walk
goes on in a new database (`Trip.is_spoilt`).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dbmigrate import catalog, database, parser, scratch, trial
from dbmigrate.catalog import Change, Kind, Scope
from dbmigrate.check.values import failed, found
from dbmigrate.errors import DatabaseError, Error, MigrationFailed
from dbmigrate.model import Direction, Place, Problem, Severity
from dbmigrate.statements import first_word

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dbmigrate.catalog import Catalog, Difference
    from dbmigrate.check.ground import Ground
    from dbmigrate.model import Migration

_DDL = frozenset(("CREATE", "ALTER", "DROP", "COMMENT", "GRANT", "REVOKE", "SET", "RESET"))
# what a direction may stumble over only because the other one's transaction is not over: a command that has to stand
# first in its transaction, a value of an enum that cannot be used before the commit, too many locks at once
_BEFORE_COMMIT = ("25001", "55P04", "53200")


class _NeedsCommitError(Exception):
    """Both directions cannot be tried in one transaction."""


@dataclass(frozen=True, slots=True)
class Trip:
    """What came of it. `is_spoilt`: the database is not any more what the up section left."""

    problems: tuple[Problem, ...] = ()
    is_spoilt: bool = False


@dataclass(frozen=True, slots=True)
class Views:
    """The catalog before the migration, and after its up section."""

    before: Catalog
    after: Catalog


def go(ground: Ground, migration: Migration, views: Views) -> Trip:
    """Try the way back and forth again. Raises ConnectionFailed."""
    if migration.is_irreversible:
        return Trip((_note("C107", f"{migration.name} is irreversible: its way back was not tried", migration),))
    if not any(section.count for section in migration.run_order(Direction.DOWN)):
        return Trip(_empty(migration, views))
    if migration.is_transactional(Direction.DOWN) and migration.is_transactional(Direction.UP):
        with suppress(_NeedsCommitError):
            return Trip(tuple(_rolled_back(ground, migration, views)))
    problems = tuple(_for_good(ground, migration, views))
    return Trip(problems, is_spoilt=bool(problems))


def down_place(migration: Migration) -> Place:
    """Where the down section that runs first begins; the file's first line where there is none."""
    sections = migration.run_order(Direction.DOWN)
    return Place(migration.file.path, sections[0].line if sections else 1)


def _empty(migration: Migration, views: Views) -> tuple[Problem, ...]:
    """Data has no way back that could be tried here; a schema that stays changed deserves a word."""
    if views.before == views.after:
        return (_note("C107", f"{migration.name} has an empty down section: there is no way back to try", migration),)
    hint = "write the way back, or say that there is none: `-- migrate:down irreversible:true`"
    message = f"{migration.name} has an empty down section: rollback forgets its version and undoes nothing"
    return (found("C108", message, down_place(migration), severity=Severity.WARNING, hint=hint),)


def _rolled_back(ground: Ground, migration: Migration, views: Views) -> Iterator[Problem]:
    conn = ground.trial
    with database.translated(ground.dsn):
        database.run(conn, "BEGIN")
    try:
        yield from _there_and_back(ground, migration, views, lambda way: _attempt(ground, migration, way))
    finally:
        with suppress(Error), database.translated(ground.dsn):
            database.run(conn, "ROLLBACK")


def _for_good(ground: Ground, migration: Migration, views: Views) -> Iterator[Problem]:
    def run(direction: Direction) -> None:
        ground.run(migration, direction)

    yield from _there_and_back(ground, migration, views, run)


def _there_and_back(
    ground: Ground, migration: Migration, views: Views, run: Callable[[Direction], None]
) -> Iterator[Problem]:
    try:
        run(Direction.DOWN)
    except DatabaseError as exc:
        yield _failure("C102", "the down section of {} fails", exc, ground, migration)
        return
    undone = ground.look()
    left = tuple(_left(migration, views.before, undone))
    yield from left
    try:
        run(Direction.UP)
    except DatabaseError as exc:
        yield _failure("C104", "{} cannot be applied again after its down section", exc, ground, migration)
        return
    if any(problem.severity is Severity.ERROR for problem in left):
        return  # the same would be told again
    if undone != views.before or _depends_on_data(migration):
        yield from _changed(migration, views.after, ground.look())


def _depends_on_data(migration: Migration) -> bool:
    """Whether the up section may do something else the second time, though it starts from the same catalog.

    DDL alone cannot; so there the catalog, which is what takes the time of a check, need not be read again.
    """
    every = (item for section in migration.run_order(Direction.UP) for item in parser.statements(migration, section))
    return any(first_word(statement.sql) not in _DDL for statement in every)


def _failure(code: str, what: str, exc: DatabaseError, ground: Ground, migration: Migration) -> Problem:
    hint = scratch.way_out(exc, ground.server)
    return failed(code, what.format(migration.name), exc, place=down_place(migration), hint=hint)


def _attempt(ground: Ground, migration: Migration, direction: Direction) -> None:
    try:
        trial.attempt(ground.trial, ground.dsn, migration, direction)
    except MigrationFailed as exc:
        if exc.sqlstate in _BEFORE_COMMIT:
            raise _NeedsCommitError from exc
        raise


# -------------------------------------------------------------------------------------------------------- differences


def _left(migration: Migration, before: Catalog, now: Catalog) -> Iterator[Problem]:
    """What the way back forgot, or took with it."""
    for difference in catalog.compare(before, now, scope=Scope.ALL):
        if difference.kind is Kind.COLUMN_ORDER:
            yield _reordered(migration, difference, "after the down section")
        else:
            told = _forgotten(difference)
            yield found("C103", f"after the down section of {migration.name} {told}", down_place(migration))


def _changed(migration: Migration, after: Catalog, again: Catalog) -> Iterator[Problem]:
    for difference in catalog.compare(after, again, scope=Scope.ALL):
        if difference.kind is Kind.COLUMN_ORDER:
            yield _reordered(migration, difference, "after down and up again")
        else:
            message = f"after down and up again of {migration.name} {difference.sentence}"
            yield found("C104", message, down_place(migration))


def _forgotten(difference: Difference) -> str:
    """``column public.users.nick is still there``"""
    said = difference.sentence
    if difference.change is not Change.EXTRA:
        return said
    subject, _, rest = said.partition(" is extra")
    return f"{subject} is still there{rest}"


def _reordered(migration: Migration, difference: Difference, when: str) -> Problem:
    return _note(
        "C106",
        f"{when} of {migration.name} the {difference.sentence}",
        migration,
        hint="PostgreSQL adds columns at the end; only SELECT * and INSERT without column names notice",
    )


def _note(code: str, message: str, migration: Migration, *, hint: str | None = None) -> Problem:
    return found(code, message, down_place(migration), severity=Severity.NOTE, hint=hint)
