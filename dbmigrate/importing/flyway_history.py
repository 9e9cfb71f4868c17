"""Flyway's history table: what its rows say, which migration each one is of, and whether its sum agrees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from dbmigrate.importing.values import Kind, Row, State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dbmigrate.importing.values import Answers, ForeignMigration, HistoryTable, Query

__all__ = ["FlywayHistory", "version_key"]

_COLUMNS = frozenset(("installed_rank", "version", "description", "type", "script", "checksum", "success"))
_REPEATABLE = "R "
_SQL = frozenset(("SQL", "SQL_REPEATABLE"))


def version_key(version: str) -> tuple[int, ...]:
    """Versions compare number by number; zeros at the end do not count: ``1.0`` is ``1``, ``001`` is ``1``."""
    parts = [int(part) for part in version.replace("_", ".").split(".") if part]
    while parts and parts[-1] == 0:
        parts.pop()
    return tuple(parts)


class FlywayHistory:
    """The half of the tool that is about its table."""

    def owns(self, table: HistoryTable, neighbours: frozenset[str]) -> bool:
        del neighbours
        return set(table.columns) >= _COLUMNS

    def history(self, query: Query, table: HistoryTable, answers: Answers) -> tuple[Row, ...]:
        del answers
        name = '"{}"."{}"'.format(table.schema.replace('"', '""'), table.name.replace('"', '""'))
        columns = "version, description, type, checksum, installed_by, installed_on, success"
        return settled(query(f"select {columns} from {name} order by installed_rank"))

    def matches(self, migration: ForeignMigration, row: Row) -> bool:
        if migration.kind is Kind.REPEATABLE:
            return row.key == _REPEATABLE + migration.name
        if row.key.startswith(_REPEATABLE):
            return False
        mine, its = version_key(migration.version), version_key(row.key)
        return mine <= its if row.state is State.BASELINE else mine == its

    def verifies(self, migration: ForeignMigration, row: Row) -> bool | None:
        if row.checksum is None or not migration.sums or row.state is State.BASELINE:
            return None
        return row.checksum in migration.sums.values()


def settled(rows: Iterable[tuple[object, ...]]) -> tuple[Row, ...]:
    """The last word of the table on each version and each repeatable script, in the order of those words."""
    found: dict[str, Row] = {}
    for row in rows:
        version, description, kind, checksum, by, at, success = cast("tuple[Any, ...]", row)
        if kind == "SCHEMA":
            continue  # says who made the schema
        key = _REPEATABLE + description if version is None else str(version)
        found.pop(key, None)
        state, remark = _state(kind, success=bool(success))
        if state is None:
            continue
        found[key] = Row(
            key,
            state,
            at,
            None if by in (None, "null") else str(by),
            None if checksum is None or kind.startswith("UNDO") else str(checksum),
            description,
            remark=remark,
        )
    return tuple(found.values())


def _state(kind: str, *, success: bool) -> tuple[State | None, str]:
    """What a row of this type means; None for one that takes its version off the list."""
    if not success:
        return State.FAILED, "its undo script failed" if kind.startswith("UNDO") else "it failed without a transaction"
    if kind == "DELETE":
        return None, ""
    if kind.startswith("UNDO"):
        return State.PENDING, "undone"
    if "BASELINE" in kind:
        return State.BASELINE, ""
    return State.APPLIED, "" if kind in _SQL else f"code ({kind})"
