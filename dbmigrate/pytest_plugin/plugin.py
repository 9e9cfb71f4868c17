"""What pytest loads: options, fixtures, and the check as a test. Nothing here imports psycopg before it is needed."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import psycopg

    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.pytest_plugin.project import Given, Project
    from dbmigrate.pytest_plugin.schema import Schema
    from dbmigrate.pytest_plugin.steps import Steps
    from dbmigrate.pytest_plugin.templates import Template, Templates


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options and the settings of pytest's configuration file."""
    group = parser.getgroup("dbmigrate", "databases with the migrations of dbmigrate")
    group.addoption(
        "--dbmigrate-create-db", action="store_true", help="make the template database again, even if one is there"
    )
    group.addoption(
        "--dbmigrate-check",
        action="store_true",
        help="add a test that runs all migrations up, down and up again on a scratch database",
    )
    parser.addini("dbmigrate_directory", "directories of migrations (default: those of dbmigrate)", type="paths")
    parser.addini(
        "dbmigrate_server",
        "URL of the server (default: DBMIGRATE_SCRATCH_URL, otherwise one of its own)",
    )
    parser.addini("dbmigrate_environment", "the environment by which migrations with env are chosen")
    parser.addini("dbmigrate_seeds", "run the seeds in the template (default: false)", type="bool", default=False)
    parser.addini("dbmigrate_strategy", "how databases are copied: wal_log, file_copy, clone (default: the server's)")


# ------------------------------------------------------------------------------------------------------------ fixtures


@pytest.fixture(scope="session")
def dbmigrate_server(pytestconfig: pytest.Config) -> str | None:
    """The URL of the server for test databases; None for a server of our own. Override it to name another one."""
    return pytestconfig.getini("dbmigrate_server") or None


@pytest.fixture(scope="session")
def _dbmigrate_templates(
    request: pytest.FixtureRequest, dbmigrate_server: str | None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Templates]:
    from dbmigrate.pytest_plugin import project, server, templates

    config = request.config
    directory = _directory_of_run(config, tmp_path_factory)
    with _reported():
        found = project.read(_given(config))
        url = project.server_of(dbmigrate_server) if dbmigrate_server else found.scratch
    with _reported(), _served(config, found, url, directory) as dsn, server.opened(dsn) as opened:
        remade = directory if config.getoption("--dbmigrate-create-db") else None
        yield templates.Templates(opened, found, remade=remade)


@pytest.fixture(scope="session")
def dbmigrate_template(_dbmigrate_templates: Templates) -> Template:
    """The template: all migrations applied. `database()` is a clone for as long as its ``with`` block lasts."""
    with _reported():
        return _dbmigrate_templates.whole()


@pytest.fixture
def _dbmigrate_clone(dbmigrate_template: Template) -> Iterator[Dsn]:
    with _reported(), dbmigrate_template.clone() as dsn:
        yield dsn


@pytest.fixture
def dbmigrate_url(_dbmigrate_clone: Dsn) -> str:
    """The URL of the database of this test, ``postgresql://...``."""
    from dbmigrate.connection import shown_url

    return shown_url.for_programs(_dbmigrate_clone)


@pytest.fixture
def dbmigrate_db(_dbmigrate_clone: Dsn) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A connection to the database of this test; each statement commits, but in ``with conn.transaction()``."""
    from dbmigrate.pytest_plugin import steps

    with steps.connect(_dbmigrate_clone) as conn:
        yield conn


@pytest.fixture
def dbmigrate_schema(dbmigrate_db: psycopg.Connection[tuple[object, ...]]) -> Schema:
    """What the database of this test has: has_table, tables, columns, indexes, constraints."""
    from dbmigrate.pytest_plugin.schema import Schema

    return Schema(dbmigrate_db)


@pytest.fixture
def dbmigrate_steps(_dbmigrate_templates: Templates) -> Iterator[Steps]:
    """Another database, for a test of one migration: before(VERSION), rows, up(), down()."""
    from dbmigrate.pytest_plugin.steps import Steps

    with Steps(_dbmigrate_templates) as steps:
        yield steps


# --------------------------------------------------------------------------------------------------------------- check


def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add the check, in front of the tests: what fails there makes them fail."""
    if config.getoption("--dbmigrate-check"):
        items.insert(0, Check.from_parent(session, name="dbmigrate check"))


class Check(pytest.Item):
    """``dbmigrate check`` as a test."""

    def runtest(self) -> None:
        """Run it, and fail with its findings."""
        from dbmigrate.pytest_plugin import check

        with _reported():
            if lines := check.run(_given(self.config), self.config.getini("dbmigrate_server")):
                pytest.fail("\n".join(lines), pytrace=False)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where it is: the project."""
        return self.config.rootpath, None, self.name


# ----------------------------------------------------------------------------------------------------------------- how


def _given(config: pytest.Config) -> Given:
    from dbmigrate.pytest_plugin.project import Given

    return Given(
        config.rootpath,
        tuple(str(path) for path in config.getini("dbmigrate_directory")),
        config.getini("dbmigrate_environment"),
        config.getini("dbmigrate_seeds"),
        config.getini("dbmigrate_strategy"),
    )


def _directory_of_run(config: pytest.Config, factory: pytest.TempPathFactory) -> Path:
    """A directory that is this run's alone, and the same for all workers of xdist."""
    own = factory.getbasetemp()
    return own.parent if hasattr(config, "workerinput") else own


@contextmanager
def _served(config: pytest.Config, project: Project, url: Dsn | None, directory: Path) -> Iterator[Dsn]:
    """The server that was named, or one of our own: for all workers of xdist the same."""
    from functools import partial

    from dbmigrate.pytest_plugin import embedded

    if url is not None and url.embedded is None:
        yield url
        return
    if url is not None and url.embedded is not None:
        start_one = partial(embedded.kept, project, config.rootpath / url.embedded)
    else:
        start_one = partial(embedded.started, project)
    is_worker = hasattr(config, "workerinput")
    with embedded.of_run(start_one, directory) if is_worker else start_one() as dsn:
        yield dsn if url is None else url.served_by(dsn.conninfo)


@contextmanager
def _reported() -> Iterator[None]:
    """An error of dbmigrate as people read it, in the place of a traceback through pytest and dbmigrate."""
    from dbmigrate.errors import Error

    try:
        yield
    except Error as exc:
        from dbmigrate.output import text

        lines = "\n".join(map(str, text.error_lines(exc)))
        raise pytest.fail.Exception(lines, pytrace=False) from exc
