"""Files as people, editors and merges leave them: run as they were meant, or refused before anything is touched."""

from __future__ import annotations

import time

import pytest

from tests.support import faults
from tests.support.faults import FALSE, INVALID

UP = ("up", "--no-dump-schema")
HEAD, TAIL = "-- migrate:up\n", "\n-- migrate:down\n"


@pytest.fixture
def dbmigrate(run, database_url):
    return lambda *words: run(*words, env={"DATABASE_URL": database_url, "DBMATE_NO_DUMP_SCHEMA": "true"})


@pytest.fixture
def touched(query, database_url):
    """What a run left behind in the database: relations of any kind."""
    return lambda: query(
        database_url, "select relname::text from pg_class where relnamespace = 'public'::regnamespace order by 1"
    )


UNUSABLE = {
    "UTF-16": (f"{HEAD}select 1;{TAIL}".encode("utf-16"), "E210", ":1:1"),
    "Latin-1": (f"{HEAD}select 'é';{TAIL}".encode("latin-1"), "E210", ":2:9"),
    "a NUL": (f"{HEAD}create table b ();\0 drop table a;{TAIL}".encode(), "E210", ":2:19"),
    "a statement that no transaction allows": (f"{HEAD}vacuum a;{TAIL}".encode(), "E220", ":2:1"),
    "a merge conflict": (f"{HEAD}<<<<<<< us\nselect 1;\n=======\nselect 2;\n>>>>>>> x{TAIL}".encode(), "E223", ":2:1"),
    "a command of psql": (f"{HEAD}\\i other.sql{TAIL}".encode(), "E218", ":2:1"),
    "no section": (b"create table b ();\n", "E214", ":1:1"),
    "a quote that is not closed": (f"{HEAD}select 'x;{TAIL}".encode(), "E217", ":2:8"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_file_that_cannot_be_run_is_refused_before_anything_is_touched(dbmigrate, project, touched, name):
    content, code, place = UNUSABLE[name]
    project.migration("1_a", up="create table a ();")
    (project.migrations / "2_b.sql").write_bytes(content)

    done = dbmigrate(*UP)

    assert done.exit_code == 2, done.stderr
    assert f"error[{code}]" in done.stderr
    assert f"2_b.sql{place}" in done.stderr
    assert touched() == []


def test_a_byte_order_mark_at_the_beginning_is_none_of_the_text(dbmigrate, project, database_url):
    (project.migrations / "1_a.sql").write_bytes(f"\ufeff{HEAD}create table a ();{TAIL}".encode())

    assert dbmigrate(*UP).exit_code == 0
    assert faults.versions(database_url) == ["1"]


def test_a_byte_order_mark_further_down_is_an_error_with_its_place(dbmigrate, project, touched, database_url):
    (project.migrations / "1_a.sql").write_bytes(f"{HEAD}\ufeffcreate table b ();{TAIL}".encode())

    done = dbmigrate(*UP)

    assert done.exit_code == 4, done.stderr
    assert "1_a.sql:2:1" in done.stderr
    assert faults.versions(database_url) == []


def test_line_ends_of_another_system_are_no_edit(dbmigrate, project, database_url, query):
    path = project.migrations / "1_a.sql"
    path.write_bytes(f"{HEAD}create table a (n int);\ninsert into a values (1);{TAIL}".replace("\n", "\r\n").encode())
    assert dbmigrate(*UP).exit_code == 0
    path.write_bytes(path.read_bytes().replace(b"\r\n", b"\n"))

    verified, up = dbmigrate("verify"), dbmigrate(*UP)

    assert (verified.exit_code, up.exit_code) == (0, 0), verified.stdout
    assert "only in its layout" in verified.stdout
    assert query(database_url, "select n from a") == [(1,)]


def test_two_files_of_one_version_are_refused_before_anything_is_touched(dbmigrate, project, touched):
    project.migration("1_a", up="create table a ();")
    project.migration("1_b", up="create table b ();")

    done = dbmigrate(*UP)

    assert done.exit_code == 2
    assert "error[E221]" in done.stderr
    assert "1_a.sql" in done.stderr
    assert "1_b.sql" in done.stderr
    assert touched() == []


def test_several_sections_are_run_in_order_and_recorded_once(dbmigrate, project, database_url, query):
    project.write(
        "1_a.sql",
        f"{HEAD}create table a (n int);{TAIL}drop table a;\n{HEAD}insert into a values (1);{TAIL}delete from a;\n",
    )

    assert dbmigrate(*UP).exit_code == 0

    assert query(database_url, "select n from a") == [(1,)]
    assert faults.versions(database_url) == ["1"]
    assert dbmigrate("rollback").exit_code == 0
    assert faults.versions(database_url) == []


def test_a_marker_inside_a_body_is_text(dbmigrate, project, database_url, query):
    project.write(
        "1_a.sql", f"{HEAD}create table a as select $$one\n-- migrate:down\ntwo$$ as t;\ncreate table b ();{TAIL}"
    )

    done = dbmigrate(*UP)

    assert done.exit_code == 0, done.stderr
    assert "W204" in done.stderr
    assert query(database_url, "select t, to_regclass('b') is not null from a") == [("one\n-- migrate:down\ntwo", True)]


@pytest.mark.parametrize("options", ["", FALSE], ids=["in a transaction", "without one"])
def test_data_below_a_copy_is_loaded_or_the_whole_file_is_not(dbmigrate, project, database_url, query, options):
    project.migration("1_a", up="create table a (n int, t text);")
    data = "1\tone;\n2\t\\N\nthree\t3\n\\.\n"
    path = project.migration("2_b", up=f"copy a from stdin;\n{data}select 1;", up_options=options)

    refused = dbmigrate(*UP)

    assert refused.exit_code == 4, refused.stderr
    assert query(database_url, "select * from a") == []
    path.write_text(path.read_text().replace("three\t3", "3\tthree"))
    assert dbmigrate(*UP).exit_code == 0
    assert query(database_url, "select * from a order by n") == [(1, "one;"), (2, None), (3, "three")]


def test_two_concurrent_indexes_in_one_file_are_both_built(dbmigrate, project, database_url, query):
    project.migration("1_a", up="create table a (n int, m int);")
    project.migration(
        "2_b",
        up="create index concurrently a_n on a (n);\ncreate unique index concurrently a_m on a (m);",
        up_options=FALSE,
    )

    assert dbmigrate(*UP).exit_code == 0

    assert query(database_url, "select count(*) from pg_index where indrelid = 'a'::regclass and indisvalid") == [(2,)]
    assert query(database_url, INVALID) == []


def test_a_new_enum_value_that_is_used_at_once_is_refused_with_the_way_out(dbmigrate, project, database_url, query):
    project.migration("1_a", up="create type mood as enum ('sad');\ncreate table a (m mood);")
    assert dbmigrate(*UP).exit_code == 0
    path = project.migration("2_b", up="alter type mood add value 'ok';\ninsert into a values ('ok');")

    refused = dbmigrate(*UP)

    assert refused.exit_code == 4, refused.stderr
    assert "(55P04)" in refused.stderr
    assert "use it in the next file" in refused.stderr
    assert query(database_url, "select enumlabel::text from pg_enum") == [("sad",)]
    path.write_text(path.read_text().replace("insert into a values ('ok');", ""))
    project.migration("3_c", up="insert into a values ('ok');")
    assert dbmigrate(*UP).exit_code == 0
    assert query(database_url, "select m::text from a") == [("ok",)]


def test_pending_trigger_events_are_named_and_nothing_is_applied(dbmigrate, project, database_url, query):
    project.migration(
        "1_a",
        up="create table p (id int primary key);\n"
        "create table c (p int references p deferrable initially deferred);\ninsert into p values (1);",
    )
    project.migration("2_b", up="insert into c values (1);\nalter table c add column t text;")

    done = dbmigrate(*UP)

    assert done.exit_code == 4, done.stderr
    assert "(55006)" in done.stderr
    assert "split the file in two" in done.stderr
    assert query(database_url, "select * from c") == []
    assert faults.versions(database_url) == ["1"]


def test_a_deferred_constraint_that_fails_is_named_before_the_record_and_nothing_is_applied(
    dbmigrate, project, database_url, query
):
    project.migration(
        "1_a",
        up="create table p (id int primary key);\n"
        "create table c (p int constraint has_p references p deferrable initially deferred);",
    )
    project.migration("2_b", up="insert into c values (7);")

    done = dbmigrate(*UP)

    assert done.exit_code == 4, done.stderr
    assert "(23503)" in done.stderr
    assert "has_p" in done.stderr
    assert "Applied: 2_b.sql" not in done.stdout
    assert query(database_url, "select * from c") == []
    assert faults.versions(database_url) == ["1"]


def test_a_large_file_is_applied_in_little_memory(start, project, database_url, query):
    project.write(
        "1_a.sql",
        f"{HEAD}create table a (n int, t text);\n"
        + "".join(f"insert into a values ({n}, '{'x' * 400}');\n" for n in range(40_000))
        + TAIL,
    )
    process = start(*UP, env={"DATABASE_URL": database_url})
    peak = 0
    while process.poll() is None:
        peak = max(peak, _resident(process.pid))
        time.sleep(0.02)

    assert process.returncode == 0, process.stderr.read()
    assert query(database_url, "select count(*) from a") == [(40_000,)]
    assert 0 < peak < 120_000  # KiB; the file alone has 17 MB, and as text and statements would take many times that


def _resident(pid: int) -> int:
    """The memory of a process in KiB, 0 when it has gone."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            return next((int(line.split()[1]) for line in file if line.startswith("VmRSS")), 0)
    except (FileNotFoundError, ProcessLookupError):
        return 0
