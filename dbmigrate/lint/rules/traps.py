"""L15x: what does not do what it seems to, or is refused by the server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.lint.context import Found
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

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbmigrate.lint.context import Seen

_NAME_BYTES = 63
_USABLE_IN_OWN_TRANSACTION = 17  # PostgreSQL: values of an enum type that the same transaction has made
_DROP_ONE = "DROP INDEX CONCURRENTLY takes one index at a time, and no CASCADE"


def limits_change(seen: Seen) -> Iterator[Found]:
    """L151"""
    if isinstance(seen.shape, Changes):
        for change in seen.shape.changes:
            if change.limit_at is not None:
                verb = change.verb.value
                yield Found(
                    change.limit_at,
                    f"{verb} has no LIMIT or ORDER BY in PostgreSQL: this is a syntax error",
                    f"{verb} .. WHERE id IN (SELECT id FROM {change.table} WHERE .. ORDER BY id LIMIT 1000 FOR UPDATE)",
                )


def uses_new_enum_value(seen: Seen) -> Iterator[Found]:
    """L152"""
    if not isinstance(seen.shape, AlterTable | Changes | CreateIndex | CreateTable | CreateObject):
        return
    added = seen.before.enum_values
    if not added:
        return
    for word in read(seen.unit.sql).words:
        shape = added.get(text_of(word.text)) if is_text(word.text) else None
        if shape is not None and not _is_usable(seen, shape):
            yield Found(
                word.start,
                f"the value '{shape.value}' of {shape.type} cannot be used in the transaction that adds it (55P04)",
                "use it in the next migration, or in a section with transaction:false",
            )
            return


def _is_usable(seen: Seen, shape: AddEnumValue) -> bool:
    return seen.server >= _USABLE_IN_OWN_TRANSACTION and seen.catalog.enum_version(shape.type) in seen.fresh


def skips_invalid_index(seen: Seen) -> Iterator[Found]:
    """L153"""
    shape = seen.shape
    if isinstance(shape, CreateIndex) and shape.is_concurrent and shape.is_lenient:
        name = shape.name or "the index"
        yield Found(
            0,
            f"IF NOT EXISTS takes an invalid index, which a failed build leaves behind, for {name}",
            f"leave it out; or put DROP INDEX CONCURRENTLY IF EXISTS {name}; before it",
        )


def concurrently_refused(seen: Seen) -> Iterator[Found]:
    """L154"""
    shape = seen.shape
    if isinstance(shape, Drop) and shape.kind == "INDEX" and shape.is_concurrent:
        if len(shape.names) > 1 or shape.cascades:
            yield Found(0, _DROP_ONE, "write a statement for each index")
    elif isinstance(shape, CreateIndex) and shape.is_concurrent and not shape.is_only:
        table = seen.catalog.table(shape.table)
        if table is not None and table.is_partitioned:
            yield Found(
                0,
                f"{shape.table} is partitioned: PostgreSQL refuses CREATE INDEX CONCURRENTLY on it",
                "CREATE INDEX ON ONLY the parent, CONCURRENTLY on each partition, then ALTER INDEX .. ATTACH PARTITION",
            )


def name_is_cut(seen: Seen) -> Iterator[Found]:
    """L155"""
    if seen.unit.is_nested:
        return
    for word in read(seen.unit.sql).words:
        if len(word.text) > _NAME_BYTES // 4 and is_name(word.text):
            name = folded(word.text)
            size = len(name.encode())
            if size > _NAME_BYTES:
                kept = name.encode()[:_NAME_BYTES].decode(errors="ignore")
                yield Found(
                    word.start,
                    f"this name has {size} bytes: PostgreSQL cuts it off to {kept}",
                    f"names have {_NAME_BYTES} bytes at most",
                )
                return


def attaches_unproven(seen: Seen) -> Iterator[Found]:
    """L181"""
    for _, action in seen.actions(ActionKind.ATTACH):
        if action.partition is None or seen.is_new(action.partition):
            continue
        table = seen.catalog.table(action.partition)
        bounds = {word for word in action.words if is_text(word) or word[:1].isdigit()}
        checks = table.valid_checks() if table else ()
        if not any(bounds & set(check.condition) for check in checks):
            yield Found(
                action.at,
                f"ATTACH PARTITION reads all of {action.partition} under an exclusive lock: no CHECK proves its bounds",
                "first ADD CONSTRAINT .. CHECK (bounds and NOT NULL) NOT VALID, and VALIDATE it in the next migration",
            )


def detaches_blocking(seen: Seen) -> Iterator[Found]:
    """L182"""
    for parent, action in seen.actions(ActionKind.DETACH):
        if not action.is_concurrent:
            yield Found(
                action.at,
                f"DETACH PARTITION waits for every query on {parent}, and makes all others wait meanwhile",
                "use DETACH PARTITION .. CONCURRENTLY (PostgreSQL 14) in a section with transaction:false",
            )


def moves_and_attaches(seen: Seen) -> Iterator[Found]:
    """L183"""
    for parent, action in seen.actions(ActionKind.ATTACH):
        partition = action.partition
        if partition is not None and any(partition.means(name) for name in seen.before.moved):
            yield Found(
                action.at,
                f"{partition} is filled and attached to {parent} in one transaction: its locks last as long as the "
                "copy, and rows that others write to the old place meanwhile are left behind",
                "copy in batches first, with a trigger that follows the writes; ATTACH in a migration of its own",
            )
