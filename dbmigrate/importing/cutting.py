"""SQL of another tool cut into what runs together in our format, nothing but the necessary changed. Pure.

A file may be one transaction, none, or have blocks of its own. A wrapper (``BEGIN;`` ... ``COMMIT;``) is taken out,
because a section has its transaction already; a statement that PostgreSQL refuses in a transaction gets a section to
itself. Comments, layout and line ends stay.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from dbmigrate.errors import MigrationFileError
from dbmigrate.frozen import frozen
from dbmigrate.importing.values import Judgement, Part
from dbmigrate.migrations import headers
from dbmigrate.migrations.source import Cursor, Origin
from dbmigrate.migrations.statement_stream import backslash, pass_data, segments, statement_of
from dbmigrate.model import Place, Statement, StatementKind
from dbmigrate.sql import PostgresLexer, SegmentKind
from dbmigrate.sql.statements import is_bare, label

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Pieces", "cut"]

_OURS = re.compile(r"--+[ \t\f\v]*migrate[ \t]*:", re.IGNORECASE)
_REST_OF_LINE = re.compile(r"[ \t]*(?:--[^\n]*)?(?:\n|\Z)")
_BLANK_REST = re.compile(r"[ \t\r]*(?:\n|\Z)")


@frozen
class Pieces:
    """A part of another tool as one or several of ours."""

    parts: tuple[Part, ...]
    judgements: tuple[Judgement, ...] = ()


class _Placed(NamedTuple):
    """A statement and the offsets between which it stands, inline data included."""

    statement: Statement
    begin: int
    end: int

    @property
    def kind(self) -> StatementKind:
        return self.statement.kind


class _Run(NamedTuple):
    """Statements that stay together."""

    statements: list[_Placed]
    transaction: bool


class _Edit(NamedTuple):
    begin: int
    end: int
    text: str


def cut(part: Part, path: str, first_line: int = 1) -> Pieces:
    """What runs together. `path` and `first_line` are where the part stands in the old project.

    Raises MigrationFileError E217, E218, E281 with the place there.
    """
    try:
        return _Cutting(part, path, first_line).segments()
    except MigrationFileError as exc:
        if exc.place is not None:
            exc.place = Place(path, exc.place.line + first_line - 1, exc.place.column)
            exc.excerpt = None if first_line > 1 else exc.excerpt
        raise


class _Cutting:
    def __init__(self, part: Part, path: str, first_line: int) -> None:
        self._part = part
        self._text = part.sql.removeprefix("\ufeff")
        self._origin = Origin(path, self._text)
        self._first_line = first_line
        self._edits: list[_Edit] = []
        self._judgements: list[Judgement] = []
        self._statements = list(self._read())

    def segments(self) -> Pieces:
        runs = self._runs()
        return Pieces(tuple(self._texts(runs)), tuple(self._judgements))

    # -- reading

    def _read(self) -> Iterator[_Placed]:
        cursor = Cursor()
        for piece in segments(self._origin, PostgresLexer().get_tokens(self._text)):
            for offset, comment in piece.comments:
                self._neutralise(cursor.offset + offset, comment)
            cursor.advance(piece.lead)
            if piece.kind is SegmentKind.META:
                raise backslash(self._origin, piece, cursor)
            if piece.kind is not SegmentKind.STATEMENT:
                cursor.advance(piece.text)
                continue
            begin = cursor.offset
            statement = statement_of(piece, cursor)
            pass_data(statement)
            yield _Placed(statement, begin, cursor.offset)

    def _neutralise(self, offset: int, comment: str) -> None:
        """A comment that our parser would take for a section header or an annotation."""
        if not _OURS.match(comment) and headers.near_miss(comment) is None:
            return
        dashes = len(comment) - len(comment.lstrip("-"))
        self._edits.append(_Edit(offset + dashes, offset + dashes, " (old comment)"))
        line = self._text.count("\n", 0, offset) + 1
        self._say(f"`{comment.strip()}` is a comment here; it is marked so that it begins no section", line)

    def _say(self, message: str, line: int, hint: str | None = None) -> None:
        place = Place(self._origin.path, line + self._first_line - 1)
        self._judgements.append(Judgement(message, place, hint))

    # -- what stays together

    def _runs(self) -> list[_Run]:
        found = self._statements
        controls = [each for each in found if each.kind not in (StatementKind.PLAIN, StatementKind.OUTSIDE)]
        outside = [each for each in found if each.kind is StatementKind.OUTSIDE]
        if self._is_wrapped(controls) and not outside:
            self._unwrap(found[0], found[-1])
            return [_Run(found[1:-1], transaction=True)]
        if self._part.transaction and self._ends_bare(controls) and not outside:
            self._drop(found[-1])
            self._say("the COMMIT at its end is taken out: it runs in one transaction", found[-1].statement.line)
            return [_Run(found[:-1], transaction=True)]
        if not self._part.transaction or not (controls or outside):
            return [_Run(found, self._part.transaction)]
        if len(found) == 1 and outside:
            name = label(outside[0].statement.sql)
            self._say(f"{name} cannot run in a transaction: transaction:false", outside[0].statement.line)
            return [_Run(found, transaction=False)]
        return list(self._several())

    def _is_wrapped(self, controls: Sequence[_Placed]) -> bool:
        if len(controls) != 2 or len(self._statements) < 2:
            return False
        begin, commit = controls
        is_around = begin is self._statements[0] and commit is self._statements[-1]
        kinds = (begin.kind, commit.kind) == (StatementKind.BEGIN, StatementKind.COMMIT)
        return is_around and kinds and all(is_bare(each.statement.sql) for each in controls)

    def _ends_bare(self, controls: Sequence[_Placed]) -> bool:
        """Whether its only transaction control is a COMMIT at its end, which ends the tool's own transaction."""
        ends = len(controls) == 1 and controls[0] is self._statements[-1] and len(self._statements) > 1
        return ends and controls[0].kind is StatementKind.COMMIT and is_bare(controls[0].statement.sql)

    def _unwrap(self, begin: _Placed, commit: _Placed) -> None:
        self._drop(begin)
        self._drop(commit)
        self._say("BEGIN and COMMIT around all of it are taken out: it runs in one transaction", begin.statement.line)

    def _drop(self, found: _Placed) -> None:
        """Take a statement out, and its line with it where nothing else stands on that."""
        begin, end = found.begin, found.end
        line_start = self._text.rfind("\n", 0, begin) + 1
        rest = _BLANK_REST.match(self._text, end)
        if rest and not self._text[line_start:begin].strip():
            begin, end = line_start, rest.end()
        self._edits.append(_Edit(begin, end, ""))

    def _several(self) -> Iterator[_Run]:
        """Blocks of their own, statements between them, and those that no transaction may hold."""
        waiting: list[_Placed] = []
        block: list[_Placed] | None = None
        lines = []
        for each in self._statements:
            if each.kind is StatementKind.BEGIN and block is None and is_bare(each.statement.sql):
                if waiting:
                    yield _Run(waiting, transaction=True)
                block, waiting = [each], []
            elif each.kind is StatementKind.COMMIT and block is not None and is_bare(each.statement.sql):
                self._drop(block[0])
                self._drop(each)
                yield _Run([*block, each], transaction=True)
                lines.append(block[0].statement.line)
                block = None
            elif each.kind is StatementKind.OUTSIDE and block is None:
                if waiting:
                    yield _Run(waiting, transaction=True)
                yield _Run([each], transaction=False)
                waiting = []
                lines.append(each.statement.line)
            elif each.kind is StatementKind.PLAIN:
                (waiting if block is None else block).append(each)
            else:
                raise self._misplaced(each)
        if block is not None:
            raise self._misplaced(block[0])
        if waiting:
            yield _Run(waiting, transaction=True)
        self._say("this file becomes several sections, which run one after the other", lines[0] if lines else 1)

    def _misplaced(self, found: _Placed) -> MigrationFileError:
        statement = found.statement
        return self._origin.error(
            "E281",
            f"{label(statement.sql)} cannot be converted: what belongs to which transaction is not plain here",
            (statement.line, statement.column),
            hint="leave the file out with --skip, and write its migration by hand",
            width=len(statement.sql.partition("\n")[0]),
        )

    # -- texts

    def _texts(self, runs: Sequence[_Run]) -> Iterator[Part]:
        begin = 0
        for number, run in enumerate(runs, 1):
            end = len(self._text)
            if number < len(runs):
                last = run.statements[-1].end
                rest = _REST_OF_LINE.match(self._text, last)
                end = rest.end() if rest else last
            yield Part(self._edited(begin, end), run.transaction)
            begin = end

    def _edited(self, begin: int, end: int) -> str:
        parts, at = [], begin
        for edit in sorted(self._edits):
            if begin <= edit.begin < end:
                parts += [self._text[at : edit.begin], edit.text]
                at = edit.end
        return "".join(parts) + self._text[at:end]
