"""Notes about the backfills of a plan before they run: statements that were edited, tables that will grow."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dbmigrate.backfill import options
from dbmigrate.backfill.names import identifier
from dbmigrate.connection import database
from dbmigrate.errors import DatabaseError, Refused
from dbmigrate.execution import server_errors
from dbmigrate.execution.substeps import as_one, substeps
from dbmigrate.model import Direction, LogState, Problem, Severity
from dbmigrate.sql import statements
from dbmigrate.tracking import write_log

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dbmigrate.execution.session import Session
    from dbmigrate.execution.substeps import SubStep
    from dbmigrate.model import History, Migration, Plan, Step, Unfinished

__all__ = ["of_sizes", "with_notes"]

_LARGE = 1_000_000  # rows from which on a table that doubles is worth a note
_GROWING = frozenset(("UPDATE", "MERGE", "WITH"))  # statements that leave old versions of rows behind
# a partitioned table has its rows in its partitions; only its owner may vacuum it
_ROWS = """
select (select coalesce(sum(greatest(p.reltuples, 0)), 0)::float8 from pg_catalog.pg_class p
  where p.oid = c.oid or p.oid in (select t.relid from pg_catalog.pg_partition_tree(c.oid::regclass) t where t.isleaf))
from pg_catalog.pg_class c
where c.oid = pg_catalog.to_regclass(%s) and pg_catalog.pg_has_role(current_user, c.relowner, 'USAGE')
"""


def with_notes(session: Session, made: Plan, recorded: History) -> Plan:
    """The plan with warnings about its backfills. Raises Refused E762 for one that is half done and gone."""
    found = [step for step in made.steps if step.migration and step.runs_sql]
    begun = {item.version: item for item in (*recorded.unfinished, *recorded.deferred)}
    edited = [note for step in found if step.version in begun for note in _edited(step, begun[step.version])]
    sizes = [note for step in found if step.migration for note in _sized(session, step.migration, step.direction)]
    return replace(made, problems=(*made.problems, *edited, *sizes))


def of_sizes(session: Session, migrations: Iterable[Migration]) -> tuple[Problem, ...]:
    """Proposals for the backfills of these files, from the sizes of their tables in the database."""
    return tuple(note for each in migrations for note in _sized(session, each, Direction.UP))


def _backfills(migration: Migration) -> bool:
    return any(section.is_backfill for section in migration.sections)


def _paged(migration: Migration, direction: Direction) -> Iterator[SubStep]:
    if _backfills(migration):
        yield from (each for each in substeps(migration, direction) if each.backfill is not None)


def _edited(step: Step, begun: Unfinished) -> Iterator[Problem]:
    """Whether the statements are others than those of the first page, whose rows are not met again."""
    assert step.migration is not None
    half_done = [
        record
        for record in begun.steps
        if record.progress and record.progress.get("pages") and record.state is not LogState.DONE
    ]
    if begun.direction is not step.direction or not half_done:
        return
    present = {substep.number: substep for substep in _paged(step.migration, step.direction)}
    for record in half_done:
        substep = present.get(record.number)
        if substep is None:
            raise _gone(step, record.number)
        progress = record.progress or {}
        if (progress.get("sql") or record.checksum) != write_log.statement_checksum(as_one(substep)):
            yield Problem(
                "W760",
                f"{step.name}: its statements were edited since its first page; the {progress.get('rows')} rows that"
                " are done stay as the earlier ones have left them",
                place=server_errors.place_of(step.migration.file.path, substep.first),
                hint="if they need the new statements, too: `dbmigrate rollback` runs the down section, then `up`",
            )


def _gone(step: Step, number: int) -> Refused:
    """Where the statements would begin again with the first row."""
    return Refused(
        f"{step.name} has a half-done backfill, which is statement {number} of the file no longer",
        code="E762",
        hint="put it back where it was, or undo what is done with `dbmigrate rollback` and run it again",
    )


def _sized(session: Session, migration: Migration, direction: Direction) -> Iterator[Problem]:
    for substep in _paged(migration, direction):
        assert substep.backfill is not None
        settings = options.settings(substep.backfill.options)
        grows = any(statements.first_word(each.sql) in _GROWING for each in substep.statements)
        if settings.vacuum is not None or not grows:
            continue
        rows = _rows(session, ".".join(identifier(part) for part in settings.table if part))
        if rows >= _LARGE:
            yield Problem(
                "W761",
                f"{settings.table[1]} has about {rows:,.0f} rows: this backfill may double its size",
                Severity.NOTE,
                place=server_errors.place_of(migration.file.path, substep.first),
                hint="`vacuum:10%` in the header of the section lets pages use the space of those before them",
            )


def _rows(session: Session, name: str) -> float:
    """The server's estimate; 0 for a table that this role may not see or vacuum: a proposal ends nothing."""
    try:
        with database.translated(session.dsn):
            found = database.query(session.conn, _ROWS, name)
    except DatabaseError:
        return 0.0
    return float(str(found[0][0])) if found else 0.0
