"""`-- migrate:replaces`: recorded where all that it replaces is applied, run where nothing is, refused in between."""

from __future__ import annotations

import json

import pytest

from tests.support.catalog import fingerprint
from tests.support.psql import psql

OLD = ("001_a", "002_b", "003_c")
LOG = (
    "select version, direction, state, details from schema_migrations_log where direction = 'replace' order by event_id"
)


@pytest.fixture
def command(run, database_url):
    def run_it(*arguments, url=database_url, env=None):
        values = {"DATABASE_URL": url, "DBMIGRATE_NO_DUMP_SCHEMA": "true", **(env or {})}
        return run(*arguments, env=values)

    return run_it


@pytest.fixture
def versions(query, database_url):
    return lambda url=database_url: [row[0] for row in query(url, "select version from schema_migrations order by 1")]


def write_old(project):
    for name in OLD:
        project.migration(name, up=f"create table {name[-1]} ();", down=f"drop table {name[-1]};")


def remove_old(project):
    for name in OLD:
        (project.migrations / f"{name}.sql").unlink(missing_ok=True)


def squash(project, *, said="001-003", name="000_squashed", down=""):
    text = f"-- migrate:replaces {said}\n-- migrate:up\ncreate table a ();\ncreate table b ();\ncreate table c ();\n"
    return project.write(f"{name}.sql", f"{text}-- migrate:down {down or 'irreversible:true'}\n")


@pytest.mark.parametrize(
    ("files", "arguments"),
    [
        ("removed", ("up",)),
        pytest.param("kept", ("up",), marks=pytest.mark.matrix),
        ("kept", ("migrate", "--strict")),
        pytest.param("removed", ("deploy", "--no-backup"), marks=pytest.mark.matrix),
    ],
)
def test_where_all_is_applied_it_is_recorded_and_the_old_rows_go(
    command, project, versions, query, database_url, twin_database_url, files, arguments
):
    write_old(project)
    for url in (database_url, twin_database_url):
        assert command("up", url=url).exit_code == 0
    if files == "removed":
        remove_old(project)
    squash(project)
    project.migration("004_d", up="create table d ();", down="drop table d;")

    status = command("status", "--exit-code")
    assert status.stdout == "[X] 000_squashed.sql\n[ ] 004_d.sql\n\nApplied: 1\nPending: 1\n"
    assert "    replaces 3 applied migrations: `up` records that\n" in status.stderr
    assert "warning" not in status.stderr
    assert json.loads(command("status", "--json").stdout)["migrations"][0]["replaces"] == 3
    assert command("verify").exit_code == 0
    drift = command("drift", "--against", "migrations")
    assert drift.exit_code == 0, drift.stdout + drift.stderr
    steps = json.loads(command("up", "--dry-run", "--json", "--no-locks").stdout)["steps"]
    assert [step["replaces"] for step in steps] == [["001", "002", "003"], []]
    script = command("up", "--dry-run", "--no-locks").stdout

    done = command(*arguments)

    assert done.exit_code == 0, done.stderr
    assert "Recorded: 000_squashed.sql is applied, in the place of 3 migrations" in done.stdout
    assert "W670" not in done.stderr
    assert versions() == ["000", "004"]
    names = [row[0] for row in query(database_url, LOG)]
    assert names == ["001", "002", "003", "000"]
    assert query(database_url, LOG)[0] == ("001", "replace", "done", {"replaced by": "000"})
    assert query(database_url, LOG)[3][3] == {"replaces": ["001", "002", "003"]}
    scripted = psql(twin_database_url, script)
    assert scripted.exit_code == 0, scripted.stderr
    if arguments == ("up",):
        assert fingerprint(twin_database_url) == fingerprint(database_url)

    again = command("up", "--strict")
    assert (again.exit_code, again.stdout) == (0, "")
    assert command("verify").exit_code == 0
    assert command("status", "--exit-code").stdout == "[X] 000_squashed.sql\n[X] 004_d.sql\n\nApplied: 2\nPending: 0\n"
    assert command("rollback").exit_code == 0
    assert command("rollback").exit_code == 2
    assert versions() == ["000"]


def test_where_nothing_is_applied_it_is_run_and_the_old_files_count_for_nothing(command, project, versions):
    write_old(project)
    squash(project)
    project.migration("004_d", up="create table d ();", down="drop table d;")
    project.write("005_e.sql", "-- migrate:depends 002\n-- migrate:up\nselect 1;\n-- migrate:down\n")

    assert command("check", "--no-lint").exit_code == 0
    assert command("status").stdout.startswith("[ ] 000_squashed.sql\n[ ] 004_d.sql\n[ ] 005_e.sql\n\nApplied: 0\n")
    refused = command("up", "--to", "002")
    assert refused.exit_code == 2
    assert "version 002 is replaced by 000_squashed.sql" in refused.stderr
    done = command("up", "--to", "004")
    assert (done.exit_code, done.stdout.count("Applied:")) == (0, 2)
    assert command("up").exit_code == 0
    assert versions() == ["000", "004", "005"]
    assert command("drift", "--against", "migrations").exit_code == 0
    assert command("status", "--exit-code").exit_code == 0


def test_what_depends_on_a_replaced_version_is_rolled_back_first(command, project, query, database_url):
    squash(project, down="\ndrop table a, b, c;")
    project.write("005_e.sql", "-- migrate:depends 002\n-- migrate:up\nselect 1;\n-- migrate:down\nselect 1;\n")
    assert command("up").exit_code == 0
    query(database_url, "update schema_migrations set version = '0000' where version = '005' returning 1")
    (project.migrations / "005_e.sql").rename(project.migrations / "0000_e.sql")

    refused = command("rollback")

    assert refused.exit_code == 7
    assert "000_squashed.sql cannot be rolled back alone: 0000_e.sql is applied and depends on it" in refused.stderr


@pytest.mark.parametrize("files", ["removed", "kept"])
def test_where_some_is_applied_nothing_is_done(command, project, versions, files):
    write_old(project)
    assert command("up", "--to", "002").exit_code == 0
    if files == "removed":
        remove_old(project)
    squash(project)

    for arguments in (
        ("up",),
        ("migrate",),
        ("deploy", "--no-backup"),
        ("up", "--dry-run", "--no-locks"),
        ("up", "--dry-run", "--json", "--no-locks"),
    ):
        done = command(*arguments)
        assert done.exit_code == 7, done.stderr
        assert "error[E744]" in done.stderr or "error[E701]" in done.stderr
    assert "000_squashed.sql replaces 3 migrations, of which 2 are applied, but not 003" in command("up").stderr
    status = command("status", "--exit-code")
    assert status.exit_code == 1
    assert "warning[W341]" in status.stderr
    assert versions() == ["001", "002"]


def test_one_transaction_records_it_and_forgets_the_others(command, project, versions, query, database_url):
    write_old(project)
    assert command("up").exit_code == 0
    remove_old(project)
    squash(project)
    query(
        database_url,
        "alter table schema_migrations_log add constraint no check (version <> '000'); select 1",
    )

    assert command("up").exit_code == 4
    assert versions() == ["001", "002", "003"]
    assert command("status", "--exit-code").exit_code == 0
    query(database_url, "alter table schema_migrations_log drop constraint no; select 1")
    query(database_url, "delete from schema_migrations where version = '002' returning 1")
    assert command("up").exit_code == 7


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("003-001", "`003-001` cannot be counted"),
        ("20240101000000-20250101000000", "cannot be counted"),
        ("001-99999", "cannot be counted"),
        ("001-003, 000", "000_squashed.sql replaces itself"),
    ],
)
def test_what_cannot_be_counted_is_refused(command, project, said, words):
    path = squash(project, said=said)

    done = command("up")

    assert done.exit_code == 2
    assert "error[E262]" in done.stderr
    assert words in done.stderr
    assert f"{path.name}:1:1" in done.stderr
    assert command("check", "--no-lint").exit_code == 1


def test_one_version_is_replaced_once(command, project):
    squash(project)
    squash(project, said="003", name="0000_other")

    done = command("up")

    assert done.exit_code == 2
    assert "003 is replaced by 0000_other.sql and by 000_squashed.sql" in done.stderr


def test_a_baseline_records_the_new_file_alone(command, project, versions):
    write_old(project)
    squash(project)

    assert command("baseline", "000").exit_code == 0
    assert versions() == ["000"]


def test_what_was_marked_by_hand_leaves_the_old_versions_as_they_are(command, project, versions):
    write_old(project)
    assert command("up").exit_code == 0
    squash(project)

    assert command("mark", "applied", "000", "--reason", "by hand").exit_code == 0

    assert command("status", "--exit-code").stdout.count("[X]") == 4
    assert command("up").exit_code == 0
    assert command("verify").exit_code == 0
    assert versions() == ["000", "001", "002", "003"]
