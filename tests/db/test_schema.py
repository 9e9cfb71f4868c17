"""The schema file on a real server: dumped, normalised, loaded, and dumped again."""

from __future__ import annotations

import time
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from dbmigrate.errors import DatabaseError, PlanError, ToolMissing
from dbmigrate.schema import versions
from dbmigrate.schema.load import prepare
from dbmigrate.schema.normalise import normalise, problems
from dbmigrate.connection import programs
from dbmigrate.connection.programs import Search
from dbmigrate.schema.pgdump import dump
from tests.support import databases
from tests.support.downloads import ENVIRON, download_pg_dumps, pg_dumps_here
from tests.support.servers import cache_directory, server_of_major

RICH = (Path(__file__).parent / "schema_rich.sql").read_text()

# Bodies that line-wise tools spoil. Written here, because editors spoil them too.
TRAPS = {
    "blanks": "begin   \n\t\n\n\n\nend  ",
    "commands": "begin\n\\restrict x\n  \\! rm\n\\connect y\n\\.\nend",
    "comments": "begin\n-- Dumped by pg_dump version 1\n--\n-- Name: x; Type: TABLE; Schema: y; Owner: -\n--\nend",
    "settings": "begin\nSET row_security = off;\nSET default_tablespace = '';\nend",
    "carriage_returns": "begin\r\n\rnull;\r\nend",
    "long_line": "begin\n-- " + "x" * 70_000 + "\nend",
    "expressions": "begin perform ((a AND b) AND c), (ARRAY[a, b])::text[]; end",
    "quotes": "begin perform '$$ ; ', \"$a$\", E'\\'; $x$'; end",
}


def rich_schema(version: int) -> str:
    """The statements of schema_rich.sql that a server of `version` (180006) knows."""
    first, *later = RICH.split("\n--% since ")
    parts = [part.split("\n", 1) for part in later]
    return first + "".join(sql for since, sql in parts if int(since) <= version // 10000)


def execute(url: str, sql: str) -> None:
    """As one query, like `load`."""
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(sql.encode())


def rows(url: str, sql: str) -> list[tuple[object, ...]]:
    return databases.query(url, sql)


def environ_of(url: str) -> dict[str, str]:
    conninfo = {"database" if key == "dbname" else key: value for key, value in conninfo_to_dict(url).items()}
    return {f"PG{key.upper()}": str(value) for key, value in conninfo.items()}


def dump_of(url: str, *, search: Search | None = None, **options) -> str:
    with psycopg.connect(url) as conn:
        version = conn.info.server_version
    return dump(environ_of(url), server_version=version, search=search or here(), **options)


def here() -> Search:
    """What this machine has. DBMIGRATE_PG_DUMP may name one of these."""
    return Search.from_environ({"PATH": ENVIRON.get("PATH", "")})


def make_traps(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("set check_function_bodies = off")
        for name, body in TRAPS.items():
            literal = psycopg.sql.Literal(body)
            conn.execute(psycopg.sql.SQL("create function {}() returns void language plpgsql as {}").format(
                psycopg.sql.Identifier(name), literal
            ))  # fmt: skip
            conn.execute(
                psycopg.sql.SQL("comment on function {}() is {}").format(psycopg.sql.Identifier(name), literal)
            )


BODIES = (
    "select oid::regprocedure::text, md5(prosrc), md5(obj_description(oid)) from pg_proc where oid >= 16384 order by 1"
)


@pytest.fixture
def oldest_server(request, server):
    """The server of the matrix; else the oldest that this machine has, for which it has the most pg_dumps."""
    cached = [int(path.name) for path in (cache_directory(ENVIRON) / "npm").glob("[0-9][0-9]")]
    system = [
        pg_dump.version[0] for pg_dump in programs.pg_dumps(here()) if Path(pg_dump.command[0]).with_name("initdb").exists()
    ]
    oldest = min([*cached, *system, server.major])
    if request.config.getoption("--server-versions") or oldest == server.major or not server.is_ours:
        yield server
    else:
        with server_of_major(oldest, environ=ENVIRON) as other:
            yield other


@pytest.fixture
def pg_dumps(request, oldest_server):
    """A `Search` for each pg_dump that can dump `oldest_server`; the matrix run downloads more."""
    if request.config.getoption("--server-versions"):
        download_pg_dumps()
    usable = [pg_dump for pg_dump in pg_dumps_here() if pg_dump.version[0] >= oldest_server.major]
    return {f"{pg_dump.version} {pg_dump.command[0]}": Search(pg_dump=pg_dump.command[0]) for pg_dump in usable}


def test_every_pg_dump_writes_the_same_bytes_before_and_after_a_load(oldest_server, pg_dumps):
    assert pg_dumps, f"no pg_dump for PostgreSQL {oldest_server.major}"
    with databases.fresh_databases(oldest_server, prefix="dbmigrate_test_schema") as (make, _):
        source, target = make(), make()
        execute(source, rich_schema(oldest_server.version))
        make_traps(source)
        written = {name: normalise(dump_of(source, search=search)) for name, search in pg_dumps.items()}
        text = next(iter(written.values()))
        execute(target, prepare(text, path="schema.sql"))
        again = {name: normalise(dump_of(target, search=search)) for name, search in pg_dumps.items()}

        assert [name for name, other in {**written, **again}.items() if other != text] == []
        assert rows(source, BODIES) == rows(target, BODIES) != []


def test_raw_text_of_pg_dump_loads_too(oldest_server, pg_dumps):
    """It holds what servers refuse: \\restrict, and settings of newer versions."""
    with databases.fresh_databases(oldest_server, prefix="dbmigrate_test_schema") as (make, _):
        source = make()
        execute(source, rich_schema(oldest_server.version))
        make_traps(source)
        for search in pg_dumps.values():
            target = make()
            execute(target, prepare(dump_of(source, search=search), path="schema.sql"))

            assert rows(source, BODIES) == rows(target, BODIES) != []


def test_the_same_schema_made_in_another_order_gives_the_same_bytes(oldest_server, pg_dumps):
    tables = [f"create table {name} (id int primary key, constraint same check (id > 0));" for name in "abcd"]
    keys = [f"alter table {name} add constraint fk foreign key (id) references a;" for name in "bcd"]
    operator = "create operator === (leftarg = {0}, rightarg = {0}, function = {0}eq);"
    operators = [operator.format(name) for name in ("int4", "int8", "text")]
    members = [f"alter publication p add table {name};" for name in "abcd"]
    with databases.fresh_databases(oldest_server, prefix="dbmigrate_test_schema") as (make, _):
        one, two = make(), make()
        execute(one, "".join([*tables, *keys, *operators, "create publication p;", *members]))
        execute(two, "".join(["create publication p;", *tables, *operators[::-1], *keys[::-1], *members[::-1]]))

        for search in pg_dumps.values():
            assert normalise(dump_of(one, search=search)) == normalise(dump_of(two, search=search))


def test_passwords_of_user_mappings_do_not_get_into_the_file(database_url, server):
    execute(database_url, rich_schema(server.version))
    raw = dump_of(database_url)

    assert "sekret" in raw
    assert "sekret" not in normalise(raw)
    assert [problem.code for problem in problems(raw)] == ["W402"]


def test_tables_can_be_left_out_with_all_that_belongs_to_them(database_url):
    name = 'public."Log * ""1"""'
    execute(
        database_url,
        f"create table {name} (id bigint generated always as identity primary key, at int);"
        f"create index on {name} (at); comment on table {name} is 'x'; create table public.kept (id int)",
    )

    text = normalise(dump_of(database_url, exclude_tables=[name]))

    assert "kept" in text
    assert "Log" not in text


def test_the_password_is_in_no_argument_list(tmp_path, server, make_database):
    url = server.tcp_url(conninfo_to_dict(make_database())["dbname"])
    password = conninfo_to_dict(url).get("password")
    if not password:
        pytest.skip("this server asks for no password")
    execute(url, "create table t (id int)")
    real = next(pg_dump.command[0] for pg_dump in programs.pg_dumps(here()) if pg_dump.version[0] >= server.major)
    spy = tmp_path / "spy"
    spy.write_text(f'#!/bin/sh\nprintf "%s\\n" "$0" "$@" > {tmp_path}/seen\nexec {real} "$@"\n')
    spy.chmod(0o755)

    assert "CREATE TABLE public.t" in dump_of(url, search=Search(pg_dump=str(spy)))
    seen = (tmp_path / "seen").read_text()
    assert "--schema-only" in seen
    assert str(password) not in seen
    assert "://" not in seen


def test_a_locked_table_is_not_waited_for_without_end(database_url):
    execute(database_url, "create table t (id int)")
    with psycopg.connect(database_url) as conn:
        conn.execute("lock table t in access exclusive mode")
        start = time.monotonic()
        with pytest.raises(DatabaseError) as caught:
            dump_of(database_url, extra_arguments=["--lock-wait-timeout=100ms"])

    assert time.monotonic() - start < 5
    assert caught.value.code == "E404"
    assert "lock" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("arguments", "database", "words"),
    [
        (["--no-such-argument"], None, "unrecognized option"),
        ([], "no_such_database", 'database "no_such_database" does not exist'),
    ],
)
def test_pg_dumps_own_words_are_told(database_url, server, arguments, database, words):
    environ = environ_of(database_url) | ({"PGDATABASE": database} if database else {})
    with pytest.raises(DatabaseError) as caught:
        dump(environ, server_version=server.version, extra_arguments=arguments, search=here())

    assert caught.value.code == "E404"
    assert words in caught.value.message


def test_a_server_that_insists_on_tls_is_not_for_a_pg_dump_without_it(database_url, server):
    wheel = [pg_dump for pg_dump in programs.pg_dumps(Search(path="", directories=())) if pg_dump.version[0] >= server.major]
    if not wheel:
        pytest.skip("no wheel with a pg_dump for this server")
    environ = environ_of(database_url) | {"PGSSLMODE": "require", "PGHOST": "127.0.0.1"}
    with pytest.raises(ToolMissing) as caught:
        dump(environ, server_version=server.version, search=Search(path="", directories=()))

    assert caught.value.code == "E206"
    assert "SSL support is not compiled in" in caught.value.message


def test_a_file_is_loaded_whole_or_not_at_all(database_url):
    with pytest.raises(psycopg.errors.UndefinedTable) as caught:
        execute(database_url, prepare("\\restrict x\n\ncreate table a ();\ninsert into b values (1);", path="s.sql"))

    assert rows(database_url, "select to_regclass('a')") == [(None,)]
    assert caught.value.diag.statement_position == "34"  # in line 4, as in the file


def test_a_file_that_dbmate_wrote_loads_with_its_rows(database_url):
    """dbmate 2.36 with pg_dump 18.6; its own lines about versions, and a key that it always uses."""
    schema = "CREATE TABLE public.schema_migrations (\n    version character varying NOT NULL\n);\n\n\n"
    text = (
        "\\restrict dbmate\n\n-- Dumped from database version 15.18\n-- Dumped by pg_dump version 18.6\n\n"
        "SET transaction_timeout = 0;\nSELECT pg_catalog.set_config('search_path', '', false);\n\n"
        "CREATE SCHEMA public;\n\n" + schema + "--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict dbmate\n\n"
    )
    execute(database_url, prepare(text + versions.render(["1", "20"], table="public.schema_migrations"), path="s.sql"))

    assert rows(database_url, "select version from schema_migrations order by 1") == [("1",), ("20",)]


def test_the_rows_of_either_layout_load(database_url):
    table = '"camel Schema"."tests"'
    execute(database_url, f'create schema "camel Schema"; create table {table} (version varchar primary key)')
    for number, layout in enumerate(versions.Layout):
        execute(database_url, versions.render([f"{number}1", f"{number}2'"], table=table, layout=layout))

    assert rows(database_url, f"select version from {table} order by 1") == [("01",), ("02'",), ("11",), ("12'",)]


def test_copied_data_arrives_as_copy_would_have_written_it(database_url, twin_database_url):
    columns = "(id int generated always as identity, t text, b bytea, j jsonb, a text[], n numeric)"
    data = [
        '1\tx\\ty\\nz\\\\ \'q\' \\b\\f\\v\\r\t\\\\x00ff\t{"a": "\\\\""}\t{a,"b c"}\t1.50',
        "2\t\\N\t\\N\t\\N\t{}\t\\N",
        "3\t\té\t[1]\t{NULL}\tNaN",
    ]
    with psycopg.connect(twin_database_url, autocommit=True) as conn:
        conn.execute(f"create table d {columns}".encode())
        with conn.cursor().copy(b"copy d (id, t, b, j, a, n) from stdin") as copy:
            copy.write("\n".join(data) + "\n")
    text = f"create table d {columns};\nCOPY public.d (id, t, b, j, a, n) FROM stdin;\n" + "\n".join(data) + "\n\\.\n"

    execute(database_url, prepare(text, path="s.sql"))

    everything = "select d::text from d order by id"  # NaN is not equal to itself
    assert rows(database_url, everything) == rows(twin_database_url, everything)
    assert len(rows(database_url, everything)) == 3


def test_hostile_names_and_comments_cannot_smuggle_a_psql_command(database_url):
    name = '"x\n\\! touch /tmp/owned\n-- Name: y; Type: TABLE; Schema: z; Owner: -"'
    execute(database_url, f"create table {name} (id int); comment on table {name} is E'\\n\\\\! rm\\n'")
    text = normalise(dump_of(database_url))

    execute(database_url, f"drop table {name}")
    execute(database_url, prepare(text, path="s.sql"))

    assert rows(database_url, "select count(*) from pg_class where relname like '%touch%'") == [(1,)]
    assert normalise(dump_of(database_url)) == text


def test_a_literal_with_a_psql_line_at_top_level_is_refused(database_url):
    with pytest.raises(PlanError) as caught:
        prepare("select 'x\n\\! kept\n';\n\\! rm\n", path="s.sql")

    assert str(caught.value.place) == "s.sql:4:1"
