"""Down and up again, comparing the catalogs: names each object that a down section does not restore.

Both run in one transaction that is rolled back, so that a wrong down section does not affect the next migration. A
section with ``transaction:false`` cannot do that: it is committed, and after a difference the check goes on in a new
database (`RoundTrip.is_dirty`).

Reading catalogs takes most of the time of a check. Where a down section most likely restores the same rows of the
catalog (`need`), fingerprints are compared; the catalogs are read only if these differ (`NotReadError`).
"""

from __future__ import annotations

import re
from contextlib import suppress
from enum import IntEnum
from functools import partial
from typing import TYPE_CHECKING

from psycopg.pq import TransactionStatus

from dbmigrate import catalog
from dbmigrate.catalog import Change, Kind, Scope
from dbmigrate.check import one_message
from dbmigrate.check.values import failed, found
from dbmigrate.connection import database
from dbmigrate.errors import DatabaseError, Error, MigrationFailed, Refused
from dbmigrate.execution.conditions import Context
from dbmigrate.frozen import frozen
from dbmigrate.migrations import parser
from dbmigrate.model import Direction, Place, Problem, Severity
from dbmigrate.scratch import choose, rehearsal
from dbmigrate.sql.statements import first_word

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dbmigrate.catalog import Catalog, Difference
    from dbmigrate.check.scratch_session import ScratchSession
    from dbmigrate.model import Migration

_DDL = frozenset(("CREATE", "ALTER", "DROP", "COMMENT", "GRANT", "REVOKE", "SET", "RESET"))
# errors that occur only because both directions run in one transaction: a command that must be the first one in its
# transaction, a new value of an enum before the commit, too many locks at once
_BEFORE_COMMIT = ("25001", "55P04", "53200")
# an up section with one of these drops or replaces an object, and the down section creates it again, with other rows in
# the catalog; and the other session's temporary objects would be visible
_REPLACES = re.compile(
    r"\b(?:drop|replace|detach|(?:set\s+data|alter\s+(?:column\s+)?\S+)\s+type|set\s+default|(?:pg_)?temp(?:orary)?)\b",
    re.IGNORECASE,
)


class NotReadError(Exception):
    """The fingerprints differ, and the earlier catalog was not read: only the catalogs show the difference."""


class _HasMoreRightsError(Exception):
    """The role of the scratch server now has the rights that a statement lacked: try it again."""


class _NeedsCommitError(Exception):
    """The two directions cannot run in one transaction."""


@frozen
class RoundTrip:
    """The result. `is_dirty`: the database is no longer as the up section left it.

    `fingerprint` is that of the schema afterwards, where it was taken along.
    """

    problems: tuple[Problem, ...] = ()
    is_dirty: bool = False
    fingerprint: str | None = None


class Need(IntEnum):
    """What to know of the schema before and after a migration, to see whether its down section restores it."""

    NOTHING = 0
    FINGERPRINT = 1
    CATALOG = 2


@frozen
class Snapshot:
    """What is known of the schema at one moment: nothing, or at least one of the two."""

    fingerprint: str | None = None
    catalog: Catalog | None = None


@frozen
class Snapshots:
    """The schema before the migration, and after its up section."""

    before: Snapshot
    after: Snapshot


def need(migration: Migration) -> Need:
    """What `run` needs for this migration. A fingerprint may prove not to be enough; a catalog always is."""
    if migration.is_irreversible:
        return Need.NOTHING
    directions = (Direction.DOWN, Direction.UP)
    is_undone = any(section.count for section in migration.run_order(Direction.DOWN))
    if not is_undone or not all(migration.is_transactional(direction) for direction in directions):
        return Need.CATALOG
    return Need.CATALOG if any(_leaves_other_rows(sql) for sql in _statements(migration)) else Need.FINGERPRINT


def _leaves_other_rows(sql: str) -> bool:
    """Whether a statement of an up section may leave other rows in the catalog the second time."""
    return first_word(sql) not in _DDL or _REPLACES.search(sql) is not None


def run(scratch: ScratchSession, migration: Migration, snapshots: Snapshots) -> RoundTrip:
    """Run down and up again. Raises ConnectionFailed; NotReadError if the catalogs have to be read."""
    if migration.is_irreversible:
        return RoundTrip(
            (_note("C107", f"{migration.name} is irreversible: its down section was not tried", migration),)
        )
    if not any(section.count for section in migration.run_order(Direction.DOWN)):
        return RoundTrip(_empty(migration, snapshots))
    if migration.is_transactional(Direction.DOWN) and migration.is_transactional(Direction.UP):
        if snapshots.before.catalog is None and snapshots.before.fingerprint is not None and _is_ddl(migration):
            restored = one_message.run(scratch, migration, snapshots.before.fingerprint)
            if restored is not None:
                return RoundTrip(fingerprint=restored.fingerprint)
        with suppress(_NeedsCommitError):
            try:
                return RoundTrip(tuple(_rolled_back(scratch, migration, snapshots)))
            except _HasMoreRightsError:
                return RoundTrip(tuple(_rolled_back(scratch, migration, snapshots)))
    if snapshots.before.catalog is None:
        raise NotReadError  # now, while the database is unchanged
    problems = tuple(_committed(scratch, migration, snapshots))
    return RoundTrip(problems, is_dirty=bool(problems))


def _is_ddl(migration: Migration) -> bool:
    """Whether a second try after one that was rolled back is like the first: sequences are not rolled back."""
    return all(first_word(sql) in _DDL for sql in _statements(migration, Direction.DOWN))


def uncompared(migration: Migration, error: Error) -> RoundTrip:
    """The finding if the schema differs, and the migrations cannot be run again to compare the catalogs."""
    message = f"the down section of {migration.name} was not compared: running all again failed: {error.message}"
    return RoundTrip((found("C107", message, down_place(migration), severity=Severity.WARNING),))


def stuck(migration: Migration, error: Error) -> Problem:
    """The finding if the down section left changes, and the migrations cannot be run again without it."""
    message = (
        f"the down section of {migration.name} left changes that remain: running all again failed: {error.message}"
    )
    return found("C107", message, down_place(migration), severity=Severity.WARNING)


def down_place(migration: Migration) -> Place:
    """Where the down section that runs first begins; the file's first line where there is none."""
    sections = migration.run_order(Direction.DOWN)
    return Place(migration.file.path, sections[0].line if sections else 1)


def _empty(migration: Migration, snapshots: Snapshots) -> tuple[Problem, ...]:
    """An empty down section: a warning only if the up section changes the schema. There is no data to compare."""
    if snapshots.before.catalog == snapshots.after.catalog:
        return (_note("C107", f"{migration.name} has an empty down section: nothing to try", migration),)
    hint = "write the down section, or `-- migrate:down irreversible:true`"
    message = f"{migration.name} has an empty down section: rollback removes its version and undoes nothing"
    return (found("C108", message, down_place(migration), severity=Severity.WARNING, hint=hint),)


def _rolled_back(scratch: ScratchSession, migration: Migration, snapshots: Snapshots) -> Iterator[Problem]:
    conn = scratch.rehearsal
    with database.translated(scratch.dsn):
        database.run(conn, "BEGIN")
    try:
        yield from _down_and_up(scratch, migration, snapshots, partial(_attempt, scratch, migration))
    finally:
        if conn.info.transaction_status != TransactionStatus.IDLE:
            with suppress(Error), database.translated(scratch.dsn):
                database.run(conn, "ROLLBACK")


def _committed(scratch: ScratchSession, migration: Migration, snapshots: Snapshots) -> Iterator[Problem]:
    def run_section(direction: Direction, _ending: str) -> None:
        scratch.run(migration, direction)

    yield from _down_and_up(scratch, migration, snapshots, run_section)


def _down_and_up(
    scratch: ScratchSession, migration: Migration, snapshots: Snapshots, run_section: Callable[[Direction, str], object]
) -> Iterator[Problem]:
    try:
        run_section(Direction.DOWN, "")
    except (DatabaseError, Refused) as exc:
        yield _failure("C102", "the down section of {} fails", exc, scratch, migration)
        return
    is_same, left = _undone(scratch, migration, snapshots.before)
    yield from left
    is_compared = not is_same or _depends_on_data(migration)
    try:
        run_section(Direction.UP, "" if is_compared else "ROLLBACK;")
    except (DatabaseError, Refused) as exc:
        yield _failure("C104", "{} cannot be applied again after its down section", exc, scratch, migration)
        return
    if any(problem.severity is Severity.ERROR for problem in left):
        return  # it would be the same difference
    if is_compared:
        assert snapshots.after.catalog is not None
        yield from _changed(migration, snapshots.after.catalog, scratch.read_catalog())


def _undone(scratch: ScratchSession, migration: Migration, before: Snapshot) -> tuple[bool, tuple[Problem, ...]]:
    """Whether the schema is as before the migration, and the findings if it is not."""
    if before.catalog is None:
        if before.fingerprint != scratch.fingerprint():
            raise NotReadError
        return True, ()
    now = scratch.read_catalog()
    return now == before.catalog, tuple(_left(migration, before.catalog, now))


def _depends_on_data(migration: Migration) -> bool:
    """Whether the up section may do something else the second time, though it starts with the same catalog.

    DDL alone cannot, so that the catalog need not be read again: that takes most of the time of a check.
    """
    return any(first_word(sql) not in _DDL for sql in _statements(migration))


def _statements(migration: Migration, direction: Direction = Direction.UP) -> Iterator[str]:
    sections = migration.run_order(direction)
    return (statement.sql for section in sections for statement in parser.statements(migration, section))


def _failure(code: str, what: str, exc: Error, scratch: ScratchSession, migration: Migration) -> Problem:
    if isinstance(exc, Refused) or (scratch.server.is_confined and exc.sqlstate == "42501"):
        message = f"the down section of {migration.name} was not tried: {exc.message}"
        return found("C107", message, exc.place or down_place(migration), severity=Severity.WARNING, hint=exc.hint)
    hint = choose.hint_for(exc, scratch.server)
    return failed(code, what.format(migration.name), exc, place=down_place(migration), hint=hint)


def _attempt(scratch: ScratchSession, migration: Migration, direction: Direction, ending: str) -> None:
    context = Context(scratch.rehearsal, scratch.dsn, migration)
    try:
        rehearsal.run_sections(context, direction, scratch.note, ending=ending)
    except MigrationFailed as exc:
        if exc.sqlstate in _BEFORE_COMMIT:
            raise _NeedsCommitError from exc
        if scratch.server.elevates_for(exc):
            raise _HasMoreRightsError from exc
        raise


# -------------------------------------------------------------------------------------------------------- differences


def _left(migration: Migration, before: Catalog, now: Catalog) -> Iterator[Problem]:
    """What the down section did not restore, or dropped in addition."""
    for difference in catalog.compare(before, now, scope=Scope.ALL):
        if difference.kind is Kind.COLUMN_ORDER:
            yield _reordered(migration, difference, "after the down section")
        else:
            sentence = _forgotten(difference)
            yield found("C103", f"after the down section of {migration.name} {sentence}", down_place(migration))


def _changed(migration: Migration, after: Catalog, again: Catalog) -> Iterator[Problem]:
    for difference in catalog.compare(after, again, scope=Scope.ALL):
        if difference.kind is Kind.COLUMN_ORDER:
            yield _reordered(migration, difference, "after down and up again")
        else:
            message = f"after down and up again of {migration.name} {difference.sentence}"
            yield found("C104", message, down_place(migration))


def _forgotten(difference: Difference) -> str:
    """``column public.users.nick is still there``"""
    sentence = difference.sentence
    if difference.change is not Change.EXTRA:
        return sentence
    subject, _, rest = sentence.partition(" is extra")
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
