"""`check` sends a migration in few messages where it can; it finds the same as statement by statement."""

from __future__ import annotations

import pytest

from dbmigrate.check import Options, one_message, run
from dbmigrate.connection.dsn import parse
from dbmigrate.errors import ConnectionFailed
from dbmigrate.impact import measure, new_objects
from dbmigrate.scratch.choose import Choice
from tests.support import faults
from tests.support.counting import round_trips
from tests.support.proxy import Proxy

FIRST = """
create table a (id int primary key, name text not null);
create table parent (id int primary key);
create table child (id int primary key, parent int);
create function f() returns int language plpgsql as 'begin return 1; end';
insert into a values (1, 'x'), (2, 'y');
"""
CASES = {
    "a table": ("create table b (id int primary key);", "drop table b;"),
    "a table and its index": ("create table b (n int);\ncreate index on b (n);", "drop table b;"),
    "an index on an old table": ("create index on a (name);", "drop index a_name_idx;"),
    "a table, and an index on an old one": (
        "create table b (n int);\ncreate index on a (name);",
        "drop table b;\ndrop index a_name_idx;",
    ),
    "a column": ("alter table a add b int;", "alter table a drop b;"),
    "a rewrite": ("alter table a add b timestamptz default clock_timestamp();", "alter table a drop b;"),
    "a foreign key": (
        "alter table child add foreign key (parent) references parent;",
        "alter table child drop constraint child_parent_fkey;",
    ),
    "a table that refers to an old one": ("create table b (n int references a);", "drop table b;"),
    "a table like an old one": ("create table b (like a including all);", "drop table b;"),
    "a table with an old one's rows": ("create table b as select * from a;", "drop table b;"),
    "a table that inherits": ("create table b () inherits (a);", "drop table b;"),
    "a view": ("create view b as select * from a;", "drop view b;"),
    "a comment": ("comment on table a is 'it''s; a';", "comment on table a is null;"),
    "rights": ("grant select on a to public;", "revoke select on a from public;"),
    "an enum": ("create type e as enum ('a');\ncreate table b (e e);", "drop table b;\ndrop type e;"),
    "a new value of an enum": ("create type e as enum ('a');\nalter type e add value 'b';", "drop type e;"),
    "a down that leaves a table": ("create table b ();\ncreate table c ();", "drop table b;"),
    "a down that leaves an index": ("create index on a (name);", "select 1;"),
    "a down that leaves a comment": ("comment on table a is 'a';", "comment on table a is 'b';"),
    "a down that drops another table": ("create table b ();", "drop table child;"),
    "a down that drops an old column": ("alter table a add b int;", "alter table a drop b, drop name;"),
    "a down that fails": ("create table b ();", "drop table nothing;"),
    "a down that is wrong": ("create table b ();", "drop table b;\n\n  dorp table b;"),
    "a down that takes rows": (
        "alter table a add check (id > 0);",
        "alter table a drop constraint a_id_check;\nupdate a set id = -id;",
    ),
    "a down with a COMMIT": ("create table b ();", "drop table b;\ncommit;"),
    "a down that sets another encoding": ("create table b ();", "drop table b;\nset client_encoding = 'latin1';"),
    "a down that ends its session": ("create table b ();", "select pg_terminate_backend(pg_backend_pid());"),
    "a down as another role": ("create table b ();", "drop table b;\nset role pg_monitor;"),
    "a down with another search_path": (
        "create table b ();",
        "drop table public.b;\nset search_path = pg_catalog;",
    ),
    "an up that fails": ("create table b ();\ncreate table b ();", "drop table b;"),
    "an up that is wrong": ("create table b ();\ncreate tabel b ();", "drop table b;"),
    "an up that sets how its text is read": ("set standard_conforming_strings = off;", "select 1;"),
    "an up that discards plans": ("deallocate all;", "select 1;"),
    "a reset of all": ("reset all;\ncreate table b ();", "drop table b;"),
    "a deferred key": (
        "alter table child add foreign key (parent) references parent deferrable initially deferred;",
        "alter table child drop constraint child_parent_fkey;",
    ),
    "a sequence": (
        "create sequence s;\ncreate table b (n int default nextval('s'));",
        "drop table b;\ndrop sequence s;",
    ),
    "an exclusion of catalogs": ("create table b ();\nlock table pg_class in share mode;", "drop table b;"),
    "a temporary table": ("create temp table b (n int);", "select 1;"),
    "a truncation": ("truncate a;", "select 1;"),
    "rows": ("insert into a values (3, 'z');", "delete from a where id = 3;"),
    "a function": ("create function g() returns int language sql as 'select 1; select 2';", "drop function g;"),
    "nothing to undo": ("create table b ();", ""),
    "a guard, and an index behind it": (
        "create table if not exists a (id int primary key, name text);\ncreate index on a (name);",
        "drop index a_name_idx;",
    ),
    "a guard": ("create table if not exists a (id int);", "select 1;"),
}


def checked(project, url):
    """What a check finds, and what it says of locks; or the error that ends it."""
    try:
        report = run(Options((str(project.migrations),)), Choice(explicit=parse(url)))
    except ConnectionFailed as exc:
        return type(exc), exc.code, exc.message.partition(": ")[2]
    return report.applied, [str(problem) for problem in report.problems], [str(each) for each in report.impacts]


@pytest.fixture
def step_by_step(monkeypatch):
    def choose() -> None:
        monkeypatch.setattr(one_message, "run", lambda *_: None)
        monkeypatch.setattr(measure, "_at_once", lambda *_: None)

    return choose


@pytest.mark.parametrize(("up", "down"), CASES.values(), ids=CASES)
def test_few_messages_find_what_many_find(project, database_url, step_by_step, up, down):
    project.migration("01_first", up=FIRST, down="drop table a, parent, child;\ndrop function f;")
    for number in range(2, 9):  # as many as open the session that answers beside the others
        project.migration(f"{number:02}_t", up=f"create table t{number} (n int);", down=f"drop table t{number};")
    project.migration("10_it", up=up, down=down)
    project.migration("11_last", up="create table last (n int);\ncreate index on last (n);", down="drop table last;")

    found = checked(project, database_url)
    step_by_step()

    assert found == checked(project, database_url)
    assert found[0] in (8, 10, ConnectionFailed)


SLOW_TRIGGER = """
create table a (n int);
create function slow() returns event_trigger language plpgsql as $$
begin perform pg_sleep(0.2); insert into a values (1); end $$;
create event trigger slow on ddl_command_end execute function slow();
"""
SERIAL = "create table t (id serial primary key, name text); insert into t (id, name) values (1, 'x');"


@pytest.mark.parametrize(
    ("up", "down", "code"),
    [
        ("insert into t (name) values ('y');", "delete from t where name = 'y';", "C101"),
        ("create table c (n int);", "drop table c;\ninsert into t (name) values ('y');", "C102"),
    ],
)
def test_what_fails_once_has_failed_although_a_second_try_would_not(project, database_url, up, down, code):
    """A value of a sequence is not rolled back."""
    project.migration("1_a", up=SERIAL, down="drop table t;")
    project.migration("2_b", up="create table b (n int);", down="drop table b;")
    project.migration("3_c", up=up, down=down)

    _, problems, _ = checked(project, database_url)

    assert [text.partition("'")[2][:4] for text in problems] == [code]


def test_a_guess_that_was_wrong_is_not_a_part_of_the_time_of_a_migration(project, database_url):
    """An event trigger touches what the text does not name, so that the file runs again, statement by statement."""
    project.migration("1_a", up=SLOW_TRIGGER, down="drop event trigger slow;\ndrop function slow;\ndrop table a;")
    project.migration("2_b", up="create table b (n int);\ncreate index on b (n);", down="drop table b;")

    report = run(Options((str(project.migrations),), longest=0.7), Choice(explicit=parse(database_url)))

    assert [problem for problem in report.problems if problem.code == "C109"] == []
    assert report.results[1].seconds >= 0.4


def test_each_migration_is_seen_although_the_next_ones_change_the_same_table(project, database_url, step_by_step):
    project.migration("00_a", up="create table a (n int);", down="drop table a;")
    for number in range(1, 20):
        down = f"alter table a drop c{number};" if number % 7 else "select 1;"
        project.migration(f"{number:02}_c", up=f"alter table a add c{number} int;", down=down)

    found = checked(project, database_url)
    step_by_step()

    assert found == checked(project, database_url)
    assert [text.partition("'")[2][:4] for text in found[1]] == ["C103", "C104"] * 2
    assert len(found[2]) == 19


def test_a_migration_that_makes_tables_takes_three_messages(server, project, database_url):
    (name,) = (database_url.partition("?")[0].rpartition("/")[2],)
    counts = []
    with Proxy(server) as proxy:
        for last in (20, 30):
            for number in range(last + 1):
                up = f"create table t{number} (n int);\ncreate index on t{number} (n);"
                project.migration(f"{number:02}_t", up=up, down=f"drop table t{number};")
            before = len(proxy.seen)
            assert checked(project, proxy.url(name))[1] == []
            counts.append(round_trips(proxy.seen[before:]))

    assert (counts[1] - counts[0]) / 10 == 3


ENDS_THE_SESSION = """
do $$ begin
  perform pg_terminate_backend(pid) from pg_stat_activity
  where datname = current_database() and query like 'EXECUTE dbmigrate_fingerprint%';
end $$;
"""


def test_the_session_that_answers_beside_the_others_may_be_lost(project, database_url):
    tables(project, 0, 12)
    project.migration("12_end", up=ENDS_THE_SESSION, down="select 1;")
    tables(project, 13, 20)
    project.migration("30_wrong", up="create table b ();\ncreate table c ();", down="drop table b;")

    applied, problems, _ = checked(project, database_url)

    assert applied == 21
    assert [text.partition("'")[2][:4] for text in problems] == ["C103", "C104"]
    assert "after the down section of 30_wrong.sql table public.c is still there" in problems[0]


def test_a_role_with_few_connections_checks_without_it(server, project, database_url, query):
    tables(project, 0, 12)
    with faults.plain_role(server, database_url) as url:
        role = url.partition("//")[2].partition(":")[0]
        query(database_url, f"alter role {role} createdb connection limit 2")

        applied, problems, _ = checked(project, url)

    assert (applied, problems) == (12, [])


def tables(project, first, end):
    for number in range(first, end):
        project.migration(f"{number:02}_t", up=f"create table t{number} ();", down=f"drop table t{number};")


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        (["create table a (n int);"], True),
        (["create table a (n int);", "create index on a (n);", "comment on table a is 'x';"], True),
        (['create table app."A b" (n int);', 'CREATE UNIQUE INDEX x ON app."A b" (n);'], True),
        (["create type e as enum ('a');", "create schema s;"], True),
        (["create table a (n int);", "create index on b (n);"], False),
        (["create table a (n int references b);"], False),
        (["create table a (like b);"], False),
        (["create table a as select 1;"], False),
        (["create table a partition of b default;"], False),
        (["alter table a add n int;"], False),
        (["create view v as select 1;"], False),
        (["drop table a;"], False),
    ],
)
def test_whether_statements_seem_to_touch_only_what_is_new(statements, expected):
    assert new_objects.are_all(statements) is expected
