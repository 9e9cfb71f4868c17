"""`squash`: one file that makes what many made, proved before it is written."""

from __future__ import annotations

import json
import re

import pytest

from tests.support.catalog import fingerprint

ROWS = """\
create table currencies (code text primary key, digits int, wide int generated always as (digits * 2) stored);
create table rates (id bigint generated always as identity, code text not null, "odd ""name" text);
"""
MORE = """\
insert into currencies (code, digits) values ('CHF', 2), (E'J\\tP\\\\Y', null);
insert into rates (code, "odd ""name") values ('CHF', E'a\\nb'), ('CHF', ''), ('CHF', null);
delete from rates where id = 3;
alter table rates add foreign key (code) references currencies;
create materialized view m as select count(*) from rates;
create materialized view n as select * from m with no data;
create function f() returns int language sql as 'select count(*)::int from rates';
grant select on rates to public;
comment on table rates is 'of the day';
create schema app;
create table app.t ();
create sequence app.s;
"""


@pytest.fixture
def command(run, database_url):
    def run_it(*arguments, url=database_url):
        return run(*arguments, env={"DATABASE_URL": url, "DBMIGRATE_NO_DUMP_SCHEMA": "true"})

    return run_it


def names(project):
    return sorted(path.name for path in project.migrations.iterdir())


def test_the_file_makes_what_the_others_made(command, project, database_url, twin_database_url, query):
    project.migration("001_a", up=ROWS)
    project.migration("002_b", up=MORE)
    project.migration(
        "003_c", up="create index concurrently rates_code on rates (code)", up_options="transaction:false"
    )
    project.migration("004_d", up="alter table rates add column day date", down="alter table rates drop column day")
    assert command("up").exit_code == 0

    refused = command("squash", "--to", "003")
    assert refused.exit_code == 7
    assert "error[E745]" in refused.stderr
    assert "public.currencies (2 rows), public.rates (2 rows), public.rates_id_seq (at 3)" in refused.stderr
    assert len(names(project)) == 4

    done = command("squash", "--to", "003", "--rows", "include", "--remove")

    assert (done.exit_code, done.stdout) == (0, "db/migrations/000_squashed.sql\n"), done.stderr
    assert names(project) == ["000_squashed.sql", "004_d.sql"]
    text = (project.migrations / "000_squashed.sql").read_text()
    assert text.startswith(
        "-- migrate:replaces 001-003\n\n-- migrate:up\n-- Squashed from 3 migrations, 001_a.sql to 003_c.sql.\n"
    )
    assert text.endswith("\n-- migrate:down irreversible:true\n")
    assert command("up", url=twin_database_url).exit_code == 0
    assert command("up").exit_code == 0
    assert command("check", "--no-lint").exit_code == 0
    left = [fingerprint(url) for url in (database_url, twin_database_url)]
    assert left[0].schema == left[1].schema
    for statement in ("select *, ctid is null from rates", "table currencies", "select last_value from rates_id_seq"):
        assert query(database_url, statement) == query(twin_database_url, statement)
    assert command("drift", "--against", "migrations").exit_code == 0


@pytest.mark.parametrize(
    ("last", "following", "expected", "said"),
    [
        ("20260101000001", "20260101000009", "20260101000002", "20260101000000, 20260101000001"),
        ("20260101000001", None, "20260101000002", "20260101000000, 20260101000001"),
        ("20260101000001", "20260101000002", "00000000000000", "20260101000000, 20260101000001"),
    ],
)
def test_the_version_is_before_the_next_one(command, project, last, following, expected, said):
    project.migration("20260101000000_a", up="create table a ()")
    project.migration(f"{last}_b", up="create table b ()")
    if following:
        project.migration(f"{following}_c", up="create table c ()")

    done = command("squash", "--to", last, "--name", "first ones", "--json")

    value = json.loads(done.stdout)
    assert value["path"] == f"db/migrations/{expected}_first_ones.sql"
    assert (value["replaces"], value["removed"]) == (["20260101000000", last], [])
    assert "note[W343]" in done.stderr
    assert f"-- migrate:replaces {said}\n" in (project.root / value["path"]).read_text()
    assert command("status").stdout.startswith(f"[ ] {expected}_first_ones.sql\n")


def test_rows_can_be_left_out(command, project, query, database_url):
    project.migration("1_a", up=ROWS)
    project.migration("2_b", up=MORE)

    assert command("squash", "--to", "2", "--rows", "leave-out").exit_code == 0

    assert command("up").stdout.count("Applied:") == 1
    assert query(database_url, "select count(*) from rates") == [(0,)]


@pytest.mark.parametrize(
    ("up", "code", "words"),
    [
        ("create table a ()", "E260", 'relation "a" already exists'),
        ("create table 'b ()", "E217", "2_b.sql:2"),
        ("alter default privileges for role postgres grant select on tables to nobody_here", "E260", "nobody_here"),
    ],
)
def test_what_cannot_be_squashed_leaves_nothing(command, project, up, code, words):
    project.migration("1_a", up="create table a ()")
    project.migration("2_b", up=up)

    done = command("squash", "--to", "2", "--remove")

    assert done.exit_code == 2
    assert f"error[{code}]" in done.stderr
    assert words in done.stderr
    assert names(project) == ["1_a.sql", "2_b.sql"]


def test_what_a_schema_file_does_not_say_is_not_lost_in_silence(command, project):
    project.migration("1_a", up="create table a ()")
    project.migration("2_b", up="alter table a owner to pg_monitor")

    done = command("squash", "--to", "2", "--remove")

    assert done.exit_code == 7
    assert "error[E746]" in done.stderr
    assert "owner of table public.a differs" in done.stderr
    assert names(project) == ["1_a.sql", "2_b.sql"]


def test_one_file_and_files_with_variables_are_nothing_to_squash(command, project):
    project.migration("01_a", up="create table a ()")
    project.write("02_b.sql", '-- migrate:vars v\n-- migrate:up\ncreate table :"v" ();\n-- migrate:down\n')

    assert "02_b.sql uses the variable v" in command("squash", "--to", "02").stderr
    (project.migrations / "02_b.sql").unlink()

    assert "error[E263]" in command("squash", "--to", "01").stderr
    assert "did you mean 01?" in command("squash", "--to", "1").stderr
    assert command("squash", "--to", "01", "--rows", "none").exit_code == 2


def test_a_squashed_file_is_squashed_when_what_it_replaces_is_gone(command, project):
    for number in range(1, 5):
        project.migration(f"0{number}_t", up=f"create table t{number} ()")
    assert command("squash", "--to", "02").exit_code == 0

    refused = command("squash", "--to", "04")
    assert "error[E263]" in refused.stderr
    assert "01_t.sql, which is still there" in refused.stderr
    (project.migrations / "01_t.sql").unlink()
    (project.migrations / "02_t.sql").unlink()
    done = command("squash", "--to", "04")

    assert done.exit_code == 0, done.stderr
    assert "-- migrate:replaces 00, 03, 04\n" in (project.root / done.stdout.strip()).read_text()
    assert re.search(r"0 pending|Applied: 0\nPending: 1", command("status").stdout)
