"""Repeatable migrations: when they run, in which order, what the log keeps of them, what a rollback restores."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from dbmigrate.api.migrator import Migrator, Options
from dbmigrate.api.records import Repair, Upkeep
from dbmigrate.errors import Error
from dbmigrate.events import StepDone
from dbmigrate.model import Goal, Policy
from tests.support.databases import query
from tests.support.psql import psql

MARK = "-- migrate:repeatable\n"
LOG = (
    "select file, state, direction, coalesce(details ->> 'recorded', '') from schema_migrations_log"
    " where direction = 'repeatable' order by event_id"
)


@dataclass
class Bench:
    """A project on a database, used through the Python API."""

    url: str
    root: Path

    @property
    def options(self):
        return Options(directories=(str(self.root / "db/migrations"),))

    def done(self, command, *arguments, api=Migrator):
        """The names of the steps that a command did."""
        seen = []
        listen = lambda event: seen.append(event.outcome.step.name) if isinstance(event, StepDone) else None  # noqa: E731
        getattr(api(self.url, self.options, on_event=listen), command)(*arguments)
        return seen

    def up(self, *arguments):
        return self.done("up", *arguments)

    def failure(self, command="up"):
        with pytest.raises(Error) as caught:
            self.done(command)
        return caught.value

    def pending(self):
        return [row.name for row in Migrator(self.url, self.options).status().pending]

    def notes(self):
        return [each.code for each in Migrator(self.url, self.options).status().problems]

    def repeatable(self, name, sql, mark=MARK):
        folder = self.root / "db/migrations/repeatable"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.sql").write_bytes(f"{mark}{sql}\n".encode())
        return folder / f"{name}.sql"

    def log(self):
        return query(self.url, LOG)


@pytest.fixture
def bench(database_url, project):
    project.migration("001_a", up="create table a (n int);", down="drop table a;")
    return Bench(database_url, project.root)


VIEW = "create or replace view v as select {} as x;"


def test_one_runs_after_the_versioned_ones_and_again_when_its_tokens_change(bench):
    bench.repeatable("v", VIEW.format("1"))
    assert bench.pending() == ["001_a.sql", "repeatable/v.sql"]
    assert bench.up() == ["001_a.sql", "repeatable/v.sql"]
    assert (bench.pending(), bench.up()) == ([], [])

    bench.repeatable("v", "\n-- a comment\nCREATE or  replace view V as /* here */ select 1 as x ;")
    assert (bench.pending(), bench.up()) == ([], [])

    bench.repeatable("v", VIEW.format("2"))
    bench.repeatable("new", "create or replace function f() returns int language sql as 'select 1';")
    assert bench.pending() == ["repeatable/new.sql", "repeatable/v.sql"]
    assert bench.up() == ["repeatable/new.sql", "repeatable/v.sql"]
    assert query(bench.url, "select x, f() from v") == [(2, 1)]
    assert bench.log() == [
        ("repeatable/v.sql", "done", "repeatable", ""),
        ("repeatable/new.sql", "done", "repeatable", ""),
        ("repeatable/v.sql", "done", "repeatable", ""),
    ]
    assert query(bench.url, "select version from schema_migrations") == [("001",)]


def test_line_ends_are_no_change(bench):
    path = bench.repeatable("v", VIEW.format("1") + "\n" + VIEW.format("2"))
    bench.up()

    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))

    assert (bench.pending(), bench.up()) == ([], [])


# -------------------------------------------------------------------------------------------------------- dependencies


def test_one_runs_after_those_that_it_depends_on_and_again_when_they_ran(bench):
    bench.repeatable("a_top", "-- migrate:depends z_base, 001\ncreate or replace view top as select n from base;")
    bench.repeatable("m_other", "create or replace view other as select 1;")
    base = bench.repeatable("z_base", "drop view if exists base cascade;\ncreate view base as select n from a;")
    assert bench.up() == ["001_a.sql", "repeatable/z_base.sql", "repeatable/a_top.sql", "repeatable/m_other.sql"]

    base.write_text(base.read_text().replace("select n", "select n + 1 as n"))

    assert bench.pending() == ["repeatable/a_top.sql", "repeatable/z_base.sql"]
    assert bench.up() == ["repeatable/z_base.sql", "repeatable/a_top.sql"]
    assert query(bench.url, "select count(*) from top") == [(0,)]


def test_one_whose_dependency_ran_is_not_forgotten_when_it_failed_itself(bench):
    top = "-- migrate:depends base\ncreate or replace view top as select n from base;"
    bench.repeatable("top", top)
    base = bench.repeatable("base", "drop view if exists base cascade;\ncreate view base as select n from a;")
    bench.up()
    base.write_text(base.read_text().replace("select n", "select n as renamed"))

    assert bench.failure().sqlstate == "42703"
    assert bench.pending() == ["repeatable/top.sql"]
    base.write_text(base.read_text().replace("n as renamed", "n"))

    assert bench.up() == ["repeatable/base.sql", "repeatable/top.sql"]


def test_what_a_view_needs_cannot_be_dropped_under_it(bench):
    bench.repeatable("top", "-- migrate:depends base\ncreate or replace view top as select n from base;")
    base = bench.repeatable("base", "drop view if exists base;\ncreate view base as select n from a;")
    bench.up()
    base.write_text(base.read_text().replace("select n", "select n + 1 as n"))

    error = bench.failure()

    assert (error.exit_code, error.sqlstate, error.place.line) == (4, "2BP01", 2)
    assert query(bench.url, "select count(*) from top") == [(0,)]


@pytest.mark.parametrize(
    ("first", "second", "code", "message"),
    [
        ("-- migrate:depends a.sql\n", "", "E278", "repeatable/a.sql depends on itself"),
        ("-- migrate:depends c\n", "", "E277", "repeatable/a.sql depends on c.sql, which is not there"),
        ("-- migrate:depends 007\n", "", "E277", "repeatable/a.sql depends on 007, which is not applied"),
        ("-- migrate:depend b\n", "", "E290", "is not an annotation"),
        ("-- migrate:env dev\n", "", "E292", "`migrate:env` is not supported in a repeatable migration"),
        ("-- migrate:up\n", "", "E275", "in a repeatable migration, which has no sections"),
        ("select 1;\n-- migrate:down\n", "", "E275", "in a repeatable migration"),
        ("select 1;\n-- migrate:repeatable\n", "", "E275", "a second"),
        ("commit;\n", "", "E219", "COMMIT"),
        ("create index concurrently i on a (n);", "", "E220", "cannot run inside a transaction"),
        ("select 'open", "", "E217", "not closed"),
    ],
)
def test_a_faulty_file_stops_before_anything_runs(bench, first, second, code, message):
    bench.repeatable("a", f"{first}select 1;")
    bench.repeatable("b", f"{second}select 1;")

    error = bench.failure()

    assert (error.code, error.exit_code) == (code, 2)
    assert message in error.message
    assert error.place.path.endswith("repeatable/a.sql")
    assert query(bench.url, "select to_regclass('a') is null") == [(True,)]


def test_a_versioned_file_that_says_it_is_repeatable_is_refused(bench, project):
    project.write("002_v.sql", "-- migrate:repeatable\n-- migrate:up\nselect 1;\n-- migrate:down\n")

    error = bench.failure()

    assert error.code == "E275"
    assert "move it to" in error.hint


# -------------------------------------------------------------------------------------------------- files and folders


def test_files_without_the_marker_are_named_and_never_run(bench):
    bench.repeatable("v", "create table surprise ();", mark="-- a view\n-- migrate:repeatable\n")
    bench.repeatable("w", "create table surprise ();", mark="")
    warned = []
    Migrator(bench.url, bench.options, on_event=lambda event: warned.append(getattr(event, "problem", None))).up()

    (problem,) = [each for each in warned if each and each.code == "W335"]

    assert problem.message.endswith(f"{bench.root}/db/migrations/repeatable/w.sql")
    assert "repeatable/v.sql, " in problem.message
    assert query(bench.url, "select to_regclass('surprise') is null") == [(True,)]


def test_the_file_of_one_that_is_gone_is_noted_and_nothing_is_undone(bench):
    path = bench.repeatable("v", VIEW.format("1"))
    bench.repeatable("w", "select 1;")
    bench.up()
    path.unlink()

    assert (bench.pending(), bench.up(), bench.notes()) == ([], [], ["W337"])
    assert query(bench.url, "select x from v") == [(1,)]
    upkeep = Upkeep(bench.url, bench.options)
    assert upkeep.plan_repair(Repair()).steps == ()
    report = upkeep.repair(Repair(forget_missing=True), expected=upkeep.plan_repair(Repair(forget_missing=True)))
    assert [outcome.step.name for outcome in report.done] == ["repeatable/v.sql"]
    assert (bench.pending(), bench.notes()) == ([], [])
    path.write_text(f"{MARK}{VIEW.format('1')}")
    assert bench.pending() == ["repeatable/v.sql"]


def test_several_directories_have_a_folder_each(bench):
    bench.repeatable("v", VIEW.format("1"))
    other = bench.root / "other/repeatable"
    other.mkdir(parents=True)
    (other / "a.sql").write_text(f"{MARK}select 1;")
    bench = Bench(bench.url, bench.root)
    options = Options(directories=(str(bench.root / "db/migrations"), str(bench.root / "other")))
    assert [row.name for row in Migrator(bench.url, options).status().pending] == [
        "001_a.sql",
        "repeatable/a.sql",
        "repeatable/v.sql",
    ]
    (other / "v.sql").write_text(f"{MARK}select 1;")

    with pytest.raises(Error, match="two repeatable migrations are called v.sql") as caught:
        Migrator(bench.url, options).up()

    assert caught.value.code == "E276"


def test_a_large_one_is_read_in_pieces(bench):
    rows = "\n".join(f"insert into a values ({number}); -- {'x' * 60}" for number in range(15_000))
    path = bench.repeatable("rows", f"delete from a;\n{rows}")
    assert path.stat().st_size > 1 << 20
    assert bench.up() == ["001_a.sql", "repeatable/rows.sql"]
    assert (bench.up(), query(bench.url, "select count(*) from a")) == ([], [(15_000,)])

    path.write_text(path.read_text().replace("14999);", "7);"))

    assert bench.up() == ["repeatable/rows.sql"]
    assert query(bench.url, "select count(*) from a where n = 7") == [(2,)]


def test_a_medium_one_is_read_again_where_it_runs(bench):
    functions = "\n".join(f"create or replace view v{number} as select {'1 + ' * 30}1 as x;" for number in range(600))
    assert bench.repeatable("views", functions).stat().st_size > 64 << 10

    assert bench.up() == ["001_a.sql", "repeatable/views.sql"]
    assert query(bench.url, "select x from v599") == [(31,)]


def test_odd_names_are_names(bench):
    names = ["001", "größe", "it's a \"view\"", "x\\y"]
    for number, name in enumerate(names):
        bench.repeatable(name, f"create or replace view v{number} as select 1;")
    bench.repeatable("0", "-- migrate:depends 001.sql, 001, größe\nselect 1 from v0, v1;")

    assert set(bench.up()) == {"001_a.sql", "repeatable/0.sql", *(f"repeatable/{name}.sql" for name in names)}
    assert (bench.pending(), bench.up()) == ([], [])
    assert query(bench.url, "select version from schema_migrations") == [("001",)]


# --------------------------------------------------------------------------------------------------------------- runs


def test_a_failure_leaves_the_earlier_ones_recorded_and_the_next_run_goes_on(bench):
    bench.repeatable("a", "create or replace view va as select 1;")
    broken = bench.repeatable("b", "create or replace view vb as select missing from a;")
    bench.repeatable("c", "create or replace view vc as select 1;")

    error = bench.failure()

    assert (error.exit_code, error.place.line) == (4, 2)
    assert [outcome.step.name for outcome in error.report.done] == ["001_a.sql", "repeatable/a.sql"]
    assert [row[:2] for row in bench.log()] == [("repeatable/a.sql", "done"), ("repeatable/b.sql", "failed")]
    broken.write_text(broken.read_text().replace("missing", "n"))
    assert bench.up() == ["repeatable/b.sql", "repeatable/c.sql"]


def test_two_runs_at_once_run_it_once(bench):
    bench.repeatable("v", VIEW.format("pg_sleep(0)::text"))
    bench.repeatable("w", "select pg_sleep(0.3);")
    done = [[], []]
    threads = [threading.Thread(target=lambda at=at: done[at].extend(bench.up())) for at in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(done[0] + done[1]) == ["001_a.sql", "repeatable/v.sql", "repeatable/w.sql"]
    assert len(bench.log()) == 2


def test_a_goal_that_leaves_versions_pending_leaves_repeatables_for_later(bench, project):
    project.migration("002_b", up="alter table a add b int;")
    bench.repeatable("v", "create or replace view v as select b from a;")

    assert [each.code for each in Migrator(bench.url, bench.options).plan_up(Goal(steps=1)).problems] == ["W336"]
    assert bench.up(Goal(steps=1)) == ["001_a.sql"]
    assert bench.up(Goal(version="002")) == ["002_b.sql", "repeatable/v.sql"]


def test_without_a_transaction_each_statement_stays_and_a_failure_begins_again(bench):
    mark = "-- migrate:repeatable transaction:false\n"
    path = bench.repeatable("i", "create index concurrently if not exists i on a (n);\nselect missing;", mark=mark)

    error = bench.failure()

    assert (error.exit_code, error.code, error.place.line) == (4, "E401", 3)
    assert "begins with the first statement" in error.hint
    assert query(bench.url, "select indisvalid from pg_index where indexrelid = 'i'::regclass") == [(True,)]
    assert bench.pending() == ["repeatable/i.sql"]
    path.write_text(path.read_text().replace("missing", "1"))
    assert bench.up() == ["repeatable/i.sql"]
    assert (bench.pending(), bench.up()) == ([], [])


def test_a_script_of_a_dry_run_leaves_what_the_run_leaves(bench, twin_database_url):
    bench.repeatable("v", VIEW.format("1"))
    bench.repeatable("i", "create index concurrently if not exists i on a (n);", mark=f"{MARK[:-1]} transaction:false\n")
    twin = Bench(twin_database_url, bench.root)
    bench.up()
    done = psql(twin.url, "".join(Migrator(twin.url, twin.options).script_up()))

    assert done.exit_code == 0, done.stderr
    columns = "event_id, version, file, direction, step, in_transaction, state, checksum, token_checksum, up_sql"
    kept = f"select {columns} from schema_migrations_log order by event_id"
    entries = query(bench.url, kept)
    assert [entry[1:4] for entry in entries if entry[4] is None] == [
        ("001", "001_a.sql", "up"),
        ("i.sql", "repeatable/i.sql", "repeatable"),
        ("v.sql", "repeatable/v.sql", "repeatable"),
    ]
    assert query(twin.url, kept) == entries
    assert (twin.pending(), twin.up()) == ([], [])


# ----------------------------------------------------------------------------------------------------------- rollback


@pytest.fixture
def two_texts(bench, project):
    """The view v has an earlier text, and one that came with version 002."""
    bench.repeatable("v", VIEW.format("1"))
    bench.up()
    project.migration("002_b", up="alter table a add b int;", down="drop view v; drop view if exists w; alter table a drop b;")
    bench.repeatable("v", "drop view if exists v;\ncreate view v as select b, 2 as x from a;")
    bench.repeatable("w", "create or replace view w as select b from a;")
    assert bench.up() == ["002_b.sql", "repeatable/v.sql", "repeatable/w.sql"]
    return bench


def test_a_rollback_restores_the_text_from_before_the_run_of_the_version(two_texts):
    bench = two_texts

    assert bench.done("rollback") == ["002_b.sql", "repeatable/v.sql", "repeatable/w.sql"]
    assert query(bench.url, "select x from v") == [(1,)]
    assert bench.pending() == ["002_b.sql", "repeatable/v.sql", "repeatable/w.sql"]
    assert bench.log()[-2:] == [
        ("repeatable/v.sql", "done", "repeatable", ""),
        ("repeatable/w.sql", "done", "repeatable", "as pending"),
    ]
    assert bench.up() == ["002_b.sql", "repeatable/v.sql", "repeatable/w.sql"]
    assert query(bench.url, "select count(*) from v, w") == [(0,)]
    assert bench.done("rollback") == ["002_b.sql", "repeatable/v.sql", "repeatable/w.sql"]
    assert query(bench.url, "select x from v") == [(1,)]


def test_a_rollback_says_what_it_leaves(two_texts):
    planned = Migrator(two_texts.url, two_texts.options).plan_rollback()

    assert [(each.code, each.message) for each in planned.problems] == [
        ("W338", "repeatable/w.sql stays as it is: the log has no earlier text of it; the next `up` runs it again")
    ]


def test_the_script_of_a_rollback_leaves_what_the_rollback_leaves(two_texts):
    bench = two_texts
    done = psql(bench.url, "".join(Migrator(bench.url, bench.options).script_rollback()))

    assert done.exit_code == 0, done.stderr
    assert query(bench.url, "select x from v") == [(1,)]
    assert bench.pending() == ["002_b.sql", "repeatable/v.sql", "repeatable/w.sql"]


def test_a_rollback_of_a_part_of_a_run_leaves_the_texts_and_they_run_again(bench, project):
    project.migration("002_b", up="select 1;", down="drop view v;")
    bench.repeatable("v", VIEW.format("1"))
    assert bench.up() == ["001_a.sql", "002_b.sql", "repeatable/v.sql"]

    assert bench.done("rollback") == ["002_b.sql", "repeatable/v.sql"]
    assert bench.pending() == ["002_b.sql", "repeatable/v.sql"]
    assert bench.up() == ["002_b.sql", "repeatable/v.sql"]
    assert query(bench.url, "select x from v") == [(1,)]


def test_a_rollback_of_another_run_leaves_repeatables_alone(bench, project):
    bench.up()
    bench.repeatable("v", VIEW.format("1"))
    bench.up()

    assert bench.done("rollback") == ["001_a.sql"]
    assert bench.pending() == ["001_a.sql"]


def test_redo_runs_those_again_that_ran_with_the_version(two_texts):
    assert two_texts.done("redo") == ["002_b.sql", "002_b.sql", "repeatable/v.sql", "repeatable/w.sql"]
    assert query(two_texts.url, "select count(*) from v, w") == [(0,)]
    assert two_texts.pending() == []


# ------------------------------------------------------------------------------------------------- only recorded


def test_verify_and_repair_do_not_mind_a_changed_one(bench):
    path = bench.repeatable("v", VIEW.format("1"))
    bench.up()
    path.write_text(path.read_text().replace("1", "2"))
    upkeep = Upkeep(bench.url, bench.options)

    assert upkeep.verify() == ()
    assert bench.pending() == ["repeatable/v.sql"]


def test_a_database_that_dbmate_made_runs_them_once(bench):
    bench.repeatable("v", VIEW.format("1"))
    query(bench.url, "create table a (n int); create view v as select 1 as x")
    query(bench.url, "create table schema_migrations (version varchar primary key); insert into schema_migrations values ('001')")

    assert bench.pending() == ["repeatable/v.sql"]
    assert (bench.up(), bench.up()) == (["repeatable/v.sql"], [])


def test_a_baseline_of_everything_records_them_as_run(bench, project):
    bench.repeatable("v", VIEW.format("1"))
    project.migration("002_b", up="select 1;")

    assert bench.done("baseline", "001", api=Upkeep) == ["001_a.sql"]
    query(bench.url, "delete from schema_migrations")
    assert bench.done("baseline", "002", api=Upkeep) == ["001_a.sql", "002_b.sql", "repeatable/v.sql"]
    assert bench.pending() == []
    assert bench.log() == [("repeatable/v.sql", "done", "repeatable", "as run")]
    assert query(bench.url, "select to_regclass('v') is null") == [(True,)]


def test_a_new_database_gets_them_too(bench):
    """The plan is approved before the database exists, and is the same one afterwards."""
    bench.repeatable("v", VIEW.format("1"))
    (name,) = query(bench.url, "select current_database()")[0]
    fresh = Bench(bench.url.replace(name, f"{name}_new"), bench.root)
    approved = []
    options = Options(
        directories=fresh.options.directories,
        approve=lambda plan, history: approved.append([step.name for step in plan.steps]),
    )
    try:
        assert [step.name for step in Migrator(fresh.url, options).plan_up().steps] == ["001_a.sql", "repeatable/v.sql"]
        report = Migrator(fresh.url, options).up()
        assert [outcome.step.name for outcome in report.done] == approved[0] == ["001_a.sql", "repeatable/v.sql"]
        assert (len(approved), fresh.pending()) == (1, [])
    finally:
        query(bench.url, f'drop database if exists "{name}_new"')


def test_a_version_for_other_environments_keeps_none_waiting(bench, project):
    project.write("002_b.sql", "-- migrate:env production\n-- migrate:up\nselect 1;\n-- migrate:down\n")
    bench.repeatable("v", VIEW.format("1"))
    options = Options(directories=bench.options.directories, policy=Policy(environment="dev"))

    report = Migrator(bench.url, options).up()

    assert [outcome.step.name for outcome in report.done] == ["001_a.sql", "repeatable/v.sql"]
    assert Migrator(bench.url, options).status().pending == ()
