"""Seeds: plain SQL files with rows for a database that has its tables. They run when asked for, without a record."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from dbmigrate.errors import ConfigError, PlanError
from dbmigrate.migrations import headers
from dbmigrate.migrations.headers import Header
from dbmigrate.migrations.plain_sql import split_sql
from dbmigrate.migrations.sections import Draft
from dbmigrate.migrations.source import Origin, Source
from dbmigrate.model import Direction, Migration, MigrationFile, StatementKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbmigrate.model import Statement

__all__ = ["look", "read"]

_PLAIN = "a seed runs in one transaction: take it out"


def look(directory: str, environment: str | None, migrations: Sequence[str]) -> tuple[MigrationFile, ...]:
    """The seeds for an environment, by name: those of `directory`, and behind them those of its folder `environment`.

    Raises PlanError E279 (no such directory; it is one of the directories of `migrations`), ConfigError E207.
    """
    if not os.path.isdir(directory):
        hint = "make it, or name another one with --seeds-dir"
        raise PlanError(f"could not find seeds directory `{directory}`", code="E279", hint=hint)
    inner = os.path.join(directory, environment) if environment else directory
    folders = [directory, *([inner] if inner != directory and os.path.isdir(inner) else [])]
    for folder in folders:
        _refuse_migrations(folder, migrations)
    return tuple(MigrationFile("", path, path) for folder in folders for path in _files(folder))


def _refuse_migrations(folder: str, migrations: Sequence[str]) -> None:
    here = os.path.realpath(folder)
    for directory in map(os.path.realpath, migrations):
        if here == directory or here.startswith(os.path.join(directory, "")):
            raise PlanError(
                f"{folder} belongs to the migrations: its files are not seeds",
                code="E279",
                hint="keep seeds in a directory of their own, such as db/seeds",
            )


def _files(folder: str) -> list[str]:
    try:
        names = sorted(os.listdir(folder), key=os.fsencode)
    except OSError as exc:
        raise ConfigError(f"cannot read directory `{folder}`: {exc.strerror}", code="E207") from exc
    paths = [os.path.normpath(os.path.join(folder, name)) for name in names if name.endswith(".sql")]
    return [path for path in paths if not os.path.basename(path).startswith(".") and not os.path.isdir(path)]


def read(file: MigrationFile) -> Migration:
    """Read and check a seed: its statements are one section that runs in a transaction.

    Raises MigrationFileError E210, E217 to E220, PlanError E279 (it is a migration), ConfigError E207.
    """
    with Source(file.path) as source:
        text = source.read_all()
        checksum = source.finish()
    if (at := headers.quoted(text)) is not None:
        line = text.count("\n", 0, at) + 1
        raise PlanError(
            f"{file.path}:{line} is the header of a migration: its down section would run, too",
            code="E279",
            hint="a seed is plain SQL; move migrations to the migrations directory",
        )
    draft = Draft(Origin(file.path, text), Header(Direction.UP), 0, kept=[])
    for statement in split_sql(text, path=file.path):
        if statement.kind is not StatementKind.META:
            draft.add(_with_data(statement))
    section = draft.finish()
    if draft.fault is not None:
        draft.fault.hint = _PLAIN
        raise draft.fault
    return Migration(file, (section,), checksum, problems=tuple(draft.problems))


def _with_data(statement: Statement) -> Statement:
    """`split_sql` hands out the data of COPY only until it goes on."""
    return statement if statement.copy_data is None else replace(statement, copy_data=tuple(statement.copy_data))
