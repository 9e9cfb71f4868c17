"""Templates: databases with the migrations applied, of which each test gets a clone.

The name of a template has a checksum of all that goes into it. It stays on the server, so that the next session finds
it. IS_TEMPLATE with ALLOW_CONNECTIONS false, set by the last command, marks it as complete: what a killed session left
half done is made again. The newest few of a project are kept.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from dbmigrate.api.migrator import Migrator
from dbmigrate.api.seeds import Seeder
from dbmigrate.connection import database, shown_url
from dbmigrate.errors import DatabaseError, Error, PlanError
from dbmigrate.frozen import frozen
from dbmigrate.model import Goal
from dbmigrate.pytest_plugin.project import STRATEGIES
from dbmigrate.scratch import database_properties
from dbmigrate.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.model import MigrationFile
    from dbmigrate.pytest_plugin.project import Project
    from dbmigrate.pytest_plugin.server import Server

__all__ = ["PREFIX", "Template", "Templates"]

PREFIX = "dbmigrate_template_"
KEPT = 5  # templates of a project
_STATE = "select datistemplate and not datallowconn from pg_catalog.pg_database where datname = %s"
_OLDER = f"""
select datname::text from pg_catalog.pg_database
where datname ~ %s and datdba = (select oid from pg_catalog.pg_roles where rolname = current_user)
  and datistemplate and not datallowconn
order by oid desc offset {KEPT}
"""


@frozen
class _Content:
    """What is in a template: the first `files` of the project, with all that comes behind them if these are all."""

    files: tuple[MigrationFile, ...]
    repeatables: tuple[MigrationFile, ...]
    seeds: tuple[MigrationFile, ...]


class Template:
    """A complete template. `name` is that of the database."""

    def __init__(self, maker: Templates, content: _Content, name: str) -> None:
        self.name = name
        self._maker = maker
        self._content = content
        self._properties: tuple[str, ...] | None = None

    def __repr__(self) -> str:
        return f"<Template {self.name}>"

    @contextmanager
    def database(self) -> Iterator[str]:
        """A clone for as long as the block lasts; its URL. For fixtures of a module or of a session."""
        with self.clone() as dsn:
            yield shown_url.for_programs(dsn)

    @contextmanager
    def clone(self) -> Iterator[Dsn]:
        """The same, as the `Dsn` that dbmigrate works with."""
        server = self._maker.server
        name = server.next_name()
        try:
            self._copy(name)
            yield server.dsn.with_database(name)
        finally:
            server.drop(name)

    def _copy(self, name: str) -> None:
        try:
            self._create(name)
        except DatabaseError as exc:
            if exc.sqlstate != "3D000":
                raise
            # another session, which made a newer one, has dropped it
            self._maker.ensure(self._content, self.name)
            self._create(name)

    def _create(self, name: str) -> None:
        server = self._maker.server
        words, setting = STRATEGIES[self._maker.project.strategy]
        server.run(*filter(None, [setting]), f"create database {name} template {self.name}{words}")
        if self._properties is None:  # the same for every clone but for the name
            with database.translated(server.dsn):
                self._properties = database_properties.commands(server.conn, self.name, _PLACEHOLDER)
        if self._properties:
            server.run(";\n".join(self._properties).replace(_PLACEHOLDER, name))


_PLACEHOLDER = "dbmigrate_clone_of_a_template_6b1f0c2e"


class Templates:
    """The templates of a project on a server.

    `remade` is a directory in which a file says what was made again in this run, if everything is to be: the first
    worker does that. None: what is there is used.
    """

    def __init__(self, server: Server, project: Project, *, remade: Path | None) -> None:
        self.server = server
        self.project = project
        self._remade = remade

    def whole(self) -> Template:
        """With all migrations, and the seeds if they are wanted."""
        project = self.project
        return self._template(_Content(project.files, project.repeatables, project.seeds))

    def before(self, version: str) -> Template:
        """With the migrations before the one of `version`. Raises PlanError E232 if there is none."""
        files = self.project.files
        place = next((number for number, file in enumerate(files) if file.version == version), None)
        if place is None:
            known = ", ".join(file.version for file in files[-3:])
            raise PlanError(f"there is no migration {version}", code="E232", hint=f"the last ones are {known}")
        return self._template(_Content(files[:place], (), ()))

    def _template(self, content: _Content) -> Template:
        name = f"{PREFIX}{self._of_project()}_{self._checksum(content)}"
        self.ensure(content, name)
        return Template(self, content, name)

    def ensure(self, content: _Content, name: str) -> None:
        """Make the template unless a complete one is there. Raises what `Migrator.up` does, LockNotAcquired E601."""
        server = self.server
        if self._is_complete(name) and not self._is_to_be_remade(name):
            return
        with server.locked(name):
            if self._is_complete(name) and not self._is_to_be_remade(name):
                return
            server.drop(name)
            try:
                self._make(content, name)
            except (Error, KeyboardInterrupt):
                with suppress(Error):
                    server.drop(name)
                raise
            if self._remade is not None:
                (self._remade / f"{name}.remade").touch()
        self._drop_older(name)

    def _is_complete(self, name: str) -> bool:
        with database.translated(self.server.dsn):
            return database.query(self.server.conn, _STATE, name) == [(True,)]

    def _is_to_be_remade(self, name: str) -> bool:
        return self._remade is not None and not (self._remade / f"{name}.remade").exists()

    def _make(self, content: _Content, name: str) -> None:
        server = self.server
        server.run(f"create database {name} template template0 {server.creation_options}")
        migrator = Migrator(server.dsn.with_database(name), self.project.options)
        if content.files == self.project.files:
            migrator.up()
        elif content.files:
            migrator.up(Goal(version=content.files[-1].version))
        if content.seeds:
            Seeder.of(migrator).seed(content.seeds)
        server.run(f"alter database {name} with is_template true allow_connections false")

    def _drop_older(self, name: str) -> None:
        """Each change of a file makes a new template: the old ones would fill a server that is kept."""
        pattern = f"^{name[: name.rindex('_') + 1]}[0-9a-f]{{24}}$"
        with database.translated(self.server.dsn):
            for row in database.query(self.server.conn, _OLDER, pattern):
                with suppress(Error):  # somebody clones it at this moment
                    self.server.drop(str(row[0]))

    def _of_project(self) -> str:
        text = "\0".join(str(Path(directory).resolve()) for directory in self.project.options.directories)
        return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:8]

    def _checksum(self, content: _Content) -> str:
        """Of the files by name and bytes, and of whatever else decides what becomes of them."""
        options, server = self.project.options, self.server
        parts = {
            "files": [_sums(each) for each in (content.files, content.repeatables, content.seeds)],
            "whole": content.files == self.project.files,
            "table": options.table,
            "environment": options.policy.environment,
            "values": self.project.values,
            "server": [server.version, server.role, server.creation_options],
            "settings": [dict(server.dsn.settings), server.dsn.options],
            "dbmigrate": __version__,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]


def _sums(files: Sequence[MigrationFile]) -> list[tuple[str, str]]:
    return [(Path(file.path).name, hashlib.sha256(Path(file.path).read_bytes()).hexdigest()) for file in files]
