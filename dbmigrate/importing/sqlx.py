"""sqlx: ``INT_description.sql``, or pairs of ``.up.sql`` and ``.down.sql``; the table keeps SHA-384 sums of up files.

Read in sqlx-core's migrate/source.rs and migration_type.rs. The number is an i64, and sorts as one.
"""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen
from dbmigrate.importing.texts import file_name, folder, moment, qualified, read_text, statements, sums_of
from dbmigrate.importing.values import ForeignMigration, Judgement, Part, Reading, Row, State
from dbmigrate.migrations.other_tools import tool_of_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dbmigrate.importing.texts import Text
    from dbmigrate.importing.values import Answers, HistoryTable, Query, Source, SourceFile

_NAME = re.compile(r"(?P<number>[0-9]+)_(?P<description>.*?)(?P<kind>\.up|\.down)?\.sql", re.DOTALL)
_LAST_NUMBER = 2**63 - 1
_MARK = b"-- no-transaction"  # the first bytes of the file, so that one behind a byte order mark does not count
_HEAD = 4096
_ALIKE = ("golang-migrate", "sqlx")  # what names and marks may look like
_COLUMNS = frozenset({"version", "description", "installed_on", "success", "checksum", "execution_time"})


class Sqlx:
    """See `values.Tool`."""

    name = "sqlx"

    def recognises(self, source: Source) -> bool:
        """By its mark, or by names that fit other tools too, as long as no file has the mark of one of these."""
        if any(file.content.startswith(_MARK) or file_name(file.path) == "sqlx.toml" for file in source.files):
            return True
        top = _directory(source)
        files = [file for file in source.files if folder(file.path) == top and file.path.endswith(".sql")]
        is_supabases = f"/{source.directory}/{top}".rstrip("/").endswith("/supabase/migrations")
        return bool(files) and not is_supabases and all(_fits(file) for file in files)

    def read(self, source: Source, answers: Answers) -> Reading:
        """The migrations. Raises MigrationFileError."""
        top = _directory(source)
        ignored = _ignored_characters(source)
        found: dict[int, dict[str, SourceFile]] = {}
        left_out: dict[str, str] = {}
        for file in source.files:
            reason = _why_not(file, top, answers)
            if reason is None:
                _add(source, found, file)
            elif reason:
                left_out[file.path] = reason
        migrations = []
        for number, files in sorted(found.items()):
            if "up" in files:
                migrations.append(_migration(source, number, files, ignored))
            else:
                left_out[files["down"].path] = "a down file without an up file"
        return Reading(tuple(migrations), left_out)

    def owns(self, table: HistoryTable, neighbours: frozenset[str]) -> bool:
        return set(table.columns) >= _COLUMNS and "installed_rank" not in table.columns

    def history(self, query: Query, table: HistoryTable, answers: Answers) -> tuple[Row, ...]:
        """All rows are applied: an undone migration has none."""
        rows = query(
            "select version::text, description, installed_on, success, encode(checksum, 'hex'), execution_time"
            f" from {qualified(table)} order by version"
        )
        return tuple(_row(*row) for row in rows)

    def matches(self, migration: ForeignMigration, row: Row) -> bool:
        return int(migration.version) == int(row.key)

    def verifies(self, migration: ForeignMigration, row: Row) -> bool | None:
        return row.checksum in migration.sums.values() if row.checksum else None


TOOL = Sqlx()


@frozen
class _Characters:
    """What sqlx.toml leaves out of the checksum."""

    ignored: frozenset[str] = frozenset()

    def sums(self, content: bytes) -> dict[str, str]:
        if not self.ignored:
            return sums_of(content, "sha384")
        kept = "".join(letter for letter in content.decode() if letter not in self.ignored)
        return sums_of(kept.encode(), "sha384")


def _fits(file: SourceFile) -> bool:
    head = file.content[:_HEAD].decode(errors="replace")
    tool = tool_of_file(file_name(file.path), head)
    is_dbmates = any(line.startswith("-- migrate:up") for line in head.splitlines())
    return _NAME.fullmatch(file_name(file.path)) is not None and tool in (None, *_ALIKE) and not is_dbmates


def _settings(source: Source) -> Mapping[str, object]:
    """The table ``[migrate]`` of sqlx.toml."""
    for file in source.files:
        if file_name(file.path) == "sqlx.toml":
            text = read_text(source, file)
            try:
                table = tomllib.loads(text.text).get("migrate", {})
            except tomllib.TOMLDecodeError as exc:
                raise text.error(f"not valid TOML: {exc}", 1) from exc
            return table if isinstance(table, dict) else {}
    return {}


def _directory(source: Source) -> str:
    """Where the migrations are: sqlx does not look into sub folders."""
    configured = _settings(source).get("migrations-dir")
    if isinstance(configured, str):
        return configured.strip("/").removeprefix("./")
    folders = [folder(file.path) for file in source.files if _NAME.fullmatch(file_name(file.path))]
    return min(folders, key=lambda path: (path.count("/") + bool(path), path), default="")


def _ignored_characters(source: Source) -> _Characters:
    listed = _settings(source).get("ignored-chars")
    return _Characters(frozenset(map(str, listed)) if isinstance(listed, list) else frozenset())


def _why_not(file: SourceFile, top: str, answers: Answers) -> str | None:
    """Why a file is not a migration; empty where that needs no word, None where it is one."""
    if not file.path.endswith(".sql"):
        return ""
    if file.path in answers.skip:
        return "left out, as asked"
    if folder(file.path) != top:
        return "in a sub folder, which sqlx does not read"
    return None if _NAME.fullmatch(file_name(file.path)) else "its name has no number"


def _add(source: Source, found: dict[int, dict[str, SourceFile]], file: SourceFile) -> None:
    match = _NAME.fullmatch(file_name(file.path))
    assert match is not None
    number = int(match["number"]) if len(match["number"]) < 20 else _LAST_NUMBER + 1
    if number > _LAST_NUMBER:
        raise read_text(source, file).error("the number in the name is greater than sqlx can count", 1)
    direction = "down" if match["kind"] == ".down" else "up"
    other = found.setdefault(number, {}).setdefault(direction, file)
    if other is not file:
        raise read_text(source, file).error(
            f"{other.path} and {file.path} have the same number", 1, hint="rename one, or leave it out: --skip FILE"
        )


def _migration(source: Source, number: int, files: Mapping[str, SourceFile], ignored: _Characters) -> ForeignMigration:
    up, down = files["up"], files.get("down")
    match = _NAME.fullmatch(file_name(up.path))
    assert match is not None
    return ForeignMigration(
        version=match["number"],
        name=match["description"].replace("_", " "),
        path=up.path,
        ups=(_part(source, up),),
        downs=(_part(source, down),) if down else None,
        sort_key=(number,),
        sums=ignored.sums(up.content),
        judgements=tuple(_judgements(source, (up, down) if down else (up,))),
    )


def _part(source: Source, file: SourceFile) -> Part:
    text = read_text(source, file)
    statements(text)  # a quote without an end is found now
    return Part(_without_mark(text), transaction=not file.content.startswith(_MARK))


def _without_mark(text: Text) -> str:
    mark = _MARK.decode()
    if not text.text.startswith(mark):
        return text.text
    first, _, rest = text.text.partition("\n")
    return rest if not first.removeprefix(mark).strip() else text.text


def _judgements(source: Source, files: Iterable[SourceFile]) -> Iterable[Judgement]:
    for file in files:
        text = read_text(source, file)
        if text.text.startswith(_MARK.decode()) and not file.content.startswith(_MARK):
            yield Judgement("sqlx does not see '-- no-transaction' behind a byte order mark", text.place(1))


def _row(*columns: object) -> Row:
    version, description, installed_on, success, checksum, duration = columns
    return Row(
        key=str(version),
        state=State.APPLIED if success else State.FAILED,
        applied_at=moment(installed_on),
        checksum=str(checksum) if checksum is not None else None,
        name=str(description),
        remark="sqlx was ended before it wrote how long it took" if duration == -1 else "",
    )
