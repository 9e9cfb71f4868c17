"""Migration files in real directories."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dbmigrate.errors import ConfigError, PlanError
from dbmigrate.migrations import find
from dbmigrate.model import Order

NOW = datetime(2026, 3, 1, 9, 5, 7, tzinfo=UTC)


def found(*directories: Path) -> list[str]:
    return [file.name for file in find.find([str(directory) for directory in directories], Order.NAME)]


def fill(directory: Path, *names: str) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    for name in names:
        (directory / name).touch()
    return directory


# ---------------------------------------------------------------------------------------------------------------- find


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("1.sql", "1"),
        ("2x.sql", "2"),
        ("3-foo.sql", "3"),
        ("001_a.sql", "001"),
        ("7_foo.up.sql", "7"),
        ("9 sp.sql", "9"),
        ("20260301090507_größe_テーブル.sql", "20260301090507"),
        ("5_a\nb.sql", "5"),
        ("12.sql.sql", "12"),
    ],
)
def test_a_name_of_digits_and_sql_is_a_migration(tmp_path: Path, name: str, version: str) -> None:
    fill(tmp_path, name)

    (file,) = find.find([str(tmp_path)], Order.NAME)

    assert (file.version, file.name, file.path) == (version, name, str(tmp_path / name))


@pytest.mark.parametrize(
    "name",
    [
        "_5.sql",
        "v6.sql",
        "4_.SQL",
        "4.sql~",
        "4.sql.swp",
        ".4.sql",
        "x1.sql",
        "1_a.sq",
        "1_a.sql\n",
        "٣_arabic.sql",
        "1sql",
    ],
)
def test_other_names_are_not(tmp_path: Path, name: str) -> None:
    assert found(fill(tmp_path, name, "1_real.sql")) == ["1_real.sql"]


def test_directories_are_not_searched_below_their_first_level(tmp_path: Path) -> None:
    fill(tmp_path / "11_d.sql", "2_inner.sql")

    assert found(fill(tmp_path, "1_a.sql")) == ["1_a.sql"]


def test_an_empty_directory_holds_no_migrations(tmp_path: Path) -> None:
    assert found(tmp_path) == []


def test_files_are_ordered_by_the_bytes_of_their_names(tmp_path: Path) -> None:
    fill(tmp_path, "1_B.sql", "11_a.sql", "100_.sql", "020_.sql", "10_.sql", "9_.sql", "2_é.sql")

    assert found(tmp_path) == ["020_.sql", "100_.sql", "10_.sql", "11_a.sql", "1_B.sql", "2_é.sql", "9_.sql"]


def test_a_name_that_is_no_text_is_refused_because_the_log_could_not_keep_it(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"1_\xff.sql")).touch()

    with pytest.raises(ConfigError) as caught:
        found(tmp_path)

    assert caught.value.code == "E207"
    assert "1_\\udcff.sql" in caught.value.message


def test_a_name_that_is_no_text_and_no_migration_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"\xff.txt")).touch()

    assert found(fill(tmp_path, "1_a.sql")) == ["1_a.sql"]


def test_several_directories_are_one_sequence(tmp_path: Path) -> None:
    first = fill(tmp_path / "a", "001_a.sql", "005_a.sql")
    second = fill(tmp_path / "b", "003_b.sql", "004_b.sql")

    assert found(first, second) == found(second, first) == ["001_a.sql", "003_b.sql", "004_b.sql", "005_a.sql"]


def test_a_directory_that_is_named_twice_is_read_once(tmp_path: Path) -> None:
    directory = fill(tmp_path / "a", "1_a.sql")
    (tmp_path / "link").symlink_to(directory)

    assert found(directory, directory / ".." / "a", tmp_path / "link") == ["1_a.sql"]


@pytest.mark.parametrize(("first", "second"), [("a", "a"), ("a", "b")])
def test_two_files_of_one_version_are_refused_by_name(tmp_path: Path, first: str, second: str) -> None:
    fill(tmp_path / first, "7_x.sql")
    fill(tmp_path / second, "7_y.sql")

    with pytest.raises(PlanError) as caught:
        found(tmp_path / first, tmp_path / second)

    assert caught.value.code == "E221"
    assert str(tmp_path / first / "7_x.sql") in caught.value.message
    assert str(tmp_path / second / "7_y.sql") in caught.value.message


def test_padded_numbers_are_different_versions(tmp_path: Path) -> None:
    assert found(fill(tmp_path, "1_a.sql", "01_a.sql", "001_a.sql")) == ["001_a.sql", "01_a.sql", "1_a.sql"]


def test_links_to_files_count(tmp_path: Path) -> None:
    target = fill(tmp_path / "elsewhere", "shared.txt") / "shared.txt"
    directory = fill(tmp_path / "m")
    (directory / "1_shared.sql").symlink_to(target)

    assert found(directory) == ["1_shared.sql"]


@pytest.mark.parametrize("target", ["gone.sql", "1_link.sql"], ids=["dangling", "to itself"])
def test_a_link_to_nothing_is_refused_because_skipping_it_would_skip_a_migration(tmp_path: Path, target: str) -> None:
    (tmp_path / "1_link.sql").symlink_to(target)

    with pytest.raises(ConfigError) as caught:
        found(tmp_path)

    assert caught.value.code == "E207"
    assert "1_link.sql" in caught.value.message


def test_a_link_to_nothing_that_is_no_migration_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "README.md").symlink_to("gone")

    assert found(fill(tmp_path, "1_a.sql")) == ["1_a.sql"]


@pytest.mark.parametrize("directory", ["nowhere", "file.txt", "file.txt/below", ""])
def test_a_directory_that_does_not_exist_is_named(
    tmp_path: Path, directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, "file.txt")
    monkeypatch.chdir(tmp_path)

    with pytest.raises(PlanError) as caught:
        find.find([directory], Order.NAME)

    assert caught.value.code == "E235"
    assert caught.value.message == f"could not find migrations directory `{directory}`"


def test_the_directory_is_named_as_it_was_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(PlanError, match=re.escape("`./db/migrations`")):
        find.find(["./db/migrations"], Order.NAME)


# -------------------------------------------------------------------------------------------------------------- create


def test_a_new_file_has_both_headers_and_is_a_migration(tmp_path: Path) -> None:
    path = find.create([str(tmp_path)], "create users", NOW)

    assert path == str(tmp_path / "20260301090507_create_users.sql")
    assert Path(path).read_bytes() == b"-- migrate:up\n\n\n-- migrate:down\n\n"
    assert [file.path for file in find.find([str(tmp_path)], Order.NAME)] == [path]


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("create_users", "create_users"),
        ("Create  Users!", "create_users"),
        ("../../etc/passwd", "etc_passwd"),
        ("/absolute/path", "absolute_path"),
        ("a\nb\tc", "a_b_c"),
        ("__init__", "init"),
        ("add-index.sql", "add_index_sql"),
        ("größe тест 名前", "größe_тест_名前"),
        ("rocket \U0001f680 launch", "rocket_launch"),
        ("'; rm -rf $HOME; `id` #", "rm_rf_home_id"),
        ("nul\x00byte", "nul_byte"),
        ("\u202egnirts", "gnirts"),
        ("-flag", "flag"),
        ("2nd", "2nd"),
        ("cafe\u0301", "caf\u00e9"),
    ],
)
def test_a_name_becomes_words_that_stay_in_the_directory(tmp_path: Path, name: str, slug: str) -> None:
    path = find.create([str(tmp_path / "m")], name, NOW)

    assert path == str(tmp_path / "m" / f"20260301090507_{slug}.sql")
    assert os.listdir(tmp_path) == ["m"]


@pytest.mark.parametrize("name", ["", " ", "///", "..", "_", "\n", "\U0001f680", "--", "\x00", "…"])
def test_a_name_without_letters_or_digits_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(PlanError) as caught:
        find.create([str(tmp_path / "m")], name, NOW)

    assert caught.value.code == "E237"
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize("letter", ["a", "ß", "名", "\U00020000"])
def test_a_long_name_is_cut_to_what_file_systems_take(tmp_path: Path, letter: str) -> None:
    path = find.create([str(tmp_path)], letter * 500, NOW)

    assert len(os.fsencode(os.path.basename(path))) <= 255
    assert [file.path for file in find.find([str(tmp_path)], Order.NAME)] == [path]


def test_the_same_name_in_the_same_second_takes_the_next_one_and_the_first_file_is_kept(tmp_path: Path) -> None:
    path = Path(find.create([str(tmp_path)], "users", NOW))
    path.write_text("-- migrate:up\nselect 1;\n-- migrate:down\n")

    assert find.create([str(tmp_path)], "users", NOW) == str(tmp_path / "20260301090508_users.sql")
    assert "select 1" in path.read_text()


def test_missing_directories_are_made_and_the_path_is_clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert find.create(["./db//migrations/"], "users", NOW) == "db/migrations/20260301090507_users.sql"


@pytest.mark.parametrize("directory", ["taken", "taken/below"])
def test_a_file_in_the_place_of_the_directory_is_reported(tmp_path: Path, directory: str) -> None:
    fill(tmp_path, "taken")

    with pytest.raises((ConfigError, PlanError)) as caught:
        find.create([str(tmp_path / directory)], "users", NOW)

    assert caught.value.code == "E207"
    assert str(tmp_path / "taken") in caught.value.message


def test_a_link_in_the_place_of_the_new_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "20260301090507_users.sql").symlink_to(tmp_path / "victim")

    assert find.create([str(tmp_path)], "users", NOW).endswith("20260301090508_users.sql")
    assert not (tmp_path / "victim").exists()


def test_the_next_free_second_is_free_in_all_directories_and_carries_over(tmp_path: Path) -> None:
    fill(tmp_path / "a", "20261231235959_users.sql")
    fill(tmp_path / "b", "20270101000000_posts.sql")
    late = datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)

    path = find.create([str(tmp_path / "a"), str(tmp_path / "b"), str(tmp_path / "none")], "tags", late)

    assert path == str(tmp_path / "a" / "20270101000001_tags.sql")
    assert sorted(os.listdir(tmp_path / "a")) == ["20261231235959_users.sql", "20270101000001_tags.sql"]


def test_a_claim_that_was_left_behind_costs_one_second(tmp_path: Path) -> None:
    fill(tmp_path, ".dbmigrate-new-20260301090507.tmp")

    assert find.create([str(tmp_path)], "users", NOW).endswith("20260301090508_users.sql")


def test_many_processes_in_one_second_get_a_version_each(tmp_path: Path) -> None:
    program = (
        "import sys; from datetime import datetime, UTC; from dbmigrate.migrations import find\n"
        "now = datetime(2026, 3, 1, tzinfo=UTC)\n"
        f"for n in range(5): find.create([{str(tmp_path)!r}], f'p{{sys.argv[1]}}_{{n}}', now)"
    )
    running = [subprocess.Popen([sys.executable, "-c", program, str(number)]) for number in range(6)]

    assert [process.wait(timeout=60) for process in running] == [0] * 6
    versions = [file.version for file in find.find([str(tmp_path)], Order.NAME)]
    assert versions == [f"202603010000{second:02}" for second in range(30)]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a full disk")
def test_on_a_full_disk_nothing_of_the_file_stays(tmp_path: Path) -> None:
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", str(tmp_path)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("nothing can be mounted here")
    try:
        (tmp_path / "filler").write_bytes(b"x" * 4096)
        with pytest.raises(ConfigError) as caught:
            find.create([str(tmp_path)], "users", NOW)
        assert (caught.value.code, "No space left" in caught.value.message) == ("E207", True)
        assert os.listdir(tmp_path) == ["filler"]
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_new_file_in_the_current_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert find.create([""], "users", NOW) == "20260301090507_users.sql"
    assert found(tmp_path) == ["20260301090507_users.sql"]
