"""Env files: what is read, what is refused, and where each value is from."""

import os

import pytest

from dbmigrate.errors import ConfigError
from dbmigrate.model import Place
from dbmigrate.settings import env_file


def read(tmp_path, **files):
    """Write files (`a` becomes ``a.env``) and read them in this order; the values by name."""
    for name, content in files.items():
        (tmp_path / f"{name}.env").write_bytes(content.encode() if isinstance(content, str) else content)
    found = env_file.read([f"{name}.env" for name in files], cwd=str(tmp_path))
    return {name: setting.text for name, setting in found.settings.items()}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("X=1", "1"),
        ("X = 1", "1"),
        ("export X=1", "1"),
        ("X=", ""),
        ("X=ab#cd", "ab#cd"),
        ("X=ab #cd", "ab"),
        ('X="a#b" # c', "a#b"),
        ('X="l1\\nl2"', "l1\nl2"),
        ('X="l1\nl2"', "l1\nl2"),
        ('X="l1\r\nl2"\r\n', "l1\nl2"),
        ("X='it\\'s'", "it's"),
        ("X=1\r\n", "1"),
        ("\ufeffX=1", "1"),
        ("# a comment\n\n  X=1", "1"),
        ("X=postgres://u:p@h/d?sslmode=disable", "postgres://u:p@h/d?sslmode=disable"),
        ("X=1\nX=2", "2"),
        ("X=1\nexport X", "1"),
    ],
)
def test_values_are_read(tmp_path, text, expected):
    assert read(tmp_path, a=text) == {"X": expected}


@pytest.mark.parametrize("value", ["a$BC", "$A", "${A}", "pa$$word", "\\$A", "${HOME}z"])
def test_a_dollar_is_a_dollar(tmp_path, value):
    assert read(tmp_path, a=f"A=one\nX={value}\nY='{value}'") == {"A": "one", "X": value, "Y": value}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("INVALID ENV FILE\n", 1),
        ("X: yaml", 1),
        ("A=1\n\n\nX", 4),
        ("A=1\n# comment\n  broken-name=1", 3),
        ("A='two\nlines'\nX='open\nB=1", 3),
        ("=5", 1),
        ('A="x" junk', 1),
        ("A=1\r\n\r\nB C\r\n", 3),
        ("A=1\nB=\0", 2),
    ],
)
def test_a_line_that_cannot_be_read_is_an_error_with_its_place(tmp_path, text, line):
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, a=text)

    assert caught.value.code == "E204"
    assert caught.value.place == Place("a.env", line)


def test_a_broken_line_is_not_quoted(tmp_path):
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, a="DATABASE_URL 'postgres://u:s3cret@h/d'")

    assert "s3cret" not in f"{caught.value} {caught.value.hint}"


def test_bytes_that_are_not_utf8_are_an_error_with_their_line(tmp_path):
    with pytest.raises(ConfigError, match="not valid UTF-8") as caught:
        read(tmp_path, a=b"A=1\nB=\xe9\n")

    assert caught.value.code == "E204"
    assert caught.value.place == Place("a.env", 2)


def test_the_first_file_that_sets_a_name_wins(tmp_path):
    assert read(tmp_path, a="X=1", b="X=2\nY=2", c="Y=3\nZ=3") == {"X": "1", "Y": "2", "Z": "3"}


def test_a_name_set_to_nothing_hides_the_later_files(tmp_path):
    assert read(tmp_path, a="X=", b="X=2") == {"X": ""}


def test_each_value_knows_its_file_and_line(tmp_path):
    (tmp_path / ".env").write_text("# comment\n\nA='1\n2'\nB=3\n\n\nC=4\n")

    settings = env_file.read([".env"], cwd=str(tmp_path)).settings

    assert {name: setting.origin for name, setting in settings.items()} == {"A": ".env:3", "B": ".env:5", "C": ".env:8"}


def test_a_missing_file_is_no_error_but_known(tmp_path):
    (tmp_path / "here").write_text("A=1")

    found = env_file.read(["here", "gone", "here/below"], cwd=str(tmp_path))

    assert (found.found, found.missing) == (("here",), ("gone", "here/below"))


def test_a_directory_in_place_of_a_file_is_an_error(tmp_path):
    (tmp_path / ".env").mkdir()

    with pytest.raises(ConfigError, match=r"\.env cannot be read: Is a directory") as caught:
        env_file.read([".env"], cwd=str(tmp_path))

    assert caught.value.code == "E207"


def test_an_absolute_path_is_not_looked_for_in_the_directory(tmp_path):
    (tmp_path / "x.env").write_text("A=1")

    assert env_file.read([str(tmp_path / "x.env")], cwd="/nowhere").settings["A"].text == "1"


def test_the_environment_of_the_process_is_not_touched(tmp_path):
    before = dict(os.environ)

    read(tmp_path, a="PATH=/evil\nDBMIGRATE_TEST_NEW=1")

    assert dict(os.environ) == before


def test_values_do_not_show_in_a_repr(tmp_path):
    (tmp_path / ".env").write_text("DATABASE_URL=postgres://u:s3cret@h/d")

    assert "s3cret" not in repr(env_file.read([".env"], cwd=str(tmp_path)))
    assert "s3cret" not in repr(env_file.read([".env"], cwd=str(tmp_path)).settings)
