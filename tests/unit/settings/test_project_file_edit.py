"""Keys put into the project file: the rest of it stays as it is, and what is written is what is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbmigrate.errors import ConfigError
from dbmigrate.settings import project_file, project_file_edit

VALUES = {"version-order": "numeric"}


def put(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text)
    assert project_file_edit.put(str(folder), VALUES) == name
    return (folder / name).read_text()


def test_without_a_file_one_is_made(tmp_path: Path) -> None:
    assert project_file_edit.put(str(tmp_path), {**VALUES, "migrations-table": "m"}) == "dbmigrate.toml"
    assert (tmp_path / "dbmigrate.toml").read_text() == 'version-order = "numeric"\nmigrations-table = "m"\n'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", 'version-order = "numeric"\n'),
        ("# why\n", '# why\nversion-order = "numeric"\n'),
        ("wait = true", 'wait = true\nversion-order = "numeric"\n'),
        ('version-order = "name" # x\nwait = true\n', 'version-order = "numeric"\nwait = true\n'),
        ('version_order = "name"\n', 'version-order = "numeric"\n'),
        ("wait = true\n\n[lint]\n", 'wait = true\nversion-order = "numeric"\n\n[lint]\n'),
        ("[lint]\nx = 1\n", 'version-order = "numeric"\n[lint]\nx = 1\n'),
        ('[[a]]\nversion-order = "b"\n', 'version-order = "numeric"\n[[a]]\nversion-order = "b"\n'),
    ],
)
def test_the_key_stands_among_the_others(before: str, after: str) -> None:
    assert project_file_edit._with(before, "version-order", 'version-order = "numeric"\n', is_section=False) == after


def test_in_pyproject_the_key_belongs_to_the_section(tmp_path: Path) -> None:
    text = put(tmp_path, "pyproject.toml", '[project]\nname = "x"\n[tool.dbmigrate]\nwait = true\n[tool.x]\na = 1\n')

    assert text == '[project]\nname = "x"\n[tool.dbmigrate]\nwait = true\nversion-order = "numeric"\n[tool.x]\na = 1\n'
    assert project_file.read(str(tmp_path)).values["DBMIGRATE_VERSION_ORDER"].text == "numeric"


def test_a_section_that_is_a_table_of_tables_alone_gets_its_key_above_them(tmp_path: Path) -> None:
    put(tmp_path, "pyproject.toml", "[tool.dbmigrate]\n[tool.dbmigrate.lint]\ndisable = []\n")

    assert project_file.read(str(tmp_path)).values["DBMIGRATE_VERSION_ORDER"].text == "numeric"


@pytest.mark.parametrize(
    "before", ["[tool.dbmigrate.lint]\ndisable = []\n", '[project]\ndependencies = ["dbmigrate"]\n', "# dbmigrate\n"]
)
def test_a_section_that_is_not_there_is_made(tmp_path: Path, before: str) -> None:
    text = put(tmp_path, "pyproject.toml", before)

    assert text.startswith(before)
    assert project_file.read(str(tmp_path)).values["DBMIGRATE_VERSION_ORDER"].text == "numeric"


def test_a_file_that_is_wrong_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "dbmigrate.toml").write_text("what\n")

    with pytest.raises(ConfigError):
        project_file_edit.put(str(tmp_path), VALUES)

    assert (tmp_path / "dbmigrate.toml").read_text() == "what\n"
