"""Tables as a Mermaid diagram, for places that draw no SVG: GitHub, GitLab, wikis. Pure.

Names that Mermaid's syntax cannot hold are quoted; types keep letters, digits and underscores.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dbmigrate.reporting.schema import State, short

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dbmigrate.reporting.schema import Column, Schema, Table

__all__ = ["er_diagram"]

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LONGEST = 40
_COMMENTS = {State.ADDED: "added", State.REMOVED: "removed", State.CHANGED: "changed"}


def er_diagram(schema: Schema, tables: Sequence[str]) -> Iterator[str]:
    """An entity-relationship diagram: of each table its keys and what changed in it."""
    yield "erDiagram"
    drawn = frozenset(tables)
    for name in tables:
        table = schema.tables[name]
        rows = list(_rows(table))
        yield f"    {_name(name)} {{" if rows else f"    {_name(name)}"
        yield from (f"        {row}" for row in rows)
        if rows:
            yield "    }"
    for name in tables:
        for each in schema.tables[name].references:
            if each.target in drawn:
                yield f'    {_name(each.target)} ||--o{{ {_name(name)} : "{_text(", ".join(each.columns))}"'


def _rows(table: Table) -> Iterator[str]:
    keys = {column for each in table.references for column in each.columns}
    for column in table.columns:
        if column.is_primary or column.name in keys or column.state is not State.SAME:
            yield _row(column, is_foreign=column.name in keys)


def _row(column: Column, *, is_foreign: bool) -> str:
    marks = ", ".join(mark for mark, is_so in (("PK", column.is_primary), ("FK", is_foreign)) if is_so)
    comment = f'"{_COMMENTS[column.state]}"' if column.state is not State.SAME else ""
    return " ".join(filter(None, (_word(column.type), _word(column.name), marks, comment)))


def _word(given: str) -> str:
    """A type or a column's name: https://mermaid.js.org/syntax/entityRelationshipDiagram.html#attributes"""
    word = re.sub(r"[^A-Za-z0-9_]+", "_", given).strip("_")[:_LONGEST]
    return word if _PLAIN.match(word) else f"_{word}"


def _name(name: str) -> str:
    shown = short(name)
    return shown if _PLAIN.fullmatch(shown) else f'"{_text(shown)}"'


def _text(given: str) -> str:
    """Inside of quotes: no quote, no line end, nothing that Markdown or HTML would take for its own."""
    return re.sub(r"[^\w .,:()-]", "_", given.replace('"', ""))
