"""Down and up again, with the catalog compared: what a down section forgot is named object by object.

Both run in one transaction that is rolled back, so that nothing of a bad down stays to spoil the next migration's
trial. A direction that says ``transaction:false`` cannot do that: it runs for good, and after a difference the walk
goes on in a new database (`Trip.is_spoilt`).

To read a catalog is what takes the time of a check. Where a way back will most likely lead to the very rows that were
there before (`need`), fingerprints are compared; the catalogs are read only if these differ (`NotReadError`).
"""

from __future__ import annotations

import re
from contextlib import suppress
from enum import IntEnum
from typing import TYPE_CHECKING

from dbmigrate import catalog
from dbmigrate.catalog import Change, Kind, Scope
from dbmigrate.check.values import failed, found
from dbmigrate.connection import database
from dbmigrate.errors import DatabaseError, Error, MigrationFailed, Refused
from dbmigrate.frozen import frozen
from dbmigrate.migrations import parser
from dbmigrate.model import Direction, Place, Problem, Severity
from dbmigrate.scratch import choose, rehearsal
from dbmigrate.sql.statements import first_word

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dbmigrate.catalog import Catalog, Difference
    from dbmigrate.check.scratch_session import Ground
    from dbmigrate.model import Migration

_DDL = frozenset(("CREATE", "ALTER", "DROP", "COMMENT", "GRANT", "REVOKE", "SET", "RESET"))
# what a direction may stumble over only because the other one's transaction is not over: a command that has to stand
# first in its transaction, a value of an enum that cannot be used before the commit, too many locks at once
_BEFORE_COMMIT = ("25001", "55P04", "53200")
# an up section with one of these takes something away or writes it anew, and the way back makes it anew: other rows;
# and temporary objects of the other session would be seen
_MAKES_ANEW = re.compile(
    r"\b(?:drop|replace|detach|(?:set\s+data|alter\s+(?:column\s+)?\S+)\s+type|set\s+default|(?:pg_)?temp(?:orary)?)\b",
    re.IGNORECASE,
)


class NotReadError(Exception):
    """The fingerprints differ, and what was there before was not read: only the catalogs can tell."""


class _HasMoreRightsError(Exception):
    """The role of the scratch server got rights that a statement lacked: it can be tried again."""


class _NeedsCommitError(Exception):
    """Both directions cannot be tried in one transaction."""


@frozen
class Trip:
    """What came of it. `is_spoilt`: the database is not any more what the up section left."""

    problems: tuple[Problem, ...] = ()
    is_spoilt: bool = False


class Need(IntEnum):
    """What has to be known of the schema before and after a migration, to tell whether its way back works."""

    NOTHING = 0
    FINGERPRINT = 1
    CATALOG = 2


@frozen
class View:
    """What is known of the schema at one moment; at least one of the two, if anything was needed."""

    fingerprint: str | None = None
    catalog: Catalog | None = None


@frozen
class Views:
    """The schema before the migration, and after its up section."""

    before: View
    after: View


def need(migration: Migration) -> Need:
    """What `go` needs for this migration. A fingerprint may turn out not to be enough; a catalog always is."""
    if migration.is_irreversible:
        return Need.NOTHING
    ways = (Direction.DOWN, Direction.UP)
    is_undone = any(section.count for section in migration.run_order(Direction.DOWN))
    if not is_undone or not all(migration.is_transactional(way) for way in ways):
        return Need.CATALOG
    return Need.CATALOG if any(_leaves_other_rows(sql) for sql in _statements(migration)) else Need.FINGERPRINT


def _leaves_other_rows(sql: str) -> bool:
    """Whether a statement of an up section may do something else the second time, or takes something away."""
    return first_word(sql) not in _DDL or _MAKES_ANEW.search(sql) is not None


def go(ground: Ground, migration: Migration, views: Views) -> Trip:
    """Try the way back and forth again. Raises ConnectionFailed; NotReadError when the catalogs have to be read."""
    if migration.is_irreversible:
        return Trip((_note("C107", f"{migration.name} is irreversible: its way back was not tried", migration),))
    if not any(section.count for section in migration.run_order(Direction.DOWN)):
        return Trip(_empty(migration, views))
    if migration.is_transactional(Direction.DOWN) and migration.is_transactional(Direction.UP):
        with suppress(_NeedsCommitError):
            try:
                return Trip(tuple(_rolled_back(ground, migration, views)))
            except _HasMoreRightsError:
                return Trip(tuple(_rolled_back(ground, migration, views)))
    if views.before.catalog is None:
        raise NotReadError  # now, when nothing has been spoilt yet
    problems = tuple(_for_good(ground, migration, views))
    return Trip(problems, is_spoilt=bool(problems))


def uncompared(migration: Migration, error: Error) -> Trip:
    """What has to be said when the schema is not what it was, and what it was cannot be made again to compare it."""
    message = f"the way back of {migration.name} was not compared: {error.message}, when it was run a second time"
    return Trip((found("C107", message, down_place(migration), severity=Severity.WARNING),))


def stuck(migration: Migration, error: Error) -> Problem:
    """What has to be said when the way back left something, and all could not be run again without it."""
    message = f"what the down section of {migration.name} left stays: {error.message}, when all was run a second time"
    return found("C107", message, down_place(migration), severity=Severity.WARNING)


def down_place(migration: Migration) -> Place:
    """Where the down section that runs first begins; the file's first line where there is none."""
    sections = migration.run_order(Direction.DOWN)
    return Place(migration.file.path, sections[0].line if sections else 1)


def _empty(migration: Migration, views: Views) -> tuple[Problem, ...]:
    """Data has no way back that could be tried here; a schema that stays changed deserves a word."""
    if views.before.catalog == views.after.catalog:
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
    except (DatabaseError, Refused) as exc:
        yield _failure("C102", "the down section of {} fails", exc, ground, migration)
        return
    is_same, left = _undone(ground, migration, views.before)
    yield from left
    try:
        run(Direction.UP)
    except (DatabaseError, Refused) as exc:
        yield _failure("C104", "{} cannot be applied again after its down section", exc, ground, migration)
        return
    if any(problem.severity is Severity.ERROR for problem in left):
        return  # the same would be told again
    if not is_same or _depends_on_data(migration):
        assert views.after.catalog is not None
        yield from _changed(migration, views.after.catalog, ground.look())


def _undone(ground: Ground, migration: Migration, before: View) -> tuple[bool, tuple[Problem, ...]]:
    """Whether the schema is now what it was before the migration, and what has to be said if it is not."""
    if before.catalog is None:
        if before.fingerprint != ground.fingerprint():
            raise NotReadError
        return True, ()
    now = ground.look()
    return now == before.catalog, tuple(_left(migration, before.catalog, now))


def _depends_on_data(migration: Migration) -> bool:
    """Whether the up section may do something else the second time, though it starts from the same catalog.

    DDL alone cannot; so there the catalog, which is what takes the time of a check, need not be read again.
    """
    return any(first_word(sql) not in _DDL for sql in _statements(migration))


def _statements(migration: Migration) -> Iterator[str]:
    sections = migration.run_order(Direction.UP)
    return (statement.sql for section in sections for statement in parser.statements(migration, section))


def _failure(code: str, what: str, exc: Error, ground: Ground, migration: Migration) -> Problem:
    if isinstance(exc, Refused) or (ground.server.is_confined and exc.sqlstate == "42501"):
        message = f"the way back of {migration.name} was not tried: {exc.message}"
        return found("C107", message, exc.place or down_place(migration), severity=Severity.WARNING, hint=exc.hint)
    hint = choose.hint_for(exc, ground.server)
    return failed(code, what.format(migration.name), exc, place=down_place(migration), hint=hint)


def _attempt(ground: Ground, migration: Migration, direction: Direction) -> None:
    try:
        rehearsal.run_sections(ground.trial, ground.dsn, migration, direction)
    except MigrationFailed as exc:
        if exc.sqlstate in _BEFORE_COMMIT:
            raise _NeedsCommitError from exc
        if ground.server.elevates_for(exc):
            raise _HasMoreRightsError from exc
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
