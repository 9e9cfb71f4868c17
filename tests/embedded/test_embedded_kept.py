"""Servers whose data stays."""

import os
import signal
from pathlib import Path

import psycopg
import pytest

from dbmigrate import errors
from dbmigrate.connection.programs import Search
from dbmigrate.embedded import Patience, kept_server
from tests.support.children import child, eventually, is_running

HOLD_A_SERVER = """
import sys
from pathlib import Path
from dbmigrate.connection.programs import Search
from dbmigrate.embedded import kept_server
import psycopg
with kept_server(Path(sys.argv[1]), Search()) as server:
    with psycopg.connect(**server.conninfo(), autocommit=True) as conn:
        conn.execute("create table if not exists visits (visitor text)")
        conn.execute("insert into visits values ('the child')")
    print(server.pid, server.socket_directory.parent, flush=True)
    sys.stdin.read()
"""


def ask(server, statement):
    with psycopg.connect(**server.conninfo(), autocommit=True) as conn:
        cursor = conn.execute(statement)
        return cursor.fetchall() if cursor.description else None


def test_data_outlives_the_server(open_tmp_path):
    with kept_server(open_tmp_path / "db", Search()) as server:
        ask(server, "create table kept as select 42 as answer")
    assert not is_running(server.pid)

    with kept_server(open_tmp_path / "db", Search()) as server:
        assert ask(server, "select answer from kept") == [(42,)]


def test_data_is_durable_and_the_network_is_shut(open_tmp_path):
    with kept_server(open_tmp_path / "db", Search()) as server:
        assert ask(server, "show fsync") == [("on",)]
        assert ask(server, "show full_page_writes") == [("on",)]
        assert ask(server, "show synchronous_commit") == [("off",)]
        assert ask(server, "show listen_addresses") == [("",)]


def test_a_stopped_server_was_shut_down_cleanly_and_left_only_the_data(open_tmp_path):
    directory = open_tmp_path / "not" / "there" / "yet"
    with kept_server(directory, Search()) as server:
        socket_directory = server.socket_directory

    assert sorted(os.listdir(directory)) == [".gitignore", "data", "dbmigrate.lock"]
    assert not (directory / "data" / "postmaster.pid").exists()
    assert (directory / ".gitignore").read_text() == "*\n"
    assert not socket_directory.parent.exists()


@pytest.mark.parametrize("name", ["x" * 200, "a b, 'c' \"d\" $e", "ünïcödé", "-rf"])
def test_any_path_will_do(open_tmp_path, name):
    with kept_server(open_tmp_path / name, Search()) as server:
        assert ask(server, "select 1") == [(1,)]
    assert (open_tmp_path / name / "data" / "PG_VERSION").exists()


def test_a_relative_path_is_below_the_working_directory(open_tmp_path, monkeypatch):
    monkeypatch.chdir(open_tmp_path)

    with kept_server(Path("db"), Search()) as server:
        assert server.directory == open_tmp_path / "db" / "data"


def test_somebody_elses_directory_is_refused_and_left_alone(open_tmp_path):
    (open_tmp_path / "file").write_text("mine")
    (open_tmp_path / "PG_VERSION").write_text("18\n")
    mode = open_tmp_path.stat().st_mode

    with pytest.raises(errors.ConfigError, match="it is not empty, and dbmigrate did not make it") as caught:
        start(open_tmp_path)

    assert caught.value.code == "E207"
    assert sorted(os.listdir(open_tmp_path)) == ["PG_VERSION", "file"]
    assert open_tmp_path.stat().st_mode == mode


def test_a_file_in_the_way_is_an_error(open_tmp_path):
    (open_tmp_path / "db").touch()

    with pytest.raises(errors.ConfigError, match="Not a directory") as caught:
        start(open_tmp_path / "db")

    assert caught.value.code == "E207"


def test_data_of_a_version_that_is_not_here_is_refused(kept_directory):
    (kept_directory / "data" / "PG_VERSION").write_text("12\n")

    with pytest.raises(errors.ToolMissing, match="was made by PostgreSQL 12") as caught:
        start(kept_directory)

    assert caught.value.code == "E206"
    assert str(kept_directory) in caught.value.hint


@pytest.mark.parametrize("text", ["", "eighteen\n", "18.6\n", "²\n"])
def test_a_damaged_version_file_is_an_error(kept_directory, text):
    (kept_directory / "data" / "PG_VERSION").write_text(text)

    with pytest.raises(errors.ConfigError, match="PG_VERSION does not hold a version") as caught:
        start(kept_directory)

    assert caught.value.code == "E207"


def test_a_half_made_cluster_is_made_again(open_tmp_path):
    (open_tmp_path / "db" / "data.new" / "base").mkdir(parents=True)
    (open_tmp_path / "db" / "dbmigrate.lock").touch()

    with kept_server(open_tmp_path / "db", Search()) as server:
        assert ask(server, "select 1") == [(1,)]
    assert not (open_tmp_path / "db" / "data.new").exists()


def test_a_second_process_gives_up_when_its_patience_ends(open_tmp_path):
    with child(HOLD_A_SERVER, open_tmp_path / "db") as holder:
        holder.line()

        with pytest.raises(errors.LockNotAcquired, match=f"in use by process {holder.process.pid}") as caught:
            start(open_tmp_path / "db", Patience(timeout=0.1))

        assert (caught.value.code, caught.value.exit_code) == ("E601", 6)


def test_a_second_process_waits_until_the_first_is_finished(open_tmp_path):
    told = []
    with child(HOLD_A_SERVER, open_tmp_path / "db") as holder:
        holder.line()

        def let_it_finish(sentence):
            told.append(sentence)
            holder.process.stdin.close()

        with kept_server(open_tmp_path / "db", Search(), patience=Patience(on_wait=let_it_finish)) as server:
            assert ask(server, "select visitor from visits") == [("the child",)]

    assert [f"process {holder.process.pid}; waiting" in sentence for sentence in told] == [True]


def test_a_killed_process_leaves_its_data_and_nothing_else(open_tmp_path):
    with child(HOLD_A_SERVER, open_tmp_path / "db") as holder:
        pid, place = holder.line().split()

        holder.process.kill()

        # at once: the lock is not free before the old server has ended
        with kept_server(open_tmp_path / "db", Search()) as server:
            assert not is_running(int(pid))
            assert ask(server, "select visitor from visits") == [("the child",)]
        assert eventually(lambda: not Path(place).exists())


def test_data_whose_server_was_killed_is_recovered(open_tmp_path):
    with kept_server(open_tmp_path / "db", Search()) as server:
        ask(server, "create table kept as select 42 as answer")
        ask(server, "checkpoint")
        os.kill(server.pid, signal.SIGKILL)

    with kept_server(open_tmp_path / "db", Search()) as server:
        assert ask(server, "select answer from kept") == [(42,)]


def start(directory, patience=None):
    with kept_server(directory, Search(), patience=patience):
        pytest.fail("it started")


@pytest.fixture
def kept_directory(open_tmp_path):
    """What an earlier run left, as far as it matters before a server is started."""
    directory = open_tmp_path / "db"
    (directory / "data").mkdir(parents=True)
    (directory / "dbmigrate.lock").touch()
    return directory
