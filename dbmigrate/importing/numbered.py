"""Numbered files that a person or a script runs with psql: ``001_x.sql``, and ``rollback-001.sql`` beside it.

There is no tool behind them. The table is made by hand, so a person names it, and the column that names the files.
"""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen
from dbmigrate.importing import numbered_header, psql_scripts, variables
from dbmigrate.importing.numbered_history import history, owns
from dbmigrate.importing.scripts import Script, Sending, psql_command, script
from dbmigrate.importing.texts import file_name, folder, read_text, statements, sums_of
from dbmigrate.importing.values import ForeignMigration, Judgement, Reading
from dbmigrate.migrations.other_tools import tool_of_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dbmigrate.importing.numbered_header import Entry, Header
    from dbmigrate.importing.texts import Text
    from dbmigrate.importing.values import Answers, HistoryTable, Query, Row, Source, SourceFile

_SUFFIX = r"\.[sS][qQ][lL]"
_UNDO = r"(?i:rollback|undo|down|revert)"
_NUMBERED = re.compile(rf"(?P<number>[0-9]+)(?:[-_. ]+(?P<name>.*?))?{_SUFFIX}")
_UNDO_FIRST = re.compile(rf"{_UNDO}[-_. ]?(?P<number>[0-9]+)(?:[-_. ]+(?P<name>.*?))?{_SUFFIX}")
_UNDO_LAST = re.compile(rf"(?P<number>[0-9]+)(?:[-_. ]+(?P<name>.*?))?[-_. ]+{_UNDO}{_SUFFIX}")
_UP_LAST = re.compile(r"(?:[-_. ]+|\A)up\Z", re.IGNORECASE)
_UNDO_FOLDERS = frozenset({"down", "rollback", "rollbacks", "undo", "revert"})
_SUPABASE = "/supabase/migrations/"
_RUNS_MORE = re.compile(r"`|\\\\")  # a command of the shell, or a further command or statement on the line
_HEAD = 4096
_ALGORITHMS = ("sha256", "sha1", "md5")


class Numbered:
    """See `values.Tool`."""

    name = "numbered"

    def recognises(self, source: Source) -> bool:
        """By numbers in front of the names, as long as no file has another tool's mark or place."""
        if any(_SUPABASE in f"/{file.path}" for file in source.files):
            return False
        files = [file for file in source.files if re.search(_SUFFIX + r"\Z", file.path)]
        return any(_NUMBERED.fullmatch(file_name(file.path)) for file in files) and all(map(_has_no_mark, files))

    def read(self, source: Source, answers: Answers) -> Reading:
        """The migrations, with their rollback files. Raises MigrationFileError."""
        sorted_files = _Files.of(source, answers)
        migrations = [
            _migration(_Given(source, answers, sorted_files), number, file)
            for number, file in sorted(sorted_files.ups.items())
        ]
        judgements = tuple(_judged_order(migrations, by_name=answers.options.get("order") == "name"))
        if judgements and answers.options.get("order") == "name":
            migrations = sorted(
                (replace(each, sort_key=(each.path,)) for each in migrations), key=lambda each: each.path
            )
        return variables.settled(Reading(tuple(migrations), sorted_files.left_out, judgements))

    def owns(self, table: HistoryTable, neighbours: frozenset[str]) -> bool:
        """Whether it looks like a history that belongs to no tool; a person names the others."""
        return owns(table, neighbours)

    def history(self, query: Query, table: HistoryTable, answers: Answers) -> tuple[Row, ...]:
        return history(query, table, answers)

    def matches(self, migration: ForeignMigration, row: Row) -> bool:
        """The column may hold a file's name, with its ending and its path or without, or the number alone."""
        said = re.sub(_SUFFIX + r"\Z", "", file_name(row.key.strip()))
        if re.fullmatch("[0-9]+", said):
            return int(said) == int(migration.version)
        return said == re.sub(_SUFFIX + r"\Z", "", file_name(migration.path))

    def verifies(self, migration: ForeignMigration, row: Row) -> bool | None:
        """True where one of the usual sums fits; never False, because a script may take another one."""
        return True if row.checksum and row.checksum.lower() in migration.sums.values() else None


TOOL = Numbered()


def _has_no_mark(file: SourceFile) -> bool:
    head = file.content[:_HEAD].decode(errors="replace")
    is_dbmates = any(line.startswith("-- migrate:up") for line in head.splitlines())
    name = file_name(file.path)
    is_pair = re.search(r"\.(?:up|down)\.sql\Z", name) is not None
    return not is_dbmates and not is_pair and tool_of_file("", head) is None


# --------------------------------------------------------------------------------------------------------------- files


@frozen
class _Files:
    """The files by their numbers."""

    ups: Mapping[int, SourceFile]
    downs: Mapping[int, SourceFile]
    left_out: dict[str, str]

    @classmethod
    def of(cls, source: Source, answers: Answers) -> _Files:
        """Raises MigrationFileError E281: two files of one number."""
        left_out: dict[str, str] = {}
        ups: dict[int, SourceFile] = {}
        downs: dict[int, SourceFile] = {}
        kept = [file for file in source.files if _is_kept(file, answers, left_out)]
        stems = {_stem(file) for file in kept if _is_numbered(file)}
        for file in kept:
            if undone := _undone(file, stems):
                _add(source, downs, int(undone), file)
            elif match := _NUMBERED.fullmatch(file_name(file.path)):
                _add(source, ups, int(match["number"]), file)
            else:
                left_out[file.path] = "there is no number in front of its name"
        for number in set(downs) - set(ups):
            left_out[downs.pop(number).path] = f"it takes back {number:03}, which is not there"
        return cls(ups, downs, left_out)


def _is_kept(file: SourceFile, answers: Answers, left_out: dict[str, str]) -> bool:
    if not re.search(_SUFFIX + r"\Z", file.path):
        return False
    if file.path in answers.skip or file_name(file.path) in answers.skip:
        left_out[file.path] = "left out as asked"
        return False
    return True


def _is_numbered(file: SourceFile) -> bool:
    in_folder = folder(file.path).rpartition("/")[2].lower() in _UNDO_FOLDERS
    return _NUMBERED.fullmatch(file_name(file.path)) is not None and not in_folder


def _stem(file: SourceFile) -> tuple[int, str]:
    match = _NUMBERED.fullmatch(file_name(file.path))
    assert match is not None
    return int(match["number"]), _UP_LAST.sub("", match["name"] or "")


def _undone(file: SourceFile, stems: set[tuple[int, str]]) -> str | None:
    """The number of the migration that a file takes back.

    ``005_add_rollback.sql`` is a migration, unless there is ``005_add.sql``.
    """
    name = file_name(file.path)
    numbered = _NUMBERED.fullmatch(name)
    if numbered and folder(file.path).rpartition("/")[2].lower() in _UNDO_FOLDERS:
        return numbered["number"]
    if match := _UNDO_FIRST.fullmatch(name):
        return match["number"]
    match = _UNDO_LAST.fullmatch(name)
    if match is None:
        return None
    number, stem = int(match["number"]), match["name"] or ""
    others = [each for each in stems if each[0] == number and each != _stem(file)]
    return match["number"] if (number, stem) in others or (not stem and others) else None


def _add(source: Source, files: dict[int, SourceFile], number: int, file: SourceFile) -> None:
    other = files.setdefault(number, file)
    if other is not file:
        raise read_text(source, file).error(
            f"{other.path} and {file.path} have the same number",
            1,
            hint="rename one, leave it out (--skip FILE), or give the directory of the one that is meant",
        )


def _judged_order(migrations: list[ForeignMigration], *, by_name: bool) -> Iterable[Judgement]:
    """A word where the order of the numbers is not that of the names, in which ``*.sql`` lists files."""
    names = [each.path for each in migrations]
    if names != sorted(names) and len({folder(name) for name in names}) == 1:
        first = next(name for name, later in pairwise(names) if later < name)
        says = "they run in the order of their names" if by_name else "they run in the order of their numbers"
        yield Judgement(f"{file_name(first)} and others have fewer digits than later files: {says}")


# ---------------------------------------------------------------------------------------------------------- migrations


@frozen
class _Given:
    """What the migrations of one reading have in common."""

    source: Source
    answers: Answers
    files: _Files


def _migration(given: _Given, number: int, file: SourceFile) -> ForeignMigration:
    match = _NUMBERED.fullmatch(file_name(file.path))
    assert match is not None
    text = _as_sent(given, file).text
    up = _script(given, file)
    header = numbered_header.header(text)
    depends, about_depends = _depends(given, number, header.depends, text)
    down, about_down = _down(given, number, header, text)
    return ForeignMigration(
        version=match["number"],
        name=(match["name"] or "").strip(),
        path=file.path,
        ups=up.parts,
        downs=down.parts if down else None,
        sort_key=(number, file.path),
        sums={name: value for each in _ALGORITHMS for name, value in sums_of(file.content, each).items()},
        judgements=(
            *up.judgements,
            *about_depends,
            *(down.judgements if down else ()),
            *about_down,
            *_environment(header, text),
        ),
        depends=depends,
    )


@frozen
class _Sent:
    """What psql has sent of a file, with the files that it includes, and what was decided for that."""

    text: Text
    judgements: tuple[Judgement, ...]


def _as_sent(given: _Given, file: SourceFile) -> _Sent:
    """Raises MigrationFileError E281 for a command that is not only about what psql shows."""
    text = read_text(given.source, file)
    commands = [each for each in statements(text) if each.is_command]
    for each in commands:
        if _RUNS_MORE.search(each.sql, 1):
            raise psql_command(text, each)
    converted = psql_scripts.convert(given.source, file, given.answers.placeholders)
    judgements = tuple(each for each in converted.judgements if each.asks)
    if commands:
        names = ", ".join(dict.fromkeys(each.sql.split()[0] for each in commands))
        message = f"psql's commands are not kept, files that they include are: {names}"
        judgements = (Judgement(message, text.place(commands[0].line)), *judgements)
    return _Sent(text.with_text(converted.part.sql), judgements)


def _script(given: _Given, file: SourceFile) -> Script:
    sent = _as_sent(given, file)
    found = script(sent.text, Sending.STATEMENTS)
    return Script(found.parts, sent.judgements + found.judgements)


def _depends(
    given: _Given, number: int, entry: Entry | None, text: Text
) -> tuple[tuple[str, ...], tuple[Judgement, ...]]:
    """The versions that the header names, or why they are not taken."""
    numbers = numbered_header.dependencies(entry) if entry is not None else ()
    if entry is None or numbers == ():
        return (), ()
    if numbers is None or not all(each in given.files.ups and each < number for each in numbers):
        message = f"its dependencies stay a comment: not all of them are earlier files ({entry.text})"
        return (), (Judgement(message, text.place(entry.line)),)
    return tuple(_version(given.files.ups[each]) for each in dict.fromkeys(numbers)), ()


def _version(file: SourceFile) -> str:
    match = _NUMBERED.fullmatch(file_name(file.path))
    assert match is not None
    return match["number"]


def _down(given: _Given, number: int, header: Header, text: Text) -> tuple[Script | None, tuple[Judgement, ...]]:
    """What takes it back: the rollback file, the file that the header names, or the SQL in the header if asked for."""
    entry = header.rollback
    named = numbered_header.rollback_file(entry) if entry else None
    file = given.files.downs.get(number) or _file_named(given.source, named)
    if file is not None:
        given.files.left_out.pop(file.path, None)
        return _script(given, file), ()
    if entry is None:
        return None, ()
    place = text.place(entry.line)
    if named is not None:
        return None, (Judgement(f"its header names {named}, which is not there", place),)
    sql = numbered_header.rollback_sql(entry, text)
    if sql is None:
        return None, (
            Judgement(f"it cannot be taken back: its header says: {entry.text}", place),
        ) if entry.text else ()
    if given.answers.options.get("rollback-comments") == "true":
        return script(text.with_text(sql), Sending.STATEMENTS), (Judgement("its down was in a comment", place),)
    hint = "take it from there: --option rollback-comments=true"
    return None, (Judgement("its rollback stands in a comment, and is not taken", place, hint),)


def _file_named(source: Source, name: str | None) -> SourceFile | None:
    return next((file for file in source.files if name and file_name(file.path) == name), None)


def _environment(header: Header, text: Text) -> tuple[Judgement, ...]:
    if header.environment is None:
        return ()
    message = f"its header says that it is for one environment ({header.environment}), and it will run in every one"
    hint = "leave it out (--skip FILE), or write `-- migrate:env NAME` above the first header of the new file"
    return (Judgement(message, text.place(1), hint),)
