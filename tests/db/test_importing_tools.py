"""What the importers say of databases that the real old tools left, and whether their SQL makes the same schema."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module

import psycopg
import pytest

from dbmigrate.importing.values import Answers, SourceFile, State, Tool
from tests.support import importing_states as states


@pytest.fixture(autouse=True)
def _needs_a_server_of_their_time(request: pytest.FixtureRequest) -> None:
    states.refuse_older(request)


@dataclass(frozen=True)
class Case:
    """A fixture: its tool's module, how its versions are called, and what of the database is the old tool's."""

    module: str
    tables: tuple[str, ...] = ()
    schemas: tuple[str, ...] = ()
    answers: Answers = Answers()
    key: Callable[[str], str] = lambda line: line.split()[0]
    renamed: Callable[[str], str] = lambda version: version
    unverified: bool = False

    @property
    def tool(self) -> Tool:
        tool: Tool = import_module(f"dbmigrate.importing.{self.module}").TOOL
        return tool


CASES: dict[str, Case] = {
    "sqlx": Case("sqlx", tables=("_sqlx_migrations",)),
    "diesel": Case("diesel", tables=("__diesel_schema_migrations",), unverified=True),
    "prisma": Case("prisma", tables=("_prisma_migrations",), key=lambda line: line.split()[0].split("_")[0]),
    "supabase": Case("supabase", schemas=("supabase_migrations",)),
    "tern": Case("tern", tables=("schema_version",), unverified=True, renamed=lambda version: str(int(version))),
    "liquibase": Case("liquibase", tables=("databasechangelog", "databasechangeloglock")),
    "sqitch": Case("sqitch", schemas=("sqitch",)),
    "graphile-migrate": Case("graphile_migrate", schemas=("graphile_migrate",), renamed=lambda version: f"{version}.sql"),
}
each_tool = pytest.mark.parametrize("name", CASES)


@each_tool
def test_the_history_says_what_the_old_tool_applied(name: str, make_database: Callable[[], str]) -> None:
    case = CASES[name]
    reading = case.tool.read(states.fixture(name), case.answers)
    with states.old_database(make_database(), name) as conn:
        rows = states.history_of(case.tool, conn, case.answers)

    found = {case.renamed(key): state for key, state in states.states(case.tool, reading, rows).items()}
    expected = {key: state for key, state in states.expected(name, case.key).states.items() if key != "current.sql"}
    assert found == expected
    assert all(any(case.tool.matches(each, row) for each in reading.migrations) for row in rows)


@each_tool
def test_every_checksum_of_the_old_table_is_that_of_its_file(name: str, make_database: Callable[[], str]) -> None:
    case = CASES[name]
    reading = case.tool.read(states.fixture(name), case.answers)
    with states.old_database(make_database(), name) as conn:
        rows = [row for row in states.history_of(case.tool, conn, case.answers) if row.state is not State.PENDING]

    pairs = [(each, row) for row in rows for each in reading.migrations if case.tool.matches(each, row)]
    verdicts = {case.tool.verifies(each, row) for each, row in pairs}
    assert verdicts == ({None} if case.unverified else {True})


@each_tool
def test_what_was_applied_makes_the_schema_that_the_old_tool_made(name: str, make_database: Callable[[], str]) -> None:
    case = CASES[name]
    reading = case.tool.read(states.fixture(name), case.answers)
    with states.old_database(make_database(), name) as conn:
        rows = states.history_of(case.tool, conn, case.answers)
    url = make_database()

    states.run_ups(url, states.applied(case.tool, reading, rows))

    assert states.fingerprint(url) == states.expected(name).schema


@each_tool
def test_the_fingerprint_of_what_the_old_tool_left_is_the_expected_one(
    name: str, make_database: Callable[[], str]
) -> None:
    """So that the comparison above compares the right thing."""
    case = CASES[name]
    url = make_database()
    with states.old_database(url, name):
        pass

    assert states.fingerprint(url, tables=case.tables, schemas=case.schemas) == states.expected(name).schema


def test_a_row_that_prisma_never_finished_is_failed(make_database: Callable[[], str]) -> None:
    tool = CASES["prisma"].tool
    url = make_database()
    states.load(url, states.FIXTURES / "prisma" / "database-failed.sql")
    with psycopg.connect(url, autocommit=True) as conn:
        rows = states.history_of(tool, conn)

    failed = [row.key for row in rows if row.state is State.FAILED]
    assert failed == ["20260407080000_piers"]


# ---------------------------------------------------------------------------------------------------- projects of code

CODE: dict[str, tuple[str, str, Callable[[str], str]]] = {  # module, the last id of the table, the version of a line
    "alembic": ("alembic", "a5c0ffee0005", lambda line: line.split()[0]),
    "django": ("django", "harbour.0005_crew", lambda line: ".".join(line.split()[:2])),
    "knex": ("knex", "20260305080000_crew.cjs", lambda line: line.split("_")[0]),
    "rails": ("rails", "20260505080000", lambda line: line.split()[0]),
    "typeorm": ("typeorm", "Crew1780000005000", lambda line: line.split()[0][-13:]),
}
each_code_tool = pytest.mark.parametrize("name", CODE)


@each_code_tool
def test_the_last_id_of_a_project_of_code_is_read(name: str, make_database: Callable[[], str]) -> None:
    module, last, _ = CODE[name]
    tool: Tool = import_module(f"dbmigrate.importing.{module}").TOOL
    with states.old_database(make_database(), name) as conn:
        rows = states.history_of(tool, conn)

    assert rows[-1].key == last
    assert len(rows) == (1 if name == "alembic" else 5)


@each_code_tool
def test_the_history_of_a_project_of_code_fits_its_files(name: str, make_database: Callable[[], str]) -> None:
    """With some SQL given for every file."""
    module, _, key = CODE[name]
    tool: Tool = import_module(f"dbmigrate.importing.{module}").TOOL
    project = states.fixture(name)
    files = [file.path for file in project.files]
    given = replace(project, files=(*project.files, SourceFile("/tmp/given.sql", b"select 1;")))
    reading = tool.read(given, Answers(sql_of=dict.fromkeys(files, "/tmp/given.sql")))
    with states.old_database(make_database(), name) as conn:
        rows = states.history_of(tool, conn)

    assert states.states(tool, reading, rows) == states.expected(name, key).states
