"""Environments side by side: for terminals, for GitHub, for programs. Pure."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from dbmigrate.output import text
from dbmigrate.planning.environments import CellState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dbmigrate.planning.environments import Cell, Column, Row, Table

_SIGNS = {
    CellState.APPLIED: "✓",
    CellState.CHANGED: "! changed",
    CellState.PENDING: "· pending",
    CellState.ELSEWHERE: "– not here",
    CellState.UNFINISHED: "✗ stopped",
    CellState.MISSING: "? no file",
    CellState.ABSENT: "",
    CellState.UNKNOWN: "?",
}
_COUNTED = (CellState.UNFINISHED, CellState.PENDING, CellState.CHANGED, CellState.MISSING)
_LONGEST_REASON = 160


def lines(table: Table, *, folded: int) -> Iterator[str]:
    """The table in aligned columns, `folded` rows of it in one line; notes about single cells below it."""
    grid = list(_grid(table, folded))
    widths = [max(text.cells(row[number]) for row in grid) for number in range(len(grid[0]))]
    for row in grid:
        padded = (cell + " " * (width - text.cells(cell)) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(padded).rstrip()
    below = list(notes(table))
    if below:
        yield ""
        yield from below


def markdown(table: Table, *, folded: int) -> Iterator[str]:
    """The same as a table of GitHub's markdown, with the notes as a list."""
    head, *body = _grid(table, folded)
    yield _markdown_row(head)
    yield _markdown_row(["---"] * len(head))
    for row in body:
        yield _markdown_row(row)
    below = list(notes(table))
    if below:
        yield ""
        yield from (f"- {_escaped(note)}" for note in below)


def value(table: Table) -> dict[str, object]:
    """All rows, none folded; times are ISO 8601 in UTC."""
    return {
        "current": all(column.is_current for column in table.columns),
        "environments": [_environment(column) for column in table.columns],
        "migrations": [_migration(row, table.columns) for row in table.rows],
    }


# ---------------------------------------------------------------------------------------------------------- for people


def _grid(table: Table, folded: int) -> Iterator[list[str]]:
    yield ["migration", *(text.one_line(column.name) for column in table.columns)]
    if folded:
        signs = ("?" if column.failure is not None else "✓" for column in table.columns)
        yield [f"({folded} older)", *signs]
    for row in table.rows[folded:]:
        yield [text.one_line(row.name.removesuffix(".sql")), *(shown(cell) for cell in row.cells)]
    yield ["", *(summary(column) for column in table.columns)]


def shown(cell: Cell) -> str:
    """``✓ 2026-03-01 12:00``, ``✗ stopped 2/5``"""
    parts = [_SIGNS[cell.state]]
    if cell.applied_at is not None:
        parts.append(f"{cell.applied_at.astimezone(UTC):%Y-%m-%d %H:%M}")
    if cell.step is not None:
        parts.append(f"{cell.step}/{cell.total}" if cell.total else f"at {cell.step}")
    return " ".join(parts)


def summary(column: Column) -> str:
    """``2 pending``, ``up to date``"""
    if column.failure is not None:
        return "unreachable"
    counts = (f"{column.count(state)} {state}" for state in _COUNTED if column.count(state))
    return ", ".join(counts) or "up to date"


def notes(table: Table) -> Iterator[str]:
    """What is to be said about an environment, or about a migration in one, beside its cell."""
    for number, column in enumerate(table.columns):
        name = text.one_line(column.name)
        if column.failure is not None:
            yield f"{name}: {_short(column.failure)}"
        for row in table.rows:
            yield from (f"{name}: {text.one_line(row.name)} {note}" for note in _cell_notes(row.cells[number], name))


def _cell_notes(cell: Cell, environment: str) -> Iterator[str]:
    if cell.state is CellState.UNFINISHED:
        total = f" of {cell.total}" if cell.total else ""
        at = f" at statement {cell.step}{total}" if cell.step is not None else ""
        yield f"stopped{at}; continue with `dbmigrate -e {environment} resume`"
    elif cell.state is CellState.CHANGED:
        yield f"was changed after it was applied; see `dbmigrate -e {environment} verify`"
    elif cell.state is CellState.MISSING:
        yield "is applied, but its file is gone"


def _short(reason: str) -> str:
    """The first line of a reason: libpq's have one for every address it tried."""
    line = text.one_line(reason.strip().partition("\n")[0])
    return line if text.cells(line) <= _LONGEST_REASON else f"{text.cut(line, _LONGEST_REASON)} ..."


def _markdown_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_escaped, cells))} |"


def _escaped(cell: str) -> str:
    """Text that stays text: no HTML, no emphasis by the underscores of names, no end of the cell."""
    for character in "\\|<>*_[]`":
        cell = cell.replace(character, f"\\{character}")
    return cell


# -------------------------------------------------------------------------------------------------------- for programs


def _environment(column: Column) -> dict[str, object]:
    return {
        "name": column.name,
        "where": column.where,
        "reachable": column.failure is None,
        "error": column.failure,
        "current": column.is_current,
        **{state.value: column.count(state) for state in (CellState.APPLIED, CellState.ELSEWHERE, *_COUNTED)},
    }


def _migration(row: Row, columns: Sequence[Column]) -> dict[str, object]:
    cells = {column.name: _cell(cell) for column, cell in zip(columns, row.cells, strict=True)}
    return {"version": row.version, "file": row.name, "environments": cells}


def _cell(cell: Cell) -> dict[str, object]:
    return {
        "state": cell.state.value,
        "applied_at": cell.applied_at.astimezone(UTC).isoformat() if cell.applied_at else None,
        "applied_by": cell.applied_by,
        "stopped_at": cell.step,
    }
