"""Servers that leave nothing behind."""

import re
import signal
import threading
from pathlib import Path
from time import sleep

import psycopg
import pytest

from dbmigrate import errors
from dbmigrate.connection.programs import Search, find_server
from dbmigrate.embedded import Options, throwaway_server
from tests.support.children import child, commands_of_children, eventually, is_running

HOLD_A_SERVER = """
import sys
from pathlib import Path
from dbmigrate.connection.programs import Search, find_server
from dbmigrate.embedded import throwaway_server
with throwaway_server(find_server(Search()), cache=Path(sys.argv[1])) as server:
    print(server.pid, server.directory.parent, flush=True)
    sys.stdin.read()
"""

MAKE_A_CLUSTER = """
from dbmigrate.connection.programs import Search, find_server
from dbmigrate.embedded import throwaway_server
print(flush=True)
with throwaway_server(find_server(Search())):
    pass
"""


@pytest.fixture
def binaries():
    return find_server(Search())


def ask(server, statement, **more):
    with psycopg.connect(**server.conninfo(), **more) as conn:
        return conn.execute(statement).fetchone()[0]


def test_a_server_answers_inside_the_block_and_is_gone_after_it(binaries, cluster_cache):
    with throwaway_server(binaries, cache=cluster_cache) as server:
        assert ask(server, "show server_version") == binaries.version
        place = server.directory.parent

    assert not is_running(server.pid)
    assert not place.exists()


def test_a_server_is_gone_after_an_error_in_the_block(binaries, cluster_cache):
    with pytest.raises(ZeroDivisionError), throwaway_server(binaries, cache=cluster_cache) as server:
        raise ZeroDivisionError

    assert not is_running(server.pid)
    assert not server.directory.parent.exists()


def test_it_listens_on_no_network(binaries, cluster_cache):
    with throwaway_server(binaries, cache=cluster_cache) as server:
        assert ask(server, "show listen_addresses") == ""


def test_nobody_else_may_use_its_socket(binaries, cluster_cache):
    with throwaway_server(binaries, cache=cluster_cache) as server:
        assert server.socket_directory.stat().st_mode & 0o777 == 0o700
        assert server.directory.stat().st_mode & 0o777 == 0o700


def test_with_a_port_it_listens_on_this_machine_and_wants_a_password(binaries, cluster_cache, unused_port):
    with throwaway_server(binaries, cache=cluster_cache, options=Options(port=unused_port)) as server:
        assert ask(server, "show listen_addresses") == "127.0.0.1"

        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(host="127.0.0.1", port=unused_port, user="postgres")


def test_settings_of_the_caller_win(binaries, cluster_cache):
    options = Options(settings={"wal_level": "logical", "max_wal_senders": "3"})

    with throwaway_server(binaries, cache=cluster_cache, options=options) as server:
        assert ask(server, "show wal_level") == "logical"


def test_neither_locale_nor_time_zone_comes_from_the_machine(binaries, monkeypatch):
    monkeypatch.setenv("LC_ALL", "tr_TR.UTF-8")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.setenv("PGDATA", "/nonexistent")
    monkeypatch.setenv("PGPORT", "1")

    with throwaway_server(binaries) as server:
        assert ask(server, "show timezone") == "UTC"
        assert ask(server, "select lower('I') || upper('é')") == "iÉ"
        assert ask(server, "select datcollate from pg_database where datname = 'template1'") == "C"


def test_a_server_that_does_not_start_says_why(binaries, cluster_cache):
    with (
        pytest.raises(errors.ConnectionFailed, match=r"did not start$") as caught,
        throwaway_server(binaries, cache=cluster_cache, options=Options(settings={"shared_buffers": "lots"})),
    ):
        pytest.fail("it started")

    assert caught.value.code == "E301"
    assert 'invalid value for parameter "shared_buffers": "lots"' in dict(caught.value.details)["log"]
    directory = re.search(r"in (.*)/data did", caught.value.message)[1]
    assert not Path(directory).exists()


def test_a_server_that_is_too_slow_is_given_up(binaries, cluster_cache):
    with (
        pytest.raises(errors.ConnectionFailed, match=r"did not start within 0 s"),
        throwaway_server(binaries, cache=cluster_cache, options=Options(start_timeout=0)),
    ):
        pytest.fail("it started in no time")


def test_a_cluster_is_made_once_and_copied_ever_after(binaries, tmp_path):
    for _ in range(2):
        with throwaway_server(binaries, cache=tmp_path) as server:
            assert ask(server, "select count(*) from pg_database") == 3

    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.matrix
def test_several_threads_may_fill_the_cache_at_once(binaries, tmp_path):
    answers = []

    def use_a_server():
        with throwaway_server(binaries, cache=tmp_path) as server:
            answers.append(ask(server, "select 1"))

    threads = [threading.Thread(target=use_a_server) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == [1, 1, 1]
    assert len(list(tmp_path.iterdir())) == 1


def test_a_cache_that_cannot_be_written_is_an_error_with_its_path(binaries, tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(errors.ConfigError) as caught, throwaway_server(binaries, cache=tmp_path / "file" / "cache"):
        pytest.fail("it started")

    assert caught.value.code == "E207"
    assert str(tmp_path / "file") in caught.value.message


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_process_leaves_neither_server_nor_directory(cluster_cache, number):
    with child(HOLD_A_SERVER, cluster_cache) as holder:
        pid, place = holder.line().split()
        assert is_running(int(pid))

        holder.process.send_signal(number)

        assert eventually(lambda: not is_running(int(pid)))
        assert eventually(lambda: not Path(place).exists())


def test_a_process_killed_during_initdb_leaves_nothing():
    with child(MAKE_A_CLUSTER) as maker:
        maker.line()
        assert eventually(lambda: has_child(maker.process.pid, "initdb"))
        place = guarded_by(maker.process.pid)
        assert place.exists()

        maker.process.kill()

        assert eventually(lambda: not place.exists())
    sleep(0.3)
    assert not place.exists()  # nor did initdb go on and make it again


def has_child(pid: int, program: str) -> bool:
    return any(Path(words[0]).name == program for words in commands_of_children(pid))


def guarded_by(pid: int) -> Path:
    """The directory that the watchdog of a process is to remove."""
    (words,) = [words for words in commands_of_children(pid) if "dbmigrate-watchdog" in words]
    return Path(words[words.index("dbmigrate-watchdog") + 2])
