"""Every file below the directory of an old project is read, or the import says why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbmigrate.errors import ConfigError, MigrationFileError
from dbmigrate.importing import read_source
from dbmigrate.importing.values import SourceFile


def test_links_are_followed_but_for_those_that_lead_back(tmp_path: Path) -> None:
    old, beside = tmp_path / "old", tmp_path / "beside"
    for folder in (old / "deep", beside):
        folder.mkdir(parents=True)
        (folder / "1.sql").write_text("select 1;")
    (old / "deep/up").symlink_to(old)
    (old / "all").symlink_to(tmp_path)
    (old / "more").symlink_to(beside)
    (old / "2.sql").symlink_to(beside / "1.sql")

    assert [file.path for file in read_source.read(str(old)).files] == ["2.sql", "deep/1.sql", "more/1.sql"]


def test_a_link_to_nothing_is_refused_unless_it_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "1.sql").symlink_to(tmp_path / "gone")

    with pytest.raises(ConfigError) as caught:
        read_source.read(str(tmp_path))

    assert (caught.value.code, "1.sql" in caught.value.message) == ("E207", True)
    assert read_source.read(str(tmp_path), ("1.sql",)).files == ()


def test_a_nul_character_has_its_place() -> None:
    with pytest.raises(MigrationFileError) as caught:
        read_source.decoded(SourceFile("V1__x.sql", b"select 1;\n-- \0\n"))

    assert (caught.value.code, str(caught.value.place)) == ("E210", "V1__x.sql:2:4")
