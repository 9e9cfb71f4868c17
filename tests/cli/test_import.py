"""`import`: what it writes and says, what it asks, and what it never does."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest

from dbmigrate.execution import run_lock
from tests.support.projects import Project

TABLE = """
create table flyway_schema_history (installed_rank int primary key, version varchar(50),
  description varchar(200) not null, type varchar(20) not null, script varchar(1000) not null, checksum int,
  installed_by varchar(100) not null, installed_on timestamp not null default now(), execution_time int not null,
  success bool not null)
"""
ROW = """
insert into flyway_schema_history select coalesce(max(installed_rank), 0) + 1, %s, 'x', %s, 'x', %s, 'ada',
  '2026-01-02 03:04:05', 1, %s from flyway_schema_history
"""


@pytest.fixture
def flyway(tmp_path: Path) -> Path:
    """A directory of two Flyway migrations."""
    directory = tmp_path / "sql"
    directory.mkdir()
    (directory / "V1__boats.sql").write_text("create table boats (id int);\n")
    (directory / "U1__boats.sql").write_text("drop table boats;\n")
    (directory / "V2__piers.sql").write_text("create table piers (id int);\n")
    return directory


def record(url: str, version: str, *, kind: str = "SQL", checksum: int | None = None, success: bool = True) -> None:
    with psycopg.connect(url, autocommit=True) as conn:
        if not conn.execute("select to_regclass('flyway_schema_history')").fetchone()[0]:  # type: ignore[index]
            conn.execute(TABLE.encode())
        conn.execute(ROW.encode(), (version, kind, checksum, success))


def written(root: Path) -> dict[str, str]:
    directory = root / "db" / "migrations"
    return {path.name: path.read_text() for path in sorted(directory.rglob("*.sql"))} if directory.exists() else {}


# --------------------------------------------------------------------------------------------------------- files alone


def test_files_are_converted_without_a_database(flyway: Path, run, tmp_path: Path) -> None:
    done = run("import", "sql")

    assert done.exit_code == 0, done.stderr
    assert list(written(tmp_path)) == ["1_boats.sql", "2_piers.sql"]
    assert "V1__boats.sql -> ./db/migrations/1_boats.sql" in done.stdout
    assert "V2__piers.sql has no down: irreversible:true" in done.stdout


def test_a_dry_run_writes_nothing(flyway: Path, run, tmp_path: Path) -> None:
    done = run("import", "sql", "--dry-run")

    assert done.exit_code == 0
    assert "2 files would be written" in done.stdout
    assert not (tmp_path / "db").exists()


def test_what_was_converted_runs(flyway: Path, database_url: str, query, run) -> None:
    run("import", "sql")

    assert run("up", env={"DATABASE_URL": database_url}).exit_code == 0
    assert query(database_url, "select to_regclass('boats') is not null and to_regclass('piers') is not null") == [
        (True,)
    ]


def test_the_answer_for_programs_says_the_same(flyway: Path, run) -> None:
    said = json.loads(run("import", "sql", "--json").stdout)

    assert (said["tool"], said["ok"], said["history"]) == ("flyway", True, None)
    assert [(each["old"], each["new"], each["written"]) for each in said["files"]] == [
        ("V1__boats.sql", "1_boats.sql", True),
        ("V2__piers.sql", "2_piers.sql", True),
    ]
    assert [each["message"] for each in said["judgements"]] == [
        "V2__piers.sql has no down: irreversible:true (--missing-down)"
    ]


def test_the_old_files_stay_as_they_are(flyway: Path, run) -> None:
    before = {path.name: path.read_bytes() for path in flyway.iterdir()}

    run("import", "sql")

    assert {path.name: path.read_bytes() for path in flyway.iterdir()} == before


def test_where_the_numbers_have_no_zeros_the_project_file_says_how_they_are_ordered(
    flyway: Path, run, tmp_path: Path
) -> None:
    (flyway / "V10__lamps.sql").write_text("create table lamps ();\n")
    (tmp_path / "dbmigrate.toml").write_text(
        '# ours\nschema-file = "s.sql"\n\n[deploy]\nhealth-url = "http://localhost"\n'
    )

    done = run("import", "sql")

    assert 'set in the project file: version-order = "numeric"' in done.stdout
    assert (tmp_path / "dbmigrate.toml").read_text() == (
        '# ours\nschema-file = "s.sql"\nversion-order = "numeric"\n\n[deploy]\nhealth-url = "http://localhost"\n'
    )


def test_the_section_of_pyproject_is_the_project_file_where_it_is_used(flyway: Path, run, tmp_path: Path) -> None:
    (flyway / "V10__lamps.sql").write_text("create table lamps ();\n")
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "x"\n\n[tool.dbmigrate]\nwait = true\n\n[tool.other]\na = 1\n'
    )

    assert run("import", "sql").exit_code == 0

    assert (tmp_path / "pyproject.toml").read_text() == (
        '[project]\nname = "x"\n\n[tool.dbmigrate]\nwait = true\nversion-order = "numeric"\n\n[tool.other]\na = 1\n'
    )


@pytest.mark.parametrize(
    ("name", "text", "place"),
    [
        ("V3__bad.sql", "select 1;\n\\i other.sql\n", "V3__bad.sql:2:1"),
        ("V3__bad.sql", "select 'x;\n", "V3__bad.sql:1:8"),
        ("V3__bad.sql", "select 1;\ncommit;\nselect 2;\n", "V3__bad.sql:2:1"),
    ],
)
def test_one_file_that_cannot_be_converted_stops_it_before_anything_is_written(
    flyway: Path, name: str, text: str, place: str, run, tmp_path: Path
) -> None:
    (flyway / name).write_text(text)

    done = run("import", "sql")

    assert done.exit_code == 2
    assert place in done.stderr
    assert not (tmp_path / "db").exists()
    assert run("import", "sql", "--skip", name).exit_code == 0
    assert len(written(tmp_path)) == 2


def test_another_file_is_never_written_over(flyway: Path, run, project: Project) -> None:
    project.write("1_boats.sql", "-- migrate:up\n-- migrate:down\n")

    done = run("import", "sql")

    assert done.exit_code == 2
    assert "error[E285]" in done.stderr
    assert list(written(project.root)) == ["1_boats.sql"]


def test_a_second_import_adds_what_is_new_and_keeps_what_was_edited(flyway: Path, run, tmp_path: Path) -> None:
    run("import", "sql")
    edited = tmp_path / "db/migrations/2_piers.sql"
    edited.write_text(edited.read_text().replace("irreversible:true", "") + "drop table piers;\n")
    before = edited.read_text()
    (flyway / "V3__lamps.sql").write_text("create table lamps ();\n")

    done = run("import", "sql")

    assert done.exit_code == 0, done.stderr
    assert "1 file written, 2 there already" in done.stdout
    assert "2_piers.sql is there and differs" in done.stdout
    assert written(tmp_path)["2_piers.sql"] == before


def test_placeholders_have_to_be_given_or_come_from_the_environment(flyway: Path, run, tmp_path: Path) -> None:
    (flyway / "V3__note.sql").write_text("comment on table boats is 'at ${port}';\n")

    asked = run("import", "sql")
    given = run("import", "sql", env={"FLYWAY_PLACEHOLDERS_PORT": "Sula"})

    assert asked.exit_code == 2
    assert "error[E284]" in asked.stderr
    assert "--placeholder port=VALUE" in asked.stderr
    assert given.exit_code == 0, given.stderr
    assert "'at Sula'" in written(tmp_path)["3_note.sql"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("nowhere",), "E282"),
        (("sql", "--from", "nothing"), "E283"),
        (("sql", "--missing-down", "maybe"), "E200"),
        (("sql", "--placeholder", "x"), "E200"),
        (("sql", "--skip", "V9__no.sql"), "E282"),
        (("sql", "--dirty", "applied"), "E200"),
        (("sql", "--accept-drift", "x"), "E200"),
    ],
)
def test_a_wrong_command_line_is_told(flyway: Path, arguments: tuple[str, ...], code: str, run, tmp_path: Path) -> None:
    done = run("import", *arguments)

    assert (done.exit_code, f"error[{code}]" in done.stderr) == (2, True), done.stderr
    assert not (tmp_path / "db").exists()


def test_a_directory_without_files_of_a_tool_is_told(run, tmp_path: Path) -> None:
    (tmp_path / "sql").mkdir()

    done = run("import", "sql")

    assert done.exit_code == 2
    assert "error[E283]" in done.stderr


def test_the_sql_of_code_is_taken_where_it_is_given(flyway: Path, run, tmp_path: Path) -> None:
    (flyway / "V3__load.java").write_text("class V3__load {}")
    (tmp_path / "three.sql").write_text("create table three ();\n")

    assert "--sql V3__load.java=FILE" in run("import", "sql").stderr
    assert run("import", "sql", "--sql", "V3__load.java=three.sql").exit_code == 0
    assert "create table three" in written(tmp_path)["3_load.sql"]


# --------------------------------------------------------------------------------------------------------- the history


def test_times_and_users_of_the_old_tool_are_in_the_log(flyway: Path, database_url: str, query, run) -> None:
    query(database_url, "create table boats (id int)")
    record(database_url, "1")

    done = run("import", "sql", "--history", "--reason", "moving in", env={"DATABASE_URL": database_url})

    assert done.exit_code == 0, done.stderr
    found = query(
        database_url,
        "select version, direction, state, started_at = finished_at, finished_at::date::text, os_user, reason,"
        " details->>'tool', details->>'version', details->>'file' from schema_migrations_log",
    )
    assert found == [
        ("1", "adopt", "done", True, "2026-01-02", "ada", "moving in", "flyway", "1", "V1__boats.sql"),
    ]


def test_what_is_pending_runs_and_what_was_applied_can_be_undone(flyway: Path, database_url: str, query, run) -> None:
    query(database_url, "create table boats (id int)")
    record(database_url, "1")
    env = {"DATABASE_URL": database_url}
    run("import", "sql", "--history", env=env)

    assert run("rollback", env=env).exit_code == 0
    assert query(database_url, "select to_regclass('boats') is null") == [(True,)]
    assert run("up", env=env).exit_code == 0
    assert query(database_url, "select to_regclass('piers') is not null") == [(True,)]


def test_a_dry_run_proves_and_records_nothing(flyway: Path, database_url: str, query, run, tmp_path: Path) -> None:
    query(database_url, "create table boats (id int)")
    record(database_url, "1")

    done = run("import", "sql", "--history", "--dry-run", env={"DATABASE_URL": database_url})

    assert done.exit_code == 0, done.stderr
    assert "proof: the applied files make what the database has" in done.stdout
    assert query(database_url, "select count(*) from pg_class where relname ~ 'schema_migrations'") == [(0,)]
    assert not (tmp_path / "db").exists()


def test_a_difference_is_accepted_with_a_reason_that_is_kept(flyway: Path, database_url: str, query, run) -> None:
    query(database_url, "create table boats (id int, name text)")
    record(database_url, "1")
    env = {"DATABASE_URL": database_url}

    refused = run("import", "sql", "--history", env=env)
    accepted = run("import", "sql", "--history", "--accept-drift", "added by hand in 2019", env=env)

    assert refused.exit_code == 7
    assert "column public.boats.name is extra" in refused.stderr
    assert accepted.exit_code == 0, accepted.stderr
    assert "accepted: column public.boats.name is extra" in accepted.stdout
    assert query(database_url, "select distinct reason from schema_migrations_log") == [("added by hand in 2019",)]


def test_another_checksum_stops_it_until_it_is_accepted(
    flyway: Path, database_url: str, query, run, tmp_path: Path
) -> None:
    query(database_url, "create table boats (id int)")
    record(database_url, "1", checksum=77)
    env = {"DATABASE_URL": database_url}

    refused = run("import", "sql", "--history", env=env)
    accepted = run("import", "sql", "--history", "--accept-drift", "only a comment", env=env)

    assert refused.exit_code == 7
    assert "error[E725]" in refused.stderr
    assert "V1__boats.sql" in refused.stderr
    assert accepted.exit_code == 0, accepted.stderr
    assert "V1__boats.sql is not what ran" in accepted.stdout


@pytest.mark.parametrize(("answer", "pending"), [("failed", ["2_piers.sql"]), ("applied", [])])
def test_a_failed_migration_is_asked_about(
    flyway: Path, answer: str, pending: list[str], database_url: str, query, run, tmp_path: Path
) -> None:
    query(database_url, "create table boats (id int)")
    if answer == "applied":
        query(database_url, "create table piers (id int)")
    record(database_url, "1")
    record(database_url, "2", success=False)
    env = {"DATABASE_URL": database_url}

    asked = run("import", "sql", "--history", env=env)
    done = run("import", "sql", "--history", "--dirty", answer, env=env)

    assert asked.exit_code == 7
    assert "error[E724]" in asked.stderr
    assert "--dirty applied" in asked.stderr
    assert done.exit_code == 0, done.stderr
    status = json.loads(run("status", "--json", env=env).stdout)
    assert [each["file"] for each in status["migrations"] if each["state"] == "pending"] == pending


def test_the_wrong_answer_about_a_failed_migration_is_found_out(flyway: Path, database_url: str, query, run) -> None:
    query(database_url, "create table boats (id int)")
    record(database_url, "1")
    record(database_url, "2", success=False)

    done = run("import", "sql", "--history", "--dirty", "applied", env={"DATABASE_URL": database_url})

    assert done.exit_code == 7
    assert "table public.piers is missing" in done.stderr


def test_what_lies_below_a_baseline_was_there_before(flyway: Path, database_url: str, query, run) -> None:
    query(database_url, "create table boats (id int)")
    record(database_url, "1", kind="BASELINE")
    env = {"DATABASE_URL": database_url}

    assert run("import", "sql", "--history", env=env).exit_code == 0
    assert run("status", env=env).stdout.startswith("[X] 1_boats.sql\n[ ] 2_piers.sql\n")


def test_a_row_without_a_file_is_named(flyway: Path, database_url: str, query, run) -> None:
    query(database_url, "create table boats (id int)")
    record(database_url, "1")
    record(database_url, "1.5")

    done = run("import", "sql", "--history", env={"DATABASE_URL": database_url})

    assert done.exit_code == 0, done.stderr
    assert "1.5 is recorded by flyway, and has no file" in done.stdout


def test_applied_files_that_do_not_run_prove_nothing(
    flyway: Path, database_url: str, query, run, tmp_path: Path
) -> None:
    query(database_url, "create table boats (id int)")
    (flyway / "V1__boats.sql").write_text("create table boats (id int);\nalter table nowhere add x int;\n")
    record(database_url, "1")
    env = {"DATABASE_URL": database_url}

    refused = run("import", "sql", "--history", env=env)
    accepted = run("import", "sql", "--history", "--accept-drift", "a table of another project", env=env)

    assert refused.exit_code == 7
    assert "error[E723]" in refused.stderr
    assert "db/migrations/1_boats.sql:4:1" in refused.stderr
    assert accepted.exit_code == 0, accepted.stderr
    assert "W690" in accepted.stderr


def test_the_schema_file_holds_nothing_of_the_old_tools_table(
    flyway: Path, database_url: str, query, run, tmp_path: Path
) -> None:
    """Neither the table nor what belongs to it, such as the sequence of a column."""
    query(database_url, "create table boats (id int)")
    record(database_url, "1")
    query(database_url, "alter table flyway_schema_history add id serial, add other int generated always as identity")
    env = {"DATABASE_URL": database_url}

    done = run("import", "sql", "--history", env=env)

    assert (done.exit_code, "warning" in done.stderr) == (0, False), done.stderr
    assert "flyway" not in (tmp_path / "db/schema.sql").read_text()
    assert run("drift", env=env).stdout.endswith("no drift from ./db/schema.sql\n")


def test_a_second_import_records_what_the_old_tool_has_applied_since(
    flyway: Path, database_url: str, query, run
) -> None:
    query(database_url, "create table boats (id int)")
    record(database_url, "1")
    env = {"DATABASE_URL": database_url}
    run("import", "sql", "--history", env=env)
    query(database_url, "create table piers (id int)")
    record(database_url, "2")

    again = run("import", "sql", "--history", "--json", env=env)

    assert json.loads(again.stdout)["recorded"] == ["2"]
    assert query(database_url, "select version from schema_migrations order by 1") == [("1",), ("2",)]


def test_a_second_import_knows_what_dbmigrate_has_done_since(
    flyway: Path, database_url: str, query, run, project: Project
) -> None:
    """A migration of the old project that dbmigrate has applied, and a new one of its own."""
    query(database_url, "create table boats (id int)")
    record(database_url, "1")
    env = {"DATABASE_URL": database_url}
    assert run("import", "sql", "--history", env=env).exit_code == 0
    project.migration("3_lamps", up="create table lamps ();", down="drop table lamps;")
    assert run("up", env=env).exit_code == 0

    again = run("import", "sql", "--history", "--json", env=env)
    assert again.exit_code == 0, again.stderr
    assert [each["state"] for each in json.loads(again.stdout)["files"]] == ["applied", "applied"]


def test_what_was_undone_since_is_not_taken_over_again(flyway: Path, database_url: str, query, run) -> None:
    query(database_url, "create table boats (id int)")
    record(database_url, "1")
    env = {"DATABASE_URL": database_url}
    run("import", "sql", "--history", env=env)
    run("rollback", env=env)

    again = run("import", "sql", "--history", "--json", env=env)

    assert again.exit_code == 0, again.stderr
    said = json.loads(again.stdout)
    assert (said["recorded"], [each["state"] for each in said["files"]]) == ([], ["pending", "pending"])


def test_where_the_name_of_the_tracking_table_is_taken_the_project_file_names_another(
    flyway: Path, database_url: str, query, run, tmp_path: Path
) -> None:
    query(
        database_url,
        "create table boats (id int); create table schema_migrations (version bigint primary key, dirty bool)",
    )
    query(database_url, "insert into schema_migrations values (7, false)")
    record(database_url, "1")
    env = {"DATABASE_URL": database_url}

    done = run("import", "sql", "--history", "--accept-drift", "another tool's table", env=env)

    assert done.exit_code == 0, done.stderr
    assert (tmp_path / "dbmigrate.toml").read_text() == 'migrations-table = "dbmigrate_migrations"\n'
    assert query(database_url, "select version from dbmigrate_migrations") == [("1",)]
    assert query(database_url, "select * from schema_migrations") == [(7, False)]
    assert run("status", env=env).stdout.startswith("[X] 1_boats.sql\n[ ] 2_piers.sql\n")


def test_a_table_that_was_chosen_is_not_renamed(flyway: Path, database_url: str, query, run, tmp_path: Path) -> None:
    query(database_url, "create table boats (id int); create table taken (version bigint primary key, dirty bool)")
    record(database_url, "1")

    done = run("--migrations-table", "taken", "import", "sql", "--history", env={"DATABASE_URL": database_url})

    assert done.exit_code == 7
    assert "error[E713]" in done.stderr
    assert not (tmp_path / "db").exists()


def test_a_database_without_the_tools_history_is_told(flyway: Path, database_url: str, run, tmp_path: Path) -> None:
    done = run("import", "sql", "--history", env={"DATABASE_URL": database_url})

    assert done.exit_code == 2
    assert "error[E286]" in done.stderr
    assert not (tmp_path / "db").exists()


def test_a_history_under_another_name_is_found_by_its_columns(flyway: Path, database_url: str, query, run) -> None:
    query(database_url, "create table boats (id int)")
    record(database_url, "1")
    query(
        database_url,
        "create schema ops; alter table flyway_schema_history rename to old; alter table old set schema ops",
    )

    done = run("import", "sql", "--history", env={"DATABASE_URL": database_url})

    assert done.exit_code == 0, done.stderr
    assert "ops.old: 1 applied" in done.stdout


def test_of_two_histories_one_has_to_be_named(flyway: Path, database_url: str, query, run) -> None:
    query(database_url, "create table boats (id int)")
    record(database_url, "1")
    query(database_url, "create schema b; create table b.other (like flyway_schema_history including all)")
    env = {"DATABASE_URL": database_url}

    asked = run("import", "sql", "--history", env=env)
    named = run(
        "import",
        "sql",
        "--history",
        "--table",
        "public.flyway_schema_history",
        "--dry-run",
        "--accept-drift",
        "b",
        env=env,
    )

    assert asked.exit_code == 2
    assert "b.other, public.flyway_schema_history" in asked.stderr
    assert named.exit_code == 0, named.stderr


def test_a_protected_environment_is_asked_and_nothing_is_written_before(
    flyway: Path, database_url: str, query, run, tmp_path: Path
) -> None:
    query(database_url, "create table boats (id int)")
    record(database_url, "1")
    env = {"PRODUCTION_DATABASE_URL": database_url, "DBMIGRATE_PROTECTED": "production"}

    done = run("-e", "production", "import", "sql", "--history", env=env)

    assert done.exit_code == 7, done.stdout
    assert "error[E707]" in done.stderr
    assert not (tmp_path / "db").exists()


def test_another_run_is_waited_for(flyway: Path, database_url: str, query, run, project: Project) -> None:
    query(database_url, "create table boats (id int)")
    record(database_url, "1")
    env = {"DATABASE_URL": database_url, "DBMIGRATE_LOCK_WAIT": "1s"}
    with psycopg.connect(database_url, autocommit=True) as holder:
        holder.execute(f"select pg_advisory_lock({run_lock.key_for('public.schema_migrations').sql})".encode())
        done = run("import", "sql", "--history", env=env)

    assert done.exit_code == 6, done.stderr
    assert written(project.root) == {}
