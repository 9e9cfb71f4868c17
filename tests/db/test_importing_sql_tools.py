"""Databases as the old tools left them: what their histories say, and whether their SQL makes the same schema."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib import import_module

import psycopg
import pytest

from dbmigrate.importing.values import Answers, Source, SourceFile, State, Tool
from tests.support import importing_states as states

MakeDatabase = Callable[[], str]


@pytest.fixture(autouse=True)
def _needs_a_server_of_their_time(request: pytest.FixtureRequest) -> None:
    states.refuse_older(request)


@dataclass(frozen=True)
class Case:
    """A fixture: its tool's module, how ``expected.txt`` calls its versions, and which tables are the old tool's."""

    module: str
    tables: tuple[str, ...]
    schemas: tuple[str, ...] = ()
    answers: Answers = field(default_factory=Answers)
    ignored: frozenset[str] = frozenset()  # rows that are of no file
    renamed: Callable[[str], str] = str
    key: Callable[[str], str] = lambda line: line.split()[0]
    given: tuple[str, ...] = ()  # files beside the old project that hold the SQL of code

    @property
    def tool(self) -> Tool:
        tool: Tool = import_module(f"dbmigrate.importing.{self.module}").TOOL
        return tool

    def source(self, name: str) -> Source:
        found = states.fixture(name)
        beside = (SourceFile(path, (states.FIXTURES / name / path).read_bytes()) for path in self.given)
        return replace(found, files=(*found.files, *beside))


def number(version: str) -> str:
    return str(int(version))


CASES: dict[str, Case] = {
    "golang-migrate": Case("golang_migrate", ("schema_migrations",), renamed=number),
    "numbered": Case(
        "numbered",
        (),
        ("platform",),
        answers=Answers(options={"column": "migration_name"}, skip=frozenset({"check.sql"})),
        ignored=frozenset({"-"}),
    ),
    "node-pg-migrate": Case(
        "node_pg_migrate",
        ("pgmigrations",),
        answers=Answers(sql_of={"1760000003000_trips-index.cjs": "given/dry-run.log"}),
        given=("given/dry-run.log",),
    ),
    "goose": Case("goose", ("goose_db_version",), ignored=frozenset({"0"}), renamed=number),
    "sql-migrate": Case("sql_migrate", ("gorp_migrations",), key=lambda line: line.partition("_")[0]),
}
each_tool = pytest.mark.parametrize("name", CASES)


def states_of(name: str, make_database: MakeDatabase) -> tuple[dict[str, str], list[str]]:
    """The state of each version, and the schema that the applied ones make."""
    case = CASES[name]
    reading = case.tool.read(case.source(name), case.answers)
    with states.old_database(make_database(), name) as conn:
        rows = states.history_of(case.tool, conn, case.answers)
    assert all(any(case.tool.matches(each, row) for each in reading.migrations) for row in rows)
    url = make_database()
    states.run_ups(url, states.applied(case.tool, reading, rows))
    found = states.states(case.tool, reading, rows)
    return {case.renamed(version): state for version, state in found.items()}, states.fingerprint(url)


@each_tool
def test_history_and_files_make_what_the_old_tool_made(name: str, make_database: MakeDatabase) -> None:
    case = CASES[name]
    expected = states.expected(name, case.key)

    found, schema = states_of(name, make_database)

    assert found == {version: state for version, state in expected.states.items() if version not in case.ignored}
    assert schema == expected.schema


@each_tool
def test_the_expected_schema_is_that_of_the_old_database(name: str, make_database: MakeDatabase) -> None:
    """So that the comparison above compares the right thing."""
    case, url = CASES[name], make_database()
    with states.old_database(url, name):
        pass

    assert states.fingerprint(url, tables=case.tables, schemas=case.schemas) == states.expected(name).schema


# ------------------------------------------------------------------------------------------------------ golang-migrate


def test_a_dirty_row_is_of_a_failed_migration_and_all_below_it_are_applied(make_database: MakeDatabase) -> None:
    tool, url = CASES["golang-migrate"].tool, make_database()
    reading = tool.read(states.fixture("golang-migrate"), Answers())
    states.load(url, states.FIXTURES / "golang-migrate" / "database-dirty.sql")
    with psycopg.connect(url, autocommit=True) as conn:
        rows = states.history_of(tool, conn)

    found = states.states(tool, reading, rows)

    assert found.pop("000007") == State.FAILED
    assert set(found.values()) == {State.APPLIED}


def test_the_services_of_an_engine_make_its_schema_together(make_database: MakeDatabase) -> None:
    tool, url, old = CASES["golang-migrate"].tool, make_database(), make_database()
    found = {}
    for service in ("harbour-svc", "mail-svc"):
        answers = Answers(service=service)
        reading = tool.read(states.fixture("go-engine"), answers)
        with psycopg.connect(old, autocommit=True) as conn:
            if not found:
                states.load(old, states.FIXTURES / "go-engine" / "database.sql")
            rows = states.history_of(tool, conn, answers)
        found |= {
            f"{service} {number(version)}": state for version, state in states.states(tool, reading, rows).items()
        }
        pairs = [(each, row) for row in rows for each in reading.migrations if tool.matches(each, row)]
        assert {tool.verifies(*pair) for pair in pairs} == {True}
        states.run_ups(url, states.applied(tool, reading, rows))

    expected = states.expected("go-engine", lambda line: " ".join(line.split()[:2]))
    assert found == expected.states
    assert states.fingerprint(url) == expected.schema
    assert states.fingerprint(old, tables=("migration_records", "schema_versions")) == expected.schema


def test_a_down_of_the_first_version_that_failed_leaves_minus_one(make_database: MakeDatabase) -> None:
    tool, url = CASES["golang-migrate"].tool, make_database()
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("create table schema_migrations (version bigint primary key, dirty boolean not null)")
        conn.execute("insert into schema_migrations values (-1, true)")
        [row] = states.history_of(tool, conn)

    assert row.state is State.FAILED
    assert not [
        each for each in tool.read(states.fixture("golang-migrate"), Answers()).migrations if tool.matches(each, row)
    ]


# --------------------------------------------------------------------------------------------------------------- goose


def test_versions_of_goose_that_were_undone_and_applied_again_count_by_their_newest_row(
    make_database: MakeDatabase,
) -> None:
    """As goose wrote rows before v2.4.4."""
    tool, url = CASES["goose"].tool, make_database()
    states.load(url, states.FIXTURES / "goose" / "database.sql")
    with psycopg.connect(url, autocommit=True) as conn:
        for version, is_applied in ((6, True), (6, False), (5, False), (5, True), (99, True)):
            conn.execute("insert into goose_db_version (version_id, is_applied) values (%s, %s)", (version, is_applied))
        rows = states.history_of(tool, conn)
    reading = tool.read(states.fixture("goose"), Answers())

    found = {number(version): state for version, state in states.states(tool, reading, rows).items()}

    assert (found["5"], found["6"], found["7"]) == (State.APPLIED, State.PENDING, State.PENDING)
    assert [row.key for row in rows if not any(tool.matches(each, row) for each in reading.migrations)] == ["99"]


# ---------------------------------------------------------------------------------------------------------- sql-migrate

_BODY = """\
-- +migrate Up
-- a comment; here
create table t (
-- inner
id int, x text);

-- +migrate StatementBegin
-- lead
create function f() returns text language sql as $$
-- gone
  -- stays
select 'a
-- gone too
b';
$$
-- +migrate StatementEnd
insert into t values (1, 'q
-- it''s
r');
-- tail
"""


def test_the_database_gets_the_bodies_that_sql_migrate_sent(make_database: MakeDatabase) -> None:
    """The expected texts are those that sql-migrate 1.0.0 (Debian) left of these files."""
    tool, url = CASES["sql-migrate"].tool, make_database()
    crlf = _BODY.replace("f()", "g()").replace("create table t", "create table u").replace("\n", "\r\n").encode()
    source = Source("old", (SourceFile("1_a.sql", _BODY.encode()), SourceFile("2_b.sql", crlf)))

    states.run_ups(url, list(tool.read(source, Answers()).migrations))

    body = "\n  -- stays\nselect 'a\nb';\n"
    with psycopg.connect(url) as conn:
        bodies = conn.execute("select prosrc from pg_proc where proname in ('f', 'g')").fetchall()
        assert bodies == [(body,), (body,)]
        assert conn.execute("select * from t").fetchall() == [(1, "q\nr"), (1, "q\nr")]
