"""Two versions of a schema file, as git merges them: one side's schema with the version rows of both. Pure.

While git merges, the files of the other side are not there yet, so nobody can make the schema of both. The file says so
in its first line: what loads or compares it refuses it until it is made from the migrations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.schema import line_ends, versions

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["merged"]


def merged(ours: str, theirs: str) -> str:
    """The text of `ours` with the version rows of both, below the line that says that it is not generated yet."""
    if line_ends.are_converted(ours):
        return merged(line_ends.converted_back(ours), theirs).replace("\n", "\r\n")
    body = _with_rows(_unmarked(ours), _unmarked(line_ends.converted_back(theirs)))
    return f"{versions.MARK}\n{body}"


def _unmarked(text: str) -> str:
    return text.partition("\n")[2] if versions.is_marked(text) else text


def _with_rows(ours: str, theirs: str) -> str:
    rows, others = versions.rows(ours), versions.rows(theirs)
    together = {table: [*found, *others.get(table, ())] for table, found in rows.items()} or others
    if not together:
        return ours
    head, title, tail = ours.partition(versions.TITLE)
    layout = versions.Layout.SCATTERED if versions.WHY in (tail or theirs) else versions.Layout.DBMATE
    rest = versions.without_rows(tail)
    return head + _rendered(together, layout) + (rest if title else "")


def _rendered(rows: Mapping[str, list[str]], layout: versions.Layout) -> str:
    parts = [versions.render(sorted(set(found)), table=table, layout=layout) for table, found in rows.items()]
    return parts[0] + "".join(part.removeprefix(versions.TITLE) for part in parts[1:])
