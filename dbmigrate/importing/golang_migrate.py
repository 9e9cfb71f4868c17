"""golang-migrate: pairs ``1_x.up.sql`` and ``1_x.down.sql``; its table has one row, the current version.

And the Go engines that are like it: names with ``_up.sql`` too, and the tables ``migration_records`` (a row for each
service and version) and ``schema_versions``. Read in golang-migrate's source/parse.go, migrate.go and
database/postgres/postgres.go.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dbmigrate.errors import ConfigError
from dbmigrate.importing.scripts import Script, Sending, script
from dbmigrate.importing.texts import file_name, folder, moment, qualified, read_text, sums_of
from dbmigrate.importing.values import ForeignMigration, Judgement, Reading, Row, State
from dbmigrate.migrations.other_tools import tool_of_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dbmigrate.importing.values import Answers, HistoryTable, Query, Source, SourceFile

# source/parse.go; any extension will do
_NAME = re.compile(r"(?P<number>[0-9]+)_(?P<name>.*)\.(?P<direction>down|up)\.(?:.*)")
_ENGINE_NAME = re.compile(r"(?P<number>[0-9]+)_(?P<name>.*)_(?P<direction>down|up)\.sql")
_LAST_NUMBER = 2**64 - 1  # a version is a uint64
_HEAD = 4096
_OURS = (None, "golang-migrate")
_COLUMNS = frozenset({"version", "dirty"})
_ENGINE_COLUMNS = frozenset({"service", "version", "name", "checksum"})
_ALGORITHMS = ("sha256", "sha1", "md5")  # which one an engine takes is not known
_UP_TO, _BELOW = "<=", "<"  # keys of rows that stand for all versions to a number: no version has these characters
_MULTI = "x-multi-statement"


class GolangMigrate:
    """See `values.Tool`."""

    name = "golang-migrate"

    def recognises(self, source: Source) -> bool:
        """By names alone, which several tools share, as long as no file has the mark of one of these."""
        files = [file for file in source.files if file.path.endswith(".sql") and _parsed(file)]
        return bool(files) and all(_has_no_mark(file) for file in files)

    def read(self, source: Source, answers: Answers) -> Reading:
        """The migrations of one directory. Raises MigrationFileError."""
        named = [file for file in source.files if _parsed(file)]
        places = _places(sorted({folder(file.path) for file in named}), answers.service)
        if len(places) > 1:
            return Reading((), judgements=(_which(places),))
        left_out: dict[str, str] = {}
        pairs: dict[int, dict[str, SourceFile]] = {}
        for file in source.files:
            reason = _why_not(file, places, answers)
            if reason is None:
                _add(source, pairs, file)
            elif reason:
                left_out[file.path] = reason
        sending = Sending.STATEMENTS if answers.options.get(_MULTI) == "true" else Sending.MESSAGE
        return Reading(tuple(_migration(source, *pair, sending) for pair in sorted(pairs.items())), left_out)

    def owns(self, table: HistoryTable, neighbours: frozenset[str]) -> bool:
        columns = frozenset(table.columns)
        return columns == _COLUMNS or columns >= _ENGINE_COLUMNS

    def history(self, query: Query, table: HistoryTable, answers: Answers) -> tuple[Row, ...]:
        """The one row as a row for all versions to it; or the rows of the service."""
        if set(table.columns) >= _ENGINE_COLUMNS:
            return _records(query, table, answers.service)
        rows = query(f"select version, dirty from {qualified(table)} order by version")
        if len(rows) > 1:
            remark = f"golang-migrate keeps one row in this table, and there are {len(rows)}"
            return tuple(Row(key=str(version), state=State.FAILED, remark=remark) for version, _ in rows)
        return tuple(row for version, dirty in rows for row in _current(str(version), is_dirty=bool(dirty)))

    def matches(self, migration: ForeignMigration, row: Row) -> bool:
        number = int(migration.version)
        if row.key.startswith(_UP_TO):
            return number <= int(row.key.removeprefix(_UP_TO))
        if row.key.startswith(_BELOW):
            return number < int(row.key.removeprefix(_BELOW))
        return number == int(row.key)

    def verifies(self, migration: ForeignMigration, row: Row) -> bool | None:
        """True where one of the usual sums fits; never False, because an engine may take another one."""
        return True if row.checksum and row.checksum.lower() in migration.sums.values() else None


TOOL = GolangMigrate()


# --------------------------------------------------------------------------------------------------------------- files


def _parsed(file: SourceFile) -> re.Match[str] | None:
    name = file_name(file.path)
    return _NAME.fullmatch(name) or _ENGINE_NAME.fullmatch(name)


def _has_no_mark(file: SourceFile) -> bool:
    head = file.content[:_HEAD].decode(errors="replace")
    is_dbmates = any(line.startswith("-- migrate:up") for line in head.splitlines())
    return not is_dbmates and tool_of_file(file_name(file.path), head) in _OURS


def _places(folders: list[str], service: str | None) -> list[str]:
    """The directories to read: sub directories are not looked into, so the upper one counts."""
    of_service = [each for each in folders if service in each.split("/")]
    if of_service:
        return of_service
    return [""] if "" in folders else folders


def _which(folders: list[str]) -> Judgement:
    names = ", ".join(folders)
    return Judgement(
        f"there are migrations in {len(folders)} directories: {names}",
        hint="say whose migrations are meant: --service NAME, or give the directory itself",
        asks=True,
    )


def _why_not(file: SourceFile, places: list[str], answers: Answers) -> str | None:
    """Why a file is none of the migrations; None if it is one, empty if there is nothing to say about it."""
    match = _parsed(file)
    if match is None:
        return "golang-migrate does not read a file of this name" if file.path.endswith(".sql") else ""
    if folder(file.path) not in places:
        return "it is in another directory"
    if file.path in answers.skip or file_name(file.path) in answers.skip:
        return "left out as asked"
    return "its number is too large for golang-migrate" if int(match["number"]) > _LAST_NUMBER else None


def _add(source: Source, pairs: dict[int, dict[str, SourceFile]], file: SourceFile) -> None:
    match = _parsed(file)
    assert match is not None
    other = pairs.setdefault(int(match["number"]), {}).setdefault(match["direction"], file)
    if other is not file:
        raise read_text(source, file).error(
            f"{other.path} and {file.path} are both {match['direction']} files of version {int(match['number'])}",
            1,
            hint="golang-migrate refuses that too: rename one, or leave it out: --skip FILE",
        )


def _migration(source: Source, number: int, pair: Mapping[str, SourceFile], sending: Sending) -> ForeignMigration:
    up, down = pair.get("up"), pair.get("down")
    first = up or down
    assert first is not None
    match = _parsed(first)
    assert match is not None
    ups = script(read_text(source, up), sending) if up else _nothing(source, first)
    downs = script(read_text(source, down), sending) if down else Script()
    return ForeignMigration(
        version=match["number"],
        name=match["name"],
        path=first.path,
        ups=ups.parts,
        downs=downs.parts if down else None,
        sort_key=(number,),
        sums={name: value for each in _ALGORITHMS for name, value in sums_of(up.content, each).items()} if up else {},
        judgements=(*_endings(source, pair), *ups.judgements, *downs.judgements),
    )


def _endings(source: Source, pair: Mapping[str, SourceFile]) -> tuple[Judgement, ...]:
    """golang-migrate sends whatever has ``.up.`` in its name: code of another tool, or a copy of an editor, too."""
    return tuple(
        Judgement(
            f"{file.path} does not end in sql: golang-migrate takes it for a migration",
            read_text(source, file).place(1),
            f"leave it out (--skip {file.path}), or give a copy the ending .sql",
            asks=True,
        )
        for file in pair.values()
        if not file.path.lower().endswith("sql")
    )


def _nothing(source: Source, down: SourceFile) -> Script:
    """A down file alone is a version that does nothing when it is applied."""
    place = read_text(source, down).place(1)
    return Script((), (Judgement("it has no up file: golang-migrate applies the version by doing nothing", place),))


# ------------------------------------------------------------------------------------------------------------- history


def _current(version: str, *, is_dirty: bool) -> tuple[Row, ...]:
    """What the one row says. It is written dirty before the SQL runs, with the version that is to be reached."""
    if not is_dirty:
        remark = f"the table has one row, {version}: what is not above it counts as applied"
        return (Row(key=f"{_UP_TO}{version}", state=State.APPLIED, remark=remark),)
    if int(version) < 0:
        remark = (
            "dirty: the down of the first version failed; PostgreSQL has mostly rolled it back, so it is applied:"
            " --dirty down-failed"
        )
        return (Row(key=version, state=State.FAILED, remark=remark),)
    remark = (
        f"dirty: the up of {version} failed, and PostgreSQL has mostly rolled it back; or the down of the next higher"
        f" version failed, then {version} is applied, and mostly that one too: --dirty down-failed"
    )
    below = Row(key=f"{_BELOW}{version}", state=State.APPLIED, remark=f"below {version}, which is dirty")
    return (below, Row(key=version, state=State.FAILED, remark=remark))


def _records(query: Query, table: HistoryTable, service: str | None) -> tuple[Row, ...]:
    """The rows of one service. Raises ConfigError E205 where there are several, and none is named."""
    when = "applied_at" if "applied_at" in table.columns else "null::timestamptz"
    order = "id" if "id" in table.columns else "version"
    rows = query(f"select service, version, name, {when}, checksum from {qualified(table)} order by {order}")
    services = sorted({str(each[0]) for each in rows})
    if service is None and len(services) > 1:
        raise ConfigError(
            f"{table.schema}.{table.name} holds {len(services)} services: {', '.join(services)}",
            code="E205",
            hint="say which one is meant: --service NAME",
        )
    return tuple(_record(*each) for each in rows if service in (None, each[0]))


def _record(*columns: object) -> Row:
    _, version, name, applied_at, checksum = columns
    text = str(checksum) if checksum else None
    return Row(key=str(version), state=State.APPLIED, applied_at=moment(applied_at), checksum=text, name=str(name))
