"""`-- migrate:env dev, staging`: a migration that is applied only in some environments."""

from __future__ import annotations

import json

import pytest

from dbmigrate import Error, Migrator, Options
from dbmigrate.api.records import Repair, Upkeep
from dbmigrate.check import reading
from dbmigrate.model import Goal, Order, Policy, Severity
from dbmigrate.reports import Deviation, MigrationState
from dbmigrate.schema.versions import Dumping
from dbmigrate.variables import Variables
from tests.support.psql import psql

DEV, UNNAMED = "dev", None


@pytest.fixture
def project(project):
    """One migration for all, then one for development and staging, then one for all; the second is without one."""
    write(project, "1_users", "")
    write(project, "2_demo", "-- migrate:env dev, staging", table="demo")
    write(project, "3_orders", "")
    return project


def write(project, name, said, *, options="", table=None):
    table = table or name.partition("_")[2]
    text = f"{said}\n-- migrate:up{options}\ncreate table {table} ();\n-- migrate:down{options}\ndrop table {table};\n"
    return project.write(f"{name}.sql", text.lstrip("\n"))


@pytest.fixture
def at(database_url, project):
    """`at(environment)`: the API in that environment; other arguments are those of `kind`."""

    def make(environment, kind=Migrator, **options):
        policy = Policy(environment=environment, **options.pop("policy", {}))
        return kind(database_url, Options(directories=(str(project.migrations),), policy=policy, **options))

    return make


@pytest.fixture
def environ(database_url):
    names = ("DEV", "STAGING", "PRODUCTION")
    return {**{f"{name}_DATABASE_URL": database_url for name in names}, "DBMIGRATE_NO_DUMP_SCHEMA": "true"}


@pytest.fixture
def tables(query, database_url):
    sql = "select tablename from pg_tables where schemaname = 'public' and tablename !~ '^schema_mig' order by 1"
    return lambda url=database_url: [row[0] for row in query(url, sql)]


def states(status):
    return [row.state.value for row in status.rows]


def failure(call):
    with pytest.raises(Error) as caught:
        call()
    return caught.value


# -------------------------------------------------------------------------------------------------------- where it runs


@pytest.mark.parametrize("options", ["", " transaction:false"], ids=["transaction", "no-transaction"])
@pytest.mark.parametrize(
    ("environment", "here"),
    [
        ("dev", True),
        ("Staging", True),
        ("DEV_DATABASE_URL", True),
        ("development", False),
        ("production", False),
        ("de", False),
    ],
)
def test_a_migration_is_applied_only_in_its_environments(project, at, tables, environment, here, options):
    write(project, "2_demo", "-- migrate:env dev, staging", options=options)

    report = at(environment).up()

    assert [each.step.version for each in report.done] == (["1", "2", "3"] if here else ["1", "3"])
    assert tables() == (["demo", "orders", "users"] if here else ["orders", "users"])
    status = at(environment).status()
    assert states(status) == ["applied", "applied" if here else "elsewhere", "applied"]
    assert status.pending == ()
    assert at(environment).up().done == ()


def test_the_annotation_may_stand_below_the_header_and_go_on_in_further_lines(project, at):
    sql = "create table demo ();\n-- migrate:down\ndrop table demo;\n"
    text = f"-- migrate:up\n-- migrate:env qa,\n--   eu-west.dev\n{sql}"
    project.write("2_demo.sql", text.replace("\n", "\r\n"))

    assert [row.env for row in at("production").status().rows] == [(), ("qa", "eu-west.dev"), ()]
    assert states(at("EU_WEST_DEV").status()) == ["pending", "pending", "pending"]
    assert len(at("EU_WEST_DEV_DATABASE_URL").up().done) == 3


def test_without_an_environment_the_run_stops_before_anything_is_done(run, project, at, database_url, query):
    for call in (at(UNNAMED).up, at(UNNAMED).migrate, at(UNNAMED).plan_up, lambda: at(UNNAMED).up(Goal(steps=1))):
        error = failure(call)
        assert (error.code, error.exit_code, error.place.line) == ("E208", 2, 1)
        assert "2_demo.sql is only for dev, staging" in error.message
    assert query(database_url, "select to_regclass('schema_migrations')") == [(None,)]

    done = run("up", env={"DATABASE_URL": database_url})

    assert done.exit_code == 2
    assert "error[E208]" in done.stderr
    assert "2_demo.sql:1:1" in done.stderr
    assert "-e NAME or DBMIGRATE_ENV" in done.stderr
    assert "nothing was changed" in done.stderr


def test_without_an_environment_status_shows_it_as_pending_and_warns(run, project, database_url):
    done = run("status", "--exit-code", env={"DATABASE_URL": database_url})

    assert done.exit_code == 1
    assert done.stdout == "[ ] 1_users.sql\n[ ] 2_demo.sql\n[ ] 3_orders.sql\n\nApplied: 0\nPending: 3\n"
    assert done.stderr.count("warning[W310]: 2_demo.sql is only for dev, staging, and no environment is named") == 1


def test_without_an_environment_a_project_that_has_applied_everything_goes_on(at):
    assert len(at(DEV).up().done) == 3
    assert at(UNNAMED).up().done == ()
    assert states(at(UNNAMED).status()) == ["applied"] * 3


@pytest.mark.parametrize(
    ("arguments", "variables", "file", "applied"),
    [
        (("-e", "dev"), {}, "", 3),
        ((), {"DBMIGRATE_ENV": "staging"}, "", 3),
        (("-e", "DEV_DATABASE_URL"), {}, "", 3),
        (("-e", "production"), {"DBMIGRATE_ENV": "dev"}, 'env-default = "dev"', 2),
        ((), {}, 'env-default = "dev"', 3),
        ((), {}, 'env_default = "qa"', 2),
    ],
)
def test_what_names_the_environment(run, project, make_database, arguments, variables, file, applied):
    (project.root / "dbmigrate.toml").write_text(file)
    names = ("DATABASE_URL", "DEV_DATABASE_URL", "STAGING_DATABASE_URL", "PRODUCTION_DATABASE_URL")
    environ = {name: make_database() for name in names}

    done = run("up", "--yes", *arguments, env={**environ, "DBMIGRATE_NO_DUMP_SCHEMA": "true", **variables})

    assert done.exit_code == 0, done.stderr
    assert done.stdout.count("Applied:") == applied


def test_a_url_that_leads_to_a_protected_environment_is_that_environment(run, project, database_url):
    """`env-default` must not bring demo data to production."""
    (project.root / "dbmigrate.toml").write_text('env-default = "dev"\n')
    environ = {"DATABASE_URL": database_url, "PRODUCTION_DATABASE_URL": database_url}

    done = run("status", env=environ)

    assert done.stdout.splitlines()[:3] == ["[ ] 1_users.sql", "[-] 2_demo.sql", "[ ] 3_orders.sql"]
    assert "    not for production: only for dev, staging\n" in done.stderr


# ------------------------------------------------------------------------------------------------------ what is counted


def test_elsewhere_it_is_not_pending_for_anybody(run, project, environ, at):
    assert run("-e", "production", "up", "--yes", env=environ).exit_code == 0

    done = run("-e", "production", "status", "--exit-code", env=environ)
    assert done.exit_code == 0
    assert done.stdout == "[X] 1_users.sql\n[-] 2_demo.sql\n[X] 3_orders.sql\n\nApplied: 2\nPending: 0\n"
    assert done.stderr.splitlines()[2:] == ["    not for production: only for dev, staging"]
    answer = json.loads(run("-e", "production", "status", "--json", env=environ).stdout)
    assert (answer["environment"], answer["pending"], answer["elsewhere"]) == ("production", 0, 1)
    assert [(each["state"], each["env"]) for each in answer["migrations"]] == [
        ("applied", []),
        ("elsewhere", ["dev", "staging"]),
        ("applied", []),
    ]
    assert run("-e", "production", "verify", env=environ).stdout == ""
    assert "Pending: 0" in run("-e", "production", "status", env=environ).stdout
    assert run("-e", "dev", "status", "--exit-code", env=environ).exit_code == 1


def test_environments_side_by_side(run, project, make_database):
    environ = {f"{name}_DATABASE_URL": make_database() for name in ("DEV", "PRODUCTION")}
    environ["DBMIGRATE_NO_DUMP_SCHEMA"] = "true"
    write(project, "4_key", "-- migrate:env production", table="key")
    assert run("-e", "dev", "up", env=environ).exit_code == 0
    assert run("-e", "production", "up", "--yes", env=environ).exit_code == 0

    done = run("status", "--all", "--exit-code", env=environ)
    answer = json.loads(run("status", "--all", "--json", env=environ).stdout)

    assert done.exit_code == 0
    assert [line.split()[-3:] for line in done.stdout.splitlines() if line.startswith("2_demo")] == [
        ["–", "not", "here"]
    ]
    assert "4_key      – not here" in done.stdout
    assert answer["current"] is True
    assert [each["elsewhere"] for each in answer["environments"]] == [1, 1]
    states = [[each["environments"][name]["state"] for name in ("dev", "production")] for each in answer["migrations"]]
    assert states == [["applied"] * 2, ["applied", "elsewhere"], ["applied"] * 2, ["elsewhere", "applied"]]


def test_the_plan_and_its_hash_are_without_what_is_elsewhere(project, at):
    with_it = at("production").plan_up()
    write(project, "2_demo", "-- migrate:env dev, staging", table="other")
    changed = at("production").plan_up()
    (project.migrations / "2_demo.sql").unlink()
    without = at("production").plan_up()

    assert [step.version for step in with_it.steps] == ["1", "3"]
    assert with_it.digest == changed.digest == without.digest
    write(project, "2_demo", "-- migrate:env dev, staging")
    assert at(DEV).plan_up().digest != without.digest


def test_it_is_not_out_of_order_elsewhere(at):
    policy = {"strict": True}
    assert len(at("production", policy=policy).up().done) == 2
    assert at("production", policy=policy).up().done == ()
    assert at("production", Upkeep).verify() == ()
    assert failure(at(DEV, policy=policy).up).code == "E702"
    assert [each.deviation for each in at(DEV, Upkeep).verify()] == [Deviation.OUT_OF_ORDER]


def test_a_goal_may_be_a_migration_that_is_elsewhere(at, tables):
    assert len(at("production").up(Goal(version="2")).done) == 1
    assert len(at("production").up(Goal(steps=1)).done) == 1
    assert tables() == ["orders", "users"]


def test_a_file_that_cannot_be_trusted_stops_every_environment(project, at):
    """Whether it is for this environment is not known."""
    for said, code in (
        ("-- migrate:env dev\n-- migrate:env staging", "E291"),
        ("-- migrate:env dev\n-- migrate:depend 1", "E290"),
        ("-- migrate:evn dev", "E290"),
        ("  -- migrate:env dev", "E291"),
    ):
        write(project, "2_demo", f"-- x\n{said}")
        assert failure(at("production").up).code == code
        assert states(at("production").status()) == ["pending"] * 3


# -------------------------------------------------------------------------------------------------- dry run, rollback


@pytest.mark.parametrize("environment", ["dev", "production"])
@pytest.mark.parametrize("options", ["", " transaction:false"], ids=["transaction", "no-transaction"])
def test_the_script_of_a_dry_run_does_the_same(
    project, at, make_database, query, environment, options, tables, database_url
):
    write(project, "2_demo", "-- migrate:env dev, staging", options=options)
    scripted = make_database()
    policy = Policy(environment=environment)
    there = Migrator(scripted, Options(directories=(str(project.migrations),), policy=policy))

    done = psql(scripted, "".join(there.script_up()))
    at(environment).up()

    assert done.exit_code == 0, done.stderr
    assert tables(scripted) == tables()
    log = "select version, direction, state from schema_migrations_log order by 1, 2, 3"
    assert query(scripted, log) == query(database_url, log)
    assert states(there.status()) == states(at(environment).status())
    assert there.up().done == ()


@pytest.mark.parametrize("name", ["qa", pytest.param("dev", marks=pytest.mark.matrix)])
def test_every_way_to_run_a_plan_does_the_same(run, project, database_url, tables, name):
    environ = {f"{name.upper()}_DATABASE_URL": database_url, "DBMIGRATE_NO_DUMP_SCHEMA": "true"}
    dry = json.loads(run("-e", name, "up", "--dry-run", "--json", env=environ).stdout)
    rehearsed = run("-e", name, "up", "--dry-run", "--execute", env=environ)
    in_place = run("-e", name, "up", "--dry-run", "--execute", "--in-place", env=environ)
    deployed = run("-e", name, "deploy", "--no-backup", env=environ)

    assert [step["version"] for step in dry["steps"]] == (["1", "2", "3"] if name == "dev" else ["1", "3"])
    for done in (rehearsed, in_place, deployed):
        assert done.exit_code == 0, done.stderr
        assert "1_users.sql" in done.stdout + done.stderr
        assert ("2_demo.sql" in done.stdout + done.stderr) is (name == "dev")
    assert tables() == (["demo", "orders", "users"] if name == "dev" else ["orders", "users"])


def test_what_is_applied_is_applied_whatever_it_says(at, tables):
    """dbmate runs such a file everywhere."""
    at(DEV).up()

    assert states(at("production").status()) == ["applied"] * 3
    assert at("production", Upkeep).verify() == ()
    assert len(at("production", Upkeep).history()) == 3
    assert len(at("production").rollback(Goal(steps=2)).done) == 2
    assert tables() == ["users"]
    assert states(at("production").status()) == ["applied", "elsewhere", "pending"]


def test_repair_follows_a_renamed_file_that_is_elsewhere(project, at):
    at(DEV).up()
    (project.migrations / "2_demo.sql").rename(project.migrations / "5_demo.sql")

    assert failure(at("production").up).code == "E720"
    upkeep = at("production", Upkeep)
    upkeep.repair(Repair(), expected=upkeep.plan_repair(Repair()))
    assert at("production").up().done == ()
    assert [row.version for row in at("production").status().applied] == ["1", "3", "5"]


def test_redo_does_not_apply_again_what_is_elsewhere(project, at, tables):
    (project.migrations / "3_orders.sql").unlink()
    at(DEV).up()

    error = failure(at("production").redo)
    assert (error.code, error.exit_code, error.place.line) == ("E732", 7, 1)
    assert failure(at(UNNAMED).redo).code == "E208"
    assert tables() == ["demo", "users"]
    assert len(at("staging").redo().done) == 2
    assert len(at("production").rollback().done) == 1
    assert tables() == ["users"]


def test_a_half_done_migration_is_finished_or_undone_anywhere(project, at, tables):
    text = (
        "-- migrate:env dev\n-- migrate:up transaction:false\ncreate table demo ();\nselect 1 / 0;\n"
        "-- migrate:down\ndrop table demo;\n"
    )
    project.write("2_demo.sql", text)
    assert failure(at(DEV).up).exit_code == 5

    assert states(at("production").status()) == ["applied", "unfinished", "pending"]
    assert failure(at("production").up).code == "E502"
    at("production", Upkeep).undo()
    assert tables() == ["users"]
    assert states(at("production").status()) == ["applied", "elsewhere", "pending"]


def test_baseline_records_what_is_for_this_environment(project, at):
    assert failure(lambda: at(UNNAMED, Upkeep).baseline("3")).code == "E208"
    assert len(at("production", Upkeep).baseline("3").done) == 2
    assert states(at("production").status()) == ["applied", "elsewhere", "applied"]
    at("production", Upkeep, reason="as asked").mark_applied("2")
    assert at("production").status().count(MigrationState.APPLIED) == 3


def test_what_is_elsewhere_need_not_be_applied_in_the_required_environment(run, project, make_database):
    write(project, "4_key", "-- migrate:env production", table="key")
    environ = {f"{name}_DATABASE_URL": make_database() for name in ("STAGING", "PRODUCTION")}
    environ["DBMIGRATE_NO_DUMP_SCHEMA"] = "true"
    words = ("-e", "production", "up", "--yes", "--require-applied-in", "staging")

    refused = run(*words, env=environ)
    assert refused.exit_code == 7
    assert "not applied in staging: 1_users.sql, 3_orders.sql\n" in refused.stderr
    assert run("-e", "staging", "up", env=environ).exit_code == 0
    done = run(*words, env=environ)

    assert done.exit_code == 0, done.stderr
    assert "Applied: 4_key.sql" in done.stdout


# ------------------------------------------------------------------------------------------------------ the schema file


def test_the_schema_file_is_for_all_environments(project, at, make_database):
    dumping = Dumping(str(project.schema_file))
    report = at(DEV, dumping=dumping).up()

    assert [problem.code for problem in report.problems] == ["W311"]
    assert "2_demo.sql (only for dev, staging)" in report.problems[0].message
    assert not project.schema_file.exists()
    assert failure(lambda: at(DEV).dump(dumping)).code == "E733"
    assert not project.schema_file.exists()

    options = Options(directories=(str(project.migrations),), policy=Policy(environment="production"), dumping=dumping)
    assert Migrator(make_database(), options).up().problems == ()
    assert "demo" not in project.schema_file.read_text()
    at(DEV).dump(Dumping(str(project.schema_file), is_narrow=True))
    assert "CREATE TABLE public.demo" in project.schema_file.read_text()


def test_a_schema_file_that_the_option_names_is_written(run, project, environ):
    del environ["DBMIGRATE_NO_DUMP_SCHEMA"]

    del environ["PRODUCTION_DATABASE_URL"]

    first = run("-e", "dev", "up", "--to", "2", env=environ | {"DBMIGRATE_SCHEMA_FILE": "db/schema.sql"})
    assert first.exit_code == 0, first.stderr
    assert "warning[W311]: the schema file was not written" in first.stderr
    assert "--schema-file PATH" in first.stderr
    refused = run("-e", "dev", "dump", env=environ)
    assert (refused.exit_code, "error[E733]" in refused.stderr) == (7, True)
    assert not project.schema_file.exists()
    done = run("-e", "dev", "up", "--schema-file", "db/dev.sql", env=environ)

    assert "W311" not in done.stderr
    assert "CREATE TABLE public.demo" in (project.root / "db" / "dev.sql").read_text()


def test_check_and_drift_use_files_for_all_environments(run, project, environ, database_url):
    assert run("-e", "production", "up", "--yes", env={**environ, "DBMIGRATE_NO_DUMP_SCHEMA": "false"}).exit_code == 0
    assert "demo" not in project.schema_file.read_text()

    checked = run("check", "--no-lint", env={"DATABASE_URL": database_url})
    assert checked.exit_code == 0, checked.stdout
    assert "note[C114]: 2_demo.sql was not run: it is only for dev, staging" in checked.stdout
    same = run("-e", "production", "drift", "--against", "migrations", env=environ)
    assert same.exit_code == 0, same.stderr
    del environ["PRODUCTION_DATABASE_URL"]
    assert run("-e", "dev", "up", env=environ).exit_code == 0
    drift = run("-e", "dev", "drift", "--against", "migrations", env=environ)
    assert drift.exit_code == 1
    assert "table public.demo is extra" in drift.stdout
    assert "2_demo.sql is only for dev, staging" in drift.stdout


# --------------------------------------------------------------------------------------------------------- dependencies


@pytest.mark.parametrize(
    ("mine", "theirs", "fits"),
    [
        ("", "", True),
        ("dev", "", True),
        ("dev", "dev, staging", True),
        ("eu-west", "EU_WEST", True),
        ("", "dev", False),
        ("dev, staging", "dev", False),
        ("production", "dev", False),
    ],
)
def test_no_file_depends_on_one_for_fewer_environments(run, project, at, mine, theirs, fits, environ):
    def env(names):
        return f"-- migrate:env {names}\n" if names else ""

    write(project, "2_demo", env(theirs))
    write(project, "3_orders", f"{env(mine)}-- migrate:depends 2")
    here = mine.partition(",")[0] or theirs.partition(",")[0] or "dev"
    line = 2 if mine else 1

    linted = run("lint", "--all", "--format", "json", env=environ)
    found = [each for each in json.loads(linted.stdout)["findings"] if each["code"] == "E294"]
    for call in (at(here).plan_up, lambda: (at(here).up(Goal(version="2")), at(here).up()), at(here).up):
        if fits:
            call()
        else:
            error = failure(call)
            assert (error.code, error.exit_code) == ("E294", 2)
            assert (error.place.path.rpartition("/")[2], error.place.line) == ("3_orders.sql", line)
    assert [each["line"] for each in found] == ([] if fits else [line])


def test_a_dependency_that_is_applied_already_counts_too(project, at):
    (project.migrations / "3_orders.sql").unlink()
    at(DEV).up()
    write(project, "3_orders", "-- migrate:depends 2")

    assert failure(at(DEV).up).code == "E294"


def test_check_finds_the_contradiction(project):
    write(project, "3_orders", "-- migrate:depends 2")

    found = reading.read([str(project.migrations)], Order.NAME, Variables())

    (error,) = (problem for problem in found.problems if problem.severity is Severity.ERROR)
    assert (error.code, error.place.line) == ("E294", 1)
    assert "3_orders.sql is for all environments, but depends on 2_demo.sql" in error.message
    assert [migration.version for migration in found.sound] == ["1", "3"]
