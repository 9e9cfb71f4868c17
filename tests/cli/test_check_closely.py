"""How closely `check` has to look: fingerprints where they are enough, catalogs where only these can tell."""

from __future__ import annotations

import json
from secrets import token_hex

import psycopg
import pytest

from dbmigrate.check.roundtrip import Need, need
from dbmigrate.migrations import parser
from dbmigrate.migrations.find import find
from dbmigrate.model import Order


@pytest.mark.parametrize(
    ("up", "down", "expected"),
    [
        ("create table a (id int);", "drop table a;", Need.FINGERPRINT),
        ("create table a (id int default 1); create index on a (id);", "drop table a;", Need.FINGERPRINT),
        ("alter table a add b int;", "alter table a drop b;", Need.FINGERPRINT),
        ("create type t as enum ('a');", "drop type t;", Need.FINGERPRINT),
        ("create temp table a (id int);", "select 1;", Need.CATALOG),
        ("alter table a drop b;", "alter table a add b int;", Need.CATALOG),
        ("alter table a alter b type text;", "alter table a alter b type int;", Need.CATALOG),
        ("alter table a alter column b\nset data type text;", "alter table a alter b type int;", Need.CATALOG),
        ("CREATE OR REPLACE VIEW v AS SELECT 1;", "drop view v;", Need.CATALOG),
        ("insert into a values (1);", "delete from a;", Need.CATALOG),
        ("do $$ begin create table a (id int); end $$;", "drop table a;", Need.CATALOG),
        ("create table a (id int);", "", Need.CATALOG),
    ],
)
def test_what_has_to_be_known_of_a_migration(project, up, down, expected):
    project.migration("1_a", up=up, down=down)

    assert need(parser.read(find([str(project.migrations)], Order.NAME)[0])) is expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [("transaction:false", Need.CATALOG), ("irreversible:true", Need.NOTHING)],
)
def test_what_has_to_be_known_by_the_options_of_the_down_section(project, header, expected):
    body = "" if expected is Need.NOTHING else "drop table a;"
    project.write("1_a.sql", f"-- migrate:up\ncreate table a (id int);\n-- migrate:down {header}\n{body}\n")

    assert need(parser.read(find([str(project.migrations)], Order.NAME)[0])) is expected


@pytest.fixture
def findings(run, database_url):
    def check(**env: str) -> list[tuple[str, str]]:
        arguments = ("check", "--json", "--no-lint", "--no-dump-schema")
        done = run(*arguments, env={"DBMIGRATE_SCRATCH_URL": database_url, **env})
        return [(item["code"], item["message"]) for item in json.loads(done.stdout)["findings"]]

    return check


@pytest.fixture
def role(database_url):
    """The name of a role that is gone afterwards."""
    name = f"role_{token_hex(4)}"
    yield name
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute(f"drop role if exists {name}")


def test_downs_that_leave_something_are_named_one_by_one_among_good_ones(project, findings):
    for number in range(1, 13):
        down = f"drop table t{number};" + ("" if number in (3, 4, 9) else f" drop type e{number};")
        up = f"create type e{number} as enum ('a'); create table t{number} (id int primary key);"
        project.migration(f"{number:02}_t", up=up, down=down)

    assert [message for code, message in findings() if code == "C103"] == [
        f"after the down section of {number:02}_t.sql type public.e{number} is still there" for number in (3, 4, 9)
    ]


def test_a_down_that_takes_something_else_instead_is_found(project, findings):
    project.migration("1_a", up="create table a (id int);", down="drop table a;")
    project.migration("2_b", up="create table b (id int);", down="drop table a;")

    told = [message for code, message in findings() if code == "C103"]

    assert [message.partition(": ")[0] for message in told] == [
        "after the down section of 2_b.sql table public.a is missing",
        "after the down section of 2_b.sql table public.b is still there",
    ]


def test_the_server_is_as_before_where_an_earlier_migration_cannot_be_run_twice(project, findings, role):
    project.migration("1_role", up=f"create role {role};", down=f"drop role {role};")
    project.migration("2_b", up="create table b (id int); create table c (id int);", down="drop table b;")
    found = findings()

    assert [code for code, _ in found] == ["C103", "C104"]


# fails in a second database, while the sessions of the first one are open: their application_name is APPLICATION
ONLY_ONCE = """
create function once() returns text language plpgsql as $$
begin
  if exists (select from pg_stat_activity where application_name = 'APPLICATION'
             and datname like 'dbmigrate_scratch_%' and datname <> current_database()) then
    raise 'a second database';
  end if;
  return 'x';
end$$;
create table a as select once() as x;
"""


def test_a_migration_that_cannot_run_twice_is_not_compared_and_the_rest_is_checked(project, findings):
    application = f"once_{token_hex(4)}"
    up = ONLY_ONCE.replace("APPLICATION", application)
    project.migration("1_a", up=up, down="drop table a; drop function once();")
    project.migration("2_b", up="create table b (id int); create table c (id int);", down="drop table b;")
    project.migration("3_d", up="create table d (id int); create table e (id int);", down="drop table d;")
    found = findings(PGAPPNAME=application)

    assert [(code, message.partition(": ")[0]) for code, message in found] == [
        ("C107", "the down section of 2_b.sql was not compared"),
        ("C103", "after the down section of 3_d.sql table public.e is still there"),
        ("C104", "3_d.sql cannot be applied again after its down section"),
    ]


def test_temporary_tables_make_no_difference(project, findings):
    project.migration("1_a", up="create temporary table x (id int); create table a (id int);", down="drop table a;")
    project.migration("2_b", up="create table b (id int);", down="drop table b;")

    assert findings() == []


def test_what_depends_on_the_database_is_no_difference_after_a_second_one_was_needed(project, findings):
    named = "do $$ begin execute format('comment on table k is %L', current_database()); end $$;"
    project.migration("1_k", up=f"create table k (i int);\n{named}", down="drop table k;")
    project.migration("2_z", up="create table z1 (i int); create table z2 (i int);", down="drop table z1;")
    project.migration("3_v", up="create or replace view v as select 1 as one;", down="drop view v;")

    assert [message for code, message in findings() if code == "C103"] == [
        "after the down section of 2_z.sql table public.z2 is still there"
    ]


def test_a_large_migration_that_creates_a_role_is_compared_by_catalogs(project, findings, role):
    filler = f"-- {'x' * 77}\n" * 20_000
    up = f"create role {role};\n{filler}create table z1 (i int); create table z2 (i int);"
    project.migration("1_z", up=up, down=f"drop table z1; drop role {role};")
    found = findings()

    assert "C103" in [code for code, _ in found], found
    assert any("table public.z2 is still there" in message for _, message in found)


def test_a_committed_down_section_that_leaves_changes_ends_the_check(project, findings, role):
    project.migration("1_role", up=f"create role {role};", down=f"drop role {role};")
    project.migration("2_a", up="create table a (id int);", down="drop table a;")
    project.write(
        "3_i.sql",
        "-- migrate:up transaction:false\ncreate index concurrently i on a (id);\n"
        "-- migrate:down transaction:false\nselect 1;\n",
    )
    project.migration("4_b", up="create table b (id int);", down="drop table b;")
    found = findings()

    assert [(code, message.partition(": ")[0]) for code, message in found] == [
        ("C103", "after the down section of 3_i.sql index public.i is still there"),
        ("C104", "3_i.sql cannot be applied again after its down section"),
        ("C107", "the down section of 3_i.sql left changes that remain"),
        ("C114", "the migrations after 3_i.sql were not run (1 of 4 files)"),
    ]


@pytest.mark.parametrize("discarding", ["deallocate all", "discard plans"])
def test_a_file_that_discards_prepared_statements_hides_nothing(project, run, database_url, discarding):
    """The sessions of a check have prepared statements of their own, which the file takes away in up and down."""
    project.migration("1_a", up="create table a (id int);", down="drop table a;")
    project.migration("2_b", up=f"create table b (id int);\n{discarding};", down=f"drop table b;\n{discarding} ;")
    project.migration("3_c", up="alter table a add note text;", down="alter table a alter note set not null;")
    project.migration("4_d", up="create table d (id int);", down="drop table d;")
    project.migration("5_e", up="create index called on a (id);", down="select 1;")

    done = run("check", "--json", "--no-lint", "--no-dump-schema", env={"DBMIGRATE_SCRATCH_URL": database_url})

    answer = json.loads(done.stdout)
    assert [item["message"].partition(".sql ")[2] for item in answer["findings"] if item["code"] == "C103"] == [
        "column public.a.note is still there",
        "index public.called is still there",
    ]
    assert [(each["version"], each["tables"][0]["lock"]) for each in answer["locks"]] == [
        ("3", "ACCESS EXCLUSIVE"),
        ("5", "SHARE"),
    ]
