"""L10x, L116: statements that block reads or writes for longer than a moment.

Locks by statement: https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES and the pages of
ALTER TABLE, CREATE INDEX, CREATE TRIGGER.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.lint.context import MOST_LOCKED, Finding, unproven
from dbmigrate.lint.rule import file_rule, statement_rule
from dbmigrate.lint.sql.shape import (
    ActionKind,
    AlterTable,
    Changes,
    ConstraintKind,
    CreateIndex,
    CreateObject,
    Drop,
    LockTables,
    Maintenance,
    Name,
    Truncate,
)
from dbmigrate.model import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbmigrate.lint.context import File, StatementContext
    from dbmigrate.lint.sql.shape import Shape

_BLOCKING_MODES = ("SHARE", "SHARE ROW EXCLUSIVE", "EXCLUSIVE", "ACCESS EXCLUSIVE")
_BUILDING = {
    ConstraintKind.UNIQUE: "a UNIQUE constraint",
    ConstraintKind.PRIMARY: "a PRIMARY KEY",
    ConstraintKind.EXCLUDE: "an EXCLUDE constraint",
}
_VALIDATE_LATER = "add it as NOT VALID; VALIDATE it in the next migration, or in a section with transaction:false"


@statement_rule("L100", "reference-locks-parent", "a new foreign key blocks writes while something slow follows")
def reference_locks_parent(context: StatementContext) -> Iterator[Finding]:
    """The lock itself is short. The finding stands where something slow makes it long."""
    before = context.transaction
    change = next(context.slow(), None)
    if before.parents and change and not before.altered and not before.is_slow:
        yield Finding(
            change.at,
            f"{change.verb.value} of {change.table} while a new foreign key blocks writes to "
            f"{before.parents[0]} until the transaction ends",
            "create the foreign key in one migration, fill the tables in the next",
        )


@statement_rule(
    "L101", "index-blocks-writes", "CREATE INDEX without CONCURRENTLY", squawk=("require-concurrent-index-creation",)
)
def index_blocks_writes(context: StatementContext) -> Iterator[Finding]:
    """Of a partitioned table unless its partitions have such indexes, with ONLY unless the table is partitioned."""
    shape = context.shape
    if not isinstance(shape, CreateIndex) or shape.is_concurrent or context.is_new(shape.table):
        return
    table = context.catalog.table(shape.table)
    if shape.is_only and (table is None or table.is_partitioned):  # which has no rows: nothing to build
        return
    if table is not None and table.is_partitioned and context.catalog.leaves_have_index(table, shape.columns):
        return  # built before: the new index takes them over
    hint = "use CREATE INDEX CONCURRENTLY in a section with transaction:false"
    if table is not None and table.is_partitioned:
        hint = "CREATE INDEX CONCURRENTLY on each partition first, and then this statement, which takes them over"
    yield Finding(0, f"CREATE INDEX blocks writes to {shape.table} while it reads the whole table", hint)


@statement_rule(
    "L102",
    "index-goes-under-lock",
    "DROP INDEX or REINDEX without CONCURRENTLY",
    squawk=("require-concurrent-index-deletion", "require-concurrent-reindex"),
)
def index_goes_under_lock(context: StatementContext) -> Iterator[Finding]:
    """REINDEX of a new table is not found: nobody uses it yet."""
    shape = context.shape
    if isinstance(shape, Drop) and shape.kind == "INDEX" and not shape.is_concurrent:
        for name in shape.names:
            known = context.catalog.index(name)
            if known is None or not (
                known[0].version in context.new_versions or known[1].version in context.new_versions
            ):
                yield Finding(
                    name.at,
                    f"DROP INDEX {name} waits for every query on its table, and blocks new queries meanwhile",
                    "use DROP INDEX CONCURRENTLY in a section with transaction:false",
                )
    elif isinstance(shape, Maintenance) and shape.verb == "REINDEX" and not shape.is_concurrent:
        is_new = shape.name is not None and shape.target == "TABLE" and context.is_new(shape.name)
        if not is_new:
            yield Finding(
                0,
                f"REINDEX {shape.name or shape.target} blocks writes, and reads that use the index",
                "use REINDEX .. CONCURRENTLY in a section with transaction:false",
            )


@statement_rule(
    "L103",
    "constraint-builds-index",
    "a constraint builds its index under an exclusive lock",
    squawk=("disallowed-unique-constraint", "adding-serial-primary-key-field"),
)
def constraint_builds_index(context: StatementContext) -> Iterator[Finding]:
    """Of a table, and of a column that is added."""
    for table, action in context.actions(ActionKind.ADD_CONSTRAINT):
        found = action.constraint
        if found and found.kind in _BUILDING and not found.using_index:
            known = context.catalog.table(table)
            if known is not None and known.is_partitioned and context.catalog.leaves_have_index(known, found.columns):
                continue  # built before: the new constraint takes them over
            hint = "create the unique index CONCURRENTLY first, then ADD CONSTRAINT .. USING INDEX"
            if found.kind is ConstraintKind.EXCLUDE:
                hint = "EXCLUDE cannot be added concurrently: plan a downtime, or fill a new table that has it"
            yield Finding(
                found.at, f"{_BUILDING[found.kind]} builds its index while nobody can read or write {table}", hint
            )
    for table, action in context.actions(ActionKind.ADD_COLUMN):
        for found in action.column.constraints if action.column else ():
            if found.kind in _BUILDING:
                yield Finding(
                    found.at,
                    f"{_BUILDING[found.kind]} on the new column {action.name} builds its index while nobody can read "
                    f"or write {table}",
                    "add the column alone, create the unique index CONCURRENTLY, then ADD CONSTRAINT .. USING INDEX",
                )


@statement_rule(
    "L104",
    "reference-reads-tables",
    "a foreign key checks every row while writes wait",
    squawk=("adding-foreign-key-constraint", "constraint-missing-not-valid"),
)
def reference_reads_tables(context: StatementContext) -> Iterator[Finding]:
    """A REFERENCES of a new column only if it has a default: otherwise all its values are NULL."""
    for table, action in context.actions(ActionKind.ADD_CONSTRAINT, ActionKind.ADD_COLUMN):
        found = action.constraint
        if action.column is not None and action.column.default is not None:
            found = next((each for each in action.column.constraints if each.references), None)
        if found and found.references and not found.not_valid:
            known = context.catalog.table(table)
            if known is not None and context.catalog.leaves_have_reference(known, found.columns):
                continue  # checked before: the new constraint takes them over
            yield Finding(
                found.at,
                f"a foreign key blocks writes to {table} and {found.references} while every row of {table} is checked",
                _VALIDATE_LATER,
            )


@statement_rule(
    "L105",
    "check-reads-table",
    "a CHECK constraint checks every row under an exclusive lock",
    squawk=("constraint-missing-not-valid",),
)
def check_reads_table(context: StatementContext) -> Iterator[Finding]:
    for table, action in context.actions(ActionKind.ADD_CONSTRAINT, ActionKind.ADD_COLUMN):
        own = action.column.constraints if action.column else ()
        for found in (*own, *((action.constraint,) if action.constraint else ())):
            if found.kind is ConstraintKind.CHECK and not found.not_valid:
                yield Finding(
                    found.at,
                    f"a CHECK constraint reads the whole table {table} while nobody else can read or write it",
                    _VALIDATE_LATER,
                )


@statement_rule(
    "L106",
    "not-null-reads-table",
    "SET NOT NULL reads the whole table under an exclusive lock",
    squawk=("adding-not-nullable-field",),
)
def not_null_reads_table(context: StatementContext) -> Iterator[Finding]:
    """SET NOT NULL, and a NOT NULL table constraint (PostgreSQL 18)."""
    for name, action in context.actions(ActionKind.SET_NOT_NULL, ActionKind.ADD_CONSTRAINT):
        column, found = action.name, action.constraint
        if found is not None:
            if found.kind is not ConstraintKind.NOT_NULL or found.not_valid:
                continue
            column = found.columns[0]
        table = context.catalog.table(name)
        if table is None or not table.proves_not_null(column):
            yield Finding(
                action.at,
                f"SET NOT NULL reads the whole table {name} while nobody else can read or write it",
                f"first ADD CONSTRAINT .. CHECK ({column} IS NOT NULL) NOT VALID, then VALIDATE it in the next "
                "migration, or in a section with transaction:false: SET NOT NULL then reads nothing",
            )


@statement_rule(
    "L107",
    "validate-in-same-transaction",
    "NOT VALID and VALIDATE in one transaction",
    squawk=("constraint-missing-not-valid",),
)
def validates_in_same_transaction(context: StatementContext) -> Iterator[Finding]:
    for name, action in context.actions(ActionKind.VALIDATE):
        own = unproven(context.shape) if isinstance(context.shape, AlterTable) else ()
        tables = [*context.transaction.unproven.get(action.name, ()), *context.transaction.unproven.get("", ())]
        if action.name in own or any(table.means(name) for table in tables):
            yield Finding(
                action.at,
                f"VALIDATE CONSTRAINT {action.name} reads the whole table {name} under the lock of ADD CONSTRAINT in "
                "the same transaction",
                "put it in the next migration, or in a section with transaction:false",
            )


@file_rule("L108", "lock-table", "LOCK TABLE in a mode that blocks others")
def locks_table(file: File) -> Iterator[Finding]:
    """A file rule, because a later statement may need the lock anyway."""
    later: dict[str, list[tuple[Name, bool]]] = {}  # the tables of the statements after the LOCK
    found: list[Finding] = []
    for unit in reversed(file.ups):
        for name, is_data in _targets(unit.shape):
            later.setdefault(name.name, []).append((name, is_data))
        shape = unit.shape
        if not isinstance(shape, LockTables) or shape.mode not in _BLOCKING_MODES:
            continue
        for name in reversed(shape.tables):
            is_own = file.is_new(name) or any(created.means(name) for created in file.created.get(name.name, ()))
            # statements that need the lock anyway, or that change rows under a lock that lets readers go on
            uses = [is_data for table, is_data in later.get(name.name, ()) if table.means(name)]
            is_needed = False in uses or (True in uses and shape.mode != "ACCESS EXCLUSIVE")
            if not is_own and not is_needed:
                what = "reads and writes" if shape.mode == "ACCESS EXCLUSIVE" else "writes"
                message = f"LOCK TABLE {name} blocks {what} until the transaction ends"
                hint = "every statement takes the lock that it needs; if you need this one, use a weaker mode"
                found.append(Finding(name.at, message, hint, unit))
    yield from reversed(found)


def _targets(shape: Shape) -> Iterator[tuple[Name, bool]]:
    """The tables that a statement locks itself, and whether that is for a change of rows."""
    match shape:
        case AlterTable(table=table) | CreateIndex(table=table) | CreateObject(on=Name() as table):
            yield table, False
        case Truncate(tables=tables) | Drop(kind="TABLE", names=tables):
            yield from ((table, False) for table in tables)
        case Changes(changes=changes):
            yield from ((change.table, True) for change in changes)
        case _:
            pass


@statement_rule("L109", "trigger-blocks-writes", "CREATE TRIGGER on a table that is in use", Severity.NOTE)
def trigger_blocks_writes(context: StatementContext) -> Iterator[Finding]:
    shape = context.shape
    if isinstance(shape, CreateObject) and shape.kind == "TRIGGER" and shape.on and not context.is_new(shape.on):
        yield Finding(
            0,
            f"CREATE TRIGGER waits for every transaction that writes to {shape.on}, and blocks new writes until the "
            "transaction ends",
            "run nothing slow after it in the same transaction",
        )


@statement_rule("L116", "locks-many-tables", "one transaction locks many tables")
def locks_many_tables(context: StatementContext) -> Iterator[Finding]:
    """Found once, where the transaction locks its third table."""
    before = context.transaction.locked
    if len(before) > MOST_LOCKED:
        return
    more = [name for name in context.locked() if not any(name.means(other) for other in before)]
    if len(before) + len(more) > MOST_LOCKED:
        names = ", ".join(map(str, [*before, *more]))
        yield Finding(
            0,
            f"one transaction locks {len(before) + len(more)} tables that are in use: {names}. It holds each lock "
            "while it waits for the next one, and can deadlock with the application",
            "one migration for each table, or a section with transaction:false",
        )
