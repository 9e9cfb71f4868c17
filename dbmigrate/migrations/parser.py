"""Migration files: text to checked `Migration` values, and the statements that the executor runs.

A file is read once, as a stream: whatever its size, at hand are a window of about 1 MiB and the statement that is being
looked at. Nothing here contacts a database. A fault is a MigrationFileError with its place; the first one counts.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING

from dbmigrate.errors import MigrationFileError
from dbmigrate.frozen import remembered
from dbmigrate.migrations import head, headers, other_tools, plain_files, repeatables
from dbmigrate.migrations.annotations import BREAKING_MARK, KEYS, KEYS_OF_REPEATABLES, Collector, Where
from dbmigrate.migrations.batch_ranges import BatchRanges
from dbmigrate.migrations.large_files import batches, statements
from dbmigrate.migrations.left_settings import change_of
from dbmigrate.migrations.sections import BOTH, Draft, tolerated
from dbmigrate.migrations.source import Cursor, Origin, Source, byte_length, checksum
from dbmigrate.migrations.statement_stream import CONFLICT, backslash, segments, statement_of
from dbmigrate.migrations.token_checksum import TokenSum
from dbmigrate.model import Direction, Migration, Problem, Section, Severity, StatementKind
from dbmigrate.sql import COPY_DATA, PostgresLexer, SegmentKind, words
from dbmigrate.sql.statements import classify, is_plain

if TYPE_CHECKING:
    import re
    from collections.abc import Collection, Iterable

    from dbmigrate.model import MigrationFile
    from dbmigrate.sql import Segment, Token

__all__ = [
    "KEEP_TEXT",
    "batches",
    "checksum",
    "read",
    "read_kept",
    "read_text",
    "statements",
    "token_checksum",
    "token_sum",
]

_KEEP_STATEMENTS = 64 << 10  # bytes; the statements of larger files are read again when they are run
KEEP_TEXT = 1 << 20  # bytes; of larger files neither text nor token checksum is kept
_NOT_IN_RUNS = ("migrate:", *CONFLICT, BREAKING_MARK)  # what has to be looked at statement by statement


@remembered
def read(file: MigrationFile, runs: Collection[Direction] = BOTH) -> Migration:
    """Read and check a migration file of which these directions are to run.

    Raises MigrationFileError E210-E220 or E223 for the first fault in the file, ConfigError E207 if it cannot be read.
    What is odd but can run is reported in `Migration.problems` (W2xx); so are E217, E219 and E220 in a section that is
    not to run (W673): old projects of dbmate have down sections that nobody has ever run.
    """
    repeatables.refuse_misspelt(file)
    origin = Origin(file.path)
    with Source(file.path) as source:
        if source.size > KEEP_TEXT:
            reading = _Reading(origin, _Size.LARGE, runs, headers.boundary(file))
            lexer = PostgresLexer(headers.boundary(file))
            sections = reading.run(lexer.read_runs(source.read, but=_NOT_IN_RUNS))
            total, problems = source.finish(), tuple(reading.problems)
            begin = head.read(file.path)
            made = Migration(file, sections, total, problems=problems, marks=tuple(source.marks), head=begin)
            return reading.said.added_to(made)
        text = source.read_all()
        is_small = source.size <= _KEEP_STATEMENTS
        if is_small and not file.is_repeatable and (plain := plain_files.read(file, text, source.finish())):
            return plain
        reading = _Reading(origin, _Size.SMALL if is_small else _Size.MEDIUM, runs, headers.boundary(file))
        migration = _from_text(reading, file, text, source.finish())
        return migration if is_small else replace(migration, marks=tuple(source.marks))


def read_text(file: MigrationFile, text: str) -> Migration:
    """The same for a text that is not a file yet. Raises as `read`."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    reading = _Reading(Origin(file.path, text), _Size.SMALL, boundary=headers.boundary(file))
    return _from_text(reading, file, text, digest)


def read_kept(file: MigrationFile, down_sql: str) -> Migration:
    """A migration of which only the down SQL is left, as `Migration.down_sql` had it; there is no up section.

    Lines and the checksum are those of `down_sql`. Raises MigrationFileError as `read` does.
    """
    first = down_sql.partition("\n")[0].rstrip("\r")
    text = down_sql if headers.BOUNDARY.match(first) else f"-- migrate:down\n{down_sql}"
    digest = hashlib.sha256(down_sql.encode()).hexdigest()
    return _from_text(_KeptReading(Origin(file.path, text), _Size.SMALL), file, text, digest)


def token_checksum(text: str) -> str:
    """The SHA-256 (hex) of the tokens: comments, white space and the case of unquoted words do not count.

    Section headers and their options do. Strings, quoted names, dollar-quoted bodies and COPY data count verbatim. A
    redundant BEGIN and COMMIT do not count. Raises MigrationFileError E217.
    """
    return token_sum(text).hexdigest()


def token_sum(text: str, boundary: re.Pattern[str] = headers.BOUNDARY) -> TokenSum:
    """The sum of the tokens, to be compared with one that was recorded. Raises MigrationFileError E217."""
    tokens = TokenSum()
    for segment in segments(Origin("(text)", text), PostgresLexer(boundary).get_tokens(text)):
        tokens.add(segment, [value for kind, value in segment.copy or () if kind is COPY_DATA])
    return tokens


class _Size(Enum):
    """How much of a file is kept."""

    SMALL = "its statements and its text"
    MEDIUM = "its text"
    LARGE = "nothing"


def _from_text(reading: _Reading, file: MigrationFile, text: str, checksum: str) -> Migration:
    try:
        sections = reading.run(PostgresLexer(headers.boundary(file)).get_tokens(text))
    except MigrationFileError as fault:
        sections = reading.end_at(fault, text)
    up, down = (reading.verbatim(text, direction) for direction in BOTH)
    problems, tokens = tuple(reading.problems), reading.tokens.hexdigest()
    return reading.said.added_to(Migration(file, sections, checksum, tokens, up, down, problems, head=head.cut(text)))


class _Reading:
    """One pass over a file: finds its sections and the first fault."""

    def __init__(
        self,
        origin: Origin,
        size: _Size,
        runs: Collection[Direction] = BOTH,
        boundary: re.Pattern[str] = headers.BOUNDARY,
    ) -> None:
        self.problems: list[Problem] = []
        self.tokens = TokenSum()
        self._is_repeatable = boundary is headers.REPEATABLE
        self.said = Collector(origin, keys=KEYS_OF_REPEATABLES if self._is_repeatable else KEYS)
        self._origin = origin
        self._size = size
        self._cursor = Cursor()
        self._drafts: list[Draft] = []
        self._sections: list[Section] = []
        self._foreign: str | None = None
        self._runs = runs

    def run(self, tokens: Iterable[Token]) -> tuple[Section, ...]:
        """The sections. Raises MigrationFileError."""
        for segment in segments(self._origin, tokens):
            if self._size is _Size.LARGE and self._passes(segment):
                continue
            self._look_around(segment)
            self._cursor.advance(segment.lead)
            if segment.kind is SegmentKind.STATEMENT:
                self._add(segment)
            elif segment.kind is SegmentKind.HEADER:
                self._open(segment)
            elif segment.kind is SegmentKind.META:
                raise backslash(self._origin, segment, self._cursor)
            else:
                self._close_cut()
        self._finish()
        return tuple(self._sections)

    def verbatim(self, text: str, direction: Direction) -> str:
        """The texts of the sections of one direction, header lines included."""
        ends = [*(draft.offset for draft in self._drafts[1:]), len(text)]
        return "".join(
            text[draft.offset : end]
            for draft, end in zip(self._drafts, ends, strict=True)
            if draft.header.direction is direction
        )

    # -- statements

    def _add(self, segment: Segment) -> None:
        self._refuse_conflict(segment)
        if not self._drafts:
            raise self._error(
                "E214",
                "SQL before the first `-- migrate:up`",
                hint=self._advice("put `-- migrate:up` above it; only comments and blank lines may stand before it"),
                width=len(segment.text.partition("\n")[0]),
            )
        if segment.number > 1:
            self._pass_over(segment)
            return
        ranges = self._drafts[-1].ranges
        if ranges is not None:
            self._add_range(segment, ranges)
        statement = statement_of(segment, self._cursor)
        if statement.copy_data is not None:
            data, span = self._data(statement.copy_data)
            statement = replace(statement, copy_data=data)
            if ranges is not None:
                ranges.close(span)
        self._drafts[-1].add(statement)
        self._judge(self._drafts[-1])
        if self._size is not _Size.LARGE:
            self.tokens.add(segment, statement.copy_data or ())

    def _add_range(self, segment: Segment, ranges: BatchRanges) -> None:
        """A statement that controls transactions stands alone, because it may turn out to be left out."""
        is_alone = classify(segment.text) is not StatementKind.PLAIN
        if is_alone:
            ranges.close()
        ranges.add(self._cursor, byte_length(segment.text), segment.number)
        if is_alone:
            ranges.close()

    def _close_cut(self) -> None:
        """Let the next statement begin another batch: the very many comments before it belong to none."""
        ranges = self._drafts[-1].ranges if self._drafts else None
        if ranges is not None:
            ranges.close()

    def _data(self, parts: Iterable[str]) -> tuple[tuple[str, ...] | None, tuple[int, int]]:
        """The inline data of a COPY, if it is kept, and from and to which byte it reaches."""
        kept: list[str] = []
        begin = end = 0
        for part in parts:
            end = self._cursor.size
            begin = begin or end - byte_length(part)
            if self._size is not _Size.LARGE:
                kept.append(part)
        return (None if self._size is _Size.LARGE else tuple(kept)), (begin, end)

    def _passes(self, segment: Segment) -> bool:
        """Pass over statements that need counting and no further look: nearly all of a large file."""
        if segment.kind is not SegmentKind.STATEMENT or not self._drafts or segment.copy is not None:
            return False
        if segment.comments and any(headers.may_be_marker(comment) for _, comment in segment.comments):
            return False
        text = (
            segment.lead if segment.number > 1 else segment.lead + segment.text
        )  # there is nothing of the kind in a run
        if any(mark in text for mark in _NOT_IN_RUNS):
            return False
        if segment.number == 1 and (not is_plain(segment.text) or change_of(segment.text)):
            return False
        self._cursor.advance(segment.lead)
        self._pass_over(segment)
        return True

    def _pass_over(self, segment: Segment) -> None:
        draft = self._drafts[-1]
        draft.count += segment.number
        if draft.ranges is not None:
            draft.ranges.add(self._cursor, byte_length(segment.text), segment.number)
        self._cursor.advance(segment.text)

    def _refuse_conflict(self, segment: Segment) -> None:
        """Conflict markers are operators to the lexer; those in strings and function bodies are none of ours."""
        if not any(mark in segment.text for mark in CONFLICT):
            return
        if any(word.startswith(CONFLICT) for word in words(segment.text)):
            offset = min(at for at in map(segment.text.find, CONFLICT) if at >= 0)
            raise self._origin.error(
                "E223",
                "a merge conflict is not resolved here",
                self._cursor.after(segment.text[:offset]),
                hint="edit the file: keep one side, remove the marker lines",
                width=7,
            )

    def _judge(self, draft: Draft) -> None:
        if draft.fault is not None and draft.header.direction in self._runs:
            raise draft.fault

    def end_at(self, fault: MigrationFileError, text: str) -> tuple[Section, ...]:
        """The sections, where the rest of the last one is inside something that is not closed.

        Raises `fault` if it is another one, if that section is to run, or if what is hidden may hold the next one.
        """
        last = self._drafts[-1] if self._drafts else None
        is_hidden = headers.quoted(text[self._cursor.offset :]) is not None
        if fault.code != "E217" or is_hidden or last is None or last.header.direction is Direction.UP:
            raise fault
        last.fault = last.fault or fault
        self._close(last)
        return tuple(self._sections)

    # -- headers

    def _open(self, segment: Segment) -> None:
        header = self._header(segment.text)
        previous = self._drafts[-1] if self._drafts else None
        self._refuse_order(header.direction, previous)
        if previous is not None:
            self._close(previous)
        place, draft = self._cursor, Draft(self._origin, header, len(self._drafts))
        draft.line, draft.offset = place.line, place.offset
        if self._size is _Size.SMALL:
            draft.kept = []
        else:
            draft.ranges = BatchRanges()
        self._drafts.append(draft)
        if self._size is not _Size.LARGE:
            self.tokens.add(segment, ())
        self._cursor.advance(segment.text)

    def _header(self, comment: str) -> headers.Header:
        try:
            header = headers.parse(comment)
        except headers.HeaderError as exc:
            at = (self._cursor.line, self._cursor.column + exc.start)
            raise self._origin.error("E216", exc.message, at, hint=exc.hint, width=exc.width) from exc
        for option in header.ignored:
            self._note("W202", f"the option `{option}` means nothing here and is ignored", Severity.NOTE)
        return header

    def _refuse_order(self, direction: Direction, previous: Draft | None) -> None:
        if self._is_repeatable:
            if previous is not None:
                raise self._error("E275", "a second `-- migrate:repeatable`", hint="keep the first line", width=21)
        elif direction is Direction.UP:
            if previous is not None and previous.header.direction is Direction.UP:
                raise self._no_down(previous, f" before the next `-- migrate:up` on line {self._cursor.line}")
        elif previous is None:
            raise self._error(
                "E213", "`-- migrate:down` stands before `-- migrate:up`", hint="put the up section first", width=15
            )
        elif previous.header.direction is Direction.DOWN:
            raise self._error(
                "E213",
                f"a second `-- migrate:down`: the section has one on line {previous.line} already",
                hint="every `-- migrate:down` needs a `-- migrate:up` before it; join the two, or add the header",
                width=15,
            )

    def _no_down(self, up: Draft, before: str = "") -> MigrationFileError:
        return self._origin.error(
            "E212",
            f"the `-- migrate:up` on line {up.line} has no `-- migrate:down`{before}",
            (up.line, 1),
            hint=self._advice("add one; it may be empty, or say `-- migrate:down irreversible:true`"),
            width=13,
        )

    def _close(self, draft: Draft) -> None:
        section = draft.finish()
        self._judge(draft)
        self._sections.append(section)
        if draft.fault is not None:
            self.problems.append(tolerated(draft.fault, draft.header.direction))
        reported = {problem.code for problem in self.problems}
        self.problems += [problem for problem in draft.problems if problem.code not in reported]  # W201 once in a file

    def _finish(self) -> None:
        if not self._drafts:
            raise self._origin.error(
                "E211",
                "the file has no `-- migrate:up` section",
                (1, 1),
                hint=self._advice("begin it with the line `-- migrate:up`, and add `-- migrate:down` below"),
            )
        last = self._drafts[-1]
        if last.header.direction is Direction.UP and not self._is_repeatable:
            raise self._no_down(last)
        self._close(last)
        ups = [section for section in self._sections if section.direction is Direction.UP]
        if ups and not any(section.count for section in ups):  # one of several pairs may be there for its down section
            place = self._origin.place((ups[0].line, 1))
            self.problems.append(Problem("W203", "the up section holds no statement", place=place))

    # -- comments

    def _look_around(self, segment: Segment) -> None:
        """Look for what is nearly a header, or another tool's, or a header that is text."""
        if BREAKING_MARK in segment.lead:
            self.said.mark(segment.lead, self._cursor, self._where())
        for offset, comment in segment.comments:
            self._look_at(segment, offset, comment)
            self._foreign = self._foreign or other_tools.tool_of_comment(comment)
            meant = headers.near_miss(comment)
            if meant and self._begins_line(segment, offset):
                code, what = "E215", "is not a section header"
                hint = f"write `{meant}` in lower case, without blanks in it, at the very beginning of the line"
                if self._is_repeatable:
                    code, what, hint = "E275", "in a repeatable migration, which has no sections", "remove the line"
                at = self._cursor.after((segment.lead + segment.text)[:offset])
                raise self._origin.error(
                    code, f"`{comment.strip()}` {what}", at, hint=hint, width=len(comment.rstrip())
                )
        text = segment.lead if segment.kind is SegmentKind.HEADER else segment.lead + segment.text
        inside = None if self._is_repeatable else headers.quoted(text)
        if inside is not None:
            line, _ = self._cursor.after(text[:inside])
            self.problems.append(
                Problem(
                    "W204",
                    "this line looks like a section header, but stands inside quoted or commented text: it is text",
                    place=self._origin.place((line, 1)),
                    hint="indent it; dbmate would begin a section here",
                )
            )

    def _look_at(self, segment: Segment, offset: int, comment: str) -> None:
        is_inside = offset > len(segment.lead)
        is_breaking = is_inside and BREAKING_MARK in comment
        if not (self.said.is_open or is_breaking or "migrate" in comment.lower()):
            return
        at = self._cursor.after((segment.lead + segment.text)[:offset])
        if is_breaking:
            self.said.mark(comment, Cursor(*at), self._where())
        self.said.add(comment, at, self._where(is_inside=is_inside))

    def _where(self, *, is_inside: bool = False) -> Where:
        draft = self._drafts[-1] if self._drafts else None
        fault = "it has to stand above the SQL of its section, directly below the header"
        is_late = is_inside or (draft is not None and draft.count > 0)
        return Where(draft.number, draft.header.direction, fault if is_late else "") if draft else Where()

    def _begins_line(self, segment: Segment, offset: int) -> bool:
        before = (segment.lead + segment.text)[:offset]
        start = before.rfind("\n") + 1
        return not before[start:].strip() and (start > 0 or self._cursor.column == 1)

    def _advice(self, usual: str) -> str:
        tool = self._foreign or other_tools.tool_of_file(os.path.basename(self._origin.path))
        if tool is None:
            return usual
        if command := other_tools.way_in(tool, other_tools.project_of(self._origin.path)):
            return f"this looks like a file of {tool}: {command} converts the whole directory"
        return f"this looks like a file of {tool}: {usual}"

    def _note(self, code: str, message: str, severity: Severity) -> None:
        place = self._origin.place((self._cursor.line, self._cursor.column))
        self.problems.append(Problem(code, message, severity, place))

    def _error(self, code: str, message: str, *, hint: str, width: int) -> MigrationFileError:
        at = (self._cursor.line, self._cursor.column)
        return self._origin.error(code, message, at, hint=hint, width=width)


class _KeptReading(_Reading):
    """Down sections alone, one or more."""

    def _refuse_order(self, direction: Direction, previous: Draft | None) -> None:
        pass
