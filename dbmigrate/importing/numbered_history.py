"""Histories that were made by hand: a table with a column that names files, and whatever else somebody thought of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.errors import ConfigError
from dbmigrate.importing.texts import moment, qualified
from dbmigrate.importing.values import Row, State
from dbmigrate.migrations.other_tools import HAND_MADE, tool_of_table

if TYPE_CHECKING:
    from dbmigrate.importing.values import Answers, HistoryTable, Query

_KEYS = ("migration_name", "filename", "file_name", "migration", "script", "name", "version")
_TIMES = ("applied_at", "executed_at", "run_at", "run_on", "applied_on", "installed_on", "migrated_at", "created_at")
_PERSONS = ("applied_by", "executed_by", "installed_by", "run_by")
_SUMS = ("checksum", "sha256", "md5", "hash")
_STATES = ("success", "is_applied", "dirty", "status", "state", "rolled_back_at")
_FAILED_WORDS = frozenset({"failed", "failure", "error", "dirty"})
_UNDONE_WORDS = frozenset({"rolled_back", "rolled back", "rolledback", "reverted", "undone", "down", "pending"})
_FALSE, _TRUE = frozenset({"false", "f", "0"}), frozenset({"true", "t", "1"})


def owns(table: HistoryTable, neighbours: frozenset[str]) -> bool:
    """Whether it looks like a history that belongs to no tool."""
    found = tool_of_table(table.name, dict.fromkeys(table.columns, "text"), neighbours)
    return found is not None and found[0] == HAND_MADE


def history(query: Query, table: HistoryTable, answers: Answers) -> tuple[Row, ...]:
    """The rows by the column that was named, or that looks like the one. Raises ConfigError E205."""
    key = _column(table, answers)
    picked = [_first(table, names) for names in (_TIMES, _PERSONS, _SUMS)]
    states = [each for each in _STATES if each in table.columns]
    # a time or number would be read as another type from one project to the next
    columns = [f"{_quoted(key)}::text", *(_quoted(each) if each else "null" for each in picked[:1])]
    columns += [f"{_quoted(each)}::text" if each else "null" for each in picked[1:]]
    columns += [f"{_quoted(each)}::text" for each in states]
    order = _quoted("id" if "id" in table.columns else picked[0] or key)
    named = f"{qualified(table)} where {_quoted(key)} is not null"
    rows = query(f"select {', '.join(columns)} from {named} order by {order}")
    return tuple(_row(row, dict(zip(states, row[4:], strict=True))) for row in rows)


def _column(table: HistoryTable, answers: Answers) -> str:
    named = answers.options.get("column")
    if named is not None and named in table.columns:
        return named
    found = None if named else _first(table, _KEYS)
    if found is None:
        said = f"has no column {named}" if named else "has no column that looks like the name of a file"
        raise ConfigError(
            f"{table.schema}.{table.name} {said}",
            code="E205",
            hint=f"name the column that holds the files' names: --column NAME; it has {', '.join(table.columns)}",
        )
    return found


def _first(table: HistoryTable, names: tuple[str, ...]) -> str | None:
    return next((each for each in names if each in table.columns), None)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _row(row: tuple[object, ...], states: dict[str, object]) -> Row:
    key, when, person, checksum, *_ = row
    state = _state({name: str(value).strip().lower() for name, value in states.items() if value is not None})
    return Row(
        key=str(key),
        state=state,
        applied_at=moment(when),
        applied_by=str(person) if person is not None else None,
        checksum=str(checksum) if checksum is not None else None,
        remark=", ".join(f"{name} is {value}" for name, value in states.items()) if state is not State.APPLIED else "",
    )


def _state(said: dict[str, str]) -> State:
    words = {said.get("status", ""), said.get("state", "")}
    if said.get("success") in _FALSE or said.get("dirty") in _TRUE or words & _FAILED_WORDS:
        return State.FAILED
    if said.get("is_applied") in _FALSE or "rolled_back_at" in said or words & _UNDONE_WORDS:
        return State.PENDING
    return State.APPLIED
