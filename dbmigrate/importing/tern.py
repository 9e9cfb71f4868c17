"""tern: ``NUMBER_name.sql`` from 1 on without gaps, up and down parted by a line; the table has one row, the number.

Read in tern's migrate/migrate.go. Its files are Go templates: what goes beyond a value or another file is asked about.
"""

from __future__ import annotations

import configparser
import re
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen
from dbmigrate.importing.given_sql import given_sql
from dbmigrate.importing.texts import Text, file_name, folder, qualified, read_text, statements
from dbmigrate.importing.values import ForeignMigration, Judgement, Part, Reading, Row, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dbmigrate.importing.values import Answers, HistoryTable, Query, Source, SourceFile

_NAME = re.compile(r"([0-9]+)_(.+)\.sql", re.DOTALL)
_BETWEEN = "---- create above / drop below ----"
_MARK = re.compile(r"^---- tern: disable-tx ----\r?$\n?", re.MULTILINE)
_ACTION = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}", re.DOTALL)
_TEMPLATE = re.compile(r'\{\{\s*template\s+"([^"]+)"\s+\.\s*\}\}')
_VALUE = re.compile(r"\{\{\s*\.([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")


class Tern:
    """See `values.Tool`."""

    name = "tern"

    def recognises(self, source: Source) -> bool:
        """By the line between up and down."""
        marked = [file for file in source.files if _BETWEEN.encode() in file.content]
        return any(_NAME.fullmatch(file_name(file.path)) for file in marked)

    def read(self, source: Source, answers: Answers) -> Reading:
        """The migrations. Raises MigrationFileError."""
        sql = [file for file in source.files if file.path.endswith(".sql")]
        top = min((folder(file.path) for file in sql if _NAME.fullmatch(file_name(file.path))), key=len, default="")
        project = _Project(
            source, answers, top, _placeholders(source, answers), {file.path: file for file in source.files}
        )
        numbered: list[tuple[int, SourceFile]] = []
        left_out: dict[str, str] = {}
        for file in sql:
            match = _NAME.fullmatch(file_name(file.path))
            if file.path in answers.skip:
                left_out[file.path] = "left out, as asked"
            elif folder(file.path) != top:
                left_out[file.path] = "in a sub folder: only a template can name it"
            elif match is None:
                left_out[file.path] = "its name has no number"
            else:
                numbered.append((int(match[1]), file))
        numbered.sort(key=lambda each: each[0])
        _refuse_gaps(source, numbered, has_skipped=bool(answers.skip))
        return Reading(tuple(_migration(project, number, file) for number, file in numbered), left_out)

    def owns(self, table: HistoryTable, neighbours: frozenset[str]) -> bool:
        return table.columns == ("version",) and table.name == "schema_version"

    def history(self, query: Query, table: HistoryTable, answers: Answers) -> tuple[Row, ...]:
        """One row: every file up to this number counts as applied, also one that was merged later and never ran."""
        rows = query(f"select version from {qualified(table)}")
        return tuple(Row(str(version), State.APPLIED, remark=_ONE_ROW) for (version,) in rows)

    def matches(self, migration: ForeignMigration, row: Row) -> bool:
        """The row is that of every migration up to its number."""
        return int(migration.version) <= int(row.key)

    def verifies(self, migration: ForeignMigration, row: Row) -> bool | None:
        """tern keeps no checksums."""
        return None


TOOL = Tern()
_ONE_ROW = "tern keeps the current number only; whether a file below it ever ran, the catalog says"


@frozen
class _Project:
    """What templates can refer to."""

    source: Source
    answers: Answers
    top: str
    values: Mapping[str, str]
    files: Mapping[str, SourceFile]


def _placeholders(source: Source, answers: Answers) -> Mapping[str, str]:
    """The section ``[data]`` of tern.conf, and what was answered."""
    values: dict[str, str] = {}
    for file in source.files:
        if file_name(file.path) == "tern.conf":
            text = read_text(source, file)
            parser = configparser.ConfigParser(interpolation=None, strict=False)
            parser.optionxform = str  # type: ignore[assignment,method-assign] # names keep their case
            try:
                parser.read_string(text.text)
            except configparser.Error as exc:
                raise text.error(f"cannot be read: {exc.message.splitlines()[0]}", 1) from exc
            if parser.has_section("data"):
                values |= dict(parser["data"])
    return {**values, **answers.placeholders}


def _refuse_gaps(source: Source, numbered: list[tuple[int, SourceFile]], *, has_skipped: bool) -> None:
    expected = 1
    for number, file in numbered:
        if number < expected and expected > 1:
            raise read_text(source, file).error(
                f"there are two files of number {number}, which tern refuses", 1, hint="leave one out: --skip FILE"
            )
        if number != expected and not has_skipped:
            raise read_text(source, file).error(f"number {expected} is missing, and tern allows no gap", 1)
        expected = number + 1


def _migration(project: _Project, number: int, file: SourceFile) -> ForeignMigration:
    match = _NAME.fullmatch(file_name(file.path))
    assert match is not None
    given = given_sql(project.source, project.answers, file.path)
    text = given or read_text(project.source, file)
    at = text.text.find(_BETWEEN)
    halves = [text] if at < 0 else [text.piece(0, at), text.piece(at + len(_BETWEEN), len(text.text))]
    filled = [_filled(project, half) for half in halves]
    judgements = [judgement for half in filled for judgement in _questions(half, text)]
    parts = [_part(half, is_template=bool(judgements)) for half in filled]
    return ForeignMigration(
        version=match[1],
        name=match[2].replace("_", " "),
        path=file.path,
        ups=(parts[0],),
        downs=(parts[1],) if len(parts) > 1 else None,
        sort_key=(number,),
        judgements=tuple(judgements),
    )


def _part(text: Text, *, is_template: bool) -> Part:
    sql = _MARK.sub("", text.text)
    if not is_template:
        statements(text)  # a quote without an end is found now
    return Part(sql.strip() + "\n" if sql.strip() else "", transaction=_MARK.search(text.text) is None)


def _filled(project: _Project, text: Text) -> Text:
    """The text with other files and values in their places, where both are known."""

    def included(match: re.Match[str]) -> str:
        file = project.files.get(f"{project.top}/{match[1]}".lstrip("/"))
        return read_text(project.source, file).text if file else match[0]

    with_files = _TEMPLATE.sub(included, text.text)
    return text.with_text(_VALUE.sub(lambda match: project.values.get(match[1], match[0]), with_files))


def _questions(filled: Text, original: Text) -> Iterable[Judgement]:
    rest = _ACTION.sub("", filled.text)
    if "{{" in rest:
        raise original.error("a template that is not closed: {{", original.line_of(original.text.find("{{")))
    for action in _ACTION.finditer(filled.text):
        if value := _VALUE.fullmatch(action[0]):
            hint = f"give its value: --placeholder {value[1]}=VALUE"
        else:
            hint = "give the SQL that `tern print-migrations` prints: --sql FILE=SQLFILE"
        line = original.line_of(max(original.text.find(action[0]), 0))
        yield Judgement(f"a template: {action[0]}", original.place(line), hint, asks=True)
