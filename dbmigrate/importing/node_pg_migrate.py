"""node-pg-migrate: SQL files with ``-- Up Migration`` and ``-- Down Migration``, pairs of files, and code.

Read in version 9.0.0: src/sqlMigration.ts, src/migrationLoader.ts, src/migration.ts, src/utils/comparators.ts.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from dbmigrate.importing.given_sql import given_sql
from dbmigrate.importing.node_pg_migrate_log import is_log, logged
from dbmigrate.importing.scripts import Script, Sending, script, script_of_code
from dbmigrate.importing.texts import (
    file_name,
    folder,
    moment,
    qualified,
    read_text,
    statements,
)
from dbmigrate.importing.values import ForeignMigration, Judgement, Reading, Row, State

if TYPE_CHECKING:
    from dbmigrate.importing.texts import Text
    from dbmigrate.importing.values import Answers, HistoryTable, Query, Source, SourceFile

# what \s and ^ are in JavaScript: the byte order mark is white space, and a line may end in many ways
_SPACE = r"\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
_HEADER = rf"(?:\A|(?<=[\n\r\u2028\u2029]))[{_SPACE}]*--[{_SPACE}-]*{{}}[{_SPACE}]+migration"
_UP = re.compile(_HEADER.format("up"), re.IGNORECASE)
_DOWN = re.compile(_HEADER.format("down"), re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]+")
_CODE = frozenset({"js", "cjs", "mjs", "ts", "cts", "mts"})
_HALF = re.compile(r"(?P<stem>.*)\.(?P<direction>up|down)\.sql")
_HEAD = 65536
_STAMPS = (13, 17)  # digits of milliseconds, and of a date with milliseconds
_LOADER = "loader"
_OTHERS = re.compile(rb"\b(?:typeorm|knex|sequelize|umzug)\b", re.IGNORECASE)  # whose names begin with times as well
_WORDS = re.compile(r"[0-9]+|[^\W\d_]")


class NodePgMigrate:
    """See `values.Tool`."""

    name = "node-pg-migrate"

    def recognises(self, source: Source) -> bool:
        """By a header in a numbered file, by code whose name begins with a time, or by pairs, which others have too."""
        files = [file for file in source.files if _NUMBER.match(file_name(file.path))]
        return any(map(_has_header, files)) or any(map(_is_timed_code, files)) or any(map(_is_half, files))

    def read(self, source: Source, answers: Answers) -> Reading:
        """The migrations of one directory. Raises MigrationFileError."""
        place = _directory(source)
        left_out: dict[str, str] = {}
        files = []
        for file in source.files:
            reason = _why_not(file, place, answers)
            if reason is None:
                files.append(file)
            elif reason:
                left_out[file.path] = reason
        halves = [file for file in files if _is_half(file)]
        is_paired = answers.options.get(_LOADER, "sql") == "sql"
        question = (_which_loader(halves),) if halves and _LOADER not in answers.options else ()
        downs = _downs(source, files) if is_paired else {}
        migrations = [
            _migration(source, file, downs.get(file.path), answers, is_paired=is_paired)
            for file in files
            if file not in downs.values()
        ]
        return Reading(tuple(sorted(migrations, key=lambda each: each.sort_key)), left_out, question)

    def owns(self, table: HistoryTable, neighbours: frozenset[str]) -> bool:
        return set(table.columns) == {"id", "name", "run_on"}

    def history(self, query: Query, table: HistoryTable, answers: Answers) -> tuple[Row, ...]:
        """All rows are applied; one that was recorded by ``--fake`` looks like the others."""
        rows = query(f"select name, run_on from {qualified(table)} order by run_on, id")
        return tuple(Row(key=str(name), state=State.APPLIED, applied_at=moment(when)) for name, when in rows)

    def matches(self, migration: ForeignMigration, row: Row) -> bool:
        """The row has the name of the file without its extension; of a pair, without the direction."""
        stem = _stem(migration.path)
        return row.key in (stem, stem.removesuffix(".up"))

    def verifies(self, migration: ForeignMigration, row: Row) -> bool | None:
        return None


TOOL = NodePgMigrate()


# --------------------------------------------------------------------------------------------------------------- files


def _stem(path: str) -> str:
    """The name without its extension, as ``basename(path, extname(path))`` has it."""
    name = file_name(path)
    stem, dot, _ = name.rpartition(".")
    return stem if dot and stem else name


def _extension(file: SourceFile) -> str:
    return file_name(file.path).rpartition(".")[2].lower()


def _has_header(file: SourceFile) -> bool:
    return _extension(file) == "sql" and _UP.search(file.content[:_HEAD].decode(errors="replace")) is not None


def _is_half(file: SourceFile) -> bool:
    return _HALF.fullmatch(file_name(file.path)) is not None


def _is_timed_code(file: SourceFile) -> bool:
    number = _NUMBER.match(file_name(file.path))
    is_timed = number is not None and len(number[0]) in _STAMPS and _extension(file) in _CODE
    return is_timed and not _OTHERS.search(file.content)


def _directory(source: Source) -> str | None:
    """Sub directories are not read; where nothing is in the upper one, the one below that has migrations counts."""
    places = {folder(file.path) for file in source.files if _NUMBER.match(file_name(file.path))}
    return places.pop() if len(places) == 1 else ""


def _why_not(file: SourceFile, place: str | None, answers: Answers) -> str | None:
    """Why a file is not a migration; None if it is one, empty if there is nothing to say about it."""
    name = file_name(file.path)
    is_known = _extension(file) == "sql" or _extension(file) in _CODE
    if file.path in answers.sql_of.values():
        return ""
    if file.path in answers.skip or name in answers.skip:
        return "left out as asked"
    if folder(file.path) != place or name.startswith("."):
        return "node-pg-migrate does not read it there" if is_known else ""
    if not _NUMBER.match(name):
        return "there is no number in front of its name" if is_known else ""
    return None if is_known else "it is neither SQL nor code that node-pg-migrate loads"


def _which_loader(halves: list[SourceFile]) -> Judgement:
    return Judgement(
        f"{halves[0].path} may be half of a pair, or a migration of its own, as it is under the default loader",
        hint="--option loader=sql where migrationLoaderStrategies says so for .sql, otherwise --option loader=default",
        asks=True,
    )


def _downs(source: Source, files: list[SourceFile]) -> dict[str, SourceFile]:
    """The down files of pairs, by the paths of their up files. Raises MigrationFileError E281 as the loader does."""
    by_name = {file_name(file.path): file for file in files}
    downs = {}
    for file in files:
        half = _HALF.fullmatch(file_name(file.path))
        if half is None:
            continue
        single, up = f"{half['stem']}.sql", f"{half['stem']}.up.sql"
        if single in by_name:
            raise _refused(source, file, f"{file.path} is half of a pair, and {by_name[single].path} is there as well")
        if up not in by_name:
            raise _refused(source, file, f"{file.path} has no {up} beside it")
        if half["direction"] == "down":
            downs[by_name[up].path] = file
    return downs


def _refused(source: Source, file: SourceFile, message: str) -> Exception:
    hint = "node-pg-migrate refuses that too: rename one, or leave it out: --skip FILE"
    return read_text(source, file).error(message, 1, hint=hint)


# ---------------------------------------------------------------------------------------------------------- migrations


def _migration(
    source: Source, file: SourceFile, down: SourceFile | None, answers: Answers, *, is_paired: bool
) -> ForeignMigration:
    name = _stem(file.path)
    number = _NUMBER.match(name)
    assert number is not None
    if is_paired:
        name = name.removesuffix(".up")
    if _extension(file) != "sql":
        up, undo = _code(source, file, answers)
    elif is_paired and _is_half(file):
        up = _script(read_text(source, file))
        undo = _script(read_text(source, down)) if down and down.content else None
    else:
        up, undo = _sections(read_text(source, file))
    return ForeignMigration(
        version=number[0],
        name=name[number.end() :].lstrip("_-. "),
        path=file.path,
        ups=up.parts,
        downs=undo.parts if undo else None,
        sort_key=(_moment(source, file, number[0]), *_locale_key(file_name(file.path)), file.path),
        judgements=up.judgements + (undo.judgements if undo else ()),
    )


def _script(text: Text) -> Script:
    return script(text, Sending.TRANSACTION)


def _sections(text: Text) -> tuple[Script, Script | None]:
    """The first header of each direction counts, wherever it stands, inside a body too.

    A section reaches to the other header or to the end. What stands above both is run by nobody.
    """
    up, down = _UP.search(text.text), _DOWN.search(text.text)
    if up is None:
        whole = _script(text)
        undo = _section(text, down, None) if down else None
        return Script(whole.parts, whole.judgements + ((_no_up(text, down),) if down else ())), undo
    up_script = _section(text, up, down)
    lost = _lost(text, min(_line_start(text, each) for each in (up, down) if each))
    undo = _section(text, down, up) if down else None
    return Script(up_script.parts, lost + up_script.judgements), undo


def _line_start(text: Text, header: re.Match[str]) -> int:
    """Where the line with the dashes begins; the blank lines above it belong to nobody."""
    return max(header.start(), text.text.rfind("\n", 0, text.text.index("--", header.start())) + 1)


def _section(text: Text, header: re.Match[str], other: re.Match[str] | None) -> Script:
    """The text behind the words of the header is free: it stays, if there is any, as the comment that it is."""
    is_below = other is not None and other.start() > header.start()
    end = _line_start(text, other) if other is not None and is_below else len(text.text)
    line_end = text.text.find("\n", header.end(), end)
    after = line_end + 1 if line_end >= 0 else end
    is_bare = not text.text[header.end() : after].strip(" \t\r\n-:*=") and _is_comment(header[0])
    begin = after if is_bare else text.text.index("--", header.start())
    return _script(text.piece(begin, end))


def _is_comment(header: str) -> bool:
    """A lone dash on a line of its own is a part of the header to the expression, and SQL to the server."""
    return all(line.lstrip().startswith("--") for line in header.splitlines() if line.strip())


def _no_up(text: Text, down: re.Match[str]) -> Judgement:
    line = text.line_of(text.text.index("--", down.start()))
    return Judgement(
        "there is no Up header: node-pg-migrate runs all of the file as up, the down section with it",
        text.place(line),
    )


def _lost(text: Text, begin: int) -> tuple[Judgement, ...]:
    found = statements(text.piece(0, begin))
    if not found:
        return ()
    message = "SQL above the first header is left out: node-pg-migrate does not run it"
    return (Judgement(message, text.place(found[0].line)),)


def _code(source: Source, file: SourceFile, answers: Answers) -> tuple[Script, Script | None]:
    """Code runs in node alone: a person gives its SQL, or leaves it out."""
    sql = given_sql(source, answers, file.path)
    if sql is None:
        hint = (
            f"give its SQL, or what `node-pg-migrate up --dry-run --verbose` prints on an empty database (--sql"
            f" {file.path}=FILE); or leave it out: --skip {file.path}"
        )
        return Script((), (Judgement(f"{file.path} is code", read_text(source, file).place(1), hint, asks=True),)), None
    return _given(sql, _stem(file.path))


def _given(text: Text, name: str) -> tuple[Script, Script | None]:
    """SQL that a person gives for code: the tool's own log, sections as in its SQL files, or plain SQL."""
    if is_log(text):
        return logged(text, name), None
    if _UP.search(text.text) or _DOWN.search(text.text):
        return _sections(text)
    return script_of_code(text), None


# --------------------------------------------------------------------------------------------------------------- order


def _moment(source: Source, file: SourceFile, number: str) -> int:
    """The number in front; 17 digits are a date (UTC), compared as milliseconds. Raises MigrationFileError E281."""
    if len(number) != max(_STAMPS):
        return int(number)
    try:
        when = datetime.strptime(number[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError as exc:
        raise read_text(source, file).error(f"{number} is not a date: node-pg-migrate cannot sort it", 1) from exc
    return (when - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1) + int(number[14:])


def _locale_key(name: str) -> tuple[object, ...]:
    """Names of one number, as ICU sorts them without punctuation: numbers as numbers, small letters first if equal."""
    words = _WORDS.findall(name)
    return (
        tuple((0, int(word)) if word.isdecimal() else (1, word.casefold()) for word in words),
        tuple(word.isupper() for word in words),
    )
