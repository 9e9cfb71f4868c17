"""sql-migrate: files with ``-- +migrate Up`` and ``Down``, read line by line as its parser does.

Read in sqlparse/sqlparse.go and migrate.go. Lines that begin with ``-- `` never reach the database, wherever they
stand.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import field
from typing import TYPE_CHECKING

from dbmigrate.errors import MigrationFileError
from dbmigrate.frozen import frozen
from dbmigrate.importing.line_marks import Lines, ends_statement, is_closed, kept, lines_of, script_of
from dbmigrate.importing.scripts import Script, Sending
from dbmigrate.importing.texts import file_name, folder, moment, qualified, read_text, statements
from dbmigrate.importing.values import ForeignMigration, Judgement, Reading, Row, State
from dbmigrate.sql import words

if TYPE_CHECKING:
    from dbmigrate.importing.texts import Text
    from dbmigrate.importing.values import Answers, HistoryTable, Query, Source, SourceFile

_MARK = "-- +migrate "
_COMMENT = "-- "
_ANY_MARK = re.compile(r"\s*--\s*\+migrate\b", re.IGNORECASE)
_UP = re.compile(rb"^-- \+migrate +(?:Up|Down)\b", re.MULTILINE)
_NUMBER = re.compile(r"[0-9]+")
_NO_TRANSACTION = "notransaction"


class SqlMigrate:
    """See `values.Tool`."""

    name = "sql-migrate"

    def recognises(self, source: Source) -> bool:
        return any(file.path.endswith(".sql") and _UP.search(file.content) for file in source.files)

    def read(self, source: Source, answers: Answers) -> Reading:
        """The migrations of one directory. Raises MigrationFileError."""
        places = {folder(file.path) for file in source.files if file.path.endswith(".sql")}
        place = next(iter(places)) if len(places) == 1 else ""
        left_out: dict[str, str] = {}
        migrations = []
        for file in source.files:
            if not file.path.endswith(".sql"):
                continue
            if file.path in answers.skip or file_name(file.path) in answers.skip:
                left_out[file.path] = "left out as asked"
            elif folder(file.path) != place:
                left_out[file.path] = "it is in another directory"
            else:
                migrations.append(_migration(source, file))
        return Reading(tuple(sorted(migrations, key=lambda each: each.sort_key)), left_out)

    def owns(self, table: HistoryTable, neighbours: frozenset[str]) -> bool:
        return set(table.columns) == {"id", "applied_at"}

    def history(self, query: Query, table: HistoryTable, answers: Answers) -> tuple[Row, ...]:
        """All rows are applied: an undone migration has none."""
        rows = query(f"select id, applied_at from {qualified(table)} order by applied_at, id")
        return tuple(Row(key=str(key), state=State.APPLIED, applied_at=moment(when)) for key, when in rows)

    def matches(self, migration: ForeignMigration, row: Row) -> bool:
        """The row has the name of the file, ending included."""
        return row.key == file_name(migration.path)

    def verifies(self, migration: ForeignMigration, row: Row) -> bool | None:
        return None


TOOL = SqlMigrate()


def _migration(source: Source, file: SourceFile) -> ForeignMigration:
    name = file_name(file.path)
    stem = name.removesuffix(".sql")
    number = _NUMBER.match(name)
    text = read_text(source, file)
    if file.content.startswith(codecs.BOM_UTF8) and text.text.startswith(_MARK):
        raise _error(
            text, 0, "sql-migrate does not see the mark behind a byte order mark, and runs nothing of its section"
        )
    up, down = _Parsing(text).sections()
    return ForeignMigration(
        version=number[0] if number else stem,
        name=stem[number.end() :].lstrip("_-. ") if number else stem,
        path=file.path,
        ups=up.parts,
        downs=down.parts if down else None,
        sort_key=(0, int(number[0]), name) if number else (1, 0, name),
        judgements=up.judgements + (down.judgements if down else ()),
    )


def _error(text: Text, number: int, message: str) -> MigrationFileError:
    return text.error(message, number + 1, hint="mend a copy of the file, or leave it out: --skip FILE")


@frozen
class _Section:
    """A direction: what is sent, and the words behind its marks."""

    sent: Lines = field(default_factory=Lines)
    options: set[str] = field(default_factory=set)


class _Parsing:
    """sql-migrate's parser. Raises MigrationFileError E281 where it refuses the file, or reads it as nobody would."""

    def __init__(self, text: Text) -> None:
        self._text = text
        self._lines = lines_of(text)
        self._sections: dict[str, _Section] = {}
        self._current: _Section | None = None
        self._above: list[int] = []  # lines above the first mark
        self._statement: list[int] = []  # the lines of the statement that is open, comments included
        self._is_block = False
        self._judgements: list[Judgement] = []

    def sections(self) -> tuple[Script, Script | None]:
        """The up and the down section; several of one direction are one."""
        for number, line in enumerate(self._lines):
            if line.startswith(_MARK):
                self._follow(number, line.removeprefix(_MARK).split())
            elif self._current is None:
                self._above.append(number)
            else:
                self._take(number, line, self._current)
        if not self._sections:
            raise _error(self._text, 0, "there is neither `-- +migrate Up` nor `-- +migrate Down`")
        if self._is_block:
            raise _error(self._text, len(self._lines) - 1, "a StatementBegin has no StatementEnd")
        self._refuse_unfinished()
        self._look_above()
        up, down = self._sections.get("Up"), self._sections.get("Down")
        if up is not None:
            up.sent.numbers.update(each for each in self._above if self._lines[each].startswith("--"))
        found = self._script(up) if up else Script()
        return Script(found.parts, (*self._judgements, *found.judgements)), self._script(down) if down else None

    def _follow(self, number: int, said: list[str]) -> None:
        command = said[0] if said else ""
        if command in ("Up", "Down"):
            self._refuse_unfinished()
            self._current = self._sections.setdefault(command, _Section())
            self._current.options.update(said[1:])
            for option in said[1:]:
                if option != _NO_TRANSACTION:
                    self._say(f"`{option}` is not an option of sql-migrate, which passes over it", number)
        elif command not in ("StatementBegin", "StatementEnd"):
            raise _error(self._text, number, f"`{self._lines[number]}` is not a mark: sql-migrate passes over it")
        elif self._current is None:
            self._above.append(number)
        elif command == "StatementBegin":
            self._is_block = True
        elif self._is_block:
            self._end_block(number, self._current)

    def _take(self, number: int, line: str, section: _Section) -> None:
        is_comment = line.startswith(_COMMENT)
        if _ANY_MARK.match(line):
            self._say(
                "a mark that does not begin with `-- +migrate` is a comment: what follows is not a section", number
            )
        if not self._statement and (is_comment or not line.strip()):
            section.sent.numbers.add(number)
            return
        self._statement.append(number)
        if not self._is_block and not is_comment and ends_statement(line):
            self._end_statement(section)

    def _end_block(self, number: int, section: _Section) -> None:
        self._is_block = False
        sent = frozenset(each for each in self._statement if not self._lines[each].startswith(_COMMENT))
        if not is_closed(kept(self._text, self._lines, sent)):
            section.sent.instead[number] = ";"
        self._end_statement(section)

    def _end_statement(self, section: _Section) -> None:
        """Comments stay where they mean nothing, and go where they stand in a string or body."""
        comments = frozenset(each for each in self._statement if self._lines[each].startswith(_COMMENT))
        everything = frozenset(self._statement)
        section.sent.numbers.update(everything)
        if comments and self._words(everything) != self._words(everything - comments):
            section.sent.numbers.difference_update(comments)
            self._say(
                "lines that begin with `-- ` in a string or body are left out: sql-migrate does not send them",
                min(comments),
            )
        self._statement = []

    def _words(self, numbers: frozenset[int]) -> list[list[str]] | None:
        try:
            return [list(words(each.sql)) for each in statements(kept(self._text, self._lines, numbers))]
        except MigrationFileError:
            return None

    def _refuse_unfinished(self) -> None:
        left = [each for each in self._statement if not self._lines[each].startswith(_COMMENT)]
        if any(self._lines[each].strip() for each in left):
            raise _error(self._text, left[0], "the statement that begins here has no semicolon at the end of a line")
        if self._current is not None:
            self._current.sent.numbers.update(self._statement)
        self._statement = []

    def _look_above(self) -> None:
        for number in self._above:
            line = self._lines[number]
            if line.strip() and not line.strip().startswith("--"):
                self._say("what stands above the first mark is left out: sql-migrate does not run it", number)
                return

    def _say(self, message: str, number: int) -> None:
        self._judgements.append(Judgement(message, self._text.place(number + 1)))

    def _script(self, section: _Section) -> Script:
        sending = Sending.WITHOUT if _NO_TRANSACTION in section.options else Sending.TRANSACTION
        return script_of(self._text, self._lines, section.sent, sending)
