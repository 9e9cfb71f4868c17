"""Replacing the schema file."""

from __future__ import annotations

import os
import stat

import pytest

from dbmigrate.errors import ConfigError, PlanError
from dbmigrate.schema.file import read, write_atomically


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def umask():
    """Sets the umask of this process until the test ends."""
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


def test_a_new_file_is_written_with_its_directories(tmp_path, umask):
    umask(0o027)
    path = tmp_path / "a" / "b" / "schema.sql"

    assert write_atomically(path, "é\r\n\n") is True
    assert path.read_bytes() == "é\r\n\n".encode()
    assert mode_of(path) == 0o640


def test_a_changed_file_keeps_its_mode_and_owner(tmp_path):
    path = tmp_path / "schema.sql"
    path.write_text("old")
    path.chmod(0o664)
    if os.geteuid() == 0:
        os.chown(path, 1234, 1235)
    before = path.stat()

    assert write_atomically(path, "new") is True
    after = path.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["schema.sql"]


def test_an_identical_file_is_not_touched(tmp_path):
    path = tmp_path / "schema.sql"
    path.write_text("same")
    before = path.stat()

    assert write_atomically(path, "same") is False
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == (before.st_mtime_ns, before.st_ino)


def test_a_reader_keeps_the_old_file_whole(tmp_path):
    path = tmp_path / "schema.sql"
    path.write_text("old")
    with open(path) as reader:
        write_atomically(path, "new")

        assert reader.read() == "old"


@pytest.mark.parametrize("exists", [True, False])
def test_a_symbolic_link_is_written_through(tmp_path, exists):
    target = tmp_path / "real" / "schema.sql"
    link = tmp_path / "schema.sql"
    link.symlink_to("real/schema.sql")
    if exists:
        target.parent.mkdir()
        target.write_text("old")

    assert write_atomically(link, "new") is True
    assert link.is_symlink()
    assert target.read_text() == "new"


def test_a_pipe_is_written_to_directly(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert write_atomically(path, "text") is True
        assert os.read(reader, 10) == b"text"
    finally:
        os.close(reader)


@pytest.mark.parametrize("name", ["directory", "file/schema.sql", "x" * 300])
def test_a_place_that_cannot_be_written_is_named(tmp_path, name):
    (tmp_path / "directory").mkdir()
    (tmp_path / "file").write_text("")

    with pytest.raises(ConfigError) as caught:
        write_atomically(tmp_path / name, "text")

    assert caught.value.code == "E207"
    assert name in caught.value.message
    assert sorted(os.listdir(tmp_path)) == ["directory", "file"]


def test_text_is_read_with_its_line_ends(tmp_path):
    path = tmp_path / "schema.sql"
    path.write_bytes("a\r\né".encode())

    assert read(path) == "a\r\né"


def test_a_file_that_is_not_there_or_not_utf8_is_named(tmp_path):
    with pytest.raises(ConfigError) as missing:
        read(tmp_path / "schema.sql")
    (tmp_path / "latin.sql").write_bytes(b"a\n\xe9")
    with pytest.raises(PlanError) as latin:
        read(tmp_path / "latin.sql")

    assert (missing.value.code, latin.value.code) == ("E207", "E238")
    assert "No such file" in missing.value.message
    assert str(latin.value.place) == f"{tmp_path}/latin.sql:2:1"
