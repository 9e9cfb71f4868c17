"""L15x, L18x: statements that PostgreSQL refuses, or that do something else than they seem to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.lint.context import Finding
from dbmigrate.lint.rule import statement_rule
from dbmigrate.lint.sql.reading import folded, is_name, is_text, read, text_of
from dbmigrate.lint.sql.shape import (
    ActionKind,
    AddEnumValue,
    AlterTable,
    Changes,
    CreateIndex,
    CreateObject,
    CreateTable,
    Drop,
)
from dbmigrate.model import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbmigrate.lint.context import StatementContext

_NAME_BYTES = 63
_USABLE_IN_OWN_TRANSACTION = 17  # from this PostgreSQL on, if the same transaction has created the enum type
_DROP_ONE = "DROP INDEX CONCURRENTLY takes one index at a time, and no CASCADE"


@statement_rule("L151", "update-limit", "UPDATE or DELETE with LIMIT or ORDER BY", Severity.ERROR)
def limits_change(context: StatementContext) -> Iterator[Finding]:
    if isinstance(context.shape, Changes):
        for change in context.shape.changes:
            if change.limit_at is not None:
                verb = change.verb.value
                yield Finding(
                    change.limit_at,
                    f"{verb} has no LIMIT or ORDER BY in PostgreSQL: this is a syntax error",
                    f"{verb} .. WHERE id IN (SELECT id FROM {change.table} WHERE .. ORDER BY id LIMIT 1000 FOR UPDATE)",
                )


@statement_rule("L152", "enum-value-in-use", "a new enum value is used in the transaction that adds it", Severity.ERROR)
def uses_new_enum_value(context: StatementContext) -> Iterator[Finding]:
    """A literal with the text of the new value, in a statement that may use it."""
    if not isinstance(context.shape, AlterTable | Changes | CreateIndex | CreateTable | CreateObject):
        return
    added = context.transaction.enum_values
    if not added:
        return
    for word in read(context.unit.sql).words:
        shape = added.get(text_of(word.text)) if is_text(word.text) else None
        if shape is not None and not _is_usable(context, shape):
            yield Finding(
                word.start,
                f"the value '{shape.value}' of {shape.type} cannot be used in the transaction that adds it (55P04)",
                "use it in the next migration, or in a section with transaction:false",
            )
            return


def _is_usable(context: StatementContext, shape: AddEnumValue) -> bool:
    return (
        context.server >= _USABLE_IN_OWN_TRANSACTION
        and context.catalog.enum_version(shape.type) in context.new_versions
    )


@statement_rule("L153", "index-may-be-invalid", "CREATE INDEX CONCURRENTLY IF NOT EXISTS")
def skips_invalid_index(context: StatementContext) -> Iterator[Finding]:
    shape = context.shape
    if isinstance(shape, CreateIndex) and shape.is_concurrent and shape.is_lenient:
        name = shape.name or "the index"
        yield Finding(
            0,
            f"IF NOT EXISTS accepts {name} even if it is invalid, as a failed build leaves it",
            f"remove IF NOT EXISTS, or run DROP INDEX CONCURRENTLY IF EXISTS {name}; before it",
        )


@statement_rule("L154", "concurrently-refused", "CONCURRENTLY where PostgreSQL refuses it", Severity.ERROR)
def concurrently_refused(context: StatementContext) -> Iterator[Finding]:
    """CREATE INDEX on a partitioned table; DROP INDEX of several indexes, or with CASCADE."""
    shape = context.shape
    if isinstance(shape, Drop) and shape.kind == "INDEX" and shape.is_concurrent:
        if len(shape.names) > 1 or shape.cascades:
            yield Finding(0, _DROP_ONE, "write one statement for each index")
    elif isinstance(shape, CreateIndex) and shape.is_concurrent and not shape.is_only:
        table = context.catalog.table(shape.table)
        if table is not None and table.is_partitioned:
            yield Finding(
                0,
                f"{shape.table} is partitioned: PostgreSQL refuses CREATE INDEX CONCURRENTLY on it",
                "CREATE INDEX CONCURRENTLY on each partition first, and then CREATE INDEX, which takes them over",
            )


@statement_rule("L155", "name-is-cut", "a name of more than 63 bytes", squawk=("identifier-too-long",))
def name_is_cut(context: StatementContext) -> Iterator[Finding]:
    """One finding per statement, none in a DO block."""
    if context.unit.is_nested:
        return
    for word in read(context.unit.sql).words:
        if len(word.text) > _NAME_BYTES // 4 and is_name(word.text):
            name = folded(word.text)
            size = len(name.encode())
            if size > _NAME_BYTES:
                kept = name.encode()[:_NAME_BYTES].decode(errors="ignore")
                yield Finding(
                    word.start,
                    f"this name has {size} bytes: PostgreSQL truncates it to {kept}",
                    f"a name can have {_NAME_BYTES} bytes",
                )
                return


@statement_rule("L181", "attach-reads-partition", "ATTACH PARTITION without a CHECK that proves the bounds")
def attaches_unproven(context: StatementContext) -> Iterator[Finding]:
    """A CHECK with the values of the bounds is taken as a proof."""
    for _, action in context.actions(ActionKind.ATTACH):
        if action.partition is None or context.is_new(action.partition):
            continue
        table = context.catalog.table(action.partition)
        bounds = {word for word in action.words if is_text(word) or word[:1].isdigit()}
        checks = table.valid_checks() if table else ()
        if not any(bounds & set(check.condition) for check in checks):
            yield Finding(
                action.at,
                f"ATTACH PARTITION reads the whole table {action.partition} under an exclusive lock: "
                "no CHECK proves its bounds",
                "first ADD CONSTRAINT .. CHECK (bounds and NOT NULL) NOT VALID, and VALIDATE it in the next migration",
            )


@statement_rule(
    "L182", "detach-blocks", "DETACH PARTITION without CONCURRENTLY", squawk=("require-concurrent-partition-detach",)
)
def detaches_blocking(context: StatementContext) -> Iterator[Finding]:
    for parent, action in context.actions(ActionKind.DETACH):
        if not action.is_concurrent:
            yield Finding(
                action.at,
                f"DETACH PARTITION waits for every query on {parent}, and blocks new queries meanwhile",
                "use DETACH PARTITION .. CONCURRENTLY (PostgreSQL 14) in a section with transaction:false",
            )


@statement_rule("L183", "move-and-attach", "rows are copied into a partition that is attached in the same transaction")
def moves_and_attaches(context: StatementContext) -> Iterator[Finding]:
    for parent, action in context.actions(ActionKind.ATTACH):
        partition = action.partition
        if partition is not None and any(partition.means(name) for name in context.transaction.moved):
            yield Finding(
                action.at,
                f"{partition} is filled and attached to {parent} in one transaction: its locks last as long as the "
                "copy, and rows that others write to the old table meanwhile are missing",
                "first copy in batches, with a trigger for new writes; ATTACH in a separate migration",
            )
