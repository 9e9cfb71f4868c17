"""Backfills on a server: pages along a key, each row exactly once, whatever happens to the run."""

from __future__ import annotations

import pytest

from dbmigrate.api.migrator import Options
from dbmigrate.api.records import Decision, Upkeep
from dbmigrate.errors import MigrationFailed, MigrationFileError, Refused
from dbmigrate.events import BackfillProgress
from tests.support import backfills, faults
from tests.support.backfills import KEYS, Told, counters, fill, migrator, project_of, versions
from tests.support.children import eventually


@pytest.mark.parametrize("key", KEYS)
def test_each_row_is_changed_once_whatever_the_key(database_url, project, query, key):
    fill(database_url, key, 2500)
    project_of(project, options="batch:300 pause:0")

    report = migrator(database_url, project).up()

    assert [outcome.step.version for outcome in report.done] == ["1"]
    assert counters(database_url) == (1, 1, 2500)
    assert versions(database_url) == ["1"]
    states = query(database_url, "select step, state, details ->> 'rows' from schema_migrations_log order by event_id")
    assert states == [(None, "done", None), (1, "done", "2500")]


@pytest.mark.parametrize("key", KEYS)
def test_killed_again_and_again_each_row_is_changed_once(database_url, project, key):
    fill(database_url, key, 5000)
    project_of(project, options="batch:100 target:4ms max_rate:8000/s")

    assert backfills.killed_until_done(database_url, project, 5, 0.15) == 5

    assert counters(database_url) == (1, 1, 5000)
    assert versions(database_url) == ["1"]


@pytest.mark.matrix
@pytest.mark.parametrize("key", KEYS)
def test_killed_many_times_among_many_rows_each_row_is_changed_once(database_url, project, key):
    fill(database_url, key, 50_000)
    project_of(project, options="batch:100 target:4ms max_rate:8000/s")

    assert backfills.killed_until_done(database_url, project, 50, 0.2) == 50

    assert counters(database_url) == (1, 1, 50_000)


def test_the_cursor_after_the_first_page_is_the_last_key_of_its_rows(database_url, project, query):
    query(database_url, "create table t (id bigint primary key, n int default 0)")
    query(database_url, "insert into t select g, 0 from generate_series(1, 20000) g")
    project_of(project, "update t set n = 1 / (1001 - id) where :batch;", "batch:1000")

    with pytest.raises(MigrationFailed) as failed:
        migrator(database_url, project).up()

    assert (failed.value.code, failed.value.exit_code) == ("E401", 4)
    assert failed.value.state == "1_fill.sql stopped after id = 1000: 1000 rows were changed, and stay changed"
    assert str(failed.value.place).endswith("1_fill.sql:2:1")
    after = query(database_url, "select details -> 'after' ->> 0 from schema_migrations_log where step = 1")
    assert after == [("1000",)]
    assert query(database_url, "select count(*) from t where n is distinct from 0 and id > 1000") == [(0,)]


def test_after_a_failed_page_the_corrected_file_goes_on_at_the_cursor(database_url, project, query):
    fill(database_url)
    project_of(project, "update t set n = n + 1 / (6000 - id) * 0 + 1 where :batch;", "batch:300 pause:0")
    for _ in range(2):
        with pytest.raises(MigrationFailed):
            migrator(database_url, project).up()
    project_of(project, options="batch:300 pause:0")

    migrator(database_url, project).up()

    assert counters(database_url) == (1, 1, 5000)
    kept = query(database_url, "select state from schema_migrations_log where step = 1 order by event_id")
    assert kept == [("failed",), ("failed",), ("done",)]


def test_a_changed_key_is_refused_while_the_backfill_is_half_done(database_url, project, query):
    fill(database_url)
    query(database_url, "alter table t add m bigint; update t set m = id; alter table t add unique (m), alter m set not null")
    project_of(project, "update t set n = n + 1 / (6000 - id) * 0 + 1 where :batch;", "batch:300 pause:0")
    with pytest.raises(MigrationFailed):
        migrator(database_url, project).up()
    project_of(project, options="key:m")

    with pytest.raises(Refused) as refused:
        migrator(database_url, project).up()

    assert refused.value.code == "E762"
    assert "has followed public.t (id) so far, and says public.t (m) now" in refused.value.message


def test_down_sections_can_be_backfills(database_url, project):
    fill(database_url, number=700)
    project_of(
        project,
        options="batch:200 pause:0",
        down="update t set n = n - 1 where :batch;",
        down_options="backfill:t batch:200 pause:0",
    )
    migrator(database_url, project).up()

    migrator(database_url, project).rollback()

    assert counters(database_url) == (0, 0, 700)
    assert versions(database_url) == []


def test_several_statements_run_in_the_page_together(database_url, project, query):
    fill(database_url, number=1000)
    query(database_url, "create table copied (id bigint, n int)")
    up = """insert into copied select id, n from t as "T x" where :batch("T x");
with gone as (delete from t where id % 2 = 0 and :batch returning id) select count(*) from gone;
update t set n = t.n + 1 from copied c where c.id = t.id and :batch;"""
    project_of(project, up, "batch:150 pause:0")

    migrator(database_url, project).up()

    assert query(database_url, "select count(*), count(distinct id) from copied") == [(1000, 1000)]
    assert query(database_url, "select count(*), min(n), max(n) from t") == [(1500 // 3, 1, 1)]


def test_sections_before_and_behind_the_backfill_run_in_their_order(database_url, project, query):
    fill(database_url, number=700)
    project.write(
        "1_fill.sql",
        "-- migrate:up\nalter table t add m int;\n-- migrate:down\nalter table t drop m;\n"
        "-- migrate:up backfill:t batch:200 pause:0\nupdate t set m = n where :batch;\n-- migrate:down\n"
        "-- migrate:up\nalter table t alter m set not null;\n-- migrate:down\n",
    )

    migrator(database_url, project).up()

    assert query(database_url, "select count(m) from t") == [(700,)]


REFUSED = {
    "a view": ("create view v as select * from t", "backfill:v", "E760", "is a view"),
    "an inheritance parent": ("create table child () inherits (t)", "backfill:t", "E760", "inheritance children"),
    "a table that is not there": ("select 1", "backfill:nothing", "E760", "does not exist"),
    "no primary key": ("alter table t drop constraint t_pkey", "backfill:t", "E760", "no primary key"),
    "a column that may be NULL": (
        "alter table t alter n drop not null; create unique index on t (id, n)",
        "backfill:t key:id,n",
        "E760",
        "may be NULL",
    ),
    "a partial index": ("create unique index i on t (n) where id > 0", "backfill:t key:n", "E760", "is partial"),
    "an index that is not unique": ("create index i on t (n)", "backfill:t key:n", "E760", "is not unique"),
    "an expression": ("create unique index i on t ((n + id))", "backfill:t key:n", "E760", "no unique index"),
    "an invalid index": (
        "create unique index i on t (n, id); update pg_index set indisvalid = false where indexrelid = 'i'::regclass",
        "backfill:t key:n,id",
        "E760",
        "is invalid",
    ),
    "the key itself": ("select 1", "backfill:t", "E765", "changes id"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_pages_cannot_follow_is_refused_before_the_first_one(database_url, project, query, case):
    sql, options, code, message = REFUSED[case]
    fill(database_url, number=10)
    query(database_url, "update t set n = id")
    query(database_url, sql)
    up = "update t set id = id + 1 where :batch;" if code == "E765" else "update t set n = n + 1 where :batch(t);"
    project_of(project, up, options)

    with pytest.raises(Refused) as refused:
        migrator(database_url, project).up()

    assert refused.value.code == code
    assert message in refused.value.message
    assert query(database_url, "select count(*) from t where n <> id") == [(0,)]
    assert versions(database_url) == []


def test_a_not_null_constraint_that_is_not_validated_is_no_key(server, database_url, project, query):
    if server.major < 18:
        pytest.skip("NOT NULL ... NOT VALID is new in PostgreSQL 18")
    fill(database_url, number=10)
    query(database_url, "alter table t add m int; alter table t add constraint c not null m not valid")
    query(database_url, "create unique index on t (m)")
    project_of(project, options="key:m")

    with pytest.raises(Refused, match="t.m may be NULL"):
        migrator(database_url, project).up()


def test_a_page_that_changes_far_more_than_its_rows_is_rolled_back(database_url, project):
    fill(database_url)
    project_of(project, "update t set n = n + 1 where id in (select id from t where :batch) or n = 0;", "batch:100")

    with pytest.raises(MigrationFailed, match="a page of 100 rows changed 5000") as failed:
        migrator(database_url, project).up()

    assert failed.value.code == "E415"
    assert counters(database_url) == (0, 0, 5000)


def test_an_alias_is_asked_for_where_the_table_has_one(database_url, project):
    fill(database_url, number=10)
    project_of(project, "update t x set n = n + 1\n where true and :batch;")

    with pytest.raises(MigrationFailed) as failed:
        migrator(database_url, project).up()

    assert failed.value.hint == "the table has an alias in this statement: write `:batch(alias)`; then run `dbmigrate up` again"
    assert str(failed.value.place).endswith("1_fill.sql:3:17")
    assert counters(database_url) == (0, 0, 10)


def test_types_are_proved_where_there_are_no_rows(database_url, project):
    fill(database_url, number=0)
    project_of(project, "update t set n = length(lower(n)) where :batch;")

    with pytest.raises(MigrationFailed, match=r"lower\(integer\)"):
        migrator(database_url, project).up()


def test_rows_that_are_added_faster_than_pages_are_done_do_not_keep_it_running(database_url, project, query):
    fill(database_url, number=2000)
    grow = """create function grow() returns trigger language plpgsql as $$ begin
      insert into t (id) select (select max(id) from t) + g from generate_series(1, 300) g; return null; end $$;
      create trigger grow after update on t execute function grow()"""
    query(database_url, grow)
    project_of(project, options="batch:200 target:1h pause:0")

    told = Told()
    migrator(database_url, project, told).up()

    assert query(database_url, "select count(*) from t where n > 1") == [(0,)]
    assert query(database_url, "select count(*) >= 2000 from t where n = 1") == [(True,)]
    assert "W352" in told.codes


@pytest.mark.parametrize("defers", [False, True], ids=["interrupted", "deferred"])
def test_rollback_undoes_a_half_done_backfill_and_up_begins_again(database_url, project, query, defers):
    fill(database_url, number=1000)
    project.migration("0_before", up="create table before ();", down="drop table before;")
    failing = "update t set n = n + 1 / (1500 - id) * 0 + 1 where :batch;"
    project_of(project, failing, "batch:100 pause:0", down="update t set n = 0 where :batch;", down_options="backfill:t")
    with pytest.raises(MigrationFailed):
        if defers:
            migrator(database_url, project, defers=True).up()
            migrator(database_url, project).backfill()
        else:
            migrator(database_url, project).up()
    assert query(database_url, "select count(*) from t where n = 1") != [(0,)]

    report = migrator(database_url, project).rollback()

    assert [outcome.step.version for outcome in report.done] == ["1"]
    assert counters(database_url) == (0, 0, 1000)
    assert versions(database_url) == ["0"]
    project_of(project, options="batch:100 pause:0", down="update t set n = 0 where :batch;", down_options="backfill:t")
    migrator(database_url, project).up()
    assert counters(database_url) == (1, 1, 1000)
    assert versions(database_url) == ["0", "1"]


def test_a_failed_deferred_backfill_stays_in_nobodys_way(database_url, project):
    fill(database_url, number=1000)
    project_of(project, "update t set n = 1 / (1500 - id) where :batch;", "batch:100 pause:0")
    migrator(database_url, project, defers=True).up()
    with pytest.raises(MigrationFailed) as failed:
        migrator(database_url, project).backfill()
    project.migration("2_next", up="create table next ();")

    migrator(database_url, project).up()

    assert "rows were changed, and stay changed" in failed.value.state
    assert versions(database_url) == ["2"]


ADDED = """create function more() returns trigger language plpgsql as $$ begin
  if (select count(*) from t) < 1004 then
    insert into t (id, n) values (-(select count(*) from t), 0);
  end if; return null; end $$;
  create trigger more after update on t execute function more()"""


def test_rows_that_are_added_behind_the_cursor_are_met_by_a_further_pass_where_a_check_asks_for_it(
    database_url, project, query
):
    fill(database_url, number=1000)
    query(database_url, ADDED)
    up = "-- migrate:check select not exists (select 1 from t where n = 0)\nupdate t set n = 1 where n = 0 and :batch;"
    project_of(project, up, "batch:400 pause:0")

    migrator(database_url, project).up()

    assert query(database_url, "select min(n), max(n), count(*) > 1000 from t") == [(1, 1, True)]
    turns = query(database_url, "select state, (details ->> 'turn')::int from schema_migrations_log where step = 1")
    assert turns[0][0] == "done"
    assert 2 <= turns[0][1] <= 4
    assert versions(database_url) == ["1"]


ADDED_ANYWHERE = """create function more() returns trigger language plpgsql as $$ begin
  if (select count(*) from t) < 1300 then
    insert into t (id, n) select gen_random_uuid(), 0 from generate_series(1, 40);
  end if; return null; end $$;
  create trigger more after update on t execute function more()"""


@pytest.mark.parametrize("check", ["-- migrate:check select not exists (select 1 from t where n = 0)\n", ""])
def test_rows_with_random_keys_that_are_added_meanwhile_are_left_out_without_a_check(
    database_url, project, query, check
):
    fill(database_url, "uuid", number=1000)
    query(database_url, ADDED_ANYWHERE)
    project_of(project, f"{check}update t set n = 1 where n = 0 and :batch;", "batch:100 pause:0 target:1h")

    migrator(database_url, project).up()

    assert query(database_url, "select count(*) >= 1300, count(*) filter (where n = 0) > 0 from t") == [(True, not check)]
    assert versions(database_url) == ["1"]


def test_after_three_further_passes_a_check_that_is_false_ends_it(database_url, project, query):
    fill(database_url, number=100)
    up = "-- migrate:check select not exists (select 1 from t where n < 9)\nupdate t set n = n + 1 where :batch;"
    project_of(project, up, "batch:40 pause:0")

    with pytest.raises(MigrationFailed) as failed:
        migrator(database_url, project).up()

    assert (failed.value.code, failed.value.exit_code) == ("E413", 4)
    assert counters(database_url) == (4, 4, 100)
    assert versions(database_url) == []
    with pytest.raises(MigrationFailed):
        migrator(database_url, project).up()
    migrator(database_url, project).up()
    assert counters(database_url) == (9, 9, 100)
    assert versions(database_url) == ["1"]


def test_a_precondition_is_asked_before_the_first_page_only(database_url, project, query):
    fill(database_url, number=1000)
    up = "-- migrate:require select not exists (select 1 from t where n > 0)\n"
    failing = "update t set n = n + 1 / (1500 - id) * 0 + 1 where :batch;"
    project_of(project, up + failing, "batch:100 pause:0")
    with pytest.raises(MigrationFailed):
        migrator(database_url, project).up()
    project_of(project, up + "update t set n = n + 1 where :batch;", "batch:100 pause:0")

    migrator(database_url, project).up()

    assert counters(database_url) == (1, 1, 1000)


@pytest.mark.matrix
@pytest.mark.slow
def test_pages_at_the_end_take_as_long_as_at_the_start_and_memory_stays_flat(database_url, project, query):
    import resource
    import statistics

    number = 5_000_000
    fill(database_url, number=number)
    project_of(project, options="target:50ms pause:0")
    seconds: list[float] = []

    def listen(event: object) -> None:
        if isinstance(event, BackfillProgress):
            seconds.append(event.page[1] / event.page[0])

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    migrator(database_url, project, listen).up()

    fifth = len(seconds) // 5
    start, end = statistics.median(seconds[:fifth]), statistics.median(seconds[-fifth:])
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before  # KB
    print(f"{len(seconds)} pages seen, {start * 1e6:.2f} us a row at the start, {end * 1e6:.2f} at the end, {grown} KB")
    assert fifth >= 5
    assert end <= 1.3 * start
    assert grown < 20 * 1024
    assert counters(database_url) == (1, 1, number)


def test_variables_have_their_values_in_pages_and_their_names_in_errors(database_url, project, query):
    from dbmigrate.variables import Variables

    fill(database_url, number=700)
    query(database_url, "alter table t add s text")
    text = "-- migrate:vars word\n-- migrate:up backfill:t batch:200\nupdate t set n = n + 1, s = :'word'\n  where :batch;\n"
    project.write("1_fill.sql", f"{text}-- migrate:down\n")

    migrator(database_url, project, variables=Variables.of({"word": "it's"})).up()

    assert query(database_url, "select distinct s, n from t") == [("it's", 1)]
    kept = query(database_url, "select up_sql from schema_migrations_log where step = 1")
    assert ":'word'" in kept[0][0]
    assert "it's" not in kept[0][0]


def test_the_table_is_vacuumed_between_pages_where_the_file_asks_for_it(database_url, project, query):
    fill(database_url, number=5000)
    project_of(project, options="batch:400 pause:0 vacuum:20%")

    migrator(database_url, project).up()

    count = "select vacuum_count > 1 from pg_stat_user_tables where relname = 't'"
    assert eventually(lambda: query(database_url, count) == [(True,)])
    assert counters(database_url) == (1, 1, 5000)


def test_a_very_large_file_is_refused_before_its_first_page_too(database_url, project, query):
    fill(database_url, number=10)
    filling = "update t set n = n + 1 where :batch;\n" * 30_000
    project_of(project, f"{filling}update t set n = 0;")

    with pytest.raises(MigrationFileError) as refused:
        migrator(database_url, project).up()

    assert (refused.value.code, refused.value.exit_code) == ("E287", 2)
    assert counters(database_url) == (0, 0, 10)


FAILING = "update t set n = n + 1 / (1500 - id) * 0 + 1 where :batch;"


def half_done(url, project) -> None:
    """A backfill of 1,000 rows that has failed after 400 of them."""
    fill(url, number=1000)
    project_of(project, FAILING, "batch:100 pause:0 target:1h")
    with pytest.raises(MigrationFailed):
        migrator(url, project).up()


@pytest.mark.parametrize("runs", ["up", "plan_up", "resume"])
def test_statements_that_were_edited_since_the_first_page_are_a_warning(database_url, project, query, runs):
    half_done(database_url, project)
    told = Told()
    project_of(project, "update t set n = n + 10 where :batch;", "batch:100 pause:0")
    runner = migrator(database_url, project, told)
    if runs == "resume":
        Upkeep(database_url, Options(directories=(str(project.migrations),)), on_event=told).resume(Decision())
        problems = told.planned
    else:
        made = getattr(runner, runs)()
        problems = made.problems if runs == "plan_up" else told.planned

    assert [problem.code for problem in problems] == ["W760"]
    assert "the 400 rows that are done stay as the earlier ones have left them" in problems[0].message
    assert str(problems[0].place).endswith("1_fill.sql:2:1")
    if runs != "plan_up":
        assert query(database_url, "select n, count(*) from t group by 1 order by 1") == [(1, 400), (10, 600)]


def test_edited_statements_stay_a_warning_until_the_backfill_is_done(database_url, project, query):
    """Also where a run with the new statements has done pages since."""
    half_done(database_url, project)
    project_of(project, "update t set n = n + 10 / (2400 - id) * 0 + 1 where :batch;", "batch:100 pause:0 target:1h")
    with pytest.raises(MigrationFailed):
        migrator(database_url, project).up()

    assert [each.code for each in migrator(database_url, project).plan_up().problems] == ["W760"]


def test_statements_that_were_edited_before_the_first_page_are_no_warning(database_url, project):
    fill(database_url, number=1000)
    project_of(project, "update t set n = n + 1 / (3 - id) where :batch;", "batch:100 pause:0")
    with pytest.raises(MigrationFailed):
        migrator(database_url, project).up()
    project_of(project)
    told = Told()

    migrator(database_url, project, told).up()

    assert [problem.code for problem in told.planned] == []
    assert counters(database_url) == (1, 1, 1000)


@pytest.mark.parametrize("change", ["moved", "gone"])
def test_a_half_done_backfill_that_is_no_longer_there_is_refused(database_url, project, query, change):
    """Its statements would begin again with the first row."""
    half_done(database_url, project)
    if change == "moved":
        text = "-- migrate:up\nselect 1;\n-- migrate:down\n-- migrate:up backfill:t\n"
    else:
        text = "-- migrate:up\n"
    project.write("1_fill.sql", f"{text}update t set n = n + 1{' where :batch' * (change == 'moved')};\n-- migrate:down\n")

    with pytest.raises(Refused) as refused:
        migrator(database_url, project).up()

    assert refused.value.code == "E762"
    assert query(database_url, "select n, count(*) from t group by 1 order by 1") == [(0, 600), (1, 400)]


def test_vacuum_is_proposed_for_a_table_of_a_million_rows(database_url, project, query):
    def planned():
        return [each for each in migrator(database_url, project).plan_up().problems if each.code == "W761"]

    fill(database_url, number=100)
    query(database_url, "update pg_class set reltuples = 3e6 where oid = 't'::regclass")
    project_of(project)

    proposed = planned()
    project_of(project, options="vacuum:10%")
    asked_for = planned()
    project_of(project, "delete from t where :batch;")
    deleting = planned()
    query(database_url, "update pg_class set reltuples = 9e5 where oid = 't'::regclass")
    project_of(project)
    small = planned()

    assert [(each.severity, each.message) for each in proposed] == [
        ("note", "t has about 3,000,000 rows: this backfill may double its size")
    ]
    assert (asked_for, deleting, small) == ([], [], [])


def test_a_role_that_may_not_see_the_table_gets_no_proposal_and_no_error(server, database_url, project, query):
    query(database_url, "create schema hidden; create table hidden.t (id int primary key, n int)")
    query(database_url, "update pg_class set reltuples = 3e6 where oid = 'hidden.t'::regclass")
    project_of(project, "update hidden.t set n = 1 where :batch;", "backfill:hidden.t")
    with faults.plain_role(server, database_url) as url:
        problems = migrator(url, project).plan_up().problems

    assert [each.code for each in problems if each.code == "W761"] == []
