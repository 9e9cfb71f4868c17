"""D1 to D8 and L1: dump, the dump after a change, load."""

from __future__ import annotations

import re

import pytest

from tests.conformance.programs import Name, said, with_database
from tests.conformance.seen import scalar, tables, versions

TITLE = "\n--\n-- Dbmate schema migrations\n--\n\n"


@pytest.fixture
def dumper(program):
    return program.dumping()


@pytest.fixture(autouse=True)
def _migrations(project):
    project.migration("abc1_not_one", up="select 1;")
    project.migration("1_a", up="create table a (i int);", down="drop table a;")
    project.migration("2_b", up="create table b (i int);", down="drop table b;")


# -- D1, D2, D4


def test_d1_dump_makes_the_directory(dumper, project, url):
    dumper("migrate", url=url, env={"DBMATE_NO_DUMP_SCHEMA": "true"})

    done = dumper.ok("-s", "some/where/schema.sql", "dump", url=url)

    assert "Writing: some/where/schema.sql\n" in said(done)
    assert TITLE in (project.root / "some" / "where" / "schema.sql").read_text()


def test_d2_arguments_for_pg_dump(dumper, project, url):
    dumper.ok("migrate", url=url)

    dumper.ok("dump", "--", "--exclude-table=b", url=url)

    text = project.schema_file.read_text()
    assert "CREATE TABLE public.a" in text
    assert "CREATE TABLE public.b" not in text


def test_d2_what_pg_dump_does_not_know(dumper, url):
    done = dumper("dump", "--", "--non-existing-argument", url=url)

    assert done.exit_code != 0
    assert re.search(r"unrecognized option\W+--non-existing-argument", done.stderr)


def test_d4_the_contents(dumper, project, url):
    dumper.ok("migrate", url=url)

    text = project.schema_file.read_text()

    assert "CREATE TABLE public.schema_migrations (\n    version character varying NOT NULL\n);\n" in text
    assert "\n--\n-- PostgreSQL database dump complete\n--\n" in text
    rows = "INSERT INTO public.schema_migrations (version) VALUES\n    ('1'),\n    ('2');\n"
    assert text.endswith(f"\n{TITLE}{rows}")


def test_d4_the_title_stands_there_without_versions(dumper, project, url):
    dumper.ok("migrate", url=url)
    dumper.ok("rollback", url=url)
    dumper.ok("rollback", url=url)

    assert project.schema_file.read_text().endswith(f"\n{TITLE}")


def test_d4_without_a_database(dumper, project, url):
    done = dumper("dump", url=with_database(url, "fakedb"))

    assert done.exit_code != 0
    assert 'database "fakedb" does not exist' in done.stderr
    assert not project.schema_file.exists()


def test_d4_owners_and_privileges_are_left_out(dumper, project, url):
    project.migration("3_c", up="grant select on a to public; comment on table a is 'it''s';")

    dumper.ok("migrate", url=url)

    text = project.schema_file.read_text()
    assert "COMMENT ON TABLE public.a IS 'it''s';" in text
    assert "GRANT" not in text
    assert "OWNER TO" not in text


# -- D3


def test_d3_the_file_follows_the_database(dumper, project, url):
    dumper.ok("up", url=url)
    after_up = project.schema_file.read_text()
    project.schema_file.unlink()
    dumper.ok("rollback", url=url)
    after_rollback = project.schema_file.read_text()

    assert "CREATE TABLE public.b " in after_up
    assert "CREATE TABLE public.b " not in after_rollback
    assert after_rollback.endswith("VALUES\n    ('1');\n")


@pytest.mark.parametrize(
    ("options", "variables"), [(["--no-dump-schema"], {}), ([], {"DBMATE_NO_DUMP_SCHEMA": "true"})]
)
def test_d3_unless_told_otherwise(dumper, project, url, options, variables):
    dumper.ok(*options, "up", url=url, env=variables)
    dumper.ok(*options, "rollback", url=url, env=variables)

    assert not project.schema_file.exists()


@pytest.mark.parametrize(
    ("options", "variables"), [(["--schema-file", "s.sql"], {}), ([], {"DBMATE_SCHEMA_FILE": "s.sql"})]
)
def test_d3_the_file_may_be_elsewhere(dumper, project, url, options, variables):
    dumper.ok(*options, "up", url=url, env=variables)

    assert (project.root / "s.sql").exists()
    assert not project.schema_file.exists()


# -- D5


def test_d5_a_table_in_a_schema_with_capitals(dumper, project, url):
    dumper.ok("--migrations-table", "camelSchema.testMigrations", "migrate", url=url)

    text = project.schema_file.read_text()
    assert 'CREATE TABLE "camelSchema"."testMigrations" (' in text
    assert 'INSERT INTO "camelSchema"."testMigrations" (version) VALUES\n' in text


# -- D8


def test_d8_comments_are_kept_but_for_those_at_the_top(dumper, project, url):
    dumper.ok("migrate", url=url)

    text = project.schema_file.read_text()
    assert not text.startswith(("--", "\n"))
    assert "-- Name: a; Type: TABLE; Schema: public; Owner: -\n" in text


@pytest.mark.parametrize("line", [r"\restrict dbmate", r"\unrestrict dbmate", r"\connect other", "", "-- comment"])
def test_d8_lines_for_psql_are_skipped(program, project, url, line):
    project.schema_file.write_text(f"{line}\ncreate table c (v text default 'hello\\world');\n{line}\n")

    program.ok("load", url=url)

    assert tables(url) == ["c"]


def test_d8_backslashes_in_text_are_text(program, project, url):
    project.schema_file.write_text("create table c as select 'hello\\world' as v;\n")

    program.ok("load", url=url)

    assert scalar(url, "select v from c") == "hello\\world"


def test_d8_an_empty_file_is_loaded(program, project, url):
    project.schema_file.write_text("")

    program.ok("load", url=url)

    assert tables(url) == []


# -- L1


def test_l1_no_file(program, url):
    done = program("-s", "nope.sql", "load", url=url)

    assert done.exit_code == 2
    assert "nope.sql" in done.stderr
    assert "no such file or directory" in done.stderr.lower()


def skip_what_dbmate_cannot_load(dumper, project, server) -> None:
    if dumper.name is Name.DBMATE and server.major < 17 and "transaction_timeout" in project.schema_file.read_text():
        pytest.skip("dbmate writes what pg_dump says, and a newer one sets what this server does not know")


def test_l1_what_was_dumped_can_be_loaded(dumper, project, server, url):
    dumper.ok("migrate", url=url)
    skip_what_dbmate_cannot_load(dumper, project, server)
    dumper.ok("drop", url=url)
    dumper.ok("create", url=url)

    done = dumper.ok("load", url=url)

    assert "Reading: ./db/schema.sql\n" in said(done)
    assert versions(url) == ["1", "2"]
    assert tables(url) == ["a", "b", "schema_migrations"]
    assert dumper.ok("status", url=url).stdout.endswith("Applied: 2\nPending: 0\n")


def test_l1_a_second_time_it_fails_and_changes_nothing(dumper, project, server, url, query):
    dumper.ok("migrate", url=url)
    skip_what_dbmate_cannot_load(dumper, project, server)
    query(url, "drop table a")

    done = dumper("load", url=url)

    assert done.exit_code != 0
    assert "already exists" in done.stderr
    assert tables(url) == ["b", "schema_migrations"]


def test_l1_load_does_not_create_the_database(program, project, absent_url):
    project.schema_file.write_text("select 1;")

    done = program("load", url=absent_url)

    assert done.exit_code != 0
    assert "does not exist" in done.stderr
