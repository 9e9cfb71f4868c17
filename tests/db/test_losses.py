"""What a plan destroys is named before it runs: how many rows, how large, whether anything reads them."""

from __future__ import annotations

import json

import pytest

from dbmigrate.api.migrator import Goal, Migrator, Options
from dbmigrate.losses import is_worth_reading, may_destroy
from dbmigrate.migrations import parser
from dbmigrate.migrations.find import find
from dbmigrate.model import Order, Step
from tests.support import faults
from tests.support.catalog import fingerprint

SETUP = """
create table "Odd ""T" (id int primary key, "a;b" text, kept int);
insert into "Odd ""T" select n, case when n % 2 = 0 then repeat('x', 50) end, n from generate_series(1, 1000) n;
create table parts (at int, note text) partition by range (at);
create table parts_1 partition of parts for values from (0) to (100);
create table parts_2 partition of parts for values from (100) to (1000);
insert into parts select n, 'n' from generate_series(1, 500) n;
create table empty (n int);
create table new (n numeric(10, 2), t text, v varchar(20), b bigint, i int);
insert into new values (1.25, 'x', 'y', 1, 1);
create schema side; create table side.a (n int); insert into side.a values (1);
analyze;
"""


@pytest.fixture
def losses(project, database_url, query):
    """The `data` of what the pending migration, of these statements, would destroy, by kind and column."""
    query(database_url, SETUP)

    def found(up: str, **kwargs):
        project.migration("1_a", up=up, **kwargs)
        planned = Migrator(database_url, Options(directories=(str(project.migrations),))).plan_up()
        return [problem for problem in planned.problems if problem.code == "W380"]

    return found


def test_rows_and_bytes_are_those_of_the_statistics(losses, database_url):
    before = fingerprint(database_url)

    column, table, parts = losses(
        'create table b ();\nalter table "Odd ""T" drop column "a;b", drop column if exists gone;\n'
        'drop table if exists "Odd ""T", no_such, empty;\ntruncate parts;'
    )

    assert [problem.data["kind"] for problem in (column, table, parts)] == ["drop_column", "drop_table", "truncate"]
    assert (column.data["rows"], column.data["bytes"]) == (500, 500 * 51)
    assert (column.data["table"], column.data["column"], column.data["line"]) == ('Odd "T', "a;b", 3)
    assert table.data["rows"] == 1000
    assert table.data["bytes"] % 8192 == 0
    assert (parts.data["schema"], parts.data["table"], parts.data["rows"]) == ("public", "parts", 500)
    assert table.message.startswith('DROP TABLE Odd "T destroys ≈ 1,000 rows (')
    assert str(table.place).endswith("1_a.sql:4:22")
    assert fingerprint(database_url) == before


def test_whether_the_table_is_read_is_in_it(losses, server, database_url, query):
    if server.major < 15:
        pytest.skip("the counters of a session arrive later there")
    (unread,) = losses("truncate side.a;")
    assert (unread.data["scans"], "nothing has read the table" in unread.message) == (0, True)
    query(database_url, "select * from side.a; select * from side.a; select pg_stat_force_next_flush()")

    (read,) = losses("drop schema side cascade;")

    assert read.data["kind"] == "drop_schema"
    assert read.data["scans"] >= 1
    assert "the table was read " in read.message


@pytest.mark.parametrize(
    ("change", "is_loss"),
    [
        ("n type numeric(12, 2)", False),
        ("n type numeric(10, 0)", True),
        ("n type int", True),
        ("n type text", False),
        ("t type varchar(10)", True),
        ("t type varchar", False),
        ("v type varchar(30)", False),
        ("v type varchar(10) using left(v, 10)", True),
        ("i type bigint", False),
        ("b type integer using b::int", True),
        ("i set default 1", False),
    ],
)
def test_a_type_that_narrows_may_change_values(losses, change, is_loss):
    assert [problem.data["kind"] for problem in losses(f"alter table new alter column {change};")] == (
        ["set_type"] if is_loss else []
    )


def test_what_the_plan_itself_makes_and_what_deletes_some_rows_is_no_loss(losses):
    assert (
        losses(
            "create table made (n int);\ndrop table made;\ndelete from parts where at = 1;\nupdate parts set note = 'x';\n"
            "drop view if exists v;\ndrop schema if exists side2 cascade;\ncomment on table parts is 'drop table parts';"
        )
        == []
    )
    assert [problem.data["kind"] for problem in losses("with d as (delete from parts returning 1) select 1;")] == [
        "delete"
    ]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("alter table parts rename to p2;\ndrop table p2;", [("drop_table", "parts", None, 500)]),
        ("alter table parts rename to p2;\ndrop table if exists parts;", []),
        ("alter table parts rename to p2;\ncreate table parts (n int);\ndrop table parts;", []),
        (
            "alter table parts rename to p2;\ncreate table parts (n int);\ntruncate p2;",
            [("truncate", "parts", None, 500)],
        ),
        (
            "alter table parts rename note to said;\nalter table parts drop said;",
            [("drop_column", "parts", "note", 500)],
        ),
        ("alter table parts rename note to said;\nalter table parts drop if exists note;", []),
        ("alter table parts add more text;\nalter table parts drop more;", []),
        (
            "alter table new rename to old;\nalter table parts rename to new;\ntruncate new;\ndrop table old;",
            [("truncate", "parts", None, 500), ("drop_table", "new", None, 1)],
        ),
        ("alter table parts set schema side;\ndrop table side.parts;", [("drop_table", "parts", None, 500)]),
        (
            "alter table parts set schema side;\nalter schema side rename to aside;\ndrop table aside.parts;",
            [("drop_table", "parts", None, 500)],
        ),
        ("alter schema public rename to app;\ndrop table app.parts;", [("drop_table", "parts", None, 500)]),
        (
            "alter schema public rename to app;\nalter table app.parts drop note;",
            [("drop_column", "parts", "note", 500)],
        ),
        ("alter schema public rename to app;\ncreate schema public;\ndrop table if exists public.parts;", []),
        (
            "alter schema side rename to aside;\nalter schema public rename to side;\ndrop table side.parts;",
            [("drop_table", "parts", None, 500)],
        ),
        ("drop table parts;\ncreate table parts (n int);\ndrop table parts;", [("drop_table", "parts", None, 500)]),
    ],
)
def test_names_that_the_plan_itself_changes_are_followed(losses, sql, expected):
    found = losses(sql)

    assert [tuple(each.data[key] for key in ("kind", "table", "column", "rows")) for each in found] == expected


@pytest.mark.parametrize(
    ("up", "expected"),
    [
        ("", [False, True]),
        ("  Drop table other;", [True, True]),
        ("insert into big select 1; delete from big where n = 1;", [False, True]),  # not at the beginning of its line
    ],
)
def test_a_large_file_is_read_closely_only_where_its_section_begins_a_line_with_such_a_word(project, up, expected):
    values = ",\n".join(f"({number}, 'drop table big')" for number in range(1000))
    rows = f"insert into big values\n{values};\n"
    project.migration(
        "1_a", up=f"create table big (n int, t text);\n{rows * 50}{up}\n{rows * 10}", down="drop table big;"
    )
    migration = parser.read(find([str(project.migrations)], Order.NAME)[0])

    found = [
        is_worth_reading(Step(migration.version, migration.name, section.direction, migration=migration), section)
        for section in migration.sections
    ]

    assert [section.statements for section in migration.sections] == [None, None]
    assert found == expected


def test_of_an_insert_no_more_than_its_first_word_is_looked_at():
    assert not may_destroy("insert into a values ('drop table a; truncate a; delete from a');")
    assert may_destroy("with gone as (delete from a returning 1) insert into b select * from gone;")


def test_a_table_that_an_earlier_migration_of_the_plan_renames_is_followed(losses, project):
    project.migration("0_a", up="alter table parts rename to archive;")

    (found,) = losses("truncate archive;")

    assert found.message.startswith("TRUNCATE parts, by then called archive, destroys ≈ 500 rows")


def test_up_rollback_and_both_dry_runs_say_it(run, project, database_url, query):
    env = {"DATABASE_URL": database_url}
    project.migration("1_a", up="create table a (n int);", down="drop table a;")
    project.migration("2_b", up="create table b (n int);", down="update a set n = null;\ndrop table b;")
    assert run("up", "--no-dump-schema", env=env).exit_code == 0
    query(database_url, "insert into a select generate_series(1, 5000); analyze a")
    project.migration("3_c", up="truncate a;")

    shown = run("up", "--dry-run", "--no-locks", env=env)
    data = json.loads(run("rollback", "--all", "--dry-run", "--json", "--no-locks", env=env).stdout)
    back = run("rollback", "--all", "--yes", "--no-dump-schema", env=env)

    assert "warning[W380]: TRUNCATE a destroys ≈ 5,000 rows" in shown.stderr
    assert [(loss["kind"], loss["table"], loss["rows"]) for loss in data["losses"]] == [
        ("update", "a", 5000),
        ("drop_table", "a", 5000),
    ]
    assert "warning[W380]: DROP TABLE a destroys ≈ 5,000 rows" in shown.stderr + back.stderr
    assert "UPDATE without WHERE of a overwrites ≈ 5,000 rows" in back.stderr


def test_a_table_that_was_never_analysed_has_the_rows_of_its_file_or_none(project, database_url, query):
    query(database_url, "create table a (n int); create table b (n int); insert into b values (1)")
    project.migration("1_a", up="drop table a;\ndrop table b;")

    planned = Migrator(database_url, Options(directories=(str(project.migrations),))).plan_up(Goal())

    (loss,) = [problem for problem in planned.problems if problem.code == "W380"]
    assert loss.data["table"] == "b"
    assert loss.data["rows"] in (1, None)


def test_a_role_that_may_not_look_gets_a_note_and_goes_on(server, project, database_url, query):
    query(database_url, "create schema hidden; create table hidden.a (n int); insert into hidden.a values (1)")
    project.migration("1_a", up="drop table hidden.a;")
    with faults.plain_role(server, database_url) as url:
        found = Migrator(url, Options(directories=(str(project.migrations),))).plan_up().problems

    (note,) = [problem for problem in found if problem.code.startswith("W38")]

    assert (note.code, note.severity.value, note.data) == ("W383", "note", None)
    assert "permission denied for schema hidden" in note.message


@pytest.mark.matrix
def test_a_table_that_somebody_rebuilds_is_not_waited_for(project, database_url, query):
    query(database_url, "create table a (n int)")
    project.migration("1_a", up="drop table a;")
    with faults.transaction(database_url, "lock table a in access exclusive mode"):
        found = Migrator(database_url, Options(directories=(str(project.migrations),))).plan_up().problems

    (loss,) = [problem for problem in found if problem.code.startswith("W38")]

    assert (loss.code, loss.data["rows"]) == ("W380", None)
    assert "an unknown number of rows (never analysed)" in loss.message
