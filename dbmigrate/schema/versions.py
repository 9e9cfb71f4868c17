"""What is wanted of a schema file, and the rows of the tracking table at its end.

Every command knows its settings, few make the file: this module imports next to nothing.
"""

from __future__ import annotations

import os
import re
from dataclasses import field
from enum import StrEnum
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "MARK",
    "TITLE",
    "UNPROVED",
    "WHY",
    "Dumping",
    "Layout",
    "is_marked",
    "proof",
    "render",
    "rows",
    "without_rows",
]

TITLE = "\n--\n-- Dbmate schema migrations\n--\n\n"
WHY = "-- In the order of the versions read backwards: branches that add migrations then rarely conflict here.\n"
_ROWS = re.compile(r"^INSERT INTO (.+) \(version\) VALUES\s+((?:\('[^']*(?:''[^']*)*'\)[,\s]*)+);", re.MULTILINE)
_ROW = re.compile(r"\(('[^']*(?:''[^']*)*')\)")
# the first line of a file that git merged, until it is made from the migrations: see `schema.merging`
MARK = "-- dbmigrate: not generated yet, merged from two branches: run `dbmigrate dump --from-migrations`"
UNPROVED = "versions of the file that were recorded"  # by this text a failed proof is known


class Layout(StrEnum):
    """How the rows are written. Both load with dbmate, psql and dbmigrate."""

    DBMATE = "dbmate"  # one INSERT with all rows, ascending: dbmate's very bytes
    SCATTERED = "scattered"  # one INSERT per row, ordered by the reversed versions: merges without conflicts


@frozen
class Dumping:
    """How the schema file is made: where it is, which pg_dump, in which layout its versions stand.

    `is_narrow`: it may hold what migrations with ``env`` made, which are only for some environments.
    """

    path: str
    environ: Mapping[str, str] = field(default_factory=dict)
    layout: Layout = Layout.DBMATE
    is_narrow: bool = False

    @property
    def is_written(self) -> bool:
        """Whether the file is there, and not one that waits to be made from the migrations."""
        if not os.path.isfile(self.path):  # a pipe would be waited for
            return os.path.exists(self.path)
        try:
            with open(self.path, encoding="utf-8", errors="replace") as file:
                return not is_marked(file.readline(len(MARK)))
        except OSError:
            return True


def is_marked(text: str) -> bool:
    """Whether a schema file is not generated yet."""
    return text.startswith(MARK)


def rows(text: str) -> dict[str, list[str]]:
    """The versions at the end of a schema file, by the tracking table's name as it is written there."""
    found: dict[str, list[str]] = {}
    for match in _ROWS.finditer(text.rpartition(TITLE)[2] if TITLE in text else ""):
        found.setdefault(match[1], []).extend(_value(literal) for literal in _ROW.findall(match[2]))
    return found


def without_rows(text: str) -> str:
    """What stands behind the title of a schema file, without the version rows and the comment above them."""
    return _ROWS.sub("", text.replace(WHY, "")).lstrip("\n")


def render(versions: Sequence[str], *, table: str, layout: Layout = Layout.DBMATE) -> str:
    """The block that follows the schema in the file; its title stands there even without a version, as dbmate's does.

    `versions` are the applied ones in the order in which the server sorts them; `table` is the tracking table's name
    with its schema, quoted where needed. Literals are written for ``standard_conforming_strings = on``.
    """
    if not versions:
        return TITLE
    if layout == Layout.DBMATE:
        rows = ",\n".join(f"    ({_literal(version)})" for version in versions)
        return f"{TITLE}INSERT INTO {table} (version) VALUES\n{rows};\n"
    ordered = sorted(versions, key=lambda version: version[::-1])
    return TITLE + WHY + "".join(f"INSERT INTO {table} (version) VALUES ({_literal(v)});\n" for v in ordered)


def proof(text: str) -> str:
    """Queries that fail (22P02) unless the rows at the end of a schema file are there: a trigger may swallow them."""
    wanted: dict[str, set[str]] = {}
    for found in _ROWS.finditer(text.rpartition(TITLE.strip())[2] if TITLE.strip() in text else ""):
        wanted.setdefault(found[1], set()).update(_ROW.findall(found[2]))
    return "".join(
        f"\nselect case when count(distinct version::text) = {len(rows)} then 1 else"
        f" ('{UNPROVED}: ' || count(*)::text)::int end from {table}"
        f" where version::text = any(array[{', '.join(sorted(rows))}]);"
        for table, rows in wanted.items()
    )


def _value(literal: str) -> str:
    return literal[1:-1].replace("''", "'")


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
