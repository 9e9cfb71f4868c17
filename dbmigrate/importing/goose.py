"""goose: ``00001_x.sql`` with ``-- +goose Up`` and ``Down``, read line by line as its parser does.

Read in internal/sqlparser/parser.go and migration.go of v3.27.
"""

from __future__ import annotations

import codecs
import re
from enum import StrEnum
from typing import TYPE_CHECKING

from dbmigrate.importing import variables
from dbmigrate.importing.envsub import Line, NotUnderstoodError
from dbmigrate.importing.given_sql import given_sql
from dbmigrate.importing.line_marks import Lines, ends_statement, is_closed, kept, lines_of, script_of
from dbmigrate.importing.scripts import Script, Sending, script_of_code
from dbmigrate.importing.texts import file_name, folder, moment, qualified, read_text
from dbmigrate.importing.values import ForeignMigration, Judgement, Reading, Row, State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dbmigrate.errors import MigrationFileError
    from dbmigrate.importing.texts import Text
    from dbmigrate.importing.values import Answers, HistoryTable, Query, Source, SourceFile

_NAME = re.compile(r"(?P<number>[0-9]+)_(?P<name>.*)\.(?P<extension>sql|go)", re.DOTALL)
_UP = re.compile(r"^--[ \t]*\+goose[ \t]+up\b", re.IGNORECASE | re.MULTILINE)
_COLUMNS = frozenset({"id", "version_id", "is_applied"})
_LAST_NUMBER = 2**63 - 1


class Goose:
    """See `values.Tool`."""

    name = "goose"

    def recognises(self, source: Source) -> bool:
        return any(file.path.endswith(".sql") and _is_marked(file) for file in source.files)

    def read(self, source: Source, answers: Answers) -> Reading:
        """The migrations of one directory. Raises MigrationFileError."""
        places = {folder(file.path) for file in source.files if _NAME.fullmatch(file_name(file.path))}
        place = next(iter(places)) if len(places) == 1 else ""
        left_out: dict[str, str] = {}
        found: dict[int, SourceFile] = {}
        for file in source.files:
            reason = _why_not(file, place, answers)
            if reason is None:
                _add(source, found, file)
            elif reason:
                left_out[file.path] = reason
        made = tuple(_migration(source, file, answers) for _, file in sorted(found.items()))
        return variables.settled(Reading(made, left_out))

    def owns(self, table: HistoryTable, neighbours: frozenset[str]) -> bool:
        return set(table.columns) >= _COLUMNS

    def history(self, query: Query, table: HistoryTable, answers: Answers) -> tuple[Row, ...]:
        """The newest row of each version, oldest first; that of version 0 is made with the table.

        Before v2.4.4 (2018) a row was written for what was undone; newer versions take the row away.
        """
        when = "tstamp" if "tstamp" in table.columns else "null::timestamp"
        rows = query(f"select version_id, is_applied, {when} from {qualified(table)} order by id")
        newest: dict[int, tuple[bool, object]] = {}
        for version, is_applied, at in rows:
            newest.pop(int(str(version)), None)
            newest[int(str(version))] = (bool(is_applied), at)
        newest.pop(0, None)
        return tuple(_rows(newest))

    def matches(self, migration: ForeignMigration, row: Row) -> bool:
        return int(migration.version) == int(row.key)

    def verifies(self, migration: ForeignMigration, row: Row) -> bool | None:
        return None


TOOL = Goose()


def _is_marked(file: SourceFile) -> bool:
    return _UP.search(file.content.removeprefix(codecs.BOM_UTF8).decode(errors="replace")) is not None


def _rows(newest: Mapping[int, tuple[bool, object]]) -> Sequence[Row]:
    made = []
    highest = 0
    for version, (is_applied, at) in newest.items():
        remark = "" if is_applied else "it was undone"
        if is_applied and version < highest:
            remark = f"applied after {highest}: goose would undo it first, and dbmigrate goes by the order of the files"
        highest = max(highest, version) if is_applied else highest
        state = State.APPLIED if is_applied else State.PENDING
        made.append(Row(key=str(version), state=state, applied_at=moment(at), remark=remark))
    return made


# --------------------------------------------------------------------------------------------------------------- files


def _why_not(file: SourceFile, place: str, answers: Answers) -> str | None:
    """Why a file is not a migration; None if it is one, empty if there is nothing to say about it."""
    name = file_name(file.path)
    match = _NAME.fullmatch(name)
    if file.path in answers.sql_of.values() or name.endswith("_test.go"):
        return ""
    if file.path in answers.skip or name in answers.skip:
        return "left out as asked"
    if match is None:
        return "there is no number with _ in front of its name" if name.endswith(".sql") else ""
    if folder(file.path) != place:
        return "it is in another directory"
    if not 1 <= int(match["number"]) <= _LAST_NUMBER:
        return "goose has no such version: numbers begin with 1 and have 64 bits"
    return None


def _add(source: Source, found: dict[int, SourceFile], file: SourceFile) -> None:
    match = _NAME.fullmatch(file_name(file.path))
    assert match is not None
    other = found.setdefault(int(match["number"]), file)
    if other is not file:
        raise read_text(source, file).error(
            f"{other.path} and {file.path} are both version {int(match['number'])}",
            1,
            hint="goose refuses that too: rename one, or leave it out: --skip FILE",
        )


def _migration(source: Source, file: SourceFile, answers: Answers) -> ForeignMigration:
    match = _NAME.fullmatch(file_name(file.path))
    assert match is not None
    if match["extension"] == "go":
        up, down = _code(source, file, answers)
    else:
        up, down = _Parsing(read_text(source, file), answers).sections()
    return ForeignMigration(
        version=match["number"],
        name=match["name"],
        path=file.path,
        ups=up.parts,
        downs=down.parts if down else None,
        sort_key=(int(match["number"]),),
        judgements=up.judgements + (down.judgements if down else ()),
    )


def _code(source: Source, file: SourceFile, answers: Answers) -> tuple[Script, Script | None]:
    """Code is run by the project's own binary alone: a person gives its SQL, or leaves it out."""
    sql = given_sql(source, answers, file.path)
    if sql is None:
        hint = f"give its SQL (--sql {file.path}=FILE), or leave it out: --skip {file.path}"
        place = read_text(source, file).place(1)
        return Script((), (Judgement(f"{file.path} is code", place, hint, asks=True),)), None
    if _UP.search(sql.text):
        return _Parsing(sql, answers).sections()
    return script_of_code(sql), None


# ------------------------------------------------------------------------------------------------------------- parsing


class _Mark(StrEnum):
    UP = "up"
    DOWN = "down"
    BEGIN = "statementbegin"
    END = "statementend"
    NO_TRANSACTION = "no transaction"
    ENVSUB_ON = "envsub on"
    ENVSUB_OFF = "envsub off"


class _Parsing:
    """goose's state machine. Raises MigrationFileError E281 where goose refuses the file."""

    def __init__(self, text: Text, answers: Answers) -> None:
        self._text = text
        self._values = answers.placeholders
        self._lines = lines_of(text)
        self._sections = {_Mark.UP: Lines()}
        self._state: _Mark | None = None  # UP or DOWN
        self._block: int | None = None  # the line of StatementBegin
        self._open: int | None = None  # the line on which an unfinished statement begins
        self._is_transactional = True
        self._has_variables = False
        self._questions: dict[str, Judgement] = {}

    def sections(self) -> tuple[Script, Script | None]:
        """The up section, and the down section if there is one."""
        for number, line in enumerate(self._lines):
            mark = self._mark(number, line)
            if mark is not None:
                self._follow(mark, number)
            else:
                self._take(number, line)
        if self._state is None:
            raise self._error("there is no `-- +goose Up`", 0)
        if self._block is not None:
            raise self._error("StatementBegin has no StatementEnd", self._block)
        self._refuse_unfinished()
        up = self._script(_Mark.UP)
        down = self._script(_Mark.DOWN) if _Mark.DOWN in self._sections else None
        return Script(up.parts, (*self._questions.values(), *up.judgements)), down

    def _mark(self, number: int, line: str) -> _Mark | None:
        """The mark that a line is: a comment with ``+goose`` anywhere in it is one, and has to be right."""
        if not line.strip().startswith("--") or "+goose" not in line:
            return None
        if line[0] in " \t":
            raise self._error("a mark has to begin its line", number)
        said = line.replace("--", "").replace("+goose", "", 1).strip().lower()
        if said not in list(_Mark):
            raise self._error(f"`{line.strip()}` is not a mark of goose", number)
        return _Mark(said)

    def _follow(self, mark: _Mark, number: int) -> None:
        if mark is _Mark.UP and self._state is not None:
            raise self._error("a second Up", number)
        if mark is _Mark.DOWN and (self._state is not _Mark.UP or self._block is not None):
            raise self._error("Down has to stand behind Up, and behind the end of a statement", number)
        if mark is _Mark.BEGIN and (self._state is None or self._block is not None):
            raise self._error("StatementBegin has to stand in a section, and not in another block", number)
        if mark is _Mark.END and self._block is None:
            raise self._error("StatementEnd has no StatementBegin before it", number)
        if mark in (_Mark.UP, _Mark.DOWN):
            self._refuse_unfinished()
            self._state = mark
            self._sections.setdefault(mark, Lines())
        elif mark is _Mark.BEGIN:
            self._block = number
        elif mark is _Mark.END:
            self._end_block(number)
        elif mark is _Mark.NO_TRANSACTION:
            self._is_transactional = False
        else:
            self._has_variables = mark is _Mark.ENVSUB_ON

    def _end_block(self, number: int) -> None:
        """goose sends a block as it is, so its last semicolon may be missing."""
        assert self._block is not None
        assert self._state is not None
        section = self._sections[self._state]
        block = [each for each in section.numbers if each > self._block]
        instead = {each: section.instead.get(each, self._lines[each]) for each in block}
        if not is_closed(kept(self._text, self._lines, (), instead)):
            section.instead[number] = ";"
        self._block = self._open = None

    def _take(self, number: int, line: str) -> None:
        is_skipped = self._open is None and (not line.strip() or line.strip().startswith("--"))
        if self._state is None and not is_skipped:
            raise self._error("only comments and blank lines may stand before `-- +goose Up`", number)
        section = self._sections[self._state or _Mark.UP]
        section.numbers.add(number)
        if is_skipped:
            return
        if self._has_variables:
            line = section.instead[number] = self._expanded(number, line)
        if self._open is None:
            self._open = number
        if self._block is None and ends_statement(line):
            self._open = None

    def _expanded(self, number: int, line: str) -> str:
        place = self._text.place(number + 1)
        reading = Line(line, self._values, lambda name, shown: variables.mark(name, shown, place))
        try:
            expanded = reading.expanded()
        except NotUnderstoodError as exc:
            raise self._error(str(exc), number) from exc
        for name in reading.missing:
            hint = f"give it: --placeholder {name}=VALUE"
            question = Judgement(f"the variable {name} has no value", place, hint, asks=True)
            self._questions.setdefault(name, question)
        return expanded

    def _refuse_unfinished(self) -> None:
        if self._open is not None:
            raise self._error("the statement that begins here has no semicolon at the end of a line", self._open)

    def _error(self, message: str, number: int) -> MigrationFileError:
        hint = "goose refuses that too: mend a copy of the file, or leave it out: --skip FILE"
        return self._text.error(message, number + 1, hint=hint)

    def _script(self, direction: _Mark) -> Script:
        sending = Sending.TRANSACTION if self._is_transactional else Sending.WITHOUT
        return script_of(self._text, self._lines, self._sections[direction], sending)
