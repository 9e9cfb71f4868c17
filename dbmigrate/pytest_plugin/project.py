"""What a project has for its tests: migrations, seeds, and the server to use, from pytest's settings and its own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from dbmigrate.api.base import Options
from dbmigrate.connection import dsn
from dbmigrate.connection.programs import Search
from dbmigrate.errors import ConfigError
from dbmigrate.frozen import frozen
from dbmigrate.migrations import find, seeds
from dbmigrate.model import Policy
from dbmigrate.scratch import choose
from dbmigrate.settings.load import Flags, load

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.model import MigrationFile
    from dbmigrate.settings.load import Settings
    from dbmigrate.variables import Variables

__all__ = ["STRATEGIES", "Given", "Project", "read", "server_of"]

# how CREATE DATABASE copies: its words, and the setting of the session before it
STRATEGIES = {
    "": ("", ""),
    "wal_log": (" strategy wal_log", ""),
    "file_copy": (" strategy file_copy", ""),
    "clone": (" strategy file_copy", "set file_copy_method = clone"),
}
_DRIVER = "+"  # between scheme and driver in URLs of SQLAlchemy, such as those that testcontainers gives


@frozen
class Given:
    """What pytest's configuration says; empty where it says nothing."""

    root: Path
    directories: tuple[str, ...] = ()
    environment: str = ""
    with_seeds: bool = False
    strategy: str = ""


@frozen
class Project:
    """The project under test."""

    options: Options
    files: tuple[MigrationFile, ...]
    repeatables: tuple[MigrationFile, ...]
    seeds: tuple[MigrationFile, ...]
    variables: Variables
    values: tuple[str, ...]
    scratch: Dsn | None
    search: Search
    cache: Path | None
    strategy: str


def read(given: Given) -> Project:
    """Read pytest's configuration over the project's own.

    Raises ConfigError, PlanError E235 (no such directory), E221, E230 (no migration files), E279.
    """
    if given.strategy not in STRATEGIES:
        known = ", ".join(name for name in STRATEGIES if name)
        raise ConfigError(
            f"dbmigrate_strategy has no value {given.strategy!r}", code="E205", hint=f"leave it out, or use {known}"
        )
    settings = load(Flags(environment=given.environment or None), os.environ, str(given.root))
    directories = given.directories or _below(given.root, settings.migrations_dirs)
    variables = settings.variables.for_scratch()
    environment = given.environment or settings.project.env_default
    present = find.look(directories, settings.version_order)
    find.refuse_none(present, directories)
    return Project(
        Options(
            directories=directories,
            table=settings.migrations_table,
            policy=Policy(order=settings.version_order, environment=environment),
            tickets=settings.ticket_pattern,
            variables=variables,
        ),
        present.files,
        present.repeatables,
        _seeds(given, settings, environment, directories),
        variables,
        settings.values,
        settings.scratch(),
        Search.from_environ(settings.environ),
        choose.cache_directory(settings.environ),
        given.strategy,
    )


def _seeds(
    given: Given, settings: Settings, environment: str | None, directories: Sequence[str]
) -> tuple[MigrationFile, ...]:
    if not given.with_seeds:
        return ()
    return seeds.look(_below(given.root, [settings.seeds_dir])[0], environment, directories)


def _below(root: Path, paths: Sequence[str]) -> tuple[str, ...]:
    """Paths of the project's settings count from its root, wherever pytest was started."""
    if Path.cwd() == root:
        return tuple(paths)
    return tuple(os.path.normpath(root / path) for path in paths)


def server_of(url: str) -> Dsn:
    """A URL as SQLAlchemy and testcontainers have it, too: ``postgresql+psycopg2://test:test@localhost:49153/test``."""
    scheme, separator, rest = url.strip().partition("://")
    plain = scheme.partition(_DRIVER)[0] + separator + rest if separator else url
    return dsn.parse(plain, origin="dbmigrate_server").completed(os.environ)
