"""Backfills on the command line: deferred, run, paused, interrupted, and what `status` says of them."""

from __future__ import annotations

import json
import signal

import pytest

from tests.support.backfills import counters, fill, project_of, versions
from tests.support.children import eventually


@pytest.fixture
def dbmigrate(run, database_url):
    return lambda *words: run(*words, env={"DATABASE_URL": database_url, "DBMATE_NO_DUMP_SCHEMA": "true"})


def test_a_deferred_backfill_is_in_nobodys_way_until_it_is_run(dbmigrate, database_url, project, query):
    fill(database_url, number=700)
    project_of(project, options="batch:200 pause:0")
    project.migration("2_next", up="create table next ();", down="drop table next;")

    up = dbmigrate("up", "--defer-backfills", "--strict")
    again = dbmigrate("up", "--strict")
    status = dbmigrate("status", "--exit-code")
    asked = dbmigrate("status", "--exit-code", "--backfills")
    as_json = json.loads(dbmigrate("status", "--json").stdout)

    assert (up.exit_code, again.exit_code, status.exit_code, asked.exit_code) == (0, 0, 0, 1), up.stderr + again.stderr
    assert "note[W350]: the backfill of 1_fill.sql is deferred" in up.stderr
    assert "hint: run it with `dbmigrate backfill 1`" in up.stderr
    assert "1 applied, 1 deferred" in up.stderr
    assert "the backfill of 1_fill.sql is deferred" in again.stderr
    assert versions(database_url) == ["2"]
    assert "[~] 1_fill.sql" in status.stdout
    assert "Applied: 1\nPending: 0" in status.stdout
    assert "its backfill is deferred\n    hint: run it with `dbmigrate backfill 1`\n" in status.stderr
    assert as_json["migrations"][0]["state"] == "deferred"
    assert counters(database_url) == (0, 0, 700)

    ran = dbmigrate("backfill", "1", "--json")

    assert ran.exit_code == 0, ran.stderr
    assert [each["version"] for each in json.loads(ran.stdout)["done"]] == ["1"]
    assert counters(database_url) == (1, 1, 700)
    assert versions(database_url) == ["1", "2"]
    assert dbmigrate("backfill").exit_code == 0
    assert dbmigrate("backfill", "1").exit_code == 2
    assert dbmigrate("status", "--exit-code", "--backfills").exit_code == 0


def test_a_migration_that_depends_on_a_deferred_backfill_is_refused(dbmigrate, database_url, project, query):
    fill(database_url, number=10)
    project_of(project)
    next_ = project.write("2_next.sql", "-- migrate:depends 1\n-- migrate:up\ncreate table next ();\n-- migrate:down\n")

    at_once = dbmigrate("up", "--defer-backfills")
    assert at_once.exit_code == 7
    assert "error[E764]: 2_next.sql depends on 1_fill.sql, whose backfill is deferred" in at_once.stderr
    assert query(database_url, "select to_regclass('schema_migrations')") == [(None,)]

    text = next_.read_text()
    next_.unlink()
    assert dbmigrate("up", "--defer-backfills").exit_code == 0
    next_.write_text(text)
    later = dbmigrate("up")
    assert later.exit_code == 7
    assert "hint: run it first: `dbmigrate backfill 1`" in later.stderr
    assert dbmigrate("backfill").exit_code == 0
    assert dbmigrate("up").exit_code == 0
    assert versions(database_url) == ["1", "2"]


def test_a_backfill_is_paused_after_its_time_and_goes_on_at_its_cursor(dbmigrate, database_url, project, query):
    fill(database_url, number=600)
    query(database_url, "analyze t")  # without statistics there is no percentage
    project_of(project, options="batch:100 max_rate:1000/s")
    dbmigrate("up", "--defer-backfills")

    paused = dbmigrate("backfill", "--for", "200ms")
    status = dbmigrate("status", "--exit-code")

    assert (paused.exit_code, status.exit_code) == (0, 0), paused.stderr
    assert "1_fill.sql is paused at " in paused.stderr
    assert "its backfill paused after id = " in status.stderr
    assert " % " in status.stderr.partition("paused after")[2] or " %, " in status.stderr
    assert versions(database_url) == []
    assert dbmigrate("up").exit_code == 0
    assert versions(database_url) == []
    assert dbmigrate("backfill").exit_code == 0
    assert counters(database_url) == (1, 1, 600)
    assert versions(database_url) == ["1"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_after_the_page(start, run, database_url, project, query, number, code):
    fill(database_url, number=400)
    project_of(project, "update t set n = n + 1 where :batch and pg_sleep(0.01) is not null;", "batch:100 target:1h")
    process = start("up", "--no-dump-schema", env={"DATABASE_URL": database_url})
    assert eventually(
        lambda: query(
            database_url,
            "select 1 from pg_stat_activity where query like '%pg_sleep(0.01)%'"
            " and pid <> pg_backend_pid() and state = 'active'",
        )
    )

    process.send_signal(number)
    _, stderr = process.communicate(timeout=30)

    assert process.returncode == code, stderr
    done = query(database_url, "select count(*) from t where n = 1")[0][0]
    assert done > 0
    assert done % 100 == 0
    assert f"1_fill.sql stopped after id = {done * 3}: {done} rows were changed, and stay changed" in stderr
    assert "hint: `dbmigrate up` goes on there" in stderr
    project_of(project)
    after = run("up", "--no-dump-schema", env={"DATABASE_URL": database_url})
    assert after.exit_code == 0, after.stderr
    assert counters(database_url) == (1, 1, 400)


def test_an_option_that_is_wrong_is_refused_with_its_place(dbmigrate, project):
    for options, message in {
        "backfill:t batch:0": "batch has to be a number of rows from 1 to 100000, not `0`",
        "backfill:t max_rate:9": "max_rate has to be a number of rows per second such as 5000/s, not `9`",
        "backfill:t vacuum:0%": "vacuum has to be a share of the rows such as 10%, not `0%`",
        "backfill:t target:0s": "target has to be a duration such as 100ms, not `0s`",
        "batch:10": "batch is an option of a backfill",
        "backfill:t transaction:false": "each page of a backfill is a transaction of its own",
        "backfil:t": "unknown option `backfil:t`",
        'backfill:"A b"."C': "has to be the name of a table",
    }.items():
        project.migration("1_a", up="update t set n = 1 where :batch;", up_options=options)
        done = dbmigrate("lint", "--json")
        refused = done.stdout + done.stderr
        assert message in refused, (options, refused)
        assert "1_a.sql:1:" in refused or '"line": 1' in refused


def test_deploy_says_which_backfills_are_deferred(dbmigrate, database_url, project):
    fill(database_url, number=10)
    project_of(project)
    project.migration("2_next", up="create table next ();")

    done = dbmigrate("deploy", "--no-backup", "--defer-backfills", "--yes")

    assert done.exit_code == 0, done.stderr
    assert "the backfill of 1_fill.sql is deferred" in done.stderr
    assert versions(database_url) == ["2"]


def test_lint_proposes_vacuum_where_it_can_see_the_size_of_the_table(dbmigrate, run, database_url, project, query):
    query(database_url, "create table t (id int primary key, n int); insert into t values (1, 1); analyze t")
    query(database_url, "update pg_class set reltuples = 2e6 where oid = 't'::regclass")
    up = "update t set n = 1 where n is null and :batch;"
    project.migration("1_fill", up=up, up_options="backfill:t", down="-- what was filled stays filled")

    seen, unseen = run("-u", database_url, "lint"), run("lint")

    assert "note[W761]: t has about 2,000,000 rows: this backfill may double its size" in seen.stdout
    assert (seen.exit_code, unseen.exit_code) == (0, 0), seen.stdout
    assert "W761" not in unseen.stdout
