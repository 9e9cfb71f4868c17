"""`backup`, `backup list`, `backup prune`: what is taken, what is shown of the files, and which of them go."""

from __future__ import annotations

import json
import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from dbmigrate.reports import BackupFile
from dbmigrate.schema import backup_files

TAKEN = datetime(2026, 3, 1, 15, 0, 0, tzinfo=UTC)


@pytest.fixture
def archive(command, project, query, database_url):
    """A backup of a database with rows, in the directory `kept`."""
    query(database_url, "create table t as select n, md5(n::text) as h from generate_series(1, 2000) n")
    done = command("backup", "--backup-dir", "kept")
    assert done.exit_code == 0, done.stderr
    return project.root / done.stdout.strip()


def copied(archive: Path, name: str, data: bytes | None = None) -> Path:
    path = archive.with_name(name)
    shutil.copy(archive, path)
    if data is not None:
        path.write_bytes(data)
    return path


def listed(command, *options):
    done = command("backup", "list", "--backup-dir", "kept", "--json", *options)
    assert done.exit_code == 0, done.stderr
    return {Path(each["path"]).name: each for each in json.loads(done.stdout)["backups"]}


def test_a_backup_is_taken_into_the_directory_for_backups(command, project, database_url):
    done = command("backup")

    assert done.exit_code == 0, done.stderr
    name = conninfo_to_dict(database_url)["dbname"]
    assert re.fullmatch(
        rf"\./backups/{name}-\d{{8}}-\d{{6}}\.dump\n|backups/{name}-\d{{8}}-\d{{6}}\.dump\n", done.stdout
    )
    assert done.stderr.startswith("backup   ")
    assert (project.root / done.stdout.strip()).read_bytes().startswith(b"PGDMP")


def test_the_project_file_names_the_directory(command, project):
    (project.root / "dbmigrate.toml").write_text('[deploy]\nbackup = "elsewhere"\n')

    assert command("backup").stdout.startswith("elsewhere/")
    assert "elsewhere/" in command("backup", "list").stdout


def test_a_list_says_how_large_how_old_and_of_which_database(archive, command, database_url):
    name = conninfo_to_dict(database_url)["dbname"]

    shown = command("backup", "list", "--backup-dir", "kept")
    value = listed(command)[archive.name]

    assert re.fullmatch(rf"good     kept/{name}-\d+-\d+\.dump · 0 min old · [\d.]+ kB · of {name}\n", shown.stdout)
    assert (value["bytes"], value["database"], value["readable"]) == (archive.stat().st_size, name, True)
    assert datetime.now(UTC) - datetime.fromisoformat(value["taken_at"]) < timedelta(minutes=5)


def test_what_pg_restore_cannot_read_to_its_end_is_damaged(archive, command):
    whole = archive.read_bytes()
    copied(archive, "shop-20260101-000000.dump", whole[: len(whole) // 2])
    copied(archive, "shop-20260102-000000.dump", b"not an archive")

    found = listed(command)
    shown = command("backup", "list", "--backup-dir", "kept").stdout

    assert {name: each["readable"] for name, each in found.items()} == {
        archive.name: True,
        "shop-20260101-000000.dump": False,
        "shop-20260102-000000.dump": False,
    }
    assert shown.count("damaged  kept/shop-") == 2
    assert "end of file" in shown


def test_files_of_other_names_are_no_backups(archive, command):
    for name in ("notes.txt", "shop.dump", "shop-20269901-000000.dump", ".shop-20260101-000000-x.part"):
        copied(archive, name)

    assert list(listed(command)) == [archive.name]


def test_an_empty_directory_has_no_backup_and_a_missing_one_is_an_error(command, project):
    (project.root / "kept").mkdir()

    assert command("backup", "list", "--backup-dir", "kept").stdout == "no backup is in kept\n"
    missing = command("backup", "list", "--backup-dir", "nowhere")
    assert (missing.exit_code, "E207" in missing.stderr) == (2, True)


def test_pruning_needs_no_database(archive, run):
    environ = {"DATABASE_URL": ""}

    done = run("backup", "list", "--backup-dir", "kept", env=environ)

    assert (done.exit_code, done.stdout.startswith("good ")) == (0, True), done.stderr


def test_old_ones_are_pruned_and_the_last_good_one_of_each_database_stays(archive, command):
    whole = archive.read_bytes()
    for name in ("a-20260101-000000.dump", "a-20260102-000000.dump", "b-20260101-000000.dump", "a-20260103-000000.txt"):
        copied(archive, name)
    copied(archive, "b-20260102-000000.dump", whole[: len(whole) // 2])

    shown = command("backup", "prune", "--backup-dir", "kept", "--older-than", "30d", "--dry-run")
    before = sorted(path.name for path in archive.parent.iterdir())
    done = command("backup", "prune", "--backup-dir", "kept", "--older-than", "30d", "--yes")

    assert shown.exit_code == 0
    assert [line.split(" ")[0] for line in shown.stdout.splitlines()] == ["kept/a-20260101-000000.dump", "1"]
    assert done.exit_code == 0, done.stderr
    assert done.stdout.endswith("deleted from kept · 4 kept, 1 of them cannot be read\n")
    assert set(before) - {path.name for path in archive.parent.iterdir()} == {"a-20260101-000000.dump"}


def test_without_a_terminal_and_without_yes_nothing_is_deleted(archive, command):
    copied(archive, "a-20260101-000000.dump")
    copied(archive, "a-20260102-000000.dump")

    done = command("backup", "prune", "--backup-dir", "kept", "--older-than", "1d")

    assert (done.exit_code, "E706" in done.stderr) == (7, True), done.stderr
    assert "kept/a-20260101-000000.dump" in done.stderr
    assert (archive.parent / "a-20260101-000000.dump").exists()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("prune",), "E200"),
        (("prune", "--older-than", "30"), "E205"),
        (("prune", "--older-than", "soon"), "E205"),
        (("prune", "--older-than", "99999999999d"), "E205"),
        (("--older-than", "30d"), "E200"),
        (("list", "--dry-run"), "E200"),
        (("delete",), "E200"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_wrong_command_line_deletes_nothing(run, project, words, code):
    (project.root / "kept").mkdir()
    (project.root / "kept" / "a-20260101-000000.dump").write_bytes(b"PGDMP")

    done = run("backup", *words, "--backup-dir", "kept")

    assert (done.exit_code, code in done.stderr) == (2, True), done.stderr
    assert list((project.root / "kept").iterdir())


def test_which_ones_are_old_enough():
    def file(name, days, *, database="shop", fault=None):
        return BackupFile(name, name.partition("-")[0], TAKEN - timedelta(days=days), 1, database, fault)

    files = (
        file("shop-1", 40),
        file("shop-2", 50),
        file("shop-3", 60, fault="damaged"),
        file("shop-4", 20, fault="damaged"),
        file("crm-1", 90, database="crm"),
        file("copy-1", 90),
        file("copy-2", 80),
    )

    old = backup_files.to_prune(files, TAKEN - timedelta(days=30))

    assert [each.path for each in old] == ["shop-2", "copy-1"]
    assert backup_files.to_prune((file("shop-1", 10), file("shop-2", 20)), TAKEN - timedelta(days=30)) == ()
