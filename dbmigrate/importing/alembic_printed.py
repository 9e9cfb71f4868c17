"""What ``alembic upgrade --sql`` and ``alembic downgrade --sql`` print: the SQL of many revisions, one after the other.

Seen with 1.20. A line ``-- Running upgrade A -> B`` (``downgrade B -> A``) begins each; an autocommit_block stands
between COMMIT and BEGIN; Alembic's own table is written behind each.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen
from dbmigrate.importing.texts import statements
from dbmigrate.importing.values import Part
from dbmigrate.model import StatementKind
from dbmigrate.sql import words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from dbmigrate.importing.texts import Statement, Text

__all__ = ["Printed", "is_printed", "printed"]

_MARK = re.compile(r"^--[ \t]*Running (upgrade|downgrade) (.*?) -> (.*?)[ \t\r]*$", re.MULTILINE)
_TABLE = "alembic_version"


@frozen
class Printed:
    """The SQL of each revision that was printed; an empty tuple is one that runs none."""

    ups: Mapping[str, tuple[Part, ...]]
    downs: Mapping[str, tuple[Part, ...]]


def is_printed(text: Text) -> bool:
    return _MARK.search(text.text) is not None


def printed(texts: Iterable[Text]) -> Printed:
    """What several printouts hold together. Raises MigrationFileError for one that cannot be cut into statements."""
    found: dict[str, dict[str, tuple[Part, ...]]] = {"upgrade": {}, "downgrade": {}}
    for text in texts:
        for direction, revision, parts in _sections(text):
            found[direction].setdefault(revision, parts)
    return Printed(found["upgrade"], found["downgrade"])


@frozen
class _Piece:
    """A statement as it was written, with the comments before it."""

    sql: str
    in_transaction: bool


def _sections(text: Text) -> Iterator[tuple[str, str, tuple[Part, ...]]]:
    """Direction, revision and SQL, in the order of the printout."""
    found = statements(text)
    ends = [*(each.offset - len(each.lead) for each in found[1:]), len(text.text)]
    mark: tuple[str, str] | None = None
    pieces: list[_Piece] = []
    in_transaction = False
    for each, end in zip(found, ends, strict=True):
        lead = each.lead
        if begun := _last(_MARK.finditer(lead)):
            if mark is not None:
                yield (*mark, _parts(pieces))
            mark, pieces = _marked(begun), []
            lead = lead[begun.end() :]
        if each.kind is StatementKind.BEGIN:
            in_transaction = True
        elif each.kind is StatementKind.COMMIT:
            in_transaction = False
        elif each.sql.strip(";") and not _is_own(each):
            pieces.append(_Piece(lead + text.text[each.offset : end], in_transaction))
    if mark is not None:
        yield (*mark, _parts(pieces))


def _last(marks: Iterable[re.Match[str]]) -> re.Match[str] | None:
    return next(iter([*marks][-1:]), None)


def _marked(mark: re.Match[str]) -> tuple[str, str]:
    """An upgrade is named by what it leads to, a downgrade by what it leaves."""
    return mark[1], mark[3] if mark[1] == "upgrade" else mark[2]


def _is_own(statement: Statement) -> bool:
    return _TABLE in {word.strip('"').lower() for word in words(statement.sql)}


def _parts(pieces: Iterable[_Piece]) -> tuple[Part, ...]:
    """What runs together, one behind the other."""
    made: list[Part] = []
    for piece in pieces:
        if made and made[-1].transaction is piece.in_transaction:
            made[-1] = Part(made[-1].sql + piece.sql, piece.in_transaction)
        else:
            made.append(Part(piece.sql, piece.in_transaction))
    return tuple(Part(part.sql.strip("\r\n") + "\n", part.transaction) for part in made)
