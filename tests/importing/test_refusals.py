"""What stops an import of the tools that most projects come from: nothing is written, and the way out is named."""

from __future__ import annotations

import shutil
import time
from hashlib import sha256
from pathlib import Path

import psycopg
import pytest

from dbmigrate.api import importer
from dbmigrate.api.importer import Adoption, Imported, Importer, Wanted
from dbmigrate.api.migrator import Options
from dbmigrate.connection import dsn
from dbmigrate.errors import LockNotAcquired
from dbmigrate.importing.old_locks import key_of
from dbmigrate.importing.values import Answers, HistoryTable
from dbmigrate.scratch.choose import Choice
from tests.importing.test_fixtures import GOOD, SOURCES, arguments
from tests.support import imports
from tests.support.imports import Fixture

FIRST_TIER = {each.name: each for each in GOOD if each.name in imports.FIRST_TIER}
by_name = pytest.mark.parametrize("fixture", FIRST_TIER.values(), ids=FIRST_TIER)


def copied(fixture: Fixture, root: Path) -> Path:
    """The old project, to be changed."""
    directory = root / "old" / SOURCES.get(fixture.name, "")
    shutil.copytree(fixture.files / SOURCES.get(fixture.name, ""), directory)
    return directory


def options(fixture: Fixture) -> tuple[str, ...]:
    return arguments(fixture)[2:]


def nothing_was_written(root: Path, url: str) -> bool:
    with psycopg.connect(url) as conn:
        tables = "select 1 from pg_class where relname ~ '_log$|^dbmigrate_migrations'"
        return not (root / "db").exists() and not conn.execute(tables.encode()).fetchall()


# what cannot be understood in a file of each tool, and where that is
BAD: dict[str, tuple[str, str, str]] = {
    "flyway": ("V1.9__bad.sql", "select 1;\n\\copy boats from 'x'\n", "V1.9__bad.sql:2:1"),
    "flyway-odd": ("V13__bad.sql", "select $$never closed;\n", "V13__bad.sql:1:8"),
    "golang-migrate": ("000008_bad.up.sql", "select 1;\n\nselect 'open;\n", "000008_bad.up.sql:3:8"),
    "go-engine": ("harbour-svc/migrations/008_bad_up.sql", "begin;\nselect 1;\n", "008_bad_up.sql:1:1"),
    "numbered": ("008_bad.sql", "BEGIN;\n\\ir nowhere.sql\nCOMMIT;\n", "008_bad.sql:2:1"),
    "node-pg-migrate": ("1760000009000_bad.sql", "-- Up Migration\nselect 1;\n\\d boats\n", "bad.sql:3:1"),
    "goose": ("00009_bad.sql", "-- +goose Up\n-- +goose StatementBegin\nselect 1;\n", "00009_bad.sql:2:1"),
}


@by_name
def test_one_file_that_is_not_understood_stops_all_with_its_place(
    fixture: Fixture, database_url: str, run, tmp_path: Path
) -> None:
    """Before anything is asked of the database."""
    directory = copied(fixture, tmp_path)
    name, text, place = BAD[fixture.name]
    (directory / name).write_text(text)
    fixture.load(database_url)

    done = run("import", str(directory), *options(fixture), env=imports.env(database_url))

    assert done.exit_code == 2, done.stdout + done.stderr
    assert place in done.stderr
    assert f"--skip {name}" in done.stderr.replace("--skip FILE", f"--skip {name}"), done.stderr
    assert nothing_was_written(tmp_path, database_url)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("flyway", "V1.4__first_boats.sql"),
        ("flyway-odd", "V12__copy.sql"),
        ("go-engine", "harbour-svc/migrations/004_first_boats.up.sql"),
    ],
)
def test_a_file_that_was_changed_after_it_ran_is_seen_by_its_checksum(
    name: str, file: str, database_url: str, run, tmp_path: Path
) -> None:
    """A comment more makes no other schema: the checksum alone tells. The other tools of the five have none."""
    fixture = FIRST_TIER[name]
    directory = copied(fixture, tmp_path)
    path = directory / file
    path.write_bytes(b"-- one comment more\n" + path.read_bytes())
    fixture.load(database_url)

    done = run("import", str(directory), *options(fixture), env=imports.env(database_url))

    assert done.exit_code == 7, done.stdout + done.stderr
    assert "error[E725]" in done.stderr
    assert file in done.stderr
    assert "--accept-drift REASON" in done.stderr
    assert nothing_was_written(tmp_path, database_url)


def test_a_changed_file_of_a_history_made_by_hand_is_seen_where_its_algorithm_shows(
    database_url: str, query, run, tmp_path: Path
) -> None:
    """The sum of one file fits, so the algorithm is known, and the other file is not what ran."""
    fixture = FIRST_TIER["numbered"]
    directory = copied(fixture, tmp_path)
    fixture.load(database_url)
    query(database_url, "alter table platform.schema_migrations add checksum text")
    for path in directory.glob("00[1-5]_*.sql"):
        digest = sha256(path.read_bytes()).hexdigest()
        query(
            database_url,
            f"update platform.schema_migrations set checksum = '{digest}'"
            f" where migration_name in ('{path.name}', '{path.stem}', '{path.name[:3]}')",
        )
    changed = next(directory.glob("004_*.sql"))
    changed.write_bytes(b"-- one comment more\n" + changed.read_bytes())

    done = run("import", str(directory), *options(fixture), env=imports.env(database_url))

    assert (done.exit_code, "error[E725]" in done.stderr, changed.name in done.stderr) == (7, True, True), done.stderr
    assert nothing_was_written(tmp_path, database_url)


# --------------------------------------------------------------------------------------------------------- dirty rows

DIRTY = {
    "flyway": "insert into flyway_schema_history select 99, '1.7', 'piers', 'SQL', 'V1.7__piers.sql', null, 'ada',"
    " now(), 1, false",
    "golang-migrate": "update schema_migrations set dirty = true",
    "numbered": "alter table platform.schema_migrations add success boolean default true;"
    " update platform.schema_migrations set success = false where migration_name like '005%'",
}


@pytest.mark.parametrize("name", DIRTY)
def test_a_failed_row_stops_it_and_every_answer_is_named(
    name: str, database_url: str, query, run, tmp_path: Path
) -> None:
    """goose and node-pg-migrate roll back and write nothing: they have no such rows."""
    fixture = FIRST_TIER[name]
    fixture.load(database_url)
    query(database_url, DIRTY[name])

    done = run(*arguments(fixture), env=imports.env(database_url))

    assert done.exit_code == 7, done.stdout + done.stderr
    assert "error[E724]" in done.stderr
    assert "`--dirty applied`" in done.stderr
    assert "`--dirty failed`" in done.stderr
    assert nothing_was_written(tmp_path, database_url)


def test_a_down_that_failed_leaves_the_row_of_the_version_below_it(
    database_url: str, query, run, tmp_path: Path
) -> None:
    """golang-migrate writes the version that is to be reached: 4 dirty, and 5 is still there."""
    fixture = FIRST_TIER["golang-migrate"]
    fixture.load(database_url)
    query(database_url, "update schema_migrations set version = 4, dirty = true")
    env = imports.env(database_url)

    asked = run(*arguments(fixture), env=env)
    wrong = run(*arguments(fixture), "--dirty", "applied", env=env)
    done = run(*arguments(fixture), "--dirty", "down-failed", env=env)

    assert (asked.exit_code, "--dirty down-failed" in asked.stderr) == (7, True), asked.stderr
    assert (wrong.exit_code, "table public.crew is extra" in wrong.stderr) == (7, True), wrong.stderr
    assert done.exit_code == 0, done.stderr
    shown = run("status", env=env).stdout
    assert "[X] 000005_crew.sql\n[ ] 000006_bookings.sql" in shown


def test_a_down_of_the_first_version_that_failed_leaves_it_applied(database_url: str, query, run, tmp_path) -> None:
    directory = tmp_path / "old"
    directory.mkdir()
    (directory / "1_a.up.sql").write_text("create table a (id int);\n")
    (directory / "2_b.up.sql").write_text("create table b (id int);\n")
    query(
        database_url,
        "create table a (id int); create table schema_migrations (version bigint primary key, dirty boolean not null);"
        " insert into schema_migrations values (-1, true)",
    )
    env = imports.env(database_url)

    asked = run("import", "old", "--from", "golang-migrate", "--history", env=env)
    done = run("import", "old", "--from", "golang-migrate", "--history", "--dirty", "down-failed", env=env)

    assert (asked.exit_code, "--dirty down-failed" in asked.stderr) == (7, True), asked.stderr
    assert done.exit_code == 0, done.stderr
    assert run("status", env=env).stdout.startswith("[X] 1_a.sql\n[ ] 2_b.sql\n")


# --------------------------------------------------------------------------------------------- two tools, two runs


def test_a_directory_of_two_tools_has_to_be_told_apart(database_url: str, run, tmp_path: Path) -> None:
    """Both have files there, and both have a table."""
    for name in ("flyway", "goose"):
        shutil.copytree(FIRST_TIER[name].files, tmp_path / "old", dirs_exist_ok=True)
    FIRST_TIER["flyway"].load(database_url)
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute(
            "create table goose_db_version (id int generated by default as identity primary key,"
            " version_id bigint not null, is_applied boolean not null, tstamp timestamp not null default now())"
        )

    done = run("import", "old", "--history", env=imports.env(database_url))

    assert done.exit_code == 2, done.stdout
    assert "error[E283]" in done.stderr
    assert "flyway, goose" in done.stderr
    assert "--from flyway" in done.stderr
    assert nothing_was_written(tmp_path, database_url)


LOCKS: dict[str, HistoryTable] = {
    "flyway": HistoryTable("public", "flyway_schema_history", ()),
    "golang-migrate": HistoryTable("public", "schema_migrations", ("version", "dirty")),
    "goose": HistoryTable("public", "goose_db_version", ()),
    "node-pg-migrate": HistoryTable("public", "pgmigrations", ()),
}


@pytest.mark.parametrize("name", LOCKS)
def test_a_run_of_the_old_tool_is_waited_for_and_named(
    name: str, database_url: str, query, run, tmp_path: Path
) -> None:
    fixture = FIRST_TIER[name]
    fixture.load(database_url)
    database = query(database_url, "select current_database()")[0][0]
    with psycopg.connect(database_url, application_name="the old tool") as holder:
        holder.execute("select pg_advisory_xact_lock(%s::int8)", (key_of(name, LOCKS[name], database),))
        pid = holder.info.backend_pid
        done = run(*arguments(fixture), "--lock-wait", "200ms", env=imports.env(database_url))

    assert done.exit_code == 6, done.stdout + done.stderr
    assert f"{name} is running: its lock is held by process {pid} (the old tool" in done.stderr
    assert nothing_was_written(tmp_path, database_url)


def test_the_old_tool_cannot_run_while_its_history_is_taken_over(database_url: str, query, tmp_path: Path) -> None:
    fixture = FIRST_TIER["flyway"]
    fixture.load(database_url)
    key = key_of("flyway", LOCKS["flyway"], "")
    given: list[object] = []

    def write(found: Imported) -> None:
        given.extend(query(database_url, f"select pg_try_advisory_xact_lock({key})"))

    done = Importer(database_url).adopt(
        flyway_wanted(tmp_path), Adoption(Choice(explicit=dsn.parse(database_url))), write
    )

    assert given == [(False,)]
    assert len(done.adopted) == 5
    end = time.monotonic() + 10  # the server needs a moment to end a session
    while query(database_url, f"select pg_try_advisory_xact_lock({key})") != [(True,)]:
        assert time.monotonic() < end


def flyway_wanted(root: Path) -> Wanted:
    answers = Answers({"home_port": "Sula", "long_from": "700"})
    return Wanted(str(FIRST_TIER["flyway"].files), str(root / "db"), answers=answers)


def test_an_import_that_has_lost_the_lock_records_nothing(database_url: str, query, tmp_path: Path) -> None:
    """The connection that holds it is cut after the proof."""
    FIRST_TIER["flyway"].load(database_url)

    def cut(plan: object, history: object) -> None:
        query(
            database_url,
            "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and objsubid = 1 and database ="
            " (select oid from pg_database where datname = current_database())",
        )

    with pytest.raises(LockNotAcquired) as caught:
        Importer(database_url, Options(approve=cut)).adopt(
            flyway_wanted(tmp_path), Adoption(Choice(explicit=dsn.parse(database_url))), importer.write
        )

    assert caught.value.message == "the import has lost the lock of flyway"
    assert nothing_was_written(tmp_path, database_url)


def test_an_import_that_died_between_its_files_and_its_records_is_finished_by_the_next_one(
    database_url: str, query, tmp_path: Path
) -> None:
    FIRST_TIER["flyway"].load(database_url)

    def die(found: Imported) -> None:
        importer.write(found)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Importer(database_url).adopt(flyway_wanted(tmp_path), Adoption(Choice(explicit=dsn.parse(database_url))), die)
    assert query(database_url, "select count(*) from schema_migrations") == [(0,)]
    done = Importer(database_url).adopt(
        flyway_wanted(tmp_path), Adoption(Choice(explicit=dsn.parse(database_url))), importer.write
    )

    assert len(done.adopted) == 5
    assert all(file.is_there for file in done.conversion.files)
    assert query(database_url, "select count(*) from schema_migrations") == [(5,)]


def test_the_keys_are_those_of_the_tools() -> None:
    """Flyway's is the one that its default table has; the others as their sources make them."""
    crc = 0xCBF43926  # of "123456789", the check value of CRC-32
    assert key_of("flyway", LOCKS["flyway"], "any") == 77433833903597
    assert key_of("sqlx", LOCKS["goose"], "123456789") == 0x3D32AD9E * crc
    assert key_of("rails", LOCKS["goose"], "123456789") == 2053462845 * crc
    assert key_of("golang-migrate", HistoryTable("a", "b", ("version", "dirty")), "c") == 3370272900
    assert key_of("golang-migrate", HistoryTable("a", "migration_records", ("service",)), "c") is None
    assert key_of("diesel", LOCKS["goose"], "c") is None
