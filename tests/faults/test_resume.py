"""Migrations without a transaction that stopped half-way: what is said of them, and how they go on."""

from __future__ import annotations

import json
import threading

import pytest

from tests.support import faults
from tests.support.children import eventually
from tests.support.faults import FALSE, INVALID
from tests.support.proxy import TO_CLIENT, TO_SERVER, Action, Fault, Proxy

UP = ("up", "--no-dump-schema")
NUMBERS = "select n from tally order by n"


@pytest.fixture
def dbmigrate(run, database_url):
    return lambda *words: run(*words, env={"DATABASE_URL": database_url, "DBMATE_NO_DUMP_SCHEMA": "true"})


@pytest.fixture
def stopped(dbmigrate, project, query, database_url):
    """A migration that stopped at the third of four statements, and its file."""
    path = project.migration(
        "1_a",
        up="create table tally (n int);\ninsert into tally values (1);\ninsert into tally values (1/0);\n"
        "insert into tally values (4);",
        down="drop table tally;",
        up_options=FALSE,
    )
    done = dbmigrate("up")
    assert done.exit_code == 5, done.stderr
    assert "error[E501]: division by zero" in done.stderr
    assert "1_a.sql:4:" in done.stderr
    assert "statements 1 to 2 are done, statement 3 was rolled back" in done.stderr
    return path


def edit(path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_an_unfinished_migration_is_listed_and_up_does_not_go_past_it(stopped, dbmigrate, project):
    project.migration("2_b", up="create table b ();")

    status, up = dbmigrate("status"), dbmigrate("up")

    assert "stopped at statement 3: division by zero" in status.stdout + status.stderr
    assert "dbmigrate resume" in status.stdout + status.stderr
    assert up.exit_code == 5
    assert "error[E502]: 1_a.sql (up, without a transaction) is unfinished: it stopped at statement 3" in up.stderr


def test_what_comes_after_the_last_finished_statement_may_be_edited(stopped, dbmigrate, database_url, query):
    edit(stopped, "values (1/0)", "values (3)")

    done = dbmigrate("resume")

    assert done.exit_code == 0, done.stderr
    assert query(database_url, NUMBERS) == [(1,), (3,), (4,)]
    assert faults.versions(database_url) == ["1"]
    assert dbmigrate("verify").exit_code == 0


def test_a_finished_statement_may_not_be_edited(stopped, dbmigrate, database_url, query):
    edit(stopped, "values (1);", "values (7);")

    done = dbmigrate("resume")

    assert done.exit_code == 5
    assert "error[E505]" in done.stderr
    assert query(database_url, NUMBERS) == [(1,)]
    edit(stopped, "values (7);", "values (1);")
    edit(stopped, "values (1/0)", "values (3)")
    assert dbmigrate("resume").exit_code == 0


def test_resume_can_fail_again_and_go_on_again(stopped, dbmigrate, database_url, query):
    assert dbmigrate("resume").exit_code == 5
    edit(stopped, "values (1/0)", "values (3)")
    edit(stopped, "values (4)", "values (4/0)")
    assert dbmigrate("resume").exit_code == 5
    edit(stopped, "values (4/0)", "values (4)")

    assert dbmigrate("resume").exit_code == 0

    assert query(database_url, NUMBERS) == [(1,), (3,), (4,)]


def test_undo_runs_the_down_section_and_up_can_begin_anew(stopped, dbmigrate, database_url, query):
    assert dbmigrate("resume", "--undo").exit_code == 0

    assert query(database_url, "select to_regclass('tally')") == [(None,)]
    edit(stopped, "values (1/0)", "values (3)")
    assert dbmigrate("up").exit_code == 0
    assert query(database_url, NUMBERS) == [(1,), (3,), (4,)]


@pytest.mark.parametrize("options", ["", FALSE], ids=["in a transaction", "without one"])
def test_an_undo_that_fails_leaves_the_migration_unfinished(stopped, dbmigrate, database_url, query, options):
    edit(stopped, "-- migrate:down\ndrop table tally;", f"-- migrate:down {options}\ndrop table nothing;")

    assert dbmigrate("resume", "--undo").exit_code in (4, 5)

    refused = dbmigrate("up")
    assert refused.exit_code == 5, refused.stderr
    assert "E502" in refused.stderr
    edit(stopped, "drop table nothing", "drop table tally")
    assert dbmigrate("resume", "--undo").exit_code == 0
    assert query(database_url, "select to_regclass('tally')") == [(None,)]


def test_an_undo_that_stops_half_way_is_resumed_as_an_undo(stopped, dbmigrate, database_url, query):
    down = f"-- migrate:down {FALSE}\ndelete from tally;\nselect 1/0;\ndrop table tally;"
    edit(stopped, "-- migrate:down\ndrop table tally;", down)
    assert dbmigrate("resume", "--undo").exit_code == 5
    refused = dbmigrate("up")
    assert "1_a.sql (down, without a transaction) is unfinished" in refused.stderr
    edit(stopped, "select 1/0;", "select 1;")

    done = dbmigrate("resume")

    assert done.exit_code == 0, done.stderr
    assert query(database_url, "select to_regclass('tally')") == [(None,)]
    assert faults.versions(database_url) == []


def test_with_nothing_unfinished_there_is_nothing_to_resume(dbmigrate, project):
    project.migration("1_a", up="select 1;", up_options=FALSE)
    dbmigrate("up")

    done = dbmigrate("resume")

    assert done.exit_code == 2
    assert "error[E242]" in done.stderr


def test_the_first_statement_that_fails_leaves_nothing_to_resume(dbmigrate, project, database_url):
    path = project.migration("1_a", up="select 1/0;\ncreate table a ();", up_options=FALSE)

    done = dbmigrate("up")

    assert done.exit_code == 4, done.stderr
    assert "nothing of 1_a.sql was done" in done.stderr
    edit(path, "select 1/0;", "select 1;")
    assert dbmigrate("up").exit_code == 0


# --------------------------------------------------------------------------------------------- outcomes nobody knows


@pytest.fixture
def unknown(server, dbmigrate, run, project, database_url):
    """A migration whose connection broke while its second statement, a CALL, was answered."""
    body = "begin insert into tally values (2); commit; end"
    up = "create table tally (n int);\ncall p();\ninsert into tally values (3);"
    project.migration("1_p", up=f"create procedure p() language plpgsql as $$ {body} $$;")
    project.migration("2_a", up=up, up_options=FALSE)
    with Proxy(server) as proxy:
        fault = proxy.arm(Fault(TO_CLIENT, Action.CUT, text=b"CALL\0", kind=b"C"))
        url = proxy.url(database_url.partition("?")[0].rpartition("/")[2])
        done = run(*UP, env={"DATABASE_URL": url})
    assert fault.happened
    assert done.exit_code == 5, done.stderr
    assert "statement 2 may have taken effect" in done.stderr


def test_an_unknown_outcome_is_asked_about_not_guessed(unknown, dbmigrate, database_url, query):
    done = dbmigrate("resume")

    assert done.exit_code == 5
    assert "error[E506]: the outcome of statement 2 of 2_a.sql is unknown" in done.stderr
    assert "resume --retry 2" in done.stderr
    assert "--done 2" in done.stderr
    assert query(database_url, NUMBERS) == [(2,)]


@pytest.mark.parametrize(("answer", "expected"), [("--done", [(2,), (3,)]), ("--retry", [(2,), (2,), (3,)])])
def test_the_answer_about_an_unknown_outcome_is_followed(unknown, dbmigrate, database_url, query, answer, expected):
    done = dbmigrate("resume", answer, "2")

    assert done.exit_code == 0, done.stderr
    assert query(database_url, NUMBERS) == expected
    assert faults.versions(database_url) == ["1", "2"]


def test_a_connection_lost_at_the_commit_of_a_step_does_not_make_it_run_twice(
    server, run, dbmigrate, project, database_url, query
):
    project.migration("1_a", up="create table tally (n int);\ninsert into tally values (1);", up_options=FALSE)
    for answer in (TO_SERVER, TO_CLIENT):
        query(database_url, "drop table if exists tally, schema_migrations, schema_migrations_log")
        kind, text = (b"Q", b"COMMIT;\0") if answer is TO_SERVER else (b"C", b"COMMIT\0")
        with Proxy(server) as proxy:
            fault = proxy.arm(Fault(answer, Action.CUT, text=text, kind=kind, number=2))
            url = proxy.url(database_url.partition("?")[0].rpartition("/")[2])
            done = run(*UP, env={"DATABASE_URL": url})
        assert fault.happened
        assert done.exit_code == 5, done.stderr
        what = "1 to 2 are done" if answer is TO_CLIENT else "statement 2 was rolled back"
        assert what in done.stderr

        assert dbmigrate("resume").exit_code == 0

        assert query(database_url, NUMBERS) == [(1,)]


def test_what_was_found_out_or_said_about_an_outcome_holds_when_resume_fails_later(
    unknown, dbmigrate, project, database_url, query
):
    path = project.migrations / "2_a.sql"
    edit(path, "values (3);", "values (3/0);")
    assert dbmigrate("resume", "--done", "2").exit_code == 5
    edit(path, "values (3/0);", "values (3);")

    done = dbmigrate("resume")

    assert done.exit_code == 0, done.stderr
    assert query(database_url, NUMBERS) == [(2,), (3,)]


def test_the_log_shows_an_unknown_outcome_as_unknown(unknown, dbmigrate):
    shown, programs = dbmigrate("history").stdout, json.loads(dbmigrate("history", "--json").stdout)

    assert "unknown 2_a.sql statement 2" in shown
    assert [event["state"] for event in programs["entries"] if event["step"] == 2] == ["unknown"]


def test_status_shows_the_statement_that_an_unfinished_migration_stopped_at(stopped, dbmigrate):
    people, programs = dbmigrate("status"), json.loads(dbmigrate("status", "--json").stdout)

    assert "insert into tally values (1/0);" in people.stderr
    assert programs["migrations"][0]["unfinished"] == {
        "direction": "up",
        "done": [1, 2],
        "statement": 3,
        "sql": "insert into tally values (1/0);",
        "error": "division by zero (22012)",
        "deferred": False,
        "backfill": None,
    }


# ------------------------------------------------------------------------------------------------- detached partitions

ATTACHED = "select inhdetachpending from pg_inherits where inhrelid = to_regclass('app.part')"


@pytest.fixture
def partitioned(server, dbmigrate, project, query, database_url):
    """A partitioned table, and a migration that detaches a part of it and then drops that."""
    if server.major < 14:
        pytest.skip("partitions are detached concurrently since PostgreSQL 14")
    project.migration(
        "1_a",
        up="create schema app;\ncreate table app.whole (n int) partition by range (n);\n"
        "create table app.part partition of app.whole for values from (0) to (10);",
    )
    project.migration(
        "2_b",
        up="set search_path = app;\nalter table whole detach partition part concurrently;\n"
        "insert into public.tally values (1);\ndrop table part;",
        up_options=FALSE,
    )
    query(database_url, "create table tally (n int)")
    assert dbmigrate("up", "--to", "1").exit_code == 0


def test_a_detachment_that_was_interrupted_is_completed(partitioned, start, dbmigrate, database_url, query):
    with faults.transaction(database_url, "select * from app.whole"):
        process = start(*UP, env={"DATABASE_URL": database_url})
        pid = faults.backend(database_url, doing="alter table whole detach%")
        assert eventually(lambda: query(database_url, ATTACHED) == [(True,)])
        process.kill()
        process.wait(timeout=10)
        assert faults.is_gone(database_url, pid, seconds=15)
    assert query(database_url, ATTACHED) == [(True,)]

    done = dbmigrate("resume")

    assert done.exit_code == 0, done.stderr
    assert "W641" in done.stderr
    assert query(database_url, "select to_regclass('app.part'), n from tally") == [(None, 1)]
    assert faults.versions(database_url) == ["1", "2"]


def test_a_detachment_that_a_signal_interrupted_is_completed(partitioned, start, dbmigrate, database_url, query):
    with faults.transaction(database_url, "select * from app.whole"):
        process = start(*UP, env={"DATABASE_URL": database_url})
        faults.backend(database_url, doing="alter table whole detach%")
        assert eventually(lambda: query(database_url, ATTACHED) == [(True,)])
        process.terminate()
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 143
    assert "statement 2 may have taken effect" in errors

    assert dbmigrate("resume").exit_code == 0

    assert query(database_url, "select to_regclass('app.part'), n from tally") == [(None, 1)]


def test_a_detachment_that_was_completed_unseen_is_not_begun_again(
    partitioned, server, run, dbmigrate, project, database_url, query
):
    path = project.migrations / "2_b.sql"
    edit(path, "drop table part;", "drop table part;\nselect 1/0;")
    with Proxy(server) as proxy:
        fault = proxy.arm(Fault(TO_CLIENT, Action.CUT, text=b"ALTER TABLE\0", kind=b"C"))
        done = run(*UP, env={"DATABASE_URL": proxy.url(database_url.partition("?")[0].rpartition("/")[2])})
    assert (fault.happened, done.exit_code) == (True, 5), done.stderr
    assert query(database_url, ATTACHED) == []

    assert dbmigrate("resume").exit_code == 5  # at the last statement, when the part is not there any more
    edit(path, "select 1/0;", "select 1;")
    done = dbmigrate("resume")

    assert done.exit_code == 0, done.stderr
    assert query(database_url, "select n from tally") == [(1,)]


def test_a_detachment_that_never_began_is_run(partitioned, server, run, dbmigrate, database_url, query):
    with Proxy(server) as proxy:
        fault = proxy.arm(Fault(TO_SERVER, Action.CUT, text=b"alter table whole detach", kind=b"Q", number=2))
        done = run(*UP, env={"DATABASE_URL": proxy.url(database_url.partition("?")[0].rpartition("/")[2])})
    assert (fault.happened, done.exit_code) == (True, 5), done.stderr
    assert query(database_url, ATTACHED) == [(False,)]

    done = dbmigrate("resume")

    assert done.exit_code == 0, done.stderr
    assert query(database_url, "select to_regclass('app.part'), n from tally") == [(None, 1)]


# ------------------------------------------------------------------------------------------------------------- indexes


@pytest.fixture
def duplicates(dbmigrate, project, database_url, query):
    """A unique index that cannot be built concurrently, because of the rows that are there."""
    project.migration("1_a", up="create table tally (n int);\ninsert into tally values (1), (1);")
    project.migration(
        "2_b",
        up="create unique index concurrently tally_n on tally (n);\ninsert into tally values (5);",
        up_options=FALSE,
    )
    done = dbmigrate("up")
    assert done.exit_code == 5, done.stderr
    assert "could not create unique index" in done.stderr
    assert query(database_url, INVALID) == [("tally_n",)]


def test_a_unique_index_is_built_when_the_rows_are_corrected(duplicates, dbmigrate, database_url, query):
    query(database_url, "delete from tally where ctid = (select min(ctid) from tally)")

    done = dbmigrate("resume")

    assert done.exit_code == 0, done.stderr
    assert query(database_url, INVALID) == []
    assert query(
        database_url, "select indisunique, indisvalid from pg_index where indexrelid = 'tally_n'::regclass"
    ) == [(True, True)]
    assert query(database_url, NUMBERS) == [(1,), (5,)]


def test_an_invalid_index_that_is_not_ours_is_left_alone(duplicates, dbmigrate, database_url, query):
    query(database_url, "create table other (n int)")
    query(database_url, "insert into other values (1), (1)")
    with pytest.raises(Exception, match="could not create unique index"):
        query(database_url, "create unique index concurrently other_n on other (n)")
    query(database_url, "delete from tally")

    assert dbmigrate("resume").exit_code == 0

    assert query(database_url, INVALID) == [("other_n",)]


def test_if_not_exists_over_an_invalid_index_is_no_success(dbmigrate, project, database_url, query):
    query(database_url, "create table tally (n int)")
    query(database_url, "insert into tally values (1), (1)")
    with pytest.raises(Exception, match="could not create unique index"):
        query(database_url, "create unique index concurrently tally_n on tally (n)")
    query(database_url, "delete from tally")
    project.migration(
        "1_a", up="create unique index concurrently if not exists tally_n on tally (n);", up_options=FALSE
    )

    done = dbmigrate("up")

    assert done.exit_code == 5
    assert "error[E504]" in done.stderr
    assert dbmigrate("resume").exit_code == 0
    assert query(database_url, INVALID) == []
    assert faults.versions(database_url) == ["1"]


def test_an_index_that_was_built_may_not_be_edited_into_another_one(
    server, run, dbmigrate, project, database_url, query
):
    project.migration("1_a", up="create table tally (n int, m int);")
    path = project.migration("2_b", up="create index concurrently tally_i on tally (n);", up_options=FALSE)
    with Proxy(server) as proxy:
        fault = proxy.arm(Fault(TO_CLIENT, Action.CUT, text=b"CREATE INDEX\0", kind=b"C"))
        assert (
            run(*UP, env={"DATABASE_URL": proxy.url(database_url.partition("?")[0].rpartition("/")[2])}).exit_code == 5
        )
    assert fault.happened
    edit(path, "(n)", "(m)")

    done = dbmigrate("resume")

    assert done.exit_code == 5
    assert "error[E505]" in done.stderr
    edit(path, "(m)", "(n)")
    assert dbmigrate("resume").exit_code == 0


def test_an_index_that_somebody_else_builds_does_not_hide_our_invalid_one(server, run, project, database_url, query):
    # to a role without pg_read_all_stats the progress of other people's builds shows no index
    query(database_url, "create table busy (n int); create table tally (n int); insert into tally values (1), (1)")
    project.migration("1_a", up="create unique index concurrently tally_n on tally (n);", up_options=FALSE)
    with faults.plain_role(server, database_url, "tally") as url:
        with faults.transaction(database_url, "insert into busy values (1)"):
            build = threading.Thread(target=query, args=(database_url, "create index concurrently on busy (n)"))
            build.start()
            shown = "select count(*) from pg_stat_progress_create_index"
            assert eventually(lambda: query(database_url, shown) == [(1,)])
            ours = run(*UP, "--lock-timeout", "0", env={"DATABASE_URL": url, "PGOPTIONS": ""})
        build.join()
        left = query(database_url, INVALID)

    assert ours.exit_code == 5, ours.stderr
    assert left == [("tally_n",)]
